/*
 * The pools on disk, so that a rehearsal outlives its processes: written whenever one changed, read at the start. An operation that ran
 * begins anew, kubelets register again; what was promised to clients of the process before (operation URLs, tokens) is gone, as after a failover of ARM.
 */
#include "sim.h"

#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"

enum { KEPT_MAX = 16 << 20 };

static json_t *kept_pool(const struct sim_pool *p)
{
    return json_pack("{s:s,s:O,s:s,s:b,s:I,s:b,s:i}", "name", p->name, "properties", p->properties, "state", p->state, "foreign", p->foreign,
                     "created", (json_int_t)p->created, "machine", p->has_machine, "number", (int)p->number);
}

void sim_keep(struct sim *s)
{
    json_t *list = json_array();
    AUTO_JSON all = json_pack("{s:o,s:i}", "pools", list, "numbers", (int)s->next_pool_number);
    AUTO_BUF text = { 0 };
    struct str name;
    void *value;
    struct err e;

    for (size_t i = 0; map_next(s->pools, &i, &name, &value);)
        json_push(list, kept_pool(value));
    json_write(all, &text);
    if (str_is(buf_str(&text), s->kept))
        return;
    if (file_write_atomic(s->keep_path, buf_str(&text), 0600, &e))
        log_warn("fake-arm", "the pools were not written", KV("err", e.text));
    free(s->kept);
    s->kept = buf_take(&text);
}

/* States are compared and kept as literals. */
static const char *state_named(const char *name)
{
    static const char *const states[] = { "Succeeded", "Failed", "Creating", "Updating", "Deleting" };

    for (size_t i = 0; i < ARRAY_LEN(states); i++)
        if (streq(states[i], name))
            return states[i];
    return "Failed";
}

static void restore(struct sim *s, const json_t *j)
{
    struct sim_pool *p = sim_pool_add(s, json_cstr(j, "name"), json_clone(json_object_get(j, "properties")));
    struct sim_past *past = sim_past_last(s, p->name);

    p->state = state_named(json_cstr(j, "state"));
    p->foreign = json_flag(j, "foreign", false);
    p->created = past->created = json_int(j, "created", p->created);
    p->number = (unsigned)json_int(j, "number", 0);
    p->has_machine = json_flag(j, "machine", false);
    p->join_at = p->ready_at = p->gpu_at = p->has_machine ? sim_now(s) : INT64_MAX;
    past->succeeded = streq(p->state, "Succeeded");
    if (streq(p->state, "Creating"))
        (void)sim_operation_start(s, OP_CREATE, p, "2024-01-01");
    else if (streq(p->state, "Updating"))
        (void)sim_operation_start(s, OP_UPDATE, p, "2024-01-01");
    else if (streq(p->state, "Deleting"))
        (void)sim_operation_start(s, OP_DELETE, p, "2024-01-01");
}

errc sim_keep_read(struct sim *s, const char *path, struct err *e)
{
    AUTO_JSON all = NULL;
    const json_t *pool;
    size_t i;

    LOCK_SCOPE(&s->mu);
    s->keep_path = xstrdup(path);
    if (!file_exists(path))
        return ERR_OK;
    TRY(json_parse_file(path, KEPT_MAX, &all, e));
    s->next_pool_number = (unsigned)json_int(all, "numbers", 0);
    json_array_foreach(json_object_get(all, "pools"), i, pool)
        if (json_cstr(pool, "name") && json_is_object(json_object_get(pool, "properties")))
            restore(s, pool);
    return ERR_OK;
}
