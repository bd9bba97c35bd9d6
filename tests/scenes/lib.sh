# The scenes' worlds (sourced): the same Workspaces on a real kube-apiserver with kube-controller-manager ("real") and on `kaito up` ("up").
# A world offers: begin_world, end_world, manager MODE. MODE is what the Workspaces need of the manager: nodes ("claims": made for them; "byo":
# the user's own), or two managers of which one leads ("two"). What differs between the worlds is here and nowhere else.
. "$(dirname "${BASH_SOURCE[0]}")/../e2e/lib.sh"
ADMISSION=validation.workspace.kaito.sh
MANAGERS=()             # names of the running `kaito manager` processes
MODE=                   # what the present manager was started for
now_ms() { date +%s%3N; }

# ---- managers of our own ----

manager_start() {       # NAME PORT [OPTION...]
    local name=$1 port=$2
    shift 2
    start "$name" "$KAITO" manager --no-install-crds --webhook-port "$port" --health-probe-bind-address 0 --metrics-bind-address 0 \
        --runtime-image "$RUNTIME_IMAGE" --log-level debug "$@"
    MANAGERS+=("$name")
}
managers_end() {
    for name in "${MANAGERS[@]}"; do end "$name"; done
    MANAGERS=()
}
holder() { kubectl -n kaito-workspace get lease ef60f9b0.io -o 'jsonpath={.spec.holderIdentity}'; }
leads() { [ -n "$(holder)" ]; }

# The API server asks a manager; a dry run of a Workspace that breaks a rule tells.
asks() { has "$(workspace probe '.inference.preset.name = "no-such-model"' | kubectl apply --dry-run=server -f - 2>&1)" "admission webhook \"$ADMISSION\" denied"; }

# our_manager MODE: `kaito manager` processes beside an API without one
our_manager() {
    HOOK=${HOOK:-$(free_port)}
    "$KAITO" install --apply --webhook-url "https://127.0.0.1:$HOOK" --no-device-plugin >"$T/install.log" 2>&1 || { cat "$T/install.log"; return 1; }
    case $1 in
    claims) manager_start manager "$HOOK" "${MANAGER_OPTIONS[@]}" ;;
    byo) manager_start manager "$HOOK" --node-provisioner byo "${MANAGER_OPTIONS[@]}" ;;
    two)
        manager_start one "$HOOK" --leader-elect "${MANAGER_OPTIONS[@]}"
        until_ok 20 leads || return 1
        manager_start two "$(free_port)" --leader-elect "${MANAGER_OPTIONS[@]}" ;;
    esac
    until_ok 30 asks
}

# ---- real: kube-apiserver, etcd, kube-controller-manager; the fake kubelet plays scheduler, nodes and pods ----

real_begin() {
    TOOL=${KAITO_SHARED:-$SOURCE/../shared}/tools/kube-apiserver
    export KUBE_BIN=${KUBE_BIN:-${XDG_CACHE_HOME:-$REAL_HOME/.cache}/kaito-kube}
    [ -x "$TOOL/up" ] || skip_all "no ../shared/tools/kube-apiserver"
    [ -x "$KUBE_BIN/kube-controller-manager" ] || skip_all "no kube-controller-manager in $KUBE_BIN: run $TOOL/build once"
    RUNTIME_IMAGE=kaito/kaito-runtime:test MANAGER_OPTIONS=()
    REGISTRY=registry.test MODEL_HUB=
    t "kube-apiserver starts" real_start
    HOOK=$(free_port)
    t "kaito install brings definitions, rights and the webhook" "$KAITO" install --apply --no-device-plugin --webhook-url "https://127.0.0.1:$HOOK"
    real_controllers
    start provisioner "$KAITO" provisioner --health-probe-bind-address 0 --metrics-bind-address 0 --log-level debug
    start kubelet "$SOURCE/tests/e2e/fake_kubelet" --kubeconfig "$KUBECONFIG" --nodes '(local|gpu)-.*' --schedule
}
real_start() {          # [--controllers]: starts again what runs, with the data it has
    eval "$("$TOOL/up" "$T/real" "$@")" && export KUBECONFIG
}
# After the definitions: the garbage collector looks for kinds at its start and every 30 s, and asks about one that it does not know ever more seldom.
real_controllers() {
    t "kube-controller-manager starts" real_start --controllers
    t "its garbage collector knows Workspaces" until_ok 20 orphan_goes
}
orphan_goes() {         # a dependent of a Workspace that was never there
    local orphan
    orphan=$(jq -nc --arg uid "$(cat /proc/sys/kernel/random/uuid)" '{apiVersion: "v1", kind: "ConfigMap", metadata: {generateName: "orphan-",
        ownerReferences: [{apiVersion: "kaito.sh/v1beta1", kind: "Workspace", name: "nobody", uid: $uid}]}}' | kubectl create -o name -f -) &&
        kubectl wait --for=delete "$orphan" --timeout=3s
}
real_manager() { managers_end; our_manager "$1"; }
real_end() { "$TOOL/down" "$T/real" >/dev/null 2>&1; }

# ---- up: everything is `kaito up`'s own; the fake kubelet plays only the GPU nodes that a laptop does not have ----

up_begin() {
    RUNTIME_IMAGE=kaito/kaito-runtime:test
    registry_files
    t "a registry starts" registry
    t "the hub mirror starts" mirror
    UP_OPTIONS=(--ca-bundle "$CA_BUNDLE" --hf-endpoint "$HUB" --runtime-image "$RUNTIME_IMAGE")
    MANAGER_OPTIONS=(--hf-endpoint "$HUB" --ca-bundle "$T/state/ca-bundle.pem" --model-cache-dir "$T/state/models" --work-dir "$T/state/work")
    t "kaito up is ready" up "${UP_OPTIONS[@]}"
    MODE=claims
    start kubelet "$SOURCE/tests/e2e/fake_kubelet" --kubeconfig "$KUBECONFIG" --nodes 'gpu-.*'
}
up_manager() {
    managers_end
    end up
    case $1 in
    claims) up "${UP_OPTIONS[@]}" ;;
    *) up_alone && our_manager "$1" ;;
    esac
}
up_alone() {
    start up "$KAITO" up --state-dir "$T/state" "${UP_OPTIONS[@]}" --no-manager
    until_ok 20 kubectl get --raw /readyz
}
up_end() { :; }

skip_all() { echo "1..0 # SKIP $1"; exit 0; }
finish_world() {        # SCENE_LOGS=DIR keeps what the processes said
    [ -z "${SCENE_LOGS:-}" ] || cp "$T"/*.log "$SCENE_LOGS"/
    [ -z "${SCENE_LOGS:-}" ] || [ ! -d "$T/real/log" ] || cp "$T"/real/log/* "$SCENE_LOGS"/
    "${WORLD}_end"
    cleanup
}
begin_world() {         # real | up
    WORLD=$1
    trap finish_world EXIT
    "${WORLD}_begin"
}
manager() {
    [ "$MODE" = "$1" ] && return
    MODE=$1
    t "[$1] the manager serves" "${WORLD}_manager" "$1"
}

# ---- Workspaces ----

workspace() {           # NAME [JQ_FILTER]: an inference Workspace, changed by the filter
    jq -nc --arg name "$1" '{apiVersion: "kaito.sh/v1beta1", kind: "Workspace", metadata: {name: $name},
        resource: {instanceType: "Standard_NC6s_v3", labelSelector: {matchLabels: {app: $name}}},
        inference: {preset: {name: "phi-3-mini-128k-instruct"}}}' | jq -c "${2:-.}"
}
create() { workspace "$@" | kubectl create -f -; }
refusal() { local said; said=$(kubectl "$@" 2>&1) && { echo "was not refused: $said"; return 1; }; echo "$said"; }
columns() { kubectl get workspace "$1" -o json | jq -r '[.status.conditions as $all | ("ResourceReady", "InferenceReady", "WorkspaceSucceeded") as $t | $all[]? | select(.type == $t).status] | join(" ")'; }
ready() { is "$(columns "$1")" "True True True"; }
state() { kubectl get workspace "$1" -o 'jsonpath={.status.state}'; }
claims_of() { kubectl get nodeclaims -l "kaito.sh/workspace=$1" -o 'jsonpath={.items[*].metadata.name}'; }
count_claims() { is "$(claims_of "$1" | wc -w)" "$2"; }
field() { kubectl get "$1" "$2" -o "jsonpath={$3}"; }
field_is() { is "$(field "$1" "$2" "$3")" "$4"; }
field_has() { has "$(field "$1" "$2" "$3")" "$4"; }
pods_of() { kubectl get pods -l "kaito.sh/workspace=$1" -o 'jsonpath={.items[*].metadata.name}'; }
gone() {                # NAME: nothing that a Workspace had is left; what is, is shown with what holds it
    local all left
    all=$(kubectl get workspaces,nodeclaims,statefulsets,jobs,services,pods,controllerrevisions.apps -o json) || return 1
    left=$(jq -r --arg n "$1" '.items[] | .metadata as $m | select($m.name == $n or $m.labels["kaito.sh/workspace"] == $n or ($m.name | startswith($n + "-"))
            or $m.labels["workspace.kaito.io/name"] == $n)
        | "\(.kind)/\($m.name) uid \($m.uid) created \($m.creationTimestamp) deleted \($m.deletionTimestamp // "not") finalizers \($m.finalizers // [] | join(" "))"
        + " owners \([$m.ownerReferences[]? | "\(.kind)/\(.name) uid \(.uid)"] | join(", "))"
        + " node \(.spec.nodeName? // "") conditions \([.status.conditions[]? | "\(.type)=\(.status) \(.reason // "") \(.message // "")"] | join("; "))"' <<<"$all") || return 1
    is "$left" ""
}
removed() {             # NAME
    kubectl delete workspace "$1" --timeout=$((30 * PATIENCE))s && until_ok 40 gone "$1" && return
    date -u +"now %Y-%m-%dT%H:%M:%SZ"
    gone "$1"
    kubectl get events -A --sort-by=.lastTimestamp 2>&1 | tail -15
    return 1
}
gpu_node() {            # NAME LABEL=VALUE...: a machine of the user's with one 80 GiB GPU
    local name=$1
    shift
    kubectl apply -f - <<YAML
apiVersion: v1
kind: Node
metadata:
  name: $name
  labels: {kubernetes.io/os: linux, nvidia.com/gpu.count: "1", nvidia.com/gpu.memory: "81920", nvidia.com/gpu.product: NVIDIA-A100-80GB-PCIe}
YAML
    kubectl label node "$name" "$@"
}
