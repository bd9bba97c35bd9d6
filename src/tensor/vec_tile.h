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
    for (size_t i = 0; i < k; i++)
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

static void tile_f32(float *y, size_t ldy, const float *x, const float *w, size_t k, size_t rows, size_t cols, bool add)
{
    vf s[TILE_ROWS][TILE_VECTORS] = { { { 0 } } };

    for (size_t i = 0; i < k; i++) {
        vf wi[TILE_VECTORS];

        for (size_t v = 0; v < TILE_VECTORS; v++)
            wi[v] = load(w + v / PANEL_VECTORS * k * VEC_PANEL + i * VEC_PANEL + v % PANEL_VECTORS * W);
        for (size_t r = 0; r < TILE_ROWS; r++)
            for (size_t v = 0; v < TILE_VECTORS; v++)
                s[r][v] += x[i * TILE_ROWS + r] * wi[v];
    }
    for (size_t r = 0; r < TILE_ROWS; r++)          /* constant bounds keep the sums in registers */
        for (size_t v = 0; v < TILE_VECTORS; v++)
            if (r < rows)
                tile_store(y + r * ldy + v * W, s[r][v], cols > v * W ? cols - v * W : 0, add);
}

/* One panel, of which V vectors are wanted; rows of x that are missing are the last one again. */
INLINE void narrow_of(const size_t V, float *y, size_t ldy, const float *x, size_t row_step, size_t k_step, const float *panel, size_t k, size_t rows,
                      size_t cols, float alpha, float beta)
{
    vf s[TILE_ROWS][PANEL_VECTORS] = { { { 0 } } };
    size_t at[TILE_ROWS];

    for (size_t r = 0; r < TILE_ROWS; r++)
        at[r] = (r < rows ? r : rows - 1) * row_step;
    for (size_t i = 0; i < k; i++, x += k_step, panel += VEC_PANEL) {
        vf w[PANEL_VECTORS];

        for (size_t v = 0; v < V; v++)
            w[v] = load(panel + v * W);
        for (size_t r = 0; r < TILE_ROWS; r++)
            for (size_t v = 0; v < V; v++)
                s[r][v] += x[at[r]] * w[v];
    }
    for (size_t r = 0; r < TILE_ROWS; r++)
        for (size_t v = 0; v < V; v++) {
            float *to = y + r * ldy + v * W;
            size_t left = cols > v * W ? cols - v * W : 0;

            if (r >= rows || !left)
                continue;
            vf old = beta == 0 ? (vf){ 0 } : left >= W ? load(to) * beta : load_part(to, left) * beta;
            tile_store(to, s[r][v] * alpha + old, left, false);
        }
}

static void tile_narrow(float *y, size_t ldy, const float *x, size_t row_step, size_t k_step, const float *panel, size_t k, size_t rows, size_t cols,
                        float alpha, float beta)
{
    if (cols <= VEC_PANEL / 2 && PANEL_VECTORS > 1)
        narrow_of((PANEL_VECTORS + 1) / 2, y, ldy, x, row_step, k_step, panel, k, rows, cols, alpha, beta);
    else
        narrow_of(PANEL_VECTORS, y, ldy, x, row_step, k_step, panel, k, rows, cols, alpha, beta);
}
