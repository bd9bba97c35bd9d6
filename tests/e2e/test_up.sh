#!/usr/bin/env bash
# kaito up, down and reset: ready quickly, alone on its folder, memory of objects and pods over restarts.
. "$(dirname "$0")/lib.sh"
begin
t "the hub mirror starts" mirror
t "kaito up is ready" up --hf-endpoint "$HUB"
t "the kubeconfig is the user's alone" is "$(stat -c %a "$KUBECONFIG")" 600
out=$(timeout 30 "$KAITO" up --state-dir "$T/state" 2>&1)
t "a second kaito up on the folder is refused" has "$out" "in use by \`kaito up\`"
t "and names the way out" has "$out" "kaito down"
port=$(sed -nE 's|.*server: https?://[^:]*:([0-9]+).*|\1|p' "$KUBECONFIG")
out=$(timeout 30 "$KAITO" up --state-dir "$T/other" --port "$port" 2>&1)
t "a port in use is named" has "$out" "$port"
t "an unknown option is named" has "$("$KAITO" up --no-such-thing 2>&1)" "unknown option --no-such-thing"

t "an inference Workspace succeeds" kubectl apply -f "$SOURCE/examples/inference/kaito_workspace_phi_3.yaml"
t "it serves" kubectl wait --for=condition=WorkspaceSucceeded workspace/workspace-phi-3 --timeout=60s
before=$(kubectl get pods -o json | jq -r '.items[0] | "\(.metadata.uid) \(.status.containerStatuses[0].restartCount) \(.status.containerStatuses[0].state.running.startedAt)"')
end up KILL
t "kill -9, then up again" up --hf-endpoint "$HUB"
t "the Workspace is still there" kubectl wait --for=condition=WorkspaceSucceeded workspace/workspace-phi-3 --timeout=60s
t "the pod lived on" is "$(kubectl get pods -o json | jq -r '.items[0] | "\(.metadata.uid) \(.status.containerStatuses[0].restartCount) \(.status.containerStatuses[0].state.running.startedAt)"')" "$before"
t "and answers" until_ok 20 answers workspace-phi-3

monitor=$(jq -r .pid "$T"/state/pods/*/monitor.json | head -1)
kill -9 "$monitor"
restarted() { is "$(kubectl get pods -o json | jq -r '.items[0].status.containerStatuses[0].restartCount')" 1; }
t "a killed monitor is followed by another" until_ok 30 restarted
t "which makes the pod ready again" kubectl wait --for=condition=Ready pod --all --timeout=60s

t "kaito down" "$KAITO" down --state-dir "$T/state"
t "leaves no process" is "$(pgrep -fc "$T/state")" 0
t "up once more" up --hf-endpoint "$HUB"
t "the Workspace serves again" kubectl wait --for=condition=Ready pod --all --timeout=60s
t "kaito reset" "$KAITO" reset --state-dir "$T/state"
t "forgets the folder" test ! -e "$T/state"
mkdir "$T/foreign"
t "a foreign folder is not removed" has "$("$KAITO" reset --state-dir "$T/foreign" 2>&1)" "holds no state of kaito"
finish
