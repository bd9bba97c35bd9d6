/*
 * Tiles of large f32 products; included by vec_impl.h. Weights are packed in panels of VEC_PANEL columns, [k][column]; rows of x in
 * groups of TILE_ROWS, [k][row]. Each result is one sum along k in order, whatever tile it falls in.
 */
#if W == 16
#define TILE_ROWS   12
#define TILE_PANELS 2
#elif W == 8
#define TILE_ROWS   6
#define TILE_PANELS 1
#else
#define TILE_ROWS   3
#define TILE_PANELS 1
#endif
#define PANEL_VECTORS   (VEC_PANEL / W)
#define TILE_VECTORS    (TILE_PANELS * PANEL_VECTORS)

/* W rows of W floats, transposed by log2(W) perfect shuffles. */
INLINE void transpose(vf t[W])
{
    for (size_t done = 1; done < W; done *= 2) {
        vf u[W];

        for (size_t i = 0; i < W / 2; i++) {
            u[2 * i] = SHUFFLE(t[i], t[i + W / 2], INTERLEAVE_LOW);
            u[2 * i + 1] = SHUFFLE(t[i], t[i + W / 2], INTERLEAVE_HIGH);
        }
        memcpy(t, u, sizeof u);
    }
}

INLINE void pack(enum few_kind kind, float *dst, const void *w, size_t ld, size_t n, size_t k)
{
    for (size_t first = 0; first < VEC_PANEL; first += W)
        for (size_t i = 0; i < k; i += W) {
            size_t left = k - i < W ? k - i : W;
            vf t[W] = { { 0 } };

            for (size_t j = 0; j < W && first + j < n; j++)
                t[j] = left == W ? load_w(kind, w, (first + j) * ld + i) : load_w_part(kind, w, (first + j) * ld + i, left);
            transpose(t);
            for (size_t j = 0; j < left; j++)
                store(dst + (i + j) * VEC_PANEL + first, t[j]);
        }
}

static void pack_f32(float *dst, const float *w, size_t ld, size_t n, size_t k) { pack(FEW_F32, dst, w, ld, n, k); }
static void pack_bf16(float *dst, const uint16_t *w, size_t ld, size_t n, size_t k) { pack(FEW_BF16, dst, w, ld, n, k); }
static void pack_f16(float *dst, const uint16_t *w, size_t ld, size_t n, size_t k) { pack(FEW_F16, dst, w, ld, n, k); }

static void pack_rows(float *dst, const float *x, size_t ldx, size_t rows, size_t k)
{
    size_t i = 0;

    for (; i + W < k; i += W) {         /* what a store writes behind its rows is written again by the next one */
        vf t[W] = { { 0 } };

        for (size_t r = 0; r < TILE_ROWS; r++)
            if (r < rows)
                t[r] = load(x + r * ldx + i);
        transpose(t);
        for (size_t j = 0; j < W; j++)
            store(dst + (i + j) * TILE_ROWS, t[j]);
    }
    for (; i < k; i++)
        for (size_t r = 0; r < TILE_ROWS; r++)
            dst[i * TILE_ROWS + r] = r < rows ? x[r * ldx + i] : 0;
}

INLINE void tile_store(float *y, vf v, size_t n, bool add)
{
    if (n >= W)
        store(y, add ? load(y) + v : v);
    else if (n)
        store_part(y, add ? load_part(y, n) + v : v, n);
}

/* A tile at an edge. The sums are a copy: those of whole tiles must not have an address, or they leave the registers. */
static void tile_store_edge(float *y, size_t ldy, const vf *s, size_t vectors, size_t rows, size_t cols, bool add)
{
    for (size_t r = 0; r < rows; r++)
        for (size_t v = 0; v < vectors && v * W < cols; v++)
            tile_store(y + r * ldy + v * W, s[r * vectors + v], cols - v * W, add);
}

static void tile_f32(float *y, size_t ldy, const float *x, const float *w, size_t k, size_t rows, size_t cols, bool add)
{
    vf s[TILE_ROWS][TILE_VECTORS];
    size_t i = 0;

    for (size_t r = 0; r < TILE_ROWS; r++)
        for (size_t v = 0; v < TILE_VECTORS; v++)
            s[r][v] = (vf){ 0 };
    do {
        vf wi[TILE_VECTORS];

        for (size_t v = 0; v < TILE_VECTORS; v++)
            wi[v] = load(w + v / PANEL_VECTORS * k * VEC_PANEL + i * VEC_PANEL + v % PANEL_VECTORS * W);
        for (size_t r = 0; r < TILE_ROWS; r++)
            for (size_t v = 0; v < TILE_VECTORS; v++)
                s[r][v] += x[i * TILE_ROWS + r] * wi[v];
    } while (++i < k);
    if (rows < TILE_ROWS || cols < TILE_VECTORS * W) {
        vf copy[TILE_ROWS * TILE_VECTORS];

        for (size_t r = 0; r < TILE_ROWS; r++)
            for (size_t v = 0; v < TILE_VECTORS; v++)
                copy[r * TILE_VECTORS + v] = s[r][v];
        tile_store_edge(y, ldy, copy, TILE_VECTORS, rows, cols, add);
        return;
    }
    for (size_t r = 0; add && r < TILE_ROWS; r++)
        for (size_t v = 0; v < TILE_VECTORS; v++)
            s[r][v] += load(y + r * ldy + v * W);
    for (size_t r = 0; r < TILE_ROWS; r++)
        for (size_t v = 0; v < TILE_VECTORS; v++)
            store(y + r * ldy + v * W, s[r][v]);
}

/* beta times what the edge of a tile of y holds. */
static void narrow_edge(float *y, size_t ldy, vf *s, size_t vectors, size_t rows, size_t cols, float beta)
{
    for (size_t r = 0; beta != 0 && r < rows; r++)
        for (size_t v = 0; v < vectors && v * W < cols; v++) {
            const float *from = y + r * ldy + v * W;

            s[r * vectors + v] += (cols - v * W < W ? load_part(from, cols - v * W) : load(from)) * beta;
        }
    tile_store_edge(y, ldy, s, vectors, rows, cols, false);
}

/* One panel, of which V vectors are wanted; rows of x that are missing are the last one again. */
INLINE void narrow_of(const size_t V, float *y, size_t ldy, const float *x, size_t row_step, size_t k_step, const float *panel, size_t k, size_t rows,
                      size_t cols, float alpha, float beta)
{
    vf s[TILE_ROWS][PANEL_VECTORS];
    size_t at[TILE_ROWS], i = 0;

    for (size_t r = 0; r < TILE_ROWS; r++) {
        at[r] = (r < rows ? r : rows - 1) * row_step;
        for (size_t v = 0; v < V; v++)
            s[r][v] = (vf){ 0 };
    }
    do {
        vf w[PANEL_VECTORS];

        for (size_t v = 0; v < V; v++)
            w[v] = load(panel + i * VEC_PANEL + v * W);
        for (size_t r = 0; r < TILE_ROWS; r++)
            for (size_t v = 0; v < V; v++)
                s[r][v] += x[i * k_step + at[r]] * w[v];
    } while (++i < k);
    for (size_t r = 0; r < TILE_ROWS; r++)
        for (size_t v = 0; v < V; v++)
            s[r][v] *= alpha;
    if (rows < TILE_ROWS || cols < V * W) {
        vf copy[TILE_ROWS * PANEL_VECTORS];

        for (size_t r = 0; r < TILE_ROWS; r++)
            for (size_t v = 0; v < V; v++)
                copy[r * V + v] = s[r][v];
        narrow_edge(y, ldy, copy, V, rows, cols, beta);
        return;
    }
    for (size_t r = 0; beta != 0 && r < TILE_ROWS; r++)
        for (size_t v = 0; v < V; v++)
            s[r][v] += load(y + r * ldy + v * W) * beta;
    for (size_t r = 0; r < TILE_ROWS; r++)
        for (size_t v = 0; v < V; v++)
            store(y + r * ldy + v * W, s[r][v]);
}

static void tile_narrow(float *y, size_t ldy, const float *x, size_t row_step, size_t k_step, const float *panel, size_t k, size_t rows, size_t cols,
                        float alpha, float beta)
{
    if (cols <= VEC_PANEL / 2 && PANEL_VECTORS > 1)
        narrow_of((PANEL_VECTORS + 1) / 2, y, ldy, x, row_step, k_step, panel, k, rows, cols, alpha, beta);
    else
        narrow_of(PANEL_VECTORS, y, ldy, x, row_step, k_step, panel, k, rows, cols, alpha, beta);
}
