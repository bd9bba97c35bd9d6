/* From a tensor of the files to a weight of the model: shapes and values are checked, elements stay mapped or are quantised. */
#include "engine/weight_load.h"

#include <math.h>
#include <omp.h>
#include <stdlib.h>

#include "base/file.h"
#include "base/mem.h"
#include "tensor/panels_blocks.h"

static errc wrong_shape(const struct loader *l, const char *name, const struct tensor *t, const char *expected)
{
    char text[TENSOR_SHAPE_TEXT_MAX];

    return err_set(l->e, ERR_INVALID, "%s: tensor %s: expected shape %s, found %s", source_file(l->source, name), name, expected,
                   tensor_shape_text(t, text));
}

errc weight_load_vector(struct loader *l, const char *name, size_t n, float **out)
{
    struct source_tensor found;
    const struct tensor *t = &found.t;
    char expected[32];

    TRY(source_need(l->source, name, &found, l->e));
    snprintf(expected, sizeof expected, "[%zu]", n);
    if (t->ndim != 1 || t->len != n)
        return wrong_shape(l, name, t, expected);
    *out = xcalloc(n, sizeof **out);
    if (found.blocks)
        return err_set(l->e, ERR_UNSUPPORTED, "%s: tensor %s: a vector in %s is not read; F32, BF16 and F16 are", source_file(l->source, name),
                       name, found.blocks->name);
    if (dtype_to_f32(*out, t->data, t->dtype, n, l->e))
        return err_wrap(l->e, "%s: tensor %s", source_file(l->source, name), name);
    for (size_t i = 0; i < n; i++)
        if (!isfinite((*out)[i]))
            return err_set(l->e, ERR_CORRUPT, "%s: tensor %s: element %zu is not a finite number", source_file(l->source, name), name, i);
    return ERR_OK;
}

/* The place of the first element that is infinite or not a number; out * in when there is none. NF4 and panels have no such elements. */
static size_t find_not_finite(const struct weight *w)
{
    size_t n = w->out * w->in;

    if (w->kind == WEIGHT_DENSE)
        return dtype_find_not_finite(w->data, w->dtype, n);
    AUTO_MEM float *row = xcalloc(w->in, sizeof *row);
    for (size_t o = 0; w->kind == WEIGHT_BLOCKS && o < w->out; o++) {
        weight_rows_f32(w, row, o, 1);
        size_t at = dtype_find_not_finite(row, DTYPE_F32, w->in);
        if (at < w->in)
            return o * w->in + at;
    }
    return n;
}

errc weight_check_finite(const char *file, const char *name, const struct weight *w, struct err *e)
{
    size_t n = w->out * w->in, at = find_not_finite(w);

    return at < n ? err_set(e, ERR_CORRUPT, "%s: tensor %s: element %zu is not a finite number", file, name, at) : ERR_OK;
}

errc weight_check_loaded(const struct loader *l, const char *name, const struct weight *w)
{
    return l->checks_values ? weight_check_finite(source_file(l->source, name), name, w, l->e) : ERR_OK;
}

errc weight_load_dense(struct loader *l, const char *name, size_t out, size_t in, struct weight *w, struct source_tensor *found)
{
    const struct tensor *t = &found->t;
    char expected[64];

    TRY(source_need(l->source, name, found, l->e));
    snprintf(expected, sizeof expected, "[%zu, %zu]", out, in);
    if (t->ndim != 2 || t->shape[0] != out || t->shape[1] != in)
        return wrong_shape(l, name, t, expected);
    if (found->blocks) {
        *w = weight_blocks(found->blocks, t->data, out, in);
        return ERR_OK;
    }
    if (t->dtype != DTYPE_F32 && t->dtype != DTYPE_BF16 && t->dtype != DTYPE_F16)
        return err_set(l->e, ERR_UNSUPPORTED, "%s: tensor %s: dtype %s is not read; F32, BF16 and F16 are", source_file(l->source, name),
                       name, dtype_name(t->dtype));
    *w = (struct weight){ .out = out, .in = in, .kind = WEIGHT_DENSE, .dtype = t->dtype, .data = t->data };
    return ERR_OK;
}

static const char *const nf4_suffixes[] = {
    ".absmax", ".quant_map", ".nested_absmax", ".nested_quant_map", ".quant_state.bitsandbytes__nf4", ".quant_state.bitsandbytes__fp4",
};

static errc load_prequantized(struct loader *l, const char *name, size_t out, size_t in, struct weight *w)
{
    size_t rows, cols;

    TRY(nf4_from_checkpoint(source_safetensors(l->source), name, &w->nf4, &rows, &cols, l->e));
    w->kind = WEIGHT_NF4;
    w->out = out;
    w->in = in;
    source_use(l->source, name);
    for (size_t i = 0; i < ARRAY_LEN(nf4_suffixes); i++) {
        AUTO_MEM char *part = xasprintf("%s%s", name, nf4_suffixes[i]);
        source_use(l->source, part);
    }
    if (rows != out || cols != in)
        return err_set(l->e, ERR_INVALID, "%s: tensor %s: expected shape [%zu, %zu], its quant_state says [%zu, %zu]",
                       source_file(l->source, name), name, out, in, rows, cols);
    return ERR_OK;
}

static bool is_prequantized(const struct loader *l, const char *name)
{
    const struct safetensors *s = source_safetensors(l->source);

    if (!l->m->config.prequantized)
        return false;
    AUTO_MEM char *state = nf4_state_name(s, name);
    return safetensors_get(s, state) != NULL;
}

static int quantize_threads(const struct loader *l) { return l->o->threads > 0 ? l->o->threads : omp_get_num_procs(); }

bool quantizes_to_panels(const struct loader *l) { return l->o->quantize == QUANTIZE_INT8 || l->o->quantize == QUANTIZE_Q4; }

/* w's elements are in `by` now: those in the file need not stay in memory. */
static void replace_mapped(struct weight *w, struct weight by)
{
    file_map_forget(w->data, weight_bytes(w));
    *w = by;
}

errc weight_to_panels(const struct loader *l, const char *name, struct weight *w)
{
    struct panels p;

    if (panels_from_weight(w, l->o->quantize == QUANTIZE_Q4 ? PANELS_Q4 : PANELS_INT8, quantize_threads(l), &p, l->e))
        return err_wrap(l->e, "%s: tensor %s", source_file(l->source, name), name);
    replace_mapped(w, (struct weight){ .out = w->out, .in = w->in, .kind = WEIGHT_PANELS, .panels = p });
    return ERR_OK;
}

errc weight_blocks_to_panels(const struct loader *l, const char *name, struct weight *w)
{
    struct panels p;

    if (!l->o->panels || w->kind != WEIGHT_BLOCKS || !panels_have_blocks(w->blocks))
        return ERR_OK;
    if (panels_from_blocks(w, quantize_threads(l), &p, l->e))
        return err_wrap(l->e, "%s: tensor %s", source_file(l->source, name), name);
    replace_mapped(w, (struct weight){ .out = w->out, .in = w->in, .kind = WEIGHT_PANELS, .panels = p });
    return ERR_OK;
}

static errc nf4_to_panels(const struct loader *l, const char *name, struct weight *w)
{
    struct panels p;

    if (!l->o->panels || w->in % NF4_BLOCK || w->nf4.code != nf4_code)
        return ERR_OK;
    if (panels_from_nf4(w, quantize_threads(l), &p, l->e))
        return err_wrap(l->e, "%s: tensor %s", source_file(l->source, name), name);
    if (!w->nf4.owned_packed)
        file_map_forget(w->nf4.packed, w->nf4.n / 2);
    weight_done(w);
    *w = (struct weight){ .out = p.out, .in = p.in, .kind = WEIGHT_PANELS, .panels = p };
    return ERR_OK;
}

/* t as it is in the options' type, in *out; what becomes wider has the values it had and stays. */
static errc as_dtype(const struct loader *l, const char *name, struct tensor *t, void **out)
{
    enum { PIECE = 4096 };
    size_t from = dtype_size(t->dtype), to = dtype_size(l->o->dtype);
    bool failed = false;

    if (!l->o->as_dtype || l->o->dtype == t->dtype || to > from)
        return ERR_OK;
    *out = mem_try_alloc(t->len, to);
    if (!*out)
        return err_set(l->e, ERR_UNAVAILABLE, "%s: tensor %s: no memory for %zu values", source_file(l->source, name), name, t->len);
    #pragma omp parallel for num_threads(quantize_threads(l)) reduction(|| : failed)
    for (size_t at = 0; at < t->len; at += PIECE) {
        size_t n = t->len - at < PIECE ? t->len - at : PIECE;
        float values[PIECE];
        failed = failed || dtype_to_f32(values, (const char *)t->data + at * from, t->dtype, n, NULL) ||
                 dtype_from_f32((char *)*out + at * to, l->o->dtype, values, n, NULL);
    }
    if (failed)
        return err_set(l->e, ERR_UNSUPPORTED, "%s: tensor %s: dtype %s does not become %s", source_file(l->source, name), name, dtype_name(t->dtype),
                       dtype_name(l->o->dtype));
    t->dtype = l->o->dtype;
    t->data = *out;
    return ERR_OK;
}

errc weight_load_linear(struct loader *l, const char *name, size_t out, size_t in, struct weight *w)
{
    struct source_tensor found;

    if (is_prequantized(l, name)) {
        TRY(load_prequantized(l, name, out, in, w));
        return nf4_to_panels(l, name, w);
    }
    TRY(weight_load_dense(l, name, out, in, w, &found));
    if (l->o->quantize == QUANTIZE_NONE) {
        TRY(weight_check_loaded(l, name, w));
        return weight_blocks_to_panels(l, name, w);
    }
    if (found.blocks)
        return err_set(l->e, ERR_UNSUPPORTED, "%s: tensor %s is %s already; leave --quantization out", source_file(l->source, name), name,
                       found.blocks->name);
    if (quantizes_to_panels(l))
        return weight_to_panels(l, name, w);
    struct nf4 nf4;
    AUTO_MEM void *converted = NULL;
    TRY(as_dtype(l, name, &found.t, &converted));
    bool fp4 = l->o->quantize == QUANTIZE_FP4 || l->o->quantize == QUANTIZE_FP4_DOUBLE;
    bool twice = l->o->quantize == QUANTIZE_NF4_DOUBLE || l->o->quantize == QUANTIZE_FP4_DOUBLE;
    if (nf4_from_tensor(&found.t, fp4 ? fp4_code : nf4_code, twice, quantize_threads(l), &nf4, l->e))
        return err_wrap(l->e, "%s: tensor %s", source_file(l->source, name), name);
    if (l->o->as_dtype)
        nf4.dtype = l->o->dtype;
    replace_mapped(w, (struct weight){ .out = out, .in = in, .kind = WEIGHT_NF4, .nf4 = nf4 });
    return nf4_to_panels(l, name, w);
}
