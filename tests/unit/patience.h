/*
 * How long a test waits for what must come before it says that it did not: so many times what a machine at rest needs. KAITO_PATIENCE is
 * that number, 3 unless said; tests/run makes it larger for slower builds.
 */
#ifndef TESTS_PATIENCE_H
#define TESTS_PATIENCE_H

#include <stdlib.h>

#include "base/clock.h"

static inline int64_t patience_ms(int64_t at_rest_ms)
{
    const char *said = getenv("KAITO_PATIENCE");
    double times = said ? strtod(said, NULL) : 0;

    return (int64_t)((double)at_rest_ms * (times > 0 ? times : 3));
}

/* The moment on clock_mono_ms at which it ends. */
static inline int64_t patience_end(int64_t at_rest_ms) { return clock_mono_ms() + patience_ms(at_rest_ms); }

/*
 * Whether what must be quick was so once in several tries: a machine that stands still for a moment lengthens one of them, not all. took
 * makes a try and says how many ms it took.
 */
static inline bool once_below_ms(int64_t (*took)(void *self), void *self, int64_t limit_ms)
{
    for (int i = 0; i < 10; i++)
        if (took(self) < limit_ms)
            return true;
    return false;
}

#endif
