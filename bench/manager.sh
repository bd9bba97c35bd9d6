#!/usr/bin/env bash
# The Workspace manager on a real kube-apiserver: memory, start, 200 Workspaces at once, one at a time, rest. A fresh server for each mode.
#   --upstream FILE   upstream's manager (v0.12, as `go build ./cmd/workspace` makes it) does the same, in a column beside
#   --modes "gpu byo" which of the two
# Needs kubectl and ../shared/tools/kube-apiserver with its binaries built. MANAGER="words" measures another manager in our place.
. "$(dirname "$0")/lib.sh"
tool=${KAITO_SHARED:-$SOURCE/../shared}/tools/kube-apiserver
manager=${MANAGER:-"$KAITO manager --no-install-crds --log-level warn"}
upstream='' modes='gpu byo'
while [ $# -gt 0 ]; do
    case $1 in
    --upstream) upstream=$2; shift 2 ;;
    --modes) modes=$2; shift 2 ;;
    *) echo "unknown option $1"; exit 2 ;;
    esac
done
[ -x "$tool/up" ] || { echo "no kube-apiserver: $tool"; exit 1; }
[ -z "$upstream" ] || [ -x "$upstream" ] || { echo "--upstream $upstream: cannot be run"; exit 1; }

trap '"$tool/down" "$T/server" >/dev/null; rm -rf "$T"' EXIT      # also when it is stopped half-way
trap 'exit 1' INT TERM

fresh() {       # a server with the definitions, the namespace and the webhook's configuration; localhost: a name that upstream can be told to certify
    eval "$("$tool/up" "$1")"
    export KUBECONFIG
    kubectl apply --server-side -f "$SOURCE/deploy/crds" >/dev/null
    "$KAITO" install --no-crds --webhook-url https://localhost:9443 | kubectl apply --server-side -f - >/dev/null
    kubectl -n kaito-workspace create configmap kaito-logging-config >/dev/null       # knative's, in upstream's manager
    kubectl wait --for=condition=Established crd/workspaces.kaito.sh crd/nodeclaims.karpenter.sh >/dev/null
}

measure() {     # measure NAME MODE words...
    local file=$T/$1-$2.json mode=$2 ca=''
    [ "$1" = ours ] || ca="--ca-from kaito-workspace/workspace-webhook-cert"
    shift 2
    fresh "$T/server"
    case $mode in
    gpu) options="$ca --starts 5 --single 20 --settled ${SETTLED:-500} --rest ${REST:-20}" ;;
    byo) options="$ca --byo --single 20"; set -- "$@" --node-provisioner byo ;;
    esac
    # shellcheck disable=SC2086
    python3 "$SOURCE/bench/manager/drive.py" --kubeconfig "$KUBECONFIG" $options -- "$@" >"$file" || exit 1
    "$tool/down" "$T/server" >/dev/null
    rm -rf "$T/server"
}

for mode in $modes; do
    # shellcheck disable=SC2086
    measure ours "$mode" $manager
    [ -z "$upstream" ] || measure upstream "$mode" env CLOUD_PROVIDER=azure PRESET_REGISTRY_NAME=mcr.microsoft.com/aks/kaito RELEASE_NAMESPACE=kaito-workspace \
        SYSTEM_NAMESPACE=kaito-workspace WEBHOOK_SERVICE=localhost WEBHOOK_PORT=9443 CONFIG_LOGGING_NAME=kaito-logging-config \
        "$upstream" --feature-gates enableInferenceSetController=false
done
python3 "$SOURCE/bench/manager/table.py" "$T"
