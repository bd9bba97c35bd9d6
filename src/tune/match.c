#include "tune/match.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "base/mem.h"

bool match_is_expression(const char *text)
{
    return strpbrk(text, "\\^$*+?()[]{}|") != NULL;
}

static pcre2_code *compile(const char *pattern, int *error)
{
    size_t at;

    return pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED, PCRE2_UTF | PCRE2_ANCHORED | PCRE2_ENDANCHORED, error, &at, NULL);
}

errc match_check(const char *expression, const char *key, struct err *e)
{
    int error;
    pcre2_code *code = compile(expression, &error);
    char text[120] = "";

    if (!code) {
        pcre2_get_error_message(error, (PCRE2_UCHAR *)text, sizeof text);
        return err_set(e, ERR_INVALID, "%s: \"%.80s\" is no regular expression: %s", key, expression, text);
    }
    pcre2_code_free(code);
    return ERR_OK;
}

bool match_whole(const char *expression, const char *path)
{
    int error;
    pcre2_code *code = compile(expression, &error);

    if (!code)
        return false;
    pcre2_match_data *data = pcre2_match_data_create_from_pattern(code, NULL);
    bool found = pcre2_match(code, (PCRE2_SPTR)path, strlen(path), 0, 0, data, NULL) >= 0;
    pcre2_match_data_free(data);
    pcre2_code_free(code);
    return found;
}

bool match_tail(const char *name_or_expression, const char *path)
{
    size_t n = strlen(path), k = strlen(name_or_expression);

    if (match_is_expression(name_or_expression)) {
        AUTO_MEM char *whole = xasprintf("(.*\\.)?(%s)", name_or_expression);
        return match_whole(whole, path);
    }
    return k > 0 && k <= n && streq(path + n - k, name_or_expression) && (k == n || path[n - k - 1] == '.');
}

double match_value(const struct tune_pattern *p, const char *path, double fallback)
{
    for (size_t i = 0; i < p->n; i++)
        if (match_tail(p->names[i], path))
            return p->values[i];
    return fallback;
}
