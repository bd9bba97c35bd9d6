#!/usr/bin/env bash
# NodeClaims through the simulated ARM, with workload identity over TLS: hiccups, a foreign pool, kill -9, and no secret anywhere.
. "$(dirname "$0")/lib.sh"
begin
ASSERTION=planted.assertion.jwt0123456789
TOKENS=eyJhbGciOiJub25lIn0                      # how the simulator's access tokens begin
export ARM_SUBSCRIPTION_ID=00000000-0000-0000-0000-000000000000 ARM_RESOURCE_GROUP=rehearsal AZURE_CLUSTER_NAME=aks \
    AZURE_TENANT_ID=11111111-1111-1111-1111-111111111111 AZURE_CLIENT_ID=22222222-2222-2222-2222-222222222222 AZURE_FEDERATED_TOKEN_FILE=$T/assertion \
    E2E_TEST_MODE=true LOCATION=eastus LEADER_ELECT=true SYSTEM_NAMESPACE=gpu-provisioner CONFIG_LOGGING_NAME=x AZURE_NODE_RESOURCE_GROUP=MC_x AZURE_ENABLE_DYNAMIC_SKU_CACHE=false

arm() { local path=$1; shift; curl -sS --cacert "$T/ca.pem" "$URL/control/$path" "$@"; }
logins() { arm journal | jq '[.[] | select(.path | endswith("/oauth2/v2.0/token"))] | length'; }
calls() { arm journal | jq -r "[.[] | select(.call == \"$1\")] | length"; }
fault() { arm faults -d "$1" >/dev/null; }
metrics() { curl -sS "127.0.0.1:$PORT/metrics"; }
claim() {       # NAME
    kubectl create -f - <<END
apiVersion: karpenter.sh/v1
kind: NodeClaim
metadata: {name: $1, labels: {kaito.sh/workspace: w, kaito.sh/workspacenamespace: default}}
spec:
  nodeClassRef: {group: kaito.sh, kind: KaitoNodeClass, name: default}
  resources: {requests: {storage: 300Gi}}
  requirements: [{key: node.kubernetes.io/instance-type, operator: In, values: [Standard_NC24ads_A100_v4]}]
END
}
is_ready() { kubectl wait --for=condition=Ready "nodeclaim/$1" --timeout=60s; }
reason() { kubectl get nodeclaim "$1" -o json | jq -r '.status.conditions[]? | select(.type == "Launched") | .reason'; }
reason_is() { is "$(reason "$1")" "$2"; }
provisioner() {
    ARM_METADATA_ENDPOINT=$URL SSL_CERT_FILE=$T/ca.pem start provisioner "$KAITO" provisioner --cloud azure --no-leader-elect --log-level debug \
        --health-probe-bind-address 0 --metrics-bind-address "127.0.0.1:$PORT"
}
everything() { kubectl get nodeclaims,nodes,events -A -o json; metrics; cat "$T/provisioner.log"; tr '\0' ' ' <"/proc/$(pid_of provisioner)/cmdline"; }

printf %s "$ASSERTION" >"$T/assertion"
PORT=$(free_port)
start api "$KAITO" apiserver --state-dir "$T/state"
t "an API server" until_ok 10 kubectl get --raw /readyz
start arm "$BUILD/tests/peers/fake-arm/kaito-fake-arm" --tls --ca-file "$T/ca.pem" --ready-file "$T/arm.ready" --federated-token-file "$T/assertion" \
    --kubeconfig "$KUBECONFIG" --settings '{"create_ms": 1500, "delete_ms": 800, "join_ms": -500, "ready_ms": 200, "gpu_ms": 200, "list_lag_ms": 500}'
t "the simulator" until_ok 10 test -s "$T/arm.ready"
URL=$(jq -r .url "$T/arm.ready")

fault '{"call": "token", "do": "error", "error": "aad-unavailable", "times": 2}'        # the cloud's metadata, then the login
fault '{"call": "list", "do": "error", "error": "bad-gateway", "times": 1}'
fault '{"call": "put", "do": "lose-reply", "times": 1}'
provisioner
t "it started, with upstream's variables that mean nothing here" until_ok 10 kubectl get nodeclaims
t "a claim" claim wsone
t "it is Ready although the metadata, a login, a look and a reply were lost" is_ready wsone
t "one pool was made" is "$(arm state | jq -r '[.past[].name] | join(" ")')" wsone
field() { kubectl get "$1" -o jsonpath="{$2}"; }
node=$(field nodeclaim/wsone .status.nodeName)
t "its providerID is the Node's" eval '[ -n "$(field "node/$node" .spec.providerID)" ] && is "$(field nodeclaim/wsone .status.providerID)" "$(field "node/$node" .spec.providerID)"'
t "its image is told" has "$(field nodeclaim/wsone .status.imageID)" AKSUbuntu
t "and the Node's capacity, and what is allocatable" is "$(field nodeclaim/wsone .status.capacity) $(field nodeclaim/wsone .status.allocatable)" \
    "$(field "node/$node" .status.capacity) $(field "node/$node" .status.allocatable)"
t "its Node names the pool" has "$(kubectl get nodeclaim wsone -o jsonpath='{.status.nodeName}')" aks-wsone-
t "what ARM was asked is counted" has "$(metrics)" 'kaito_arm_requests_total{class="write"'

arm tokens/expire -d '{}' >/dev/null
# such as a careless PUT would be accepted for
arm pools/team1 -d '{"vmSize": "Standard_NC24ads_A100_v4", "osDiskSizeGB": 300, "osSKU": "Ubuntu", "osType": "Linux", "type": "VirtualMachineScaleSets", "mode": "User", "nodeLabels": {"team": "x"}}' >/dev/null
theirs() { arm state | jq -cS '.pools[] | select(.name == "team1")'; }
before=$(theirs)
t "a claim named like somebody's pool, with a token that has ended" claim team1
t "is refused" until_ok 20 reason_is team1 NameTaken
t "and goes, the pool stays" kubectl delete nodeclaim team1 --timeout=60s
t "as it was" eval '[ -n "$before" ] && is "$(theirs)" "$before"'

puts=$(calls put)
claim wstwo >/dev/null
made() { is "$(calls put)" $((puts + 1)); }
t "another claim's pool is asked for" until_ok 10 made
everything >"$T/before"
signature=$(kubectl get nodeclaim wstwo -o jsonpath='{.metadata.annotations.kaito\.sh/cloud-operation}' | sed -n 's/.*[?&]s=\([^&]*\).*/\1/p')
end provisioner KILL
provisioner
t "and is Ready after kill -9" is_ready wstwo
t "without having been asked for again" made

t "the claims are deleted" kubectl delete nodeclaim wsone wstwo --timeout=90s
t "the cloud holds what is not ours" is "$(arm state | jq -r '[.pools[].name] | join(" ")')" team1
t "no rule of ARM was broken" is "$(arm violations | jq -r '[.[] | .rule] | join(" ")')" ""
everything >"$T/after"
t "neither assertion nor token is in objects, metrics, logs and command line" is "$(grep -c -e "$ASSERTION" -e "$TOKENS" "$T/before" "$T/after" | tr '\n' ' ')" \
    "$T/before:0 $T/after:0 "
t "nor is the signature of an operation's URL in logs and metrics" eval '[ -n "$signature" ] && is "$(cat "$T/provisioner.log" <(metrics) | grep -c "$signature")" 0'
t "the logs that were searched hold something" has "$(cat "$T/after")" "provisioner started"

end provisioner
kubectl create -f - >/dev/null <<END
apiVersion: coordination.k8s.io/v1
kind: Lease
metadata: {name: gpu-provisioner-leader-election, namespace: default}
spec: {holderIdentity: somebody, leaseDurationSeconds: 600, renewTime: "$(date -u +%FT%T.%6NZ)"}
END
had=$(logins) asked=$(calls list)
ARM_METADATA_ENDPOINT=$URL SSL_CERT_FILE=$T/ca.pem start waiting "$KAITO" provisioner --cloud azure --leader-election-namespace default --health-probe-bind-address 0 \
    --metrics-bind-address 0
another() { [ "$(logins)" -gt "$had" ]; }
t "one that waits for its turn to lead has a token" until_ok 10 another
t "and has asked for nothing with it" is "$(calls list) $(grep -c 'provisioner leads' "$T/waiting.log")" "$asked 0"
finish
