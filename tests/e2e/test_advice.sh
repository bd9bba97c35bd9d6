#!/usr/bin/env bash
# kaito models, plan and doctor as people type them; models outside the catalogue, which the manager asks the hub about.
. "$(dirname "$0")/lib.sh"
begin
EXAMPLE=$SOURCE/examples/inference/kaito_workspace_phi_3.yaml
says() { has "$("${@:2}" 2>&1)" "$1"; }
ends_with() { "${@:2}" >/dev/null 2>&1; is $? "$1"; }

t "models lists the catalogue" says "phi-3-mini-128k-instruct" "$KAITO" models
t "models tells about one" says "microsoft/Phi-3-mini-128k-instruct, revision d548c233192db00165d842bf8edff054bb3212f8" "$KAITO" models phi-3-mini-128k-instruct
t "models answers a wrong name with a like one" says "there is phi-4-mini-instruct" "$KAITO" models phi-4-mini
t "models as JSON is JSON" is "$("$KAITO" models -o json | jq length)" 60
t "plan tells what the sample becomes" says "1 x Standard_NC6s_v3" "$KAITO" plan "$EXAMPLE"
t "plan of a good file ends with 0" ends_with 0 "$KAITO" plan "$EXAMPLE"
sed 's/phi-3-mini-128k-instruct/phi-33/' "$EXAMPLE" >"$T/bad.yaml"
t "plan says what is refused and why" says "Unsupported inference preset name phi-33" "$KAITO" plan "$T/bad.yaml"
t "plan of a bad file ends with 1" ends_with 1 "$KAITO" plan "$T/bad.yaml"
t "plan reads standard input" says "Admission: admitted" "$KAITO" plan - <"$EXAMPLE"
t "plan names the file that is not there" says "$T/none.yaml" "$KAITO" plan "$T/none.yaml"
t "a missing kubeconfig is answered with what to do" says "leave --kubeconfig out" "$KAITO" manager --kubeconfig /missing
t "upstream's options of logging count: JSON" says '"option":"v"' "$KAITO" manager --kubeconfig /missing -v=2 --zap-encoder=json
lacks_said() { lacks "$("${@:2}" 2>&1)" "$1"; }
t "and the level" lacks_said 'without effect' "$KAITO" manager --kubeconfig /missing --v 2 --zap-log-level error
t "a level that zap lacks is refused" says '--zap-log-level loud: is none of debug, info, warn, error, panic' "$KAITO" manager --kubeconfig /missing --zap-log-level=loud
t "an unknown gate is refused by name" says '--feature-gates: invalid feature gate(s) nonsense; there are vLLM,' "$KAITO" manager --kubeconfig /missing --feature-gates=nonsense=true
t "a gate that is not built is, too" says 'gatewayAPIInferenceExtension=true: not built yet' "$KAITO" manager --kubeconfig /missing --feature-gates=gatewayAPIInferenceExtension=true
t "doctor without a cluster says so" says "/missing: there is no such file" "$KAITO" doctor --kubeconfig /missing
printf 'apiVersion: v1\nkind: Config\ncurrent-context: x\ncontexts: [{name: x, context: {cluster: x}}]\nclusters: [{name: x, cluster: {server: "http://127.0.0.1:9"}}]\n' >"$T/away.yaml"
t "doctor tells a server that is not there" says "is it the right kubeconfig and context?" "$KAITO" doctor --kubeconfig "$T/away.yaml"

# A hub with one model of 150 GiB that no catalogue has.
cat >"$T/hub.py" <<'PY'
import http.server, json, sys
ANSWERS = {"/api/models/o/large/tree/main": [{"path": "model.safetensors", "size": 150 << 30}],
           "/o/large/resolve/main/config.json": {"architectures": ["LlamaForCausalLM"], "num_hidden_layers": 32, "num_attention_heads": 32,
                                                 "num_key_value_heads": 8, "hidden_size": 4096, "max_position_embeddings": 8192}}
class Hub(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        answer = ANSWERS.get(self.path.split("?")[0])
        body = json.dumps(answer).encode()
        self.send_response(503 if "/silent/" in self.path else 200 if answer else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_): pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hub)
open(sys.argv[1], "w").write(str(server.server_port))
server.serve_forever()
PY
start hub python3 "$T/hub.py" "$T/hub.port"
t "a hub starts" until_ok 10 test -s "$T/hub.port"
HUB=http://127.0.0.1:$(cat "$T/hub.port")
t "kaito up is ready" up --hf-endpoint "$HUB"
workspace() {   # NAME MODEL
    cat <<YAML
apiVersion: kaito.sh/v1beta1
kind: Workspace
metadata: {name: $1}
resource: {instanceType: Standard_NC24ads_A100_v4, labelSelector: {matchLabels: {app: $1}}}
inference: {preset: {name: $2}}
YAML
}
apply() { workspace "$@" | kubectl apply -f -; }
target_is() { is "$(kubectl get workspace "$1" -o jsonpath='{.status.targetNodeCount}')" "$2"; }
workspace large O/Large >"$T/large.yaml"
workspace nowhere o/nowhere >"$T/nowhere.yaml"
t "plan asks the hub too" says "Machines: 3 x Standard_NC24ads_A100_v4" "$KAITO" plan "$T/large.yaml" --hf-endpoint "$HUB"
t "plan tells what the hub refuses" says "o/nowhere/tree/main?recursive=true: status 404" "$KAITO" plan "$T/nowhere.yaml" --hf-endpoint "$HUB"
t "plan tells when the hub cannot be asked" says "the hub cannot be asked" "$KAITO" plan "$T/large.yaml" --hf-endpoint http://127.0.0.1:9
t "the installation is well" says "CustomResourceDefinition workspaces.kaito.sh: v1alpha1, v1beta1" "$KAITO" doctor
t "a model of the hub is applied" apply large O/Large
t "its nodes are estimated from the hub's figures" until_ok 10 target_is large 3
kubectl delete workspace large --wait=false >/dev/null
t "a model that the hub does not have is refused" says "failed to get model preset: error listing files: failed to fetch https://huggingface.co/api/models/o/nowhere/tree/main?recursive=true: status 404" apply nowhere o/nowhere
t "a model is admitted while the hub does not answer" apply silent o/silent
t "the condition says what the hub said" until_ok 10 condition_has silent ResourceReady "False NodeEstimateFailed failed to update Workspace status targetNodeCount: failed to calculate target node count: failed to get model by name: error listing files: failed to fetch https://huggingface.co/api/models/o/silent/tree/main?recursive=true: status 503"
t "doctor follows it" says "NodeEstimateFailed" "$KAITO" doctor silent
t "doctor ends with 1 when something failed" ends_with 1 "$KAITO" doctor silent
kubectl delete workspace silent --wait=false >/dev/null
t "the sample is applied, its model is nowhere" kubectl apply -f "$EXAMPLE"
t "doctor follows a container to its exit code" until_ok 20 says "container fetch: ended with exit code 1" "$KAITO" doctor workspace-phi-3
t "and to its last log line" until_ok 20 says "last log line: " "$KAITO" doctor workspace-phi-3
t "and says how to read more" until_ok 20 says "-> kubectl logs -n default workspace-phi-3-0 -c fetch" "$KAITO" doctor workspace-phi-3
"$KAITO" doctor workspace-phi-3 | sed 's/^/# /'
t "doctor names a Workspace that is not there" says 'workspaces.kaito.sh "none" not found' "$KAITO" doctor none
t "doctor of all as JSON is JSON" is "$("$KAITO" doctor -o json | jq -r '.[0].text')" Installation
finish
