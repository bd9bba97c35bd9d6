/*
 * Numbers between two bounds, written in decimal without an exponent: digit by digit beside the digits of the bounds, as long as
 * they are equal to them, and the remainder modulo multipleOf.
 */
#include "grammar/priv.h"

#include <math.h>

#define WHOLE_MAX    15         /* digits before the point, and of all */
#define FRACTION_MAX 16         /* of a bound */
#define PLACES       (WHOLE_MAX + FRACTION_MAX + 1)

/* A bound that is not negative, as digits: `whole` before the point, the others behind, no point between. */
struct digits { int whole, n; char d[PLACES + 1]; bool open /* the bound itself is out */, none /* unbounded */; };

/* The shortest decimal that reads back as value, in scientific form. */
static void shortest(double value, char out[40])
{
    for (int precision = 0; precision <= 16; precision++) {
        snprintf(out, 40, "%.*e", precision, value);
        if (strtod(out, NULL) == value)
            return;
    }
}

/*
 * A number that is made has at most 15 significant digits, so it reads back as the bound only when it is written like the bound.
 * Digits of a lower bound past the last place make it an open one.
 */
static struct digits digits_of(double value, bool open, bool is_low)
{
    struct digits out = { .open = open };
    char text[40];

    shortest(value, text);
    int exponent = (int)strtol(strchr(text, 'e') + 1, NULL, 10), zeros = exponent < 0 ? -exponent : 0;
    if (exponent >= WHOLE_MAX) {
        out.none = true;                /* beyond every number that is written here */
        return out;
    }
    out.whole = exponent < 0 ? 1 : exponent + 1;
    out.n = out.whole + FRACTION_MAX;
    memset(out.d, '0', (size_t)out.n);
    for (const char *c = text; *c != 'e'; c++) {
        if (*c == '.')
            continue;
        if (zeros < out.n)
            out.d[zeros] = *c;
        else if (*c != '0' && is_low)
            out.open = true;
        zeros++;
    }
    return out;
}

/* The digit of a bound at a place, when the number is written with `whole` digits before its point. */
static int digit_at(const struct digits *d, int whole, int place)
{
    int at = place - (whole - d->whole);

    return at < 0 ? 0 : at < d->n ? d->d[at] - '0' : 0;
}

static bool zeros_from(const struct digits *d, int whole, int place)
{
    for (; place < whole + FRACTION_MAX; place++)
        if (digit_at(d, whole, place))
            return false;
    return true;
}

struct writer {
    struct net *n;
    uint32_t to;
    struct digits low, high;
    int whole;                          /* digits before the point of the numbers being made */
    bool integer;
    int64_t multiple;                   /* at least 1 */
    uint32_t *made;                     /* [places, tight low, tight high, remainder] */
};

struct spot { int place; bool low, high; int64_t rest; };      /* low, high: still equal to that bound */

static size_t spot_index(const struct writer *w, struct spot s)
{
    return (((size_t)s.place * 2 + s.low) * 2 + s.high) * (size_t)w->multiple + (size_t)s.rest;
}

/* May a number end before this place? Tight: what is missing is zeros. */
static bool may_end(const struct writer *w, struct spot s)
{
    bool low_zero = s.low && zeros_from(&w->low, w->whole, s.place), high_zero = s.high && zeros_from(&w->high, w->whole, s.place);

    if (s.rest || s.place < w->whole || (s.low && (!low_zero || w->low.open)))
        return false;
    return !(high_zero && w->high.open);
}

static uint32_t put_spot(struct writer *w, struct spot s);

static void put_digits(struct writer *w, uint32_t from, struct spot s)
{
    int lo = s.low ? digit_at(&w->low, w->whole, s.place) : 0, hi = s.high ? digit_at(&w->high, w->whole, s.place) : 9;

    if (s.place == 0 && w->whole > 1 && lo == 0)
        lo = 1;                         /* no leading zeros */
    for (int d = lo; d <= hi; d++) {
        struct spot next = { s.place + 1, s.low && d == digit_at(&w->low, w->whole, s.place), s.high && d == hi,
                             s.place < w->whole ? (s.rest * 10 + d) % w->multiple : s.rest };
        net_bytes(w->n, from, put_spot(w, next), (uint8_t)('0' + d), (uint8_t)('0' + d));
    }
}

/* The node for a spot; made with all that follows when new. */
static uint32_t put_spot(struct writer *w, struct spot s)
{
    size_t i = spot_index(w, s);

    if (w->made[i] != NONE || w->n->too_large)
        return w->made[i] == NONE ? 0 : w->made[i];
    uint32_t node = w->made[i] = net_node(w->n);
    if (may_end(w, s))
        net_epsilon(w->n, node, w->to);
    if (s.place < w->whole || (s.place > w->whole && s.place < WHOLE_MAX && !w->integer)) {
        put_digits(w, node, s);
    } else if (s.place == w->whole && s.place < WHOLE_MAX && !w->integer) {
        uint32_t point = net_node(w->n);
        net_bytes(w->n, node, point, '.', '.');
        put_digits(w, point, s);
    }
    return node;
}

/* Numbers of every length from low to high, both 0 or more. */
static void between(struct net *n, uint32_t from, uint32_t to, const struct number_bounds *b, struct digits low, struct digits high)
{
    struct writer w = { .n = n, .to = to, .low = low, .high = high, .integer = b->integer || b->multiple, .multiple = b->multiple ? b->multiple : 1 };
    size_t spots = (size_t)(PLACES + 1) * 4 * (size_t)w.multiple;

    if (low.none)
        return;
    w.made = xmalloc(spots * sizeof *w.made);
    for (w.whole = low.whole; w.whole <= (high.none ? WHOLE_MAX : high.whole) && !n->too_large; w.whole++) {
        memset(w.made, 0xff, spots * sizeof *w.made);
        struct spot start = { 0, w.whole == low.whole, !high.none && w.whole == high.whole, 0 };
        net_epsilon(n, from, put_spot(&w, start));
    }
    free(w.made);
}

void number_put(struct net *n, uint32_t from, uint32_t to, const struct number_bounds *b)
{
    double low = b->has_low ? b->low : -INFINITY, high = b->has_high ? b->high : INFINITY;
    struct digits unbounded = { .none = true };

    if (high > 0 || (high == 0 && !b->below)) {
        bool inside = low >= 0;
        between(n, from, to, b, digits_of(inside ? low : 0, inside && b->above, true), isinf(high) ? unbounded : digits_of(high, b->below, false));
    }
    if (low < 0) {                      /* mirrored: -y with y between -high and -low, never -0 */
        uint32_t minus = net_node(n);
        net_bytes(n, from, minus, '-', '-');
        bool inside = high < 0;
        between(n, minus, to, b, digits_of(inside ? -high : 0, inside ? b->below : true, true), isinf(low) ? unbounded : digits_of(-low, b->above, false));
    }
}
