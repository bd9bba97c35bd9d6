/* What the files of hub/ share. */
#ifndef HUB_PRIV_H
#define HUB_PRIV_H

#include "base/str.h"
#include "http/client.h"
#include "hub/hub.h"

struct hub {
    char *endpoint, *token, *cache_dir;     /* endpoint without a slash at its end */
    struct hub_opts o;                      /* its strings are not used */
    struct http_client *client;
    int64_t reported_ms;
};

/* One file to download; all but url, path, name and below_endpoint may be unset. */
struct download {
    const char *url;
    const char *path;                       /* where it ends */
    const char *name;                       /* for people */
    bool below_endpoint;                    /* the operator's own hub: token, any address */
    bool size_known;
    uint64_t size;
    const char *sha256;
};

/* A whole, checked file at d->path, or an error. Present and matching: nothing is sent. */
errc download_run(struct hub *h, const struct download *d, struct err *e);

/* Tells the listener; HUB_MOVING no more than twice a second. */
void hub_tell(struct hub *h, const struct hub_progress *p);

/* The reply's status as an error that names url, what the hub said and what to do next. */
errc hub_status_error(const struct hub *h, const char *url, int status, const struct http_pairs *headers, struct err *e);
bool hub_may_retry(errc rc, int status);

/* Pause before attempt n (1, 2, ...), with jitter; CANCELLED when stopped meanwhile. */
errc hub_pause(struct hub *h, int attempt, int64_t at_least_ms, struct err *e);

/* ── HF_HOME's cache ──────────────────────────────────────────────────────────────────────────── */

/* The snapshot of a repository at a revision: "…/snapshots/COMMIT" (malloc'd), or NULL when the cache holds none. */
char *cache_snapshot(const char *cache_dir, const char *repo, const char *revision);
/* Where the bytes of a file belong (malloc'd), and the note that a snapshot has them. NULL without a cache or a name for the bytes. */
char *cache_blob(const char *cache_dir, const struct hub_repo *r, const struct hub_file *f);
errc cache_note_file(const char *cache_dir, const struct hub_repo *r, const struct hub_file *f, struct err *e);
errc cache_note_revision(const char *cache_dir, const struct hub_repo *r, const char *revision, struct err *e);
/* Hard-links, or copies, one whole file. */
errc cache_take_file(const char *from, const char *to, struct err *e);
/* The same for what hub_wants of a snapshot; NOT_FOUND when it holds no whole model. */
errc cache_take(struct hub *h, const char *snapshot, const char *dir, struct err *e);

#endif
