/* One line per tensor of a safetensors or GGUF file, in file order. NaN and infinity are no part of the range; they are counted. */
#include <math.h>
#include <stdlib.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/options.h"
#include "cli/inspect.h"
#include "tensor/gguf.h"
#include "tensor/safetensors.h"

#define PART 65536                      /* elements looked at at a time; a multiple of every block */

struct range { double min, max, sum; size_t finite, other; };

static void widen(struct range *r, const double *v, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (!isfinite(v[i])) {
            r->other++;
            continue;
        }
        r->min = fmin(r->min, v[i]);
        r->max = fmax(r->max, v[i]);
        r->sum += v[i];
        r->finite++;
    }
}

static void put_range(json_t *out, const struct range *r)
{
    if (r->finite) {
        json_put(out, "min", json_real(r->min));
        json_put(out, "max", json_real(r->max));
        json_put(out, "mean", json_real(r->sum / (double)r->finite));
    }
    if (r->other)
        json_put_int(out, "not_finite", (int64_t)r->other);
}

static void add_range(json_t *out, const struct tensor *t)
{
    AUTO_MEM double *part = xcalloc(PART, sizeof *part);
    struct range r = { .min = INFINITY, .max = -INFINITY };

    for (size_t at = 0; at < t->len; at += PART) {
        size_t n = t->len - at < PART ? t->len - at : PART;

        if (dtype_to_f64(part, (const char *)t->data + at * dtype_size(t->dtype), t->dtype, n, NULL))
            return;             /* 8-bit floats: no range */
        widen(&r, part, n);
    }
    put_range(out, &r);
}

static void add_block_range(json_t *out, const struct gguf_tensor *t)
{
    AUTO_MEM float *part = xcalloc(PART, sizeof *part);
    AUTO_MEM double *wide = xcalloc(PART, sizeof *wide);
    struct range r = { .min = INFINITY, .max = -INFINITY };

    for (size_t at = 0; at < t->len; at += PART) {
        size_t n = t->len - at < PART ? t->len - at : PART;

        t->format->dequantize(part, t->data + block_bytes(t->format, at), n / t->format->elements);
        for (size_t i = 0; i < n; i++)
            wide[i] = (double)part[i];
        widen(&r, wide, n);
    }
    put_range(out, &r);
}

static json_t *describe(const char *name, const char *format, const size_t *shape, size_t ndim)
{
    json_t *out = json_object(), *sizes = json_array();

    json_put_str(out, "name", name);
    json_put_str(out, "dtype", format);
    for (size_t i = 0; i < ndim; i++)
        json_push(sizes, json_integer((json_int_t)shape[i]));
    json_put(out, "shape", sizes);
    return out;
}

static errc print_safetensors(const char *path, struct err *e)
{
    AUTO_FREE(safetensors) s = NULL;

    TRY(dir_exists(path) ? safetensors_open_dir(path, &s, e) : safetensors_open(path, &s, e));
    for (size_t i = 0; i < safetensors_count(s); i++) {
        const struct tensor *t = safetensors_at(s, i);
        AUTO_JSON out = describe(safetensors_name(s, i), dtype_name(t->dtype), t->shape, t->ndim);

        add_range(out, t);
        inspect_print(out);
    }
    return ERR_OK;
}

static errc print_gguf(const char *path, struct err *e)
{
    AUTO_FREE(gguf) g = NULL;

    TRY(gguf_open(path, &g, e));
    for (size_t i = 0; i < gguf_tensor_count(g); i++) {
        const struct gguf_tensor *t = gguf_tensor_at(g, i);
        AUTO_JSON out = describe(t->name, t->format->name, t->shape, t->ndim);

        add_block_range(out, t);
        inspect_print(out);
    }
    return ERR_OK;
}

static errc print_all(const char *path, struct err *e)
{
    AUTO_MEM char *gguf = NULL;

    TRY(gguf_locate(path, &gguf, e));
    return gguf ? print_gguf(gguf, e) : print_safetensors(path, e);
}

int inspect_tensors(int argc, char **argv)
{
    const struct command_help help = {
        .usage = "kaito-runtime inspect tensors FILE|MODEL_DIR",
        .summary = "Writes a {\"name\", \"dtype\", \"shape\", \"min\", \"max\", \"mean\"} line for each tensor.",
    };
    AUTO(strlist_done) struct strlist args = { 0 };
    struct err e = { 0 };
    errc rc = options_parse(NULL, 0, &help, argc, argv, &args, &e);

    if (rc == OPTIONS_HELP)
        return 0;
    if (!rc && args.n != 1)
        rc = err_set(&e, ERR_BAD_REQUEST, "give one file, found %zu", args.n);
    if (!rc)
        rc = print_all(args.items[0], &e);
    return rc ? command_fail("inspect tensors", &e) : 0;
}
