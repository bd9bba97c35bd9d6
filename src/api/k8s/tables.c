/*
 * The built-in Kubernetes kinds. Made by tools/k8s-tables from the facts of Kubernetes 1.32.3; do not edit.
 * Short names: see tables.h.
 */
#include "api/k8s/tables.h"

enum {
    T_admission_v1_AdmissionRequest,
    T_admission_v1_AdmissionResponse,
    T_admission_v1_AdmissionReview,
    T_admissionregistration_v1_MatchCondition,
    T_admissionregistration_v1_MutatingWebhook,
    T_admissionregistration_v1_MutatingWebhookConfiguration,
    T_admissionregistration_v1_Rule,
    T_admissionregistration_v1_RuleWithOperations,
    T_admissionregistration_v1_ServiceReference,
    T_admissionregistration_v1_ValidatingWebhook,
    T_admissionregistration_v1_ValidatingWebhookConfiguration,
    T_admissionregistration_v1_WebhookClientConfig,
    T_apps_v1_ControllerRevision,
    T_apps_v1_DaemonSet,
    T_apps_v1_DaemonSetCondition,
    T_apps_v1_DaemonSetSpec,
    T_apps_v1_DaemonSetStatus,
    T_apps_v1_DaemonSetUpdateStrategy,
    T_apps_v1_Deployment,
    T_apps_v1_DeploymentCondition,
    T_apps_v1_DeploymentSpec,
    T_apps_v1_DeploymentStatus,
    T_apps_v1_DeploymentStrategy,
    T_apps_v1_ReplicaSet,
    T_apps_v1_ReplicaSetCondition,
    T_apps_v1_ReplicaSetSpec,
    T_apps_v1_ReplicaSetStatus,
    T_apps_v1_RollingUpdateDaemonSet,
    T_apps_v1_RollingUpdateDeployment,
    T_apps_v1_RollingUpdateStatefulSetStrategy,
    T_apps_v1_StatefulSet,
    T_apps_v1_StatefulSetCondition,
    T_apps_v1_StatefulSetOrdinals,
    T_apps_v1_StatefulSetPersistentVolumeClaimRetentionPolicy,
    T_apps_v1_StatefulSetSpec,
    T_apps_v1_StatefulSetStatus,
    T_apps_v1_StatefulSetUpdateStrategy,
    T_authentication_v1_BoundObjectReference,
    T_authentication_v1_SelfSubjectReview,
    T_authentication_v1_SelfSubjectReviewStatus,
    T_authentication_v1_TokenRequest,
    T_authentication_v1_TokenRequestSpec,
    T_authentication_v1_TokenRequestStatus,
    T_authentication_v1_TokenReview,
    T_authentication_v1_TokenReviewSpec,
    T_authentication_v1_TokenReviewStatus,
    T_authentication_v1_UserInfo,
    T_authorization_v1_FieldSelectorAttributes,
    T_authorization_v1_LabelSelectorAttributes,
    T_authorization_v1_LocalSubjectAccessReview,
    T_authorization_v1_NonResourceAttributes,
    T_authorization_v1_NonResourceRule,
    T_authorization_v1_ResourceAttributes,
    T_authorization_v1_ResourceRule,
    T_authorization_v1_SelfSubjectAccessReview,
    T_authorization_v1_SelfSubjectAccessReviewSpec,
    T_authorization_v1_SelfSubjectRulesReview,
    T_authorization_v1_SelfSubjectRulesReviewSpec,
    T_authorization_v1_SubjectAccessReview,
    T_authorization_v1_SubjectAccessReviewSpec,
    T_authorization_v1_SubjectAccessReviewStatus,
    T_authorization_v1_SubjectRulesReviewStatus,
    T_autoscaling_v1_CrossVersionObjectReference,
    T_autoscaling_v1_HorizontalPodAutoscaler,
    T_autoscaling_v1_HorizontalPodAutoscalerSpec,
    T_autoscaling_v1_HorizontalPodAutoscalerStatus,
    T_autoscaling_v1_Scale,
    T_autoscaling_v1_ScaleSpec,
    T_autoscaling_v1_ScaleStatus,
    T_batch_v1_CronJob,
    T_batch_v1_CronJobSpec,
    T_batch_v1_CronJobStatus,
    T_batch_v1_Job,
    T_batch_v1_JobCondition,
    T_batch_v1_JobSpec,
    T_batch_v1_JobStatus,
    T_batch_v1_JobTemplateSpec,
    T_batch_v1_PodFailurePolicy,
    T_batch_v1_PodFailurePolicyOnExitCodesRequirement,
    T_batch_v1_PodFailurePolicyOnPodConditionsPattern,
    T_batch_v1_PodFailurePolicyRule,
    T_batch_v1_SuccessPolicy,
    T_batch_v1_SuccessPolicyRule,
    T_batch_v1_UncountedTerminatedPods,
    T_coordination_v1_Lease,
    T_coordination_v1_LeaseSpec,
    T_core_v1_AWSElasticBlockStoreVolumeSource,
    T_core_v1_Affinity,
    T_core_v1_AppArmorProfile,
    T_core_v1_AttachedVolume,
    T_core_v1_AzureDiskVolumeSource,
    T_core_v1_AzureFilePersistentVolumeSource,
    T_core_v1_AzureFileVolumeSource,
    T_core_v1_Binding,
    T_core_v1_CSIPersistentVolumeSource,
    T_core_v1_CSIVolumeSource,
    T_core_v1_Capabilities,
    T_core_v1_CephFSPersistentVolumeSource,
    T_core_v1_CephFSVolumeSource,
    T_core_v1_CinderPersistentVolumeSource,
    T_core_v1_CinderVolumeSource,
    T_core_v1_ClientIPConfig,
    T_core_v1_ClusterTrustBundleProjection,
    T_core_v1_ConfigMap,
    T_core_v1_ConfigMapEnvSource,
    T_core_v1_ConfigMapKeySelector,
    T_core_v1_ConfigMapNodeConfigSource,
    T_core_v1_ConfigMapProjection,
    T_core_v1_ConfigMapVolumeSource,
    T_core_v1_Container,
    T_core_v1_ContainerImage,
    T_core_v1_ContainerPort,
    T_core_v1_ContainerResizePolicy,
    T_core_v1_ContainerState,
    T_core_v1_ContainerStateRunning,
    T_core_v1_ContainerStateTerminated,
    T_core_v1_ContainerStateWaiting,
    T_core_v1_ContainerStatus,
    T_core_v1_ContainerUser,
    T_core_v1_DaemonEndpoint,
    T_core_v1_DownwardAPIProjection,
    T_core_v1_DownwardAPIVolumeFile,
    T_core_v1_DownwardAPIVolumeSource,
    T_core_v1_EmptyDirVolumeSource,
    T_core_v1_EndpointAddress,
    T_core_v1_EndpointPort,
    T_core_v1_EndpointSubset,
    T_core_v1_Endpoints,
    T_core_v1_EnvFromSource,
    T_core_v1_EnvVar,
    T_core_v1_EnvVarSource,
    T_core_v1_EphemeralContainer,
    T_core_v1_EphemeralContainerCommon,
    T_core_v1_EphemeralVolumeSource,
    T_core_v1_Event,
    T_core_v1_EventSeries,
    T_core_v1_EventSource,
    T_core_v1_ExecAction,
    T_core_v1_FCVolumeSource,
    T_core_v1_FlexPersistentVolumeSource,
    T_core_v1_FlexVolumeSource,
    T_core_v1_FlockerVolumeSource,
    T_core_v1_GCEPersistentDiskVolumeSource,
    T_core_v1_GRPCAction,
    T_core_v1_GitRepoVolumeSource,
    T_core_v1_GlusterfsPersistentVolumeSource,
    T_core_v1_GlusterfsVolumeSource,
    T_core_v1_HTTPGetAction,
    T_core_v1_HTTPHeader,
    T_core_v1_HostAlias,
    T_core_v1_HostIP,
    T_core_v1_HostPathVolumeSource,
    T_core_v1_ISCSIPersistentVolumeSource,
    T_core_v1_ISCSIVolumeSource,
    T_core_v1_ImageVolumeSource,
    T_core_v1_KeyToPath,
    T_core_v1_Lifecycle,
    T_core_v1_LifecycleHandler,
    T_core_v1_LimitRange,
    T_core_v1_LimitRangeItem,
    T_core_v1_LimitRangeSpec,
    T_core_v1_LinuxContainerUser,
    T_core_v1_LoadBalancerIngress,
    T_core_v1_LoadBalancerStatus,
    T_core_v1_LocalObjectReference,
    T_core_v1_LocalVolumeSource,
    T_core_v1_ModifyVolumeStatus,
    T_core_v1_NFSVolumeSource,
    T_core_v1_Namespace,
    T_core_v1_NamespaceCondition,
    T_core_v1_NamespaceSpec,
    T_core_v1_NamespaceStatus,
    T_core_v1_Node,
    T_core_v1_NodeAddress,
    T_core_v1_NodeAffinity,
    T_core_v1_NodeCondition,
    T_core_v1_NodeConfigSource,
    T_core_v1_NodeConfigStatus,
    T_core_v1_NodeDaemonEndpoints,
    T_core_v1_NodeFeatures,
    T_core_v1_NodeRuntimeHandler,
    T_core_v1_NodeRuntimeHandlerFeatures,
    T_core_v1_NodeSelector,
    T_core_v1_NodeSelectorRequirement,
    T_core_v1_NodeSelectorTerm,
    T_core_v1_NodeSpec,
    T_core_v1_NodeStatus,
    T_core_v1_NodeSystemInfo,
    T_core_v1_ObjectFieldSelector,
    T_core_v1_ObjectReference,
    T_core_v1_PersistentVolume,
    T_core_v1_PersistentVolumeClaim,
    T_core_v1_PersistentVolumeClaimCondition,
    T_core_v1_PersistentVolumeClaimSpec,
    T_core_v1_PersistentVolumeClaimStatus,
    T_core_v1_PersistentVolumeClaimTemplate,
    T_core_v1_PersistentVolumeClaimVolumeSource,
    T_core_v1_PersistentVolumeSource,
    T_core_v1_PersistentVolumeSpec,
    T_core_v1_PersistentVolumeStatus,
    T_core_v1_PhotonPersistentDiskVolumeSource,
    T_core_v1_Pod,
    T_core_v1_PodAffinity,
    T_core_v1_PodAffinityTerm,
    T_core_v1_PodAntiAffinity,
    T_core_v1_PodCondition,
    T_core_v1_PodDNSConfig,
    T_core_v1_PodDNSConfigOption,
    T_core_v1_PodIP,
    T_core_v1_PodOS,
    T_core_v1_PodReadinessGate,
    T_core_v1_PodResourceClaim,
    T_core_v1_PodResourceClaimStatus,
    T_core_v1_PodSchedulingGate,
    T_core_v1_PodSecurityContext,
    T_core_v1_PodSpec,
    T_core_v1_PodStatus,
    T_core_v1_PodTemplate,
    T_core_v1_PodTemplateSpec,
    T_core_v1_PortStatus,
    T_core_v1_PortworxVolumeSource,
    T_core_v1_PreferredSchedulingTerm,
    T_core_v1_Probe,
    T_core_v1_ProbeHandler,
    T_core_v1_ProjectedVolumeSource,
    T_core_v1_QuobyteVolumeSource,
    T_core_v1_RBDPersistentVolumeSource,
    T_core_v1_RBDVolumeSource,
    T_core_v1_ReplicationController,
    T_core_v1_ReplicationControllerCondition,
    T_core_v1_ReplicationControllerSpec,
    T_core_v1_ReplicationControllerStatus,
    T_core_v1_ResourceClaim,
    T_core_v1_ResourceFieldSelector,
    T_core_v1_ResourceHealth,
    T_core_v1_ResourceQuota,
    T_core_v1_ResourceQuotaSpec,
    T_core_v1_ResourceQuotaStatus,
    T_core_v1_ResourceRequirements,
    T_core_v1_ResourceStatus,
    T_core_v1_SELinuxOptions,
    T_core_v1_ScaleIOPersistentVolumeSource,
    T_core_v1_ScaleIOVolumeSource,
    T_core_v1_ScopeSelector,
    T_core_v1_ScopedResourceSelectorRequirement,
    T_core_v1_SeccompProfile,
    T_core_v1_Secret,
    T_core_v1_SecretEnvSource,
    T_core_v1_SecretKeySelector,
    T_core_v1_SecretProjection,
    T_core_v1_SecretReference,
    T_core_v1_SecretVolumeSource,
    T_core_v1_SecurityContext,
    T_core_v1_Service,
    T_core_v1_ServiceAccount,
    T_core_v1_ServiceAccountTokenProjection,
    T_core_v1_ServicePort,
    T_core_v1_ServiceSpec,
    T_core_v1_ServiceStatus,
    T_core_v1_SessionAffinityConfig,
    T_core_v1_SleepAction,
    T_core_v1_StorageOSPersistentVolumeSource,
    T_core_v1_StorageOSVolumeSource,
    T_core_v1_Sysctl,
    T_core_v1_TCPSocketAction,
    T_core_v1_Taint,
    T_core_v1_Toleration,
    T_core_v1_TopologySelectorLabelRequirement,
    T_core_v1_TopologySelectorTerm,
    T_core_v1_TopologySpreadConstraint,
    T_core_v1_TypedLocalObjectReference,
    T_core_v1_TypedObjectReference,
    T_core_v1_Volume,
    T_core_v1_VolumeDevice,
    T_core_v1_VolumeMount,
    T_core_v1_VolumeMountStatus,
    T_core_v1_VolumeNodeAffinity,
    T_core_v1_VolumeProjection,
    T_core_v1_VolumeResourceRequirements,
    T_core_v1_VolumeSource,
    T_core_v1_VsphereVirtualDiskVolumeSource,
    T_core_v1_WeightedPodAffinityTerm,
    T_core_v1_WindowsSecurityContextOptions,
    T_discovery_v1_Endpoint,
    T_discovery_v1_EndpointConditions,
    T_discovery_v1_EndpointHints,
    T_discovery_v1_EndpointPort,
    T_discovery_v1_EndpointSlice,
    T_discovery_v1_ForZone,
    T_events_v1_Event,
    T_events_v1_EventSeries,
    T_networking_v1_HTTPIngressPath,
    T_networking_v1_HTTPIngressRuleValue,
    T_networking_v1_IPBlock,
    T_networking_v1_Ingress,
    T_networking_v1_IngressBackend,
    T_networking_v1_IngressLoadBalancerIngress,
    T_networking_v1_IngressLoadBalancerStatus,
    T_networking_v1_IngressPortStatus,
    T_networking_v1_IngressRule,
    T_networking_v1_IngressRuleValue,
    T_networking_v1_IngressServiceBackend,
    T_networking_v1_IngressSpec,
    T_networking_v1_IngressStatus,
    T_networking_v1_IngressTLS,
    T_networking_v1_NetworkPolicy,
    T_networking_v1_NetworkPolicyEgressRule,
    T_networking_v1_NetworkPolicyIngressRule,
    T_networking_v1_NetworkPolicyPeer,
    T_networking_v1_NetworkPolicyPort,
    T_networking_v1_NetworkPolicySpec,
    T_networking_v1_ServiceBackendPort,
    T_policy_v1_Eviction,
    T_policy_v1_PodDisruptionBudget,
    T_policy_v1_PodDisruptionBudgetSpec,
    T_policy_v1_PodDisruptionBudgetStatus,
    T_rbac_v1_AggregationRule,
    T_rbac_v1_ClusterRole,
    T_rbac_v1_ClusterRoleBinding,
    T_rbac_v1_PolicyRule,
    T_rbac_v1_Role,
    T_rbac_v1_RoleBinding,
    T_rbac_v1_RoleRef,
    T_rbac_v1_Subject,
    T_scheduling_v1_PriorityClass,
    T_storage_v1_CSIDriver,
    T_storage_v1_CSIDriverSpec,
    T_storage_v1_StorageClass,
    T_storage_v1_TokenRequest,
    T_apiextensions_v1_CustomResourceColumnDefinition,
    T_apiextensions_v1_CustomResourceConversion,
    T_apiextensions_v1_CustomResourceDefinition,
    T_apiextensions_v1_CustomResourceDefinitionCondition,
    T_apiextensions_v1_CustomResourceDefinitionNames,
    T_apiextensions_v1_CustomResourceDefinitionSpec,
    T_apiextensions_v1_CustomResourceDefinitionStatus,
    T_apiextensions_v1_CustomResourceDefinitionVersion,
    T_apiextensions_v1_CustomResourceSubresourceScale,
    T_apiextensions_v1_CustomResourceSubresourceStatus,
    T_apiextensions_v1_CustomResourceSubresources,
    T_apiextensions_v1_CustomResourceValidation,
    T_apiextensions_v1_ExternalDocumentation,
    T_apiextensions_v1_JSONSchemaProps,
    T_apiextensions_v1_SelectableField,
    T_apiextensions_v1_ServiceReference,
    T_apiextensions_v1_ValidationRule,
    T_apiextensions_v1_WebhookClientConfig,
    T_apiextensions_v1_WebhookConversion,
    T_meta_v1_Condition,
    T_meta_v1_DeleteOptions,
    T_meta_v1_FieldSelectorRequirement,
    T_meta_v1_GroupVersionKind,
    T_meta_v1_GroupVersionResource,
    T_meta_v1_LabelSelector,
    T_meta_v1_LabelSelectorRequirement,
    T_meta_v1_ListMeta,
    T_meta_v1_ManagedFieldsEntry,
    T_meta_v1_ObjectMeta,
    T_meta_v1_OwnerReference,
    T_meta_v1_PartialObjectMetadata,
    T_meta_v1_Preconditions,
    T_meta_v1_Status,
    T_meta_v1_StatusCause,
    T_meta_v1_StatusDetails,
    T_COUNT
};

static const struct type T[T_COUNT];

static const struct field_rules R[] = {
    { .go_type = "v1.SecretType" },
    { .keys = "name", .merge_key = "name" },
    { .go_type = "v1.PersistentVolumeReclaimPolicy" },
    { .go_type = "v1.VolumeBindingMode" },
    { .go_type = "v1.AddressType" },
    { .go_type = "v1.PreemptionPolicy" },
    { .go_type = "v1.StatusReason" },
    { .go_type = "v1.DeletionPropagation" },
    { .go_type = "types.UID" },
    { .keys = "uid", .merge_key = "uid" },
    { .go_type = "v1.RestartPolicy" },
    { .go_type = "v1.DNSPolicy" },
    { .keys = "ip", .merge_key = "ip" },
    { .go_type = "v1.ResourceList" },
    { .keys = "topologyKey,whenUnsatisfiable", .merge_key = "topologyKey" },
    { .go_type = "v1.PodPhase" },
    { .keys = "type", .merge_key = "type" },
    { .merge_key = "ip" },
    { .go_type = "v1.PodQOSClass" },
    { .go_type = "v1.PodResizeStatus" },
    { .go_type = "v1.NodePhase" },
    { .go_type = "v1.UniqueVolumeName" },
    { .go_type = "v1.FinalizerName" },
    { .go_type = "v1.NamespacePhase" },
    { .keys = "port,protocol", .merge_key = "port" },
    { .go_type = "v1.ServiceType" },
    { .go_type = "v1.ServiceAffinity" },
    { .go_type = "v1.ServiceExternalTrafficPolicy" },
    { .go_type = "v1.IPFamily" },
    { .go_type = "v1.IPFamilyPolicy" },
    { .go_type = "v1.ServiceInternalTrafficPolicy" },
    { .go_type = "v1.PersistentVolumeAccessMode" },
    { .go_type = "v1.PersistentVolumeMode" },
    { .go_type = "v1.PersistentVolumePhase" },
    { .go_type = "v1.PersistentVolumeClaimPhase" },
    { .go_type = "v1.ClaimResourceStatus" },
    { .go_type = "v1.ResourceQuotaScope" },
    { .go_type = "v1.PodManagementPolicyType" },
    { .go_type = "v1.CompletionMode" },
    { .go_type = "v1.PodReplacementPolicy" },
    { .merge_key = "type" },
    { .go_type = "v1.ConcurrencyPolicy" },
    { .go_type = "v1.CoordinatedLeaseStrategy" },
    { .go_type = "v1.ResourceScope" },
    { .keys = "type" },
    { .go_type = "v1.ExtraValue" },
    { .go_type = "v1.VolumeLifecycleMode" },
    { .go_type = "v1.FSGroupPolicy" },
    { .go_type = "v1.UnhealthyPodEvictionPolicyType" },
    { .go_type = "v1.PolicyType" },
    { .go_type = "v1.Protocol" },
    { .go_type = "v1.FailurePolicyType" },
    { .go_type = "v1.MatchPolicyType" },
    { .go_type = "v1.SideEffectClass" },
    { .go_type = "v1.ReinvocationPolicyType" },
    { .go_type = "v1.Operation" },
    { .go_type = "v1.PatchType" },
    { .go_type = "v1.ManagedFieldsOperationType" },
    { .keys = "containerPort,protocol", .merge_key = "containerPort" },
    { .go_type = "v1.ContainerRestartPolicy" },
    { .keys = "mountPath", .merge_key = "mountPath" },
    { .keys = "devicePath", .merge_key = "devicePath" },
    { .go_type = "v1.TerminationMessagePolicy" },
    { .go_type = "v1.PullPolicy" },
    { .go_type = "v1.SupplementalGroupsPolicy" },
    { .go_type = "v1.PodFSGroupChangePolicy" },
    { .go_type = "v1.PodSELinuxChangePolicy" },
    { .go_type = "v1.TolerationOperator" },
    { .go_type = "v1.TaintEffect" },
    { .go_type = "v1.PodConditionType" },
    { .go_type = "v1.UnsatisfiableConstraintAction" },
    { .go_type = "v1.NodeInclusionPolicy" },
    { .go_type = "v1.OSName" },
    { .keys = "name" },
    { .go_type = "v1.ConditionStatus" },
    { .go_type = "v1.NodeConditionType" },
    { .go_type = "v1.NodeAddressType" },
    { .go_type = "v1.NamespaceConditionType" },
    { .def = "\"TCP\"", .go_type = "v1.Protocol" },
    { .go_type = "v1.HostPathType" },
    { .def = "\"rbd\"" },
    { .def = "\"admin\"" },
    { .def = "\"/etc/ceph/keyring\"" },
    { .def = "\"default\"" },
    { .go_type = "v1.AzureDataDiskCachingMode" },
    { .def = "\"ReadWrite\"", .go_type = "v1.AzureDataDiskCachingMode" },
    { .def = "\"ext4\"" },
    { .go_type = "v1.AzureDataDiskKind" },
    { .def = "\"Shared\"", .go_type = "v1.AzureDataDiskKind" },
    { .def = "\"ThinProvisioned\"" },
    { .def = "\"xfs\"" },
    { .go_type = "v1.PersistentVolumeClaimConditionType" },
    { .go_type = "v1.PersistentVolumeClaimModifyVolumeStatus" },
    { .go_type = "v1.ReplicationControllerConditionType" },
    { .go_type = "v1.LimitType" },
    { .go_type = "v1.StatefulSetUpdateStrategyType" },
    { .go_type = "v1.PersistentVolumeClaimRetentionPolicyType" },
    { .go_type = "v1.StatefulSetConditionType" },
    { .go_type = "v1.DeploymentStrategyType" },
    { .go_type = "v1.DeploymentConditionType" },
    { .go_type = "v1.ReplicaSetConditionType" },
    { .go_type = "v1.DaemonSetUpdateStrategyType" },
    { .go_type = "v1.DaemonSetConditionType" },
    { .go_type = "v1.JobConditionType" },
    { .go_type = "v1.ConversionStrategyType" },
    { .go_type = "v1.CustomResourceDefinitionConditionType" },
    { .go_type = "v1.OperationType" },
    { .go_type = "v1.ScopeType" },
    { .go_type = "v1.CauseType" },
    { .go_type = "v1.StorageMedium" },
    { .go_type = "v1.ResourceName" },
    { .go_type = "v1.ResourceResizeRestartPolicy" },
    { .go_type = "v1.RecursiveReadOnlyMode" },
    { .go_type = "v1.MountPropagationMode" },
    { .go_type = "v1.ProcMountType" },
    { .go_type = "v1.SeccompProfileType" },
    { .go_type = "v1.AppArmorProfileType" },
    { .keys = "resourceID" },
    { .go_type = "v1.LoadBalancerIPMode" },
    { .go_type = "v1.LabelSelectorOperator" },
    { .go_type = "v1.ScopeSelectorOperator" },
    { .go_type = "v1.PodFailurePolicyAction" },
    { .go_type = "v1.URIScheme" },
    { .go_type = "v1.Capability" },
    { .go_type = "v1.ResourceID" },
    { .go_type = "v1.ResourceHealthStatus" },
    { .go_type = "v1.PodFailurePolicyOnExitCodesOperator" },
    { .go_type = "v1.JSONSchemaURL" },
    { .go_type = "v1.JSONSchemaDependencies" },
    { .go_type = "v1.JSONSchemaDefinitions" },
    { .go_type = "v1.ValidationRules" },
    { .keys = "rule", .merge_key = "rule", .go_type = "v1.ValidationRules" },
    { .go_type = "v1.FieldSelectorOperator" },
    { .go_type = "v1.PathType" },
    { .go_type = "v1.NodeSelectorOperator" },
    { .go_type = "v1.FieldValueErrorReason" },
};

static const struct field item_admissionregistration_v1_MatchCondition;
static const struct field item_admissionregistration_v1_MutatingWebhook;
static const struct field item_admissionregistration_v1_RuleWithOperations;
static const struct field item_admissionregistration_v1_ValidatingWebhook;
static const struct field item_any;
static const struct field item_apiextensions_v1_CustomResourceColumnDefinition;
static const struct field item_apiextensions_v1_CustomResourceDefinitionCondition;
static const struct field item_apiextensions_v1_CustomResourceDefinitionVersion;
static const struct field item_apiextensions_v1_JSONSchemaProps;
static const struct field item_apiextensions_v1_SelectableField;
static const struct field item_apiextensions_v1_ValidationRule;
static const struct field item_apps_v1_DaemonSetCondition;
static const struct field item_apps_v1_DeploymentCondition;
static const struct field item_apps_v1_ReplicaSetCondition;
static const struct field item_apps_v1_StatefulSetCondition;
static const struct field item_authorization_v1_NonResourceRule;
static const struct field item_authorization_v1_ResourceRule;
static const struct field item_batch_v1_JobCondition;
static const struct field item_batch_v1_PodFailurePolicyOnPodConditionsPattern;
static const struct field item_batch_v1_PodFailurePolicyRule;
static const struct field item_batch_v1_SuccessPolicyRule;
static const struct field item_bytes;
static const struct field item_core_v1_AttachedVolume;
static const struct field item_core_v1_Container;
static const struct field item_core_v1_ContainerImage;
static const struct field item_core_v1_ContainerPort;
static const struct field item_core_v1_ContainerResizePolicy;
static const struct field item_core_v1_ContainerStatus;
static const struct field item_core_v1_DownwardAPIVolumeFile;
static const struct field item_core_v1_EndpointAddress;
static const struct field item_core_v1_EndpointPort;
static const struct field item_core_v1_EndpointSubset;
static const struct field item_core_v1_EnvFromSource;
static const struct field item_core_v1_EnvVar;
static const struct field item_core_v1_EphemeralContainer;
static const struct field item_core_v1_HTTPHeader;
static const struct field item_core_v1_HostAlias;
static const struct field item_core_v1_HostIP;
static const struct field item_core_v1_KeyToPath;
static const struct field item_core_v1_LimitRangeItem;
static const struct field item_core_v1_LoadBalancerIngress;
static const struct field item_core_v1_LocalObjectReference;
static const struct field item_core_v1_NamespaceCondition;
static const struct field item_core_v1_NodeAddress;
static const struct field item_core_v1_NodeCondition;
static const struct field item_core_v1_NodeRuntimeHandler;
static const struct field item_core_v1_NodeSelectorRequirement;
static const struct field item_core_v1_NodeSelectorTerm;
static const struct field item_core_v1_ObjectReference;
static const struct field item_core_v1_PersistentVolumeClaim;
static const struct field item_core_v1_PersistentVolumeClaimCondition;
static const struct field item_core_v1_PodAffinityTerm;
static const struct field item_core_v1_PodCondition;
static const struct field item_core_v1_PodDNSConfigOption;
static const struct field item_core_v1_PodIP;
static const struct field item_core_v1_PodReadinessGate;
static const struct field item_core_v1_PodResourceClaim;
static const struct field item_core_v1_PodResourceClaimStatus;
static const struct field item_core_v1_PodSchedulingGate;
static const struct field item_core_v1_PortStatus;
static const struct field item_core_v1_PreferredSchedulingTerm;
static const struct field item_core_v1_ReplicationControllerCondition;
static const struct field item_core_v1_ResourceClaim;
static const struct field item_core_v1_ResourceHealth;
static const struct field item_core_v1_ResourceStatus;
static const struct field item_core_v1_ScopedResourceSelectorRequirement;
static const struct field item_core_v1_ServicePort;
static const struct field item_core_v1_Sysctl;
static const struct field item_core_v1_Taint;
static const struct field item_core_v1_Toleration;
static const struct field item_core_v1_TopologySelectorLabelRequirement;
static const struct field item_core_v1_TopologySelectorTerm;
static const struct field item_core_v1_TopologySpreadConstraint;
static const struct field item_core_v1_Volume;
static const struct field item_core_v1_VolumeDevice;
static const struct field item_core_v1_VolumeMount;
static const struct field item_core_v1_VolumeMountStatus;
static const struct field item_core_v1_VolumeProjection;
static const struct field item_core_v1_WeightedPodAffinityTerm;
static const struct field item_discovery_v1_Endpoint;
static const struct field item_discovery_v1_EndpointPort;
static const struct field item_discovery_v1_ForZone;
static const struct field item_int;
static const struct field item_list_v1_ExtraValue;
static const struct field item_meta_v1_Condition;
static const struct field item_meta_v1_FieldSelectorRequirement;
static const struct field item_meta_v1_LabelSelector;
static const struct field item_meta_v1_LabelSelectorRequirement;
static const struct field item_meta_v1_ManagedFieldsEntry;
static const struct field item_meta_v1_OwnerReference;
static const struct field item_meta_v1_StatusCause;
static const struct field item_networking_v1_HTTPIngressPath;
static const struct field item_networking_v1_IngressLoadBalancerIngress;
static const struct field item_networking_v1_IngressPortStatus;
static const struct field item_networking_v1_IngressRule;
static const struct field item_networking_v1_IngressTLS;
static const struct field item_networking_v1_NetworkPolicyEgressRule;
static const struct field item_networking_v1_NetworkPolicyIngressRule;
static const struct field item_networking_v1_NetworkPolicyPeer;
static const struct field item_networking_v1_NetworkPolicyPort;
static const struct field item_quantity;
static const struct field item_rbac_v1_PolicyRule;
static const struct field item_rbac_v1_Subject;
static const struct field item_storage_v1_TokenRequest;
static const struct field item_str;
static const struct field item_str_types_UID;
static const struct field item_str_v1_Capability;
static const struct field item_str_v1_ClaimResourceStatus;
static const struct field item_str_v1_FinalizerName;
static const struct field item_str_v1_IPFamily;
static const struct field item_str_v1_OperationType;
static const struct field item_str_v1_PersistentVolumeAccessMode;
static const struct field item_str_v1_PolicyType;
static const struct field item_str_v1_ResourceQuotaScope;
static const struct field item_str_v1_UniqueVolumeName;
static const struct field item_str_v1_VolumeLifecycleMode;
static const struct field item_time;
static const struct field item_admissionregistration_v1_MatchCondition = { .kind = FIELD_OBJECT, .type = &T[T_admissionregistration_v1_MatchCondition] };
static const struct field item_admissionregistration_v1_MutatingWebhook = { .kind = FIELD_OBJECT, .type = &T[T_admissionregistration_v1_MutatingWebhook] };
static const struct field item_admissionregistration_v1_RuleWithOperations = { .kind = FIELD_OBJECT, .type = &T[T_admissionregistration_v1_RuleWithOperations] };
static const struct field item_admissionregistration_v1_ValidatingWebhook = { .kind = FIELD_OBJECT, .type = &T[T_admissionregistration_v1_ValidatingWebhook] };
static const struct field item_any = { .kind = FIELD_ANY };
static const struct field item_apiextensions_v1_CustomResourceColumnDefinition = { .kind = FIELD_OBJECT, .type = &T[T_apiextensions_v1_CustomResourceColumnDefinition] };
static const struct field item_apiextensions_v1_CustomResourceDefinitionCondition = { .kind = FIELD_OBJECT, .type = &T[T_apiextensions_v1_CustomResourceDefinitionCondition] };
static const struct field item_apiextensions_v1_CustomResourceDefinitionVersion = { .kind = FIELD_OBJECT, .type = &T[T_apiextensions_v1_CustomResourceDefinitionVersion] };
static const struct field item_apiextensions_v1_JSONSchemaProps = { .kind = FIELD_OBJECT, .type = &T[T_apiextensions_v1_JSONSchemaProps] };
static const struct field item_apiextensions_v1_SelectableField = { .kind = FIELD_OBJECT, .type = &T[T_apiextensions_v1_SelectableField] };
static const struct field item_apiextensions_v1_ValidationRule = { .kind = FIELD_OBJECT, .type = &T[T_apiextensions_v1_ValidationRule] };
static const struct field item_apps_v1_DaemonSetCondition = { .kind = FIELD_OBJECT, .type = &T[T_apps_v1_DaemonSetCondition] };
static const struct field item_apps_v1_DeploymentCondition = { .kind = FIELD_OBJECT, .type = &T[T_apps_v1_DeploymentCondition] };
static const struct field item_apps_v1_ReplicaSetCondition = { .kind = FIELD_OBJECT, .type = &T[T_apps_v1_ReplicaSetCondition] };
static const struct field item_apps_v1_StatefulSetCondition = { .kind = FIELD_OBJECT, .type = &T[T_apps_v1_StatefulSetCondition] };
static const struct field item_authorization_v1_NonResourceRule = { .kind = FIELD_OBJECT, .type = &T[T_authorization_v1_NonResourceRule] };
static const struct field item_authorization_v1_ResourceRule = { .kind = FIELD_OBJECT, .type = &T[T_authorization_v1_ResourceRule] };
static const struct field item_batch_v1_JobCondition = { .kind = FIELD_OBJECT, .type = &T[T_batch_v1_JobCondition] };
static const struct field item_batch_v1_PodFailurePolicyOnPodConditionsPattern = { .kind = FIELD_OBJECT, .type = &T[T_batch_v1_PodFailurePolicyOnPodConditionsPattern] };
static const struct field item_batch_v1_PodFailurePolicyRule = { .kind = FIELD_OBJECT, .type = &T[T_batch_v1_PodFailurePolicyRule] };
static const struct field item_batch_v1_SuccessPolicyRule = { .kind = FIELD_OBJECT, .type = &T[T_batch_v1_SuccessPolicyRule] };
static const struct field item_bytes = { .kind = FIELD_BYTES };
static const struct field item_core_v1_AttachedVolume = { .kind = FIELD_OBJECT, .type = &T[T_core_v1_AttachedVolume] };
static const struct field item_core_v1_Container = { .kind = FIELD_OBJECT, .type = &T[T_core_v1_Container] };
static const struct field item_core_v1_ContainerImage = { .kind = FIELD_OBJECT, .type = &T[T_core_v1_ContainerImage] };
static const struct field item_core_v1_ContainerPort = { .kind = FIELD_OBJECT, .type = &T[T_core_v1_ContainerPort] };
static const struct field item_core_v1_ContainerResizePolicy = { .kind = FIELD_OBJECT, .type = &T[T_core_v1_ContainerResizePolicy] };
static const struct field item_core_v1_ContainerStatus = { .kind = FIELD_OBJECT, .type = &T[T_core_v1_ContainerStatus] };
static const struct field item_core_v1_DownwardAPIVolumeFile = { .kind = FIELD_OBJECT, .type = &T[T_core_v1_DownwardAPIVolumeFile] };
static const struct field item_core_v1_EndpointAddress = { .kind = FIELD_OBJECT, .type = &T[T_core_v1_EndpointAddress] };
static const struct field item_core_v1_EndpointPort = { .kind = FIELD_OBJECT, .type = &T[T_core_v1_EndpointPort] };
static const struct field item_core_v1_EndpointSubset = { .kind = FIELD_OBJECT, .type = &T[T_core_v1_EndpointSubset] };
static const struct field item_core_v1_EnvFromSource = { .kind = FIELD_OBJECT, .type = &T[T_core_v1_EnvFromSource] };
static const struct field item_core_v1_EnvVar = { .kind = FIELD_OBJECT, .type = &T[T_core_v1_EnvVar] };
static const struct field item_core_v1_EphemeralContainer = { .kind = FIELD_OBJECT, .type = &T[T_core_v1_EphemeralContainer] };
static const struct field item_core_v1_HTTPHeader = { .kind = FIELD_OBJECT, .type = &T[T_core_v1_HTTPHeader] };
static const struct field item_core_v1_HostAlias = { .kind = FIELD_OBJECT, .type = &T[T_core_v1_HostAlias] };
static const struct field item_core_v1_HostIP = { .kind = FIELD_OBJECT, .type = &T[T_core_v1_HostIP] };
static const struct field item_core_v1_KeyToPath = { .kind = FIELD_OBJECT, .type = &T[T_core_v1_KeyToPath] };
static const struct field item_core_v1_LimitRangeItem = { .kind = FIELD_OBJECT, .type = &T[T_core_v1_LimitRangeItem] };
static const struct field item_core_v1_LoadBalancerIngress = { .kind = FIELD_OBJECT, .type = &T[T_core_v1_LoadBalancerIngress] };
static const struct field item_core_v1_LocalObjectReference = { .kind = FIELD_OBJECT, .type = &T[T_core_v1_LocalObjectReference] };
static const struct field item_core_v1_NamespaceCondition = { .kind = FIELD_OBJECT, .type = &T[T_core_v1_NamespaceCondition] };
static const struct field item_core_v1_NodeAddress = { .kind = FIELD_OBJECT, .type = &T[T_core_v1_NodeAddress] };
static const struct field item_core_v1_NodeCondition = { .kind = FIELD_OBJECT, .type = &T[T_core_v1_NodeCondition] };
static const struct field item_core_v1_NodeRuntimeHandler = { .kind = FIELD_OBJECT, .type = &T[T_core_v1_NodeRuntimeHandler] };
static const struct field item_core_v1_NodeSelectorRequirement = { .kind = FIELD_OBJECT, .type = &T[T_core_v1_NodeSelectorRequirement] };
static const struct field item_core_v1_NodeSelectorTerm = { .kind = FIELD_OBJECT, .type = &T[T_core_v1_NodeSelectorTerm] };
static const struct field item_core_v1_ObjectReference = { .kind = FIELD_OBJECT, .type = &T[T_core_v1_ObjectReference] };
static const struct field item_core_v1_PersistentVolumeClaim = { .kind = FIELD_OBJECT, .type = &T[T_core_v1_PersistentVolumeClaim] };
static const struct field item_core_v1_PersistentVolumeClaimCondition = { .kind = FIELD_OBJECT, .type = &T[T_core_v1_PersistentVolumeClaimCondition] };
static const struct field item_core_v1_PodAffinityTerm = { .kind = FIELD_OBJECT, .type = &T[T_core_v1_PodAffinityTerm] };
static const struct field item_core_v1_PodCondition = { .kind = FIELD_OBJECT, .type = &T[T_core_v1_PodCondition] };
static const struct field item_core_v1_PodDNSConfigOption = { .kind = FIELD_OBJECT, .type = &T[T_core_v1_PodDNSConfigOption] };
static const struct field item_core_v1_PodIP = { .kind = FIELD_OBJECT, .type = &T[T_core_v1_PodIP] };
static const struct field item_core_v1_PodReadinessGate = { .kind = FIELD_OBJECT, .type = &T[T_core_v1_PodReadinessGate] };
static const struct field item_core_v1_PodResourceClaim = { .kind = FIELD_OBJECT, .type = &T[T_core_v1_PodResourceClaim] };
static const struct field item_core_v1_PodResourceClaimStatus = { .kind = FIELD_OBJECT, .type = &T[T_core_v1_PodResourceClaimStatus] };
static const struct field item_core_v1_PodSchedulingGate = { .kind = FIELD_OBJECT, .type = &T[T_core_v1_PodSchedulingGate] };
static const struct field item_core_v1_PortStatus = { .kind = FIELD_OBJECT, .type = &T[T_core_v1_PortStatus] };
static const struct field item_core_v1_PreferredSchedulingTerm = { .kind = FIELD_OBJECT, .type = &T[T_core_v1_PreferredSchedulingTerm] };
static const struct field item_core_v1_ReplicationControllerCondition = { .kind = FIELD_OBJECT, .type = &T[T_core_v1_ReplicationControllerCondition] };
static const struct field item_core_v1_ResourceClaim = { .kind = FIELD_OBJECT, .type = &T[T_core_v1_ResourceClaim] };
static const struct field item_core_v1_ResourceHealth = { .kind = FIELD_OBJECT, .type = &T[T_core_v1_ResourceHealth] };
static const struct field item_core_v1_ResourceStatus = { .kind = FIELD_OBJECT, .type = &T[T_core_v1_ResourceStatus] };
static const struct field item_core_v1_ScopedResourceSelectorRequirement = { .kind = FIELD_OBJECT, .type = &T[T_core_v1_ScopedResourceSelectorRequirement] };
static const struct field item_core_v1_ServicePort = { .kind = FIELD_OBJECT, .type = &T[T_core_v1_ServicePort] };
static const struct field item_core_v1_Sysctl = { .kind = FIELD_OBJECT, .type = &T[T_core_v1_Sysctl] };
static const struct field item_core_v1_Taint = { .kind = FIELD_OBJECT, .type = &T[T_core_v1_Taint] };
static const struct field item_core_v1_Toleration = { .kind = FIELD_OBJECT, .type = &T[T_core_v1_Toleration] };
static const struct field item_core_v1_TopologySelectorLabelRequirement = { .kind = FIELD_OBJECT, .type = &T[T_core_v1_TopologySelectorLabelRequirement] };
static const struct field item_core_v1_TopologySelectorTerm = { .kind = FIELD_OBJECT, .type = &T[T_core_v1_TopologySelectorTerm] };
static const struct field item_core_v1_TopologySpreadConstraint = { .kind = FIELD_OBJECT, .type = &T[T_core_v1_TopologySpreadConstraint] };
static const struct field item_core_v1_Volume = { .kind = FIELD_OBJECT, .type = &T[T_core_v1_Volume] };
static const struct field item_core_v1_VolumeDevice = { .kind = FIELD_OBJECT, .type = &T[T_core_v1_VolumeDevice] };
static const struct field item_core_v1_VolumeMount = { .kind = FIELD_OBJECT, .type = &T[T_core_v1_VolumeMount] };
static const struct field item_core_v1_VolumeMountStatus = { .kind = FIELD_OBJECT, .type = &T[T_core_v1_VolumeMountStatus] };
static const struct field item_core_v1_VolumeProjection = { .kind = FIELD_OBJECT, .type = &T[T_core_v1_VolumeProjection] };
static const struct field item_core_v1_WeightedPodAffinityTerm = { .kind = FIELD_OBJECT, .type = &T[T_core_v1_WeightedPodAffinityTerm] };
static const struct field item_discovery_v1_Endpoint = { .kind = FIELD_OBJECT, .type = &T[T_discovery_v1_Endpoint] };
static const struct field item_discovery_v1_EndpointPort = { .kind = FIELD_OBJECT, .type = &T[T_discovery_v1_EndpointPort] };
static const struct field item_discovery_v1_ForZone = { .kind = FIELD_OBJECT, .type = &T[T_discovery_v1_ForZone] };
static const struct field item_int = { .kind = FIELD_INT };
static const struct field item_list_v1_ExtraValue = { .kind = FIELD_LIST, .item = &item_str, .rules = &R[45] };
static const struct field item_meta_v1_Condition = { .kind = FIELD_OBJECT, .type = &T[T_meta_v1_Condition] };
static const struct field item_meta_v1_FieldSelectorRequirement = { .kind = FIELD_OBJECT, .type = &T[T_meta_v1_FieldSelectorRequirement] };
static const struct field item_meta_v1_LabelSelector = { .kind = FIELD_OBJECT, .type = &T[T_meta_v1_LabelSelector] };
static const struct field item_meta_v1_LabelSelectorRequirement = { .kind = FIELD_OBJECT, .type = &T[T_meta_v1_LabelSelectorRequirement] };
static const struct field item_meta_v1_ManagedFieldsEntry = { .kind = FIELD_OBJECT, .type = &T[T_meta_v1_ManagedFieldsEntry] };
static const struct field item_meta_v1_OwnerReference = { .kind = FIELD_OBJECT, .type = &T[T_meta_v1_OwnerReference] };
static const struct field item_meta_v1_StatusCause = { .kind = FIELD_OBJECT, .type = &T[T_meta_v1_StatusCause] };
static const struct field item_networking_v1_HTTPIngressPath = { .kind = FIELD_OBJECT, .type = &T[T_networking_v1_HTTPIngressPath] };
static const struct field item_networking_v1_IngressLoadBalancerIngress = { .kind = FIELD_OBJECT, .type = &T[T_networking_v1_IngressLoadBalancerIngress] };
static const struct field item_networking_v1_IngressPortStatus = { .kind = FIELD_OBJECT, .type = &T[T_networking_v1_IngressPortStatus] };
static const struct field item_networking_v1_IngressRule = { .kind = FIELD_OBJECT, .type = &T[T_networking_v1_IngressRule] };
static const struct field item_networking_v1_IngressTLS = { .kind = FIELD_OBJECT, .type = &T[T_networking_v1_IngressTLS] };
static const struct field item_networking_v1_NetworkPolicyEgressRule = { .kind = FIELD_OBJECT, .type = &T[T_networking_v1_NetworkPolicyEgressRule] };
static const struct field item_networking_v1_NetworkPolicyIngressRule = { .kind = FIELD_OBJECT, .type = &T[T_networking_v1_NetworkPolicyIngressRule] };
static const struct field item_networking_v1_NetworkPolicyPeer = { .kind = FIELD_OBJECT, .type = &T[T_networking_v1_NetworkPolicyPeer] };
static const struct field item_networking_v1_NetworkPolicyPort = { .kind = FIELD_OBJECT, .type = &T[T_networking_v1_NetworkPolicyPort] };
static const struct field item_quantity = { .kind = FIELD_QUANTITY };
static const struct field item_rbac_v1_PolicyRule = { .kind = FIELD_OBJECT, .type = &T[T_rbac_v1_PolicyRule] };
static const struct field item_rbac_v1_Subject = { .kind = FIELD_OBJECT, .type = &T[T_rbac_v1_Subject] };
static const struct field item_storage_v1_TokenRequest = { .kind = FIELD_OBJECT, .type = &T[T_storage_v1_TokenRequest] };
static const struct field item_str = { .kind = FIELD_STR };
static const struct field item_str_types_UID = { .kind = FIELD_STR, .rules = &R[8] };
static const struct field item_str_v1_Capability = { .kind = FIELD_STR, .rules = &R[123] };
static const struct field item_str_v1_ClaimResourceStatus = { .kind = FIELD_STR, .rules = &R[35] };
static const struct field item_str_v1_FinalizerName = { .kind = FIELD_STR, .rules = &R[22] };
static const struct field item_str_v1_IPFamily = { .kind = FIELD_STR, .rules = &R[28] };
static const struct field item_str_v1_OperationType = { .kind = FIELD_STR, .rules = &R[106] };
static const struct field item_str_v1_PersistentVolumeAccessMode = { .kind = FIELD_STR, .rules = &R[31] };
static const struct field item_str_v1_PolicyType = { .kind = FIELD_STR, .rules = &R[49] };
static const struct field item_str_v1_ResourceQuotaScope = { .kind = FIELD_STR, .rules = &R[36] };
static const struct field item_str_v1_UniqueVolumeName = { .kind = FIELD_STR, .rules = &R[21] };
static const struct field item_str_v1_VolumeLifecycleMode = { .kind = FIELD_STR, .rules = &R[46] };
static const struct field item_time = { .kind = FIELD_TIME };

static const struct field F_admission_v1_AdmissionRequest[] = {
    F("uid", STR, 1, .flags = KEEP, .rules = &R[8]),
    F("kind", OBJECT, 2, .flags = VAL, .type = &T[T_meta_v1_GroupVersionKind]),
    F("resource", OBJECT, 3, .flags = VAL, .type = &T[T_meta_v1_GroupVersionResource]),
    F("subResource", STR, 4),
    F("requestKind", OBJECT, 13, .flags = PTR, .type = &T[T_meta_v1_GroupVersionKind]),
    F("requestResource", OBJECT, 14, .flags = PTR, .type = &T[T_meta_v1_GroupVersionResource]),
    F("requestSubResource", STR, 15),
    F("name", STR, 5),
    F("namespace", STR, 6),
    F("operation", STR, 7, .flags = KEEP, .rules = &R[55]),
    F("userInfo", OBJECT, 8, .flags = VAL, .type = &T[T_authentication_v1_UserInfo]),
    F("object", ANY, 9),
    F("oldObject", ANY, 10),
    F("dryRun", BOOL, 11, .flags = PTR),
    F("options", ANY, 12),
};

static const struct field F_admission_v1_AdmissionResponse[] = {
    F("uid", STR, 1, .flags = KEEP, .rules = &R[8]),
    F("allowed", BOOL, 2, .flags = KEEP),
    F("status", OBJECT, 3, .flags = PTR, .type = &T[T_meta_v1_Status]),
    F("patch", BYTES, 4),
    F("patchType", STR, 5, .flags = PTR, .rules = &R[56]),
    F("auditAnnotations", MAP, 6, .item = &item_str),
    F("warnings", LIST, 7, .item = &item_str),
};

static const struct field F_admission_v1_AdmissionReview[] = {
    F("kind", STR, 0),
    F("apiVersion", STR, 0),
    F("request", OBJECT, 1, .flags = PTR, .type = &T[T_admission_v1_AdmissionRequest]),
    F("response", OBJECT, 2, .flags = PTR, .type = &T[T_admission_v1_AdmissionResponse]),
};

static const struct field F_admissionregistration_v1_MatchCondition[] = {
    F("name", STR, 1, .flags = REQ|KEEP),
    F("expression", STR, 2, .flags = REQ|KEEP),
};

static const struct field F_admissionregistration_v1_MutatingWebhook[] = {
    F("name", STR, 1, .flags = REQ|KEEP),
    F("clientConfig", OBJECT, 2, .flags = REQ|VAL, .type = &T[T_admissionregistration_v1_WebhookClientConfig]),
    F("rules", LIST, 3, .flags = ATOM, .item = &item_admissionregistration_v1_RuleWithOperations),
    F("failurePolicy", STR, 4, .flags = PTR, .rules = &R[51]),
    F("matchPolicy", STR, 9, .flags = PTR, .rules = &R[52]),
    F("namespaceSelector", OBJECT, 5, .flags = PTR, .type = &T[T_meta_v1_LabelSelector]),
    F("objectSelector", OBJECT, 11, .flags = PTR, .type = &T[T_meta_v1_LabelSelector]),
    F("sideEffects", STR, 6, .flags = REQ|PTR|KEEP, .rules = &R[53]),
    F("timeoutSeconds", INT, 7, .flags = I32|PTR),
    F("admissionReviewVersions", LIST, 8, .flags = REQ|KEEP|ATOM, .item = &item_str),
    F("reinvocationPolicy", STR, 10, .flags = PTR, .rules = &R[54]),
    F("matchConditions", LIST, 12, .flags = LMAP|MERGE, .item = &item_admissionregistration_v1_MatchCondition, .rules = &R[1]),
};

static const struct field F_admissionregistration_v1_MutatingWebhookConfiguration[] = {
    F("kind", STR, 0),
    F("apiVersion", STR, 0),
    F("metadata", OBJECT, 1, .flags = VAL, .type = &T[T_meta_v1_ObjectMeta]),
    F("webhooks", LIST, 2, .flags = LMAP|MERGE, .item = &item_admissionregistration_v1_MutatingWebhook, .rules = &R[1]),
};

static const struct field F_admissionregistration_v1_Rule[] = {
    F("apiGroups", LIST, 1, .flags = ATOM, .item = &item_str),
    F("apiVersions", LIST, 2, .flags = ATOM, .item = &item_str),
    F("resources", LIST, 3, .flags = ATOM, .item = &item_str),
    F("scope", STR, 4, .flags = PTR, .rules = &R[107]),
};

static const struct field F_admissionregistration_v1_RuleWithOperations[] = {
    F("operations", LIST, 1, .flags = ATOM, .item = &item_str_v1_OperationType),
    F(NULL, OBJECT, 2, .flags = INL, .type = &T[T_admissionregistration_v1_Rule]),
};

static const struct field F_admissionregistration_v1_ServiceReference[] = {
    F("namespace", STR, 1, .flags = REQ|KEEP),
    F("name", STR, 2, .flags = REQ|KEEP),
    F("path", STR, 3, .flags = PTR),
    F("port", INT, 4, .flags = I32|PTR),
};

static const struct field F_admissionregistration_v1_ValidatingWebhook[] = {
    F("name", STR, 1, .flags = REQ|KEEP),
    F("clientConfig", OBJECT, 2, .flags = REQ|VAL, .type = &T[T_admissionregistration_v1_WebhookClientConfig]),
    F("rules", LIST, 3, .flags = ATOM, .item = &item_admissionregistration_v1_RuleWithOperations),
    F("failurePolicy", STR, 4, .flags = PTR, .rules = &R[51]),
    F("matchPolicy", STR, 9, .flags = PTR, .rules = &R[52]),
    F("namespaceSelector", OBJECT, 5, .flags = PTR, .type = &T[T_meta_v1_LabelSelector]),
    F("objectSelector", OBJECT, 10, .flags = PTR, .type = &T[T_meta_v1_LabelSelector]),
    F("sideEffects", STR, 6, .flags = REQ|PTR|KEEP, .rules = &R[53]),
    F("timeoutSeconds", INT, 7, .flags = I32|PTR),
    F("admissionReviewVersions", LIST, 8, .flags = REQ|KEEP|ATOM, .item = &item_str),
    F("matchConditions", LIST, 11, .flags = LMAP|MERGE, .item = &item_admissionregistration_v1_MatchCondition, .rules = &R[1]),
};

static const struct field F_admissionregistration_v1_ValidatingWebhookConfiguration[] = {
    F("kind", STR, 0),
    F("apiVersion", STR, 0),
    F("metadata", OBJECT, 1, .flags = VAL, .type = &T[T_meta_v1_ObjectMeta]),
    F("webhooks", LIST, 2, .flags = LMAP|MERGE, .item = &item_admissionregistration_v1_ValidatingWebhook, .rules = &R[1]),
};

static const struct field F_admissionregistration_v1_WebhookClientConfig[] = {
    F("url", STR, 3, .flags = PTR),
    F("service", OBJECT, 1, .flags = PTR, .type = &T[T_admissionregistration_v1_ServiceReference]),
    F("caBundle", BYTES, 2),
};

static const struct field F_apps_v1_ControllerRevision[] = {
    F("kind", STR, 0),
    F("apiVersion", STR, 0),
    F("metadata", OBJECT, 1, .flags = VAL, .type = &T[T_meta_v1_ObjectMeta]),
    F("data", ANY, 2),
    F("revision", INT, 3, .flags = REQ|KEEP),
};

static const struct field F_apps_v1_DaemonSet[] = {
    F("kind", STR, 0),
    F("apiVersion", STR, 0),
    F("metadata", OBJECT, 1, .flags = VAL, .type = &T[T_meta_v1_ObjectMeta]),
    F("spec", OBJECT, 2, .flags = VAL, .type = &T[T_apps_v1_DaemonSetSpec]),
    F("status", OBJECT, 3, .flags = VAL, .type = &T[T_apps_v1_DaemonSetStatus]),
};

static const struct field F_apps_v1_DaemonSetCondition[] = {
    F("type", STR, 1, .flags = REQ|KEEP, .rules = &R[102]),
    F("status", STR, 2, .flags = REQ|KEEP, .rules = &R[74]),
    F("lastTransitionTime", TIME, 3, .flags = VAL),
    F("reason", STR, 4),
    F("message", STR, 5),
};

static const struct field F_apps_v1_DaemonSetSpec[] = {
    F("selector", OBJECT, 1, .flags = REQ|PTR|KEEP, .type = &T[T_meta_v1_LabelSelector]),
    F("template", OBJECT, 2, .flags = REQ|VAL, .type = &T[T_core_v1_PodTemplateSpec]),
    F("updateStrategy", OBJECT, 3, .flags = VAL, .type = &T[T_apps_v1_DaemonSetUpdateStrategy]),
    F("minReadySeconds", INT, 4, .flags = I32),
    F("revisionHistoryLimit", INT, 6, .flags = I32|PTR),
};

static const struct field F_apps_v1_DaemonSetStatus[] = {
    F("currentNumberScheduled", INT, 1, .flags = I32|REQ|KEEP),
    F("numberMisscheduled", INT, 2, .flags = I32|REQ|KEEP),
    F("desiredNumberScheduled", INT, 3, .flags = I32|REQ|KEEP),
    F("numberReady", INT, 4, .flags = I32|REQ|KEEP),
    F("observedGeneration", INT, 5),
    F("updatedNumberScheduled", INT, 6, .flags = I32),
    F("numberAvailable", INT, 7, .flags = I32),
    F("numberUnavailable", INT, 8, .flags = I32),
    F("collisionCount", INT, 9, .flags = I32|PTR),
    F("conditions", LIST, 10, .flags = LMAP|MERGE, .item = &item_apps_v1_DaemonSetCondition, .rules = &R[16]),
};

static const struct field F_apps_v1_DaemonSetUpdateStrategy[] = {
    F("type", STR, 1, .rules = &R[101]),
    F("rollingUpdate", OBJECT, 2, .flags = PTR, .type = &T[T_apps_v1_RollingUpdateDaemonSet]),
};

static const struct field F_apps_v1_Deployment[] = {
    F("kind", STR, 0),
    F("apiVersion", STR, 0),
    F("metadata", OBJECT, 1, .flags = VAL, .type = &T[T_meta_v1_ObjectMeta]),
    F("spec", OBJECT, 2, .flags = VAL, .type = &T[T_apps_v1_DeploymentSpec]),
    F("status", OBJECT, 3, .flags = VAL, .type = &T[T_apps_v1_DeploymentStatus]),
};

static const struct field F_apps_v1_DeploymentCondition[] = {
    F("type", STR, 1, .flags = REQ|KEEP, .rules = &R[99]),
    F("status", STR, 2, .flags = REQ|KEEP, .rules = &R[74]),
    F("lastUpdateTime", TIME, 6, .flags = VAL),
    F("lastTransitionTime", TIME, 7, .flags = VAL),
    F("reason", STR, 4),
    F("message", STR, 5),
};

static const struct field F_apps_v1_DeploymentSpec[] = {
    F("replicas", INT, 1, .flags = I32|PTR),
    F("selector", OBJECT, 2, .flags = REQ|PTR|KEEP, .type = &T[T_meta_v1_LabelSelector]),
    F("template", OBJECT, 3, .flags = REQ|VAL, .type = &T[T_core_v1_PodTemplateSpec]),
    F("strategy", OBJECT, 4, .flags = VAL|KEYS, .type = &T[T_apps_v1_DeploymentStrategy]),
    F("minReadySeconds", INT, 5, .flags = I32),
    F("revisionHistoryLimit", INT, 6, .flags = I32|PTR),
    F("paused", BOOL, 7),
    F("progressDeadlineSeconds", INT, 9, .flags = I32|PTR),
};

static const struct field F_apps_v1_DeploymentStatus[] = {
    F("observedGeneration", INT, 1),
    F("replicas", INT, 2, .flags = I32),
    F("updatedReplicas", INT, 3, .flags = I32),
    F("readyReplicas", INT, 7, .flags = I32),
    F("availableReplicas", INT, 4, .flags = I32),
    F("unavailableReplicas", INT, 5, .flags = I32),
    F("conditions", LIST, 6, .flags = LMAP|MERGE, .item = &item_apps_v1_DeploymentCondition, .rules = &R[16]),
    F("collisionCount", INT, 8, .flags = I32|PTR),
};

static const struct field F_apps_v1_DeploymentStrategy[] = {
    F("type", STR, 1, .rules = &R[98]),
    F("rollingUpdate", OBJECT, 2, .flags = PTR, .type = &T[T_apps_v1_RollingUpdateDeployment]),
};

static const struct field F_apps_v1_ReplicaSet[] = {
    F("kind", STR, 0),
    F("apiVersion", STR, 0),
    F("metadata", OBJECT, 1, .flags = VAL, .type = &T[T_meta_v1_ObjectMeta]),
    F("spec", OBJECT, 2, .flags = VAL, .type = &T[T_apps_v1_ReplicaSetSpec]),
    F("status", OBJECT, 3, .flags = VAL, .type = &T[T_apps_v1_ReplicaSetStatus]),
};

static const struct field F_apps_v1_ReplicaSetCondition[] = {
    F("type", STR, 1, .flags = REQ|KEEP, .rules = &R[100]),
    F("status", STR, 2, .flags = REQ|KEEP, .rules = &R[74]),
    F("lastTransitionTime", TIME, 3, .flags = VAL),
    F("reason", STR, 4),
    F("message", STR, 5),
};

static const struct field F_apps_v1_ReplicaSetSpec[] = {
    F("replicas", INT, 1, .flags = I32|PTR),
    F("minReadySeconds", INT, 4, .flags = I32),
    F("selector", OBJECT, 2, .flags = REQ|PTR|KEEP, .type = &T[T_meta_v1_LabelSelector]),
    F("template", OBJECT, 3, .flags = VAL, .type = &T[T_core_v1_PodTemplateSpec]),
};

static const struct field F_apps_v1_ReplicaSetStatus[] = {
    F("replicas", INT, 1, .flags = I32|REQ|KEEP),
    F("fullyLabeledReplicas", INT, 2, .flags = I32),
    F("readyReplicas", INT, 4, .flags = I32),
    F("availableReplicas", INT, 5, .flags = I32),
    F("observedGeneration", INT, 3),
    F("conditions", LIST, 6, .flags = LMAP|MERGE, .item = &item_apps_v1_ReplicaSetCondition, .rules = &R[16]),
};

static const struct field F_apps_v1_RollingUpdateDaemonSet[] = {
    F("maxUnavailable", INT_OR_STR, 1, .flags = PTR),
    F("maxSurge", INT_OR_STR, 2, .flags = PTR),
};

static const struct field F_apps_v1_RollingUpdateDeployment[] = {
    F("maxUnavailable", INT_OR_STR, 1, .flags = PTR),
    F("maxSurge", INT_OR_STR, 2, .flags = PTR),
};

static const struct field F_apps_v1_RollingUpdateStatefulSetStrategy[] = {
    F("partition", INT, 1, .flags = I32|PTR),
    F("maxUnavailable", INT_OR_STR, 2, .flags = PTR),
};

static const struct field F_apps_v1_StatefulSet[] = {
    F("kind", STR, 0),
    F("apiVersion", STR, 0),
    F("metadata", OBJECT, 1, .flags = VAL, .type = &T[T_meta_v1_ObjectMeta]),
    F("spec", OBJECT, 2, .flags = VAL, .type = &T[T_apps_v1_StatefulSetSpec]),
    F("status", OBJECT, 3, .flags = VAL, .type = &T[T_apps_v1_StatefulSetStatus]),
};

static const struct field F_apps_v1_StatefulSetCondition[] = {
    F("type", STR, 1, .flags = REQ|KEEP, .rules = &R[97]),
    F("status", STR, 2, .flags = REQ|KEEP, .rules = &R[74]),
    F("lastTransitionTime", TIME, 3, .flags = VAL),
    F("reason", STR, 4),
    F("message", STR, 5),
};

static const struct field F_apps_v1_StatefulSetOrdinals[] = {
    F("start", INT, 1, .flags = I32|KEEP),
};

static const struct field F_apps_v1_StatefulSetPersistentVolumeClaimRetentionPolicy[] = {
    F("whenDeleted", STR, 1, .rules = &R[96]),
    F("whenScaled", STR, 2, .rules = &R[96]),
};

static const struct field F_apps_v1_StatefulSetSpec[] = {
    F("replicas", INT, 1, .flags = I32|PTR),
    F("selector", OBJECT, 2, .flags = REQ|PTR|KEEP, .type = &T[T_meta_v1_LabelSelector]),
    F("template", OBJECT, 3, .flags = REQ|VAL, .type = &T[T_core_v1_PodTemplateSpec]),
    F("volumeClaimTemplates", LIST, 4, .flags = ATOM, .item = &item_core_v1_PersistentVolumeClaim),
    F("serviceName", STR, 5, .flags = REQ|KEEP),
    F("podManagementPolicy", STR, 6, .rules = &R[37]),
    F("updateStrategy", OBJECT, 7, .flags = VAL, .type = &T[T_apps_v1_StatefulSetUpdateStrategy]),
    F("revisionHistoryLimit", INT, 8, .flags = I32|PTR),
    F("minReadySeconds", INT, 9, .flags = I32),
    F("persistentVolumeClaimRetentionPolicy", OBJECT, 10, .flags = PTR, .type = &T[T_apps_v1_StatefulSetPersistentVolumeClaimRetentionPolicy]),
    F("ordinals", OBJECT, 11, .flags = PTR, .type = &T[T_apps_v1_StatefulSetOrdinals]),
};

static const struct field F_apps_v1_StatefulSetStatus[] = {
    F("observedGeneration", INT, 1),
    F("replicas", INT, 2, .flags = I32|REQ|KEEP),
    F("readyReplicas", INT, 3, .flags = I32),
    F("currentReplicas", INT, 4, .flags = I32),
    F("updatedReplicas", INT, 5, .flags = I32),
    F("currentRevision", STR, 6),
    F("updateRevision", STR, 7),
    F("collisionCount", INT, 9, .flags = I32|PTR),
    F("conditions", LIST, 10, .flags = LMAP|MERGE, .item = &item_apps_v1_StatefulSetCondition, .rules = &R[16]),
    F("availableReplicas", INT, 11, .flags = I32|KEEP),
};

static const struct field F_apps_v1_StatefulSetUpdateStrategy[] = {
    F("type", STR, 1, .rules = &R[95]),
    F("rollingUpdate", OBJECT, 2, .flags = PTR, .type = &T[T_apps_v1_RollingUpdateStatefulSetStrategy]),
};

static const struct field F_authentication_v1_BoundObjectReference[] = {
    F("kind", STR, 1),
    F("apiVersion", STR, 2),
    F("name", STR, 3),
    F("uid", STR, 4, .rules = &R[8]),
};

static const struct field F_authentication_v1_SelfSubjectReview[] = {
    F("kind", STR, 0),
    F("apiVersion", STR, 0),
    F("metadata", OBJECT, 1, .flags = VAL, .type = &T[T_meta_v1_ObjectMeta]),
    F("status", OBJECT, 2, .flags = VAL, .type = &T[T_authentication_v1_SelfSubjectReviewStatus]),
};

static const struct field F_authentication_v1_SelfSubjectReviewStatus[] = {
    F("userInfo", OBJECT, 1, .flags = VAL, .type = &T[T_authentication_v1_UserInfo]),
};

static const struct field F_authentication_v1_TokenRequest[] = {
    F("kind", STR, 0),
    F("apiVersion", STR, 0),
    F("metadata", OBJECT, 1, .flags = VAL, .type = &T[T_meta_v1_ObjectMeta]),
    F("spec", OBJECT, 2, .flags = REQ|VAL, .type = &T[T_authentication_v1_TokenRequestSpec]),
    F("status", OBJECT, 3, .flags = VAL, .type = &T[T_authentication_v1_TokenRequestStatus]),
};

static const struct field F_authentication_v1_TokenRequestSpec[] = {
    F("audiences", LIST, 1, .flags = REQ|KEEP|ATOM, .item = &item_str),
    F("expirationSeconds", INT, 4, .flags = PTR|KEEP),
    F("boundObjectRef", OBJECT, 3, .flags = PTR|KEEP, .type = &T[T_authentication_v1_BoundObjectReference]),
};

static const struct field F_authentication_v1_TokenRequestStatus[] = {
    F("token", STR, 1, .flags = REQ|KEEP),
    F("expirationTimestamp", TIME, 2, .flags = REQ|VAL),
};

static const struct field F_authentication_v1_TokenReview[] = {
    F("kind", STR, 0),
    F("apiVersion", STR, 0),
    F("metadata", OBJECT, 1, .flags = VAL, .type = &T[T_meta_v1_ObjectMeta]),
    F("spec", OBJECT, 2, .flags = REQ|VAL, .type = &T[T_authentication_v1_TokenReviewSpec]),
    F("status", OBJECT, 3, .flags = VAL, .type = &T[T_authentication_v1_TokenReviewStatus]),
};

static const struct field F_authentication_v1_TokenReviewSpec[] = {
    F("token", STR, 1),
    F("audiences", LIST, 2, .flags = ATOM, .item = &item_str),
};

static const struct field F_authentication_v1_TokenReviewStatus[] = {
    F("authenticated", BOOL, 1),
    F("user", OBJECT, 2, .flags = VAL, .type = &T[T_authentication_v1_UserInfo]),
    F("audiences", LIST, 4, .flags = ATOM, .item = &item_str),
    F("error", STR, 3),
};

static const struct field F_authentication_v1_UserInfo[] = {
    F("username", STR, 1),
    F("uid", STR, 2),
    F("groups", LIST, 3, .flags = ATOM, .item = &item_str),
    F("extra", MAP, 4, .item = &item_list_v1_ExtraValue),
};

static const struct field F_authorization_v1_FieldSelectorAttributes[] = {
    F("rawSelector", STR, 1),
    F("requirements", LIST, 2, .flags = ATOM, .item = &item_meta_v1_FieldSelectorRequirement),
};

static const struct field F_authorization_v1_LabelSelectorAttributes[] = {
    F("rawSelector", STR, 1),
    F("requirements", LIST, 2, .flags = ATOM, .item = &item_meta_v1_LabelSelectorRequirement),
};

static const struct field F_authorization_v1_LocalSubjectAccessReview[] = {
    F("kind", STR, 0),
    F("apiVersion", STR, 0),
    F("metadata", OBJECT, 1, .flags = VAL, .type = &T[T_meta_v1_ObjectMeta]),
    F("spec", OBJECT, 2, .flags = REQ|VAL, .type = &T[T_authorization_v1_SubjectAccessReviewSpec]),
    F("status", OBJECT, 3, .flags = VAL, .type = &T[T_authorization_v1_SubjectAccessReviewStatus]),
};

static const struct field F_authorization_v1_NonResourceAttributes[] = {
    F("path", STR, 1),
    F("verb", STR, 2),
};

static const struct field F_authorization_v1_NonResourceRule[] = {
    F("verbs", LIST, 1, .flags = REQ|KEEP|ATOM, .item = &item_str),
    F("nonResourceURLs", LIST, 2, .flags = ATOM, .item = &item_str),
};

static const struct field F_authorization_v1_ResourceAttributes[] = {
    F("namespace", STR, 1),
    F("verb", STR, 2),
    F("group", STR, 3),
    F("version", STR, 4),
    F("resource", STR, 5),
    F("subresource", STR, 6),
    F("name", STR, 7),
    F("fieldSelector", OBJECT, 8, .flags = PTR, .type = &T[T_authorization_v1_FieldSelectorAttributes]),
    F("labelSelector", OBJECT, 9, .flags = PTR, .type = &T[T_authorization_v1_LabelSelectorAttributes]),
};

static const struct field F_authorization_v1_ResourceRule[] = {
    F("verbs", LIST, 1, .flags = REQ|KEEP|ATOM, .item = &item_str),
    F("apiGroups", LIST, 2, .flags = ATOM, .item = &item_str),
    F("resources", LIST, 3, .flags = ATOM, .item = &item_str),
    F("resourceNames", LIST, 4, .flags = ATOM, .item = &item_str),
};

static const struct field F_authorization_v1_SelfSubjectAccessReview[] = {
    F("kind", STR, 0),
    F("apiVersion", STR, 0),
    F("metadata", OBJECT, 1, .flags = VAL, .type = &T[T_meta_v1_ObjectMeta]),
    F("spec", OBJECT, 2, .flags = REQ|VAL, .type = &T[T_authorization_v1_SelfSubjectAccessReviewSpec]),
    F("status", OBJECT, 3, .flags = VAL, .type = &T[T_authorization_v1_SubjectAccessReviewStatus]),
};

static const struct field F_authorization_v1_SelfSubjectAccessReviewSpec[] = {
    F("resourceAttributes", OBJECT, 1, .flags = PTR, .type = &T[T_authorization_v1_ResourceAttributes]),
    F("nonResourceAttributes", OBJECT, 2, .flags = PTR, .type = &T[T_authorization_v1_NonResourceAttributes]),
};

static const struct field F_authorization_v1_SelfSubjectRulesReview[] = {
    F("kind", STR, 0),
    F("apiVersion", STR, 0),
    F("metadata", OBJECT, 1, .flags = VAL, .type = &T[T_meta_v1_ObjectMeta]),
    F("spec", OBJECT, 2, .flags = REQ|VAL, .type = &T[T_authorization_v1_SelfSubjectRulesReviewSpec]),
    F("status", OBJECT, 3, .flags = VAL, .type = &T[T_authorization_v1_SubjectRulesReviewStatus]),
};

static const struct field F_authorization_v1_SelfSubjectRulesReviewSpec[] = {
    F("namespace", STR, 1),
};

static const struct field F_authorization_v1_SubjectAccessReview[] = {
    F("kind", STR, 0),
    F("apiVersion", STR, 0),
    F("metadata", OBJECT, 1, .flags = VAL, .type = &T[T_meta_v1_ObjectMeta]),
    F("spec", OBJECT, 2, .flags = REQ|VAL, .type = &T[T_authorization_v1_SubjectAccessReviewSpec]),
    F("status", OBJECT, 3, .flags = VAL, .type = &T[T_authorization_v1_SubjectAccessReviewStatus]),
};

static const struct field F_authorization_v1_SubjectAccessReviewSpec[] = {
    F("resourceAttributes", OBJECT, 1, .flags = PTR, .type = &T[T_authorization_v1_ResourceAttributes]),
    F("nonResourceAttributes", OBJECT, 2, .flags = PTR, .type = &T[T_authorization_v1_NonResourceAttributes]),
    F("user", STR, 3),
    F("groups", LIST, 4, .flags = ATOM, .item = &item_str),
    F("extra", MAP, 5, .item = &item_list_v1_ExtraValue),
    F("uid", STR, 6),
};

static const struct field F_authorization_v1_SubjectAccessReviewStatus[] = {
    F("allowed", BOOL, 1, .flags = REQ|KEEP),
    F("denied", BOOL, 4),
    F("reason", STR, 2),
    F("evaluationError", STR, 3),
};

static const struct field F_authorization_v1_SubjectRulesReviewStatus[] = {
    F("resourceRules", LIST, 1, .flags = REQ|KEEP|ATOM, .item = &item_authorization_v1_ResourceRule),
    F("nonResourceRules", LIST, 2, .flags = REQ|KEEP|ATOM, .item = &item_authorization_v1_NonResourceRule),
    F("incomplete", BOOL, 3, .flags = REQ|KEEP),
    F("evaluationError", STR, 4),
};

static const struct field F_autoscaling_v1_CrossVersionObjectReference[] = {
    F("kind", STR, 1, .flags = REQ|KEEP),
    F("name", STR, 2, .flags = REQ|KEEP),
    F("apiVersion", STR, 3),
};

static const struct field F_autoscaling_v1_HorizontalPodAutoscaler[] = {
    F("kind", STR, 0),
    F("apiVersion", STR, 0),
    F("metadata", OBJECT, 1, .flags = VAL, .type = &T[T_meta_v1_ObjectMeta]),
    F("spec", OBJECT, 2, .flags = VAL, .type = &T[T_autoscaling_v1_HorizontalPodAutoscalerSpec]),
    F("status", OBJECT, 3, .flags = VAL, .type = &T[T_autoscaling_v1_HorizontalPodAutoscalerStatus]),
};

static const struct field F_autoscaling_v1_HorizontalPodAutoscalerSpec[] = {
    F("scaleTargetRef", OBJECT, 1, .flags = REQ|VAL, .type = &T[T_autoscaling_v1_CrossVersionObjectReference]),
    F("minReplicas", INT, 2, .flags = I32|PTR),
    F("maxReplicas", INT, 3, .flags = I32|REQ|KEEP),
    F("targetCPUUtilizationPercentage", INT, 4, .flags = I32|PTR),
};

static const struct field F_autoscaling_v1_HorizontalPodAutoscalerStatus[] = {
    F("observedGeneration", INT, 1, .flags = PTR),
    F("lastScaleTime", TIME, 2, .flags = PTR),
    F("currentReplicas", INT, 3, .flags = I32|REQ|KEEP),
    F("desiredReplicas", INT, 4, .flags = I32|REQ|KEEP),
    F("currentCPUUtilizationPercentage", INT, 5, .flags = I32|PTR),
};

static const struct field F_autoscaling_v1_Scale[] = {
    F("kind", STR, 0),
    F("apiVersion", STR, 0),
    F("metadata", OBJECT, 1, .flags = VAL, .type = &T[T_meta_v1_ObjectMeta]),
    F("spec", OBJECT, 2, .flags = VAL, .type = &T[T_autoscaling_v1_ScaleSpec]),
    F("status", OBJECT, 3, .flags = VAL, .type = &T[T_autoscaling_v1_ScaleStatus]),
};

static const struct field F_autoscaling_v1_ScaleSpec[] = {
    F("replicas", INT, 1, .flags = I32),
};

static const struct field F_autoscaling_v1_ScaleStatus[] = {
    F("replicas", INT, 1, .flags = I32|REQ|KEEP),
    F("selector", STR, 2),
};

static const struct field F_batch_v1_CronJob[] = {
    F("kind", STR, 0),
    F("apiVersion", STR, 0),
    F("metadata", OBJECT, 1, .flags = VAL, .type = &T[T_meta_v1_ObjectMeta]),
    F("spec", OBJECT, 2, .flags = VAL, .type = &T[T_batch_v1_CronJobSpec]),
    F("status", OBJECT, 3, .flags = VAL, .type = &T[T_batch_v1_CronJobStatus]),
};

static const struct field F_batch_v1_CronJobSpec[] = {
    F("schedule", STR, 1, .flags = REQ|KEEP),
    F("timeZone", STR, 8, .flags = PTR),
    F("startingDeadlineSeconds", INT, 2, .flags = PTR),
    F("concurrencyPolicy", STR, 3, .rules = &R[41]),
    F("suspend", BOOL, 4, .flags = PTR),
    F("jobTemplate", OBJECT, 5, .flags = REQ|VAL, .type = &T[T_batch_v1_JobTemplateSpec]),
    F("successfulJobsHistoryLimit", INT, 6, .flags = I32|PTR),
    F("failedJobsHistoryLimit", INT, 7, .flags = I32|PTR),
};

static const struct field F_batch_v1_CronJobStatus[] = {
    F("active", LIST, 1, .flags = ATOM, .item = &item_core_v1_ObjectReference),
    F("lastScheduleTime", TIME, 4, .flags = PTR),
    F("lastSuccessfulTime", TIME, 5, .flags = PTR),
};

static const struct field F_batch_v1_Job[] = {
    F("kind", STR, 0),
    F("apiVersion", STR, 0),
    F("metadata", OBJECT, 1, .flags = VAL, .type = &T[T_meta_v1_ObjectMeta]),
    F("spec", OBJECT, 2, .flags = VAL, .type = &T[T_batch_v1_JobSpec]),
    F("status", OBJECT, 3, .flags = VAL, .type = &T[T_batch_v1_JobStatus]),
};

static const struct field F_batch_v1_JobCondition[] = {
    F("type", STR, 1, .flags = REQ|KEEP, .rules = &R[103]),
    F("status", STR, 2, .flags = REQ|KEEP, .rules = &R[74]),
    F("lastProbeTime", TIME, 3, .flags = VAL),
    F("lastTransitionTime", TIME, 4, .flags = VAL),
    F("reason", STR, 5),
    F("message", STR, 6),
};

static const struct field F_batch_v1_JobSpec[] = {
    F("parallelism", INT, 1, .flags = I32|PTR),
    F("completions", INT, 2, .flags = I32|PTR),
    F("activeDeadlineSeconds", INT, 3, .flags = PTR),
    F("podFailurePolicy", OBJECT, 11, .flags = PTR, .type = &T[T_batch_v1_PodFailurePolicy]),
    F("successPolicy", OBJECT, 16, .flags = PTR, .type = &T[T_batch_v1_SuccessPolicy]),
    F("backoffLimit", INT, 7, .flags = I32|PTR),
    F("backoffLimitPerIndex", INT, 12, .flags = I32|PTR),
    F("maxFailedIndexes", INT, 13, .flags = I32|PTR),
    F("selector", OBJECT, 4, .flags = PTR, .type = &T[T_meta_v1_LabelSelector]),
    F("manualSelector", BOOL, 5, .flags = PTR),
    F("template", OBJECT, 6, .flags = REQ|VAL, .type = &T[T_core_v1_PodTemplateSpec]),
    F("ttlSecondsAfterFinished", INT, 8, .flags = I32|PTR),
    F("completionMode", STR, 9, .flags = PTR, .rules = &R[38]),
    F("suspend", BOOL, 10, .flags = PTR),
    F("podReplacementPolicy", STR, 14, .flags = PTR, .rules = &R[39]),
    F("managedBy", STR, 15, .flags = PTR),
};

static const struct field F_batch_v1_JobStatus[] = {
    F("conditions", LIST, 1, .flags = ATOM|MERGE, .item = &item_batch_v1_JobCondition, .rules = &R[40]),
    F("startTime", TIME, 2, .flags = PTR),
    F("completionTime", TIME, 3, .flags = PTR),
    F("active", INT, 4, .flags = I32),
    F("succeeded", INT, 5, .flags = I32),
    F("failed", INT, 6, .flags = I32),
    F("terminating", INT, 11, .flags = I32|PTR),
    F("completedIndexes", STR, 7),
    F("failedIndexes", STR, 10, .flags = PTR),
    F("uncountedTerminatedPods", OBJECT, 8, .flags = PTR, .type = &T[T_batch_v1_UncountedTerminatedPods]),
    F("ready", INT, 9, .flags = I32|PTR),
};

static const struct field F_batch_v1_JobTemplateSpec[] = {
    F("metadata", OBJECT, 1, .flags = VAL, .type = &T[T_meta_v1_ObjectMeta]),
    F("spec", OBJECT, 2, .flags = VAL, .type = &T[T_batch_v1_JobSpec]),
};

static const struct field F_batch_v1_PodFailurePolicy[] = {
    F("rules", LIST, 1, .flags = REQ|KEEP|ATOM, .item = &item_batch_v1_PodFailurePolicyRule),
};

static const struct field F_batch_v1_PodFailurePolicyOnExitCodesRequirement[] = {
    F("containerName", STR, 1, .flags = PTR),
    F("operator", STR, 2, .flags = REQ|KEEP, .rules = &R[126]),
    F("values", LIST, 3, .flags = REQ|KEEP|SET, .item = &item_int),
};

static const struct field F_batch_v1_PodFailurePolicyOnPodConditionsPattern[] = {
    F("type", STR, 1, .flags = REQ|KEEP, .rules = &R[69]),
    F("status", STR, 2, .flags = REQ|KEEP, .rules = &R[74]),
};

static const struct field F_batch_v1_PodFailurePolicyRule[] = {
    F("action", STR, 1, .flags = REQ|KEEP, .rules = &R[121]),
    F("onExitCodes", OBJECT, 2, .flags = PTR, .type = &T[T_batch_v1_PodFailurePolicyOnExitCodesRequirement]),
    F("onPodConditions", LIST, 3, .flags = ATOM, .item = &item_batch_v1_PodFailurePolicyOnPodConditionsPattern),
};

static const struct field F_batch_v1_SuccessPolicy[] = {
    F("rules", LIST, 1, .flags = REQ|KEEP|ATOM, .item = &item_batch_v1_SuccessPolicyRule),
};

static const struct field F_batch_v1_SuccessPolicyRule[] = {
    F("succeededIndexes", STR, 1, .flags = PTR),
    F("succeededCount", INT, 2, .flags = I32|PTR),
};

static const struct field F_batch_v1_UncountedTerminatedPods[] = {
    F("succeeded", LIST, 1, .flags = SET, .item = &item_str_types_UID),
    F("failed", LIST, 2, .flags = SET, .item = &item_str_types_UID),
};

static const struct field F_coordination_v1_Lease[] = {
    F("kind", STR, 0),
    F("apiVersion", STR, 0),
    F("metadata", OBJECT, 1, .flags = VAL, .type = &T[T_meta_v1_ObjectMeta]),
    F("spec", OBJECT, 2, .flags = VAL, .type = &T[T_coordination_v1_LeaseSpec]),
};

static const struct field F_coordination_v1_LeaseSpec[] = {
    F("holderIdentity", STR, 1, .flags = PTR),
    F("leaseDurationSeconds", INT, 2, .flags = I32|PTR),
    F("acquireTime", MICROTIME, 3, .flags = PTR),
    F("renewTime", MICROTIME, 4, .flags = PTR),
    F("leaseTransitions", INT, 5, .flags = I32|PTR),
    F("strategy", STR, 6, .flags = PTR, .rules = &R[42]),
    F("preferredHolder", STR, 7, .flags = PTR),
};

static const struct field F_core_v1_AWSElasticBlockStoreVolumeSource[] = {
    F("volumeID", STR, 1, .flags = REQ|KEEP),
    F("fsType", STR, 2),
    F("partition", INT, 3, .flags = I32),
    F("readOnly", BOOL, 4),
};

static const struct field F_core_v1_Affinity[] = {
    F("nodeAffinity", OBJECT, 1, .flags = PTR, .type = &T[T_core_v1_NodeAffinity]),
    F("podAffinity", OBJECT, 2, .flags = PTR, .type = &T[T_core_v1_PodAffinity]),
    F("podAntiAffinity", OBJECT, 3, .flags = PTR, .type = &T[T_core_v1_PodAntiAffinity]),
};

static const struct field F_core_v1_AppArmorProfile[] = {
    F("type", STR, 1, .flags = REQ|KEEP, .rules = &R[116]),
    F("localhostProfile", STR, 2, .flags = PTR),
};

static const struct field F_core_v1_AttachedVolume[] = {
    F("name", STR, 1, .flags = REQ|KEEP, .rules = &R[21]),
    F("devicePath", STR, 2, .flags = REQ|KEEP),
};

static const struct field F_core_v1_AzureDiskVolumeSource[] = {
    F("diskName", STR, 1, .flags = REQ|KEEP),
    F("diskURI", STR, 2, .flags = REQ|KEEP),
    F("cachingMode", STR, 3, .flags = PTR, .rules = &R[85]),
    F("fsType", STR, 4, .flags = PTR, .rules = &R[86]),
    F("readOnly", BOOL, 5, .flags = PTR),
    F("kind", STR, 6, .flags = PTR, .rules = &R[88]),
};

static const struct field F_core_v1_AzureFilePersistentVolumeSource[] = {
    F("secretName", STR, 1, .flags = REQ|KEEP),
    F("shareName", STR, 2, .flags = REQ|KEEP),
    F("readOnly", BOOL, 3),
    F("secretNamespace", STR, 4, .flags = PTR|KEEP),
};

static const struct field F_core_v1_AzureFileVolumeSource[] = {
    F("secretName", STR, 1, .flags = REQ|KEEP),
    F("shareName", STR, 2, .flags = REQ|KEEP),
    F("readOnly", BOOL, 3),
};

static const struct field F_core_v1_Binding[] = {
    F("kind", STR, 0),
    F("apiVersion", STR, 0),
    F("metadata", OBJECT, 1, .flags = VAL, .type = &T[T_meta_v1_ObjectMeta]),
    F("target", OBJECT, 2, .flags = REQ|VAL, .type = &T[T_core_v1_ObjectReference]),
};

static const struct field F_core_v1_CSIPersistentVolumeSource[] = {
    F("driver", STR, 1, .flags = REQ|KEEP),
    F("volumeHandle", STR, 2, .flags = REQ|KEEP),
    F("readOnly", BOOL, 3),
    F("fsType", STR, 4),
    F("volumeAttributes", MAP, 5, .item = &item_str),
    F("controllerPublishSecretRef", OBJECT, 6, .flags = PTR, .type = &T[T_core_v1_SecretReference]),
    F("nodeStageSecretRef", OBJECT, 7, .flags = PTR, .type = &T[T_core_v1_SecretReference]),
    F("nodePublishSecretRef", OBJECT, 8, .flags = PTR, .type = &T[T_core_v1_SecretReference]),
    F("controllerExpandSecretRef", OBJECT, 9, .flags = PTR, .type = &T[T_core_v1_SecretReference]),
    F("nodeExpandSecretRef", OBJECT, 10, .flags = PTR, .type = &T[T_core_v1_SecretReference]),
};

static const struct field F_core_v1_CSIVolumeSource[] = {
    F("driver", STR, 1, .flags = REQ|KEEP),
    F("readOnly", BOOL, 2, .flags = PTR),
    F("fsType", STR, 3, .flags = PTR),
    F("volumeAttributes", MAP, 4, .item = &item_str),
    F("nodePublishSecretRef", OBJECT, 5, .flags = PTR, .type = &T[T_core_v1_LocalObjectReference]),
};

static const struct field F_core_v1_Capabilities[] = {
    F("add", LIST, 1, .flags = ATOM, .item = &item_str_v1_Capability),
    F("drop", LIST, 2, .flags = ATOM, .item = &item_str_v1_Capability),
};

static const struct field F_core_v1_CephFSPersistentVolumeSource[] = {
    F("monitors", LIST, 1, .flags = REQ|KEEP|ATOM, .item = &item_str),
    F("path", STR, 2),
    F("user", STR, 3),
    F("secretFile", STR, 4),
    F("secretRef", OBJECT, 5, .flags = PTR, .type = &T[T_core_v1_SecretReference]),
    F("readOnly", BOOL, 6),
};

static const struct field F_core_v1_CephFSVolumeSource[] = {
    F("monitors", LIST, 1, .flags = REQ|KEEP|ATOM, .item = &item_str),
    F("path", STR, 2),
    F("user", STR, 3),
    F("secretFile", STR, 4),
    F("secretRef", OBJECT, 5, .flags = PTR, .type = &T[T_core_v1_LocalObjectReference]),
    F("readOnly", BOOL, 6),
};

static const struct field F_core_v1_CinderPersistentVolumeSource[] = {
    F("volumeID", STR, 1, .flags = REQ|KEEP),
    F("fsType", STR, 2),
    F("readOnly", BOOL, 3),
    F("secretRef", OBJECT, 4, .flags = PTR, .type = &T[T_core_v1_SecretReference]),
};

static const struct field F_core_v1_CinderVolumeSource[] = {
    F("volumeID", STR, 1, .flags = REQ|KEEP),
    F("fsType", STR, 2),
    F("readOnly", BOOL, 3),
    F("secretRef", OBJECT, 4, .flags = PTR, .type = &T[T_core_v1_LocalObjectReference]),
};

static const struct field F_core_v1_ClientIPConfig[] = {
    F("timeoutSeconds", INT, 1, .flags = I32|PTR),
};

static const struct field F_core_v1_ClusterTrustBundleProjection[] = {
    F("name", STR, 1, .flags = PTR),
    F("signerName", STR, 2, .flags = PTR),
    F("labelSelector", OBJECT, 3, .flags = PTR, .type = &T[T_meta_v1_LabelSelector]),
    F("optional", BOOL, 5, .flags = PTR),
    F("path", STR, 4, .flags = REQ|KEEP),
};

static const struct field F_core_v1_ConfigMap[] = {
    F("kind", STR, 0),
    F("apiVersion", STR, 0),
    F("metadata", OBJECT, 1, .flags = VAL, .type = &T[T_meta_v1_ObjectMeta]),
    F("immutable", BOOL, 4, .flags = PTR),
    F("data", MAP, 2, .item = &item_str),
    F("binaryData", MAP, 3, .item = &item_bytes),
};

static const struct field F_core_v1_ConfigMapEnvSource[] = {
    F(NULL, OBJECT, 1, .flags = INL, .type = &T[T_core_v1_LocalObjectReference]),
    F("optional", BOOL, 2, .flags = PTR),
};

static const struct field F_core_v1_ConfigMapKeySelector[] = {
    F(NULL, OBJECT, 1, .flags = INL, .type = &T[T_core_v1_LocalObjectReference]),
    F("key", STR, 2, .flags = REQ|KEEP),
    F("optional", BOOL, 3, .flags = PTR),
};

static const struct field F_core_v1_ConfigMapNodeConfigSource[] = {
    F("namespace", STR, 1, .flags = REQ|KEEP),
    F("name", STR, 2, .flags = REQ|KEEP),
    F("uid", STR, 3, .rules = &R[8]),
    F("resourceVersion", STR, 4),
    F("kubeletConfigKey", STR, 5, .flags = REQ|KEEP),
};

static const struct field F_core_v1_ConfigMapProjection[] = {
    F(NULL, OBJECT, 1, .flags = INL, .type = &T[T_core_v1_LocalObjectReference]),
    F("items", LIST, 2, .flags = ATOM, .item = &item_core_v1_KeyToPath),
    F("optional", BOOL, 4, .flags = PTR),
};

static const struct field F_core_v1_ConfigMapVolumeSource[] = {
    F(NULL, OBJECT, 1, .flags = INL, .type = &T[T_core_v1_LocalObjectReference]),
    F("items", LIST, 2, .flags = ATOM, .item = &item_core_v1_KeyToPath),
    F("defaultMode", INT, 3, .flags = I32|PTR),
    F("optional", BOOL, 4, .flags = PTR),
};

static const struct field F_core_v1_Container[] = {
    F("name", STR, 1, .flags = REQ|KEEP),
    F("image", STR, 2),
    F("command", LIST, 3, .flags = ATOM, .item = &item_str),
    F("args", LIST, 4, .flags = ATOM, .item = &item_str),
    F("workingDir", STR, 5),
    F("ports", LIST, 6, .flags = LMAP|MERGE, .item = &item_core_v1_ContainerPort, .rules = &R[58]),
    F("envFrom", LIST, 19, .flags = ATOM, .item = &item_core_v1_EnvFromSource),
    F("env", LIST, 7, .flags = LMAP|MERGE, .item = &item_core_v1_EnvVar, .rules = &R[1]),
    F("resources", OBJECT, 8, .flags = VAL, .type = &T[T_core_v1_ResourceRequirements]),
    F("resizePolicy", LIST, 23, .flags = ATOM, .item = &item_core_v1_ContainerResizePolicy),
    F("restartPolicy", STR, 24, .flags = PTR, .rules = &R[59]),
    F("volumeMounts", LIST, 9, .flags = LMAP|MERGE, .item = &item_core_v1_VolumeMount, .rules = &R[60]),
    F("volumeDevices", LIST, 21, .flags = LMAP|MERGE, .item = &item_core_v1_VolumeDevice, .rules = &R[61]),
    F("livenessProbe", OBJECT, 10, .flags = PTR, .type = &T[T_core_v1_Probe]),
    F("readinessProbe", OBJECT, 11, .flags = PTR, .type = &T[T_core_v1_Probe]),
    F("startupProbe", OBJECT, 22, .flags = PTR, .type = &T[T_core_v1_Probe]),
    F("lifecycle", OBJECT, 12, .flags = PTR, .type = &T[T_core_v1_Lifecycle]),
    F("terminationMessagePath", STR, 13),
    F("terminationMessagePolicy", STR, 20, .rules = &R[62]),
    F("imagePullPolicy", STR, 14, .rules = &R[63]),
    F("securityContext", OBJECT, 15, .flags = PTR, .type = &T[T_core_v1_SecurityContext]),
    F("stdin", BOOL, 16),
    F("stdinOnce", BOOL, 17),
    F("tty", BOOL, 18),
};

static const struct field F_core_v1_ContainerImage[] = {
    F("names", LIST, 1, .flags = KEEP|ATOM, .item = &item_str),
    F("sizeBytes", INT, 2),
};

static const struct field F_core_v1_ContainerPort[] = {
    F("name", STR, 1),
    F("hostPort", INT, 2, .flags = I32),
    F("containerPort", INT, 3, .flags = I32|REQ|KEEP),
    F("protocol", STR, 4, .rules = &R[78]),
    F("hostIP", STR, 5),
};

static const struct field F_core_v1_ContainerResizePolicy[] = {
    F("resourceName", STR, 1, .flags = REQ|KEEP, .rules = &R[110]),
    F("restartPolicy", STR, 2, .flags = REQ|KEEP, .rules = &R[111]),
};

static const struct field F_core_v1_ContainerState[] = {
    F("waiting", OBJECT, 1, .flags = PTR, .type = &T[T_core_v1_ContainerStateWaiting]),
    F("running", OBJECT, 2, .flags = PTR, .type = &T[T_core_v1_ContainerStateRunning]),
    F("terminated", OBJECT, 3, .flags = PTR, .type = &T[T_core_v1_ContainerStateTerminated]),
};

static const struct field F_core_v1_ContainerStateRunning[] = {
    F("startedAt", TIME, 1, .flags = VAL),
};

static const struct field F_core_v1_ContainerStateTerminated[] = {
    F("exitCode", INT, 1, .flags = I32|REQ|KEEP),
    F("signal", INT, 2, .flags = I32),
    F("reason", STR, 3),
    F("message", STR, 4),
    F("startedAt", TIME, 5, .flags = VAL),
    F("finishedAt", TIME, 6, .flags = VAL),
    F("containerID", STR, 7),
};

static const struct field F_core_v1_ContainerStateWaiting[] = {
    F("reason", STR, 1),
    F("message", STR, 2),
};

static const struct field F_core_v1_ContainerStatus[] = {
    F("name", STR, 1, .flags = REQ|KEEP),
    F("state", OBJECT, 2, .flags = VAL, .type = &T[T_core_v1_ContainerState]),
    F("lastState", OBJECT, 3, .flags = VAL, .type = &T[T_core_v1_ContainerState]),
    F("ready", BOOL, 4, .flags = REQ|KEEP),
    F("restartCount", INT, 5, .flags = I32|REQ|KEEP),
    F("image", STR, 6, .flags = REQ|KEEP),
    F("imageID", STR, 7, .flags = REQ|KEEP),
    F("containerID", STR, 8),
    F("started", BOOL, 9, .flags = PTR),
    F("allocatedResources", MAP, 10, .item = &item_quantity, .rules = &R[13]),
    F("resources", OBJECT, 11, .flags = PTR, .type = &T[T_core_v1_ResourceRequirements]),
    F("volumeMounts", LIST, 12, .flags = LMAP|MERGE, .item = &item_core_v1_VolumeMountStatus, .rules = &R[60]),
    F("user", OBJECT, 13, .flags = PTR, .type = &T[T_core_v1_ContainerUser]),
    F("allocatedResourcesStatus", LIST, 14, .flags = LMAP|MERGE, .item = &item_core_v1_ResourceStatus, .rules = &R[1]),
};

static const struct field F_core_v1_ContainerUser[] = {
    F("linux", OBJECT, 1, .flags = PTR, .type = &T[T_core_v1_LinuxContainerUser]),
};

static const struct field F_core_v1_DaemonEndpoint[] = {
    F("Port", INT, 1, .flags = I32|REQ|KEEP),
};

static const struct field F_core_v1_DownwardAPIProjection[] = {
    F("items", LIST, 1, .flags = ATOM, .item = &item_core_v1_DownwardAPIVolumeFile),
};

static const struct field F_core_v1_DownwardAPIVolumeFile[] = {
    F("path", STR, 1, .flags = REQ|KEEP),
    F("fieldRef", OBJECT, 2, .flags = PTR, .type = &T[T_core_v1_ObjectFieldSelector]),
    F("resourceFieldRef", OBJECT, 3, .flags = PTR, .type = &T[T_core_v1_ResourceFieldSelector]),
    F("mode", INT, 4, .flags = I32|PTR),
};

static const struct field F_core_v1_DownwardAPIVolumeSource[] = {
    F("items", LIST, 1, .flags = ATOM, .item = &item_core_v1_DownwardAPIVolumeFile),
    F("defaultMode", INT, 2, .flags = I32|PTR),
};

static const struct field F_core_v1_EmptyDirVolumeSource[] = {
    F("medium", STR, 1, .rules = &R[109]),
    F("sizeLimit", QUANTITY, 2, .flags = PTR),
};

static const struct field F_core_v1_EndpointAddress[] = {
    F("ip", STR, 1, .flags = REQ|KEEP),
    F("hostname", STR, 3),
    F("nodeName", STR, 4, .flags = PTR),
    F("targetRef", OBJECT, 2, .flags = PTR, .type = &T[T_core_v1_ObjectReference]),
};

static const struct field F_core_v1_EndpointPort[] = {
    F("name", STR, 1),
    F("port", INT, 2, .flags = I32|REQ|KEEP),
    F("protocol", STR, 3, .rules = &R[50]),
    F("appProtocol", STR, 4, .flags = PTR),
};

static const struct field F_core_v1_EndpointSubset[] = {
    F("addresses", LIST, 1, .flags = ATOM, .item = &item_core_v1_EndpointAddress),
    F("notReadyAddresses", LIST, 2, .flags = ATOM, .item = &item_core_v1_EndpointAddress),
    F("ports", LIST, 3, .flags = ATOM, .item = &item_core_v1_EndpointPort),
};

static const struct field F_core_v1_Endpoints[] = {
    F("kind", STR, 0),
    F("apiVersion", STR, 0),
    F("metadata", OBJECT, 1, .flags = VAL, .type = &T[T_meta_v1_ObjectMeta]),
    F("subsets", LIST, 2, .flags = ATOM, .item = &item_core_v1_EndpointSubset),
};

static const struct field F_core_v1_EnvFromSource[] = {
    F("prefix", STR, 1),
    F("configMapRef", OBJECT, 2, .flags = PTR, .type = &T[T_core_v1_ConfigMapEnvSource]),
    F("secretRef", OBJECT, 3, .flags = PTR, .type = &T[T_core_v1_SecretEnvSource]),
};

static const struct field F_core_v1_EnvVar[] = {
    F("name", STR, 1, .flags = REQ|KEEP),
    F("value", STR, 2),
    F("valueFrom", OBJECT, 3, .flags = PTR, .type = &T[T_core_v1_EnvVarSource]),
};

static const struct field F_core_v1_EnvVarSource[] = {
    F("fieldRef", OBJECT, 1, .flags = PTR, .type = &T[T_core_v1_ObjectFieldSelector]),
    F("resourceFieldRef", OBJECT, 2, .flags = PTR, .type = &T[T_core_v1_ResourceFieldSelector]),
    F("configMapKeyRef", OBJECT, 3, .flags = PTR, .type = &T[T_core_v1_ConfigMapKeySelector]),
    F("secretKeyRef", OBJECT, 4, .flags = PTR, .type = &T[T_core_v1_SecretKeySelector]),
};

static const struct field F_core_v1_EphemeralContainer[] = {
    F(NULL, OBJECT, 1, .flags = INL, .type = &T[T_core_v1_EphemeralContainerCommon]),
    F("targetContainerName", STR, 2),
};

static const struct field F_core_v1_EphemeralContainerCommon[] = {
    F("name", STR, 1, .flags = REQ|KEEP),
    F("image", STR, 2),
    F("command", LIST, 3, .flags = ATOM, .item = &item_str),
    F("args", LIST, 4, .flags = ATOM, .item = &item_str),
    F("workingDir", STR, 5),
    F("ports", LIST, 6, .flags = LMAP|MERGE, .item = &item_core_v1_ContainerPort, .rules = &R[58]),
    F("envFrom", LIST, 19, .flags = ATOM, .item = &item_core_v1_EnvFromSource),
    F("env", LIST, 7, .flags = LMAP|MERGE, .item = &item_core_v1_EnvVar, .rules = &R[1]),
    F("resources", OBJECT, 8, .flags = VAL, .type = &T[T_core_v1_ResourceRequirements]),
    F("resizePolicy", LIST, 23, .flags = ATOM, .item = &item_core_v1_ContainerResizePolicy),
    F("restartPolicy", STR, 24, .flags = PTR, .rules = &R[59]),
    F("volumeMounts", LIST, 9, .flags = LMAP|MERGE, .item = &item_core_v1_VolumeMount, .rules = &R[60]),
    F("volumeDevices", LIST, 21, .flags = LMAP|MERGE, .item = &item_core_v1_VolumeDevice, .rules = &R[61]),
    F("livenessProbe", OBJECT, 10, .flags = PTR, .type = &T[T_core_v1_Probe]),
    F("readinessProbe", OBJECT, 11, .flags = PTR, .type = &T[T_core_v1_Probe]),
    F("startupProbe", OBJECT, 22, .flags = PTR, .type = &T[T_core_v1_Probe]),
    F("lifecycle", OBJECT, 12, .flags = PTR, .type = &T[T_core_v1_Lifecycle]),
    F("terminationMessagePath", STR, 13),
    F("terminationMessagePolicy", STR, 20, .rules = &R[62]),
    F("imagePullPolicy", STR, 14, .rules = &R[63]),
    F("securityContext", OBJECT, 15, .flags = PTR, .type = &T[T_core_v1_SecurityContext]),
    F("stdin", BOOL, 16),
    F("stdinOnce", BOOL, 17),
    F("tty", BOOL, 18),
};

static const struct field F_core_v1_EphemeralVolumeSource[] = {
    F("volumeClaimTemplate", OBJECT, 1, .flags = PTR, .type = &T[T_core_v1_PersistentVolumeClaimTemplate]),
};

static const struct field F_core_v1_Event[] = {
    F("kind", STR, 0),
    F("apiVersion", STR, 0),
    F("metadata", OBJECT, 1, .flags = REQ|VAL, .type = &T[T_meta_v1_ObjectMeta]),
    F("involvedObject", OBJECT, 2, .flags = REQ|VAL, .type = &T[T_core_v1_ObjectReference]),
    F("reason", STR, 3),
    F("message", STR, 4),
    F("source", OBJECT, 5, .flags = VAL, .type = &T[T_core_v1_EventSource]),
    F("firstTimestamp", TIME, 6, .flags = VAL),
    F("lastTimestamp", TIME, 7, .flags = VAL),
    F("count", INT, 8, .flags = I32),
    F("type", STR, 9),
    F("eventTime", MICROTIME, 10, .flags = VAL),
    F("series", OBJECT, 11, .flags = PTR, .type = &T[T_core_v1_EventSeries]),
    F("action", STR, 12),
    F("related", OBJECT, 13, .flags = PTR, .type = &T[T_core_v1_ObjectReference]),
    F("reportingComponent", STR, 14, .flags = KEEP),
    F("reportingInstance", STR, 15, .flags = KEEP),
};

static const struct field F_core_v1_EventSeries[] = {
    F("count", INT, 1, .flags = I32),
    F("lastObservedTime", MICROTIME, 2, .flags = VAL),
};

static const struct field F_core_v1_EventSource[] = {
    F("component", STR, 1),
    F("host", STR, 2),
};

static const struct field F_core_v1_ExecAction[] = {
    F("command", LIST, 1, .flags = ATOM, .item = &item_str),
};

static const struct field F_core_v1_FCVolumeSource[] = {
    F("targetWWNs", LIST, 1, .flags = ATOM, .item = &item_str),
    F("lun", INT, 2, .flags = I32|PTR),
    F("fsType", STR, 3),
    F("readOnly", BOOL, 4),
    F("wwids", LIST, 5, .flags = ATOM, .item = &item_str),
};

static const struct field F_core_v1_FlexPersistentVolumeSource[] = {
    F("driver", STR, 1, .flags = REQ|KEEP),
    F("fsType", STR, 2),
    F("secretRef", OBJECT, 3, .flags = PTR, .type = &T[T_core_v1_SecretReference]),
    F("readOnly", BOOL, 4),
    F("options", MAP, 5, .item = &item_str),
};

static const struct field F_core_v1_FlexVolumeSource[] = {
    F("driver", STR, 1, .flags = REQ|KEEP),
    F("fsType", STR, 2),
    F("secretRef", OBJECT, 3, .flags = PTR, .type = &T[T_core_v1_LocalObjectReference]),
    F("readOnly", BOOL, 4),
    F("options", MAP, 5, .item = &item_str),
};

static const struct field F_core_v1_FlockerVolumeSource[] = {
    F("datasetName", STR, 1),
    F("datasetUUID", STR, 2),
};

static const struct field F_core_v1_GCEPersistentDiskVolumeSource[] = {
    F("pdName", STR, 1, .flags = REQ|KEEP),
    F("fsType", STR, 2),
    F("partition", INT, 3, .flags = I32),
    F("readOnly", BOOL, 4),
};

static const struct field F_core_v1_GRPCAction[] = {
    F("port", INT, 1, .flags = I32|REQ|KEEP),
    F("service", STR, 2, .flags = PTR|KEEP),
};

static const struct field F_core_v1_GitRepoVolumeSource[] = {
    F("repository", STR, 1, .flags = REQ|KEEP),
    F("revision", STR, 2),
    F("directory", STR, 3),
};

static const struct field F_core_v1_GlusterfsPersistentVolumeSource[] = {
    F("endpoints", STR, 1, .flags = REQ|KEEP),
    F("path", STR, 2, .flags = REQ|KEEP),
    F("readOnly", BOOL, 3),
    F("endpointsNamespace", STR, 4, .flags = PTR),
};

static const struct field F_core_v1_GlusterfsVolumeSource[] = {
    F("endpoints", STR, 1, .flags = REQ|KEEP),
    F("path", STR, 2, .flags = REQ|KEEP),
    F("readOnly", BOOL, 3),
};

static const struct field F_core_v1_HTTPGetAction[] = {
    F("path", STR, 1),
    F("port", INT_OR_STR, 2, .flags = REQ|VAL),
    F("host", STR, 3),
    F("scheme", STR, 4, .rules = &R[122]),
    F("httpHeaders", LIST, 5, .flags = ATOM, .item = &item_core_v1_HTTPHeader),
};

static const struct field F_core_v1_HTTPHeader[] = {
    F("name", STR, 1, .flags = REQ|KEEP),
    F("value", STR, 2, .flags = REQ|KEEP),
};

static const struct field F_core_v1_HostAlias[] = {
    F("ip", STR, 1, .flags = REQ|KEEP),
    F("hostnames", LIST, 2, .flags = ATOM, .item = &item_str),
};

static const struct field F_core_v1_HostIP[] = {
    F("ip", STR, 1, .flags = REQ|KEEP),
};

static const struct field F_core_v1_HostPathVolumeSource[] = {
    F("path", STR, 1, .flags = REQ|KEEP),
    F("type", STR, 2, .flags = PTR, .rules = &R[79]),
};

static const struct field F_core_v1_ISCSIPersistentVolumeSource[] = {
    F("targetPortal", STR, 1, .flags = REQ|KEEP),
    F("iqn", STR, 2, .flags = REQ|KEEP),
    F("lun", INT, 3, .flags = I32|REQ|KEEP),
    F("iscsiInterface", STR, 4, .rules = &R[83]),
    F("fsType", STR, 5),
    F("readOnly", BOOL, 6),
    F("portals", LIST, 7, .flags = ATOM, .item = &item_str),
    F("chapAuthDiscovery", BOOL, 8),
    F("chapAuthSession", BOOL, 11),
    F("secretRef", OBJECT, 10, .flags = PTR, .type = &T[T_core_v1_SecretReference]),
    F("initiatorName", STR, 12, .flags = PTR),
};

static const struct field F_core_v1_ISCSIVolumeSource[] = {
    F("targetPortal", STR, 1, .flags = REQ|KEEP),
    F("iqn", STR, 2, .flags = REQ|KEEP),
    F("lun", INT, 3, .flags = I32|REQ|KEEP),
    F("iscsiInterface", STR, 4, .rules = &R[83]),
    F("fsType", STR, 5),
    F("readOnly", BOOL, 6),
    F("portals", LIST, 7, .flags = ATOM, .item = &item_str),
    F("chapAuthDiscovery", BOOL, 8),
    F("chapAuthSession", BOOL, 11),
    F("secretRef", OBJECT, 10, .flags = PTR, .type = &T[T_core_v1_LocalObjectReference]),
    F("initiatorName", STR, 12, .flags = PTR),
};

static const struct field F_core_v1_ImageVolumeSource[] = {
    F("reference", STR, 1),
    F("pullPolicy", STR, 2, .rules = &R[63]),
};

static const struct field F_core_v1_KeyToPath[] = {
    F("key", STR, 1, .flags = REQ|KEEP),
    F("path", STR, 2, .flags = REQ|KEEP),
    F("mode", INT, 3, .flags = I32|PTR),
};

static const struct field F_core_v1_Lifecycle[] = {
    F("postStart", OBJECT, 1, .flags = PTR, .type = &T[T_core_v1_LifecycleHandler]),
    F("preStop", OBJECT, 2, .flags = PTR, .type = &T[T_core_v1_LifecycleHandler]),
};

static const struct field F_core_v1_LifecycleHandler[] = {
    F("exec", OBJECT, 1, .flags = PTR, .type = &T[T_core_v1_ExecAction]),
    F("httpGet", OBJECT, 2, .flags = PTR, .type = &T[T_core_v1_HTTPGetAction]),
    F("tcpSocket", OBJECT, 3, .flags = PTR, .type = &T[T_core_v1_TCPSocketAction]),
    F("sleep", OBJECT, 4, .flags = PTR, .type = &T[T_core_v1_SleepAction]),
};

static const struct field F_core_v1_LimitRange[] = {
    F("kind", STR, 0),
    F("apiVersion", STR, 0),
    F("metadata", OBJECT, 1, .flags = VAL, .type = &T[T_meta_v1_ObjectMeta]),
    F("spec", OBJECT, 2, .flags = VAL, .type = &T[T_core_v1_LimitRangeSpec]),
};

static const struct field F_core_v1_LimitRangeItem[] = {
    F("type", STR, 1, .flags = REQ|KEEP, .rules = &R[94]),
    F("max", MAP, 2, .item = &item_quantity, .rules = &R[13]),
    F("min", MAP, 3, .item = &item_quantity, .rules = &R[13]),
    F("default", MAP, 4, .item = &item_quantity, .rules = &R[13]),
    F("defaultRequest", MAP, 5, .item = &item_quantity, .rules = &R[13]),
    F("maxLimitRequestRatio", MAP, 6, .item = &item_quantity, .rules = &R[13]),
};

static const struct field F_core_v1_LimitRangeSpec[] = {
    F("limits", LIST, 1, .flags = REQ|KEEP|ATOM, .item = &item_core_v1_LimitRangeItem),
};

static const struct field F_core_v1_LinuxContainerUser[] = {
    F("uid", INT, 1, .flags = REQ|KEEP),
    F("gid", INT, 2, .flags = REQ|KEEP),
    F("supplementalGroups", LIST, 3, .flags = ATOM, .item = &item_int),
};

static const struct field F_core_v1_LoadBalancerIngress[] = {
    F("ip", STR, 1),
    F("hostname", STR, 2),
    F("ipMode", STR, 3, .flags = PTR, .rules = &R[118]),
    F("ports", LIST, 4, .flags = ATOM, .item = &item_core_v1_PortStatus),
};

static const struct field F_core_v1_LoadBalancerStatus[] = {
    F("ingress", LIST, 1, .flags = ATOM, .item = &item_core_v1_LoadBalancerIngress),
};

static const struct field F_core_v1_LocalObjectReference[] = {
    F("name", STR, 1),
};

static const struct field F_core_v1_LocalVolumeSource[] = {
    F("path", STR, 1, .flags = REQ|KEEP),
    F("fsType", STR, 2, .flags = PTR),
};

static const struct field F_core_v1_ModifyVolumeStatus[] = {
    F("targetVolumeAttributesClassName", STR, 1),
    F("status", STR, 2, .flags = REQ|KEEP, .rules = &R[92]),
};

static const struct field F_core_v1_NFSVolumeSource[] = {
    F("server", STR, 1, .flags = REQ|KEEP),
    F("path", STR, 2, .flags = REQ|KEEP),
    F("readOnly", BOOL, 3),
};

static const struct field F_core_v1_Namespace[] = {
    F("kind", STR, 0),
    F("apiVersion", STR, 0),
    F("metadata", OBJECT, 1, .flags = VAL, .type = &T[T_meta_v1_ObjectMeta]),
    F("spec", OBJECT, 2, .flags = VAL, .type = &T[T_core_v1_NamespaceSpec]),
    F("status", OBJECT, 3, .flags = VAL, .type = &T[T_core_v1_NamespaceStatus]),
};

static const struct field F_core_v1_NamespaceCondition[] = {
    F("type", STR, 1, .flags = REQ|KEEP, .rules = &R[77]),
    F("status", STR, 2, .flags = REQ|KEEP, .rules = &R[74]),
    F("lastTransitionTime", TIME, 4, .flags = VAL),
    F("reason", STR, 5),
    F("message", STR, 6),
};

static const struct field F_core_v1_NamespaceSpec[] = {
    F("finalizers", LIST, 1, .flags = ATOM, .item = &item_str_v1_FinalizerName),
};

static const struct field F_core_v1_NamespaceStatus[] = {
    F("phase", STR, 1, .rules = &R[23]),
    F("conditions", LIST, 2, .flags = LMAP|MERGE, .item = &item_core_v1_NamespaceCondition, .rules = &R[16]),
};

static const struct field F_core_v1_Node[] = {
    F("kind", STR, 0),
    F("apiVersion", STR, 0),
    F("metadata", OBJECT, 1, .flags = VAL, .type = &T[T_meta_v1_ObjectMeta]),
    F("spec", OBJECT, 2, .flags = VAL, .type = &T[T_core_v1_NodeSpec]),
    F("status", OBJECT, 3, .flags = VAL, .type = &T[T_core_v1_NodeStatus]),
};

static const struct field F_core_v1_NodeAddress[] = {
    F("type", STR, 1, .flags = REQ|KEEP, .rules = &R[76]),
    F("address", STR, 2, .flags = REQ|KEEP),
};

static const struct field F_core_v1_NodeAffinity[] = {
    F("requiredDuringSchedulingIgnoredDuringExecution", OBJECT, 1, .flags = PTR, .type = &T[T_core_v1_NodeSelector]),
    F("preferredDuringSchedulingIgnoredDuringExecution", LIST, 2, .flags = ATOM, .item = &item_core_v1_PreferredSchedulingTerm),
};

static const struct field F_core_v1_NodeCondition[] = {
    F("type", STR, 1, .flags = REQ|KEEP, .rules = &R[75]),
    F("status", STR, 2, .flags = REQ|KEEP, .rules = &R[74]),
    F("lastHeartbeatTime", TIME, 3, .flags = VAL),
    F("lastTransitionTime", TIME, 4, .flags = VAL),
    F("reason", STR, 5),
    F("message", STR, 6),
};

static const struct field F_core_v1_NodeConfigSource[] = {
    F("configMap", OBJECT, 2, .flags = PTR, .type = &T[T_core_v1_ConfigMapNodeConfigSource]),
};

static const struct field F_core_v1_NodeConfigStatus[] = {
    F("assigned", OBJECT, 1, .flags = PTR, .type = &T[T_core_v1_NodeConfigSource]),
    F("active", OBJECT, 2, .flags = PTR, .type = &T[T_core_v1_NodeConfigSource]),
    F("lastKnownGood", OBJECT, 3, .flags = PTR, .type = &T[T_core_v1_NodeConfigSource]),
    F("error", STR, 4),
};

static const struct field F_core_v1_NodeDaemonEndpoints[] = {
    F("kubeletEndpoint", OBJECT, 1, .flags = VAL, .type = &T[T_core_v1_DaemonEndpoint]),
};

static const struct field F_core_v1_NodeFeatures[] = {
    F("supplementalGroupsPolicy", BOOL, 1, .flags = PTR),
};

static const struct field F_core_v1_NodeRuntimeHandler[] = {
    F("name", STR, 1, .flags = KEEP),
    F("features", OBJECT, 2, .flags = PTR, .type = &T[T_core_v1_NodeRuntimeHandlerFeatures]),
};

static const struct field F_core_v1_NodeRuntimeHandlerFeatures[] = {
    F("recursiveReadOnlyMounts", BOOL, 1, .flags = PTR),
    F("userNamespaces", BOOL, 2, .flags = PTR),
};

static const struct field F_core_v1_NodeSelector[] = {
    F("nodeSelectorTerms", LIST, 1, .flags = REQ|KEEP|ATOM, .item = &item_core_v1_NodeSelectorTerm),
};

static const struct field F_core_v1_NodeSelectorRequirement[] = {
    F("key", STR, 1, .flags = REQ|KEEP),
    F("operator", STR, 2, .flags = REQ|KEEP, .rules = &R[134]),
    F("values", LIST, 3, .flags = ATOM, .item = &item_str),
};

static const struct field F_core_v1_NodeSelectorTerm[] = {
    F("matchExpressions", LIST, 1, .flags = ATOM, .item = &item_core_v1_NodeSelectorRequirement),
    F("matchFields", LIST, 2, .flags = ATOM, .item = &item_core_v1_NodeSelectorRequirement),
};

static const struct field F_core_v1_NodeSpec[] = {
    F("podCIDR", STR, 1),
    F("podCIDRs", LIST, 7, .flags = SET|MERGE, .item = &item_str),
    F("providerID", STR, 3),
    F("unschedulable", BOOL, 4),
    F("taints", LIST, 5, .flags = ATOM, .item = &item_core_v1_Taint),
    F("configSource", OBJECT, 6, .flags = PTR, .type = &T[T_core_v1_NodeConfigSource]),
    F("externalID", STR, 2),
};

static const struct field F_core_v1_NodeStatus[] = {
    F("capacity", MAP, 1, .item = &item_quantity, .rules = &R[13]),
    F("allocatable", MAP, 2, .item = &item_quantity, .rules = &R[13]),
    F("phase", STR, 3, .rules = &R[20]),
    F("conditions", LIST, 4, .flags = LMAP|MERGE, .item = &item_core_v1_NodeCondition, .rules = &R[16]),
    F("addresses", LIST, 5, .flags = LMAP|MERGE, .item = &item_core_v1_NodeAddress, .rules = &R[16]),
    F("daemonEndpoints", OBJECT, 6, .flags = VAL, .type = &T[T_core_v1_NodeDaemonEndpoints]),
    F("nodeInfo", OBJECT, 7, .flags = VAL, .type = &T[T_core_v1_NodeSystemInfo]),
    F("images", LIST, 8, .flags = ATOM, .item = &item_core_v1_ContainerImage),
    F("volumesInUse", LIST, 9, .flags = ATOM, .item = &item_str_v1_UniqueVolumeName),
    F("volumesAttached", LIST, 10, .flags = ATOM, .item = &item_core_v1_AttachedVolume),
    F("config", OBJECT, 11, .flags = PTR, .type = &T[T_core_v1_NodeConfigStatus]),
    F("runtimeHandlers", LIST, 12, .flags = ATOM, .item = &item_core_v1_NodeRuntimeHandler),
    F("features", OBJECT, 13, .flags = PTR, .type = &T[T_core_v1_NodeFeatures]),
};

static const struct field F_core_v1_NodeSystemInfo[] = {
    F("machineID", STR, 1, .flags = REQ|KEEP),
    F("systemUUID", STR, 2, .flags = REQ|KEEP),
    F("bootID", STR, 3, .flags = REQ|KEEP),
    F("kernelVersion", STR, 4, .flags = REQ|KEEP),
    F("osImage", STR, 5, .flags = REQ|KEEP),
    F("containerRuntimeVersion", STR, 6, .flags = REQ|KEEP),
    F("kubeletVersion", STR, 7, .flags = REQ|KEEP),
    F("kubeProxyVersion", STR, 8, .flags = REQ|KEEP),
    F("operatingSystem", STR, 9, .flags = REQ|KEEP),
    F("architecture", STR, 10, .flags = REQ|KEEP),
};

static const struct field F_core_v1_ObjectFieldSelector[] = {
    F("apiVersion", STR, 1),
    F("fieldPath", STR, 2, .flags = REQ|KEEP),
};

static const struct field F_core_v1_ObjectReference[] = {
    F("kind", STR, 1),
    F("namespace", STR, 2),
    F("name", STR, 3),
    F("uid", STR, 4, .rules = &R[8]),
    F("apiVersion", STR, 5),
    F("resourceVersion", STR, 6),
    F("fieldPath", STR, 7),
};

static const struct field F_core_v1_PersistentVolume[] = {
    F("kind", STR, 0),
    F("apiVersion", STR, 0),
    F("metadata", OBJECT, 1, .flags = VAL, .type = &T[T_meta_v1_ObjectMeta]),
    F("spec", OBJECT, 2, .flags = VAL, .type = &T[T_core_v1_PersistentVolumeSpec]),
    F("status", OBJECT, 3, .flags = VAL, .type = &T[T_core_v1_PersistentVolumeStatus]),
};

static const struct field F_core_v1_PersistentVolumeClaim[] = {
    F("kind", STR, 0),
    F("apiVersion", STR, 0),
    F("metadata", OBJECT, 1, .flags = VAL, .type = &T[T_meta_v1_ObjectMeta]),
    F("spec", OBJECT, 2, .flags = VAL, .type = &T[T_core_v1_PersistentVolumeClaimSpec]),
    F("status", OBJECT, 3, .flags = VAL, .type = &T[T_core_v1_PersistentVolumeClaimStatus]),
};

static const struct field F_core_v1_PersistentVolumeClaimCondition[] = {
    F("type", STR, 1, .flags = REQ|KEEP, .rules = &R[91]),
    F("status", STR, 2, .flags = REQ|KEEP, .rules = &R[74]),
    F("lastProbeTime", TIME, 3, .flags = VAL),
    F("lastTransitionTime", TIME, 4, .flags = VAL),
    F("reason", STR, 5),
    F("message", STR, 6),
};

static const struct field F_core_v1_PersistentVolumeClaimSpec[] = {
    F("accessModes", LIST, 1, .flags = ATOM, .item = &item_str_v1_PersistentVolumeAccessMode),
    F("selector", OBJECT, 4, .flags = PTR, .type = &T[T_meta_v1_LabelSelector]),
    F("resources", OBJECT, 2, .flags = VAL, .type = &T[T_core_v1_VolumeResourceRequirements]),
    F("volumeName", STR, 3),
    F("storageClassName", STR, 5, .flags = PTR),
    F("volumeMode", STR, 6, .flags = PTR, .rules = &R[32]),
    F("dataSource", OBJECT, 7, .flags = PTR, .type = &T[T_core_v1_TypedLocalObjectReference]),
    F("dataSourceRef", OBJECT, 8, .flags = PTR, .type = &T[T_core_v1_TypedObjectReference]),
    F("volumeAttributesClassName", STR, 9, .flags = PTR),
};

static const struct field F_core_v1_PersistentVolumeClaimStatus[] = {
    F("phase", STR, 1, .rules = &R[34]),
    F("accessModes", LIST, 2, .flags = ATOM, .item = &item_str_v1_PersistentVolumeAccessMode),
    F("capacity", MAP, 3, .item = &item_quantity, .rules = &R[13]),
    F("conditions", LIST, 4, .flags = LMAP|MERGE, .item = &item_core_v1_PersistentVolumeClaimCondition, .rules = &R[16]),
    F("allocatedResources", MAP, 5, .item = &item_quantity, .rules = &R[13]),
    F("allocatedResourceStatuses", MAP, 7, .item = &item_str_v1_ClaimResourceStatus),
    F("currentVolumeAttributesClassName", STR, 8, .flags = PTR),
    F("modifyVolumeStatus", OBJECT, 9, .flags = PTR, .type = &T[T_core_v1_ModifyVolumeStatus]),
};

static const struct field F_core_v1_PersistentVolumeClaimTemplate[] = {
    F("metadata", OBJECT, 1, .flags = VAL, .type = &T[T_meta_v1_ObjectMeta]),
    F("spec", OBJECT, 2, .flags = REQ|VAL, .type = &T[T_core_v1_PersistentVolumeClaimSpec]),
};

static const struct field F_core_v1_PersistentVolumeClaimVolumeSource[] = {
    F("claimName", STR, 1, .flags = REQ|KEEP),
    F("readOnly", BOOL, 2),
};

static const struct field F_core_v1_PersistentVolumeSource[] = {
    F("gcePersistentDisk", OBJECT, 1, .flags = PTR, .type = &T[T_core_v1_GCEPersistentDiskVolumeSource]),
    F("awsElasticBlockStore", OBJECT, 2, .flags = PTR, .type = &T[T_core_v1_AWSElasticBlockStoreVolumeSource]),
    F("hostPath", OBJECT, 3, .flags = PTR, .type = &T[T_core_v1_HostPathVolumeSource]),
    F("glusterfs", OBJECT, 4, .flags = PTR, .type = &T[T_core_v1_GlusterfsPersistentVolumeSource]),
    F("nfs", OBJECT, 5, .flags = PTR, .type = &T[T_core_v1_NFSVolumeSource]),
    F("rbd", OBJECT, 6, .flags = PTR, .type = &T[T_core_v1_RBDPersistentVolumeSource]),
    F("iscsi", OBJECT, 7, .flags = PTR, .type = &T[T_core_v1_ISCSIPersistentVolumeSource]),
    F("cinder", OBJECT, 8, .flags = PTR, .type = &T[T_core_v1_CinderPersistentVolumeSource]),
    F("cephfs", OBJECT, 9, .flags = PTR, .type = &T[T_core_v1_CephFSPersistentVolumeSource]),
    F("fc", OBJECT, 10, .flags = PTR, .type = &T[T_core_v1_FCVolumeSource]),
    F("flocker", OBJECT, 11, .flags = PTR, .type = &T[T_core_v1_FlockerVolumeSource]),
    F("flexVolume", OBJECT, 12, .flags = PTR, .type = &T[T_core_v1_FlexPersistentVolumeSource]),
    F("azureFile", OBJECT, 13, .flags = PTR, .type = &T[T_core_v1_AzureFilePersistentVolumeSource]),
    F("vsphereVolume", OBJECT, 14, .flags = PTR, .type = &T[T_core_v1_VsphereVirtualDiskVolumeSource]),
    F("quobyte", OBJECT, 15, .flags = PTR, .type = &T[T_core_v1_QuobyteVolumeSource]),
    F("azureDisk", OBJECT, 16, .flags = PTR, .type = &T[T_core_v1_AzureDiskVolumeSource]),
    F("photonPersistentDisk", OBJECT, 17, .flags = PTR, .type = &T[T_core_v1_PhotonPersistentDiskVolumeSource]),
    F("portworxVolume", OBJECT, 18, .flags = PTR, .type = &T[T_core_v1_PortworxVolumeSource]),
    F("scaleIO", OBJECT, 19, .flags = PTR, .type = &T[T_core_v1_ScaleIOPersistentVolumeSource]),
    F("local", OBJECT, 20, .flags = PTR, .type = &T[T_core_v1_LocalVolumeSource]),
    F("storageos", OBJECT, 21, .flags = PTR, .type = &T[T_core_v1_StorageOSPersistentVolumeSource]),
    F("csi", OBJECT, 22, .flags = PTR, .type = &T[T_core_v1_CSIPersistentVolumeSource]),
};

static const struct field F_core_v1_PersistentVolumeSpec[] = {
    F("capacity", MAP, 1, .item = &item_quantity, .rules = &R[13]),
    F(NULL, OBJECT, 2, .flags = INL, .type = &T[T_core_v1_PersistentVolumeSource]),
    F("accessModes", LIST, 3, .flags = ATOM, .item = &item_str_v1_PersistentVolumeAccessMode),
    F("claimRef", OBJECT, 4, .flags = PTR, .type = &T[T_core_v1_ObjectReference]),
    F("persistentVolumeReclaimPolicy", STR, 5, .rules = &R[2]),
    F("storageClassName", STR, 6),
    F("mountOptions", LIST, 7, .flags = ATOM, .item = &item_str),
    F("volumeMode", STR, 8, .flags = PTR, .rules = &R[32]),
    F("nodeAffinity", OBJECT, 9, .flags = PTR, .type = &T[T_core_v1_VolumeNodeAffinity]),
    F("volumeAttributesClassName", STR, 10, .flags = PTR),
};

static const struct field F_core_v1_PersistentVolumeStatus[] = {
    F("phase", STR, 1, .rules = &R[33]),
    F("message", STR, 2),
    F("reason", STR, 3),
    F("lastPhaseTransitionTime", TIME, 4, .flags = PTR),
};

static const struct field F_core_v1_PhotonPersistentDiskVolumeSource[] = {
    F("pdID", STR, 1, .flags = REQ|KEEP),
    F("fsType", STR, 2),
};

static const struct field F_core_v1_Pod[] = {
    F("kind", STR, 0),
    F("apiVersion", STR, 0),
    F("metadata", OBJECT, 1, .flags = VAL, .type = &T[T_meta_v1_ObjectMeta]),
    F("spec", OBJECT, 2, .flags = VAL, .type = &T[T_core_v1_PodSpec]),
    F("status", OBJECT, 3, .flags = VAL, .type = &T[T_core_v1_PodStatus]),
};

static const struct field F_core_v1_PodAffinity[] = {
    F("requiredDuringSchedulingIgnoredDuringExecution", LIST, 1, .flags = ATOM, .item = &item_core_v1_PodAffinityTerm),
    F("preferredDuringSchedulingIgnoredDuringExecution", LIST, 2, .flags = ATOM, .item = &item_core_v1_WeightedPodAffinityTerm),
};

static const struct field F_core_v1_PodAffinityTerm[] = {
    F("labelSelector", OBJECT, 1, .flags = PTR, .type = &T[T_meta_v1_LabelSelector]),
    F("namespaces", LIST, 2, .flags = ATOM, .item = &item_str),
    F("topologyKey", STR, 3, .flags = REQ|KEEP),
    F("namespaceSelector", OBJECT, 4, .flags = PTR, .type = &T[T_meta_v1_LabelSelector]),
    F("matchLabelKeys", LIST, 5, .flags = ATOM, .item = &item_str),
    F("mismatchLabelKeys", LIST, 6, .flags = ATOM, .item = &item_str),
};

static const struct field F_core_v1_PodAntiAffinity[] = {
    F("requiredDuringSchedulingIgnoredDuringExecution", LIST, 1, .flags = ATOM, .item = &item_core_v1_PodAffinityTerm),
    F("preferredDuringSchedulingIgnoredDuringExecution", LIST, 2, .flags = ATOM, .item = &item_core_v1_WeightedPodAffinityTerm),
};

static const struct field F_core_v1_PodCondition[] = {
    F("type", STR, 1, .flags = REQ|KEEP, .rules = &R[69]),
    F("status", STR, 2, .flags = REQ|KEEP, .rules = &R[74]),
    F("lastProbeTime", TIME, 3, .flags = VAL),
    F("lastTransitionTime", TIME, 4, .flags = VAL),
    F("reason", STR, 5),
    F("message", STR, 6),
};

static const struct field F_core_v1_PodDNSConfig[] = {
    F("nameservers", LIST, 1, .flags = ATOM, .item = &item_str),
    F("searches", LIST, 2, .flags = ATOM, .item = &item_str),
    F("options", LIST, 3, .flags = ATOM, .item = &item_core_v1_PodDNSConfigOption),
};

static const struct field F_core_v1_PodDNSConfigOption[] = {
    F("name", STR, 1),
    F("value", STR, 2, .flags = PTR),
};

static const struct field F_core_v1_PodIP[] = {
    F("ip", STR, 1, .flags = REQ|KEEP),
};

static const struct field F_core_v1_PodOS[] = {
    F("name", STR, 1, .flags = REQ|KEEP, .rules = &R[72]),
};

static const struct field F_core_v1_PodReadinessGate[] = {
    F("conditionType", STR, 1, .flags = REQ|KEEP, .rules = &R[69]),
};

static const struct field F_core_v1_PodResourceClaim[] = {
    F("name", STR, 1, .flags = REQ|KEEP),
    F("resourceClaimName", STR, 3, .flags = PTR),
    F("resourceClaimTemplateName", STR, 4, .flags = PTR),
};

static const struct field F_core_v1_PodResourceClaimStatus[] = {
    F("name", STR, 1, .flags = REQ|KEEP),
    F("resourceClaimName", STR, 2, .flags = PTR),
};

static const struct field F_core_v1_PodSchedulingGate[] = {
    F("name", STR, 1, .flags = REQ|KEEP),
};

static const struct field F_core_v1_PodSecurityContext[] = {
    F("seLinuxOptions", OBJECT, 1, .flags = PTR, .type = &T[T_core_v1_SELinuxOptions]),
    F("windowsOptions", OBJECT, 8, .flags = PTR, .type = &T[T_core_v1_WindowsSecurityContextOptions]),
    F("runAsUser", INT, 2, .flags = PTR),
    F("runAsGroup", INT, 6, .flags = PTR),
    F("runAsNonRoot", BOOL, 3, .flags = PTR),
    F("supplementalGroups", LIST, 4, .flags = ATOM, .item = &item_int),
    F("supplementalGroupsPolicy", STR, 12, .flags = PTR, .rules = &R[64]),
    F("fsGroup", INT, 5, .flags = PTR),
    F("sysctls", LIST, 7, .flags = ATOM, .item = &item_core_v1_Sysctl),
    F("fsGroupChangePolicy", STR, 9, .flags = PTR, .rules = &R[65]),
    F("seccompProfile", OBJECT, 10, .flags = PTR, .type = &T[T_core_v1_SeccompProfile]),
    F("appArmorProfile", OBJECT, 11, .flags = PTR, .type = &T[T_core_v1_AppArmorProfile]),
    F("seLinuxChangePolicy", STR, 13, .flags = PTR, .rules = &R[66]),
};

static const struct field F_core_v1_PodSpec[] = {
    F("volumes", LIST, 1, .flags = LMAP|MERGE|KEYS, .item = &item_core_v1_Volume, .rules = &R[1]),
    F("initContainers", LIST, 20, .flags = LMAP|MERGE, .item = &item_core_v1_Container, .rules = &R[1]),
    F("containers", LIST, 2, .flags = REQ|KEEP|LMAP|MERGE, .item = &item_core_v1_Container, .rules = &R[1]),
    F("ephemeralContainers", LIST, 34, .flags = LMAP|MERGE, .item = &item_core_v1_EphemeralContainer, .rules = &R[1]),
    F("restartPolicy", STR, 3, .rules = &R[10]),
    F("terminationGracePeriodSeconds", INT, 4, .flags = PTR),
    F("activeDeadlineSeconds", INT, 5, .flags = PTR),
    F("dnsPolicy", STR, 6, .rules = &R[11]),
    F("nodeSelector", MAP, 7, .flags = ATOM, .item = &item_str),
    F("serviceAccountName", STR, 8),
    F("serviceAccount", STR, 9),
    F("automountServiceAccountToken", BOOL, 21, .flags = PTR),
    F("nodeName", STR, 10),
    F("hostNetwork", BOOL, 11),
    F("hostPID", BOOL, 12),
    F("hostIPC", BOOL, 13),
    F("shareProcessNamespace", BOOL, 27, .flags = PTR),
    F("securityContext", OBJECT, 14, .flags = PTR, .type = &T[T_core_v1_PodSecurityContext]),
    F("imagePullSecrets", LIST, 15, .flags = LMAP|MERGE, .item = &item_core_v1_LocalObjectReference, .rules = &R[1]),
    F("hostname", STR, 16),
    F("subdomain", STR, 17),
    F("affinity", OBJECT, 18, .flags = PTR, .type = &T[T_core_v1_Affinity]),
    F("schedulerName", STR, 19),
    F("tolerations", LIST, 22, .flags = ATOM, .item = &item_core_v1_Toleration),
    F("hostAliases", LIST, 23, .flags = LMAP|MERGE, .item = &item_core_v1_HostAlias, .rules = &R[12]),
    F("priorityClassName", STR, 24),
    F("priority", INT, 25, .flags = I32|PTR),
    F("dnsConfig", OBJECT, 26, .flags = PTR, .type = &T[T_core_v1_PodDNSConfig]),
    F("readinessGates", LIST, 28, .flags = ATOM, .item = &item_core_v1_PodReadinessGate),
    F("runtimeClassName", STR, 29, .flags = PTR),
    F("enableServiceLinks", BOOL, 30, .flags = PTR),
    F("preemptionPolicy", STR, 31, .flags = PTR, .rules = &R[5]),
    F("overhead", MAP, 32, .item = &item_quantity, .rules = &R[13]),
    F("topologySpreadConstraints", LIST, 33, .flags = LMAP|MERGE, .item = &item_core_v1_TopologySpreadConstraint, .rules = &R[14]),
    F("setHostnameAsFQDN", BOOL, 35, .flags = PTR),
    F("os", OBJECT, 36, .flags = PTR, .type = &T[T_core_v1_PodOS]),
    F("hostUsers", BOOL, 37, .flags = PTR),
    F("schedulingGates", LIST, 38, .flags = LMAP|MERGE, .item = &item_core_v1_PodSchedulingGate, .rules = &R[1]),
    F("resourceClaims", LIST, 39, .flags = LMAP|MERGE|KEYS, .item = &item_core_v1_PodResourceClaim, .rules = &R[1]),
    F("resources", OBJECT, 40, .flags = PTR, .type = &T[T_core_v1_ResourceRequirements]),
};

static const struct field F_core_v1_PodStatus[] = {
    F("phase", STR, 1, .rules = &R[15]),
    F("conditions", LIST, 2, .flags = LMAP|MERGE, .item = &item_core_v1_PodCondition, .rules = &R[16]),
    F("message", STR, 3),
    F("reason", STR, 4),
    F("nominatedNodeName", STR, 11),
    F("hostIP", STR, 5),
    F("hostIPs", LIST, 16, .flags = ATOM|MERGE, .item = &item_core_v1_HostIP, .rules = &R[17]),
    F("podIP", STR, 6),
    F("podIPs", LIST, 12, .flags = LMAP|MERGE, .item = &item_core_v1_PodIP, .rules = &R[12]),
    F("startTime", TIME, 7, .flags = PTR),
    F("initContainerStatuses", LIST, 10, .flags = ATOM, .item = &item_core_v1_ContainerStatus),
    F("containerStatuses", LIST, 8, .flags = ATOM, .item = &item_core_v1_ContainerStatus),
    F("qosClass", STR, 9, .rules = &R[18]),
    F("ephemeralContainerStatuses", LIST, 13, .flags = ATOM, .item = &item_core_v1_ContainerStatus),
    F("resize", STR, 14, .rules = &R[19]),
    F("resourceClaimStatuses", LIST, 15, .flags = LMAP|MERGE|KEYS, .item = &item_core_v1_PodResourceClaimStatus, .rules = &R[1]),
};

static const struct field F_core_v1_PodTemplate[] = {
    F("kind", STR, 0),
    F("apiVersion", STR, 0),
    F("metadata", OBJECT, 1, .flags = VAL, .type = &T[T_meta_v1_ObjectMeta]),
    F("template", OBJECT, 2, .flags = VAL, .type = &T[T_core_v1_PodTemplateSpec]),
};

static const struct field F_core_v1_PodTemplateSpec[] = {
    F("metadata", OBJECT, 1, .flags = VAL, .type = &T[T_meta_v1_ObjectMeta]),
    F("spec", OBJECT, 2, .flags = VAL, .type = &T[T_core_v1_PodSpec]),
};

static const struct field F_core_v1_PortStatus[] = {
    F("port", INT, 1, .flags = I32|REQ|KEEP),
    F("protocol", STR, 2, .flags = REQ|KEEP, .rules = &R[50]),
    F("error", STR, 3, .flags = PTR),
};

static const struct field F_core_v1_PortworxVolumeSource[] = {
    F("volumeID", STR, 1, .flags = REQ|KEEP),
    F("fsType", STR, 2),
    F("readOnly", BOOL, 3),
};

static const struct field F_core_v1_PreferredSchedulingTerm[] = {
    F("weight", INT, 1, .flags = I32|REQ|KEEP),
    F("preference", OBJECT, 2, .flags = REQ|VAL, .type = &T[T_core_v1_NodeSelectorTerm]),
};

static const struct field F_core_v1_Probe[] = {
    F(NULL, OBJECT, 1, .flags = INL, .type = &T[T_core_v1_ProbeHandler]),
    F("initialDelaySeconds", INT, 2, .flags = I32),
    F("timeoutSeconds", INT, 3, .flags = I32),
    F("periodSeconds", INT, 4, .flags = I32),
    F("successThreshold", INT, 5, .flags = I32),
    F("failureThreshold", INT, 6, .flags = I32),
    F("terminationGracePeriodSeconds", INT, 7, .flags = PTR),
};

static const struct field F_core_v1_ProbeHandler[] = {
    F("exec", OBJECT, 1, .flags = PTR, .type = &T[T_core_v1_ExecAction]),
    F("httpGet", OBJECT, 2, .flags = PTR, .type = &T[T_core_v1_HTTPGetAction]),
    F("tcpSocket", OBJECT, 3, .flags = PTR, .type = &T[T_core_v1_TCPSocketAction]),
    F("grpc", OBJECT, 4, .flags = PTR, .type = &T[T_core_v1_GRPCAction]),
};

static const struct field F_core_v1_ProjectedVolumeSource[] = {
    F("sources", LIST, 1, .flags = KEEP|ATOM, .item = &item_core_v1_VolumeProjection),
    F("defaultMode", INT, 2, .flags = I32|PTR),
};

static const struct field F_core_v1_QuobyteVolumeSource[] = {
    F("registry", STR, 1, .flags = REQ|KEEP),
    F("volume", STR, 2, .flags = REQ|KEEP),
    F("readOnly", BOOL, 3),
    F("user", STR, 4),
    F("group", STR, 5),
    F("tenant", STR, 6),
};

static const struct field F_core_v1_RBDPersistentVolumeSource[] = {
    F("monitors", LIST, 1, .flags = REQ|KEEP|ATOM, .item = &item_str),
    F("image", STR, 2, .flags = REQ|KEEP),
    F("fsType", STR, 3),
    F("pool", STR, 4, .rules = &R[80]),
    F("user", STR, 5, .rules = &R[81]),
    F("keyring", STR, 6, .rules = &R[82]),
    F("secretRef", OBJECT, 7, .flags = PTR, .type = &T[T_core_v1_SecretReference]),
    F("readOnly", BOOL, 8),
};

static const struct field F_core_v1_RBDVolumeSource[] = {
    F("monitors", LIST, 1, .flags = REQ|KEEP|ATOM, .item = &item_str),
    F("image", STR, 2, .flags = REQ|KEEP),
    F("fsType", STR, 3),
    F("pool", STR, 4, .rules = &R[80]),
    F("user", STR, 5, .rules = &R[81]),
    F("keyring", STR, 6, .rules = &R[82]),
    F("secretRef", OBJECT, 7, .flags = PTR, .type = &T[T_core_v1_LocalObjectReference]),
    F("readOnly", BOOL, 8),
};

static const struct field F_core_v1_ReplicationController[] = {
    F("kind", STR, 0),
    F("apiVersion", STR, 0),
    F("metadata", OBJECT, 1, .flags = VAL, .type = &T[T_meta_v1_ObjectMeta]),
    F("spec", OBJECT, 2, .flags = VAL, .type = &T[T_core_v1_ReplicationControllerSpec]),
    F("status", OBJECT, 3, .flags = VAL, .type = &T[T_core_v1_ReplicationControllerStatus]),
};

static const struct field F_core_v1_ReplicationControllerCondition[] = {
    F("type", STR, 1, .flags = REQ|KEEP, .rules = &R[93]),
    F("status", STR, 2, .flags = REQ|KEEP, .rules = &R[74]),
    F("lastTransitionTime", TIME, 3, .flags = VAL),
    F("reason", STR, 4),
    F("message", STR, 5),
};

static const struct field F_core_v1_ReplicationControllerSpec[] = {
    F("replicas", INT, 1, .flags = I32|PTR),
    F("minReadySeconds", INT, 4, .flags = I32),
    F("selector", MAP, 2, .flags = ATOM, .item = &item_str),
    F("template", OBJECT, 3, .flags = PTR, .type = &T[T_core_v1_PodTemplateSpec]),
};

static const struct field F_core_v1_ReplicationControllerStatus[] = {
    F("replicas", INT, 1, .flags = I32|REQ|KEEP),
    F("fullyLabeledReplicas", INT, 2, .flags = I32),
    F("readyReplicas", INT, 4, .flags = I32),
    F("availableReplicas", INT, 5, .flags = I32),
    F("observedGeneration", INT, 3),
    F("conditions", LIST, 6, .flags = LMAP|MERGE, .item = &item_core_v1_ReplicationControllerCondition, .rules = &R[16]),
};

static const struct field F_core_v1_ResourceClaim[] = {
    F("name", STR, 1, .flags = REQ|KEEP),
    F("request", STR, 2),
};

static const struct field F_core_v1_ResourceFieldSelector[] = {
    F("containerName", STR, 1),
    F("resource", STR, 2, .flags = REQ|KEEP),
    F("divisor", QUANTITY, 3, .flags = VAL),
};

static const struct field F_core_v1_ResourceHealth[] = {
    F("resourceID", STR, 1, .flags = REQ|KEEP, .rules = &R[124]),
    F("health", STR, 2, .rules = &R[125]),
};

static const struct field F_core_v1_ResourceQuota[] = {
    F("kind", STR, 0),
    F("apiVersion", STR, 0),
    F("metadata", OBJECT, 1, .flags = VAL, .type = &T[T_meta_v1_ObjectMeta]),
    F("spec", OBJECT, 2, .flags = VAL, .type = &T[T_core_v1_ResourceQuotaSpec]),
    F("status", OBJECT, 3, .flags = VAL, .type = &T[T_core_v1_ResourceQuotaStatus]),
};

static const struct field F_core_v1_ResourceQuotaSpec[] = {
    F("hard", MAP, 1, .item = &item_quantity, .rules = &R[13]),
    F("scopes", LIST, 2, .flags = ATOM, .item = &item_str_v1_ResourceQuotaScope),
    F("scopeSelector", OBJECT, 3, .flags = PTR, .type = &T[T_core_v1_ScopeSelector]),
};

static const struct field F_core_v1_ResourceQuotaStatus[] = {
    F("hard", MAP, 1, .item = &item_quantity, .rules = &R[13]),
    F("used", MAP, 2, .item = &item_quantity, .rules = &R[13]),
};

static const struct field F_core_v1_ResourceRequirements[] = {
    F("limits", MAP, 1, .item = &item_quantity, .rules = &R[13]),
    F("requests", MAP, 2, .item = &item_quantity, .rules = &R[13]),
    F("claims", LIST, 3, .flags = LMAP, .item = &item_core_v1_ResourceClaim, .rules = &R[73]),
};

static const struct field F_core_v1_ResourceStatus[] = {
    F("name", STR, 1, .flags = REQ|KEEP, .rules = &R[110]),
    F("resources", LIST, 2, .flags = LMAP, .item = &item_core_v1_ResourceHealth, .rules = &R[117]),
};

static const struct field F_core_v1_SELinuxOptions[] = {
    F("user", STR, 1),
    F("role", STR, 2),
    F("type", STR, 3),
    F("level", STR, 4),
};

static const struct field F_core_v1_ScaleIOPersistentVolumeSource[] = {
    F("gateway", STR, 1, .flags = REQ|KEEP),
    F("system", STR, 2, .flags = REQ|KEEP),
    F("secretRef", OBJECT, 3, .flags = REQ|PTR|KEEP, .type = &T[T_core_v1_SecretReference]),
    F("sslEnabled", BOOL, 4),
    F("protectionDomain", STR, 5),
    F("storagePool", STR, 6),
    F("storageMode", STR, 7, .rules = &R[89]),
    F("volumeName", STR, 8),
    F("fsType", STR, 9, .rules = &R[90]),
    F("readOnly", BOOL, 10),
};

static const struct field F_core_v1_ScaleIOVolumeSource[] = {
    F("gateway", STR, 1, .flags = REQ|KEEP),
    F("system", STR, 2, .flags = REQ|KEEP),
    F("secretRef", OBJECT, 3, .flags = REQ|PTR|KEEP, .type = &T[T_core_v1_LocalObjectReference]),
    F("sslEnabled", BOOL, 4),
    F("protectionDomain", STR, 5),
    F("storagePool", STR, 6),
    F("storageMode", STR, 7, .rules = &R[89]),
    F("volumeName", STR, 8),
    F("fsType", STR, 9, .rules = &R[90]),
    F("readOnly", BOOL, 10),
};

static const struct field F_core_v1_ScopeSelector[] = {
    F("matchExpressions", LIST, 1, .flags = ATOM, .item = &item_core_v1_ScopedResourceSelectorRequirement),
};

static const struct field F_core_v1_ScopedResourceSelectorRequirement[] = {
    F("scopeName", STR, 1, .flags = REQ|KEEP, .rules = &R[36]),
    F("operator", STR, 2, .flags = REQ|KEEP, .rules = &R[120]),
    F("values", LIST, 3, .flags = ATOM, .item = &item_str),
};

static const struct field F_core_v1_SeccompProfile[] = {
    F("type", STR, 1, .flags = REQ|KEEP, .rules = &R[115]),
    F("localhostProfile", STR, 2, .flags = PTR),
};

static const struct field F_core_v1_Secret[] = {
    F("kind", STR, 0),
    F("apiVersion", STR, 0),
    F("metadata", OBJECT, 1, .flags = VAL, .type = &T[T_meta_v1_ObjectMeta]),
    F("immutable", BOOL, 5, .flags = PTR),
    F("data", MAP, 2, .item = &item_bytes),
    F("stringData", MAP, 4, .item = &item_str),
    F("type", STR, 3, .rules = &R[0]),
};

static const struct field F_core_v1_SecretEnvSource[] = {
    F(NULL, OBJECT, 1, .flags = INL, .type = &T[T_core_v1_LocalObjectReference]),
    F("optional", BOOL, 2, .flags = PTR),
};

static const struct field F_core_v1_SecretKeySelector[] = {
    F(NULL, OBJECT, 1, .flags = INL, .type = &T[T_core_v1_LocalObjectReference]),
    F("key", STR, 2, .flags = REQ|KEEP),
    F("optional", BOOL, 3, .flags = PTR),
};

static const struct field F_core_v1_SecretProjection[] = {
    F(NULL, OBJECT, 1, .flags = INL, .type = &T[T_core_v1_LocalObjectReference]),
    F("items", LIST, 2, .flags = ATOM, .item = &item_core_v1_KeyToPath),
    F("optional", BOOL, 4, .flags = PTR),
};

static const struct field F_core_v1_SecretReference[] = {
    F("name", STR, 1),
    F("namespace", STR, 2),
};

static const struct field F_core_v1_SecretVolumeSource[] = {
    F("secretName", STR, 1),
    F("items", LIST, 2, .flags = ATOM, .item = &item_core_v1_KeyToPath),
    F("defaultMode", INT, 3, .flags = I32|PTR),
    F("optional", BOOL, 4, .flags = PTR),
};

static const struct field F_core_v1_SecurityContext[] = {
    F("capabilities", OBJECT, 1, .flags = PTR, .type = &T[T_core_v1_Capabilities]),
    F("privileged", BOOL, 2, .flags = PTR),
    F("seLinuxOptions", OBJECT, 3, .flags = PTR, .type = &T[T_core_v1_SELinuxOptions]),
    F("windowsOptions", OBJECT, 10, .flags = PTR, .type = &T[T_core_v1_WindowsSecurityContextOptions]),
    F("runAsUser", INT, 4, .flags = PTR),
    F("runAsGroup", INT, 8, .flags = PTR),
    F("runAsNonRoot", BOOL, 5, .flags = PTR),
    F("readOnlyRootFilesystem", BOOL, 6, .flags = PTR),
    F("allowPrivilegeEscalation", BOOL, 7, .flags = PTR),
    F("procMount", STR, 9, .flags = PTR, .rules = &R[114]),
    F("seccompProfile", OBJECT, 11, .flags = PTR, .type = &T[T_core_v1_SeccompProfile]),
    F("appArmorProfile", OBJECT, 12, .flags = PTR, .type = &T[T_core_v1_AppArmorProfile]),
};

static const struct field F_core_v1_Service[] = {
    F("kind", STR, 0),
    F("apiVersion", STR, 0),
    F("metadata", OBJECT, 1, .flags = VAL, .type = &T[T_meta_v1_ObjectMeta]),
    F("spec", OBJECT, 2, .flags = VAL, .type = &T[T_core_v1_ServiceSpec]),
    F("status", OBJECT, 3, .flags = VAL, .type = &T[T_core_v1_ServiceStatus]),
};

static const struct field F_core_v1_ServiceAccount[] = {
    F("kind", STR, 0),
    F("apiVersion", STR, 0),
    F("metadata", OBJECT, 1, .flags = VAL, .type = &T[T_meta_v1_ObjectMeta]),
    F("secrets", LIST, 2, .flags = LMAP|MERGE, .item = &item_core_v1_ObjectReference, .rules = &R[1]),
    F("imagePullSecrets", LIST, 3, .flags = ATOM, .item = &item_core_v1_LocalObjectReference),
    F("automountServiceAccountToken", BOOL, 4, .flags = PTR),
};

static const struct field F_core_v1_ServiceAccountTokenProjection[] = {
    F("audience", STR, 1),
    F("expirationSeconds", INT, 2, .flags = PTR),
    F("path", STR, 3, .flags = REQ|KEEP),
};

static const struct field F_core_v1_ServicePort[] = {
    F("name", STR, 1),
    F("protocol", STR, 2, .rules = &R[78]),
    F("appProtocol", STR, 6, .flags = PTR),
    F("port", INT, 3, .flags = I32|REQ|KEEP),
    F("targetPort", INT_OR_STR, 4, .flags = VAL),
    F("nodePort", INT, 5, .flags = I32),
};

static const struct field F_core_v1_ServiceSpec[] = {
    F("ports", LIST, 1, .flags = LMAP|MERGE, .item = &item_core_v1_ServicePort, .rules = &R[24]),
    F("selector", MAP, 2, .flags = ATOM, .item = &item_str),
    F("clusterIP", STR, 3),
    F("clusterIPs", LIST, 18, .flags = ATOM, .item = &item_str),
    F("type", STR, 4, .rules = &R[25]),
    F("externalIPs", LIST, 5, .flags = ATOM, .item = &item_str),
    F("sessionAffinity", STR, 7, .rules = &R[26]),
    F("loadBalancerIP", STR, 8),
    F("loadBalancerSourceRanges", LIST, 9, .flags = ATOM, .item = &item_str),
    F("externalName", STR, 10),
    F("externalTrafficPolicy", STR, 11, .rules = &R[27]),
    F("healthCheckNodePort", INT, 12, .flags = I32),
    F("publishNotReadyAddresses", BOOL, 13),
    F("sessionAffinityConfig", OBJECT, 14, .flags = PTR, .type = &T[T_core_v1_SessionAffinityConfig]),
    F("ipFamilies", LIST, 19, .flags = ATOM, .item = &item_str_v1_IPFamily),
    F("ipFamilyPolicy", STR, 17, .flags = PTR, .rules = &R[29]),
    F("allocateLoadBalancerNodePorts", BOOL, 20, .flags = PTR),
    F("loadBalancerClass", STR, 21, .flags = PTR),
    F("internalTrafficPolicy", STR, 22, .flags = PTR, .rules = &R[30]),
    F("trafficDistribution", STR, 23, .flags = PTR),
};

static const struct field F_core_v1_ServiceStatus[] = {
    F("loadBalancer", OBJECT, 1, .flags = VAL, .type = &T[T_core_v1_LoadBalancerStatus]),
    F("conditions", LIST, 2, .flags = LMAP|MERGE, .item = &item_meta_v1_Condition, .rules = &R[16]),
};

static const struct field F_core_v1_SessionAffinityConfig[] = {
    F("clientIP", OBJECT, 1, .flags = PTR, .type = &T[T_core_v1_ClientIPConfig]),
};

static const struct field F_core_v1_SleepAction[] = {
    F("seconds", INT, 1, .flags = REQ|KEEP),
};

static const struct field F_core_v1_StorageOSPersistentVolumeSource[] = {
    F("volumeName", STR, 1),
    F("volumeNamespace", STR, 2),
    F("fsType", STR, 3),
    F("readOnly", BOOL, 4),
    F("secretRef", OBJECT, 5, .flags = PTR, .type = &T[T_core_v1_ObjectReference]),
};

static const struct field F_core_v1_StorageOSVolumeSource[] = {
    F("volumeName", STR, 1),
    F("volumeNamespace", STR, 2),
    F("fsType", STR, 3),
    F("readOnly", BOOL, 4),
    F("secretRef", OBJECT, 5, .flags = PTR, .type = &T[T_core_v1_LocalObjectReference]),
};

static const struct field F_core_v1_Sysctl[] = {
    F("name", STR, 1, .flags = REQ|KEEP),
    F("value", STR, 2, .flags = REQ|KEEP),
};

static const struct field F_core_v1_TCPSocketAction[] = {
    F("port", INT_OR_STR, 1, .flags = REQ|VAL),
    F("host", STR, 2),
};

static const struct field F_core_v1_Taint[] = {
    F("key", STR, 1, .flags = REQ|KEEP),
    F("value", STR, 2),
    F("effect", STR, 3, .flags = REQ|KEEP, .rules = &R[68]),
    F("timeAdded", TIME, 4, .flags = PTR),
};

static const struct field F_core_v1_Toleration[] = {
    F("key", STR, 1),
    F("operator", STR, 2, .rules = &R[67]),
    F("value", STR, 3),
    F("effect", STR, 4, .rules = &R[68]),
    F("tolerationSeconds", INT, 5, .flags = PTR),
};

static const struct field F_core_v1_TopologySelectorLabelRequirement[] = {
    F("key", STR, 1, .flags = REQ|KEEP),
    F("values", LIST, 2, .flags = REQ|KEEP|ATOM, .item = &item_str),
};

static const struct field F_core_v1_TopologySelectorTerm[] = {
    F("matchLabelExpressions", LIST, 1, .flags = ATOM, .item = &item_core_v1_TopologySelectorLabelRequirement),
};

static const struct field F_core_v1_TopologySpreadConstraint[] = {
    F("maxSkew", INT, 1, .flags = I32|REQ|KEEP),
    F("topologyKey", STR, 2, .flags = REQ|KEEP),
    F("whenUnsatisfiable", STR, 3, .flags = REQ|KEEP, .rules = &R[70]),
    F("labelSelector", OBJECT, 4, .flags = PTR, .type = &T[T_meta_v1_LabelSelector]),
    F("minDomains", INT, 5, .flags = I32|PTR),
    F("nodeAffinityPolicy", STR, 6, .flags = PTR, .rules = &R[71]),
    F("nodeTaintsPolicy", STR, 7, .flags = PTR, .rules = &R[71]),
    F("matchLabelKeys", LIST, 8, .flags = ATOM, .item = &item_str),
};

static const struct field F_core_v1_TypedLocalObjectReference[] = {
    F("apiGroup", STR, 1, .flags = PTR|KEEP),
    F("kind", STR, 2, .flags = REQ|KEEP),
    F("name", STR, 3, .flags = REQ|KEEP),
};

static const struct field F_core_v1_TypedObjectReference[] = {
    F("apiGroup", STR, 1, .flags = PTR|KEEP),
    F("kind", STR, 2, .flags = REQ|KEEP),
    F("name", STR, 3, .flags = REQ|KEEP),
    F("namespace", STR, 4, .flags = PTR),
};

static const struct field F_core_v1_Volume[] = {
    F("name", STR, 1, .flags = REQ|KEEP),
    F(NULL, OBJECT, 2, .flags = INL, .type = &T[T_core_v1_VolumeSource]),
};

static const struct field F_core_v1_VolumeDevice[] = {
    F("name", STR, 1, .flags = REQ|KEEP),
    F("devicePath", STR, 2, .flags = REQ|KEEP),
};

static const struct field F_core_v1_VolumeMount[] = {
    F("name", STR, 1, .flags = REQ|KEEP),
    F("readOnly", BOOL, 2),
    F("recursiveReadOnly", STR, 7, .flags = PTR, .rules = &R[112]),
    F("mountPath", STR, 3, .flags = REQ|KEEP),
    F("subPath", STR, 4),
    F("mountPropagation", STR, 5, .flags = PTR, .rules = &R[113]),
    F("subPathExpr", STR, 6),
};

static const struct field F_core_v1_VolumeMountStatus[] = {
    F("name", STR, 1, .flags = REQ|KEEP),
    F("mountPath", STR, 2, .flags = REQ|KEEP),
    F("readOnly", BOOL, 3),
    F("recursiveReadOnly", STR, 4, .flags = PTR, .rules = &R[112]),
};

static const struct field F_core_v1_VolumeNodeAffinity[] = {
    F("required", OBJECT, 1, .flags = PTR, .type = &T[T_core_v1_NodeSelector]),
};

static const struct field F_core_v1_VolumeProjection[] = {
    F("secret", OBJECT, 1, .flags = PTR, .type = &T[T_core_v1_SecretProjection]),
    F("downwardAPI", OBJECT, 2, .flags = PTR, .type = &T[T_core_v1_DownwardAPIProjection]),
    F("configMap", OBJECT, 3, .flags = PTR, .type = &T[T_core_v1_ConfigMapProjection]),
    F("serviceAccountToken", OBJECT, 4, .flags = PTR, .type = &T[T_core_v1_ServiceAccountTokenProjection]),
    F("clusterTrustBundle", OBJECT, 5, .flags = PTR, .type = &T[T_core_v1_ClusterTrustBundleProjection]),
};

static const struct field F_core_v1_VolumeResourceRequirements[] = {
    F("limits", MAP, 1, .item = &item_quantity, .rules = &R[13]),
    F("requests", MAP, 2, .item = &item_quantity, .rules = &R[13]),
};

static const struct field F_core_v1_VolumeSource[] = {
    F("hostPath", OBJECT, 1, .flags = PTR, .type = &T[T_core_v1_HostPathVolumeSource]),
    F("emptyDir", OBJECT, 2, .flags = PTR, .type = &T[T_core_v1_EmptyDirVolumeSource]),
    F("gcePersistentDisk", OBJECT, 3, .flags = PTR, .type = &T[T_core_v1_GCEPersistentDiskVolumeSource]),
    F("awsElasticBlockStore", OBJECT, 4, .flags = PTR, .type = &T[T_core_v1_AWSElasticBlockStoreVolumeSource]),
    F("gitRepo", OBJECT, 5, .flags = PTR, .type = &T[T_core_v1_GitRepoVolumeSource]),
    F("secret", OBJECT, 6, .flags = PTR, .type = &T[T_core_v1_SecretVolumeSource]),
    F("nfs", OBJECT, 7, .flags = PTR, .type = &T[T_core_v1_NFSVolumeSource]),
    F("iscsi", OBJECT, 8, .flags = PTR, .type = &T[T_core_v1_ISCSIVolumeSource]),
    F("glusterfs", OBJECT, 9, .flags = PTR, .type = &T[T_core_v1_GlusterfsVolumeSource]),
    F("persistentVolumeClaim", OBJECT, 10, .flags = PTR, .type = &T[T_core_v1_PersistentVolumeClaimVolumeSource]),
    F("rbd", OBJECT, 11, .flags = PTR, .type = &T[T_core_v1_RBDVolumeSource]),
    F("flexVolume", OBJECT, 12, .flags = PTR, .type = &T[T_core_v1_FlexVolumeSource]),
    F("cinder", OBJECT, 13, .flags = PTR, .type = &T[T_core_v1_CinderVolumeSource]),
    F("cephfs", OBJECT, 14, .flags = PTR, .type = &T[T_core_v1_CephFSVolumeSource]),
    F("flocker", OBJECT, 15, .flags = PTR, .type = &T[T_core_v1_FlockerVolumeSource]),
    F("downwardAPI", OBJECT, 16, .flags = PTR, .type = &T[T_core_v1_DownwardAPIVolumeSource]),
    F("fc", OBJECT, 17, .flags = PTR, .type = &T[T_core_v1_FCVolumeSource]),
    F("azureFile", OBJECT, 18, .flags = PTR, .type = &T[T_core_v1_AzureFileVolumeSource]),
    F("configMap", OBJECT, 19, .flags = PTR, .type = &T[T_core_v1_ConfigMapVolumeSource]),
    F("vsphereVolume", OBJECT, 20, .flags = PTR, .type = &T[T_core_v1_VsphereVirtualDiskVolumeSource]),
    F("quobyte", OBJECT, 21, .flags = PTR, .type = &T[T_core_v1_QuobyteVolumeSource]),
    F("azureDisk", OBJECT, 22, .flags = PTR, .type = &T[T_core_v1_AzureDiskVolumeSource]),
    F("photonPersistentDisk", OBJECT, 23, .flags = PTR, .type = &T[T_core_v1_PhotonPersistentDiskVolumeSource]),
    F("projected", OBJECT, 26, .flags = PTR, .type = &T[T_core_v1_ProjectedVolumeSource]),
    F("portworxVolume", OBJECT, 24, .flags = PTR, .type = &T[T_core_v1_PortworxVolumeSource]),
    F("scaleIO", OBJECT, 25, .flags = PTR, .type = &T[T_core_v1_ScaleIOVolumeSource]),
    F("storageos", OBJECT, 27, .flags = PTR, .type = &T[T_core_v1_StorageOSVolumeSource]),
    F("csi", OBJECT, 28, .flags = PTR, .type = &T[T_core_v1_CSIVolumeSource]),
    F("ephemeral", OBJECT, 29, .flags = PTR, .type = &T[T_core_v1_EphemeralVolumeSource]),
    F("image", OBJECT, 30, .flags = PTR, .type = &T[T_core_v1_ImageVolumeSource]),
};

static const struct field F_core_v1_VsphereVirtualDiskVolumeSource[] = {
    F("volumePath", STR, 1, .flags = REQ|KEEP),
    F("fsType", STR, 2),
    F("storagePolicyName", STR, 3),
    F("storagePolicyID", STR, 4),
};

static const struct field F_core_v1_WeightedPodAffinityTerm[] = {
    F("weight", INT, 1, .flags = I32|REQ|KEEP),
    F("podAffinityTerm", OBJECT, 2, .flags = REQ|VAL, .type = &T[T_core_v1_PodAffinityTerm]),
};

static const struct field F_core_v1_WindowsSecurityContextOptions[] = {
    F("gmsaCredentialSpecName", STR, 1, .flags = PTR),
    F("gmsaCredentialSpec", STR, 2, .flags = PTR),
    F("runAsUserName", STR, 3, .flags = PTR),
    F("hostProcess", BOOL, 4, .flags = PTR),
};

static const struct field F_discovery_v1_Endpoint[] = {
    F("addresses", LIST, 1, .flags = REQ|KEEP|SET, .item = &item_str),
    F("conditions", OBJECT, 2, .flags = VAL, .type = &T[T_discovery_v1_EndpointConditions]),
    F("hostname", STR, 3, .flags = PTR),
    F("targetRef", OBJECT, 4, .flags = PTR, .type = &T[T_core_v1_ObjectReference]),
    F("deprecatedTopology", MAP, 5, .item = &item_str),
    F("nodeName", STR, 6, .flags = PTR),
    F("zone", STR, 7, .flags = PTR),
    F("hints", OBJECT, 8, .flags = PTR, .type = &T[T_discovery_v1_EndpointHints]),
};

static const struct field F_discovery_v1_EndpointConditions[] = {
    F("ready", BOOL, 1, .flags = PTR),
    F("serving", BOOL, 2, .flags = PTR),
    F("terminating", BOOL, 3, .flags = PTR),
};

static const struct field F_discovery_v1_EndpointHints[] = {
    F("forZones", LIST, 1, .flags = ATOM, .item = &item_discovery_v1_ForZone),
};

static const struct field F_discovery_v1_EndpointPort[] = {
    F("name", STR, 1, .flags = PTR),
    F("protocol", STR, 2, .flags = PTR, .rules = &R[50]),
    F("port", INT, 3, .flags = I32|PTR),
    F("appProtocol", STR, 4, .flags = PTR),
};

static const struct field F_discovery_v1_EndpointSlice[] = {
    F("kind", STR, 0),
    F("apiVersion", STR, 0),
    F("metadata", OBJECT, 1, .flags = VAL, .type = &T[T_meta_v1_ObjectMeta]),
    F("addressType", STR, 4, .flags = REQ|KEEP, .rules = &R[4]),
    F("endpoints", LIST, 2, .flags = REQ|KEEP|ATOM, .item = &item_discovery_v1_Endpoint),
    F("ports", LIST, 3, .flags = KEEP|ATOM, .item = &item_discovery_v1_EndpointPort),
};

static const struct field F_discovery_v1_ForZone[] = {
    F("name", STR, 1, .flags = REQ|KEEP),
};

static const struct field F_events_v1_Event[] = {
    F("kind", STR, 0),
    F("apiVersion", STR, 0),
    F("metadata", OBJECT, 1, .flags = VAL, .type = &T[T_meta_v1_ObjectMeta]),
    F("eventTime", MICROTIME, 2, .flags = REQ|VAL),
    F("series", OBJECT, 3, .flags = PTR, .type = &T[T_events_v1_EventSeries]),
    F("reportingController", STR, 4),
    F("reportingInstance", STR, 5),
    F("action", STR, 6),
    F("reason", STR, 7),
    F("regarding", OBJECT, 8, .flags = VAL, .type = &T[T_core_v1_ObjectReference]),
    F("related", OBJECT, 9, .flags = PTR, .type = &T[T_core_v1_ObjectReference]),
    F("note", STR, 10),
    F("type", STR, 11),
    F("deprecatedSource", OBJECT, 12, .flags = VAL, .type = &T[T_core_v1_EventSource]),
    F("deprecatedFirstTimestamp", TIME, 13, .flags = VAL),
    F("deprecatedLastTimestamp", TIME, 14, .flags = VAL),
    F("deprecatedCount", INT, 15, .flags = I32),
};

static const struct field F_events_v1_EventSeries[] = {
    F("count", INT, 1, .flags = I32|REQ|KEEP),
    F("lastObservedTime", MICROTIME, 2, .flags = REQ|VAL),
};

static const struct field F_networking_v1_HTTPIngressPath[] = {
    F("path", STR, 1),
    F("pathType", STR, 3, .flags = REQ|PTR|KEEP, .rules = &R[133]),
    F("backend", OBJECT, 2, .flags = REQ|VAL, .type = &T[T_networking_v1_IngressBackend]),
};

static const struct field F_networking_v1_HTTPIngressRuleValue[] = {
    F("paths", LIST, 1, .flags = REQ|KEEP|ATOM, .item = &item_networking_v1_HTTPIngressPath),
};

static const struct field F_networking_v1_IPBlock[] = {
    F("cidr", STR, 1, .flags = REQ|KEEP),
    F("except", LIST, 2, .flags = ATOM, .item = &item_str),
};

static const struct field F_networking_v1_Ingress[] = {
    F("kind", STR, 0),
    F("apiVersion", STR, 0),
    F("metadata", OBJECT, 1, .flags = VAL, .type = &T[T_meta_v1_ObjectMeta]),
    F("spec", OBJECT, 2, .flags = VAL, .type = &T[T_networking_v1_IngressSpec]),
    F("status", OBJECT, 3, .flags = VAL, .type = &T[T_networking_v1_IngressStatus]),
};

static const struct field F_networking_v1_IngressBackend[] = {
    F("service", OBJECT, 4, .flags = PTR, .type = &T[T_networking_v1_IngressServiceBackend]),
    F("resource", OBJECT, 3, .flags = PTR, .type = &T[T_core_v1_TypedLocalObjectReference]),
};

static const struct field F_networking_v1_IngressLoadBalancerIngress[] = {
    F("ip", STR, 1),
    F("hostname", STR, 2),
    F("ports", LIST, 4, .flags = ATOM, .item = &item_networking_v1_IngressPortStatus),
};

static const struct field F_networking_v1_IngressLoadBalancerStatus[] = {
    F("ingress", LIST, 1, .flags = ATOM, .item = &item_networking_v1_IngressLoadBalancerIngress),
};

static const struct field F_networking_v1_IngressPortStatus[] = {
    F("port", INT, 1, .flags = I32|REQ|KEEP),
    F("protocol", STR, 2, .flags = REQ|KEEP, .rules = &R[50]),
    F("error", STR, 3, .flags = PTR),
};

static const struct field F_networking_v1_IngressRule[] = {
    F("host", STR, 1),
    F(NULL, OBJECT, 2, .flags = INL, .type = &T[T_networking_v1_IngressRuleValue]),
};

static const struct field F_networking_v1_IngressRuleValue[] = {
    F("http", OBJECT, 1, .flags = PTR, .type = &T[T_networking_v1_HTTPIngressRuleValue]),
};

static const struct field F_networking_v1_IngressServiceBackend[] = {
    F("name", STR, 1, .flags = REQ|KEEP),
    F("port", OBJECT, 2, .flags = VAL, .type = &T[T_networking_v1_ServiceBackendPort]),
};

static const struct field F_networking_v1_IngressSpec[] = {
    F("ingressClassName", STR, 4, .flags = PTR),
    F("defaultBackend", OBJECT, 1, .flags = PTR, .type = &T[T_networking_v1_IngressBackend]),
    F("tls", LIST, 2, .flags = ATOM, .item = &item_networking_v1_IngressTLS),
    F("rules", LIST, 3, .flags = ATOM, .item = &item_networking_v1_IngressRule),
};

static const struct field F_networking_v1_IngressStatus[] = {
    F("loadBalancer", OBJECT, 1, .flags = VAL, .type = &T[T_networking_v1_IngressLoadBalancerStatus]),
};

static const struct field F_networking_v1_IngressTLS[] = {
    F("hosts", LIST, 1, .flags = ATOM, .item = &item_str),
    F("secretName", STR, 2),
};

static const struct field F_networking_v1_NetworkPolicy[] = {
    F("kind", STR, 0),
    F("apiVersion", STR, 0),
    F("metadata", OBJECT, 1, .flags = VAL, .type = &T[T_meta_v1_ObjectMeta]),
    F("spec", OBJECT, 2, .flags = VAL, .type = &T[T_networking_v1_NetworkPolicySpec]),
};

static const struct field F_networking_v1_NetworkPolicyEgressRule[] = {
    F("ports", LIST, 1, .flags = ATOM, .item = &item_networking_v1_NetworkPolicyPort),
    F("to", LIST, 2, .flags = ATOM, .item = &item_networking_v1_NetworkPolicyPeer),
};

static const struct field F_networking_v1_NetworkPolicyIngressRule[] = {
    F("ports", LIST, 1, .flags = ATOM, .item = &item_networking_v1_NetworkPolicyPort),
    F("from", LIST, 2, .flags = ATOM, .item = &item_networking_v1_NetworkPolicyPeer),
};

static const struct field F_networking_v1_NetworkPolicyPeer[] = {
    F("podSelector", OBJECT, 1, .flags = PTR, .type = &T[T_meta_v1_LabelSelector]),
    F("namespaceSelector", OBJECT, 2, .flags = PTR, .type = &T[T_meta_v1_LabelSelector]),
    F("ipBlock", OBJECT, 3, .flags = PTR, .type = &T[T_networking_v1_IPBlock]),
};

static const struct field F_networking_v1_NetworkPolicyPort[] = {
    F("protocol", STR, 1, .flags = PTR, .rules = &R[50]),
    F("port", INT_OR_STR, 2, .flags = PTR),
    F("endPort", INT, 3, .flags = I32|PTR),
};

static const struct field F_networking_v1_NetworkPolicySpec[] = {
    F("podSelector", OBJECT, 1, .flags = REQ|VAL, .type = &T[T_meta_v1_LabelSelector]),
    F("ingress", LIST, 2, .flags = ATOM, .item = &item_networking_v1_NetworkPolicyIngressRule),
    F("egress", LIST, 3, .flags = ATOM, .item = &item_networking_v1_NetworkPolicyEgressRule),
    F("policyTypes", LIST, 4, .flags = ATOM, .item = &item_str_v1_PolicyType),
};

static const struct field F_networking_v1_ServiceBackendPort[] = {
    F("name", STR, 1),
    F("number", INT, 2, .flags = I32),
};

static const struct field F_policy_v1_Eviction[] = {
    F("kind", STR, 0),
    F("apiVersion", STR, 0),
    F("metadata", OBJECT, 1, .flags = VAL, .type = &T[T_meta_v1_ObjectMeta]),
    F("deleteOptions", OBJECT, 2, .flags = PTR, .type = &T[T_meta_v1_DeleteOptions]),
};

static const struct field F_policy_v1_PodDisruptionBudget[] = {
    F("kind", STR, 0),
    F("apiVersion", STR, 0),
    F("metadata", OBJECT, 1, .flags = VAL, .type = &T[T_meta_v1_ObjectMeta]),
    F("spec", OBJECT, 2, .flags = VAL, .type = &T[T_policy_v1_PodDisruptionBudgetSpec]),
    F("status", OBJECT, 3, .flags = VAL, .type = &T[T_policy_v1_PodDisruptionBudgetStatus]),
};

static const struct field F_policy_v1_PodDisruptionBudgetSpec[] = {
    F("minAvailable", INT_OR_STR, 1, .flags = PTR),
    F("selector", OBJECT, 2, .flags = PTR, .type = &T[T_meta_v1_LabelSelector]),
    F("maxUnavailable", INT_OR_STR, 3, .flags = PTR),
    F("unhealthyPodEvictionPolicy", STR, 4, .flags = PTR, .rules = &R[48]),
};

static const struct field F_policy_v1_PodDisruptionBudgetStatus[] = {
    F("observedGeneration", INT, 1),
    F("disruptedPods", MAP, 2, .item = &item_time),
    F("disruptionsAllowed", INT, 3, .flags = I32|REQ|KEEP),
    F("currentHealthy", INT, 4, .flags = I32|REQ|KEEP),
    F("desiredHealthy", INT, 5, .flags = I32|REQ|KEEP),
    F("expectedPods", INT, 6, .flags = I32|REQ|KEEP),
    F("conditions", LIST, 7, .flags = LMAP|MERGE, .item = &item_meta_v1_Condition, .rules = &R[16]),
};

static const struct field F_rbac_v1_AggregationRule[] = {
    F("clusterRoleSelectors", LIST, 1, .flags = ATOM, .item = &item_meta_v1_LabelSelector),
};

static const struct field F_rbac_v1_ClusterRole[] = {
    F("kind", STR, 0),
    F("apiVersion", STR, 0),
    F("metadata", OBJECT, 1, .flags = VAL, .type = &T[T_meta_v1_ObjectMeta]),
    F("rules", LIST, 2, .flags = KEEP|ATOM, .item = &item_rbac_v1_PolicyRule),
    F("aggregationRule", OBJECT, 3, .flags = PTR, .type = &T[T_rbac_v1_AggregationRule]),
};

static const struct field F_rbac_v1_ClusterRoleBinding[] = {
    F("kind", STR, 0),
    F("apiVersion", STR, 0),
    F("metadata", OBJECT, 1, .flags = VAL, .type = &T[T_meta_v1_ObjectMeta]),
    F("subjects", LIST, 2, .flags = ATOM, .item = &item_rbac_v1_Subject),
    F("roleRef", OBJECT, 3, .flags = REQ|VAL, .type = &T[T_rbac_v1_RoleRef]),
};

static const struct field F_rbac_v1_PolicyRule[] = {
    F("verbs", LIST, 1, .flags = REQ|KEEP|ATOM, .item = &item_str),
    F("apiGroups", LIST, 2, .flags = ATOM, .item = &item_str),
    F("resources", LIST, 3, .flags = ATOM, .item = &item_str),
    F("resourceNames", LIST, 4, .flags = ATOM, .item = &item_str),
    F("nonResourceURLs", LIST, 5, .flags = ATOM, .item = &item_str),
};

static const struct field F_rbac_v1_Role[] = {
    F("kind", STR, 0),
    F("apiVersion", STR, 0),
    F("metadata", OBJECT, 1, .flags = VAL, .type = &T[T_meta_v1_ObjectMeta]),
    F("rules", LIST, 2, .flags = KEEP|ATOM, .item = &item_rbac_v1_PolicyRule),
};

static const struct field F_rbac_v1_RoleBinding[] = {
    F("kind", STR, 0),
    F("apiVersion", STR, 0),
    F("metadata", OBJECT, 1, .flags = VAL, .type = &T[T_meta_v1_ObjectMeta]),
    F("subjects", LIST, 2, .flags = ATOM, .item = &item_rbac_v1_Subject),
    F("roleRef", OBJECT, 3, .flags = REQ|VAL, .type = &T[T_rbac_v1_RoleRef]),
};

static const struct field F_rbac_v1_RoleRef[] = {
    F("apiGroup", STR, 1, .flags = REQ|KEEP),
    F("kind", STR, 2, .flags = REQ|KEEP),
    F("name", STR, 3, .flags = REQ|KEEP),
};

static const struct field F_rbac_v1_Subject[] = {
    F("kind", STR, 1, .flags = REQ|KEEP),
    F("apiGroup", STR, 2),
    F("name", STR, 3, .flags = REQ|KEEP),
    F("namespace", STR, 4),
};

static const struct field F_scheduling_v1_PriorityClass[] = {
    F("kind", STR, 0),
    F("apiVersion", STR, 0),
    F("metadata", OBJECT, 1, .flags = VAL, .type = &T[T_meta_v1_ObjectMeta]),
    F("value", INT, 2, .flags = I32|REQ|KEEP),
    F("globalDefault", BOOL, 3),
    F("description", STR, 4),
    F("preemptionPolicy", STR, 5, .flags = PTR, .rules = &R[5]),
};

static const struct field F_storage_v1_CSIDriver[] = {
    F("kind", STR, 0),
    F("apiVersion", STR, 0),
    F("metadata", OBJECT, 1, .flags = VAL, .type = &T[T_meta_v1_ObjectMeta]),
    F("spec", OBJECT, 2, .flags = REQ|VAL, .type = &T[T_storage_v1_CSIDriverSpec]),
};

static const struct field F_storage_v1_CSIDriverSpec[] = {
    F("attachRequired", BOOL, 1, .flags = PTR),
    F("podInfoOnMount", BOOL, 2, .flags = PTR),
    F("volumeLifecycleModes", LIST, 3, .flags = SET, .item = &item_str_v1_VolumeLifecycleMode),
    F("storageCapacity", BOOL, 4, .flags = PTR),
    F("fsGroupPolicy", STR, 5, .flags = PTR, .rules = &R[47]),
    F("tokenRequests", LIST, 6, .flags = ATOM, .item = &item_storage_v1_TokenRequest),
    F("requiresRepublish", BOOL, 7, .flags = PTR),
    F("seLinuxMount", BOOL, 8, .flags = PTR),
};

static const struct field F_storage_v1_StorageClass[] = {
    F("kind", STR, 0),
    F("apiVersion", STR, 0),
    F("metadata", OBJECT, 1, .flags = VAL, .type = &T[T_meta_v1_ObjectMeta]),
    F("provisioner", STR, 2, .flags = REQ|KEEP),
    F("parameters", MAP, 3, .item = &item_str),
    F("reclaimPolicy", STR, 4, .flags = PTR, .rules = &R[2]),
    F("mountOptions", LIST, 5, .flags = ATOM, .item = &item_str),
    F("allowVolumeExpansion", BOOL, 6, .flags = PTR),
    F("volumeBindingMode", STR, 7, .flags = PTR, .rules = &R[3]),
    F("allowedTopologies", LIST, 8, .flags = ATOM, .item = &item_core_v1_TopologySelectorTerm),
};

static const struct field F_storage_v1_TokenRequest[] = {
    F("audience", STR, 1, .flags = REQ|KEEP),
    F("expirationSeconds", INT, 2, .flags = PTR),
};

static const struct field F_apiextensions_v1_CustomResourceColumnDefinition[] = {
    F("name", STR, 1, .flags = REQ|KEEP),
    F("type", STR, 2, .flags = REQ|KEEP),
    F("format", STR, 3),
    F("description", STR, 4),
    F("priority", INT, 5, .flags = I32),
    F("jsonPath", STR, 6, .flags = REQ|KEEP),
};

static const struct field F_apiextensions_v1_CustomResourceConversion[] = {
    F("strategy", STR, 1, .flags = REQ|KEEP, .rules = &R[104]),
    F("webhook", OBJECT, 2, .flags = PTR, .type = &T[T_apiextensions_v1_WebhookConversion]),
};

static const struct field F_apiextensions_v1_CustomResourceDefinition[] = {
    F("kind", STR, 0),
    F("apiVersion", STR, 0),
    F("metadata", OBJECT, 1, .flags = VAL, .type = &T[T_meta_v1_ObjectMeta]),
    F("spec", OBJECT, 2, .flags = REQ|VAL, .type = &T[T_apiextensions_v1_CustomResourceDefinitionSpec]),
    F("status", OBJECT, 3, .flags = VAL, .type = &T[T_apiextensions_v1_CustomResourceDefinitionStatus]),
};

static const struct field F_apiextensions_v1_CustomResourceDefinitionCondition[] = {
    F("type", STR, 1, .flags = REQ|KEEP, .rules = &R[105]),
    F("status", STR, 2, .flags = REQ|KEEP, .rules = &R[74]),
    F("lastTransitionTime", TIME, 3, .flags = VAL),
    F("reason", STR, 4),
    F("message", STR, 5),
};

static const struct field F_apiextensions_v1_CustomResourceDefinitionNames[] = {
    F("plural", STR, 1, .flags = REQ|KEEP),
    F("singular", STR, 2),
    F("shortNames", LIST, 3, .flags = ATOM, .item = &item_str),
    F("kind", STR, 4, .flags = REQ|KEEP),
    F("listKind", STR, 5),
    F("categories", LIST, 6, .flags = ATOM, .item = &item_str),
};

static const struct field F_apiextensions_v1_CustomResourceDefinitionSpec[] = {
    F("group", STR, 1, .flags = REQ|KEEP),
    F("names", OBJECT, 3, .flags = REQ|VAL, .type = &T[T_apiextensions_v1_CustomResourceDefinitionNames]),
    F("scope", STR, 4, .flags = REQ|KEEP, .rules = &R[43]),
    F("versions", LIST, 7, .flags = REQ|KEEP|ATOM, .item = &item_apiextensions_v1_CustomResourceDefinitionVersion),
    F("conversion", OBJECT, 9, .flags = PTR, .type = &T[T_apiextensions_v1_CustomResourceConversion]),
    F("preserveUnknownFields", BOOL, 10),
};

static const struct field F_apiextensions_v1_CustomResourceDefinitionStatus[] = {
    F("conditions", LIST, 1, .flags = KEEP|LMAP, .item = &item_apiextensions_v1_CustomResourceDefinitionCondition, .rules = &R[44]),
    F("acceptedNames", OBJECT, 2, .flags = VAL, .type = &T[T_apiextensions_v1_CustomResourceDefinitionNames]),
    F("storedVersions", LIST, 3, .flags = KEEP|ATOM, .item = &item_str),
};

static const struct field F_apiextensions_v1_CustomResourceDefinitionVersion[] = {
    F("name", STR, 1, .flags = REQ|KEEP),
    F("served", BOOL, 2, .flags = REQ|KEEP),
    F("storage", BOOL, 3, .flags = REQ|KEEP),
    F("deprecated", BOOL, 7),
    F("deprecationWarning", STR, 8, .flags = PTR),
    F("schema", OBJECT, 4, .flags = PTR, .type = &T[T_apiextensions_v1_CustomResourceValidation]),
    F("subresources", OBJECT, 5, .flags = PTR, .type = &T[T_apiextensions_v1_CustomResourceSubresources]),
    F("additionalPrinterColumns", LIST, 6, .flags = ATOM, .item = &item_apiextensions_v1_CustomResourceColumnDefinition),
    F("selectableFields", LIST, 9, .flags = ATOM, .item = &item_apiextensions_v1_SelectableField),
};

static const struct field F_apiextensions_v1_CustomResourceSubresourceScale[] = {
    F("specReplicasPath", STR, 1, .flags = REQ|KEEP),
    F("statusReplicasPath", STR, 2, .flags = REQ|KEEP),
    F("labelSelectorPath", STR, 3, .flags = PTR),
};

static const struct field F_apiextensions_v1_CustomResourceSubresources[] = {
    F("status", OBJECT, 1, .flags = PTR, .type = &T[T_apiextensions_v1_CustomResourceSubresourceStatus]),
    F("scale", OBJECT, 2, .flags = PTR, .type = &T[T_apiextensions_v1_CustomResourceSubresourceScale]),
};

static const struct field F_apiextensions_v1_CustomResourceValidation[] = {
    F("openAPIV3Schema", OBJECT, 1, .flags = PTR, .type = &T[T_apiextensions_v1_JSONSchemaProps]),
};

static const struct field F_apiextensions_v1_ExternalDocumentation[] = {
    F("description", STR, 1),
    F("url", STR, 2),
};

static const struct field F_apiextensions_v1_JSONSchemaProps[] = {
    F("id", STR, 1),
    F("$schema", STR, 2, .rules = &R[127]),
    F("$ref", STR, 3, .flags = PTR),
    F("description", STR, 4),
    F("type", STR, 5),
    F("format", STR, 6),
    F("title", STR, 7),
    F("default", ANY, 8, .flags = PTR),
    F("maximum", NUM, 9, .flags = PTR),
    F("exclusiveMaximum", BOOL, 10),
    F("minimum", NUM, 11, .flags = PTR),
    F("exclusiveMinimum", BOOL, 12),
    F("maxLength", INT, 13, .flags = PTR),
    F("minLength", INT, 14, .flags = PTR),
    F("pattern", STR, 15),
    F("maxItems", INT, 16, .flags = PTR),
    F("minItems", INT, 17, .flags = PTR),
    F("uniqueItems", BOOL, 18),
    F("multipleOf", NUM, 19, .flags = PTR),
    F("enum", LIST, 20, .flags = ATOM, .item = &item_any),
    F("maxProperties", INT, 21, .flags = PTR),
    F("minProperties", INT, 22, .flags = PTR),
    F("required", LIST, 23, .flags = ATOM, .item = &item_str),
    F("items", OBJECT, 24, .flags = PTR, .type = &T[T_apiextensions_v1_JSONSchemaProps]),
    F("allOf", LIST, 25, .flags = ATOM, .item = &item_apiextensions_v1_JSONSchemaProps),
    F("oneOf", LIST, 26, .flags = ATOM, .item = &item_apiextensions_v1_JSONSchemaProps),
    F("anyOf", LIST, 27, .flags = ATOM, .item = &item_apiextensions_v1_JSONSchemaProps),
    F("not", OBJECT, 28, .flags = PTR, .type = &T[T_apiextensions_v1_JSONSchemaProps]),
    F("properties", MAP, 29, .item = &item_apiextensions_v1_JSONSchemaProps),
    F("additionalProperties", ANY, 30, .flags = PTR),
    F("patternProperties", MAP, 31, .item = &item_apiextensions_v1_JSONSchemaProps),
    F("dependencies", MAP, 32, .item = &item_any, .rules = &R[128]),
    F("additionalItems", ANY, 33, .flags = PTR),
    F("definitions", MAP, 34, .item = &item_apiextensions_v1_JSONSchemaProps, .rules = &R[129]),
    F("externalDocs", OBJECT, 35, .flags = PTR, .type = &T[T_apiextensions_v1_ExternalDocumentation]),
    F("example", ANY, 36, .flags = PTR),
    F("nullable", BOOL, 37),
    F("x-kubernetes-preserve-unknown-fields", BOOL, 38, .flags = PTR),
    F("x-kubernetes-embedded-resource", BOOL, 39),
    F("x-kubernetes-int-or-string", BOOL, 40),
    F("x-kubernetes-list-map-keys", LIST, 41, .flags = ATOM, .item = &item_str),
    F("x-kubernetes-list-type", STR, 42, .flags = PTR),
    F("x-kubernetes-map-type", STR, 43, .flags = PTR),
    F("x-kubernetes-validations", LIST, 44, .flags = LMAP|MERGE, .item = &item_apiextensions_v1_ValidationRule, .rules = &R[131]),
};

static const struct field F_apiextensions_v1_SelectableField[] = {
    F("jsonPath", STR, 1, .flags = REQ|KEEP),
};

static const struct field F_apiextensions_v1_ServiceReference[] = {
    F("namespace", STR, 1, .flags = REQ|KEEP),
    F("name", STR, 2, .flags = REQ|KEEP),
    F("path", STR, 3, .flags = PTR),
    F("port", INT, 4, .flags = I32|PTR),
};

static const struct field F_apiextensions_v1_ValidationRule[] = {
    F("rule", STR, 1, .flags = REQ|KEEP),
    F("message", STR, 2),
    F("messageExpression", STR, 3),
    F("reason", STR, 4, .flags = PTR, .rules = &R[135]),
    F("fieldPath", STR, 5),
    F("optionalOldSelf", BOOL, 6, .flags = PTR),
};

static const struct field F_apiextensions_v1_WebhookClientConfig[] = {
    F("url", STR, 3, .flags = PTR),
    F("service", OBJECT, 1, .flags = PTR, .type = &T[T_apiextensions_v1_ServiceReference]),
    F("caBundle", BYTES, 2),
};

static const struct field F_apiextensions_v1_WebhookConversion[] = {
    F("clientConfig", OBJECT, 2, .flags = PTR, .type = &T[T_apiextensions_v1_WebhookClientConfig]),
    F("conversionReviewVersions", LIST, 3, .flags = REQ|KEEP|ATOM, .item = &item_str),
};

static const struct field F_meta_v1_Condition[] = {
    F("type", STR, 1, .flags = REQ|KEEP),
    F("status", STR, 2, .flags = REQ|KEEP, .rules = &R[74]),
    F("observedGeneration", INT, 3),
    F("lastTransitionTime", TIME, 4, .flags = REQ|VAL),
    F("reason", STR, 5, .flags = REQ|KEEP),
    F("message", STR, 6, .flags = REQ|KEEP),
};

static const struct field F_meta_v1_DeleteOptions[] = {
    F("kind", STR, 0),
    F("apiVersion", STR, 0),
    F("gracePeriodSeconds", INT, 1, .flags = PTR),
    F("preconditions", OBJECT, 2, .flags = PTR, .type = &T[T_meta_v1_Preconditions]),
    F("orphanDependents", BOOL, 3, .flags = PTR),
    F("propagationPolicy", STR, 4, .flags = PTR, .rules = &R[7]),
    F("dryRun", LIST, 5, .flags = ATOM, .item = &item_str),
    F("ignoreStoreReadErrorWithClusterBreakingPotential", BOOL, 6, .flags = PTR),
};

static const struct field F_meta_v1_FieldSelectorRequirement[] = {
    F("key", STR, 1, .flags = REQ|KEEP),
    F("operator", STR, 2, .flags = REQ|KEEP, .rules = &R[132]),
    F("values", LIST, 3, .flags = ATOM, .item = &item_str),
};

static const struct field F_meta_v1_GroupVersionKind[] = {
    F("group", STR, 1, .flags = KEEP),
    F("version", STR, 2, .flags = KEEP),
    F("kind", STR, 3, .flags = KEEP),
};

static const struct field F_meta_v1_GroupVersionResource[] = {
    F("group", STR, 1, .flags = KEEP),
    F("version", STR, 2, .flags = KEEP),
    F("resource", STR, 3, .flags = KEEP),
};

static const struct field F_meta_v1_LabelSelector[] = {
    F("matchLabels", MAP, 1, .item = &item_str),
    F("matchExpressions", LIST, 2, .flags = ATOM, .item = &item_meta_v1_LabelSelectorRequirement),
};

static const struct field F_meta_v1_LabelSelectorRequirement[] = {
    F("key", STR, 1, .flags = REQ|KEEP),
    F("operator", STR, 2, .flags = REQ|KEEP, .rules = &R[119]),
    F("values", LIST, 3, .flags = ATOM, .item = &item_str),
};

static const struct field F_meta_v1_ListMeta[] = {
    F("selfLink", STR, 1),
    F("resourceVersion", STR, 2),
    F("continue", STR, 3),
    F("remainingItemCount", INT, 4, .flags = PTR),
};

static const struct field F_meta_v1_ManagedFieldsEntry[] = {
    F("manager", STR, 1),
    F("operation", STR, 2, .rules = &R[57]),
    F("apiVersion", STR, 3),
    F("time", TIME, 4, .flags = PTR),
    F("fieldsType", STR, 6),
    F("fieldsV1", ANY, 7, .flags = PTR),
    F("subresource", STR, 8),
};

static const struct field F_meta_v1_ObjectMeta[] = {
    F("name", STR, 1),
    F("generateName", STR, 2),
    F("namespace", STR, 3),
    F("selfLink", STR, 4),
    F("uid", STR, 5, .rules = &R[8]),
    F("resourceVersion", STR, 6),
    F("generation", INT, 7),
    F("creationTimestamp", TIME, 8, .flags = VAL),
    F("deletionTimestamp", TIME, 9, .flags = PTR),
    F("deletionGracePeriodSeconds", INT, 10, .flags = PTR),
    F("labels", MAP, 11, .item = &item_str),
    F("annotations", MAP, 12, .item = &item_str),
    F("ownerReferences", LIST, 13, .flags = LMAP|MERGE, .item = &item_meta_v1_OwnerReference, .rules = &R[9]),
    F("finalizers", LIST, 14, .flags = SET|MERGE, .item = &item_str),
    F("managedFields", LIST, 17, .flags = ATOM, .item = &item_meta_v1_ManagedFieldsEntry),
};

static const struct field F_meta_v1_OwnerReference[] = {
    F("apiVersion", STR, 5, .flags = REQ|KEEP),
    F("kind", STR, 1, .flags = REQ|KEEP),
    F("name", STR, 3, .flags = REQ|KEEP),
    F("uid", STR, 4, .flags = REQ|KEEP, .rules = &R[8]),
    F("controller", BOOL, 6, .flags = PTR),
    F("blockOwnerDeletion", BOOL, 7, .flags = PTR),
};

static const struct field F_meta_v1_PartialObjectMetadata[] = {
    F("kind", STR, 0),
    F("apiVersion", STR, 0),
    F("metadata", OBJECT, 1, .flags = VAL, .type = &T[T_meta_v1_ObjectMeta]),
};

static const struct field F_meta_v1_Preconditions[] = {
    F("uid", STR, 1, .flags = PTR, .rules = &R[8]),
    F("resourceVersion", STR, 2, .flags = PTR),
};

static const struct field F_meta_v1_Status[] = {
    F("kind", STR, 0),
    F("apiVersion", STR, 0),
    F("metadata", OBJECT, 1, .flags = VAL, .type = &T[T_meta_v1_ListMeta]),
    F("status", STR, 2),
    F("message", STR, 3),
    F("reason", STR, 4, .rules = &R[6]),
    F("details", OBJECT, 5, .flags = PTR|ATOM, .type = &T[T_meta_v1_StatusDetails]),
    F("code", INT, 6, .flags = I32),
};

static const struct field F_meta_v1_StatusCause[] = {
    F("reason", STR, 1, .rules = &R[108]),
    F("message", STR, 2),
    F("field", STR, 3),
};

static const struct field F_meta_v1_StatusDetails[] = {
    F("name", STR, 1),
    F("group", STR, 2),
    F("kind", STR, 3),
    F("uid", STR, 6, .rules = &R[8]),
    F("causes", LIST, 4, .flags = ATOM, .item = &item_meta_v1_StatusCause),
    F("retryAfterSeconds", INT, 5, .flags = I32),
};

static const struct type T[T_COUNT] = {
    [T_admission_v1_AdmissionRequest] = { .name = "io.k8s.api.admission.v1.AdmissionRequest", LIST_OF(F_admission_v1_AdmissionRequest), .flags = TYPE_BUILTIN },
    [T_admission_v1_AdmissionResponse] = { .name = "io.k8s.api.admission.v1.AdmissionResponse", LIST_OF(F_admission_v1_AdmissionResponse), .flags = TYPE_BUILTIN },
    [T_admission_v1_AdmissionReview] = { .name = "io.k8s.api.admission.v1.AdmissionReview", LIST_OF(F_admission_v1_AdmissionReview), .flags = TYPE_BUILTIN|TYPE_ROOT, .group = "admission.k8s.io", .version = "v1", .kind = "AdmissionReview" },
    [T_admissionregistration_v1_MatchCondition] = { .name = "io.k8s.api.admissionregistration.v1.MatchCondition", LIST_OF(F_admissionregistration_v1_MatchCondition), .flags = TYPE_BUILTIN },
    [T_admissionregistration_v1_MutatingWebhook] = { .name = "io.k8s.api.admissionregistration.v1.MutatingWebhook", LIST_OF(F_admissionregistration_v1_MutatingWebhook), .flags = TYPE_BUILTIN },
    [T_admissionregistration_v1_MutatingWebhookConfiguration] = { .name = "io.k8s.api.admissionregistration.v1.MutatingWebhookConfiguration", LIST_OF(F_admissionregistration_v1_MutatingWebhookConfiguration), .flags = TYPE_BUILTIN|TYPE_ROOT, .group = "admissionregistration.k8s.io", .version = "v1", .kind = "MutatingWebhookConfiguration" },
    [T_admissionregistration_v1_Rule] = { .name = "io.k8s.api.admissionregistration.v1.Rule", LIST_OF(F_admissionregistration_v1_Rule), .flags = TYPE_BUILTIN },
    [T_admissionregistration_v1_RuleWithOperations] = { .name = "io.k8s.api.admissionregistration.v1.RuleWithOperations", LIST_OF(F_admissionregistration_v1_RuleWithOperations), .flags = TYPE_BUILTIN },
    [T_admissionregistration_v1_ServiceReference] = { .name = "io.k8s.api.admissionregistration.v1.ServiceReference", LIST_OF(F_admissionregistration_v1_ServiceReference), .flags = TYPE_BUILTIN },
    [T_admissionregistration_v1_ValidatingWebhook] = { .name = "io.k8s.api.admissionregistration.v1.ValidatingWebhook", LIST_OF(F_admissionregistration_v1_ValidatingWebhook), .flags = TYPE_BUILTIN },
    [T_admissionregistration_v1_ValidatingWebhookConfiguration] = { .name = "io.k8s.api.admissionregistration.v1.ValidatingWebhookConfiguration", LIST_OF(F_admissionregistration_v1_ValidatingWebhookConfiguration), .flags = TYPE_BUILTIN|TYPE_ROOT, .group = "admissionregistration.k8s.io", .version = "v1", .kind = "ValidatingWebhookConfiguration" },
    [T_admissionregistration_v1_WebhookClientConfig] = { .name = "io.k8s.api.admissionregistration.v1.WebhookClientConfig", LIST_OF(F_admissionregistration_v1_WebhookClientConfig), .flags = TYPE_BUILTIN },
    [T_apps_v1_ControllerRevision] = { .name = "io.k8s.api.apps.v1.ControllerRevision", LIST_OF(F_apps_v1_ControllerRevision), .flags = TYPE_BUILTIN|TYPE_ROOT, .group = "apps", .version = "v1", .kind = "ControllerRevision" },
    [T_apps_v1_DaemonSet] = { .name = "io.k8s.api.apps.v1.DaemonSet", LIST_OF(F_apps_v1_DaemonSet), .flags = TYPE_BUILTIN|TYPE_ROOT, .group = "apps", .version = "v1", .kind = "DaemonSet" },
    [T_apps_v1_DaemonSetCondition] = { .name = "io.k8s.api.apps.v1.DaemonSetCondition", LIST_OF(F_apps_v1_DaemonSetCondition), .flags = TYPE_BUILTIN },
    [T_apps_v1_DaemonSetSpec] = { .name = "io.k8s.api.apps.v1.DaemonSetSpec", LIST_OF(F_apps_v1_DaemonSetSpec), .flags = TYPE_BUILTIN },
    [T_apps_v1_DaemonSetStatus] = { .name = "io.k8s.api.apps.v1.DaemonSetStatus", LIST_OF(F_apps_v1_DaemonSetStatus), .flags = TYPE_BUILTIN },
    [T_apps_v1_DaemonSetUpdateStrategy] = { .name = "io.k8s.api.apps.v1.DaemonSetUpdateStrategy", LIST_OF(F_apps_v1_DaemonSetUpdateStrategy), .flags = TYPE_BUILTIN },
    [T_apps_v1_Deployment] = { .name = "io.k8s.api.apps.v1.Deployment", LIST_OF(F_apps_v1_Deployment), .flags = TYPE_BUILTIN|TYPE_ROOT, .group = "apps", .version = "v1", .kind = "Deployment" },
    [T_apps_v1_DeploymentCondition] = { .name = "io.k8s.api.apps.v1.DeploymentCondition", LIST_OF(F_apps_v1_DeploymentCondition), .flags = TYPE_BUILTIN },
    [T_apps_v1_DeploymentSpec] = { .name = "io.k8s.api.apps.v1.DeploymentSpec", LIST_OF(F_apps_v1_DeploymentSpec), .flags = TYPE_BUILTIN },
    [T_apps_v1_DeploymentStatus] = { .name = "io.k8s.api.apps.v1.DeploymentStatus", LIST_OF(F_apps_v1_DeploymentStatus), .flags = TYPE_BUILTIN },
    [T_apps_v1_DeploymentStrategy] = { .name = "io.k8s.api.apps.v1.DeploymentStrategy", LIST_OF(F_apps_v1_DeploymentStrategy), .flags = TYPE_BUILTIN },
    [T_apps_v1_ReplicaSet] = { .name = "io.k8s.api.apps.v1.ReplicaSet", LIST_OF(F_apps_v1_ReplicaSet), .flags = TYPE_BUILTIN|TYPE_ROOT, .group = "apps", .version = "v1", .kind = "ReplicaSet" },
    [T_apps_v1_ReplicaSetCondition] = { .name = "io.k8s.api.apps.v1.ReplicaSetCondition", LIST_OF(F_apps_v1_ReplicaSetCondition), .flags = TYPE_BUILTIN },
    [T_apps_v1_ReplicaSetSpec] = { .name = "io.k8s.api.apps.v1.ReplicaSetSpec", LIST_OF(F_apps_v1_ReplicaSetSpec), .flags = TYPE_BUILTIN },
    [T_apps_v1_ReplicaSetStatus] = { .name = "io.k8s.api.apps.v1.ReplicaSetStatus", LIST_OF(F_apps_v1_ReplicaSetStatus), .flags = TYPE_BUILTIN },
    [T_apps_v1_RollingUpdateDaemonSet] = { .name = "io.k8s.api.apps.v1.RollingUpdateDaemonSet", LIST_OF(F_apps_v1_RollingUpdateDaemonSet), .flags = TYPE_BUILTIN },
    [T_apps_v1_RollingUpdateDeployment] = { .name = "io.k8s.api.apps.v1.RollingUpdateDeployment", LIST_OF(F_apps_v1_RollingUpdateDeployment), .flags = TYPE_BUILTIN },
    [T_apps_v1_RollingUpdateStatefulSetStrategy] = { .name = "io.k8s.api.apps.v1.RollingUpdateStatefulSetStrategy", LIST_OF(F_apps_v1_RollingUpdateStatefulSetStrategy), .flags = TYPE_BUILTIN },
    [T_apps_v1_StatefulSet] = { .name = "io.k8s.api.apps.v1.StatefulSet", LIST_OF(F_apps_v1_StatefulSet), .flags = TYPE_BUILTIN|TYPE_ROOT, .group = "apps", .version = "v1", .kind = "StatefulSet" },
    [T_apps_v1_StatefulSetCondition] = { .name = "io.k8s.api.apps.v1.StatefulSetCondition", LIST_OF(F_apps_v1_StatefulSetCondition), .flags = TYPE_BUILTIN },
    [T_apps_v1_StatefulSetOrdinals] = { .name = "io.k8s.api.apps.v1.StatefulSetOrdinals", LIST_OF(F_apps_v1_StatefulSetOrdinals), .flags = TYPE_BUILTIN },
    [T_apps_v1_StatefulSetPersistentVolumeClaimRetentionPolicy] = { .name = "io.k8s.api.apps.v1.StatefulSetPersistentVolumeClaimRetentionPolicy", LIST_OF(F_apps_v1_StatefulSetPersistentVolumeClaimRetentionPolicy), .flags = TYPE_BUILTIN },
    [T_apps_v1_StatefulSetSpec] = { .name = "io.k8s.api.apps.v1.StatefulSetSpec", LIST_OF(F_apps_v1_StatefulSetSpec), .flags = TYPE_BUILTIN },
    [T_apps_v1_StatefulSetStatus] = { .name = "io.k8s.api.apps.v1.StatefulSetStatus", LIST_OF(F_apps_v1_StatefulSetStatus), .flags = TYPE_BUILTIN },
    [T_apps_v1_StatefulSetUpdateStrategy] = { .name = "io.k8s.api.apps.v1.StatefulSetUpdateStrategy", LIST_OF(F_apps_v1_StatefulSetUpdateStrategy), .flags = TYPE_BUILTIN },
    [T_authentication_v1_BoundObjectReference] = { .name = "io.k8s.api.authentication.v1.BoundObjectReference", LIST_OF(F_authentication_v1_BoundObjectReference), .flags = TYPE_BUILTIN },
    [T_authentication_v1_SelfSubjectReview] = { .name = "io.k8s.api.authentication.v1.SelfSubjectReview", LIST_OF(F_authentication_v1_SelfSubjectReview), .flags = TYPE_BUILTIN|TYPE_ROOT, .group = "authentication.k8s.io", .version = "v1", .kind = "SelfSubjectReview" },
    [T_authentication_v1_SelfSubjectReviewStatus] = { .name = "io.k8s.api.authentication.v1.SelfSubjectReviewStatus", LIST_OF(F_authentication_v1_SelfSubjectReviewStatus), .flags = TYPE_BUILTIN },
    [T_authentication_v1_TokenRequest] = { .name = "io.k8s.api.authentication.v1.TokenRequest", LIST_OF(F_authentication_v1_TokenRequest), .flags = TYPE_BUILTIN|TYPE_ROOT, .group = "authentication.k8s.io", .version = "v1", .kind = "TokenRequest" },
    [T_authentication_v1_TokenRequestSpec] = { .name = "io.k8s.api.authentication.v1.TokenRequestSpec", LIST_OF(F_authentication_v1_TokenRequestSpec), .flags = TYPE_BUILTIN },
    [T_authentication_v1_TokenRequestStatus] = { .name = "io.k8s.api.authentication.v1.TokenRequestStatus", LIST_OF(F_authentication_v1_TokenRequestStatus), .flags = TYPE_BUILTIN },
    [T_authentication_v1_TokenReview] = { .name = "io.k8s.api.authentication.v1.TokenReview", LIST_OF(F_authentication_v1_TokenReview), .flags = TYPE_BUILTIN|TYPE_ROOT, .group = "authentication.k8s.io", .version = "v1", .kind = "TokenReview" },
    [T_authentication_v1_TokenReviewSpec] = { .name = "io.k8s.api.authentication.v1.TokenReviewSpec", LIST_OF(F_authentication_v1_TokenReviewSpec), .flags = TYPE_BUILTIN },
    [T_authentication_v1_TokenReviewStatus] = { .name = "io.k8s.api.authentication.v1.TokenReviewStatus", LIST_OF(F_authentication_v1_TokenReviewStatus), .flags = TYPE_BUILTIN },
    [T_authentication_v1_UserInfo] = { .name = "io.k8s.api.authentication.v1.UserInfo", LIST_OF(F_authentication_v1_UserInfo), .flags = TYPE_BUILTIN },
    [T_authorization_v1_FieldSelectorAttributes] = { .name = "io.k8s.api.authorization.v1.FieldSelectorAttributes", LIST_OF(F_authorization_v1_FieldSelectorAttributes), .flags = TYPE_BUILTIN },
    [T_authorization_v1_LabelSelectorAttributes] = { .name = "io.k8s.api.authorization.v1.LabelSelectorAttributes", LIST_OF(F_authorization_v1_LabelSelectorAttributes), .flags = TYPE_BUILTIN },
    [T_authorization_v1_LocalSubjectAccessReview] = { .name = "io.k8s.api.authorization.v1.LocalSubjectAccessReview", LIST_OF(F_authorization_v1_LocalSubjectAccessReview), .flags = TYPE_BUILTIN|TYPE_ROOT, .group = "authorization.k8s.io", .version = "v1", .kind = "LocalSubjectAccessReview" },
    [T_authorization_v1_NonResourceAttributes] = { .name = "io.k8s.api.authorization.v1.NonResourceAttributes", LIST_OF(F_authorization_v1_NonResourceAttributes), .flags = TYPE_BUILTIN },
    [T_authorization_v1_NonResourceRule] = { .name = "io.k8s.api.authorization.v1.NonResourceRule", LIST_OF(F_authorization_v1_NonResourceRule), .flags = TYPE_BUILTIN },
    [T_authorization_v1_ResourceAttributes] = { .name = "io.k8s.api.authorization.v1.ResourceAttributes", LIST_OF(F_authorization_v1_ResourceAttributes), .flags = TYPE_BUILTIN },
    [T_authorization_v1_ResourceRule] = { .name = "io.k8s.api.authorization.v1.ResourceRule", LIST_OF(F_authorization_v1_ResourceRule), .flags = TYPE_BUILTIN },
    [T_authorization_v1_SelfSubjectAccessReview] = { .name = "io.k8s.api.authorization.v1.SelfSubjectAccessReview", LIST_OF(F_authorization_v1_SelfSubjectAccessReview), .flags = TYPE_BUILTIN|TYPE_ROOT, .group = "authorization.k8s.io", .version = "v1", .kind = "SelfSubjectAccessReview" },
    [T_authorization_v1_SelfSubjectAccessReviewSpec] = { .name = "io.k8s.api.authorization.v1.SelfSubjectAccessReviewSpec", LIST_OF(F_authorization_v1_SelfSubjectAccessReviewSpec), .flags = TYPE_BUILTIN },
    [T_authorization_v1_SelfSubjectRulesReview] = { .name = "io.k8s.api.authorization.v1.SelfSubjectRulesReview", LIST_OF(F_authorization_v1_SelfSubjectRulesReview), .flags = TYPE_BUILTIN|TYPE_ROOT, .group = "authorization.k8s.io", .version = "v1", .kind = "SelfSubjectRulesReview" },
    [T_authorization_v1_SelfSubjectRulesReviewSpec] = { .name = "io.k8s.api.authorization.v1.SelfSubjectRulesReviewSpec", LIST_OF(F_authorization_v1_SelfSubjectRulesReviewSpec), .flags = TYPE_BUILTIN },
    [T_authorization_v1_SubjectAccessReview] = { .name = "io.k8s.api.authorization.v1.SubjectAccessReview", LIST_OF(F_authorization_v1_SubjectAccessReview), .flags = TYPE_BUILTIN|TYPE_ROOT, .group = "authorization.k8s.io", .version = "v1", .kind = "SubjectAccessReview" },
    [T_authorization_v1_SubjectAccessReviewSpec] = { .name = "io.k8s.api.authorization.v1.SubjectAccessReviewSpec", LIST_OF(F_authorization_v1_SubjectAccessReviewSpec), .flags = TYPE_BUILTIN },
    [T_authorization_v1_SubjectAccessReviewStatus] = { .name = "io.k8s.api.authorization.v1.SubjectAccessReviewStatus", LIST_OF(F_authorization_v1_SubjectAccessReviewStatus), .flags = TYPE_BUILTIN },
    [T_authorization_v1_SubjectRulesReviewStatus] = { .name = "io.k8s.api.authorization.v1.SubjectRulesReviewStatus", LIST_OF(F_authorization_v1_SubjectRulesReviewStatus), .flags = TYPE_BUILTIN },
    [T_autoscaling_v1_CrossVersionObjectReference] = { .name = "io.k8s.api.autoscaling.v1.CrossVersionObjectReference", LIST_OF(F_autoscaling_v1_CrossVersionObjectReference), .flags = TYPE_BUILTIN|TYPE_ATOMIC },
    [T_autoscaling_v1_HorizontalPodAutoscaler] = { .name = "io.k8s.api.autoscaling.v1.HorizontalPodAutoscaler", LIST_OF(F_autoscaling_v1_HorizontalPodAutoscaler), .flags = TYPE_BUILTIN|TYPE_ROOT, .group = "autoscaling", .version = "v1", .kind = "HorizontalPodAutoscaler" },
    [T_autoscaling_v1_HorizontalPodAutoscalerSpec] = { .name = "io.k8s.api.autoscaling.v1.HorizontalPodAutoscalerSpec", LIST_OF(F_autoscaling_v1_HorizontalPodAutoscalerSpec), .flags = TYPE_BUILTIN },
    [T_autoscaling_v1_HorizontalPodAutoscalerStatus] = { .name = "io.k8s.api.autoscaling.v1.HorizontalPodAutoscalerStatus", LIST_OF(F_autoscaling_v1_HorizontalPodAutoscalerStatus), .flags = TYPE_BUILTIN },
    [T_autoscaling_v1_Scale] = { .name = "io.k8s.api.autoscaling.v1.Scale", LIST_OF(F_autoscaling_v1_Scale), .flags = TYPE_BUILTIN|TYPE_ROOT, .group = "autoscaling", .version = "v1", .kind = "Scale" },
    [T_autoscaling_v1_ScaleSpec] = { .name = "io.k8s.api.autoscaling.v1.ScaleSpec", LIST_OF(F_autoscaling_v1_ScaleSpec), .flags = TYPE_BUILTIN },
    [T_autoscaling_v1_ScaleStatus] = { .name = "io.k8s.api.autoscaling.v1.ScaleStatus", LIST_OF(F_autoscaling_v1_ScaleStatus), .flags = TYPE_BUILTIN },
    [T_batch_v1_CronJob] = { .name = "io.k8s.api.batch.v1.CronJob", LIST_OF(F_batch_v1_CronJob), .flags = TYPE_BUILTIN|TYPE_ROOT, .group = "batch", .version = "v1", .kind = "CronJob" },
    [T_batch_v1_CronJobSpec] = { .name = "io.k8s.api.batch.v1.CronJobSpec", LIST_OF(F_batch_v1_CronJobSpec), .flags = TYPE_BUILTIN },
    [T_batch_v1_CronJobStatus] = { .name = "io.k8s.api.batch.v1.CronJobStatus", LIST_OF(F_batch_v1_CronJobStatus), .flags = TYPE_BUILTIN },
    [T_batch_v1_Job] = { .name = "io.k8s.api.batch.v1.Job", LIST_OF(F_batch_v1_Job), .flags = TYPE_BUILTIN|TYPE_ROOT, .group = "batch", .version = "v1", .kind = "Job" },
    [T_batch_v1_JobCondition] = { .name = "io.k8s.api.batch.v1.JobCondition", LIST_OF(F_batch_v1_JobCondition), .flags = TYPE_BUILTIN },
    [T_batch_v1_JobSpec] = { .name = "io.k8s.api.batch.v1.JobSpec", LIST_OF(F_batch_v1_JobSpec), .flags = TYPE_BUILTIN },
    [T_batch_v1_JobStatus] = { .name = "io.k8s.api.batch.v1.JobStatus", LIST_OF(F_batch_v1_JobStatus), .flags = TYPE_BUILTIN },
    [T_batch_v1_JobTemplateSpec] = { .name = "io.k8s.api.batch.v1.JobTemplateSpec", LIST_OF(F_batch_v1_JobTemplateSpec), .flags = TYPE_BUILTIN },
    [T_batch_v1_PodFailurePolicy] = { .name = "io.k8s.api.batch.v1.PodFailurePolicy", LIST_OF(F_batch_v1_PodFailurePolicy), .flags = TYPE_BUILTIN },
    [T_batch_v1_PodFailurePolicyOnExitCodesRequirement] = { .name = "io.k8s.api.batch.v1.PodFailurePolicyOnExitCodesRequirement", LIST_OF(F_batch_v1_PodFailurePolicyOnExitCodesRequirement), .flags = TYPE_BUILTIN },
    [T_batch_v1_PodFailurePolicyOnPodConditionsPattern] = { .name = "io.k8s.api.batch.v1.PodFailurePolicyOnPodConditionsPattern", LIST_OF(F_batch_v1_PodFailurePolicyOnPodConditionsPattern), .flags = TYPE_BUILTIN },
    [T_batch_v1_PodFailurePolicyRule] = { .name = "io.k8s.api.batch.v1.PodFailurePolicyRule", LIST_OF(F_batch_v1_PodFailurePolicyRule), .flags = TYPE_BUILTIN },
    [T_batch_v1_SuccessPolicy] = { .name = "io.k8s.api.batch.v1.SuccessPolicy", LIST_OF(F_batch_v1_SuccessPolicy), .flags = TYPE_BUILTIN },
    [T_batch_v1_SuccessPolicyRule] = { .name = "io.k8s.api.batch.v1.SuccessPolicyRule", LIST_OF(F_batch_v1_SuccessPolicyRule), .flags = TYPE_BUILTIN },
    [T_batch_v1_UncountedTerminatedPods] = { .name = "io.k8s.api.batch.v1.UncountedTerminatedPods", LIST_OF(F_batch_v1_UncountedTerminatedPods), .flags = TYPE_BUILTIN },
    [T_coordination_v1_Lease] = { .name = "io.k8s.api.coordination.v1.Lease", LIST_OF(F_coordination_v1_Lease), .flags = TYPE_BUILTIN|TYPE_ROOT, .group = "coordination.k8s.io", .version = "v1", .kind = "Lease" },
    [T_coordination_v1_LeaseSpec] = { .name = "io.k8s.api.coordination.v1.LeaseSpec", LIST_OF(F_coordination_v1_LeaseSpec), .flags = TYPE_BUILTIN },
    [T_core_v1_AWSElasticBlockStoreVolumeSource] = { .name = "io.k8s.api.core.v1.AWSElasticBlockStoreVolumeSource", LIST_OF(F_core_v1_AWSElasticBlockStoreVolumeSource), .flags = TYPE_BUILTIN },
    [T_core_v1_Affinity] = { .name = "io.k8s.api.core.v1.Affinity", LIST_OF(F_core_v1_Affinity), .flags = TYPE_BUILTIN },
    [T_core_v1_AppArmorProfile] = { .name = "io.k8s.api.core.v1.AppArmorProfile", LIST_OF(F_core_v1_AppArmorProfile), .flags = TYPE_BUILTIN },
    [T_core_v1_AttachedVolume] = { .name = "io.k8s.api.core.v1.AttachedVolume", LIST_OF(F_core_v1_AttachedVolume), .flags = TYPE_BUILTIN },
    [T_core_v1_AzureDiskVolumeSource] = { .name = "io.k8s.api.core.v1.AzureDiskVolumeSource", LIST_OF(F_core_v1_AzureDiskVolumeSource), .flags = TYPE_BUILTIN },
    [T_core_v1_AzureFilePersistentVolumeSource] = { .name = "io.k8s.api.core.v1.AzureFilePersistentVolumeSource", LIST_OF(F_core_v1_AzureFilePersistentVolumeSource), .flags = TYPE_BUILTIN },
    [T_core_v1_AzureFileVolumeSource] = { .name = "io.k8s.api.core.v1.AzureFileVolumeSource", LIST_OF(F_core_v1_AzureFileVolumeSource), .flags = TYPE_BUILTIN },
    [T_core_v1_Binding] = { .name = "io.k8s.api.core.v1.Binding", LIST_OF(F_core_v1_Binding), .flags = TYPE_BUILTIN|TYPE_ROOT, .group = "", .version = "v1", .kind = "Binding" },
    [T_core_v1_CSIPersistentVolumeSource] = { .name = "io.k8s.api.core.v1.CSIPersistentVolumeSource", LIST_OF(F_core_v1_CSIPersistentVolumeSource), .flags = TYPE_BUILTIN },
    [T_core_v1_CSIVolumeSource] = { .name = "io.k8s.api.core.v1.CSIVolumeSource", LIST_OF(F_core_v1_CSIVolumeSource), .flags = TYPE_BUILTIN },
    [T_core_v1_Capabilities] = { .name = "io.k8s.api.core.v1.Capabilities", LIST_OF(F_core_v1_Capabilities), .flags = TYPE_BUILTIN },
    [T_core_v1_CephFSPersistentVolumeSource] = { .name = "io.k8s.api.core.v1.CephFSPersistentVolumeSource", LIST_OF(F_core_v1_CephFSPersistentVolumeSource), .flags = TYPE_BUILTIN },
    [T_core_v1_CephFSVolumeSource] = { .name = "io.k8s.api.core.v1.CephFSVolumeSource", LIST_OF(F_core_v1_CephFSVolumeSource), .flags = TYPE_BUILTIN },
    [T_core_v1_CinderPersistentVolumeSource] = { .name = "io.k8s.api.core.v1.CinderPersistentVolumeSource", LIST_OF(F_core_v1_CinderPersistentVolumeSource), .flags = TYPE_BUILTIN },
    [T_core_v1_CinderVolumeSource] = { .name = "io.k8s.api.core.v1.CinderVolumeSource", LIST_OF(F_core_v1_CinderVolumeSource), .flags = TYPE_BUILTIN },
    [T_core_v1_ClientIPConfig] = { .name = "io.k8s.api.core.v1.ClientIPConfig", LIST_OF(F_core_v1_ClientIPConfig), .flags = TYPE_BUILTIN },
    [T_core_v1_ClusterTrustBundleProjection] = { .name = "io.k8s.api.core.v1.ClusterTrustBundleProjection", LIST_OF(F_core_v1_ClusterTrustBundleProjection), .flags = TYPE_BUILTIN },
    [T_core_v1_ConfigMap] = { .name = "io.k8s.api.core.v1.ConfigMap", LIST_OF(F_core_v1_ConfigMap), .flags = TYPE_BUILTIN|TYPE_ROOT, .group = "", .version = "v1", .kind = "ConfigMap" },
    [T_core_v1_ConfigMapEnvSource] = { .name = "io.k8s.api.core.v1.ConfigMapEnvSource", LIST_OF(F_core_v1_ConfigMapEnvSource), .flags = TYPE_BUILTIN },
    [T_core_v1_ConfigMapKeySelector] = { .name = "io.k8s.api.core.v1.ConfigMapKeySelector", LIST_OF(F_core_v1_ConfigMapKeySelector), .flags = TYPE_BUILTIN|TYPE_ATOMIC },
    [T_core_v1_ConfigMapNodeConfigSource] = { .name = "io.k8s.api.core.v1.ConfigMapNodeConfigSource", LIST_OF(F_core_v1_ConfigMapNodeConfigSource), .flags = TYPE_BUILTIN },
    [T_core_v1_ConfigMapProjection] = { .name = "io.k8s.api.core.v1.ConfigMapProjection", LIST_OF(F_core_v1_ConfigMapProjection), .flags = TYPE_BUILTIN },
    [T_core_v1_ConfigMapVolumeSource] = { .name = "io.k8s.api.core.v1.ConfigMapVolumeSource", LIST_OF(F_core_v1_ConfigMapVolumeSource), .flags = TYPE_BUILTIN },
    [T_core_v1_Container] = { .name = "io.k8s.api.core.v1.Container", LIST_OF(F_core_v1_Container), .flags = TYPE_BUILTIN },
    [T_core_v1_ContainerImage] = { .name = "io.k8s.api.core.v1.ContainerImage", LIST_OF(F_core_v1_ContainerImage), .flags = TYPE_BUILTIN },
    [T_core_v1_ContainerPort] = { .name = "io.k8s.api.core.v1.ContainerPort", LIST_OF(F_core_v1_ContainerPort), .flags = TYPE_BUILTIN },
    [T_core_v1_ContainerResizePolicy] = { .name = "io.k8s.api.core.v1.ContainerResizePolicy", LIST_OF(F_core_v1_ContainerResizePolicy), .flags = TYPE_BUILTIN },
    [T_core_v1_ContainerState] = { .name = "io.k8s.api.core.v1.ContainerState", LIST_OF(F_core_v1_ContainerState), .flags = TYPE_BUILTIN },
    [T_core_v1_ContainerStateRunning] = { .name = "io.k8s.api.core.v1.ContainerStateRunning", LIST_OF(F_core_v1_ContainerStateRunning), .flags = TYPE_BUILTIN },
    [T_core_v1_ContainerStateTerminated] = { .name = "io.k8s.api.core.v1.ContainerStateTerminated", LIST_OF(F_core_v1_ContainerStateTerminated), .flags = TYPE_BUILTIN },
    [T_core_v1_ContainerStateWaiting] = { .name = "io.k8s.api.core.v1.ContainerStateWaiting", LIST_OF(F_core_v1_ContainerStateWaiting), .flags = TYPE_BUILTIN },
    [T_core_v1_ContainerStatus] = { .name = "io.k8s.api.core.v1.ContainerStatus", LIST_OF(F_core_v1_ContainerStatus), .flags = TYPE_BUILTIN },
    [T_core_v1_ContainerUser] = { .name = "io.k8s.api.core.v1.ContainerUser", LIST_OF(F_core_v1_ContainerUser), .flags = TYPE_BUILTIN },
    [T_core_v1_DaemonEndpoint] = { .name = "io.k8s.api.core.v1.DaemonEndpoint", LIST_OF(F_core_v1_DaemonEndpoint), .flags = TYPE_BUILTIN },
    [T_core_v1_DownwardAPIProjection] = { .name = "io.k8s.api.core.v1.DownwardAPIProjection", LIST_OF(F_core_v1_DownwardAPIProjection), .flags = TYPE_BUILTIN },
    [T_core_v1_DownwardAPIVolumeFile] = { .name = "io.k8s.api.core.v1.DownwardAPIVolumeFile", LIST_OF(F_core_v1_DownwardAPIVolumeFile), .flags = TYPE_BUILTIN },
    [T_core_v1_DownwardAPIVolumeSource] = { .name = "io.k8s.api.core.v1.DownwardAPIVolumeSource", LIST_OF(F_core_v1_DownwardAPIVolumeSource), .flags = TYPE_BUILTIN },
    [T_core_v1_EmptyDirVolumeSource] = { .name = "io.k8s.api.core.v1.EmptyDirVolumeSource", LIST_OF(F_core_v1_EmptyDirVolumeSource), .flags = TYPE_BUILTIN },
    [T_core_v1_EndpointAddress] = { .name = "io.k8s.api.core.v1.EndpointAddress", LIST_OF(F_core_v1_EndpointAddress), .flags = TYPE_BUILTIN|TYPE_ATOMIC },
    [T_core_v1_EndpointPort] = { .name = "io.k8s.api.core.v1.EndpointPort", LIST_OF(F_core_v1_EndpointPort), .flags = TYPE_BUILTIN|TYPE_ATOMIC },
    [T_core_v1_EndpointSubset] = { .name = "io.k8s.api.core.v1.EndpointSubset", LIST_OF(F_core_v1_EndpointSubset), .flags = TYPE_BUILTIN },
    [T_core_v1_Endpoints] = { .name = "io.k8s.api.core.v1.Endpoints", LIST_OF(F_core_v1_Endpoints), .flags = TYPE_BUILTIN|TYPE_ROOT, .group = "", .version = "v1", .kind = "Endpoints" },
    [T_core_v1_EnvFromSource] = { .name = "io.k8s.api.core.v1.EnvFromSource", LIST_OF(F_core_v1_EnvFromSource), .flags = TYPE_BUILTIN },
    [T_core_v1_EnvVar] = { .name = "io.k8s.api.core.v1.EnvVar", LIST_OF(F_core_v1_EnvVar), .flags = TYPE_BUILTIN },
    [T_core_v1_EnvVarSource] = { .name = "io.k8s.api.core.v1.EnvVarSource", LIST_OF(F_core_v1_EnvVarSource), .flags = TYPE_BUILTIN },
    [T_core_v1_EphemeralContainer] = { .name = "io.k8s.api.core.v1.EphemeralContainer", LIST_OF(F_core_v1_EphemeralContainer), .flags = TYPE_BUILTIN },
    [T_core_v1_EphemeralContainerCommon] = { .name = "io.k8s.api.core.v1.EphemeralContainerCommon", LIST_OF(F_core_v1_EphemeralContainerCommon), .flags = TYPE_BUILTIN },
    [T_core_v1_EphemeralVolumeSource] = { .name = "io.k8s.api.core.v1.EphemeralVolumeSource", LIST_OF(F_core_v1_EphemeralVolumeSource), .flags = TYPE_BUILTIN },
    [T_core_v1_Event] = { .name = "io.k8s.api.core.v1.Event", LIST_OF(F_core_v1_Event), .flags = TYPE_BUILTIN|TYPE_ROOT, .group = "", .version = "v1", .kind = "Event" },
    [T_core_v1_EventSeries] = { .name = "io.k8s.api.core.v1.EventSeries", LIST_OF(F_core_v1_EventSeries), .flags = TYPE_BUILTIN },
    [T_core_v1_EventSource] = { .name = "io.k8s.api.core.v1.EventSource", LIST_OF(F_core_v1_EventSource), .flags = TYPE_BUILTIN },
    [T_core_v1_ExecAction] = { .name = "io.k8s.api.core.v1.ExecAction", LIST_OF(F_core_v1_ExecAction), .flags = TYPE_BUILTIN },
    [T_core_v1_FCVolumeSource] = { .name = "io.k8s.api.core.v1.FCVolumeSource", LIST_OF(F_core_v1_FCVolumeSource), .flags = TYPE_BUILTIN },
    [T_core_v1_FlexPersistentVolumeSource] = { .name = "io.k8s.api.core.v1.FlexPersistentVolumeSource", LIST_OF(F_core_v1_FlexPersistentVolumeSource), .flags = TYPE_BUILTIN },
    [T_core_v1_FlexVolumeSource] = { .name = "io.k8s.api.core.v1.FlexVolumeSource", LIST_OF(F_core_v1_FlexVolumeSource), .flags = TYPE_BUILTIN },
    [T_core_v1_FlockerVolumeSource] = { .name = "io.k8s.api.core.v1.FlockerVolumeSource", LIST_OF(F_core_v1_FlockerVolumeSource), .flags = TYPE_BUILTIN },
    [T_core_v1_GCEPersistentDiskVolumeSource] = { .name = "io.k8s.api.core.v1.GCEPersistentDiskVolumeSource", LIST_OF(F_core_v1_GCEPersistentDiskVolumeSource), .flags = TYPE_BUILTIN },
    [T_core_v1_GRPCAction] = { .name = "io.k8s.api.core.v1.GRPCAction", LIST_OF(F_core_v1_GRPCAction), .flags = TYPE_BUILTIN },
    [T_core_v1_GitRepoVolumeSource] = { .name = "io.k8s.api.core.v1.GitRepoVolumeSource", LIST_OF(F_core_v1_GitRepoVolumeSource), .flags = TYPE_BUILTIN },
    [T_core_v1_GlusterfsPersistentVolumeSource] = { .name = "io.k8s.api.core.v1.GlusterfsPersistentVolumeSource", LIST_OF(F_core_v1_GlusterfsPersistentVolumeSource), .flags = TYPE_BUILTIN },
    [T_core_v1_GlusterfsVolumeSource] = { .name = "io.k8s.api.core.v1.GlusterfsVolumeSource", LIST_OF(F_core_v1_GlusterfsVolumeSource), .flags = TYPE_BUILTIN },
    [T_core_v1_HTTPGetAction] = { .name = "io.k8s.api.core.v1.HTTPGetAction", LIST_OF(F_core_v1_HTTPGetAction), .flags = TYPE_BUILTIN },
    [T_core_v1_HTTPHeader] = { .name = "io.k8s.api.core.v1.HTTPHeader", LIST_OF(F_core_v1_HTTPHeader), .flags = TYPE_BUILTIN },
    [T_core_v1_HostAlias] = { .name = "io.k8s.api.core.v1.HostAlias", LIST_OF(F_core_v1_HostAlias), .flags = TYPE_BUILTIN },
    [T_core_v1_HostIP] = { .name = "io.k8s.api.core.v1.HostIP", LIST_OF(F_core_v1_HostIP), .flags = TYPE_BUILTIN },
    [T_core_v1_HostPathVolumeSource] = { .name = "io.k8s.api.core.v1.HostPathVolumeSource", LIST_OF(F_core_v1_HostPathVolumeSource), .flags = TYPE_BUILTIN },
    [T_core_v1_ISCSIPersistentVolumeSource] = { .name = "io.k8s.api.core.v1.ISCSIPersistentVolumeSource", LIST_OF(F_core_v1_ISCSIPersistentVolumeSource), .flags = TYPE_BUILTIN },
    [T_core_v1_ISCSIVolumeSource] = { .name = "io.k8s.api.core.v1.ISCSIVolumeSource", LIST_OF(F_core_v1_ISCSIVolumeSource), .flags = TYPE_BUILTIN },
    [T_core_v1_ImageVolumeSource] = { .name = "io.k8s.api.core.v1.ImageVolumeSource", LIST_OF(F_core_v1_ImageVolumeSource), .flags = TYPE_BUILTIN },
    [T_core_v1_KeyToPath] = { .name = "io.k8s.api.core.v1.KeyToPath", LIST_OF(F_core_v1_KeyToPath), .flags = TYPE_BUILTIN },
    [T_core_v1_Lifecycle] = { .name = "io.k8s.api.core.v1.Lifecycle", LIST_OF(F_core_v1_Lifecycle), .flags = TYPE_BUILTIN },
    [T_core_v1_LifecycleHandler] = { .name = "io.k8s.api.core.v1.LifecycleHandler", LIST_OF(F_core_v1_LifecycleHandler), .flags = TYPE_BUILTIN },
    [T_core_v1_LimitRange] = { .name = "io.k8s.api.core.v1.LimitRange", LIST_OF(F_core_v1_LimitRange), .flags = TYPE_BUILTIN|TYPE_ROOT, .group = "", .version = "v1", .kind = "LimitRange" },
    [T_core_v1_LimitRangeItem] = { .name = "io.k8s.api.core.v1.LimitRangeItem", LIST_OF(F_core_v1_LimitRangeItem), .flags = TYPE_BUILTIN },
    [T_core_v1_LimitRangeSpec] = { .name = "io.k8s.api.core.v1.LimitRangeSpec", LIST_OF(F_core_v1_LimitRangeSpec), .flags = TYPE_BUILTIN },
    [T_core_v1_LinuxContainerUser] = { .name = "io.k8s.api.core.v1.LinuxContainerUser", LIST_OF(F_core_v1_LinuxContainerUser), .flags = TYPE_BUILTIN },
    [T_core_v1_LoadBalancerIngress] = { .name = "io.k8s.api.core.v1.LoadBalancerIngress", LIST_OF(F_core_v1_LoadBalancerIngress), .flags = TYPE_BUILTIN },
    [T_core_v1_LoadBalancerStatus] = { .name = "io.k8s.api.core.v1.LoadBalancerStatus", LIST_OF(F_core_v1_LoadBalancerStatus), .flags = TYPE_BUILTIN },
    [T_core_v1_LocalObjectReference] = { .name = "io.k8s.api.core.v1.LocalObjectReference", LIST_OF(F_core_v1_LocalObjectReference), .flags = TYPE_BUILTIN|TYPE_ATOMIC },
    [T_core_v1_LocalVolumeSource] = { .name = "io.k8s.api.core.v1.LocalVolumeSource", LIST_OF(F_core_v1_LocalVolumeSource), .flags = TYPE_BUILTIN },
    [T_core_v1_ModifyVolumeStatus] = { .name = "io.k8s.api.core.v1.ModifyVolumeStatus", LIST_OF(F_core_v1_ModifyVolumeStatus), .flags = TYPE_BUILTIN },
    [T_core_v1_NFSVolumeSource] = { .name = "io.k8s.api.core.v1.NFSVolumeSource", LIST_OF(F_core_v1_NFSVolumeSource), .flags = TYPE_BUILTIN },
    [T_core_v1_Namespace] = { .name = "io.k8s.api.core.v1.Namespace", LIST_OF(F_core_v1_Namespace), .flags = TYPE_BUILTIN|TYPE_ROOT, .group = "", .version = "v1", .kind = "Namespace" },
    [T_core_v1_NamespaceCondition] = { .name = "io.k8s.api.core.v1.NamespaceCondition", LIST_OF(F_core_v1_NamespaceCondition), .flags = TYPE_BUILTIN },
    [T_core_v1_NamespaceSpec] = { .name = "io.k8s.api.core.v1.NamespaceSpec", LIST_OF(F_core_v1_NamespaceSpec), .flags = TYPE_BUILTIN },
    [T_core_v1_NamespaceStatus] = { .name = "io.k8s.api.core.v1.NamespaceStatus", LIST_OF(F_core_v1_NamespaceStatus), .flags = TYPE_BUILTIN },
    [T_core_v1_Node] = { .name = "io.k8s.api.core.v1.Node", LIST_OF(F_core_v1_Node), .flags = TYPE_BUILTIN|TYPE_ROOT, .group = "", .version = "v1", .kind = "Node" },
    [T_core_v1_NodeAddress] = { .name = "io.k8s.api.core.v1.NodeAddress", LIST_OF(F_core_v1_NodeAddress), .flags = TYPE_BUILTIN },
    [T_core_v1_NodeAffinity] = { .name = "io.k8s.api.core.v1.NodeAffinity", LIST_OF(F_core_v1_NodeAffinity), .flags = TYPE_BUILTIN },
    [T_core_v1_NodeCondition] = { .name = "io.k8s.api.core.v1.NodeCondition", LIST_OF(F_core_v1_NodeCondition), .flags = TYPE_BUILTIN },
    [T_core_v1_NodeConfigSource] = { .name = "io.k8s.api.core.v1.NodeConfigSource", LIST_OF(F_core_v1_NodeConfigSource), .flags = TYPE_BUILTIN },
    [T_core_v1_NodeConfigStatus] = { .name = "io.k8s.api.core.v1.NodeConfigStatus", LIST_OF(F_core_v1_NodeConfigStatus), .flags = TYPE_BUILTIN },
    [T_core_v1_NodeDaemonEndpoints] = { .name = "io.k8s.api.core.v1.NodeDaemonEndpoints", LIST_OF(F_core_v1_NodeDaemonEndpoints), .flags = TYPE_BUILTIN },
    [T_core_v1_NodeFeatures] = { .name = "io.k8s.api.core.v1.NodeFeatures", LIST_OF(F_core_v1_NodeFeatures), .flags = TYPE_BUILTIN },
    [T_core_v1_NodeRuntimeHandler] = { .name = "io.k8s.api.core.v1.NodeRuntimeHandler", LIST_OF(F_core_v1_NodeRuntimeHandler), .flags = TYPE_BUILTIN },
    [T_core_v1_NodeRuntimeHandlerFeatures] = { .name = "io.k8s.api.core.v1.NodeRuntimeHandlerFeatures", LIST_OF(F_core_v1_NodeRuntimeHandlerFeatures), .flags = TYPE_BUILTIN },
    [T_core_v1_NodeSelector] = { .name = "io.k8s.api.core.v1.NodeSelector", LIST_OF(F_core_v1_NodeSelector), .flags = TYPE_BUILTIN|TYPE_ATOMIC },
    [T_core_v1_NodeSelectorRequirement] = { .name = "io.k8s.api.core.v1.NodeSelectorRequirement", LIST_OF(F_core_v1_NodeSelectorRequirement), .flags = TYPE_BUILTIN },
    [T_core_v1_NodeSelectorTerm] = { .name = "io.k8s.api.core.v1.NodeSelectorTerm", LIST_OF(F_core_v1_NodeSelectorTerm), .flags = TYPE_BUILTIN|TYPE_ATOMIC },
    [T_core_v1_NodeSpec] = { .name = "io.k8s.api.core.v1.NodeSpec", LIST_OF(F_core_v1_NodeSpec), .flags = TYPE_BUILTIN },
    [T_core_v1_NodeStatus] = { .name = "io.k8s.api.core.v1.NodeStatus", LIST_OF(F_core_v1_NodeStatus), .flags = TYPE_BUILTIN },
    [T_core_v1_NodeSystemInfo] = { .name = "io.k8s.api.core.v1.NodeSystemInfo", LIST_OF(F_core_v1_NodeSystemInfo), .flags = TYPE_BUILTIN },
    [T_core_v1_ObjectFieldSelector] = { .name = "io.k8s.api.core.v1.ObjectFieldSelector", LIST_OF(F_core_v1_ObjectFieldSelector), .flags = TYPE_BUILTIN|TYPE_ATOMIC },
    [T_core_v1_ObjectReference] = { .name = "io.k8s.api.core.v1.ObjectReference", LIST_OF(F_core_v1_ObjectReference), .flags = TYPE_BUILTIN|TYPE_ATOMIC },
    [T_core_v1_PersistentVolume] = { .name = "io.k8s.api.core.v1.PersistentVolume", LIST_OF(F_core_v1_PersistentVolume), .flags = TYPE_BUILTIN|TYPE_ROOT, .group = "", .version = "v1", .kind = "PersistentVolume" },
    [T_core_v1_PersistentVolumeClaim] = { .name = "io.k8s.api.core.v1.PersistentVolumeClaim", LIST_OF(F_core_v1_PersistentVolumeClaim), .flags = TYPE_BUILTIN|TYPE_ROOT, .group = "", .version = "v1", .kind = "PersistentVolumeClaim" },
    [T_core_v1_PersistentVolumeClaimCondition] = { .name = "io.k8s.api.core.v1.PersistentVolumeClaimCondition", LIST_OF(F_core_v1_PersistentVolumeClaimCondition), .flags = TYPE_BUILTIN },
    [T_core_v1_PersistentVolumeClaimSpec] = { .name = "io.k8s.api.core.v1.PersistentVolumeClaimSpec", LIST_OF(F_core_v1_PersistentVolumeClaimSpec), .flags = TYPE_BUILTIN },
    [T_core_v1_PersistentVolumeClaimStatus] = { .name = "io.k8s.api.core.v1.PersistentVolumeClaimStatus", LIST_OF(F_core_v1_PersistentVolumeClaimStatus), .flags = TYPE_BUILTIN },
    [T_core_v1_PersistentVolumeClaimTemplate] = { .name = "io.k8s.api.core.v1.PersistentVolumeClaimTemplate", LIST_OF(F_core_v1_PersistentVolumeClaimTemplate), .flags = TYPE_BUILTIN },
    [T_core_v1_PersistentVolumeClaimVolumeSource] = { .name = "io.k8s.api.core.v1.PersistentVolumeClaimVolumeSource", LIST_OF(F_core_v1_PersistentVolumeClaimVolumeSource), .flags = TYPE_BUILTIN },
    [T_core_v1_PersistentVolumeSource] = { .name = "io.k8s.api.core.v1.PersistentVolumeSource", LIST_OF(F_core_v1_PersistentVolumeSource), .flags = TYPE_BUILTIN },
    [T_core_v1_PersistentVolumeSpec] = { .name = "io.k8s.api.core.v1.PersistentVolumeSpec", LIST_OF(F_core_v1_PersistentVolumeSpec), .flags = TYPE_BUILTIN },
    [T_core_v1_PersistentVolumeStatus] = { .name = "io.k8s.api.core.v1.PersistentVolumeStatus", LIST_OF(F_core_v1_PersistentVolumeStatus), .flags = TYPE_BUILTIN },
    [T_core_v1_PhotonPersistentDiskVolumeSource] = { .name = "io.k8s.api.core.v1.PhotonPersistentDiskVolumeSource", LIST_OF(F_core_v1_PhotonPersistentDiskVolumeSource), .flags = TYPE_BUILTIN },
    [T_core_v1_Pod] = { .name = "io.k8s.api.core.v1.Pod", LIST_OF(F_core_v1_Pod), .flags = TYPE_BUILTIN|TYPE_ROOT, .group = "", .version = "v1", .kind = "Pod" },
    [T_core_v1_PodAffinity] = { .name = "io.k8s.api.core.v1.PodAffinity", LIST_OF(F_core_v1_PodAffinity), .flags = TYPE_BUILTIN },
    [T_core_v1_PodAffinityTerm] = { .name = "io.k8s.api.core.v1.PodAffinityTerm", LIST_OF(F_core_v1_PodAffinityTerm), .flags = TYPE_BUILTIN },
    [T_core_v1_PodAntiAffinity] = { .name = "io.k8s.api.core.v1.PodAntiAffinity", LIST_OF(F_core_v1_PodAntiAffinity), .flags = TYPE_BUILTIN },
    [T_core_v1_PodCondition] = { .name = "io.k8s.api.core.v1.PodCondition", LIST_OF(F_core_v1_PodCondition), .flags = TYPE_BUILTIN },
    [T_core_v1_PodDNSConfig] = { .name = "io.k8s.api.core.v1.PodDNSConfig", LIST_OF(F_core_v1_PodDNSConfig), .flags = TYPE_BUILTIN },
    [T_core_v1_PodDNSConfigOption] = { .name = "io.k8s.api.core.v1.PodDNSConfigOption", LIST_OF(F_core_v1_PodDNSConfigOption), .flags = TYPE_BUILTIN },
    [T_core_v1_PodIP] = { .name = "io.k8s.api.core.v1.PodIP", LIST_OF(F_core_v1_PodIP), .flags = TYPE_BUILTIN },
    [T_core_v1_PodOS] = { .name = "io.k8s.api.core.v1.PodOS", LIST_OF(F_core_v1_PodOS), .flags = TYPE_BUILTIN },
    [T_core_v1_PodReadinessGate] = { .name = "io.k8s.api.core.v1.PodReadinessGate", LIST_OF(F_core_v1_PodReadinessGate), .flags = TYPE_BUILTIN },
    [T_core_v1_PodResourceClaim] = { .name = "io.k8s.api.core.v1.PodResourceClaim", LIST_OF(F_core_v1_PodResourceClaim), .flags = TYPE_BUILTIN },
    [T_core_v1_PodResourceClaimStatus] = { .name = "io.k8s.api.core.v1.PodResourceClaimStatus", LIST_OF(F_core_v1_PodResourceClaimStatus), .flags = TYPE_BUILTIN },
    [T_core_v1_PodSchedulingGate] = { .name = "io.k8s.api.core.v1.PodSchedulingGate", LIST_OF(F_core_v1_PodSchedulingGate), .flags = TYPE_BUILTIN },
    [T_core_v1_PodSecurityContext] = { .name = "io.k8s.api.core.v1.PodSecurityContext", LIST_OF(F_core_v1_PodSecurityContext), .flags = TYPE_BUILTIN },
    [T_core_v1_PodSpec] = { .name = "io.k8s.api.core.v1.PodSpec", LIST_OF(F_core_v1_PodSpec), .flags = TYPE_BUILTIN },
    [T_core_v1_PodStatus] = { .name = "io.k8s.api.core.v1.PodStatus", LIST_OF(F_core_v1_PodStatus), .flags = TYPE_BUILTIN },
    [T_core_v1_PodTemplate] = { .name = "io.k8s.api.core.v1.PodTemplate", LIST_OF(F_core_v1_PodTemplate), .flags = TYPE_BUILTIN|TYPE_ROOT, .group = "", .version = "v1", .kind = "PodTemplate" },
    [T_core_v1_PodTemplateSpec] = { .name = "io.k8s.api.core.v1.PodTemplateSpec", LIST_OF(F_core_v1_PodTemplateSpec), .flags = TYPE_BUILTIN },
    [T_core_v1_PortStatus] = { .name = "io.k8s.api.core.v1.PortStatus", LIST_OF(F_core_v1_PortStatus), .flags = TYPE_BUILTIN },
    [T_core_v1_PortworxVolumeSource] = { .name = "io.k8s.api.core.v1.PortworxVolumeSource", LIST_OF(F_core_v1_PortworxVolumeSource), .flags = TYPE_BUILTIN },
    [T_core_v1_PreferredSchedulingTerm] = { .name = "io.k8s.api.core.v1.PreferredSchedulingTerm", LIST_OF(F_core_v1_PreferredSchedulingTerm), .flags = TYPE_BUILTIN },
    [T_core_v1_Probe] = { .name = "io.k8s.api.core.v1.Probe", LIST_OF(F_core_v1_Probe), .flags = TYPE_BUILTIN },
    [T_core_v1_ProbeHandler] = { .name = "io.k8s.api.core.v1.ProbeHandler", LIST_OF(F_core_v1_ProbeHandler), .flags = TYPE_BUILTIN },
    [T_core_v1_ProjectedVolumeSource] = { .name = "io.k8s.api.core.v1.ProjectedVolumeSource", LIST_OF(F_core_v1_ProjectedVolumeSource), .flags = TYPE_BUILTIN },
    [T_core_v1_QuobyteVolumeSource] = { .name = "io.k8s.api.core.v1.QuobyteVolumeSource", LIST_OF(F_core_v1_QuobyteVolumeSource), .flags = TYPE_BUILTIN },
    [T_core_v1_RBDPersistentVolumeSource] = { .name = "io.k8s.api.core.v1.RBDPersistentVolumeSource", LIST_OF(F_core_v1_RBDPersistentVolumeSource), .flags = TYPE_BUILTIN },
    [T_core_v1_RBDVolumeSource] = { .name = "io.k8s.api.core.v1.RBDVolumeSource", LIST_OF(F_core_v1_RBDVolumeSource), .flags = TYPE_BUILTIN },
    [T_core_v1_ReplicationController] = { .name = "io.k8s.api.core.v1.ReplicationController", LIST_OF(F_core_v1_ReplicationController), .flags = TYPE_BUILTIN|TYPE_ROOT, .group = "", .version = "v1", .kind = "ReplicationController" },
    [T_core_v1_ReplicationControllerCondition] = { .name = "io.k8s.api.core.v1.ReplicationControllerCondition", LIST_OF(F_core_v1_ReplicationControllerCondition), .flags = TYPE_BUILTIN },
    [T_core_v1_ReplicationControllerSpec] = { .name = "io.k8s.api.core.v1.ReplicationControllerSpec", LIST_OF(F_core_v1_ReplicationControllerSpec), .flags = TYPE_BUILTIN },
    [T_core_v1_ReplicationControllerStatus] = { .name = "io.k8s.api.core.v1.ReplicationControllerStatus", LIST_OF(F_core_v1_ReplicationControllerStatus), .flags = TYPE_BUILTIN },
    [T_core_v1_ResourceClaim] = { .name = "io.k8s.api.core.v1.ResourceClaim", LIST_OF(F_core_v1_ResourceClaim), .flags = TYPE_BUILTIN },
    [T_core_v1_ResourceFieldSelector] = { .name = "io.k8s.api.core.v1.ResourceFieldSelector", LIST_OF(F_core_v1_ResourceFieldSelector), .flags = TYPE_BUILTIN|TYPE_ATOMIC },
    [T_core_v1_ResourceHealth] = { .name = "io.k8s.api.core.v1.ResourceHealth", LIST_OF(F_core_v1_ResourceHealth), .flags = TYPE_BUILTIN },
    [T_core_v1_ResourceQuota] = { .name = "io.k8s.api.core.v1.ResourceQuota", LIST_OF(F_core_v1_ResourceQuota), .flags = TYPE_BUILTIN|TYPE_ROOT, .group = "", .version = "v1", .kind = "ResourceQuota" },
    [T_core_v1_ResourceQuotaSpec] = { .name = "io.k8s.api.core.v1.ResourceQuotaSpec", LIST_OF(F_core_v1_ResourceQuotaSpec), .flags = TYPE_BUILTIN },
    [T_core_v1_ResourceQuotaStatus] = { .name = "io.k8s.api.core.v1.ResourceQuotaStatus", LIST_OF(F_core_v1_ResourceQuotaStatus), .flags = TYPE_BUILTIN },
    [T_core_v1_ResourceRequirements] = { .name = "io.k8s.api.core.v1.ResourceRequirements", LIST_OF(F_core_v1_ResourceRequirements), .flags = TYPE_BUILTIN },
    [T_core_v1_ResourceStatus] = { .name = "io.k8s.api.core.v1.ResourceStatus", LIST_OF(F_core_v1_ResourceStatus), .flags = TYPE_BUILTIN },
    [T_core_v1_SELinuxOptions] = { .name = "io.k8s.api.core.v1.SELinuxOptions", LIST_OF(F_core_v1_SELinuxOptions), .flags = TYPE_BUILTIN },
    [T_core_v1_ScaleIOPersistentVolumeSource] = { .name = "io.k8s.api.core.v1.ScaleIOPersistentVolumeSource", LIST_OF(F_core_v1_ScaleIOPersistentVolumeSource), .flags = TYPE_BUILTIN },
    [T_core_v1_ScaleIOVolumeSource] = { .name = "io.k8s.api.core.v1.ScaleIOVolumeSource", LIST_OF(F_core_v1_ScaleIOVolumeSource), .flags = TYPE_BUILTIN },
    [T_core_v1_ScopeSelector] = { .name = "io.k8s.api.core.v1.ScopeSelector", LIST_OF(F_core_v1_ScopeSelector), .flags = TYPE_BUILTIN|TYPE_ATOMIC },
    [T_core_v1_ScopedResourceSelectorRequirement] = { .name = "io.k8s.api.core.v1.ScopedResourceSelectorRequirement", LIST_OF(F_core_v1_ScopedResourceSelectorRequirement), .flags = TYPE_BUILTIN },
    [T_core_v1_SeccompProfile] = { .name = "io.k8s.api.core.v1.SeccompProfile", LIST_OF(F_core_v1_SeccompProfile), .flags = TYPE_BUILTIN },
    [T_core_v1_Secret] = { .name = "io.k8s.api.core.v1.Secret", LIST_OF(F_core_v1_Secret), .flags = TYPE_BUILTIN|TYPE_ROOT, .group = "", .version = "v1", .kind = "Secret" },
    [T_core_v1_SecretEnvSource] = { .name = "io.k8s.api.core.v1.SecretEnvSource", LIST_OF(F_core_v1_SecretEnvSource), .flags = TYPE_BUILTIN },
    [T_core_v1_SecretKeySelector] = { .name = "io.k8s.api.core.v1.SecretKeySelector", LIST_OF(F_core_v1_SecretKeySelector), .flags = TYPE_BUILTIN|TYPE_ATOMIC },
    [T_core_v1_SecretProjection] = { .name = "io.k8s.api.core.v1.SecretProjection", LIST_OF(F_core_v1_SecretProjection), .flags = TYPE_BUILTIN },
    [T_core_v1_SecretReference] = { .name = "io.k8s.api.core.v1.SecretReference", LIST_OF(F_core_v1_SecretReference), .flags = TYPE_BUILTIN|TYPE_ATOMIC },
    [T_core_v1_SecretVolumeSource] = { .name = "io.k8s.api.core.v1.SecretVolumeSource", LIST_OF(F_core_v1_SecretVolumeSource), .flags = TYPE_BUILTIN },
    [T_core_v1_SecurityContext] = { .name = "io.k8s.api.core.v1.SecurityContext", LIST_OF(F_core_v1_SecurityContext), .flags = TYPE_BUILTIN },
    [T_core_v1_Service] = { .name = "io.k8s.api.core.v1.Service", LIST_OF(F_core_v1_Service), .flags = TYPE_BUILTIN|TYPE_ROOT, .group = "", .version = "v1", .kind = "Service" },
    [T_core_v1_ServiceAccount] = { .name = "io.k8s.api.core.v1.ServiceAccount", LIST_OF(F_core_v1_ServiceAccount), .flags = TYPE_BUILTIN|TYPE_ROOT, .group = "", .version = "v1", .kind = "ServiceAccount" },
    [T_core_v1_ServiceAccountTokenProjection] = { .name = "io.k8s.api.core.v1.ServiceAccountTokenProjection", LIST_OF(F_core_v1_ServiceAccountTokenProjection), .flags = TYPE_BUILTIN },
    [T_core_v1_ServicePort] = { .name = "io.k8s.api.core.v1.ServicePort", LIST_OF(F_core_v1_ServicePort), .flags = TYPE_BUILTIN },
    [T_core_v1_ServiceSpec] = { .name = "io.k8s.api.core.v1.ServiceSpec", LIST_OF(F_core_v1_ServiceSpec), .flags = TYPE_BUILTIN },
    [T_core_v1_ServiceStatus] = { .name = "io.k8s.api.core.v1.ServiceStatus", LIST_OF(F_core_v1_ServiceStatus), .flags = TYPE_BUILTIN },
    [T_core_v1_SessionAffinityConfig] = { .name = "io.k8s.api.core.v1.SessionAffinityConfig", LIST_OF(F_core_v1_SessionAffinityConfig), .flags = TYPE_BUILTIN },
    [T_core_v1_SleepAction] = { .name = "io.k8s.api.core.v1.SleepAction", LIST_OF(F_core_v1_SleepAction), .flags = TYPE_BUILTIN },
    [T_core_v1_StorageOSPersistentVolumeSource] = { .name = "io.k8s.api.core.v1.StorageOSPersistentVolumeSource", LIST_OF(F_core_v1_StorageOSPersistentVolumeSource), .flags = TYPE_BUILTIN },
    [T_core_v1_StorageOSVolumeSource] = { .name = "io.k8s.api.core.v1.StorageOSVolumeSource", LIST_OF(F_core_v1_StorageOSVolumeSource), .flags = TYPE_BUILTIN },
    [T_core_v1_Sysctl] = { .name = "io.k8s.api.core.v1.Sysctl", LIST_OF(F_core_v1_Sysctl), .flags = TYPE_BUILTIN },
    [T_core_v1_TCPSocketAction] = { .name = "io.k8s.api.core.v1.TCPSocketAction", LIST_OF(F_core_v1_TCPSocketAction), .flags = TYPE_BUILTIN },
    [T_core_v1_Taint] = { .name = "io.k8s.api.core.v1.Taint", LIST_OF(F_core_v1_Taint), .flags = TYPE_BUILTIN },
    [T_core_v1_Toleration] = { .name = "io.k8s.api.core.v1.Toleration", LIST_OF(F_core_v1_Toleration), .flags = TYPE_BUILTIN },
    [T_core_v1_TopologySelectorLabelRequirement] = { .name = "io.k8s.api.core.v1.TopologySelectorLabelRequirement", LIST_OF(F_core_v1_TopologySelectorLabelRequirement), .flags = TYPE_BUILTIN },
    [T_core_v1_TopologySelectorTerm] = { .name = "io.k8s.api.core.v1.TopologySelectorTerm", LIST_OF(F_core_v1_TopologySelectorTerm), .flags = TYPE_BUILTIN|TYPE_ATOMIC },
    [T_core_v1_TopologySpreadConstraint] = { .name = "io.k8s.api.core.v1.TopologySpreadConstraint", LIST_OF(F_core_v1_TopologySpreadConstraint), .flags = TYPE_BUILTIN },
    [T_core_v1_TypedLocalObjectReference] = { .name = "io.k8s.api.core.v1.TypedLocalObjectReference", LIST_OF(F_core_v1_TypedLocalObjectReference), .flags = TYPE_BUILTIN|TYPE_ATOMIC },
    [T_core_v1_TypedObjectReference] = { .name = "io.k8s.api.core.v1.TypedObjectReference", LIST_OF(F_core_v1_TypedObjectReference), .flags = TYPE_BUILTIN },
    [T_core_v1_Volume] = { .name = "io.k8s.api.core.v1.Volume", LIST_OF(F_core_v1_Volume), .flags = TYPE_BUILTIN },
    [T_core_v1_VolumeDevice] = { .name = "io.k8s.api.core.v1.VolumeDevice", LIST_OF(F_core_v1_VolumeDevice), .flags = TYPE_BUILTIN },
    [T_core_v1_VolumeMount] = { .name = "io.k8s.api.core.v1.VolumeMount", LIST_OF(F_core_v1_VolumeMount), .flags = TYPE_BUILTIN },
    [T_core_v1_VolumeMountStatus] = { .name = "io.k8s.api.core.v1.VolumeMountStatus", LIST_OF(F_core_v1_VolumeMountStatus), .flags = TYPE_BUILTIN },
    [T_core_v1_VolumeNodeAffinity] = { .name = "io.k8s.api.core.v1.VolumeNodeAffinity", LIST_OF(F_core_v1_VolumeNodeAffinity), .flags = TYPE_BUILTIN },
    [T_core_v1_VolumeProjection] = { .name = "io.k8s.api.core.v1.VolumeProjection", LIST_OF(F_core_v1_VolumeProjection), .flags = TYPE_BUILTIN },
    [T_core_v1_VolumeResourceRequirements] = { .name = "io.k8s.api.core.v1.VolumeResourceRequirements", LIST_OF(F_core_v1_VolumeResourceRequirements), .flags = TYPE_BUILTIN },
    [T_core_v1_VolumeSource] = { .name = "io.k8s.api.core.v1.VolumeSource", LIST_OF(F_core_v1_VolumeSource), .flags = TYPE_BUILTIN },
    [T_core_v1_VsphereVirtualDiskVolumeSource] = { .name = "io.k8s.api.core.v1.VsphereVirtualDiskVolumeSource", LIST_OF(F_core_v1_VsphereVirtualDiskVolumeSource), .flags = TYPE_BUILTIN },
    [T_core_v1_WeightedPodAffinityTerm] = { .name = "io.k8s.api.core.v1.WeightedPodAffinityTerm", LIST_OF(F_core_v1_WeightedPodAffinityTerm), .flags = TYPE_BUILTIN },
    [T_core_v1_WindowsSecurityContextOptions] = { .name = "io.k8s.api.core.v1.WindowsSecurityContextOptions", LIST_OF(F_core_v1_WindowsSecurityContextOptions), .flags = TYPE_BUILTIN },
    [T_discovery_v1_Endpoint] = { .name = "io.k8s.api.discovery.v1.Endpoint", LIST_OF(F_discovery_v1_Endpoint), .flags = TYPE_BUILTIN },
    [T_discovery_v1_EndpointConditions] = { .name = "io.k8s.api.discovery.v1.EndpointConditions", LIST_OF(F_discovery_v1_EndpointConditions), .flags = TYPE_BUILTIN },
    [T_discovery_v1_EndpointHints] = { .name = "io.k8s.api.discovery.v1.EndpointHints", LIST_OF(F_discovery_v1_EndpointHints), .flags = TYPE_BUILTIN },
    [T_discovery_v1_EndpointPort] = { .name = "io.k8s.api.discovery.v1.EndpointPort", LIST_OF(F_discovery_v1_EndpointPort), .flags = TYPE_BUILTIN|TYPE_ATOMIC },
    [T_discovery_v1_EndpointSlice] = { .name = "io.k8s.api.discovery.v1.EndpointSlice", LIST_OF(F_discovery_v1_EndpointSlice), .flags = TYPE_BUILTIN|TYPE_ROOT, .group = "discovery.k8s.io", .version = "v1", .kind = "EndpointSlice" },
    [T_discovery_v1_ForZone] = { .name = "io.k8s.api.discovery.v1.ForZone", LIST_OF(F_discovery_v1_ForZone), .flags = TYPE_BUILTIN },
    [T_events_v1_Event] = { .name = "io.k8s.api.events.v1.Event", LIST_OF(F_events_v1_Event), .flags = TYPE_BUILTIN|TYPE_ROOT, .group = "events.k8s.io", .version = "v1", .kind = "Event" },
    [T_events_v1_EventSeries] = { .name = "io.k8s.api.events.v1.EventSeries", LIST_OF(F_events_v1_EventSeries), .flags = TYPE_BUILTIN },
    [T_networking_v1_HTTPIngressPath] = { .name = "io.k8s.api.networking.v1.HTTPIngressPath", LIST_OF(F_networking_v1_HTTPIngressPath), .flags = TYPE_BUILTIN },
    [T_networking_v1_HTTPIngressRuleValue] = { .name = "io.k8s.api.networking.v1.HTTPIngressRuleValue", LIST_OF(F_networking_v1_HTTPIngressRuleValue), .flags = TYPE_BUILTIN },
    [T_networking_v1_IPBlock] = { .name = "io.k8s.api.networking.v1.IPBlock", LIST_OF(F_networking_v1_IPBlock), .flags = TYPE_BUILTIN },
    [T_networking_v1_Ingress] = { .name = "io.k8s.api.networking.v1.Ingress", LIST_OF(F_networking_v1_Ingress), .flags = TYPE_BUILTIN|TYPE_ROOT, .group = "networking.k8s.io", .version = "v1", .kind = "Ingress" },
    [T_networking_v1_IngressBackend] = { .name = "io.k8s.api.networking.v1.IngressBackend", LIST_OF(F_networking_v1_IngressBackend), .flags = TYPE_BUILTIN },
    [T_networking_v1_IngressLoadBalancerIngress] = { .name = "io.k8s.api.networking.v1.IngressLoadBalancerIngress", LIST_OF(F_networking_v1_IngressLoadBalancerIngress), .flags = TYPE_BUILTIN },
    [T_networking_v1_IngressLoadBalancerStatus] = { .name = "io.k8s.api.networking.v1.IngressLoadBalancerStatus", LIST_OF(F_networking_v1_IngressLoadBalancerStatus), .flags = TYPE_BUILTIN },
    [T_networking_v1_IngressPortStatus] = { .name = "io.k8s.api.networking.v1.IngressPortStatus", LIST_OF(F_networking_v1_IngressPortStatus), .flags = TYPE_BUILTIN },
    [T_networking_v1_IngressRule] = { .name = "io.k8s.api.networking.v1.IngressRule", LIST_OF(F_networking_v1_IngressRule), .flags = TYPE_BUILTIN },
    [T_networking_v1_IngressRuleValue] = { .name = "io.k8s.api.networking.v1.IngressRuleValue", LIST_OF(F_networking_v1_IngressRuleValue), .flags = TYPE_BUILTIN },
    [T_networking_v1_IngressServiceBackend] = { .name = "io.k8s.api.networking.v1.IngressServiceBackend", LIST_OF(F_networking_v1_IngressServiceBackend), .flags = TYPE_BUILTIN },
    [T_networking_v1_IngressSpec] = { .name = "io.k8s.api.networking.v1.IngressSpec", LIST_OF(F_networking_v1_IngressSpec), .flags = TYPE_BUILTIN },
    [T_networking_v1_IngressStatus] = { .name = "io.k8s.api.networking.v1.IngressStatus", LIST_OF(F_networking_v1_IngressStatus), .flags = TYPE_BUILTIN },
    [T_networking_v1_IngressTLS] = { .name = "io.k8s.api.networking.v1.IngressTLS", LIST_OF(F_networking_v1_IngressTLS), .flags = TYPE_BUILTIN },
    [T_networking_v1_NetworkPolicy] = { .name = "io.k8s.api.networking.v1.NetworkPolicy", LIST_OF(F_networking_v1_NetworkPolicy), .flags = TYPE_BUILTIN|TYPE_ROOT, .group = "networking.k8s.io", .version = "v1", .kind = "NetworkPolicy" },
    [T_networking_v1_NetworkPolicyEgressRule] = { .name = "io.k8s.api.networking.v1.NetworkPolicyEgressRule", LIST_OF(F_networking_v1_NetworkPolicyEgressRule), .flags = TYPE_BUILTIN },
    [T_networking_v1_NetworkPolicyIngressRule] = { .name = "io.k8s.api.networking.v1.NetworkPolicyIngressRule", LIST_OF(F_networking_v1_NetworkPolicyIngressRule), .flags = TYPE_BUILTIN },
    [T_networking_v1_NetworkPolicyPeer] = { .name = "io.k8s.api.networking.v1.NetworkPolicyPeer", LIST_OF(F_networking_v1_NetworkPolicyPeer), .flags = TYPE_BUILTIN },
    [T_networking_v1_NetworkPolicyPort] = { .name = "io.k8s.api.networking.v1.NetworkPolicyPort", LIST_OF(F_networking_v1_NetworkPolicyPort), .flags = TYPE_BUILTIN },
    [T_networking_v1_NetworkPolicySpec] = { .name = "io.k8s.api.networking.v1.NetworkPolicySpec", LIST_OF(F_networking_v1_NetworkPolicySpec), .flags = TYPE_BUILTIN },
    [T_networking_v1_ServiceBackendPort] = { .name = "io.k8s.api.networking.v1.ServiceBackendPort", LIST_OF(F_networking_v1_ServiceBackendPort), .flags = TYPE_BUILTIN|TYPE_ATOMIC },
    [T_policy_v1_Eviction] = { .name = "io.k8s.api.policy.v1.Eviction", LIST_OF(F_policy_v1_Eviction), .flags = TYPE_BUILTIN|TYPE_ROOT, .group = "policy", .version = "v1", .kind = "Eviction" },
    [T_policy_v1_PodDisruptionBudget] = { .name = "io.k8s.api.policy.v1.PodDisruptionBudget", LIST_OF(F_policy_v1_PodDisruptionBudget), .flags = TYPE_BUILTIN|TYPE_ROOT, .group = "policy", .version = "v1", .kind = "PodDisruptionBudget" },
    [T_policy_v1_PodDisruptionBudgetSpec] = { .name = "io.k8s.api.policy.v1.PodDisruptionBudgetSpec", LIST_OF(F_policy_v1_PodDisruptionBudgetSpec), .flags = TYPE_BUILTIN },
    [T_policy_v1_PodDisruptionBudgetStatus] = { .name = "io.k8s.api.policy.v1.PodDisruptionBudgetStatus", LIST_OF(F_policy_v1_PodDisruptionBudgetStatus), .flags = TYPE_BUILTIN },
    [T_rbac_v1_AggregationRule] = { .name = "io.k8s.api.rbac.v1.AggregationRule", LIST_OF(F_rbac_v1_AggregationRule), .flags = TYPE_BUILTIN },
    [T_rbac_v1_ClusterRole] = { .name = "io.k8s.api.rbac.v1.ClusterRole", LIST_OF(F_rbac_v1_ClusterRole), .flags = TYPE_BUILTIN|TYPE_ROOT, .group = "rbac.authorization.k8s.io", .version = "v1", .kind = "ClusterRole" },
    [T_rbac_v1_ClusterRoleBinding] = { .name = "io.k8s.api.rbac.v1.ClusterRoleBinding", LIST_OF(F_rbac_v1_ClusterRoleBinding), .flags = TYPE_BUILTIN|TYPE_ROOT, .group = "rbac.authorization.k8s.io", .version = "v1", .kind = "ClusterRoleBinding" },
    [T_rbac_v1_PolicyRule] = { .name = "io.k8s.api.rbac.v1.PolicyRule", LIST_OF(F_rbac_v1_PolicyRule), .flags = TYPE_BUILTIN },
    [T_rbac_v1_Role] = { .name = "io.k8s.api.rbac.v1.Role", LIST_OF(F_rbac_v1_Role), .flags = TYPE_BUILTIN|TYPE_ROOT, .group = "rbac.authorization.k8s.io", .version = "v1", .kind = "Role" },
    [T_rbac_v1_RoleBinding] = { .name = "io.k8s.api.rbac.v1.RoleBinding", LIST_OF(F_rbac_v1_RoleBinding), .flags = TYPE_BUILTIN|TYPE_ROOT, .group = "rbac.authorization.k8s.io", .version = "v1", .kind = "RoleBinding" },
    [T_rbac_v1_RoleRef] = { .name = "io.k8s.api.rbac.v1.RoleRef", LIST_OF(F_rbac_v1_RoleRef), .flags = TYPE_BUILTIN|TYPE_ATOMIC },
    [T_rbac_v1_Subject] = { .name = "io.k8s.api.rbac.v1.Subject", LIST_OF(F_rbac_v1_Subject), .flags = TYPE_BUILTIN|TYPE_ATOMIC },
    [T_scheduling_v1_PriorityClass] = { .name = "io.k8s.api.scheduling.v1.PriorityClass", LIST_OF(F_scheduling_v1_PriorityClass), .flags = TYPE_BUILTIN|TYPE_ROOT, .group = "scheduling.k8s.io", .version = "v1", .kind = "PriorityClass" },
    [T_storage_v1_CSIDriver] = { .name = "io.k8s.api.storage.v1.CSIDriver", LIST_OF(F_storage_v1_CSIDriver), .flags = TYPE_BUILTIN|TYPE_ROOT, .group = "storage.k8s.io", .version = "v1", .kind = "CSIDriver" },
    [T_storage_v1_CSIDriverSpec] = { .name = "io.k8s.api.storage.v1.CSIDriverSpec", LIST_OF(F_storage_v1_CSIDriverSpec), .flags = TYPE_BUILTIN },
    [T_storage_v1_StorageClass] = { .name = "io.k8s.api.storage.v1.StorageClass", LIST_OF(F_storage_v1_StorageClass), .flags = TYPE_BUILTIN|TYPE_ROOT, .group = "storage.k8s.io", .version = "v1", .kind = "StorageClass" },
    [T_storage_v1_TokenRequest] = { .name = "io.k8s.api.storage.v1.TokenRequest", LIST_OF(F_storage_v1_TokenRequest), .flags = TYPE_BUILTIN },
    [T_apiextensions_v1_CustomResourceColumnDefinition] = { .name = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceColumnDefinition", LIST_OF(F_apiextensions_v1_CustomResourceColumnDefinition), .flags = TYPE_BUILTIN },
    [T_apiextensions_v1_CustomResourceConversion] = { .name = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceConversion", LIST_OF(F_apiextensions_v1_CustomResourceConversion), .flags = TYPE_BUILTIN },
    [T_apiextensions_v1_CustomResourceDefinition] = { .name = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceDefinition", LIST_OF(F_apiextensions_v1_CustomResourceDefinition), .flags = TYPE_BUILTIN|TYPE_ROOT, .group = "apiextensions.k8s.io", .version = "v1", .kind = "CustomResourceDefinition" },
    [T_apiextensions_v1_CustomResourceDefinitionCondition] = { .name = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceDefinitionCondition", LIST_OF(F_apiextensions_v1_CustomResourceDefinitionCondition), .flags = TYPE_BUILTIN },
    [T_apiextensions_v1_CustomResourceDefinitionNames] = { .name = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceDefinitionNames", LIST_OF(F_apiextensions_v1_CustomResourceDefinitionNames), .flags = TYPE_BUILTIN },
    [T_apiextensions_v1_CustomResourceDefinitionSpec] = { .name = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceDefinitionSpec", LIST_OF(F_apiextensions_v1_CustomResourceDefinitionSpec), .flags = TYPE_BUILTIN },
    [T_apiextensions_v1_CustomResourceDefinitionStatus] = { .name = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceDefinitionStatus", LIST_OF(F_apiextensions_v1_CustomResourceDefinitionStatus), .flags = TYPE_BUILTIN },
    [T_apiextensions_v1_CustomResourceDefinitionVersion] = { .name = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceDefinitionVersion", LIST_OF(F_apiextensions_v1_CustomResourceDefinitionVersion), .flags = TYPE_BUILTIN },
    [T_apiextensions_v1_CustomResourceSubresourceScale] = { .name = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceSubresourceScale", LIST_OF(F_apiextensions_v1_CustomResourceSubresourceScale), .flags = TYPE_BUILTIN },
    [T_apiextensions_v1_CustomResourceSubresourceStatus] = { .name = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceSubresourceStatus", .fields = NULL, .flags = TYPE_BUILTIN },
    [T_apiextensions_v1_CustomResourceSubresources] = { .name = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceSubresources", LIST_OF(F_apiextensions_v1_CustomResourceSubresources), .flags = TYPE_BUILTIN },
    [T_apiextensions_v1_CustomResourceValidation] = { .name = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceValidation", LIST_OF(F_apiextensions_v1_CustomResourceValidation), .flags = TYPE_BUILTIN },
    [T_apiextensions_v1_ExternalDocumentation] = { .name = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.ExternalDocumentation", LIST_OF(F_apiextensions_v1_ExternalDocumentation), .flags = TYPE_BUILTIN },
    [T_apiextensions_v1_JSONSchemaProps] = { .name = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps", LIST_OF(F_apiextensions_v1_JSONSchemaProps), .flags = TYPE_BUILTIN },
    [T_apiextensions_v1_SelectableField] = { .name = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.SelectableField", LIST_OF(F_apiextensions_v1_SelectableField), .flags = TYPE_BUILTIN },
    [T_apiextensions_v1_ServiceReference] = { .name = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.ServiceReference", LIST_OF(F_apiextensions_v1_ServiceReference), .flags = TYPE_BUILTIN },
    [T_apiextensions_v1_ValidationRule] = { .name = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.ValidationRule", LIST_OF(F_apiextensions_v1_ValidationRule), .flags = TYPE_BUILTIN },
    [T_apiextensions_v1_WebhookClientConfig] = { .name = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.WebhookClientConfig", LIST_OF(F_apiextensions_v1_WebhookClientConfig), .flags = TYPE_BUILTIN },
    [T_apiextensions_v1_WebhookConversion] = { .name = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.WebhookConversion", LIST_OF(F_apiextensions_v1_WebhookConversion), .flags = TYPE_BUILTIN },
    [T_meta_v1_Condition] = { .name = "io.k8s.apimachinery.pkg.apis.meta.v1.Condition", LIST_OF(F_meta_v1_Condition), .flags = TYPE_BUILTIN },
    [T_meta_v1_DeleteOptions] = { .name = "io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions", LIST_OF(F_meta_v1_DeleteOptions), .flags = TYPE_BUILTIN|TYPE_ROOT, .group = "meta.k8s.io", .version = "v1", .kind = "DeleteOptions" },
    [T_meta_v1_FieldSelectorRequirement] = { .name = "io.k8s.apimachinery.pkg.apis.meta.v1.FieldSelectorRequirement", LIST_OF(F_meta_v1_FieldSelectorRequirement), .flags = TYPE_BUILTIN },
    [T_meta_v1_GroupVersionKind] = { .name = "io.k8s.apimachinery.pkg.apis.meta.v1.GroupVersionKind", LIST_OF(F_meta_v1_GroupVersionKind), .flags = TYPE_BUILTIN },
    [T_meta_v1_GroupVersionResource] = { .name = "io.k8s.apimachinery.pkg.apis.meta.v1.GroupVersionResource", LIST_OF(F_meta_v1_GroupVersionResource), .flags = TYPE_BUILTIN },
    [T_meta_v1_LabelSelector] = { .name = "io.k8s.apimachinery.pkg.apis.meta.v1.LabelSelector", LIST_OF(F_meta_v1_LabelSelector), .flags = TYPE_BUILTIN|TYPE_ATOMIC },
    [T_meta_v1_LabelSelectorRequirement] = { .name = "io.k8s.apimachinery.pkg.apis.meta.v1.LabelSelectorRequirement", LIST_OF(F_meta_v1_LabelSelectorRequirement), .flags = TYPE_BUILTIN },
    [T_meta_v1_ListMeta] = { .name = "io.k8s.apimachinery.pkg.apis.meta.v1.ListMeta", LIST_OF(F_meta_v1_ListMeta), .flags = TYPE_BUILTIN },
    [T_meta_v1_ManagedFieldsEntry] = { .name = "io.k8s.apimachinery.pkg.apis.meta.v1.ManagedFieldsEntry", LIST_OF(F_meta_v1_ManagedFieldsEntry), .flags = TYPE_BUILTIN },
    [T_meta_v1_ObjectMeta] = { .name = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta", LIST_OF(F_meta_v1_ObjectMeta), .flags = TYPE_BUILTIN },
    [T_meta_v1_OwnerReference] = { .name = "io.k8s.apimachinery.pkg.apis.meta.v1.OwnerReference", LIST_OF(F_meta_v1_OwnerReference), .flags = TYPE_BUILTIN|TYPE_ATOMIC },
    [T_meta_v1_PartialObjectMetadata] = { .name = "io.k8s.apimachinery.pkg.apis.meta.v1.PartialObjectMetadata", LIST_OF(F_meta_v1_PartialObjectMetadata), .flags = TYPE_BUILTIN|TYPE_ROOT, .group = "meta.k8s.io", .version = "v1", .kind = "PartialObjectMetadata" },
    [T_meta_v1_Preconditions] = { .name = "io.k8s.apimachinery.pkg.apis.meta.v1.Preconditions", LIST_OF(F_meta_v1_Preconditions), .flags = TYPE_BUILTIN },
    [T_meta_v1_Status] = { .name = "io.k8s.apimachinery.pkg.apis.meta.v1.Status", LIST_OF(F_meta_v1_Status), .flags = TYPE_BUILTIN|TYPE_ROOT, .group = "meta.k8s.io", .version = "v1", .kind = "Status" },
    [T_meta_v1_StatusCause] = { .name = "io.k8s.apimachinery.pkg.apis.meta.v1.StatusCause", LIST_OF(F_meta_v1_StatusCause), .flags = TYPE_BUILTIN },
    [T_meta_v1_StatusDetails] = { .name = "io.k8s.apimachinery.pkg.apis.meta.v1.StatusDetails", LIST_OF(F_meta_v1_StatusDetails), .flags = TYPE_BUILTIN },
};

const struct type *const k8s_object_meta = &T[T_meta_v1_ObjectMeta];
K8S_TABLE(T, T_COUNT)
