#!/usr/bin/env bash
# The provisioner on a real kube-apiserver with the rights of deploy/gpu-provisioner and no others, its machines those of examples/cloud-exec.
# This script plays the kubelets and the disruption controller. Prints TAP. Needs helm besides what real.sh needs; skips otherwise.
. "$(dirname "$0")/real.sh"
helm=${HELM:-$(command -v helm || echo "$HOME/go/bin/helm")}
[ -x "$helm" ] || skip "no helm: tools/install-helm, or name it in HELM"
ns=gpu-provisioner
chart() { "$helm" template gpu-provisioner "$root/deploy/gpu-provisioner" -n $ns --kube-version 1.32.0 --include-crds "$@" 2>"$work/helm" || { cat "$work/helm"; return 1; }; }
export CLOUD_FOLDER=$work/cloud CLOUD_SECONDS=1
mkdir "$CLOUD_FOLDER"
declare -A pid metrics
start() {   # start NAME [options]
    local name=$1; shift
    metrics[$name]=$(free_port)
    KUBECONFIG=$work/account "$kaito" provisioner --no-install-crds --cloud exec --exec-command "$root/examples/cloud-exec/cloud-in-a-folder" --leader-election-namespace $ns \
        --health-probe-bind-address 0 --metrics-bind-address "127.0.0.1:${metrics[$name]}" --collect-interval 1s --collect-grace 2s "$@" >>"$work/$name.log" 2>&1 &
    pid[$name]=$!
    pids+=("$!")
}
claim() {   # claim NAME TYPE
    kubectl apply -f - <<YAML
apiVersion: karpenter.sh/v1
kind: NodeClaim
metadata: {name: $1, labels: {kaito.sh/workspace: w, karpenter.sh/nodepool: kaito}}
spec:
  nodeClassRef: {group: kaito.sh, kind: KaitoNodeClass, name: default}
  expireAfter: Never
  requirements: [{key: node.kubernetes.io/instance-type, operator: In, values: [$2]}]
  taints: [{key: sku, value: gpu, effect: NoSchedule}]
  resources: {requests: {storage: 30Gi}}
YAML
}
join() {    # join CLAIM: its kubelet, and the controller that takes the taint of new Nodes away
    kubectl apply -f - <<YAML && kubectl patch node "node-$1" --subresource=status --type=merge -p '{"status": {"conditions": [{"type": "Ready", "status": "True", "reason": "KubeletReady", "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z"}]}}' && kubectl taint node "node-$1" node.kubernetes.io/not-ready:NoSchedule-
apiVersion: v1
kind: Node
metadata: {name: node-$1}
spec: {providerID: "folder:///$1", taints: [{key: karpenter.sh/unregistered, effect: NoExecute}]}
YAML
}
condition() { kubectl get nodeclaim "$1" -o jsonpath="{.status.conditions[?(@.type==\"$2\")]['status','reason']}"; }
message() { kubectl get nodeclaim "$1" -o jsonpath="{.status.conditions[?(@.type==\"$2\")].message}"; }
holder() { kubectl -n $ns get lease gpu-provisioner-leader-election -o jsonpath='{.spec.holderIdentity}'; }
machines() { ls "$CLOUD_FOLDER"; }
budget() { kubectl patch pdb b --subresource=status --type=merge -p "{\"status\": {\"observedGeneration\": 1, \"disruptionsAllowed\": $1, \"currentHealthy\": 1, \"desiredHealthy\": 1, \"expectedPods\": 1}}"; }

ok "helm lint" "$helm" lint --strict "$root/deploy/gpu-provisioner"
ok "every value of the chart has an effect that is an object" is "" "$root/tests/peers/chart_values" "$helm" "$root/deploy/gpu-provisioner" '{replicas: 2, serviceMonitor: {enabled: true}, workloadIdentity: {clientId: c}}'
once() { chart --set deploymentMode=managed --set 'controller.env[0].name=DEPLOYMENT_MODE,controller.env[0].value=self-hosted' | grep -A1 'name: DEPLOYMENT_MODE' | grep -o 'value: .*'; }
ok "a variable that is set by hand wins" is "value: self-hosted" once
probes() { chart | python3 -c '
import sys, yaml
pod = next(o for o in yaml.safe_load_all(sys.stdin) if o and o["kind"] == "Deployment")["spec"]["template"]["spec"]["containers"][0]
env = {e["name"]: e.get("value") for e in pod["env"]}
print(env["METRICS_PORT"], env["HEALTH_PROBE_PORT"], sorted(p["containerPort"] for p in pod["ports"]), *(pod[p]["httpGet"]["path"] for p in ("livenessProbe", "readinessProbe")))'; }
ok "the chart probes where the provisioner listens" is "8080 8081 [8080, 8081] /healthz /readyz" probes
eval "$("$tool/up" "$work/real")" || { echo "Bail out! the API server did not start"; exit 1; }
export KUBECONFIG
kubectl create namespace $ns >/dev/null
rights() { chart | python3 -c '
import sys, yaml
keep = ("ServiceAccount", "ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding", "CustomResourceDefinition")
print(yaml.safe_dump_all([o for o in yaml.safe_load_all(sys.stdin) if o and o["kind"] in keep]))' | kubectl apply -f -; }
ok "the chart's definition and rights are accepted" rights
ok "the API server takes the Deployment and the rest" sh -c "'$helm' template gpu-provisioner '$root/deploy/gpu-provisioner' -n $ns --kube-version 1.32.0 --set replicas=2 2>/dev/null | kubectl apply --dry-run=server -f -"
ok "the definition is served" within 20 kubectl get nodeclaims
token=$(kubectl -n $ns create token gpu-provisioner)
kubectl config view --raw --flatten -o json | TOKEN=$token python3 -c '
import json, os, sys
c = json.load(sys.stdin)
c["users"][0]["user"] = {"token": os.environ["TOKEN"]}
json.dump(c, sys.stdout)' >"$work/account"

# ---- life ----
probed=$(free_port)
HEALTH_PROBE_PORT=$probed start one
ok "it leads" within 10 holds - holder
kubectl get nodeclaims -w -o jsonpath='{.metadata.name}{.status.conditions[?(@.type=="Launched")].reason}{"\n"}' >"$work/seen" 2>&1 &
pids+=("$!")
ok "it is probed at the port that the chart names" within 5 sh -c "curl -sf 127.0.0.1:$probed/healthz && curl -sf 127.0.0.1:$probed/readyz"
claim a gpu-1 >/dev/null
ok "its machine is on its way" within 10 grep -qx aLaunchInProgress "$work/seen"       # for a second only
ok "then runs" within 10 is "True Launched" condition a Launched
ok "its Node is awaited" within 5 is "Unknown NodeNotFound" condition a Registered
join a >/dev/null
ok "it is usable" within 10 is "True Ready" condition a Ready
ok "the Node has the claim's taint and not the other" within 5 is sku kubectl get node node-a -o 'jsonpath={.spec.taints[*].key}'
ok "and an owner" is a kubectl get node node-a -o 'jsonpath={.metadata.ownerReferences[0].name}'
claim b huge >/dev/null
ok "a type that there is not is said" within 10 holds "no instance type 'huge'" message b Launched
ok "and is an event" within 5 holds InstanceTypeUnavailable kubectl get events -A
ok "a claim that was refused goes" kubectl delete nodeclaim b --timeout=60s

# ---- a hand-over ----
start two
first=$(holder)
kill -9 "${pid[one]}"; wait "${pid[one]}" 2>/dev/null
claim c small >/dev/null
other() { local now; now=$(holder); [ -n "$now" ] && [ "$now" != "$first" ]; }
ok "another one leads within the lease's time" within 25 other
ok "and makes the claim that waited" within 10 is "True Launched" condition c Launched

# ---- the end, with a budget in the way ----
kubectl apply -f - >/dev/null <<YAML
apiVersion: v1
kind: ServiceAccount
metadata: {name: default, namespace: default}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: b}
spec: {minAvailable: 1, selector: {matchLabels: {app: x}}}
---
apiVersion: v1
kind: Pod
metadata: {name: web, labels: {app: x}}
spec: {nodeName: node-a, terminationGracePeriodSeconds: 0, tolerations: [{key: sku, operator: Exists}], containers: [{name: c, image: i}]}
YAML
kubectl patch pod web --subresource=status --type=merge -p '{"status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}}' >/dev/null
budget 0 >/dev/null
kubectl delete nodeclaim a --wait=false >/dev/null
ok "the budget holds up the claim, which says so" within 10 holds "disruption budget" message a Drained
ok "the Node takes no pods" is true kubectl get node node-a -o 'jsonpath={.spec.unschedulable}'
ok "the machine is there still" holds a.json machines
budget 1 >/dev/null
ok "the claim goes when the budget allows it" within 15 is "" kubectl get nodeclaim a --ignore-not-found -o name
ok "with pod and Node" is "" kubectl get pod/web node/node-a --ignore-not-found -o name
ok "and machine" is c.json machines

# ---- what is left over ----
mkdir "$work/beside"        # a cloud that no collector looks at
echo '{"claim": "orphan", "uid": "u", "type": "small", "asked": 0}' >"$work/beside/orphan.json"
list() { CLOUD_FOLDER=$work/beside KUBECONFIG=$work/account "$kaito" provisioner --cloud exec --exec-command "$root/examples/cloud-exec/cloud-in-a-folder" --list-orphans; }
ok "it is listed" holds '"name": "orphan"' list
cp "$work/beside/orphan.json" "$CLOUD_FOLDER"
ok "and deleted after two sightings" within 15 is c.json machines
ok "the last claim goes" kubectl delete nodeclaim c --timeout=60s
ok "the cloud is empty" is "" machines
ok "metrics have Karpenter's names" holds karpenter_nodeclaims_terminated_total curl -sf "127.0.0.1:${metrics[two]}/metrics"
ok "nothing was forbidden" sh -c "! grep -hi forbidden '$work'/one.log '$work'/two.log"
ok "no token is in a log" sh -c "! grep -lE 'eyJhbGciOi' '$work'/*.log"
kill "${pid[two]}"; wait "${pid[two]}"; ok "it stops when asked" [ $? -eq 0 ]
ok "and gives the lease back" is "" holder
echo "1..$tests"
echo "# $((tests - failed)) passed, $failed failed"
[ "$failed" -eq 0 ]
