/* What the files that read config.json share. A key whose value is null counts as absent. */
#ifndef ENGINE_CONFIG_H
#define ENGINE_CONFIG_H

#include "engine/priv.h"

const json_t *config_value(const json_t *j, const char *key);           /* NULL when absent or null */
bool config_inert(const json_t *v);             /* null, false and nothing at all change nothing, whatever the key means */
bool config_listed(const char *key, const char *const *list, size_t n);
/* The number at key, or fallback when there is none; ERR_INVALID outside [low, high]. */
errc config_real(const json_t *j, const char *key, double low, double high, double fallback, double *out, struct err *e);

/* rope, rope_local, rotary of c; family, head_dim and max_positions are known. */
errc config_read_ropes(const json_t *j, struct model_config *c, struct err *e);
void config_rope_done(struct rope_config *r);

#endif
