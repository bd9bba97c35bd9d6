/*
 * An ARM that follows a script: each step says which request comes and what it gets. Tokens are given out beside the script, as
 * token-1, token-2 ...; a request that the script does not expect, or without the newest token, fails the test in script_done.
 */
#ifndef TESTS_PROVISIONER_SCRIPT_H
#define TESTS_PROVISIONER_SCRIPT_H

#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "http/server.h"
#include "provisioner/azure/arm.h"

struct step {
    const char *request;                /* "PUT /path?query" or its beginning */
    int status;
    const char *headers[4];             /* "Name: value"; SELF in a value is the server's address */
    const char *body;                   /* SELF as well */
    const char *expects;                /* a header that must have come, "Name: value" */
};

struct script {
    struct http_server *server;
    char self[64];
    struct http_client *http;
    struct azure_endpoints endpoints;
    struct azure_auth *auth;
    int64_t now_ms;
    const struct step *steps;
    size_t n_steps;
    atomic_size_t at;
    atomic_int tokens;
    atomic_int tokens_refused;          /* so many requests for a token get 503 */
    void (*meanwhile)(void *self);      /* runs while a request waits for its answer; may be NULL */
    void *meanwhile_self;
    char trouble[2048];                 /* the first thing that went wrong */
    char last_body[4096];
};

static void script_trouble(struct script *s, const char *what, const char *got, const char *want)
{
    if (!*s->trouble)
        snprintf(s->trouble, sizeof s->trouble, "step %zu: %s: %.900s, wanted %.900s", (size_t)s->at, what, got ? got : "nothing", want);
}

static char *script_text(const struct script *s, const char *text)
{
    struct buf out = { 0 };
    struct str rest = str_of(text);
    size_t at;

    while (str_find(rest, STR("SELF"), &at)) {
        buf_add(&out, rest.p, at);
        buf_adds(&out, s->self);
        rest = str_from(rest, at + 4);
    }
    buf_addstr(&out, rest);
    return buf_take(&out);
}

static void script_check(struct script *s, struct http_exchange *x, const struct step *step)
{
    AUTO_MEM char *came = xasprintf("%s %s%s%s", x->method, x->path, *x->raw_query ? "?" : "", x->raw_query);
    AUTO_MEM char *bearer = xasprintf("Bearer token-%d", s->tokens);
    struct str name, value;

    if (!str_has_prefix(str_of(came), str_of(step->request)))
        script_trouble(s, "request", came, step->request);
    if (!streq(http_header_get(&x->headers, "Authorization"), bearer))
        script_trouble(s, "token", http_header_get(&x->headers, "Authorization"), bearer);
    if (step->expects && str_cut(str_of(step->expects), ':', &name, &value)) {
        AUTO_MEM char *n = xstrndup(name.p, name.n);

        if (!str_is(str_trim(value), http_header_get(&x->headers, n)))
            script_trouble(s, n, http_header_get(&x->headers, n), step->expects);
    }
}

static void script_answer(struct script *s, struct http_exchange *x, const struct step *step)
{
    for (size_t i = 0; i < ARRAY_LEN(step->headers) && step->headers[i]; i++) {
        struct str name, value;
        AUTO_MEM char *text = script_text(s, step->headers[i]);

        assert_true(str_cut(str_of(text), ':', &name, &value));
        AUTO_MEM char *n = xstrndup(name.p, name.n);
        AUTO_MEM char *v = xstrndup(str_trim(value).p, str_trim(value).n);

        http_reply_header(x, n, v);
    }
    AUTO_MEM char *body = script_text(s, step->body ? step->body : "");

    http_reply(x, step->status, "application/json", str_of(body));
}

static void script_handle(void *self, struct http_exchange *x)
{
    struct script *s = self;

    if (str_has_suffix(str_of(x->path), STR("/oauth2/v2.0/token"))) {
        if (s->tokens_refused > 0) {
            s->tokens_refused--;
            http_replyf(x, 503, "busy");
            return;
        }
        AUTO_MEM char *text = xasprintf("{\"access_token\":\"token-%d\",\"expires_in\":3600}", ++s->tokens);

        http_reply(x, 200, "application/json", str_of(text));
        return;
    }
    size_t i = s->at++;

    if (i >= s->n_steps) {
        script_trouble(s, "request after the end", x->path, "none");
        http_replyf(x, 500, "no such step");
        return;
    }
    snprintf(s->last_body, sizeof s->last_body, "%.*s", STR_ARG(x->body));
    script_check(s, x, &s->steps[i]);
    if (s->meanwhile)
        s->meanwhile(s->meanwhile_self);
    script_answer(s, x, &s->steps[i]);
}

static int64_t script_now(void *self)
{
    return ((struct script *)self)->now_ms;
}

static void script_start(struct script *s)
{
    struct err e;

    *s = (struct script){ .now_ms = 1000000 };
    assert_int_equal(http_server_start(&(struct http_server_opts){ .handler = script_handle, .self = s }, &s->server, &e), ERR_OK);
    snprintf(s->self, sizeof s->self, "http://127.0.0.1:%u", http_server_port(s->server));
    assert_int_equal(http_client_new(&(struct http_client_opts){ 0 }, &s->http, &e), ERR_OK);
    s->endpoints = (struct azure_endpoints){ xstrdup(s->self), xstrdup(s->self), xstrdup("https://arm.example") };
    assert_int_equal(azure_auth_new(s->http, &(struct azure_auth_opts){ .kind = AZURE_AUTH_SECRET, .endpoints = &s->endpoints, .tenant = "t",
                                                                        .client_id = "c", .secret = "planted-secret", .now_ms = script_now, .now_self = s },
                                    &s->auth, &e), ERR_OK);
}

#define SCRIPT(s, ...) do { static const struct step steps_[] = { __VA_ARGS__ }; script_play((s), steps_, ARRAY_LEN(steps_)); } while (0)
static void script_play(struct script *s, const struct step *steps, size_t n)
{
    s->steps = steps;
    s->n_steps = n;
    s->at = 0;
}

/* All steps came, and nothing else. */
static void script_done(struct script *s)
{
    if (*s->trouble)
        fail_msg("%s", s->trouble);
    if (s->at != s->n_steps)
        fail_msg("only %zu of %zu requests came; next would be %s", (size_t)s->at, s->n_steps, s->steps[s->at].request);
}

static void script_stop(struct script *s)
{
    azure_auth_free(s->auth);
    http_client_free(s->http);
    http_server_stop(s->server, 100);
    azure_endpoints_done(&s->endpoints);
}

#endif
