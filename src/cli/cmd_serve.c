/* `serve`: options -> a server that runs until a signal. */
#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/options.h"
#include "base/thread.h"
#include "cli/command.h"
#include "cli/termination.h"
#include "serve/serve.h"

struct serve_args {
    const char *model, *name, *host, *quantization, *dtype, *chat_template, *termination_log;
    int64_t port, threads, max_len, max_seqs, kv_tokens, grace_ms;
    struct strlist adapters;
};

static errc quantize_of(const char *name, enum quantize *out, struct err *e)
{
    static const struct { const char *name; enum quantize q; } rows[] = { { "none", QUANTIZE_NONE }, { "nf4", QUANTIZE_NF4 } };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (streq(name, rows[i].name)) {
            *out = rows[i].q;
            return ERR_OK;
        }
    return err_set(e, ERR_BAD_REQUEST, "--quantization: \"%s\" is neither none nor nf4", name);
}

/* The name at the end of a path; *parent gets what is before it. */
static struct str last_component(struct str path, struct str *parent)
{
    struct str rest;

    while (path.n > 1 && path.p[path.n - 1] == '/')
        path.n--;
    if (str_rcut(path, '/', parent, &rest))
        return rest;
    *parent = (struct str){ 0 };
    return path;
}

/* DIR or NAME=DIR. The strength is in the environment variable named like the adapter, as KAITO's operator sets it. */
static errc adapter_of(const char *text, struct adapter_source *out, char **own, struct err *e)
{
    struct str name, dir;
    double strength = 1;

    *out = (struct adapter_source){ .dir = text, .strength = 1 };
    if (text[0] != '/' && str_cut(str_of(text), '=', &name, &dir) && name.n) {
        out->name = *own = xstrndup(name.p, name.n);
        out->dir = dir.p;
    } else {
        struct str last = last_component(str_of(text), &dir);
        if (str_is(last, "data") && dir.n)              /* an image unpacked: NAME/data */
            last = last_component(dir, &dir);
        out->name = *own = xstrndup(last.p, last.n);
    }
    const char *given = getenv(*own);
    if (given && (!str_to_f64(str_of(given), &strength) || strength < 0 || strength > 1))
        return err_set(e, ERR_BAD_REQUEST, "environment variable %s: the strength of that adapter must be from 0 to 1, not \"%s\"", *own, given);
    out->strength = strength;
    return ERR_OK;
}

static errc make_opts(const struct serve_args *a, struct server_opts *o, struct adapter_source *adapters, char **names, struct err *e)
{
    *o = (struct server_opts){ .model_dir = a->model, .served_name = a->name, .host = streq(a->host, "localhost") ? "127.0.0.1" : a->host,
                               .port = (uint16_t)a->port, .threads = (int)a->threads, .max_model_len = (size_t)a->max_len,
                               .max_num_seqs = (size_t)a->max_seqs, .max_kv_tokens = (size_t)a->kv_tokens, .chat_template_file = a->chat_template };
    if (a->port < 0 || a->port > 65535)
        return err_set(e, ERR_BAD_REQUEST, "--port: %lld is outside 0 to 65535", (long long)a->port);
    if (a->threads < 0 || a->threads > 1024 || a->max_len < 0 || a->max_seqs < 0 || a->max_seqs > 4096 || a->kv_tokens < 0)
        return err_set(e, ERR_BAD_REQUEST, "--threads (to 1024), --max-model-len, --max-num-seqs (to 4096) and --kv-cache-tokens must be at least 0");
    if (!streq(a->dtype, "f32") && !streq(a->dtype, "bf16"))
        return err_set(e, ERR_BAD_REQUEST, "--dtype: \"%s\" is neither f32 nor bf16", a->dtype);
    o->bf16 = streq(a->dtype, "bf16");
    TRY(quantize_of(a->quantization, &o->quantize, e));
    for (size_t i = 0; i < a->adapters.n; i++)
        TRY(adapter_of(a->adapters.items[i], &adapters[i], &names[i], e));
    o->adapters = adapters;
    o->n_adapters = a->adapters.n;
    return ERR_OK;
}

static errc serve(const struct serve_args *a, struct err *e)
{
    AUTO_FREE(cancel) stop = cancel_new();
    AUTO_MEM struct adapter_source *adapters = xcalloc(a->adapters.n + 1, sizeof *adapters);
    char **names = xcalloc(a->adapters.n + 1, sizeof *names);
    struct server_opts o;
    struct server *s = NULL;
    int64_t start = clock_mono_ms();

    cancel_on_signals(stop);
    errc rc = make_opts(a, &o, adapters, names, e);
    if (!rc)
        rc = server_start(&o, &s, e);
    for (size_t i = 0; i < a->adapters.n; i++)
        free(names[i]);
    free(names);
    if (rc)
        return rc;
    log_info("serve", "ready", KV("model", a->model), KV("adapters", a->adapters.n), KV("host", a->host), KV("port", server_port(s)),
             KV("took_ms", clock_mono_ms() - start));
    (void)cancel_wait_ms(stop, -1);
    log_info("serve", "stopping: running answers are finished first", KV("grace_ms", a->grace_ms));
    server_stop(s, a->grace_ms);
    return ERR_OK;
}

int cmd_serve(int argc, char **argv)
{
    struct serve_args a = { .host = "127.0.0.1", .port = 5000, .quantization = "none", .dtype = "f32", .grace_ms = 30000 };
    const struct option_row rows[] = {
        { .name = "model", .kind = OPT_STR, .value = &a.model, .arg = "DIR", .help = "The model folder: config.json, tokenizer.json, safetensors.", .required = true },
        { .name = "adapter", .kind = OPT_LIST, .value = &a.adapters, .arg = "[NAME=]DIR",
          .help = "A LoRA adapter in PEFT's format, or a folder of such folders; may be repeated. The first answers /chat; others are chosen by \"model\"." },
        { .name = "host", .kind = OPT_STR, .value = &a.host, .arg = "ADDRESS", .help = "The address to bind.", .env = "POD_IP" },
        { .name = "port", .kind = OPT_INT, .value = &a.port, .arg = "PORT", .help = "The port; 0 lets the system choose.", .min = 0, .max = 65535 },
        { .name = "served-model-name", .kind = OPT_STR, .value = &a.name, .arg = "NAME", .help = "What clients call the model; the folder's name when absent." },
        { .name = "max-model-len", .kind = OPT_INT, .value = &a.max_len, .arg = "N", .help = "Tokens of prompt and answer together; 0: the model's own limit." },
        { .name = "max-num-seqs", .kind = OPT_INT, .value = &a.max_seqs, .arg = "N", .help = "Answers made at the same time; 0: 16." },
        { .name = "kv-cache-tokens", .kind = OPT_INT, .value = &a.kv_tokens, .arg = "N", .help = "Tokens kept in the cache over all answers; 0: no limit." },
        { .name = "quantization", .kind = OPT_STR, .value = &a.quantization, .arg = "none|nf4", .help = "Quantise the weights while loading." },
        { .name = "dtype", .kind = OPT_STR, .value = &a.dtype, .arg = "f32|bf16", .help = "What products are computed in." },
        { .name = "chat-template", .kind = OPT_STR, .value = &a.chat_template, .arg = "FILE", .help = "A Jinja chat template instead of the model's own." },
        { .name = "threads", .kind = OPT_INT, .value = &a.threads, .arg = "N", .help = "Threads of the engine; 0: one per CPU." },
        { .name = "grace", .kind = OPT_DURATION_MS, .value = &a.grace_ms, .arg = "DURATION", .help = "How long running answers may go on after SIGTERM." },
        { .name = "termination-log", .kind = OPT_STR, .value = &a.termination_log, .arg = "FILE", .help = "Where the last words go.", .env = TERMINATION_ENV },
    };
    const struct command_help help = {
        .usage = "kaito serve --model DIR [options]",
        .summary = "Serves a model on this machine's CPU: KAITO's /chat, the OpenAI API under /v1, /health and /metrics.",
        .examples = "  kaito serve --model ./phi-3-mini-128k-instruct --port 8080\n"
                    "  curl http://127.0.0.1:8080/chat -H 'Content-Type: application/json' -d '{\"prompt\":\"Hello\"}'\n",
    };
    struct strlist rest = { 0 };
    struct err e;
    errc rc = options_parse(rows, ARRAY_LEN(rows), &help, argc, argv, &rest, &e);

    if (!rc && rest.n)
        rc = err_set(&e, ERR_BAD_REQUEST, "\"%s\" is not an option; see --help", rest.items[0]);
    if (!rc)
        rc = serve(&a, &e);
    strlist_done(&rest);
    strlist_done(&a.adapters);
    if (rc == OPTIONS_HELP)
        return 0;
    return rc ? termination_fail(argv[0], a.termination_log, &e) : 0;
}
