/* Tools of a chat request: the checks, and the schema of an answer that must call. */
#include "serve/openai.h"
#include "serve/tools.h"

#define NAME_MAX_BYTES 64

static const char *choice_word(const struct completion_request *r) { return json_is_string(r->tool_choice) ? json_string_value(r->tool_choice) : NULL; }
static const char *tool_name(const json_t *tool) { return json_str_at(tool, "function", "name", NULL); }
static const char *demanded(const struct completion_request *r) { return json_str_at(r->tool_choice, "function", "name", NULL); }

/* ---- checks ---- */

static bool is_name(const char *name)
{
    size_t n = strlen(name);

    return n && n <= NAME_MAX_BYTES && strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.") == n;
}

static errc check_tool(size_t at, const json_t *tool, struct err *e)
{
    const json_t *f = json_object_get(tool, "function"), *parameters = json_object_get(f, "parameters"), *about = json_object_get(f, "description");
    const char *type = json_cstr(tool, "type");
    char name[64];

    snprintf(name, sizeof name, "tools[%zu]", at);
    if ((type && !streq(type, "function")) || !json_is_object(f))
        return param_refuse(e, name, tool, "is not {\"type\": \"function\", \"function\": {\"name\": ...}}");
    snprintf(name, sizeof name, "tools[%zu].function.name", at);
    if (!json_cstr(f, "name") || !is_name(json_cstr(f, "name")))
        return param_refuse(e, name, json_object_get(f, "name"), "is not a name of 1 to 64 letters, digits, underscores, dots and dashes");
    snprintf(name, sizeof name, "tools[%zu].function.parameters", at);
    if (parameters && !json_is_null(parameters) && !json_is_object(parameters))
        return param_refuse(e, name, parameters, "is not a JSON schema");
    snprintf(name, sizeof name, "tools[%zu].function.description", at);
    if (about && !json_is_null(about) && !json_is_string(about))
        return param_refuse(e, name, about, "is not a string");
    return ERR_OK;
}

static const json_t *find_tool(const struct completion_request *r, const char *name)
{
    for (size_t i = 0; i < json_array_size(r->tools); i++)
        if (streq(tool_name(json_array_get(r->tools, i)), name))
            return json_array_get(r->tools, i);
    return NULL;
}

static errc check_choice(const struct completion_request *r, struct err *e)
{
    const char *word = choice_word(r), *name = demanded(r);

    if (!r->tool_choice || (word && streq(word, "none")))
        return ERR_OK;
    if (!json_array_size(r->tools))
        return err_set(e, ERR_BAD_REQUEST, "tool_choice: When using `tool_choice`, `tools` must be set.");
    if (json_is_object(r->tool_choice)) {
        if (!str_set(name))
            return param_refuse(e, "tool_choice", r->tool_choice, "is not {\"type\": \"function\", \"function\": {\"name\": ...}}");
        if (!find_tool(r, name))
            return err_set(e, ERR_BAD_REQUEST, "tool_choice: The tool specified in `tool_choice` does not match any of the specified `tools`");
        return ERR_OK;
    }
    if (!word || (!streq(word, "auto") && !streq(word, "required")))
        return param_refuse(e, "tool_choice", r->tool_choice, "is none of \"none\", \"auto\", \"required\" and a named function");
    return ERR_OK;
}

/* Calls are looked for in free text: not when none is wanted, nor when one is demanded. */
static bool is_auto(const struct completion_request *r)
{
    return json_array_size(r->tools) && (!r->tool_choice || streq(choice_word(r), "auto"));
}

errc tools_check(const struct server *s, struct completion_request *r, struct err *e)
{
    for (size_t i = 0; i < json_array_size(r->tools); i++)
        TRY(check_tool(i, json_array_get(r->tools, i), e));
    TRY(check_choice(r, e));
    if (is_auto(r) && s->tool_format && s->tool_format->special)
        r->skip_special_tokens = false;
    return ERR_OK;
}

/* ---- the schema of demanded calls ---- */

/* A schema that moves below another one: its references to itself move too. */
static void move_references(json_t *schema, const char *below)
{
    const char *key, *ref = json_is_object(schema) ? json_cstr(schema, "$ref") : NULL;
    json_t *value;
    size_t i;

    if (ref && ref[0] == '#')
        json_put(schema, "$ref", json_strf("#%s%s", below, ref + 1));
    json_object_foreach(schema, key, value)
        if (!streq(key, "const") && !streq(key, "enum") && !streq(key, "default"))
            move_references(value, below);
    json_array_foreach(schema, i, value)
        move_references(value, below);
}

/* The arguments of a function: always an object. */
static json_t *parameters_of(const json_t *tool)
{
    const json_t *given = json_at(tool, "function", "parameters", NULL);
    json_t *made = json_is_object(given) ? json_clone(given) : json_object();

    if (!json_object_get(made, "type") && !json_object_get(made, "$ref"))
        json_put_str(made, "type", "object");
    return made;
}

static json_t *call_schema(const json_t *tool, size_t at)
{
    AUTO_MEM char *below = xasprintf("/items/anyOf/%zu/properties/parameters", at);
    json_t *parameters = parameters_of(tool);

    move_references(parameters, below);
    return json_pack("{s:s, s:{s:{s:s}, s:o}, s:[s, s], s:b}", "type", "object", "properties", "name", "const", tool_name(tool), "parameters", parameters,
                     "required", "name", "parameters", "additionalProperties", 0);
}

json_t *tools_schema(const struct completion_request *r)
{
    json_t *calls;

    if (json_is_object(r->tool_choice))
        return parameters_of(find_tool(r, demanded(r)));
    if (!r->tool_choice || !streq(choice_word(r), "required"))
        return NULL;
    calls = json_array();
    for (size_t i = 0; i < json_array_size(r->tools); i++)
        json_push(calls, call_schema(json_array_get(r->tools, i), i));
    json_t *made = json_pack("{s:s, s:i, s:{s:o}}", "type", "array", "minItems", 1, "items", "anyOf", calls);
    if (!r->parallel_tool_calls)
        json_put_int(made, "maxItems", 1);
    return made;
}

struct tool_reader *tool_reader_new(const struct server *s, const struct completion_request *r)
{
    if (json_is_object(r->tool_choice))
        return tool_reader_of(NULL, demanded(r), true);
    if (r->tool_choice && streq(choice_word(r), "required"))
        return tool_reader_forced(r->parallel_tool_calls);
    return is_auto(r) && s->tool_format ? tool_reader_of(s->tool_format, NULL, r->parallel_tool_calls) : NULL;
}
