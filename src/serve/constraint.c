/* What an answer's text must match: response_format, guided_*, structured_outputs. Nothing can be enforced yet: refused by name. */
#include "serve/openai.h"

struct text_rule { int unused; };

static errc refuse(const char *name, struct err *e) { return err_set(e, ERR_BAD_REQUEST, "%s: is not supported yet", name); }

errc text_rule_of(const struct server *s, const struct completion_request *r, struct text_rule **out, struct err *e)
{
    const char *type = json_cstr(r->response_format, "type");

    (void)s;
    *out = NULL;
    if (r->response_format && !type)
        return param_refuse(e, "response_format", r->response_format, "has no type; one of text, json_object, json_schema");
    if (type && !streq(type, "text"))
        return refuse("response_format", e);
    if (json_object_size(r->structured_outputs))
        return refuse("structured_outputs", e);
    if (r->guided_json || r->guided_choice || r->guided_regex || r->guided_grammar)
        return refuse(r->guided_json ? "guided_json" : r->guided_choice ? "guided_choice" : r->guided_regex ? "guided_regex" : "guided_grammar", e);
    return ERR_OK;
}

void text_rule_free(struct text_rule *t) { free(t); }

errc text_rule_bind(struct text_rule *t, struct job *j, struct err *e)
{
    (void)t, (void)j, (void)e;
    return ERR_OK;
}
