#include "base/log.h"

#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"

static struct {
    enum log_level min;
    bool as_json;
    int fd;
} sink = { LOG_INFO, false, 2 };        /* set by main before any thread, read-only afterwards */

static const char *const level_names[] = { "debug", "info", "warn", "error" };

void log_setup(enum log_level min, bool as_json, int fd)
{
    sink.min = min;
    sink.as_json = as_json;
    sink.fd = fd;
}

bool log_level_parse(const char *name, enum log_level *out)
{
    for (size_t i = 0; i < ARRAY_LEN(level_names); i++)
        if (streq(name, level_names[i])) {
            *out = (enum log_level)i;
            return true;
        }
    return false;
}

static json_t *value_json(const struct kv *kv)
{
    switch (kv->kind) {
    case KV_INT: return json_integer(kv->i);
    case KV_NUM: return json_real(kv->f);
    case KV_VIEW: return json_strn(kv->v);
    default: return json_strn(str_of(kv->s ? kv->s : ""));
    }
}

static void write_json_line(struct buf *b, const char *when, enum log_level level, const char *component, const char *msg,
                            const struct kv *kvs, size_t n)
{
    AUTO_JSON line = json_object();

    json_put_str(line, "ts", when);
    json_put_str(line, "level", level_names[level]);
    json_put_str(line, "component", component);
    json_put_str(line, "msg", msg);
    for (size_t i = 0; i < n; i++)
        json_put(line, kvs[i].key, value_json(&kvs[i]));
    json_write(line, b);
}

static bool needs_quotes(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] <= ' ' || s.p[i] == '"' || s.p[i] == '=' || s.p[i] == '\\')
            return true;
    return s.n == 0;
}

static void write_text_value(struct buf *b, const struct kv *kv)
{
    struct str s = kv->kind == KV_VIEW ? kv->v : str_of(kv->kind == KV_STR ? kv->s : NULL);

    if (kv->kind == KV_INT)
        buf_addf(b, "%lld", (long long)kv->i);
    else if (kv->kind == KV_NUM)
        buf_addf(b, "%.6g", kv->f);
    else if (!needs_quotes(s))
        buf_addstr(b, s);
    else {
        AUTO_JSON quoted = json_strn(s);
        json_write(quoted, b);
    }
}

static void write_text_line(struct buf *b, const char *when, enum log_level level, const char *component, const char *msg,
                            const struct kv *kvs, size_t n)
{
    buf_addf(b, "%s %-5s %s: %s", when, level_names[level], component, msg);
    for (size_t i = 0; i < n; i++) {
        buf_addf(b, " %s=", kvs[i].key);
        write_text_value(b, &kvs[i]);
    }
}

void log_emit(enum log_level level, const char *component, const char *msg, const struct kv *kvs, size_t n)
{
    char when[TIME_TEXT_MAX];
    AUTO_BUF b = { 0 };

    if (level < sink.min)
        return;
    time_rfc3339_micro(clock_wall_us(), when);
    (sink.as_json ? write_json_line : write_text_line)(&b, when, level, component, msg, kvs, n);
    buf_addc(&b, '\n');
    if (write(sink.fd, b.p, b.n) < 0)       /* one write, so that lines of threads do not mix; nobody is left to tell */
        return;
}
