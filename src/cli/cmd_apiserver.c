/*
 * The API alone, without controllers: what any Kubernetes client can talk to.
 */
#include <stdio.h>

#include "apiserver/apiserver.h"
#include "base/options.h"
#include "cli/command.h"

static errc run(const struct apiserver_opts *o, struct cancel *stop, struct err *e)
{
    struct apiserver *s = NULL;

    TRY(apiserver_start(o, &s, e));
    printf("serving https://%s:%u, kubeconfig %s/kubeconfig\n", o->bind_address, apiserver_port(s), o->state_dir);
    (void)fflush(stdout);       /* a closed stdout is no reason to stop serving */
    (void)cancel_wait_ms(stop, -1);
    apiserver_stop(s);
    return ERR_OK;
}

int cmd_apiserver(int argc, char **argv)
{
    struct apiserver_opts o = { .bind_address = "127.0.0.1", .service_cidr = "127.96.0.0/16" };
    int64_t port = 0;
    struct strlist names = { 0 };
    struct err e;
    const struct option_row rows[] = {
        { "state-dir", 0, OPT_STR, &o.state_dir, "DIR", "Where the database, keys and kubeconfig are kept; made when absent.", NULL, true },
        { "bind-address", 0, OPT_STR, &o.bind_address, "ADDRESS", "Address to listen on.", NULL, false },
        { "port", 0, OPT_INT, &port, "PORT", "Port to listen on; 0 lets the system choose.", NULL, false, 0, 65535 },
        { "service-cidr", 0, OPT_STR, &o.service_cidr, "RANGE", "Range of the services' cluster addresses.", NULL, false },
        { "cert-name", 0, OPT_LIST, &names, "NAME", "A further name or address in the server certificate.", NULL, false },
    };
    const struct command_help help = {
        .usage = "kaito apiserver --state-dir DIR [options]",
        .summary = "Serves a Kubernetes-compatible API on SQLite, without controllers. Writes DIR/kubeconfig for the administrator.",
        .examples = "  kaito apiserver --state-dir /tmp/api &\n  kubectl --kubeconfig /tmp/api/kubeconfig get namespaces\n",
    };

    errc rc = options_parse(rows, ARRAY_LEN(rows), &help, argc, argv, NULL, &e);
    if (rc == OPTIONS_HELP)
        return 0;
    if (!rc) {
        AUTO_FREE(cancel) stop = cancel_new();
        cancel_on_signals(stop);
        o.port = (uint16_t)port;
        o.cert_names = names.items;
        o.n_cert_names = names.n;
        rc = run(&o, stop, &e);
    }
    strlist_done(&names);
    return rc ? command_fail(argv[0], &e) : 0;
}
