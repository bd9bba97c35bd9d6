/* The running controller from outside: ready, counted, shown. */
#include "base/map.h"
#include "kube/meta.h"
#include "workspace/manager.h"

#define MANAGER_CACHES 15

static size_t caches_of(struct workspace_manager *m, struct informer *out[MANAGER_CACHES])
{
    struct informer *const all[MANAGER_CACHES] = { m->workspaces, m->claims, m->nodes, m->pods, m->services, m->statefulsets, m->jobs,
                                                   m->configs, m->secrets, m->volume_claims, m->storage_classes,
                                                   m->node_pools, m->node_classes, m->mirrors, m->accounts };
    size_t n = 0;

    for (size_t i = 0; i < MANAGER_CACHES; i++)
        if (all[i])
            out[n++] = all[i];
    return n;
}

bool workspace_manager_ready(struct workspace_manager *m)
{
    struct informer *all[MANAGER_CACHES];

    for (size_t i = 0, n = caches_of(m, all); i < n; i++)
        if (!informer_synced(all[i]))
            return false;
    return true;
}

/* ---- Workspaces by phase and preset ------------------------------------------------------------------------------------- */

enum phase { PHASE_SUCCEEDED, PHASE_ERROR, PHASE_PENDING, PHASE_DELETING, PHASE_COUNT };
static const char *const phase_names[PHASE_COUNT] = { "succeeded", "error", "pending", "deleting" };

/* Upstream's: the first condition of these, in the order of the list, decides. */
static enum phase phase_of(const json_t *ws)
{
    const json_t *c;
    size_t i;

    json_array_foreach(json_at(ws, "status", "conditions", NULL), i, c) {
        bool is_true = streq(json_cstr(c, "status"), "True");

        if (streq(json_cstr(c, "type"), "WorkspaceDeleting") && is_true)
            return PHASE_DELETING;
        if (streq(json_cstr(c, "type"), "WorkspaceSucceeded") && is_true)
            return PHASE_SUCCEEDED;
        if (streq(json_cstr(c, "type"), "WorkspaceSucceeded") && streq(json_cstr(c, "status"), "False"))
            return PHASE_ERROR;
    }
    return PHASE_PENDING;
}

static void count_phases(const json_t *list, size_t out[PHASE_COUNT])
{
    const json_t *ws;
    size_t i;

    memset(out, 0, PHASE_COUNT * sizeof *out);
    json_array_foreach(list, i, ws)
        out[phase_of(ws)]++;
}

static json_t *count_presets(const json_t *list)
{
    json_t *counts = json_object();
    const json_t *ws;
    size_t i;

    json_array_foreach(list, i, ws) {
        const char *preset = json_str_at(ws, "inference", "preset", "name", NULL);

        if (preset)
            json_put_int(counts, preset, json_int(counts, preset, 0) + 1);
    }
    return counts;
}

static void label_value_add(struct buf *out, const char *s)
{
    for (; *s; s++) {
        if (*s == '\\' || *s == '"')
            buf_addc(out, '\\');
        buf_addc(out, *s == '\n' ? ' ' : *s);
    }
}

void workspace_manager_metrics(struct workspace_manager *m, struct buf *out)
{
    AUTO_JSON list = informer_list(m->workspaces, NULL, NULL);
    AUTO_JSON presets = count_presets(list);
    AUTO_JSON volumes = informer_list(m->volume_claims, NULL, NULL);
    const char *preset;
    json_t *n;
    size_t phases[PHASE_COUNT];

    count_phases(list, phases);
    buf_adds(out, "# HELP kaito_workspace_count Number of Workspaces by phase.\n# TYPE kaito_workspace_count gauge\n");
    for (size_t i = 0; i < PHASE_COUNT; i++)
        buf_addf(out, "kaito_workspace_count{phase=\"%s\"} %zu\n", phase_names[i], phases[i]);
    buf_adds(out, "# HELP kaito_workspace_preset_count Number of inference Workspaces by preset.\n# TYPE kaito_workspace_preset_count gauge\n");
    json_object_foreach(presets, preset, n) {
        buf_adds(out, "kaito_workspace_preset_count{preset_name=\"");
        label_value_add(out, preset);
        buf_addf(out, "\"} %lld\n", (long long)json_integer_value(n));
    }
    volume_metrics(volumes, out);
    controller_metrics(m->controller, out);
    kube_client_metrics(m->client, out);
}

uint64_t workspace_manager_reconciles(struct workspace_manager *m)
{
    struct controller_stats s;

    controller_stats(m->controller, &s);
    return s.reconciles;
}

static json_t *cache_state(struct informer *i)
{
    struct informer_stats s;

    informer_stats(i, &s);
    return json_pack("{s:s, s:b, s:I, s:I, s:I, s:I, s:I}", "resource", informer_gvr(i)->resource, "synced", informer_synced(i),
                     "objects", (json_int_t)informer_len(i), "lists", (json_int_t)s.lists, "watches", (json_int_t)s.watches,
                     "events", (json_int_t)s.events, "errors", (json_int_t)s.errors);
}

json_t *workspace_manager_state(struct workspace_manager *m)
{
    AUTO_JSON list = informer_list(m->workspaces, NULL, NULL);
    struct informer *all[MANAGER_CACHES];
    struct controller_stats s;
    size_t phases[PHASE_COUNT];
    json_t *caches = json_array(), *by_phase = json_object();

    for (size_t i = 0, n = caches_of(m, all); i < n; i++)
        json_push(caches, cache_state(all[i]));
    count_phases(list, phases);
    for (size_t i = 0; i < PHASE_COUNT; i++)
        json_put_int(by_phase, phase_names[i], (int64_t)phases[i]);
    controller_stats(m->controller, &s);
    return json_pack("{s:s, s:o, s:o, s:{s:I, s:I, s:I, s:I, s:i, s:i}}", "server", kube_client_server(m->client), "workspaces", by_phase,
                     "caches", caches, "controller", "reconciles", (json_int_t)s.reconciles, "errors", (json_int_t)s.errors,
                     "queued", (json_int_t)s.queued, "busy_us", (json_int_t)s.busy_us, "active", (int)s.active, "workers", (int)s.workers);
}
