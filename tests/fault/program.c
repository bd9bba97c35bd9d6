#include "program.h"

#include "base/file.h"

#define ARGS_MAX 24

static char *write_kubeconfig(struct world *w)
{
    char *path = path_join(w->api.dir, "proxy.kubeconfig");
    struct kube_config config = { .server = (char *)(uintptr_t)proxy_url(w->proxy), .namespace_ = (char *)(uintptr_t)"default" };
    AUTO_BUF text = { 0 };
    struct err e;

    kube_config_write(&config, "proxy", &text);
    OK(file_write_atomic(path, buf_str(&text), 0600, &e));
    return path;
}

void program_start(struct program *p, struct world *w, int64_t skew_s, const char *const *options)
{
    AUTO_MEM char *program = path_join(getenv("KAITO_BUILD"), "src/cli/kaito");
    AUTO_MEM char *preload = xasprintf("LD_PRELOAD=%s/tests/fault/libskewed_clock.so", getenv("KAITO_BUILD"));
    AUTO_MEM char *skew = xasprintf("KAITO_TEST_SKEW_S=%lld", (long long)skew_s);
    const char *argv[ARGS_MAX] = { 0 };
    size_t n = 0;

    p->kubeconfig = write_kubeconfig(w);
    if (skew_s) {
        argv[n++] = "env";
        argv[n++] = preload;
        argv[n++] = skew;
        argv[n++] = "ASAN_OPTIONS=verify_asan_link_order=0";
    }
    const char *fixed[] = { program, "manager", "--kubeconfig", p->kubeconfig, "--install-crds=false", "--ask-hub=false", "--log-level", "error",
                            "--health-probe-bind-address", "0", "--metrics-bind-address", "0" };

    for (size_t i = 0; i < ARRAY_LEN(fixed); i++)
        argv[n++] = fixed[i];
    for (; options && *options; options++)
        argv[n++] = *options;
    assert_true(n < ARGS_MAX);
    assert_true(child_start(&p->child, argv));
}

static void done(struct program *p)
{
    free(p->kubeconfig);
    *p = (struct program){ 0 };
}

void program_stop(struct program *p)
{
    child_stop(&p->child);
    done(p);
}

void program_kill(struct program *p)
{
    if (p->child.pid > 0) {
        kill(p->child.pid, SIGKILL);
        waitpid(p->child.pid, NULL, 0);
        fclose(p->child.out);
    }
    done(p);
}
