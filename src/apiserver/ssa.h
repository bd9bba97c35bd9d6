/*
 * Who owns which field: managedFields, server-side apply, and the bookkeeping of every other write.
 * How a write goes through here (the caller is the CRUD layer):
 *
 *   create/update/patch:  new = decode, default, validate ...
 *                         ssa_update(type, live or NULL, new, opts)   -> new.metadata.managedFields is set
 *   apply:                ssa_apply(type, live or NULL, config, opts, &merged, ...)   -> merged object, then default + validate, then store;
 *                         when the merged object differs in nothing but managedFields' time, keep the live one (surprise 7)
 *
 * Call ssa_update with the object as it will be stored (defaults filled in, status or spec of the untouched half restored).
 * Trees given as const are not changed; results are new references. Pure functions: no clock, no lock.
 */
#ifndef APISERVER_SSA_H
#define APISERVER_SSA_H

#include "schema/schema.h"

struct ssa_opts {
    const char *manager;            /* fieldManager, or the first part of the User-Agent up to "/" (at most 128 characters) */
    const char *api_version;        /* of the request: "apps/v1" */
    const char *subresource;        /* "" or "status", "scale" */
    const char *time;               /* now, RFC 3339 seconds; NULL for a scale that is written through to its parent */
    bool force;
    /*
     * Paths that this endpoint does not write ("status", "metadata.labels"), NULL-terminated: they are never owned through it.
     * NULL: the usual ones: "status" for an object; "spec" (custom types: "metadata", "spec") for its status; none for others.
     */
    const char *const *reset;
};

/*
 * Bookkeeping of a write that is not an apply. live NULL: a create. Sets new_object's managedFields: fields that changed go to the manager's
 * Update entry, fields of others that changed or vanished leave theirs. When the request itself sent `managedFields: []` (or null entries) the fields are
 * reset, as kubectl does to strip them; any other managedFields in new_object that decode replace live's (a client may rewrite them).
 * An object whose fields were never tracked or were reset stays untracked until the next apply. When nothing but times would change,
 * live's managedFields are kept as they are (so that the caller sees an update without a difference).
 */
errc ssa_update(const struct type *t, const json_t *live, json_t *new_object, const struct ssa_opts *o, struct err *e);

/* One field that somebody else owns. */
struct ssa_conflict { char *manager, *field; };     /* `"kubectl" using v1`, ".data.a" */
struct ssa_conflicts { struct ssa_conflict *items; size_t n, cap; };
void ssa_conflicts_done(struct ssa_conflicts *c);
/* `Apply failed with 1 conflict: conflict with "x" using v1: .data.a`; more than one: a heading per manager, a line per field */
void ssa_conflicts_text(const struct ssa_conflicts *c, struct buf *out);
json_t *ssa_conflicts_causes(const struct ssa_conflicts *c);    /* [{reason: FieldManagerConflict, message, field}] */

/*
 * Server-side apply of config over live (NULL: it will be created; *out then holds config's fields, metadata.name included).
 * ERR_CONFLICT: *conflicts tells (and e->text is the whole message); ERR_BAD_REQUEST: config carries managedFields;
 * ERR_INTERNAL: a field is not in the schema ("failed to create typed patch object ...: .spec.x: field not declared in schema", a plain 500).
 * *out has managedFields set; fields that only this manager owned and that config no longer has are gone. It is not defaulted and not
 * coerced yet. When it equals live, keep live.
 */
errc ssa_apply(const struct type *t, const json_t *live, const json_t *config, const struct ssa_opts *o,
               struct ssa_conflicts *conflicts, json_t **out, struct err *e);

#endif
