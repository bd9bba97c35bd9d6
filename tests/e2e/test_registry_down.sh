#!/usr/bin/env bash
# A registry that is down when the adapter is pushed, and a cached model that was cut short: told, and healed without training again.
. "$(dirname "$0")/lib.sh"
begin
registry_files
t "the hub mirror starts" mirror
t "kaito up is ready" up --ca-bundle "$CA_BUNDLE" --hf-endpoint "$HUB"
t "the push secret" kubectl create secret docker-registry registry-secret --docker-server="$REGISTRY" --docker-username=user --docker-password=secret
tuning_workspace w "$REGISTRY/adapters/w:1" | one_epoch >"$T/w.json"
t "apply while the registry is down" kubectl apply -f "$T/w.json"
describes() { has "$(kubectl describe workspace "$1")" "$2"; }
t "the registry that refuses connections is named" until_ok 150 describes w "registry $REGISTRY"
t "the registry comes up" registry
t "and the Workspace succeeds" kubectl wait --for=condition=WorkspaceSucceeded workspace/w --timeout=180s

cached=$(find "$T/state/models" -name model.safetensors | head -1)
t "the cached model is cut short" truncate -s 100000 "$(readlink -f "$cached")"
t "an inference Workspace of it" kubectl apply -f "$SOURCE/examples/inference/kaito_workspace_phi_3.yaml"
t "serves, because fetch took the whole file again" kubectl wait --for=condition=WorkspaceSucceeded workspace/workspace-phi-3 --timeout=90s
finish
