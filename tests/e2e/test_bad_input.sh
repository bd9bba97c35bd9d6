#!/usr/bin/env bash
# Bad input through kubectl: each ends in a condition or a refusal that names the cause, and heals when the cause goes away.
. "$(dirname "$0")/lib.sh"
begin
registry_files
t "a registry starts" registry
t "the hub mirror starts" mirror
t "kaito up is ready" up --ca-bundle "$CA_BUNDLE" --hf-endpoint "$HUB"
IMAGE=$REGISTRY/adapters/x
secret() { kubectl create secret docker-registry "$1" --docker-server="$REGISTRY" --docker-username=user --docker-password="$2" "${@:3}"; }
t "a good secret" secret good secret
t "a secret with the wrong password" secret wrong nonsense

# Unknown fields and presets are refused or told at once.
tuning_workspace w0 "$IMAGE:0" '.tuning.imput = {}' >"$T/w0.json"
t "an unknown field is named" has "$(kubectl apply -f "$T/w0.json" 2>&1)" 'unknown field "tuning.imput"'
tuning_workspace w1 "$IMAGE:1" '.tuning.preset.name = "phi-33" | .tuning.output.imagePushSecret = "good"' >"$T/w1.json"
said() { has "$(kubectl apply -f "$T/$1.json" 2>&1; kubectl describe workspace "$1" 2>&1)" "$2"; }
t "an unknown preset is named" until_ok 20 said w1 "phi-33"

# A missing push secret: told, and healed by creating it.
tuning_workspace w2 "$IMAGE:2" '.tuning.output.imagePushSecret = "later"' >"$T/w2.json"
t "apply with a missing secret" kubectl apply -f "$T/w2.json"
describes() { has "$(kubectl describe workspace "$1")" "$2"; }
t "the missing secret is named" until_ok 30 describes w2 'later'
t "the secret arrives" secret later secret
t "and the Workspace succeeds" kubectl wait --for=condition=WorkspaceSucceeded workspace/w2 --timeout=180s

# The wrong password, a data set that is not there, one without a usable column, a corrupt file: the cause reaches the Workspace.
cp "$SOURCE"/examples/standin/data/*.parquet "$T/good.parquet"
head -c 9000 "$T/good.parquet" >"$T/cut.parquet"
printf '{"colour":"red"}\n{"colour":"blue"}\n' >"$T/colours.jsonl"
mkdir -p "$T/hub/datasets/me/d/resolve" "$T/hub/datasets/me/d"
cp "$T/cut.parquet" "$T/colours.jsonl" "$T/hub/datasets/me/d/"
mkdir -p "$T/hub/microsoft"
cp -r "$SOURCE/examples/standin/model" "$T/hub/microsoft/Phi-3-mini-128k-instruct"
end mirror
t "a mirror with bad files" mirror --root "$T/hub"
url() { echo ".tuning.output.imagePushSecret = \"good\" | .tuning.input.urls = [\"https://huggingface.co/datasets/me/d/resolve/main/$1\"]"; }
tuning_workspace w3 "$IMAGE:3" "$(url missing.parquet)" >"$T/w3.json"
tuning_workspace w4 "$IMAGE:4" "$(url cut.parquet)" >"$T/w4.json"
tuning_workspace w5 "$IMAGE:5" "$(url colours.jsonl)" >"$T/w5.json"
t "apply them" kubectl apply -f "$T/w3.json" -f "$T/w4.json" -f "$T/w5.json"
t "a data URL that is not there is named" until_ok 60 describes w3 "missing.parquet"
t "and its status" until_ok 30 describes w3 "404"
t "a truncated Parquet file is named" until_ok 60 describes w4 "cut.parquet"
t "a data set without usable columns is named" until_ok 60 describes w5 "colours.jsonl"
t "with the column it has" until_ok 10 describes w5 "colour"
cp "$T/good.parquet" "$T/hub/datasets/me/d/missing.parquet"
t "the data set that arrives heals its Workspace" kubectl wait --for=condition=WorkspaceSucceeded workspace/w3 --timeout=240s
t "clean up" kubectl delete workspace w4 w5 --timeout=60s

tuning_workspace w6 "$IMAGE:6" '.tuning.output.imagePushSecret = "wrong" | .tuning.input.urls = ["https://huggingface.co/datasets/me/d/resolve/main/missing.parquet"]' >"$T/w6.json"
t "apply with the wrong password" kubectl apply -f "$T/w6.json"
t "the refused login is named" until_ok 90 describes w6 "password is refused"
t "the right password heals it" kubectl apply -f <(secret wrong secret --dry-run=client -o yaml)
t "and the Workspace succeeds" kubectl wait --for=condition=WorkspaceSucceeded workspace/w6 --timeout=240s
finish
