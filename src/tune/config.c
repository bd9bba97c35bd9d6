/* Reads the document: each key by its row in config_keys.c, then config_check.c asks what they say together. */
#include "tune/config_priv.h"

#include <math.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/yaml.h"

#define CONFIG_BYTES_MAX (1u << 20)

/* --- values, as the argument parser upstream reads them ---------------------------------------------------------------- */

bool config_text_in(struct str text, const char *choices)
{
    struct str rest = str_of(choices), piece;

    while (str_next(&rest, '|', &piece))
        if (str_ieq(text, piece))
            return true;
    return false;
}

/* What str() would print, near enough to compare and to show; lists and maps are JSON. Malloc'd. */
static char *value_text(const json_t *v)
{
    if (json_is_string(v))
        return xstrdup(json_string_value(v));
    return json_is_real(v) ? xasprintf("%.10g", json_real_value(v)) : json_text(v);
}

static bool to_bool(const json_t *v, bool *out)
{
    if (json_is_boolean(v)) {
        *out = json_is_true(v);
        return true;
    }
    AUTO_MEM char *text = value_text(v);
    bool yes = config_text_in(str_of(text), "true|yes|t|y|1"), no = config_text_in(str_of(text), "false|no|f|n|0");

    *out = yes;
    return yes || no;
}

static bool to_number(const json_t *v, double *out)
{
    if (json_is_number(v)) {
        *out = json_number_value(v);
        return true;
    }
    return json_is_string(v) && str_to_f64(json_to_str(v), out);
}

static bool is_null(const json_t *v)
{
    return json_is_null(v) || (json_is_string(v) && config_text_in(json_to_str(v), "None|null"));
}

static bool is_inert(const json_t *v, const struct key *k)
{
    double number;

    if (is_null(v) || ((json_is_array(v) || json_is_object(v)) && !json_array_size(v) && !json_object_size(v)))
        return true;
    if (to_number(v, &number) && number == 0 && streq(k->inert, "0"))
        return true;
    AUTO_MEM char *text = value_text(v);
    return !*text || config_text_in(str_of(text), k->inert);
}

static errc bad(const struct reader *r, const struct key *k, const json_t *v, const char *want, struct err *e)
{
    AUTO_MEM char *text = value_text(v);

    return err_set(e, ERR_INVALID, "%s.%s: \"%.120s\" %s", r->section->name, k->name, text, want);
}

void config_note(struct reader *r, const char *key, const char *text, const char *say)
{
    tune_config_note(r->c, "%s.%s: \"%.120s\": %s", r->section->name, key, text, say);
}

static errc store_number(const struct reader *r, const struct key *k, const json_t *v, struct err *e)
{
    char *at = (char *)r->c + k->off;
    double x;

    if (!to_number(v, &x) || (k->kind == INT && x != floor(x)))
        return bad(r, k, v, k->kind == INT ? "is no whole number" : "is no number", e);
    if (k->min < k->max && (x < k->min || x > k->max)) {
        AUTO_MEM char *want = xasprintf("is outside %.10g to %.10g", k->min, k->max);
        return bad(r, k, v, want, e);
    }
    if (k->kind == INT)
        *(int64_t *)(void *)at = (int64_t)x;
    else
        *(double *)(void *)at = x;
    return ERR_OK;
}

/* A list of strings; one string is a list of one, as for a typed list on a command line. */
static errc store_list(const struct reader *r, const struct key *k, const json_t *v, struct err *e)
{
    struct tune_names *out = (struct tune_names *)(void *)((char *)r->c + k->off);
    size_t n = json_is_array(v) ? json_array_size(v) : 1;

    if (n < (size_t)k->min)
        return bad(r, k, v, "names nothing; remove the key for the default, or name some", e);
    free(out->v);
    *out = (struct tune_names){ .v = xcalloc(n, sizeof *out->v) };
    for (size_t i = 0; i < n; i++) {
        const json_t *item = json_is_array(v) ? json_array_get(v, i) : v;
        if (!json_is_string(item) || !json_string_length(item))
            return bad(r, k, v, "is no list of names", e);
        out->v[out->n++] = json_string_value(item);
    }
    return ERR_OK;
}

static errc store_layers(const struct reader *r, const struct key *k, const json_t *v, struct err *e)
{
    size_t n = json_is_array(v) ? json_array_size(v) : 1;

    free(r->c->lora.layers);
    r->c->lora.layers = xcalloc(n, sizeof(int64_t));
    r->c->lora.n_layers = n;
    for (size_t i = 0; i < n; i++) {
        double x;
        if (!to_number(json_is_array(v) ? json_array_get(v, i) : v, &x) || x < 0 || x != floor(x))
            return bad(r, k, v, "is no list of layer numbers", e);
        r->c->lora.layers[i] = (int64_t)x;
    }
    return ERR_OK;
}

static errc store_pattern(const struct reader *r, const struct key *k, const json_t *v, struct err *e)
{
    struct tune_pattern *out = (struct tune_pattern *)(void *)((char *)r->c + k->off);
    const char *name;
    json_t *item;

    if (!json_is_object(v))
        return bad(r, k, v, "is no map from module names to numbers", e);
    free(out->names);
    free(out->values);
    *out = (struct tune_pattern){ .names = xcalloc(json_object_size(v) + 1, sizeof *out->names),
                                  .values = xcalloc(json_object_size(v) + 1, sizeof *out->values) };
    json_object_foreach((json_t *)(uintptr_t)v, name, item) {
        double x;
        if (!to_number(item, &x) || x < k->min || x > k->max || (k->min == 1 && x != floor(x)))
            return bad(r, k, v, "has a value that is no number in range", e);
        out->names[out->n] = name;
        out->values[out->n++] = x;
    }
    return ERR_OK;
}

static errc store(const struct reader *r, const struct key *k, json_t *v, struct err *e)
{
    char *at = (char *)r->c + k->off;
    bool b;

    if (is_null(v))
        return ERR_OK;
    switch (k->kind) {
    case BOOL:
        if (!to_bool(v, &b))
            return bad(r, k, v, "is neither true nor false", e);
        *(bool *)(void *)at = b;
        return ERR_OK;
    case INT: case NUM:
        return store_number(r, k, v, e);
    case LIST:
        return store_list(r, k, v, e);
    case INTS:
        return store_layers(r, k, v, e);
    case PATTERN:
        return store_pattern(r, k, v, e);
    default:
        break;
    }
    if (json_is_boolean(v))     /* `save_strategy: no` without quotes arrives as false */
        *(const char **)(void *)at = json_is_true(v) ? "yes" : "no";
    else if (json_is_string(v))
        *(const char **)(void *)at = json_string_value(v);
    else
        return bad(r, k, v, "is no text", e);
    return ERR_OK;
}

static errc take(struct reader *r, const struct key *k, json_t *v, struct err *e)
{
    if (k->rule == USE)
        return store(r, k, v, e);
    if (k->rule == QUIET || is_inert(v, k))
        return ERR_OK;
    AUTO_MEM char *text = value_text(v);
    if (k->rule == REFUSE)
        return err_set(e, ERR_INVALID, "%s.%s: \"%.120s\": %s", r->section->name, k->name, text, k->say);
    config_note(r, k->name, text, k->say);
    return ERR_OK;
}

/* Nested maps are joined by "_", as upstream flattens them. */
static errc take_map(struct reader *r, const char *prefix, json_t *map, int depth, struct err *e)
{
    const char *name;
    json_t *value;

    json_object_foreach(map, name, value) {
        AUTO_MEM char *full = *prefix ? xasprintf("%s_%s", prefix, name) : xstrdup(name);
        const struct key *k = NULL;
        for (size_t i = 0; i < r->section->n && !k; i++)
            if (streq(r->section->keys[i].name, full))
                k = &r->section->keys[i];
        if (k)
            TRY(take(r, k, value, e));
        else if (json_is_object(value) && depth < 4)
            TRY(take_map(r, full, value, depth + 1, e));
        else
            return config_unknown_key(r->section, full, e);
    }
    return ERR_OK;
}

static errc take_section(struct reader *r, const char *name, json_t *map, struct err *e)
{
    r->section = NULL;
    for (size_t i = 0; i < SECTION_COUNT; i++)
        if (streq(name, config_sections[i].name))
            r->section = &config_sections[i];
    if (!r->section)
        return config_unknown_section(name, e);
    if (json_is_null(map))
        return ERR_OK;
    if (!json_is_object(map))
        return err_set(e, ERR_INVALID, "%s: must be a map of keys", name);
    return take_map(r, "", map, 0, e);
}

/* --- the document -------------------------------------------------------------------------------------------------------- */

static errc read_document(struct reader *r, struct err *e)
{
    json_t *root = r->c->doc, *value;
    const char *name;

    if (json_is_object(root) && json_object_get(root, "training_config"))
        root = json_object_get(root, "training_config");
    else if (!json_is_null(root))
        return err_set(e, ERR_INVALID, "no map \"training_config\" at the top; see the lora-params-template");
    if (!json_is_object(root) && !json_is_null(root))
        return err_set(e, ERR_INVALID, "training_config: must be a map of sections");
    json_object_foreach(root, name, value)
        TRY(take_section(r, name, value, e));
    return config_check(r, e);
}

/* Of the documents of a manifest the one that configures training; a file of one document has that. */
static errc choose_document(json_t *all, json_t **out, struct err *e)
{
    json_t *found = json_array_size(all) == 1 ? json_array_get(all, 0) : NULL, *one;
    size_t i;

    if (json_array_size(all) > 1)
        json_array_foreach(all, i, one) {
            if (!json_object_get(one, "training_config") && !json_at(one, "data", "training_config.yaml", NULL))
                continue;
            if (found)
                return err_set(e, ERR_INVALID, "two of its documents hold a training_config; keep one");
            found = one;
        }
    if (!found && json_array_size(all))
        return err_set(e, ERR_INVALID, "none of its %zu documents holds a training_config", json_array_size(all));
    *out = found ? json_incref(found) : json_null();
    return ERR_OK;
}

static errc parse_documents(struct str yaml, json_t **out, struct err *e)
{
    AUTO_JSON all = NULL;

    TRY(yaml_parse_all(yaml, &all, e));
    return choose_document(all, out, e);
}

/* A ConfigMap, as it lies in a manifest, holds the document as a text. */
static errc unwrap_config_map(json_t **doc, struct err *e)
{
    const json_t *text = json_at(*doc, "data", "training_config.yaml", NULL);
    json_t *inner = NULL;

    if (!streq(json_cstr(*doc, "kind"), "ConfigMap"))
        return ERR_OK;
    if (!json_is_string(text))
        return err_set(e, ERR_INVALID, "no map \"training_config\" at the top, and the ConfigMap has no text data.\"training_config.yaml\"; see the lora-params-template");
    if (yaml_parse(json_to_str(text), &inner, e))
        return err_wrap(e, "data.training_config.yaml");
    json_decref(*doc);
    *doc = inner;
    return ERR_OK;
}

/* Keys and values are quoted in messages and may hold anything; a message is one line. */
static void flatten(char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < 0x20 || *text == 0x7f)
            *text = ' ';
}

errc tune_config_parse(struct str yaml, const char *name, struct tune_config *out, struct err *e)
{
    struct reader r = { .c = out };
    struct err why;

    *out = (struct tune_config){ 0 };
    config_defaults(out);
    errc rc = parse_documents(yaml, &out->doc, &why);
    if (rc == ERR_OK)
        rc = unwrap_config_map(&out->doc, &why);
    if (rc == ERR_OK)
        rc = read_document(&r, &why);
    if (rc == ERR_OK)
        return ERR_OK;
    flatten(why.text);
    return err_set(e, ERR_INVALID, "%s: %s", name, why.text);
}

errc tune_config_read(const char *path, struct tune_config *out, struct err *e)
{
    AUTO_BUF text = { 0 };

    *out = (struct tune_config){ 0 };
    if (file_read(path, CONFIG_BYTES_MAX, &text, e))
        return err_wrap(e, "--config");
    return tune_config_parse(buf_str(&text), path, out, e);
}

void tune_config_note(struct tune_config *c, const char *fmt, ...)
{
    AUTO_BUF line = { 0 };
    va_list ap;

    va_start(ap, fmt);
    buf_vaddf(&line, fmt, ap);
    va_end(ap);
    vec_grow(c->notes.v, c->notes.n, c->notes_cap);
    c->notes.v[c->notes.n++] = buf_take(&line);
}

void tune_config_done(struct tune_config *c)
{
    for (size_t i = 0; i < c->notes.n; i++)
        free((char *)(uintptr_t)c->notes.v[i]);
    free(c->notes.v);
    free(c->lora.target_modules.v);
    free(c->lora.layers_pattern.v);
    free(c->lora.modules_to_save.v);
    free(c->lora.layers);
    free(c->lora.rank_pattern.names);
    free(c->lora.rank_pattern.values);
    free(c->lora.alpha_pattern.names);
    free(c->lora.alpha_pattern.values);
    json_decref(c->doc);
    *c = (struct tune_config){ 0 };
}
