/* Texts of a container as its process sees them: variables expanded, mount paths replaced. */
#include "base/mem.h"
#include "node/priv.h"

static struct str env_value(struct str name, const struct str *env, size_t n)
{
    struct str key, value;

    for (size_t i = n; i-- > 0;)        /* the last one counts */
        if (str_cut(env[i], '=', &key, &value) && str_eq(key, name))
            return value;
    return (struct str){ 0 };
}

struct str variables_expand(struct arena *a, struct str text, const struct str *env, size_t n_env)
{
    AUTO_BUF out = { 0 };
    size_t close;

    for (size_t i = 0; i < text.n; i++) {
        struct str rest = str_from(text, i + 1);
        if (text.p[i] != '$' || !rest.n || (rest.p[0] != '(' && rest.p[0] != '$')) {
            buf_addc(&out, text.p[i]);
            continue;
        }
        i++;
        if (rest.p[0] == '$') {
            buf_addc(&out, '$');
            continue;
        }
        if (!str_find(rest, STR(")"), &close)) {
            buf_adds(&out, "$(");
            continue;
        }
        struct str value = env_value(str_n(rest.p + 1, close - 1), env, n_env);
        if (value.p)
            buf_addstr(&out, value);
        else
            buf_addf(&out, "$%.*s", (int)close + 1, rest.p);
        i += close;
    }
    return arena_str(a, buf_str(&out));
}

static bool is_boundary(char c) { return strchr("=:,; \t\n'\"()[]", c) != NULL; }

/* The longest mount path that begins at text[at] as a whole path. */
static const struct path_map *match_at(struct str text, size_t at, const struct path_map *maps, size_t n)
{
    const struct path_map *best = NULL;

    if (text.p[at] != '/' || (at > 0 && !is_boundary(text.p[at - 1])))
        return NULL;
    for (size_t i = 0; i < n; i++) {
        struct str from = maps[i].from, rest = str_from(text, at);
        if (!from.n || !str_has_prefix(rest, from) || (best && best->from.n >= from.n))
            continue;
        if (rest.n == from.n || rest.p[from.n] == '/' || is_boundary(rest.p[from.n]))
            best = &maps[i];
    }
    return best;
}

struct str paths_replace(struct arena *a, struct str text, const struct path_map *maps, size_t n)
{
    AUTO_BUF out = { 0 };

    for (size_t i = 0; i < text.n;) {
        const struct path_map *m = match_at(text, i, maps, n);
        if (m) {
            buf_addstr(&out, m->to);
            i += m->from.n;
        } else
            buf_addc(&out, text.p[i++]);
    }
    return arena_str(a, buf_str(&out));
}
