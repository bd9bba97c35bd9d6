/* Metadata of GGUF files as model configurations: files of a few keys and tensors, put together here. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "base/mem.h"
#include "engine/gguf.h"

/* ── a file ── */

struct file { struct buf keys, tensors; uint64_t n_keys, n_tensors, data; const char *architecture; };

static void file_done(struct file *f)
{
    buf_done(&f->keys);
    buf_done(&f->tensors);
}

static void add_text(struct buf *b, const char *s)
{
    uint64_t n = strlen(s);

    buf_add(b, &n, sizeof n);
    buf_add(b, s, n);
}

/* The architecture comes before the key, unless it begins with a colon. */
static void add_key(struct file *f, const char *key, uint32_t type, const void *value, size_t bytes)
{
    AUTO_MEM char *full = strchr(key, ':') ? xstrdup(key + 1) : xasprintf("%s.%s", f->architecture, key);

    add_text(&f->keys, full);
    buf_add(&f->keys, &type, sizeof type);
    buf_add(&f->keys, value, bytes);
    f->n_keys++;
}

static void put_int(struct file *f, const char *key, uint32_t v) { add_key(f, key, GGUF_U32, &v, sizeof v); }
static void put_real(struct file *f, const char *key, float v) { add_key(f, key, GGUF_F32, &v, sizeof v); }

static void put_text(struct file *f, const char *key, const char *v)
{
    AUTO_BUF b = { 0 };

    add_text(&b, v);
    add_key(f, key, GGUF_STRING, b.p, b.n);
}

static void put_flags(struct file *f, const char *key, const uint8_t *v, uint64_t n)
{
    uint32_t of = GGUF_BOOL;
    AUTO_BUF b = { 0 };

    buf_add(&b, &of, sizeof of);
    buf_add(&b, &n, sizeof n);
    buf_add(&b, v, n);
    add_key(f, key, GGUF_ARRAY, b.p, b.n);
}

/* An F32 tensor of ones; columns 0: a vector. */
static void put_tensor(struct file *f, const char *name, uint64_t rows, uint64_t columns)
{
    uint32_t ndim = columns ? 2 : 1, type = 0;

    add_text(&f->tensors, name);
    buf_add(&f->tensors, &ndim, sizeof ndim);
    if (columns)
        buf_add(&f->tensors, &columns, sizeof columns);
    buf_add(&f->tensors, &rows, sizeof rows);
    buf_add(&f->tensors, &type, sizeof type);
    buf_add(&f->tensors, &f->data, sizeof f->data);
    f->data += (rows * (columns ? columns : 1) * sizeof(float) + 31) / 32 * 32;
    f->n_tensors++;
}

/* A model of 4 layers, hidden 48, 6 heads of 8, 2 of them for keys and values. */
static struct file start(const char *architecture)
{
    struct file f = { .architecture = architecture };

    put_text(&f, ":general.architecture", architecture);
    put_int(&f, "block_count", 4);
    put_int(&f, "embedding_length", 48);
    put_int(&f, "feed_forward_length", 64);
    put_int(&f, "attention.head_count", 6);
    put_int(&f, "attention.head_count_kv", 2);
    put_int(&f, "context_length", 1024);
    put_real(&f, "attention.layer_norm_rms_epsilon", 1e-5f);
    put_tensor(&f, "token_embd.weight", 10, 48);
    return f;
}

static errc config_of(struct file *f, struct model_config *out, struct err *e)
{
    static const float one = 1;
    AUTO_FREE(gguf) g = NULL;
    AUTO_BUF b = { 0 };
    uint32_t version = 3;

    buf_adds(&b, "GGUF");
    buf_add(&b, &version, sizeof version);
    buf_add(&b, &f->n_tensors, sizeof f->n_tensors);
    buf_add(&b, &f->n_keys, sizeof f->n_keys);
    buf_addstr(&b, buf_str(&f->keys));
    buf_addstr(&b, buf_str(&f->tensors));
    while (b.n % 32)
        buf_addc(&b, 0);
    for (uint64_t i = 0; i < f->data / sizeof one; i++)
        buf_add(&b, &one, sizeof one);
    file_done(f);
    if (gguf_parse("made.gguf", buf_str(&b), &g, e))
        fail_msg("%s", e->text);
    return gguf_model_config(g, out, e);
}

static struct model_config good(struct file *f)
{
    struct model_config c = { 0 };
    struct err e = { 0 };

    if (config_of(f, &c, &e))
        fail_msg("%s", e.text);
    return c;
}

static void bad(struct file *f, const char *message)
{
    struct model_config c = { 0 };
    struct err e = { 0 };

    assert_int_not_equal(config_of(f, &c, &e), ERR_OK);
    if (!strstr(e.text, message) || !strstr(e.text, "made.gguf"))
        fail_msg("expected \"%s\" in: %s", message, e.text);
}

static bool is(double got, double want) { return fabs(got - want) <= 1e-6 * fabs(want); }

/* ── */

static void a_llama_of_few_keys(void **state)
{
    struct file f = start("llama");

    put_tensor(&f, "output.weight", 10, 48);
    put_tensor(&f, "blk.0.attn_q.bias", 48, 0);
    struct model_config c = good(&f);

    assert_string_equal(c.model_type, "llama");
    assert_int_equal(c.layers * 1000 + c.hidden, 4048);
    assert_int_equal(c.heads * 100 + c.kv_heads * 10 + c.head_dim, 628);
    assert_int_equal(c.rotary, 8);
    assert_int_equal(c.vocab, 10);
    assert_int_equal(c.max_positions, 1024);
    assert_int_equal(c.window, 0);
    assert_true(c.rope_pairs && !c.tied && c.qkv_bias && !c.o_bias && !c.mlp_bias);
    assert_true(c.rope.kind == ROPE_DEFAULT && is(c.rope.theta, 10000) && is((double)c.norm_eps, 1e-5));
    model_config_done(&c);
}

static void a_llama_with_a_window_or_experts(void **state)
{
    struct file f = start("llama"), m = start("llama");

    put_int(&f, "attention.sliding_window", 512);
    struct model_config c = good(&f);
    assert_int_equal(c.window, 512);
    assert_true(c.sliding[0] && c.sliding[3] && c.tied);
    model_config_done(&c);

    put_int(&m, "expert_count", 8);
    put_int(&m, "expert_used_count", 2);
    c = good(&m);
    assert_string_equal(c.model_type, "mixtral");
    assert_int_equal(c.experts * 10 + c.experts_used, 82);
    model_config_done(&c);
}

static void rope_of_every_kind(void **state)
{
    struct file linear = start("llama"), yarn = start("qwen2"), three = start("llama"), partial = start("qwen2");

    put_text(&linear, "rope.scaling.type", "linear");
    put_real(&linear, "rope.scaling.factor", 4);
    put_real(&linear, "rope.freq_base", 500000);
    struct model_config c = good(&linear);
    assert_true(c.rope.kind == ROPE_LINEAR && is(c.rope.factor, 4) && is(c.rope.theta, 500000));
    model_config_done(&c);

    put_text(&yarn, "rope.scaling.type", "yarn");
    put_real(&yarn, "rope.scaling.factor", 8);
    put_int(&yarn, "rope.scaling.original_context_length", 128);
    put_real(&yarn, "rope.scaling.yarn_beta_fast", 16);
    c = good(&yarn);
    assert_true(c.rope.kind == ROPE_YARN && is(c.rope.factor, 8) && is(c.rope.beta_fast, 16) && is(c.rope.beta_slow, 1));
    assert_int_equal(c.rope.original_positions, 128);
    assert_false(c.rope_pairs);
    model_config_done(&c);

    put_tensor(&three, "rope_freqs.weight", 4, 0);
    c = good(&three);
    assert_true(c.rope.kind == ROPE_LONGROPE && is(c.rope.attention_factor, 1) && is((double)c.rope.short_factor[3], 1));
    assert_int_equal(c.rope.original_positions, 1024);
    model_config_done(&c);

    put_int(&partial, "rope.dimension_count", 6);
    c = good(&partial);
    assert_int_equal(c.rotary, 6);
    model_config_done(&c);
}

static void phi3_with_long_factors(void **state)
{
    struct file f = start("phi3"), half = start("phi3");

    put_int(&f, "attention.sliding_window", 0);
    put_int(&f, "rope.scaling.original_context_length", 64);
    put_real(&f, "rope.scaling.attn_factor", 1.19f);
    put_tensor(&f, "rope_factors_long.weight", 4, 0);
    put_tensor(&f, "rope_factors_short.weight", 4, 0);
    struct model_config c = good(&f);
    assert_true(c.rope.kind == ROPE_LONGROPE && is(c.rope.attention_factor, (double)1.19f));
    assert_int_equal(c.rope.original_positions, 64);
    assert_int_equal(c.window, 0);
    model_config_done(&c);

    put_tensor(&half, "rope_factors_long.weight", 4, 0);
    bad(&half, "must both be there");
}

static void gemmas_slide_and_scale(void **state)
{
    static const uint8_t flags[] = { 0, 1, 1, 0 };
    struct file two = start("gemma2"), three = start("gemma3"), listed = start("gemma3");

    put_int(&two, "attention.key_length", 16);
    put_int(&two, "attention.value_length", 16);
    put_real(&two, "attn_logit_softcapping", 50);
    struct model_config c = good(&two);
    assert_int_equal(c.window, 4096);
    assert_true(c.sliding[0] && !c.sliding[1] && c.sliding[2] && !c.sliding[3]);
    assert_true(is((double)c.attn_scale, 0.25) && is((double)c.attn_softcap, 50) && c.norm_plus < 0.5f && c.tied);
    model_config_done(&c);

    put_int(&three, "attention.sliding_window", 512);
    put_int(&three, "attention.sliding_window_pattern", 2);
    put_real(&three, "rope.freq_base", 1000000);
    put_text(&three, "rope.scaling.type", "linear");
    put_real(&three, "rope.scaling.factor", 8);
    c = good(&three);
    assert_true(c.sliding[0] && !c.sliding[1] && c.sliding[2] && !c.sliding[3]);
    assert_true(c.rope.kind == ROPE_LINEAR && is(c.rope.theta, 1000000) && c.rope_local.kind == ROPE_DEFAULT && is(c.rope_local.theta, 10000));
    model_config_done(&c);

    put_int(&listed, "attention.sliding_window", 512);
    put_flags(&listed, "attention.sliding_window_pattern", flags, 4);
    c = good(&listed);
    assert_true(!c.sliding[0] && c.sliding[1] && c.sliding[2] && !c.sliding[3]);
    model_config_done(&c);
}

static void falcons_tell_themselves_apart(void **state)
{
    struct file new = start("falcon"), one = start("falcon");

    put_real(&new, "attention.layer_norm_epsilon", 1e-5f);
    put_tensor(&new, "blk.0.attn_norm_2.weight", 48, 0);
    struct model_config c = good(&new);
    assert_true(c.parallel && c.layernorm && !c.qkv_grouped && !c.gated);
    assert_int_equal(c.kv_heads, 2);
    model_config_done(&c);

    put_real(&one, "attention.layer_norm_epsilon", 1e-5f);
    c = good(&one);
    assert_int_equal(c.kv_heads, 2);
    assert_true(c.parallel);
    model_config_done(&c);
}

static void what_is_not_computed_is_refused(void **state)
{
    struct file split = start("llama"), causal = start("llama"), values = start("llama"), window = start("qwen2"), layers = start("llama");
    uint8_t no = 0;

    put_int(&split, ":split.count", 3);
    bad(&split, "is one of 3 parts");
    add_key(&causal, "attention.causal", GGUF_BOOL, &no, 1);
    bad(&causal, "llama.attention.causal is false");
    put_int(&values, "attention.value_length", 4);
    bad(&values, "heads of 8 elements with values of 4");
    put_int(&window, "attention.sliding_window", 64);
    bad(&window, "which layers of this architecture slide is not known");
    put_int(&layers, "expert_shared_count", 1);
    bad(&layers, "key llama.expert_shared_count is not known");
}

static void numbers_out_of_range_are_refused(void **state)
{
    struct file f = { .architecture = "llama" };

    put_text(&f, ":general.architecture", "llama");
    put_int(&f, "block_count", 2000000000);
    put_int(&f, "embedding_length", 48);
    put_int(&f, "feed_forward_length", 64);
    put_int(&f, "attention.head_count", 6);
    put_int(&f, "context_length", 1024);
    put_tensor(&f, "token_embd.weight", 10, 48);
    bad(&f, "key llama.block_count: expected 1 to 1024, found 2000000000");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_llama_of_few_keys),
        cmocka_unit_test(a_llama_with_a_window_or_experts),
        cmocka_unit_test(rope_of_every_kind),
        cmocka_unit_test(phi3_with_long_factors),
        cmocka_unit_test(gemmas_slide_and_scale),
        cmocka_unit_test(falcons_tell_themselves_apart),
        cmocka_unit_test(what_is_not_computed_is_refused),
        cmocka_unit_test(numbers_out_of_range_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
