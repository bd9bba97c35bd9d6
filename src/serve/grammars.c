#include "serve/grammars.h"

#include "base/map.h"
#include "base/mem.h"
#include "base/thread.h"

#define KEPT_MAX 24             /* grammars; each holds up to some 16 MiB of masks while it is used */
#define CHOICES_MAX 10000

struct kept { char *key; struct grammar *grammar; uint64_t used; };

struct grammars {
    const struct tokenizer *t;
    size_t n_vocab, n_eos;
    const int32_t *eos;
    struct thread maker;        /* of the vocabulary, from the start on: the first constrained request finds it ready */

    struct mutex mu;            /* guards what follows; nothing is compiled under it, but the vocabulary is made */
    struct grammar_vocab *vocab;
    struct kept kept[KEPT_MAX];
    size_t n;
    uint64_t clock;
};

static void make(void *arg)
{
    struct grammars *g = arg;

    (void)grammars_vocab(g);
}

struct grammars *grammars_new(const struct tokenizer *t, size_t vocab, const int32_t *eos, size_t n_eos)
{
    struct grammars *g = xzalloc(sizeof *g);

    g->t = t;
    g->n_vocab = vocab;
    g->eos = eos;
    g->n_eos = n_eos;
    mutex_init(&g->mu);
    thread_start(&g->maker, "vocabulary", make, g);
    return g;
}

static void drop(struct kept *k)
{
    free(k->key);
    grammar_free(k->grammar);
}

void grammars_free(struct grammars *g)
{
    if (!g)
        return;
    thread_join(&g->maker);
    for (size_t i = 0; i < g->n; i++)
        drop(&g->kept[i]);
    grammar_vocab_free(g->vocab);
    mutex_done(&g->mu);
    free(g);
}

/* ---- the vocabulary ---- */

static struct grammar_vocab *make_vocab(const struct grammars *g)
{
    AUTO_BUF bytes = { 0 };
    AUTO_MEM size_t *ends = xcalloc(g->n_vocab + 1, sizeof *ends);
    AUTO_MEM struct str *tokens = xcalloc(g->n_vocab + 1, sizeof *tokens);

    for (size_t i = 0; i < g->n_vocab; i++) {
        tokenizer_token_bytes(g->t, (int32_t)i, &bytes);
        ends[i + 1] = bytes.n;
    }
    for (size_t i = 0; i < g->n_vocab; i++)
        tokens[i] = str_n(buf_cstr(&bytes) + ends[i], ends[i + 1] - ends[i]);
    return grammar_vocab_new(tokens, g->n_vocab, g->eos, g->n_eos);
}

const struct grammar_vocab *grammars_vocab(struct grammars *g)
{
    LOCK_SCOPE(&g->mu);
    if (!g->vocab)
        g->vocab = make_vocab(g);
    return g->vocab;
}

/* ---- compiling ---- */

static errc compile_choice(const json_t *list, struct grammar **out, struct err *e)
{
    size_t n = json_array_size(list);
    AUTO_MEM struct str *choices = xcalloc(n + 1, sizeof *choices);

    if (n > CHOICES_MAX)
        return err_set(e, ERR_BAD_REQUEST, "choice: more than %d texts", CHOICES_MAX);
    for (size_t i = 0; i < n; i++) {
        choices[i] = json_to_str(json_array_get(list, i));
        if (!choices[i].p)
            return err_set(e, ERR_BAD_REQUEST, "choice[%zu]: must be a string", i);
    }
    return grammar_compile_choice(choices, n, out, e);
}

static errc compile(enum grammar_kind kind, const json_t *source, struct grammar **out, struct err *e)
{
    switch (kind) {
    case GRAMMAR_JSON_OBJECT:
        return grammar_compile_json_object(out, e);
    case GRAMMAR_JSON_SCHEMA:
        return grammar_compile_json_schema(source, out, e);
    case GRAMMAR_REGEX:
        return grammar_compile_regex(json_to_str(source), out, e);
    case GRAMMAR_CHOICE:
        return compile_choice(source, out, e);
    case GRAMMAR_GBNF:
        return grammar_compile_gbnf(json_to_str(source), out, e);
    }
    return err_set(e, ERR_INTERNAL, "no such kind of grammar");
}

static struct grammar *find(struct grammars *g, const char *key)
{
    LOCK_SCOPE(&g->mu);
    for (size_t i = 0; i < g->n; i++)
        if (streq(g->kept[i].key, key)) {
            g->kept[i].used = ++g->clock;
            return grammar_ref(g->kept[i].grammar);
        }
    return NULL;
}

/* In the place of the one that was not asked for longest. Takes key. */
static void keep(struct grammars *g, char *key, struct grammar *grammar)
{
    LOCK_SCOPE(&g->mu);
    size_t at = 0;

    if (g->n < KEPT_MAX) {
        at = g->n++;
    } else {
        for (size_t i = 1; i < g->n; i++)
            if (g->kept[i].used < g->kept[at].used)
                at = i;
        drop(&g->kept[at]);
    }
    g->kept[at] = (struct kept){ key, grammar_ref(grammar), ++g->clock };
}

errc grammars_get(struct grammars *g, enum grammar_kind kind, const json_t *source, struct grammar **out, struct err *e)
{
    AUTO_MEM char *text = source ? json_text(source) : NULL;
    AUTO_MEM char *key = xasprintf("%d %s", (int)kind, text ? text : "");

    if ((*out = find(g, key)))
        return ERR_OK;
    TRY(compile(kind, source, out, e));
    keep(g, TAKE(key), *out);
    return ERR_OK;
}
