#include "tune/peft.h"

#include <math.h>

#include "base/file.h"
#include "base/mem.h"
#include "tensor/safetensors.h"
#include "tune/match.h"

static json_t *number(double x)
{
    return x == floor(x) && fabs(x) < 1e15 ? json_integer((json_int_t)x) : json_real(x);
}

/* Plain keys as they are; an expression as the paths it matches, which every reader knows. */
static json_t *pattern_json(const struct lora_set *s, const struct tune_pattern *p)
{
    json_t *o = json_object();

    for (size_t i = 0; i < p->n; i++) {
        if (!match_is_expression(p->names[i]))
            json_put(o, p->names[i], number(p->values[i]));
        for (size_t k = 0; match_is_expression(p->names[i]) && k < s->n; k++)
            if (match_tail(p->names[i], s->params[k].linear->path) && match_value(p, s->params[k].linear->path, -1) == p->values[i])
                json_put(o, s->params[k].linear->path, number(p->values[i]));
    }
    return o;
}

static bool holds(const json_t *list, const char *name)
{
    for (size_t i = 0; i < json_array_size(list); i++)
        if (streq(json_string_value(json_array_get(list, i)), name))
            return true;
    return false;
}

/* The configured names that match something; else the last components of the adapted modules. */
static json_t *targets_json(const struct lora_set *s, const struct tune_config *c)
{
    json_t *list = json_array();
    bool named = c->lora.target_given && !c->lora.all_linear;

    if (named && match_is_expression(c->lora.target_modules.v[0])) {
        json_decref(list);
        return json_string(c->lora.target_modules.v[0]);
    }
    for (size_t i = 0; i < s->n; i++) {
        const char *path = s->params[i].linear->path, *dot = strrchr(path, '.');
        const char *name = named ? lora_match(path, &c->lora.target_modules) : dot ? dot + 1 : path;
        if (name && !holds(list, name))
            json_push(list, json_string(name));
    }
    return list;
}

static json_t *layers_json(const struct tune_config *c)
{
    if (c->lora.n_layers == 0)
        return json_null();
    json_t *list = json_array();
    for (size_t i = 0; i < c->lora.n_layers; i++)
        json_push(list, json_integer(c->lora.layers[i]));
    return list;
}

static json_t *names_json(const struct tune_names *n)
{
    if (n->n == 0)
        return json_null();
    json_t *list = json_array();
    for (size_t i = 0; i < n->n; i++)
        json_push(list, json_string(n->v[i]));
    return list;
}

static json_t *text_or_null(const char *s)
{
    return s ? json_string(s) : json_null();
}

void peft_config(const struct lora_set *s, const struct tune_config *c, json_t **out)
{
    json_t *o = json_object();

    json_put(o, "alpha_pattern", pattern_json(s, &c->lora.alpha_pattern));
    json_put(o, "auto_mapping", json_null());
    json_put(o, "base_model_name_or_path", json_string(c->lora.base_model ? c->lora.base_model : c->model.path));
    json_put(o, "bias", json_string(c->lora.bias));
    json_put(o, "fan_in_fan_out", json_false());
    json_put(o, "inference_mode", json_true());
    json_put(o, "init_lora_weights", json_boolean(c->lora.init_weights));
    json_put(o, "layer_replication", json_null());
    json_put(o, "layers_pattern", names_json(&c->lora.layers_pattern));
    json_put(o, "layers_to_transform", layers_json(c));
    json_put(o, "loftq_config", json_object());
    json_put(o, "lora_alpha", number(c->lora.alpha));
    json_put(o, "lora_dropout", json_real(c->lora.dropout));
    json_put(o, "megatron_config", json_null());
    json_put(o, "megatron_core", json_string("megatron.core"));
    json_put(o, "modules_to_save", names_json(&c->lora.modules_to_save));
    json_put(o, "peft_type", json_string("LORA"));
    json_put(o, "r", json_integer(c->lora.r));
    json_put(o, "rank_pattern", pattern_json(s, &c->lora.rank_pattern));
    json_put(o, "revision", text_or_null(c->lora.revision));
    json_put(o, "target_modules", targets_json(s, c));
    json_put(o, "task_type", json_string("CAUSAL_LM"));     /* upstream leaves null and fills auto_mapping; both load */
    json_put(o, "use_dora", json_boolean(c->lora.dora));
    json_put(o, "use_rslora", json_boolean(c->lora.rslora));
    *out = o;
}

static errc write_values(const char *dir, const struct lora_set *s, struct err *e)
{
    AUTO_MEM char *path = path_join(dir, "adapter_model.safetensors");
    size_t n;
    struct lora_tensor *all = lora_tensors(s, &n);
    struct safetensors_item *items = xcalloc(n + 1, sizeof *items);

    for (size_t i = 0; i < n; i++)
        items[i] = (struct safetensors_item){ all[i].name, { .dtype = DTYPE_F32, .ndim = all[i].cols ? 2 : 1, .len = lora_tensor_len(&all[i]),
                                              .shape = { all[i].rows, all[i].cols }, .data = s->w + all[i].at } };
    errc rc = safetensors_write(path, items, n, e);
    free(items);
    lora_tensors_free(all, n);
    return rc;
}

errc peft_write(const char *dir, const struct lora_set *s, const struct tune_config *c, struct err *e)
{
    AUTO_MEM char *path = path_join(dir, "adapter_config.json");
    AUTO_BUF text = { 0 };
    AUTO_JSON config = NULL;

    TRY(dir_make(dir, 0755, e));
    TRY(write_values(dir, s, e));
    peft_config(s, c, &config);
    json_write_pretty(config, 2, &text);
    return file_write_atomic(path, buf_str(&text), 0644, e);
}

static const char *method_name(const struct tune_config *c)
{
    if (c->quant.in_4bit)
        return streq(c->quant.quant_type, "fp4") ? "QLoRA (FP4 base weights)" : "QLoRA (NF4 base weights)";
    return c->quant.in_8bit ? "LoRA on 8-bit base weights" : "LoRA";
}

errc peft_write_card(const char *dir, const struct lora_set *s, const struct tune_config *c, const struct peft_card *card, struct err *e)
{
    AUTO_MEM char *path = path_join(dir, "README.md");
    AUTO_BUF t = { 0 };
    const char *base = c->lora.base_model ? c->lora.base_model : c->model.path;

    buf_addf(&t, "---\nbase_model: %s\nlibrary_name: peft\ntags:\n- lora\n---\n\n# LoRA adapter for %s\n\n", base, card->model_name);
    buf_addf(&t, "Made by kaito " KAITO_VERSION " with %s on %s.\n\n", method_name(c), card->data_name);
    buf_addf(&t, "| | |\n| --- | --- |\n| rank, alpha, dropout | %lld, %g, %g |\n| adapted modules | %zu (%zu parameters) |\n", (long long)c->lora.r,
             c->lora.alpha, c->lora.dropout, s->n, s->total);
    buf_addf(&t, "| rows, optimiser steps, tokens | %llu, %llu, %llu |\n| learning rate, schedule | %g, %s |\n| seed | %lld |\n",
             (unsigned long long)card->rows, (unsigned long long)card->steps, (unsigned long long)card->tokens, c->train.learning_rate,
             c->train.schedule_name, (long long)c->train.seed);
    buf_addf(&t, "| training loss: first step, mean, last step | %.4f, %.4f, %.4f |\n\n", card->first_loss, card->mean_loss, card->last_loss);
    if (card->without_effect.n)
        buf_addf(&t, "Without effect:\n\n```\n%.*s```\n\n", STR_ARG(card->without_effect));
    buf_adds(&t, "Load it with `peft.PeftModel.from_pretrained(base_model, \"<this folder>\")`, or serve it beside its base model with\n"
                 "`kaito serve --model BASE --adapter <this folder>`.\n");
    return file_write_atomic(path, buf_str(&t), 0644, e);
}
