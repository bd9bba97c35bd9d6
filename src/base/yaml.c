#include "base/yaml.h"

#include <libfyaml.h>
#include <math.h>

#include "base/mem.h"

enum { MAX_NODES = 200000, MAX_DEPTH = 100 };

struct walk {
    size_t nodes;           /* visited, aliases counted each time they are used */
    struct err *e;
};

static errc to_json(struct walk *w, struct fy_node *n, int depth, json_t **out);

/* Base 10, 0x, 0o and YAML 1.1's leading-zero octal; underscores are not numbers here. */
static bool parse_integer(const char *s, json_t **out)
{
    const char *digits = s + (*s == '-' || *s == '+');
    int base = 10;
    char *end;

    if (digits[0] == '0' && (digits[1] == 'x' || digits[1] == 'o')) {
        base = digits[1] == 'x' ? 16 : 8;
        digits += 2;
    } else if (digits[0] == '0' && digits[1])
        base = 8;
    if (!*digits || strspn(digits, base == 16 ? "0123456789abcdefABCDEF" : base == 8 ? "01234567" : "0123456789") != strlen(digits))
        return false;
    unsigned long long v = strtoull(digits, &end, base);
    if (strlen(digits) > 19 || v > INT64_MAX)
        return false;
    *out = json_integer(*s == '-' ? -(json_int_t)v : (json_int_t)v);
    return true;
}

static bool parse_real(const char *s, json_t **out)
{
    double v;
    const char *digits = s + (*s == '-' || *s == '+');

    if (!(*digits >= '0' && *digits <= '9') && *digits != '.')
        return false;
    if (!str_to_f64(str_of(s), &v) || !isfinite(v))
        return false;
    *out = json_real(v);
    return true;
}

static json_t *plain_scalar(const char *s)
{
    static const struct { const char *text; int value; } words[] = {        /* 0 false, 1 true, 2 null */
        { "", 2 }, { "~", 2 }, { "null", 2 }, { "Null", 2 }, { "NULL", 2 },
        { "true", 1 }, { "True", 1 }, { "TRUE", 1 }, { "yes", 1 }, { "Yes", 1 }, { "YES", 1 }, { "on", 1 }, { "On", 1 }, { "ON", 1 },
        { "false", 0 }, { "False", 0 }, { "FALSE", 0 }, { "no", 0 }, { "No", 0 }, { "NO", 0 }, { "off", 0 }, { "Off", 0 }, { "OFF", 0 },
    };
    json_t *j;

    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (streq(s, words[i].text))
            return words[i].value == 2 ? json_null() : json_boolean(words[i].value);
    return parse_integer(s, &j) || parse_real(s, &j) ? j : json_strn(str_of(s));
}

static json_t *scalar_to_json(struct fy_node *n)
{
    size_t len = 0;
    const char *p = fy_node_get_scalar(n, &len);
    const char *tag = fy_node_get_tag(n, &(size_t){ 0 });
    enum fy_node_style style = fy_node_get_style(n);

    if ((style == FYNS_PLAIN || style == FYNS_ANY) && !tag) {
        AUTO_MEM char *s = xstrndup(p ? p : "", p ? len : 0);
        return plain_scalar(s);
    }
    return json_strn(str_n(p ? p : "", p ? len : 0));
}

static errc sequence_to_json(struct walk *w, struct fy_node *n, int depth, json_t **out)
{
    AUTO_JSON list = json_array();
    void *at = NULL;

    for (struct fy_node *item; (item = fy_node_sequence_iterate(n, &at));) {
        json_t *j;
        TRY(to_json(w, item, depth + 1, &j));
        json_push(list, j);
    }
    *out = TAKE(list);
    return ERR_OK;
}

/* `<<: *a` or `<<: [*a, *b]`: keys that the mapping does not set itself. */
static errc merge_into(struct walk *w, json_t *object, json_t *value)
{
    size_t i;
    json_t *item;

    if (json_is_object(value))
        json_object_update_missing(object, value);
    else if (json_is_array(value))
        json_array_foreach(value, i, item)
            TRY(merge_into(w, object, item));
    else
        return err_set(w->e, ERR_BAD_REQUEST, "yaml: map merge requires map or sequence of maps as the value");
    return ERR_OK;
}

static errc pair_to_json(struct walk *w, struct fy_node_pair *pair, int depth, json_t *object, json_t *merged)
{
    struct fy_node *key_node = fy_node_pair_key(pair);
    size_t len = 0;
    const char *key = key_node && fy_node_is_scalar(key_node) ? fy_node_get_scalar(key_node, &len) : NULL;
    AUTO_JSON value = NULL;

    if (!key || memchr(key, '\0', len))
        return err_set(w->e, ERR_BAD_REQUEST, "yaml: a mapping key is not a plain text");
    AUTO_MEM char *name = xstrndup(key, len);
    if (json_object_get(object, name))
        return err_set(w->e, ERR_BAD_REQUEST, "yaml: key \"%s\" already set in map", name);
    TRY(to_json(w, fy_node_pair_value(pair), depth + 1, &value));
    if (streq(name, "<<") && fy_node_get_style(key_node) == FYNS_PLAIN)
        return merge_into(w, merged, value);
    json_put(object, name, TAKE(value));
    return ERR_OK;
}

static errc mapping_to_json(struct walk *w, struct fy_node *n, int depth, json_t **out)
{
    AUTO_JSON object = json_object();
    AUTO_JSON merged = json_object();
    void *at = NULL;

    for (struct fy_node_pair *pair; (pair = fy_node_mapping_iterate(n, &at));)
        TRY(pair_to_json(w, pair, depth, object, merged));
    json_object_update_missing(object, merged);
    *out = TAKE(object);
    return ERR_OK;
}

static errc to_json(struct walk *w, struct fy_node *n, int depth, json_t **out)
{
    if (++w->nodes > MAX_NODES || depth > MAX_DEPTH)
        return err_set(w->e, ERR_TOO_LARGE, "yaml: more than %d values or %d levels", MAX_NODES, MAX_DEPTH);
    if (!n) {
        *out = json_null();
        return ERR_OK;
    }
    if (fy_node_is_alias(n)) {          /* resolved here, not by the library, so that the limits above count every use */
        struct fy_node *target = fy_node_resolve_alias(n);
        if (!target)
            return err_set(w->e, ERR_BAD_REQUEST, "yaml: unknown anchor '%s'", fy_node_get_scalar0(n));
        return to_json(w, target, depth + 1, out);
    }
    if (fy_node_is_mapping(n))
        return mapping_to_json(w, n, depth, out);
    if (fy_node_is_sequence(n))
        return sequence_to_json(w, n, depth, out);
    *out = scalar_to_json(n);
    return ERR_OK;
}

/* libfyaml's own messages go to a diagnostic object, from which the first one is taken. */
static errc parse_failure(struct fy_diag *diag, struct err *e)
{
    void *at = NULL;
    struct fy_diag_error *de = diag ? fy_diag_errors_iterate(diag, &at) : NULL;

    if (de)
        return err_set(e, ERR_BAD_REQUEST, "yaml: line %d, column %d: %s", de->line, de->column, de->msg);
    return err_set(e, ERR_BAD_REQUEST, "yaml: cannot be parsed");
}

static void parser_free(struct fy_parser **p) { if (*p) fy_parser_destroy(*p); }
static void diag_free(struct fy_diag **d) { if (*d) fy_diag_destroy(*d); }
static void document_free(struct fy_document **d) { if (*d) fy_document_destroy(*d); }

/* Calls take(arg, tree) for each document; take owns the tree and says whether to go on. */
static errc each_document(struct str text, bool (*take)(void *arg, json_t *), void *arg, struct err *e)
{
    struct fy_diag_cfg diag_cfg;
    fy_diag_cfg_default(&diag_cfg);
    diag_cfg.fp = NULL;
    diag_cfg.output_fn = NULL;
    AUTO(diag_free) struct fy_diag *diag = fy_diag_create(&diag_cfg);
    if (diag)
        fy_diag_set_collect_errors(diag, true);
    struct fy_parse_cfg cfg = { .flags = FYPCF_QUIET | FYPCF_DISABLE_RECYCLING, .diag = diag };
    AUTO(parser_free) struct fy_parser *parser = fy_parser_create(&cfg);
    bool more = true;

    if (!str_utf8_valid(text))
        return err_set(e, ERR_BAD_REQUEST, "yaml: not valid UTF-8");
    if (!parser || fy_parser_set_string(parser, text.n ? text.p : "", text.n))
        return err_set(e, ERR_INTERNAL, "yaml: no parser");
    while (more) {
        AUTO(document_free) struct fy_document *doc = fy_parse_load_document(parser);
        json_t *tree;
        if (!doc)
            break;
        struct walk w = { .e = e };
        TRY(to_json(&w, fy_document_root(doc), 0, &tree));
        more = take(arg, tree);
    }
    return fy_parser_get_stream_error(parser) ? parse_failure(diag, e) : ERR_OK;
}

static bool take_first(void *arg, json_t *tree)
{
    json_t **out = arg;

    json_decref(*out);
    *out = tree;
    return false;
}

static bool take_all(void *arg, json_t *tree)
{
    if (json_is_null(tree))
        json_decref(tree);
    else
        json_push(arg, tree);
    return true;
}

errc yaml_parse(struct str text, json_t **out, struct err *e)
{
    AUTO_JSON first = json_null();

    TRY(each_document(text, take_first, &first, e));
    *out = TAKE(first);
    return ERR_OK;
}

errc yaml_parse_all(struct str text, json_t **out, struct err *e)
{
    AUTO_JSON all = json_array();

    TRY(each_document(text, take_all, all, e));
    *out = TAKE(all);
    return ERR_OK;
}

static void write_value(const json_t *j, int indent, bool in_list, struct buf *out);

static bool needs_quotes(const char *s)
{
    AUTO_JSON read = plain_scalar(s);

    return !json_is_string(read) || !*s || strpbrk(s, ":#\n\r\t\"'\\{}[],&*!|>%@`") || *s == '-' || *s == '?' || *s == ' ' ||
           s[strlen(s) - 1] == ' ';
}

static void write_scalar(const json_t *j, struct buf *out)
{
    if (json_is_string(j) && !needs_quotes(json_string_value(j)))
        buf_adds(out, json_string_value(j));
    else
        json_write(j, out);         /* JSON is YAML */
}

static void write_list(const json_t *j, int indent, struct buf *out)
{
    size_t i;
    json_t *item;

    json_array_foreach((json_t *)(uintptr_t)j, i, item) {
        buf_addf(out, "%*s- ", indent, "");
        write_value(item, indent + 2, true, out);
    }
}

static void write_object(const json_t *j, int indent, bool in_list, struct buf *out)
{
    const char *key;
    json_t *value;
    bool first = true;

    json_object_foreach((json_t *)(uintptr_t)j, key, value) {
        AUTO_JSON name = json_strn(str_of(key));
        buf_addf(out, "%*s", first && in_list ? 0 : indent, "");
        write_scalar(name, out);
        buf_addc(out, ':');
        bool nested = (json_is_object(value) && json_object_size(value)) || (json_is_array(value) && json_array_size(value));
        buf_addc(out, nested ? '\n' : ' ');
        write_value(value, json_is_array(value) ? indent : indent + 2, false, out);
        first = false;
    }
}

static void write_value(const json_t *j, int indent, bool in_list, struct buf *out)
{
    if (json_is_object(j) && json_object_size(j))
        write_object(j, indent, in_list, out);
    else if (json_is_array(j) && json_array_size(j)) {
        if (in_list)
            buf_addc(out, '\n');
        write_list(j, indent, out);
    } else {
        write_scalar(j, out);
        buf_addc(out, '\n');
    }
}

void yaml_write(const json_t *j, struct buf *out) { write_value(j, 0, false, out); }
