/* `serve`: options -> a server that runs until a signal. */
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/thread.h"
#include "cli/command.h"
#include "cli/serve_options.h"
#include "cli/termination.h"

static void tell_noted(const struct serve_args *a)
{
    AUTO_BUF names = { 0 };

    for (size_t i = 0; i < a->noted.n; i++)
        buf_addf(&names, "%s--%s", i ? " " : "", a->noted.items[i]);
    if (a->noted.n)
        log_info("serve", "accepted, without effect on this engine", KV("options", buf_cstr(&names)));
}

static void tell_loading(size_t layers, size_t of) { log_info("serve", "loading", KV("layers", layers), KV("of", of)); }

static errc serve(const struct serve_args *a, const struct server_opts *o, struct err *e)
{
    AUTO_FREE(cancel) stop = cancel_new();
    struct server *s = NULL;
    int64_t start = clock_mono_ms();

    cancel_on_signals(stop);
    tell_noted(a);
    TRY(server_start(o, &s, e));
    log_info("serve", "ready", KV("model", o->model_dir), KV("adapters", o->n_adapters), KV("host", o->host), KV("port", server_port(s)),
             KV("tls", o->cert_file ? "on" : "off"), KV("api_key", o->n_api_keys ? "needed" : "none"), KV("took_ms", clock_mono_ms() - start));
    (void)cancel_wait_ms(stop, -1);
    log_info("serve", "stopping: running answers are finished first", KV("grace_ms", a->grace_ms));
    server_stop(s, a->grace_ms);
    return ERR_OK;
}

int cmd_serve(int argc, char **argv)
{
    struct serve_args a;
    struct server_opts o;
    struct err e;
    errc rc = serve_options(argc, argv, &a, &o, &e);

    o.loading = tell_loading;
    if (!rc)
        rc = serve(&a, &o, &e);
    int status = rc == OPTIONS_HELP ? 0 : rc ? termination_fail(argv[0], a.termination_log, &e) : 0;
    serve_args_done(&a);
    return status;
}
