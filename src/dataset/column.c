/* One column chunk: pages are decompressed one at a time, entries come one at a time. */
#include "dataset/priv.h"

static unsigned level_width(int max)
{
    unsigned w = 0;

    while (max >> w)
        w++;
    return w;
}

errc pq_column_start(struct pq_column *c, struct str file, const struct pq_chunk *chunk, struct err *e)
{
    bool dict = chunk->dict_at > 0 && chunk->dict_at < chunk->data_at;
    int64_t start = dict ? chunk->dict_at : chunk->data_at;

    pq_column_done(c);
    c->file = file;
    c->chunk = *chunk;
    if (chunk->values < 0 || start < 0 || (uint64_t)start > file.n)
        return err_set(e, ERR_CORRUPT, "its data begins at byte %lld of a file of %zu", (long long)start, file.n);
    c->at = (size_t)start;
    c->left = chunk->values;
    return ERR_OK;
}

static void dictionary_done(struct dictionary *d)
{
    free(d->page);
    free(d->v);
    *d = (struct dictionary){ 0 };
}

void pq_column_done(struct pq_column *c)
{
    free(c->page);
    c->page = NULL;
    dictionary_done(&c->dictionary);
    values_done(&c->values);
    c->has = false;
    c->left = c->page_left = 0;
}

static errc unpack(const struct pq_column *c, int codec, struct str in, size_t n, uint8_t **out, struct err *e)
{
    uint8_t *p = mem_try_alloc(n ? n : 1, 1);

    if (!p)
        return err_set(e, ERR_TOO_LARGE, "no memory for a page of %zu bytes", n);
    (void)c;
    if (pq_decompress(codec, in, p, n, e)) {
        free(p);
        return e ? e->code : ERR_CORRUPT;
    }
    *out = p;
    return ERR_OK;
}

static errc read_dictionary(struct pq_column *c, const struct pq_page *h, struct str body, struct err *e)
{
    struct values v = { 0 };

    dictionary_done(&c->dictionary);
    TRY(unpack(c, c->chunk.codec, body, (size_t)h->uncompressed, &c->dictionary.page, e));
    /* every value takes a byte at least, apart from strings of fixed length 0, which nobody needs */
    if (h->values < 0 || h->values > h->uncompressed)
        return err_set(e, ERR_CORRUPT, "a dictionary of %lld values in %lld bytes", (long long)h->values, (long long)h->uncompressed);
    c->dictionary.v = mem_try_alloc((size_t)h->values + 1, sizeof *c->dictionary.v);
    if (!c->dictionary.v)
        return err_set(e, ERR_TOO_LARGE, "no memory for a dictionary of %lld values", (long long)h->values);
    TRY(values_init(&v, c->chunk.type, c->type_length, ENC_PLAIN,
                    (struct bytes){ c->dictionary.page, c->dictionary.page + h->uncompressed }, NULL, e));
    for (int64_t i = 0; i < h->values; i++)
        if (!values_next(&v, &c->dictionary.v[c->dictionary.n++]))
            return err_set(e, ERR_CORRUPT, "the dictionary is cut short");
    return ERR_OK;
}

/* Levels of a v1 page: a length, then the hybrid. */
static errc level_stream(struct bytes *b, int encoding, int max, struct hybrid *out, struct err *e)
{
    uint32_t n;

    if (!max)
        return ERR_OK;
    if (encoding != ENC_RLE)
        return err_set(e, ERR_UNSUPPORTED, "levels in encoding %d are not supported: write the file with a newer program", encoding);
    if (!bytes_u32(b, &n) || n > bytes_left(b))
        return err_set(e, ERR_CORRUPT, "the levels of a page are cut short");
    hybrid_init(out, (struct bytes){ b->p, b->p + n }, level_width(max));
    b->p += n;
    return ERR_OK;
}

static errc data_page(struct pq_column *c, const struct pq_page *h, struct str body, struct err *e)
{
    free(c->page);
    c->page = NULL;
    TRY(unpack(c, c->chunk.codec, body, (size_t)h->uncompressed, &c->page, e));
    struct bytes b = { c->page, c->page + h->uncompressed };
    TRY(level_stream(&b, h->rep_encoding, c->max_rep, &c->reps, e));
    TRY(level_stream(&b, h->def_encoding, c->max_def, &c->defs, e));
    return values_init(&c->values, c->chunk.type, c->type_length, h->encoding, b, &c->dictionary, e);
}

static errc data_page_v2(struct pq_column *c, const struct pq_page *h, struct str body, struct err *e)
{
    int64_t levels;

    if (h->rep_bytes < 0 || h->def_bytes < 0 || __builtin_add_overflow(h->rep_bytes, h->def_bytes, &levels) || levels > h->compressed ||
        levels > h->uncompressed)
        return err_set(e, ERR_CORRUPT, "the levels of a page are larger than the page");
    size_t packed = (size_t)(h->compressed - levels), whole = (size_t)(h->uncompressed - levels);
    free(c->page);
    c->page = NULL;
    TRY(unpack(c, h->is_compressed && packed ? c->chunk.codec : 0, str_n(body.p + levels, packed), h->is_compressed && !packed ? 0 : whole, &c->page, e));
    const uint8_t *p = (const uint8_t *)body.p;
    hybrid_init(&c->reps, (struct bytes){ p, p + h->rep_bytes }, level_width(c->max_rep));
    hybrid_init(&c->defs, (struct bytes){ p + h->rep_bytes, p + levels }, level_width(c->max_def));
    return values_init(&c->values, c->chunk.type, c->type_length, h->encoding, (struct bytes){ c->page, c->page + (packed || !h->is_compressed ? whole : 0) },
                       &c->dictionary, e);
}

static errc next_page(struct pq_column *c, struct err *e)
{
    const uint8_t *start = (const uint8_t *)c->file.p;
    struct bytes b = { start + c->at, start + c->file.n };
    struct pq_page h;

    TRY(pq_page_read(&b, &h, e));
    struct str body = str_n((const char *)b.p, (size_t)h.compressed);
    c->at = (size_t)(b.p - start) + (size_t)h.compressed;
    if (h.type == PQ_DICTIONARY_PAGE)
        return read_dictionary(c, &h, body, e);
    if (h.type != PQ_DATA_PAGE && h.type != PQ_DATA_PAGE_V2)
        return ERR_OK;
    if (h.values < 0 || h.values > c->left)
        return err_set(e, ERR_CORRUPT, "a page of %lld values where %lld are left", (long long)h.values, (long long)c->left);
    c->page_left = h.values;
    return h.type == PQ_DATA_PAGE ? data_page(c, &h, body, e) : data_page_v2(c, &h, body, e);
}

errc pq_column_load(struct pq_column *c, struct err *e)
{
    uint32_t rep = 0, def = 0;

    c->has = false;
    if (!c->left)
        return ERR_OK;
    while (!c->page_left)
        TRY(next_page(c, e));
    if ((c->max_rep && !hybrid_next(&c->reps, &rep)) || (c->max_def && !hybrid_next(&c->defs, &def)))
        return err_set(e, ERR_CORRUPT, "the levels of a page are cut short");
    if (rep > (uint32_t)c->max_rep || def > (uint32_t)c->max_def)
        return err_set(e, ERR_CORRUPT, "a level is larger than the schema allows");
    if (def == (uint32_t)c->max_def && !values_next(&c->values, &c->value))
        return err_set(e, ERR_CORRUPT, "the values of a page are cut short or damaged");
    c->rep = (int)rep;
    c->def = (int)def;
    c->page_left--;
    c->left--;
    c->has = true;
    return ERR_OK;
}
