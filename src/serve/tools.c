/* Tools of a chat request. The template shows them to the model; the answer's text is passed on as it is. */
#include "serve/openai.h"
#include "serve/tools.h"

static const char *choice_word(const struct completion_request *r) { return json_is_string(r->tool_choice) ? json_string_value(r->tool_choice) : NULL; }

static errc check_tool(size_t at, const json_t *tool, struct err *e)
{
    const json_t *f = json_object_get(tool, "function");
    const char *type = json_cstr(tool, "type");
    char name[32];

    snprintf(name, sizeof name, "tools[%zu]", at);
    if ((type && !streq(type, "function")) || !str_set(json_cstr(f, "name")))
        return param_refuse(e, name, tool, "is not {\"type\": \"function\", \"function\": {\"name\": ...}}");
    return ERR_OK;
}

static errc check_named(const struct completion_request *r, struct err *e)
{
    const char *name = json_str_at(r->tool_choice, "function", "name", NULL);

    if (!str_set(name))
        return param_refuse(e, "tool_choice", r->tool_choice, "is not {\"type\": \"function\", \"function\": {\"name\": ...}}");
    for (size_t i = 0; i < json_array_size(r->tools); i++)
        if (streq(json_str_at(json_array_get(r->tools, i), "function", "name", NULL), name))
            return err_set(e, ERR_BAD_REQUEST, "tool_choice: a certain function is not supported yet; use \"auto\"");
    return err_set(e, ERR_BAD_REQUEST, "tool_choice: The tool specified in `tool_choice` does not match any of the specified `tools`");
}

errc tools_check(const struct server *s, struct completion_request *r, struct err *e)
{
    const char *word = choice_word(r);

    (void)s;
    for (size_t i = 0; i < json_array_size(r->tools); i++)
        TRY(check_tool(i, json_array_get(r->tools, i), e));
    if (!r->tool_choice || (word && streq(word, "none")))
        return ERR_OK;
    if (!r->tools)
        return err_set(e, ERR_BAD_REQUEST, "tool_choice: When using `tool_choice`, `tools` must be set.");
    if (json_is_object(r->tool_choice))
        return check_named(r, e);
    if (!word || (!streq(word, "auto") && !streq(word, "required")))
        return param_refuse(e, "tool_choice", r->tool_choice, "is none of \"none\", \"auto\", \"required\" and a named function");
    if (streq(word, "required"))
        return err_set(e, ERR_BAD_REQUEST, "tool_choice: \"required\" is not supported yet; use \"auto\"");
    return ERR_OK;
}

struct tool_reader { int unused; };

struct tool_reader *tool_reader_new(const struct server *s, const struct completion_request *r)
{
    (void)s, (void)r;
    return NULL;
}

void tool_reader_free(struct tool_reader *t) { free(t); }

void tool_reader_add(struct tool_reader *t, struct str text, bool end, struct buf *content, json_t **deltas)
{
    (void)t, (void)end;
    buf_addstr(content, text);
    *deltas = NULL;
}

json_t *tool_reader_calls(const struct tool_reader *t)
{
    (void)t;
    return json_array();
}
