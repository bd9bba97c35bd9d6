#!/usr/bin/env bash
# docs/provisioner.md and docs/cloud-exec.md as their readers use them: the commands as they stand there (az, helm and the cluster's kubectl are scripted: they
# need a subscription), the permissions beside what a simulated ARM was asked for, the reasons of conditions beside the code, the options beside --help.
. "$(dirname "$0")/docs.sh"
kaito() { if [ "$BASHPID" = $$ ]; then "$KAITO" "$@"; else exec "$KAITO" "$@"; fi; }
REAL_KUBECTL=$(command -v kubectl)

t "each reason that the code writes is explained, and no other" is "$("$SOURCE/tests/e2e/condition_reasons" "$SOURCE")" ""

# ---- the installation
mkdir "$T/bin" "$T/deploy"
cp "$SOURCE/tests/e2e/scripted_az" "$T/bin/az"
ln -s "$SOURCE/deploy/gpu-provisioner" "$T/deploy/gpu-provisioner"
for tool in helm kubectl; do
    printf '#!/bin/sh\nprintf "%%s\\n" "$@" >>"%s"\n' "$T/$tool.calls" >"$T/bin/$tool"
done
chmod +x "$T"/bin/*
export AZ_CALLS=$T/az.calls
page provisioner.md
t "the page has its blocks" test -f "$T/block2" -a ! -f "$T/block3"
install() { (set -e; PATH=$T/bin:$PATH; run 1); }
t "its commands are such as az has" install
t "and az said nothing about them" is "$(log 1)" ""
asked() { jq -r "select(.[0] == \"$1\") | .[1] | $2" "$AZ_CALLS"; }
t "the federated credential names the chart's ServiceAccount" is "$(asked "identity federated-credential create" '.["--subject"]')" system:serviceaccount:gpu-provisioner:gpu-provisioner
t "and the cluster's issuer" is "$(asked "identity federated-credential create" '.["--issuer"]')" https://eastus2.oic.prod-aks.azure.com/t/i/
t "the role is assigned to the identity's principal" is "$(asked "role assignment create" '.["--assignee-object-id"]')" 00000000-0000-0000-0000-000000000004
t "at the cluster" is "$(asked "role assignment create" '.["--scope"]')" /subscriptions/s/cluster-id
t "it is the one that was defined" is "$(asked "role assignment create" '.["--role"]')" "$(asked "role definition create" '.["--role-definition"].Name')"
t "in this subscription" is "$(asked "role definition create" '.["--role-definition"].AssignableScopes[0]')" /subscriptions/00000000-0000-0000-0000-000000000001
helm_set() { grep -oE "^([A-Za-z]+[^=]*=[^,]*,?)+$" "$T/helm.calls" | tr , '\n'; }
t "the chart gets the identity" has "$(helm_set)" workloadIdentity.clientId=00000000-0000-0000-0000-000000000003
t "and the cluster's name" has "$(helm_set)" 'controller.env[2].value=my-cluster'
known_value() { local part; for part in ${1//./ }; do grep -qE "^ *$part:" "$SOURCE/deploy/gpu-provisioner/values.yaml" || return 1; done; }
for value in $(helm_set | sed 's/=.*//; s/\[.*//' | sort -u); do t "the chart knows $value" known_value "$value"; done

# ---- what it asks ARM for
start api "$KAITO" apiserver --state-dir "$T/state"
t "an API server" until_ok 10 kubectl get --raw /readyz
claim() {
    kubectl create -f - <<END
apiVersion: karpenter.sh/v1
kind: NodeClaim
metadata: {name: $1, labels: {kaito.sh/workspace: w, kaito.sh/workspacenamespace: default}}
spec:
  nodeClassRef: {group: kaito.sh, kind: KaitoNodeClass, name: default}
  requirements: [{key: node.kubernetes.io/instance-type, operator: In, values: [Standard_NC24ads_A100_v4]}]
END
}
arm() { local path=$1; shift; curl -sS "$URL/control/$path" "$@"; }
start arm "$BUILD/tests/peers/fake-arm/kaito-fake-arm" --ready-file "$T/arm.ready" --client-secret planted --kubeconfig "$KUBECONFIG" \
    --settings '{"create_ms": 400, "delete_ms": 2000, "join_ms": -100, "ready_ms": 100, "gpu_ms": 100, "retry_after_s": 1}'
t "the simulator" until_ok 10 test -s "$T/arm.ready"
URL=$(jq -r .url "$T/arm.ready")
export ARM_ENDPOINT=$URL AZURE_AUTHORITY_HOST=$URL ARM_AUDIENCE=$URL AZURE_CLIENT_SECRET=planted ARM_SUBSCRIPTION_ID=00000000-0000-0000-0000-000000000000 \
    ARM_RESOURCE_GROUP=rehearsal AZURE_CLUSTER_NAME=aks AZURE_TENANT_ID=11111111-1111-1111-1111-111111111111 AZURE_CLIENT_ID=22222222-2222-2222-2222-222222222222
provisioner() { start "provisioner" "$KAITO" provisioner --no-leader-elect --health-probe-bind-address 0 --metrics-bind-address 0 "$@"; }
provisioner --cloud azure
until_ok 20 kubectl get nodeclaims >/dev/null
claim ws1 >/dev/null
t "a claim is Ready" kubectl wait --for=condition=Ready nodeclaim/ws1 --timeout=30s
t "and goes" kubectl delete nodeclaim ws1 --timeout=30s
# Deletions whose only trace is a Location, and one that fails, so that it is looked after.
arm settings -X PUT -d '{"delete_location_only": 1}' >/dev/null
arm faults -d '{"call": "delete", "do": "operation-fails", "error": "drain", "times": 1}' >/dev/null
claim ws2 >/dev/null
t "a second one is Ready" kubectl wait --for=condition=Ready nodeclaim/ws2 --timeout=30s
t "and goes" kubectl delete nodeclaim ws2 --timeout=60s
CLOUD=azure
t "what is left over is listed, as the page says" is "$(cd "$T" && sed -n 1p block2 >orphans && . ./orphans 2>>log2)" "[]"
end provisioner
actions() {
    arm journal | jq -r '.[] | select(.call != "token") | [.method, .path] | @tsv' | sed -E 's/\?.*//' | awk '
        { what = "" }
        tolower($2) ~ /\/agentpools(\/[^\/]*)?$/ { what = "managedClusters/agentPools/" ($1 == "GET" ? "read" : $1 == "PUT" ? "write" : $1 == "DELETE" ? "delete" : $1) }
        tolower($2) ~ /\/locations\/[^\/]*\/operations\// { what = "locations/operations/read" }
        tolower($2) ~ /\/locations\/[^\/]*\/operationresults\// { what = "locations/operationresults/read" }
        { print "Microsoft.ContainerService/" (what ? what : $1 " " $2) }' | sort -u
}
t "the role of the page is what ARM was asked for, no more and no less" is "$(actions)" "$(jq -r '.Actions[]' "$T/role.json" | sort -u)"
t "the table names the same" is "$(grep -oE '^\| `Microsoft.ContainerService/[^`]*' "$SOURCE/docs/provisioner.md" | cut -c4- | sort -u)" "$(jq -r '.Actions[]' "$T/role.json" | sort -u)"

# ---- a cloud of one's own
rm -f "$T"/block*
page cloud-exec.md "s|~/.kube/config|$KUBECONFIG --no-leader-elect --health-probe-bind-address 0 --metrics-bind-address 0|"
cp "$SOURCE/examples/cloud-exec/cloud-in-a-folder" "$T/my-cloud"
export CLOUD_FOLDER=$T/machines
mkdir -p "$CLOUD_FOLDER"
run 1
t "the sample is a cloud: its orphans are listed" is "$(said 1)" "[]"
kill %% 2>/dev/null
known provisioner.md -- "$KAITO" provisioner
known cloud-exec.md -- "$KAITO" provisioner
finish
