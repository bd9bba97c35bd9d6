#include "workspace/models.h"

#include <ctype.h>

#include "catalog/derive.h"

#define HUB "https://huggingface.co"

static const char *lower(struct arena *a, struct str s)
{
    char *p = arena_strndup(a, s.p ? s.p : "", s.n);

    for (size_t i = 0; p[i]; i++)
        p[i] = (char)tolower((unsigned char)p[i]);
    return p;
}

/* Python writes NaN and Infinity into config.json; JSON has no such words, and nothing here needs them. */
static void null_for_nan(struct str text, struct buf *out)
{
    static const struct str words[] = { { "NaN", 3 }, { "-Infinity", 9 }, { "Infinity", 8 } };
    bool quoted = false;

    for (size_t i = 0; i < text.n;) {
        size_t skip = 0;

        for (size_t w = 0; w < ARRAY_LEN(words) && !quoted && !skip; w++)
            if (str_has_prefix(str_from(text, i), words[w]))
                skip = words[w].n;
        if (skip) {
            buf_adds(out, "null");
            i += skip;
            continue;
        }
        if (quoted && text.p[i] == '\\' && i + 1 < text.n)
            buf_addc(out, text.p[i++]);
        else if (text.p[i] == '"')
            quoted = !quoted;
        buf_addc(out, text.p[i++]);
    }
}

static errc fetch(const struct model_hub *hub, const char *url, const char *token, json_t **out, struct err *e)
{
    AUTO_BUF body = { 0 }, clean = { 0 };
    int status = 0;

    if (hub->get(hub->self, url, token, &status, &body, e))
        return err_wrap(e, "failed to fetch %s", url);
    if ((status == 401 || status == 403) && !str_set(token))
        return err_set(e, ERR_UNAUTHORIZED, "authentication required for accessing %s", url);
    if (status != 200)
        return err_set(e, ERR_NOT_FOUND, "failed to fetch %s: status %d", url, status);
    null_for_nan(buf_str(&body), &clean);
    return json_parse(buf_str(&clean), out, e);
}

static errc find_on_hub(const struct model_hub *hub, const char *id, const char *token, struct arena *a, const struct preset **out, struct err *e)
{
    AUTO_JSON list = NULL;
    AUTO_JSON config = NULL;
    struct model_files files;

    if (fetch(hub, arena_printf(a, HUB "/api/models/%s/tree/main?recursive=true", id), token, &list, e))
        return err_wrap(e, "error listing files");
    TRY(model_files_read(list, &files, e));
    /* Mistral's own format has params.json beside or instead of config.json */
    if (fetch(hub, arena_printf(a, HUB "/%s/resolve/main/config.json", id), token, &config, e) &&
        (!files.mistral_format || fetch(hub, arena_printf(a, HUB "/%s/resolve/main/params.json", id), token, &config, e)))
        return err_wrap(e, "error fetching config");
    return model_derive(a, id, files, config, out, e);
}

errc model_find(const struct model_hub *hub, struct str name, const char *token, struct arena *a, const struct preset **out, struct err *e)
{
    const struct preset *known = preset_find(name);

    if (known) {
        *out = known;
        return ERR_OK;
    }
    if (!hub || preset_check(name) != PRESET_VALID)
        return err_set(e, ERR_NOT_FOUND, "model is not registered: %s", lower(a, name));
    return find_on_hub(hub, lower(a, name), token, a, out, e);
}
