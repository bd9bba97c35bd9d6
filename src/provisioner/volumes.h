/* Which volumes a Node must have let go before its machine may be deleted. */
#ifndef PROVISIONER_VOLUMES_H
#define PROVISIONER_VOLUMES_H

#include "kube/kube.h"

/*
 * *out_volume (yours): the first PersistentVolume that is still attached to the Node; NULL: none. Volumes of pods that the drain does not
 * wait for (pods: all of the Node) do not count: they stay until the machine is gone.
 */
errc volume_still_attached(struct kube_client *c, const char *node, const json_t *pods, int64_t now_ms, char **out_volume, struct err *e);

#endif
