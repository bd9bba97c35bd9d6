/*
 * The admission webhook of `kaito up`: the same rules, texts and configuration object as in a cluster, on loopback. Its port is kept like the
 * API's, so that the stored configuration stays good while nothing runs.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "install/install.h"
#include "kube/kube.h"
#include "local/priv.h"
#include "webhook/webhook.h"
#include "workspace/workspace.h"

#define PORT_FILE "webhook-port"
#define PATH "/validate/workspace.kaito.sh"

enum { SERVING_TIMEOUT_MS = 20 * 1000, LOOK_MS = 2 };

/* The wanted port when nobody has it, else another one that is free now; 0: none. */
static uint16_t free_port(uint16_t wanted)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(wanted), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

    if (fd < 0)
        return 0;
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);    /* without it a port in TIME_WAIT only counts as taken */
    bool ok = bind(fd, (struct sockaddr *)&at, size) == 0 && getsockname(fd, (struct sockaddr *)&at, &size) == 0;
    close(fd);
    return ok ? ntohs(at.sin_port) : wanted ? free_port(0) : 0;
}

static errc configure(struct kube_client *client, const char *ns, uint16_t port, struct err *e)
{
    AUTO_MEM char *url = xasprintf("https://127.0.0.1:%u", port);
    const struct install_opts o = { .ns = ns, .webhook_url = url };
    AUTO_JSON objects = json_array();

    json_push(objects, install_webhook(&o));
    return install_apply(client, objects, e);
}

errc hook_wait(struct webhook *w, struct workspace_manager *manager, struct cancel *cancel, struct err *e)
{
    int64_t deadline = clock_mono_ms() + SERVING_TIMEOUT_MS;

    while (!webhook_trusted(w) || !workspace_manager_ready(manager)) {
        if (clock_mono_ms() > deadline)
            return err_set(e, ERR_TIMEOUT, "the admission webhook does not serve after %d s; the log above says why", SERVING_TIMEOUT_MS / 1000);
        if (cancel_wait_ms(cancel, LOOK_MS))
            return err_set(e, ERR_CANCELLED, "stopped");
    }
    return ERR_OK;
}

errc hook_start(struct kube_client *client, struct workspace_manager *manager, const char *state_dir, const char *ns, struct cancel *cancel,
                struct webhook **out, struct err *e)
{
    const struct admission_route route = { PATH, workspace_admit, manager };
    struct webhook_opts o = { .address = "127.0.0.1", .port = free_port(state_port(state_dir, PORT_FILE)), .ns = ns, .service = "workspace-svc",
                              .secret = "workspace-webhook-cert", .configuration = "validation.workspace.kaito.sh", .routes = &route, .n_routes = 1 };

    if (!o.port)
        return err_set(e, ERR_UNAVAILABLE, "no free port on 127.0.0.1");
    TRY(state_write_port(state_dir, PORT_FILE, o.port, e));
    TRY(configure(client, ns, o.port, e));
    *out = webhook_start(client, &o, cancel);
    webhook_lead(*out);
    return ERR_OK;
}
