# Shared (sourced) by the scripts that measure the provisioner before a simulated ARM: our own API server, the simulator, a provisioner with --cloud azure.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
fake=$BUILD/tests/peers/fake-arm/kaito-fake-arm
export KUBECONFIG=$T/api/kubeconfig HOME=$T ARM_SUBSCRIPTION_ID=00000000-0000-0000-0000-000000000000 ARM_RESOURCE_GROUP=rehearsal AZURE_CLUSTER_NAME=aks \
    AZURE_TENANT_ID=11111111-1111-1111-1111-111111111111 AZURE_CLIENT_ID=22222222-2222-2222-2222-222222222222 AZURE_CLIENT_SECRET=rehearsed
pids=() TLS=() round=a
finish() { for p in "${pids[@]}"; do kill "$p"; wait "$p" || true; done 2>/dev/null; rm -rf "$T"; }
trap finish EXIT
wait_for() { local end=$((SECONDS + $1)); shift; until "$@" >/dev/null 2>&1; do [ $SECONDS -lt $end ] || { echo "not within time: $*" >&2; tail -n 3 "$T"/*.log >&2; exit 1; }; sleep 0.2; done; }
arm() { curl -s "${TLS[@]}" "$url/control/$1"; }
ready() { [ "$(kubectl get nodeclaims -o json | jq '[.items[] | select(any(.status.conditions[]?; .type == "Ready" and .status == "True"))] | length')" = "$1" ]; }
gone() { [ "$(arm state | jq '.pools | length')" = 0 ] && [ -z "$(kubectl get nodeclaims -o name)" ]; }
claims() { for i in $(seq "$1"); do cat <<YAML
---
apiVersion: karpenter.sh/v1
kind: NodeClaim
metadata: {name: ws$round$i, labels: {kaito.sh/workspace: w, kaito.sh/workspacenamespace: default}}
spec:
  nodeClassRef: {group: kaito.sh, kind: KaitoNodeClass, name: default}
  resources: {requests: {storage: 300Gi}}
  requirements: [{key: node.kubernetes.io/instance-type, operator: In, values: [Standard_NC24ads_A100_v4]}]
YAML
done; }
# SETTINGS [simulator's options]: API server and simulator; url is its address
start_arm() {
    local settings=$1
    shift
    "$KAITO" apiserver --state-dir "$T/api" >"$T/api.log" 2>&1 &
    pids+=($!)
    wait_for 10 kubectl get --raw /readyz
    "$fake" --ready-file "$T/ready" --client-secret rehearsed --kubeconfig "$KUBECONFIG" --seed 7 ${settings:+--settings "$settings"} "$@" >"$T/arm.log" 2>&1 &
    pids+=($!)
    wait_for 10 test -s "$T/ready"
    url=$(jq -r .url "$T/ready")
}
# [OPTIONS]: provisioner is its process
start_provisioner() {
    ARM_ENDPOINT=$url AZURE_AUTHORITY_HOST=$url ARM_AUDIENCE=$url "$KAITO" provisioner --cloud azure --azure-auth secret --no-leader-elect --health-probe-bind-address 0 \
        --metrics-bind-address 0 "$@" >"$T/provisioner.log" 2>&1 &
    provisioner=$!
    pids+=("$provisioner")
    wait_for 20 kubectl get nodeclaims
}
rules_kept() { [ "$(arm violations)" = "[]" ] || { echo "ARM's rules were broken: $(arm violations | head -c 500)" >&2; exit 1; }; }
