#include "helpers.h"

#include <math.h>
#include <unistd.h>

#include "dataset/dataset.h"

static char *below(const char *root, const char *path)
{
    return xasprintf("%s/%s/%s", getenv("KAITO_SOURCE") ? getenv("KAITO_SOURCE") : ".", root, path);
}

char *golden(const char *path)
{
    return below("tests/golden/hf", path);
}

char *shared_golden(const char *path)
{
    char *p = below("../shared/golden/hf", path);

    if (access(p, R_OK) == 0)
        return p;
    free(p);
    return NULL;
}

static json_t *parsed(const char *root, const char *path)
{
    AUTO_MEM char *full = below(root, path);
    json_t *j = NULL;

    OK(json_parse_file(full, 16 << 20, &j, E));
    return j;
}

json_t *golden_json(const char *path) { return parsed("tests/golden/hf", path); }
json_t *recorded(const char *path) { return parsed("tests/golden", path); }

char *temp_dir(void)
{
    char *path = xasprintf("%s/tune-test-XXXXXX", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");

    assert_non_null(mkdtemp(path));
    return path;
}

void rm_dir(char *path)
{
    OK(dir_remove(path, E));
    free(path);
}

void write_text(const char *dir, const char *name, const char *text)
{
    AUTO_MEM char *path = path_join(dir, name);

    OK(file_write_atomic(path, str_of(text), 0644, E));
}

#define SPLIT_SEED 42           /* DatasetConfig.shuffle_seed's default */

void write_split_rows(const char *dir, const json_t *train, const json_t *held)
{
    size_t n_held = json_array_size(held), n = json_array_size(train) + n_held, t = 0, h = 0;
    AUTO_MEM uint32_t *order = xcalloc(n, sizeof *order);
    AUTO_BUF text = { 0 };

    examples_order(n, SPLIT_SEED, 0, order);
    for (uint32_t i = 0; i < n; i++) {
        bool out = false;
        for (size_t k = 0; k < n_held; k++)
            out |= order[k] == i;
        json_write(json_array_get(out ? held : train, out ? h++ : t++), &text);
        buf_addc(&text, '\n');
    }
    assert_int_equal(h, n_held);
    write_text(dir, "rows.jsonl", buf_cstr(&text));
}

static void assert_near(const json_t *got, const json_t *want, const struct nearness *k, const char *name)
{
    double g = json_num(got, k->key, NAN), w = json_num(want, k->key, NAN);

    if (k->may_lack && !json_object_get(want, k->key))
        return;
    if (!(fabs(g - w) <= k->relative * fabs(w) + 1e-12))
        fail_msg("%s step %lld: %s %.9g instead of %.9g", name, (long long)json_int(want, "step", 0), k->key, g, w);
}

void assert_history(const char *dir, const json_t *log, const struct nearness *keys, size_t n_keys, const char *name)
{
    AUTO_MEM char *path = path_join(dir, "out/history.jsonl");
    AUTO_BUF text = { 0 };
    struct str rest, line;
    size_t n = 0;

    OK(file_read(path, 1 << 20, &text, E));
    for (rest = buf_str(&text); str_next(&rest, '\n', &line) && line.n; n++) {
        AUTO_JSON got = NULL;
        const json_t *want = json_array_get(log, n);
        OK(json_parse(line, &got, E));
        assert_int_equal(json_int(got, "step", -1), json_int(want, "step", -2));
        for (size_t k = 0; k < n_keys; k++)
            assert_near(got, want, &keys[k], name);
    }
    assert_int_equal(n, json_array_size(log));
}

static void add(const float *a, const float *b, size_t n, double *diff, double *size)
{
    for (size_t i = 0; i < n; i++) {
        *diff += ((double)a[i] - (double)b[i]) * ((double)a[i] - (double)b[i]);
        *size += (double)b[i] * (double)b[i];
    }
}

double distance(const float *a, const float *b, size_t n)
{
    double diff = 0, size = 0;

    add(a, b, n, &diff, &size);
    return sqrt(diff) / sqrt(size);
}

static void add_tensor(const struct safetensors *file, const struct lora_param *p, char which, const char *suffix, const float *values,
                       size_t n, double *diff, double *size)
{
    AUTO_MEM char *name = xasprintf("base_model.model.%s.lora_%c%s", p->linear->path, which, suffix);
    const struct tensor *t = NULL;

    OK(safetensors_need(file, name, &t, E));
    assert_int_equal(t->len, n);
    float *copy = xmalloc(n * sizeof *copy);
    memcpy(copy, t->data, n * sizeof *copy);
    add(values, copy, n, diff, size);
    free(copy);
}

double distance_to_file(const struct lora_set *s, const float *values, const char *path, const char *suffix)
{
    struct safetensors *file = NULL;
    double diff = 0, size = 0;

    OK(safetensors_open(path, &file, E));
    for (size_t i = 0; i < s->n; i++) {
        const struct lora_param *p = &s->params[i];
        add_tensor(file, p, 'A', suffix, values + p->a_at, p->r * p->linear->w.in, &diff, &size);
        add_tensor(file, p, 'B', suffix, values + p->b_at, p->r * p->linear->w.out, &diff, &size);
    }
    safetensors_free(file);
    return sqrt(diff) / sqrt(size);
}

double distance_of_files(const char *a, const char *b)
{
    struct safetensors *x = NULL, *y = NULL;
    double diff = 0, size = 0;

    OK(safetensors_open(a, &x, E));
    OK(safetensors_open(b, &y, E));
    assert_int_equal(safetensors_count(x), safetensors_count(y));
    for (size_t i = 0; i < safetensors_count(y); i++) {
        const struct tensor *t = safetensors_at(y, i), *u = safetensors_get(x, safetensors_name(y, i));
        assert_non_null(u);
        assert_int_equal(t->len, u->len);
        float *p = xmalloc(2 * t->len * sizeof *p);
        memcpy(p, u->data, t->len * sizeof *p);
        memcpy(p + t->len, t->data, t->len * sizeof *p);
        add(p, p + t->len, t->len, &diff, &size);
        free(p);
    }
    safetensors_free(x);
    safetensors_free(y);
    return sqrt(diff) / sqrt(size);
}
