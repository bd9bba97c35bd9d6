/* Which Workspaces a changed ConfigMap, Secret or Node wakes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include "kube/meta.h"
#include "workspace/mentions.h"

static json_t *parsed(const char *text)
{
    json_t *j = NULL;
    struct err e = { 0 };

    assert_int_equal(json_parse(str_of(text), &j, &e), ERR_OK);
    return j;
}

/* The names that wait in the queue, "a b", sorted by when they were noticed first; the queue is empty afterwards. */
static const char *woken(struct workq *q, struct buf *out)
{
    buf_clear(out);
    while (workq_len(q)) {
        const struct key *k = workq_get(q);

        buf_addf(out, "%s%s/%s", out->n ? " " : "", k->ns, k->name);
        workq_done(q, k);
    }
    return buf_cstr(out);
}

static void config(struct mentions *m, const char *ns, const char *name, struct workq *q)
{
    AUTO_JSON o = kube_object("v1", "ConfigMap", ns, name);

    mentions_of_config(m, o, q);
}

static void secret(struct mentions *m, const char *ns, const char *name, struct workq *q)
{
    AUTO_JSON o = kube_object("v1", "Secret", ns, name);

    mentions_of_secret(m, o, q);
}

static void node(struct mentions *m, const char *key, const char *value, struct workq *q)
{
    AUTO_JSON o = kube_object("v1", "Node", NULL, "n");

    kube_set_label(o, "kubernetes.io/os", "linux");
    kube_set_label(o, key, value);
    mentions_of_node(m, o, q);
}

static void changes_wake_who_speaks_of_them(void **state)
{
    AUTO_FREE(workq) q = workq_new();
    struct mentions *m = mentions_new("release");
    AUTO_BUF out = { 0 };
    AUTO_JSON serves = parsed("{\"metadata\":{\"namespace\":\"ns\",\"name\":\"serves\"},\"inference\":{\"config\":\"params\",\"preset\":{\"presetOptions\":{\"modelAccessSecret\":\"access\"}}},"
                              "\"resource\":{\"labelSelector\":{\"matchLabels\":{\"kaito.sh/workspace\":\"x\",\"pool\":\"a\"}}}}");
    AUTO_JSON tunes = parsed("{\"metadata\":{\"namespace\":\"ns\",\"name\":\"tunes\"},\"tuning\":{\"output\":{\"imagePushSecret\":\"push\"}}}");

    (void)state;
    mentions_change(m, NULL, serves);
    mentions_change(m, NULL, tunes);
    config(m, "ns", "params", q);
    assert_string_equal(woken(q, &out), "ns/serves");
    config(m, "release", "params", q);
    assert_string_equal(woken(q, &out), "ns/serves");
    config(m, "other", "params", q);
    assert_string_equal(woken(q, &out), "");
    config(m, "release", "lora-params-template", q);
    assert_string_equal(woken(q, &out), "ns/tunes");
    secret(m, "ns", "push", q);
    assert_string_equal(woken(q, &out), "ns/tunes");
    secret(m, "ns", "access", q);
    assert_string_equal(woken(q, &out), "ns/serves");
    secret(m, "other", "push", q);
    secret(m, "ns", "pull", q);
    assert_string_equal(woken(q, &out), "");
    node(m, "pool", "a", q);
    assert_string_equal(woken(q, &out), "ns/tunes ns/serves");      /* who asks for no label may use any node */
    node(m, "pool", "b", q);
    assert_string_equal(woken(q, &out), "ns/tunes");

    AUTO_JSON edited = parsed("{\"metadata\":{\"namespace\":\"ns\",\"name\":\"serves\"},\"inference\":{\"config\":\"newer\"}}");

    mentions_change(m, serves, edited);
    config(m, "ns", "params", q);
    assert_string_equal(woken(q, &out), "");
    config(m, "ns", "newer", q);
    assert_string_equal(woken(q, &out), "ns/serves");
    mentions_change(m, edited, NULL);
    mentions_change(m, tunes, NULL);
    config(m, "ns", "newer", q);
    node(m, "pool", "a", q);
    assert_string_equal(woken(q, &out), "");
    mentions_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(changes_wake_who_speaks_of_them) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
