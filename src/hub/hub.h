/*
 * The Hugging Face hub and plain URLs -> files in a folder.
 *
 * Every file is written to NAME.part beside its place, resumed with Range while the server still has the same bytes (ETag), checked
 * (size; SHA-256 where the hub names it), synced and renamed: a name without .part is whole. Running again downloads what is
 * missing and nothing else. A repository is pinned to one commit first, so files of two commits never mix.
 *
 * Cut transfers, 5xx and 429 are tried again with growing pauses; the count starts anew whenever bytes arrived.
 * Errors name the URL, the cause and what to do. Thread rule: one thread per struct hub.
 * Facts: huggingface.co/docs/hub/api, reference runtime.md section 8.
 */
#ifndef HUB_HUB_H
#define HUB_HUB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/thread.h"

#define HUB_ENDPOINT "https://huggingface.co"

struct hub_progress {
    const char *name;               /* path below the folder */
    uint64_t done, total;           /* bytes; total 0: the server did not say */
    enum { HUB_STARTED, HUB_RESUMED, HUB_MOVING, HUB_RETRY, HUB_DONE, HUB_PRESENT } what;
    const char *why;                /* for HUB_RETRY: what went wrong */
};

struct hub_opts {                   /* zero is the default; everything is copied */
    const char *endpoint;           /* HF_ENDPOINT; NULL or "": HUB_ENDPOINT. https://huggingface.co/... URLs are rewritten to it */
    const char *token;              /* HF_TOKEN; sent to the endpoint's host only */
    const char *cache_dir;          /* HF_HOME: models are kept in its hub/, and taken from there when the hub is out of reach; NULL: none */
    bool offline;                   /* HF_HUB_OFFLINE: take repositories from the cache only */
    bool allow_private;             /* user URLs may point to loopback, private and link-local addresses */
    int attempts;                   /* per file, in a row without a byte gained; 0: 5 */
    int64_t backoff_ms;             /* first pause, doubled each time up to 30 s; 0: 500 */
    int64_t idle_timeout_ms;        /* 0: 60 s without a byte */
    struct cancel *cancel;          /* may be NULL */
    void (*progress)(void *self, const struct hub_progress *p);     /* may be NULL; at most about twice a second while moving */
    void *progress_self;
};

struct hub;
errc hub_new(const struct hub_opts *o, struct hub **out, struct err *e);
void hub_free(struct hub *h);
DEFINE_AUTO_FREE(hub)

struct hub_file {
    char *path;                     /* in the repository */
    uint64_t size;
    char *sha256;                   /* of large files; NULL when the hub names none */
    char *oid;                      /* what the hub calls these bytes */
};
struct hub_repo {
    char *name, *commit;
    struct hub_file *files;
    size_t n, cap;
};
void hub_repo_done(struct hub_repo *r);
#define AUTO_HUB_REPO AUTO(hub_repo_done) struct hub_repo

/* All files of a model repository at a revision (branch, tag or commit; NULL: main). NOT_FOUND, UNAUTHORIZED, FORBIDDEN, UNAVAILABLE. */
errc hub_resolve(struct hub *h, const char *repo, const char *revision, struct hub_repo *out, struct err *e);

/* Whether the runtime reads this file of a model repository: configs, tokenizer, templates, safetensors at the top level. */
bool hub_wants(const char *path);

/*
 * What hub_wants of a repository into dir: downloaded into the cache where there is one and hard-linked (or copied) from it.
 * INVALID when the repository has no safetensors.
 */
errc hub_fetch_model(struct hub *h, const char *repo, const char *revision, const char *dir, struct err *e);

/*
 * One URL into dir, named after the last part of its path; *out_name (malloc'd, may be NULL) tells the name.
 * FORBIDDEN for a private address (unless allowed, or below the endpoint), INVALID for a URL that is none or for a web page
 * in place of a file.
 */
errc hub_fetch_url(struct hub *h, const char *url, const char *dir, char **out_name, struct err *e);

/* ── pure parts, for admission and tests ─────────────────────────────────────────────────────── */

/* Refuses what is no http(s) URL of a public host by its text alone (upstream's rule C55 and what it lets slip). */
errc hub_url_check(const char *url, struct err *e);
/* The URL's file name: last part of the path, no query, no fragment, escapes undone; INVALID when there is none or it is unsafe. */
errc hub_url_file_name(const char *url, char **out, struct err *e);
/* https://huggingface.co/X (and hf.co) -> endpoint/X; *out_rewritten tells whether the result lies below the endpoint. Malloc'd. */
char *hub_url_rewrite(const char *url, const char *endpoint, bool *out_below_endpoint);

#endif
