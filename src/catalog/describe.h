/* The catalogue for people and for scripts: what `kaito models` prints. Pure. */
#ifndef CATALOG_DESCRIBE_H
#define CATALOG_DESCRIBE_H

#include "base/json.h"
#include "catalog/presets.h"

void models_table(bool wide, struct buf *out);                  /* every preset, a line each */
/* One of them as JSON; with its machine types when a cloud is given. New reference. */
json_t *model_json(const struct preset *p, const char *cloud);
/* One of them: every figure, the machine types of the cloud that hold it, the YAML that asks for it. */
void model_page(const struct preset *p, const char *cloud, struct buf *out);
/* "a, b, c": names of the catalogue that resemble one that is not in it; nothing when none does. */
void models_like(struct str name, struct buf *out);

#endif
