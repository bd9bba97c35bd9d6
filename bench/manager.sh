#!/usr/bin/env bash
# The Workspace manager on a real kube-apiserver: memory, start, 200 Workspaces at once, one at a time, rest. A fresh server for each mode.
# Needs kubectl and ../shared/tools/kube-apiserver with its binaries built. MANAGER="words" measures another manager; MODES="gpu byo".
. "$(dirname "$0")/lib.sh"
tool=${KAITO_SHARED:-$SOURCE/../shared}/tools/kube-apiserver
manager=${MANAGER:-"$KAITO manager --no-install-crds --log-level warn"}
[ -x "$tool/up" ] || { echo "no kube-apiserver: $tool"; exit 1; }

fresh() {       # a server with the definitions, the namespace and the webhook's configuration
    eval "$("$tool/up" "$T/$1")"
    export KUBECONFIG
    kubectl apply --server-side -f "$SOURCE/deploy/crds" >/dev/null
    "$KAITO" install --no-crds --webhook-url https://127.0.0.1:9443 | kubectl apply --server-side -f - >/dev/null
    kubectl wait --for=condition=Established crd/workspaces.kaito.sh crd/nodeclaims.karpenter.sh >/dev/null
}

for mode in ${MODES:-gpu byo}; do
    fresh "$mode"
    case $mode in
    gpu) options="--starts 5 --single 20 --settled ${SETTLED:-500} --rest ${REST:-20}"; words=$manager ;;
    byo) options="--byo --single 20"; words="$manager --node-provisioner byo" ;;
    esac
    # shellcheck disable=SC2086
    python3 "$SOURCE/bench/manager/drive.py" --kubeconfig "$KUBECONFIG" $options -- $words >"$T/$mode.json" || { "$tool/down" "$T/$mode"; exit 1; }
    "$tool/down" "$T/$mode" >/dev/null
done
python3 "$SOURCE/bench/manager/table.py" "$T"/*.json
