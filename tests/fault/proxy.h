/*
 * A proxy in front of an API server that counts requests and spoils them: what a client of the API cannot know is whether a write that
 * got no answer was applied. Plain HTTP on loopback in front, the real API (with the administrator's token) behind.
 *
 * "Cut" is what a killed client leaves behind: from then on nothing more of it reaches the API until proxy_revive.
 */
#ifndef TESTS_FAULT_PROXY_H
#define TESTS_FAULT_PROXY_H

#include "http/client.h"
#include "http/server.h"
#include "kube/kube.h"

struct proxy_call {
    const char *method, *path, *query;
    struct str body;
    bool watch;
    unsigned n_write;                   /* 1, 2, ...: the n-th write since proxy_arm, events apart; 0: a read, or an Event */
    unsigned n_call;                    /* the n-th request of any kind, watches apart */
};

enum fault_kind {
    FAULT_NONE,
    FAULT_CUT_BEFORE,                   /* never sent, and nothing after it */
    FAULT_CUT_AFTER,                    /* applied, the answer lost, and nothing after it */
    FAULT_CUT_LATE,                     /* the same, but it arrives long after: proxy_deliver sends it */
    FAULT_ANSWER,                       /* not sent; `status` is the answer */
    FAULT_ANSWER_AFTER,                 /* applied; `status` is the answer all the same */
    FAULT_DEAD,                         /* never sent: the client was cut off before; the proxy's own */
    FAULT_BROKEN,                       /* applied, the answer lost; later requests are fine */
};

struct fault {
    enum fault_kind kind;
    int status;
    const char *retry_after;            /* NULL: no such header */
    int64_t wait_ms;                    /* before it is sent */
};

/* Both are called on the threads of connections; either may be NULL. */
struct proxy_rules {
    struct fault (*judge)(void *self, const struct proxy_call *call);
    void (*answered)(void *self, const struct proxy_call *call, int status);
    /* False: this line of a watch never arrives. */
    bool (*event)(void *self, const char *path, struct str line);
    void *self;
};

struct proxy;

errc proxy_start(const struct kube_config *api, struct proxy **out, struct err *e);
void proxy_stop(struct proxy *p);
const char *proxy_url(const struct proxy *p);

/* NULL: none. Counts start again; the former rules are not asked any more once it returns. */
void proxy_arm(struct proxy *p, const struct proxy_rules *rules);
bool proxy_is_cut(struct proxy *p);
void proxy_revive(struct proxy *p);
errc proxy_deliver(struct proxy *p, bool *out_was_any, struct err *e);  /* the late write; its answer is nobody's business */
/* Ends all watches that run: `gone` with an ERROR event of 410 before, else in the middle of a line. */
void proxy_end_watches(struct proxy *p, bool gone);
struct proxy_counts { unsigned reads, writes, watches; };
void proxy_counts(struct proxy *p, struct proxy_counts *out);           /* since proxy_arm; watches: begun */

#endif
