#include "helpers.h"

#include <math.h>
#include <unistd.h>

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

json_t *golden_json(const char *path)
{
    AUTO_MEM char *full = golden(path);
    json_t *j = NULL;

    OK(json_parse_file(full, 16 << 20, &j, E));
    return j;
}

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
