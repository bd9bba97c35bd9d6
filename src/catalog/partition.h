/* Parts of a GPU: NVIDIA's MIG profiles (3g.40gb). Pure. Source: reference dossier, Workspace, 8.3. */
#ifndef CATALOG_PARTITION_H
#define CATALOG_PARTITION_H

#include "base/err.h"
#include "base/str.h"

struct mig_profile { int slices, mem_gib; };

/* ERR_INVALID with upstream's text: another form than SLICESg.MEMORYgb. Memory is cut to whole GiB. */
errc mig_profile_parse(struct str profile, struct mig_profile *out, struct err *e);
/* The same, and NVIDIA has such a profile; the text lists those that there are. */
errc mig_profile_check(struct str profile, struct buf *problem);

#endif
