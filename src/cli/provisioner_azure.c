#include "cli/provisioner_azure.h"

errc azure_cloud_of(struct azure_flags *f, struct cancel *cancel, struct cloud **out, struct err *e)
{
    const char *disk = f->s.pool.disk_type;

    if (disk && !streq(disk, "Managed") && !streq(disk, "Ephemeral"))
        return err_set(e, ERR_BAD_REQUEST, "--os-disk-type %s: is none of Managed, Ephemeral", disk);
    f->s.pool.tags = f->tags.items;
    f->s.pool.n_tags = f->tags.n;
    f->s.headers = f->headers.items;
    f->s.n_headers = f->headers.n;
    azure_settings_env(&f->s);
    return azure_cloud_new(&f->s, cancel, out, e);
}

void azure_flags_done(struct azure_flags *f)
{
    strlist_done(&f->tags);
    strlist_done(&f->headers);
}
