#include "workspace/reasons.h"

#define LOGS        "kubectl logs -n {ns} -l kaito.sh/workspace={ws} --all-containers --tail=50"
#define PODS        "kubectl describe pods -n {ns} -l kaito.sh/workspace={ws}"
#define EVENTS      "kubectl get events -n {ns} --sort-by=.lastTimestamp"
#define CLAIMS      "kubectl describe nodeclaims -l kaito.sh/workspace={ws}"
#define EDIT        "kubectl edit workspace -n {ns} {ws}"

const struct condition_row ws_conditions[] = {
    { "NodeClaimReady", "Enough NodeClaims are ready. Not with nodes of your own." },
    { "NodesReady", "Enough nodes are ready, with the devices that the runtime needs." },
    { "ResourceReady", "Both of the above: the workload may be made." },
    { "ModelMirrorReady", "Model streaming: the weights are in their blob container." },
    { "JobStarted", "The tuning Job runs or has ended well; the message tells how far it is." },
    { "InferenceReady", "The model answers." },
    { "BenchmarkCompleted", "vLLM's image measured before its pod was ready, and the result is in status.performance." },
    { "WorkspaceDeleting", "Seen only where the deletion cannot go on: the message tells why." },
    { "WorkspaceSucceeded", "Everything that was asked for is there. `kubectl get` shows it as WORKSPACEREADY." },
};
const size_t n_ws_conditions = ARRAY_LEN(ws_conditions);

const struct reason_row ws_reasons[] = {
    { "NodeClaimReady", "NodeClaimsReady", "There are as many ready NodeClaims as nodes are wanted.", NULL },
    { "NodeClaimReady", "NodeClaimNotReady", "NodeClaims were made and say nothing yet.", CLAIMS },
    { "NodeClaimReady", "AwaitingReconciliation", "No provisioner has taken up the claim yet.", CLAIMS },
    { "NodesReady", "NodesReady", "Enough nodes are ready.", NULL },
    { "NodesReady", "NodeNotReady", "Fewer nodes are ready than wanted.", "kubectl get nodes -l kaito.sh/workspace={ws}" },
    { "NodesReady", "NodePluginsNotReady", "The nodes are there, their GPUs are not registered.",
      "look at the device plugin: kubectl get pods -A -l name=nvidia-device-plugin-ds" },
    { "ResourceReady", "workspaceResourceStatusSuccess", "Nodes and claims are ready.", NULL },
    { "ResourceReady", "workspaceResourceStatusNotReady", "Of your own nodes not enough are ready and fit the label selector.",
      "kubectl get nodes --show-labels, and compare with resource.labelSelector" },
    { "ResourceReady", "NodeNotReady", "As NodesReady says.", "kubectl get nodes -l kaito.sh/workspace={ws}" },
    { "ResourceReady", "NodePluginsNotReady", "As NodesReady says.", "look at the device plugin: kubectl get pods -A -l name=nvidia-device-plugin-ds" },
    { "ResourceReady", "NodesReady", "As NodesReady says.", NULL },
    { "ResourceReady", "NodeClaimNotReady", "As NodeClaimReady says.", CLAIMS },
    { "ResourceReady", "AwaitingReconciliation", "As NodeClaimReady says.", CLAIMS },
    { "ResourceReady", "ValidationFailed", "The Workspace breaks rules; the message lists them. Only where no webhook refused it before.", EDIT },
    { "ResourceReady", "NodeEstimateFailed", "How many nodes are needed could not be worked out: an unknown model, a GPU too small for the context, the hub out of reach.",
      "kaito plan FILE shows the figures; " EDIT },
    { "ResourceReady", "ModelMirrorNotReady", "As ModelMirrorReady says.", "kubectl get modelmirrors" },
    { "ModelMirrorReady", "ModelMirrorReady", "The weights are there.", NULL },
    { "ModelMirrorReady", "ModelMirrorPending", "The ModelMirror has not fetched the weights yet; other reasons are its own.", "kubectl describe modelmirrors" },
    { "JobStarted", "WorkspaceTuningJobStatusStarted", "The Job runs or has succeeded.", NULL },
    { "JobStarted", "WorkspaceTuningJobStatusPending", "The Job waits for its nodes, or cannot be made for the reason in the message.", NULL },
    { "JobStarted", "WorkspaceTuningJobStatusFailed", "The Job failed; the message tells the container and its last words. With the native runtime it is made again after a while.", LOGS },
    { "JobStarted", "TuningConfigInvalid", "The ConfigMap that tuning.config names is not as it must be, in the words of the webhook; the Job follows by itself once it is.",
      "kubectl edit configmap -n {ns} NAME" },
    { "JobStarted", "TuningConfigNotFound", "tuning.config names a ConfigMap that is not there; the Job follows by itself once it is.", "kubectl get configmaps -n {ns}" },
    { "JobStarted", "ImagePushSecretNotFound", "tuning.output.imagePushSecret names a Secret that is not there; the Job follows by itself once it is.",
      "kubectl create secret docker-registry NAME -n {ns} --docker-server=... --docker-username=... --docker-password=..." },
    { "JobStarted", "ImagePushSecretInvalid", "That Secret has no key .dockerconfigjson.",
      "kubectl create secret docker-registry NAME -n {ns} --docker-server=... --docker-username=... --docker-password=..." },
    { "InferenceReady", "WorkspaceInferenceStatusSuccess", "All replicas are ready.", NULL },
    { "InferenceReady", "WorkspaceInferenceStatusPending", "The workload starts, waits for its nodes, or cannot be made for the reason in the message.", PODS },
    { "InferenceReady", "ModelStreamingInvalidAnnotations", "Model streaming is asked for what is not built.", EDIT },
    { "InferenceReady", "ModelMirrorCreateFailed", "The mirror's name is taken by another model's.", "kubectl get modelmirrors" },
    { "InferenceReady", "ModelStreamingStorageClassNotFound", "No StorageClass is named for the mirror, or it is not there.", "kubectl get storageclasses" },
    { "InferenceReady", "ModelStreamingInvalidStorageClass", "The StorageClass of the mirror is not of blob.csi.azure.com.", "kubectl get storageclasses" },
    { "InferenceReady", "ModelStreamingServiceAccountInvalid", "No ServiceAccount is named, or it is not there, or has no identity.", "kubectl get serviceaccounts -n {ns} -o yaml" },
    { "BenchmarkCompleted", "BenchmarkCompleted", "The result is recorded; it stays.", NULL },
    { "BenchmarkCompleted", "BenchmarkFailed", "No result in the last 500 lines of the first pod's log, or none that counts; looked for again every minute.",
      "kubectl logs -n {ns} {ws}-0 | grep KAITO_BENCHMARK; or annotate the Workspace with kaito.sh/disable-benchmark: \"true\"" },
    { "WorkspaceDeleting", "workspaceDeleted", "Its claims or its finalizer cannot be removed; tried again until they can.", CLAIMS },
    { "WorkspaceSucceeded", "workspaceSucceeded", "Done.", NULL },
    { "WorkspaceSucceeded", "workspacePending", "Not yet: the other conditions tell why.", NULL },
    { "WorkspaceSucceeded", "BenchmarkFailed", "As BenchmarkCompleted says.", NULL },
    { "WorkspaceSucceeded", "workspaceFailed", "The tuning Job failed.", LOGS },
    { "WorkspaceSucceeded", "ValidationFailed", "As ResourceReady says.", EDIT },
    /* of pods: under InferenceReady, and under JobStarted while a Job runs */
    { "", "ImagePullError", "A container's image cannot be pulled: its name, the registry, or the right to it.", PODS },
    { "", "ContainerStartError", "A container cannot be started: a missing Secret, ConfigMap or volume, a bad command.", PODS },
    { "", "ContainerCrashLoopBackOff", "A container ends again and again.", LOGS },
    { "", "ContainerOOMKilled", "A container took more memory than there is: a smaller context, a quantised model, a larger machine.", "kaito plan FILE shows where the memory goes" },
    { "", "ContainerNotReady", "A container that was ready does not answer its readiness probe any more: it is busy, stuck, or has lost what it needs.", PODS },
    { "", "ContainerFailed", "A container ended with an error.", LOGS },
    { "", "NodeDiskPressure", "A node ran out of disk and put the pod out.", "kubectl describe nodes" },
    { "", "NodeMemoryPressure", "A node ran out of memory and put the pod out.", "kubectl describe nodes" },
    { "", "PodEvicted", "A node was short of something else, or was emptied, and put the pod out.", "kubectl describe nodes" },
    { "", "PodFailed", "The pod failed and no container says why.", EVENTS },
    { "", "Unschedulable", "No node takes the pod; the message counts why.", PODS },
};
const size_t n_ws_reasons = ARRAY_LEN(ws_reasons);

const struct reason_row *reason_find(const char *type, const char *reason)
{
    for (size_t i = 0; i < n_ws_reasons; i++)
        if (streq(ws_reasons[i].reason, reason) && (!*ws_reasons[i].type || streq(ws_reasons[i].type, type)))
            return &ws_reasons[i];
    return NULL;
}

void reason_next(const struct reason_row *r, const char *ns, const char *ws, struct buf *out)
{
    for (const char *p = r->next ? r->next : ""; *p; p++) {
        bool is_ns = strncmp(p, "{ns}", 4) == 0, is_ws = strncmp(p, "{ws}", 4) == 0;

        if (!is_ns && !is_ws) {
            buf_addc(out, *p);
            continue;
        }
        buf_adds(out, is_ns ? ns : ws);
        p += 3;
    }
}
