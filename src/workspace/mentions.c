#include "workspace/mentions.h"

#include "base/map.h"
#include "base/mem.h"
#include "base/thread.h"
#include "kube/meta.h"
#include "workspace/priv.h"

struct mentions {
    const char *release_namespace;
    struct mutex mu;
    struct map *topics;                 /* topic -> map of "ns/name" -> struct key, owned */
};

static void free_key(void *p)
{
    struct key *k = p;

    free((void *)(uintptr_t)k->ns);
    free((void *)(uintptr_t)k->name);
    free(k);
}

static void free_map(void *p) { map_free(p); }

struct mentions *mentions_new(const char *release_namespace)
{
    struct mentions *m = xzalloc(sizeof *m);

    m->release_namespace = release_namespace;
    mutex_init(&m->mu);
    m->topics = map_new(free_map);
    return m;
}

void mentions_free(struct mentions *m)
{
    if (!m)
        return;
    map_free(m->topics);
    mutex_done(&m->mu);
    free(m);
}

/* ---- what a Workspace speaks of ------------------------------------------------------------------------------------------ */

static void add_config(json_t *topics, const struct mentions *m, const char *ns, const char *name)
{
    if (!str_set(name))
        return;
    json_push(topics, json_strf("ConfigMap/%s/%s", ns, name));
    json_push(topics, json_strf("ConfigMap/%s/%s", m->release_namespace, name));
}

static void add_secret(json_t *topics, const char *ns, const char *name)
{
    if (str_set(name))
        json_push(topics, json_strf("Secret/%s/%s", ns, name));
}

static void add_node(json_t *topics, const json_t *ws)
{
    const char *key;
    json_t *value;

    json_object_foreach(json_at(ws, "resource", "labelSelector", "matchLabels", NULL), key, value)
        if (!label_is_reserved(str_of(key))) {
            json_push(topics, json_strf("Node/%s=%s", key, json_string_value(value)));
            return;
        }
    json_push(topics, json_string("Node/"));
}

static json_t *topics_of(const struct mentions *m, const json_t *ws)
{
    const char *ns = kube_namespace(ws);
    json_t *topics = json_array();

    add_config(topics, m, ns, json_str_at(ws, "inference", "config", NULL));
    add_config(topics, m, ns, json_str_at(ws, "tuning", "config", NULL));
    if (json_object_get(ws, "tuning")) {
        add_config(topics, m, ns, "lora-params-template");
        add_config(topics, m, ns, "qlora-params-template");
    }
    add_secret(topics, ns, json_str_at(ws, "tuning", "output", "imagePushSecret", NULL));
    add_secret(topics, ns, json_str_at(ws, "inference", "preset", "presetOptions", "modelAccessSecret", NULL));
    add_node(topics, ws);
    return topics;
}

static void topic_add_locked(struct mentions *m, struct str topic, const char *id, const json_t *ws)
{
    struct map *who = map_get(m->topics, topic);
    struct key *k = xmalloc(sizeof *k);

    mutex_assert_held(&m->mu);
    if (!who) {
        who = map_new(free_key);
        map_put(m->topics, topic, who);
    }
    *k = (struct key){ xstrdup(kube_namespace(ws)), xstrdup(kube_name(ws)) };
    map_put(who, str_of(id), k);
}

static void topic_del_locked(struct mentions *m, struct str topic, const char *id)
{
    struct map *who = map_get(m->topics, topic);

    mutex_assert_held(&m->mu);
    if (!who)
        return;
    map_del(who, str_of(id));
    if (!map_len(who))
        map_del(m->topics, topic);
}

static void change_locked(struct mentions *m, const json_t *ws, bool present)
{
    AUTO_JSON topics = topics_of(m, ws);
    AUTO_MEM char *id = xasprintf("%s/%s", kube_namespace(ws), kube_name(ws));
    const json_t *topic;
    size_t i;

    json_array_foreach(topics, i, topic)
        if (present)
            topic_add_locked(m, json_to_str(topic), id, ws);
        else
            topic_del_locked(m, json_to_str(topic), id);
}

void mentions_change(struct mentions *m, const json_t *old, const json_t *now)
{
    LOCK_SCOPE(&m->mu);

    if (old)
        change_locked(m, old, false);
    if (now)
        change_locked(m, now, true);
}

/* ---- who speaks of it ------------------------------------------------------------------------------------------------------ */

static void queue(struct mentions *m, const char *topic, struct workq *q)
{
    LOCK_SCOPE(&m->mu);
    const struct map *who = map_get(m->topics, str_of(topic));
    struct str id;
    void *k;

    for (size_t at = 0; who && map_next(who, &at, &id, &k);)
        workq_add(q, k);
}

static void queue_named(struct mentions *m, const char *kind, const json_t *object, struct workq *q)
{
    AUTO_MEM char *topic = xasprintf("%s/%s/%s", kind, kube_namespace(object), kube_name(object));

    queue(m, topic, q);
}

void mentions_of_config(struct mentions *m, const json_t *config, struct workq *q) { queue_named(m, "ConfigMap", config, q); }
void mentions_of_secret(struct mentions *m, const json_t *secret, struct workq *q) { queue_named(m, "Secret", secret, q); }

void mentions_of_node(struct mentions *m, const json_t *node, struct workq *q)
{
    const char *key;
    json_t *value;

    queue(m, "Node/", q);
    json_object_foreach(json_at(node, "metadata", "labels", NULL), key, value) {
        AUTO_MEM char *topic = xasprintf("Node/%s=%s", key, json_string_value(value));

        queue(m, topic, q);
    }
}
