/* Small questions about tables, string maps, paths. */
#include "schema/priv.h"

#include "base/mem.h"

const struct field schema_item_str = { .kind = FIELD_STR, .rep = REP_STR };
const struct field schema_item_int = { .kind = FIELD_INT, .rep = REP_INT };
const struct field schema_item_any = { .kind = FIELD_ANY, .rep = REP_ANY };

const struct field *type_field(const struct type *t, const char *json_name)
{
    for (size_t i = 0; t && i < t->n_fields; i++) {
        const struct field *f = &t->fields[i];
        if (f->flags & FIELD_INLINE) {
            const struct field *inner = type_field(f->type, json_name);
            if (inner)
                return inner;
        } else if (streq(f->json, json_name)) {
            return f;
        }
    }
    return NULL;
}

struct str str_map_get(const struct str_map *m, const char *key)
{
    for (size_t i = 0; i < m->n; i++)
        if (str_is(m->items[i].key, key))
            return m->items[i].value;
    return (struct str){ 0 };
}

bool str_map_has(const struct str_map *m, const char *key, const char *value)
{
    struct str have = str_map_get(m, key);

    return have.p && str_is(have, value);
}

void str_map_put(struct arena *a, struct str_map *m, struct str key, struct str value)
{
    for (size_t i = 0; i < m->n; i++)
        if (str_eq(m->items[i].key, key)) {
            m->items[i].value = value;
            return;
        }
    struct str_pair *bigger = arena_calloc(a, m->n + 1, sizeof *bigger);
    if (m->n)
        memcpy(bigger, m->items, m->n * sizeof *bigger);
    bigger[m->n] = (struct str_pair){ key, value };
    m->items = bigger;
    m->n++;
}

void path_list_add(struct path_list *l, const char *fmt, ...)
{
    AUTO_BUF b = { 0 };
    va_list ap;

    va_start(ap, fmt);
    buf_vaddf(&b, fmt, ap);
    va_end(ap);
    vec_grow(l->items, l->n, l->cap);
    l->items[l->n++] = buf_take(&b);
}

void path_list_done(struct path_list *l)
{
    for (size_t i = 0; i < l->n; i++)
        free(l->items[i]);
    free(l->items);
    *l = (struct path_list){ 0 };
}

static void add_path(const struct path *p, bool dotted, struct buf *out)
{
    if (!p)
        return;
    add_path(p->up, dotted, out);
    if (p->name || (p->key && dotted)) {
        if (out->n)
            buf_addc(out, '.');
        buf_adds(out, p->name ? p->name : p->key);
    } else if (p->key) {
        buf_addf(out, "[%s]", p->key);
    } else {
        buf_addf(out, "[%zu]", p->index);
    }
}

void path_add(const struct path *p, struct buf *out)
{
    AUTO_BUF b = { 0 };

    add_path(p, false, &b);
    buf_addstr(out, buf_str(&b));
}

void path_add_dotted(const struct path *p, struct buf *out)
{
    AUTO_BUF b = { 0 };

    add_path(p, true, &b);
    buf_addstr(out, buf_str(&b));
}

char *path_text(const struct path *p)
{
    struct buf b = { 0 };

    path_add(p, &b);
    return buf_take(&b);
}

const char *json_type_word(const json_t *j)
{
    static const char *const words[] = {
        [JSON_OBJECT] = "object", [JSON_ARRAY] = "array", [JSON_STRING] = "string", [JSON_INTEGER] = "number",
        [JSON_REAL] = "number", [JSON_TRUE] = "bool", [JSON_FALSE] = "bool", [JSON_NULL] = "null",
    };

    return j ? words[json_typeof(j)] : "nothing";
}

const char *type_bare_name(const struct type *t)
{
    const char *dot = strrchr(t->name, '.');

    return dot ? dot + 1 : t->name;
}

void type_go_name(const struct type *t, struct buf *out)
{
    struct str head, last, package = str_of(t->name);

    if (str_rcut(package, '.', &head, &last) && str_rcut(head, '.', &head, &package))
        buf_addf(out, "%.*s.", STR_ARG(package));
    buf_adds(out, type_bare_name(t));
}

bool time_normal(struct str s, bool micro, char out[TIME_TEXT_MAX])
{
    int64_t us;

    if (!time_parse(s, &us))
        return false;
    if (micro)
        time_rfc3339_micro(us, out);
    else
        time_rfc3339((us - ((us % 1000000) + 1000000) % 1000000) / 1000, out);
    return true;
}
