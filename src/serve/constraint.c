/*
 * What an answer's text must match: response_format, guided_*, structured_outputs, and tools that must be called. One of them at a
 * time; each row says where a request asks for it.
 */
#include "serve/grammars.h"
#include "serve/openai.h"
#include "serve/tools.h"

struct text_rule { struct grammar *grammar; const struct grammar_vocab *vocab; };

/* Where a request asks: the field's name for errors, its value, what it is. */
struct demand { const char *name; enum grammar_kind kind; const json_t *source; };
struct demands { struct demand v[16]; size_t n; };

static void demand(struct demands *d, const char *name, enum grammar_kind kind, const json_t *source)
{
    if ((source || kind == GRAMMAR_JSON_OBJECT) && !json_is_null(source) && d->n < ARRAY_LEN(d->v))
        d->v[d->n++] = (struct demand){ name, kind, source };
}

static errc read_format(const json_t *format, struct demands *d, struct err *e)
{
    const char *type = json_cstr(format, "type");
    const json_t *schema = json_at(format, "json_schema", "schema", NULL);

    if (!format || streq(type, "text"))
        return ERR_OK;
    if (streq(type, "json_object")) {
        demand(d, "response_format", GRAMMAR_JSON_OBJECT, NULL);
        return ERR_OK;
    }
    if (!streq(type, "json_schema"))
        return param_refuse(e, "response_format", format, "has a type other than text, json_object, json_schema");
    if (!schema)
        return param_refuse(e, "response_format", format, "has no json_schema.schema");
    demand(d, "response_format.json_schema.schema", GRAMMAR_JSON_SCHEMA, schema);
    return ERR_OK;
}

static errc read_structured(const json_t *in, struct demands *d, struct err *e)
{
    static const struct { const char *key, *name; enum grammar_kind kind; bool text, list; } rows[] = {
        { "json", "structured_outputs.json", GRAMMAR_JSON_SCHEMA, false, false }, { "regex", "structured_outputs.regex", GRAMMAR_REGEX, true, false },
        { "choice", "structured_outputs.choice", GRAMMAR_CHOICE, false, true }, { "grammar", "structured_outputs.grammar", GRAMMAR_GBNF, true, false },
    };
    const json_t *tag = json_object_get(in, "structural_tag");

    if (tag && !json_is_null(tag))
        return err_set(e, ERR_BAD_REQUEST, "structured_outputs.structural_tag: is not supported");
    if (json_is_true(json_object_get(in, "json_object")))
        demand(d, "structured_outputs.json_object", GRAMMAR_JSON_OBJECT, NULL);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const json_t *v = json_object_get(in, rows[i].key);
        if (v && !json_is_null(v) && ((rows[i].text && !json_is_string(v)) || (rows[i].list && !json_is_array(v))))
            return param_refuse(e, rows[i].name, v, rows[i].list ? "is not a list of strings" : "is not a string");
        demand(d, rows[i].name, rows[i].kind, v);
    }
    return ERR_OK;
}

/* Schemas may come as JSON text. *own is what the caller frees. */
static errc schema_of(struct demand *d, json_t **own, struct err *e)
{
    if (d->kind != GRAMMAR_JSON_SCHEMA || !json_is_string(d->source))
        return ERR_OK;
    if (json_parse(json_to_str(d->source), own, e))
        return err_wrap(e, "%s", d->name);
    d->source = *own;
    return ERR_OK;
}

static errc make_rule(const struct server *s, struct demand *d, struct text_rule **out, struct err *e)
{
    AUTO_JSON own = NULL;
    struct grammar *g = NULL;

    TRY(schema_of(d, &own, e));
    if (grammars_get(s->grammars, d->kind, d->source, &g, e))
        return err_wrap(e, "%s", d->name);
    *out = xzalloc(sizeof **out);
    **out = (struct text_rule){ g, grammars_vocab(s->grammars) };
    return ERR_OK;
}

errc text_rule_of(const struct server *s, const struct completion_request *r, struct text_rule **out, struct err *e)
{
    AUTO_JSON tools = tools_schema(r);
    AUTO_JSON regex = r->guided_regex ? json_string(r->guided_regex) : NULL;
    AUTO_JSON gbnf = r->guided_grammar ? json_string(r->guided_grammar) : NULL;
    struct demands d = { 0 };

    *out = NULL;
    if (tools) {                        /* a call that must be made has no room for anything else */
        demand(&d, "tools", GRAMMAR_JSON_SCHEMA, tools);
        return make_rule(s, &d.v[0], out, e);
    }
    TRY(read_format(r->response_format, &d, e));
    TRY(read_structured(r->structured_outputs, &d, e));
    demand(&d, "guided_json", GRAMMAR_JSON_SCHEMA, r->guided_json);
    demand(&d, "guided_regex", GRAMMAR_REGEX, regex);
    demand(&d, "guided_choice", GRAMMAR_CHOICE, r->guided_choice);
    demand(&d, "guided_grammar", GRAMMAR_GBNF, gbnf);
    if (d.n > 1)
        return err_set(e, ERR_BAD_REQUEST, "%s: You can only use one kind of constraints for structured outputs, and there is %s too.", d.v[1].name, d.v[0].name);
    return d.n ? make_rule(s, &d.v[0], out, e) : ERR_OK;
}

void text_rule_free(struct text_rule *t)
{
    if (!t)
        return;
    grammar_free(t->grammar);
    free(t);
}

static void mask(void *self, uint64_t *allowed) { matcher_mask(self, allowed); }
static bool accept(void *self, int32_t id) { return matcher_accept(self, id); }
static bool done(void *self) { return matcher_done(self); }
static void free_matcher(void *self) { matcher_free(self); }

errc text_rule_bind(struct text_rule *t, struct job *j, struct err *e)
{
    j->constraint = (struct constraint){ matcher_new(t->grammar, t->vocab), mask, accept, done, free_matcher };
    j->min_new = 0;                     /* the text decides when it ends */
    return ERR_OK;
}
