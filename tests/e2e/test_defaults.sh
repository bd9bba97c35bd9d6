#!/usr/bin/env bash
# What a newcomer leaves out: no `config` (upstream's template), no serving after tuning, foreign images, an old kubectl's way to apply.
. "$(dirname "$0")/lib.sh"
begin
registry_files
t "a registry starts" registry
t "the hub mirror starts" mirror
t "kaito up is ready" up --ca-bundle "$CA_BUNDLE" --hf-endpoint "$HUB"
t "the push secret" kubectl create secret docker-registry registry-secret --docker-server="$REGISTRY" --docker-username=user --docker-password=secret

tuning_workspace plain "$REGISTRY/adapters/plain:1" 'del(.tuning.config) | .metadata.annotations = {"kaito.sh/serve-after-tuning": "false"}' |
    jq -c 'select(.kind == "Workspace")' >"$T/plain.json"
t "a Workspace without config, applied without client validation" kubectl apply --validate=false -f "$T/plain.json"

cat >"$T/foreign.yaml" <<YAML
apiVersion: v1
kind: Pod
metadata: {name: foreign}
spec:
  tolerations: [{operator: Exists}]
  containers: [{name: main, image: "nginx:1"}]
YAML
t "a pod with a foreign image" kubectl apply -f "$T/foreign.yaml"
t "succeeds without serving" kubectl wait --for=condition=WorkspaceSucceeded workspace/plain --timeout=240s
t "no StatefulSet was made" is "$(kubectl get statefulsets -o name | wc -l)" 0
mean() { kubectl logs job/plain -c tune | sed -nE 's/^step .* loss ([0-9.]+) .*/\1/p' | "$1" -4 | awk '{ s += $1; n++ } END { print s / n }'; }
t "and its loss fell" awk -v a="$(mean head)" -v b="$(mean tail)" 'BEGIN { exit !(a > 0 && b < a) }'

waits() { has "$(kubectl get pod foreign -o json | jq -r '.status.containerStatuses[0].state.waiting | "\(.reason) \(.message)"')" "ErrImagePull"; }
t "the foreign image waits with ErrImagePull" until_ok 20 waits
t "and says why" has "$(kubectl get pod foreign -o json)" "runs only the runtime image"
t "kubectl logs of it says that it waits" has "$(kubectl logs foreign 2>&1)" "waiting to start"
t "kubectl delete pod" kubectl delete pod foreign --timeout=60s
t "kubectl logs -f ends with the container" timeout 60 kubectl logs -f job/plain -c tune --tail=1
t "kubectl logs --timestamps" has "$(kubectl logs job/plain -c push --timestamps --tail=1)" "$(date +%Y-)"
t "kubectl explain" has "$(kubectl explain workspace.tuning.method 2>&1)" "lora"
t "kubectl api-resources" has "$(kubectl api-resources --api-group=kaito.sh)" "wk"
finish
