/* Manifests: reading those of others, writing the adapter image's, and the order in which an image goes up and comes down. */
#include "oci/priv.h"

#include <unistd.h>

#include "base/file.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/mem.h"

#define LAYERS_MAX      256

#if defined(__aarch64__)
#define ARCHITECTURE "arm64"
#else
#define ARCHITECTURE "amd64"
#endif

static void descriptor_done(struct oci_descriptor *d)
{
    free(d->media_type);
    free(d->digest);
    *d = (struct oci_descriptor){ 0 };
}

void oci_manifest_done(struct oci_manifest *m)
{
    descriptor_done(&m->config);
    for (size_t i = 0; i < m->n_layers; i++)
        descriptor_done(&m->layers[i]);
    free(m->layers);
    *m = (struct oci_manifest){ 0 };
}

void oci_image_done(struct oci_image *i)
{
    free(i->layer_path);
    buf_done(&i->config);
    buf_done(&i->manifest);
    *i = (struct oci_image){ 0 };
}

static errc descriptor_read(const json_t *j, const char *what, struct oci_descriptor *out, struct err *e)
{
    const char *digest = json_cstr(j, "digest"), *type = json_cstr(j, "mediaType");
    int64_t size = json_int(j, "size", -1);

    if (!digest || !digest_is_valid(str_of(digest)) || size < 0)
        return err_set(e, ERR_CORRUPT, "image manifest: %s has no sha256 digest or no size", what);
    *out = (struct oci_descriptor){ .media_type = xstrdup(type ? type : ""), .digest = xstrdup(digest), .size = (uint64_t)size };
    return ERR_OK;
}

static struct oci_descriptor *next_layer(struct oci_manifest *m)
{
    vec_grow(m->layers, m->n_layers, m->cap_layers);
    m->layers[m->n_layers] = (struct oci_descriptor){ 0 };
    return &m->layers[m->n_layers++];
}

/* This platform's manifest, else the first real one; attestations (platform unknown/unknown) are none. */
static errc index_read(const json_t *manifests, struct oci_manifest *m, struct err *e)
{
    const json_t *entry, *best = NULL;
    size_t i;

    json_array_foreach(manifests, i, entry) {
        const char *os = json_str_at(entry, "platform", "os", NULL), *arch = json_str_at(entry, "platform", "architecture", NULL);
        if (streq(os, "unknown"))
            continue;
        if (!best)
            best = entry;
        if (streq(os, "linux") && streq(arch, ARCHITECTURE)) {
            best = entry;
            break;
        }
    }
    if (!best)
        return err_set(e, ERR_CORRUPT, "image index: it lists no image");
    m->is_index = true;
    return descriptor_read(best, "an entry of the index", next_layer(m), e);
}

errc oci_manifest_parse(struct str text, struct oci_manifest *out, struct err *e)
{
    AUTO_OCI_MANIFEST m = { 0 };
    AUTO_JSON root = NULL;

    if (json_parse(text, &root, e))
        return err_wrap(e, "image manifest");
    if (json_int(root, "schemaVersion", 0) != 2)
        return err_set(e, ERR_UNSUPPORTED, "image manifest: schemaVersion is not 2; push the image again with a current tool");
    const json_t *manifests = json_object_get(root, "manifests"), *layers = json_object_get(root, "layers");
    if (json_is_array(manifests)) {
        TRY(index_read(manifests, &m, e));
    } else {
        if (!json_is_array(layers) || json_array_size(layers) > LAYERS_MAX)
            return err_set(e, ERR_CORRUPT, "image manifest: it has no list of at most %d layers", LAYERS_MAX);
        TRY(descriptor_read(json_object_get(root, "config"), "the config", &m.config, e));
        for (size_t i = 0; i < json_array_size(layers); i++)
            TRY(descriptor_read(json_array_get(layers, i), "a layer", next_layer(&m), e));
    }
    *out = m;
    m = (struct oci_manifest){ 0 };
    return ERR_OK;
}

/* ── the adapter image ────────────────────────────────────────────────────────────────────────── */

static void digest_of(const struct buf *b, char out[72])
{
    char hex[SHA256_HEX];

    sha256_hex(b->p, b->n, hex);
    (void)snprintf(out, 72, "sha256:%s", hex);
}

static json_t *descriptor_json(const char *type, const char *digest, uint64_t size)
{
    json_t *j = json_object();

    json_put_str(j, "mediaType", type);
    json_put_str(j, "digest", digest);
    json_put_int(j, "size", (int64_t)size);
    return j;
}

static void render_config(struct oci_image *image)
{
    AUTO_JSON config = json_object();
    json_t *diffs = json_array();

    json_put_str(config, "architecture", ARCHITECTURE);
    json_put_str(config, "os", "linux");
    json_put(config, "config", json_object());
    json_put_str(json_sub(config, "rootfs"), "type", "layers");
    json_push(diffs, json_string(image->diff_id));
    json_put(json_sub(config, "rootfs"), "diff_ids", diffs);
    json_write(config, &image->config);
    digest_of(&image->config, image->config_digest);
}

static void render_manifest(struct oci_image *image, const char *preset)
{
    AUTO_JSON manifest = json_object();
    json_t *layers = json_array();

    json_put_int(manifest, "schemaVersion", 2);
    json_put_str(manifest, "mediaType", OCI_MANIFEST);
    json_put(manifest, "config", descriptor_json(OCI_CONFIG, image->config_digest, image->config.n));
    json_push(layers, descriptor_json(OCI_LAYER_GZIP, image->layer_digest, image->layer_size));
    json_put(manifest, "layers", layers);
    if (str_set(preset))
        json_put_str(json_sub(manifest, "annotations"), "sh.kaito.model.name", preset);
    json_write(manifest, &image->manifest);
    digest_of(&image->manifest, image->digest);
}

errc oci_adapter_image(const char *from, const char *preset, const char *work_dir, struct oci_image *out, struct err *e)
{
    static const char *const names[] = { "adapter_config.json", "adapter_model.safetensors" };
    AUTO_MEM char *config = path_join(from, names[0]), *weights = path_join(from, names[1]);
    const struct layer_file files[] = { { config, "data/adapter_config.json" }, { weights, "data/adapter_model.safetensors" } };
    AUTO_OCI_IMAGE image = { 0 };
    struct layer_digests digests;

    for (size_t i = 0; i < ARRAY_LEN(files); i++)
        if (!file_exists(files[i].path))
            return err_set(e, ERR_NOT_FOUND, "%s: there is no %s; the tuning has not finished, or wrote elsewhere", from, names[i]);
    TRY(dir_make(work_dir, 0700, e));
    image.layer_path = path_join(work_dir, "layer.tar.gz");
    TRY(layer_write(image.layer_path, "data/", files, ARRAY_LEN(files), &digests, e));
    memcpy(image.layer_digest, digests.digest, sizeof image.layer_digest);
    memcpy(image.diff_id, digests.diff_id, sizeof image.diff_id);
    image.layer_size = digests.size;
    render_config(&image);
    render_manifest(&image, preset);
    *out = image;
    image = (struct oci_image){ 0 };
    return ERR_OK;
}

errc oci_image_push(struct registry *r, const struct image_ref *ref, const struct oci_image *image, struct err *e)
{
    AUTO_MEM char *config_path = xasprintf("%s.config", image->layer_path);

    if (!ref->tag || ref->digest)
        return err_set(e, ERR_INVALID, "image reference %s/%s: a push needs a tag and no digest", ref->host, ref->repository);
    TRY(registry_put_blob(r, image->layer_path, image->layer_digest, image->layer_size, e));
    TRY(file_write_atomic(config_path, buf_str(&image->config), 0600, e));
    errc rc = registry_put_blob(r, config_path, image->config_digest, image->config.n, e);
    (void)unlink(config_path);          /* of no use any more */
    TRY(rc);
    return registry_put_manifest(r, ref->tag, OCI_MANIFEST, buf_str(&image->manifest), e);
}

/* ── pulling ──────────────────────────────────────────────────────────────────────────────────── */

/* The manifest of one image: an index is followed once. */
static errc get_image_manifest(struct registry *r, const char *version, struct oci_manifest *out, char out_digest[72], struct err *e)
{
    AUTO_BUF text = { 0 }, inner = { 0 };
    AUTO_MEM char *type = NULL, *inner_type = NULL;
    AUTO_OCI_MANIFEST m = { 0 };

    TRY(registry_get_manifest(r, version, &text, &type, e));
    digest_of(&text, out_digest);
    TRY(oci_manifest_parse(buf_str(&text), &m, e));
    if (m.is_index) {
        TRY(registry_get_manifest(r, m.layers[0].digest, &inner, &inner_type, e));
        oci_manifest_done(&m);
        TRY(oci_manifest_parse(buf_str(&inner), &m, e));
        if (m.is_index)
            return err_set(e, ERR_CORRUPT, "image index: its entry is an index again");
    }
    *out = m;
    m = (struct oci_manifest){ 0 };
    return ERR_OK;
}

errc oci_image_pull(struct registry *r, const struct image_ref *ref, const char *dir, char **out_digest, struct err *e)
{
    AUTO_OCI_MANIFEST m = { 0 };
    AUTO_MEM char *layer = path_join(dir, ".layer");
    char digest[72];

    TRY(dir_make(dir, 0755, e));
    TRY(get_image_manifest(r, image_ref_version(ref), &m, digest, e));
    for (size_t i = 0; i < m.n_layers; i++) {
        TRY(registry_get_blob(r, m.layers[i].digest, m.layers[i].size, layer, e));
        errc rc = oci_layer_unpack(layer, dir, e);
        (void)unlink(layer);            /* unpacked or refused, its bytes are of no use */
        if (rc)
            return err_wrap(e, "layer %s", m.layers[i].digest);
    }
    if (out_digest)
        *out_digest = xstrdup(digest);
    return ERR_OK;
}
