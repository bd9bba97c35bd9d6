/*
 * Label and field selectors. The label grammar and its error texts are those of k8s.io/apimachinery/pkg/labels.
 */
#include "apiserver/priv.h"

enum op { OP_EXISTS, OP_ABSENT, OP_IN, OP_NOT_IN, OP_GT, OP_LT };

struct requirement {
    const char *key;
    enum op op;
    const char **values;
    size_t n;
};

struct selector {
    struct requirement *items;
    size_t n;
};

enum token { T_END, T_COMMA, T_ID, T_OPEN, T_CLOSE, T_NOT, T_EQ, T_EQEQ, T_NE, T_GT, T_LT, T_IN, T_NOTIN };

struct parser {
    struct arena *a;
    const char *p;
    enum token ahead;
    const char *lit;            /* text of the token ahead */
    struct err *e;
    struct selector *out;
};

static bool special(char c)
{
    return c && strchr("=!(),><", c);
}

static bool space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static void scan(struct parser *ps)
{
    static const struct { const char *text; enum token t; } signs[] = {
        { "==", T_EQEQ }, { "!=", T_NE }, { "=", T_EQ }, { "!", T_NOT }, { "(", T_OPEN }, { ")", T_CLOSE }, { ",", T_COMMA },
        { ">", T_GT }, { "<", T_LT },
    };
    while (space(*ps->p))
        ps->p++;
    if (!*ps->p) {
        ps->ahead = T_END;
        ps->lit = "";
        return;
    }
    for (size_t i = 0; i < ARRAY_LEN(signs); i++) {
        if (strncmp(ps->p, signs[i].text, strlen(signs[i].text)) == 0) {
            ps->ahead = signs[i].t;
            ps->lit = signs[i].text;
            ps->p += strlen(signs[i].text);
            return;
        }
    }
    const char *start = ps->p;
    while (*ps->p && !special(*ps->p) && !space(*ps->p))
        ps->p++;
    ps->lit = arena_strndup(ps->a, start, (size_t)(ps->p - start));
    ps->ahead = streq(ps->lit, "in") ? T_IN : streq(ps->lit, "notin") ? T_NOTIN : T_ID;
}

/* Where values stand, the words "in" and "notin" are plain identifiers. */
static enum token ahead_value(const struct parser *ps)
{
    return ps->ahead == T_IN || ps->ahead == T_NOTIN ? T_ID : ps->ahead;
}

static errc value_check(struct parser *ps, const struct requirement *q)
{
    AUTO_BUF why = { 0 };
    int64_t number;

    for (size_t i = 0; i < q->n; i++) {
        if ((q->op == OP_GT || q->op == OP_LT) && !str_to_i64(str_of(q->values[i]), &number))
            return err_set(ps->e, ERR_BAD_REQUEST, "unable to parse requirement: values[%zu]: Invalid value: \"%s\": "
                           "for 'Gt', 'Lt' operators, the value must be an integer", i, q->values[i]);
        if (label_value_problem(q->values[i], &why))
            return err_set(ps->e, ERR_BAD_REQUEST, "unable to parse requirement: values[%zu][%s]: Invalid value: \"%s\": %s",
                           i, q->key, q->values[i], buf_cstr(&why));
    }
    return ERR_OK;
}

static void value_add(struct parser *ps, struct requirement *q, const char *v)
{
    const char **grown = arena_calloc(ps->a, q->n + 1, sizeof *grown);

    if (q->n)
        memcpy(grown, q->values, q->n * sizeof *grown);
    grown[q->n++] = v;
    q->values = grown;
}

/* "(a, b)"; the empty list means the empty value. */
static errc parse_set(struct parser *ps, struct requirement *q)
{
    if (ps->ahead != T_OPEN)
        return err_set(ps->e, ERR_BAD_REQUEST, "unable to parse requirement: found '%s' expected: '('", ps->lit);
    scan(ps);
    for (;;) {
        if (ahead_value(ps) == T_ID) {
            value_add(ps, q, ps->lit);
            scan(ps);
        } else if (ps->ahead == T_COMMA || ps->ahead == T_CLOSE) {
            value_add(ps, q, "");
        } else {
            return err_set(ps->e, ERR_BAD_REQUEST, "unable to parse requirement: found '%s', expected: ',', ')' or identifier", ps->lit);
        }
        if (ps->ahead == T_CLOSE) {
            scan(ps);
            return ERR_OK;
        }
        if (ps->ahead != T_COMMA)
            return err_set(ps->e, ERR_BAD_REQUEST, "unable to parse requirement: found '%s', expected: ',' or ')'", ps->lit);
        scan(ps);
    }
}

static errc parse_exact(struct parser *ps, struct requirement *q)
{
    if (ps->ahead == T_END || ps->ahead == T_COMMA) {
        value_add(ps, q, "");
        return ERR_OK;
    }
    if (ahead_value(ps) != T_ID)
        return err_set(ps->e, ERR_BAD_REQUEST, "unable to parse requirement: found '%s', expected: identifier", ps->lit);
    value_add(ps, q, ps->lit);
    scan(ps);
    return ERR_OK;
}

static errc parse_operator(struct parser *ps, struct requirement *q)
{
    static const struct { enum token t; enum op op; } rows[] = {
        { T_IN, OP_IN }, { T_NOTIN, OP_NOT_IN }, { T_EQ, OP_IN }, { T_EQEQ, OP_IN }, { T_NE, OP_NOT_IN }, { T_GT, OP_GT }, { T_LT, OP_LT },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (rows[i].t != ps->ahead)
            continue;
        bool set = ps->ahead == T_IN || ps->ahead == T_NOTIN;
        q->op = rows[i].op;
        scan(ps);
        TRY(set ? parse_set(ps, q) : parse_exact(ps, q));
        return value_check(ps, q);
    }
    return err_set(ps->e, ERR_BAD_REQUEST, "unable to parse requirement: found '%s', expected: in, notin, =, ==, !=, gt, lt", ps->lit);
}

static errc parse_requirement(struct parser *ps, struct requirement *q)
{
    AUTO_BUF why = { 0 };
    bool absent = ps->ahead == T_NOT;

    if (absent)
        scan(ps);
    if (ahead_value(ps) != T_ID)
        return err_set(ps->e, ERR_BAD_REQUEST, "unable to parse requirement: found '%s', expected: identifier", ps->lit);
    q->key = ps->lit;
    if (qualified_name_problem(q->key, &why))
        return err_set(ps->e, ERR_BAD_REQUEST, "unable to parse requirement: key: Invalid value: \"%s\": %s", q->key, buf_cstr(&why));
    scan(ps);
    if (absent || ps->ahead == T_END || ps->ahead == T_COMMA) {
        q->op = absent ? OP_ABSENT : OP_EXISTS;
        return ERR_OK;
    }
    return parse_operator(ps, q);
}

static struct requirement *requirement_new(struct arena *a, struct selector *s)
{
    struct requirement *grown = arena_calloc(a, s->n + 1, sizeof *grown);

    if (s->n)
        memcpy(grown, s->items, s->n * sizeof *grown);
    s->items = grown;
    return &s->items[s->n++];
}

errc selector_parse_labels(struct arena *a, const char *text, struct selector **out, struct err *e)
{
    struct selector *s = arena_new_of(a, struct selector);
    struct parser ps = { .a = a, .p = text, .e = e, .out = s };

    for (scan(&ps);;) {
        if (ps.ahead == T_END)
            break;
        if (ps.ahead != T_NOT && ahead_value(&ps) != T_ID)
            return err_set(e, ERR_BAD_REQUEST, "found '%s', expected: !, identifier, or 'end of string'", ps.lit);
        TRY(parse_requirement(&ps, requirement_new(a, s)));
        if (ps.ahead == T_END)
            break;
        if (ps.ahead != T_COMMA)
            return err_set(e, ERR_BAD_REQUEST, "found '%s', expected: ',' or 'end of string'", ps.lit);
        scan(&ps);
        if (ps.ahead != T_NOT && ahead_value(&ps) != T_ID)
            return err_set(e, ERR_BAD_REQUEST, "found '%s', expected: identifier after ','", ps.lit);
    }
    *out = s;
    return ERR_OK;
}

errc selector_labels(struct req *r, const char *text, struct selector **out)
{
    *out = NULL;
    if (!str_set(text))
        return ERR_OK;
    if (selector_parse_labels(r->a, text, out, &r->e))
        return fail_bad_request(r, "%s", arena_strdup(r->a, r->e.text));
    return ERR_OK;
}

/* ---- fields ---- */

static const struct field_label general_labels[] = {
    { "metadata.name", "metadata.name", "" }, { "metadata.namespace", "metadata.namespace", "" }, { NULL },
};

static const struct field_label *label_find(const struct resource *res, const char *label)
{
    const struct field_label *own = res->custom ? res->custom->labels : res->strategy->labels;
    const struct field_label *lists[] = { general_labels, own };

    for (size_t i = 0; i < ARRAY_LEN(lists); i++)
        for (const struct field_label *l = lists[i]; l && l->label; l++)
            if (streq(l->label, label))
                return l;
    return NULL;
}

static errc field_unknown(struct req *r, const struct resource *res, const char *label)
{
    AUTO_BUF known = { 0 };

    if (res->strategy->unknown_label)
        return fail_bad_request(r, "field label not supported: %s", label);
    if (res->custom) {
        return fail_bad_request(r, "field label not supported: %s", label);
    }
    buf_adds(&known, "\"metadata.name\", \"metadata.namespace\"");
    return fail_bad_request(r, "\"%s\" is not a known field selector: only %s", label, buf_cstr(&known));
}

/* The text up to the next unescaped comma. */
static struct str next_term(struct str *rest)
{
    size_t i = 0;

    while (i < rest->n && rest->p[i] != ',')
        i += rest->p[i] == '\\' && i + 1 < rest->n ? 2 : 1;
    struct str term = str_n(rest->p, i);
    *rest = str_from(*rest, i + 1 <= rest->n ? i + 1 : rest->n);
    return term;
}

static errc field_term(struct req *r, const struct resource *res, struct str term, const char *all, struct selector *s)
{
    static const struct { const char *text; enum op op; } ops[] = { { "!=", OP_NOT_IN }, { "==", OP_IN }, { "=", OP_IN } };
    AUTO_BUF value = { 0 };

    for (size_t at = 0; at < term.n; at++) {
        for (size_t k = 0; k < ARRAY_LEN(ops); k++) {
            if (!str_has_prefix(str_from(term, at), str_of(ops[k].text)))
                continue;
            const char *label = arena_strndup(r->a, term.p, at);
            if (!label_find(res, label))
                return field_unknown(r, res, label);
            struct str raw = str_from(term, at + strlen(ops[k].text));
            for (size_t i = 0; i < raw.n; i++)
                buf_addc(&value, raw.p[i] == '\\' && i + 1 < raw.n ? raw.p[++i] : raw.p[i]);
            struct requirement *q = requirement_new(r->a, s);
            q->key = label;
            q->op = ops[k].op;
            q->values = arena_calloc(r->a, 1, sizeof *q->values);
            q->values[0] = arena_strdup(r->a, buf_cstr(&value));
            q->n = 1;
            return ERR_OK;
        }
    }
    return fail_bad_request(r, "invalid selector: '%s'; can't understand '%.*s'", all, STR_ARG(term));
}

errc selector_fields(struct req *r, const struct resource *res, const char *text, struct selector **out)
{
    *out = NULL;
    if (!str_set(text))
        return ERR_OK;
    struct selector *s = arena_new_of(r->a, struct selector);
    struct str rest = str_of(text);
    while (rest.n > 0) {
        struct str term = next_term(&rest);
        if (term.n)
            TRY(field_term(r, res, term, text, s));
    }
    *out = s;
    return ERR_OK;
}

const char *selector_exact(const struct selector *fields, const char *label)
{
    for (size_t i = 0; fields && i < fields->n; i++)
        if (fields->items[i].op == OP_IN && streq(fields->items[i].key, label))
            return fields->items[i].values[0];
    return NULL;
}

/* ---- label selectors as objects ---- */

static errc add_expression(struct arena *a, struct selector *s, const json_t *x, struct err *e)
{
    static const struct { const char *name; enum op op; } ops[] = {
        { "In", OP_IN }, { "NotIn", OP_NOT_IN }, { "Exists", OP_EXISTS }, { "DoesNotExist", OP_ABSENT },
    };
    const json_t *values = json_object_get(x, "values");
    const char *operator = json_cstr(x, "operator");
    size_t k = 0;

    while (k < ARRAY_LEN(ops) && !streq(ops[k].name, operator))
        k++;
    if (k == ARRAY_LEN(ops))
        return err_set(e, ERR_BAD_REQUEST, "\"%s\" is not a valid label selector operator", operator ? operator : "");
    struct requirement *q = requirement_new(a, s);
    *q = (struct requirement){ .key = arena_strdup(a, json_cstr(x, "key")), .op = ops[k].op, .n = json_array_size(values) };
    q->values = arena_calloc(a, q->n + 1, sizeof *q->values);
    for (size_t i = 0; i < q->n; i++)
        q->values[i] = arena_strdup(a, json_string_value(json_array_get(values, i)));
    return ERR_OK;
}

errc selector_of_object(struct arena *a, const json_t *label_selector, struct selector **out, struct err *e)
{
    struct selector *s = arena_new_of(a, struct selector);
    const char *key;
    json_t *v;
    size_t i;

    json_object_foreach(json_object_get(label_selector, "matchLabels"), key, v) {
        struct requirement *q = requirement_new(a, s);
        *q = (struct requirement){ .key = arena_strdup(a, key), .op = OP_IN, .values = arena_calloc(a, 1, sizeof *q->values), .n = 1 };
        q->values[0] = arena_strdup(a, json_string_value(v));
    }
    json_array_foreach(json_object_get(label_selector, "matchExpressions"), i, v)
        TRY(add_expression(a, s, v, e));
    *out = s->n ? s : NULL;
    return ERR_OK;
}

/* ---- matching ---- */

static bool in_values(const struct requirement *q, const char *v)
{
    for (size_t i = 0; i < q->n; i++)
        if (streq(q->values[i], v))
            return true;
    return false;
}

static bool requirement_matches(const struct requirement *q, const char *v)
{
    int64_t have, limit;

    switch (q->op) {
    case OP_EXISTS:
        return v != NULL;
    case OP_ABSENT:
        return v == NULL;
    case OP_IN:
        return v && in_values(q, v);
    case OP_NOT_IN:
        return !v || !in_values(q, v);
    case OP_GT:
    case OP_LT:
        if (!v || !str_to_i64(str_of(v), &have) || !str_to_i64(str_of(q->values[0]), &limit))
            return false;
        return q->op == OP_GT ? have > limit : have < limit;
    }
    return false;
}

static json_t *at_path(const json_t *obj, const char *path)
{
    struct str rest = str_of(path), key;
    const json_t *j = obj;
    char name[128];

    while (j && str_next(&rest, '.', &key)) {
        snprintf(name, sizeof name, "%.*s", STR_ARG(key));
        j = json_object_get(j, name);
    }
    return json_incref((json_t *)(uintptr_t)j);
}

static bool field_matches(const struct requirement *q, const struct resource *res, const json_t *obj)
{
    const struct field_label *l = label_find(res, q->key);
    AUTO_JSON v = l ? at_path(obj, l->path) : NULL;
    char number[32];
    const char *text = l && l->absent ? l->absent : "";

    if (json_is_string(v))
        text = json_string_value(v);
    else if (json_is_boolean(v))
        text = json_is_true(v) ? "true" : "false";
    else if (json_is_integer(v)) {
        snprintf(number, sizeof number, "%lld", (long long)json_integer_value(v));
        text = number;
    }
    return requirement_matches(q, text);
}

bool selector_matches(const struct selector *labels, const struct selector *fields, const struct resource *res, const json_t *obj)
{
    for (size_t i = 0; labels && i < labels->n; i++)
        if (!requirement_matches(&labels->items[i], json_str_at(obj, "metadata", "labels", labels->items[i].key, NULL)))
            return false;
    for (size_t i = 0; fields && i < fields->n; i++)
        if (!field_matches(&fields->items[i], res, obj))
            return false;
    return true;
}
