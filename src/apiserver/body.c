/*
 * From the bytes of a request to an object of the kind that the path names: JSON, YAML or protobuf; type errors, unknown
 * and repeated fields in kube-apiserver's words.
 */
#include "api/k8s/k8s.h"
#include "apiserver/priv.h"
#include "apiserver/protobuf.h"
#include "base/hash.h"

static const struct type *find_type(void *self, const char *api_version, const char *kind)
{
    struct str group, version;
    char g[128], v[64];

    (void)self;
    if (!str_rcut(str_of(api_version), '/', &group, &version)) {
        version = str_of(api_version);
        group = STR("");
    }
    snprintf(g, sizeof g, "%.*s", STR_ARG(group));
    snprintf(v, sizeof v, "%.*s", STR_ARG(version));
    return k8s_kind(g, v, kind);
}

/* The first complaint of Go's decoder, as far as the position tells it. */
const char *go_json_error(struct req *r, struct str text)
{
    json_error_t at;
    AUTO_JSON j = json_loadb(text.p, text.n, JSON_DECODE_ANY, &at);

    if (!str_trim(text).n)
        return "unexpected end of JSON input";
    if (j)
        return "";
    size_t pos = at.position > 0 ? (size_t)at.position - 1 : 0;
    if (json_error_code(&at) == json_error_premature_end_of_input || pos >= text.n)
        return "unexpected end of JSON input";
    struct str t = str_trim(text);
    if (t.n > 1 && t.p[0] == '{' && t.p[1] != '"' && t.p[1] != '}')
        return arena_printf(r->a, "invalid character '%c' looking for beginning of object key string", str_trim(str_from(t, 1)).p[0]);
    if (t.p[0] != '{' && t.p[0] != '[')
        return arena_printf(r->a, "invalid character '%c' looking for beginning of value", t.p[0]);
    return arena_printf(r->a, "invalid character '%c' looking for beginning of value", text.p[pos]);
}

static const char *shown(struct req *r, struct str body)
{
    return body.n ? arena_strndup(r->a, body.p, body.n < 128 ? body.n : 128) : "<empty>";
}

static errc unrecognized(struct req *r, const char *kind, struct str body)
{
    return fail_bad_request(r, "the object provided is unrecognized (must be of type %s): couldn't get version/kind; json parse error: %s (%s)",
                            kind, go_json_error(r, body), shown(r, body));
}

static errc not_object(struct req *r, const char *kind, struct str body, const json_t *tree)
{
    AUTO_BUF hex = { 0 };

    hex_add(&hex, body.p, body.n < 64 ? body.n : 64);
    return fail_bad_request(r, "the object provided is unrecognized (must be of type %s): couldn't get version/kind; json parse error: json: "
        "cannot unmarshal %s into Go value of type struct { APIVersion string \"json:\\\"apiVersion,omitempty\\\"\"; Kind string "
        "\"json:\\\"kind,omitempty\\\"\" } (%s)", kind,
        json_is_array(tree) ? "array" : json_is_string(tree) ? "string" : json_is_number(tree) ? "number" : "bool", buf_cstr(&hex));
}

static bool media_is(struct str type, const char *name)
{
    struct str head, rest;

    str_cut(type, ';', &head, &rest);
    return str_ieq(str_trim(head), str_of(name));
}

static errc parse_body(struct req *r, const char *kind, json_t **out, struct path_list *twice)
{
    const char *header = http_header_get(&r->x->headers, "Content-Type");
    struct str type = str_of(header ? header : ""), body = r->x->body;

    if (media_is(type, "application/vnd.kubernetes.protobuf")) {
        if (protobuf_decode(body, find_type, NULL, out, &r->e))
            return fail_bad_request(r, "%s", arena_strdup(r->a, r->e.text));
        return ERR_OK;
    }
    if (media_is(type, "application/yaml") || media_is(type, "application/apply-patch+yaml")) {
        if (yaml_parse(body, out, &r->e))
            return fail_bad_request(r, "error converting YAML to JSON: %s", arena_strdup(r->a, r->e.text));
        return ERR_OK;
    }
    if (type.n && !media_is(type, "application/json") && !media_is(type, "*/*"))
        return fail(r, ERR_UNSUPPORTED, 415, "UnsupportedMediaType", NULL,
                    "the body of the request was in an unknown format - accepted media types include: application/json, application/yaml, "
                    "application/vnd.kubernetes.protobuf");
    if (json_parse(body, out, &r->e))
        return unrecognized(r, kind, body);
    schema_find_duplicates(body, twice);
    return ERR_OK;
}

/* "v1" of "apps/v1": error texts name the version alone. */
static const char *version_of(const char *gv)
{
    const char *slash = strchr(gv, '/');

    return slash ? slash + 1 : gv;
}

/* Strict: an error that lists all; Warn: one Warning each. */
errc unknown_fields(struct req *r, const char *kind, const char *gv, const struct path_list *unknown, const struct path_list *twice, bool patch)
{
    const struct { const struct path_list *l; const char *what; } lists[] = { { twice, "duplicate" }, { unknown, "unknown" } };
    AUTO_BUF all = { 0 };

    for (size_t k = 0; k < ARRAY_LEN(lists); k++) {
        for (size_t i = 0; lists[k].l && i < lists[k].l->n; i++) {
            if (r->validation == VALIDATE_WARN)
                req_warn(r, "%s field \"%s\"", lists[k].what, lists[k].l->items[i]);
            buf_addf(&all, "%s%s field \"%s\"", all.n ? ", " : "", lists[k].what, lists[k].l->items[i]);
        }
    }
    if (r->validation != VALIDATE_STRICT || !all.n)
        return ERR_OK;
    if (!patch)
        return fail_bad_request(r, "%s in version \"%s\" cannot be handled as a %s: strict decoding error: %s", kind, version_of(gv), kind,
                                buf_cstr(&all));
    AUTO_FIELD_ERRORS l = { 0 };
    field_error_add(&l, FIELD_INVALID_VALUE, "patch", "\"\"", "strict decoding error: %s", buf_cstr(&all));
    return fail_invalid(r, "", "", "", &l);
}

static errc check_kind(struct req *r, json_t *obj, const char *kind, const char *gv, bool custom)
{
    const char *k = json_cstr(obj, "kind"), *v = json_cstr(obj, "apiVersion");

    if (custom && (str_set(v) && !streq(v, gv)))
        return fail_bad_request(r, "the API version in the data (%s) does not match the expected API version (%s)", v, gv);
    if (custom && str_set(k) && !streq(k, kind))
        return fail_bad_request(r, "the kind in the data (%s) does not match the expected kind (%s)", k, kind);
    if (str_set(v) && !streq(v, gv))
        return fail_bad_request(r, "%s in version \"%s\" cannot be handled as a %s: no kind \"%s\" is registered for version \"%s\" in scheme "
                                "\"pkg/runtime/scheme.go:100\"", str_set(k) ? k : kind, version_of(v), kind, str_set(k) ? k : kind, v);
    if (str_set(k) && !streq(k, kind))
        return fail_bad_request(r, "%s in version \"%s\" cannot be handled as a %s: converting (v1.%s) to (core.%s): unknown conversion",
                                k, version_of(gv), kind, k, kind);
    return ERR_OK;
}

errc body_decode(struct req *r, const struct type *type, const char *kind, const char *gv, json_t **out)
{
    struct path_list unknown = { 0 }, twice = { 0 };
    json_t *obj = NULL;
    bool custom = type && !(type->flags & TYPE_BUILTIN);

    errc rc = parse_body(r, kind, &obj, &twice);
    if (obj)
        json_arena_own(r->a, obj);
    if (!rc && !json_is_object(obj))
        rc = not_object(r, kind, r->x->body, obj);
    if (!rc)
        rc = check_kind(r, obj, kind, gv, custom);
    if (!rc && type) {
        json_put_str(obj, "kind", kind);
        json_put_str(obj, "apiVersion", gv);
        schema_prune(type, obj, &unknown);      /* first: coercing drops silently what it does not know */
        if (schema_coerce(type, obj, &r->e))
            rc = fail_bad_request(r, "%s in version \"%s\" cannot be handled as a %s: %s", kind, version_of(gv), kind,
                                  arena_strdup(r->a, r->e.text));
    }
    if (!rc)
        rc = unknown_fields(r, kind, gv, &unknown, &twice, false);
    path_list_done(&unknown);
    path_list_done(&twice);
    if (!rc)
        *out = obj;
    return rc;
}
