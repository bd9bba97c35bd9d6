/*
 * bench_grammar TOKENIZER.json: what constrained decoding costs. For each schema the time to compile it, of the first masks (the
 * caches are empty), and per token of a text that the walk makes: mean and largest of mask and accept together.
 */
#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "grammar/grammar.h"
#include "tokenizer/tokenizer.h"

static const struct { const char *name, *schema; } rows[] = {
    { "person", "{\"type\":\"object\",\"properties\":{\"name\":{\"type\":\"string\"},\"age\":{\"type\":\"integer\"},\"email\":{\"type\":\"string\"},\"tags\":{\"type\":\"array\","
                "\"items\":{\"type\":\"string\"}}},\"required\":[\"name\",\"age\",\"email\",\"tags\"],\"additionalProperties\":false}" },
    { "recursive", "{\"$ref\":\"#/$defs/n\",\"$defs\":{\"n\":{\"type\":\"object\",\"properties\":{\"title\":{\"type\":\"string\"},\"done\":{\"type\":\"boolean\"},\"children\":{\"type\":\"array\","
                   "\"items\":{\"$ref\":\"#/$defs/n\"}}},\"required\":[\"title\",\"done\",\"children\"]}}}" },
    { "bounded strings", "{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"string\",\"maxLength\":200},\"b\":{\"type\":\"string\",\"minLength\":10,\"maxLength\":40},"
                         "\"d\":{\"type\":\"string\",\"format\":\"date-time\"},\"p\":{\"type\":\"string\",\"pattern\":\"^[A-Z]{3}-[0-9]{4}$\"}},\"required\":[\"a\",\"b\",\"d\",\"p\"]}" },
    { "any object", NULL },
};

static struct grammar_vocab *load(const char *path, double *out_ms)
{
    AUTO_FREE(tokenizer) t = NULL;
    AUTO_BUF json = { 0 }, bytes = { 0 };
    struct err e;

    if (file_read(path, (size_t)64 << 20, &json, &e) || tokenizer_parse(buf_str(&json), path, &t, &e)) {
        fprintf(stderr, "%s\n", e.text);
        exit(1);
    }
    int64_t from = clock_mono_us();
    size_t n = tokenizer_info(t)->vocab_size, *ends = xcalloc(n + 1, sizeof *ends);
    struct str *tokens = xcalloc(n + 1, sizeof *tokens);
    for (size_t i = 0; i < n; i++) {
        tokenizer_token_bytes(t, (int32_t)i, &bytes);
        ends[i + 1] = bytes.n;
    }
    for (size_t i = 0; i < n; i++)
        tokens[i] = str_n(bytes.p + ends[i], ends[i + 1] - ends[i]);
    struct grammar_vocab *v = grammar_vocab_new(tokens, n + 1, &(int32_t){ (int32_t)n }, 1);
    *out_ms = (double)(clock_mono_us() - from) / 1000;
    free(ends);
    free(tokens);
    return v;
}

struct times { double total_us, largest_us; size_t n; };

/* A text of up to 400 tokens; draws are made from the mask, quotes and brackets close with some preference. */
static void walk(struct grammar *g, const struct grammar_vocab *v, uint64_t seed, struct times *t)
{
    AUTO_FREE(matcher) m = matcher_new(g, v);
    size_t words = grammar_vocab_words(v);
    AUTO_MEM uint64_t *mask = xcalloc(words, sizeof *mask);

    for (size_t i = 0; i < 400; i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        int64_t from = clock_mono_us();
        matcher_mask(m, mask);
        double us = (double)(clock_mono_us() - from);
        size_t at = (size_t)(seed >> 33) % (words * 64), tried = 0;
        while (!(mask[at / 64] >> (at % 64) & 1) && tried++ < words * 64)
            at = (at + 1) % (words * 64);
        if ((seed >> 20) % 8 == 0 && matcher_accept_bytes(m, STR("\"")))
            continue;
        from = clock_mono_us();
        bool good = matcher_accept(m, (int32_t)at);
        us += (double)(clock_mono_us() - from);
        t->total_us += us;
        t->largest_us = us > t->largest_us ? us : t->largest_us;
        t->n++;
        if (!good || matcher_done(m))
            return;
    }
}

int main(int argc, char **argv)
{
    double vocab_ms;
    AUTO_FREE(grammar_vocab) v = load(argc > 1 ? argv[1] : "tokenizer.json", &vocab_ms);

    printf("vocabulary: %.1f ms, once per model\n", vocab_ms);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO_FREE(grammar) g = NULL;
        AUTO_JSON schema = NULL;
        struct times first = { 0 }, later = { 0 };
        struct err e;
        int64_t from = clock_mono_us();
        if (rows[i].schema ? json_parse(str_of(rows[i].schema), &schema, &e) || grammar_compile_json_schema(schema, &g, &e) : grammar_compile_json_object(&g, &e)) {
            fprintf(stderr, "%s: %s\n", rows[i].name, e.text);
            return 1;
        }
        double compile_us = (double)(clock_mono_us() - from);
        walk(g, v, 1, &first);
        for (uint64_t seed = 2; seed < 30; seed++)
            walk(g, v, seed, &later);
        printf("%-16s compile %6.0f us | first text: %4zu tokens, mean %6.1f us, largest %6.0f us | 28 more: %5zu tokens, mean %6.1f us, largest %6.0f us\n", rows[i].name,
               compile_us, first.n, first.total_us / (double)first.n, first.largest_us, later.n, later.total_us / (double)later.n, later.largest_us);
    }
    return 0;
}
