/* Karpenter mode at start, and whether a NodeClass can be used. Dossier, Workspace, 5.3. */
#include "workspace/node_classes.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "schema/names.h"
#include "workspace/manager.h"
#include "workspace/priv.h"

#define FLAG "--karpenter-node-classes"
#define READY_WAIT_MS 120000            /* upstream's patience with the default NodeClass */
#define READY_POLL_MS 500

/* ---- the flag ---------------------------------------------------------------------------------------------------------- */

static errc check_entry(const struct node_classes *c, size_t index, const json_t *entry, struct err *e)
{
    const char *name = json_cstr(entry, "name");
    AUTO_BUF why = { 0 };

    if (!str_set(name))
        return err_set(e, ERR_BAD_REQUEST, FLAG ": entry %zu has no name", index);
    if (name_problem(NAME_SUBDOMAIN, name, false, &why))
        return err_set(e, ERR_BAD_REQUEST, FLAG ": name %s: %s", name, buf_cstr(&why));
    for (size_t i = 0; i < index; i++)
        if (streq(c->names[i], name))
            return err_set(e, ERR_BAD_REQUEST, FLAG ": name %s: given twice", name);
    return ERR_OK;
}

static errc read_entries(struct node_classes *c, struct err *e)
{
    size_t i, defaults = 0;
    const json_t *entry;

    c->names = xcalloc(json_array_size(c->list) + 1, sizeof *c->names);
    json_array_foreach(c->list, i, entry) {
        TRY(check_entry(c, i, entry, e));
        c->names[i] = json_cstr(entry, "name");
        if (json_flag(entry, "default", false)) {
            c->default_name = c->names[i];
            defaults++;
        }
    }
    return defaults == 1 ? ERR_OK : err_set(e, ERR_BAD_REQUEST, FLAG ": %zu entries are the default; exactly one must have \"default\": true", defaults);
}

errc node_classes_parse(const char *text, struct node_classes *out, struct err *e)
{
    *out = (struct node_classes){ 0 };
    if (!str_set(text))
        return err_set(e, ERR_BAD_REQUEST, FLAG ": --node-provisioner karpenter needs it: a JSON array of {\"name\", \"default\", \"spec\"}");
    errc rc = json_parse(str_of(text), &out->list, e);

    if (rc)
        rc = err_wrap(e, FLAG);
    else if (!json_is_array(out->list) || json_array_size(out->list) == 0)
        rc = err_set(e, ERR_BAD_REQUEST, FLAG ": is no JSON array of at least one NodeClass");
    else
        rc = read_entries(out, e);
    if (rc)
        node_classes_done(out);
    return rc ? ERR_BAD_REQUEST : ERR_OK;
}

void node_classes_done(struct node_classes *c)
{
    json_decref(c->list);
    free(c->names);
    *c = (struct node_classes){ 0 };
}

/* ---- the start ----------------------------------------------------------------------------------------------------------- */

struct kube_gvr node_class_gvr(const struct workspace_settings *s)
{
    return (struct kube_gvr){ s->node_class_group, s->node_class_version, s->node_class_resource };
}

errc node_classes_served(struct workspace_manager *m, struct err *e)
{
    const struct kube_gvr needed[] = { { "karpenter.sh", "v1", "nodepools" }, { "karpenter.sh", "v1", "nodeclaims" }, node_class_gvr(&m->settings) };

    for (size_t i = 0; i < ARRAY_LEN(needed); i++) {
        bool served = false;

        TRY(kube_has_resource(m->client, &needed[i], &served, e));
        if (!served)
            return err_set(e, ERR_NOT_FOUND, "--node-provisioner karpenter: CustomResourceDefinition %s.%s (%s) is not served; install Karpenter first",
                           needed[i].resource, needed[i].group, needed[i].version);
    }
    return ERR_OK;
}

static json_t *class_object(const struct workspace_settings *s, const json_t *entry)
{
    const json_t *spec = json_object_get(entry, "spec");
    json_t *o = json_pack("{s:o, s:s, s:{s:s, s:{s:s}}, s:o}", "apiVersion", json_strf("%s/%s", s->node_class_group, s->node_class_version),
                          "kind", s->node_class_kind, "metadata", "name", json_cstr(entry, "name"), "labels", "karpenter.kaito.sh/managed-by", "kaito",
                          "spec", spec ? json_clone(spec) : json_object());

    if (json_flag(entry, "default", false))
        kube_set_label(o, "karpenter.kaito.sh/default", "true");
    return o;
}

/* One that exists is the operator's: its spec stays. */
static errc create_classes(struct workspace_manager *m, const struct kube_gvr *gvr, struct err *e)
{
    const json_t *entry;
    size_t i;

    json_array_foreach(m->settings.node_class_list, i, entry) {
        AUTO_JSON o = class_object(&m->settings, entry);
        errc rc = kube_create(m->client, gvr, NULL, o, NULL, e);

        if (rc && rc != ERR_EXISTS)
            return err_wrap(e, "create %s %s", m->settings.node_class_kind, kube_name(o));
    }
    return ERR_OK;
}

static errc wait_ready(struct workspace_manager *m, const struct kube_gvr *gvr, const char *name, struct err *e)
{
    for (int64_t until = clock_mono_ms() + READY_WAIT_MS;;) {
        AUTO_JSON class = NULL;
        errc rc = kube_get(m->client, gvr, NULL, name, &class, e);

        if (rc && rc != ERR_NOT_FOUND)
            return err_wrap(e, "get %s %s", m->settings.node_class_kind, name);
        if (kube_condition_is(class, "Ready", "True"))
            return ERR_OK;
        if (clock_mono_ms() >= until)
            return err_set(e, ERR_TIMEOUT, "%s %s is not Ready after %d s: look at its conditions", m->settings.node_class_kind, name, READY_WAIT_MS / 1000);
        if (cancel_wait_ms(m->cancel, READY_POLL_MS))
            return err_set(e, ERR_CANCELLED, "stopped");
    }
}

errc node_classes_install(struct workspace_manager *m, struct err *e)
{
    struct kube_gvr gvr = node_class_gvr(&m->settings);

    TRY(create_classes(m, &gvr, e));
    return m->settings.default_node_class ? wait_ready(m, &gvr, m->settings.default_node_class, e) : ERR_OK;
}

/* ---- one Workspace --------------------------------------------------------------------------------------------------------- */

const char *node_class_problem(const json_t *class, struct str name, struct arena *a)
{
    const json_t *ready = kube_condition(class, "Ready");
    const char *reason = json_cstr(ready, "reason"), *message = json_cstr(ready, "message");
    AUTO_BUF text = { 0 };

    if (streq(json_cstr(ready, "status"), "True"))
        return NULL;
    buf_addf(&text, "NodeClass \"%.*s\" is not ready: ", STR_ARG(name));
    if (!class)
        buf_adds(&text, "it does not exist");
    else if (!ready)
        buf_adds(&text, "it has no condition Ready yet");
    else
        buf_addf(&text, "%s%s%s", reason ? reason : "Ready is not True", str_set(message) ? ": " : "", str_set(message) ? message : "");
    return arena_strdup(a, buf_cstr(&text));
}
