/* Filters of text. */
#include "template/filters.h"

/* Filters of text take any value's str(). */
static errc as_text(struct render *r, struct val v, struct str *out)
{
    AUTO_BUF b = { 0 };
    struct val made_text;

    if (v.kind == VAL_STR) {
        *out = v.s;
        return ERR_OK;
    }
    val_print(v, &b);
    TRY(str_val(r, &b, &made_text));
    *out = made_text.s;
    return ERR_OK;
}

errc f_trim(struct render *r, struct val v, const struct args *args, struct val *out)
{
    struct str s;
    const struct val *chars = arg(args, 0, "chars");

    TRY(as_text(r, v, &s));
    return text_strip(r, s, chars && chars->kind == VAL_STR ? chars->s : (struct str){ 0 }, true, true, out);
}

static errc cased(struct render *r, struct val v, char how, struct val *out)
{
    struct str s;
    TRY(as_text(r, v, &s));
    return text_case(r, s, how, out);
}

errc f_upper(struct render *r, struct val v, const struct args *a, struct val *out) { (void)a; return cased(r, v, 'u', out); }
errc f_lower(struct render *r, struct val v, const struct args *a, struct val *out) { (void)a; return cased(r, v, 'l', out); }

/* Jinja's own: each word after a blank, a dash or an opening bracket begins large and goes on small. */
errc f_title(struct render *r, struct val v, const struct args *a, struct val *out)
{
    AUTO_BUF b = { 0 };
    struct str s;

    (void)a;
    TRY(as_text(r, v, &s));
    TRY(tick(r, s.n / 8));
    for (size_t at = 0, start = 0, next; at <= s.n; at = next) {
        int32_t cp = ' ';
        next = at + (at < s.n ? text_next(s, at, &cp) : 1);
        bool cut = cp < 128 ? strchr("-({[<", cp) || text_strips(cp, (struct str){ 0 }) : text_strips(cp, (struct str){ 0 });
        if (!cut)
            continue;
        if (at > start) {
            size_t first = start + str_char_at(str_from(str_n(s.p, at), start), 1);
            struct val head, tail;
            TRY(text_case(r, str_n(s.p + start, first - start), 'u', &head));
            TRY(text_case(r, str_n(s.p + first, at - first), 'l', &tail));
            buf_addstr(&b, head.s);
            buf_addstr(&b, tail.s);
        }
        if (at < s.n)
            buf_add(&b, s.p + at, next - at);
        start = next;
    }
    return str_val(r, &b, out);
}
errc f_capitalize(struct render *r, struct val v, const struct args *a, struct val *out) { (void)a; return cased(r, v, 'c', out); }

errc f_string(struct render *r, struct val v, const struct args *a, struct val *out)
{
    struct str s;

    (void)a;
    TRY(as_text(r, v, &s));
    *out = val_str(s);
    return ERR_OK;
}

errc f_replace(struct render *r, struct val v, const struct args *args, struct val *out)
{
    struct str s, from, to;

    if (args->n < 2)
        return fail(r, "replace needs two strings");
    TRY(as_text(r, v, &s));
    TRY(as_text(r, args->v[0], &from));
    TRY(as_text(r, args->v[1], &to));
    return text_replace(r, s, from, to, arg_int(args, 2, "count", -1), out);
}

errc f_indent(struct render *r, struct val v, const struct args *args, struct val *out)
{
    const struct val *width = arg(args, 0, "width");
    bool first = arg_bool(args, 1, "first", false), blank = arg_bool(args, 2, "blank", false);
    struct str s, line;
    AUTO_BUF b = { 0 }, pad = { 0 };

    if (v.kind != VAL_STR && v.kind != VAL_UNDEFINED)
        return fail(r, "indent needs a string, not %s", val_type(v));
    TRY(as_text(r, v, &s));
    if (width && width->kind == VAL_STR)
        buf_addstr(&pad, width->s);
    else
        for (int64_t i = arg_int(args, 0, "width", 4); i > 0 && pad.n < 1000; i--)
            buf_addc(&pad, ' ');
    struct str rest = s;
    for (bool more = true, start = true; more; start = false) {
        size_t n = 0, mark = 0;
        while (n < rest.n && !(mark = text_line_end(str_from(rest, n))))
            n++;
        line = str_n(rest.p, n);
        more = mark > 0;
        rest = str_from(rest, n + mark);
        if ((start && first) || (!start && (blank || line.n)))
            buf_addstr(&b, buf_str(&pad));
        buf_addstr(&b, line);
        if (more)
            buf_addc(&b, '\n');
        if (b.n > r->made_max)
            break;
    }
    return str_val(r, &b, out);
}

errc f_escape(struct render *r, struct val v, const struct args *a, struct val *out)
{
    static const char *const names[] = { ['&'] = "&amp;", ['<'] = "&lt;", ['>'] = "&gt;", ['"'] = "&#34;", ['\''] = "&#39;" };
    struct str s;
    AUTO_BUF b = { 0 };

    (void)a;
    TRY(as_text(r, v, &s));
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c < ARRAY_LEN(names) && names[c])
            buf_adds(&b, names[c]);
        else
            buf_addc(&b, (char)c);
    }
    return str_val(r, &b, out);
}

errc f_center(struct render *r, struct val v, const struct args *args, struct val *out)
{
    struct str s;

    TRY(as_text(r, v, &s));
    int64_t width = arg_int(args, 0, "width", 80), missing = width - (int64_t)str_chars(s);
    return text_center(r, s, width, missing, STR(" "), out);
}

errc f_format(struct render *r, struct val v, const struct args *args, struct val *out)
{
    struct val named = val_dict(r->arena);
    struct args values = *args;
    struct str s;

    if (args->n && args->n_named)
        return fail(r, "can't handle positional and keyword arguments at the same time");
    for (size_t i = 0; i < args->n_named; i++)
        dict_put(r->arena, named.dict, val_str(args->names[i]), args->named[i]);
    values.mapping = args->n_named ? named.dict : NULL;
    TRY(as_text(r, v, &s));
    return text_percent(r, s, &values, out);
}

/* Cuts at `length` less the end mark, back to a word's end unless killwords; a text within `leeway` of it stays. */
errc f_truncate(struct render *r, struct val v, const struct args *args, struct val *out)
{
    int64_t length = arg_int(args, 0, "length", 255), leeway = arg_int(args, 3, "leeway", 5);
    struct str end = arg_str(args, 2, "end", "..."), head, rest;
    AUTO_BUF b = { 0 };

    if (val_is_sequence(v) && (int64_t)v.list->n <= length + leeway) {
        *out = v;                       /* whatever has a length that is short enough */
        return ERR_OK;
    }
    if (v.kind != VAL_STR)
        return v.kind == VAL_UNDEFINED ? (*out = val_str(STR("")), ERR_OK) : fail(r, "truncate needs a string, not %s", val_type(v));
    if (length < (int64_t)str_chars(end))
        return fail(r, "expected length >= %zu, got %lld", str_chars(end), (long long)length);
    if (leeway < 0)
        return fail(r, "expected leeway >= 0, got %lld", (long long)leeway);
    *out = v;
    if ((int64_t)str_chars(v.s) <= length + leeway)
        return ERR_OK;
    struct str kept = str_n(v.s.p, str_char_at(v.s, (size_t)length - str_chars(end)));
    if (!arg_bool(args, 1, "killwords", false) && str_rcut(kept, ' ', &head, &rest))
        kept = head;
    buf_addstr(&b, kept);
    buf_addstr(&b, end);
    return str_val(r, &b, out);
}

static bool word_char(struct str s, size_t *at)
{
    int32_t cp;

    *at += text_next(s, *at, &cp);
    return text_is_word(cp);
}

errc f_wordcount(struct render *r, struct val v, const struct args *args, struct val *out)
{
    struct str s;
    int64_t n = 0;
    bool inside = false;

    (void)args;
    TRY(as_text(r, v, &s));
    TRY(tick(r, s.n / 8));
    for (size_t at = 0; at < s.n;) {
        bool word = word_char(s, &at);
        n += word && !inside;
        inside = word;
    }
    *out = val_int(n);
    return ERR_OK;
}

/* Tags and comments go, runs of white space become one blank. */
errc f_striptags(struct render *r, struct val v, const struct args *args, struct val *out)
{
    static const struct { const char *name, *text; } entities[] = {
        { "&amp;", "&" }, { "&lt;", "<" }, { "&gt;", ">" }, { "&#34;", "\"" }, { "&quot;", "\"" }, { "&#39;", "'" }, { "&nbsp;", "\xC2\xA0" },
    };
    AUTO_BUF plain = { 0 };
    struct str s;
    size_t end;

    (void)args;
    TRY(as_text(r, v, &s));
    TRY(tick(r, s.n / 4));
    for (size_t i = 0, close = 0; i < s.n; i++) {
        if (s.p[i] == '<' && close != SIZE_MAX && str_find(str_from(s, i), STR(">"), &end)) {
            i += end;
            continue;
        }
        close = s.p[i] == '<' ? SIZE_MAX : close;
        size_t e = 0;
        while (e < ARRAY_LEN(entities) && !str_has_prefix(str_from(s, i), str_of(entities[e].name)))
            e++;
        if (e < ARRAY_LEN(entities)) {
            buf_adds(&plain, entities[e].text);
            i += strlen(entities[e].name) - 1;
        } else {
            buf_addc(&plain, s.p[i]);
        }
    }
    struct val text, words = val_list(r->arena);
    TRY(str_val(r, &plain, &text));
    TRY(text_split_white(r, text.s, -1, words.list));
    AUTO_BUF joined = { 0 };
    for (size_t i = 0; i < words.list->n; i++) {
        buf_adds(&joined, i ? " " : "");
        buf_addstr(&joined, words.list->v[i].s);
    }
    return str_val(r, &joined, out);
}

errc f_urlencode(struct render *r, struct val v, const struct args *args, struct val *out)
{
    AUTO_BUF b = { 0 };
    struct str s;

    (void)args;
    if (val_is_sequence(v) || v.kind == VAL_DICT)
        return fail(r, "urlencode of %s is not supported", val_type(v));
    TRY(as_text(r, v, &s));
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        bool plain = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c && strchr("_.-~/", c));
        if (plain)
            buf_addc(&b, (char)c);
        else
            buf_addf(&b, "%%%02X", c);
    }
    return str_val(r, &b, out);
}
