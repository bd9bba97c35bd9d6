/*
 * Constant message, typed pairs, one line: `2026-01-02T03:04:05.678Z info claim created claim=x gpus=1` or JSON.
 * Foundations and domain log at debug only; the application that handles an error logs it, once.
 * Never secrets, never whole objects. Same key, same meaning: namespace, name, kind, request_id, took_ms, err.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

struct kv {
    const char *key;
    enum { KV_STR, KV_INT, KV_NUM, KV_VIEW } kind;
    union { const char *s; int64_t i; double f; struct str v; };
};
static inline struct kv kv_s(const char *k, const char *v) { return (struct kv){ .key = k, .kind = KV_STR, .s = v }; }
static inline struct kv kv_i(const char *k, int64_t v) { return (struct kv){ .key = k, .kind = KV_INT, .i = v }; }
static inline struct kv kv_f(const char *k, double v) { return (struct kv){ .key = k, .kind = KV_NUM, .f = v }; }
static inline struct kv kv_v(const char *k, struct str v) { return (struct kv){ .key = k, .kind = KV_VIEW, .v = v }; }
#define KV(k, x) _Generic((x),                                                              \
    char *: kv_s, const char *: kv_s, struct str: kv_v, float: kv_f, double: kv_f,          \
    default: kv_i)((k), (x))

/* main sets these once, before any thread. */
void log_setup(enum log_level min, bool as_json, int fd);
bool log_level_parse(const char *name, enum log_level *out);   /* debug, info, warn, error; false: none of them */

/* One write(2) a line, from any thread: lines do not mix. What cannot be written is lost. */
void log_emit(enum log_level level, const char *component, const char *msg, const struct kv *kvs, size_t n);
#define log_at(level, component, msg, ...) \
    log_emit((level), (component), (msg), (struct kv[]){ { .key = NULL }, ##__VA_ARGS__ } + 1, \
             sizeof((struct kv[]){ { .key = NULL }, ##__VA_ARGS__ }) / sizeof(struct kv) - 1)
#define log_debug(component, msg, ...) log_at(LOG_DEBUG, component, msg, ##__VA_ARGS__)
#define log_info(component, msg, ...)  log_at(LOG_INFO, component, msg, ##__VA_ARGS__)
#define log_warn(component, msg, ...)  log_at(LOG_WARN, component, msg, ##__VA_ARGS__)
#define log_error(component, msg, ...) log_at(LOG_ERROR, component, msg, ##__VA_ARGS__)

#endif
