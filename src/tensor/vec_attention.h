/*
 * Attention over cached keys and values, for vec_impl.h. A panel is 16 positions of one head: keys lie transposed, [dim][16], values
 * as they are, [16][dim], so that both products run over whole registers. Every result is summed in the order of dims (scores) or
 * positions (values), one at a time, whatever the number of queries: a query's bits do not depend on its company.
 */
#define PANEL 16
#define PANEL_VECS (PANEL / W)
#define LINE_BYTES 64

enum panel_kind { PANEL_F32, PANEL_BF16 };

INLINE vf load_panel(enum panel_kind kind, const void *p, size_t i)
{
    return kind == PANEL_F32 ? load((const float *)p + i) : load_bf16((const uint16_t *)p + i);
}

/*
 * Blocks lie anywhere in memory and each is short, so that the CPU's own prefetching begins anew in every one of them: while Q queries
 * use a panel, the same part of the panel after it is fetched. One query alone passes f32 panels so fast that the CPU's does better.
 */
INLINE void fetch_panel(enum panel_kind kind, const size_t Q, const void *panel, size_t i, size_t n)
{
    size_t size = kind == PANEL_F32 ? sizeof(float) : sizeof(uint16_t);

    if (Q == 1 && kind == PANEL_F32)
        return;
    for (size_t at = 0; at < n * size; at += LINE_BYTES)
        __builtin_prefetch((const char *)panel + i * size + at);
}

/* Q queries against N panels; the sums of one panel after the other lie in s[q]. `next`: the panels that come after these. */
INLINE void scores_tile(enum panel_kind kind, const size_t Q, const size_t N, float *s, size_t lds, const float *q, size_t ldq,
                        const void *const *panels, const void *const *next, size_t dim)
{
    vf sum[6][4 * PANEL_VECS] = { { { 0 } } };

    for (size_t d = 0; d < dim; d++)
        for (size_t p = 0; p < N; p++) {
            fetch_panel(kind, Q, next[p], d * PANEL, PANEL);
            for (size_t v = 0; v < PANEL_VECS; v++) {
                vf k = load_panel(kind, panels[p], d * PANEL + v * W);

                for (size_t r = 0; r < Q; r++)
                    sum[r][p * PANEL_VECS + v] += k * q[r * ldq + d];
            }
        }
    for (size_t r = 0; r < Q; r++)
        for (size_t v = 0; v < N * PANEL_VECS; v++)
            store(s + r * lds + v * W, sum[r][v]);
}

/* The tile of panels after those from p on; themselves at the end. */
INLINE size_t after(size_t p, size_t tile, size_t n) { return p + 2 * tile <= n ? p + tile : p; }

INLINE void scores(enum panel_kind kind, float *s, size_t lds, const float *q, size_t ldq, size_t queries, const void *const *panels,
                   size_t n, size_t dim)
{
    size_t r = 0;

    for (; r + 4 <= queries; r += 4)
        for (size_t p = 0; p < n; p++)
            scores_tile(kind, 4, 1, s + r * lds + p * PANEL, lds, q + r * ldq, ldq, panels + p, panels + after(p, 1, n), dim);
    for (; r < queries; r++) {
        size_t p = 0;

        for (; p + 4 <= n; p += 4)
            scores_tile(kind, 1, 4, s + r * lds + p * PANEL, lds, q + r * ldq, ldq, panels + p, panels + after(p, 4, n), dim);
        for (; p < n; p++)
            scores_tile(kind, 1, 1, s + r * lds + p * PANEL, lds, q + r * ldq, ldq, panels + p, panels + after(p, 1, n), dim);
    }
}

/* o [Q, N vectors] += p . one panel's columns. */
INLINE void values_tile(enum panel_kind kind, const size_t Q, const size_t N, float *o, size_t ldo, const float *p, size_t ldp,
                        const void *panel, const void *next, size_t at, size_t dim)
{
    vf sum[4][8];

    for (size_t r = 0; r < Q; r++)
        for (size_t v = 0; v < N; v++)
            sum[r][v] = load(o + r * ldo + at + v * W);
    for (size_t t = 0; t < PANEL; t++) {
        fetch_panel(kind, Q, next, t * dim + at, N * W);
        for (size_t v = 0; v < N; v++) {
            vf x = load_panel(kind, panel, t * dim + at + v * W);

            for (size_t r = 0; r < Q; r++)
                sum[r][v] += x * p[r * ldp + t];
        }
    }
    for (size_t r = 0; r < Q; r++)
        for (size_t v = 0; v < N; v++)
            store(o + r * ldo + at + v * W, sum[r][v]);
}

INLINE void values(enum panel_kind kind, float *o, size_t ldo, const float *p, size_t ldp, size_t queries, const void *const *panels,
                   size_t n, size_t dim)
{
    for (size_t b = 0; b < n; b++, p += PANEL) {
        size_t r = 0, at;

        for (; r + 4 <= queries; r += 4)
            for (at = 0; at < dim; at += 2 * W)
                if (at + 2 * W <= dim)
                    values_tile(kind, 4, 2, o + r * ldo, ldo, p + r * ldp, ldp, panels[b], panels[after(b, 1, n)], at, dim);
                else
                    values_tile(kind, 4, 1, o + r * ldo, ldo, p + r * ldp, ldp, panels[b], panels[after(b, 1, n)], at, dim);
        for (; r < queries; r++) {
            for (at = 0; at + 4 * W <= dim; at += 4 * W)
                values_tile(kind, 1, 4, o + r * ldo, ldo, p + r * ldp, ldp, panels[b], panels[after(b, 1, n)], at, dim);
            for (; at < dim; at += W)
                values_tile(kind, 1, 1, o + r * ldo, ldo, p + r * ldp, ldp, panels[b], panels[after(b, 1, n)], at, dim);
        }
    }
}

static void scores_f32(float *s, size_t lds, const float *q, size_t ldq, size_t queries, const void *const *panels, size_t n, size_t dim)
{
    scores(PANEL_F32, s, lds, q, ldq, queries, panels, n, dim);
}

static void scores_bf16(float *s, size_t lds, const float *q, size_t ldq, size_t queries, const void *const *panels, size_t n, size_t dim)
{
    scores(PANEL_BF16, s, lds, q, ldq, queries, panels, n, dim);
}

static void values_f32(float *o, size_t ldo, const float *p, size_t ldp, size_t queries, const void *const *panels, size_t n, size_t dim)
{
    values(PANEL_F32, o, ldo, p, ldp, queries, panels, n, dim);
}

static void values_bf16(float *o, size_t ldo, const float *p, size_t ldp, size_t queries, const void *const *panels, size_t n, size_t dim)
{
    values(PANEL_BF16, o, ldo, p, ldp, queries, panels, n, dim);
}

/* cap * tanh(x / cap) = cap * (1 - 2 / (exp(2 x / cap) + 1)) */
static void soft_cap(float *x, float cap, size_t n)
{
    size_t i = 0;

    for (; i + W <= n; i += W)
        store(x + i, cap - 2.0f * cap / (vexp(load(x + i) * (2.0f / cap)) + 1.0f));
    if (i < n)
        store_part(x + i, cap - 2.0f * cap / (vexp(load_part(x + i, n - i) * (2.0f / cap)) + 1.0f), n - i);
}
