/* What an answer's text must match: response_format, guided_*, structured_outputs. */
#include "serve/openai.h"

static errc refuse(const char *name, struct err *e) { return err_set(e, ERR_BAD_REQUEST, "%s: is not supported yet", name); }

errc constraint_of(const struct server *s, const struct completion_request *r, struct err *e)
{
    const char *type = json_cstr(r->response_format, "type");

    (void)s;
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
