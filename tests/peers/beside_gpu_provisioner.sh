#!/usr/bin/env bash
# Upstream's gpu-provisioner and ours before the same simulated ARM, with some of the problems that users reported. By hand: it needs upstream's sources.
#   git clone https://github.com/Azure/gpu-provisioner && cd gpu-provisioner       (c09a56c0; its dependencies are in vendor/)
#   cp KAITO/tests/peers/gpu-provisioner/rehearsal.go pkg/providers/instance/
#   in NewAZClient of pkg/providers/instance/azure_client.go, as its first lines (and "os" among the imports):
#       if os.Getenv("REHEARSAL_URL") != "" { return rehearse(cfg) }
#   CGO_ENABLED=0 go build -mod=vendor -o gpu-provisioner ./cmd/controller
# Then: beside_gpu_provisioner.sh upstream:FILE|ours foreign|refused|crash|lost...     One JSON line for each.
. "$(dirname "$0")/../../bench/lib.sh"
fake=$BUILD/tests/peers/fake-arm/kaito-fake-arm
export KUBECONFIG=$T/api/kubeconfig HOME=$T SSL_CERT_FILE=$T/ca.pem ARM_SUBSCRIPTION_ID=00000000-0000-0000-0000-000000000000 ARM_RESOURCE_GROUP=rehearsal \
    AZURE_CLUSTER_NAME=aks AZURE_TENANT_ID=11111111-1111-1111-1111-111111111111 AZURE_CLIENT_ID=22222222-2222-2222-2222-222222222222 AZURE_CLIENT_SECRET=rehearsed LOCATION=eastus
pids=() provisioner=
finish() { for p in "${pids[@]}" $provisioner; do kill "$p"; wait "$p" || true; done 2>/dev/null; rm -rf "$T"; }
trap finish EXIT
wait_for() { local end=$((SECONDS + $1)); shift; until "$@" >/dev/null 2>&1; do [ $SECONDS -lt $end ] || return 1; sleep 0.2; done; }
arm() { curl -s --cacert "$T/ca.pem" "$url/control/$1" "${@:2}"; }
control() { arm "$1" -X POST -d "$2" >/dev/null; }
puts() { arm journal | jq '[.[] | select(.call == "put")] | length'; }
pool() { arm state | jq -e --arg n "$1" '.pools[] | select(.name == $n)'; }
no_pool() { ! pool "$1"; }
no_claim() { ! kubectl get nodeclaim "$1"; }
condition() { kubectl get nodeclaim "$1" -o json | jq -c --arg t "$2" '[.status.conditions[]? | select(.type == $t)][0] | {status, reason, message: (.message // "" | .[:160])}' 2>/dev/null || echo null; }
ready() { [ "$(kubectl get nodeclaim "$1" -o json | jq -r '[.status.conditions[]? | select(.type == "Initialized")][0].status')" = True ]; }
put_came() { [ "$(puts)" -ge "$1" ]; }
claim() { kubectl create -f - >/dev/null <<YAML
apiVersion: karpenter.sh/v1
kind: NodeClaim
metadata: {name: $1, labels: {kaito.sh/workspace: w, kaito.sh/workspacenamespace: default, karpenter.sh/nodepool: kaito}}
spec:
  nodeClassRef: {group: kaito.sh, kind: KaitoNodeClass, name: default}
  resources: {requests: {storage: 300Gi}}
  requirements: [{key: node.kubernetes.io/instance-type, operator: In, values: [Standard_NC24ads_A100_v4]}, {key: karpenter.sh/nodepool, operator: In, values: [kaito]}]
YAML
}
start() {
    if [ "$who" = ours ]; then
        ARM_ENDPOINT=$url AZURE_AUTHORITY_HOST=$url ARM_AUDIENCE=$url "$KAITO" provisioner --cloud azure --azure-auth secret --no-leader-elect --health-probe-bind-address 0 \
            --metrics-bind-address 0 >>"$T/provisioner.log" 2>&1 &
    else
        REHEARSAL_URL=$url METRICS_PORT=0 HEALTH_PROBE_PORT=0 SYSTEM_NAMESPACE=default "${who#upstream:}" >>"$T/provisioner.log" 2>&1 &
    fi
    provisioner=$!
}
halt() { kill -9 "$provisioner"; wait "$provisioner" 2>/dev/null || true; provisioner=; }
report() { jq -cn --arg who "${who%%:*}" --arg problem "$1" "${@:3}" "{who: \$who, problem: \$problem} + $2"; }

# Somebody's pool has the name of a claim. What becomes of it while the claim lives, and when it goes?
foreign() {
    control pools/shared '{"vmSize": "Standard_NC24ads_A100_v4", "count": 1, "osType": "Linux", "osSKU": "Ubuntu", "osDiskSizeGB": 300, "mode": "User", "nodeLabels": {"team": "x"}}'
    claim shared
    sleep 15
    local told there=true writes
    told=$(condition shared Launched)
    kubectl delete nodeclaim shared --wait=false >/dev/null
    sleep 25
    pool shared >/dev/null || there=false
    writes=$(arm violations | jq -c '[.[] | select(.rule == "foreign") | .what] | group_by(.) | map({(.[0]): length}) | add // {}')
    report foreign '{told: $told, written_to: $writes, there_at_the_end: $there}' --argjson told "$told" --argjson writes "$writes" --argjson there $there
}

# A machine type that the subscription may not use: how often is it asked for in a minute, and what does the claim say?
refused() {
    control faults '{"call": "put", "times": -1, "do": "error", "error": "sku"}'
    claim refused
    sleep 60
    report refused '{puts_in_60_s: $n, told: $told}' --argjson n "$(puts)" --argjson told "$(condition refused Launched)"
}

# The provisioner dies while the pool is made, the claim is deleted, the provisioner comes back.
crash() {
    claim crash
    wait_for 20 put_came 1
    sleep 2
    halt
    kubectl delete nodeclaim crash --wait=false >/dev/null
    sleep 1
    start
    wait_for 80 no_claim crash || true
    local gone=$SECONDS outlives=0 left
    pool crash >/dev/null && outlives=true || outlives=false
    wait_for 50 no_pool crash || true
    left=$((SECONDS - gone))
    report crash '{claim_gone: $gone, pool_without_claim: $o, for_s: $left, pool_gone: $pool}' --argjson gone "$(no_claim crash >/dev/null 2>&1 && echo true || echo false)" \
        --argjson o $outlives --argjson left $left --argjson pool "$(no_pool crash >/dev/null && echo true || echo false)"
}

# The answer to the creation is lost.
lost() {
    control faults '{"call": "put", "times": 1, "do": "lose-reply"}'
    claim lost
    local began=$SECONDS
    wait_for 100 ready lost || true
    report lost '{initialized: $ok, after_s: $s, puts: $n, told: $told}' --argjson ok "$(ready lost && echo true || echo false)" --argjson s $((SECONDS - began)) --argjson n "$(puts)" \
        --argjson told "$(condition lost Launched)"
}

who=$1
shift
"$KAITO" apiserver --state-dir "$T/api" >"$T/api.log" 2>&1 &
pids+=($!)
wait_for 10 kubectl get --raw /readyz
kubectl create -f "$SOURCE/deploy/crds/nodeclaims.karpenter.sh.yaml" >/dev/null 2>&1 || true
for problem in "$@"; do
    rm -f "$T/ready"
    "$fake" --tls --ca-file "$T/ca.pem" --ready-file "$T/ready" --client-secret rehearsed --kubeconfig "$KUBECONFIG" --seed 7 >"$T/arm.log" 2>&1 &
    simulator=$!
    pids+=("$simulator")
    wait_for 10 test -s "$T/ready"
    url=$(jq -r .url "$T/ready")
    start
    wait_for 30 kubectl get nodeclaims
    sleep 3
    "$problem"
    [ -z "${KEEP_LOG:-}" ] || cp "$T/provisioner.log" "$KEEP_LOG"
    halt
    kill "$simulator"
    for n in $(kubectl get nodeclaims -o name); do kubectl patch "$n" --type=merge -p '{"metadata": {"finalizers": null}}' >/dev/null; kubectl delete "$n" --wait=false >/dev/null; done
done
