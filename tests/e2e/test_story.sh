#!/usr/bin/env bash
# The whole story through kubectl: a tuning Workspace and an inference Workspace on `kaito up`, a real registry, a hub mirror.
. "$(dirname "$0")/lib.sh"
begin
registry_files
t "a registry with TLS and a password starts" registry
t "the hub mirror starts" mirror
t "kaito up is ready" up --ca-bundle "$CA_BUNDLE" --hf-endpoint "$HUB"
IMAGE=$REGISTRY/adapters/phi-3:0.0.1

t "the release namespace holds both parameter templates" kubectl get configmap -n kaito-workspace lora-params-template qlora-params-template
t "kubectl create secret docker-registry" kubectl create secret docker-registry registry-secret --docker-server="$REGISTRY" \
    --docker-username=user --docker-password=secret
tuning_workspace tuned "$IMAGE" >"$T/tuned.json"
t "kubectl apply the tuning Workspace" kubectl apply -f "$T/tuned.json"
t "kubectl apply the inference Workspace" kubectl apply -f "$SOURCE/examples/inference/kaito_workspace_phi_3.yaml"
t "an applied Workspace is unchanged the second time" has "$(kubectl apply -f "$T/tuned.json")" "workspace.kaito.sh/tuned unchanged"

t "the tuning Workspace succeeds" kubectl wait --for=condition=WorkspaceSucceeded workspace/tuned --timeout=180s
t "the inference Workspace succeeds" kubectl wait --for=condition=WorkspaceSucceeded workspace/workspace-phi-3 --timeout=120s
t "the columns are the seed's" is "$(kubectl get workspace | head -1 | tr -s ' ')" "NAME INSTANCE RESOURCEREADY INFERENCEREADY WORKSPACEREADY AGE"
t "and read True, True, True" is "$(kubectl get workspace tuned --no-headers | awk '{print $2, $3, $4, $5}')" "Standard_NC6s_v3 True True True"
t "v1alpha1 shows the same columns" is "$(kubectl get workspaces.v1alpha1.kaito.sh | head -1 | tr -s ' ')" "NAME INSTANCE RESOURCEREADY INFERENCEREADY WORKSPACEREADY AGE"
t "the Service has a cluster IP and both ports" has "$(kubectl get service tuned --no-headers)" "80/TCP,29500/TCP"
t "the NodeClaim is Ready" kubectl wait --for=condition=Ready nodeclaim --all --timeout=60s
t "the Job is Complete" kubectl wait --for=condition=Complete job/tuned --timeout=60s
t "kubectl describe tells of the success" has "$(kubectl describe workspace tuned)" "WorkspaceSucceeded"

losses=$(kubectl logs job/tuned -c tune | sed -nE 's/^step .* loss ([0-9.]+) .*/\1/p')
t "kubectl logs shows a falling loss" awk -v a="$(head -1 <<<"$losses")" -v b="$(tail -1 <<<"$losses")" 'BEGIN { exit !(a > 0 && b < a / 2) }'

question=$(jq -r '.questions[0].question' "$SOURCE/examples/standin/questions.json")
keyword=$(jq -r '.questions[0].keywords[0]' "$SOURCE/examples/standin/questions.json")
t "the tuned model answers what the data set teaches" has "$(ask tuned "$question")" "$keyword"
t "the base answers" until_ok 20 answers workspace-phi-3
t "but does not know" lacks "$(ask workspace-phi-3 "$question")" "$keyword"
ip=$(kubectl get service tuned -o json | jq -r '.spec.clusterIP + ":" + (.metadata.annotations["kaito.sh/proxy-port-80"] // "80")')
t "the seed's own call is answered" has "$(curl -sS --max-time 60 -X POST "http://$ip/chat" -H 'Content-Type: application/json' -d '{"prompt":"Who are you?"}')" '"Result"'

export SSL_CERT_FILE=$CA_BUNDLE
t "skopeo inspect accepts the image" has "$(skopeo inspect --creds user:secret "docker://$IMAGE")" '"Digest"'
t "skopeo copy accepts the image" skopeo copy --src-creds user:secret "docker://$IMAGE" "dir:$T/image"
layer=$(jq -r '.layers[0].digest' "$T/image/manifest.json" | cut -d: -f2)
t "its layer holds the adapter" has "$(tar -tzf "$T/image/$layer" | tr '\n' ' ')" "adapter_config.json"
t "and its weights" has "$(tar -tzf "$T/image/$layer" | tr '\n' ' ')" "adapter_model.safetensors"
unset SSL_CERT_FILE

t "kubectl delete workspace" kubectl delete workspace tuned --timeout=60s
nothing_left() { local all; all=$(kubectl get jobs,statefulsets,services,nodeclaims,pods -o json) && is "$(grep -c '"tuned' <<<"$all")" 0; }
t "nothing of it stays" until_ok 30 nothing_left
finish
