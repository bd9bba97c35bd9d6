/*
 * Time and randomness, so that tests own them. Wall time is for people and objects, monotonic time for deadlines.
 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

int64_t clock_wall_ms(void);                    /* since 1970, UTC */
int64_t clock_wall_us(void);
int64_t clock_mono_ms(void);                    /* since some moment before the process began; never goes back, never faked */
int64_t clock_mono_us(void);
void clock_fake_wall(int64_t wall_ms);          /* tests only: freezes wall time; -1 thaws */

#define TIME_TEXT_MAX 40
void time_rfc3339(int64_t wall_ms, char out[TIME_TEXT_MAX]);            /* 2024-01-01T00:00:00Z */
void time_rfc3339_micro(int64_t wall_us, char out[TIME_TEXT_MAX]);      /* 2024-01-01T00:00:00.000000Z */
bool time_parse(struct str s, int64_t *out_wall_us);                    /* RFC 3339, any fraction, any offset */
/* kubectl's short age: 5s, 3m20s, 25m, 4h10m, 3d, 2y10d ... (k8s.io/apimachinery duration.HumanDuration) */
void time_human_age(int64_t age_ms, char out[TIME_TEXT_MAX]);
/* Go duration text ("1h2m3.5s") */
bool duration_parse_ms(struct str s, int64_t *out_ms);

void random_bytes(void *p, size_t n);           /* cryptographically strong; aborts when the system has none */
uint64_t random_u64(void);
void random_uuid(char out[37]);                 /* version 4, lower case */
/* n characters of Kubernetes' safe alphabet "bcdfghjklmnpqrstvwxz2456789", NUL-terminated */
void random_suffix(char *out, size_t n);

#endif
