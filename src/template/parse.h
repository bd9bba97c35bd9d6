/* What the two halves of the parser share: a cursor over tokens, and the grammar's entry points. */
#ifndef TEMPLATE_PARSE_H
#define TEMPLATE_PARSE_H

#include "template/priv.h"

struct parser {
    struct template *t;
    const struct token *at;             /* the last one is TOK_END */
    struct err *e;
    int depth;
};

errc parse_error(struct parser *p, const char *fmt, ...) PRINTF(2, 3);      /* ERR_CORRUPT with name and line */
struct node *parse_node(struct parser *p, enum node_kind kind);
/* Brackets and blocks: counts one more level; the caller takes it back. */
errc parse_deeper(struct parser *p);

bool is_op(const struct parser *p, const char *op);
bool is_name(const struct parser *p, const char *name);
bool take_op(struct parser *p, const char *op);
bool take_name(struct parser *p, const char *name);
errc want_op(struct parser *p, const char *op);
errc want_name(struct parser *p, struct str *out);

/* ---- expressions (parse_expr.c) ---- */

errc parse_expression(struct parser *p, struct node **out);
/* One expression, or several with commas between them: a tuple. Without conditions where "if" means something else. */
errc parse_tuple(struct parser *p, bool with_cond, struct node **out);
/* After "|": wraps `of` in the filter that follows. */
errc parse_filter(struct parser *p, struct node *of, struct node **out);

#endif
