/* Types of Arrow columns (format/Schema.fbs, Arrow 1.0 to 21) as the few kinds of storage that they are. */
#include "dataset/arrow.h"

struct made { enum arrow_kind kind; size_t width; int scale; };

static struct made int_type(struct fb_table t)
{
    return (struct made){ .kind = fb_int(t, 1, 1, 0) ? ARROW_INT : ARROW_UINT, .width = (size_t)fb_int(t, 0, 4, 0) / 8 };
}
static struct made float_type(struct fb_table t)
{
    return (struct made){ .kind = ARROW_FLOAT, .width = (size_t)2 << (fb_int(t, 0, 2, 0) & 3) };
}
static struct made date_type(struct fb_table t)
{
    return (struct made){ .kind = ARROW_INT, .width = fb_int(t, 0, 2, 1) ? 8 : 4 };
}
static struct made time_type(struct fb_table t)
{
    return (struct made){ .kind = ARROW_INT, .width = (size_t)fb_int(t, 1, 4, 32) / 8 };
}
static struct made fixed_type(struct fb_table t)
{
    return (struct made){ .kind = ARROW_FIXED, .width = (size_t)fb_int(t, 0, 4, 0) };
}
static struct made fixed_list_type(struct fb_table t)
{
    return (struct made){ .kind = ARROW_FIXED_LIST, .width = (size_t)fb_int(t, 0, 4, 0) };
}
static struct made decimal_type(struct fb_table t)
{
    return (struct made){ .kind = ARROW_DECIMAL, .width = (size_t)fb_int(t, 2, 4, 128) / 8, .scale = (int)fb_int(t, 1, 4, 0) };
}

/* By number in the union Type. Dates, times and durations are the integers that they are stored as. */
static const struct { const char *name; enum arrow_kind kind; size_t width; struct made (*of)(struct fb_table type); bool known; } types[] = {
    [1] = { "null", ARROW_NULL, 0, NULL, true },
    [2] = { "int", 0, 0, int_type, true },
    [3] = { "floating point", 0, 0, float_type, true },
    [4] = { "binary", ARROW_BYTES, 4, NULL, true },
    [5] = { "utf8", ARROW_BYTES, 4, NULL, true },
    [6] = { "bool", ARROW_BOOL, 0, NULL, true },
    [7] = { "decimal", 0, 0, decimal_type, true },
    [8] = { "date", 0, 0, date_type, true },
    [9] = { "time", 0, 0, time_type, true },
    [10] = { "timestamp", ARROW_INT, 8, NULL, true },
    [11] = { "interval", 0, 0, NULL, false },
    [12] = { "list", ARROW_LIST, 4, NULL, true },
    [13] = { "struct", ARROW_STRUCT, 0, NULL, true },
    [14] = { "union", 0, 0, NULL, false },
    [15] = { "fixed-size binary", 0, 0, fixed_type, true },
    [16] = { "fixed-size list", 0, 0, fixed_list_type, true },
    [17] = { "map", ARROW_LIST, 4, NULL, true },
    [18] = { "duration", ARROW_INT, 8, NULL, true },
    [19] = { "large binary", ARROW_BYTES, 8, NULL, true },
    [20] = { "large utf8", ARROW_BYTES, 8, NULL, true },
    [21] = { "large list", ARROW_LIST, 8, NULL, true },
    [22] = { "run-end encoded", 0, 0, NULL, false },
    [23] = { "binary view", ARROW_VIEW, 16, NULL, true },
    [24] = { "utf8 view", ARROW_VIEW, 16, NULL, true },
    [25] = { "list view", 0, 0, NULL, false },
    [26] = { "large list view", 0, 0, NULL, false },
};

static bool width_is_good(const struct arrow_field *f)
{
    switch (f->kind) {
    case ARROW_INT:
    case ARROW_UINT:
        return f->width == 1 || f->width == 2 || f->width == 4 || f->width == 8;
    case ARROW_FLOAT:
        return f->width <= 8;
    case ARROW_DECIMAL:
        return f->width == 4 || f->width == 8 || f->width == 16 || f->width == DECIMAL_BYTES_MAX;
    case ARROW_FIXED:
    case ARROW_FIXED_LIST:
        return f->width <= ROW_MAX_BYTES;
    case ARROW_LIST:
        return f->n_children == 1;
    default:
        return true;
    }
}

static errc damaged(struct str name, struct err *e)
{
    return err_set(e, ERR_CORRUPT, "column %.*s: the Arrow schema is damaged or too deep", STR_ARG(name));
}

static errc read_field(struct arena *a, struct fb_table t, struct arrow_field *f, int depth, size_t *left, struct err *e);

static errc read_children(struct arena *a, struct fb_vector v, struct arrow_field *f, int depth, size_t *left, struct err *e)
{
    f->n_children = v.n;
    if (v.n > *left)
        return err_set(e, ERR_TOO_LARGE, "more than %d columns", COLUMNS_MAX);
    *left -= v.n;
    f->children = arena_calloc(a, v.n + 1, sizeof *f->children);
    for (size_t i = 0; i < v.n; i++)
        TRY(read_field(a, fb_vec_table(v, i), &f->children[i], depth, left, e));
    return ERR_OK;
}

/* The column holds indices; its own type is that of the dictionary's values. */
static errc read_dictionary(struct arena *a, struct fb_table encoding, struct arrow_field *f, struct err *e)
{
    struct fb_table index = fb_sub(encoding, 1);
    struct made m = fb_has(index) ? int_type(index) : (struct made){ .kind = ARROW_INT, .width = 4 };
    struct arrow_field *values = arena_calloc(a, 1, sizeof *values);

    *values = *f;
    *f = (struct arrow_field){ .name = f->name, .kind = m.kind, .width = m.width, .dictionary = fb_int(encoding, 0, 8, 0), .values = values };
    return f->dictionary >= 0 && width_is_good(f) ? ERR_OK : damaged(f->name, e);
}

static errc read_field(struct arena *a, struct fb_table t, struct arrow_field *f, int depth, size_t *left, struct err *e)
{
    size_t type = (uint8_t)fb_int(t, 2, 1, 0);

    *f = (struct arrow_field){ .name = fb_str(t, 0), .dictionary = -1 };
    if (!f->name.p)
        f->name = STR("");
    if (!fb_has(t) || depth > SCHEMA_DEPTH_MAX || !str_utf8_valid(f->name))
        return damaged(STR("?"), e);
    if (type >= ARRAY_LEN(types) || !types[type].known)
        return err_set(e, ERR_UNSUPPORTED, "column %.*s: the type %s of Arrow is not read: drop the column or save the data set as Parquet",
                       STR_ARG(f->name), type < ARRAY_LEN(types) && types[type].name ? types[type].name : "of an unknown number");
    struct made m = types[type].of ? types[type].of(fb_sub(t, 3)) : (struct made){ .kind = types[type].kind, .width = types[type].width };
    f->kind = m.kind;
    f->width = m.width;
    f->scale = m.scale;
    TRY(read_children(a, fb_vec(t, 5, 4), f, depth + 1, left, e));
    if (!width_is_good(f) || (f->kind == ARROW_FIXED_LIST && f->n_children != 1))
        return damaged(f->name, e);
    struct fb_table encoding = fb_sub(t, 4);
    return fb_has(encoding) ? read_dictionary(a, encoding, f, e) : ERR_OK;
}

errc arrow_schema(struct arena *a, struct fb_table schema, struct arrow_field *root, struct err *e)
{
    size_t left = COLUMNS_MAX;

    *root = (struct arrow_field){ .kind = ARROW_STRUCT, .dictionary = -1 };
    if (fb_int(schema, 0, 2, 0))
        return err_set(e, ERR_UNSUPPORTED, "a big-endian Arrow file is not read: write it again on a little-endian machine");
    return read_children(a, fb_vec(schema, 1, 4), root, 1, &left, e);
}
