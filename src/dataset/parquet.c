/*
 * Parquet files as rows: columns are read side by side and put together by their repetition and definition levels
 * (the record assembly of the Dremel paper). One page of each column is in memory.
 */
#include "dataset/priv.h"

struct node {
    const struct pq_element *element;
    struct node *children;
    size_t n_children;
    int max_def, max_rep;
    size_t first_leaf, n_leaves;
};

struct reader {
    struct file_map map;
    struct pq_meta meta;
    struct arena *arena;
    struct node root;
    size_t next_element;                /* while the tree is built */
    struct pq_column *columns;
    struct node **leaves;
    size_t n_columns, group;
    int64_t group_left;
};

/* ---- the schema ---- */

static errc build(struct reader *r, struct node *n, int def, int rep, int depth, struct err *e)
{
    if (r->next_element >= r->meta.n_elements || depth > SCHEMA_DEPTH_MAX)
        return err_set(e, ERR_CORRUPT, "the schema in the Parquet footer is damaged or too deep");
    n->element = &r->meta.elements[r->next_element++];
    n->max_def = def + (depth && n->element->repetition != PQ_REQUIRED);
    n->max_rep = rep + (depth && n->element->repetition == PQ_REPEATED);
    n->first_leaf = r->n_columns;
    n->n_children = (size_t)n->element->children;
    if (n->n_children > r->meta.n_elements)
        return err_set(e, ERR_CORRUPT, "the schema in the Parquet footer is damaged");
    if (!n->n_children) {
        if (!depth || r->n_columns >= COLUMNS_MAX)
            return err_set(e, depth ? ERR_TOO_LARGE : ERR_CORRUPT, depth ? "more than %d columns" : "the file has no columns", COLUMNS_MAX);
        if (n->element->type < PQ_BOOLEAN || n->element->type > PQ_FIXED)
            return err_set(e, ERR_UNSUPPORTED, "column type %d is not known", n->element->type);
        r->leaves[r->n_columns++] = n;
    }
    n->children = arena_calloc(r->arena, n->n_children, sizeof *n->children);
    for (size_t i = 0; i < n->n_children; i++)
        TRY(build(r, &n->children[i], n->max_def, n->max_rep, depth + 1, e));
    n->n_leaves = r->n_columns - n->first_leaf;
    return ERR_OK;
}

/* "messages.list.element.role" */
static void leaf_name(const struct node *n, size_t leaf, struct buf *out)
{
    for (size_t i = 0; i < n->n_children; i++) {
        const struct node *c = &n->children[i];
        if (leaf < c->first_leaf || leaf >= c->first_leaf + c->n_leaves)
            continue;
        if (out->n)
            buf_addc(out, '.');
        buf_addstr(out, c->element->name);
        leaf_name(c, leaf, out);
        return;
    }
}

static errc column_error(struct reader *r, size_t leaf, struct err *e)
{
    AUTO_BUF name = { 0 };

    leaf_name(&r->root, leaf, &name);
    return err_wrap(e, "column %s, row group %zu", buf_cstr(&name), r->group - 1);
}

/* ---- assembly ---- */

static errc advance(struct reader *r, size_t leaf, struct err *e)
{
    return pq_column_load(&r->columns[leaf], e) ? column_error(r, leaf, e) : ERR_OK;
}

static errc advance_all(struct reader *r, const struct node *n, struct err *e)
{
    for (size_t i = 0; i < n->n_leaves; i++)
        TRY(advance(r, n->first_leaf + i, e));
    return ERR_OK;
}

/* A retired form of time stamps: nanoseconds of a day, then the day; as pyarrow has it, nanoseconds since 1970. */
static json_t *int96_value(struct str s)
{
    enum { JULIAN_1970 = 2440588 };
    int64_t nanoseconds, days;
    uint32_t day;

    memcpy(&nanoseconds, s.p, sizeof nanoseconds);
    memcpy(&day, s.p + sizeof nanoseconds, sizeof day);
    days = (int64_t)day - JULIAN_1970;
    return __builtin_mul_overflow(days, (int64_t)86400 * 1000000000, &days) || __builtin_add_overflow(days, nanoseconds, &days) ? json_null() : json_integer(days);
}

static json_t *decimal_value(const struct pq_value *v, const struct pq_element *x)
{
    if (x->type == PQ_INT32 || x->type == PQ_INT64)
        return row_decimal((const uint8_t *)&v->i, sizeof v->i, false, x->scale);
    return row_decimal((const uint8_t *)v->s.p, v->s.n, true, x->scale);
}

static json_t *leaf_value(const struct pq_column *c, const struct node *n)
{
    const struct pq_element *x = n->element;
    uint16_t half;

    if (x->scale >= 0 && x->type != PQ_BOOLEAN && x->type != PQ_FLOAT && x->type != PQ_DOUBLE && x->type != PQ_INT96)
        return decimal_value(&c->value, x);
    switch (x->type) {
    case PQ_BOOLEAN:
        return json_boolean(c->value.b);
    case PQ_INT32:
        return json_integer(x->unsigned_int ? (json_int_t)(uint32_t)c->value.i : (json_int_t)c->value.i);
    case PQ_INT64:
        return x->unsigned_int ? row_unsigned((uint64_t)c->value.i) : json_integer(c->value.i);
    case PQ_FLOAT:
    case PQ_DOUBLE:
        return row_real(c->value.f);
    case PQ_INT96:
        return int96_value(c->value.s);
    default:
        if (!x->half || c->value.s.n != sizeof half)
            return row_text(c->value.s);
        memcpy(&half, c->value.s.p, sizeof half);
        return row_half(half);
    }
}

static errc read_field(struct reader *r, const struct node *n, json_t **out, struct err *e);

/* One occurrence of n, which is there: definition levels below it were checked by the caller. */
static errc read_present(struct reader *r, const struct node *n, json_t **out, struct err *e)
{
    if (!n->n_children) {
        AUTO_JSON value = leaf_value(&r->columns[n->first_leaf], n);
        TRY(advance(r, n->first_leaf, e));
        *out = TAKE(value);
        return ERR_OK;
    }
    AUTO_JSON object = json_object();
    for (size_t i = 0; i < n->n_children; i++) {
        json_t *child = NULL;
        TRY(read_field(r, &n->children[i], &child, e));
        AUTO_JSON name = json_strn(n->children[i].element->name);
        json_put(object, json_string_value(name), child);
    }
    *out = TAKE(object);
    return ERR_OK;
}

/* The single repeated child of a LIST or MAP group is scaffolding when it only wraps the element. */
static const struct node *list_element(const struct node *list, const struct node *repeated)
{
    struct str name = repeated->element->name, wrapper = list->element->name;

    if (repeated->n_children != 1 || str_is(name, "array") || list->element->map)
        return repeated;
    if (name.n == wrapper.n + 6 && str_has_prefix(name, wrapper) && str_has_suffix(name, STR("_tuple")))
        return repeated;
    return &repeated->children[0];
}

static errc read_repeated(struct reader *r, const struct node *n, const struct node *item, json_t **out, struct err *e)
{
    struct pq_column *first = &r->columns[n->first_leaf];
    AUTO_JSON list = json_array();

    if (first->def < n->max_def) {
        TRY(advance_all(r, n, e));
    } else {
        do {
            json_t *v = NULL;
            TRY(item == n ? read_present(r, n, &v, e) : read_field(r, item, &v, e));
            json_push(list, v);
        } while (first->has && first->rep == n->max_rep);
    }
    *out = TAKE(list);
    return ERR_OK;
}

static errc read_field(struct reader *r, const struct node *n, json_t **out, struct err *e)
{
    const struct pq_column *first = &r->columns[n->first_leaf];

    for (size_t i = 0; i < n->n_leaves; i++)
        if (!r->columns[n->first_leaf + i].has) {
            (void)err_set(e, ERR_CORRUPT, "the column has fewer rows than the others");
            return column_error(r, n->first_leaf + i, e);
        }
    if (n->element->repetition == PQ_REPEATED)
        return read_repeated(r, n, n, out, e);
    if (first->def < n->max_def) {
        *out = json_null();
        return advance_all(r, n, e);
    }
    if ((n->element->list || n->element->map) && n->n_children == 1 && n->children[0].element->repetition == PQ_REPEATED)
        return read_repeated(r, &n->children[0], list_element(n, &n->children[0]), out, e);
    return read_present(r, n, out, e);
}

/* ---- the reader ---- */

static void parquet_free(struct reader *r)
{
    if (!r)
        return;
    for (size_t i = 0; i < r->n_columns; i++)
        pq_column_done(&r->columns[i]);
    free(r->columns);
    free(r->leaves);
    pq_meta_done(&r->meta);
    arena_free(r->arena);
    free(r);
}

static errc read_footer(struct reader *r, struct err *e)
{
    struct str f = str_n((const char *)r->map.p, r->map.n);
    const uint8_t *p = r->map.p;

    if (f.n >= 4 && memcmp(f.p + f.n - 4, "PARE", 4) == 0)
        return err_set(e, ERR_UNSUPPORTED, "the Parquet file is encrypted: give one that is not");
    if (f.n < 12 || memcmp(f.p + f.n - 4, "PAR1", 4) != 0)
        return err_set(e, ERR_CORRUPT, "the Parquet file is cut short: it has %zu bytes and does not end with PAR1; download it again", f.n);
    struct bytes b = { p + f.n - 8, p + f.n };
    uint32_t n = 0;
    (void)bytes_u32(&b, &n);
    if (n > f.n - 12)
        return err_set(e, ERR_CORRUPT, "the Parquet footer claims %u bytes of a file of %zu: download it again", n, f.n);
    return pq_meta_read(str_n(f.p + f.n - 8 - n, n), &r->meta, e);
}

static errc parquet_open(struct file_map map, struct reader **out, struct err *e)
{
    struct reader *r = xzalloc(sizeof *r);

    r->map = map;
    r->arena = arena_new();
    errc rc = read_footer(r, e);
    if (!rc) {
        r->leaves = xcalloc(COLUMNS_MAX, sizeof *r->leaves);
        rc = build(r, &r->root, 0, 0, 0, e);
    }
    r->columns = xcalloc(r->n_columns + 1, sizeof *r->columns);
    for (size_t i = 0; !rc && i < r->n_columns; i++)
        r->columns[i] = (struct pq_column){ .type_length = r->leaves[i]->element->type_length, .max_rep = r->leaves[i]->max_rep,
                                            .max_def = r->leaves[i]->max_def };
    if (rc) {
        parquet_free(r);
        return rc;
    }
    *out = r;
    return ERR_OK;
}

static errc start_group(struct reader *r, struct err *e)
{
    const struct pq_group *g = &r->meta.groups[r->group++];

    if (g->n_chunks != r->n_columns || g->rows < 0)
        return err_set(e, ERR_CORRUPT, "row group %zu has %zu columns where the schema has %zu", r->group - 1, g->n_chunks, r->n_columns);
    r->group_left = g->rows;
    for (size_t i = 0; i < r->n_columns && g->rows; i++) {
        const struct pq_chunk *c = &r->meta.chunks[g->first_chunk + i];
        if (c->type != r->leaves[i]->element->type) {
            (void)err_set(e, ERR_CORRUPT, "its type %d is not the schema's %d", c->type, r->leaves[i]->element->type);
            return column_error(r, i, e);
        }
        if (pq_column_start(&r->columns[i], str_n((const char *)r->map.p, r->map.n), c, e))
            return column_error(r, i, e);
        TRY(advance(r, i, e));
    }
    return ERR_OK;
}

static errc parquet_next(struct reader *r, json_t **out, struct err *e)
{
    *out = NULL;
    while (!r->group_left) {
        if (r->group >= r->meta.n_groups)
            return ERR_OK;
        TRY(start_group(r, e));
    }
    TRY(read_present(r, &r->root, out, e));
    r->group_left--;
    for (size_t i = 0; i < r->n_columns; i++)
        if (r->columns[i].has && r->columns[i].rep != 0) {
            json_decref(TAKE(*out));
            (void)err_set(e, ERR_CORRUPT, "its values do not line up with the other columns");
            return column_error(r, i, e);
        }
    return ERR_OK;
}

static errc parquet_rewind(struct reader *r, struct err *e)
{
    (void)e;
    r->group = 0;
    r->group_left = 0;
    return ERR_OK;
}

const struct reader_ops parquet_reader = { "parquet", parquet_open, parquet_next, parquet_rewind, parquet_free };
