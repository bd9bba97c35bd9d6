#!/usr/bin/env bash
# The quick start's Workspace with machines of the simulated Azure: its node comes through ARM, it serves, and the cloud is empty when it went.
. "$(dirname "$0")/lib.sh"
export KAITO_FAKE_ARM=$BUILD/tests/peers/fake-arm/kaito-fake-arm
begin
arm() { curl -s "$(jq -r .url "$T/state/fake-azure.ready")/control/$1"; }
calls() { arm journal | jq -r "[.[] | select(.call == \"$1\")] | length"; }
pools() { arm state | jq -r '.pools | length'; }

t "the hub mirror starts" mirror
t "kaito up rehearses Azure" up --cloud fake-azure --hf-endpoint "$HUB"
t "an inference Workspace" kubectl apply -f "$SOURCE/examples/inference/kaito_workspace_phi_3.yaml"
t "it serves" kubectl wait --for=condition=WorkspaceSucceeded workspace/workspace-phi-3 --timeout=60s
claim=$(kubectl get nodeclaims -o jsonpath='{.items[0].metadata.name}')
t "its claim is Ready" kubectl wait --for=condition=Ready "nodeclaim/$claim" --timeout=60s
t "its pod runs on the pool's Node" has "$(kubectl get pods -o jsonpath='{.items[0].spec.nodeName}')" "aks-$claim-"
t "the pool was asked for once" is "$(calls put)" 1
t "it answers" until_ok 20 answers workspace-phi-3

end up KILL
t "kill -9 of it all, then up again" up --cloud fake-azure --hf-endpoint "$HUB"
t "the pool is the same" is "$(arm state | jq -r '.pools[0].name')" "$claim"
t "the Workspace serves" kubectl wait --for=condition=WorkspaceSucceeded workspace/workspace-phi-3 --timeout=60s
t "nothing was asked for again" is "$(calls put)" 0

t "the Workspace is deleted" kubectl delete workspace/workspace-phi-3 --timeout=60s
empty() { is "$(pools)" 0 && is "$(kubectl get nodeclaims,nodes -o name | grep -c aks-)" 0; }
t "the cloud is empty" until_ok 30 empty
t "no rule of ARM was broken" is "$(arm violations)" "[]"
out=$("$KAITO" up --cloud aws --state-dir "$T/other" 2>&1)
t "another cloud is refused by name" has "$out" "--cloud aws"
finish
