#!/usr/bin/env bash
# Upstream's manager and ours take turns in one cluster (a real kube-apiserver): nothing restarts, what comes after is rolled out, everything can be deleted.
# By hand: beside_upstream_manager.sh BINARY, which `go build ./cmd/workspace` in upstream's v0.12 makes. Prints TAP. The cloud and the workload controllers are played.
. "$(dirname "$0")/real.sh"
upstream=${1:?beside_upstream_manager.sh BINARY: which manager of upstream?}
now=2026-01-01T00:00:00Z
hook=$(free_port) manager=''

run() {         # run MODE PORT words...: a manager in the background, until it says that it is ready
    local mode=$1 health=$2; shift 2
    "$@" --node-provisioner "$mode" --health-probe-bind-address "127.0.0.1:$health" --metrics-bind-address 127.0.0.1:0 >>"$work/manager.log" 2>&1 &
    manager=$!
    pids+=("$manager")
    within 30 curl -sf "127.0.0.1:$health/readyz"
}
ours() { run "$mode" "$(free_port)" "$kaito" manager --no-install-crds --webhook-port "$hook" --cloud azure --preset-registry mcr.microsoft.com/aks/kaito && within 10 admitted; }
theirs() {
    run "$mode" "$(free_port)" env CLOUD_PROVIDER=azure PRESET_REGISTRY_NAME=mcr.microsoft.com/aks/kaito RELEASE_NAMESPACE=kaito-workspace SYSTEM_NAMESPACE=kaito-workspace \
        WEBHOOK_SERVICE=localhost WEBHOOK_PORT="$hook" CONFIG_LOGGING_NAME=kaito-logging-config METRICS_PROMETHEUS_PORT="$(free_port)" "$upstream" \
        --feature-gates enableInferenceSetController=false && within 30 trusted && within 30 admitted
}
halt() { kill "$manager"; wait "$manager" 2>/dev/null; :; }
trusted() {     # it gives its authority to webhooks behind a Service only
    local ca; ca=$(kubectl -n kaito-workspace get secret workspace-webhook-cert -o 'jsonpath={.data.ca-cert\.pem}') && [ -n "$ca" ] &&
        kubectl patch validatingwebhookconfiguration validation.workspace.kaito.sh --type=json -p "[{\"op\": \"add\", \"path\": \"/webhooks/0/clientConfig/caBundle\", \"value\": \"$ca\"}]"
}
admitted() { workspace probe phi-4-mini-instruct | kubectl apply --dry-run=server -f -; }

machine() { [ "$mode" = byo ] || echo 'instanceType: Standard_NC24ads_A100_v4,'; }
workspace() {   # workspace NAME PRESET [ADAPTER]; without a benchmark, whose result is in a log that nobody writes here
    local adapter=''
    [ $# -lt 3 ] || adapter=", adapters: [{source: {name: $3, image: 'example.com/$3:1'}}]"
    cat <<YAML
apiVersion: kaito.sh/v1beta1
kind: Workspace
metadata: {name: $1, annotations: {kaito.sh/disable-benchmark: "true"}}
resource: {$(machine) labelSelector: {matchLabels: {app: $1}}}
inference: {preset: {name: $2}$adapter}
YAML
}
tuning() {
    cat <<YAML
apiVersion: kaito.sh/v1beta1
kind: Workspace
metadata: {name: $1}
resource: {$(machine) labelSelector: {matchLabels: {app: $1}}}
tuning: {preset: {name: phi-3-mini-128k-instruct}, method: qlora, input: {urls: ["https://example.com/d.parquet"]}, output: {image: "example.com/o:1", imagePushSecret: push}}
YAML
}
adapters() { kubectl patch workspace "$1" --type=merge -p "{\"inference\": {\"adapters\": $2}}"; }

claim() { kubectl get nodeclaims -l "kaito.sh/workspace=$1" -o 'jsonpath={.items[0].metadata.name}'; }
node() {        # node NAME LABELS: ready, with one GPU
    kubectl apply -f - <<<"{\"apiVersion\": \"v1\", \"kind\": \"Node\", \"metadata\": {\"name\": \"$1\", \"labels\": $2}}" &&
        kubectl patch node "$1" --subresource=status --type=merge -p "{\"status\": {\"capacity\": {\"nvidia.com/gpu\": \"1\"}, \"allocatable\": {\"nvidia.com/gpu\": \"1\"},
            \"conditions\": [{\"type\": \"Ready\", \"status\": \"True\", \"reason\": \"Kubelet\", \"message\": \"\", \"lastHeartbeatTime\": \"$now\", \"lastTransitionTime\": \"$now\"}]}}"
}
cloud() {       # cloud NAME: its claim gets a node (BYO: there is one)
    local c labels
    [ "$mode" != byo ] || { node "node-$1" "{\"app\": \"$1\", \"nvidia.com/gpu.product\": \"NVIDIA-A100-80GB-PCIe\", \"nvidia.com/gpu.count\": \"1\", \"nvidia.com/gpu.memory\": \"81920\"}"; return; }
    c=$(claim "$1") && [ -n "$c" ] || return 1
    labels=$(kubectl get nodeclaim "$c" -o json | jq -c '.metadata.labels + {"node.kubernetes.io/instance-type": "Standard_NC24ads_A100_v4"}')
    node "node-$1" "$labels" && kubectl patch nodeclaim "$c" --subresource=status --type=merge -p "$(jq -cn --arg t "$now" --arg n "node-$1" \
        '{status: {nodeName: $n, providerID: ("x:///" + $n), conditions: ["Launched", "Registered", "Initialized", "Ready" | {type: ., status: "True", reason: ., message: "", lastTransitionTime: $t}]}}')"
}
serves() { kubectl patch statefulset "$1" --subresource=status --type=merge -p '{"status": {"observedGeneration": 1, "replicas": 1, "readyReplicas": 1, "currentReplicas": 1, "updatedReplicas": 1}}'; }
trains() { kubectl patch job "$1" --subresource=status --type=merge -p "{\"status\": {\"active\": 1, \"ready\": 1, \"startTime\": \"$now\"}}"; }
state() { kubectl get workspace "$1" -o 'jsonpath={.status.state}'; }
# Whatever would restart a pod, make a machine or forget the past. Generations count the changes of a spec; a Workspace's grows by upstream's first
# full update, which stores an empty presetOptions.
lasting() {
    kubectl get statefulsets,jobs,services,controllerrevisions,nodeclaims -o json | jq -S '[.items[] | {kind, name: .metadata.name, uid: .metadata.uid, generation: .metadata.generation,
        deleted: .metadata.deletionTimestamp, revision: (.revision // .metadata.annotations["workspace.kaito.io/revision"]), labels: .metadata.labels, owners: .metadata.ownerReferences}]'
    kubectl get workspaces -o json | jq -S '[.items[] | {name: .metadata.name, finalizers: .metadata.finalizers, annotations: (.metadata.annotations | del(.["kaito.sh/poke", "kubectl.kubernetes.io/last-applied-configuration"])),
        status: (.status | .conditions |= map(del(.lastTransitionTime, .observedGeneration)))}]'
}
same() { lasting >"$work/now"; diff "$work/$1" "$work/now"; }
poked() { n=$((${n:-0} + 1)); for w in "$@"; do kubectl annotate --overwrite workspace "$w" "kaito.sh/poke=$n"; done; }
stays() { local i; for i in 1 2 3 4; do poked "${all[@]}" >/dev/null; sleep 1; same "$1" || return 1; done; }
pulls() { [ "$(kubectl get statefulset "$1" -o json | jq -r '[.spec.template.spec.initContainers[]?.name] | join(" ")')" = "$2" ]; }
mounts() { [ "$(kubectl get statefulset "$1" -o json | jq '[.spec.template.spec.volumes[] | select(.name == "adapter-volume")] | length')" = "$2" ]; }
revisions() { [ "$(kubectl get controllerrevisions -l "workspace.kaito.io/name=$1" -o json | jq '.items | length')" = "$2" ]; }
gone() { ! kubectl get workspace "$1" 2>/dev/null && [ -z "$(kubectl get nodeclaims -l "kaito.sh/workspace=$1" -o name)" ]; }
deleted() { kubectl delete workspace "$1" --wait=false && within 15 gone "$1"; }

made() {        # made NAME: its node is ready, its workload is there and well
    within 15 cloud "$1" && poked "$1"
    case $1 in tune*) within 20 kubectl get job "$1" && trains "$1" && within 15 is Running state "$1" ;; *) within 20 kubectl get statefulset "$1" && serves "$1" && within 15 is Ready state "$1" ;; esac
}

turns() {       # turns MODE
    mode=$1 all=(keep change leave)
    if [ "$mode" = byo ]; then for w in probe keep change leave new; do cloud "$w" >/dev/null; done; else all+=(tune); fi
    ok "$mode: upstream's manager starts" theirs
    workspace keep phi-4-mini-instruct a1 | kubectl apply -f - >/dev/null
    workspace change phi-4-mini-instruct a1 | kubectl apply -f - >/dev/null
    workspace leave phi-4-mini-instruct | kubectl apply -f - >/dev/null
    [ "$mode" = byo ] || tuning tune | kubectl apply -f - >/dev/null
    for w in "${all[@]}"; do ok "$mode: it makes $w" made "$w"; done
    sleep 3
    lasting >"$work/theirs"
    halt
    ok "$mode: ours starts" ours
    ok "$mode: ours leaves everything as it is" stays theirs
    ok "$mode: an adapter is taken out" adapters change null
    ok "$mode: it is no longer pulled" within 15 pulls change ''
    ok "$mode: nor mounted" mounts change 0
    ok "$mode: that is the second revision" revisions change 2
    ok "$mode: others are left alone" revisions keep 1
    ok "$mode: another one is put in" adapters change '[{"source": {"name": "a2", "image": "example.com/a2:1"}}]'
    ok "$mode: it is pulled" within 15 pulls change puller-a2
    ok "$mode: upstream's Workspace can be deleted" deleted leave
    all=("${all[@]/leave/new}")
    workspace new phi-4-mini-instruct a1 | kubectl apply -f - >/dev/null
    ok "$mode: ours makes one" made new
    sleep 3
    lasting >"$work/ours"
    halt
    ok "$mode: upstream's manager starts again" theirs
    ok "$mode: it leaves everything as it is" stays ours
    ok "$mode: it changes what ours made" adapters new null
    ok "$mode: the adapter is no longer pulled" within 20 pulls new ''
    ok "$mode: what ours changed, too" adapters change null
    ok "$mode: its adapter goes" within 20 pulls change ''
    ok "$mode: our Workspace can be deleted" deleted new
    halt
    ok "$mode: ours starts once more" ours
    for w in "${all[@]}"; do [ "$w" = new ] || ok "$mode: $w can be deleted" deleted "$w"; done
    halt
}

eval "$("$tool/up" "$work/real")" || { echo "Bail out! the API server did not start"; exit 1; }
export KUBECONFIG
"$kaito" install --apply --webhook-url "https://localhost:$hook" >/dev/null || { echo "Bail out! not installed"; exit 1; }
kubectl -n kaito-workspace create configmap kaito-logging-config >/dev/null     # knative's, in upstream's manager
kubectl create secret generic push --type kubernetes.io/dockerconfigjson --from-literal .dockerconfigjson='{"auths": {}}' >/dev/null
kubectl -n kaito-workspace create configmap qlora-params-template --from-literal training_config.yaml='training_config: {QuantizationConfig: {load_in_4bit: true}}' >/dev/null    # upstream's chart brings one
turns azure-gpu-provisioner
kubectl delete nodes,statefulsets,jobs,services,controllerrevisions,persistentvolumeclaims --all >/dev/null 2>&1        # there is no garbage collector
turns byo
echo "1..$tests"
[ "$failed" -eq 0 ]
