/*
 * One repository of one registry over the distribution protocol: manifests, and blobs up. How it is talked to: session.c; blobs down: blob.c.
 */
#include "base/hash.h"
#include "base/mem.h"
#include "oci/session.h"

#define MANIFEST_MAX    (4u << 20)      /* the limit registries themselves set */

errc registry_new(const struct image_ref *ref, const struct registry_opts *o, struct registry **out, struct err *e)
{
    AUTO_FREE(registry) r = xzalloc(sizeof *r);

    r->o = *o;
    r->o.attempts = o->attempts ? o->attempts : 4;
    r->o.backoff_ms = o->backoff_ms ? o->backoff_ms : 500;
    r->host = xstrdup(ref->host);
    r->repository = xstrdup(ref->repository);
    r->base = xasprintf("%s://%s", o->plain_http ? "http" : "https", streq(ref->host, "docker.io") ? "registry-1.docker.io" : ref->host);
    if (o->credentials)
        r->cred = (struct oci_credentials){ xstrdup(o->credentials->user), xstrdup(o->credentials->password), xstrdup(o->credentials->identity_token) };
    TRY(http_client_new(&(struct http_client_opts){ .tls.ca_file = o->ca_file }, &r->client, e));
    *out = TAKE(r);
    return ERR_OK;
}

void registry_free(struct registry *r)
{
    if (!r)
        return;
    registry_forget_login(r);
    http_client_free(r->client);
    oci_credentials_done(&r->cred);
    free(r->host);
    free(r->repository);
    free(r->base);
    free(r);
}

errc registry_ping(struct registry *r, struct err *e)
{
    AUTO_MEM char *url = xasprintf("%s/v2/", r->base);
    AUTO_RESPONSE resp = { 0 };

    TRY(registry_call(r, "the ping", &(struct http_request){ .url = url }, 0, &resp, e));
    return ERR_OK;
}

static errc registry_has_blob(struct registry *r, const char *digest, bool *out, struct err *e)
{
    AUTO_MEM char *url = xasprintf("%s/v2/%s/blobs/%s", r->base, r->repository, digest);
    AUTO_RESPONSE resp = { 0 };

    TRY(registry_call(r, "a look at a layer", &(struct http_request){ .method = "HEAD", .url = url, .max_redirects = 5 }, 404, &resp, e));
    *out = resp.status != 404;
    return ERR_OK;
}

/* A Location header as an absolute URL with digest= added; NULL when there is none. */
static char *upload_target(const struct registry *r, const struct http_response *resp, const char *digest)
{
    const char *location = http_header_get(&resp->headers, "Location");
    AUTO_BUF url = { 0 };

    if (!str_set(location))
        return NULL;
    if (location[0] == '/')
        buf_adds(&url, r->base);
    buf_adds(&url, location);
    buf_addf(&url, "%cdigest=%s", strchr(location, '?') ? '&' : '?', digest);
    return buf_take(&url);
}

/* POST for a place, PUT of all bytes: the monolithic upload in two steps, which every registry knows. */
static errc upload_once(struct registry *r, const char *path, const char *digest, uint64_t size, int *out_status, struct http_response *resp, struct err *e)
{
    AUTO_MEM char *start = xasprintf("%s/v2/%s/blobs/uploads/", r->base, r->repository);

    TRY(registry_exchange(r, &(struct http_request){ .method = "POST", .url = start }, resp, out_status, e));
    if (*out_status != 202)
        return registry_status_error(r, "the start of an upload", resp, e);
    AUTO_MEM char *target = upload_target(r, resp, digest);
    if (!target)
        return err_set(e, ERR_INVALID, "registry %s: starts an upload without saying where (no Location header)", r->host);
    struct http_request put = { .method = "PUT", .url = target, .content_type = "application/octet-stream", .timeout_ms = -1, .idle_timeout_ms = IDLE_MS,
                                .body_file = path, .body_size = size };
    TRY(registry_exchange(r, &put, resp, out_status, e));
    return *out_status == 201 || *out_status == 204 ? ERR_OK : registry_status_error(r, "an upload", resp, e);
}

errc registry_put_blob(struct registry *r, const char *path, const char *digest, uint64_t size, struct err *e)
{
    bool there = false;

    for (int tries = 1;; tries++) {
        AUTO_RESPONSE resp = { 0 };
        int status = 0;
        TRY(registry_has_blob(r, digest, &there, e));
        if (there)
            return ERR_OK;
        errc rc = upload_once(r, path, digest, size, &status, &resp, e);
        if (!rc || tries >= r->o.attempts || !registry_may_retry(rc, status, e))
            return rc;
        TRY(registry_pause(r, tries, &resp.headers, e));
    }
}

errc registry_put_manifest(struct registry *r, const char *version, const char *media_type, struct str manifest, struct err *e)
{
    AUTO_MEM char *url = xasprintf("%s/v2/%s/manifests/%s", r->base, r->repository, version);
    AUTO_RESPONSE resp = { 0 };
    struct http_request q = { .method = "PUT", .url = url, .body = manifest, .content_type = media_type };
    char hex[SHA256_HEX];

    TRY(registry_call(r, "the push of a manifest", &q, 0, &resp, e));
    const char *stored = http_header_get(&resp.headers, "Docker-Content-Digest");
    sha256_hex(manifest.p, manifest.n, hex);
    if (stored && digest_is_valid(str_of(stored)) && !streq(hex, stored + strlen("sha256:")))
        return err_set(e, ERR_CORRUPT, "registry %s: stored the manifest of %s as %s where sha256:%s was sent", r->host, r->repository, stored, hex);
    return ERR_OK;
}

errc registry_get_manifest(struct registry *r, const char *version, struct buf *out, char **out_type, struct err *e)
{
    AUTO_MEM char *url = xasprintf("%s/v2/%s/manifests/%s", r->base, r->repository, version);
    struct http_pair accept = { "Accept", OCI_MANIFEST ", " OCI_INDEX ", " DOCKER_MANIFEST ", " DOCKER_LIST };
    struct http_request q = { .url = url, .headers = &accept, .n_headers = 1, .max_body = MANIFEST_MAX, .max_redirects = 5 };
    AUTO_RESPONSE resp = { 0 };
    char hex[SHA256_HEX];

    TRY(registry_call(r, "a manifest", &q, 0, &resp, e));
    if (digest_is_valid(str_of(version))) {
        sha256_hex(resp.body.p, resp.body.n, hex);
        if (!streq(hex, version + strlen("sha256:")))
            return err_set(e, ERR_CORRUPT, "registry %s: the manifest %s has other bytes than its digest says", r->host, version);
    }
    const char *type = http_header_get(&resp.headers, "Content-Type");
    *out_type = xstrdup(type ? type : "");
    *out = resp.body;
    resp.body = (struct buf){ 0 };
    return ERR_OK;
}
