#!/usr/bin/env bash
# The quick start's Workspace on a real kube-apiserver with kube-controller-manager: its GPU node comes through ARM (the simulator), asked for by the
# provisioner with the rights of its chart; it ends Ready, and deleting it leaves an empty cloud. The fake kubelet plays pods. Prints TAP; needs helm.
REAL_HOME=$HOME
. "$(dirname "$0")/../scenes/lib.sh"
WORLD=real
trap finish_world EXIT
TOOL=${KAITO_SHARED:-$SOURCE/../shared}/tools/kube-apiserver
export KUBE_BIN=${KUBE_BIN:-${XDG_CACHE_HOME:-$REAL_HOME/.cache}/kaito-kube}
helm=${HELM:-$(command -v helm || echo "$REAL_HOME/go/bin/helm")} ns=gpu-provisioner
[ -x "$TOOL/up" ] || skip_all "no ../shared/tools/kube-apiserver"
[ -x "$KUBE_BIN/kube-controller-manager" ] || skip_all "no kube-controller-manager in $KUBE_BIN: run $TOOL/build once"
[ -x "$helm" ] || skip_all "no helm: tools/install-helm, or name it in HELM"
RUNTIME_IMAGE=kaito/kaito-runtime:test MANAGER_OPTIONS=()
export ARM_SUBSCRIPTION_ID=00000000-0000-0000-0000-000000000000 ARM_RESOURCE_GROUP=rehearsal AZURE_CLUSTER_NAME=aks \
    AZURE_TENANT_ID=11111111-1111-1111-1111-111111111111 AZURE_CLIENT_ID=22222222-2222-2222-2222-222222222222 AZURE_FEDERATED_TOKEN_FILE=$T/assertion

arm() { curl -sS --cacert "$T/ca.pem" "$URL/control/$1"; }
pools() { arm state | jq -r '[.pools[].name] | join(" ")'; }
rights() {
    kubectl create namespace $ns
    "$helm" template gpu-provisioner "$SOURCE/deploy/gpu-provisioner" -n $ns --kube-version 1.32.0 2>"$T/helm.log" | python3 -c '
import sys, yaml
keep = ("ServiceAccount", "ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding")
print(yaml.safe_dump_all([o for o in yaml.safe_load_all(sys.stdin) if o and o["kind"] in keep]))' | kubectl apply -f - || { cat "$T/helm.log"; return 1; }
    kubectl config view --raw --flatten -o json | TOKEN=$(kubectl -n $ns create token gpu-provisioner) python3 -c '
import json, os, sys
c = json.load(sys.stdin)
c["users"][0]["user"] = {"token": os.environ["TOKEN"]}
json.dump(c, sys.stdout)' >"$T/account"
}
example() { kubectl create --dry-run=client -o json -f "$SOURCE/examples/inference/kaito_workspace_phi_3.yaml" | jq '.metadata.annotations["kaito.sh/disable-benchmark"] = "true"' | kubectl create -f -; }
claim_is_ready() { kubectl wait --for=condition=Ready "nodeclaim/$(claims_of workspace-phi-3)" --timeout=0; }
clean() { is "$(pools)$(kubectl get nodeclaims,nodes -o name)" ""; }

t "kube-apiserver starts" real_start
HOOK=$(free_port)
t "kaito install brings definitions, rights and the webhook" "$KAITO" install --apply --no-device-plugin --webhook-url "https://127.0.0.1:$HOOK"
real_controllers
t "the chart's rights" rights
printf %s a.federated.token >"$T/assertion"
start arm "$BUILD/tests/peers/fake-arm/kaito-fake-arm" --tls --ca-file "$T/ca.pem" --ready-file "$T/arm.ready" --federated-token-file "$T/assertion" \
    --kubeconfig "$KUBECONFIG" --settings '{"create_ms": 4000, "delete_ms": 2000, "join_ms": -1000, "ready_ms": 500, "gpu_ms": 500}'
t "the simulator" until_ok 10 test -s "$T/arm.ready"
URL=$(jq -r .url "$T/arm.ready")
ARM_METADATA_ENDPOINT=$URL SSL_CERT_FILE=$T/ca.pem start provisioner env "KUBECONFIG=$T/account" "$KAITO" provisioner --cloud azure --no-install-crds \
    --leader-election-namespace $ns --health-probe-bind-address 0 --metrics-bind-address 0 --log-level debug
start kubelet "$SOURCE/tests/e2e/fake_kubelet" --kubeconfig "$KUBECONFIG" --nodes 'aks-.*' --schedule
t "a manager serves" real_manager claims

t "the quick start's Workspace" example
t "gets its claim" until_ok 20 count_claims workspace-phi-3 1
t "and a pool of the claim's name" until_ok 20 eval '[ -n "$(claims_of workspace-phi-3)" ] && is "$(pools)" "$(claims_of workspace-phi-3)"'
t "the claim is Ready" until_ok 40 claim_is_ready
t "its Node is the pool's, with GPUs" until_ok 10 eval 'has "$(kubectl get nodes -o json | jq -r ".items[] | .metadata.name + \" \" + (.status.allocatable[\"nvidia.com/gpu\"] // \"\")")" "aks-$(claims_of workspace-phi-3)-"'
t "the Workspace is Ready" until_ok 60 ready workspace-phi-3
t "on that Node" field_has workspace workspace-phi-3 '.status.workerNodes' aks-
t "the pool was asked for once" is "$(arm journal | jq '[.[] | select(.call == "put")] | length')" 1
t "nothing but pools and operations was asked for" is "$(arm journal | jq -r '[.[] | select(.call != "token") | .path | select(test("/agentPools|/locations/[^/]*/operations") | not)] | unique | join(" ")')" ""
t "the Workspace is deleted" removed workspace-phi-3
t "the cloud is empty, the cluster has no Node" until_ok 40 clean
t "no rule of ARM was broken" is "$(arm violations)" "[]"
t "nothing was forbidden" lacks "$(cat "$T/provisioner.log")" forbidden
finish
