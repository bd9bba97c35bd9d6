/* The forms of rows, tried in the order of the table; the first row decides. */
#include "dataset/forms.h"

#include <math.h>

#include "template/template.h"

/* The error of a value that should be text. */
static errc no_text(const struct builder *b, const char *column, const json_t *value)
{
    if (row_is_binary(value))
        return err_set(b->e, ERR_INVALID, "column %s: binary data, not text: save it as UTF-8 strings", column);
    if (!value)
        return err_set(b->e, ERR_INVALID, "column %s: missing, but the first row has it; give all rows the same columns", column);
    if (json_is_null(value))
        return err_set(b->e, ERR_INVALID, "column %s: empty; fill it or remove the row", column);
    return err_set(b->e, ERR_INVALID, "column %s: expected a string, as in the first row", column);
}

/* ---- messages ---- */

static const char *role_of(const char *from)
{
    static const struct { const char *from, *role; } names[] = {
        { "human", "user" }, { "gpt", "assistant" }, { "bing", "assistant" }, { "chatgpt", "assistant" }, { "bard", "assistant" },
    };
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (streq(from, names[i].from))
            return names[i].role;
    return from;
}

static void note_role(struct builder *b, const char *role)
{
    static const char *const known[] = { "system", "user", "assistant", "tool", "developer", "function", "model", "ipython" };

    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        if (streq(role, known[i]))
            return;
    if (!b->strange++)
        snprintf(b->strange_role, sizeof b->strange_role, "%s", role);
}

/* A list of {role, content} or {from, value} as the former. */
static errc messages_of(struct builder *b, const json_t *list, const char *column, json_t **out)
{
    AUTO_JSON made = json_array();

    if (!json_is_array(list) || json_array_size(list) == 0)
        return err_set(b->e, ERR_INVALID, "column %s: expected a list of messages, each {\"role\": ..., \"content\": ...}", column);
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *m = json_array_get(list, i);
        const char *role = json_cstr(m, "role"), *from = json_cstr(m, "from");
        json_t *content = json_object_get(m, role ? "content" : "value");
        if (!role && !from)
            return err_set(b->e, ERR_INVALID, "column %s[%zu]: role is %s: each message needs role and content", column, i,
                           json_object_get(m, "role") ? "no text" : "missing");
        if (!content || json_is_null(content))
            content = json_object_get(m, "tool_calls") ? json_null() : NULL;
        if (!content)
            return err_set(b->e, ERR_INVALID, "column %s[%zu]: %s is missing", column, i, role ? "content" : "value");
        if (!json_is_string(content) && !json_is_array(content) && !json_is_null(content) && !row_is_binary(content))
            return err_set(b->e, ERR_INVALID, "column %s[%zu]: %s is no text", column, i, role ? "content" : "value");
        if (row_is_binary(content))
            return err_set(b->e, ERR_INVALID, "column %s[%zu]: binary data, not text: save it as UTF-8 strings", column, i);
        json_t *copy = json_copy((json_t *)(uintptr_t)m);
        json_object_del(copy, "from");
        json_object_del(copy, "value");
        b->renamed += !role && role_of(from) != from;
        note_role(b, role ? role : role_of(from));
        json_put_str(copy, "role", role ? role : role_of(from));
        json_put(copy, "content", json_incref(content));
        json_push(made, copy);
    }
    *out = TAKE(made);
    return ERR_OK;
}

/* The template's error, and what of the messages may be behind it. */
static errc explain_template(const struct builder *b, const json_t *messages)
{
    bool parts = false;

    for (size_t i = 0; i < json_array_size(messages); i++)
        parts |= json_is_array(json_object_get(json_array_get(messages, i), "content"));
    b->e->code = ERR_INVALID;
    return err_wrap(b->e, parts ? "content is a list of parts, which needs a template for such; give the text alone" : "column messages");
}

/* A list, or its text in JSON, as columns of different tools are stored; NULL: none. */
static errc tools_of(struct builder *b, const json_t *row, json_t **out)
{
    json_t *tools = json_object_get(row, "tools");
    struct str text = str_trim(json_to_str(tools));
    struct err why;

    *out = json_is_array(tools) ? json_incref(tools) : NULL;
    if (!text.n)
        return ERR_OK;
    if (json_parse(text, out, &why))
        return err_set(b->e, ERR_INVALID, "column tools: the text is no list of tools in JSON (%s): write it with a JSON library", why.text);
    if (!json_is_array(*out))
        json_decref(TAKE(*out));
    return ERR_OK;
}

errc form_chat(struct builder *b, const json_t *messages, bool prompt, const json_t *row, struct template_marks *marks, struct buf *out)
{
    AUTO_JSON extra = json_object();
    AUTO_JSON tools = NULL;
    const struct template *tpl = b->o->chat_template ? b->o->chat_template : b->info->chat_template;

    if (!tpl)
        return err_set(b->e, ERR_INVALID, "the model has no chat template, which messages need: set ModelConfig.chat_template, or use a text column");
    TRY(tools_of(b, row, &tools));
    if (tools)
        json_put(extra, "tools", json_incref(tools));
    json_object_update(extra, json_object_get(row, "chat_template_kwargs"));
    if (tokenizer_chat_marked(b->t, tpl, messages, prompt, extra, NULL, marks, out, b->e))
        return explain_template(b, messages);
    return ERR_OK;
}

size_t form_shared(const struct token_ids *a, const struct token_ids *b)
{
    size_t n = 0;

    while (n < a->n && n < b->n && a->v[n] == b->v[n])
        n++;
    return n;
}

/* Tokens before the last assistant turn; only computed when the loss wants it. */
static errc mask_prompt(struct builder *b, const json_t *messages, size_t n_prompt, const json_t *row)
{
    AUTO_JSON prompt = json_array();
    AUTO_BUF text = { 0 };
    AUTO_IDS ids = { 0 };

    for (size_t i = 0; i < n_prompt; i++)
        json_push(prompt, json_incref(json_array_get(messages, i)));
    if (n_prompt)
        TRY(form_chat(b, prompt, true, row, NULL, &text));
    TRY(tokenizer_encode(b->t, buf_str(&text), false, &ids, b->e));
    b->masked = form_shared(&b->ids, &ids);
    return ERR_OK;
}

static errc encode_turns(struct builder *b, const json_t *messages, size_t n_prompt, const json_t *row)
{
    AUTO(template_marks_done) struct template_marks marks = { 0 };
    AUTO_BUF text = { 0 };

    TRY(form_chat(b, messages, false, row, &marks, &text));
    TRY(tokenizer_encode(b->t, buf_str(&text), false, &b->ids, b->e));
    if (b->o->assistant_only)
        TRY(form_mark_assistant(b, messages, row, buf_str(&text), &marks));
    return b->o->loss == EXAMPLES_LOSS_COMPLETION ? mask_prompt(b, messages, n_prompt, row) : ERR_OK;
}

/* A list, or its text in JSON, which is what a cell of CSV can hold. */
static bool is_list(const json_t *v)
{
    struct str text = str_trim(json_to_str(v));

    return json_is_array(v) || (text.n && text.p[0] == '[');
}

static errc list_of(struct builder *b, json_t *value, const char *column, json_t **out)
{
    struct err why;

    if (!json_is_string(value)) {
        *out = json_incref(value);
        return ERR_OK;
    }
    if (json_parse(json_to_str(value), out, &why))
        return err_set(b->e, ERR_INVALID, "column %s: the cell is no list of messages in JSON (%s): write it with a JSON library", column, why.text);
    return ERR_OK;
}

static const char *messages_column(const struct builder *b, const json_t *row)
{
    const char *names[] = { b->o->messages_column, "messages", "conversations" };

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (names[i] && is_list(json_object_get(row, names[i])))
            return names[i];
    return NULL;
}

static bool fits_messages(const struct builder *b, const json_t *row) { return messages_column(b, row); }

static errc encode_messages(struct builder *b, const json_t *row)
{
    const char *column = messages_column(b, row);
    AUTO_JSON messages = NULL;
    AUTO_JSON list = NULL;

    if (!column && !json_object_get(row, "messages") && !json_object_get(row, "conversations"))
        return err_set(b->e, ERR_INVALID, "column messages: missing, but the first row has messages; give all rows the same columns");
    if (!column)
        return err_set(b->e, ERR_INVALID, "column messages: expected a list of messages, as in the first row");
    TRY(list_of(b, json_object_get(row, column), column, &list));
    TRY(messages_of(b, list, column, &messages));
    size_t last = json_array_size(messages);
    while (last && !streq(json_cstr(json_array_get(messages, last - 1), "role"), "assistant"))
        last--;
    return encode_turns(b, messages, last ? last - 1 : 0, row);
}

/* ---- prompt and completion ---- */

static bool fits_pair(const struct builder *b, const json_t *row)
{
    const json_t *p = json_object_get(row, "prompt"), *c = json_object_get(row, "completion");

    (void)b;
    return p && c && json_typeof(p) == json_typeof(c) && (json_is_string(p) || json_is_array(p));
}

/* The text with the end-of-text token, once. */
static void add_end(const struct builder *b, struct str text, struct buf *out)
{
    buf_addstr(out, text);
    if (b->info->eos_token && !str_has_suffix(text, str_of(b->info->eos_token)))
        buf_adds(out, b->info->eos_token);
}

static errc encode_pair_text(struct builder *b, struct str prompt, struct str completion)
{
    AUTO_BUF text = { 0 }, end = { 0 };
    AUTO_IDS head = { 0 };

    buf_addstr(&text, prompt);
    add_end(b, completion, &end);
    buf_addstr(&text, buf_str(&end));
    TRY(tokenizer_encode(b->t, buf_str(&text), true, &b->ids, b->e));
    TRY(tokenizer_encode(b->t, prompt, true, &head, b->e));
    b->masked = form_shared(&b->ids, &head);
    return ERR_OK;
}

static errc encode_pair(struct builder *b, const json_t *row)
{
    json_t *p = json_object_get(row, "prompt"), *c = json_object_get(row, "completion");
    AUTO_JSON all = NULL;
    AUTO_JSON rest = NULL;

    if (json_is_string(p) && json_is_string(c))
        return encode_pair_text(b, json_to_str(p), json_to_str(c));
    if (!json_is_array(p) || !json_is_array(c))
        return no_text(b, json_is_string(p) ? "completion" : "prompt", json_is_string(p) ? c : p);
    TRY(messages_of(b, p, "prompt", &all));
    TRY(messages_of(b, c, "completion", &rest));
    size_t n_prompt = json_array_size(all);
    json_array_extend(all, rest);
    return encode_turns(b, all, n_prompt, row);
}

/* ---- instructions ---- */

static const json_t *answer_of(const json_t *row)
{
    const json_t *a = json_object_get(row, "output");
    return json_is_string(a) ? a : json_object_get(row, "response");
}

static bool fits_instruction(const struct builder *b, const json_t *row)
{
    (void)b;
    return json_is_string(json_object_get(row, "instruction")) && json_is_string(answer_of(row));
}

static errc encode_instruction(struct builder *b, const json_t *row)
{
    struct str instruction = json_to_str(json_object_get(row, "instruction")), answer = json_to_str(answer_of(row));
    struct str input = json_to_str(json_object_get(row, "input"));
    AUTO_JSON messages = json_array();
    AUTO_BUF question = { 0 };

    if (!input.n)
        input = json_to_str(json_object_get(row, "context"));
    if (!instruction.p)
        return no_text(b, "instruction", json_object_get(row, "instruction"));
    if (!answer.p)
        return no_text(b, json_object_get(row, "output") ? "output" : "response", answer_of(row));
    buf_addstr(&question, instruction);
    if (input.n) {
        buf_adds(&question, "\n\n");
        buf_addstr(&question, input);
    }
    json_push(messages, json_pack("{s:s, s:o}", "role", "user", "content", json_strn(buf_str(&question))));
    json_push(messages, json_pack("{s:s, s:o}", "role", "assistant", "content", json_strn(answer)));
    return encode_turns(b, messages, 1, row);
}

/* ---- text, ids ---- */

static const char *text_column(const struct builder *b) { return b->o->text_column ? b->o->text_column : "text"; }
static bool fits_text(const struct builder *b, const json_t *row) { return json_is_string(json_object_get(row, text_column(b))); }

static errc encode_text(struct builder *b, const json_t *row)
{
    struct str s = json_to_str(json_object_get(row, text_column(b)));
    AUTO_BUF text = { 0 };

    if (!s.p)
        return no_text(b, text_column(b), json_object_get(row, text_column(b)));
    add_end(b, s, &text);
    return tokenizer_encode(b->t, buf_str(&text), true, &b->ids, b->e);
}

static bool fits_ids(const struct builder *b, const json_t *row)
{
    (void)b;
    return json_is_array(json_object_get(row, "input_ids"));
}

/* Numbers of a JSON row are all real where one of them is beyond 64 bits. */
static int64_t id_of(const json_t *j)
{
    double v = json_number_value(j);

    if (json_is_integer(j))
        return json_integer_value(j);
    return json_is_real(j) && fabs(v) < (double)INT32_MAX && v == floor(v) ? (int64_t)v : INT64_MIN;
}

static errc copy_ids(struct builder *b, const json_t *list, const char *column, int64_t low, struct token_ids *out)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        int64_t id = id_of(json_array_get(list, i));
        if ((id < 0 && id != low) || id >= (int64_t)b->info->vocab_size)
            return err_set(b->e, ERR_INVALID, "column %s[%zu]: not a token id of this model (0 to %zu)", column, i, b->info->vocab_size - 1);
        token_ids_add(out, (int32_t)id);
    }
    return ERR_OK;
}

static errc encode_ids(struct builder *b, const json_t *row)
{
    const json_t *labels = json_object_get(row, "labels");

    TRY(copy_ids(b, json_object_get(row, "input_ids"), "input_ids", 0, &b->ids));
    if (!labels || json_is_null(labels))
        return ERR_OK;
    if (!json_is_array(labels))
        return err_set(b->e, ERR_INVALID, "column labels: expected a list of token ids, -100 where nothing is learnt");
    if (json_array_size(labels) != b->ids.n)
        return err_set(b->e, ERR_INVALID, "columns input_ids and labels: %zu ids but %zu labels", b->ids.n, json_array_size(labels));
    return copy_ids(b, labels, "labels", EXAMPLES_IGNORE, &b->labels);
}

static const struct form forms[] = {
    { "input_ids", fits_ids, encode_ids },
    { "messages", fits_messages, encode_messages },
    { "prompt-completion", fits_pair, encode_pair },
    { "instruction", fits_instruction, encode_instruction },
    { "text", fits_text, encode_text },
};

/* Of a column that would do, were it text. */
static bool is_text_name(const char *name)
{
    static const char *const names[] = { "text", "prompt", "completion", "instruction", "output", "response" };

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (streq(name, names[i]))
            return true;
    return false;
}

/* Why a column that is there may be of no use. */
static const char *kind_of(const char *name, const json_t *value)
{
    if (row_is_binary(value))
        return " (binary data)";
    if (json_is_string(value))
        return streq(name, "messages") || streq(name, "conversations") ? " (text that is no JSON list)" : "";
    return json_is_null(value) ? " (empty)" : json_is_object(value) ? " (an object)" : json_is_array(value) ? " (a list)"
        : !is_text_name(name) ? "" : json_is_number(value) ? " (a number)" : " (true or false)";
}

/* Why none of the columns is the wanted one; "": no guess. */
static const char *explain_columns(const struct builder *b, const json_t *row)
{
    json_t *only = json_object_iter_value(json_object_iter((json_t *)(uintptr_t)row));
    const char *name = json_object_iter_key(json_object_iter((json_t *)(uintptr_t)row));

    if (b->o->text_column && !json_object_get(row, b->o->text_column))
        return "; TrainingArguments.dataset_text_field names none of them";
    if (json_object_size(row) != 1)
        return "";
    if (json_is_array(only) && json_is_object(json_array_get(only, 0)))
        return "; the rows seem to be inside this column: give its list as the file";
    return strpbrk(name, ";\t|") ? "; the cells seem to be separated by something else than commas: save the file with commas" : "";
}

static errc choose_form(struct builder *b, const json_t *row)
{
    AUTO_BUF names = { 0 };
    const char *name;
    json_t *value;

    b->column_absent = b->o->messages_column && !json_object_get(row, b->o->messages_column);
    for (size_t i = 0; i < ARRAY_LEN(forms); i++)
        if (forms[i].fits(b, row)) {
            b->form = &forms[i];
            return ERR_OK;
        }
    json_object_foreach((json_t *)(uintptr_t)row, name, value)
        buf_addf(&names, "%s%s%s", names.n ? ", " : "", name, kind_of(name, value));
    return err_set(b->e, ERR_INVALID, "no usable columns: found %.400s; wanted messages (a list of {role, content}), conversations, "
                   "prompt with completion, instruction with output, text, or input_ids%s", names.n ? buf_cstr(&names) : "none", explain_columns(b, row));
}

static bool is_only_special(const struct builder *b)
{
    for (size_t i = 0; i < b->ids.n; i++)
        if (!tokenizer_is_special(b->t, b->ids.v[i]))
            return false;
    return b->ids.n > 0;
}

errc form_encode(struct builder *b, const json_t *row)
{
    b->ids.n = b->labels.n = b->masked = 0;
    buf_clear(&b->learnt);
    if (!b->form)
        TRY(choose_form(b, row));
    TRY(b->form->encode(b, row));
    if (is_only_special(b))
        return b->strange
            ? err_set(b->e, ERR_INVALID, "nothing but special tokens (%zu): the chat template leaves out role \"%s\"; use user and assistant", b->ids.n, b->strange_role)
            : err_set(b->e, ERR_INVALID, "nothing but special tokens (%zu), no text; remove the row", b->ids.n);
    if (b->o->assistant_only && !b->learnt.n && b->ids.n)
        return err_set(b->e, ERR_INVALID, "assistant_only_loss: rows of the form %s have no assistant turns; use messages, or set it to false", b->form->name);
    return ERR_OK;
}

