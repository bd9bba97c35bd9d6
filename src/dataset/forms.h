/*
 * One row -> ids, and which of them are learnt: the forms of rows that are known. Private to dataset/.
 */
#ifndef DATASET_FORMS_H
#define DATASET_FORMS_H

#include "dataset/priv.h"
#include "tokenizer/tokenizer.h"

struct builder {
    const struct tokenizer *t;
    const struct tokenizer_info *info;
    const struct examples_opts *o;
    const struct form *form;            /* chosen by the first row */
    struct token_ids ids;               /* of the row */
    struct token_ids labels;            /* given by the row itself (input_ids form); else empty */
    size_t masked;                      /* leading tokens that are the prompt's */
    struct buf learnt;                  /* with assistant_only: a byte for each id, 1: an assistant said it; else empty */
    size_t renamed;                     /* messages with ShareGPT's names of roles, so far */
    size_t strange;                     /* messages whose role no template is known to have, so far; the first of these roles */
    char strange_role[EXAMPLES_ROLE_MAX];
    bool column_absent;                 /* the first row has no o->messages_column */
    struct err *e;
};

struct form {
    const char *name;
    bool (*fits)(const struct builder *b, const json_t *row);
    errc (*encode)(struct builder *b, const json_t *row);
};

/* Fills ids, labels, masked and learnt. The error names the column, not the file and the row. */
errc form_encode(struct builder *b, const json_t *row);

/* The text of messages by the template in use; marks may be NULL. */
errc form_chat(struct builder *b, const json_t *messages, bool prompt, const json_t *row, struct template_marks *marks, struct buf *out);
/* How many ids two lists share from the start. */
size_t form_shared(const struct token_ids *a, const struct token_ids *b);
/* assistant.c: b->learnt of the turns whose text and ids are given. */
errc form_mark_assistant(struct builder *b, const json_t *messages, const json_t *row, struct str text, const struct template_marks *marks);

#endif
