#include "tune/report.h"

#include <math.h>

#include "base/file.h"
#include "base/mem.h"

/* ---- trainer_state.json ---- */

/* The lines without what differs from run to run, so that a resumed run ends with the same bytes. */
static json_t *log_of(struct str history)
{
    static const char *const timed[] = { "tokens_per_second", "eval_runtime", "eval_samples_per_second" };
    json_t *log = json_array();
    struct str line;

    while (str_next(&history, '\n', &line)) {
        json_t *j = NULL;
        if (!line.n || json_parse(line, &j, NULL))
            continue;
        for (size_t i = 0; i < ARRAY_LEN(timed); i++)
            json_object_del(j, timed[i]);
        json_push(log, j);
    }
    return log;
}

static void put_best(json_t *j, const struct report_place *at)
{
    if (!at->best_step)
        return;
    AUTO_MEM char *path = xasprintf("%s/checkpoint-%llu", at->output_dir, (unsigned long long)at->best_step);
    json_put_int(j, "best_global_step", (int64_t)at->best_step);
    json_put(j, "best_metric", json_real(at->best_loss));
    json_put_str(j, "best_model_checkpoint", path);
}

errc report_state(const char *dir, struct str history, const struct tune_config *c, const struct tune_plan *p, const struct report_place *at,
                  struct err *e)
{
    AUTO_MEM char *path = path_join(dir, "trainer_state.json");
    AUTO_JSON log = log_of(history);
    AUTO_BUF text = { 0 };
    AUTO_JSON j = json_pack("{s:n, s:n, s:n, s:f, s:f, s:I, s:b, s:b, s:b, s:O, s:f, s:I, s:f, s:f, s:I, s:n, s:n}",
        "best_global_step", "best_metric", "best_model_checkpoint", "epoch", at->epoch,
        "eval_steps", c->train.eval_steps > 0 ? c->train.eval_steps : c->train.logging_steps, "global_step", (json_int_t)at->step,
        "is_hyper_param_search", 0, "is_local_process_zero", 1, "is_world_process_zero", 1, "log_history", log,
        "logging_steps", c->train.logging_steps, "max_steps", (json_int_t)p->steps, "num_train_epochs", ceil((double)p->steps / (double)p->steps_per_epoch),
        "save_steps", c->train.save_steps, "train_batch_size", (json_int_t)c->train.batch_size, "trial_name", "trial_params");

    put_best(j, at);
    json_write_pretty(j, 2, &text);
    buf_addc(&text, '\n');
    return file_write_atomic(path, buf_str(&text), 0644, e);
}

/* ---- loss.svg ---- */

enum { WIDTH = 720, HEIGHT = 360, LEFT = 64, RIGHT = 16, TOP = 36, BOTTOM = 44, POINTS_MAX = 600, TICKS = 5 };

struct point { double x, y; };
struct series { struct point *v; size_t n, cap; };
struct frame { double x0, x1, y0, y1; };

static void add_point(struct series *s, double x, double y)
{
    vec_grow(s->v, s->n, s->cap);
    s->v[s->n++] = (struct point){ x, y };
}

static void read_series(struct str history, struct series *loss, struct series *eval)
{
    struct str line;

    while (str_next(&history, '\n', &line)) {
        AUTO_JSON j = NULL;
        if (!line.n || json_parse(line, &j, NULL))
            continue;
        double step = json_num(j, "step", 0), a = json_num(j, "loss", NAN), b = json_num(j, "eval_loss", NAN);
        if (isfinite(a))
            add_point(loss, step, a);
        if (isfinite(b))
            add_point(eval, step, b);
    }
}

/* More points than pixels become means of neighbours. */
static void thin(struct series *s)
{
    size_t every = (s->n + POINTS_MAX - 1) / POINTS_MAX, n = 0;

    for (size_t i = 0; every > 1 && i < s->n; i += every) {
        size_t k = i, end = i + every < s->n ? i + every : s->n;
        struct point sum = { 0, 0 };
        for (; k < end; k++)
            sum = (struct point){ sum.x + s->v[k].x, sum.y + s->v[k].y };
        s->v[n++] = (struct point){ sum.x / (double)(end - i), sum.y / (double)(end - i) };
    }
    s->n = every > 1 ? n : s->n;
}

static void widen(struct frame *f, const struct series *s)
{
    for (size_t i = 0; i < s->n; i++) {
        f->x0 = fmin(f->x0, s->v[i].x);
        f->x1 = fmax(f->x1, s->v[i].x);
        f->y0 = fmin(f->y0, s->v[i].y);
        f->y1 = fmax(f->y1, s->v[i].y);
    }
}

/* 1, 2 or 5 times a power of ten: at most about TICKS of them over the range. */
static double tick_step(double range)
{
    double rough = range / TICKS, power = pow(10, floor(log10(rough))), m = rough / power;

    return power * (m <= 1 ? 1 : m <= 2 ? 2 : m <= 5 ? 5 : 10);
}

static double place_x(const struct frame *f, double x) { return LEFT + (x - f->x0) / (f->x1 - f->x0) * (WIDTH - LEFT - RIGHT); }
static double place_y(const struct frame *f, double y) { return TOP + (f->y1 - y) / (f->y1 - f->y0) * (HEIGHT - TOP - BOTTOM); }

static void draw_axes(const struct frame *f, struct buf *out)
{
    double step = tick_step(f->y1 - f->y0);

    for (double y = ceil(f->y0 / step) * step; y <= f->y1; y += step)
        buf_addf(out, "<path class=\"grid\" d=\"M%d %.1fH%d\"/><text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%.6g</text>\n", LEFT, place_y(f, y),
                 WIDTH - RIGHT, LEFT - 8, place_y(f, y) + 4, fabs(y) < step / 1e6 ? 0 : y);
    step = fmax(1, tick_step(f->x1 - f->x0));
    for (double x = ceil(f->x0 / step) * step; x <= f->x1; x += step)
        buf_addf(out, "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%.9g</text>\n", place_x(f, x), HEIGHT - BOTTOM + 18, x);
    buf_addf(out, "<text x=\"%d\" y=\"%d\" text-anchor=\"middle\">step</text>\n", (LEFT + WIDTH - RIGHT) / 2, HEIGHT - 8);
}

static void draw_series(const struct frame *f, const struct series *s, const char *class, const char *name, int label_x, struct buf *out)
{
    if (!s->n)
        return;
    buf_addf(out, "<polyline class=\"%s\" points=\"", class);
    for (size_t i = 0; i < s->n; i++)
        buf_addf(out, "%s%.1f,%.1f", i ? " " : "", place_x(f, s->v[i].x), place_y(f, s->v[i].y));
    buf_addf(out, "\"/>\n<path class=\"%s\" d=\"M%d 18h24\"/><text x=\"%d\" y=\"22\">%s %.4f to %.4f</text>\n", class, label_x, label_x + 30, name,
             s->v[0].y, s->v[s->n - 1].y);
}

static void draw(struct series *loss, struct series *eval, struct buf *out)
{
    struct frame f = { INFINITY, -INFINITY, INFINITY, -INFINITY };

    thin(loss);
    thin(eval);
    widen(&f, loss);
    widen(&f, eval);
    double margin = f.y1 > f.y0 ? (f.y1 - f.y0) * 0.05 : fmax(1e-3, fabs(f.y1) * 0.05);
    f.y0 -= margin;
    f.y1 += margin;
    f.x1 = f.x1 > f.x0 ? f.x1 : f.x0 + 1;
    buf_addf(out, "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"loss by step\">\n", WIDTH, HEIGHT);
    buf_adds(out, "<style>svg{background:#fff}text{font:12px sans-serif;fill:#444}.grid{stroke:#ddd}path,polyline{fill:none;stroke-width:1.5}"
                  ".loss{stroke:#1f6feb}.eval{stroke:#d1570a}"
                  "@media(prefers-color-scheme:dark){svg{background:#161b22}text{fill:#bbb}.grid{stroke:#333}}</style>\n");
    draw_axes(&f, out);
    draw_series(&f, loss, "loss", "training loss", LEFT, out);
    draw_series(&f, eval, "eval", "evaluation loss", WIDTH / 2, out);
    buf_adds(out, "</svg>\n");
}

errc report_curve(const char *dir, struct str history, struct err *e)
{
    AUTO_MEM char *path = path_join(dir, "loss.svg");
    struct series loss = { 0 }, eval = { 0 };
    AUTO_BUF text = { 0 };

    read_series(history, &loss, &eval);
    bool enough = loss.n > 1;
    if (enough)
        draw(&loss, &eval, &text);
    free(loss.v);
    free(eval.v);
    return enough ? file_write_atomic(path, buf_str(&text), 0644, e) : ERR_OK;
}
