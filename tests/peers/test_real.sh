#!/usr/bin/env bash
# The manager and the provisioner against a real kube-apiserver (no controllers, no kubelet: this script plays them). Prints TAP.
# Needs kubectl and ../shared/tools/kube-apiserver with its binaries built; skips otherwise. KAITO_BUILD, KAITO_SHARED override the folders.
. "$(dirname "$0")/real.sh"
absent() { ! kubectl get "$@" >/dev/null 2>&1; }
condition() { kubectl get workspace "$1" -o "jsonpath={.status.conditions[?(@.type==\"$2\")].$3}"; }
columns() { kubectl get workspace "$1" --no-headers | awk '{print $3,$4,$5}'; }
patch_status() { kubectl patch "$1" --subresource=status --type=merge -p "$2"; }
now() { date -u +%Y-%m-%dT%H:%M:%SZ; }

lift_taint() {
    kubectl get node "$1" -o json | python3 -c '
import json, sys
n = json.load(sys.stdin)
n["spec"]["taints"] = [t for t in n["spec"].get("taints", []) if t["key"] != "node.kubernetes.io/not-ready"]
json.dump(n, sys.stdout)' | kubectl replace -f -
}
node_ready() {      # what the node agent and the node life cycle controller do; the provisioner writes to the Node, too: after a conflict again
    patch_status "node/$1" "{\"status\":{\"conditions\":[{\"type\":\"Ready\",\"status\":\"True\",\"reason\":\"AgentReady\",\"lastHeartbeatTime\":\"$(now)\",\"lastTransitionTime\":\"$(now)\"}]}}" &&
    { lift_taint "$1" || lift_taint "$1" || lift_taint "$1"; }
}
job_complete() {
    patch_status "job/$1" "{\"status\":{\"startTime\":\"$(now)\",\"completionTime\":\"$(now)\",\"succeeded\":1,\"conditions\":[
      {\"type\":\"SuccessCriteriaMet\",\"status\":\"True\",\"lastTransitionTime\":\"$(now)\"},{\"type\":\"Complete\",\"status\":\"True\",\"lastTransitionTime\":\"$(now)\"}]}}"
}
job_failed() {
    patch_status "job/$1" "{\"status\":{\"startTime\":\"$(now)\",\"failed\":1,\"conditions\":[
      {\"type\":\"FailureTarget\",\"status\":\"True\",\"lastTransitionTime\":\"$(now)\"},{\"type\":\"Failed\",\"status\":\"True\",\"reason\":\"BackoffLimitExceeded\",\"message\":\"$2\",\"lastTransitionTime\":\"$(now)\"}]}}"
}
serves() {
    patch_status "statefulset/$1" "{\"status\":{\"observedGeneration\":$(kubectl get statefulset "$1" -o jsonpath='{.metadata.generation}'),\"replicas\":1,\"readyReplicas\":1}}"
}
start_manager() { "$kaito" manager --health-probe-bind-address 0 --metrics-bind-address 0 --log-level debug >>"$work/manager.log" 2>&1 & manager=$!; pids+=("$manager"); }
start_provisioner() { "$kaito" provisioner --health-probe-bind-address 0 --metrics-bind-address 0 --log-level debug >>"$work/provisioner.log" 2>&1 & provisioner=$!; pids+=("$provisioner"); }

eval "$("$tool/up" "$work/real")" || { echo "Bail out! the API server did not start"; exit 1; }
export KUBECONFIG
start_manager

ok "the CRDs are installed and served" within 20 kubectl get workspaces,nodeclaims
ok "the templates are there" within 10 kubectl -n kaito-workspace get configmap lora-params-template qlora-params-template

# ---- tuning ----
ws=workspace-tuning-phi-3
ok "the sample is accepted" kubectl apply -f "$root/examples/fine-tuning/kaito_workspace_tuning_phi_3.yaml"
ok "it gets one NodeClaim" within 10 is 1 sh -c "kubectl get nodeclaims -l kaito.sh/workspace=$ws --no-headers 2>/dev/null | wc -l"
claim=$(kubectl get nodeclaims -o jsonpath='{.items[0].metadata.name}')
ok "the claim's name fits an agent pool" sh -c "echo '$claim' | grep -Eqx '[a-z][a-z0-9]{0,11}'"
ok "the claim asks for the machine type" is Standard_NC6s_v3 kubectl get nodeclaim "$claim" -o 'jsonpath={.spec.requirements[?(@.key=="node.kubernetes.io/instance-type")].values[0]}'
ok "the Workspace has its finalizer" is '["workspace.finalizer.kaito.sh"]' kubectl get workspace $ws -o 'jsonpath={.metadata.finalizers}'
ok "kubectl prints the five columns" holds "NAME                     INSTANCE           RESOURCEREADY   INFERENCEREADY   WORKSPACEREADY   AGE" kubectl get workspace
start_provisioner
node=local-$claim
ok "the claim becomes a Node" within 10 kubectl get node "$node"
ok "the Node carries type and owner labels" holds "Standard_NC6s_v3 $ws default" kubectl get node "$node" -o 'jsonpath={.metadata.labels.node\.kubernetes\.io/instance-type} {.metadata.labels.kaito\.sh/workspace} {.metadata.labels.kaito\.sh/workspacenamespace}'
ok "the claim says why it is not ready" within 10 holds NodeNotReady kubectl get nodeclaim "$claim" -o 'jsonpath={.status.conditions[?(@.type=="Initialized")].reason}'
ok "the Workspace shows the claim's cause" within 10 holds "Node $node is not ready" condition $ws ResourceReady message
ok "the Node becomes ready" node_ready "$node"
ok "the claim becomes ready" within 10 is True kubectl get nodeclaim "$claim" -o 'jsonpath={.status.conditions[?(@.type=="Ready")].status}'
ok "kubectl shows the claim's type" within 10 holds Standard_NC6s_v3 kubectl get nodeclaims
ok "RESOURCEREADY is True" within 10 is True condition $ws ResourceReady status
ok "the missing push secret is named" within 10 holds "Secret 'registry-secret'" condition $ws JobStarted message
ok "and an event says so" within 10 holds ImagePushSecretNotFound kubectl get events
kubectl create secret docker-registry registry-secret --docker-server=127.0.0.1:5443 --docker-username=u --docker-password=p >/dev/null
ok "the Job comes when the secret does" within 10 kubectl get job $ws
first=$(kubectl get job $ws -o jsonpath='{.metadata.uid}')
ok "the Job fails" job_failed $ws "pod failed"
ok "the failure is in the condition" within 10 holds "tuning job failed" condition $ws WorkspaceSucceeded message
kubectl delete secret registry-secret >/dev/null
kubectl create secret docker-registry registry-secret --docker-server=127.0.0.1:5443 --docker-username=u --docker-password=better >/dev/null
ok "a new secret makes a new Job at once" within 10 sh -c "u=\$(kubectl get job $ws -o jsonpath='{.metadata.uid}') && [ \"\$u\" != $first ]"
kill -9 "$manager" 2>/dev/null; wait "$manager" 2>/dev/null
ok "the Job succeeds while the manager is dead" job_complete $ws
start_manager
ok "the tuned model gets a StatefulSet" within 10 kubectl get statefulset $ws
ok "and a Service with 80 and 29500" within 10 is "80 29500" kubectl get service $ws -o 'jsonpath={.spec.ports[*].port}'
ok "and a headless Service" within 10 is None kubectl get service $ws-headless -o 'jsonpath={.spec.clusterIP}'
ok "it pulls the pushed adapter" holds 127.0.0.1:5443/adapters/phi-3-dolly:0.0.1 kubectl get statefulset $ws -o 'jsonpath={.spec.template.spec.initContainers[1].command}'
ok "it answers" serves $ws
ok "the columns end True True True" within 10 is "True True True" columns $ws
ok "the state is Succeeded" is Succeeded kubectl get workspace $ws -o 'jsonpath={.status.state}'
ok "still one NodeClaim after all that" is 1 sh -c "kubectl get nodeclaims --no-headers | wc -l"
version=$(kubectl get workspace $ws -o jsonpath='{.metadata.resourceVersion}')

# ---- inference ----
base=workspace-phi-3-mini
name=$(kubectl create --dry-run=client -f "$root/examples/inference/kaito_workspace_phi_3.yaml" -o 'jsonpath={.metadata.name}')
base=${name:-$base}
ok "the inference sample is accepted" kubectl apply -f "$root/examples/inference/kaito_workspace_phi_3.yaml"
ok "it gets a NodeClaim" within 10 holds ws kubectl get nodeclaims -l "kaito.sh/workspace=$base" -o name
claim2=$(kubectl get nodeclaims -l "kaito.sh/workspace=$base" -o jsonpath='{.items[0].metadata.name}')
ok "its Node comes" within 10 kubectl get node "local-$claim2"
ok "and becomes ready" node_ready "local-$claim2"
ok "it gets a StatefulSet" within 10 kubectl get statefulset "$base"
ok "of the native runtime" holds kaito-runtime kubectl get statefulset "$base" -o 'jsonpath={.spec.template.spec.containers[0].command[0]}'
ok "its pod is chosen by the Service" is "$base-0" kubectl get service "$base" -o 'jsonpath={.spec.selector.statefulset\.kubernetes\.io/pod-name}'
ok "it answers too" serves "$base"
ok "its columns end True True True" within 10 is "True True True" columns "$base"

# ---- bad input ----
kubectl apply -f - >/dev/null <<YAML
apiVersion: kaito.sh/v1beta1
kind: Workspace
metadata: {name: unknown-preset}
resource: {instanceType: Standard_NC6s_v3, labelSelector: {matchLabels: {app: x}}}
inference: {preset: {name: no-such-model}}
YAML
ok "an unknown preset is named" within 10 holds "Unsupported inference preset name no-such-model" condition unknown-preset WorkspaceSucceeded message
ok "and makes no NodeClaim" is "" kubectl get nodeclaims -l kaito.sh/workspace=unknown-preset -o name
ok "it can be deleted" kubectl delete workspace unknown-preset --timeout=60s

ok "nothing is written while nothing changes" is "$version" kubectl get workspace $ws -o jsonpath='{.metadata.resourceVersion}'

# ---- the end ----
ok "the Workspaces go" kubectl delete workspace $ws "$base" --timeout=60s
ok "their NodeClaims go" within 20 is "" kubectl get nodeclaims -o name
ok "their Nodes go" within 20 is "" kubectl get nodes -o name
ok "the manager stops when asked" sh -c "kill $manager"
wait "$manager"; ok "with status 0" [ $? -eq 0 ]
ok "the provisioner stops when asked" sh -c "kill $provisioner"
wait "$provisioner"; ok "with status 0" [ $? -eq 0 ]
echo "1..$tests"
echo "# $((tests - failed)) passed, $failed failed"
[ "$failed" -eq 0 ]
