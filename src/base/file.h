/*
 * Files: whole reads with a limit, atomic writes, folders, maps. All descriptors are close-on-exec; every call may be made from any thread.
 * Errors name the path and come from errno: NOT_FOUND, FORBIDDEN, NO_SPACE, else IO.
 */
#ifndef BASE_FILE_H
#define BASE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/str.h"

/* Appends the whole file; TOO_LARGE beyond max_bytes. After an error *out may hold a part of it. */
errc file_read(const char *path, size_t max_bytes, struct buf *out, struct err *e);
/* Writes path.tmp-XXXX beside it, syncs, renames: a reader sees the old bytes or the new. */
errc file_write_atomic(const char *path, struct str bytes, mode_t mode, struct err *e);
errc fd_write_all(int fd, const void *p, size_t n, struct err *e);      /* goes on after short writes and signals */
bool file_exists(const char *path);                     /* a regular file, or a link to one */
bool dir_exists(const char *path);                      /* a folder, or a link to one */
bool file_is_same(const char *a, const char *b);       /* two paths of one file or folder, which exists */
errc file_size(const char *path, uint64_t *out, struct err *e);
errc dir_make(const char *path, mode_t mode, struct err *e);            /* and its parents */
errc dir_remove(const char *path, struct err *e);                       /* with all it holds; absent is fine */
errc dir_sync(const char *path, struct err *e);
/* Names in a folder, sorted, without . and ..; free with strv_free. */
errc dir_list(const char *path, char ***out, size_t *out_n, struct err *e);
/* Removes what writers that were killed left in a folder, NAME.tmp-XXXXXXXX; the caller knows that nobody writes there. Absent is fine. */
errc dir_sweep(const char *path, struct err *e);
void strv_free(char **v, size_t n);
char *path_join(const char *a, const char *b);                          /* malloc'd; b absolute gives b */
char *self_path(void);                                                  /* of the running executable, malloc'd */

struct file_map { const uint8_t *p; size_t n; };                        /* read-only; NULL p for an empty file */
errc file_map_open(const char *path, struct file_map *out, struct err *e);     /* INVALID: not a regular file */
void file_map_close(struct file_map *m);                /* every view into it dies */
/* [p, p + n) of a map was read and is not needed soon: its whole pages leave memory, and come from the file when they are read again. */
void file_map_forget(const void *p, size_t n);

/* An exclusive lock on a file, held until the descriptor is closed; ERR_CONFLICT when another process holds it. */
errc file_lock(const char *path, int *out_fd, struct err *e);

#endif
