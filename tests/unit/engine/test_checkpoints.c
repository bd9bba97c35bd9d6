/*
 * Checkpoints that are not whole: each ends in one line that names the file, the tensor, what was expected and what was found.
 * Every case is the phi3 model of tests/golden/hf with one thing done to its bytes.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "engine/engine.h"

#define E (&(struct err){ 0 })

/* A checkpoint being made: header and data apart. */
struct checkpoint {
    char dir[64];
    json_t *header;
    struct buf data;
};

static char *golden(const char *rest) { return xasprintf("%s/tests/golden/hf/models/phi3/%s", getenv("KAITO_SOURCE"), rest); }

static void write_file(const struct checkpoint *c, const char *name, struct str bytes)
{
    AUTO_MEM char *path = path_join(c->dir, name);

    assert_int_equal(file_write_atomic(path, bytes, 0644, E), ERR_OK);
}

static struct checkpoint begin(void)
{
    struct checkpoint c = { .dir = "/tmp/test-checkpoint-XXXXXX" };
    AUTO_MEM char *weights = golden("model.safetensors"), *config = golden("config.json");
    AUTO_BUF text = { 0 };
    uint64_t size;

    assert_non_null(mkdtemp(c.dir));
    assert_int_equal(file_read(config, 1 << 20, &text, E), ERR_OK);
    write_file(&c, "config.json", buf_str(&text));
    buf_clear(&text);
    assert_int_equal(file_read(weights, 1 << 24, &text, E), ERR_OK);
    memcpy(&size, text.p, sizeof size);
    assert_int_equal(json_parse(str_n(text.p + 8, size), &c.header, E), ERR_OK);
    buf_add(&c.data, text.p + 8 + size, text.n - 8 - size);
    return c;
}

/* header size, header, data; header_size 0: what it is. */
static void write_weights(const struct checkpoint *c, const char *name, const json_t *header, uint64_t header_size, struct str data)
{
    AUTO_BUF bytes = { 0 };
    char *text = json_dumps(header, JSON_COMPACT);
    uint64_t size = header_size ? header_size : strlen(text);

    buf_add(&bytes, &size, sizeof size);
    buf_adds(&bytes, text);
    buf_add(&bytes, data.p, data.n);
    write_file(c, name, buf_str(&bytes));
    free(text);
}

static void assert_refused(struct checkpoint *c, const char *expected)
{
    AUTO_MEM char *text = xasprintf("%s/%s", c->dir, expected);
    struct model *m = NULL;
    struct err e = { 0 };

    assert_int_not_equal(model_load(c->dir, &(struct model_opts){ .threads = 1 }, &m, &e), ERR_OK);
    if (!strstr(e.text, text))
        fail_msg("expected: %s\nfound: %s", text, e.text);
    assert_int_equal(dir_remove(c->dir, E), ERR_OK);
    json_decref(c->header);
    buf_done(&c->data);
}

#define DOWN "model.layers.1.mlp.down_proj.weight"

static size_t offset_of(const struct checkpoint *c, const char *tensor, size_t which)
{
    return (size_t)json_integer_value(json_array_get(json_object_get(json_object_get(c->header, tensor), "data_offsets"), which));
}

static void set_shape(struct checkpoint *c, const char *tensor, json_int_t a, json_int_t b)
{
    json_object_set_new(json_object_get(c->header, tensor), "shape", json_pack("[I, I]", a, b));
}

static void whole(void **state)
{
    struct checkpoint c = begin();
    struct model *m = NULL;
    struct err e = { 0 };

    write_weights(&c, "model.safetensors", c.header, 0, buf_str(&c.data));
    if (model_load(c.dir, &(struct model_opts){ .threads = 1 }, &m, &e))
        fail_msg("%s", e.text);         /* what the cases below break does load */
    model_free(m);
    assert_int_equal(dir_remove(c.dir, E), ERR_OK);
    json_decref(c.header);
    buf_done(&c.data);
}

static void cut_short(void **state)
{
    struct checkpoint c = begin();

    write_weights(&c, "model.safetensors", c.header, 0, str_n(c.data.p, c.data.n / 2));
    assert_refused(&c, "model.safetensors: tensor ");
    c = begin();
    write_file(&c, "model.safetensors", STR("\x08\0\0"));
    assert_refused(&c, "model.safetensors: 3 bytes are too few for a safetensors file");
    c = begin();
    write_file(&c, "model.safetensors", (struct str){ 0 });
    assert_refused(&c, "model.safetensors: 0 bytes are too few for a safetensors file");
}

static void overlapping(void **state)
{
    struct checkpoint c = begin();
    size_t begins = offset_of(&c, DOWN, 0), ends = offset_of(&c, DOWN, 1);

    json_object_set_new(json_object_get(c.header, DOWN), "data_offsets", json_pack("[I, I]", (json_int_t)begins - 128, (json_int_t)ends - 128));
    write_weights(&c, "model.safetensors", c.header, 0, buf_str(&c.data));
    assert_refused(&c, "model.safetensors: tensor ");
}

static void header_of_2_to_60_bytes(void **state)
{
    struct checkpoint c = begin();

    write_weights(&c, "model.safetensors", c.header, UINT64_C(1) << 60, buf_str(&c.data));
    assert_refused(&c, "model.safetensors: header of 1152921504606846976 bytes in a file of ");
}

static void a_missing_tensor(void **state)
{
    struct checkpoint c = begin();
    json_t *entry = json_object_get(c.header, DOWN);

    json_object_set(c.header, "model.layers.1.mlp.down.weight", entry);
    json_object_del(c.header, DOWN);
    write_weights(&c, "model.safetensors", c.header, 0, buf_str(&c.data));
    assert_refused(&c, "model.safetensors: tensor " DOWN " is missing");
}

static void a_tensor_too_many(void **state)
{
    struct checkpoint c = begin();

    json_object_set_new(c.header, "model.layers.2.mlp.down_proj.weight",
                        json_pack("{s:s, s:[i, i], s:[I, I]}", "dtype", "BF16", "shape", 2, 3, "data_offsets", (json_int_t)c.data.n, (json_int_t)c.data.n + 12));
    buf_add(&c.data, "abcdefghijkl", 12);
    write_weights(&c, "model.safetensors", c.header, 0, buf_str(&c.data));
    assert_refused(&c, "model.safetensors: tensor model.layers.2.mlp.down_proj.weight has no place in a phi3 model");
}

static void a_wrong_shape(void **state)
{
    struct checkpoint c = begin();

    set_shape(&c, DOWN, 232, 64);
    write_weights(&c, "model.safetensors", c.header, 0, buf_str(&c.data));
    assert_refused(&c, "model.safetensors: tensor " DOWN ": expected shape [64, 232], found [232, 64]");
}

static void a_wrong_dtype(void **state)
{
    struct checkpoint c = begin();

    json_object_set_new(json_object_get(c.header, DOWN), "dtype", json_string("I16"));
    write_weights(&c, "model.safetensors", c.header, 0, buf_str(&c.data));
    assert_refused(&c, "model.safetensors: tensor " DOWN ": dtype I16 is not read; F32, BF16 and F16 are");
}

static void values_that_are_not_numbers(void **state)
{
    static const struct { const char *tensor, *text; } rows[] = {
        { DOWN, "model.safetensors: tensor " DOWN ": element 5 is not a finite number" },
        { "model.norm.weight", "model.safetensors: tensor model.norm.weight: element 5 is not a finite number" },
        { "lm_head.weight", "model.safetensors: tensor lm_head.weight: element 5 is not a finite number" },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct checkpoint c = begin();

        memcpy(c.data.p + offset_of(&c, rows[i].tensor, 0) + 5 * 2, i == 1 ? "\x80\xff" : "\xc0\x7f", 2);   /* -inf; NaN */
        write_weights(&c, "model.safetensors", c.header, 0, buf_str(&c.data));
        assert_refused(&c, rows[i].text);
    }
}

/* Large checkpoints are not looked through at the start: the first answer names the culprit. Here one that was changed after loading. */
static void damage_found_while_computing(void **state)
{
    AUTO_MEM char *dir = golden("");
    struct engine *g = NULL;
    static const int32_t ids[] = { 5, 6, 7 };
    struct err e = { 0 };

    assert_int_equal(engine_open(dir, &(struct engine_opts){ .threads = 1 }, &g, &e), ERR_OK);
    const struct model *m = engine_model(g);
    struct weight *w = &m->linears[3].w;
    AUTO_MEM float *copy = xcalloc(w->out * w->in, sizeof *copy), *logits = xcalloc(3 * m->config.vocab, sizeof *logits);

    copy[7] = NAN;
    *w = weight_f32(copy, w->out, w->in);
    assert_int_equal(engine_score(g, NULL, ids, 3, logits, &e), ERR_CORRUPT);
    assert_non_null(strstr(e.text, "tensor model.layers.0.mlp.down_proj.weight: element 7 is not a finite number"));
    engine_free(g);
}

/* ── shards ── */

static void write_index(struct checkpoint *c, const char *shard_of_down)
{
    json_t *map = json_object();
    const char *name;
    json_t *value;

    json_object_foreach(c->header, name, value)
        if (!streq(name, "__metadata__"))
            json_object_set_new(map, name, json_string(streq(name, DOWN) ? shard_of_down : "model-00001-of-00002.safetensors"));
    char *text = json_dumps(map, 0);
    AUTO_MEM char *index = xasprintf("{\"weight_map\": %s}", text);
    write_file(c, "model.safetensors.index.json", str_of(index));
    free(text);
    json_decref(map);
}

static void shards_that_are_not_there(void **state)
{
    struct checkpoint c = begin();

    write_weights(&c, "model-00001-of-00002.safetensors", c.header, 0, buf_str(&c.data));
    write_index(&c, "model-00002-of-00002.safetensors");
    assert_refused(&c, "model.safetensors.index.json: open ");
    c = begin();
    write_index(&c, "model-00002-of-00002.safetensors");
    assert_refused(&c, "model.safetensors.index.json: open ");
    c = begin();
    write_index(&c, "../../etc/passwd");
    write_weights(&c, "model-00001-of-00002.safetensors", c.header, 0, buf_str(&c.data));
    assert_refused(&c, "model.safetensors.index.json: weight_map." DOWN " must name a file of this folder");
    c = begin();
    write_file(&c, "model.safetensors.index.json", STR("{\"weight_map\": 3}"));
    assert_refused(&c, "model.safetensors.index.json: weight_map must be an object from tensor to file");
    c = begin();
    assert_int_equal(dir_exists(c.dir), 1);
    AUTO_MEM char *text = xasprintf("%s: holds neither model.safetensors nor", c.dir);
    struct model *m = NULL;
    struct err e = { 0 };
    assert_int_equal(model_load(c.dir, &(struct model_opts){ .threads = 1 }, &m, &e), ERR_NOT_FOUND);
    assert_non_null(strstr(e.text, text));
    assert_int_equal(dir_remove(c.dir, E), ERR_OK);
    json_decref(c.header);
    buf_done(&c.data);
}

/* The message names the shard that holds the tensor, not the index. */
static void a_wrong_shape_in_a_shard(void **state)
{
    struct checkpoint c = begin();
    json_t *down = json_pack("{s:s, s:[i, i], s:[i, i]}", "dtype", "F32", "shape", 2, 3, "data_offsets", 0, 24);
    AUTO_JSON second = json_pack("{s:o}", DOWN, down);
    AUTO_JSON first = json_deep_copy(c.header);
    AUTO_BUF zeros = { 0 };

    json_object_set(first, "spare", json_object_get(first, DOWN));
    json_object_del(first, DOWN);
    write_weights(&c, "model-00001-of-00002.safetensors", first, 0, buf_str(&c.data));
    buf_add(&zeros, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 24);
    write_weights(&c, "model-00002-of-00002.safetensors", second, 0, buf_str(&zeros));
    write_index(&c, "model-00002-of-00002.safetensors");
    assert_refused(&c, "model-00002-of-00002.safetensors: tensor " DOWN ": expected shape [64, 232], found [2, 3]");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole),
        cmocka_unit_test(cut_short),
        cmocka_unit_test(overlapping),
        cmocka_unit_test(header_of_2_to_60_bytes),
        cmocka_unit_test(a_missing_tensor),
        cmocka_unit_test(a_tensor_too_many),
        cmocka_unit_test(a_wrong_shape),
        cmocka_unit_test(a_wrong_dtype),
        cmocka_unit_test(values_that_are_not_numbers),
        cmocka_unit_test(damage_found_while_computing),
        cmocka_unit_test(shards_that_are_not_there),
        cmocka_unit_test(a_wrong_shape_in_a_shard),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
