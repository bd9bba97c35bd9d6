/*
 * OCI images and registries: references, credentials, the distribution protocol, and the adapter image.
 *
 * The adapter image is the contract between tuning and serving (upstream's image README): one tar+gzip layer with
 *   data/  data/adapter_config.json  data/adapter_model.safetensors
 * The same files always give the same bytes, hence the same digest: times, owners and modes are fixed.
 *
 * Everything received is verified against its digest and size before use. Unpacking writes regular files and folders below the
 * target only: no links are made or followed, no "..", no devices.
 *
 * Errors name the registry, the cause and the fix: UNAUTHORIZED (wrong user or password), FORBIDDEN, NOT_FOUND,
 * UNAVAILABLE (down, unknown authority), CORRUPT (digest), INVALID (reference, docker config).
 * Thread rule: one thread per struct registry. Only kaito-runtime links this folder (libarchive).
 * Facts: opencontainers distribution-spec and image-spec 1.1, distribution/reference, reference runtime.md section 7.
 */
#ifndef OCI_OCI_H
#define OCI_OCI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "base/thread.h"

/* ── references ───────────────────────────────────────────────────────────────────────────────── */

/* "127.0.0.1:5443/adapters/phi-3:0.0.1", normalised as Docker does: docker.io, library/, latest. */
struct image_ref {
    char *host;                     /* "docker.io", "127.0.0.1:5443" */
    char *repository;               /* "adapters/phi-3" */
    char *tag;                      /* NULL when there is a digest only */
    char *digest;                   /* "sha256:..." or NULL */
};
errc image_ref_parse(const char *text, struct image_ref *out, struct err *e);
void image_ref_done(struct image_ref *r);
#define AUTO_IMAGE_REF AUTO(image_ref_done) struct image_ref
const char *image_ref_version(const struct image_ref *r);      /* the digest, else the tag */
char *image_ref_text(const struct image_ref *r);                /* malloc'd, complete */
bool digest_is_valid(struct str s);                             /* sha256: and 64 lower-case hex digits */

/* ── credentials ──────────────────────────────────────────────────────────────────────────────── */

struct oci_credentials { char *user, *password, *identity_token; };     /* all NULL: anonymous */
void oci_credentials_done(struct oci_credentials *c);
#define AUTO_OCI_CREDENTIALS AUTO(oci_credentials_done) struct oci_credentials

/*
 * Looks a registry up in the text of a docker config.json (or of a legacy .dockercfg): the longest matching key wins
 * ("host/ns/repo", "host/ns", "host"; https:// and /v1/, /v2/ are ignored; docker.io is index.docker.io too).
 * ERR_OK with all NULL when it holds nothing for this registry. INVALID when it is no such file; secrets never get into errors.
 */
errc docker_config_find(struct str text, const char *host, const char *repository, struct oci_credentials *out, struct err *e);

/* One challenge of a WWW-Authenticate header; missing parameters are NULL. */
struct auth_challenge {
    enum { AUTH_NONE, AUTH_BASIC, AUTH_BEARER } scheme;
    char *realm, *service, *scope, *error;
};
void auth_challenge_done(struct auth_challenge *c);
#define AUTO_AUTH_CHALLENGE AUTO(auth_challenge_done) struct auth_challenge
/* Takes Bearer before Basic; unknown schemes are skipped. False when the header cannot be read. */
bool auth_challenge_parse(struct str header, struct auth_challenge *out);

/* ── registries ───────────────────────────────────────────────────────────────────────────────── */

struct registry;
struct registry_opts {
    const struct oci_credentials *credentials;      /* NULL: anonymous; copied */
    const char *ca_file;                            /* NULL: $SSL_CERT_FILE, else the system's authorities */
    bool plain_http;
    bool for_push;                                  /* ask tokens for pull,push instead of pull */
    int attempts;                                   /* of a request that failed for a passing reason; 0: 4 */
    int64_t backoff_ms;                             /* first pause, doubled; 0: 500 */
    struct cancel *cancel;
};
/* Contacts nobody yet. */
errc registry_new(const struct image_ref *ref, const struct registry_opts *o, struct registry **out, struct err *e);
void registry_free(struct registry *r);
DEFINE_AUTO_FREE(registry)

/* Is it there, does it take the credentials? */
errc registry_ping(struct registry *r, struct err *e);
/* Uploads a file whose digest and size are known; nothing is sent when the registry has it. */
errc registry_put_blob(struct registry *r, const char *path, const char *digest, uint64_t size, struct err *e);
/* Downloads into path through path.part; digest and size are verified. */
errc registry_get_blob(struct registry *r, const char *digest, uint64_t size, const char *path, struct err *e);
errc registry_put_manifest(struct registry *r, const char *version, const char *media_type, struct str manifest, struct err *e);
/* The raw bytes and their media type (malloc'd); verified when `version` is a digest. */
errc registry_get_manifest(struct registry *r, const char *version, struct buf *out, char **out_type, struct err *e);

/* ── images ───────────────────────────────────────────────────────────────────────────────────── */

#define OCI_MANIFEST    "application/vnd.oci.image.manifest.v1+json"
#define OCI_INDEX       "application/vnd.oci.image.index.v1+json"
#define OCI_CONFIG      "application/vnd.oci.image.config.v1+json"
#define OCI_LAYER_GZIP  "application/vnd.oci.image.layer.v1.tar+gzip"
#define DOCKER_MANIFEST "application/vnd.docker.distribution.manifest.v2+json"
#define DOCKER_LIST     "application/vnd.docker.distribution.manifest.list.v2+json"

struct oci_descriptor { char *media_type; char *digest; uint64_t size; };

/* A parsed image manifest, or one entry chosen from an index. */
struct oci_manifest {
    bool is_index;                  /* then layers are the manifests of this platform (one) and config is empty */
    struct oci_descriptor config;
    struct oci_descriptor *layers;
    size_t n_layers, cap_layers;
};
void oci_manifest_done(struct oci_manifest *m);
#define AUTO_OCI_MANIFEST AUTO(oci_manifest_done) struct oci_manifest
errc oci_manifest_parse(struct str text, struct oci_manifest *out, struct err *e);

/* An image made here: its layer lies in a file, config and manifest in memory. */
struct oci_image {
    char *layer_path;               /* owned by the caller's folder; not removed here */
    char layer_digest[72], diff_id[72], config_digest[72], digest[72];
    uint64_t layer_size;
    struct buf config, manifest;
};
void oci_image_done(struct oci_image *i);
#define AUTO_OCI_IMAGE AUTO(oci_image_done) struct oci_image

/*
 * Packs the adapter in `from` (both files must be there; NOT_FOUND names what is missing) into work_dir/layer.tar.gz.
 * preset (may be NULL) becomes the annotation sh.kaito.model.name.
 */
errc oci_adapter_image(const char *from, const char *preset, const char *work_dir, struct oci_image *out, struct err *e);
/* Layer, config, manifest, in this order; ref must have a tag. */
errc oci_image_push(struct registry *r, const struct image_ref *ref, const struct oci_image *image, struct err *e);

/* Downloads the image's layers and unpacks them in order below dir, whiteouts honoured. *out_digest: malloc'd, may be NULL. */
errc oci_image_pull(struct registry *r, const struct image_ref *ref, const char *dir, char **out_digest, struct err *e);
/* Unpacks one layer file (any compression libarchive knows) below dir, which must exist. */
errc oci_layer_unpack(const char *layer_path, const char *dir, struct err *e);

#endif
