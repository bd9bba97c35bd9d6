/* kaito-runtime fetch: a model repository, data URLs or a data image into a folder. */
#include <stdio.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/options.h"
#include "base/thread.h"
#include "cli/command.h"
#include "cli/termination.h"
#include "hub/hub.h"
#include "oci/oci.h"

#define DOCKER_CONFIG_MAX (1u << 20)

struct fetch {
    const char *repo, *revision, *image, *docker_config, *output, *endpoint, *token, *cache_dir, *termination_log;
    struct strlist urls;
    bool offline, allow_private, plain_http;
    int64_t attempts;
};

/* One line per event, as people read them in `kubectl logs`. */
static void report(void *self, const struct hub_progress *p)
{
    double mb = 1e6, done = (double)p->done / mb, total = (double)p->total / mb;

    (void)self;
    switch (p->what) {
    case HUB_STARTED: printf("Downloading %s\n", p->name); break;
    case HUB_RESUMED: printf("Resuming %s at %.1f MB\n", p->name, done); break;
    case HUB_MOVING:
        if (p->total)
            printf("%s: %.1f of %.1f MB (%.0f%%)\n", p->name, done, total, 100 * done / total);
        else
            printf("%s: %.1f MB\n", p->name, done);
        break;
    case HUB_RETRY:   printf("Trying %s again: %s\n", p->name, p->why ? p->why : ""); break;
    case HUB_DONE:    printf("Successfully downloaded %s (%.1f MB)\n", p->name, done); break;
    case HUB_PRESENT: printf("%s is there already\n", p->name); break;
    }
}

static errc fetch_image(const struct fetch *f, struct cancel *cancel, struct err *e)
{
    AUTO_IMAGE_REF ref = { 0 };
    AUTO_OCI_CREDENTIALS credentials = { 0 };
    AUTO_FREE(registry) r = NULL;
    AUTO_BUF config = { 0 };
    AUTO_MEM char *digest = NULL;

    TRY(image_ref_parse(f->image, &ref, e));
    if (str_set(f->docker_config)) {
        TRY(file_read(f->docker_config, DOCKER_CONFIG_MAX, &config, e));
        if (docker_config_find(buf_str(&config), ref.host, ref.repository, &credentials, e))
            return err_wrap(e, "%s", f->docker_config);
    }
    TRY(registry_new(&ref, &(struct registry_opts){ .credentials = &credentials, .plain_http = f->plain_http, .cancel = cancel }, &r, e));
    printf("Pulling %s\n", f->image);
    TRY(oci_image_pull(r, &ref, f->output, &digest, e));
    printf("Successfully pulled %s@%s\n", f->image, digest);
    return ERR_OK;
}

static errc fetch_all(const struct fetch *f, struct cancel *cancel, struct err *e)
{
    AUTO_FREE(hub) h = NULL;
    struct hub_opts o = { .endpoint = f->endpoint, .token = f->token, .cache_dir = f->cache_dir, .offline = f->offline, .allow_private = f->allow_private,
                          .attempts = (int)f->attempts, .cancel = cancel, .progress = report };

    TRY(hub_new(&o, &h, e));
    if (str_set(f->repo))
        TRY(hub_fetch_model(h, f->repo, f->revision, f->output, e));
    for (size_t i = 0; i < f->urls.n; i++)
        TRY(hub_fetch_url(h, f->urls.items[i], f->output, NULL, e));
    return str_set(f->image) ? fetch_image(f, cancel, e) : ERR_OK;
}

static errc check(const struct fetch *f, size_t n_args, struct err *e)
{
    if (n_args)
        return err_set(e, ERR_BAD_REQUEST, "takes no arguments besides options; name what to download with --model-repo, --url or --image");
    if (!str_set(f->repo) && !f->urls.n && !str_set(f->image))
        return err_set(e, ERR_BAD_REQUEST, "nothing to download: give --model-repo, --url or --image");
    if (f->attempts < 1 || f->attempts > 1000)
        return err_set(e, ERR_BAD_REQUEST, "--attempts %lld: is not within 1..1000", (long long)f->attempts);
    return ERR_OK;
}

int cmd_fetch(int argc, char **argv)
{
    struct fetch f = { .revision = "main", .attempts = 5 };
    const struct option_row rows[] = {
        { "model-repo", 0, OPT_STR, &f.repo, "OWNER/NAME", "Model repository on the hub: its configs, tokenizer and safetensors." },
        { "revision", 0, OPT_STR, &f.revision, "REV", "Branch, tag or commit of --model-repo." },
        { "url", 0, OPT_LIST, &f.urls, "URL", "A file to download, named after the last part of its path. Repeatable. https://huggingface.co/... goes to --endpoint." },
        { "image", 0, OPT_STR, &f.image, "REF", "An OCI image to unpack (its /data becomes DIR/data)." },
        { "output", 'o', OPT_STR, &f.output, "DIR", "Where the files go; made when missing.", .required = true },
        { "endpoint", 0, OPT_STR, &f.endpoint, "URL", "The hub's address; default " HUB_ENDPOINT ".", .env = "HF_ENDPOINT" },
        { "cache-dir", 0, OPT_STR, &f.cache_dir, "DIR", "A Hugging Face cache: models are kept in its hub/ folder, and taken from there when the hub is out of reach.", .env = "HF_HOME" },
        { "offline", 0, OPT_BOOL, &f.offline, NULL, "Take models from --cache-dir only.", .env = "HF_HUB_OFFLINE" },
        { "allow-private-data-urls", 0, OPT_BOOL, &f.allow_private, NULL,
          "Let --url point to loopback, private and link-local addresses. The endpoint itself always may.", .env = "KAITO_ALLOW_PRIVATE_DATA_URLS" },
        { "docker-config", 0, OPT_STR, &f.docker_config, "FILE", "docker config.json with the registry's login, for --image." },
        { "plain-http", 0, OPT_BOOL, &f.plain_http, NULL, "Speak HTTP without TLS to the registry." },
        { "attempts", 0, OPT_INT, &f.attempts, "N", "Tries per file in a row without a byte gained." },
        { "termination-log", 0, OPT_STR, &f.termination_log, "FILE", "Where the cause of a failure is left; default " TERMINATION_LOG ".", .env = TERMINATION_ENV },
    };
    const struct command_help help = {
        "kaito-runtime fetch --output DIR [--model-repo OWNER/NAME | --url URL... | --image REF]",
        "Downloads a model or a data set into a folder. Interrupted downloads resume, whole files are left alone: run it again at any time.\n"
        "Uses HF_TOKEN for the hub (gated and private repositories), SSL_CERT_FILE for private authorities.",
        "  kaito-runtime fetch --model-repo microsoft/Phi-3-mini-128k-instruct --output weights\n"
        "  kaito-runtime fetch --url https://huggingface.co/datasets/OWNER/NAME/resolve/main/data/x.parquet --output data\n",
    };
    struct strlist args = { 0 };
    struct err e;
    AUTO_FREE(cancel) cancel = cancel_new();

    errc rc = options_parse(rows, ARRAY_LEN(rows), &help, argc, argv, &args, &e);
    if (!rc)
        rc = check(&f, args.n, &e);
    strlist_done(&args);
    if (rc == OPTIONS_HELP)
        return 0;
    if (rc)
        return command_fail(argv[0], &e);
    f.token = getenv("HF_TOKEN");
    (void)setvbuf(stdout, NULL, _IOLBF, 0);      /* a log is read while it grows */
    cancel_on_signals(cancel);
    rc = fetch_all(&f, cancel, &e);
    strlist_done(&f.urls);
    if (rc)
        return termination_fail(argv[0], f.termination_log, &e);
    printf("All downloads completed successfully\n");
    return 0;
}
