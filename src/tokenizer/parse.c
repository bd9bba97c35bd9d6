/* tokenizer.json -> struct tokenizer. */
#include "tokenizer/parse.h"

#define NESTING_MAX 8

errc parse_bad(struct err *e, const char *field, const char *wanted)
{
    return err_set(e, ERR_CORRUPT, "%s: expected %s", field, wanted);
}

static struct str text_of(struct tokenizer *t, const json_t *j)
{
    return json_is_string(j) ? arena_str(t->arena, json_to_str(j)) : STR("");
}

struct str parse_text(struct tokenizer *t, const json_t *j, const char *key)
{
    return text_of(t, json_object_get(j, key));
}

errc parse_regex(struct tokenizer *t, struct str pattern, struct pattern *out, struct err *e)
{
    vec_grow(t->regexes, t->n_regexes, t->cap_regexes);
    TRY(regex_new(pattern, &t->regexes[t->n_regexes], e));
    out->re = t->regexes[t->n_regexes++];
    return ERR_OK;
}

errc parse_pattern(struct tokenizer *t, const json_t *j, const char *field, struct pattern *out, struct err *e)
{
    const json_t *p = json_object_get(j, "pattern");
    const json_t *re = json_object_get(p, "Regex"), *s = json_object_get(p, "String");

    if (json_is_string(re))
        return parse_regex(t, json_to_str(re), out, e) ? err_wrap(e, "%s", field) : ERR_OK;
    if (!json_is_string(s))
        return parse_bad(e, field, "pattern to be {\"String\": ...} or {\"Regex\": ...}");
    out->text = text_of(t, s);
    return ERR_OK;
}

/* Reads one part, or the members of a Sequence. */
errc parse_part(struct tokenizer *t, const json_t *j, const char *part, const char *members, const struct row *rows, size_t n,
                      int depth, struct err *e)
{
    if (!j || json_is_null(j))
        return ERR_OK;
    const char *type = json_cstr(j, "type");
    if (!type)
        return parse_bad(e, part, "an object with a type");
    if (streq(type, "Sequence")) {
        const json_t *list = json_object_get(j, members);
        if (depth >= NESTING_MAX)
            return err_set(e, ERR_CORRUPT, "%s: sequences are nested more than %d deep", part, NESTING_MAX);
        if (!json_is_array(list))
            return parse_bad(e, part, "the list of a Sequence");
        for (size_t i = 0; i < json_array_size(list); i++)
            TRY(parse_part(t, json_array_get(list, i), part, members, rows, n, depth + 1, e));
        return ERR_OK;
    }
    for (size_t i = 0; i < n; i++)
        if (streq(rows[i].type, type))
            return rows[i].read(t, j, e);
    return err_set(e, ERR_UNSUPPORTED, "%s: type \"%s\" is not known", part, type);
}

/* ---- post-processor: only what one sequence gets before and after it ---- */

static errc add_template_ids(struct tokenizer *t, const json_t *specials, const json_t *item, struct token_ids *to, struct err *e)
{
    const char *name = json_str_at(item, "SpecialToken", "id", NULL);
    const json_t *ids = name ? json_at(specials, name, "ids", NULL) : NULL;

    if (!json_is_array(ids))
        return err_set(e, ERR_CORRUPT, "post_processor TemplateProcessing: special token \"%s\" has no ids", name ? name : "?");
    for (size_t i = 0; i < json_array_size(ids); i++)
        token_ids_add(to, (int32_t)json_integer_value(json_array_get(ids, i)));
    return ERR_OK;
}

static errc post_template(struct tokenizer *t, const json_t *j, struct err *e)
{
    const json_t *single = json_object_get(j, "single"), *specials = json_object_get(j, "special_tokens");
    bool after = false;

    if (!json_is_array(single))
        return parse_bad(e, "post_processor TemplateProcessing", "single to be a list");
    for (size_t i = 0; i < json_array_size(single); i++) {
        const json_t *item = json_array_get(single, i);
        if (json_object_get(item, "Sequence"))
            after = true;
        else
            TRY(add_template_ids(t, specials, item, after ? &t->suffix : &t->prefix, e));
    }
    return ERR_OK;
}

static errc post_byte_level(struct tokenizer *t, const json_t *j, struct err *e)
{
    (void)t, (void)j, (void)e;          /* it moves offsets only */
    return ERR_OK;
}

static errc post_bert(struct tokenizer *t, const json_t *j, struct err *e)
{
    const json_t *cls = json_array_get(json_object_get(j, "cls"), 1), *sep = json_array_get(json_object_get(j, "sep"), 1);

    if (!json_is_integer(cls) || !json_is_integer(sep))
        return parse_bad(e, "post_processor", "cls and sep to be [token, id]");
    token_ids_add(&t->prefix, (int32_t)json_integer_value(cls));
    token_ids_add(&t->suffix, (int32_t)json_integer_value(sep));
    return ERR_OK;
}

static const struct row post_rows[] = {
    { "TemplateProcessing", post_template }, { "ByteLevel", post_byte_level }, { "BertProcessing", post_bert }, { "RobertaProcessing", post_bert },
};

/* ---- added tokens ---- */

static errc read_added(struct tokenizer *t, const json_t *j, size_t index, struct err *e)
{
    struct str content = json_to_str(json_object_get(j, "content"));
    int64_t id = json_int(j, "id", -1);

    if (!content.n || id < 0 || id >= ID_LIMIT)
        return err_set(e, ERR_CORRUPT, "added_tokens[%zu]: expected content and an id", index);
    bool special = json_flag(j, "special", false);
    struct added_token a = {
        .content = arena_str(t->arena, content), .id = (int32_t)id, .special = special,
        .single_word = json_flag(j, "single_word", false), .lstrip = json_flag(j, "lstrip", false),
        .rstrip = json_flag(j, "rstrip", false), .normalized = json_flag(j, "normalized", !special),
    };
    AUTO_BUF norm = { 0 };
    if (a.normalized)
        TRY(normalize(t->norm, t->n_norm, a.content, &norm, NULL, e));
    a.shown = norm.n ? arena_str(t->arena, buf_str(&norm)) : a.content;
    vec_grow(t->added, t->n_added, t->cap_added);
    t->added[t->n_added++] = a;
    vocab_put(&t->added_by_text, a.content, a.id);
    if (!a.normalized || norm.n)
        trie_add(a.normalized ? &t->normalized : &t->raw, a.shown, (int32_t)t->n_added - 1);
    return ERR_OK;
}

static errc read_all_added(struct tokenizer *t, const json_t *list, struct err *e)
{
    for (size_t i = 0; i < json_array_size(list); i++)
        TRY(read_added(t, json_array_get(list, i), i, e));
    t->n_ids = t->model.vocab.n > t->added_by_text.n ? t->model.vocab.n : t->added_by_text.n;
    t->added_at = xcalloc(t->n_ids + 1, sizeof *t->added_at);
    for (size_t i = 0; i < t->n_ids; i++)
        t->added_at[i] = -1;
    for (size_t i = 0; i < t->n_added; i++)
        t->added_at[t->added[i].id] = (int32_t)i;
    return ERR_OK;
}

errc tokenizer_build(struct tokenizer *t, const json_t *root, struct err *e)
{
    const json_t *decoder = json_object_get(root, "decoder");

    if (!json_is_object(root))
        return err_set(e, ERR_CORRUPT, "expected an object");
    TRY(parse_normalizer(t, json_object_get(root, "normalizer"), e));
    TRY(parse_pre_tokenizer(t, json_object_get(root, "pre_tokenizer"), e));
    if (!t->model.vocab.n)
        TRY(parse_model(t, json_object_get(root, "model"), e));
    TRY(read_all_added(t, json_object_get(root, "added_tokens"), e));
    TRY(parse_part(t, json_object_get(root, "post_processor"), "post_processor", "processors", post_rows, ARRAY_LEN(post_rows), 0, e));
    TRY(parse_decoder(t, decoder, e));
    t->has_decoder = json_is_object(decoder);
    return ERR_OK;
}
