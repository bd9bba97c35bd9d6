/* A repository at a revision -> the commit and its files, through the hub's model and tree APIs. */
#include "hub/priv.h"

#include "base/json.h"
#include "base/mem.h"

#define PAGES_MAX       100         /* of the tree API, 1000 files each */
#define REPLY_MAX       (16u << 20)

void hub_repo_done(struct hub_repo *r)
{
    for (size_t i = 0; i < r->n; i++) {
        free(r->files[i].path);
        free(r->files[i].sha256);
        free(r->files[i].oid);
    }
    free(r->files);
    free(r->name);
    free(r->commit);
    *r = (struct hub_repo){ 0 };
}

/* What the runtime reads; the rest of a repository (pickles, other formats, pictures, code) stays where it is. */
static const char *const wanted_suffixes[] = { ".safetensors", ".safetensors.index.json", ".json", ".jinja", ".model", ".txt" };
static const char *const unwanted[] = { "consolidated", "training_args" };

bool hub_wants(const char *path)
{
    struct str p = str_of(path);

    if (strchr(path, '/') || path[0] == '.' || str_empty(p))
        return false;
    for (size_t i = 0; i < ARRAY_LEN(unwanted); i++)
        if (str_has_prefix(p, str_of(unwanted[i])))
            return false;
    for (size_t i = 0; i < ARRAY_LEN(wanted_suffixes); i++)
        if (str_has_suffix(p, str_of(wanted_suffixes[i])))
            return true;
    return false;
}

/* owner/name of letters, digits, -_. as the hub allows; nothing that could leave the URL's path. */
static bool repo_name_ok(const char *repo)
{
    struct str owner, name, s = str_of(repo);

    if (!str_cut(s, '/', &owner, &name) || str_empty(owner) || str_empty(name) || s.n > 200)
        return false;
    for (size_t i = 0; i < s.n; i++)
        if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./", s.p[i]))
            return false;
    return !strstr(repo, "..") && !memchr(name.p, '/', name.n);
}

static errc get_once(struct hub *h, const char *url, struct http_response *out, int64_t *out_retry_after_ms, struct err *e)
{
    struct http_request q = { .url = url, .max_body = REPLY_MAX, .max_redirects = 5, .cancel = h->o.cancel };

    TRY(http_send(h->client, &q, out, e));
    if (out->status == 200)
        return ERR_OK;
    *out_retry_after_ms = http_retry_after_ms(&out->headers, 0);
    return hub_status_error(h, url, out->status, &out->headers, e);
}

/* GET with the retry rule of downloads; *out is a JSON tree, *out_next (malloc'd or NULL) the following page. */
static errc get_json(struct hub *h, const char *url, json_t **out, char **out_next, struct err *e)
{
    for (int tries = 1;; tries++) {
        AUTO_RESPONSE r = { 0 };
        int64_t after_ms = 0;
        errc rc = get_once(h, url, &r, &after_ms, e);
        if (!rc) {
            struct str link = str_of(http_header_get(&r.headers, "Link")), rest;
            size_t at;
            if (out_next && link.p && str_find(link, STR("rel=\"next\""), &at) && str_has_prefix(link, STR("<")) && str_cut(link, '>', &link, &rest))
                *out_next = xstrndup(link.p + 1, link.n - 1);
            if (json_parse(buf_str(&r.body), out, e))
                return err_wrap(e, "GET %s", url);
            return ERR_OK;
        }
        if (!hub_may_retry(rc, r.status) || tries >= h->o.attempts)
            return rc;
        hub_tell(h, &(struct hub_progress){ .name = url, .what = HUB_RETRY, .why = e ? e->text : NULL });
        TRY(hub_pause(h, tries, after_ms, e));
    }
}

static errc add_file(struct hub_repo *r, const json_t *row, struct err *e)
{
    const char *path = json_cstr(row, "path"), *sha = json_str_at(row, "lfs", "oid", NULL);
    int64_t size = json_int(row, "size", -1);

    if (!streq(json_cstr(row, "type"), "file"))
        return ERR_OK;
    if (!path || size < 0 || path[0] == '/' || strstr(path, ".."))
        return err_set(e, ERR_CORRUPT, "the hub lists a file without a usable path and size: \"%s\"", path ? path : "");
    vec_grow(r->files, r->n, r->cap);
    r->files[r->n++] = (struct hub_file){
        .path = xstrdup(path), .size = (uint64_t)size, .sha256 = sha && strlen(sha) == 64 ? xstrdup(sha) : NULL,
        .oid = xstrdup(sha ? sha : json_cstr(row, "oid")),
    };
    return ERR_OK;
}

static errc list_files(struct hub *h, struct hub_repo *r, struct err *e)
{
    AUTO_MEM char *url = xasprintf("%s/api/models/%s/tree/%s?recursive=true", h->endpoint, r->name, r->commit);

    for (int page = 0; url; page++) {
        AUTO_JSON rows = NULL;
        char *next = NULL;
        if (page == PAGES_MAX)
            return err_set(e, ERR_TOO_LARGE, "%s: more than %d pages of files", r->name, PAGES_MAX);
        TRY(get_json(h, url, &rows, &next, e));
        free(url);
        url = next;
        for (size_t i = 0; i < json_array_size(rows); i++)
            if (add_file(r, json_array_get(rows, i), e))
                return err_wrap(e, "%s", r->name);
    }
    return ERR_OK;
}

errc hub_resolve(struct hub *h, const char *repo, const char *revision, struct hub_repo *out, struct err *e)
{
    AUTO_HUB_REPO r = { 0 };
    AUTO_JSON info = NULL;
    AUTO_BUF url = { 0 };

    if (!repo || !repo_name_ok(repo))
        return err_set(e, ERR_INVALID, "model repository \"%s\" is not of the form owner/name", repo ? repo : "");
    r.name = xstrdup(repo);
    buf_addf(&url, "%s/api/models/%s/revision/", h->endpoint, repo);
    url_escape_add(&url, str_of(str_set(revision) ? revision : "main"));
    TRY(get_json(h, buf_cstr(&url), &info, NULL, e));
    const char *sha = json_cstr(info, "sha");
    if (!sha || !*sha || strspn(sha, "0123456789abcdef") != strlen(sha))
        return err_set(e, ERR_CORRUPT, "%s: the reply names no commit; HF_ENDPOINT may be no hub", buf_cstr(&url));
    r.commit = xstrdup(sha);
    TRY(list_files(h, &r, e));
    *out = r;
    r = (struct hub_repo){ 0 };
    return ERR_OK;
}
