/*
 * A container's log in CRI's format, a line each: "2026-01-02T03:04:05.123456Z stdout F text". The writer cuts the output into lines,
 * stamps them and turns the file over at a size; the reader answers what `kubectl logs` asks, and follows.
 */
#ifndef NODE_CONTAINER_LOG_H
#define NODE_CONTAINER_LOG_H

#include "base/err.h"
#include "base/str.h"
#include "base/thread.h"

enum { LOG_FILE_MAX = 10 << 20, LOG_LINE_MAX = 16 << 10 };

struct log_writer;
/* PATH is continued when it exists; at LOG_FILE_MAX it becomes PATH.1. */
errc log_writer_open(const char *path, struct log_writer **out, struct err *e);
void log_writer_add(struct log_writer *w, bool is_stderr, struct str bytes);
void log_writer_close(struct log_writer *w);            /* writes an unfinished last line; NULL is fine */

struct log_query {
    bool follow, timestamps;
    int64_t tail_lines;         /* -1: all */
    int64_t since_us;           /* 0: all */
    int64_t limit_bytes;        /* 0: none */
};
struct log_reader;
errc log_reader_open(const char *path, const struct log_query *q, struct log_reader **out, struct err *e);
/* Appends what is there; true: more may come (the file is being followed), call again after a wait. */
bool log_reader_next(struct log_reader *r, struct buf *out);
void log_reader_free(struct log_reader *r);

/* The end of a log as a termination message: the last lines, at most 2048 bytes and 80 lines. */
void log_tail(const char *path, struct buf *out);

#endif
