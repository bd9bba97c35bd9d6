/* Python's two ways of putting values into a text: "%05.1f" % x and "{:>5}".format(x). */
#include <ctype.h>

#include "template/priv.h"

#define WIDTH_MAX 100000

errc text_pad(struct render *r, struct str s, int64_t width, struct str fill, char how, struct val *out)
{
    AUTO_BUF b = { 0 };
    int64_t n = (int64_t)str_chars(s), missing = width > n ? width - n : 0;
    int64_t left = how == '>' ? missing : how == '^' ? missing / 2 : 0;

    if (missing > WIDTH_MAX)
        return fail(r, "a width of %lld is more than %d", (long long)width, WIDTH_MAX);
    TRY(tick(r, (size_t)missing / 16));
    for (int64_t i = 0; i < left; i++)
        buf_addstr(&b, fill);
    buf_addstr(&b, s);
    for (int64_t i = left; i < missing; i++)
        buf_addstr(&b, fill);
    return str_val(r, &b, out);
}

struct spec { bool minus, zero, plus, blank, alt; char align, kind, comma; struct str fill; int64_t width, precision; };

static void number_with(const struct spec *s, double f, struct buf *out)
{
    char flags[16];

    snprintf(flags, sizeof flags, "%%%s%s.*%c", s->plus ? "+" : s->blank ? " " : "", s->alt ? "#" : "", s->kind);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    buf_addf(out, flags, (int)(s->precision < 0 ? 6 : s->precision > 300 ? 300 : s->precision), f);
#pragma GCC diagnostic pop
}

static void integer_with(const struct spec *s, int64_t i, struct buf *out)
{
    uint64_t size = i < 0 ? 0 - (uint64_t)i : (uint64_t)i;

    buf_adds(out, i < 0 ? "-" : s->plus ? "+" : s->blank ? " " : "");
    if (s->alt && s->kind != 'd')
        buf_addf(out, "0%c", s->kind);
    if (s->kind == 'x')
        buf_addf(out, "%llx", (unsigned long long)size);
    else if (s->kind == 'X')
        buf_addf(out, "%llX", (unsigned long long)size);
    else if (s->kind == 'o')
        buf_addf(out, "%llo", (unsigned long long)size);
    else
        buf_addf(out, "%llu", (unsigned long long)size);
}

/* Zeros go behind the sign. */
static errc padded(struct render *r, const struct spec *s, struct buf *text, bool numeric, struct val *out)
{
    struct str t = buf_str(text);
    char align = s->align ? s->align : s->minus ? '<' : numeric ? '>' : '<';

    if (!(s->zero && numeric && !s->minus && !s->align))
        return text_pad(r, t, s->width, s->fill.n ? s->fill : STR(" "), align, out);
    size_t sign = t.n && strchr("+- ", t.p[0]) ? 1 : 0;
    struct val digits;
    TRY(text_pad(r, str_from(t, sign), s->width - (int64_t)sign, STR("0"), '>', &digits));
    AUTO_BUF b = { 0 };
    buf_add(&b, t.p, sign);
    buf_addstr(&b, digits.s);
    return str_val(r, &b, out);
}

/* One value by its spec; kind 0 is what str() gives. */
static errc formatted(struct render *r, struct spec s, struct val v, bool percent, struct val *out)
{
    AUTO_BUF b = { 0 };
    bool numeric = false;

    if (s.kind == 'i' || s.kind == 'u')
        s.kind = 'd';
    if (s.kind && strchr("dxXo", s.kind)) {
        bool whole = v.kind == VAL_INT || v.kind == VAL_BOOL || (percent && s.kind == 'd' && v.kind == VAL_FLOAT && v.f > -9e18 && v.f < 9e18);
        if (!whole)
            return fail(r, "%%%c format: a real number is required, not %s", s.kind, val_type(v));
        integer_with(&s, v.kind == VAL_INT ? v.i : v.kind == VAL_BOOL ? v.b : (int64_t)v.f, &b);
        numeric = true;
    } else if (s.kind && strchr("eEfFgG", s.kind)) {
        if (!val_is_number(v))
            return fail(r, "must be real number, not %s", val_type(v));
        number_with(&s, val_number(v), &b);
        numeric = true;
    } else {
        if (s.kind == 'r' || s.kind == 'a')
            val_repr(v, &b);
        else
            val_print(v, &b);
        if (s.precision >= 0)
            buf_truncate(&b, str_char_at(buf_str(&b), (size_t)s.precision));
        numeric = !percent && !s.kind && val_is_number(v) && v.kind != VAL_BOOL;
        if (percent)
            s.zero = false;
    }
    return padded(r, &s, &b, numeric, out);
}

static int64_t digits(struct str f, size_t *i)
{
    int64_t n = 0;

    for (; *i < f.n && isdigit((unsigned char)f.p[*i]); ++*i)
        n = n > WIDTH_MAX ? n : n * 10 + (f.p[*i] - '0');
    return n;
}

static void read_flags(struct str f, size_t *i, struct spec *s)
{
    for (; *i < f.n && strchr("-0+ #", f.p[*i]) && f.p[*i]; ++*i) {
        s->minus |= f.p[*i] == '-';
        s->zero |= f.p[*i] == '0';
        s->plus |= f.p[*i] == '+';
        s->blank |= f.p[*i] == ' ';
        s->alt |= f.p[*i] == '#';
    }
}

static void read_width(struct str f, size_t *i, struct spec *s)
{
    s->width = digits(f, i);
    s->precision = -1;
    if (*i < f.n && f.p[*i] == '.') {
        ++*i;
        s->precision = digits(f, i);
    }
}

static errc percent_value(struct render *r, struct str format, size_t *i, const struct args *args, size_t *next, struct val *out)
{
    struct str name, rest;

    if (*i < format.n && format.p[*i] == '(') {
        if (!args->mapping || !str_cut(str_from(format, *i + 1), ')', &name, &rest))
            return fail(r, "format requires a mapping");
        const struct val *found = dict_find(args->mapping, val_str(name));
        if (!found)
            return fail(r, "'%.*s'", STR_ARG(name));
        *i += name.n + 2;
        *out = *found;
        return ERR_OK;
    }
    *out = *next < args->n ? args->v[*next] : val_none();
    ++*next;
    return ERR_OK;
}

errc text_percent(struct render *r, struct str format, const struct args *args, struct val *out)
{
    AUTO_BUF b = { 0 };
    size_t next = 0;
    bool named = false;

    for (size_t i = 0; i < format.n;) {
        if (format.p[i] != '%') {
            buf_addc(&b, format.p[i++]);
            continue;
        }
        struct spec s = { 0 };
        struct val v = val_none(), made_text;
        size_t before = next, literal = ++i;
        if (literal < format.n && format.p[literal] == '%') {
            buf_addc(&b, format.p[i++]);
            continue;
        }
        TRY(percent_value(r, format, &i, args, &next, &v));
        named |= next == before;
        read_flags(format, &i, &s);
        read_width(format, &i, &s);
        if (i >= format.n)
            return fail(r, "incomplete format");
        s.kind = format.p[i++];
        if (!strchr("diuxXoeEfFgGsra", s.kind))
            return fail(r, "unsupported format character '%c'", s.kind);
        if (next > args->n)
            return fail(r, "not enough arguments for format string");
        TRY(formatted(r, s, v, true, &made_text));
        buf_addstr(&b, made_text.s);
    }
    if (next < args->n && !named && !args->mapping)
        return fail(r, "not all arguments converted during string formatting");
    return str_val(r, &b, out);
}

/* [[fill]align][sign][#][0][width][.precision][type] */
static errc read_spec(struct render *r, struct str f, struct spec *s)
{
    size_t i = 0, lead = f.n ? str_char_at(f, 1) : 0;

    *s = (struct spec){ .precision = -1 };
    if (lead < f.n && lead && strchr("<>^", f.p[lead]) && f.p[lead]) {
        s->fill = str_n(f.p, lead);
        s->align = f.p[lead];
        i = lead + 1;
    } else if (f.n && strchr("<>^", f.p[0])) {
        s->align = f.p[i++];
    }
    read_flags(f, &i, s);
    read_width(f, &i, s);
    if (i < f.n)
        s->kind = f.p[i++];
    if (i < f.n || (s->kind && !strchr("dxXoeEfFgGs", s->kind)))
        return fail(r, "format(): \"%.*s\" is not understood", STR_ARG(f));
    return ERR_OK;
}

/* What stands between { and }: name, !r or !s, :spec. */
static errc field_value(struct render *r, struct str field, const struct args *args, size_t *next, struct val *out)
{
    struct str name, spec_text = { 0 }, how = { 0 };
    struct spec s;
    int64_t at;

    (void)str_cut(field, ':', &name, &spec_text);
    (void)str_cut(name, '!', &name, &how);
    const struct val *x = !name.n ? arg(args, (*next)++, NULL) : str_to_i64(name, &at) && at >= 0 ? arg(args, (size_t)at, NULL) : NULL;
    for (size_t k = 0; name.n && !x && k < args->n_named; k++)
        if (str_eq(args->names[k], name))
            x = &args->named[k];
    if (!x)
        return fail(r, "format(): nothing was given for {%.*s}", STR_ARG(name));
    TRY(read_spec(r, spec_text, &s));
    struct val v = *x;
    if (how.n) {
        AUTO_BUF text = { 0 };
        if (str_is(how, "r"))
            val_repr(v, &text);
        else
            val_print(v, &text);
        TRY(str_val(r, &text, &v));
    }
    if (s.kind == 's')
        s.kind = 0;
    return formatted(r, s, v, false, out);
}

errc text_format(struct render *r, struct str format, const struct args *args, struct val *out)
{
    AUTO_BUF b = { 0 };
    size_t next = 0;

    for (size_t i = 0; i < format.n; i++) {
        char c = format.p[i];
        bool twice = i + 1 < format.n && format.p[i + 1] == c;
        struct str field, rest;
        struct val made_text;
        if ((c == '{' || c == '}') && twice) {
            buf_addc(&b, c);
            i++;
        } else if (c == '}') {
            return fail(r, "Single '}' encountered in format string");
        } else if (c != '{') {
            buf_addc(&b, c);
        } else if (!str_cut(str_from(format, i + 1), '}', &field, &rest)) {
            return fail(r, "Single '{' encountered in format string");
        } else {
            TRY(field_value(r, field, args, &next, &made_text));
            buf_addstr(&b, made_text.s);
            i += field.n + 1;
        }
    }
    return str_val(r, &b, out);
}
