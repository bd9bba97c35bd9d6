#include "tune/neftune.h"

#include <math.h>

#include "tune/random.h"

#define PURPOSE 0x6e656674756e65u       /* apart from the streams of dropout and of the start */

void neftune_add(float *x, size_t rows, size_t width, size_t padded, float alpha, uint64_t seed, uint64_t step, uint64_t first_token)
{
    uint64_t stream = random_stream(random_stream(seed, PURPOSE), step) + first_token * width;
    float bound = alpha / sqrtf((float)padded * (float)width);

    for (size_t i = 0; i < rows * width; i++)
        x[i] += bound * (2 * random_unit(random_mix(stream + i)) - 1);
}
