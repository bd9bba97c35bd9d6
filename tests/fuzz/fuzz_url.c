/* URLs, queries, escapes and the Status of a failing API: text that peers choose. */
#include <stdint.h>
#include <stdlib.h>

#include "http/http.h"
#include "kube/kube.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = str_n((const char *)data, size);
    struct url url;
    struct err e;
    if (!url_parse(text, &url, &e) && (!url.host.n || url.port < 1 || url.port > 65535))
        abort();
    struct http_pairs query = { 0 };
    (void)http_query_parse(text, &query);
    http_pairs_done(&query);

    AUTO_BUF escaped = { 0 };
    AUTO_BUF back = { 0 };
    url_escape_add(&escaped, text);
    if (!url_unescape_add(&back, buf_str(&escaped), false) || !str_eq(buf_str(&back), text))
        abort();
    if (kube_status_error(500, text, "fuzz", &e) == ERR_OK)
        abort();
    return 0;
}
