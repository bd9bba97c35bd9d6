/* What the two halves of the Arrow reader share: a schema as a tree of fields, and the arrays of the batch that is read. */
#ifndef DATASET_ARROW_H
#define DATASET_ARROW_H

#include "dataset/flatbuf.h"
#include "dataset/priv.h"

enum arrow_kind {
    ARROW_NULL, ARROW_BOOL, ARROW_INT, ARROW_UINT, ARROW_FLOAT, ARROW_BYTES, ARROW_VIEW, ARROW_FIXED, ARROW_DECIMAL, ARROW_LIST, ARROW_FIXED_LIST, ARROW_STRUCT,
};

struct arrow_field {
    struct str name;                    /* in the schema's message */
    enum arrow_kind kind;
    size_t width;                       /* bytes of a value, of an offset, or items of a fixed list */
    int scale;                          /* of decimals */
    int64_t dictionary;                 /* id, or -1; then width and kind are those of the indices */
    struct arrow_field *values;         /* with a dictionary: how its values look */
    struct arrow_field *children;
    size_t n_children;

    size_t n;                           /* of the batch: values, and their bytes */
    struct bytes validity, offsets, data;
    struct bytes *more;                 /* [n_more] long values of a view */
    size_t n_more;
};

/* Schema -> root (a struct whose children are the columns), in arena a. ERR_UNSUPPORTED names the column and its type. */
errc arrow_schema(struct arena *a, struct fb_table schema, struct arrow_field *root, struct err *e);

#endif
