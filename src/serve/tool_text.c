/* A scan from the front each time: calls are short, and nothing is kept between pieces. */
#include "serve/tool_text.h"

#include <string.h>

size_t json_skip_space(struct str s, size_t at)
{
    while (at < s.n && strchr(" \t\r\n", s.p[at]) && s.p[at])
        at++;
    return at;
}

bool json_string_end(struct str s, size_t at, size_t *end)
{
    for (at++; at < s.n; at++) {
        if (s.p[at] == '\\') {
            at++;
        } else if (s.p[at] == '"') {
            *end = at + 1;
            return true;
        }
    }
    return false;
}

static bool value_end(struct str s, size_t at, size_t *end)
{
    size_t depth = 0;

    if (at < s.n && s.p[at] == '"')
        return json_string_end(s, at, end);
    for (; at < s.n; at++) {
        char c = s.p[at];
        if (c == '"') {
            if (!json_string_end(s, at, &at))
                return false;
            at--;
        } else if (c == '{' || c == '[') {
            depth++;
        } else if (depth && (c == '}' || c == ']')) {
            if (!--depth) {
                *end = at + 1;
                return true;
            }
        } else if (!depth && strchr(",]} \t\r\n", c)) {
            *end = at;
            return true;
        }
    }
    return false;
}

static bool is_key(struct str key, const char *a, const char *b) { return str_is(key, a) || str_is(key, b); }

/* One key and its value at s[*at]; false when the text ends within. */
static bool look_at_member(struct str s, size_t *at, struct call_text *f)
{
    size_t end, value;

    if (!json_string_end(s, *at, &end))
        return false;
    struct str key = str_n(s.p + *at, end - *at);
    value = json_skip_space(s, end);
    if (value < s.n && s.p[value] != ':') {
        f->wrong = true;
        return false;
    }
    value = json_skip_space(s, value + 1);
    bool whole = value < s.n && value_end(s, value, &end);
    if (is_key(key, "\"arguments\"", "\"parameters\"") && value < s.n) {
        f->arguments = str_n(s.p + value, (whole ? end : s.n) - value);
        f->arguments_whole = whole;
    }
    if (!whole)
        return false;
    if (str_is(key, "\"name\"") && s.p[value] == '"')
        f->name = str_n(s.p + value, end - value);
    *at = end;
    return true;
}

void call_look_at_object(struct str s, struct call_text *f)
{
    for (size_t at = 1;;) {
        at = json_skip_space(s, at);
        if (at >= s.n)
            return;
        if (s.p[at] == ',') {
            at++;
        } else if (s.p[at] == '}') {
            f->whole = true;
            f->end = at + 1;
            return;
        } else if (s.p[at] == '"') {
            if (!look_at_member(s, &at, f))
                return;
        } else {
            f->wrong = true;
            return;
        }
    }
}

void call_look_at_named(struct str s, struct call_text *f)
{
    size_t at = 0, end;

    while (at < s.n && s.p[at] != '{' && s.p[at] != '[' && !strchr(" \n\"", s.p[at]))
        at++;
    f->name = str_n(s.p, at);
    if (str_has_prefix(str_from(s, at), STR("[ARGS]")))
        at += 6;
    at = json_skip_space(s, at);
    if (at >= s.n || (s.n - at < 6 && str_has_prefix(STR("[ARGS]"), str_from(s, at)))) {
        f->name = (struct str){ 0 };
        return;
    }
    if (s.p[at] != '{') {
        f->wrong = true;
        return;
    }
    f->whole = f->arguments_whole = value_end(s, at, &end);
    f->arguments = str_n(s.p + at, (f->whole ? end : s.n) - at);
    f->end = f->whole ? end : 0;
}
