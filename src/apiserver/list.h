/* A list under way: read.c fills it, delete.c goes through what it met. */
#ifndef APISERVER_LIST_H
#define APISERVER_LIST_H

#include "apiserver/priv.h"

struct lister {
    struct req *r;
    const struct selector *labels, *fields;
    int64_t limit, kept;
    bool more;
    const char *last_ns, *last_name;
    struct buf items;           /* FORM_OBJECT */
    json_t **objs;              /* other forms */
    size_t n_objs, cap_objs;
    bool want_names;
    struct store_row *met;      /* when wanted: names only, in the arena */
    size_t n_met, cap_met;
};

/* Reads the options of the query and the matching rows; list_done in every case. */
errc list_collect(struct req *r, struct lister *l, struct store_list *q, int64_t *out_rv);
void list_reply(struct req *r, struct lister *l, const struct store_list *q, int64_t rv);
void list_done(struct lister *l);

#endif
