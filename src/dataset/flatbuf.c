#include "dataset/flatbuf.h"

int64_t fb_load(const uint8_t *p, size_t width)
{
    uint64_t v = 0;

    for (size_t i = 0; i < width; i++)
        v |= (uint64_t)p[i] << 8 * i;
    unsigned unused = 64 - 8 * (unsigned)width;
    return (int64_t)(v << unused) >> unused;
}

static bool inside(struct fb_table t, size_t at, size_t n)
{
    return at <= t.n && n <= t.n - at;
}

bool fb_has(struct fb_table t) { return t.at != 0; }

/* The table at `at`, when its head lies in the document. */
static struct fb_table table_at(struct fb_table doc, size_t at)
{
    doc.at = inside(doc, at, 4) ? at : 0;
    return doc;
}

struct fb_table fb_root(const uint8_t *p, size_t n)
{
    struct fb_table doc = { p, n, 0 };

    return inside(doc, 0, 4) ? table_at(doc, (uint32_t)fb_load(p, 4)) : doc;
}

/* Where a field's bytes lie; 0: absent. */
static size_t field_at(struct fb_table t, unsigned field, size_t width)
{
    if (!fb_has(t))
        return 0;
    int64_t vtable = (int64_t)t.at - fb_load(t.base + t.at, 4);
    if (vtable < 0 || !inside(t, (size_t)vtable, 4))
        return 0;
    size_t size = (uint16_t)fb_load(t.base + vtable, 2), slot = 4 + 2 * (size_t)field;
    if (slot + 2 > size || !inside(t, (size_t)vtable, size))
        return 0;
    size_t offset = (uint16_t)fb_load(t.base + vtable + slot, 2);
    return offset && inside(t, t.at + offset, width) ? t.at + offset : 0;
}

int64_t fb_int(struct fb_table t, unsigned field, size_t width, int64_t fallback)
{
    size_t at = field_at(t, field, width);

    return at ? fb_load(t.base + at, width) : fallback;
}

/* What an offset field points to; 0: nothing. */
static size_t target(struct fb_table t, unsigned field)
{
    size_t at = field_at(t, field, 4);

    return at ? at + (uint32_t)fb_load(t.base + at, 4) : 0;
}

struct fb_table fb_sub(struct fb_table t, unsigned field)
{
    return table_at(t, target(t, field));
}

struct fb_vector fb_vec(struct fb_table t, unsigned field, size_t stride)
{
    size_t at = target(t, field);

    if (!at || !inside(t, at, 4))
        return (struct fb_vector){ 0 };
    size_t n = (uint32_t)fb_load(t.base + at, 4);
    if (n > (t.n - at - 4) / stride)
        return (struct fb_vector){ 0 };
    return (struct fb_vector){ t.base + at + 4, n, stride, { t.base, t.n, at + 4 } };
}

struct str fb_str(struct fb_table t, unsigned field)
{
    struct fb_vector v = fb_vec(t, field, 1);

    return str_n((const char *)v.p, v.n);
}

struct fb_table fb_vec_table(struct fb_vector v, size_t i)
{
    size_t at = v.of.at + 4 * i;

    return table_at(v.of, at + (uint32_t)fb_load(v.p + 4 * i, 4));
}
