/* Methods of strings. */
#include <utf8proc.h>

#include "template/methods.h"

static errc want_str(struct render *r, const struct args *args, size_t at, const char *method, struct str *out)
{
    const struct val *v = arg(args, at, NULL);

    if (!v || v->kind != VAL_STR)
        return fail(r, "%s() needs a string, not %s", method, v ? val_type(*v) : "nothing");
    *out = v->s;
    return ERR_OK;
}

static struct str strip_chars(const struct args *args)
{
    return args->n && args->v[0].kind == VAL_STR ? args->v[0].s : (struct str){ 0 };
}

errc m_strip(struct render *r, struct val v, const struct args *a, struct val *out) { return text_strip(r, v.s, strip_chars(a), true, true, out); }
errc m_lstrip(struct render *r, struct val v, const struct args *a, struct val *out) { return text_strip(r, v.s, strip_chars(a), true, false, out); }
errc m_rstrip(struct render *r, struct val v, const struct args *a, struct val *out) { return text_strip(r, v.s, strip_chars(a), false, true, out); }
errc m_upper(struct render *r, struct val v, const struct args *a, struct val *out) { (void)a; return text_case(r, v.s, 'u', out); }
errc m_lower(struct render *r, struct val v, const struct args *a, struct val *out) { (void)a; return text_case(r, v.s, 'l', out); }
errc m_title(struct render *r, struct val v, const struct args *a, struct val *out) { (void)a; return text_case(r, v.s, 't', out); }
errc m_capitalize(struct render *r, struct val v, const struct args *a, struct val *out) { (void)a; return text_case(r, v.s, 'c', out); }

static bool find_last(struct str s, struct str needle, size_t *at)
{
    for (size_t i = s.n >= needle.n ? s.n - needle.n + 1 : 0; i-- > 0;)
        if (memcmp(s.p + i, needle.p, needle.n) == 0) {
            *at = i;
            return true;
        }
    return false;
}

errc m_split(struct render *r, struct val v, const struct args *args, struct val *out)
{
    const struct val *sep = arg(args, 0, "sep");
    int64_t max = arg_int(args, 1, "maxsplit", -1);
    struct str s = v.s;
    size_t at;

    *out = val_list(r->arena);
    TRY(tick(r, s.n / 8));
    if (!sep || sep->kind == VAL_NONE)
        return text_split_white(r, s, max, out->list);
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

/* rsplit() at white space, from the right. */
static errc rsplit_white(struct render *r, struct str s, int64_t max, struct list *backwards)
{
    while (s.n) {
        struct val rest;
        size_t at = 0;
        TRY(text_strip(r, s, (struct str){ 0 }, false, true, &rest));
        s = rest.s;
        for (size_t i = 0; max != 0 && i < s.n;) {
            int32_t cp;
            i += text_next(s, i, &cp);
            at = text_strips(cp, (struct str){ 0 }) ? i : at;
        }
        TRY(tick(r, s.n / 8));
        if (s.n)
            list_add(r->arena, backwards, val_str(str_from(s, at)));
        s.n = at;
        max -= max > 0;
    }
    return ERR_OK;
}

errc m_rsplit(struct render *r, struct val v, const struct args *args, struct val *out)
{
    const struct val *sep = arg(args, 0, "sep");
    int64_t max = arg_int(args, 1, "maxsplit", -1);
    struct val backwards = val_list(r->arena);
    bool white = !sep || sep->kind == VAL_NONE;
    struct str s = v.s;
    size_t at;

    if (max < 0 || (!white && (sep->kind != VAL_STR || !sep->s.n)))
        return m_split(r, v, args, out);
    TRY(tick(r, s.n));
    for (; !white && max != 0 && find_last(s, sep->s, &at); max--) {
        list_add(r->arena, backwards.list, val_str(str_from(s, at + sep->s.n)));
        s.n = at;
    }
    if (white)
        TRY(rsplit_white(r, s, max, backwards.list));
    else
        list_add(r->arena, backwards.list, val_str(s));
    *out = val_list(r->arena);
    for (size_t i = backwards.list->n; i-- > 0;)
        list_add(r->arena, out->list, backwards.list->v[i]);
    return ERR_OK;
}

errc m_splitlines(struct render *r, struct val v, const struct args *args, struct val *out)
{
    struct str s = v.s;
    bool keep = arg_bool(args, 0, "keepends", false);

    *out = val_list(r->arena);
    TRY(tick(r, s.n / 8));
    while (s.n) {
        size_t n = 0, mark = 0;
        while (n < s.n && !(mark = text_line_end(str_from(s, n))))
            n++;
        size_t end = n + mark;
        list_add(r->arena, out->list, val_str(str_n(s.p, keep ? end : n)));
        s = str_from(s, end);
    }
    return ERR_OK;
}

/* s[start:end] by the second and third argument, as startswith and find take them. */
static struct str substring(struct str s, const struct args *args)
{
    int64_t n = (int64_t)str_chars(s), from = arg_int(args, 1, NULL, 0), to = arg_int(args, 2, NULL, n);

    from = from < 0 ? from + n : from;
    to = to < 0 ? to + n : to;
    size_t a = str_char_at(s, (size_t)(from < 0 ? 0 : from)), b = str_char_at(s, (size_t)(to < 0 ? 0 : to));
    return a < b ? str_n(s.p + a, b - a) : str_n(s.p + a, 0);
}

static errc affix(struct render *r, struct val v, const struct args *args, bool prefix, struct val *out)
{
    const struct val *x = arg(args, 0, NULL);
    bool yes = false;

    v.s = substring(v.s, args);
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

errc m_startswith(struct render *r, struct val v, const struct args *a, struct val *out) { return affix(r, v, a, true, out); }
errc m_endswith(struct render *r, struct val v, const struct args *a, struct val *out) { return affix(r, v, a, false, out); }

errc m_removeprefix(struct render *r, struct val v, const struct args *args, struct val *out)
{
    struct str s;
    TRY(want_str(r, args, 0, "removeprefix", &s));
    *out = val_str(str_has_prefix(v.s, s) ? str_from(v.s, s.n) : v.s);
    return ERR_OK;
}

errc m_removesuffix(struct render *r, struct val v, const struct args *args, struct val *out)
{
    struct str s;
    TRY(want_str(r, args, 0, "removesuffix", &s));
    *out = val_str(str_has_suffix(v.s, s) ? str_n(v.s.p, v.s.n - s.n) : v.s);
    return ERR_OK;
}

errc m_replace(struct render *r, struct val v, const struct args *args, struct val *out)
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

errc m_find(struct render *r, struct val v, const struct args *a, struct val *out) { return find_in(r, v, a, false, out); }
errc m_rfind(struct render *r, struct val v, const struct args *a, struct val *out) { return find_in(r, v, a, true, out); }

errc m_count(struct render *r, struct val v, const struct args *args, struct val *out)
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
    if (!needle.n) {
        *out = val_int((int64_t)str_chars(s) + 1);
        return ERR_OK;
    }
    for (; needle.n && str_find(s, needle, &at); n++)
        s = str_from(s, at + needle.n);
    *out = val_int(n);
    return ERR_OK;
}

errc m_join(struct render *r, struct val v, const struct args *args, struct val *out)
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
        at += text_next(s, at, &cp);
        yes = is(utf8proc_category(cp));
    }
    *out = val_bool(yes);
    return ERR_OK;
}

static bool is_digit(utf8proc_category_t c) { return c == UTF8PROC_CATEGORY_ND; }
static bool is_alpha(utf8proc_category_t c) { return c >= UTF8PROC_CATEGORY_LU && c <= UTF8PROC_CATEGORY_LO; }
static bool is_alnum(utf8proc_category_t c) { return is_alpha(c) || (c >= UTF8PROC_CATEGORY_ND && c <= UTF8PROC_CATEGORY_NO); }
errc m_isdigit(struct render *r, struct val v, const struct args *a, struct val *out) { (void)r, (void)a; return all_of(v.s, is_digit, out); }
errc m_isalpha(struct render *r, struct val v, const struct args *a, struct val *out) { (void)r, (void)a; return all_of(v.s, is_alpha, out); }
errc m_isalnum(struct render *r, struct val v, const struct args *a, struct val *out) { (void)r, (void)a; return all_of(v.s, is_alnum, out); }

errc m_isspace(struct render *r, struct val v, const struct args *a, struct val *out)
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

errc m_isupper(struct render *r, struct val v, const struct args *a, struct val *out) { (void)a; return same_case(r, v, 'u', out); }
errc m_islower(struct render *r, struct val v, const struct args *a, struct val *out) { (void)a; return same_case(r, v, 'l', out); }

errc m_format(struct render *r, struct val v, const struct args *args, struct val *out) { return text_format(r, v.s, args, out); }

/* ---- widths ---- */

static struct str fill_of(const struct args *args)
{
    struct str fill = arg_str(args, 1, "fillchar", " ");
    return str_chars(fill) == 1 ? fill : STR(" ");
}

errc m_ljust(struct render *r, struct val v, const struct args *a, struct val *out) { return text_pad(r, v.s, arg_int(a, 0, "width", 0), fill_of(a), '<', out); }
errc m_rjust(struct render *r, struct val v, const struct args *a, struct val *out) { return text_pad(r, v.s, arg_int(a, 0, "width", 0), fill_of(a), '>', out); }

errc m_center(struct render *r, struct val v, const struct args *args, struct val *out)
{
    int64_t width = arg_int(args, 0, "width", 0);
    return text_center(r, v.s, width, width - (int64_t)str_chars(v.s), fill_of(args), out);
}

errc m_zfill(struct render *r, struct val v, const struct args *args, struct val *out)
{
    size_t sign = v.s.n && (v.s.p[0] == '-' || v.s.p[0] == '+');
    struct val digits;
    AUTO_BUF b = { 0 };

    TRY(text_pad(r, str_from(v.s, sign), arg_int(args, 0, "width", 0) - (int64_t)sign, STR("0"), '>', &digits));
    buf_add(&b, v.s.p, sign);
    buf_addstr(&b, digits.s);
    return str_val(r, &b, out);
}

errc m_expandtabs(struct render *r, struct val v, const struct args *args, struct val *out)
{
    int64_t size = arg_int(args, 0, "tabsize", 8), column = 0;
    AUTO_BUF b = { 0 };

    if (size > 1000)
        return fail(r, "a tab of %lld columns is too wide", (long long)size);
    for (size_t at = 0; at < v.s.n;) {
        int32_t cp;
        size_t n = text_next(v.s, at, &cp);
        if (cp == '\t' && size > 0)
            for (int64_t stop = column + size - column % size; column < stop; column++)
                buf_addc(&b, ' ');
        else if (cp != '\t')
            buf_add(&b, v.s.p + at, n), column = cp == '\n' || cp == '\r' ? 0 : column + 1;
        at += n;
        TRY(tick(r, b.n > r->made_max ? (size_t)r->steps_max : 0));
    }
    return str_val(r, &b, out);
}

/* ---- parts ---- */

static errc three(struct render *r, struct str a, struct str b, struct str c, struct val *out)
{
    *out = val_list(r->arena);
    out->kind = VAL_TUPLE;
    list_add(r->arena, out->list, val_str(a));
    list_add(r->arena, out->list, val_str(b));
    list_add(r->arena, out->list, val_str(c));
    return ERR_OK;
}

static errc partition(struct render *r, struct val v, const struct args *args, bool last, struct val *out)
{
    struct str sep;
    size_t at;

    TRY(want_str(r, args, 0, "partition", &sep));
    TRY(tick(r, v.s.n / 16));
    if (!sep.n)
        return fail(r, "empty separator");
    if (last ? find_last(v.s, sep, &at) : str_find(v.s, sep, &at))
        return three(r, str_n(v.s.p, at), sep, str_from(v.s, at + sep.n), out);
    return last ? three(r, STR(""), STR(""), v.s, out) : three(r, v.s, STR(""), STR(""), out);
}

errc m_partition(struct render *r, struct val v, const struct args *a, struct val *out) { return partition(r, v, a, false, out); }
errc m_rpartition(struct render *r, struct val v, const struct args *a, struct val *out) { return partition(r, v, a, true, out); }

errc m_find_or_fail(struct render *r, struct val v, const struct args *args, struct val *out)
{
    TRY(m_find(r, v, args, out));
    return out->i < 0 ? fail(r, "substring not found") : ERR_OK;
}

errc m_swapcase(struct render *r, struct val v, const struct args *a, struct val *out) { (void)a; return text_case(r, v.s, 's', out); }

errc m_casefold(struct render *r, struct val v, const struct args *args, struct val *out)
{
    struct val upper;

    (void)args;                         /* by way of the large letters: sharp s and ligatures become what they stand for */
    TRY(text_case(r, v.s, 'u', &upper));
    return text_case(r, upper.s, 'l', out);
}

errc m_isascii(struct render *r, struct val v, const struct args *a, struct val *out)
{
    bool yes = true;

    (void)r, (void)a;
    for (size_t i = 0; i < v.s.n; i++)
        yes &= (unsigned char)v.s.p[i] < 128;
    *out = val_bool(yes);
    return ERR_OK;
}

errc m_isidentifier(struct render *r, struct val v, const struct args *a, struct val *out)
{
    bool yes = v.s.n && !(v.s.p[0] >= '0' && v.s.p[0] <= '9');

    (void)r, (void)a;
    for (size_t at = 0; at < v.s.n;) {
        int32_t cp;
        at += text_next(v.s, at, &cp);
        yes &= text_is_word(cp);
    }
    *out = val_bool(yes);
    return ERR_OK;
}

errc m_istitle(struct render *r, struct val v, const struct args *args, struct val *out)
{
    struct val title, lower;

    (void)args;
    TRY(text_case(r, v.s, 't', &title));
    TRY(text_case(r, v.s, 'l', &lower));
    *out = val_bool(val_equal(v, title) && !val_equal(title, lower));
    return ERR_OK;
}

static bool is_numeric(utf8proc_category_t c) { return c >= UTF8PROC_CATEGORY_ND && c <= UTF8PROC_CATEGORY_NO; }
errc m_isnumeric(struct render *r, struct val v, const struct args *a, struct val *out) { (void)r, (void)a; return all_of(v.s, is_numeric, out); }
