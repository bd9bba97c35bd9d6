/* Unknown fields and fields given twice: what fieldValidation Strict and Warn report, and what pruning removes. */
#include "schema/priv.h"

#include "base/mem.h"

static void prune_value(const struct field *f, json_t *j, const struct path *at, struct path_list *unknown);

static void report(const struct path *at, struct path_list *unknown)
{
    AUTO_BUF b = { 0 };

    if (!unknown)
        return;
    path_add_dotted(at, &b);
    path_list_add(unknown, "%s", buf_cstr(&b));
}

static bool root_field(const char *key) { return streq(key, "apiVersion") || streq(key, "kind") || streq(key, "metadata"); }

static void prune_object(const struct type *t, bool keep, bool embedded, json_t *j, const struct path *at, struct path_list *unknown)
{
    const char *key;
    json_t *value;
    void *next;

    if (!json_is_object(j))
        return;
    keep |= (t->flags & TYPE_PRESERVE) != 0;
    json_object_foreach_safe(j, next, key, value) {
        const struct field *f = type_field(t, key);
        if (f) {
            prune_value(f, value, PATH_FIELD(at, key), unknown);
        } else if (!keep && !((embedded || (t->flags & TYPE_ROOT)) && root_field(key))) {
            report(PATH_FIELD(at, key), unknown);
            json_object_del(j, key);
        }
    }
}

static void prune_value(const struct field *f, json_t *j, const struct path *at, struct path_list *unknown)
{
    const char *key;
    json_t *value;
    size_t i;

    if (f->kind == FIELD_OBJECT) {
        prune_object(f->type, f->flags & FIELD_PRESERVE, f->flags & FIELD_EMBEDDED, j, at, unknown);
    } else if (f->kind == FIELD_LIST && f->item) {
        json_array_foreach(j, i, value)
            prune_value(f->item, value, PATH_INDEX(at, i), unknown);
    } else if (f->kind == FIELD_MAP && f->item) {
        json_object_foreach(j, key, value)
            prune_value(f->item, value, PATH_KEY(at, key), unknown);
    }
}

void schema_prune(const struct type *t, json_t *j, struct path_list *unknown)
{
    prune_object(t, false, false, j, NULL, unknown);
}

/* ---- keys that occur twice: jansson keeps only the last, so the text itself is read ------------------------------- */

struct scanner {
    const char *p, *end;
    struct path_list *out;
    int depth;
};

static bool scan_value(struct scanner *s, const struct path *at);

static void skip_space(struct scanner *s)
{
    while (s->p < s->end && (*s->p == ' ' || *s->p == '\t' || *s->p == '\n' || *s->p == '\r'))
        s->p++;
}

static bool take(struct scanner *s, char c)
{
    skip_space(s);
    if (s->p >= s->end || *s->p != c)
        return false;
    s->p++;
    return true;
}

/* Skips a string; *raw is what lies between the quotes. */
static bool scan_string(struct scanner *s, struct str *raw)
{
    if (!take(s, '"'))
        return false;
    const char *start = s->p;
    while (s->p < s->end && *s->p != '"')
        s->p += *s->p == '\\' && s->p + 1 < s->end ? 2 : 1;
    if (s->p >= s->end)
        return false;
    *raw = str_n(start, (size_t)(s->p - start));
    s->p++;
    return true;
}

/* The key with its escapes resolved; NULL when it is malformed. */
static char *key_text(struct str raw)
{
    AUTO_BUF quoted = { 0 };

    if (!memchr(raw.p, '\\', raw.n))
        return xstrndup(raw.p, raw.n);
    buf_addf(&quoted, "\"%.*s\"", STR_ARG(raw));
    AUTO_JSON j = json_loadb(quoted.p, quoted.n, JSON_DECODE_ANY, NULL);
    return j ? xstrdup(json_string_value(j)) : NULL;
}

static bool scan_member(struct scanner *s, const struct path *at, json_t *keys)
{
    struct str raw;

    if (!scan_string(s, &raw) || !take(s, ':'))
        return false;
    AUTO_MEM char *key = key_text(raw);
    if (!key || !str_utf8_valid(str_of(key)))
        return false;
    json_t *count = json_object_get(keys, key);
    if (count && json_integer_value(count) == 1)
        report(PATH_FIELD(at, key), s->out);
    json_put(keys, key, json_integer(count ? 2 : 1));
    return scan_value(s, PATH_FIELD(at, key));
}

static bool scan_object(struct scanner *s, const struct path *at)
{
    AUTO_JSON keys = json_object();

    if (take(s, '}'))
        return true;
    do {
        if (!scan_member(s, at, keys))
            return false;
    } while (take(s, ','));
    return take(s, '}');
}

static bool scan_array(struct scanner *s, const struct path *at)
{
    size_t i = 0;

    if (take(s, ']'))
        return true;
    do {
        if (!scan_value(s, PATH_INDEX(at, i)))
            return false;
        i++;
    } while (take(s, ','));
    return take(s, ']');
}

static bool scan_value(struct scanner *s, const struct path *at)
{
    struct str ignored;
    bool ok;

    skip_space(s);
    if (s->p >= s->end || ++s->depth > JSON_DEPTH_MAX)
        return false;
    if (take(s, '{')) {
        ok = scan_object(s, at);
    } else if (take(s, '[')) {
        ok = scan_array(s, at);
    } else if (*s->p == '"') {
        ok = scan_string(s, &ignored);
    } else {
        while (s->p < s->end && !strchr(",]} \t\r\n", *s->p))
            s->p++;
        ok = true;
    }
    s->depth--;
    return ok;
}

void schema_find_duplicates(struct str text, struct path_list *out)
{
    struct scanner s = { text.p, text.p + text.n, out, 0 };

    if (text.n)
        (void)scan_value(&s, NULL);     /* malformed text is the parser's to report */
}
