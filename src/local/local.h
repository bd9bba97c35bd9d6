/*
 * `kaito up`: a whole control plane and node on this machine, composed from the parts that also run alone. Each part is a client of the
 * API over HTTPS, as it would be in a cluster. State lives in one folder; one `kaito up` per folder.
 *
 * The folder: up.json (who runs it), kubeconfig and api.db (the API server's), pods/ and claims/ (the node agent's),
 * models/ and work/ (what pods share), port and webhook-port (so that kubeconfig and webhook configuration stay good).
 */
#ifndef LOCAL_LOCAL_H
#define LOCAL_LOCAL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/thread.h"

struct local_opts {                     /* borrowed until local_up returns */
    const char *state_dir;
    const char *bind_address;           /* NULL: 127.0.0.1 */
    int64_t port;                       /* 0: the one of the last time, else a free one */
    bool no_manager;                    /* no Workspace controller and no webhook: `kaito manager` runs beside it */
    const char *runtime_image;          /* NULL: kaito/kaito-runtime:VERSION */
    const char *model_cache_dir;        /* NULL: STATE/models */
    const char *hf_endpoint, *hf_token_secret;
    const char *ca_bundle;              /* PEM file that pods trust beside the system's; NULL */
    bool allow_private_urls;
    bool fake_azure;                    /* machines come from the simulator of Azure's API, not straight from this machine */
    const char *fake_arm, *fake_arm_settings;   /* the simulator's program and settings (JSON); NULL: kaito-fake-arm and its own */
    void (*ready)(const struct local_opts *o, const char *kubeconfig, int64_t took_ms);  /* once everything runs */
};

/* Runs until cancel fires. CONFLICT names the process that already runs on the folder; UNAVAILABLE the port that is in use. */
errc local_up(const struct local_opts *o, struct cancel *cancel, struct err *e);

/* Ends the `kaito up` of the folder, and its pods. Nothing running is fine: *out_was_running says. */
errc local_down(const char *state_dir, bool *out_was_running, struct err *e);
/* local_down, then removes the folder. Refuses (INVALID) a folder that holds no state of ours. */
errc local_reset(const char *state_dir, struct err *e);

/* $XDG_STATE_HOME/kaito or ~/.local/state/kaito; malloc'd. */
char *local_default_state_dir(void);

#endif
