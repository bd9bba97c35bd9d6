/*
 * The few macros every file may use: ownership through cleanup attributes, must-use results, format checks.
 * Nothing here hides control flow except TRY (base/err.h).
 */
#ifndef BASE_ATTR_H
#define BASE_ATTR_H

#include <stddef.h>

#ifdef __clang__
#define MUST_USE __attribute__((warn_unused_result))
#elif !defined(MUST_USE)
#define MUST_USE [[nodiscard]]
#endif

#define PRINTF(fmt, first)  __attribute__((format(printf, fmt, first)))
#define NORETURN            __attribute__((noreturn))
#define UNUSED              __attribute__((unused))
#define ARRAY_LEN(a)        (sizeof(a) / sizeof((a)[0]))

/* A local that owns: AUTO(fn) calls fn(&local) at scope end. */
#define AUTO(fn)            __attribute__((cleanup(fn)))

/* Hands ownership over: yields the pointer and clears the variable. */
#define TAKE(ptr)           ({ __auto_type take_ = (ptr); (ptr) = NULL; take_; })

/*
 * DEFINE_AUTO_FREE(type) after `struct type` and `void type_free(struct type *)` are declared
 * makes `AUTO_FREE(type) x = ...;` free x at scope end.
 */
#define DEFINE_AUTO_FREE(type)                                  \
    static inline UNUSED void type##_freep(struct type **p)     \
    {                                                           \
        if (*p)                                                 \
            type##_free(*p);                                    \
    }
#define AUTO_FREE(type)     AUTO(type##_freep) struct type *

/* The same for malloc'd memory of any type: AUTO_MEM char *s = xstrdup(...); */
void base_mem_freep(void *p);
#define AUTO_MEM            AUTO(base_mem_freep)

/* A file descriptor closed at scope end; -1 is none. */
void base_fd_closep(int *fd);
#define AUTO_FD             AUTO(base_fd_closep) int

#endif
