/* The tree of findings and its text. */
#include "workspace/doctor.h"

static const char *const levels[] = { "ok", "note", "wait", "warn", "fail" };

static size_t rank(const char *level)
{
    size_t i = 0;

    while (i < ARRAY_LEN(levels) && !streq(levels[i], level))
        i++;
    return i;
}

json_t *finding(const char *level, const char *fmt, ...)
{
    AUTO_BUF text = { 0 };
    va_list ap;

    va_start(ap, fmt);
    buf_vaddf(&text, fmt, ap);
    va_end(ap);
    return json_pack("{s:s, s:o, s:[], s:[]}", "level", level, "text", json_strn(buf_str(&text)), "next", "children");
}

json_t *finding_add(json_t *parent, json_t *child)
{
    const char *level = json_cstr(child, "level");

    if (rank(level) > rank("note") && rank(level) > rank(json_cstr(parent, "level")))
        json_put_str(parent, "level", level);
    json_push(json_object_get(parent, "children"), child);
    return child;
}

void finding_next(json_t *f, const char *fmt, ...)
{
    AUTO_BUF text = { 0 };
    va_list ap;

    va_start(ap, fmt);
    buf_vaddf(&text, fmt, ap);
    va_end(ap);
    json_push(json_object_get(f, "next"), json_strn(buf_str(&text)));
}

bool finding_is_bad(const json_t *f)
{
    return streq(json_cstr(f, "level"), "fail");
}

/* A message of several lines keeps its indent. */
static void add_lines(struct str text, int indent, struct buf *out)
{
    struct str line;
    bool first = true;

    while (str_next(&text, '\n', &line)) {
        buf_addf(out, "%*s%.*s\n", first ? 0 : indent, "", STR_ARG(line));
        first = false;
    }
}

static void write_at(const json_t *f, int depth, struct buf *out)
{
    AUTO_BUF mark = { 0 };
    const json_t *item;
    size_t i;

    buf_addf(&mark, "[%s]", json_cstr(f, "level"));
    buf_addf(out, "%*s%-7s", depth * 2, "", buf_cstr(&mark));
    add_lines(json_to_str(json_object_get(f, "text")), depth * 2 + 9, out);
    json_array_foreach(json_object_get(f, "next"), i, item)
        buf_addf(out, "%*s-> %s\n", depth * 2 + 7, "", json_string_value(item));
    json_array_foreach(json_object_get(f, "children"), i, item)
        write_at(item, depth + 1, out);
}

void findings_text(const json_t *f, struct buf *out)
{
    write_at(f, 0, out);
}
