/* Methods of strings, lists and dicts, and the functions that every template sees. Nothing here changes a value: the sandbox of
 * transformers forbids it too. */
#include <utf8proc.h>

#include "base/clock.h"
#include "template/priv.h"

typedef errc method_fn(struct render *r, struct val self, const struct args *args, struct val *out);

/* ---- text helpers, shared with the filters ---- */

static size_t next_cp(struct str s, size_t at, int32_t *cp)
{
    utf8proc_ssize_t n = utf8proc_iterate((const utf8proc_uint8_t *)s.p + at, (utf8proc_ssize_t)(s.n - at), cp);

    if (n < 1) {
        *cp = 0xFFFD;
        return 1;
    }
    return (size_t)n;
}

static void add_cp(struct buf *b, int32_t cp)
{
    char bytes[4];
    utf8proc_ssize_t n = utf8proc_encode_char(cp, (utf8proc_uint8_t *)bytes);
    if (n > 0)
        buf_add(b, bytes, (size_t)n);
}

errc text_case(struct render *r, struct str s, char how, struct val *out)
{
    AUTO_BUF b = { 0 };
    bool inside = false;

    TRY(tick(r, s.n / 16));
    for (size_t at = 0; at < s.n;) {
        int32_t cp;
        at += next_cp(s, at, &cp);
        utf8proc_category_t c = utf8proc_category(cp);
        bool letter = c >= UTF8PROC_CATEGORY_LU && c <= UTF8PROC_CATEGORY_LO;
        bool upper = how == 'u' || ((how == 't' || how == 'c') && !inside);
        if (cp == 0xDF && upper)
            buf_adds(&b, how == 'u' ? "SS" : "Ss");
        else
            add_cp(&b, !letter && how == 't' ? cp : upper ? utf8proc_toupper(cp) : utf8proc_tolower(cp));
        inside = how == 'c' || letter;
    }
    return str_val(r, &b, out);
}

static bool strip_member(int32_t cp, struct str chars)
{
    if (!chars.p)
        return cp == ' ' || (cp >= 9 && cp <= 13) || (cp >= 0x1C && cp <= 0x1F) || cp == 0x85 || cp == 0xA0 || cp == 0x1680 ||
               (cp >= 0x2000 && cp <= 0x200A) || cp == 0x2028 || cp == 0x2029 || cp == 0x202F || cp == 0x205F || cp == 0x3000;
    for (size_t at = 0; at < chars.n;) {
        int32_t c;
        at += next_cp(chars, at, &c);
        if (c == cp)
            return true;
    }
    return false;
}

errc text_strip(struct render *r, struct str s, struct str chars, bool left, bool right, struct val *out)
{
    TRY(tick(r, (s.n + chars.n) / 64));
    while (left && s.n) {
        int32_t cp;
        size_t n = next_cp(s, 0, &cp);
        if (!strip_member(cp, chars))
            break;
        s = str_from(s, n);
    }
    while (right && s.n) {
        int32_t cp;
        size_t at = s.n - 1;
        while (at && ((unsigned char)s.p[at] & 0xC0) == 0x80)
            at--;
        (void)next_cp(s, at, &cp);
        if (!strip_member(cp, chars))
            break;
        s.n = at;
    }
    *out = val_str(s);
    return ERR_OK;
}

errc text_replace(struct render *r, struct str s, struct str from, struct str to, int64_t count, struct val *out)
{
    AUTO_BUF b = { 0 };
    size_t at;

    TRY(tick(r, s.n / 16));
    if (!from.n) {
        *out = val_str(s);
        return ERR_OK;
    }
    while (count != 0 && str_find(s, from, &at)) {
        buf_add(&b, s.p, at);
        buf_addstr(&b, to);
        s = str_from(s, at + from.n);
        count -= count > 0;
        TRY(tick(r, 1));
        if (b.n > r->made_max)
            return made(r, b.n);
    }
    buf_addstr(&b, s);
    return str_val(r, &b, out);
}

static errc want_str(struct render *r, const struct args *args, size_t at, const char *method, struct str *out)
{
    const struct val *v = arg(args, at, NULL);

    if (!v || v->kind != VAL_STR)
        return fail(r, "%s() needs a string, not %s", method, v ? val_type(*v) : "nothing");
    *out = v->s;
    return ERR_OK;
}

/* ---- str ---- */

static struct str strip_chars(const struct args *args)
{
    return args->n && args->v[0].kind == VAL_STR ? args->v[0].s : (struct str){ 0 };
}

static errc m_strip(struct render *r, struct val v, const struct args *a, struct val *out) { return text_strip(r, v.s, strip_chars(a), true, true, out); }
static errc m_lstrip(struct render *r, struct val v, const struct args *a, struct val *out) { return text_strip(r, v.s, strip_chars(a), true, false, out); }
static errc m_rstrip(struct render *r, struct val v, const struct args *a, struct val *out) { return text_strip(r, v.s, strip_chars(a), false, true, out); }
static errc m_upper(struct render *r, struct val v, const struct args *a, struct val *out) { (void)a; return text_case(r, v.s, 'u', out); }
static errc m_lower(struct render *r, struct val v, const struct args *a, struct val *out) { (void)a; return text_case(r, v.s, 'l', out); }
static errc m_title(struct render *r, struct val v, const struct args *a, struct val *out) { (void)a; return text_case(r, v.s, 't', out); }
static errc m_capitalize(struct render *r, struct val v, const struct args *a, struct val *out) { (void)a; return text_case(r, v.s, 'c', out); }

static errc split_white(struct render *r, struct str s, int64_t max, struct list *l)
{
    for (;;) {
        struct val rest;
        TRY(text_strip(r, s, (struct str){ 0 }, true, false, &rest));
        s = rest.s;
        size_t n = 0;
        int32_t cp;
        if (!s.n)
            return ERR_OK;
        if (max == 0) {
            TRY(text_strip(r, s, (struct str){ 0 }, false, true, &rest));
            list_add(r->arena, l, rest);
            return ERR_OK;
        }
        while (n < s.n) {
            size_t step = next_cp(s, n, &cp);
            if (strip_member(cp, (struct str){ 0 }))
                break;
            n += step;
        }
        list_add(r->arena, l, val_str(str_n(s.p, n)));
        s = str_from(s, n);
        max -= max > 0;
    }
}

static bool find_last(struct str s, struct str needle, size_t *at)
{
    for (size_t i = s.n >= needle.n ? s.n - needle.n + 1 : 0; i-- > 0;)
        if (memcmp(s.p + i, needle.p, needle.n) == 0) {
            *at = i;
            return true;
        }
    return false;
}

static errc m_split(struct render *r, struct val v, const struct args *args, struct val *out)
{
    const struct val *sep = arg(args, 0, "sep");
    int64_t max = arg_int(args, 1, "maxsplit", -1);
    struct str s = v.s;
    size_t at;

    *out = val_list(r->arena);
    TRY(tick(r, s.n / 8));
    if (!sep || sep->kind == VAL_NONE)
        return split_white(r, s, max, out->list);
    if (sep->kind != VAL_STR || !sep->s.n)
        return fail(r, "split() needs a separator that is not empty");
    while (max != 0 && str_find(s, sep->s, &at)) {
        list_add(r->arena, out->list, val_str(str_n(s.p, at)));
        s = str_from(s, at + sep->s.n);
        max -= max > 0;
    }
    list_add(r->arena, out->list, val_str(s));
    return ERR_OK;
}

static errc m_rsplit(struct render *r, struct val v, const struct args *args, struct val *out)
{
    const struct val *sep = arg(args, 0, "sep");
    int64_t max = arg_int(args, 1, "maxsplit", -1);
    struct val backwards = val_list(r->arena);
    struct str s = v.s;
    size_t at;

    if (max < 0 || !sep || sep->kind != VAL_STR || !sep->s.n)
        return m_split(r, v, args, out);
    TRY(tick(r, s.n));
    for (; max != 0 && find_last(s, sep->s, &at); max--) {
        list_add(r->arena, backwards.list, val_str(str_from(s, at + sep->s.n)));
        s.n = at;
    }
    list_add(r->arena, backwards.list, val_str(s));
    *out = val_list(r->arena);
    for (size_t i = backwards.list->n; i-- > 0;)
        list_add(r->arena, out->list, backwards.list->v[i]);
    return ERR_OK;
}

static errc m_splitlines(struct render *r, struct val v, const struct args *args, struct val *out)
{
    struct str s = v.s;
    bool keep = arg_bool(args, 0, "keepends", false);

    *out = val_list(r->arena);
    TRY(tick(r, s.n / 8));
    while (s.n) {
        size_t n = 0;
        while (n < s.n && s.p[n] != '\n' && s.p[n] != '\r')
            n++;
        size_t end = n < s.n ? n + 1 + (s.p[n] == '\r' && n + 1 < s.n && s.p[n + 1] == '\n') : n;
        list_add(r->arena, out->list, val_str(str_n(s.p, keep ? end : n)));
        s = str_from(s, end);
    }
    return ERR_OK;
}

static errc affix(struct render *r, struct val v, const struct args *args, bool prefix, struct val *out)
{
    const struct val *x = arg(args, 0, NULL);
    bool yes = false;

    if (x && x->kind == VAL_TUPLE) {
        for (size_t i = 0; i < x->list->n; i++)
            if (x->list->v[i].kind == VAL_STR)
                yes |= prefix ? str_has_prefix(v.s, x->list->v[i].s) : str_has_suffix(v.s, x->list->v[i].s);
    } else {
        struct str s;
        TRY(want_str(r, args, 0, prefix ? "startswith" : "endswith", &s));
        yes = prefix ? str_has_prefix(v.s, s) : str_has_suffix(v.s, s);
    }
    *out = val_bool(yes);
    return ERR_OK;
}

static errc m_startswith(struct render *r, struct val v, const struct args *a, struct val *out) { return affix(r, v, a, true, out); }
static errc m_endswith(struct render *r, struct val v, const struct args *a, struct val *out) { return affix(r, v, a, false, out); }

static errc m_removeprefix(struct render *r, struct val v, const struct args *args, struct val *out)
{
    struct str s;
    TRY(want_str(r, args, 0, "removeprefix", &s));
    *out = val_str(str_has_prefix(v.s, s) ? str_from(v.s, s.n) : v.s);
    return ERR_OK;
}

static errc m_removesuffix(struct render *r, struct val v, const struct args *args, struct val *out)
{
    struct str s;
    TRY(want_str(r, args, 0, "removesuffix", &s));
    *out = val_str(str_has_suffix(v.s, s) ? str_n(v.s.p, v.s.n - s.n) : v.s);
    return ERR_OK;
}

static errc m_replace(struct render *r, struct val v, const struct args *args, struct val *out)
{
    struct str from, to;
    TRY(want_str(r, args, 0, "replace", &from));
    TRY(want_str(r, args, 1, "replace", &to));
    return text_replace(r, v.s, from, to, arg_int(args, 2, "count", -1), out);
}

static errc find_in(struct render *r, struct val v, const struct args *args, bool last, struct val *out)
{
    struct str s = { 0 };
    size_t at;

    TRY(want_str(r, args, 0, "find", &s));
    TRY(tick(r, v.s.n / 16));
    bool found = last ? find_last(v.s, s, &at) : !s.n ? (at = 0, true) : str_find(v.s, s, &at);
    *out = val_int(found ? (int64_t)str_chars(str_n(v.s.p, at)) : -1);
    return ERR_OK;
}

static errc m_find(struct render *r, struct val v, const struct args *a, struct val *out) { return find_in(r, v, a, false, out); }
static errc m_rfind(struct render *r, struct val v, const struct args *a, struct val *out) { return find_in(r, v, a, true, out); }

static errc m_count(struct render *r, struct val v, const struct args *args, struct val *out)
{
    int64_t n = 0;

    if (val_is_sequence(v)) {
        const struct val *x = arg(args, 0, NULL);
        for (size_t i = 0; x && i < v.list->n; i++)
            n += val_equal(v.list->v[i], *x);
        *out = val_int(n);
        return tick(r, v.list->n);
    }
    struct str needle, s = v.s;
    size_t at;
    TRY(want_str(r, args, 0, "count", &needle));
    TRY(tick(r, s.n / 16));
    for (; needle.n && str_find(s, needle, &at); n++)
        s = str_from(s, at + needle.n);
    *out = val_int(n);
    return ERR_OK;
}

static errc m_join(struct render *r, struct val v, const struct args *args, struct val *out)
{
    AUTO_BUF b = { 0 };
    struct list *items;

    if (!args->n)
        return fail(r, "join() needs a list");
    TRY(val_items(r, args->v[0], &items));
    for (size_t i = 0; i < items->n; i++) {
        if (items->v[i].kind != VAL_STR)
            return fail(r, "join() needs strings, not %s", val_type(items->v[i]));
        if (i)
            buf_addstr(&b, v.s);
        buf_addstr(&b, items->v[i].s);
    }
    return str_val(r, &b, out);
}

static errc all_of(struct str s, bool (*is)(utf8proc_category_t), struct val *out)
{
    bool yes = s.n > 0;

    for (size_t at = 0; at < s.n && yes;) {
        int32_t cp;
        at += next_cp(s, at, &cp);
        yes = is(utf8proc_category(cp));
    }
    *out = val_bool(yes);
    return ERR_OK;
}

static bool is_digit(utf8proc_category_t c) { return c == UTF8PROC_CATEGORY_ND; }
static bool is_alpha(utf8proc_category_t c) { return c >= UTF8PROC_CATEGORY_LU && c <= UTF8PROC_CATEGORY_LO; }
static bool is_alnum(utf8proc_category_t c) { return is_alpha(c) || (c >= UTF8PROC_CATEGORY_ND && c <= UTF8PROC_CATEGORY_NO); }
static errc m_isdigit(struct render *r, struct val v, const struct args *a, struct val *out) { (void)r, (void)a; return all_of(v.s, is_digit, out); }
static errc m_isalpha(struct render *r, struct val v, const struct args *a, struct val *out) { (void)r, (void)a; return all_of(v.s, is_alpha, out); }
static errc m_isalnum(struct render *r, struct val v, const struct args *a, struct val *out) { (void)r, (void)a; return all_of(v.s, is_alnum, out); }

static errc m_isspace(struct render *r, struct val v, const struct args *a, struct val *out)
{
    struct val rest;

    (void)a;
    TRY(text_strip(r, v.s, (struct str){ 0 }, true, true, &rest));
    *out = val_bool(v.s.n && !rest.s.n);
    return ERR_OK;
}

static errc same_case(struct render *r, struct val v, char how, struct val *out)
{
    struct val other, opposite;

    TRY(text_case(r, v.s, how, &other));
    TRY(text_case(r, v.s, how == 'u' ? 'l' : 'u', &opposite));
    *out = val_bool(val_equal(v, other) && !val_equal(other, opposite));
    return ERR_OK;
}

static errc m_isupper(struct render *r, struct val v, const struct args *a, struct val *out) { (void)a; return same_case(r, v, 'u', out); }
static errc m_islower(struct render *r, struct val v, const struct args *a, struct val *out) { (void)a; return same_case(r, v, 'l', out); }

static errc m_format(struct render *r, struct val v, const struct args *args, struct val *out)
{
    AUTO_BUF b = { 0 };
    size_t next = 0;

    for (size_t i = 0; i < v.s.n; i++) {
        char c = v.s.p[i];
        bool twice = i + 1 < v.s.n && v.s.p[i + 1] == c;
        if ((c == '{' || c == '}') && twice) {
            buf_addc(&b, c);
            i++;
        } else if (c == '{') {
            struct str field, rest;
            if (!str_cut(str_from(v.s, i + 1), '}', &field, &rest))
                return fail(r, "format(): a { is not closed");
            int64_t at;
            const struct val *x = !field.n ? arg(args, next++, NULL) : str_to_i64(field, &at) && at >= 0 ? arg(args, (size_t)at, NULL) : NULL;
            for (size_t k = 0; field.n && !x && k < args->n_named; k++)
                if (str_eq(args->names[k], field))
                    x = &args->named[k];
            if (!x)
                return fail(r, "format(): nothing was given for {%.*s}", STR_ARG(field));
            val_print(*x, &b);
            i += field.n + 1;
        } else {
            buf_addc(&b, c);
        }
    }
    return str_val(r, &b, out);
}

/* ---- dict and list ---- */

static errc m_get(struct render *r, struct val v, const struct args *args, struct val *out)
{
    const struct val *fallback = arg(args, 1, "default");

    if (!args->n)
        return fail(r, "get() needs a key");
    const struct val *found = dict_find(v.dict, args->v[0]);
    *out = found ? *found : fallback ? *fallback : val_none();
    return tick(r, v.dict->n / 16);
}

static errc dict_view(struct render *r, struct val v, int which, struct val *out)
{
    *out = val_list(r->arena);
    for (size_t i = 0; i < v.dict->n; i++) {
        struct val item = which == 0 ? v.dict->k[i] : v.dict->v[i];
        if (which == 2) {
            struct val pair = val_list(r->arena);
            pair.kind = VAL_TUPLE;
            list_add(r->arena, pair.list, v.dict->k[i]);
            list_add(r->arena, pair.list, v.dict->v[i]);
            item = pair;
        }
        list_add(r->arena, out->list, item);
    }
    return tick(r, v.dict->n);
}

static errc m_keys(struct render *r, struct val v, const struct args *a, struct val *out) { (void)a; return dict_view(r, v, 0, out); }
static errc m_values(struct render *r, struct val v, const struct args *a, struct val *out) { (void)a; return dict_view(r, v, 1, out); }
static errc m_items(struct render *r, struct val v, const struct args *a, struct val *out) { (void)a; return dict_view(r, v, 2, out); }

static errc m_copy(struct render *r, struct val v, const struct args *a, struct val *out)
{
    (void)r, (void)a;
    *out = v;                           /* nothing can change it, so it is its own copy */
    return ERR_OK;
}

static errc m_index(struct render *r, struct val v, const struct args *args, struct val *out)
{
    for (size_t i = 0; args->n && i < v.list->n; i++)
        if (val_equal(v.list->v[i], args->v[0])) {
            *out = val_int((int64_t)i);
            return tick(r, i);
        }
    return fail(r, "index(): the value is not in the list");
}

static errc m_forbidden(struct render *r, struct val v, const struct args *a, struct val *out)
{
    (void)a, (void)out;
    return fail(r, "templates may not change a %s", val_type(v));
}

static errc m_cycle(struct render *r, struct val v, const struct args *args, struct val *out)
{
    if (!args->n)
        return fail(r, "loop.cycle() needs values");
    *out = args->v[v.loop->index0 % args->n];
    return ERR_OK;
}

static errc m_changed(struct render *r, struct val v, const struct args *args, struct val *out)
{
    struct val now = val_list(r->arena);

    for (size_t i = 0; i < args->n; i++)
        list_add(r->arena, now.list, args->v[i]);
    *out = val_bool(!v.loop->changed_once || !val_equal(v.loop->last_changed, now));
    v.loop->changed_once = true;
    v.loop->last_changed = now;
    return ERR_OK;
}

static const struct { enum val_kind kind; const char *name; method_fn *fn; } methods[] = {
    { VAL_STR, "strip", m_strip }, { VAL_STR, "lstrip", m_lstrip }, { VAL_STR, "rstrip", m_rstrip }, { VAL_STR, "upper", m_upper },
    { VAL_STR, "lower", m_lower }, { VAL_STR, "title", m_title }, { VAL_STR, "capitalize", m_capitalize }, { VAL_STR, "split", m_split },
    { VAL_STR, "rsplit", m_rsplit }, { VAL_STR, "splitlines", m_splitlines }, { VAL_STR, "startswith", m_startswith },
    { VAL_STR, "endswith", m_endswith }, { VAL_STR, "removeprefix", m_removeprefix }, { VAL_STR, "removesuffix", m_removesuffix },
    { VAL_STR, "replace", m_replace }, { VAL_STR, "find", m_find }, { VAL_STR, "rfind", m_rfind }, { VAL_STR, "count", m_count },
    { VAL_STR, "join", m_join }, { VAL_STR, "isdigit", m_isdigit }, { VAL_STR, "isalpha", m_isalpha }, { VAL_STR, "isalnum", m_isalnum },
    { VAL_STR, "isspace", m_isspace }, { VAL_STR, "isupper", m_isupper }, { VAL_STR, "islower", m_islower }, { VAL_STR, "format", m_format },
    { VAL_DICT, "get", m_get }, { VAL_DICT, "keys", m_keys }, { VAL_DICT, "values", m_values }, { VAL_DICT, "items", m_items },
    { VAL_DICT, "copy", m_copy }, { VAL_DICT, "update", m_forbidden }, { VAL_DICT, "pop", m_forbidden }, { VAL_DICT, "popitem", m_forbidden },
    { VAL_DICT, "clear", m_forbidden }, { VAL_DICT, "setdefault", m_forbidden },
    { VAL_LIST, "index", m_index }, { VAL_LIST, "count", m_count }, { VAL_LIST, "copy", m_copy }, { VAL_LIST, "append", m_forbidden },
    { VAL_LIST, "extend", m_forbidden }, { VAL_LIST, "insert", m_forbidden }, { VAL_LIST, "pop", m_forbidden }, { VAL_LIST, "remove", m_forbidden },
    { VAL_LIST, "reverse", m_forbidden }, { VAL_LIST, "sort", m_forbidden }, { VAL_LIST, "clear", m_forbidden },
    { VAL_TUPLE, "index", m_index }, { VAL_TUPLE, "count", m_count }, { VAL_LOOP, "cycle", m_cycle }, { VAL_LOOP, "changed", m_changed },
};

bool method_find(struct render *r, struct val v, struct str name, struct val *out)
{
    for (size_t i = 0; i < ARRAY_LEN(methods); i++)
        if (methods[i].kind == v.kind && str_is(name, methods[i].name)) {
            struct method *m = arena_new_of(r->arena, struct method);
            *m = (struct method){ v, methods[i].fn };
            *out = (struct val){ VAL_METHOD, { .method = m } };
            return true;
        }
    return false;
}

/* ---- functions ---- */

static errc f_raise(struct render *r, const struct args *args, struct val *out)
{
    AUTO_BUF b = { 0 };

    (void)out;
    if (args->n)
        val_print(args->v[0], &b);
    return err_set(r->e, ERR_INVALID, "%s", buf_cstr(&b));
}

static errc f_range(struct render *r, const struct args *args, struct val *out)
{
    int64_t a = arg_int(args, 0, NULL, 0), b = arg_int(args, 1, NULL, 0), step = arg_int(args, 2, NULL, 1);

    for (size_t i = 0; i < args->n; i++)
        if (args->v[i].kind != VAL_INT)
            return fail(r, "range() needs integers, not %s", val_type(args->v[i]));
    if (!args->n || step == 0)
        return fail(r, "range() needs an end, and a step that is not 0");
    if (args->n == 1)
        b = a, a = 0;
    int64_t limit = 100000;             /* Jinja's sandbox has this one too */
    *out = val_list(r->arena);
    for (int64_t i = a; step > 0 ? i < b : i > b;) {
        if (limit-- == 0)
            return fail(r, "range() is longer than 100000");
        list_add(r->arena, out->list, val_int(i));
        if (__builtin_add_overflow(i, step, &i))
            break;
    }
    return tick(r, out->list->n);
}

static errc f_dict(struct render *r, const struct args *args, struct val *out)
{
    *out = val_dict(r->arena);
    if (args->n && args->v[0].kind == VAL_DICT)
        for (size_t i = 0; i < args->v[0].dict->n; i++)
            dict_put(r->arena, out->dict, args->v[0].dict->k[i], args->v[0].dict->v[i]);
    for (size_t i = 0; i < args->n_named; i++)
        dict_put(r->arena, out->dict, val_str(args->names[i]), args->named[i]);
    if (val_depth(*out) > VAL_DEPTH_MAX || out->dict->weight > VAL_WEIGHT_MAX)
        return fail(r, "a dict is too large or too deep");
    return tick(r, out->dict->n);
}

static errc f_namespace(struct render *r, const struct args *args, struct val *out)
{
    TRY(f_dict(r, args, out));
    out->kind = VAL_NAMESPACE;
    return ERR_OK;
}

static errc f_strftime(struct render *r, const struct args *args, struct val *out)
{
    struct tm tm = { 0 };
    char text[256];
    struct str format = arg_str(args, 0, "format", NULL);
    time_t now = (time_t)(clock_wall_ms() / 1000);

    if (!format.p || format.n > 100)
        return fail(r, "strftime_now() needs a short format");
    (void)gmtime_r(&now, &tm);
    if (r->today) {
        struct tm day = { 0 };
        if (!strptime(r->today, "%Y-%m-%d", &day))
            return fail(r, "today is \"%s\", not YYYY-MM-DD", r->today);
        tm = day;
    }
    AUTO_BUF f = { 0 };
    buf_addstr(&f, format);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    size_t n = format.n ? strftime(text, sizeof text, buf_cstr(&f), &tm) : 0;
#pragma GCC diagnostic pop
    *out = val_str(arena_str(r->arena, str_n(text, n)));
    return ERR_OK;
}

static const struct function functions[] = {
    { "raise_exception", f_raise }, { "range", f_range }, { "dict", f_dict }, { "namespace", f_namespace }, { "strftime_now", f_strftime },
};

const struct function *function_find(struct str name)
{
    for (size_t i = 0; i < ARRAY_LEN(functions); i++)
        if (str_is(name, functions[i].name))
            return &functions[i];
    return NULL;
}
