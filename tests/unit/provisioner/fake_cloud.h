/* A cloud of a test: machines in memory, each answer scripted, each call counted. Its fields are set before the provisioner starts, or under mu. */
#ifndef TESTS_FAKE_CLOUD_H
#define TESTS_FAKE_CLOUD_H

#include <stdlib.h>

#include "base/clock.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/thread.h"
#include "provisioner/cloud.h"

struct fake_machine { int looks_left, delete_looks_left; bool deleting; char type[40]; };

struct fake_cloud {
    struct cloud cloud;
    struct mutex mu;
    struct map *machines;               /* claim -> struct fake_machine */
    int taken, creates, made, deletes, lists;   /* made: machines that did not exist before */
    int pending_looks, deleting_looks;  /* how often a machine is still on its way, in or out */
    int64_t look_ms;
    enum cloud_fault fault;             /* of the next fail_times creates, or of those that ask for fail_type */
    int fail_times;
    const char *fail_type;
    bool broken, list_fails, delete_fails;
    bool unseen;                        /* nothing of any machine may be looked at */
    bool keeps_pending;                 /* what is still made may not be deleted */
    void (*making)(void *self, const char *claim);      /* called before a create is answered; may be NULL */
    void *making_self;
    void (*ending)(void *self, const char *claim);      /* the same of a delete, with making_self */
    char operation[40];                 /* that the last create with one was given; "" none */
};

static inline struct fake_machine *fake_add(struct fake_cloud *f, const char *claim)
{
    struct fake_machine *m = xzalloc(sizeof *m);

    m->looks_left = f->pending_looks;
    m->delete_looks_left = f->deleting_looks;
    map_put(f->machines, str_of(claim), m);
    return m;
}

static inline void fake_show(const struct fake_cloud *f, const char *claim, const struct fake_machine *m, struct cloud_instance *out)
{
    *out = (struct cloud_instance){ .claim = xstrdup(claim), .state = m->deleting ? CLOUD_DELETING : m->looks_left > 0 ? CLOUD_PENDING : f->broken ? CLOUD_BROKEN : CLOUD_RUNNING,
                                    .look_ms = f->look_ms ? f->look_ms : 50 };
    if (out->state == CLOUD_PENDING)
        out->operation = xasprintf("operation-of-%s", claim);
    if (out->state == CLOUD_RUNNING) {
        out->provider_id = xasprintf("fake:///%s", claim);
        out->image_id = xstrdup("image-1");
        out->instance_type = xstrdup(m->type);
    }
}

static inline void fake_taken(void *self, const char *claim)
{
    struct fake_cloud *f = self;
    LOCK_SCOPE(&f->mu);

    (void)claim;
    f->taken++;
}

static inline errc fake_create(void *self, const struct node_claim *c, struct cloud_instance *out, struct cloud_failure *why, struct err *e)
{
    struct fake_cloud *f = self;
    struct str type = node_claim_requirement(c, INSTANCE_TYPE_LABEL), operation = str_map_get(&c->meta.annotations, CLOUD_OPERATION_ANNOTATION);
    AUTO_MEM char *name = xstrndup(c->meta.name.p, c->meta.name.n);

    if (f->making)
        f->making(f->making_self, name);
    LOCK_SCOPE(&f->mu);

    f->creates++;
    if (operation.n > 0)                /* a reconcile that has not seen its own last write asks once more, without it */
        snprintf(f->operation, sizeof f->operation, "%.*s", STR_ARG(operation));
    if (f->fail_times > 0 || (f->fail_type && str_is(type, f->fail_type))) {
        f->fail_times -= f->fail_times > 0;
        why->fault = f->fault;
        return err_set(e, ERR_UNAVAILABLE, "the fake cloud says no to %.*s", STR_ARG(type));
    }
    if (f->unseen) {
        *out = (struct cloud_instance){ .claim = xstrdup(name), .state = CLOUD_PENDING, .unseen = true, .look_ms = 50 };
        return ERR_OK;
    }
    struct fake_machine *m = map_get(f->machines, str_of(name));

    if (!m) {
        m = fake_add(f, name);
        f->made++;
        snprintf(m->type, sizeof m->type, "%.*s", STR_ARG(type));
    } else if (m->looks_left > 0) {
        m->looks_left--;
    }
    fake_show(f, name, m, out);
    return ERR_OK;
}

static inline errc fake_get(void *self, const char *claim, struct cloud_instance *out, struct err *e)
{
    struct fake_cloud *f = self;
    LOCK_SCOPE(&f->mu);
    const struct fake_machine *m = map_get(f->machines, str_of(claim));

    if (!m)
        return err_set(e, ERR_NOT_FOUND, "no machine %s", claim);
    fake_show(f, claim, m, out);
    return ERR_OK;
}

static inline errc fake_list(void *self, struct cloud_instances *out, struct err *e)
{
    struct fake_cloud *f = self;
    LOCK_SCOPE(&f->mu);
    struct str name;
    void *m;

    f->lists++;
    if (f->list_fails)
        return err_set(e, ERR_UNAVAILABLE, "the fake cloud does not list");
    for (size_t i = 0; map_next(f->machines, &i, &name, &m);)
        fake_show(f, name.p, m, cloud_instances_add(out));
    return ERR_OK;
}

static inline errc fake_delete(void *self, const char *claim, int64_t *out_look_ms, struct err *e)
{
    struct fake_cloud *f = self;

    if (f->ending)
        f->ending(f->making_self, claim);
    LOCK_SCOPE(&f->mu);
    struct fake_machine *m = map_get(f->machines, str_of(claim));

    f->deletes++;
    *out_look_ms = 0;
    if (f->delete_fails)
        return err_set(e, ERR_UNAVAILABLE, "the fake cloud does not delete (request %d)", f->deletes);    /* another text each time, as clouds do */
    if (!m)
        return ERR_OK;
    if (f->keeps_pending && m->looks_left > 0) {
        *out_look_ms = 50;
        return ERR_OK;
    }
    m->deleting = true;
    if (m->delete_looks_left-- > 0)
        *out_look_ms = f->look_ms ? f->look_ms : 50;
    else
        map_del(f->machines, str_of(claim));
    return ERR_OK;
}

static inline bool fake_ends(void *self, const char *claim)
{
    struct fake_cloud *f = self;
    LOCK_SCOPE(&f->mu);
    const struct fake_machine *m = map_get(f->machines, str_of(claim));

    return m && m->deleting;
}

static inline errc fake_types(void *self, json_t **out, struct err *e)
{
    *out = json_array();
    return ERR_OK;
}

static inline void fake_free(void *self)
{
    struct fake_cloud *f = self;

    map_free(f->machines);
    mutex_done(&f->mu);
    free(f);
}

static inline struct fake_cloud *fake_cloud_new(void)
{
    struct fake_cloud *f = xzalloc(sizeof *f);

    mutex_init(&f->mu);
    f->machines = map_new(free);
    f->cloud = (struct cloud){ .name = "fake", .self = f, .taken = fake_taken, .create = fake_create, .get = fake_get, .list = fake_list, .delete = fake_delete, .ends = fake_ends,
                               .types = fake_types, .free = fake_free };
    return f;
}

static inline size_t fake_count(struct fake_cloud *f)
{
    LOCK_SCOPE(&f->mu);
    return map_len(f->machines);
}

static inline int fake_read(struct fake_cloud *f, const int *field)
{
    LOCK_SCOPE(&f->mu);
    return *field;
}

#endif
