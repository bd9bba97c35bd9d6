#include "workspace/validate/go_yaml.h"

#include <ctype.h>
#include <stdlib.h>
#include <yaml.h>

#include "base/mem.h"

struct go_yaml { yaml_document_t doc; };

/* yaml.v2's own choice of the line: scanner errors count from 1 behind the mark, parser errors stay on it. */
static void explain(const yaml_parser_t *p, struct str text, struct buf *why)
{
    size_t line = p->problem_mark.line, n = 1;

    if (p->error == YAML_COMPOSER_ERROR && p->problem && strstr(p->problem, "alias")) {
        struct str alias = str_from(text, p->problem_mark.index);

        while (n < alias.n && (isalnum((unsigned char)alias.p[n]) || alias.p[n] == '_' || alias.p[n] == '-'))
            n++;
        buf_addf(why, "yaml: unknown anchor '%.*s' referenced", (int)(n - 1), alias.p + 1);
        return;
    }
    if (line != 0)
        line += p->error == YAML_SCANNER_ERROR;
    else
        line = p->context_mark.line;
    buf_adds(why, "yaml: ");
    if (line != 0)
        buf_addf(why, "line %zu: ", line);
    buf_adds(why, p->problem ? p->problem : "unknown problem parsing YAML content");
}

#define OPEN_MAX 64                     /* deeper ones are not looked for */

/* The anchors of the collections that are not at their end yet, outermost first. */
struct open_anchors { char name[OPEN_MAX][64]; size_t n; };

static void open_collection(struct open_anchors *open, const yaml_char_t *anchor)
{
    if (open->n < OPEN_MAX)
        snprintf(open->name[open->n], sizeof open->name[0], "%s", anchor ? (const char *)anchor : "");
    open->n++;
}

static bool is_open(const struct open_anchors *open, const char *anchor)
{
    for (size_t i = 0; i < open->n && i < OPEN_MAX; i++)
        if (streq(open->name[i], anchor))
            return true;
    return false;
}

/* What one event does to them; false: it is an alias of one, named in why. */
static bool follow(struct open_anchors *open, const yaml_event_t *event, struct buf *why)
{
    if (event->type == YAML_MAPPING_START_EVENT)
        open_collection(open, event->data.mapping_start.anchor);
    else if (event->type == YAML_SEQUENCE_START_EVENT)
        open_collection(open, event->data.sequence_start.anchor);
    else if (event->type == YAML_MAPPING_END_EVENT || event->type == YAML_SEQUENCE_END_EVENT)
        open->n--;
    else if (event->type == YAML_ALIAS_EVENT && is_open(open, (const char *)event->data.alias.anchor))
        buf_addf(why, "yaml: anchor '%s' value contains itself", event->data.alias.anchor);
    return why->n == 0;
}

errc go_yaml_check_aliases(struct str text, struct buf *why)
{
    struct open_anchors open = { 0 };
    yaml_parser_t p;
    bool on = true;

    if (!yaml_parser_initialize(&p))
        abort();
    yaml_parser_set_input_string(&p, (const unsigned char *)(text.p ? text.p : ""), text.n);
    while (on) {
        yaml_event_t event;

        if (!yaml_parser_parse(&p, &event))
            break;              /* go_yaml_parse tells why */
        on = follow(&open, &event, why) && event.type != YAML_DOCUMENT_END_EVENT && event.type != YAML_STREAM_END_EVENT;
        yaml_event_delete(&event);
    }
    yaml_parser_delete(&p);
    return why->n > 0 ? ERR_INVALID : ERR_OK;
}

errc go_yaml_parse(struct str text, struct go_yaml **out, struct buf *why)
{
    yaml_parser_t p;
    struct go_yaml *y = xmalloc(sizeof *y);

    *out = NULL;
    if (!yaml_parser_initialize(&p))
        abort();
    yaml_parser_set_input_string(&p, (const unsigned char *)(text.p ? text.p : ""), text.n);
    bool good = yaml_parser_load(&p, &y->doc);

    if (!good)
        explain(&p, text, why);
    yaml_parser_delete(&p);
    if (!good) {
        free(y);
        return ERR_INVALID;
    }
    *out = y;
    return ERR_OK;
}

void go_yaml_free(struct go_yaml *y)
{
    if (!y)
        return;
    yaml_document_delete(&y->doc);
    free(y);
}

static yaml_node_t *node_of(const struct go_yaml *y, go_ref ref)
{
    return y && ref ? yaml_document_get_node((yaml_document_t *)(uintptr_t)&y->doc, ref) : NULL;
}

go_ref go_yaml_root(const struct go_yaml *y)
{
    return y && yaml_document_get_root_node((yaml_document_t *)(uintptr_t)&y->doc) ? 1 : 0;
}

enum go_kind go_yaml_kind(const struct go_yaml *y, go_ref ref)
{
    const yaml_node_t *n = node_of(y, ref);

    return n && n->type == YAML_SEQUENCE_NODE ? GO_SEQ : n && n->type == YAML_MAPPING_NODE ? GO_MAP : GO_SCALAR;
}

struct str go_yaml_text(const struct go_yaml *y, go_ref ref)
{
    const yaml_node_t *n = node_of(y, ref);

    return n && n->type == YAML_SCALAR_NODE ? str_n((const char *)n->data.scalar.value, n->data.scalar.length) : (struct str){ 0 };
}

static bool is_one_of(struct str s, const char *list)
{
    struct str all = str_of(list), word;

    while (str_next(&all, ' ', &word))
        if (str_eq(s, word))
            return true;
    return false;
}

static bool looks_like_integer(struct str s)
{
    size_t at = s.n > 0 && (s.p[0] == '-' || s.p[0] == '+') ? 1 : 0;
    bool hex = s.n > at + 2 && s.p[at] == '0' && s.p[at + 1] == 'x', bin = s.n > at + 2 && s.p[at] == '0' && s.p[at + 1] == 'b';

    if (at == s.n || s.p[at] == '_')
        return false;
    for (size_t i = hex || bin ? at + 2 : at; i < s.n; i++)
        if (s.p[i] != '_' && !(hex ? isxdigit((unsigned char)s.p[i]) : bin ? (s.p[i] == '0' || s.p[i] == '1') : isdigit((unsigned char)s.p[i])))
            return false;
    return true;
}

static size_t digits_of(struct str s, size_t at)
{
    size_t n = 0;

    while (at + n < s.n && isdigit((unsigned char)s.p[at + n]))
        n++;
    return n;
}

/* [-+]? (. digits | digits (. digits?)?) ([eE] [-+]? digits)? */
static bool is_yaml_float(struct str s)
{
    size_t at = s.n > 0 && (s.p[0] == '-' || s.p[0] == '+') ? 1 : 0, whole = digits_of(s, at), part = 0;

    at += whole;
    if (at < s.n && s.p[at] == '.') {
        part = digits_of(s, at + 1);
        at += 1 + part;
    }
    if (whole + part == 0)
        return false;
    if (at < s.n && (s.p[at] | 32) == 'e') {
        at += at + 1 < s.n && (s.p[at + 1] == '-' || s.p[at + 1] == '+') ? 2 : 1;
        part = digits_of(s, at);
        if (part == 0)
            return false;
        at += part;
    }
    return at == s.n;
}

static bool looks_like_float(struct str s)
{
    AUTO_BUF plain = { 0 };

    if (is_one_of(s, ".inf .Inf .INF +.inf +.Inf +.INF -.inf -.Inf -.INF .nan .NaN .NAN"))
        return true;
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] != '_')
            buf_addc(&plain, s.p[i]);
    return s.n > 0 && s.p[0] != '_' && is_yaml_float(buf_str(&plain));
}

/* yaml.v2's resolve(): the tag of a plain scalar. */
static const char *tag_of(const yaml_node_t *n)
{
    struct str s;

    if (n->type == YAML_SEQUENCE_NODE)
        return "!!seq";
    if (n->type == YAML_MAPPING_NODE)
        return "!!map";
    s = str_n((const char *)n->data.scalar.value, n->data.scalar.length);
    if (n->data.scalar.style != YAML_PLAIN_SCALAR_STYLE)
        return "!!str";
    if (s.n == 0 || is_one_of(s, "~ null Null NULL"))
        return "!!null";
    if (is_one_of(s, "y Y yes Yes YES on On ON true True TRUE n N no No NO off Off OFF false False FALSE"))
        return "!!bool";
    return looks_like_integer(s) ? "!!int" : looks_like_float(s) ? "!!float" : "!!str";
}

bool go_yaml_is_null(const struct go_yaml *y, go_ref ref)
{
    const yaml_node_t *n = node_of(y, ref);

    return !n || (n->type == YAML_SCALAR_NODE && streq(tag_of(n), "!!null"));
}

bool go_yaml_is_string(const struct go_yaml *y, go_ref ref)
{
    const yaml_node_t *n = node_of(y, ref);

    return n && n->type == YAML_SCALAR_NODE && streq(tag_of(n), "!!str");
}

bool go_yaml_is_bool(const struct go_yaml *y, go_ref ref, bool *value)
{
    const yaml_node_t *n = node_of(y, ref);

    if (!n || !streq(tag_of(n), "!!bool"))
        return false;
    *value = is_one_of(go_yaml_text(y, ref), "y Y yes Yes YES on On ON true True TRUE");
    return true;
}

const char *go_yaml_type(const struct go_yaml *y, go_ref ref)
{
    static const struct { const char *tag, *type; } types[] = {
        { "!!seq", "[]interface {}" }, { "!!map", "map[interface {}]interface {}" }, { "!!bool", "bool" }, { "!!int", "int" }, { "!!float", "float64" },
    };
    const yaml_node_t *n = node_of(y, ref);

    for (size_t i = 0; n && i < ARRAY_LEN(types); i++)
        if (streq(tag_of(n), types[i].tag))
            return types[i].type;
    return "string";
}

bool go_yaml_pair(const struct go_yaml *y, go_ref map, size_t i, go_ref *key, go_ref *value)
{
    const yaml_node_t *n = node_of(y, map);

    if (!n || n->type != YAML_MAPPING_NODE || i >= (size_t)(n->data.mapping.pairs.top - n->data.mapping.pairs.start))
        return false;
    *key = n->data.mapping.pairs.start[i].key;
    *value = n->data.mapping.pairs.start[i].value;
    return true;
}

#define MERGES_MAX 8

static go_ref find(const struct go_yaml *y, go_ref map, const char *name, int depth);

/* A map, or a list of maps of which the first one wins. */
static go_ref find_merged(const struct go_yaml *y, go_ref from, const char *name, int depth)
{
    const yaml_node_t *n = node_of(y, from);

    if (!n || n->type != YAML_SEQUENCE_NODE)
        return find(y, from, name, depth + 1);
    for (const yaml_node_item_t *item = n->data.sequence.items.start; item < n->data.sequence.items.top; item++) {
        go_ref found = find(y, *item, name, depth + 1);

        if (found)
            return found;
    }
    return 0;
}

static go_ref find(const struct go_yaml *y, go_ref map, const char *name, int depth)
{
    go_ref key, value, found = 0;

    for (size_t i = 0; depth < MERGES_MAX && go_yaml_pair(y, map, i, &key, &value); i++) {
        go_ref merged = go_yaml_is_merge(y, key) ? find_merged(y, value, name, depth) : 0;

        if (merged)
            found = merged;
        else if (str_is(go_yaml_text(y, key), name))
            found = value;
    }
    return found;
}

bool go_yaml_is_merge(const struct go_yaml *y, go_ref key)
{
    const yaml_node_t *n = node_of(y, key);

    return n && n->type == YAML_SCALAR_NODE && n->data.scalar.style == YAML_PLAIN_SCALAR_STYLE && str_is(go_yaml_text(y, key), "<<");
}

bool go_yaml_item(const struct go_yaml *y, go_ref list, size_t i, go_ref *item)
{
    const yaml_node_t *n = node_of(y, list);

    if (!n || n->type != YAML_SEQUENCE_NODE || i >= (size_t)(n->data.sequence.items.top - n->data.sequence.items.start))
        return false;
    *item = n->data.sequence.items.start[i];
    return true;
}

go_ref go_yaml_get(const struct go_yaml *y, go_ref map, const char *name)
{
    return find(y, map, name, 0);
}

static void mismatch(const struct go_yaml *y, go_ref ref, size_t line, const char *into, struct buf *out)
{
    const yaml_node_t *n = node_of(y, ref);
    struct str text = go_yaml_text(y, ref);

    buf_addf(out, "\n  line %zu: cannot unmarshal %s", line, tag_of(n));
    if (n->type == YAML_SCALAR_NODE)
        buf_addf(out, " `%.*s%s`", (int)(text.n > 10 ? 7 : text.n), text.p, text.n > 10 ? "..." : "");
    buf_addf(out, " into %s", into);
}

void go_yaml_mismatch(const struct go_yaml *y, go_ref ref, const char *into, struct buf *out)
{
    mismatch(y, ref, node_of(y, ref)->start_mark.line + 1, into, out);
}

void go_yaml_mismatch_alone(const struct go_yaml *y, go_ref ref, const char *into, struct buf *out)
{
    mismatch(y, ref, 1, into, out);
}
