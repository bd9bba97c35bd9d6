/* A name that no table has: which one was probably meant, by likeness or because others call it so. */
#include "tune/config_priv.h"

#include "base/mem.h"

/* What people write for keys that are called otherwise here; a likeness would lead them astray. */
static const struct { const char *written, *meant; } others[] = {
    { "rank", "r" }, { "lora_r", "r" }, { "lora_rank", "r" }, { "lr", "learning_rate" }, { "epochs", "num_train_epochs" },
    { "batch_size", "per_device_train_batch_size" }, { "train_batch_size", "per_device_train_batch_size" }, { "dtype", "torch_dtype" },
    { "max_seq_len", "max_length" }, { "scheduler", "lr_scheduler_type" }, { "optimizer", "optim" }, { "path", "dataset_path" },
    { "chat_template_file", "chat_template" }, { "bnb_4bit_quant_storage", NULL },
};

static size_t least(size_t a, size_t b) { return a < b ? a : b; }

/* Letters to insert, remove, replace or swap with their neighbour. */
static size_t distance(struct str a, struct str b)
{
    AUTO_MEM size_t *rows = xcalloc(3 * (b.n + 1), sizeof *rows);
    size_t *before = rows, *last = rows + b.n + 1, *row = last + b.n + 1;

    for (size_t k = 0; k <= b.n; k++)
        row[k] = k;
    for (size_t i = 1; i <= a.n; i++) {
        size_t *oldest = before;
        before = last;
        last = row;
        row = oldest;
        row[0] = i;
        for (size_t k = 1; k <= b.n; k++) {
            bool same = a.p[i - 1] == b.p[k - 1];
            row[k] = least(last[k - 1] + !same, least(last[k], row[k - 1]) + 1);
            if (i > 1 && k > 1 && a.p[i - 1] == b.p[k - 2] && a.p[i - 2] == b.p[k - 1])
                row[k] = least(row[k], before[k - 2] + 1);
        }
    }
    return row[b.n];
}

/* Without case, and with "-" for "_". */
static char *plain(const char *name)
{
    char *made = xstrdup(name);

    for (char *p = made; *p; p++)
        *p = *p == '-' ? '_' : *p >= 'A' && *p <= 'Z' ? (char)(*p + 32) : *p;
    return made;
}

/* *best: how far the nearest so far is; a third of the letters may differ. */
static bool is_nearer(const char *written, const char *name, size_t *best)
{
    AUTO_MEM char *a = plain(written), *b = plain(name);
    size_t d = distance(str_of(a), str_of(b));

    if (d > strlen(a) / 3 || d >= *best)
        return false;
    *best = d;
    return true;
}

static const struct key *find(const struct section *s, const char *name)
{
    for (size_t i = 0; i < s->n; i++)
        if (streq(s->keys[i].name, name) && s->keys[i].rule != REFUSE)
            return &s->keys[i];
    return NULL;
}

static const struct key *nearest(const struct section *s, const char *written)
{
    const struct key *found = NULL;
    size_t best = SIZE_MAX;

    for (size_t i = 0; i < ARRAY_LEN(others); i++)
        if (streq(written, others[i].written))
            return others[i].meant ? find(s, others[i].meant) : NULL;
    for (size_t i = 0; i < s->n; i++)
        if (s->keys[i].rule != REFUSE && is_nearer(written, s->keys[i].name, &best))
            found = &s->keys[i];
    return found;
}

errc config_unknown_key(const struct section *s, const char *written, struct err *e)
{
    const struct key *meant = nearest(s, written);

    for (size_t i = 0; i < SECTION_COUNT; i++)
        if (find(&config_sections[i], written))
            return err_set(e, ERR_INVALID, "%s.%s: no such key there; move it to %s", s->name, written, config_sections[i].name);
    if (meant)
        return err_set(e, ERR_INVALID, "%s.%s: no such key; did you mean %s?", s->name, written, meant->name);
    return err_set(e, ERR_INVALID, "%s.%s: no such key; remove it or correct its name", s->name, written);
}

errc config_unknown_section(const char *written, struct err *e)
{
    const char *meant = NULL;
    size_t best = SIZE_MAX;

    for (size_t i = 0; i < SECTION_COUNT; i++)
        if (is_nearer(written, config_sections[i].name, &best))
            meant = config_sections[i].name;
    return err_set(e, ERR_INVALID, "Unrecognized section: %s; %s%sknown are ModelConfig, QuantizationConfig, LoraConfig, TrainingArguments, DataCollator, "
                   "DatasetConfig", written, meant ? meant : "", meant ? " may be meant; " : "");
}
