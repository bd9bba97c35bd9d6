/* The running manager and its model book: who is asked when, and who wakes when the answer comes. */
#include "workspace/manager.h"
#include "workspace/priv.h"

#define ADMISSION_WAIT_MS 4000          /* below the 10 s that the API server gives the webhook */

/* Values of Secrets are in no cache; this is asked once per question. What is missing may still come. */
static errc secret_token(void *self, const char *ns, const char *name, struct buf *out, struct err *e)
{
    struct workspace_manager *m = self;
    AUTO_FREE(arena) a = arena_new();
    AUTO_JSON secret = NULL;
    struct err why;

    if (kube_get(m->client, KUBE_GVR("", "v1", "secrets"), ns, name, &secret, &why))
        return err_set(e, ERR_UNAVAILABLE, "failed to get secret: %s in namespace: %s, error: %s", name, ns, why.text);
    const char *token = secret_value(secret, "HF_TOKEN", a);

    if (!str_set(token))
        return err_set(e, ERR_UNAVAILABLE, "HF_TOKEN not found in secret: %s in namespace: %s", name, ns);
    buf_adds(out, token);
    return ERR_OK;
}

static void on_news(void *self, const char *model)
{
    struct workspace_manager *m = self;
    AUTO_JSON list = informer_list(m->workspaces, NULL, NULL);
    const json_t *ws;
    size_t i;

    json_array_foreach(list, i, ws) {
        static const char *const parts[] = { "inference", "tuning" };

        for (size_t k = 0; k < ARRAY_LEN(parts); k++) {
            const char *name = json_str_at(ws, parts[k], "preset", "name", NULL);

            if (name && str_ieq(str_of(name), str_of(model)))
                controller_enqueue(m->controller, KEY(kube_namespace(ws), kube_name(ws)));
        }
    }
}

errc lookup_start(struct workspace_manager *m, const struct workspace_manager_opts *o, struct err *e)
{
    const struct model_book_opts book = { .endpoint = m->settings.hf_endpoint, .token = o->hub_token, .secret_token = secret_token, .news = on_news, .self = m };

    return o->ask_hub ? model_book_new(&book, m->cancel, &m->models, e) : ERR_OK;
}

static errc ask(struct workspace_manager *m, const struct workspace *ws, int64_t wait_ms, struct model_answer *out, struct err *e)
{
    const struct ws_preset *p = ws->inference ? ws->inference->preset : ws->tuning->preset;
    const struct model_question q = { p->name, ws->meta.namespace, p->options.model_access_secret, wait_ms };

    return model_book_ask(m->models, &q, out, e);
}

/* The native runtime reads the model's own files: it needs no figures. */
static bool needs_answer(const struct workspace_manager *m, const struct workspace *ws)
{
    struct str name = ws_preset_name(ws);

    return m->models && name.n > 0 && !preset_find(name) && preset_check(name) == PRESET_VALID && !ws_is_annotated_native(ws) && !ws->meta.deleted_us;
}

static const char *problem_of(const struct workspace *ws, struct arena *a, const char *why)
{
    bool plain = ws->tuning || str_has_prefix(str_of(why), STR("failed to build node estimate request"));

    return plain ? arena_strdup(a, why)
                 : arena_printf(a, "failed to update Workspace status targetNodeCount: failed to calculate target node count: failed to get model by name: %s", why);
}

void lookup_observe(struct workspace_manager *m, struct op *op, struct observed *o)
{
    struct ws_view *v = &o->view;
    struct model_answer answer;
    struct err e;

    if (!needs_answer(m, &o->ws))
        return;
    if (ask(m, &o->ws, 0, &answer, &e))
        v->model_problem = problem_of(&o->ws, op->arena, e.text);
    v->model = answer.preset;
    o->model_awaited = answer.asking && o->ws.status.target_node_count == 0 && !v->statefulset && !v->job;
}

void lookup_admit(void *manager, const struct workspace *ws, struct arena *a, const struct preset **out, const char **problem)
{
    struct workspace_manager *m = manager;
    struct model_answer answer;
    struct err e;

    *problem = NULL;
    *out = preset_find(ws_preset_name(ws));
    if (*out || !needs_answer(m, ws))
        return;
    errc rc = ask(m, ws, ADMISSION_WAIT_MS, &answer, &e);

    *out = answer.preset;
    /* no answer is no refusal: the reconciler asks again and tells */
    if (rc && !err_retryable(rc))
        *problem = arena_strdup(a, e.text);
}
