/* Is an openAPIV3Schema fit to be served? Texts: apiextensions-apiserver/pkg/apis/apiextensions/validation. */
#include "schema/cel_priv.h"
#include "schema/crd.h"
#include "schema/priv.h"

#include "base/mem.h"

static void check_schema(const json_t *s, const char *path, const char *missing_type, bool root, struct field_errors *out);

static void check_default(const json_t *s, const char *path, struct field_errors *out)
{
    AUTO_FREE(arena) a = arena_new();
    AUTO_FIELD_ERRORS found = { 0 };
    AUTO_MEM char *at = xasprintf("%s.default", path);
    const json_t *def = json_object_get(s, "default");
    struct field f;
    struct err e;

    if (!def || crd_field_build(s, a, &f, &e))
        return;                         /* an unreadable schema is reported by itself */
    validate_field(&f, def, &found);
    for (size_t i = 0; i < found.n; i++) {
        free(found.items[i].path);
        found.items[i].path = *at ? xstrdup(at) : NULL;
        vec_grow(out->items, out->n, out->cap);
        out->items[out->n++] = found.items[i];
        found.items[i] = (struct field_error){ 0 };
    }
}

/* ---- rules -------------------------------------------------------------------------------------------------------- */

static bool open_ended(const json_t *s)
{
    return !streq(json_cstr(s, "type"), "object") || json_object_get(s, "additionalProperties")
           || json_flag(s, "x-kubernetes-preserve-unknown-fields", false) || json_flag(s, "x-kubernetes-embedded-resource", false);
}

struct rule_check { const json_t *self; bool root; const struct cel *undefined; };

/* The schema of an expression's value; NULL: not known. Notes the first field that cannot be there. */
static const json_t *schema_of(struct rule_check *r, const struct cel *c, bool *is_root)
{
    const json_t *under = NULL;
    bool under_root = false;

    *is_root = false;
    for (size_t i = 0; i < c->n; i++) {
        bool sub_root;
        const json_t *sub = schema_of(r, c->kids[i], &sub_root);
        if (i == 0) {
            under = sub;
            under_root = sub_root;
        }
    }
    if (c->op == CEL_NAME && (streq(c->name, "self") || streq(c->name, "oldSelf"))) {
        *is_root = r->root;
        return r->self;
    }
    if (c->op == CEL_INDEX && under)
        return json_object_get(under, "items") ? json_object_get(under, "items") : json_object_get(under, "additionalProperties");
    if ((c->op != CEL_FIELD && c->op != CEL_HAS) || !under)
        return NULL;
    const json_t *sub = json_at(under, "properties", c->name, NULL);
    bool common = under_root && (streq(c->name, "metadata") || streq(c->name, "apiVersion") || streq(c->name, "kind"));
    if (common)
        return NULL;
    if (!sub && !open_ended(under) && !r->undefined)
        r->undefined = c;
    return sub ? sub : json_object_get(under, "additionalProperties");
}

/* As cel-go shows it: the place, the line, and a caret below. */
static void add_undefined(const struct cel *c, const char *text, struct buf *out)
{
    buf_addf(out, "compilation failed: ERROR: <input>:1:%zu: undefined field '%s'\n | %s\n | ", c->at + 1, c->name, text);
    for (size_t i = 0; i < c->at; i++)
        buf_addc(out, '.');
    buf_addc(out, '^');
}

static void check_rule(const json_t *rule, const json_t *s, bool root, const char *path, struct field_errors *out)
{
    AUTO_FREE(arena) a = arena_new();
    AUTO_BUF what = { 0 };
    AUTO_MEM char *at = xasprintf("%s.rule", path);
    AUTO_MEM char *value = json_text(rule);
    const char *text = json_cstr(rule, "rule");
    struct rule_check r = { s, root, NULL };
    const struct cel *c;
    struct err e;
    bool ignored;

    if (!text) {
        field_error_add(out, FIELD_REQUIRED_VALUE, at, NULL, "rule is not specified");
        return;
    }
    errc rc = cel_parse(str_of(text), a, &c, &e);
    if (rc == ERR_UNBUILT)
        return;                         /* we cannot judge it */
    if (rc)
        buf_addf(&what, "compilation failed: ERROR: <input>: %s", e.text);
    else if ((void)schema_of(&r, c, &ignored), r.undefined)
        add_undefined(r.undefined, text, &what);
    if (what.n)
        field_error_add(out, FIELD_INVALID_VALUE, at, value, "%s", buf_cstr(&what));
}

/* ---- the walk ----------------------------------------------------------------------------------------------------- */

static void check_properties(const json_t *s, const char *path, struct field_errors *out)
{
    json_t *properties = json_object_get(s, "properties"), *sub;
    const char *name;

    json_object_foreach(properties, name, sub) {
        AUTO_MEM char *at = xasprintf("%s.properties[%s]", path, name);
        check_schema(sub, at, "must not be empty for specified object fields", false, out);
    }
}

static void check_schema(const json_t *s, const char *path, const char *missing_type, bool root, struct field_errors *out)
{
    const json_t *rule;
    size_t i;

    if (!json_is_object(s))
        return;
    if (!str_set(json_cstr(s, "type")) && !json_flag(s, "x-kubernetes-int-or-string", false)
        && !json_flag(s, "x-kubernetes-preserve-unknown-fields", false)) {
        AUTO_MEM char *at = xasprintf("%s.type", path);
        field_error_add(out, FIELD_REQUIRED_VALUE, at, NULL, "%s", missing_type);
    }
    check_default(s, path, out);
    json_array_foreach(json_object_get(s, "x-kubernetes-validations"), i, rule) {
        AUTO_MEM char *at = xasprintf("%s.x-kubernetes-validations[%zu]", path, i);
        check_rule(rule, s, root, at, out);
    }
    check_properties(s, path, out);
    AUTO_MEM char *items = xasprintf("%s.items", path);
    AUTO_MEM char *more = xasprintf("%s.additionalProperties", path);
    check_schema(json_object_get(s, "items"), items, "must not be empty for specified array items", false, out);
    check_schema(json_object_get(s, "additionalProperties"), more, "must not be empty for specified object fields", false, out);
}

void crd_schema_check(const json_t *schema, const char *path, struct field_errors *out)
{
    check_schema(schema, path, "must not be empty at the root", true, out);
}
