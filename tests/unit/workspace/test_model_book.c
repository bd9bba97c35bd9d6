/* Models outside the catalogue, with a hub on loopback that is well, silent, slow, or asks for a token. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/mem.h"
#include "http/server.h"
#include "workspace/model_book.h"
#include "../patience.h"

#define WAIT_MS patience_ms(3500)

struct world {
    struct http_server *hub;
    struct cancel *cancel;
    struct model_book *book;
    char *endpoint;
    atomic_int requests, news, failures_left;
    atomic_bool slow_may_go;            /* until then /slow gets no answer */
};

static bool is_allowed(struct http_exchange *x)
{
    const char *given = http_header_get(&x->headers, "Authorization");

    return !strstr(x->path, "/gated") || (given && strcmp(given, "Bearer tok") == 0);
}

static void on_request(void *self, struct http_exchange *x)
{
    struct world *w = self;

    atomic_fetch_add(&w->requests, 1);
    while (strstr(x->path, "/slow") && !w->slow_may_go && !cancel_wait_ms(w->cancel, 5))
        ;
    if (strstr(x->path, "/silent") && atomic_fetch_sub(&w->failures_left, 1) > 0)
        http_replyf(x, 503, "not now");
    else if (strstr(x->path, "/gone"))
        http_replyf(x, 404, "{}");
    else if (!is_allowed(x))
        http_replyf(x, 401, "{}");
    else if (strstr(x->path, "/tree/"))
        http_replyf(x, 200, "[{\"path\":\"model.safetensors\",\"size\":3221225472}]");
    else
        http_replyf(x, 200, "{\"architectures\":[\"%s\"],\"num_hidden_layers\":2,\"num_attention_heads\":4,\"hidden_size\":64,\"max_position_embeddings\":99,\"x\":NaN}",
                    strstr(x->path, "/odd") ? "OddForCausalLM" : "LlamaForCausalLM");
}

static errc secret_token(void *self, const char *ns, const char *secret, struct buf *out, struct err *e)
{
    assert_string_equal(ns, "team");
    if (!streq(secret, "hf"))
        return err_set(e, ERR_UNAVAILABLE, "no such secret");
    buf_adds(out, "tok");
    return ERR_OK;
}

static void on_news(void *self, const char *model)
{
    struct world *w = self;

    atomic_fetch_add(&w->news, 1);
}

static int set_up(void **state)
{
    struct world *w = xzalloc(sizeof *w);
    struct http_server_opts o = { .handler = on_request, .self = w };

    w->cancel = cancel_new();
    assert_int_equal(http_server_start(&o, &w->hub, NULL), ERR_OK);
    w->endpoint = xasprintf("http://127.0.0.1:%u", http_server_port(w->hub));
    const struct model_book_opts b = { .endpoint = w->endpoint, .retry_ms = 50, .timeout_ms = patience_ms(20000), .secret_token = secret_token, .news = on_news, .self = w };
    assert_int_equal(model_book_new(&b, w->cancel, &w->book, NULL), ERR_OK);
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;

    cancel_now(w->cancel);
    model_book_free(w->book);
    http_server_stop(w->hub, 200);
    cancel_free(w->cancel);
    free(w->endpoint);
    free(w);
    return 0;
}

static errc ask(struct world *w, const char *model, const char *secret, int64_t wait_ms, struct model_answer *out, struct err *e)
{
    const struct model_question q = { str_of(model), STR("team"), str_of(secret), wait_ms };

    return model_book_ask(w->book, &q, out, e);
}

static void a_model_is_learnt_once(void **state)
{
    struct world *w = *state;
    struct model_answer a;
    struct err e;

    assert_int_equal(ask(w, "o/Good", "", WAIT_MS, &a, &e), ERR_OK);
    assert_string_equal(a.preset->repo, "o/good");
    assert_int_equal(a.preset->context, 99);
    assert_int_equal(a.preset->disk_gib, 83);
    int before = atomic_load(&w->requests);
    assert_int_equal(ask(w, "O/good", "", 0, &a, &e), ERR_OK);
    assert_int_equal(atomic_load(&w->requests), before);
    assert_int_equal(before, 2);
}

static void nobody_waits_who_does_not_want_to(void **state)
{
    struct world *w = *state;
    struct model_answer a;
    struct err e;

    assert_int_equal(ask(w, "o/slow", "", 0, &a, &e), ERR_UNAVAILABLE);
    assert_true(a.asking);
    assert_string_equal(e.text, "the Hugging Face hub is being asked about model o/slow");
    /* another model is learnt while that one is asked about */
    assert_int_equal(ask(w, "o/good", "", WAIT_MS, &a, &e), ERR_OK);
    assert_int_equal(ask(w, "o/slow", "", 100, &a, &e), ERR_UNAVAILABLE);
    w->slow_may_go = true;
    assert_int_equal(ask(w, "o/slow", "", WAIT_MS, &a, &e), ERR_OK);
}

static void a_refusal_is_the_hubs_and_final(void **state)
{
    struct world *w = *state;
    struct model_answer a;
    struct err e;

    assert_int_equal(ask(w, "o/gone", "", WAIT_MS, &a, &e), ERR_NOT_FOUND);
    assert_string_equal(e.text, "error listing files: failed to fetch https://huggingface.co/api/models/o/gone/tree/main?recursive=true: status 404");
    assert_false(err_retryable(e.code) || a.asking);
    assert_int_equal(ask(w, "o/odd", "", WAIT_MS, &a, &e), ERR_INVALID);
    assert_string_equal(e.text, "unsupported model architecture for o/odd: OddForCausalLM");
    int before = atomic_load(&w->requests);
    assert_int_equal(ask(w, "o/odd", "", WAIT_MS, &a, &e), ERR_INVALID);
    assert_int_equal(atomic_load(&w->requests), before);
}

static void a_silent_hub_is_asked_again_by_itself(void **state)
{
    struct world *w = *state;
    struct model_answer a;
    struct err e;

    atomic_store(&w->failures_left, 2);
    assert_int_equal(ask(w, "o/silent", "", WAIT_MS, &a, &e), ERR_UNAVAILABLE);
    assert_true(err_retryable(e.code) && !a.asking);
    assert_string_equal(e.text, "error listing files: failed to fetch https://huggingface.co/api/models/o/silent/tree/main?recursive=true: status 503");
    for (int64_t until = clock_mono_ms() + WAIT_MS; atomic_load(&w->news) < 3 && clock_mono_ms() < until;)
        cancel_wait_ms(w->cancel, 10);          /* polls: the answer comes when the hub is well again */
    int before = atomic_load(&w->requests);
    assert_int_equal(ask(w, "o/silent", "", 0, &a, &e), ERR_OK);
    assert_int_equal(atomic_load(&w->requests), before);
}

static void a_hub_that_is_not_there_is_temporary(void **state)
{
    struct world *w = *state;
    struct model_book *book = NULL;
    struct model_answer a;
    struct err e;
    const struct model_book_opts b = { .endpoint = "http://127.0.0.1:9", .retry_ms = 60000, .secret_token = secret_token, .self = w };
    const struct model_question q = { STR("o/m"), STR(""), STR(""), 5000 };

    assert_int_equal(model_book_new(&b, w->cancel, &book, &e), ERR_OK);
    assert_true(err_retryable(model_book_ask(book, &q, &a, &e)) && !a.asking);
    assert_non_null(strstr(e.text, "error listing files: failed to fetch https://huggingface.co/api/models/o/m/tree/main?recursive=true: "));
    cancel_now(w->cancel);
    model_book_free(book);
}

static void a_gated_model_takes_the_token_of_its_secret(void **state)
{
    struct world *w = *state;
    struct model_answer a;
    struct err e;

    assert_int_equal(ask(w, "o/gated", "", WAIT_MS, &a, &e), ERR_UNAUTHORIZED);
    assert_string_equal(e.text, "error listing files: authentication required for accessing https://huggingface.co/api/models/o/gated/tree/main?recursive=true");
    assert_int_equal(ask(w, "o/gated", "lost", WAIT_MS, &a, &e), ERR_UNAVAILABLE);
    assert_string_equal(e.text, "failed to build node estimate request: failed to resolve access token for model \"o/gated\": no such secret");
    assert_int_equal(ask(w, "o/gated", "hf", WAIT_MS, &a, &e), ERR_OK);
    assert_int_equal(ask(w, "o/gated", "", 0, &a, &e), ERR_OK);          /* what is known is known to all, as upstream's registry */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_model_is_learnt_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(nobody_waits_who_does_not_want_to, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_refusal_is_the_hubs_and_final, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_silent_hub_is_asked_again_by_itself, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_hub_that_is_not_there_is_temporary, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_gated_model_takes_the_token_of_its_secret, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
