#include "workspace/forecast.h"

#include "base/text_table.h"

#define GIB 1073741824.0

static const struct { const char *runtime, *text; } runtimes[] = {
    { "vllm", "with vLLM" }, { "transformers", "with transformers" }, { "native", "with the native runtime, on CPUs" },
    { "upstream", "with upstream's image" }, { "template", "with a pod template of its own" },
};

static const char *runtime_text(const json_t *f)
{
    for (size_t i = 0; i < ARRAY_LEN(runtimes); i++)
        if (streq(json_cstr(f, "runtime"), runtimes[i].runtime))
            return runtimes[i].text;
    return "";
}

static void add_head(const json_t *f, struct buf *out)
{
    const char *model = json_str_at(f, "model", "name", NULL), *repo = json_str_at(f, "model", "repo", NULL);

    buf_addf(out, "Workspace %s/%s: %s %s", json_str_at(f, "workspace", "namespace", NULL), json_str_at(f, "workspace", "name", NULL),
             streq(json_cstr(f, "purpose"), "tuning") ? "tunes" : "serves", model ? model : "a model");
    if (repo && !streq(repo, model))
        buf_addf(out, " (%s)", repo);
    buf_addf(out, " %s\n", runtime_text(f));
}

/* The rules' answer; a refusal has a line per rule. */
static void add_admission(const json_t *f, struct buf *out)
{
    const json_t *a = json_object_get(f, "admission");
    struct str rest = str_of(json_cstr(a, "message")), line;

    if (json_flag(a, "allowed", false)) {
        buf_adds(out, "\nAdmission: admitted\n");
        return;
    }
    buf_adds(out, "\nAdmission: refused\n");
    while (rest.p && str_next(&rest, '\n', &line))
        buf_addf(out, "  %.*s\n", STR_ARG(line));
    if (json_cstr(a, "message") && strstr(json_cstr(a, "message"), "not found"))
        buf_adds(out, "  (ConfigMaps and Nodes that exist already: give their files too, for example `kubectl get configmap,node -o yaml`)\n");
}

static bool is_native(const json_t *f)
{
    return streq(json_cstr(f, "runtime"), "native");
}

static void add_machines(const json_t *f, struct buf *out)
{
    const json_t *m = json_object_get(f, "machines");
    const char *type = json_cstr(m, "instanceType"), *gpu = json_cstr(m, "gpu");
    int64_t nodes = json_int(m, "nodes", 1), gpus = json_int(m, "gpus", 0);
    double price = json_num(m, "pricePerHour", -1);

    buf_addf(out, "\nMachines: %lld x %s", (long long)nodes, str_set(type) ? type : json_flag(m, "own", false) ? "a node of your own" : "any type");
    if (is_native(f))
        buf_adds(out, "; whatever GPUs it has are not used");
    else if (gpus > 0)
        buf_addf(out, ", each with %lld x %s, %lld GiB of GPU memory", (long long)gpus, gpu ? gpu : "GPU", (long long)json_int(m, "gpuMemoryGiB", 0));
    else if (!json_flag(m, "own", false))
        buf_addf(out, "; this type is not in the table of %s, so nothing is known of its GPUs", json_cstr(m, "cloud"));
    buf_addc(out, '\n');
    if (price >= 0)
        buf_addf(out, "Price: %.2f an hour, %.0f in 30 days\n", price, price * 24 * 30);
    else if (!json_flag(m, "own", false))
        buf_adds(out, "Price: not known; --prices FILE (a YAML map from machine type to price an hour) tells\n");
}

static void memory_row(struct text_table *t, const char *what, double bytes, const char *why)
{
    text_table_cell(t, "%s", what);
    text_table_cell(t, "%8.2f GiB", bytes / GIB);
    text_table_cell(t, "%s", why);
}

/* Where nobody counts: what is known without measuring. */
static void add_plain_memory(const json_t *f, struct buf *out)
{
    const json_t *m = json_object_get(f, "model");
    double per_token = json_num(m, "cacheBytesPerToken", 0), context = json_num(m, "context", 0);

    if (!m)
        return;
    buf_addf(out, "\nMemory: the weights take %.2f GiB as they are stored", json_num(m, "weightsGiB", 0));
    if (streq(json_cstr(f, "purpose"), "tuning"))
        buf_adds(out, "; what training adds is not estimated\n");
    else if (is_native(f))
        buf_addf(out, "; a token in the cache takes %.0f KiB in bf16 (twice that in f32), the whole context %.2f GiB\n", per_token / 1024, per_token * context / GIB);
    else
        buf_addc(out, '\n');
}

static void add_memory(const json_t *f, struct buf *out)
{
    static const struct { const char *key, *what, *why; } parts[] = {
        { "weights", "weights", "" }, { "activations", "activations", "" }, { "base", "CUDA and vLLM", "" },
        { "cache", "keys and values", "what is left for the context" }, { "leftOut", "never taken", "gpu-memory-utilization 0.84" },
    };
    const json_t *m = json_object_get(f, "memory");
    AUTO_TEXT_TABLE t = { .columns = 3 };

    if (!m) {
        add_plain_memory(f, out);
        return;
    }
    for (size_t i = 0; i < ARRAY_LEN(parts); i++)
        memory_row(&t, parts[i].what, json_num(m, parts[i].key, 0), parts[i].why);
    buf_addf(out, "\nMemory of each GPU, %.1f GiB (as the node estimate counts):\n", json_num(m, "total", 0) / GIB);
    text_table_write(&t, 2, out);
}

static void add_context(const json_t *f, struct buf *out)
{
    const json_t *c = json_object_get(f, "context");
    long long model = json_int(c, "model", 0), fits = json_int(c, "fits", -1), asked = json_int(c, "asked", 0);

    if (!c)
        return;
    if (fits < 0)
        buf_addf(out, "\nContext: up to %lld tokens, the model's limit; how much memory a token takes is not known\n", model);
    else if (fits >= model)
        buf_addf(out, "\nContext: up to %lld tokens, the model's limit; the cache holds %lld, so %.1f such requests at once\n", model, fits, (double)fits / (double)model);
    else
        buf_addf(out, "\nContext: up to %lld tokens, what the cache holds; the model could take %lld\n", fits, model);
    if (asked > 0)
        buf_addf(out, "  inference_config.yaml asks for max-model-len %lld%s\n", asked,
                 fits >= 0 && asked > fits ? ": vLLM will refuse to start; ask for less, or for larger machines" : "");
}

static size_t count_claims(const json_t *list)
{
    const json_t *o;
    size_t i, n = 0;

    json_array_foreach(list, i, o)
        n += streq(json_cstr(o, "kind"), "NodeClaim");
    return n;
}

static void add_objects(const json_t *f, struct buf *out)
{
    const json_t *list = json_object_get(f, "objects"), *o;
    AUTO_TEXT_TABLE t = { .columns = 3 };
    size_t claims = count_claims(list), told = 0, i;

    json_array_foreach(list, i, o) {
        bool claim = streq(json_cstr(o, "kind"), "NodeClaim");

        if (claim && told++ > 0)
            continue;
        text_table_cell(&t, "%s", json_cstr(o, "kind"));
        if (claim)
            text_table_cell(&t, "%zu, named after the uid", claims);
        else
            text_table_cell(&t, "%s", json_cstr(o, "name"));
        text_table_cell(&t, "%s", json_cstr(o, "summary"));
    }
    if (t.n == 0)
        return;
    buf_adds(out, "\nWould be created:\n");
    text_table_write(&t, 2, out);
}

static void add_needs(const json_t *f, struct buf *out)
{
    const json_t *need;
    size_t i;

    json_array_foreach(json_object_get(f, "needs"), i, need)
        buf_addf(out, "%s  %s %s\n    %s\n", i ? "" : "\nMust be there (not in the files, taken for granted):\n", json_cstr(need, "kind"), json_cstr(need, "name"),
                 json_cstr(need, "command"));
}

void workspace_forecast_text(const json_t *f, struct buf *out)
{
    add_head(f, out);
    add_admission(f, out);
    if (json_object_get(f, "machines")) {
        add_machines(f, out);
        add_memory(f, out);
        add_context(f, out);
        add_objects(f, out);
    }
    add_needs(f, out);
    if (json_cstr(f, "problem"))
        buf_addf(out, "\nThen it stops: %s\n", json_cstr(f, "problem"));
}
