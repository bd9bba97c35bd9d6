#include "provisioner/azure/identity.h"

#include "base/file.h"
#include "base/mem.h"
#include "base/wipe.h"
#include "provisioner/azure/secret.h"

#define ANSWER_MAX (1u << 20)
#define TIMEOUT_MS 10000                /* it is on this machine */
#define PROOF_MAX  4096                 /* Azure's SDK reads no more of Arc's file */
#define PROOF_ROOM (40u << 10)          /* a buffer of so much is not moved while such a file is read: no copy is left behind */

enum kind { IMDS, APP_SERVICE, ARC };
static const struct { const char *name, *version, *header; } kinds[] = {        /* header: says that no page made a browser ask */
    [IMDS] = { "the machine's identity service (IMDS)", "2018-02-01", "Metadata" },
    [APP_SERVICE] = { "the identity service of App Service or Container Apps (IDENTITY_ENDPOINT)", "2019-08-01", "X-IDENTITY-HEADER" },
    [ARC] = { "Azure Arc's agent (IDENTITY_ENDPOINT)", "2019-11-01", "Metadata" },
};

struct azure_identity {
    enum kind kind;
    char *url, *folder;
    char *secret;                       /* the header's value where it is one (secret_keep); NULL: it is "true" */
};

/* ---- which ------------------------------------------------------------------------------------------------------------------- */

static errc kind_of(const struct azure_identity_opts *o, const char *client_id, enum kind *out, struct err *e)
{
    if (str_set(o->fabric) || (!str_set(o->endpoint) && str_set(o->msi)))
        return err_set(e, ERR_UNBUILT, "azure: managed identity by %s (Service Fabric, Machine Learning, Cloud Shell): not built yet; unset it to ask IMDS, or use workload "
                       "identity", str_set(o->fabric) ? "IDENTITY_SERVER_THUMBPRINT" : "MSI_ENDPOINT");
    *out = !str_set(o->endpoint) ? IMDS : str_set(o->header) ? APP_SERVICE : ARC;
    if (*out == ARC && !str_set(o->arc))
        return err_set(e, ERR_BAD_REQUEST, "azure: IDENTITY_ENDPOINT is set, and neither IDENTITY_HEADER (App Service, Container Apps) nor IMDS_ENDPOINT (Azure Arc): set the one "
                       "that belongs to it, or unset it to ask IMDS");
    if (*out == ARC && str_set(client_id))
        return err_set(e, ERR_BAD_REQUEST, "azure: client id %s (AZURE_CLIENT_ID): a machine of Azure Arc has one identity, which is not chosen; unset it", client_id);
    if (*out != IMDS && !str_has_prefix(str_of(o->endpoint), STR("http://")) && !str_has_prefix(str_of(o->endpoint), STR("https://")))
        return err_set(e, ERR_BAD_REQUEST, "azure: IDENTITY_ENDPOINT %s: is no http or https URL", o->endpoint);
    return ERR_OK;
}

errc azure_identity_new(const struct azure_identity_opts *o, const char *resource, const char *client_id, struct azure_identity **out, struct err *e)
{
    enum kind kind = IMDS;
    AUTO_BUF query = { 0 };

    TRY(kind_of(o, client_id, &kind, e));
    query_add(&query, "api-version", kinds[kind].version);
    query_add(&query, "resource", resource);
    query_add(&query, "client_id", str_set(client_id) ? client_id : NULL);
    struct azure_identity *i = xmalloc(sizeof *i);

    *i = (struct azure_identity){ .kind = kind, .folder = xstrdup(o->arc_folder ? o->arc_folder : "/var/opt/azcmagent/tokens"),
                                  .secret = secret_keep(kind == APP_SERVICE ? o->header : NULL) };
    if (kind == IMDS)
        i->url = xasprintf("%s/metadata/identity/oauth2/token?%s", o->imds ? o->imds : "http://169.254.169.254", buf_cstr(&query));
    else
        i->url = xasprintf("%s%c%s", o->endpoint, strchr(o->endpoint, '?') ? '&' : '?', buf_cstr(&query));
    *out = i;
    return ERR_OK;
}

void azure_identity_free(struct azure_identity *i)
{
    if (!i)
        return;
    secret_drop(i->secret);
    free(i->url);
    free(i->folder);
    free(i);
}

const char *azure_identity_name(const struct azure_identity *i)
{
    return kinds[i->kind].name;
}

/* ---- asking ------------------------------------------------------------------------------------------------------------------ */

static errc send(const struct azure_identity *i, struct http_client *http, const char *authorization, struct cancel *cancel, struct http_response *out, struct err *e)
{
    const struct http_pair headers[] = { { kinds[i->kind].header, i->secret ? i->secret : "true" }, { "Authorization", authorization } };
    /* the address means this machine; a proxy would ask for its own identity */
    const struct http_request q = { .url = i->url, .headers = headers, .n_headers = authorization ? 2 : 1, .no_bearer = true, .no_proxy = true, .max_body = ANSWER_MAX,
                                    .timeout_ms = TIMEOUT_MS, .cancel = cancel };

    TRY(http_send(http, &q, out, e));
    azure_secret_blot(&out->body, i->secret);
    return ERR_OK;
}

/* Basic realm=FOLDER/NAME.key: only a file of that kind and place, whoever answers. Its content, trimmed, is the proof. */
static errc read_proof(const struct azure_identity *i, const char *challenge, struct buf *out, struct err *e)
{
    struct str scheme, realm, key, quoted, folder, file;

    if (!challenge || !str_cut(str_of(challenge), ' ', &scheme, &realm) || !str_ieq(scheme, STR("Basic")) || !str_cut(realm, '=', &key, &quoted) ||
        !str_ieq(str_trim(key), STR("realm")))
        return err_set(e, ERR_UNAUTHORIZED, "%s names no file in its challenge", kinds[i->kind].name);
    AUTO_MEM char *path = xstrndup(quoted.p, quoted.n);

    if (!str_rcut(quoted, '/', &folder, &file) || !str_is(folder, i->folder) || !str_has_suffix(file, STR(".key")))
        return err_set(e, ERR_UNAUTHORIZED, "%s names the file %s, which is no .key file in %s and is not read", kinds[i->kind].name, path, i->folder);
    struct err why;

    buf_reserve(out, PROOF_ROOM);
    if (file_read(path, PROOF_MAX, out, &why))
        return err_set(e, ERR_UNAUTHORIZED, "%.150s; Azure Arc gives tokens to root and to members of the group himds", why.text);
    return ERR_OK;
}

/* Arc's agent asks back: who may read its file may have a token. */
static errc send_again(const struct azure_identity *i, struct http_client *http, struct cancel *cancel, struct http_response *out, struct err *e)
{
    AUTO_SECRET proof = { 0 };
    AUTO_SECRET basic = { 0 };

    TRY(read_proof(i, http_header_get(&out->headers, "WWW-Authenticate"), &proof, e));
    AUTO_SECRET_TEXT trimmed = xstrndup(str_trim(buf_str(&proof)).p, str_trim(buf_str(&proof)).n);

    buf_reserve(&basic, PROOF_MAX + 16);
    buf_addf(&basic, "Basic %s", trimmed);
    http_response_done(out);
    TRY(send(i, http, buf_cstr(&basic), cancel, out, e));
    azure_secret_blot(&out->body, trimmed);
    return ERR_OK;
}

errc azure_identity_ask(const struct azure_identity *i, struct http_client *http, struct cancel *cancel, struct http_response *out, struct err *e)
{
    TRY(send(i, http, NULL, cancel, out, e));
    return i->kind == ARC && out->status == 401 ? send_again(i, http, cancel, out, e) : ERR_OK;
}
