/* What the rule files of this folder share. Rules are numbered as in the reference dossier (Workspace, 2.3 to 2.6). */
#ifndef WORKSPACE_VALIDATE_PRIV_H
#define WORKSPACE_VALIDATE_PRIV_H

#include "workspace/priv.h"
#include "workspace/validate.h"
#include "workspace/validate/problems.h"

struct check {
    const struct workspace *ws, *old;
    const struct ws_validate_env *env;
    struct problems *out;
    bool v1alpha1;                      /* its own, older rules */
};

#define MISSING "missing field(s)"

/* source.c: where data comes from and goes to */
/* C55 to C57 with paths below prefix ("tuning.Input", "inference.Adapters"). */
void check_source(struct check *c, const struct ws_source *s, const char *prefix);
void check_source_image(struct check *c, const struct ws_source *s, const char *prefix);
void check_destination_image(struct check *c, const struct ws_destination *d);
void check_destination(struct check *c, const struct ws_destination *d);

/* go_number.c: Go's strconv */
bool go_parse_float(struct str s, double *out, const char **why);
bool go_atoi(struct str s, int64_t *out, const char **why);

/* go_url.c: Go's net/url. False: Go refuses the URL; out is to be released all the same. */
struct go_url {
    struct str scheme;                  /* as given; lent from the URL */
    bool has_host;                      /* a host or a port is there */
    struct buf hostname;                /* unescaped, without port and brackets */
};
bool go_url_parse(struct str url, struct go_url *out);
void go_url_done(struct go_url *u);

/* resource.c: machine types, selectors, partitions, memory */
bool selector_is_map(const struct label_selector *s, struct buf *why);
void check_instance_type(struct check *c);
void check_node_class(struct check *c);
void check_resource(struct check *c);

/* inference.c */
void check_inference(struct check *c);
void check_adapters_update(struct check *c);
void check_inference_config(struct check *c);

/* tuning.c */
void check_tuning(struct check *c);

/* update.c */
void check_name(struct check *c);
void check_update(struct check *c);

#endif
