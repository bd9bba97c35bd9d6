#include "cli/provisioner_azure.h"

#include "base/wipe.h"

errc azure_cloud_of(struct azure_flags *f, struct cancel *cancel, struct cloud **out, struct err *e)
{
    static const char *const secrets[] = { "AZURE_CLIENT_SECRET", "AZURE_CLIENT_CERTIFICATE_PASSWORD", "IDENTITY_HEADER" };
    const char *disk = f->s.pool.disk_type;

    if (disk && !streq(disk, "Managed") && !streq(disk, "Ephemeral"))
        return err_set(e, ERR_BAD_REQUEST, "--os-disk-type %s: is none of Managed, Ephemeral", disk);
    f->s.pool.tags = f->tags.items;
    f->s.pool.n_tags = f->tags.n;
    f->s.headers = f->headers.items;
    f->s.n_headers = f->headers.n;
    azure_settings_env(&f->s);
    errc rc = azure_cloud_new(&f->s, cancel, out, e);

    for (size_t i = 0; i < ARRAY_LEN(secrets); i++)
        wipe_env(secrets[i]);           /* the cloud keeps its own copies */
    return rc;
}

void azure_flags_done(struct azure_flags *f)
{
    strlist_done(&f->tags);
    strlist_done(&f->headers);
}
