/* Answers as ARM shapes them: two envelopes, HTML of a gateway, nothing at all. */
#include "sim.h"

#include <time.h>

#include "base/mem.h"

void sim_answer_json(struct sim_answer *a, int status, json_t *body)
{
    AUTO_JSON owned = body;

    a->status = status;
    a->content_type = "application/json; charset=utf-8";
    buf_clear(&a->body);
    json_write(owned, &a->body);
}

void sim_answer_error(struct sim_answer *a, int status, const char *code, const char *fmt, ...)
{
    AUTO_BUF text = { 0 };
    va_list ap;

    va_start(ap, fmt);
    buf_vaddf(&text, fmt, ap);
    va_end(ap);
    a->code = code;
    sim_answer_header(a, "x-ms-error-code", "%s", code);
    sim_answer_json(a, status, json_pack("{s:{s:s,s:s}}", "error", "code", code, "message", buf_cstr(&text)));
}

static void answer_text(struct sim_answer *a, int status, const char *type, const char *text)
{
    a->status = status;
    a->content_type = type;
    buf_clear(&a->body);
    buf_adds(&a->body, text);
}

void sim_answer_row(struct sim_answer *a, const struct sim_error *row)
{
    a->code = row->inner_code ? row->inner_code : row->code;
    if (row->shape == SHAPE_HTML)
        answer_text(a, row->status, "text/html", row->message);
    else if (row->shape == SHAPE_EMPTY)
        answer_text(a, row->status, NULL, "");
    else if (row->shape == SHAPE_FLAT)
        sim_answer_json(a, row->status, json_pack("{s:s,s:n,s:s,s:s}", "code", row->code ? row->code : "", "details",
                                                  "message", row->message, "subcode", ""));
    else
        sim_answer_json(a, row->status, json_pack("{s:o}", "error", sim_error_json(row)));
}

void sim_answer_header(struct sim_answer *a, const char *name, const char *fmt, ...)
{
    AUTO_BUF text = { 0 };
    va_list ap;

    va_start(ap, fmt);
    buf_vaddf(&text, fmt, ap);
    va_end(ap);
    http_pairs_add(&a->headers, str_of(name), buf_str(&text));
}

/* A date has whole seconds: the next one, or who keeps to it comes too early. */
void sim_answer_retry_after(const struct sim *s, struct sim_answer *a, int64_t seconds)
{
    time_t at = (time_t)((sim_now(s) + 999) / 1000 + seconds);
    struct tm tm;
    char text[40];

    if (s->set.retry_after_date && gmtime_r(&at, &tm) && strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &tm) > 0)
        sim_answer_header(a, "Retry-After", "%s", text);
    else
        sim_answer_header(a, "Retry-After", "%lld", (long long)seconds);
}
