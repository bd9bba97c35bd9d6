/* One line per tensor of a safetensors file, in file order. NaN and infinity are no part of the range; they are counted. */
#include <math.h>
#include <stdlib.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/options.h"
#include "cli/inspect.h"
#include "tensor/safetensors.h"

#define PART 65536

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
    if (r.finite) {
        json_put(out, "min", json_real(r.min));
        json_put(out, "max", json_real(r.max));
        json_put(out, "mean", json_real(r.sum / (double)r.finite));
    }
    if (r.other)
        json_put_int(out, "not_finite", (int64_t)r.other);
}

static void print_tensor(const char *name, const struct tensor *t)
{
    AUTO_JSON out = json_object();
    json_t *shape = json_array();

    json_put_str(out, "name", name);
    json_put_str(out, "dtype", dtype_name(t->dtype));
    for (size_t i = 0; i < t->ndim; i++)
        json_push(shape, json_integer((json_int_t)t->shape[i]));
    json_put(out, "shape", shape);
    add_range(out, t);
    inspect_print(out);
}

int inspect_tensors(int argc, char **argv)
{
    const struct command_help help = {
        .usage = "kaito-runtime inspect tensors FILE|MODEL_DIR",
        .summary = "Writes a {\"name\", \"dtype\", \"shape\", \"min\", \"max\", \"mean\"} line for each tensor.",
    };
    AUTO_FREE(safetensors) s = NULL;
    AUTO(strlist_done) struct strlist args = { 0 };
    struct err e = { 0 };
    errc rc = options_parse(NULL, 0, &help, argc, argv, &args, &e);

    if (rc == OPTIONS_HELP)
        return 0;
    if (!rc && args.n != 1)
        rc = err_set(&e, ERR_BAD_REQUEST, "give one file, found %zu", args.n);
    if (!rc)
        rc = dir_exists(args.items[0]) ? safetensors_open_dir(args.items[0], &s, &e) : safetensors_open(args.items[0], &s, &e);
    if (rc)
        return command_fail("inspect tensors", &e);
    for (size_t i = 0; i < safetensors_count(s); i++)
        print_tensor(safetensors_name(s, i), safetensors_at(s, i));
    return 0;
}
