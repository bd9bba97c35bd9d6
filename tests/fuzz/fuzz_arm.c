/* What Azure's services answer; the first byte says which parser gets it. Whatever comes, texts stay within their bounds and are one line. */
#include <assert.h>
#include <stdlib.h>

#include "base/json.h"
#include "provisioner/azure/arm.h"
#include "provisioner/azure/jwt.h"
#include "provisioner/azure/pool.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void refusal(struct str text)
{
    struct arm_error a;
    struct err e;

    arm_error_parse(400, NULL, text, &a);
    assert(!strpbrk(a.message, "\r\n") && strlen(a.message) < ARM_MESSAGE_MAX);
    assert(arm_error_fault(&a) < FAULT_COUNT);
    assert(arm_error_retry_ms(&a) >= 0);
    (void)arm_error_set(&e, ERR_BAD_REQUEST, &a);
}

static void pool(struct str text)
{
    AUTO(cloud_instance_done) struct cloud_instance i = { 0 };
    AUTO_JSON j = NULL;

    if (!json_parse(text, &j, NULL) && !pool_instance(j, &i, NULL))
        assert(i.claim && i.labels);
}

static void progress(struct str text)
{
    static const struct { enum arm_operation_style style; int status; } rows[] = { { ARM_ASYNC, 200 }, { ARM_LOCATION, 200 }, { ARM_LOCATION, 202 } };
    AUTO_JSON j = NULL;
    struct arm_progress p;

    if (json_parse(text, &j, NULL))
        return;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (!arm_progress_of(rows[i].style, rows[i].status, j, &p, NULL))
            assert((p.state != ARM_FAILED && p.state != ARM_CANCELED) || *p.error.code);
}

static void token(struct str text)
{
    struct azure_token t = { 0 };

    if (azure_token_parse(text, 1767400000000, &t, NULL))
        return;
    assert(str_set(t.text) && !strpbrk(t.text, "\r\n ") && t.life_s > 0 && t.renew_s < t.life_s);
    azure_secret_free(t.text);
}

/* What became an endpoint is one that a token may go to. */
static void endpoints(struct str text)
{
    AUTO(azure_endpoints_done) struct azure_endpoints p = { 0 };

    if (!azure_endpoints_parse(text, "https://management.example", &p, NULL))
        assert(azure_url_trusted(p.arm, p.arm) && azure_url_trusted(p.login, p.login));
}

static void provider_id(struct str text)
{
    struct str name = pool_of_provider_id(text);

    assert(!name.p || pool_name_valid(name));
}

static void jwt(struct str text)
{
    struct jwt_names n;

    if (jwt_names_read(text, &n))
        assert(!strpbrk(n.issuer, "\r\n ") && !strpbrk(n.subject, "\r\n ") && !strpbrk(n.audience, "\r\n "));
}

/* All pages of a list, and what becomes of each pool. */
static void page(struct str text)
{
    AUTO_JSON j = NULL;
    json_t *item;
    size_t i;

    if (json_parse(text, &j, NULL))
        return;
    json_array_foreach(json_object_get(j, "value"), i, item) {
        AUTO(cloud_instance_done) struct cloud_instance c = { 0 };

        (void)pool_instance(item, &c, NULL);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const parsers[])(struct str text) = { refusal, pool, progress, token, endpoints, provider_id, jwt, page };

    if (size)
        parsers[data[0] % ARRAY_LEN(parsers)](str_n((const char *)data + 1, size - 1));
    return 0;
}
