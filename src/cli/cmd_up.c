/* `kaito up`: the whole control plane and node, in the foreground. */
#include "base/log.h"
#include "base/mem.h"
#include "base/options.h"
#include "cli/command.h"
#include "local/local.h"

static void tell_ready(const struct local_opts *o, const char *kubeconfig, int64_t took_ms)
{
    (void)o;
    printf("kaito is up (%d ms). In another shell:\n\n  export KUBECONFIG=%s\n  kubectl get workspaces\n\n", (int)took_ms, kubeconfig);
    fflush(stdout);
}

static errc check_cloud(const char *cloud, struct local_opts *o, struct err *e)
{
    o->fake_azure = streq(cloud, "fake-azure");
    if (!o->fake_azure && !streq(cloud, "local"))
        return err_set(e, ERR_BAD_REQUEST, "--cloud %s: is none of local, fake-azure; real clouds are for `kaito provisioner`", cloud);
    return ERR_OK;
}

static errc run(const struct local_opts *o, const char *level_name, bool json, struct err *e)
{
    AUTO_FREE(cancel) cancel = cancel_new();
    enum log_level level;

    if (!log_level_parse(level_name, &level))
        return err_set(e, ERR_BAD_REQUEST, "--log-level: \"%s\" is none of debug, info, warn, error", level_name);
    log_setup(level, json, 2);
    cancel_on_signals(cancel);
    return local_up(o, cancel, e);
}

int cmd_up(int argc, char **argv)
{
    AUTO_MEM char *default_dir = local_default_state_dir();
    const char *level = "info", *cloud = "local";
    bool json = false;
    struct local_opts o = { .state_dir = default_dir, .ready = tell_ready };
    const struct option_row rows[] = {
        { "state-dir", 0, OPT_STR, &o.state_dir, "DIR", "Where everything is kept.", "KAITO_STATE_DIR", false },
        { "bind-address", 0, OPT_STR, &o.bind_address, "IP", "Address of the API.", NULL, false },
        { "port", 0, OPT_INT, &o.port, "PORT", "Port of the API; 0 keeps the last one, or takes a free one.", NULL, false, 0, 65535 },
        { "no-manager", 0, OPT_BOOL, &o.no_manager, NULL, "Run no Workspace controller: `kaito manager` of your own does, beside this.", NULL, false },
        { "runtime-image", 0, OPT_STR, &o.runtime_image, "NAME", "The image name that stands for this machine's kaito-runtime.", NULL, false },
        { "model-cache-dir", 0, OPT_STR, &o.model_cache_dir, "DIR", "Where models are kept; otherwise in the state folder.", NULL, false },
        { "hf-endpoint", 0, OPT_STR, &o.hf_endpoint, "URL", "A Hugging Face hub or mirror for models and data sets.", "HF_ENDPOINT", false },
        { "hf-token-secret", 0, OPT_STR, &o.hf_token_secret, "NAME", "Secret with the key HF_TOKEN, for gated models.", NULL, false },
        { "ca-bundle", 0, OPT_STR, &o.ca_bundle, "FILE", "Authorities (PEM) that pods trust: a private registry's or hub's.", "SSL_CERT_FILE", false },
        { "allow-private-data-urls", 0, OPT_BOOL, &o.allow_private_urls, NULL, "Data URLs may point to private addresses.", NULL, false },
        { "cloud", 0, OPT_STR, &cloud, "NAME", "Where machines come from: local, or fake-azure, a simulator of Azure's API for rehearsals; this machine runs their pods.", NULL, false },
        { "fake-arm", 0, OPT_STR, &o.fake_arm, "PROGRAM", "The simulator; otherwise kaito-fake-arm beside kaito or on PATH.", "KAITO_FAKE_ARM", false },
        { "fake-arm-settings", 0, OPT_STR, &o.fake_arm_settings, "JSON", "Its settings: times, lags, quotas, throttling.", NULL, false },
        { "log-level", 0, OPT_STR, &level, "LEVEL", "debug, info, warn or error.", NULL, false },
        { "log-json", 0, OPT_BOOL, &json, NULL, "Log JSON lines.", NULL, false },
    };
    const struct command_help help = { "kaito up [options]",
        "Runs a Kubernetes-compatible API, KAITO's controllers and a node on this machine, in the foreground. Real kubectl talks to it;\n"
        "Workspaces are tuned and served by this machine's CPU. Ctrl-C stops it; pods live on until `kaito down`.",
        "  kaito up &\n  export KUBECONFIG=~/.local/state/kaito/kubeconfig\n  kubectl apply -f examples/inference/kaito_workspace_phi_3.yaml\n" };
    struct err e;
    errc rc = options_parse(rows, ARRAY_LEN(rows), &help, argc, argv, NULL, &e);

    if (rc == OPTIONS_HELP)
        return 0;
    if (!rc)
        rc = check_cloud(cloud, &o, &e);
    if (!rc)
        rc = run(&o, level, json, &e);
    return rc ? command_fail(argv[0], &e) : 0;
}
