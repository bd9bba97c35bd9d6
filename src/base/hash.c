#include "base/hash.h"

#include <fcntl.h>
#include <errno.h>
#include <gnutls/crypto.h>
#include <unistd.h>

#include "base/mem.h"

void sha256(const void *p, size_t n, uint8_t out[SHA256_SIZE])
{
    if (gnutls_hash_fast(GNUTLS_DIG_SHA256, n ? p : "", n, out))
        abort();
}

static void to_hex(const uint8_t *p, size_t n, char *out)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < n; i++) {
        out[2 * i] = digits[p[i] >> 4];
        out[2 * i + 1] = digits[p[i] & 15];
    }
}

void sha256_hex(const void *p, size_t n, char out[SHA256_HEX])
{
    uint8_t digest[SHA256_SIZE];

    sha256(p, n, digest);
    to_hex(digest, sizeof digest, out);
    out[SHA256_HEX - 1] = '\0';
}

struct sha256_stream { gnutls_hash_hd_t hash; };

struct sha256_stream *sha256_stream_new(void)
{
    struct sha256_stream *s = xzalloc(sizeof *s);

    if (gnutls_hash_init(&s->hash, GNUTLS_DIG_SHA256))
        abort();
    return s;
}

void sha256_stream_add(struct sha256_stream *s, const void *p, size_t n)
{
    if (n && gnutls_hash(s->hash, p, n))
        abort();
}

void sha256_stream_hex(struct sha256_stream *s, char out[SHA256_HEX])
{
    uint8_t digest[SHA256_SIZE];
    gnutls_hash_hd_t copy = gnutls_hash_copy(s->hash);

    if (!copy)
        abort();
    gnutls_hash_deinit(copy, digest);
    to_hex(digest, sizeof digest, out);
    out[SHA256_HEX - 1] = '\0';
}

void sha256_stream_free(struct sha256_stream *s)
{
    if (!s)
        return;
    gnutls_hash_deinit(s->hash, NULL);
    free(s);
}

errc sha256_file(const char *path, char out[SHA256_HEX], uint64_t *out_size, struct err *e)
{
    AUTO_FD fd = open(path, O_RDONLY | O_CLOEXEC);
    AUTO_FREE(sha256_stream) s = sha256_stream_new();
    AUTO_MEM char *chunk = xmalloc(1 << 16);
    uint64_t size = 0;
    ssize_t n;

    if (fd < 0)
        return err_sys(e, errno, "open %s", path);
    while ((n = read(fd, chunk, 1 << 16)) > 0) {
        sha256_stream_add(s, chunk, (size_t)n);
        size += (uint64_t)n;
    }
    if (n < 0)
        return err_sys(e, errno, "read %s", path);
    sha256_stream_hex(s, out);
    if (out_size)
        *out_size = size;
    return ERR_OK;
}

uint32_t fnv1a_32(const void *p, size_t n)
{
    const unsigned char *b = p;
    uint32_t h = 2166136261u;

    for (size_t i = 0; i < n; i++)
        h = (h ^ b[i]) * 16777619u;
    return h;
}

void hex_add(struct buf *out, const void *p, size_t n)
{
    buf_reserve(out, 2 * n);
    to_hex(p, n, out->p + out->n);
    out->n += 2 * n;
    out->p[out->n] = '\0';
}

static void base64_with(struct buf *out, const uint8_t *p, size_t n, const char *alphabet, bool pad)
{
    for (size_t i = 0; i < n; i += 3) {
        size_t left = n - i;
        uint32_t v = (uint32_t)p[i] << 16 | (left > 1 ? (uint32_t)p[i + 1] << 8 : 0) | (left > 2 ? p[i + 2] : 0);
        buf_addc(out, alphabet[v >> 18]);
        buf_addc(out, alphabet[v >> 12 & 63]);
        if (left > 1 || pad)
            buf_addc(out, left > 1 ? alphabet[v >> 6 & 63] : '=');
        if (left > 2 || pad)
            buf_addc(out, left > 2 ? alphabet[v & 63] : '=');
    }
}

void base64_add(struct buf *out, const void *p, size_t n)
{
    base64_with(out, p, n, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", true);
}

void base64url_add(struct buf *out, const void *p, size_t n)
{
    base64_with(out, p, n, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", false);
}

static int base64_value(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == '+' || c == '-')
        return 62;
    return c == '/' || c == '_' ? 63 : -1;
}

bool base64_decode(struct str in, struct buf *out)
{
    uint32_t bits = 0;
    int n_bits = 0;

    for (size_t padding = 0; in.n && in.p[in.n - 1] == '=' && padding < 2; padding++)
        in.n--;
    if (in.n % 4 == 1)
        return false;
    for (size_t i = 0; i < in.n; i++) {
        int v = base64_value(in.p[i]);
        if (v < 0)
            return false;
        bits = bits << 6 | (uint32_t)v;
        n_bits += 6;
        if (n_bits >= 8) {
            n_bits -= 8;
            buf_addc(out, (char)(bits >> n_bits));
        }
    }
    return true;
}
