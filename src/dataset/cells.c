/* Values of columns as JSON. What JSON cannot hold keeps its meaning: binary data, whole numbers beyond 64 bits and decimals are texts. */
#include <math.h>

#include "base/hash.h"
#include "dataset/priv.h"

json_t *row_text(struct str s)
{
    AUTO_BUF text = { 0 };

    if (str_utf8_valid(s))
        return json_strn(s);
    base64_add(&text, s.p, s.n);
    return json_pack("{s:o}", ROW_BINARY_KEY, json_strn(buf_str(&text)));
}

bool row_is_binary(const json_t *v)
{
    return json_is_object(v) && json_object_size(v) == 1 && json_is_string(json_object_get(v, ROW_BINARY_KEY));
}

json_t *row_real(double v)
{
    json_t *j = json_real(v);           /* NULL for nan and the infinities, which JSON lacks */

    return j ? j : json_null();
}

json_t *row_half(uint16_t h)
{
    int exponent = h >> 10 & 31;
    double fraction = (h & 1023) / 1024.0, sign = h >> 15 ? -1 : 1;

    if (exponent == 31)
        return json_null();
    return row_real(sign * (exponent ? ldexp(1 + fraction, exponent - 15) : ldexp(fraction, -14)));
}

json_t *row_unsigned(uint64_t v) { return v > INT64_MAX ? json_real((double)v) : json_integer((json_int_t)v); }

/* The magnitude in limbs of 32 bits, the least first; its sign. */
static bool take_limbs(const uint8_t *p, size_t n, bool big_endian, uint32_t limbs[DECIMAL_BYTES_MAX / 4])
{
    bool negative = p[big_endian ? 0 : n - 1] >> 7;
    uint32_t carry = negative;

    for (size_t i = 0; i < DECIMAL_BYTES_MAX; i++) {
        uint32_t b = i >= n ? (negative ? 255 : 0) : p[big_endian ? n - 1 - i : i];
        if (negative) {
            b = (b ^ 255) + carry;
            carry = b >> 8;
            b &= 255;
        }
        limbs[i / 4] |= b << 8 * (i % 4);
    }
    return negative;
}

/* Divides by ten in place; the remainder. */
static unsigned next_digit(uint32_t limbs[DECIMAL_BYTES_MAX / 4])
{
    uint64_t rest = 0;

    for (size_t i = DECIMAL_BYTES_MAX / 4; i-- > 0;) {
        rest = rest << 32 | limbs[i];
        limbs[i] = (uint32_t)(rest / 10);
        rest %= 10;
    }
    return (unsigned)rest;
}

json_t *row_decimal(const uint8_t *p, size_t n, bool big_endian, int scale)
{
    enum { DIGITS = 2 * DECIMAL_SCALE_MAX + 4 };
    uint32_t limbs[DECIMAL_BYTES_MAX / 4] = { 0 };
    char text[DIGITS], *at = text + DIGITS;
    bool negative, more = true;

    if (!n || n > DECIMAL_BYTES_MAX || scale < 0 || scale > DECIMAL_SCALE_MAX)
        return row_text(str_n((const char *)p, n));
    negative = take_limbs(p, n, big_endian, limbs);
    for (int place = 0; more || place <= scale; place++) {
        if (place == scale && scale)
            *--at = '.';
        *--at = (char)('0' + next_digit(limbs));
        more = false;
        for (size_t i = 0; i < ARRAY_LEN(limbs); i++)
            more |= limbs[i] != 0;
    }
    if (negative)
        *--at = '-';
    return json_strn(str_n(at, (size_t)(text + DIGITS - at)));
}
