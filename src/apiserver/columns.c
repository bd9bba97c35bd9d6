/*
 * The columns of tables by kind: names, types and descriptions are kube-apiserver 1.32's (recorded in the golden answers).
 */
#include "apiserver/cells.h"
#include "apiserver/strategy.h"

#define DOC_NAME \
    "Name must be unique within a namespace. Is required when creating resources, although some resources may allow " \
    "a client to request the generation of an appropriate name automatically. Name is primarily intended for " \
    "creation idempotence and configuration definition. Cannot be updated. More info: " \
    "https://kubernetes.io/docs/concepts/overview/working-with-objects/names#names"
#define DOC_AGE \
    "CreationTimestamp is a timestamp representing the server time when this object was created. It is not " \
    "guaranteed to be set in happens-before order across separate operations. Clients may not set this value. It is " \
    "represented in RFC3339 form and is in UTC.\n\nPopulated by the system. Read-only. Null for lists. More info: " \
    "https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#metadata"
#define NAME_COLUMN { "Name", "string", "name", DOC_NAME, 0, cell_name, NULL }
#define AGE_COLUMN { "Age", "string", "", DOC_AGE, 0, cell_age, NULL }
#define COLUMNS(kind) const struct columns columns_##kind = { kind##_columns, ARRAY_LEN(kind##_columns) }

static const struct column default_columns[] = {
    NAME_COLUMN,
    { "Created At", "date", "", DOC_AGE, 0, cell_created_text, NULL },
};
COLUMNS(default);

static const struct column configmaps_columns[] = {
    NAME_COLUMN,
    { "Data", "string", "",
      "Data contains the configuration data. Each key must consist of alphanumeric characters, '-', '_' or '.'. "
      "Values with non-UTF-8 byte sequences must use the BinaryData field. The keys stored in Data must not overlap "
      "with the keys in the BinaryData field, this is enforced during validation process.",
      0, configmap_data, NULL },
    AGE_COLUMN,
};
COLUMNS(configmaps);

static const struct column secrets_columns[] = {
    NAME_COLUMN,
    { "Type", "string", "",
      "Used to facilitate programmatic handling of secret data. More info: "
      "https://kubernetes.io/docs/concepts/configuration/secret/#secret-types",
      0, secret_type, NULL },
    { "Data", "string", "",
      "Data contains the secret data. Each key must consist of alphanumeric characters, '-', '_' or '.'. The "
      "serialized form of the secret data is a base64 encoded string, representing the arbitrary (possibly "
      "non-string) data value here. Described in https://tools.ietf.org/html/rfc4648#section-4",
      0, secret_data, NULL },
    AGE_COLUMN,
};
COLUMNS(secrets);

static const struct column services_columns[] = {
    NAME_COLUMN,
    { "Type", "string", "",
      "type determines how the Service is exposed. Defaults to ClusterIP. Valid options are ExternalName, ClusterIP, "
      "NodePort, and LoadBalancer. \"ClusterIP\" allocates a cluster-internal IP address for load-balancing to "
      "endpoints. Endpoints are determined by the selector or if that is not specified, by manual construction of an "
      "Endpoints object or EndpointSlice objects. If clusterIP is \"None\", no virtual IP is allocated and the "
      "endpoints are published as a set of endpoints rather than a virtual IP. \"NodePort\" builds on ClusterIP and "
      "allocates a port on every node which routes to the same endpoints as the clusterIP. \"LoadBalancer\" builds "
      "on NodePort and creates an external load-balancer (if supported in the current cloud) which routes to the "
      "same endpoints as the clusterIP. \"ExternalName\" aliases this service to the specified externalName. Several "
      "other fields do not apply to ExternalName services. More info: "
      "https://kubernetes.io/docs/concepts/services-networking/service/#publishing-services-service-types",
      0, service_kind, NULL },
    { "Cluster-IP", "string", "",
      "clusterIP is the IP address of the service and is usually assigned randomly. If an address is specified "
      "manually, is in-range (as per system configuration), and is not in use, it will be allocated to the service; "
      "otherwise creation of the service will fail. This field may not be changed through updates unless the type "
      "field is also being changed to ExternalName (which requires this field to be blank) or the type field is "
      "being changed from ExternalName (in which case this field may optionally be specified, as describe above).  "
      "Valid values are \"None\", empty string (\"\"), or a valid IP address. Setting this to \"None\" makes a "
      "\"headless service\" (no virtual IP), which is useful when direct endpoint connections are preferred and "
      "proxying is not required.  Only applies to types ClusterIP, NodePort, and LoadBalancer. If this field is "
      "specified when creating a Service of type ExternalName, creation will fail. This field will be wiped when "
      "updating a Service to type ExternalName. More info: "
      "https://kubernetes.io/docs/concepts/services-networking/service/#virtual-ips-and-service-proxies",
      0, service_cluster_ip, NULL },
    { "External-IP", "string", "",
      "externalIPs is a list of IP addresses for which nodes in the cluster will also accept traffic for this "
      "service.  These IPs are not managed by Kubernetes.  The user is responsible for ensuring that traffic arrives "
      "at a node with this IP.  A common example is external load-balancers that are not part of the Kubernetes system.",
      0, service_external_ip, NULL },
    { "Port(s)", "string", "",
      "The list of ports that are exposed by this service. More info: "
      "https://kubernetes.io/docs/concepts/services-networking/service/#virtual-ips-and-service-proxies",
      0, service_ports, NULL },
    AGE_COLUMN,
    { "Selector", "string", "",
      "Route service traffic to pods with label keys and values matching this selector. If empty or not present, the "
      "service is assumed to have an external process managing its endpoints, which Kubernetes will not modify. Only "
      "applies to types ClusterIP, NodePort, and LoadBalancer. Ignored if type is ExternalName. More info: "
      "https://kubernetes.io/docs/concepts/services-networking/service/",
      1, service_selector, NULL },
};
COLUMNS(services);

static const struct column pods_columns[] = {
    NAME_COLUMN,
    { "Ready", "string", "",
      "The aggregate readiness state of this pod for accepting traffic.",
      0, pod_ready, NULL },
    { "Status", "string", "",
      "The aggregate status of the containers in this pod.",
      0, pod_status, NULL },
    { "Restarts", "string", "",
      "The number of times the containers in this pod have been restarted and when the last container in this pod "
      "has restarted.",
      0, pod_restarts, NULL },
    AGE_COLUMN,
    { "IP", "string", "",
      "podIP address allocated to the pod. Routable at least within the cluster. Empty if not yet allocated.",
      1, pod_ip, NULL },
    { "Node", "string", "",
      "NodeName indicates in which node this pod is scheduled. If empty, this pod is a candidate for scheduling by "
      "the scheduler defined in schedulerName. Once this field is set, the kubelet for this node becomes responsible "
      "for the lifecycle of this pod. This field should not be used to express a desire for the pod to be scheduled "
      "on a specific node. https://kubernetes.io/docs/concepts/scheduling-eviction/assign-pod-node/#nodename",
      1, pod_node, NULL },
    { "Nominated Node", "string", "",
      "nominatedNodeName is set only when this pod preempts other pods on the node, but it cannot be scheduled right "
      "away as preemption victims receive their graceful termination periods. This field does not guarantee that the "
      "pod will be scheduled on this node. Scheduler may decide to place the pod elsewhere if other nodes become "
      "available sooner. Scheduler may also decide to give the resources on this node to a higher priority pod that "
      "is created after preemption. As a result, this field may be different than PodSpec.nodeName when the pod is "
      "scheduled.",
      1, pod_nominated_node, NULL },
    { "Readiness Gates", "string", "",
      "If specified, all readiness gates will be evaluated for pod readiness. A pod is ready when all its containers "
      "are ready AND all conditions specified in the readiness gates have status equal to \"True\" More info: "
      "https://git.k8s.io/enhancements/keps/sig-network/580-pod-readiness-gates",
      1, pod_readiness_gates, NULL },
};
COLUMNS(pods);

static const struct column nodes_columns[] = {
    NAME_COLUMN,
    { "Status", "string", "",
      "The status of the node",
      0, node_status, NULL },
    { "Roles", "string", "",
      "The roles of the node",
      0, node_roles, NULL },
    AGE_COLUMN,
    { "Version", "string", "",
      "Kubelet Version reported by the node.",
      0, node_version, NULL },
    { "Internal-IP", "string", "",
      "List of addresses reachable to the node. Queried from cloud provider, if available. More info: "
      "https://kubernetes.io/docs/reference/node/node-status/#addresses Note: This field is declared as mergeable, "
      "but the merge key is not sufficiently unique, which can cause data corruption when it is merged. Callers "
      "should instead use a full-replacement patch. See https://pr.k8s.io/79391 for an example. Consumers should "
      "assume that addresses can change during the lifetime of a Node. However, there are some exceptions where this "
      "may not be possible, such as Pods that inherit a Node's address in its own status or consumers of the "
      "downward API (status.hostIP).",
      1, node_internal_ip, NULL },
    { "External-IP", "string", "",
      "List of addresses reachable to the node. Queried from cloud provider, if available. More info: "
      "https://kubernetes.io/docs/reference/node/node-status/#addresses Note: This field is declared as mergeable, "
      "but the merge key is not sufficiently unique, which can cause data corruption when it is merged. Callers "
      "should instead use a full-replacement patch. See https://pr.k8s.io/79391 for an example. Consumers should "
      "assume that addresses can change during the lifetime of a Node. However, there are some exceptions where this "
      "may not be possible, such as Pods that inherit a Node's address in its own status or consumers of the "
      "downward API (status.hostIP).",
      1, node_external_ip, NULL },
    { "OS-Image", "string", "",
      "OS Image reported by the node from /etc/os-release (e.g. Debian GNU/Linux 7 (wheezy)).",
      1, node_os_image, NULL },
    { "Kernel-Version", "string", "",
      "Kernel Version reported by the node from 'uname -r' (e.g. 3.16.0-0.bpo.4-amd64).",
      1, node_kernel_version, NULL },
    { "Container-Runtime", "string", "",
      "ContainerRuntime Version reported by the node through runtime remote API (e.g. containerd://1.4.2).",
      1, node_container_runtime, NULL },
};
COLUMNS(nodes);

static const struct column namespaces_columns[] = {
    NAME_COLUMN,
    { "Status", "string", "",
      "The status of the namespace",
      0, namespace_status, NULL },
    AGE_COLUMN,
};
COLUMNS(namespaces);

static const struct column deployments_columns[] = {
    NAME_COLUMN,
    { "Ready", "string", "",
      "Number of the pod with ready state",
      0, deployment_ready, NULL },
    { "Up-to-date", "string", "",
      "Total number of non-terminated pods targeted by this deployment that have the desired template spec.",
      0, deployment_up_to_date, NULL },
    { "Available", "string", "",
      "Total number of available pods (ready for at least minReadySeconds) targeted by this deployment.",
      0, deployment_available, NULL },
    AGE_COLUMN,
    { "Containers", "string", "",
      "Names of each container in the template.",
      1, deployment_containers, NULL },
    { "Images", "string", "",
      "Images referenced by each container in the template.",
      1, deployment_images, NULL },
    { "Selector", "string", "",
      "Label selector for pods. Existing ReplicaSets whose pods are selected by this will be the ones affected by "
      "this deployment.",
      1, deployment_selector, NULL },
};
COLUMNS(deployments);

static const struct column statefulsets_columns[] = {
    NAME_COLUMN,
    { "Ready", "string", "",
      "Number of the pod with ready state",
      0, statefulset_ready, NULL },
    AGE_COLUMN,
    { "Containers", "string", "",
      "Names of each container in the template.",
      1, statefulset_containers, NULL },
    { "Images", "string", "",
      "Images referenced by each container in the template.",
      1, statefulset_images, NULL },
};
COLUMNS(statefulsets);

static const struct column jobs_columns[] = {
    NAME_COLUMN,
    { "Status", "string", "",
      "Status of the job.",
      0, job_status, NULL },
    { "Completions", "string", "",
      "The number of pods which reached phase Succeeded. The value increases monotonically for a given spec. "
      "However, it may decrease in reaction to scale down of elastic indexed jobs.",
      0, job_completions, NULL },
    { "Duration", "string", "",
      "Time required to complete the job.",
      0, job_duration, NULL },
    AGE_COLUMN,
    { "Containers", "string", "",
      "Names of each container in the template.",
      1, job_containers, NULL },
    { "Images", "string", "",
      "Images referenced by each container in the template.",
      1, job_images, NULL },
    { "Selector", "string", "",
      "A label query over pods that should match the pod count. Normally, the system sets this field for you. More "
      "info: https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#label-selectors",
      1, job_selector, NULL },
};
COLUMNS(jobs);

static const struct column persistentvolumeclaims_columns[] = {
    NAME_COLUMN,
    { "Status", "string", "",
      "phase represents the current phase of PersistentVolumeClaim.",
      0, claim_status, NULL },
    { "Volume", "string", "",
      "volumeName is the binding reference to the PersistentVolume backing this claim.",
      0, claim_volume, NULL },
    { "Capacity", "string", "",
      "capacity represents the actual resources of the underlying volume.",
      0, claim_capacity, NULL },
    { "Access Modes", "string", "",
      "accessModes contains the actual access modes the volume backing the PVC has. More info: "
      "https://kubernetes.io/docs/concepts/storage/persistent-volumes#access-modes-1",
      0, claim_access_modes, NULL },
    { "StorageClass", "string", "",
      "StorageClass of the pvc",
      0, claim_storageclass, NULL },
    { "VolumeAttributesClass", "string", "",
      "VolumeAttributesClass of the pvc",
      0, claim_volumeattributesclass, NULL },
    AGE_COLUMN,
    { "VolumeMode", "string", "",
      "volumeMode defines what type of volume is required by the claim. Value of Filesystem is implied when not "
      "included in claim spec.",
      1, claim_volumemode, NULL },
};
COLUMNS(persistentvolumeclaims);

static const struct column storageclasses_columns[] = {
    { "Name", "string", "name",
      DOC_NAME,
      0, class_name, NULL },
    { "Provisioner", "string", "",
      "provisioner indicates the type of the provisioner.",
      0, class_provisioner, NULL },
    { "ReclaimPolicy", "string", "",
      "reclaimPolicy controls the reclaimPolicy for dynamically provisioned PersistentVolumes of this storage class. "
      "Defaults to Delete.",
      0, class_reclaimpolicy, NULL },
    { "VolumeBindingMode", "string", "",
      "volumeBindingMode indicates how PersistentVolumeClaims should be provisioned and bound.  When unset, "
      "VolumeBindingImmediate is used. This field is only honored by servers that enable the VolumeScheduling feature.",
      0, class_volumebindingmode, NULL },
    { "AllowVolumeExpansion", "string", "",
      "allowVolumeExpansion shows whether the storage class allow volume expand.",
      0, class_allowvolumeexpansion, NULL },
    AGE_COLUMN,
};
COLUMNS(storageclasses);

static const struct column serviceaccounts_columns[] = {
    NAME_COLUMN,
    { "Secrets", "string", "",
      "Secrets is a list of the secrets in the same namespace that pods running using this ServiceAccount are "
      "allowed to use. Pods are only limited to this list if this service account has a "
      "\"kubernetes.io/enforce-mountable-secrets\" annotation set to \"true\". The "
      "\"kubernetes.io/enforce-mountable-secrets\" annotation is deprecated since v1.32. Prefer separate namespaces "
      "to isolate access to mounted secrets. This field should not be used to find auto-generated service account "
      "token secrets for use outside of pods. Instead, tokens can be requested directly using the TokenRequest API, "
      "or service account token secrets can be manually created. More info: "
      "https://kubernetes.io/docs/concepts/configuration/secret",
      0, account_secrets, NULL },
    AGE_COLUMN,
};
COLUMNS(serviceaccounts);

static const struct column events_columns[] = {
    { "Last Seen", "string", "",
      "The time at which the most recent occurrence of this event was recorded.",
      0, event_last_seen, NULL },
    { "Type", "string", "",
      "Type of this event (Normal, Warning), new types could be added in the future",
      0, event_type, NULL },
    { "Reason", "string", "",
      "This should be a short, machine understandable string that gives the reason for the transition into the "
      "object's current status.",
      0, event_reason, NULL },
    { "Object", "string", "",
      "The object that this event is about.",
      0, event_object, NULL },
    { "Subobject", "string", "",
      "If referring to a piece of an object instead of an entire object, this string should contain a valid JSON/Go "
      "field access statement, such as desiredState.manifest.containers[2]. For example, if the object reference is "
      "to a container within a pod, this would take on a value like: \"spec.containers{name}\" (where \"name\" "
      "refers to the name of the container that triggered the event) or if no container name is specified "
      "\"spec.containers[2]\" (container with index 2 in this pod). This syntax is chosen only to have some "
      "well-defined way of referencing a part of an object.",
      1, event_subobject, NULL },
    { "Source", "string", "",
      "The component reporting this event. Should be a short machine understandable string.",
      1, event_source, NULL },
    { "Message", "string", "",
      "A human-readable description of the status of this operation.",
      0, event_message, NULL },
    { "First Seen", "string", "",
      "The time at which the event was first recorded. (Time of server receipt is in TypeMeta.)",
      1, event_first_seen, NULL },
    { "Count", "string", "",
      "The number of times this event has occurred.",
      1, event_count, NULL },
    { "Name", "string", "name",
      DOC_NAME,
      1, cell_name, NULL },
};
COLUMNS(events);

static const struct column endpoints_columns[] = {
    NAME_COLUMN,
    { "Endpoints", "string", "", "The set of all endpoints is the union of all subsets.", 0, endpoints_endpoints, NULL },
    AGE_COLUMN,
};
COLUMNS(endpoints);

static const struct column clusterrolebindings_columns[] = {
    NAME_COLUMN,
    { "Role", "string", "", "RoleRef names the role whose rules are granted.", 0, binding_role, NULL },
    AGE_COLUMN,
};
COLUMNS(clusterrolebindings);

static const struct column leases_columns[] = {
    NAME_COLUMN,
    { "Holder", "string", "", "holderIdentity contains the identity of the holder of a current lease. If Coordinated Leader Election is used, the "
      "holder identity must be equal to the elected LeaseCandidate.metadata.name field.", 0, lease_holder, NULL },
    AGE_COLUMN,
};
COLUMNS(leases);

static const struct column webhooks_columns[] = {
    NAME_COLUMN,
    { "Webhooks", "integer", "", "Webhooks indicates the number of webhooks registered in this configuration", 0, webhooks_count, NULL },
    AGE_COLUMN,
};
COLUMNS(webhooks);

static const struct column roles_columns[] = {
    NAME_COLUMN,
    { "Created At", "date", "", DOC_AGE, 0, cell_created_text, NULL },
};
COLUMNS(roles);

static const struct column definitions_columns[] = {
    NAME_COLUMN,
    { "Created At", "date", "", DOC_AGE, 0, cell_created_text, NULL },
};
COLUMNS(definitions);

static const struct column custom_columns[] = {
    NAME_COLUMN,
    { "Age", "date", "", "Custom resource definition column (in JSONPath format): .metadata.creationTimestamp", 0, cell_custom_age, NULL },
};
COLUMNS(custom);
