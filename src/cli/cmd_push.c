/* kaito-runtime push: the adapter in a results folder becomes an OCI image in a registry. */
#include <stdio.h>
#include <errno.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/options.h"
#include "base/thread.h"
#include "cli/command.h"
#include "cli/termination.h"
#include "oci/oci.h"

#define DOCKER_CONFIG_MAX (1u << 20)

struct push {
    const char *from, *image, *docker_config, *preset, *work_dir, *digest_file, *termination_log;
    bool plain_http;
    int64_t attempts;
};

static errc find_credentials(const struct push *p, const struct image_ref *ref, struct oci_credentials *out, struct err *e)
{
    AUTO_BUF config = { 0 };

    if (!str_set(p->docker_config))
        return ERR_OK;
    TRY(file_read(p->docker_config, DOCKER_CONFIG_MAX, &config, e));
    if (docker_config_find(buf_str(&config), ref->host, ref->repository, out, e))
        return err_wrap(e, "%s", p->docker_config);
    return ERR_OK;
}

/* Packs first: a missing adapter is told before anybody is asked for a login. */
static errc push_image(const struct push *p, const char *work_dir, struct cancel *cancel, struct oci_image *image, struct err *e)
{
    AUTO_IMAGE_REF ref = { 0 };
    AUTO_OCI_CREDENTIALS credentials = { 0 };
    AUTO_FREE(registry) r = NULL;

    TRY(image_ref_parse(p->image, &ref, e));
    TRY(find_credentials(p, &ref, &credentials, e));
    TRY(oci_adapter_image(p->from, p->preset, work_dir, image, e));
    printf("Packed %s: layer of %llu bytes, %s\n", p->from, (unsigned long long)image->layer_size, image->layer_digest);
    struct registry_opts o = { .credentials = &credentials, .plain_http = p->plain_http, .for_push = true, .attempts = (int)p->attempts, .cancel = cancel };
    TRY(registry_new(&ref, &o, &r, e));
    TRY(registry_ping(r, e));
    printf("Pushing to %s/%s:%s\n", ref.host, ref.repository, ref.tag ? ref.tag : "");
    return oci_image_push(r, &ref, image, e);
}

static errc tell_success(const struct push *p, const struct oci_image *image, struct err *e)
{
    AUTO_MEM char *said = xasprintf("pushed %s@%s", p->image, image->digest);

    printf("Pushed %s\ndigest: %s\n", p->image, image->digest);
    termination_say(p->termination_log, said);
    return str_set(p->digest_file) ? file_write_atomic(p->digest_file, str_of(image->digest), 0644, e) : ERR_OK;
}

static errc run(const struct push *p, struct cancel *cancel, struct err *e)
{
    AUTO_OCI_IMAGE image = { 0 };
    AUTO_MEM char *own = str_set(p->work_dir) ? path_join(p->work_dir, "kaito-push-XXXXXX") : path_join(getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp", "kaito-push-XXXXXX");

    if (str_set(p->work_dir))
        TRY(dir_make(p->work_dir, 0700, e));
    if (!mkdtemp(own))
        return err_sys(e, errno, "make a work folder %s; give one with --work-dir", own);
    errc rc = push_image(p, own, cancel, &image, e);
    (void)dir_remove(own, NULL);        /* a rest in the temporary folder hurts nobody */
    return rc ? rc : tell_success(p, &image, e);
}

int cmd_push(int argc, char **argv)
{
    struct push p = { .attempts = 4 };
    const struct option_row rows[] = {
        { "from", 0, OPT_STR, &p.from, "DIR", "Results of a tuning: adapter_config.json and adapter_model.safetensors.", .required = true },
        { "image", 0, OPT_STR, &p.image, "REF", "Where it goes: HOST[:PORT]/REPOSITORY:TAG.", .required = true },
        { "docker-config", 0, OPT_STR, &p.docker_config, "FILE", "docker config.json with the registry's login (.dockerconfigjson of the push secret)." },
        { "preset", 0, OPT_STR, &p.preset, "NAME", "Base model's preset, kept as the annotation sh.kaito.model.name." },
        { "work-dir", 0, OPT_STR, &p.work_dir, "DIR", "Holds the packed layer meanwhile; default $TMPDIR or /tmp." },
        { "digest-file", 0, OPT_STR, &p.digest_file, "FILE", "The image's digest is written here." },
        { "plain-http", 0, OPT_BOOL, &p.plain_http, NULL, "Speak HTTP without TLS to the registry." },
        { "attempts", 0, OPT_INT, &p.attempts, "N", "Tries of each request while the registry does not answer." },
        { "termination-log", 0, OPT_STR, &p.termination_log, "FILE",
          "Where the digest, or the cause of a failure, is left; default " TERMINATION_LOG ".", .env = TERMINATION_ENV },
    };
    const struct command_help help = {
        "kaito-runtime push --from DIR --image REF [--docker-config FILE]",
        "Packs a tuned adapter as an OCI image (data/adapter_config.json and data/adapter_model.safetensors in one layer) and pushes it.\n"
        "The same adapter always gives the same digest; what the registry has already is not sent again. SSL_CERT_FILE names a private authority.",
        "  kaito-runtime push --from results --image 127.0.0.1:5443/adapters/phi-3:0.0.1 --docker-config ~/.docker/config.json\n",
    };
    struct err e;
    AUTO_FREE(cancel) cancel = cancel_new();

    errc rc = options_parse(rows, ARRAY_LEN(rows), &help, argc, argv, NULL, &e);
    if (!rc && (p.attempts < 1 || p.attempts > 1000))
        rc = err_set(&e, ERR_BAD_REQUEST, "--attempts %lld: is not within 1..1000", (long long)p.attempts);
    if (rc == OPTIONS_HELP)
        return 0;
    if (rc)
        return command_fail(argv[0], &e);
    (void)setvbuf(stdout, NULL, _IOLBF, 0);      /* a log is read while it grows */
    cancel_on_signals(cancel);
    rc = run(&p, cancel, &e);
    return rc ? termination_fail(argv[0], p.termination_log, &e) : 0;
}
