/* A whole server on loopback, and a client of it: for targets that send what clients send and look at what they get. */
#ifndef FUZZ_HTTP_H
#define FUZZ_HTTP_H

#include <stdio.h>
#include <stdlib.h>

#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "http/client.h"
#include "serve/serve.h"

struct fuzz_http { struct server *server; struct http_client *client; };

static inline void fuzz_http_must(errc rc, const struct err *e)
{
    if (rc) {
        fprintf(stderr, "%s\n", e->text);
        abort();
    }
}

/* Started at the first call, for the life of the process. Answers are short: 192 tokens with their prompts. */
static inline const struct fuzz_http *fuzz_http(const char *model_dir)
{
    static struct fuzz_http f;
    struct err e = { 0 };

    if (f.server)
        return &f;
    log_setup(LOG_ERROR, false, 2);
    fuzz_http_must(server_start(&(struct server_opts){ .model_dir = model_dir, .threads = 1, .max_model_len = 192, .max_kv_tokens = 4096,
                                                       .trust_request_template = true }, &f.server, &e), &e);
    fuzz_http_must(http_client_new(&(struct http_client_opts){ 0 }, &f.client, &e), &e);
    return &f;
}

/* Every refusal says why, in the shape of its route; only a server that broke says 500. */
static inline void fuzz_check_reply(const char *path, const struct http_response *r)
{
    AUTO_JSON j = NULL;
    struct err e;

    if (r->status < 400)
        return;
    const char *why = json_parse(buf_str(&r->body), &j, &e) ? NULL : json_cstr(json_object_get(j, "error"), "message");
    if (r->status < 500 && ((why && *why) || json_object_get(j, "detail")))
        return;
    fprintf(stderr, "%s: %d %s\n", path, r->status, buf_cstr(&r->body));
    abort();
}

static inline void fuzz_post(const struct fuzz_http *f, const char *path, struct str body)
{
    AUTO_MEM char *url = xasprintf("http://127.0.0.1:%u%s", server_port(f->server), path);
    AUTO_RESPONSE r = { 0 };
    struct err e = { 0 };

    fuzz_http_must(http_send(f->client, &(struct http_request){ .method = "POST", .url = url, .body = body, .content_type = "application/json" }, &r, &e), &e);
    fuzz_check_reply(path, &r);
}

#endif
