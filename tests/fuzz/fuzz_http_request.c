/* Bytes on a connection of the server: an HTTP reply, or a closed connection, and the server still lives. */
#include "fuzz_http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* connect(), which libFuzzer's own timer may interrupt: the kernel goes on connecting then, and says so when asked again. */
static int connect_to(int fd, const struct sockaddr_in *to)
{
    int rc;

    while ((rc = connect(fd, (const struct sockaddr *)to, sizeof *to)) && (errno == EINTR || errno == EALREADY))
        ;
    return rc && errno != EISCONN ? -1 : 0;
}

static int dial(uint16_t port)
{
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(port), .sin_addr = { htonl(INADDR_LOOPBACK) } };
    struct linger at_once = { .l_onoff = 1 };          /* no ports kept for connections that are over */
    struct timeval patience = { .tv_sec = 5 };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || connect_to(fd, &to) || setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once) ||
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience)) {
        perror("the server is gone");
        abort();
    }
    return fd;
}

static void hear(int fd, struct buf *out)
{
    char piece[4096];
    ssize_t n;

    while ((n = recv(fd, piece, sizeof piece, 0)) > 0)
        buf_add(out, piece, (size_t)n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int fd = dial(server_port(fuzz_http(FUZZ_MODEL)->server));
    AUTO_BUF reply = { 0 };

    (void)!send(fd, data, size, MSG_NOSIGNAL);          /* the server may have hung up before it read all */
    (void)shutdown(fd, SHUT_WR);
    hear(fd, &reply);
    close(fd);
    if (reply.n && (!str_has_prefix(buf_str(&reply), STR("HTTP/1.")) || str_has_prefix(str_from(buf_str(&reply), 8), STR(" 500")))) {
        fprintf(stderr, "%s\n", buf_cstr(&reply));
        abort();
    }
    return 0;
}
