/* Parquet's encodings, each as a decoder that yields one value at a time, so that no count in the file sizes an allocation. */
#include "dataset/priv.h"

/* n <= 64 bits from bit position `bit`, least significant first; the caller knows that they are there. */
static uint64_t bits_at(const uint8_t *p, size_t bit, unsigned n)
{
    uint64_t v = 0;

    for (unsigned got = 0; got < n;) {
        unsigned shift = (unsigned)((bit + got) & 7), take = 8 - shift < n - got ? 8 - shift : n - got;
        v |= (uint64_t)(p[(bit + got) >> 3] >> shift & ((1u << take) - 1)) << got;
        got += take;
    }
    return v;
}

/* ---- RLE and bit-packed runs ---- */

void hybrid_init(struct hybrid *h, struct bytes in, unsigned width)
{
    *h = (struct hybrid){ .in = in, .width = width };
}

static bool hybrid_run(struct hybrid *h)
{
    uint64_t head;
    const uint8_t *p;

    if (!bytes_varint(&h->in, &head))
        return false;
    if (head & 1) {
        uint64_t groups = head >> 1;
        if (groups == 0 || groups > UINT32_MAX)
            return false;
        size_t bytes = (size_t)groups * h->width;
        if (bytes > bytes_left(&h->in))                 /* the last group may be cut where values end */
            bytes = bytes_left(&h->in);
        h->packed = h->width ? (uint64_t)bytes * 8 / h->width : groups * 8;
        if (h->packed > groups * 8)
            h->packed = groups * 8;
        if (!bytes_take(&h->in, bytes, &h->bits))
            return false;
        h->bit = 0;
        return h->packed > 0;
    }
    h->run = head >> 1;
    h->value = 0;
    if (!bytes_take(&h->in, (h->width + 7) / 8, &p))
        return false;
    for (unsigned i = 0; i < (h->width + 7) / 8; i++)
        h->value |= (uint32_t)p[i] << 8 * i;
    return h->run > 0;
}

bool hybrid_next(struct hybrid *h, uint32_t *out)
{
    if (!h->run && !h->packed && !hybrid_run(h))
        return false;
    if (h->run) {
        h->run--;
        *out = h->value;
        return true;
    }
    h->packed--;
    *out = (uint32_t)bits_at(h->bits, h->bit, h->width);
    h->bit += h->width;
    return true;
}

/* ---- DELTA_BINARY_PACKED ---- */

static bool delta_init(struct delta *d, struct bytes in)
{
    uint64_t first;

    *d = (struct delta){ .in = in, .first = true };
    if (!bytes_varint(&d->in, &d->block) || !bytes_varint(&d->in, &d->minis) || !bytes_varint(&d->in, &d->left) || !bytes_varint(&d->in, &first))
        return false;
    if (!d->minis || d->minis > 1024 || !d->block || d->block > 1 << 20 || d->block % d->minis || d->block / d->minis % 8)
        return false;
    d->last = (uint64_t)zigzag(first);
    d->mini = (size_t)d->minis;
    return true;
}

static bool delta_block(struct delta *d)
{
    uint64_t min;

    if (!bytes_varint(&d->in, &min) || !bytes_take(&d->in, (size_t)d->minis, &d->widths))
        return false;
    d->min = zigzag(min);
    d->mini = 0;
    return true;
}

/* The next miniblock; *bytes: what it takes. A last one may be left out when no value is in it. */
static bool delta_mini(struct delta *d)
{
    if (d->mini >= d->minis && !delta_block(d))
        return false;
    d->width = d->widths[d->mini++];
    d->in_mini = d->block / d->minis;
    d->bit = 0;
    return d->width <= 64 && bytes_take(&d->in, (size_t)d->in_mini / 8 * d->width, &d->bits);
}

static bool delta_next(struct delta *d, int64_t *out)
{
    if (!d->left)
        return false;
    if (d->first) {
        d->first = false;
    } else {
        if (!d->in_mini && !delta_mini(d))
            return false;
        d->last += (uint64_t)d->min + bits_at(d->bits, d->bit, d->width);
        d->bit += d->width;
        d->in_mini--;
    }
    d->left--;
    *out = (int64_t)d->last;
    return true;
}

static bool delta_skip_all(struct delta d, const uint8_t **end)
{
    uint64_t left = d.left ? d.left - 1 : 0;

    while (left) {
        if (!delta_mini(&d))
            return false;
        left -= d.in_mini < left ? d.in_mini : left;
    }
    *end = d.in.p;
    return true;
}

/* ---- values ---- */

static size_t width_of(const struct values *v)
{
    static const size_t widths[] = { [PQ_INT32] = 4, [PQ_INT64] = 8, [PQ_INT96] = 12, [PQ_FLOAT] = 4, [PQ_DOUBLE] = 8, [PQ_FIXED] = 0 };

    if (v->type == PQ_FIXED)
        return v->type_length > 0 ? (size_t)v->type_length : 0;
    return v->type >= 0 && v->type < PQ_FIXED ? widths[v->type] : 0;
}

static void fixed_value(int type, const uint8_t *p, size_t n, struct pq_value *out)
{
    int32_t i32;
    float f;

    switch (type) {
    case PQ_INT32:
        memcpy(&i32, p, 4);
        out->i = i32;
        break;
    case PQ_INT64:
        memcpy(&out->i, p, 8);
        break;
    case PQ_FLOAT:
        memcpy(&f, p, 4);
        out->f = (double)f;
        break;
    case PQ_DOUBLE:
        memcpy(&out->f, p, 8);
        break;
    default:
        out->s = str_n((const char *)p, n);
    }
}

static bool plain_next(struct values *v, struct pq_value *out)
{
    const uint8_t *p;
    uint32_t n;

    if (v->type == PQ_BOOLEAN) {
        if (v->bit / 8 >= bytes_left(&v->in))
            return false;
        out->b = v->in.p[v->bit / 8] >> v->bit % 8 & 1;
        v->bit++;
        return true;
    }
    if (v->type == PQ_BYTE_ARRAY) {
        if (!bytes_u32(&v->in, &n) || !bytes_take(&v->in, n, &p))
            return false;
        out->s = str_n((const char *)p, n);
        return true;
    }
    size_t width = width_of(v);
    if (!width || !bytes_take(&v->in, width, &p))
        return false;
    fixed_value(v->type, p, width, out);
    return true;
}

static bool begin_dictionary(struct values *v, struct bytes in)
{
    if (in.p >= in.end)
        return true;                            /* a page of nulls has no width byte */
    unsigned width = *in.p++;
    hybrid_init(&v->hybrid, in, width);
    return width <= 32;
}

static bool dictionary_next(struct values *v, struct pq_value *out)
{
    uint32_t i;

    if (!hybrid_next(&v->hybrid, &i) || !v->dictionary || i >= v->dictionary->n)
        return false;
    *out = v->dictionary->v[i];
    return true;
}

static bool is_boolean(const struct values *v)
{
    return v->type == PQ_BOOLEAN;
}

static bool begin_runs(struct values *v, struct bytes in)
{
    uint32_t n;

    if (!bytes_u32(&in, &n) || n > bytes_left(&in))
        return false;
    hybrid_init(&v->hybrid, (struct bytes){ in.p, in.p + n }, 1);
    return true;
}

static bool runs_next(struct values *v, struct pq_value *out)
{
    uint32_t bit;

    if (!hybrid_next(&v->hybrid, &bit))
        return false;
    out->b = bit;
    return true;
}

static bool is_integer(const struct values *v)
{
    return v->type == PQ_INT32 || v->type == PQ_INT64;
}

static bool begin_delta(struct values *v, struct bytes in)
{
    return !bytes_left(&in) || delta_init(&v->delta, in);
}

static bool delta_value_next(struct values *v, struct pq_value *out)
{
    if (!delta_next(&v->delta, &out->i))
        return false;
    if (v->type == PQ_INT32)
        out->i = (int32_t)out->i;
    return true;
}

static bool is_bytes(const struct values *v)
{
    return v->type == PQ_BYTE_ARRAY || v->type == PQ_FIXED;
}

/* Lengths come first, in one run of deltas; what they measure lies behind them. */
static bool split_delta(struct values *v, struct bytes in, struct delta *lengths)
{
    const uint8_t *end;

    if (!delta_init(lengths, in) || !delta_skip_all(*lengths, &end))
        return false;
    v->in = (struct bytes){ end, in.end };
    return true;
}

static bool begin_delta_length(struct values *v, struct bytes in)
{
    return !bytes_left(&in) || split_delta(v, in, &v->delta);
}

static bool delta_length_next(struct values *v, struct str *out)
{
    int64_t n;
    const uint8_t *p;

    if (!delta_next(&v->delta, &n) || n < 0 || (uint64_t)n > bytes_left(&v->in) || !bytes_take(&v->in, (size_t)n, &p))
        return false;
    *out = str_n((const char *)p, (size_t)n);
    return true;
}

static bool delta_text_next(struct values *v, struct pq_value *out)
{
    return delta_length_next(v, &out->s);
}

static bool begin_delta_bytes(struct values *v, struct bytes in)
{
    return !bytes_left(&in) || (split_delta(v, in, &v->prefixes) && split_delta(v, v->in, &v->delta));
}

static bool delta_bytes_next(struct values *v, struct pq_value *out)
{
    int64_t keep;
    struct str suffix;

    if (!delta_next(&v->prefixes, &keep) || keep < 0 || (uint64_t)keep > v->previous.n || !delta_length_next(v, &suffix))
        return false;
    buf_truncate(&v->previous, (size_t)keep);
    if ((size_t)keep + suffix.n > ROW_MAX_BYTES)
        return false;
    buf_addstr(&v->previous, suffix);
    out->s = buf_str(&v->previous);
    return true;
}

static bool has_width(const struct values *v)
{
    return width_of(v) > 0;
}

static bool begin_split(struct values *v, struct bytes in)
{
    v->split_n = bytes_left(&in) / width_of(v);
    return true;
}

static bool split_next(struct values *v, struct pq_value *out)
{
    size_t width = width_of(v);

    if (v->split_at >= v->split_n)
        return false;
    buf_clear(&v->previous);            /* a text's bytes must outlive this call */
    for (size_t i = 0; i < width; i++)
        buf_addc(&v->previous, (char)v->in.p[i * v->split_n + v->split_at]);
    v->split_at++;
    fixed_value(v->type, (const uint8_t *)v->previous.p, width, out);
    return true;
}

static const struct encoding {
    int id;
    bool (*takes)(const struct values *v);                      /* NULL: every type */
    bool (*begin)(struct values *v, struct bytes in);           /* false: damaged; NULL: nothing to prepare */
    bool (*next)(struct values *v, struct pq_value *out);
} encodings[] = {
    { ENC_PLAIN,            NULL,       NULL,               plain_next },
    { ENC_PLAIN_DICTIONARY, NULL,       begin_dictionary,   dictionary_next },
    { ENC_RLE_DICTIONARY,   NULL,       begin_dictionary,   dictionary_next },
    { ENC_RLE,              is_boolean, begin_runs,         runs_next },
    { ENC_DELTA_BINARY,     is_integer, begin_delta,        delta_value_next },
    { ENC_DELTA_LENGTH,     is_bytes,   begin_delta_length, delta_text_next },
    { ENC_DELTA_BYTES,      is_bytes,   begin_delta_bytes,  delta_bytes_next },
    { ENC_SPLIT,            has_width,  begin_split,        split_next },
};

static const struct encoding *encoding_of(int id)
{
    for (size_t i = 0; i < ARRAY_LEN(encodings); i++)
        if (encodings[i].id == id)
            return &encodings[i];
    return NULL;
}

errc values_init(struct values *v, int type, int type_length, int encoding, struct bytes in, const struct dictionary *d, struct err *e)
{
    const struct encoding *how = encoding_of(encoding);
    struct buf kept = v->previous;

    buf_clear(&kept);
    *v = (struct values){ .type = type, .type_length = type_length, .in = in, .dictionary = d, .previous = kept };
    if (!how || (how->takes && !how->takes(v)))
        return err_set(e, ERR_UNSUPPORTED, "encoding %d of type %d is not supported: write the file with pyarrow's defaults", encoding, type);
    if (how->next == dictionary_next && !d->v && bytes_left(&in))
        return err_set(e, ERR_CORRUPT, "a page needs a dictionary that is not there");
    if (how->begin && !how->begin(v, in))
        return err_set(e, ERR_CORRUPT, "the values of a page are damaged");
    v->how = how;
    return ERR_OK;
}

bool values_next(struct values *v, struct pq_value *out)
{
    return v->how && v->how->next(v, out);
}

void values_done(struct values *v)
{
    buf_done(&v->previous);
    *v = (struct values){ 0 };
}
