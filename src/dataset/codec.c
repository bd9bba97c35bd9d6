/* The compressions of Parquet pages and Arrow buffers. The size is known beforehand and must come out exactly. */
#include <brotli/decode.h>
#include <lz4.h>
#include <lz4frame.h>
#include <snappy-c.h>
#include <zlib.h>
#include <zstd.h>

#include "dataset/priv.h"

static bool snappy(struct str in, uint8_t *out, size_t n)
{
    size_t made = 0;

    if (snappy_uncompressed_length(in.p, in.n, &made) != SNAPPY_OK || made != n)
        return false;
    return snappy_uncompress(in.p, in.n, (char *)out, &made) == SNAPPY_OK && made == n;
}

/* RFC 1952 with any number of members, or a zlib stream. */
static bool gzip(struct str in, uint8_t *out, size_t n)
{
    z_stream z = { .next_in = (Bytef *)(uintptr_t)in.p, .avail_in = (uInt)in.n, .next_out = out, .avail_out = (uInt)n };

    if (inflateInit2(&z, 15 + 32) != Z_OK)
        return false;
    int rc = Z_OK;
    do {
        rc = inflate(&z, Z_NO_FLUSH);
        if (rc == Z_STREAM_END && z.avail_in && z.avail_out)
            rc = inflateReset(&z);
    } while (rc == Z_OK && z.avail_out && z.avail_in);
    bool good = (rc == Z_STREAM_END || rc == Z_OK) && z.avail_out == 0;
    inflateEnd(&z);
    return good;
}

static bool brotli(struct str in, uint8_t *out, size_t n)
{
    size_t made = n;
    return BrotliDecoderDecompress(in.n, (const uint8_t *)in.p, &made, out) == BROTLI_DECODER_RESULT_SUCCESS && made == n;
}

static bool zstd(struct str in, uint8_t *out, size_t n) { return ZSTD_decompress(out, n, in.p, in.n) == n; }

static bool lz4_raw(struct str in, uint8_t *out, size_t n)
{
    return in.n <= INT32_MAX && n <= INT32_MAX && LZ4_decompress_safe(in.p, (char *)out, (int)in.n, (int)n) == (int)n;
}

static uint32_t be32(const char *p)
{
    const uint8_t *b = (const uint8_t *)p;
    return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

/* Hadoop's framing: big-endian sizes before each block. Some writers left it out; then it is one raw block. */
static bool lz4_hadoop(struct str in, uint8_t *out, size_t n)
{
    struct str rest = in;
    size_t done = 0;

    while (rest.n >= 8) {
        uint32_t whole = be32(rest.p), packed = be32(rest.p + 4);
        if (packed > rest.n - 8 || whole > n - done || !lz4_raw(str_n(rest.p + 8, packed), out + done, whole))
            break;
        done += whole;
        rest = str_from(rest, 8 + (size_t)packed);
    }
    return (done == n && !rest.n) || lz4_raw(in, out, n);
}

static bool copy(struct str in, uint8_t *out, size_t n)
{
    if (in.n != n)
        return false;
    if (n)
        memcpy(out, in.p, n);
    return true;
}

static const struct { const char *name; bool (*run)(struct str in, uint8_t *out, size_t n); } codecs[] = {
    [0] = { "none", copy }, [1] = { "snappy", snappy }, [2] = { "gzip", gzip }, [3] = { "lzo", NULL }, [4] = { "brotli", brotli },
    [5] = { "lz4", lz4_hadoop }, [6] = { "zstd", zstd }, [7] = { "lz4_raw", lz4_raw },
};

errc pq_decompress(int codec, struct str in, uint8_t *out, size_t n_out, struct err *e)
{
    if (codec < 0 || (size_t)codec >= ARRAY_LEN(codecs) || !codecs[codec].run)
        return err_set(e, ERR_UNSUPPORTED, "compression %s is not supported: write the file with snappy or zstd",
                       codec >= 0 && (size_t)codec < ARRAY_LEN(codecs) ? codecs[codec].name : "of an unknown kind");
    if (!codecs[codec].run(in, out, n_out))
        return err_set(e, ERR_CORRUPT, "a page does not decompress (%s, %zu bytes): download the file again", codecs[codec].name, in.n);
    return ERR_OK;
}

static bool lz4_frames(struct str in, uint8_t *out, size_t n)
{
    LZ4F_dctx *ctx;
    size_t done = 0, rc = 1;

    if (LZ4F_isError(LZ4F_createDecompressionContext(&ctx, LZ4F_VERSION)))
        return false;
    while (in.n && !LZ4F_isError(rc)) {
        size_t room = n - done, used = in.n;
        rc = LZ4F_decompress(ctx, out + done, &room, in.p, &used, NULL);
        done += room;
        in = str_from(in, used);
        if (!room && !used)
            break;
    }
    LZ4F_freeDecompressionContext(ctx);
    return rc == 0 && done == n && !in.n;
}

errc arrow_decompress(int codec, struct str in, uint8_t *out, size_t n_out, struct err *e)
{
    if (codec != 0 && codec != 1)
        return err_set(e, ERR_UNSUPPORTED, "compression %d is not known: write the file with lz4 or zstd", codec);
    if (!(codec ? zstd : lz4_frames)(in, out, n_out))
        return err_set(e, ERR_CORRUPT, "a buffer does not decompress (%s, %zu bytes): download the file again", codec ? "zstd" : "lz4", in.n);
    return ERR_OK;
}
