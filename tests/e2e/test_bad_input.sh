#!/usr/bin/env bash
# Bad input through kubectl: each ends in a condition or a refusal that names the cause, and heals when the cause goes away.
. "$(dirname "$0")/lib.sh"
begin
registry_files
t "a registry starts" registry
HUB_FILES=$T/hub DATA=$T/hub/datasets/me/d
mkdir -p "$DATA" "$HUB_FILES/microsoft" "$HUB_FILES/datasets/philschmid/dolly-15k-oai-style"
cp -r "$SOURCE/examples/standin/model" "$HUB_FILES/microsoft/Phi-3-mini-128k-instruct"
cp -r "$SOURCE/examples/standin/data" "$HUB_FILES/datasets/philschmid/dolly-15k-oai-style/"
head -c 9000 "$SOURCE"/examples/standin/data/*.parquet >"$DATA/cut.parquet"
printf '{"instruction":NaN,"response":"x"}\n' >"$DATA/nan.jsonl"
printf '{"colour":"red"}\n{"colour":"blue"}\n' >"$DATA/colours.jsonl"
t "the hub mirror starts" mirror --root "$HUB_FILES"
t "kaito up is ready" up --ca-bundle "$CA_BUNDLE" --hf-endpoint "$HUB"
secret() { kubectl create secret docker-registry "$1" --docker-server="$REGISTRY" --docker-username=user --docker-password="$2" "${@:3}"; }
t "a good secret" secret good secret
t "a secret with the wrong password" secret wrong nonsense

bad() {         # NAME FILTER: a Workspace that trains shortly
    tuning_workspace "$1" "$REGISTRY/adapters/x:$1" "$2" | one_epoch >"$T/$1.json"
}
data() { echo ".tuning.output.imagePushSecret = \"good\" | .tuning.input.urls = [\"https://huggingface.co/datasets/me/d/resolve/main/$1\"]"; }
# What the Workspace says about itself, apart from what its user wrote: its conditions and events.
says() {        # NAME TEXT
    has "$(kubectl get workspace "$1" -o json | jq -r '.status.conditions[]?.message'
        kubectl get events --field-selector "involvedObject.name=$1" -o json | jq -r '.items[].message')" "$2"
}
said_again() {  # NAME: the same cause in the next pod counts up the one event about it
    is "$(kubectl get events --field-selector "involvedObject.name=$1,reason=ContainerFailed" -o json | jq -c '[.items[] | .count > 1]')" "[true]"
}
serving() {     # NAME FILTER: the example that serves, renamed and changed
    python3 -c 'import json, sys, yaml; print(json.dumps(yaml.safe_load(sys.stdin)))' <"$SOURCE/examples/inference/kaito_workspace_phi_3.yaml" |
        jq -c --arg name "$1" ".metadata.name = \$name | .resource.labelSelector.matchLabels.app = \$name | $2" >"$T/$1.json"
}
signal_server() {   # NAME SIGNAL: the process that serves for this Workspace
    local pid
    for pid in $(pgrep -f "$RUNTIME serve"); do
        [[ $(readlink "/proc/$pid/cwd") != */default_$1-0_* ]] || kill "-$2" "$pid"
    done
}
advises() { has "$("$KAITO" doctor "$1")" "$2"; }
succeeds() { kubectl wait --for=condition=WorkspaceSucceeded "workspace/$1" --timeout=240s; }

# Unknown fields and presets are refused.
bad field '.tuning.imput = {}'
t "an unknown field is named" has "$(kubectl apply -f "$T/field.json" 2>&1)" 'unknown field "tuning.imput"'
bad preset '.tuning.preset.name = "phi-33" | .tuning.output.imagePushSecret = "good"'
t "an unknown preset is named" has "$(kubectl apply -f "$T/preset.json" 2>&1)" "phi-33"

# A missing push secret, a wrong password, a data set that is not there, a corrupt file, one without a usable column: all at once, for they mostly wait.
bad w-secret '.tuning.output.imagePushSecret = "later"'
bad w-password '.tuning.output.imagePushSecret = "wrong"'
bad w-missing "$(data missing.parquet)"
bad w-cut "$(data cut.parquet)"
bad w-colours "$(data colours.jsonl)"
bad w-nan "$(data nan.jsonl)"
t "apply them" kubectl apply -f "$T/w-secret.json" -f "$T/w-missing.json" -f "$T/w-cut.json" -f "$T/w-colours.json" -f "$T/w-nan.json" -f "$T/w-password.json"
t "the missing secret is named" until_ok 30 says w-secret "Secret 'later'"
t "a data URL that is not there is named" until_ok 60 says w-missing "missing.parquet"
t "and its status" until_ok 10 says w-missing "404"
t "a truncated Parquet file is named" until_ok 60 says w-cut "cut.parquet"
t "a data set without usable columns is named" until_ok 60 says w-colours "colours.jsonl"
t "with the column it has" until_ok 10 says w-colours 'found colour;'
t "NaN in JSON is answered with what to write" until_ok 60 says w-nan "/mnt/data/nan.jsonl: row 0, line 1: line 1, column 18: invalid token near 'NaN'; JSON has no NaN and no Infinity: write null"
t "its second try is no second event" until_ok 30 said_again w-nan
t "the refused login is named" until_ok 90 says w-password "password is refused"
t "what cannot heal goes" kubectl delete workspace w-cut w-colours w-nan --timeout=60s

# Serving: an adapter and an image that are not there, a process that is killed, one that hangs.
serving s-adapter ".metadata.annotations[\"kaito.sh/runtime\"] = \"native\" | .inference.adapters = [{source: {name: \"a\", image: \"$REGISTRY/adapters/none:1\", imagePullSecrets: [\"good\"]}}]"
serving s-image '.inference = {template: {spec: {containers: [{name: "m", image: "example.com/nothing:1", command: ["sleep", "100"]}]}}}'
serving s-killed .
serving s-hangs .
t "apply them" kubectl apply -f "$T/s-adapter.json" -f "$T/s-image.json" -f "$T/s-killed.json" -f "$T/s-hangs.json"
t "those that can serve do" kubectl wait --for=condition=InferenceReady workspace/s-killed workspace/s-hangs --timeout=60s
t "one is killed" signal_server s-killed KILL
t "one hangs" signal_server s-hangs STOP
t "the adapter that is not there is named" until_ok 30 says s-adapter "MANIFEST_UNKNOWN: manifest unknown; check the image's name and tag"
t "the image that cannot run here is named" until_ok 30 says s-image 'image "example.com/nothing:1": this node runs only the runtime image'
t "doctor tells it beside the machine" advises s-image "[fail] InferenceReady: ImagePullError"
t "the signal that ended a server is named" until_ok 30 says s-killed "exit code 137, ended by SIGKILL"
t "the probe that fails is named" until_ok 60 condition_has s-hangs InferenceReady "False ContainerNotReady"
t "doctor tells what the probe said" until_ok 10 advises s-hangs "Readiness probe failed"
t "the server is killed then" signal_server s-hangs KILL
t "and serves again" kubectl wait --for=condition=InferenceReady workspace/s-hangs --timeout=60s
t "they go" kubectl delete workspace s-adapter s-image s-killed s-hangs --timeout=60s

# Each cause goes, and the Workspaces with it.
cp "$SOURCE"/examples/standin/data/*.parquet "$DATA/missing.parquet"
t "the secret arrives" secret later secret
t "the right password" kubectl apply -f <(secret wrong secret --dry-run=client -o yaml)
t "the data set that arrives heals its Workspace" succeeds w-missing
t "so does the secret" succeeds w-secret
t "and the password" succeeds w-password
finish
