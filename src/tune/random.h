/*
 * Random numbers that are a function of their place: no state to save, the same for any thread count and after a restart.
 * Source: splitmix64's finaliser (Steele, Lea, Flood 2014).
 */
#ifndef TUNE_RANDOM_H
#define TUNE_RANDOM_H

#include <stdint.h>

static inline uint64_t random_mix(uint64_t x)
{
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

/* One stream per (seed, purpose): take random_mix(stream + i). */
static inline uint64_t random_stream(uint64_t seed, uint64_t purpose)
{
    return random_mix(random_mix(seed) ^ (purpose * 0xd1342543de82ef95u));
}

/* In [0, 1), 24 bits. */
static inline float random_unit(uint64_t bits)
{
    return (float)(bits >> 40) * 0x1p-24f;
}

#endif
