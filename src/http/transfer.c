/* One exchange: from the request to curl's options, and from curl's callbacks to the sink. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/wipe.h"
#include "http/client_priv.h"

#define HEADERS_MAX (256u << 10)        /* of one reply */

/* One request on its way. */
struct transfer {
    struct http_client *c;
    const struct http_request *q;
    const struct http_sink *sink;
    struct handle h;
    int roots;                          /* the authorities that are trusted alone; -1: all are, */
    bool learns;                        /* and the one that is needed is to be noted */
    struct curl_slist *headers, *connect_to;
    struct url url;
    char host[300];                     /* host:port, for error texts */
    char detail[CURL_ERROR_SIZE];

    struct http_pairs reply;
    size_t reply_bytes;
    int status;
    bool head_given, refused, held_back;
    errc rc;                            /* of a callback */
    struct err err;

    int file;
    uint64_t size, left;                /* of the file to send */

    int64_t moved_ms;                   /* when the last byte moved, for idle_timeout_ms */
    curl_off_t moved_bytes;
};

static void header_line(struct transfer *t, struct str line)
{
    struct str name, value;
    if (str_has_prefix(line, STR("HTTP/"))) {           /* a new reply: after 100, 401 or a redirect */
        http_pairs_done(&t->reply);
        return;
    }
    if (str_cut(line, ':', &name, &value))
        http_pairs_add(&t->reply, str_trim(name), str_trim(value));
}

static size_t on_header(char *p, size_t size, size_t n, void *self)
{
    struct transfer *t = self;
    if (t->learns)
        roots_learn(t->c, t->h.easy);
    t->learns = false;
    t->reply_bytes += n;
    if (t->reply_bytes > HEADERS_MAX) {
        t->rc = err_set(&t->err, ERR_TOO_LARGE, "%s: the reply's headers exceed %u bytes", t->host, HEADERS_MAX);
        return 0;
    }
    header_line(t, str_n(p, n));
    return n;
}

static bool is_followed_redirect(struct transfer *t)
{
    return t->q->max_redirects > 0 && t->status >= 300 && t->status < 400 && t->status != 304 && http_header_get(&t->reply, "Location");
}

static errc give_head(struct transfer *t)
{
    if (t->head_given)
        return ERR_OK;
    t->head_given = true;
    return t->sink->head ? t->sink->head(t->sink->self, t->status, &t->reply, &t->err) : ERR_OK;
}

static size_t on_body(char *p, size_t size, size_t n, void *self)
{
    struct transfer *t = self;
    long status = 0;
    curl_easy_getinfo(t->h.easy, CURLINFO_RESPONSE_CODE, &status);
    t->status = (int)status;
    if (is_followed_redirect(t))
        return n;
    if (!t->rc)
        t->rc = give_head(t);
    if (!t->rc && t->sink->data)
        t->rc = t->sink->data(t->sink->self, str_n(p, n), &t->err);
    return t->rc ? 0 : n;
}

static size_t read_file(struct transfer *t, char *p, size_t cap)
{
    if (cap > t->left)
        cap = (size_t)t->left;
    if (!cap)
        return 0;
    ssize_t got = read(t->file, p, cap);
    if (got < 0)
        t->rc = err_sys(&t->err, errno, "read %s", t->q->body_file);
    else if (got == 0)
        t->rc = err_set(&t->err, ERR_BAD_REQUEST, "%s: became shorter while it was sent", t->q->body_file);
    if (t->rc)
        return CURL_READFUNC_ABORT;
    t->left -= (uint64_t)got;
    return (size_t)got;
}

static size_t on_read(char *p, size_t size, size_t n, void *self)
{
    struct transfer *t = self;
    size_t got = 0;
    if (t->q->body_file)
        return read_file(t, p, size * n);
    t->rc = t->q->read(t->q->read_self, p, size * n, &got, &t->err);
    return t->rc ? CURL_READFUNC_ABORT : got;
}

/* curl rewinds the file when a reused connection turns out to be dead, or for a redirect that keeps the method. */
static int on_seek(void *self, curl_off_t offset, int origin)
{
    struct transfer *t = self;
    if (origin != SEEK_SET || t->q->read)
        return CURL_SEEKFUNC_CANTSEEK;
    t->left = t->size - (uint64_t)offset;
    return lseek(t->file, (off_t)(t->q->body_offset + (uint64_t)offset), SEEK_SET) < 0 ? CURL_SEEKFUNC_FAIL : CURL_SEEKFUNC_OK;
}

static bool ipv4_is_private(uint32_t a)
{
    static const struct { uint32_t net, mask; } rows[] = {      /* IANA special-purpose registry: not globally reachable */
        { 0x00000000, 0xff000000 }, { 0x0a000000, 0xff000000 }, { 0x64400000, 0xffc00000 }, { 0x7f000000, 0xff000000 },
        { 0xa9fe0000, 0xffff0000 }, { 0xac100000, 0xfff00000 }, { 0xc0000000, 0xffffff00 }, { 0xc0a80000, 0xffff0000 },
        { 0xc6120000, 0xfffe0000 }, { 0xe0000000, 0xe0000000 },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if ((a & rows[i].mask) == rows[i].net)
            return true;
    return false;
}

static bool address_is_private(const struct sockaddr *sa)
{
    if (sa->sa_family == AF_INET)
        return ipv4_is_private(ntohl(((const struct sockaddr_in *)(const void *)sa)->sin_addr.s_addr));
    const struct in6_addr *a = &((const struct sockaddr_in6 *)(const void *)sa)->sin6_addr;
    if (IN6_IS_ADDR_V4MAPPED(a) || IN6_IS_ADDR_V4COMPAT(a)) {
        uint32_t v4;
        memcpy(&v4, a->s6_addr + 12, 4);
        return ipv4_is_private(ntohl(v4)) || IN6_IS_ADDR_V4COMPAT(a);
    }
    bool nat64 = a->s6_addr[0] == 0x00 && a->s6_addr[1] == 0x64 && a->s6_addr[2] == 0xff && a->s6_addr[3] == 0x9b;
    return IN6_IS_ADDR_LOOPBACK(a) || IN6_IS_ADDR_UNSPECIFIED(a) || IN6_IS_ADDR_LINKLOCAL(a) || IN6_IS_ADDR_MULTICAST(a) ||
           (a->s6_addr[0] & 0xfe) == 0xfc || nat64;
}

static curl_socket_t on_socket(void *self, curlsocktype purpose, struct curl_sockaddr *a)
{
    struct transfer *t = self;
    if (t->q->public_only && address_is_private(&a->addr)) {
        t->refused = true;
        return CURL_SOCKET_BAD;
    }
    curl_socket_t fd = socket(a->family, a->socktype | SOCK_CLOEXEC, a->protocol);
    socket_limit_segments(fd);
    return fd;
}

/* A process may be halted for seconds while it connects: what it was about to say is asked about as late as that can be. */
static int on_ready(void *self, char *to, char *from, int to_port, int from_port)
{
    struct transfer *t = self;
    t->held_back = !t->q->may_send(t->q->may_send_self);
    return t->held_back ? CURL_PREREQFUNC_ABORT : CURL_PREREQFUNC_OK;
}

static bool is_loopback_host(struct str host)
{
    struct in_addr v4;
    char text[64];
    if (str_ieq(host, STR("localhost")) || str_has_suffix(host, STR(".localhost")) || str_is(host, "::1"))
        return true;
    if (host.n >= sizeof text)
        return false;
    memcpy(text, host.p, host.n);
    text[host.n] = 0;
    return inet_pton(AF_INET, text, &v4) == 1 && (ntohl(v4.s_addr) >> 24) == 127;
}

static void set_tls(CURL *h, const struct http_tls *t)
{
    if (t->insecure) {
        curl_easy_setopt(h, CURLOPT_SSL_VERIFYPEER, 0L);
        curl_easy_setopt(h, CURLOPT_SSL_VERIFYHOST, 0L);
    }
    if (t->ca_file) {
        curl_easy_setopt(h, CURLOPT_CAINFO, t->ca_file);
        curl_easy_setopt(h, CURLOPT_CAPATH, NULL);
    }
    if (t->cert_file) {
        curl_easy_setopt(h, CURLOPT_SSLCERT, t->cert_file);
        curl_easy_setopt(h, CURLOPT_SSLKEY, t->key_file);
    }
}

static void set_roots(struct http_client *c, struct transfer *t)
{
    char path[40];

    t->learns = c->o.brief && t->url.tls && !c->o.tls.insecure && t->roots < 0;
    if (t->roots < 0)
        return;
    snprintf(path, sizeof path, "/proc/self/fd/%d", t->roots);
    curl_easy_setopt(t->h.easy, CURLOPT_CAINFO, path);
    curl_easy_setopt(t->h.easy, CURLOPT_CAPATH, NULL);
}

static bool list_has(const struct http_pair *l, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (strcasecmp(l[i].name, name) == 0)
            return true;
    return false;
}

/* Printing would grow the text, and leave copies of its beginning behind. */
static char *joined(const char *a, const char *between, const char *b)
{
    size_t n = strlen(a) + strlen(between) + strlen(b) + 1;
    char *out = xmalloc(n);
    snprintf(out, n, "%s%s%s", a, between, b);
    return out;
}

static errc add_header(struct transfer *t, const char *name, const char *value, struct err *e)
{
    if (strpbrk(name, "\r\n:") || strpbrk(value, "\r\n"))
        return err_set(e, ERR_BAD_REQUEST, "header %s: holds a line break", name);
    AUTO_WIPED char *line = joined(name, *value ? ": " : ";", value);
    t->headers = curl_slist_append(t->headers, line);
    return ERR_OK;
}

static errc set_headers(struct http_client *c, struct transfer *t, struct err *e)
{
    const struct http_request *q = t->q;
    for (size_t i = 0; i < q->n_headers; i++)
        TRY(add_header(t, q->headers[i].name, q->headers[i].value, e));
    for (size_t i = 0; i < c->headers.n; i++)
        if (!list_has(q->headers, q->n_headers, c->headers.items[i].name))
            TRY(add_header(t, c->headers.items[i].name, c->headers.items[i].value, e));
    if (q->content_type)
        TRY(add_header(t, "Content-Type", q->content_type, e));
    else if (!list_has(q->headers, q->n_headers, "Content-Type"))
        t->headers = curl_slist_append(t->headers, "Content-Type:");    /* not curl's form type */
    AUTO_MEM char *bearer = q->no_bearer || list_has(q->headers, q->n_headers, "Authorization") ? NULL : bearer_now(c);
    if (bearer) {
        AUTO_WIPED char *value = joined("Bearer", " ", bearer);
        TRY(add_header(t, "Authorization", value, e));
    }
    if (q->body.n < (1u << 20) && !q->read && !q->body_file)
        t->headers = curl_slist_append(t->headers, "Expect:");          /* small bodies do not wait for a 100 */
    curl_easy_setopt(t->h.easy, CURLOPT_HTTPHEADER, t->headers);
    return ERR_OK;
}

static errc open_body_file(struct transfer *t, uint64_t *size, struct err *e)
{
    const struct http_request *q = t->q;
    uint64_t whole;
    TRY(file_size(q->body_file, &whole, e));
    if (q->body_offset > whole || q->body_size > whole - q->body_offset)
        return err_set(e, ERR_BAD_REQUEST, "%s: has only %llu bytes", q->body_file, (unsigned long long)whole);
    *size = q->body_size ? q->body_size : whole - q->body_offset;
    t->file = open(q->body_file, O_RDONLY | O_CLOEXEC);
    if (t->file < 0 || lseek(t->file, (off_t)q->body_offset, SEEK_SET) < 0)
        return err_sys(e, errno, "open %s", q->body_file);
    t->left = t->size = *size;
    return ERR_OK;
}

/* Bytes in memory leave together with the head: one write, one record, one wake-up of the server. */
static void set_bytes(CURL *h, struct str body)
{
    curl_easy_setopt(h, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.n);
    curl_easy_setopt(h, CURLOPT_POSTFIELDS, body.n ? body.p : "");
    curl_easy_setopt(h, CURLOPT_POSTREDIR, (long)CURL_REDIR_POST_ALL);
}

static errc set_upload(struct transfer *t, struct err *e)
{
    const struct http_request *q = t->q;
    CURL *h = t->h.easy;
    uint64_t size = q->body_size;
    if (q->body_file)
        TRY(open_body_file(t, &size, e));
    curl_easy_setopt(h, CURLOPT_UPLOAD, 1L);
    curl_easy_setopt(h, CURLOPT_READFUNCTION, on_read);
    curl_easy_setopt(h, CURLOPT_READDATA, t);
    curl_easy_setopt(h, CURLOPT_SEEKFUNCTION, on_seek);
    curl_easy_setopt(h, CURLOPT_SEEKDATA, t);
    curl_easy_setopt(h, CURLOPT_INFILESIZE_LARGE, q->read && !size ? (curl_off_t)-1 : (curl_off_t)size);
    return ERR_OK;
}

static errc set_body(struct transfer *t, struct err *e)
{
    const struct http_request *q = t->q;
    const char *method = q->method ? q->method : "GET";
    if (streq(method, "HEAD"))
        curl_easy_setopt(t->h.easy, CURLOPT_NOBODY, 1L);
    else if (q->read || q->body_file)
        TRY(set_upload(t, e));
    else if (q->body.n || streq(method, "PUT") || streq(method, "POST") || streq(method, "PATCH"))
        set_bytes(t->h.easy, q->body);
    curl_easy_setopt(t->h.easy, CURLOPT_CUSTOMREQUEST, method);
    return ERR_OK;
}

static void set_limits(const struct http_client *c, struct transfer *t)
{
    const struct http_request *q = t->q;
    CURL *h = t->h.easy;
    int64_t all = q->timeout_ms ? q->timeout_ms : c->o.timeout_ms;
    if (all > 0)
        curl_easy_setopt(h, CURLOPT_TIMEOUT_MS, (long)all);
    curl_easy_setopt(h, CURLOPT_CONNECTTIMEOUT_MS, (long)c->o.connect_timeout_ms);
    curl_easy_setopt(h, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(h, CURLOPT_TCP_KEEPIDLE, 30L);
    curl_easy_setopt(h, CURLOPT_TCP_KEEPINTVL, 15L);
    if (q->max_redirects > 0) {
        curl_easy_setopt(h, CURLOPT_FOLLOWLOCATION, 1L);
        curl_easy_setopt(h, CURLOPT_MAXREDIRS, (long)q->max_redirects);
        curl_easy_setopt(h, CURLOPT_REDIR_PROTOCOLS_STR, t->url.tls ? "https" : "http,https");
    }
    if (q->connect_to) {
        AUTO_MEM char *anything = xasprintf("::%s", q->connect_to);     /* HOST:PORT:TO, empty ones are any */
        t->connect_to = curl_slist_append(t->connect_to, anything);
        curl_easy_setopt(h, CURLOPT_CONNECT_TO, t->connect_to);
    }
    if (is_loopback_host(t->url.host) || q->public_only || q->no_proxy || q->connect_to)      /* a proxy would hide the address from on_socket */
        curl_easy_setopt(h, CURLOPT_NOPROXY, "*");
}

static errc transfer_setup(struct http_client *c, struct transfer *t, struct err *e)
{
    CURL *h = t->h.easy;
    TRY(url_parse(str_of(t->q->url), &t->url, e));
    snprintf(t->host, sizeof t->host, "%.*s:%d", STR_ARG(t->url.host), t->url.port);
    curl_easy_setopt(h, CURLOPT_URL, t->q->url);
    curl_easy_setopt(h, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(h, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(h, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(h, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(h, CURLOPT_USERAGENT, c->o.user_agent);
    curl_easy_setopt(h, CURLOPT_ERRORBUFFER, t->detail);
    curl_easy_setopt(h, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(h, CURLOPT_HEADERDATA, t);
    curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(h, CURLOPT_WRITEDATA, t);
    curl_easy_setopt(h, CURLOPT_OPENSOCKETFUNCTION, on_socket);
    curl_easy_setopt(h, CURLOPT_OPENSOCKETDATA, t);
    if (t->q->may_send) {
        curl_easy_setopt(h, CURLOPT_PREREQFUNCTION, on_ready);
        curl_easy_setopt(h, CURLOPT_PREREQDATA, t);
    }
    if (t->q->public_only)              /* a connection from the pool was not checked */
        curl_easy_setopt(h, CURLOPT_FRESH_CONNECT, 1L);
    set_tls(h, &c->o.tls);
    set_roots(c, t);
    set_limits(c, t);
    TRY(set_body(t, e));
    return set_headers(c, t, e);
}

/* False when nothing moved for too long. */
static bool still_moving(struct transfer *t)
{
    if (t->q->idle_timeout_ms <= 0)
        return true;
    curl_off_t down = 0, up = 0;
    curl_easy_getinfo(t->h.easy, CURLINFO_SIZE_DOWNLOAD_T, &down);
    curl_easy_getinfo(t->h.easy, CURLINFO_SIZE_UPLOAD_T, &up);
    if (down + up != t->moved_bytes) {
        t->moved_bytes = down + up;
        t->moved_ms = clock_mono_ms();
    }
    return clock_mono_ms() - t->moved_ms < t->q->idle_timeout_ms;
}

static CURLcode transfer_result(struct transfer *t)
{
    int left;
    CURLMsg *m;
    while ((m = curl_multi_info_read(t->h.multi, &left)))
        if (m->msg == CURLMSG_DONE)
            return m->data.result;
    return CURLE_RECV_ERROR;
}

/* Drives the transfer to its end, or until it is cancelled or stalls. */
static errc transfer_run(struct transfer *t, CURLcode *out, struct err *e)
{
    struct curl_waitfd extra = { .fd = t->q->cancel ? cancel_fd(t->q->cancel) : -1, .events = CURL_WAIT_POLLIN };
    int64_t idle = t->q->idle_timeout_ms;
    int wait = idle > 0 && idle < 4000 ? (int)idle / 4 + 1 : 1000;
    int running = 1;
    t->moved_ms = clock_mono_ms();
    for (;;) {
        if (cancel_is(t->q->cancel))
            return err_set(e, ERR_CANCELLED, "%s: cancelled", t->host);
        if (curl_multi_perform(t->h.multi, &running))
            return err_set(e, ERR_INTERNAL, "%s: the transfer broke inside curl", t->host);
        if (!running)
            break;
        if (!still_moving(t))
            return err_set(e, ERR_TIMEOUT, "%s: no byte came or went for %lld ms", t->host, (long long)idle);
        (void)curl_multi_poll(t->h.multi, &extra, t->q->cancel ? 1 : 0, wait, NULL);
    }
    *out = transfer_result(t);
    return ERR_OK;
}

static const struct { CURLcode curl; errc code; const char *text; } causes[] = {
    { CURLE_COULDNT_RESOLVE_HOST, ERR_UNAVAILABLE, "the name is not resolved" },
    { CURLE_COULDNT_RESOLVE_PROXY, ERR_UNAVAILABLE, "the proxy's name is not resolved" },
    { CURLE_COULDNT_CONNECT, ERR_UNAVAILABLE, "cannot connect" },
    { CURLE_OPERATION_TIMEDOUT, ERR_TIMEOUT, "timed out" },
    { CURLE_PEER_FAILED_VERIFICATION, ERR_UNAVAILABLE, "the server's certificate is not trusted" },
    { CURLE_SSL_CONNECT_ERROR, ERR_UNAVAILABLE, "TLS failed" },
    { CURLE_SSL_CACERT_BADFILE, ERR_BAD_REQUEST, "the CA file is not usable" },
    { CURLE_SSL_CERTPROBLEM, ERR_BAD_REQUEST, "the client certificate or key is not usable" },
    { CURLE_TOO_MANY_REDIRECTS, ERR_BAD_REQUEST, "too many redirects" },
    { CURLE_UNSUPPORTED_PROTOCOL, ERR_BAD_REQUEST, "only http and https are allowed here" },
    { CURLE_URL_MALFORMAT, ERR_BAD_REQUEST, "the URL is malformed" },
    { CURLE_GOT_NOTHING, ERR_UNAVAILABLE, "the server closed the connection without a reply" },
    { CURLE_SEND_ERROR, ERR_UNAVAILABLE, "the connection broke while sending" },
    { CURLE_RECV_ERROR, ERR_UNAVAILABLE, "the connection broke" },
    { CURLE_PARTIAL_FILE, ERR_IO, "the reply was cut in the middle" },
};

static errc transfer_error(const struct transfer *t, CURLcode rc, struct err *e)
{
    if (t->refused)
        return err_set(e, ERR_FORBIDDEN, "%s: is a loopback, private or link-local address, which this URL may not use", t->host);
    if (t->held_back)
        return err_set(e, ERR_CANCELLED, "%s: not sent, what it was for is over", t->host);
    const char *detail = *t->detail ? t->detail : curl_easy_strerror(rc);
    for (size_t i = 0; i < ARRAY_LEN(causes); i++)
        if (causes[i].curl == rc)
            return err_set(e, t->head_given && causes[i].code == ERR_UNAVAILABLE ? ERR_IO : causes[i].code, "%s: %s (%s)", t->host,
                           causes[i].text, detail);
    return err_set(e, ERR_IO, "%s: %s", t->host, detail);
}

static errc transfer_finish(struct transfer *t, CURLcode rc, struct err *e)
{
    long status = 0;
    if (!t->rc && !rc) {
        curl_easy_getinfo(t->h.easy, CURLINFO_RESPONSE_CODE, &status);
        t->status = (int)status;
        t->rc = give_head(t);           /* a reply without a body */
    }
    if (t->rc) {
        if (e)
            *e = t->err;
        return t->rc;
    }
    return rc ? transfer_error(t, rc, e) : ERR_OK;
}

static void transfer_done(struct transfer *t)
{
    curl_slist_free_all(t->headers);
    curl_slist_free_all(t->connect_to);
    http_pairs_done(&t->reply);
    if (t->file >= 0)
        close(t->file);
    if (t->roots >= 0)
        close(t->roots);
    free(t);
}

/* *out_curl: how it ended for curl. roots: becomes the exchange's. */
static errc exchange(struct http_client *c, const struct http_request *q, const struct http_sink *sink, int roots, char **out_url, CURLcode *out_curl, struct err *e)
{
    struct transfer *t = xzalloc(sizeof *t);
    *t = (struct transfer){ .c = c, .q = q, .sink = sink, .file = -1, .roots = roots, .h = handle_take(c) };
    errc rc = transfer_setup(c, t, e);
    if (!rc) {
        curl_multi_add_handle(t->h.multi, t->h.easy);
        rc = transfer_run(t, out_curl, e);
        if (!rc)
            rc = transfer_finish(t, *out_curl, e);
        char *url = NULL;
        if (out_url && !rc && !curl_easy_getinfo(t->h.easy, CURLINFO_EFFECTIVE_URL, &url))
            *out_url = xstrdup(url);
        curl_multi_remove_handle(t->h.multi, t->h.easy);
    }
    if (t->status == 401 && c->o.bearer_file) {
        LOCK_SCOPE(&c->mu);
        c->bearer_read_ms = 0;
    }
    handle_give(c, t->h);
    transfer_done(t);
    if (c->o.secretive)
        wipe_stack();
    return rc;
}

errc transfer(struct http_client *c, const struct http_request *q, const struct http_sink *sink, char **out_url, struct err *e)
{
    int roots = c->o.brief ? roots_file(c) : -1;
    size_t known = roots_known(c);
    CURLcode curl = CURLE_OK;
    errc rc = exchange(c, q, sink, roots, out_url, &curl, e);

    if (roots < 0 || curl != CURLE_PEER_FAILED_VERIFICATION)
        return rc;
    rc = exchange(c, q, sink, -1, out_url, &curl, e);           /* nothing was sent yet: another authority may vouch for it */
    if (!rc)
        roots_failed(c, known);
    return rc;
}
