/* What the files of grammar/ share. */
#ifndef GRAMMAR_PRIV_H
#define GRAMMAR_PRIV_H

#include "base/arena.h"
#include "base/mem.h"
#include "grammar/grammar.h"

#define NODES_MAX   200000u     /* of one grammar */
#define RULES_MAX   20000u
#define DEPTH_MAX   400u        /* of a stack: deeper texts are not offered; parsers of JSON give up at 512 and above */
#define REPEAT_INF  UINT32_MAX
#define NONE        UINT32_MAX

/*
 * ---- rules: a network of nodes (net.c) ----
 *
 * A rule is a part of the network with one start and one end; the end has no edges. Only EDGE_BYTES consumes. EDGE_CALL goes
 * through a rule; EDGE_REPEAT goes min..max times through a rule that consumes something each time, and is its node's only edge
 * (the number of rounds is kept with the node on the stack, so that 5000 rounds cost one node).
 */
enum edge_kind { EDGE_BYTES, EDGE_EPSILON, EDGE_CALL, EDGE_REPEAT };
struct edge { uint8_t kind, lo, hi; uint32_t to, rule, min, max; };
struct net_edge { struct edge e; uint32_t from; };
struct rule { uint32_t start, end; bool body; };        /* body: of an EDGE_REPEAT, seen as part of the rule around it */

/* Under construction: edges in any order. Past a limit it stays `too_large` and grows no more. */
struct net {
    struct net_edge *edges;
    size_t n_edges, cap_edges;
    struct rule *rules;
    size_t n_rules, cap_rules;
    uint32_t n_nodes;
    bool too_large;
};
void net_done(struct net *n);
uint32_t net_node(struct net *n);
uint32_t net_rule(struct net *n);                       /* with a start and an end, and nothing between */
void net_epsilon(struct net *n, uint32_t from, uint32_t to);
void net_bytes(struct net *n, uint32_t from, uint32_t to, uint8_t lo, uint8_t hi);
void net_call(struct net *n, uint32_t from, uint32_t to, uint32_t rule);
void net_repeat(struct net *n, uint32_t from, uint32_t to, uint32_t rule, uint32_t min, uint32_t max);
void net_literal(struct net *n, uint32_t from, uint32_t to, struct str text);
uint32_t net_literal_from(struct net *n, uint32_t from, struct str text);       /* the node behind it */
void net_chars(struct net *n, uint32_t from, uint32_t to, uint32_t lo, uint32_t hi);    /* code points as UTF-8; surrogates left out */

/* ---- a grammar: the network checked and laid out (compile.c) ---- */

struct machine;
struct grammar {
    struct edge *edges;                 /* of node n: [first[n], first[n + 1]) */
    uint32_t *first;
    uint32_t *need;                     /* per node: frames that finishing its rule takes at least */
    struct rule *rules;
    uint32_t n_nodes, start;            /* of rule 0 */
    bool *is_end;                       /* per node */
    bool *in_body;                      /* per node: of a repeated rule */
    uint8_t class_of[256], byte_of[256];/* bytes that no edge tells apart; one byte of each class */
    size_t n_classes;
    struct machine *machine;            /* the caches, made by the first matcher */
    int refs;
};
/* Takes the network; rule 0 is the language. ERR_BAD_REQUEST: too large, left-recursive, or nothing satisfies it. */
errc grammar_from_net(struct net *n, const char *what, struct grammar **out, struct err *e);

/* ---- regular expressions over code points (regex.c) ---- */

struct arc { uint32_t from, to, lo, hi; bool epsilon; };
struct char_net { struct arc *arcs; size_t n, cap; uint32_t n_nodes, start, end; };
void char_net_done(struct char_net *c);
errc regex_parse(struct str pattern, struct char_net *out, struct err *e);

/* One code point between two nodes, in the alphabet that a text is written in. */
typedef void put_chars(struct net *n, uint32_t from, uint32_t to, uint32_t lo, uint32_t hi);
/* Copies the expression between two nodes; min..max limits its length in code points. */
void char_net_put(const struct char_net *c, struct net *n, uint32_t from, uint32_t to, put_chars *put, uint32_t min, uint32_t max);

/* ---- JSON text (json_text.c) ---- */

/* Rules that many schemas share; made when first asked for. */
struct json_rules { uint32_t space, string, character, value, object, array, number, integer; };
#define JSON_RULES_NONE ((struct json_rules){ NONE, NONE, NONE, NONE, NONE, NONE, NONE, NONE })
uint32_t json_space(struct net *n, struct json_rules *r);       /* nothing, a blank, or line ends and an indent: bounded */
uint32_t json_string_rule(struct net *n, struct json_rules *r);
uint32_t json_character(struct net *n, struct json_rules *r);   /* one code point inside a string, escapes included */
uint32_t json_value(struct net *n, struct json_rules *r);
uint32_t json_object_rule(struct net *n, struct json_rules *r);
uint32_t json_number_rule(struct net *n, struct json_rules *r);
uint32_t json_integer_rule(struct net *n, struct json_rules *r);
void json_plain_chars(struct net *n, uint32_t from, uint32_t to, uint32_t lo, uint32_t hi);     /* a put_chars: unescaped where possible */
void json_literal(struct net *n, uint32_t from, uint32_t to, const json_t *value);
/* A key that is none of names [count], with its quotes. */
void json_other_key(struct net *n, uint32_t from, uint32_t to, const char *const *names, size_t count);

/* ---- numbers within bounds (number.c) ---- */

struct number_bounds { double low, high; bool has_low, has_high, above, below /* exclusive */, integer; int64_t multiple; /* 0: any */ };
/* False when the network grew too large. */
void number_put(struct net *n, uint32_t from, uint32_t to, const struct number_bounds *b);

/* ---- vocabulary (vocab.c) ---- */

#define TOKEN_BYTES_MAX 256u    /* longer tokens are never allowed: runs of blanks */

/* A trie in depth-first order: the nodes below node i are i + 1 .. end[i] - 1. Tokens of node i: ids[token[i] .. token[i + 1]). */
struct grammar_vocab {
    size_t n, n_nodes, max_bytes;
    uint8_t *byte;
    bool *is_text;                      /* from the root to any place below, all is text; and the node ends a character */
    uint16_t *depth;
    uint32_t *end, *token;
    int32_t *ids;
    int32_t *text_ids;                  /* tokens of nothing but text, by how many characters they begin */
    uint32_t text_first[TOKEN_BYTES_MAX + 2];   /* those of n characters: text_ids[text_first[n] .. text_first[n + 1]) */
    int32_t *eos;
    size_t n_eos;
    struct str *bytes;                  /* per id, into text */
    char *text;
};
bool vocab_is_eos(const struct grammar_vocab *v, int32_t id);

/* ---- the machine: sets of stacks, made as they are met (machine.c, mask.c) ---- */

/*
 * A frame is a place in the network and what follows when its rule ends (parent); a stack is its top frame. Equal stacks have
 * equal numbers. A state is a set of stacks whose tops consume, and equal states have equal numbers.
 */
#define FRAME_END    0u                 /* the text may end here */
#define FRAME_EXIT   1u                 /* the part under study is left here (mask.c) */
#define STATE_DEAD   0u
struct frame { uint32_t node, count, parent, depth; };
struct mask { uint32_t n; int32_t *ids; uint64_t *bits; };      /* ids when few, else bits */
struct local { uint64_t *bits; uint32_t *exits; uint32_t n_exits; };    /* mask.c */
struct state {
    uint32_t *tops, n_tops;
    bool may_end, exits;
    uint32_t *next;                     /* [n_classes], NONE: not known yet */
    struct mask *mask;
    uint32_t canonical;                 /* the state whose mask is the same; NONE: not known yet */
};
struct table { uint32_t *slots; size_t n_slots, used; };        /* number + 1; 0: free */
struct vec32 { uint32_t *v; size_t n, cap; };
void vec32_add(struct vec32 *v, uint32_t x);

struct machine {
    const struct grammar *g;
    const struct grammar_vocab *v;
    struct frame *frames;
    size_t n_frames, cap_frames, cap_stamps;
    uint32_t *stamp, epoch;             /* per frame: seen in this closure */
    struct table frame_table, state_table;
    struct state *states;
    size_t n_states, cap_states;
    struct local **locals;              /* per frame, NULL: not made */
    size_t cap_locals;
    struct vec32 todo, tops;            /* scratch of closures */
    bool may_end, exits;
    size_t bytes;                       /* held, roughly */
    size_t work;                        /* frames looked at since the last mask began */
    int refs;
};
struct machine *machine_new(const struct grammar *g, const struct grammar_vocab *v);
void machine_free(struct machine *m);
/* The edge of a node that repeats a rule; NULL: it does something else. */
static inline const struct edge *repeat_edge(const struct grammar *g, uint32_t node)
{
    const struct edge *e = &g->edges[g->first[node]];

    return g->first[node] < g->first[node + 1] && e->kind == EDGE_REPEAT ? e : NULL;
}
uint32_t machine_start(struct machine *m);
uint32_t machine_frame(struct machine *m, uint32_t node, uint32_t count, uint32_t parent);     /* NONE: too deep */
uint32_t machine_state(struct machine *m, const uint32_t *frames, size_t n);    /* the closure of these frames */
uint32_t machine_step(struct machine *m, uint32_t state, size_t class);         /* slow path of machine_next */
static inline uint32_t machine_next(struct machine *m, uint32_t state, uint8_t byte)
{
    const uint32_t *next = m->states[state].next;
    size_t class = m->g->class_of[byte];
    uint32_t to = next ? next[class] : NONE;

    return to != NONE ? to : machine_step(m, state, class);
}

/* ---- text: well-formed UTF-8 without quotes, backslashes and control characters (text_state.c) ---- */

struct text_place { uint8_t left, lo, hi; };            /* bytes that the character under way still needs, and the range of the next */
bool text_step(struct text_place *p, uint8_t byte);     /* false: no text */
/* Any text leads from the state back to it; while it goes on, no rule is left. */
bool state_is_text(struct machine *m, uint32_t state);
/*
 * How many characters of text may follow a frame in a part that is cut off at FRAME_EXIT, when it stands before a counted character
 * and what comes behind the count begins with no text; 0: it is no such frame.
 */
size_t counted_text(struct machine *m, uint32_t frame);

const struct mask *machine_mask(struct machine *m, uint32_t state);
void local_free(struct local *l);

#endif
