#!/usr/bin/env bash
# The commands of README.md, each as it stands there: a laptop, controllers beside an API, a model by hand. `make quickstart` is test_story.sh's.
. "$(dirname "$0")/docs.sh"

unset -f kaito          # here the command itself, found on PATH
export PATH=$BUILD/src/cli:$PATH
unset XDG_STATE_HOME KAITO_STATE_DIR
trap 'kill $(jobs -p) 2>/dev/null; kaito down >/dev/null 2>&1; wait 2>/dev/null; cleanup' EXIT

mirror
export HF_ENDPOINT=$HUB
registry_files
registry
export SSL_CERT_FILE=$CA_BUNDLE
mkdir "$T/.docker"
jq -n --arg r "$REGISTRY" '{auths: {($r): {auth: ("user:secret" | @base64)}}}' >"$T/.docker/config.json"
ln -s "$SOURCE/examples" "$T/examples"
metrics=$(free_port) health=$(free_port) webhook=$(free_port) page=$(free_port)
page ../README.md "s/:8082/:$metrics/; s/:8083/:$health/; s/:5000/:$page/; s/--port 5000/--port $page/; s/registry\.example/$REGISTRY/" \
    "s/--install-crds/& --metrics-bind-address 0 --health-probe-bind-address 0 --webhook-port $webhook/"

t "the page has its blocks" test -f "$T/block4" -a ! -f "$T/block5"
run 2
t "kaito up: a Workspace is applied" has "$(said 2)" "workspace.kaito.sh/workspace-phi-3 created"
t "succeeds" has "$(said 2)" "workspace.kaito.sh/workspace-phi-3 condition met"
t "and answers" has "$(said 2)" '{"Result":"'
t "kaito down stops it" has "$(said 2)" "kaito is down"
t "kaito reset forgets all" has "$(kaito reset)" "is gone"

start api "$KAITO" apiserver --state-dir "$T/api"
mkdir -p "$T/.kube"
until_ok 10 cp "$T/api/kubeconfig" "$T/.kube/config"
unset KUBECONFIG
until_ok 10 kubectl get --raw /readyz
t "the controllers have ports of their own" grep -q "kaito provisioner .*:$metrics .*:$health" "$T/block3"
run 3
t "both controllers run beside an API" until_ok 20 kubectl get workspaces,nodeclaims
kubectl create -f "$SOURCE/examples/inference/kaito_workspace_phi_3.yaml" >/dev/null
claimed() { has "$(kubectl get nodeclaims -o json | jq -r '.items[0].status.conditions[]? | select(.status == "True").type')" Launched; }
t "a Workspace's machine is claimed, and launched" until_ok 20 claimed

run 4
t "a model is fetched" test -s "$T/model/model.safetensors"
t "tuned" has "$(log 4; said 4)" "tuned in "
t "the adapter pushed" has "$(said 4)" "sha256:"
t "the registry has it" has "$(curl -s --cacert "$CA_BUNDLE" -u user:secret "https://$REGISTRY/v2/adapters/phi-3/tags/list")" '"0.0.1"'
t "and a model that answers" has "$(said 4)" '{"Result":"'
finish
