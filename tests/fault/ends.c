/* How runs end: pictures of what there is, and whether they are those of a run that nobody disturbs. */
#include "world.h"

#include <poll.h>
#include <stdio.h>

#include "base/clock.h"
#include "cluster/priv.h"

#define PICTURE_MS 20

/* ---- pictures ---------------------------------------------------------------------------------------------------------------- */

/* What the manager is not responsible for, or what no two runs share. */
static bool is_fleeting(const char *key)
{
    static const char *const keys[] = { "uid", "resourceVersion", "creationTimestamp", "lastTransitionTime", "managedFields", "startTime",
                                        "completionTime", "clusterIP", "clusterIPs", "nodeName", "lastProbeTime", "selfLink", "controller-uid",
                                        "batch.kubernetes.io/controller-uid", "controller-revision-hash", "currentRevision", "updateRevision",
                                        "kaito.sh/tuning-inputs", "kaito.sh/workspace-uid", "kaito.sh/requested-at", "collisionCount", "job-name", "batch.kubernetes.io/job-name" };
    for (size_t i = 0; i < ARRAY_LEN(keys); i++)
        if (streq(key, keys[i]))
            return true;
    return false;
}

static void forget_fleeting(json_t *j)
{
    const char *key;
    json_t *v;
    void *next;
    size_t i;

    json_array_foreach(j, i, v)
        forget_fleeting(v);
    json_object_foreach_safe(j, next, key, v) {
        if (is_fleeting(key))
            json_object_del(j, key);
        else
            forget_fleeting(v);
    }
}

static char *replaced(const char *text, const char *what, const char *with)
{
    AUTO_BUF out = { 0 };
    struct str rest = str_of(text);
    size_t at;

    while (*what && str_find(rest, str_of(what), &at)) {
        buf_addstr(&out, (struct str){ rest.p, at });
        buf_adds(&out, with);
        rest = str_from(rest, at + strlen(what));
    }
    buf_addstr(&out, rest);
    return xstrdup(buf_cstr(&out));
}

static void add_object(struct buf *out, const json_t *obj, const struct kube_gvr *r)
{
    AUTO_JSON copy = json_clone(obj);

    forget_fleeting(copy);
    if (streq(r->resource, "jobs") || streq(r->resource, "statefulsets"))     /* theirs is not the manager's */
        json_object_del(copy, "status");
    buf_addf(out, "%s ", r->resource);
    json_write_sorted(copy, out);
    buf_addc(out, '\n');
}

static int by_name(const void *a, const void *b) { return strcmp(kube_name(*(json_t *const *)a), kube_name(*(json_t *const *)b)); }

char *world_picture(struct world *w)
{
    const struct kube_gvr *const shown[] = { &gvr_workspaces, &w->kind->gvr, &gvr_nodes, &gvr_statefulsets, &gvr_services, &gvr_jobs,
                                                    &gvr_revisions, &gvr_configmaps, &gvr_nodepools };
    size_t n_shown = ARRAY_LEN(shown) - (w->machines == MACHINES_OF_POOLS ? 0 : 1);
    AUTO_BUF out = { 0 };
    AUTO_JSON names = json_array();

    for (size_t i = 0; i < n_shown; i++) {
        AUTO_JSON list = world_list(w, shown[i], w->ns);
        size_t n = json_array_size(list), k;
        json_t **sorted = xcalloc(n + 1, sizeof *sorted), *obj;

        json_array_foreach(list, k, obj)
            sorted[k] = obj;
        qsort(sorted, n, sizeof *sorted, by_name);
        for (k = 0; k < n; k++) {
            if (shown[i] == &w->kind->gvr)
                json_push(names, json_string(kube_name(sorted[k])));
            add_object(&out, sorted[k], shown[i]);
        }
        free(sorted);
    }
    char *text = xstrdup(buf_cstr(&out));
    json_t *name;
    size_t i;

    /* claims are called by a uid: their order is none */
    json_array_foreach(names, i, name) {
        char *next = replaced(text, json_string_value(name), "CLAIM");

        free(text);
        text = next;
    }
    char *next = replaced(text, w->ns, "NAMESPACE");

    free(text);
    return next;
}

/* The first line that differs, from where it does. */
static void show_difference(const char *want, const char *have, const char *what)
{
    size_t at = 0;

    while (want[at] && want[at] == have[at])
        at++;
    size_t from = at > 160 ? at - 160 : 0;

    print_message("%s: the pictures differ at %zu\n want ...%.600s\n have ...%.600s\n", what, at, want + from, have + from);
    fail_msg("%s: not the end that an undisturbed run comes to", what);
}

void world_expect(struct world *w, const char *want, const char *what)
{
    AUTO_MEM char *have = NULL;

    for (int64_t end = clock_mono_ms() + PATIENCE_MS; clock_mono_ms() < end; poll(NULL, 0, PICTURE_MS)) {
        free(have);
        have = world_picture(w);
        if (streq(want, have))
            return;
    }
    show_difference(want, have, what);
}

/* ---- what is played -------------------------------------------------------------------------------------------------------- */

const struct play plays[N_PLAYS] = {
    { "native inference", WORKSPACE(NATIVE, INFERENCE) },
    { "native tuning", WORKSPACE(NATIVE, TUNING("")) PUSH_SECRET },
    /* without a benchmark, whose result would be in the log of a pod that nobody runs */
    { "vLLM on several nodes", WORKSPACE("kaito.sh/disable-benchmark: \"true\"", "inference: {preset: {name: llama-3.3-70b-instruct}, adapters: []}\n") },
    { "upstream's tuning", WORKSPACE("", TUNING("")) PUSH_SECRET },
};

/* ---- runs ------------------------------------------------------------------------------------------------------------------- */

void world_begin(struct world *w, const struct play *play)
{
    world_namespace(w);
    world_make(w, play->yaml);
}

static void expect_success(struct world *w, const struct play *play)
{
    struct err e;

    if (!world_start(w, &e))
        fail_msg("%s: %s", play->name, e.text);
    if (!world_until(w, workspace_succeeded)) {
        AUTO_MEM char *have = world_picture(w);

        fail_msg("%s: never succeeds: %s", play->name, have);
    }
    world_wait_quiet(w);
}

static bool all_collected(struct world *w)
{
    AUTO_MEM char *picture = world_picture(w);

    return !strstr(picture, "CLAIM") && !strstr(picture, "nodepools") && !strstr(picture, "ownerReferences");
}

static void play_undisturbed(struct world *w, const struct play *play, struct ends *out)
{
    world_stop(w);
    world_begin(w, play);
    proxy_revive(w->proxy);
    proxy_arm(w->proxy, NULL);
    expect_success(w, play);
    out->living = world_picture(w);
    out->claims = world_claims_ever(w);
    assert_true(out->claims >= 1);
    assert_int_equal(world_claims(w), out->claims);
    world_delete(w, &gvr_workspaces, "ws");
    assert_true(world_until(w, workspace_gone) && world_until(w, all_collected));
    out->gone = world_picture(w);
    world_stop(w);
}

const struct ends *world_undisturbed(struct world *w, size_t play)
{
    if (!w->ends[play].gone)
        play_undisturbed(w, &plays[play], &w->ends[play]);
    return &w->ends[play];
}

static bool is_part_of(const char *have, const char *want)
{
    struct str rest = str_of(have), line;

    while (str_next(&rest, '\n', &line)) {
        AUTO_MEM char *whole = xasprintf("%.*s\n", STR_ARG(line));

        if (line.n && !strstr(want, whole))
            return false;
    }
    return true;
}

/* Copies of templates stay, as upstream's do; when the Workspace went early there are none. */
static void expect_only(struct world *w, const char *want, const char *what)
{
    AUTO_MEM char *have = NULL;

    for (int64_t end = clock_mono_ms() + PATIENCE_MS; clock_mono_ms() < end; poll(NULL, 0, PICTURE_MS)) {
        free(have);
        have = world_picture(w);
        if (is_part_of(have, want))
            return;
    }
    show_difference(want, have, what);
}

void world_expect_gone(struct world *w, const struct ends *undisturbed, const char *what)
{
    if (!world_until(w, workspace_gone)) {
        AUTO_MEM char *have = world_picture(w);

        fail_msg("%s: the Workspace is never gone: %s", what, have);
    }
    expect_only(w, undisturbed->gone, what);
    if (world_claims_ever(w) > undisturbed->claims)
        fail_msg("%s: %zu claims were made where %zu are enough", what, world_claims_ever(w), undisturbed->claims);
}

void world_forget_ends(struct world *w)
{
    for (size_t i = 0; i < N_PLAYS; i++) {
        free(w->ends[i].living);
        free(w->ends[i].gone);
        w->ends[i] = (struct ends){ 0 };
    }
}
