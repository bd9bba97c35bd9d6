/*
 * Who asks: the administrator's token, service account tokens (JWT, ES256, signed with the state folder's own key),
 * client certificates of our authority, or nobody. And the reviews that tell.
 */
#include <gnutls/abstract.h>
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>

#include "api/k8s/k8s.h"
#include "apiserver/strategy.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/mem.h"

#define ISSUER "https://kubernetes.default.svc.cluster.local"
#define DEFAULT_SECONDS 3600
#define MIN_SECONDS 600
#define MAX_SECONDS (1ll << 32)

struct auth {
    gnutls_privkey_t key;
    gnutls_pubkey_t pub;
};

void auth_close(struct auth *a)
{
    if (!a)
        return;
    if (a->key)
        gnutls_privkey_deinit(a->key);
    if (a->pub)
        gnutls_pubkey_deinit(a->pub);
    free(a);
}

static errc gnutls_err(struct err *e, const char *doing, int rc)
{
    return err_set(e, ERR_INTERNAL, "%s: %s", doing, gnutls_strerror(rc));
}

/* pki/sa.key is made once; tokens signed with it stay good over restarts. */
static errc load_key(struct auth *a, const char *path, struct err *e)
{
    AUTO_BUF pem = { 0 };
    int rc;

    if (gnutls_privkey_init(&a->key) || gnutls_pubkey_init(&a->pub))
        return err_set(e, ERR_INTERNAL, "no memory for the token key");
    if (!file_exists(path)) {
        gnutls_x509_privkey_t x;
        gnutls_datum_t out = { 0 };
        if (gnutls_x509_privkey_init(&x))
            return err_set(e, ERR_INTERNAL, "no memory for the token key");
        rc = gnutls_x509_privkey_generate(x, GNUTLS_PK_ECDSA, GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0);
        if (!rc)
            rc = gnutls_x509_privkey_export2(x, GNUTLS_X509_FMT_PEM, &out);
        gnutls_x509_privkey_deinit(x);
        if (rc)
            return gnutls_err(e, "make the token key", rc);
        errc wrote = file_write_atomic(path, str_n((char *)out.data, out.size), 0600, e);
        gnutls_free(out.data);
        TRY(wrote);
    }
    TRY(file_read(path, 65536, &pem, e));
    gnutls_datum_t in = { (unsigned char *)pem.p, (unsigned)pem.n };
    rc = gnutls_privkey_import_x509_raw(a->key, &in, GNUTLS_X509_FMT_PEM, NULL, 0);
    if (!rc)
        rc = gnutls_pubkey_import_privkey(a->pub, a->key, 0, 0);
    return rc ? gnutls_err(e, path, rc) : ERR_OK;
}

static errc load_token(struct apiserver *s, struct err *e)
{
    AUTO_MEM char *path = path_join(s->o.state_dir, "token");
    AUTO_BUF text = { 0 };
    uint8_t raw[32];

    if (!file_exists(path)) {
        random_bytes(raw, sizeof raw);
        hex_add(&text, raw, sizeof raw);
        TRY(file_write_atomic(path, buf_str(&text), 0600, e));
        buf_clear(&text);
    }
    TRY(file_read(path, 4096, &text, e));
    struct str t = str_trim(buf_str(&text));
    if (t.n < 16)
        return err_set(e, ERR_CORRUPT, "%s: the administrator's token is shorter than 16 characters; delete the file to get a new one", path);
    s->token = xstrndup(t.p, t.n);
    return ERR_OK;
}

errc auth_open(struct apiserver *s, struct err *e)
{
    AUTO_MEM char *path = path_join(s->o.state_dir, "pki/sa.key");

    s->auth = xzalloc(sizeof *s->auth);
    TRY(load_key(s->auth, path, e));
    return load_token(s, e);
}

/* ---- JWT ---- */

static errc jwt_sign(struct auth *a, const json_t *claims, struct buf *out, struct err *e)
{
    static const char header[] = "{\"alg\":\"ES256\",\"typ\":\"JWT\"}";
    AUTO_BUF json = { 0 };
    gnutls_datum_t sig = { 0 }, r = { 0 }, s = { 0 };

    base64url_add(out, header, sizeof header - 1);
    buf_addc(out, '.');
    json_write(claims, &json);
    base64url_add(out, json.p, json.n);
    gnutls_datum_t data = { (unsigned char *)out->p, (unsigned)out->n };
    int rc = gnutls_privkey_sign_data2(a->key, GNUTLS_SIGN_ECDSA_SHA256, 0, &data, &sig);
    if (!rc)
        rc = gnutls_decode_rs_value(&sig, &r, &s);
    if (rc) {
        gnutls_free(sig.data);
        return gnutls_err(e, "sign a token", rc);
    }
    uint8_t raw[64] = { 0 };            /* two 32-byte numbers, big-endian, without DER's leading zero */
    const gnutls_datum_t *parts[] = { &r, &s };
    for (size_t i = 0; i < 2; i++) {
        size_t skip = parts[i]->size > 32 ? parts[i]->size - 32 : 0, n = parts[i]->size - skip;
        memcpy(raw + 32 * i + (32 - n), parts[i]->data + skip, n);
    }
    buf_addc(out, '.');
    base64url_add(out, raw, sizeof raw);
    gnutls_free(sig.data);
    gnutls_free(r.data);
    gnutls_free(s.data);
    return ERR_OK;
}

static json_t *jwt_verify(struct auth *a, const char *token)
{
    struct str whole = str_of(token), signed_part, sig_text, head, body;
    AUTO_BUF sig = { 0 }, json = { 0 };
    gnutls_datum_t der = { 0 };
    json_t *claims = NULL;
    struct err ignored;

    if (!str_rcut(whole, '.', &signed_part, &sig_text) || !str_cut(signed_part, '.', &head, &body))
        return NULL;
    if (!base64_decode(sig_text, &sig) || sig.n != 64 || !base64_decode(body, &json))
        return NULL;
    gnutls_datum_t r = { (unsigned char *)sig.p, 32 }, s = { (unsigned char *)sig.p + 32, 32 };
    if (gnutls_encode_rs_value(&der, &r, &s))
        return NULL;
    gnutls_datum_t data = { (unsigned char *)(uintptr_t)signed_part.p, (unsigned)signed_part.n };
    int rc = gnutls_pubkey_verify_data2(a->pub, GNUTLS_SIGN_ECDSA_SHA256, 0, &data, &der);
    gnutls_free(der.data);
    return rc >= 0 && !json_parse(buf_str(&json), &claims, &ignored) ? claims : NULL;
}

/* ---- users ---- */

static void add_group(struct req *r, struct user *u, const char *group)
{
    const char **grown = arena_calloc(r->a, u->n_groups + 1, sizeof *grown);

    if (u->n_groups)
        memcpy(grown, u->groups, u->n_groups * sizeof *grown);
    grown[u->n_groups++] = group;
    u->groups = grown;
    u->master = u->master || streq(group, "system:masters");
}

/* A token dies with its account: the uid must still be that of a living one. */
static bool account_lives(struct req *r, const char *ns, const char *name, const char *uid)
{
    char *text = NULL;
    AUTO_JSON obj = NULL;
    struct err ignored;
    struct store_key k = { "serviceaccounts", ns, name };

    if (store_get(r->s->store, &k, &text, NULL, &ignored))
        return false;
    bool lives = !json_parse(str_of(text), &obj, &ignored) && streq(json_str_at(obj, "metadata", "uid", NULL), uid) &&
                 !json_at(obj, "metadata", "deletionTimestamp", NULL);
    free(text);
    return lives;
}

static errc auth_user_of_token(struct req *r, const char *token, struct user *out)
{
    struct user u = { 0 };

    if (strlen(token) == strlen(r->s->token) && gnutls_memcmp(token, r->s->token, strlen(token)) == 0) {
        u.name = "kubernetes-admin";
        add_group(r, &u, "system:masters");
        add_group(r, &u, "system:authenticated");
        *out = u;
        return ERR_OK;
    }
    json_t *claims = jwt_verify(r->s->auth, token);
    if (!claims)
        return err_set(&r->e, ERR_UNAUTHORIZED, "invalid bearer token");
    json_arena_own(r->a, claims);
    const json_t *k8s = json_object_get(claims, "kubernetes.io");
    const char *ns = json_cstr(k8s, "namespace"), *name = json_str_at(k8s, "serviceaccount", "name", NULL);
    const char *uid = json_str_at(k8s, "serviceaccount", "uid", NULL);
    if (json_int(claims, "exp", 0) * 1000 < r->now_ms || !ns || !name || !account_lives(r, ns, name, uid))
        return err_set(&r->e, ERR_UNAUTHORIZED, "the token has expired or its service account is gone");
    u.name = arena_printf(r->a, "system:serviceaccount:%s:%s", ns, name);
    u.uid = uid;
    u.credential_id = json_cstr(claims, "jti") ? arena_printf(r->a, "JTI=%s", json_cstr(claims, "jti")) : NULL;
    u.pod_name = json_str_at(k8s, "pod", "name", NULL);
    u.pod_uid = json_str_at(k8s, "pod", "uid", NULL);
    add_group(r, &u, "system:serviceaccounts");
    add_group(r, &u, arena_printf(r->a, "system:serviceaccounts:%s", ns));
    add_group(r, &u, "system:authenticated");
    *out = u;
    return ERR_OK;
}

static errc unauthorized(struct req *r)
{
    return fail(r, ERR_UNAUTHORIZED, 401, "Unauthorized", NULL, "Unauthorized");
}

static errc impersonate(struct req *r)
{
    const char *user = http_header_get(&r->x->headers, "Impersonate-User");
    struct user u = { .name = user };

    if (!user)
        return ERR_OK;
    struct access a = { "impersonate", "", "users", "", "", user, NULL };
    if (!r->user.master && !rbac_allows(r, &r->user, &a, NULL))
        return authorize(r, &a);
    for (size_t i = 0; i < r->x->headers.n; i++)
        if (str_ieq(str_of(r->x->headers.items[i].name), STR("Impersonate-Group")))
            add_group(r, &u, arena_strdup(r->a, r->x->headers.items[i].value));
    add_group(r, &u, "system:authenticated");
    r->user = u;
    return ERR_OK;
}

errc auth_request(struct req *r)
{
    const char *header = http_header_get(&r->x->headers, "Authorization");

    if (header && str_has_prefix(str_of(header), STR("Bearer "))) {
        if (auth_user_of_token(r, header + strlen("Bearer "), &r->user))
            return unauthorized(r);
        return impersonate(r);
    }
    if (r->x->client_cert_invalid)
        return unauthorized(r);
    if (str_set(r->x->client_cn)) {
        r->user.name = r->x->client_cn;
        for (size_t i = 0; i < r->x->n_client_orgs; i++)
            add_group(r, &r->user, r->x->client_orgs[i]);
        add_group(r, &r->user, "system:authenticated");
        return impersonate(r);
    }
    r->user.name = "system:anonymous";
    add_group(r, &r->user, "system:unauthenticated");
    return ERR_OK;
}

/* ---- tokens for accounts ---- */

static json_t *claims_of(struct req *r, const json_t *account, const json_t *spec, int64_t seconds)
{
    json_t *c = json_object(), *k8s = json_object(), *sa = json_object();
    const char *ns = json_str_at(account, "metadata", "namespace", NULL), *name = json_str_at(account, "metadata", "name", NULL);
    int64_t now = r->now_ms / 1000;
    char jti[37];

    random_uuid(jti);
    json_put(c, "aud", json_deep_copy(json_object_get(spec, "audiences")));
    json_put_int(c, "exp", now + seconds);
    json_put_int(c, "iat", now);
    json_put_int(c, "nbf", now);
    json_put_str(c, "iss", ISSUER);
    json_put_str(c, "jti", jti);
    json_put(c, "sub", json_strf("system:serviceaccount:%s:%s", ns, name));
    json_put_str(sa, "name", name);
    json_put_str(sa, "uid", json_str_at(account, "metadata", "uid", NULL));
    json_put_str(k8s, "namespace", ns);
    json_put(k8s, "serviceaccount", sa);
    const json_t *bound = json_object_get(spec, "boundObjectRef");
    if (streq(json_cstr(bound, "kind"), "Pod")) {
        json_t *pod = json_object();
        json_put_str(pod, "name", json_cstr(bound, "name"));
        json_put_str(pod, "uid", json_cstr(bound, "uid"));
        json_put(k8s, "pod", pod);
    }
    json_put(c, "kubernetes.io", k8s);
    return c;
}

#define AUTHENTICATION    "authentication.k8s.io"
#define AUTHENTICATION_V1 AUTHENTICATION "/v1"

/* Checks and fills what a TokenRequest may leave out; *seconds: how long the token lives. */
static errc complete_request(struct req *r, json_t *spec, int64_t *seconds)
{
    AUTO_FIELD_ERRORS l = { 0 };

    *seconds = json_int(spec, "expirationSeconds", DEFAULT_SECONDS);
    const char *problem = *seconds < MIN_SECONDS ? "may not specify a duration less than 10 minutes"
        : *seconds > MAX_SECONDS ? "may not specify a duration larger than 2^32 seconds" : NULL;
    if (problem) {
        field_error_add(&l, FIELD_INVALID_VALUE, "spec.expirationSeconds", arena_printf(r->a, "%lld", (long long)*seconds), "%s", problem);
        return fail_invalid(r, AUTHENTICATION, "TokenRequest", "", &l);
    }
    if (!json_array_size(json_object_get(spec, "audiences")))
        json_put(spec, "audiences", json_pack("[s]", ISSUER));
    json_put_int(spec, "expirationSeconds", *seconds);
    if (!json_object_get(spec, "boundObjectRef"))
        json_put(spec, "boundObjectRef", json_null());
    return ERR_OK;
}

static void put_token(struct req *r, json_t *obj, const char *token, int64_t seconds)
{
    json_t *meta = json_sub(obj, "metadata"), *status = json_sub(obj, "status");
    char when[TIME_TEXT_MAX];

    time_rfc3339(r->now_ms + seconds * 1000, when);
    json_put_str(status, "token", token);
    json_put_str(status, "expirationTimestamp", when);
    json_put_str(meta, "name", r->name);
    json_put_str(meta, "namespace", r->ns);
    json_put_str(meta, "creationTimestamp", r->now);
    json_put_str(obj, "kind", "TokenRequest");
    json_put_str(obj, "apiVersion", AUTHENTICATION_V1);
}

errc serve_token(struct req *r)
{
    const struct type *type = k8s_kind(AUTHENTICATION, "v1", "TokenRequest");
    struct found account = { 0 };
    json_t *obj = NULL;
    AUTO_BUF token = { 0 };
    int64_t seconds;

    TRY(options_write(r, "CreateOptions"));
    TRY(body_decode(r, type, "TokenRequest", AUTHENTICATION_V1, &obj));
    TRY(object_load(r, r->res, r->ns, r->name, &account));
    TRY(object_manage(r, type, AUTHENTICATION_V1, obj, "token"));
    TRY(complete_request(r, json_sub(obj, "spec"), &seconds));
    AUTO_JSON claims = claims_of(r, account.obj, json_sub(obj, "spec"), seconds);
    TRY(jwt_sign(r->s->auth, claims, &token, &r->e));
    put_token(r, obj, buf_cstr(&token), seconds);
    reply_json(r, 201, obj);
    return ERR_OK;
}

/* ---- reviews ---- */

json_t *user_json(const struct user *u)
{
    json_t *o = json_object(), *groups = json_array();

    json_put_str(o, "username", u->name);
    if (str_set(u->uid))
        json_put_str(o, "uid", u->uid);
    for (size_t i = 0; i < u->n_groups; i++)
        json_push(groups, json_string(u->groups[i]));
    json_put(o, "groups", groups);
    if (u->credential_id) {
        json_t *extra = json_object(), *ids = json_array();
        json_push(ids, json_string(u->credential_id));
        json_put(extra, "authentication.kubernetes.io/credential-id", ids);
        json_put(o, "extra", extra);
    }
    return o;
}

static errc review_self(struct req *r, json_t *obj, json_t **out)
{
    json_t *meta = json_sub(obj, "metadata");

    json_object_clear(meta);
    json_put_str(meta, "creationTimestamp", r->now);
    json_t *status = json_object();
    json_put(status, "userInfo", user_json(&r->user));
    json_put(obj, "status", status);
    *out = json_incref(obj);
    return ERR_OK;
}

static errc review_token(struct req *r, json_t *obj, json_t **out)
{
    const char *token = json_str_at(obj, "spec", "token", NULL);
    struct user u = { 0 };
    json_t *status = json_object(), *aud = json_array();

    json_put(json_sub(obj, "metadata"), "creationTimestamp", json_null());
    json_put(obj, "status", status);
    if (!str_set(token) || auth_user_of_token(r, token, &u)) {
        json_put(status, "user", json_object());
        json_put_str(status, "error", str_set(token) ? r->e.text : "token must be given");
        json_decref(aud);
    } else {
        json_put_bool(status, "authenticated", true);
        json_put(status, "user", user_json(&u));
        json_push(aud, json_string(ISSUER));
        json_put(status, "audiences", aud);
    }
    *out = json_incref(obj);
    return ERR_OK;
}

const struct strategy strategy_review_self = { .flags = STRAT_EPHEMERAL, .review = review_self };
const struct strategy strategy_review_token = { .flags = STRAT_EPHEMERAL, .review = review_token };
