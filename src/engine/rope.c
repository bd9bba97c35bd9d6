/* Frequencies of rotary embeddings. Formulas: transformers' modeling_rope_utils; Peng et al. 2023 (YaRN), Ding et al. 2024 (LongRoPE). */
#include <math.h>

#include "engine/model.h"

typedef void rope_fn(const struct model_config *c, const struct rope_config *r, size_t length, float *inv_freq, float *scale);

/* transformers computes theta^(i/d) and its reciprocal in f32. */
static float base_frequency(const struct rope_config *r, size_t i, size_t rotary)
{
    return 1.0f / powf((float)r->theta, (float)(2 * i) / (float)rotary);
}

static void plain(const struct model_config *c, const struct rope_config *r, size_t length, float *inv_freq, float *scale)
{
    for (size_t i = 0; i < c->rotary / 2; i++)
        inv_freq[i] = base_frequency(r, i, c->rotary);
}

static void linear(const struct model_config *c, const struct rope_config *r, size_t length, float *inv_freq, float *scale)
{
    for (size_t i = 0; i < c->rotary / 2; i++)
        inv_freq[i] = base_frequency(r, i, c->rotary) / (float)r->factor;
}

static void llama3(const struct model_config *c, const struct rope_config *r, size_t length, float *inv_freq, float *scale)
{
    double original = (double)r->original_positions;

    for (size_t i = 0; i < c->rotary / 2; i++) {
        float f = base_frequency(r, i, c->rotary);
        double wavelength = 2 * M_PI / (double)f;
        double smooth = (original / wavelength - r->low_freq_factor) / (r->high_freq_factor - r->low_freq_factor);

        if (wavelength > original / r->low_freq_factor)
            f /= (float)r->factor;
        else if (wavelength >= original / r->high_freq_factor)
            f = (float)((1 - smooth) * (double)f / r->factor + smooth * (double)f);
        inv_freq[i] = f;
    }
}

static void longrope(const struct model_config *c, const struct rope_config *r, size_t length, float *inv_freq, float *scale)
{
    const float *factors = length > r->original_positions ? r->long_factor : r->short_factor;
    double original = (double)r->original_positions, stretch = r->factor > 0 ? r->factor : (double)c->max_positions / original;

    for (size_t i = 0; i < c->rotary / 2; i++)
        inv_freq[i] = 1.0f / (factors[i] * powf((float)r->theta, (float)(2 * i) / (float)c->rotary));
    *scale = r->attention_factor > 0 ? (float)r->attention_factor : stretch <= 1 ? 1 : (float)sqrt(1 + log(stretch) / log(original));
}

static double yarn_mscale(double factor, double mscale) { return factor <= 1 ? 1 : 0.1 * mscale * log(factor) + 1; }

static double yarn_dimension(const struct rope_config *r, double rotations, double dim)
{
    return dim * log((double)r->original_positions / (rotations * 2 * M_PI)) / (2 * log(r->theta));
}

static void yarn(const struct model_config *c, const struct rope_config *r, size_t length, float *inv_freq, float *scale)
{
    double dim = (double)c->rotary, low = yarn_dimension(r, r->beta_fast, dim), high = yarn_dimension(r, r->beta_slow, dim);

    low = fmax(r->round_range ? floor(low) : low, 0);
    high = fmin(r->round_range ? ceil(high) : high, dim - 1);
    if (low == high)
        high += 0.001;
    for (size_t i = 0; i < c->rotary / 2; i++) {
        double keep = 1 - fmin(fmax(((double)i - low) / (high - low), 0), 1), f = (double)base_frequency(r, i, c->rotary);

        inv_freq[i] = (float)(f / r->factor * (1 - keep) + f * keep);
    }
    if (r->attention_factor > 0)
        *scale = (float)r->attention_factor;
    else if (r->mscale > 0 && r->mscale_all_dim > 0)
        *scale = (float)(yarn_mscale(r->factor, r->mscale) / yarn_mscale(r->factor, r->mscale_all_dim));
    else
        *scale = (float)yarn_mscale(r->factor, 1);
}

static rope_fn *const kinds[] = {
    [ROPE_DEFAULT] = plain, [ROPE_LINEAR] = linear, [ROPE_DYNAMIC] = plain, [ROPE_LLAMA3] = llama3, [ROPE_LONGROPE] = longrope, [ROPE_YARN] = yarn,
};

void rope_frequencies(const struct model_config *c, const struct rope_config *r, size_t length, float *inv_freq, float *scale)
{
    *scale = 1;
    kinds[r->kind](c, r, length, inv_freq, scale);
}

bool rope_changes(const struct model_config *c, size_t before, size_t after)
{
    const struct rope_config *r = &c->rope;

    return r->kind == ROPE_LONGROPE && before > 0 && (before > r->original_positions) != (after > r->original_positions);
}
