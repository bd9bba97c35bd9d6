#!/usr/bin/env bash
# kill -9 of any process at any time: nothing acknowledged is lost, and the Workspace ends as it would have ended.
. "$(dirname "$0")/lib.sh"
begin
registry_files
t "a registry starts" registry
t "the hub mirror starts" mirror
args=(--ca-bundle "$CA_BUNDLE" --hf-endpoint "$HUB")
t "kaito up is ready" up "${args[@]}"
IMAGE=$REGISTRY/adapters/killed:1
t "the push secret" kubectl create secret docker-registry registry-secret --docker-server="$REGISTRY" --docker-username=user --docker-password=secret
tuning_workspace killed "$IMAGE" >"$T/w.json"
t "apply" kubectl apply -f "$T/w.json"
rv=$(kubectl get workspace killed -o jsonpath='{.metadata.uid}')

for pause in 0.2 0.5 1 2; do
    sleep "$pause"                      # the moments of the kills are spread over the Workspace's life on purpose
    end up KILL
    t "up again after kill -9 (+$pause s)" up "${args[@]}"
done
t "the acknowledged Workspace is the same" is "$(kubectl get workspace killed -o jsonpath='{.metadata.uid}')" "$rv"
training() { pgrep -f "kaito-runtime tune.*$T/state" >/dev/null || kubectl wait --for=condition=Complete job/killed --timeout=0 >/dev/null; }
t "training begins" until_ok 60 training
pkill -9 -f "kaito-runtime tune.*$T/state" && echo "# killed the trainer"
t "the Workspace succeeds all the same" kubectl wait --for=condition=WorkspaceSucceeded workspace/killed --timeout=240s
t "exactly one NodeClaim was made" is "$(kubectl get nodeclaims -o name | wc -l)" 1
t "exactly one Job was made" is "$(kubectl get jobs -o name | wc -l)" 1
question=$(jq -r '.questions[0].question' "$SOURCE/examples/standin/questions.json")
keyword=$(jq -r '.questions[0].keywords[0]' "$SOURCE/examples/standin/questions.json")
answered() { has "$(ask killed "$question")" "$keyword"; }
t "and answers" until_ok 20 answered
serving=$(pgrep -f "kaito-runtime serve.*$T/state" | head -1)
[ -n "$serving" ] && kill -9 "$serving"
t "a killed server comes back" until_ok 60 answered
finish
