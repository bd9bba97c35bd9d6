/* The parts of `inspect` about text: tokens and chat templates. */
#include <stdio.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/options.h"
#include "cli/inspect.h"
#include "template/template.h"
#include "tokenizer/tokenizer.h"

/* ---- tokens ---- */

static errc answer_tokens(void *self, const json_t *in, json_t **out, struct err *e)
{
    const struct tokenizer *t = self;
    struct str text = json_to_str(json_object_get(in, "text"));
    AUTO_IDS ids = { 0 };
    AUTO_BUF whole = { 0 }, skipped = { 0 };

    if (!text.p)
        return err_set(e, ERR_BAD_REQUEST, "text: must be a string");
    TRY(tokenizer_encode(t, text, json_flag(in, "add_special_tokens", true), &ids, e));
    tokenizer_decode(t, ids.v, ids.n, false, &whole);
    tokenizer_decode(t, ids.v, ids.n, true, &skipped);
    json_t *list = json_array();
    for (size_t i = 0; i < ids.n; i++)
        json_push(list, json_integer(ids.v[i]));
    *out = json_object();
    json_put(*out, "ids", list);
    json_put(*out, "decoded", json_strn(buf_str(&whole)));
    json_put(*out, "decoded_skip", json_strn(buf_str(&skipped)));
    return ERR_OK;
}

int inspect_tokens(int argc, char **argv)
{
    const char *model = NULL;
    const struct option_row rows[] = {
        { .name = "model", .kind = OPT_STR, .value = &model, .arg = "DIR", .help = "The model folder, with tokenizer.json.", .required = true },
    };
    const struct command_help help = { .usage = "kaito-runtime inspect tokens --model DIR",
                                       .summary = "Reads {\"text\", \"add_special_tokens\": true} lines, writes {\"ids\", \"decoded\", \"decoded_skip\"}." };
    AUTO_FREE(tokenizer) t = NULL;
    struct err e;
    errc rc = options_parse(rows, ARRAY_LEN(rows), &help, argc, argv, NULL, &e);

    if (!rc)
        rc = tokenizer_load(model, &t, &e);
    if (!rc)
        rc = inspect_lines(answer_tokens, t, &e);
    return inspect_end(argv[0], rc, &e);
}

/* ---- chat ---- */

struct chat_inspection {
    const struct template *template;
    const char *bos, *eos, *pad, *unk;
};

static errc answer_chat(void *self, const json_t *in, json_t **out, struct err *e)
{
    const struct chat_inspection *c = self;
    const char *today = json_cstr(in, "today");
    AUTO_JSON vars = json_object();
    AUTO_BUF text = { 0 };

    if (!json_is_object(in))
        return err_set(e, ERR_BAD_REQUEST, "expected an object with messages");
    json_put_str(vars, "bos_token", c->bos);
    json_put_str(vars, "eos_token", c->eos);
    json_put_str(vars, "pad_token", c->pad);
    json_put_str(vars, "unk_token", c->unk);
    json_put(vars, "tools", json_null());
    json_put(vars, "documents", json_null());
    json_put_bool(vars, "add_generation_prompt", false);
    json_object_update(vars, (json_t *)(uintptr_t)in);
    json_object_del(vars, "today");
    TRY(template_render(c->template, vars, &(struct template_limits){ .today = today }, &text, e));
    *out = json_object();
    json_put(*out, "text", json_strn(buf_str(&text)));
    return ERR_OK;
}

static errc chat_lines(const char *model, const char *file, struct chat_inspection *c, struct err *e)
{
    AUTO_FREE(tokenizer) t = NULL;
    AUTO_FREE(template) own = NULL;
    AUTO_BUF source = { 0 };

    if (!model && !file)
        return err_set(e, ERR_BAD_REQUEST, "give --model DIR or --template FILE");
    if (model) {
        TRY(tokenizer_load(model, &t, e));
        const struct tokenizer_info *i = tokenizer_info(t);
        c->template = i->chat_template;
        c->bos = c->bos ? c->bos : i->bos_token;
        c->eos = c->eos ? c->eos : i->eos_token;
        c->pad = i->pad_token, c->unk = i->unk_token;
    }
    if (file) {
        TRY(file_read(file, 1 << 20, &source, e));
        TRY(template_compile(buf_str(&source), file, &own, e));
        c->template = own;
    }
    if (!c->template)
        return err_set(e, ERR_UNSUPPORTED, "%s: the model has no chat template: give --template FILE", model);
    return inspect_lines(answer_chat, c, e);
}

int inspect_chat(int argc, char **argv)
{
    const char *model = NULL, *file = NULL;
    struct chat_inspection c = { 0 };
    const struct option_row rows[] = {
        { .name = "model", .kind = OPT_STR, .value = &model, .arg = "DIR", .help = "The model folder, with its chat template." },
        { .name = "template", .kind = OPT_STR, .value = &file, .arg = "FILE", .help = "A template instead of the model's." },
        { .name = "bos", .kind = OPT_STR, .value = &c.bos, .arg = "S", .help = "bos_token." },
        { .name = "eos", .kind = OPT_STR, .value = &c.eos, .arg = "S", .help = "eos_token." },
    };
    const struct command_help help = { .usage = "kaito-runtime inspect chat --model DIR | --template FILE [--bos S] [--eos S]",
                                       .summary = "Reads {\"messages\", \"tools\", \"documents\", \"add_generation_prompt\", ...} lines, writes {\"text\"} or {\"error\"}. "
                                                  "\"today\" (2026-11-23) sets the date that strftime_now sees." };
    struct err e;
    errc rc = options_parse(rows, ARRAY_LEN(rows), &help, argc, argv, NULL, &e);

    if (!rc)
        rc = chat_lines(model, file, &c, &e);
    return inspect_end(argv[0], rc, &e);
}
