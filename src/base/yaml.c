#include "base/yaml.h"

#include <math.h>
#include <yaml.h>

#include "base/mem.h"

enum { MAX_NODES = 200000, MAX_DEPTH = 100 };

struct reader {
    yaml_parser_t parser;
    struct str text;
    json_t *anchors;        /* name to tree */
    size_t nodes;           /* of this document; aliases count each time they are used */
    struct err *e;
};

static void event_done(yaml_event_t *ev) { yaml_event_delete(ev); }
#define AUTO_EVENT AUTO(event_done)

static void reader_done(struct reader *r)
{
    yaml_parser_delete(&r->parser);
    json_decref(r->anchors);
}

static errc event_to_json(struct reader *r, const yaml_event_t *ev, int depth, json_t **out);

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

/* Neither quoted nor tagged: its text says what type it is of. */
static bool is_plain(const yaml_event_t *ev)
{
    return ev->data.scalar.plain_implicit && ev->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
}

static json_t *scalar_to_json(const yaml_event_t *ev)
{
    const char *text = (const char *)ev->data.scalar.value;

    return is_plain(ev) ? plain_scalar(text) : json_strn(str_n(text, ev->data.scalar.length));
}

static bool tab_indents(struct str text, size_t line)
{
    struct str rest = text, found = { 0 };

    for (size_t i = 0; i <= line; i++)
        if (!str_next(&rest, '\n', &found))
            return false;
    for (size_t i = 0; i < found.n && (found.p[i] == ' ' || found.p[i] == '\t'); i++)
        if (found.p[i] == '\t')
            return true;
    return false;
}

/* libyaml's words for what it could not read. */
static errc syntax_error(struct reader *r)
{
    const yaml_parser_t *p = &r->parser;

    if (tab_indents(r->text, p->problem_mark.line))
        return err_set(r->e, ERR_BAD_REQUEST, "yaml: line %zu, column %zu: a tab cannot indent; use spaces", p->problem_mark.line + 1, p->problem_mark.column + 1);
    if (p->error == YAML_READER_ERROR)
        return err_set(r->e, ERR_BAD_REQUEST, "yaml: byte %zu: %s", p->problem_offset, p->problem);
    return err_set(r->e, ERR_BAD_REQUEST, "yaml: line %zu, column %zu: %s", p->problem_mark.line + 1, p->problem_mark.column + 1,
                   p->problem ? p->problem : "cannot be parsed");
}

static errc next(struct reader *r, yaml_event_t *ev)
{
    return yaml_parser_parse(&r->parser, ev) ? ERR_OK : syntax_error(r);
}

static errc count(struct reader *r, int depth)
{
    if (++r->nodes > MAX_NODES || depth > MAX_DEPTH)
        return err_set(r->e, ERR_TOO_LARGE, "yaml: more than %d values or %d levels", MAX_NODES, MAX_DEPTH);
    return ERR_OK;
}

/* An alias gets a tree of its own: what is made of one use must not change another. */
static errc copy_tree(struct reader *r, json_t *from, int depth, json_t **out)
{
    const char *key;
    size_t i;
    json_t *item, *copied;

    TRY(count(r, depth));
    if (!json_is_object(from) && !json_is_array(from)) {
        *out = json_incref(from);
        return ERR_OK;
    }
    AUTO_JSON copy = json_is_object(from) ? json_object() : json_array();
    json_object_foreach(from, key, item) {
        TRY(copy_tree(r, item, depth + 1, &copied));
        json_put(copy, key, copied);
    }
    json_array_foreach(from, i, item) {
        TRY(copy_tree(r, item, depth + 1, &copied));
        json_push(copy, copied);
    }
    *out = TAKE(copy);
    return ERR_OK;
}

static errc alias_to_json(struct reader *r, const char *anchor, int depth, json_t **out)
{
    json_t *target = json_object_get(r->anchors, anchor);

    if (!target)
        return err_set(r->e, ERR_BAD_REQUEST, "yaml: unknown anchor '%s'", anchor);
    return copy_tree(r, target, depth, out);
}

static errc sequence_to_json(struct reader *r, int depth, json_t **out)
{
    AUTO_JSON list = json_array();

    for (;;) {
        AUTO_EVENT yaml_event_t ev = { 0 };
        json_t *j;
        TRY(next(r, &ev));
        if (ev.type == YAML_SEQUENCE_END_EVENT)
            break;
        TRY(event_to_json(r, &ev, depth + 1, &j));
        json_push(list, j);
    }
    *out = TAKE(list);
    return ERR_OK;
}

/* `<<: *a` or `<<: [*a, *b]`: keys that the mapping does not set itself. */
static errc merge_into(struct reader *r, json_t *object, json_t *value)
{
    size_t i;
    json_t *item;

    if (json_is_object(value))
        json_object_update_missing(object, value);
    else if (json_is_array(value))
        json_array_foreach(value, i, item)
            TRY(merge_into(r, object, item));
    else
        return err_set(r->e, ERR_BAD_REQUEST, "yaml: map merge requires map or sequence of maps as the value");
    return ERR_OK;
}

/* The value that follows a key's event. */
static errc pair_to_json(struct reader *r, const yaml_event_t *key, int depth, json_t *object, json_t *merged)
{
    AUTO_EVENT yaml_event_t ev = { 0 };
    AUTO_JSON value = NULL;
    const char *name = key->type == YAML_SCALAR_EVENT ? (const char *)key->data.scalar.value : NULL;

    if (!name || strlen(name) != key->data.scalar.length)
        return err_set(r->e, ERR_BAD_REQUEST, "yaml: line %zu: a mapping key is not a plain text", key->start_mark.line + 1);
    if (json_object_get(object, name))
        return err_set(r->e, ERR_BAD_REQUEST, "yaml: line %zu: key \"%s\" already set in map", key->start_mark.line + 1, name);
    TRY(next(r, &ev));
    TRY(event_to_json(r, &ev, depth + 1, &value));
    if (streq(name, "<<") && is_plain(key))
        return merge_into(r, merged, value);
    json_put(object, name, TAKE(value));
    return ERR_OK;
}

static errc mapping_to_json(struct reader *r, int depth, json_t **out)
{
    AUTO_JSON object = json_object();
    AUTO_JSON merged = json_object();

    for (;;) {
        AUTO_EVENT yaml_event_t key = { 0 };
        TRY(next(r, &key));
        if (key.type == YAML_MAPPING_END_EVENT)
            break;
        TRY(pair_to_json(r, &key, depth, object, merged));
    }
    json_object_update_missing(object, merged);
    *out = TAKE(object);
    return ERR_OK;
}

/* The tree that starts with ev; the events of its inside are read. An anchor is known once its tree is whole, so none contains itself. */
static errc event_to_json(struct reader *r, const yaml_event_t *ev, int depth, json_t **out)
{
    const yaml_char_t *anchor = NULL;

    if (ev->type == YAML_ALIAS_EVENT)
        return alias_to_json(r, (const char *)ev->data.alias.anchor, depth, out);
    TRY(count(r, depth));
    if (ev->type == YAML_MAPPING_START_EVENT) {
        anchor = ev->data.mapping_start.anchor;
        TRY(mapping_to_json(r, depth, out));
    } else if (ev->type == YAML_SEQUENCE_START_EVENT) {
        anchor = ev->data.sequence_start.anchor;
        TRY(sequence_to_json(r, depth, out));
    } else {
        anchor = ev->data.scalar.anchor;
        *out = scalar_to_json(ev);
    }
    if (anchor)
        json_put(r->anchors, (const char *)anchor, json_incref(*out));
    return ERR_OK;
}

/* The document that follows its start event; anchors are a document's own. */
static errc document_to_json(struct reader *r, json_t **out)
{
    AUTO_EVENT yaml_event_t root = { 0 };
    AUTO_EVENT yaml_event_t end = { 0 };
    AUTO_JSON tree = NULL;

    json_object_clear(r->anchors);
    r->nodes = 0;
    TRY(next(r, &root));
    TRY(event_to_json(r, &root, 0, &tree));
    TRY(next(r, &end));
    *out = TAKE(tree);
    return ERR_OK;
}

/* Calls take(arg, tree) for each document; take owns the tree and says whether to go on. */
static errc each_document(struct str text, bool (*take)(void *arg, json_t *), void *arg, struct err *e)
{
    AUTO(reader_done) struct reader r = { .text = text, .anchors = json_object(), .e = e };
    json_t *tree;

    if (!yaml_parser_initialize(&r.parser))
        return err_set(e, ERR_INTERNAL, "yaml: no parser");
    if (!str_utf8_valid(text))
        return err_set(e, ERR_BAD_REQUEST, "yaml: not valid UTF-8");
    yaml_parser_set_input_string(&r.parser, (const unsigned char *)(text.n ? text.p : ""), text.n);
    yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
    for (bool more = true; more;) {
        AUTO_EVENT yaml_event_t ev = { 0 };
        TRY(next(&r, &ev));
        if (ev.type == YAML_STREAM_END_EVENT)
            break;
        if (ev.type != YAML_DOCUMENT_START_EVENT)
            continue;
        TRY(document_to_json(&r, &tree));
        more = take(arg, tree);
    }
    return ERR_OK;
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
