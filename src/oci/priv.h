/* What the files of oci/ share. */
#ifndef OCI_PRIV_H
#define OCI_PRIV_H

#include "oci/oci.h"

struct layer_file { const char *path, *name; };         /* on disk, in the layer */
struct layer_digests { char digest[72], diff_id[72]; uint64_t size; };

/* A tar+gzip of one folder entry and the files, in this order. */
errc layer_write(const char *path, const char *folder, const struct layer_file *files, size_t n, struct layer_digests *out, struct err *e);

#endif
