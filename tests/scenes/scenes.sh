# The scenes (sourced behind lib.sh). Each is a function that leaves the cluster as it found it; the table at the end says what it needs.

denied() {      # NAME FILTER TEXT: creating is refused with exactly this
    is "$(workspace "$1" "$2" | refusal create -f -)" \
        "Error from server (BadRequest): error when creating \"STDIN\": admission webhook \"$ADMISSION\" denied the request: validation failed: $3"
}
denied_change() {       # NAME MERGE_PATCH TEXT
    is "$(refusal patch workspace "$1" --type=merge -p "$2")" \
        "Error from server (BadRequest): admission webhook \"$ADMISSION\" denied the request: validation failed: $3"
}

# Upstream's text, to the letter, from whatever API server there is.
scene_webhook() {
    t "an unknown preset is refused" denied bad '.inference.preset.name = "no-such-model"' \
        "invalid value: Unsupported inference preset name no-such-model: inference.presetName"
    t "in v1alpha1 too" denied bad '.apiVersion = "kaito.sh/v1alpha1" | .inference.preset.name = "no-such-model"' \
        "invalid value: Unsupported inference preset name no-such-model: inference.presetName"
    t "neither inference nor tuning" denied bad 'del(.inference)' "Either Inference or Tuning must be specified, not neither: spec"
    t "neither preset nor template" denied bad 'del(.inference.preset)' "missing field(s): inference.Preset or Template must be specified"
    t "a dot in the name" denied a.b . "invalid value: must not contain dots: name"
    t "a machine type that does not exist: its kind of text" has "$(workspace bad '.resource.instanceType = "Imaginary"' | refusal create -f -)" \
        'denied the request: validation failed: invalid value: Unsupported instance type Imaginary. Supported SKUs: ['
    t "a performance mode that does not exist" denied bad '.metadata.annotations["kaito.sh/performance-mode"] = "fast"' \
        'invalid value: "fast" is not a valid performance mode; choose one of: balanced, interactivity, throughput: metadata.annotations[kaito.sh/performance-mode]'
    t "adapters of one name" denied bad '.inference.adapters = [{source: {name: "a", image: "x/y:1"}}, {source: {name: "a", image: "x/z:1"}}]' \
        "Duplicate adapter source name found: a: "
    t "a ConfigMap that is not there" denied bad '.inference.config = "no-such-config"' \
        "ConfigMap 'no-such-config' specified in 'config' not found in namespace 'default': config"
    t "nothing was stored" is "$(kubectl get workspaces -o name)" ""
    t "a dry run is asked about, too" has "$(workspace bad '.inference.preset.name = "x"' | refusal apply --dry-run=server -f -)" "denied the request"
    t "a good one passes a dry run" has "$(workspace good | kubectl apply --dry-run=server -f -)" "created (server dry run)"
    t "server-side apply is asked about, too" has "$(workspace bad '.inference.preset.name = "x"' | refusal apply --server-side -f -)" "denied the request"
    t "a good one is created" create good
    t "its machine type stays" denied_change good '{"resource": {"instanceType": "Standard_NC24ads_A100_v4"}}' \
        "instanceType cannot be changed once set when node auto-provisioning is enabled: resource.instanceType"
    t "its number of nodes stays" denied_change good '{"resource": {"count": 2}}' "field is immutable: resource.count"
    t "its preset stays" denied_change good '{"inference": {"preset": {"name": "phi-4"}}}' "field is immutable: inference.preset"
    t "labels may change" kubectl label workspace good colour=red
    t "the refusals left it alone" field_is workspace good .inference.preset.name phi-3-mini-128k-instruct
    t "it goes" removed good
}

scene_inference() {
    t "inference is created" create infer
    t "it gets one NodeClaim" until_ok 20 count_claims infer 1
    t "of its machine type" field_has nodeclaims "-l=kaito.sh/workspace=infer" '.items[0].spec.requirements[*].values' Standard_NC6s_v3
    t "it becomes ready" until_ok 90 ready infer
    t "with a StatefulSet of one pod" field_is statefulset infer '.spec.replicas} {.status.readyReplicas' "1 1"
    t "a Service" field_is service infer '.spec.ports[*].port' "80 29500"
    t "a headless Service" field_is service infer-headless '.spec.clusterIP' None
    t "the node in its status" field_has workspace infer '.status.workerNodes' local-
    t "and a revision" field_is workspace infer '.metadata.annotations.workspace\.kaito\.io/revision' 1
    t "the state says so" field_is workspace infer .status.state Ready
    t "events tell the way" has "$(kubectl get events --field-selector involvedObject.name=infer -o 'jsonpath={.items[*].reason}')" NodeClaimCreated
    [ "$WORLD" = real ] || t "it answers" until_ok 20 answers infer
}

tuning() {      # NAME [FILTER]
    workspace "$1" 'del(.inference) | .tuning = {preset: {name: "phi-3-mini-128k-instruct"}, method: "qlora", config: "scene-params",
        input: {urls: ["https://huggingface.co/datasets/philschmid/dolly-15k-oai-style/resolve/main/data/train-00000-of-00001-54e3756291ca09c6.parquet?download=true"]},
        output: {image: "REGISTRY/adapters/NAME:1", imagePushSecret: "scene-push"}}' |
        jq -c --arg image "$REGISTRY/adapters/$1:1" ".tuning.output.image = \$image | ${2:-.}"
}
tuning_params() {
    kubectl create configmap scene-params --from-literal=training_config.yaml='training_config:
  ModelConfig: {torch_dtype: bfloat16, local_files_only: true, device_map: auto}
  QuantizationConfig: {load_in_4bit: true, bnb_4bit_quant_type: nf4, bnb_4bit_compute_dtype: bfloat16, bnb_4bit_use_double_quant: true}
  LoraConfig: {r: 8, lora_alpha: 16, lora_dropout: 0.0, target_modules: [qkv_proj, o_proj]}
  TrainingArguments: {output_dir: /mnt/results, save_strategy: epoch, per_device_train_batch_size: 8, learning_rate: 2.0e-3, max_steps: 8, logging_steps: 4}
  DataCollator: {mlm: true}
  DatasetConfig: {shuffle_dataset: true, train_test_split: 1}
'
}
push_secret() { kubectl create secret docker-registry scene-push --docker-server="$REGISTRY" --docker-username=user --docker-password=secret; }
job_done() { kubectl wait --for=condition=Complete "job/$1" --timeout=0; }

scene_tuning() {
    t "a tuning whose ConfigMap is missing is refused" has "$(tuning tune | refusal create -f -)" \
        "validation failed: Failed to evaluate validateConfigMap: ConfigMap 'scene-params' specified in 'config' not found in namespace 'default': config: tuning.Config"
    t "its ConfigMap arrives" tuning_params
    tuned() { tuning tune | kubectl create -f -; }
    t "tuning is created" tuned
    t "the missing push secret is named" until_ok 60 condition_has tune JobStarted "Secret 'scene-push'"
    t "no Job yet" is "$(kubectl get jobs -o name)" ""
    t "the secret arrives" push_secret
    t "the Job comes" until_ok 30 kubectl get job tune
    t "and ends well" until_ok 120 job_done tune
    t "the tuned model is served" until_ok 90 ready tune
    t "with the adapter that was pushed" has "$(kubectl get statefulset tune -o json)" "$REGISTRY/adapters/tune:1"
    t "one Job made it" field_is job tune .status.succeeded 1
    t "it goes" removed tune
    t "the secret and the ConfigMap are the user's" kubectl delete secret/scene-push configmap/scene-params
}

adapter_copy() {        # a second tag of what tuning pushed; without a real registry any name will do
    [ "$WORLD" = real ] || SSL_CERT_FILE=$CA_BUNDLE skopeo copy --src-creds user:secret --dest-creds user:secret \
        "docker://$REGISTRY/adapters/tune:1" "docker://$REGISTRY/adapters/tune:2"
}
pull_secret() { kubectl create secret docker-registry scene-pull --docker-server="$REGISTRY" --docker-username=user --docker-password=secret; }
with_adapter() { echo ".metadata.annotations[\"kaito.sh/runtime\"] = \"native\" | .inference.adapters = [{source: {name: \"facts\", image: \"$REGISTRY/adapters/tune:$1\", imagePullSecrets: [\"scene-pull\"]}}]"; }
replaced() { [ "$(field pod "$1-0" .metadata.uid)" != "$2" ] && ready "$1"; }

scene_adapters() {
    t "a second adapter is pushed" adapter_copy
    t "the pull secret" pull_secret
    t "inference with an adapter is created" create adapted "$(with_adapter 1)"
    t "it becomes ready" until_ok 90 ready adapted
    t "and names the adapter" has "$(kubectl get statefulset adapted -o json)" "$REGISTRY/adapters/tune:1"
    local before
    before=$(field pod adapted-0 .metadata.uid)
    changed() { workspace adapted "$(with_adapter 2)" | kubectl apply -f - 2>&1; }
    t "the adapter changes" changed
    t "a second revision" until_ok 20 field_is workspace adapted '.metadata.annotations.workspace\.kaito\.io/revision' 2
    t "is what the StatefulSet has" until_ok 20 has_image adapted "$REGISTRY/adapters/tune:2"
    t "another pod serves it" until_ok 90 replaced adapted "$before"
    t "two ControllerRevisions tell the history" is "$(kubectl get controllerrevisions.apps -l workspace.kaito.io/name=adapted -o name | wc -l)" 2
    t "it goes" removed adapted
    t "the secret is the user's" kubectl delete secret scene-pull
}
has_image() { has "$(kubectl get statefulset "$1" -o json)" "$2"; }

claim_uid() { kubectl get nodeclaims -l "kaito.sh/workspace=$1" -o 'jsonpath={.items[*].metadata.uid}'; }
other_claim() { local uid; uid=$(claim_uid "$1"); [ -n "$uid" ] && [ "$uid" != "$2" ] || { echo "the claim's uid: $uid"; return 1; }; }       # its name stays: it derives from the Workspace
ready_on_a_node() { local node; node=$(field pod "$1-0" .spec.nodeName) && [ -n "$node" ] && kubectl get node "$node" && ready "$1"; }
scene_scale() {
    local ws=infer      # the scene before this one left it serving
    kubectl get workspace $ws >/dev/null 2>&1 || create $ws >/dev/null
    t "there is a Workspace that serves" until_ok 90 ready $ws
    scaled() { kubectl scale statefulset "$ws" --replicas="$1"; }
    t "somebody scales the StatefulSet down" scaled 0
    t "which the Workspace tells" until_ok 40 condition_has $ws InferenceReady False
    t "upstream leaves others' numbers alone, and so do we" field_is statefulset $ws .spec.replicas 0
    t "somebody scales it back" scaled 1
    t "it serves again" until_ok 90 ready $ws
    local claim
    claim=$(claim_uid $ws)
    t "somebody deletes its NodeClaim" kubectl delete nodeclaim "$(claims_of $ws)" --timeout=60s
    t "another one takes its place" until_ok 60 other_claim $ws "$claim"
    t "with a node and a pod" until_ok 120 ready_on_a_node $ws
    t "one claim, not two" count_claims $ws 1
    t "it goes" removed $ws
}

# ---- nodes of the user's own ----

byo() { echo "del(.resource.instanceType) | .resource.labelSelector.matchLabels = {pool: \"$1\"} | .inference.preset.name = \"$2\" | .metadata.annotations[\"kaito.sh/disable-benchmark\"] = \"true\""; }

scene_byo() {
    t "a machine type is refused" denied bad . \
        "No nodes found matching the specified label selector: "$'\n'"invalid value: instanceType must be empty when node auto-provisioning is disabled (BYO scenario): spec.resource.instanceType"
    t "no node, no Workspace" denied bad "$(byo mine phi-4-mini-instruct)" "No nodes found matching the specified label selector: "
    t "a GPU node joins" gpu_node gpu-1 pool=mine
    t "inference on it is created" until_ok 20 create own "$(byo mine phi-4-mini-instruct)"        # the webhook hears of nodes a moment later
    t "no NodeClaim is made" is "$(kubectl get nodeclaims -o name)" ""
    t "it becomes ready" until_ok 60 ready own
    t "on that node" field_is pod own-0 .spec.nodeName gpu-1
    t "with upstream's image" field_has statefulset own '.spec.template.spec.containers[0].image' kaito-base
    t "and upstream's ports" field_is service own '.spec.ports[*].port' "80 6379 8265 5557"
    t "the node is named" field_is workspace own '.status.workerNodes[*]' gpu-1
    t "the node goes" kubectl delete node gpu-1
    t "which is told" until_ok 30 condition_has own ResourceReady False
    t "it goes" removed own
}

scene_multinode() {
    t "two GPU nodes join" gpu_node gpu-1 pool=pair
    t "the second one" gpu_node gpu-2 pool=pair
    t "a model for two nodes is created" until_ok 20 create pair "$(byo pair mistralai/Mistral-Small-4-119B-2603) | .resource.count = 2"
    t "two pods are wanted" until_ok 30 field_is statefulset pair .spec.replicas 2
    t "and two nodes" field_is workspace pair .status.targetNodeCount 2
    t "it becomes ready" until_ok 60 ready pair
    t "each pod on a node of its own" is "$(kubectl get pods -l kaito.sh/workspace=pair -o 'jsonpath={.items[*].spec.nodeName}' | tr ' ' '\n' | sort | xargs)" "gpu-1 gpu-2"
    t "the followers know their leader" has "$(kubectl get statefulset pair -o json)" "pair-0.pair-headless.default.svc.cluster.local"
    t "the Service leads to the first pod" field_is service pair '.spec.selector.statefulset\.kubernetes\.io/pod-name' pair-0
    t "it goes" removed pair
    t "the nodes are the user's" kubectl delete node gpu-1 gpu-2
}

# ---- leaders ----

moved() { local h; h=$(holder); [ -n "$h" ] && [ "$h" != "$1" ]; }
scene_leaders() {
    local first began took
    first=$(holder)
    create lead-a >/dev/null
    t "the leader works" until_ok 20 count_claims lead-a 1
    t "the other one waits" is "$(holder)" "$first"
    began=$(now_ms)
    kill -TERM "$(pid_of one)"
    t "after SIGTERM the other one leads" until_ok 5 moved "$first"
    took=$(($(now_ms) - began))
    t "within 3 s ($took ms)" test "$took" -lt 3000
    end one
    # the configuration's URL names the first one; in a cluster the Service leads to whoever is there
    t "the webhook is the second one's" kubectl patch validatingwebhookconfiguration "$ADMISSION" --type=json -p "[{\"op\": \"replace\", \"path\": \"/webhooks/0/clientConfig/url\",
        \"value\": \"https://127.0.0.1:$(hook_of two)/validate/workspace.kaito.sh\"}]"
    t "it is asked" until_ok 20 asks
    t "a Workspace of the new leader" create lead-b
    t "gets its claim" until_ok 20 count_claims lead-b 1
    t "the old one's still has one" count_claims lead-a 1
    t "both become ready" until_ok 120 both_ready
    t "the first goes" removed lead-a
    t "the second goes" removed lead-b
}
both_ready() { ready lead-a && ready lead-b; }
hook_of() { tr '\0' '\n' <"/proc/$(pid_of "$1")/cmdline" | grep -A1 -x -- --webhook-port | tail -1; }

# ---- deletion, whatever the Workspace is doing ----

scene_delete() {
    create at-once >/dev/null
    t "deleted at once" removed at-once
    create with-claim >/dev/null
    t "a claim is there" until_ok 20 count_claims with-claim 1
    t "deleted while its node comes" removed with-claim
    create with-set >/dev/null
    t "a StatefulSet is there" until_ok 60 kubectl get statefulset with-set
    t "deleted while its pod starts" removed with-set
    tuning_params >/dev/null
    tuning waits | kubectl create -f - >/dev/null
    t "tuning waits for a secret" until_ok 60 condition_has waits JobStarted "Secret 'scene-push'"
    t "deleted while it waits" removed waits
    push_secret >/dev/null
    tuning works | kubectl create -f - >/dev/null
    t "tuning has its Job" until_ok 60 kubectl get job works
    t "deleted while it trains" removed works
    create held '.metadata.finalizers = ["example.com/held"]' >/dev/null
    t "another one's finalizer" until_ok 20 count_claims held 1
    t "deleted but held" kubectl delete workspace held --wait=false
    t "its claim is gone first" until_ok 40 count_claims held 0
    t "only the other finalizer is left" until_ok 20 field_is workspace held '.metadata.finalizers[*]' example.com/held
    t "which its owner takes" kubectl patch workspace held --type=merge -p '{"metadata": {"finalizers": null}}'
    t "and it is gone" until_ok 20 gone held
    t "the user's things" kubectl delete secret/scene-push configmap/scene-params
    t "no node is left" until_ok 40 no_local_node
}
no_local_node() { is "$(kubectl get nodes -o name | grep -c local-)" 0; }

#          name       manager  quick: `make test` runs it on `kaito up`
SCENES=(
          "webhook    claims   quick"
          "inference  claims   -"
          "scale      claims   -"
          "tuning     claims   -"
          "adapters   claims   -"
          "delete     claims   -"
          "leaders    two      -"
          "byo        byo      -"
          "multinode  byo      -"
)
play() {        # [quick]
    local row name mode quick began
    for row in "${SCENES[@]}"; do
        read -r name mode quick <<<"$row"
        [ "${1:-}" != quick ] || [ "$quick" = quick ] || continue
        [ -z "${SCENE:-}" ] || [[ " $SCENE " == *" $name "* ]] || continue
        began=$SECONDS
        PART=$name
        manager "$mode"
        "scene_$name"
        echo "# $name: $((SECONDS - began)) s"
        PART=
    done
}
