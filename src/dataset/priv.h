/* What the files of dataset/ share: row readers behind one table, and the parts of the Parquet reader. */
#ifndef DATASET_PRIV_H
#define DATASET_PRIV_H

#include "base/file.h"
#include "base/mem.h"
#include "dataset/dataset.h"

#define ROW_MAX_BYTES ((size_t)64 << 20)                /* one JSON row, one CSV row, one Parquet value */
#define PAGE_MAX_BYTES ((size_t)512 << 20)              /* one Parquet page, uncompressed */
#define COLUMNS_MAX 4096
#define SCHEMA_DEPTH_MAX 24

/* A kind of file. Readers work on the mapped bytes; they know nothing of the path, which dataset.c puts before their errors. */
struct reader;
struct reader_ops {
    const char *name;
    errc (*open)(struct file_map map, struct reader **out, struct err *e);
    errc (*next)(struct reader *r, json_t **out, struct err *e);        /* *out NULL at the end */
    errc (*rewind)(struct reader *r, struct err *e);
    void (*free)(struct reader *r);
};
extern const struct reader_ops parquet_reader, arrow_reader, json_reader, csv_reader;

/* ---- cells.c ---- */

/* A value of a text or binary column: a string when it is UTF-8, else {"bytes": base64}, as `datasets` writes binary cells. */
#define ROW_BINARY_KEY "bytes"
json_t *row_text(struct str s);
bool row_is_binary(const json_t *v);

json_t *row_real(double v);                     /* null for nan and the infinities */
json_t *row_half(uint16_t bits);
json_t *row_unsigned(uint64_t v);               /* beyond int64: a real number */
/* Two's complement of n bytes, divided by 10^scale: a text such as "-0.50", which keeps every digit. */
#define DECIMAL_BYTES_MAX 32
#define DECIMAL_SCALE_MAX 76
json_t *row_decimal(const uint8_t *p, size_t n, bool big_endian, int scale);

/* ---- files.c ---- */

struct file_list { char **v; size_t n; struct buf unused; };   /* unused: "a, b", names of data files in folders that are left out */
errc file_list_add(struct file_list *l, const char *path, struct err *e);
void file_list_done(struct file_list *l);

/* ---- bytes with an end ---- */

struct bytes { const uint8_t *p, *end; };
static inline size_t bytes_left(const struct bytes *b) { return (size_t)(b->end - b->p); }
bool bytes_varint(struct bytes *b, uint64_t *out);
bool bytes_u32(struct bytes *b, uint32_t *out);
bool bytes_take(struct bytes *b, size_t n, const uint8_t **out);
static inline int64_t zigzag(uint64_t v) { return (int64_t)(v >> 1) ^ -(int64_t)(v & 1); }

/* ---- thrift.c: the footer and the page headers ---- */

enum { PQ_BOOLEAN, PQ_INT32, PQ_INT64, PQ_INT96, PQ_FLOAT, PQ_DOUBLE, PQ_BYTE_ARRAY, PQ_FIXED };
enum { PQ_REQUIRED, PQ_OPTIONAL, PQ_REPEATED };
enum { PQ_DATA_PAGE, PQ_INDEX_PAGE, PQ_DICTIONARY_PAGE, PQ_DATA_PAGE_V2 };
enum { ENC_PLAIN = 0, ENC_PLAIN_DICTIONARY = 2, ENC_RLE = 3, ENC_BIT_PACKED = 4, ENC_DELTA_BINARY = 5, ENC_DELTA_LENGTH = 6,
       ENC_DELTA_BYTES = 7, ENC_RLE_DICTIONARY = 8, ENC_SPLIT = 9 };

struct pq_element {
    int type, type_length, repetition, children, converted;     /* -1: not given */
    int scale;                                                  /* of a decimal; -1: is none */
    bool list, map, unsigned_int, half;
    struct str name;                                            /* in the file */
};
struct pq_chunk { int type, codec; int64_t values, compressed, data_at, dict_at; };
struct pq_group { size_t first_chunk, n_chunks; int64_t rows; };
struct pq_meta {
    struct pq_element *elements; size_t n_elements, cap_elements;
    struct pq_chunk *chunks;     size_t n_chunks, cap_chunks;
    struct pq_group *groups;     size_t n_groups, cap_groups;
    int64_t rows;
};
errc pq_meta_read(struct str footer, struct pq_meta *out, struct err *e);
void pq_meta_done(struct pq_meta *m);

struct pq_page {
    int type, encoding, rep_encoding, def_encoding;
    int64_t uncompressed, compressed, values, rep_bytes, def_bytes;
    bool is_compressed;
};
errc pq_page_read(struct bytes *b, struct pq_page *out, struct err *e);

/* ---- codec.c ---- */

errc pq_decompress(int codec, struct str in, uint8_t *out, size_t n_out, struct err *e);
errc arrow_decompress(int codec, struct str in, uint8_t *out, size_t n_out, struct err *e);     /* 0: LZ4 frames, 1: zstd */

/* ---- values.c: decoders that yield one value at a time ---- */

/* Runs of one value and runs of bit-packed ones, by turns (levels, dictionary indices, booleans). */
struct hybrid {
    struct bytes in;
    unsigned width;             /* bits of a value */
    uint64_t run, packed;       /* values left of the run under way, of which kind; both 0: the next one begins */
    uint32_t value;             /* the run's */
    const uint8_t *bits;        /* the packed ones, */
    size_t bit;                 /* from here */
};
void hybrid_init(struct hybrid *h, struct bytes in, unsigned width);
bool hybrid_next(struct hybrid *h, uint32_t *out);

/* Whole numbers as differences (DELTA_BINARY_PACKED): blocks of miniblocks, each with a width of its own. */
struct delta {
    struct bytes in;
    uint64_t block, minis;      /* values of a block, its miniblocks */
    uint64_t left;              /* values that are not given yet */
    bool first;                 /* the next one is `last` itself */
    uint64_t last;
    int64_t min;                /* of the block: added to every difference */
    const uint8_t *widths;      /* [minis] of the block */
    size_t mini;                /* the next one of it */
    uint64_t in_mini;           /* differences left of the one under way, */
    unsigned width;             /* so wide, */
    const uint8_t *bits;
    size_t bit;                 /* from here */
};

struct pq_value { union { int64_t i; double f; bool b; struct str s; }; };

struct dictionary { uint8_t *page; struct pq_value *v; size_t n; };
struct values {
    int type, type_length;
    const struct encoding *how;                 /* NULL: none begun */
    struct bytes in;
    size_t bit;                                 /* BOOLEAN PLAIN */
    struct hybrid hybrid;
    struct delta delta, prefixes;
    const struct dictionary *dictionary;
    struct buf previous;                        /* DELTA_BYTE_ARRAY */
    size_t split_n, split_at;                   /* BYTE_STREAM_SPLIT */
};
errc values_init(struct values *v, int type, int type_length, int encoding, struct bytes in, const struct dictionary *d, struct err *e);
bool values_next(struct values *v, struct pq_value *out);       /* false: the page is cut short or wrong */
void values_done(struct values *v);

/* ---- column.c: one column chunk as entries (repetition, definition, value) ---- */

struct pq_column {
    struct str file;
    struct pq_chunk chunk;
    int type_length, max_rep, max_def;
    bool text, unsigned_int;
    size_t at;                                  /* of the next page */
    int64_t left, page_left;
    uint8_t *page;
    struct hybrid reps, defs;
    struct values values;
    struct dictionary dictionary;
    bool has;                                   /* an entry is loaded */
    int rep, def;
    struct pq_value value;                      /* when def == max_def */
};
errc pq_column_start(struct pq_column *c, struct str file, const struct pq_chunk *chunk, struct err *e);
errc pq_column_load(struct pq_column *c, struct err *e);        /* makes has, rep, def, value true of the next entry */
void pq_column_done(struct pq_column *c);

#endif
