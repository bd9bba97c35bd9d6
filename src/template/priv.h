/* Tokens, tree and values of the template engine. A compiled template owns one arena; a render has another of its own. */
#ifndef TEMPLATE_PRIV_H
#define TEMPLATE_PRIV_H

#include "base/arena.h"
#include "base/mem.h"
#include "template/template.h"

#define SOURCE_MAX ((size_t)1 << 20)
#define PARSE_DEPTH_MAX 60              /* nested brackets and blocks; each costs about 2 KiB of stack */
#define EVAL_DEPTH_MAX 150              /* nested evaluations, macro calls included */
#define STEPS_DEFAULT 2000000u
#define OUTPUT_DEFAULT ((size_t)64 << 20)

/* ---- tokens (lex.c) ---- */

enum token_kind { TOK_DATA, TOK_VAR_BEGIN, TOK_VAR_END, TOK_BLOCK_BEGIN, TOK_BLOCK_END, TOK_NAME, TOK_STRING, TOK_INT, TOK_FLOAT, TOK_OP, TOK_END };
struct token {
    enum token_kind kind;
    int line;
    struct str text;                    /* DATA, NAME, OP as written; STRING unescaped */
    int64_t i;
    double f;
};
struct tokens { struct token *v; size_t n, cap; };
errc template_lex(struct arena *a, struct str source, const char *name, struct tokens *out, struct err *e);

/* ---- values (value.c) ---- */

enum val_kind { VAL_UNDEFINED, VAL_NONE, VAL_BOOL, VAL_INT, VAL_FLOAT, VAL_STR, VAL_LIST, VAL_TUPLE, VAL_DICT, VAL_NAMESPACE, VAL_LOOP, VAL_MACRO, VAL_FUNCTION, VAL_METHOD };
struct val {
    enum val_kind kind;
    union {
        bool b;
        int64_t i;
        double f;
        struct str s;                   /* of UNDEFINED: its name, or a sentence (names have no blanks) */
        struct list *list;
        struct dict *dict;
        struct loop *loop;
        struct macro *macro;
        const struct function *function;
        struct method *method;
    };
};
struct list { struct val *v; size_t n, cap, depth, weight; const struct dict *named; /* a tuple's fields, or NULL */ };   /* depth of the deepest box inside; values inside, shared ones each time */
struct dict { struct val *k, *v; size_t n, cap, depth, weight; };
#define VAL_WEIGHT_MAX ((size_t)4 << 20)
#define VAL_DEPTH_MAX (JSON_DEPTH_MAX + 100)                    /* values are walked recursively */
size_t val_depth(struct val v);

struct args {
    struct val *v; size_t n;
    struct str *names; struct val *named; size_t n_named;
    const struct dict *mapping;         /* text_percent: what %(name)s looks into */
};
struct render;
struct function { const char *name; errc (*call)(struct render *r, const struct args *args, struct val *out); };
struct method {
    struct val self;
    errc (*call)(struct render *r, struct val self, const struct args *args, struct val *out);
};

static inline struct val val_none(void) { return (struct val){ VAL_NONE }; }
static inline struct val val_bool(bool b) { return (struct val){ VAL_BOOL, { .b = b } }; }
static inline struct val val_int(int64_t i) { return (struct val){ VAL_INT, { .i = i } }; }
static inline struct val val_float(double f) { return (struct val){ VAL_FLOAT, { .f = f } }; }
static inline struct val val_str(struct str s) { return (struct val){ VAL_STR, { .s = s } }; }
static inline struct val val_undefined(struct str name) { return (struct val){ VAL_UNDEFINED, { .s = name } }; }

errc val_hashable(struct render *r, struct val v);      /* as a key of a dict; else fails */
struct val val_list(struct arena *a);
struct val val_dict(struct arena *a);
void list_add(struct arena *a, struct list *l, struct val v);
void dict_put(struct arena *a, struct dict *d, struct val key, struct val v);
struct val *dict_find(const struct dict *d, struct val key);
struct val val_from_json(struct arena *a, const json_t *j);
bool val_true(struct val v);
bool val_equal(struct val a, struct val b);
bool val_is_number(struct val v);               /* bool, int, float */
double val_number(struct val v);
bool val_is_sequence(struct val v);             /* list or tuple */
const char *val_type(struct val v);             /* Python's name of the type */
void val_print(struct val v, struct buf *out);  /* str() */
void val_repr(struct val v, struct buf *out);
size_t str_chars(struct str s);                 /* code points */
size_t str_char_at(struct str s, size_t chars); /* byte offset of that code point; s.n past the end */

/* ---- text by code points (text.c) ---- */

size_t text_next(struct str s, size_t at, int32_t *cp);         /* bytes of the code point at `at` */
size_t text_line_end(struct str s);                             /* bytes of the line end that s begins with: \n \r \r\n and Unicode's others; 0: none */
bool text_is_word(int32_t cp);
bool text_strips(int32_t cp, struct str chars);                 /* whether strip() takes it; chars.p NULL: white space */

/* ---- the tree (parse.c) ---- */

enum node_kind {
    /* expressions */
    N_CONST, N_NAME, N_LIST, N_TUPLE, N_DICT, N_ATTR, N_ITEM, N_SLICE, N_CALL, N_FILTER, N_TEST, N_NOT, N_AND, N_OR, N_NEG, N_POS,
    N_BINARY, N_COMPARE, N_COND, N_CONCAT,
    /* statements */
    N_DATA, N_OUTPUT, N_IF, N_FOR, N_SET, N_SET_BLOCK, N_MACRO, N_CALL_BLOCK, N_FILTER_BLOCK, N_WITH, N_BREAK, N_CONTINUE, N_GROUP, N_GENERATION,
};
enum op { OP_ADD, OP_SUB, OP_MUL, OP_DIV, OP_FLOORDIV, OP_MOD, OP_POW, OP_EQ, OP_NE, OP_LT, OP_LE, OP_GT, OP_GE, OP_IN, OP_NOT_IN };

struct node {
    enum node_kind kind;
    int line;
    enum op op;
    struct str name;                    /* NAME, ATTR, FILTER, TEST, MACRO; keyword of an argument */
    struct val value;                   /* CONST */
    struct node *a, *b, *c;
    struct node *args;                  /* first of a list linked by next: arguments, items, targets, defaults */
                                        /* an argument's op: OP_MUL for *x, OP_POW for **x, else OP_ADD; a target may be a N_TUPLE of targets */
    struct node *body, *other;          /* first statements */
    struct node *next;
    const struct filter *filter;
    const struct test *test;
    bool varargs, kwargs;               /* MACRO: its body reads them */
};

struct template {
    struct arena *arena;
    char *name;
    struct node *body;
};
errc template_parse(struct template *t, const struct tokens *tokens, struct err *e);

/* ---- rendering ---- */

struct scope { struct scope *parent; struct str *names; struct val *vals; size_t n, cap; };
struct macro { const struct node *node; struct scope *home; };
struct loop { size_t index0, n; const struct list *items; struct val last_changed; size_t depth; bool changed_once; };

struct render {
    const struct template *t;
    struct arena *arena;
    struct buf *out;
    const struct buf *whole;            /* what `out` is outside of captures */
    struct template_marks *marks;       /* may be NULL */
    struct err *e;
    struct scope *globals;
    const char *today;
    uint64_t steps, steps_max;
    size_t made, made_max;
    int depth, line;
    size_t loop_depth;
    enum { FLOW_NONE, FLOW_BREAK, FLOW_CONTINUE } flow;
};

errc fail(struct render *r, const char *fmt, ...) PRINTF(2, 3);         /* ERR_BAD_REQUEST with name and line */
errc tick(struct render *r, size_t work);
errc made(struct render *r, size_t bytes);                              /* counts text that was made */
errc str_val(struct render *r, struct buf *take, struct val *out);      /* moves a buffer into the arena */

struct scope *scope_new(struct render *r, struct scope *parent);
struct val *scope_own(struct scope *s, struct str name);                /* NULL: this very scope has no such name */
void scope_set(struct render *r, struct scope *s, struct str name, struct val v);
struct val scope_lookup(const struct scope *s, struct str name);        /* through the parents, then the functions; undefined */

errc eval(struct render *r, struct scope *s, const struct node *n, struct val *out);
errc eval_args(struct render *r, struct scope *s, const struct node *first, struct args *out);
errc eval_call(struct render *r, struct scope *s, const struct node *n, struct val *caller /* or NULL */, struct val *out);
errc eval_slice(struct render *r, struct scope *s, const struct node *n, struct val *out);
errc exec(struct render *r, struct scope *s, const struct node *first);
/* What the statements would print, as a string. */
errc captured(struct render *r, struct scope *s, const struct node *body, struct val *out);
errc undefined_used(struct render *r, struct val v);                    /* fails with jinja's words */
struct val undefined_as(struct render *r, const char *fmt, ...) PRINTF(2, 3);   /* undefined, and what to say of it if it is used */
errc binary_op(struct render *r, enum op op, struct val a, struct val b, struct val *out);
errc int_op(struct render *r, enum op op, int64_t a, int64_t b, struct val *out);
errc compare_once(struct render *r, enum op op, struct val a, struct val b, bool *out);
errc box_check(struct render *r, struct val v);                         /* a list or dict within its limits */
errc call_value(struct render *r, struct val f, const struct args *args, struct val *out);
errc get_attr(struct render *r, struct val v, struct str name, struct val *out);
errc get_item(struct render *r, struct val v, struct val key, struct val *out);
errc val_compare(struct render *r, struct val a, struct val b, int *out);
errc val_contains(struct render *r, struct val box, struct val item, bool *out);
/* The items of any iterable as a list: list, tuple, dict keys, characters; undefined is empty. */
errc val_items(struct render *r, struct val v, struct list **out);
struct val list_val(struct list *l);

/* An argument by position or name; NULL when it was not given. */
const struct val *arg(const struct args *args, size_t at, const char *name);
int64_t arg_int(const struct args *args, size_t at, const char *name, int64_t fallback);
bool arg_bool(const struct args *args, size_t at, const char *name, bool fallback);
struct str arg_str(const struct args *args, size_t at, const char *name, const char *fallback);

struct filter { const char *name; errc (*apply)(struct render *r, struct val v, const struct args *args, struct val *out); };
struct test { const char *name; errc (*apply)(struct render *r, struct val v, const struct args *args, bool *out); };
const struct filter *filter_find(struct str name);
const struct test *test_find(struct str name);
const struct function *function_find(struct str name);
/* A bound method of a string, list or dict; false when there is none. */
bool method_find(struct render *r, struct val v, struct str name, struct val *out);
errc text_case(struct render *r, struct str s, char how /* upper lower title capitalize swap */, struct val *out);
/* printf as Python's "..." % args has it. */
errc text_percent(struct render *r, struct str format, const struct args *args, struct val *out);
/* "{0:>5}".format(...) */
errc text_format(struct render *r, struct str format, const struct args *args, struct val *out);
errc text_pad(struct render *r, struct str s, int64_t width, struct str fill, char how /* < > ^ */, struct val *out);
errc text_center(struct render *r, struct str s, int64_t width, int64_t missing, struct str fill, struct val *out);
errc text_split_white(struct render *r, struct str s, int64_t max /* -1: all */, struct list *l);
errc text_strip(struct render *r, struct str s, struct str chars, bool left, bool right, struct val *out);
errc text_replace(struct render *r, struct str s, struct str from, struct str to, int64_t count, struct val *out);

#endif
