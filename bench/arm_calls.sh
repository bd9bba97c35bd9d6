#!/usr/bin/env bash
# Calls to ARM per claim over its whole life (claimed, Ready, deleted, pool gone), from the simulator's journal; tokens are not counted. JSON lines.
# arm_calls.sh [CLAIMS...] (default 1 20); SETTINGS='{"create_ms": 240000, "delete_ms": 120000}' makes it as slow as AKS, default: the simulator's own times.
. "$(dirname "$0")/lib.sh"
fake=$BUILD/tests/peers/fake-arm/kaito-fake-arm settings=${SETTINGS:-}
[ $# -gt 0 ] || set -- 1 20
export KUBECONFIG=$T/api/kubeconfig HOME=$T ARM_SUBSCRIPTION_ID=00000000-0000-0000-0000-000000000000 ARM_RESOURCE_GROUP=rehearsal AZURE_CLUSTER_NAME=aks \
    AZURE_TENANT_ID=11111111-1111-1111-1111-111111111111 AZURE_CLIENT_ID=22222222-2222-2222-2222-222222222222 AZURE_CLIENT_SECRET=rehearsed
pids=()
finish() { for p in "${pids[@]}"; do kill "$p"; wait "$p" || true; done 2>/dev/null; rm -rf "$T"; }
trap finish EXIT
wait_for() { local end=$((SECONDS + $1)); shift; until "$@" >/dev/null 2>&1; do [ $SECONDS -lt $end ] || { echo "not within time: $*" >&2; exit 1; }; sleep 0.2; done; }
arm() { curl -s "$url/control/$1"; }
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

"$KAITO" apiserver --state-dir "$T/api" >"$T/api.log" 2>&1 &
pids+=($!)
wait_for 10 kubectl get --raw /readyz
"$fake" --ready-file "$T/ready" --client-secret rehearsed --kubeconfig "$KUBECONFIG" --seed 7 ${settings:+--settings "$settings"} >"$T/arm.log" 2>&1 &
pids+=($!)
wait_for 10 test -s "$T/ready"
url=$(jq -r .url "$T/ready")
ARM_ENDPOINT=$url AZURE_AUTHORITY_HOST=$url ARM_AUDIENCE=$url "$KAITO" provisioner --cloud azure --azure-auth secret --no-leader-elect --health-probe-bind-address 0 \
    --metrics-bind-address 0 >"$T/provisioner.log" 2>&1 &
pids+=($!)
wait_for 20 kubectl get nodeclaims
round=a
for n in "$@"; do
    before=$(arm journal | jq length)
    claims "$n" | kubectl create -f - >/dev/null
    wait_for 900 ready "$n"
    up=$(arm journal | jq length)
    kubectl delete nodeclaims --all --wait=false >/dev/null
    wait_for 900 gone
    arm journal | jq -c --argjson n "$n" --argjson from "$before" --argjson up "$up" '.[$from:] as $all | [$all[] | select(.call != "token")] as $calls |
        {claims: $n, calls_per_claim: (($calls | length) / $n * 100 | round / 100), until_ready: ([.[$from:$up][] | select(.call != "token")] | length),
         by_call: ($calls | group_by(.call) | map({(.[0].call): length}) | add)}'
    round=$(echo "$round" | tr a-y b-z)
done
[ "$(arm violations)" = "[]" ] || { echo "ARM's rules were broken: $(arm violations)" >&2; exit 1; }
