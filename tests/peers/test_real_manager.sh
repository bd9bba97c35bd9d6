#!/usr/bin/env bash
# The manager on a real kube-apiserver, with no more rights than `kaito install` gives it: webhook, leader election, rest. Prints TAP.
# Needs kubectl and ../shared/tools/kube-apiserver with its binaries built; skips otherwise. KAITO_BUILD, KAITO_SHARED override the folders.
. "$(dirname "$0")/real.sh"
now_ms() { date +%s%3N; }

hook=$(free_port)
# A manager with the rights of the service account: start NAME [options]; its probes are on ${health[NAME]}, its log is NAME.log.
declare -A health metrics pid
start() {
    local name=$1; shift
    health[$name]=$(free_port) metrics[$name]=$(free_port)
    KUBECONFIG=$work/account "$kaito" manager --no-install-crds --webhook-port "$hook" --health-probe-bind-address "127.0.0.1:${health[$name]}" \
        --metrics-bind-address "127.0.0.1:${metrics[$name]}" --debug-state --log-level debug "$@" >>"$work/$name.log" 2>&1 &
    pid[$name]=$!
    pids+=("$!")
}
ready() { curl -sf "127.0.0.1:${health[$1]}/readyz"; }
metric() { curl -sf "127.0.0.1:${metrics[$1]}/metrics" | awk -v m="$2" 'index($0, m) == 1 { n += $NF; found = 1 } END { if (found) print n }'; }
holder() { kubectl -n kaito-workspace get lease ef60f9b0.io -o jsonpath='{.spec.holderIdentity}'; }
workspace() {       # workspace NAME VERSION PRESET
    cat <<YAML
apiVersion: kaito.sh/$2
kind: Workspace
metadata: {name: $1}
resource: {instanceType: Standard_NC6s_v3, labelSelector: {matchLabels: {app: $1}}}
inference: {preset: {name: $3}}
YAML
}
apply() { workspace "$@" | kubectl apply -f -; }
refused() { ! apply "$@" >"$work/refusal" 2>&1; cat "$work/refusal"; }

eval "$("$tool/up" "$work/real")" || { echo "Bail out! the API server did not start"; exit 1; }
export KUBECONFIG
ok "install applies everything" "$kaito" install --apply --webhook-url "https://127.0.0.1:$hook"
ok "and again, changing nothing" "$kaito" install --apply --webhook-url "https://127.0.0.1:$hook"
ok "the definitions are served" within 20 kubectl get workspaces,nodeclaims
token=$(kubectl -n kaito-workspace create token workspace-sa)
kubectl config view --raw --flatten -o json | TOKEN=$token python3 -c '
import json, os, sys
c = json.load(sys.stdin)
c["users"][0]["user"] = {"token": os.environ["TOKEN"]}
json.dump(c, sys.stdout)' >"$work/account"

# ---- the webhook ----
early() { workspace early v1beta1 phi-4-mini-instruct | kubectl apply --dry-run=server -f - 2>&1; }
ok "without a manager a Workspace is refused" within 10 holds "failed calling webhook" early      # once the API server has heard of the webhook
start one --leader-elect
ok "a manager becomes ready" within 10 ready one
[ "$failed" -eq 0 ] || { echo "Bail out! nothing to test: $(tail -1 "$work/one.log")"; exit 1; }
ok "the authority is in the configuration" within 5 holds LS0t kubectl get validatingwebhookconfiguration validation.workspace.kaito.sh -o 'jsonpath={.webhooks[0].clientConfig.caBundle}'
ok "the certificate is in the Secret" holds LS0t kubectl -n kaito-workspace get secret workspace-webhook-cert -o 'jsonpath={.data.server-cert\.pem}'
ok "a good Workspace is admitted" within 5 apply good v1beta1 phi-4-mini-instruct
ok "an unknown preset is refused, in upstream's words" holds 'admission webhook "validation.workspace.kaito.sh" denied the request: validation failed: invalid value: Unsupported inference preset name no-such-model' refused bad v1beta1 no-such-model
ok "in v1alpha1 too" holds 'denied the request: validation failed: ' refused bad v1alpha1 no-such-model
ok "a name with a dot is refused" holds "must not contain dots" refused a.b v1beta1 phi-4-mini-instruct
changed() { ! kubectl patch workspace good --type=merge -p '{"resource": {"instanceType": "Standard_NC24ads_A100_v4"}}' 2>"$work/refusal"; cat "$work/refusal"; }
ok "an update that may not be is refused" holds "denied the request: validation failed: " changed
ok "status and finalizers pass" within 10 is '["workspace.finalizer.kaito.sh"]' kubectl get workspace good -o 'jsonpath={.metadata.finalizers}'
ok "the Workspace gets its NodeClaim" within 10 holds ws kubectl get nodeclaims -l kaito.sh/workspace=good -o name
ok "which says for whom it was made" is "$(kubectl get workspace good -o 'jsonpath={.metadata.uid}')" \
    kubectl get nodeclaims -l kaito.sh/workspace=good -o 'jsonpath={.items[0].metadata.annotations.kaito\.sh/workspace-uid}'

# ---- rotation: a certificate that is about to end is replaced while Workspaces come in ----
expire() {  # puts one into the Secret that the present authority did not sign and that ends tomorrow
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj /CN=short -addext "subjectAltName=IP:127.0.0.1" \
        -keyout "$work/key.pem" -out "$work/cert.pem" 2>/dev/null
    kubectl -n kaito-workspace create secret generic workspace-webhook-cert --dry-run=client -o json --from-file=server-key.pem="$work/key.pem" \
        --from-file=server-cert.pem="$work/cert.pem" --from-file=ca-cert.pem="$work/cert.pem" | kubectl -n kaito-workspace patch secret workspace-webhook-cert --type=merge --patch-file /dev/stdin
}
before=$(kubectl -n kaito-workspace get secret workspace-webhook-cert -o 'jsonpath={.data.server-cert\.pem}')
ok "a certificate that ends within a day is put in" expire
renewed() { local c; c=$(kubectl -n kaito-workspace get secret workspace-webhook-cert -o 'jsonpath={.data.server-cert\.pem}') && [ "$c" != "$before" ] && [ "$c" != "$(base64 -w0 <"$work/cert.pem")" ]; }
ok "it is replaced" within 15 renewed
ok "Workspaces are still admitted" within 10 apply after-rotation v1beta1 phi-4-mini-instruct
ok "and refused" within 10 holds 'denied the request: validation failed: ' refused bad v1beta1 no-such-model

# ---- leaders ----
first=$(holder)
hook_one=$hook hook=$(free_port)
start two --leader-elect
ok "a second manager serves its webhook without leading" within 10 ready two
ok "and the first goes on leading" is "$first" holder
ok "the second one says so in its metrics" within 10 is 0 metric two leader_election_master_status
writes() { metric "$1" 'rest_client_requests_total{code="20' >/dev/null; curl -sf "127.0.0.1:${metrics[$1]}/metrics" | grep rest_client_requests_total | grep -E 'method="(PUT|POST|PATCH|DELETE)"'; }
quiet_two() { ! writes two; }
ok "the second one has written nothing" quiet_two
began=$(now_ms)
kill -TERM "${pid[one]}"
handed() { local h; h=$(holder); [ -n "$h" ] && [ "$h" != "$first" ]; }
ok "after SIGTERM the second one leads" within 3 handed
took=$(($(now_ms) - began))
ok "within 3 s ($took ms)" [ "$took" -lt 3000 ]
wait "${pid[one]}"; ok "the first one ends with status 0" [ $? -eq 0 ]
kubectl patch validatingwebhookconfiguration validation.workspace.kaito.sh --type=json -p "[{\"op\": \"replace\", \"path\": \"/webhooks/0/clientConfig/url\", \"value\": \"https://127.0.0.1:$hook/validate/workspace.kaito.sh\"}]" >/dev/null
ok "the second one admits" within 10 apply by-two v1beta1 phi-4-mini-instruct
ok "and works" within 10 holds ws kubectl get nodeclaims -l kaito.sh/workspace=by-two -o name
second=$(holder)
kubectl -n kaito-workspace patch lease ef60f9b0.io --type=merge -p '{"spec": {"holderIdentity": "somebody-else", "leaseDurationSeconds": 60}}' >/dev/null
gone() { ! kill -0 "${pid[two]}" 2>/dev/null; }
ok "a manager that has lost its lease ends" within 20 gone
wait "${pid[two]}"; ok "with a status that says so" [ $? -eq 1 ]
ok "and a message" holds "leader election lost" tail -1 "$work/two.log"

# ---- alone, at rest ----
start three
ok "a manager without election becomes ready" within 10 ready three
ok "Workspaces go" kubectl delete workspace good after-rotation by-two --timeout=60s
ok "with their NodeClaims" within 10 is "" kubectl get nodeclaims -o name
claim() {   # claim NAME ANNOTATIONS: for the Workspace "nobody"
    cat <<YAML | kubectl apply -f -
apiVersion: karpenter.sh/v1
kind: NodeClaim
metadata: {name: $1, labels: {kaito.sh/workspace: nobody, kaito.sh/workspacenamespace: default}, annotations: {$2}}
spec: {nodeClassRef: {group: kaito.sh, kind: KaitoNodeClass, name: default}, requirements: [{key: kubernetes.io/os, operator: In, values: [linux]}]}
YAML
}
ok "a claim that somebody else made" claim theirs "note: x"
ok "and one of a Workspace that is no more" claim ours "kaito.sh/workspace-uid: 4be3"
ok "of which that one goes" within 10 is nodeclaim.karpenter.sh/theirs kubectl get nodeclaims -o name
ok "the other one is its maker's" kubectl delete nodeclaim theirs
ok "a Workspace waits for its node" apply waits v1beta1 phi-4-mini-instruct
ok "and says so" within 10 holds False kubectl get workspace waits -o 'jsonpath={.status.conditions[?(@.type=="ResourceReady")].status}'
unlabel() { kubectl label "$(kubectl get nodeclaims -o name)" kaito.sh/workspace- kaito.sh/workspacenamespace-; }
ok "somebody takes the labels of its NodeClaim" within 10 unlabel
ok "which gets them back" within 10 holds ws kubectl get nodeclaims -l kaito.sh/workspace=waits,kaito.sh/workspacenamespace=default -o name
settle() { local a b; a=$(metric three rest_client_requests_total); sleep 3; b=$(metric three rest_client_requests_total); [ -n "$a" ] && [ "$a" = "$b" ]; }
ok "then it asks nothing and writes nothing" within 20 settle
ok "the state can be looked at" holds '"serving": true' curl -sf "127.0.0.1:${metrics[three]}/debug/state"
ok "the metrics have upstream's names" holds 'kaito_workspace_preset_count{preset_name="phi-4-mini-instruct"} 1' curl -sf "127.0.0.1:${metrics[three]}/metrics"
names() {   # what upstream's manager shows at rest, and what controller-runtime and client-go have beside
    local text n; text=$(curl -sf "127.0.0.1:${metrics[three]}/metrics") || return 1
    for n in controller_runtime_{active_workers,max_concurrent_reconciles,reconcile_errors_total,reconcile_panics_total,reconcile_time_seconds_bucket,reconcile_total,terminal_reconcile_errors_total} \
        controller_runtime_webhook_{latency_seconds_bucket,requests_in_flight,requests_total} rest_client_requests_total kaito_workspace_{count,preset_count} \
        workqueue_{adds_total,depth,longest_running_processor_seconds,queue_duration_seconds_bucket,retries_total,unfinished_work_seconds,work_duration_seconds_bucket} \
        process_{cpu_seconds_total,max_fds,network_receive_bytes_total,network_transmit_bytes_total,open_fds,resident_memory_bytes,start_time_seconds,virtual_memory_bytes,virtual_memory_max_bytes}; do
        grep -q "^$n[{ ]" <<<"$text" || { echo "no $n"; return 1; }
        grep -q "^# TYPE ${n%_bucket} " <<<"$text" || { echo "no type of $n"; return 1; }
    done
    [ "$(grep -c '^# TYPE' <<<"$text")" = "$(grep '^# TYPE' <<<"$text" | sort -u | wc -l)" ] || { echo "a type is told twice"; return 1; }
}
ok "and controller-runtime's, each with its type, once" names
ok "it had every right it needed" sh -c "! grep -i 'forbidden' '$work'/one.log '$work'/two.log '$work'/three.log"
ok "no key and no token is in a log" sh -c "! grep -lE 'PRIVATE KEY|LS0tLS1|eyJhbGciOi' '$work'/*.log"
ok "the last Workspace goes" kubectl delete workspace waits --timeout=60s
began=$(now_ms)
kill -TERM "${pid[three]}"; wait "${pid[three]}"; ok "the manager ends with status 0" [ $? -eq 0 ]
ok "at once ($(($(now_ms) - began)) ms)" [ $(($(now_ms) - began)) -lt 2500 ]

# ---- nodes of one's own: fewer rights ----
ok "install takes rights away" "$kaito" install --apply --node-provisioner byo --webhook-url "https://127.0.0.1:$hook"
may() { kubectl auth can-i "$@" --as system:serviceaccount:kaito-workspace:workspace-sa 2>/dev/null; }
ok "so that claims are forbidden" within 10 is no may list nodeclaims
start four --node-provisioner byo
ok "a manager of one's own nodes becomes ready all the same" within 10 ready four
ok "it needed no more rights" sh -c "! grep -i 'forbidden' '$work'/four.log"
kill -TERM "${pid[four]}"; wait "${pid[four]}"

# ---- some namespaces only: a release of its own, with rights there and nowhere else ----
ok "the first release's webhook goes" kubectl delete validatingwebhookconfiguration validation.workspace.kaito.sh
hook=$(free_port)
kubectl create namespace team-a >/dev/null; kubectl create namespace team-b >/dev/null
ok "a release for one namespace is installed" "$kaito" install --apply --release scoped --namespace scoped --watch-namespace team-a --webhook-url "https://127.0.0.1:$hook"
token=$(kubectl -n scoped create token scoped-workspace-sa)
TOKEN=$token python3 -c '
import json, os, sys
c = json.load(open(sys.argv[1]))
c["users"][0]["user"] = {"token": os.environ["TOKEN"]}
json.dump(c, open(sys.argv[1], "w"))' "$work/account"
start scoped --release-namespace scoped --namespace team-a --webhook-configuration scoped-workspace.validation.workspace.kaito.sh
ok "its manager becomes ready" within 10 ready scoped
in_a() { workspace "$@" | kubectl apply -n team-a -f -; }
in_b() { workspace "$@" | kubectl apply -n team-b -f -; }
refused_in_a() { ! in_a "$@" >"$work/refusal" 2>&1; cat "$work/refusal"; }
ok "its namespace is looked after" within 10 in_a mine v1beta1 phi-4-mini-instruct
ok "down to the machine" within 10 holds nodeclaim kubectl get nodeclaims -l kaito.sh/workspace=mine,kaito.sh/workspacenamespace=team-a -o name
ok "and its rules are asked there" holds 'admission webhook "validation.workspace.kaito.sh" denied the request: validation failed: ' refused_in_a bad v1beta1 no-such-model
ok "not elsewhere" in_b theirs v1beta1 no-such-model
ok "where nothing is done" is "" kubectl get workspace -n team-b theirs -o 'jsonpath={.status}'
ok "it may not read there" sh -c "! KUBECONFIG='$work/account' kubectl get secrets -n team-b"
ok "it had every right it needed, too" sh -c "! grep -i 'forbidden' '$work/scoped.log'"
ok "its Workspace goes" kubectl delete workspace -n team-a mine --timeout=60s
kill -TERM "${pid[scoped]}"; wait "${pid[scoped]}"; ok "and it ends with status 0" [ $? -eq 0 ]
ok "saying so" holds "stopped" tail -1 "$work/scoped.log"
echo "1..$tests"
echo "# $((tests - failed)) passed, $failed failed"
[ "$failed" -eq 0 ]
