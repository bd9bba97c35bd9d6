/*
 * What ARM and AKS say when they refuse, in their words as far as they are known (reference dossier, provisioner, 3.7): each may be the
 * answer to a request or the end of an operation.
 */
#include "sim.h"

#define BUSY_PUT "Operation is not allowed because there's an in progress create node pool operation on managed cluster. Please wait for it to finish before starting a new operation."
#define QUOTA(what) "Operation could not be completed as it results in exceeding approved " what " quota. Additional details - Deployment Model: Resource Manager, Location: eastus, Current Limit: 0, Current Usage: 0, Additional Required: 24, (Minimum) New Limit Required: 24. Submit a request for Quota increase."

const struct sim_error sim_errors[] = {
    { "timeout", 408, "RequestTimeout", "The request was not completed in time." },
    { "internal", 500, "InternalServerError", "Encountered internal server error." },
    { "bad-gateway", 502, NULL, "<html><head><title>502 Bad Gateway</title></head><body>gateway</body></html>", .shape = SHAPE_HTML },
    { "unavailable", 503, "ServiceUnavailable", "The service is temporarily unavailable." },
    { "unavailable-empty", 503, .shape = SHAPE_EMPTY },
    { "gateway-timeout", 504, "GatewayTimeout", "The gateway did not receive a response from 'Microsoft.ContainerService' within the specified time period." },
    { "throttled", 429, "TooManyRequests", "The request is being throttled as the limit has been reached for operation type - Write. Retry again in 3 seconds.", .retry_after = "3" },
    { "throttled-subscription", 429, "SubscriptionRequestsThrottled", "Number of requests for subscription exceeded the limit. Please try again after '2' seconds.", .retry_after = "2" },
    { "throttled-silent", 429, "Throttled", "PutAgentPoolHandler.PUT is throttled; retry again in 4 seconds", .shape = SHAPE_FLAT },
    { "throttled-long", 429, "TooManyRequests", "The request is being throttled.", .retry_after = "120" },
    { "busy", 409, "OperationNotAllowed", BUSY_PUT },
    { "busy-400", 400, "OperationNotAllowed", "Another agentpool operation (other - Creating) is in progress, please wait for it to finish before starting a new operation. See https://aka.ms/aks-pending-operation for more details" },
    { "conflict", 409, "Conflict", "The request conflicts with another operation on the cluster." },
    { "quota-family", 400, "ErrCode_InsufficientVCPUQuota", "Insufficient vcpu quota requested 24, remaining 0 for family standardNCADSA100v4Family for region eastus." },
    { "quota-regional", 400, "OperationNotAllowed", QUOTA("Total Regional Cores") },
    { "quota-spot", 400, "QuotaExceeded", QUOTA("LowPriorityCores") },
    { "capacity", 400, "CreateVMSSAgentPoolFailed", "Failed to create the VMSS agent pool.", "AllocationFailed", "Allocation failed. We do not have sufficient capacity for the requested VM size in this region." },
    { "capacity-zone", 400, "ReconcileVMSSAgentPoolFailed", "Code=\"ReconcileVMSSAgentPoolFailed\"", "ZonalAllocationFailed", "Allocation failed. We do not have sufficient capacity for the requested VM size in this zone." },
    { "capacity-overconstrained", 400, "ReconcileVMSSAgentPoolFailed", "{\"error\":{\"code\":\"OverconstrainedAllocationRequest\",\"message\":\"Allocation failed. VM(s) with the following constraints cannot be allocated, because the condition is too restrictive.\"}}", .shape = SHAPE_TEXT_IN_TEXT },
    { "sku", 400, "SkuNotAvailable", "The requested VM size is not available in the location 'eastus' for subscription. Please try another size or deploy to a different location." },
    { "bad-request", 400, "InvalidParameter", "The value of parameter agentPoolProfile is invalid." },
    { "authorization", 403, "AuthorizationFailed", "The client with object id does not have authorization to perform action 'Microsoft.ContainerService/managedClusters/agentPools/write' over scope or the scope is invalid." },
    { "policy", 403, "RequestDisallowedByPolicy", "Resource was disallowed by policy." },
    { "locked", 409, "ScopeLocked", "The scope cannot perform write operation because following scope(s) are locked." },
    { "unregistered", 409, "MissingSubscriptionRegistration", "The subscription is not registered to use namespace 'Microsoft.ContainerService'." },
    { "nodes-not-ready", 400, "NodesNotReady", "Expected 1 ready nodes but found 0 after waiting." },
    { "extension", 400, "VMExtensionProvisioningError", "VM has reported a failure when processing extension 'vmssCSE'.", "OutboundConnFailVMExtensionError", "Agents are unable to establish an outbound connection." },
    { "subnet", 400, "SubnetIsFull", "Subnet does not have enough capacity for 1 IP addresses." },
    { "drain", 400, "DeleteVMSSAgentPoolFailed", "Failed to delete the agent pool.", "PodDrainFailure", "Drain node failed when evicting pod. Cannot evict pod as it would violate the pod's disruption budget." },
    { "canceled", 409, "OperationPreempted", "The operation was overridden by a later one." },
    { "aad-credential", 401, NULL, "AADSTS70021: No matching federated identity record found for presented assertion.", .shape = SHAPE_FLAT },
    { "aad-unavailable", 503, NULL, "AADSTS90033: A transient error has occurred. Please try again.", .shape = SHAPE_FLAT },
};
const size_t sim_errors_n = ARRAY_LEN(sim_errors);

const struct sim_error *sim_error_named(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(sim_errors); i++)
        if (streq(sim_errors[i].name, name))
            return &sim_errors[i];
    return NULL;
}

json_t *sim_error_json(const struct sim_error *row)
{
    json_t *e = json_object();

    json_put_str(e, "code", row->code ? row->code : "InternalServerError");
    json_put_str(e, "message", row->message ? row->message : "");
    if (row->inner_code)
        json_put(e, "details", json_pack("[{s:s,s:s}]", "code", row->inner_code, "message", row->inner_message));
    return e;
}
