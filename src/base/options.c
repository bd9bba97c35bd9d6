#include "base/options.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"

void strlist_add(struct strlist *l, const char *s)
{
    vec_grow(l->items, l->n, l->cap);
    l->items[l->n++] = s;
}

void strlist_done(struct strlist *l)
{
    free(l->items);
    *l = (struct strlist){ 0 };
}

static void print_default(const struct option_row *r)
{
    if (r->required)
        printf(" (required)");
    else if (r->kind == OPT_STR && *(const char **)r->value)
        printf(" (default %s)", *(const char **)r->value);
    else if (r->kind == OPT_INT)
        printf(" (default %lld)", (long long)*(int64_t *)r->value);
    else if (r->kind == OPT_NUM)
        printf(" (default %g)", *(double *)r->value);
    else if (r->kind == OPT_BOOL && *(bool *)r->value)
        printf(" (default on; --no-%s)", r->name);
    else if (r->kind == OPT_DURATION_MS)
        printf(" (default %gs)", (double)*(int64_t *)r->value / 1000);
    if (r->env)
        printf(" [$%s]", r->env);
}

static void options_print_help(const struct option_row *rows, size_t n, const struct command_help *help)
{
    printf("%s\n\nUsage: %s\n", help->summary, help->usage);
    if (n && !rows[0].section)
        printf("\nOptions:\n");
    for (size_t i = 0; i < n; i++) {
        char head[80];
        if (rows[i].section)
            printf("\n%s:\n", rows[i].section);
        if (!rows[i].help)
            continue;
        snprintf(head, sizeof head, "--%s%s%s", rows[i].name, rows[i].arg ? " " : "", rows[i].arg ? rows[i].arg : "");
        if (rows[i].short_name)
            printf("  -%c, %-28s %s", rows[i].short_name, head, rows[i].help);
        else
            printf("  %-32s %s", head, rows[i].help);
        print_default(&rows[i]);
        printf("\n");
    }
    if (help->examples)
        printf("\nExamples:\n%s", help->examples);
}

static errc set_bool(const struct option_row *r, const char *value, struct err *e)
{
    bool on = true;

    if (value && !str_to_bool(str_of(value), &on))
        return err_set(e, ERR_BAD_REQUEST, "--%s: \"%s\" is neither true nor false", r->name, value);
    *(bool *)r->value = on;
    return ERR_OK;
}

static errc set_int(const struct option_row *r, const char *value, struct err *e)
{
    int64_t v;

    if (!str_to_i64(str_of(value), &v))
        return err_set(e, ERR_BAD_REQUEST, "--%s: \"%s\" is not a whole number", r->name, value);
    if (r->max && (v < r->min || v > r->max))
        return err_set(e, ERR_BAD_REQUEST, "--%s: %s is not from %lld to %lld", r->name, value, (long long)r->min, (long long)r->max);
    *(int64_t *)r->value = v;
    return ERR_OK;
}

static errc set_value(const struct option_row *r, const char *value, struct err *e)
{
    switch (r->kind) {
    case OPT_STR:
        *(const char **)r->value = value;
        return ERR_OK;
    case OPT_LIST:
    case OPT_WORDS:
        strlist_add(r->value, value);
        return ERR_OK;
    case OPT_NOTED:
        strlist_add(r->value, r->name);
        return ERR_OK;
    case OPT_BOOL:
        return set_bool(r, value, e);
    case OPT_INT:
        return set_int(r, value, e);
    case OPT_NUM:
        if (str_to_f64(str_of(value), r->value))
            return ERR_OK;
        return err_set(e, ERR_BAD_REQUEST, "--%s: \"%s\" is not a number", r->name, value);
    case OPT_DURATION_MS:
        if (duration_parse_ms(str_of(value), r->value))
            return ERR_OK;
        return err_set(e, ERR_BAD_REQUEST, "--%s: \"%s\" is not a duration; write for example 30s, 5m or 1h30m", r->name, value);
    }
    return err_set(e, ERR_INTERNAL, "--%s: unknown kind of option", r->name);
}

static bool same_name(struct str given, const char *name)
{
    size_t n = strlen(name);

    for (size_t i = 0; i < given.n; i++)
        if (i >= n || (given.p[i] == '_' ? '-' : given.p[i]) != name[i])
            return false;
    return given.n == n;
}

static const struct option_row *find_row(const struct option_row *rows, size_t n, struct str name, bool *out_negated)
{
    *out_negated = false;
    for (size_t i = 0; i < n; i++) {
        if (same_name(name, rows[i].name))
            return &rows[i];
        if (rows[i].kind == OPT_BOOL && str_has_prefix(name, STR("no-")) && same_name(str_from(name, 3), rows[i].name)) {
            *out_negated = true;
            return &rows[i];
        }
    }
    return NULL;
}

static const struct option_row *find_short(const struct option_row *rows, size_t n, char c)
{
    for (size_t i = 0; i < n; i++)
        if (rows[i].short_name == c)
            return &rows[i];
    return NULL;
}

/* One option as it was written: its row (NULL: none), and what stands behind "=" (NULL: nothing). */
struct written { const struct option_row *row; const char *value; bool negated; };

/* One dash begins a long name too, as Go's programs take it: only a single letter is a short one. */
static struct written read_word(const struct option_row *rows, size_t n, const char *word)
{
    struct written w = { 0 };
    struct str name, rest;
    bool two_dashes = word[1] == '-';

    if (str_cut(str_of(word + 1 + two_dashes), '=', &name, &rest))
        w.value = rest.p;
    w.row = !two_dashes && name.n == 1 ? find_short(rows, n, name.p[0]) : find_row(rows, n, name, &w.negated);
    return w;
}

/* Takes the option at argv[*i] and, when it needs one, its value. */
static errc take_option(const struct option_row *rows, size_t n, char **argv, int argc, int *i, bool *given, struct err *e)
{
    const char *word = argv[*i];
    struct written w = read_word(rows, n, word);
    const struct option_row *r = w.row;

    if (!r)
        return err_set(e, ERR_BAD_REQUEST, "unknown option %s; --help lists the options", word);
    given[r - rows] = true;
    if (w.negated)
        return set_value(r, "false", e);
    if (r->kind == OPT_NOTED) {
        *i += !w.value && *i + 1 < argc && argv[*i + 1][0] != '-';
        return set_value(r, "", e);
    }
    if (r->kind != OPT_BOOL && !w.value) {
        if (*i + 1 >= argc)
            return err_set(e, ERR_BAD_REQUEST, "%s needs a value (%s)", word, r->arg ? r->arg : "VALUE");
        w.value = argv[++*i];
    }
    TRY(set_value(r, w.value, e));
    while (r->kind == OPT_WORDS && *i + 1 < argc && argv[*i + 1][0] != '-')
        TRY(set_value(r, argv[++*i], e));
    return ERR_OK;
}

static errc take_environment(const struct option_row *rows, size_t n, bool *given, struct err *e)
{
    for (size_t i = 0; i < n; i++) {
        const char *value = !given[i] && rows[i].env ? getenv(rows[i].env) : NULL;
        if (!str_set(value))
            continue;
        if (set_value(&rows[i], value, e))
            return err_wrap(e, "$%s", rows[i].env);
        given[i] = true;
    }
    for (size_t i = 0; i < n; i++)
        if (rows[i].required && !given[i])
            return err_set(e, ERR_BAD_REQUEST, "--%s %s is required; --help tells more", rows[i].name,
                           rows[i].arg ? rows[i].arg : "VALUE");
    return ERR_OK;
}

errc options_parse(const struct option_row *rows, size_t n, const struct command_help *help,
                   int argc, char **argv, struct strlist *args, struct err *e)
{
    AUTO_MEM bool *given = xcalloc(n + 1, sizeof *given);
    bool options_over = false;

    for (int i = 1; i < argc; i++) {
        if (!options_over && (streq(argv[i], "--help") || streq(argv[i], "-h"))) {
            options_print_help(rows, n, help);
            return err_set(e, OPTIONS_HELP, "help was printed");
        }
        if (!options_over && streq(argv[i], "--"))
            options_over = true;
        else if (!options_over && argv[i][0] == '-' && argv[i][1])
            TRY(take_option(rows, n, argv, argc, &i, given, e));
        else if (args)
            strlist_add(args, argv[i]);
        else
            return err_set(e, ERR_BAD_REQUEST, "unexpected argument \"%s\"; --help shows the usage", argv[i]);
    }
    return take_environment(rows, n, given, e);
}
