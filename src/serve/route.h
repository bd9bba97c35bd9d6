/* One row per path and method: what answers it, what it reads, who may ask. */
#ifndef SERVE_ROUTE_H
#define SERVE_ROUTE_H

#include "serve/params.h"
#include "serve/priv.h"

struct route {
    const char *method, *path;          /* a path that ends in a slash stands for all below it */
    route_fn *fn;
    bool open;                          /* needs no API key */
    const struct param_table *body;     /* NULL: none, or described by upstream's documents alone */
    unsigned on;                        /* of body */
    const char *about;
};
extern const struct route routes[];
extern const size_t n_routes;

#endif
