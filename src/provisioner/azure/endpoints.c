#include "provisioner/azure/endpoints.h"

#include <arpa/inet.h>

#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"

#define METADATA_MAX  (1u << 20)

static const struct { const char *name, *other_names[2], *login, *arm, *audience; } rows[] = {
    { "AzurePublic", { "AzurePublicCloud", "AzureCloud" }, "https://login.microsoftonline.com", "https://management.azure.com",
      "https://management.azure.com" },
    { "AzureUSGovernment", { "AzureUSGovernmentCloud", NULL }, "https://login.microsoftonline.us", "https://management.usgovcloudapi.net",
      "https://management.core.usgovcloudapi.net" },
    { "AzureChina", { "AzureChinaCloud", NULL }, "https://login.chinacloudapi.cn", "https://management.chinacloudapi.cn",
      "https://management.core.chinacloudapi.cn" },
};

void azure_endpoints_done(struct azure_endpoints *p)
{
    free(p->login);
    free(p->arm);
    free(p->audience);
    *p = (struct azure_endpoints){ 0 };
}
#define AUTO_ENDPOINTS AUTO(azure_endpoints_done) struct azure_endpoints

static bool is_named(size_t row, struct str want)
{
    if (str_ieq(want, str_of(rows[row].name)))
        return true;
    for (size_t i = 0; i < ARRAY_LEN(rows[row].other_names); i++)
        if (rows[row].other_names[i] && str_ieq(want, str_of(rows[row].other_names[i])))
            return true;
    return false;
}

errc azure_endpoints_named(const char *name, struct azure_endpoints *out, struct err *e)
{
    struct str want = str_set(name) ? str_of(name) : str_of(rows[0].name);

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (is_named(i, want)) {
            *out = (struct azure_endpoints){ xstrdup(rows[i].login), xstrdup(rows[i].arm), xstrdup(rows[i].audience) };
            return ERR_OK;
        }
    return err_set(e, ERR_BAD_REQUEST, "azure cloud %s: is none of AzurePublic, AzureUSGovernment, AzureChina; for another one give its ARM "
                   "endpoint, which names the rest", name);
}

/* ---- addresses ------------------------------------------------------------------------------------------------------- */

static bool is_this_machine(struct str host)
{
    AUTO_MEM char *text = xstrndup(host.p, host.n);
    struct in_addr v4;

    return str_is(host, "localhost") || str_is(host, "::1") || (inet_pton(AF_INET, text, &v4) == 1 && ntohl(v4.s_addr) >> 24 == 127);
}

static errc replace(char **at, const char *what, const char *url, struct err *e)
{
    struct str text = str_of(url);
    struct url u;

    if (!str_set(url))
        return ERR_OK;
    if (url_parse(text, &u, e))
        return err_wrap(e, "%s", what);
    if (u.userinfo.p || u.query.p || strchr(url, '#'))
        return err_set(e, ERR_BAD_REQUEST, "%s: holds a user, a query or a fragment; write https://HOST only", what);
    if (!u.tls && !is_this_machine(u.host))
        return err_set(e, ERR_BAD_REQUEST, "%s %s: sends tokens in the clear; use https", what, url);
    while (text.n > 0 && text.p[text.n - 1] == '/')
        text.n--;
    free(*at);
    *at = xstrndup(text.p, text.n);
    return ERR_OK;
}

errc azure_endpoints_override(struct azure_endpoints *p, const char *login, const char *arm, const char *audience, struct err *e)
{
    TRY(replace(&p->login, "azure authority host", login, e));
    TRY(replace(&p->arm, "ARM endpoint", arm, e));
    if (str_set(audience)) {
        free(p->audience);
        p->audience = xstrdup(audience);
    }
    return ERR_OK;
}

static bool host_within(struct str host, struct str base)
{
    if (str_ieq(host, base))
        return true;
    return host.n > base.n && host.p[host.n - base.n - 1] == '.' && str_ieq(str_from(host, host.n - base.n), base);
}

bool azure_url_trusted(const char *base, const char *url)
{
    struct url b, u;

    return !url_parse(str_of(base), &b, NULL) && !url_parse(str_of(url), &u, NULL) && !u.userinfo.p && b.tls == u.tls && b.port == u.port &&
           host_within(u.host, b.host);
}

/* ---- clouds that say what they are ------------------------------------------------------------------------------------- */

/* All three must be there. */
static errc take(const char *login, const char *arm, const char *audience, const char *from, struct azure_endpoints *out, struct err *e)
{
    const struct { const char *value, *what; } rows_needed[] = {
        { login, "login endpoint" }, { arm, "resource manager endpoint" }, { audience, "token audience" },
    };
    AUTO_ENDPOINTS got = { 0 };

    for (size_t i = 0; i < ARRAY_LEN(rows_needed); i++)
        if (!str_set(rows_needed[i].value))
            return err_set(e, ERR_CORRUPT, "%s: names no %s", from, rows_needed[i].what);
    if (azure_endpoints_override(&got, login, arm, audience, e))
        return err_wrap(e, "%s", from);
    *out = got;
    got = (struct azure_endpoints){ 0 };
    return ERR_OK;
}

errc azure_endpoints_read(const char *path, struct azure_endpoints *out, struct err *e)
{
    AUTO_JSON j = NULL;

    TRY(json_parse_file(path, METADATA_MAX, &j, e));
    return take(json_cstr(j, "activeDirectoryEndpoint"), json_cstr(j, "resourceManagerEndpoint"), json_cstr(j, "tokenAudience"), path, out, e);
}

static bool is_cloud_at(const json_t *cloud, const char *arm)
{
    const char *own = json_cstr(cloud, "resourceManager");

    return own && azure_url_trusted(own, arm);
}

errc azure_endpoints_parse(struct str text, const char *arm, struct azure_endpoints *out, struct err *e)
{
    AUTO_JSON j = NULL;
    const json_t *cloud = NULL, *item;
    size_t i;

    if (json_parse(text, &j, e))
        return err_wrap(e, "cloud metadata of %s", arm);
    json_array_foreach(j, i, item)
        if (!cloud && is_cloud_at(item, arm))
            cloud = item;
    if (json_is_object(j))
        cloud = j;
    else if (!cloud && json_array_size(j) == 1)
        cloud = json_array_get(j, 0);
    if (!cloud)
        return err_set(e, ERR_CORRUPT, "cloud metadata of %s: describes no cloud of that resource manager", arm);
    const json_t *login = json_object_get(cloud, "authentication");
    const json_t *audience = json_array_get(json_object_get(login, "audiences"), 0);
    AUTO_MEM char *from = xasprintf("cloud metadata of %s", arm);
    const char *own = json_cstr(cloud, "resourceManager");

    return take(json_cstr(login, "loginEndpoint"), str_set(own) ? own : arm, json_string_value(audience), from, out, e);
}

static errc fetch(struct http_client *http, const char *arm, const char *version, struct cancel *cancel, struct http_response *out, struct err *e)
{
    AUTO_MEM char *url = xasprintf("%s/metadata/endpoints?api-version=%s", arm, version);
    struct http_request q = { .url = url, .no_bearer = true, .max_body = METADATA_MAX, .cancel = cancel };

    return http_send(http, &q, out, e);
}

errc azure_endpoints_fetch(struct http_client *http, const char *arm, struct cancel *cancel, struct azure_endpoints *out, struct err *e)
{
    static const char *const versions[] = { "2022-09-01", "2015-01-01" };       /* newest first */
    AUTO_ENDPOINTS at = { 0 };
    AUTO_RESPONSE r = { 0 };

    TRY(azure_endpoints_override(&at, NULL, arm, NULL, e));
    for (size_t i = 0; i < ARRAY_LEN(versions) && (i == 0 || r.status == 400 || r.status == 404); i++) {
        http_response_done(&r);
        if (fetch(http, at.arm, versions[i], cancel, &r, e))
            return err_wrap(e, "cloud metadata of %s", at.arm);
    }
    if (r.status != 200)
        return err_set(e, r.status >= 500 || r.status == 429 ? ERR_UNAVAILABLE : ERR_BAD_REQUEST,
                       "cloud metadata of %s: HTTP %d; is it an ARM endpoint?", at.arm, r.status);
    return azure_endpoints_parse(buf_str(&r.body), at.arm, out, e);
}
