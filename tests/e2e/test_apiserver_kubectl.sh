#!/usr/bin/env bash
# `kaito apiserver` alone, asked by the real kubectl: what a person does in a day. And a kill -9 in the middle of it.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
begin
D=$T/api
export KUBECONFIG=$D/kubeconfig

serve() { start api "$KAITO" apiserver --state-dir "$D" "$@" && until_ok 10 kubectl get --raw /readyz; }
files() {
    cat >"$T/cm.yaml" <<YAML
apiVersion: v1
kind: ConfigMap
metadata: {name: c, namespace: demo, labels: {app: x}}
data: {a: "$1"}
YAML
}
crd() {
    cat <<YAML
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: robots.example.org}
spec:
  group: example.org
  scope: Namespaced
  names: {plural: robots, singular: robot, kind: Robot, shortNames: [rb]}
  versions:
  - name: v1
    served: true
    storage: true
    subresources: {status: {}}
    additionalPrinterColumns:
    - {name: Legs, type: integer, jsonPath: .spec.legs}
    - {name: Ready, type: string, jsonPath: '.status.conditions[?(@.type=="Ready")].status'}
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec: {type: object, required: [legs], properties: {legs: {type: integer, minimum: 1, description: How many legs.}, name: {type: string, default: r2}}}
          status: {type: object, properties: {conditions: {type: array, items: {type: object, properties: {type: {type: string}, status: {type: string}}}}}}
YAML
}
robot() { printf 'apiVersion: example.org/v1\nkind: Robot\nmetadata: {name: r, namespace: demo}\nspec: {legs: %s%s}\n' "$1" "${2:-}"; }

t "serves" serve
kubeconfig_is_private() { is "$(stat -c %a "$KUBECONFIG")" 600; }
t "the kubeconfig is private" kubeconfig_is_private
second_refused() { local out; ! out=$("$KAITO" apiserver --state-dir "$D" 2>&1) && has "$out" "in use by another process"; }
t "a second one on the folder is refused" second_refused
port_in_use() {
    local port out
    port=$(kubectl config view -o jsonpath='{.clusters[0].cluster.server}' | sed 's/.*://')
    ! out=$(timeout 30 "$KAITO" apiserver --state-dir "$T/other" --port "$port" 2>&1) && has "$out" "$port"
}
t "a port in use is told" port_in_use

t "create namespace (protobuf)" kubectl create namespace demo
t "create configmap (protobuf)" kubectl create configmap lit --from-literal=a=b -n demo
t "create secret docker-registry (protobuf)" kubectl create secret docker-registry reg -n demo --docker-server=127.0.0.1:5443 --docker-username=u --docker-password=p
secret_type() { is "$(kubectl get secret reg -n demo -o jsonpath='{.type}')" kubernetes.io/dockerconfigjson; }
t "its type is kept" secret_type
files 1
applied() { has "$(kubectl apply -f "$T/cm.yaml")" "configmap/c $1"; }
t "apply creates" applied created
t "apply again changes nothing" applied unchanged
files 2
t "apply changes" applied configured
value() { is "$(kubectl get cm c -n demo -o jsonpath='{.data.a}')" "$1"; }
t "get -o jsonpath" value 2
t "apply --server-side" kubectl apply --server-side --force-conflicts -f "$T/cm.yaml"
get_table() { has "$(kubectl get cm -n demo)" "DATA" && has "$(kubectl get pods,svc,sts,deploy,jobs -A -o wide 2>&1)" "kubernetes"; }
t "get tables" get_table
t "get -o yaml" kubectl get cm c -n demo -o yaml
t "label" kubectl label cm c -n demo x=y
t "annotate" kubectl annotate cm c -n demo note=hello
selected() { is "$(kubectl get cm -n demo -l x=y -o name)" configmap/c; }
t "get -l" selected
t "patch --type merge" kubectl patch cm c -n demo --type merge -p '{"data":{"a":"3"}}'
t "patch --type json" kubectl patch cm c -n demo --type json -p '[{"op":"replace","path":"/data/a","value":"4"}]'
edited() {
    printf '#!/bin/sh\nsed -i "s/^  a: .*/  a: \\"5\\"/" "$1"\n' >"$T/editor" && chmod +x "$T/editor"
    KUBE_EDITOR=$T/editor kubectl edit cm c -n demo && value 5
}
t "edit" edited
t "replace" kubectl replace -f "$T/cm.yaml"
differs() { files 9; ! kubectl diff -f "$T/cm.yaml" >"$T/diff" && grep -q '+  a: "9"' "$T/diff"; }
t "diff" differs
strict() { ! printf 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: s, namespace: demo}\ndta: {}\n' | kubectl apply -f - 2>"$T/err"; has "$(cat "$T/err")" 'unknown field "dta"'; }
t "an unknown field is refused" strict
t "describe" kubectl describe cm c -n demo
t "api-resources" kubectl api-resources
explained() { has "$(kubectl explain pod.spec.containers)" "containers"; }
t "explain" explained
t "auth whoami" kubectl auth whoami
t "auth can-i" kubectl auth can-i create pods

watching() {
    timeout 60 kubectl get cm c -n demo -w --no-headers >"$T/watch" 2>&1 &
    local pid=$!
    until_ok 5 grep -q . "$T/watch" || return 1
    kubectl patch cm c -n demo --type merge -p '{"data":{"b":"1"}}' >/dev/null
    until_ok 5 grep -Eq 'c +2' "$T/watch"; local rc=$?
    kill $pid; return $rc
}
t "get -w follows" watching
t "delete" kubectl delete cm c -n demo

apply_crd() { crd | kubectl apply -f - && kubectl wait --for=condition=Established crd/robots.example.org --timeout=60s; }
t "a definition is established" apply_crd
make_robot() { robot 4 | kubectl apply -f -; }
t "a custom resource is applied" make_robot
columns() { local out; out=$(kubectl get rb -n demo); has "$out" "LEGS" && has "$out" "r      4"; }
t "its columns are printed" columns
t "its defaults are there" is "$(kubectl get rb r -n demo -o jsonpath='{.spec.name}')" r2
bad_robot() { ! robot 0 | kubectl apply -f - 2>"$T/err"; has "$(cat "$T/err")" "spec.legs in body should be greater than or equal to 1"; }
t "a bad value is refused" bad_robot
strict_robot() { ! robot 4 ', wings: 2' | kubectl apply -f - 2>"$T/err"; has "$(cat "$T/err")" 'unknown field "spec.wings"'; }
t "an unknown field of it too" strict_robot
t "explain knows it" has "$(kubectl explain robot.spec.legs)" "How many legs"
waits() {
    kubectl wait --for=condition=Ready rb/r -n demo --timeout=60s >"$T/wait" 2>&1 &
    local pid=$!
    kubectl patch rb r -n demo --subresource=status --type merge -p '{"status":{"conditions":[{"type":"Ready","status":"True"}]}}' && wait $pid
}
t "wait sees its condition" waits

pod_logs() { kubectl create sa default -n demo && kubectl run p -n demo --image=i && is "$(kubectl logs p -n demo)" ""; }
t "run; logs of a pod on no node are empty" pod_logs
service_ip() { kubectl create service clusterip web -n demo --tcp=80:80 && has "$(kubectl get svc web -n demo -o jsonpath='{.spec.clusterIP}')" 127.96.; }
t "a service gets an address" service_ip

rv() { kubectl get --raw /api/v1/namespaces/demo/configmaps | jq -r .metadata.resourceVersion; }
killed() {
    local before
    kubectl create configmap last -n demo --from-literal=a=b && before=$(rv)
    end api KILL
    serve || return 1
    kubectl get cm last -n demo && [ "$(rv)" -ge "$before" ] && kubectl get rb r -n demo
}
t "kill -9 loses nothing" killed
gone() { kubectl delete crd robots.example.org && ! kubectl get rb -n demo 2>/dev/null; }
t "a definition goes with its objects" gone

old_kubectl() {     # Debian's 1.20 asks for OpenAPI v2, which is not served: hence --validate=false
    "$OLD" apply --validate=false -f "$T/cm.yaml" && "$OLD" get cm -n demo && "$OLD" describe cm c -n demo && "$OLD" delete cm c -n demo
}
OLD=${KUBECTL_OLD:-$(command -v kubectl1.20 || true)}
if [ -n "$OLD" ]; then t "kubectl 1.20 --validate=false" old_kubectl; else N=$((N + 1)); echo "ok $N - kubectl 1.20 # skip KUBECTL_OLD is not set"; fi

stops() { end api TERM; ! kubectl get --raw /readyz 2>/dev/null; }
t "SIGTERM ends it" stops
finish
