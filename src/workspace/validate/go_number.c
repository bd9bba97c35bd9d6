/* Numbers as Go's strconv reads them, with the ends of its messages: "invalid syntax", "value out of range". */
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "workspace/validate/priv.h"

#define SYNTAX "invalid syntax"
#define RANGE  "value out of range"

bool go_atoi(struct str s, int64_t *out, const char **why)
{
    size_t at = s.n > 0 && (s.p[0] == '-' || s.p[0] == '+') ? 1 : 0;

    *why = SYNTAX;
    if (at == s.n)
        return false;
    for (size_t i = at; i < s.n; i++)
        if (!isdigit((unsigned char)s.p[i]))
            return false;
    *why = RANGE;
    return str_to_i64(at == 1 && s.p[0] == '+' ? str_from(s, 1) : s, out);
}

static bool is_special(struct str s)
{
    struct str bare = s.n > 0 && (s.p[0] == '-' || s.p[0] == '+') ? str_from(s, 1) : s;

    return str_ieq(bare, STR("inf")) || str_ieq(bare, STR("infinity")) || str_ieq(s, STR("nan"));
}

/* Underscores may stand between digits and behind the 0x. */
static bool underscores_are_good(struct str s, size_t at, bool hex)
{
    bool before = hex;

    for (size_t i = at; i < s.n; i++) {
        if (s.p[i] == '_') {
            if (!before || i + 1 == s.n || !isxdigit((unsigned char)s.p[i + 1]))
                return false;
            before = false;
        } else {
            before = isxdigit((unsigned char)s.p[i]);
        }
    }
    return true;
}

bool go_parse_float(struct str s, double *out, const char **why)
{
    AUTO_BUF digits = { 0 };
    size_t at = s.n > 0 && (s.p[0] == '-' || s.p[0] == '+') ? 1 : 0;
    bool hex = s.n >= at + 2 && s.p[at] == '0' && (s.p[at + 1] | 32) == 'x';
    char *end;

    *why = SYNTAX;
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] != '_')
            buf_addc(&digits, s.p[i]);
    if (is_special(s)) {
        *out = strtod(buf_cstr(&digits), NULL);
        return true;
    }
    if (s.n == at || !(isdigit((unsigned char)s.p[at]) || s.p[at] == '.') || !underscores_are_good(s, hex ? at + 2 : at, hex))
        return false;
    if (hex && !strpbrk(buf_cstr(&digits), "pP"))
        return false;
    errno = 0;
    *out = strtod(buf_cstr(&digits), &end);
    if (end == buf_cstr(&digits) || *end) {
        *out = 0;
        return false;
    }
    *why = RANGE;
    return !isinf(*out);
}
