/* {"text"} or {"ids"} -> {"embedding", "tokens"} of an encoder. */
#include "base/mem.h"
#include "base/options.h"
#include "cli/inspect.h"
#include "engine/encoder.h"
#include "tokenizer/tokenizer.h"

struct inspection { struct encoder *encoder; struct tokenizer *tokenizer; };

static errc read_ids(const struct inspection *x, const json_t *in, struct token_ids *ids, struct err *e)
{
    const json_t *text = json_object_get(in, "text"), *list = json_object_get(in, "ids");

    if (json_is_string(text))
        return tokenizer_encode(x->tokenizer, json_to_str(text), json_flag(in, "add_special_tokens", true), ids, e);
    if (!json_is_array(list))
        return err_set(e, ERR_BAD_REQUEST, "text: must be a string; or give ids");
    for (size_t i = 0; i < json_array_size(list); i++) {
        json_int_t id = json_integer_value(json_array_get(list, i));
        if (!json_is_integer(json_array_get(list, i)) || id < 0 || id > INT32_MAX)
            return err_set(e, ERR_BAD_REQUEST, "ids[%zu]: must be a token id", i);
        token_ids_add(ids, (int32_t)id);
    }
    return ERR_OK;
}

static errc embed(void *self, const json_t *in, json_t **out, struct err *e)
{
    const struct inspection *x = self;
    size_t dim = encoder_info(x->encoder)->dim;
    AUTO_MEM float *v = xcalloc(dim, sizeof *v);
    AUTO_IDS ids = { 0 };

    TRY(read_ids(x, in, &ids, e));
    TRY(encoder_embed(x->encoder, ids.v, ids.n, v, e));
    json_t *list = json_array();
    for (size_t i = 0; i < dim; i++)
        json_push(list, json_float((double)v[i]));
    *out = json_object();
    json_put(*out, "embedding", list);
    json_put_int(*out, "tokens", (int64_t)ids.n);
    return ERR_OK;
}

int inspect_embed(int argc, char **argv)
{
    const char *model = NULL;
    int64_t threads = 0;
    const struct option_row rows[] = {
        { .name = "model", .kind = OPT_STR, .value = &model, .arg = "DIR", .help = "The folder of a sentence encoder.", .required = true },
        { .name = "threads", .kind = OPT_INT, .value = &threads, .arg = "N", .help = "0: one per CPU." },
    };
    const struct command_help help = { .usage = "kaito-runtime inspect embed --model DIR",
                                       .summary = "Reads {\"text\"} or {\"ids\"} lines, writes {\"embedding\", \"tokens\"} lines." };
    AUTO_FREE(encoder) encoder = NULL;
    AUTO_FREE(tokenizer) tokenizer = NULL;
    struct strlist rest = { 0 };
    struct err e = { 0 };
    errc rc = options_parse(rows, ARRAY_LEN(rows), &help, argc, argv, &rest, &e);

    strlist_done(&rest);
    if (rc == OPTIONS_HELP)
        return 0;
    if (!rc)
        rc = encoder_open(model, (int)threads, &encoder, &e);
    if (!rc)
        rc = tokenizer_load(model, &tokenizer, &e);
    if (!rc)
        rc = inspect_lines(embed, &(struct inspection){ encoder, tokenizer }, &e);
    return rc ? command_fail("inspect embed", &e) : 0;
}
