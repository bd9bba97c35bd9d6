/* Filters of text. */
#include "template/filters.h"

errc as_text(struct render *r, struct val v, struct str *out)
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
errc f_title(struct render *r, struct val v, const struct args *a, struct val *out) { (void)a; return cased(r, v, 't', out); }
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

    TRY(as_text(r, v, &s));
    if (width && width->kind == VAL_STR)
        buf_addstr(&pad, width->s);
    else
        for (int64_t i = arg_int(args, 0, "width", 4); i > 0 && pad.n < 1000; i--)
            buf_addc(&pad, ' ');
    struct str rest = s;
    for (bool more = true, start = true; more; start = false) {
        more = str_cut(rest, '\n', &line, &rest);
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
