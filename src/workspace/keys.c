#include "workspace/keys.h"

#include "workspace/plan.h"

const struct ws_key ws_keys[] = {
    { KEY_ANNOTATION, RUNTIME_ANNOTATION, "Workspace", "you", "vllm, transformers or native: which runtime serves and tunes. Absent: native where nodes have no GPU, else vllm." },
    { KEY_ANNOTATION, SERVE_ANNOTATION, "Workspace", "you", "false: a tuned model is not served. Native runtime only; true by default." },
    { KEY_ANNOTATION, "kaito.sh/enablelb", "Workspace", "you", "True (capital T): the Service is of type LoadBalancer when it is made." },
    { KEY_ANNOTATION, "kaito.sh/bypass-resource-checks", "Workspace", "you", "Its presence skips the checks of GPU memory." },
    { KEY_ANNOTATION, "kaito.sh/node-image-family", "Workspace, NodeClaim", "you", "ubuntu or azurelinux: the image of new nodes." },
    { KEY_ANNOTATION, NODE_CLASS_ANNOTATION, "Workspace", "you", "Karpenter: which of the manager's NodeClasses." },
    { KEY_ANNOTATION, "kaito.sh/disable-benchmark", "Workspace", "you", "true: no benchmark before the pod is ready." },
    { KEY_ANNOTATION, "kaito.sh/performance-mode", "Workspace", "you", "balanced, interactivity or throughput: vLLM's --performance-mode." },
    { KEY_ANNOTATION, LOCAL_WEIGHTS_ANNOTATION, "Workspace", "you", "true: weights lie on the node under /opt/kaito/models." },
    { KEY_ANNOTATION, STREAMING_ANNOTATION, "Workspace", "you", "disabled: no model streaming where the feature gate turns it on." },
    { KEY_ANNOTATION, MIRROR_CLASS_ANNOTATION, "Workspace", "you", "Model streaming: the StorageClass of the mirror." },
    { KEY_ANNOTATION, STREAM_ACCOUNT_ANNOTATION, "Workspace", "you", "Model streaming: the ServiceAccount that reads it." },
    { KEY_ANNOTATION, REVISION_ANNOTATION, "Workspace, StatefulSet, Job", "manager", "Number of the spec's version; a workload of another one is made again." },
    { KEY_ANNOTATION, HASH_ANNOTATION, "Workspace, ControllerRevision", "manager", "SHA-256 of resource, inference and tuning." },
    { KEY_ANNOTATION, ATTEMPT_ANNOTATION, "Workspace, Job", "manager", "How often a tuning Job was made again." },
    { KEY_ANNOTATION, UID_ANNOTATION, "NodeClaim, NodePool", "manager", "uid of the Workspace that it was made for; it goes when there is no such Workspace any more." },
    { KEY_ANNOTATION, INPUTS_ANNOTATION, "Job", "manager", "Digest of secret, ConfigMap and spec that the Job was made for." },
    { KEY_LABEL, WORKSPACE_LABEL, "NodeClaim, Node, StatefulSet, Job, pods", "manager", "Name of the Workspace." },
    { KEY_LABEL, WORKSPACE_NS_LABEL, "NodeClaim, Node", "manager", "Namespace of the Workspace." },
    { KEY_LABEL, POOL_NAME_LABEL, "NodePool, NodeClaim, Node", "manager", "Karpenter: name of the Workspace." },
    { KEY_LABEL, POOL_NS_LABEL, "NodePool, NodeClaim, Node", "manager", "Karpenter: namespace of the Workspace." },
    { KEY_LABEL, SET_LABEL, "Workspace, pods", "who made the Workspace", "The InferenceSet; its name is what the model is served as." },
    { KEY_LABEL, GROUP_LABEL, "Workspace, pods", "who made the Workspace", "The group of roles." },
    { KEY_LABEL, UPGRADE_LABEL, "Workspace", "you", "Where it is the version of the base image that this manager uses, a StatefulSet of another one is made of it." },
    { KEY_LABEL, ROLE_LABEL, "Workspace, pods", "who made the Workspace", "prefill or decode." },
    { KEY_LABEL, "accelerator", "Node", "manager", "nvidia: what device plugins wait for." },
    { KEY_LABEL, "kaito.sh/machine-type", "Node", "provisioner", "gpu: the node's devices are waited for." },
    { KEY_FINALIZER, WORKSPACE_FINALIZER, "Workspace", "manager", "NodeClaims or the NodePool go before the Workspace does." },
};
const size_t n_ws_keys = ARRAY_LEN(ws_keys);
