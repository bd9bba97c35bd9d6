/*
 * Data set files -> rows -> training examples (ids and labels).
 *
 * Rows: Parquet (all encodings and codecs that pyarrow, Spark and DuckDB write, except LZO and encryption), Arrow IPC streams and files,
 * JSON Lines, a JSON array of objects, CSV with a header. One page per column, one batch or one line is in memory at a time, whatever
 * the file's size.
 *
 * Examples: a data set is tokenised once, in file order, into unlinked scratch files that are mapped read-only, so that any order
 * costs the same and memory does not grow with the data. Numbering is by row: the same file gives the same examples.
 *
 * Errors name the file, the row, the column and the fix. Objects belong to one thread at a time, except that
 * examples_get may be called from several threads.
 */
#ifndef DATASET_DATASET_H
#define DATASET_DATASET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/err.h"
#include "base/json.h"
#include "base/str.h"

struct tokenizer;
struct template;

struct dataset;

/*
 * path: a file, or a folder: its first data file by name (upstream's rule: the name contains csv, json, parquet or arrow; files before
 * sub-folders) and that file's neighbours of the same kind, without those that are named after a test or validation split.
 * extension: "parquet", "json", "csv", "arrow" or NULL to tell from the first bytes and the name.
 * ERR_CORRUPT, ERR_UNSUPPORTED, ERR_NOT_FOUND.
 */
errc dataset_open(const char *path, const char *extension, struct dataset **out, struct err *e);
/* The same over several paths, one after the other. Every file must hold rows of the same form. */
errc dataset_open_all(const char *const *paths, size_t n, const char *extension, struct dataset **out, struct err *e);
void dataset_free(struct dataset *d);                           /* NULL is fine */
DEFINE_AUTO_FREE(dataset)
const char *dataset_path(const struct dataset *d);              /* of the file that is being read */
size_t dataset_row(const struct dataset *d);                    /* of the last row in that file, from 0 */
size_t dataset_files(const struct dataset *d);
const char *dataset_unused(const struct dataset *d);            /* "a, b": data files of folders that are not read; NULL: none */

/* The next row as an object, yours; *out is NULL after the last one. Rewind starts again. */
errc dataset_next(struct dataset *d, json_t **out, struct err *e);
errc dataset_rewind(struct dataset *d, struct err *e);

/* Which tokens the loss covers. */
enum examples_loss {
    EXAMPLES_LOSS_ALL,          /* upstream KAITO: the whole text; every token equal to the pad id is masked, wherever it stands */
    EXAMPLES_LOSS_ALL_KEEP_EOS, /* the whole text, end-of-text tokens included */
    EXAMPLES_LOSS_COMPLETION,   /* what follows the prompt (prompt/completion and instruction forms; messages: the last assistant turn) */
};
#define EXAMPLES_NO_LIMIT ((size_t)UINT32_MAX)     /* a max_length that cuts nothing */
#define EXAMPLES_IGNORE (-100)  /* the label of a token that is not learnt */

struct examples_opts {
    enum examples_loss loss;
    bool assistant_only;                /* and of these, only what assistants said; rows without roles are an error */
    size_t max_length;                  /* tokens kept of each example, from the start; 0: 1024 (upstream) */
    bool keep_end;                      /* ... from the end */
    const struct template *chat_template;       /* instead of the tokenizer's own; borrowed */
    const char *messages_column;        /* NULL: found by name: messages, conversations, prompt+completion, text, ... */
    const char *text_column;            /* a plain text column of another name */
    const char *scratch_dir;            /* NULL: $TMPDIR or /tmp */
    size_t max_rows;                    /* 0: all */
};

struct examples;

/*
 * Reads the data set to its end. The form is taken from the first row's columns:
 *   messages | conversations   list of {role, content} or {from, value}: through the chat template, no special tokens added
 *   prompt + completion        strings: concatenated, end-of-text added (TRL's rule); or lists of messages: chat template
 *   instruction [+ input] + output (or response): a user and an assistant turn through the chat template
 *   text                       with the tokenizer's special tokens, end-of-text added
 *   input_ids [+ labels]       already tokenised
 * ERR_INVALID: "FILE: no usable columns: found a, b; wanted messages, ..."; or a row that does not fit, by number.
 */
errc examples_build(struct dataset *d, const struct tokenizer *t, const struct examples_opts *o,
                    struct examples **out, struct err *e);
void examples_free(struct examples *x);                         /* NULL is fine */
DEFINE_AUTO_FREE(examples)

struct example {
    const int32_t *ids, *labels;        /* n each; labels[i] is ids[i] or EXAMPLES_IGNORE: shift by one in the loss */
    size_t n;                           /* at least 1 */
    size_t row;                         /* of the file, from 0 */
};
size_t examples_count(const struct examples *x);
struct example examples_get(const struct examples *x, size_t i);        /* i < count; lent until examples_free */

const char *examples_digest(const struct examples *x);          /* the same for the same ids and labels, row by row */

/* Lets go of the memory of examples that were looked at; those that are lent stay valid. */
void examples_rest(const struct examples *x);

/* A slice of an example; `begins` starts the next example of examples_remake, the others are put behind it. */
struct example_piece { uint32_t example, from, to; bool begins; };
/* Examples put together from pieces of others, in a scratch file of their own. The first piece begins. */
errc examples_remake(const struct examples *x, const struct example_piece *v, size_t n, const char *scratch_dir, struct examples **out, struct err *e);

#define EXAMPLES_ROLE_MAX 40

struct examples_stats {
    const char *form;           /* "messages", "prompt-completion", ... */
    size_t rows, empty;         /* rows read; rows that gave no token and were left out */
    size_t truncated;           /* examples cut at max_length */
    size_t unlearnt;            /* examples without a label; the first such row */
    size_t unlearnt_row;
    size_t renamed;             /* messages whose role was one of ShareGPT's names (human, gpt, ...) */
    size_t strange;             /* messages whose role no template is known to have; the first such role */
    char strange_role[EXAMPLES_ROLE_MAX];
    size_t tokens, label_tokens, longest;
    bool column_absent;         /* the first row has no messages_column: columns were found by name */
};
const struct examples_stats *examples_stats(const struct examples *x);

/* A permutation of 0..n-1 that depends on seed and epoch alone. */
void examples_order(size_t n, uint64_t seed, uint64_t epoch, uint32_t *out);

#endif
