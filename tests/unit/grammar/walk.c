/*
 * Random texts of a language: at each step one of the allowed tokens, whatever a model might like. One JSON line on stdin
 * {"schema" | "regex" | "json_object": ..., "seed", "count", "soft_tokens"} gives `count` lines {"text", "finished"} or {"error"}.
 * After soft_tokens what ends the text is preferred. `walk [TOKENIZER.json]`: with its vocabulary, else bytes and a few words.
 */
#include "base/file.h"
#include "base/mem.h"
#include "grammar/priv.h"       /* the bytes of a token */
#include "grammar_test.h"
#include "tokenizer/tokenizer.h"

#define HARD_TOKENS 6000

static struct grammar_vocab *vocab_of(const char *tokenizer_json)
{
    static const char *const words[] = { "{\"", "\":", "\",", "\", \"", "\"}", "}}", "]}", " \"", "ab", "na", "12", "-1", "true", "\n  ", "\\\"", "\xc3\xa9", "x\xf0\x9f" };
    AUTO_FREE(tokenizer) t = NULL;
    AUTO_BUF json = { 0 }, bytes = { 0 };
    struct err e;

    if (!tokenizer_json)
        return byte_vocab(words, ARRAY_LEN(words));
    if (file_read(tokenizer_json, (size_t)64 << 20, &json, &e) || tokenizer_parse(buf_str(&json), tokenizer_json, &t, &e)) {
        fprintf(stderr, "%s\n", e.text);
        exit(1);
    }
    size_t n = tokenizer_info(t)->vocab_size;
    struct str *tokens = xcalloc(n + 1, sizeof *tokens);
    size_t *ends = xcalloc(n + 1, sizeof *ends);
    for (size_t i = 0; i < n; i++) {
        tokenizer_token_bytes(t, (int32_t)i, &bytes);
        ends[i + 1] = bytes.n;
    }
    for (size_t i = 0; i < n; i++)
        tokens[i] = str_n(bytes.p + ends[i], ends[i + 1] - ends[i]);
    int32_t eos = (int32_t)n;           /* one that the tokenizer does not have */
    tokens[n] = str_n("", 0);
    struct grammar_vocab *v = grammar_vocab_new(tokens, n + 1, &eos, 1);
    free(tokens);
    free(ends);
    return v;
}

static uint64_t next_random(uint64_t *seed)
{
    uint64_t z = *seed += 0x9e3779b97f4a7c15u;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static int32_t pick(const uint64_t *mask, size_t words, uint64_t *seed)
{
    size_t n = 0;

    for (size_t i = 0; i < words; i++)
        n += (size_t)__builtin_popcountll(mask[i]);
    if (!n)
        return -1;
    size_t left = next_random(seed) % n;
    for (size_t i = 0; i < words; i++) {
        size_t here = (size_t)__builtin_popcountll(mask[i]);
        if (left >= here) {
            left -= here;
            continue;
        }
        uint64_t w = mask[i];
        while (left--)
            w &= w - 1;
        return (int32_t)(i * 64 + (size_t)__builtin_ctzll(w));
    }
    return -1;
}

/* The first byte that closes something, when the matcher takes it. */
static bool close_something(struct matcher *m, struct buf *text)
{
    static const char closing[] = "\"}]0";

    for (const char *c = closing; *c; c++)
        if (matcher_accept_bytes(m, str_n(c, 1))) {
            buf_addc(text, *c);
            return true;
        }
    return false;
}

static bool walk(struct grammar *g, const struct grammar_vocab *v, uint64_t seed, size_t soft, struct buf *text)
{
    AUTO_FREE(matcher) m = matcher_new(g, v);
    size_t words = grammar_vocab_words(v);
    AUTO_MEM uint64_t *mask = xcalloc(words, sizeof *mask);

    for (size_t i = 0; i < HARD_TOKENS && !matcher_done(m); i++) {
        if (i > soft && matcher_may_end(m))
            break;
        if (i > soft && close_something(m, text))
            continue;
        matcher_mask(m, mask);
        int32_t id = pick(mask, words, &seed);
        if (id < 0 || !matcher_accept(m, id)) {
            fprintf(stderr, "stuck after %s\n", buf_cstr(text));
            exit(1);
        }
        buf_addstr(text, v->bytes[id]);
    }
    return matcher_may_end(m);
}

static errc compile(const json_t *in, struct grammar **out, struct err *e)
{
    if (json_cstr(in, "regex"))
        return grammar_compile_regex(str_of(json_cstr(in, "regex")), out, e);
    if (json_object_get(in, "json_object"))
        return grammar_compile_json_object(out, e);
    return grammar_compile_json_schema(json_object_get(in, "schema"), out, e);
}

static void answer(const json_t *in, const struct grammar_vocab *v)
{
    AUTO_FREE(grammar) g = NULL;
    struct err e = { 0 };
    errc rc = compile(in, &g, &e);

    for (int64_t i = 0; i < json_int(in, "count", 1); i++) {
        AUTO_JSON j = json_object();
        AUTO_BUF text = { 0 };
        AUTO_MEM char *line = NULL;
        if (rc) {
            json_put_str(j, "error", e.text);
        } else {
            json_put_bool(j, "finished", walk(g, v, (uint64_t)(json_int(in, "seed", 1) * 1000 + i), (size_t)json_int(in, "soft_tokens", 60), &text));
            json_put(j, "text", json_strn(buf_str(&text)));
        }
        line = json_text(j);
        puts(line);
    }
}

int main(int argc, char **argv)
{
    AUTO_FREE(grammar_vocab) v = vocab_of(argc > 1 ? argv[1] : NULL);
    AUTO_MEM char *line = NULL;
    size_t cap = 0;
    ssize_t n;

    while ((n = getline(&line, &cap, stdin)) > 0) {
        AUTO_JSON in = NULL;
        struct err e;
        if (json_parse(str_n(line, (size_t)n), &in, &e)) {
            fprintf(stderr, "%s\n", e.text);
            return 1;
        }
        answer(in, v);
    }
    return 0;
}
