#include "provisioner/metrics.h"

#include <assert.h>
#include <stdlib.h>

#include "base/map.h"
#include "base/mem.h"
#include "base/thread.h"

struct family { const char *name, *help; bool is_histogram; };
static const struct family families[] = {
    { "karpenter_cloudprovider_duration_seconds", "Duration of cloud provider method calls.", true },
    { "karpenter_cloudprovider_errors_total", "Total number of errors returned from CloudProvider calls.", false },
    { "karpenter_nodeclaims_terminated_total", "Number of nodeclaims terminated in total.", false },
    { "karpenter_nodeclaims_disrupted_total", "Number of nodeclaims disrupted in total.", false },
    { "karpenter_nodeclaims_unhealthy_disrupted_total", "Number of unhealthy nodeclaims disrupted in total.", false },
    { "karpenter_nodeclaims_termination_duration_seconds", "Duration of NodeClaim termination.", true },
    { "karpenter_nodeclaims_instance_termination_duration_seconds", "Duration of CloudProvider Instance termination.", true },
    { "karpenter_nodes_created_total", "Number of nodes created in total.", false },
    { "karpenter_nodes_terminated_total", "Number of nodes terminated in total.", false },
    { "karpenter_nodes_drained_total", "The total number of nodes drained.", false },
    { "karpenter_nodes_termination_duration_seconds", "The time taken between a node's deletion request and the removal of its finalizer.", true },
    { "karpenter_nodes_lifetime_duration_seconds", "The lifetime duration of the nodes since creation.", true },
    { "karpenter_nodes_eviction_requests_total", "The total number of eviction requests made, by answer.", false },
    { "karpenter_pods_drained_total", "The total number of pods drained.", false },
    { "kaito_provisioner_launch_duration_seconds", "From a claim's creation until its stage is reached.", true },
    { "kaito_provisioner_launch_failures_total", "Launches that the cloud refused, by the condition's reason.", false },
    { "kaito_provisioner_replacements_total", "Machines given up after a time-out, by reason.", false },
    { "kaito_provisioner_collected_total", "Orphans deleted, or that would have been in a dry run.", false },
};

static const double bounds[] = { 0.1, 0.5, 1, 5, 15, 60, 120, 300, 600, 900, 1800, 3600, 86400 };

struct series {
    const struct family *family;
    char *labels;
    double sum;                         /* of a counter: its value */
    uint64_t n, below[ARRAY_LEN(bounds)];
};

struct metrics { struct mutex mu; struct map *series; };

static void series_free(void *p)
{
    struct series *s = p;

    free(s->labels);
    free(s);
}

struct metrics *metrics_new(void)
{
    struct metrics *m = xmalloc(sizeof *m);

    *m = (struct metrics){ .series = map_new(series_free) };
    mutex_init(&m->mu);
    return m;
}

void metrics_free(struct metrics *m)
{
    if (!m)
        return;
    map_free(m->series);
    mutex_done(&m->mu);
    free(m);
}

static const struct family *family_of(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(families); i++)
        if (streq(families[i].name, name))
            return &families[i];
    assert(!"no such metric");
    return &families[0];
}

static struct series *series_locked(struct metrics *m, const char *name, const char *labels)
{
    AUTO_MEM char *key = xasprintf("%s{%s}", name, labels);
    struct series *s = map_get(m->series, str_of(key));

    if (!s) {
        s = xmalloc(sizeof *s);
        *s = (struct series){ .family = family_of(name), .labels = xstrdup(labels) };
        map_put(m->series, str_of(key), s);
    }
    return s;
}

void metrics_add(struct metrics *m, const char *name, const char *labels, ...)
{
    AUTO_BUF text = { 0 };
    va_list ap;

    va_start(ap, labels);
    buf_vaddf(&text, labels, ap);
    va_end(ap);
    LOCK_SCOPE(&m->mu);
    series_locked(m, name, buf_cstr(&text))->sum += 1;
}

void metrics_observe(struct metrics *m, const char *name, double seconds, const char *labels, ...)
{
    AUTO_BUF text = { 0 };
    va_list ap;

    va_start(ap, labels);
    buf_vaddf(&text, labels, ap);
    va_end(ap);
    LOCK_SCOPE(&m->mu);
    struct series *s = series_locked(m, name, buf_cstr(&text));

    s->sum += seconds;
    s->n++;
    for (size_t i = 0; i < ARRAY_LEN(bounds); i++)
        s->below[i] += seconds <= bounds[i];
}

static void write_histogram(const struct series *s, struct buf *out)
{
    const char *name = s->family->name, *comma = str_set(s->labels) ? "," : "";

    for (size_t i = 0; i < ARRAY_LEN(bounds); i++)
        buf_addf(out, "%s_bucket{%s%sle=\"%g\"} %llu\n", name, s->labels, comma, bounds[i], (unsigned long long)s->below[i]);
    buf_addf(out, "%s_bucket{%s%sle=\"+Inf\"} %llu\n%s_sum{%s} %.9g\n%s_count{%s} %llu\n", name, s->labels, comma, (unsigned long long)s->n,
             name, s->labels, s->sum, name, s->labels, (unsigned long long)s->n);
}

static void write_family(const struct metrics *m, const struct family *f, struct buf *out)
{
    bool begun = false;
    struct str key;
    void *value;

    for (size_t i = 0; map_next(m->series, &i, &key, &value);) {
        const struct series *s = value;

        if (s->family != f)
            continue;
        if (!begun)
            buf_addf(out, "# HELP %s %s\n# TYPE %s %s\n", f->name, f->help, f->name, f->is_histogram ? "histogram" : "counter");
        begun = true;
        if (f->is_histogram)
            write_histogram(s, out);
        else
            buf_addf(out, "%s{%s} %.17g\n", f->name, s->labels, s->sum);
    }
}

void metrics_write(struct metrics *m, struct buf *out)
{
    LOCK_SCOPE(&m->mu);
    for (size_t i = 0; i < ARRAY_LEN(families); i++)
        write_family(m, &families[i], out);
}
