/*
 * Calls in an answer's text, as it comes. The text behind the last certain point is looked at again with each piece: content up to a
 * marker, then JSON objects {"name", "arguments" | "parameters"} until something else comes. A name is told once it is whole; the
 * bytes of its arguments as they come.
 */
#include "base/clock.h"
#include "base/mem.h"
#include "serve/tool_text.h"
#include "serve/tools.h"

struct call {
    char *id, *name;
    struct buf arguments;       /* what was told of them */
};

enum place { IN_CONTENT, IN_CALLS };

struct tool_reader {
    const struct tool_format *format;   /* NULL: the whole text is JSON */
    char *name;                 /* the whole text is the arguments of this function; NULL: it is not */
    bool parallel;
    enum place place;
    struct buf text;            /* not dealt with yet */
    bool fresh;                 /* nothing was dealt with: an object may stand at the very front */
    bool dropping;              /* white space next to calls is no content */
    struct call *calls;
    size_t n_calls, cap_calls;
    bool open;                  /* the last of calls is under way: text begins with its object */
};

struct tool_reader *tool_reader_of(const struct tool_format *f, const char *name, bool parallel)
{
    struct tool_reader *t = xzalloc(sizeof *t);

    t->format = f;
    t->name = xstrdup(name);
    t->parallel = parallel;
    t->fresh = true;
    return t;
}

struct tool_reader *tool_reader_forced(bool parallel)
{
    struct tool_reader *t = tool_reader_of(NULL, NULL, parallel);

    t->place = IN_CALLS;
    return t;
}

void tool_reader_free(struct tool_reader *t)
{
    if (!t)
        return;
    for (size_t i = 0; i < t->n_calls; i++) {
        free(t->calls[i].id);
        free(t->calls[i].name);
        buf_done(&t->calls[i].arguments);
    }
    free(t->calls);
    free(t->name);
    buf_done(&t->text);
    free(t);
}

/* ---- telling ---- */

static char *new_id(const struct tool_reader *t)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    char id[16] = { 0 };

    if (!t->format || !t->format->short_ids)
        return xasprintf("chatcmpl-tool-%016llx%016llx", (unsigned long long)random_u64(), (unsigned long long)random_u64());
    for (size_t i = 0; i < 9; i++)
        id[i] = letters[random_u64() % (sizeof letters - 1)];
    return xstrdup(id);
}

/* The delta of call i, found or made at the end of the list. */
static json_t *delta_of(json_t **deltas, size_t i)
{
    size_t k;
    json_t *one;

    if (!*deltas)
        *deltas = json_array();
    json_array_foreach(*deltas, k, one)
        if (json_int(one, "index", -1) == (int64_t)i)
            return json_object_get(one, "function");
    one = json_pack("{s:I, s:{}}", "index", (json_int_t)i, "function");
    json_push(*deltas, one);
    return json_object_get(one, "function");
}

static void tell_arguments(struct tool_reader *t, struct str piece, json_t **deltas)
{
    struct call *c = &t->calls[t->n_calls - 1];

    if (!piece.n)
        return;
    json_t *f = delta_of(deltas, t->n_calls - 1);
    AUTO_BUF all = { 0 };
    buf_adds(&all, json_cstr(f, "arguments"));
    buf_addstr(&all, piece);
    json_put(f, "arguments", json_strn(buf_str(&all)));
    buf_addstr(&c->arguments, piece);
}

static void begin_call(struct tool_reader *t, struct str name, json_t **deltas)
{
    vec_grow(t->calls, t->n_calls, t->cap_calls);
    struct call *c = &t->calls[t->n_calls++];
    *c = (struct call){ .id = new_id(t), .name = xstrndup(name.p, name.n) };
    json_t *f = delta_of(deltas, t->n_calls - 1), *delta = json_array_get(*deltas, json_array_size(*deltas) - 1);
    json_put_str(delta, "id", c->id);
    json_put_str(delta, "type", "function");
    json_put_str(f, "name", c->name);
    json_put_str(f, "arguments", "");
    t->open = true;
}

/* Arguments as clients get them: the object's text; of a string what it says. Nothing of a scalar until it is whole. */
static struct str shown_arguments(const struct call_text *f, struct buf *own)
{
    AUTO_JSON text = NULL;
    struct err e;

    if (!f->arguments.n || f->arguments.p[0] == '{' || f->arguments.p[0] == '[')
        return f->arguments;
    if (!f->arguments_whole || json_parse(f->arguments, &text, &e) || !json_is_string(text))
        return f->arguments_whole ? f->arguments : (struct str){ 0 };
    buf_addstr(own, json_to_str(text));
    return buf_str(own);
}

static void tell_call(struct tool_reader *t, const struct call_text *f, struct str name, json_t **deltas)
{
    AUTO_BUF own = { 0 };

    if (!t->open)
        begin_call(t, name, deltas);
    struct str all = shown_arguments(f, &own);
    tell_arguments(t, str_from(all, t->calls[t->n_calls - 1].arguments.n), deltas);
    if (f->whole && !f->arguments.p)
        tell_arguments(t, STR("{}"), deltas);
}

/* ---- moving on ---- */

static void content_out(struct tool_reader *t, size_t n, struct buf *content)
{
    buf_add(content, buf_cstr(&t->text), n);
    buf_cut(&t->text, n);
    if (n)
        t->fresh = false;
}

/* A call's object, or what could not be read as one and is content then. False: more text is needed. */
static bool step_object(struct tool_reader *t, bool bare_name, bool end, struct buf *content, json_t **deltas)
{
    struct str s = buf_str(&t->text);
    struct call_text f = { 0 };
    AUTO_JSON name = NULL;
    struct err e;

    if (bare_name)
        call_look_at_named(s, &f);
    else
        call_look_at_object(s, &f);
    struct str plain = f.name;
    if (f.name.p && !bare_name)
        plain = json_parse(f.name, &name, &e) ? (struct str){ 0 } : json_to_str(name);
    bool dropped = t->n_calls && !t->open && !t->parallel;
    if (plain.n && !dropped)
        tell_call(t, &f, plain, deltas);
    if (f.whole && (t->open || dropped)) {
        t->open = false;
        t->fresh = false;
        buf_cut(&t->text, f.end);
        return true;
    }
    if (!f.whole && !f.wrong && !end)
        return false;
    if (dropped) {
        buf_clear(&t->text);
        return true;
    }
    if (!t->open) {                     /* no call: the model wrote something else */
        t->place = IN_CONTENT;
        t->fresh = false;
        content_out(t, f.whole ? f.end : t->text.n, content);
        return true;
    }
    t->open = false;                    /* cut off, or broken behind its name */
    buf_clear(&t->text);
    return true;
}

/* Behind the last call: content again, without the white space that parted them. */
static bool leave_calls(struct tool_reader *t)
{
    t->place = IN_CONTENT;
    t->dropping = true;
    return true;
}

enum sight { ABSENT, MAYBE, THERE };

/* A mark at the front of s; MAYBE: s ends within it and more may come. */
static enum sight look_for(struct str s, const char *mark, bool end)
{
    struct str m = str_of(mark);

    if (!m.p)
        return ABSENT;
    if (str_has_prefix(s, m))
        return THERE;
    return !end && s.n < m.n && str_has_prefix(m, s) ? MAYBE : ABSENT;
}

static enum sight look_for_marker(const struct tool_format *f, struct str s, bool end)
{
    for (size_t i = 0; f && i < ARRAY_LEN(f->markers) && f->markers[i]; i++) {
        enum sight seen = look_for(s, f->markers[i], end);
        if (seen != ABSENT)
            return seen;
    }
    return ABSENT;
}

/* Between calls: brackets, commas and end marks are passed over; an object or a name begins a call; all else is content again. */
static bool step_calls(struct tool_reader *t, bool end, struct buf *content, json_t **deltas)
{
    const char *mark = t->format ? t->format->end : NULL;
    bool named = t->format && t->format->named;

    if (t->open)
        return step_object(t, named && buf_str(&t->text).p[0] != '{', end, content, deltas);
    buf_cut(&t->text, json_skip_space(buf_str(&t->text), 0));
    struct str s = buf_str(&t->text);
    if (!s.n)
        return false;
    enum sight over = look_for(s, mark, end), again = over == ABSENT ? look_for_marker(t->format, s, end) : ABSENT;
    if (over == MAYBE || again == MAYBE)
        return false;
    if (over == THERE)
        buf_cut(&t->text, strlen(mark));
    if (over == THERE || again == THERE)
        return leave_calls(t);
    if (strchr("[],;", s.p[0])) {
        buf_cut(&t->text, 1);
        return true;
    }
    if (s.p[0] == '{')
        return step_object(t, false, end, content, deltas);
    if (named && !strchr("<\"", s.p[0]))
        return step_object(t, true, end, content, deltas);
    (void)leave_calls(t);
    return t->format != NULL;
}

/* The first marker in s; false when there is none. */
static bool find_marker(const struct tool_format *f, struct str s, size_t *at, size_t *len)
{
    bool found = false;

    for (size_t i = 0; i < ARRAY_LEN(f->markers) && f->markers[i]; i++) {
        size_t here;
        if (str_find(s, str_of(f->markers[i]), &here) && (!found || here < *at)) {
            *at = here;
            *len = strlen(f->markers[i]);
            found = true;
        }
    }
    return found;
}

/* s[0..n) without the white space at its end. */
static size_t without_space(struct str s, size_t n)
{
    while (n && strchr(" \t\r\n", s.p[n - 1]))
        n--;
    return n;
}

/* How much of s can neither begin a marker nor be the white space before one. */
static size_t certain(const struct tool_format *f, struct str s)
{
    size_t keep = 0;

    for (size_t i = 0; i < ARRAY_LEN(f->markers) && f->markers[i]; i++) {
        struct str marker = str_of(f->markers[i]);
        for (size_t n = marker.n - 1; n > keep; n--)
            if (str_has_suffix(s, str_n(marker.p, n))) {
                keep = n;
                break;
            }
    }
    return without_space(s, s.n - keep);
}

/* "functools" is a word that content may hold: only with a list behind it does it begin calls. */
static bool begins_calls(struct str behind, bool end, const char *marker, bool *wait)
{
    size_t at = json_skip_space(behind, 0);

    *wait = false;
    if (marker[0] == '<' || marker[0] == '[')
        return true;
    if (at >= behind.n) {
        *wait = !end;
        return false;
    }
    return behind.p[at] == '[';
}

/* Is an object at the front of the text a call? Its first key tells. */
static bool is_bare_call(struct str s, bool end, bool *wait)
{
    static const char *const keys[] = { "\"name\"", "\"type\"", "\"function\"", "\"parameters\"", "\"arguments\"" };
    size_t at = json_skip_space(s, 0), key, key_end;

    *wait = !end;
    if (at >= s.n)
        return false;
    if (s.p[at] != '{') {
        *wait = false;
        return false;
    }
    key = json_skip_space(s, at + 1);
    if (key >= s.n || (s.p[key] == '"' && !json_string_end(s, key, &key_end)))
        return false;
    *wait = false;
    for (size_t i = 0; s.p[key] == '"' && i < ARRAY_LEN(keys); i++)
        if (str_is(str_n(s.p + key, key_end - key), keys[i]))
            return true;
    return false;
}

static bool step_content(struct tool_reader *t, bool end, struct buf *content)
{
    size_t at = 0, len = 0;
    bool wait = false;

    if (t->dropping) {
        buf_cut(&t->text, json_skip_space(buf_str(&t->text), 0));
        t->dropping = !t->text.n;
    }
    struct str s = buf_str(&t->text);
    if (!s.n)
        return false;
    if (t->fresh && t->format->bare) {
        if (is_bare_call(s, end, &wait)) {
            t->place = IN_CALLS;
            return true;
        }
        if (wait)
            return false;
        t->fresh = false;
    }
    if (!find_marker(t->format, s, &at, &len)) {
        content_out(t, end ? s.n : certain(t->format, s), content);
        return false;
    }
    AUTO_MEM char *marker = xstrndup(s.p + at, len);
    if (!begins_calls(str_from(s, at + len), end, marker, &wait)) {
        content_out(t, wait ? certain(t->format, str_n(s.p, at)) : at + len, content);
        return !wait;
    }
    size_t keep = without_space(s, at);
    content_out(t, keep, content);
    buf_cut(&t->text, at - keep + len);
    t->fresh = false;
    t->place = IN_CALLS;
    return true;
}

void tool_reader_add(struct tool_reader *t, struct str text, bool end, struct buf *content, json_t **deltas)
{
    *deltas = NULL;
    if (t->name) {
        if (!t->n_calls)
            begin_call(t, str_of(t->name), deltas);
        tell_arguments(t, text, deltas);
        return;
    }
    buf_addstr(&t->text, text);
    while (t->place == IN_CONTENT && t->format ? step_content(t, end, content) : step_calls(t, end, content, deltas))
        ;
    if (end && t->text.n && !t->format)
        content_out(t, t->text.n, content);
}

json_t *tool_reader_calls(const struct tool_reader *t)
{
    json_t *out = json_array();

    for (size_t i = 0; i < t->n_calls; i++)
        json_push(out, json_pack("{s:s, s:s, s:{s:s, s:o}}", "id", t->calls[i].id, "type", "function", "function", "name", t->calls[i].name, "arguments",
                                 json_strn(buf_str(&t->calls[i].arguments))));
    return out;
}
