#!/usr/bin/env bash
# deploy/chart beside `kaito install`: the same objects, for the default values and for others; helm lint. Prints TAP.
# Needs helm (tools/install-helm) in $PATH or $HELM; skips otherwise. KAITO_BUILD overrides the folder.
set -uo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
kaito=${KAITO_BUILD:-$root/build}/src/cli/kaito
helm=${HELM:-$(command -v helm || echo "$HOME/go/bin/helm")}
[ -x "$kaito" ] || { echo "1..0 # SKIP no $kaito: build first"; exit 0; }
[ -x "$helm" ] || { echo "1..0 # SKIP no helm: tools/install-helm, or name it in HELM"; exit 0; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
tests=0 failed=0
ok() {      # ok NAME COMMAND...
    tests=$((tests + 1))
    local name=$1; shift
    if "$@" >"$work/out" 2>&1; then echo "ok $tests - $name"
    else echo "not ok $tests - $name"; failed=$((failed + 1)); sed 's/^/# /' "$work/out" | tail -40; fi
}
template() { "$helm" template "$@" "$root/deploy/chart" --include-crds --kube-version 1.32.0 2>"$work/err" || { cat "$work/err" >&2; return 1; }; }
same() {    # same A B: the same objects whatever their order; the namespace is helm's own business
    python3 - "$1" "$2" <<'PY'
import sys, yaml
def load(path):
    objects = [o for o in yaml.safe_load_all(open(path)) if o and o["kind"] != "Namespace"]
    return {(o["kind"], o["metadata"].get("namespace", ""), o["metadata"]["name"]): o for o in objects}
def differ(a, b, path):
    if type(a) is not type(b): yield f"{path}: {a!r} and {b!r}"
    elif isinstance(a, dict):
        for k in sorted(set(a) | set(b)):
            if k not in a or k not in b: yield f"{path}.{k}: only in the {'second' if k not in a else 'first'}"
            else: yield from differ(a[k], b[k], f"{path}.{k}")
    elif isinstance(a, list):
        if len(a) != len(b): yield f"{path}: {a} and {b}"
        for i, (x, y) in enumerate(zip(a, b)): yield from differ(x, y, f"{path}[{i}]")
    elif a != b: yield f"{path}: {a!r} and {b!r}"
a, b = load(sys.argv[1]), load(sys.argv[2])
found = [f"{k}: only in the {'second' if k not in a else 'first'}" for k in sorted(set(a) ^ set(b))]
for k in sorted(set(a) & set(b)): found += differ(a[k], b[k], "/".join(k))
print("\n".join(found)); sys.exit(1 if found or not a else 0)
PY
}
agree() {   # agree "helm options" "install options"
    # shellcheck disable=SC2086
    template $1 >"$work/chart.yaml" && "$kaito" install $2 >"$work/install.yaml" && same "$work/chart.yaml" "$work/install.yaml"
}

ok "helm lint" "$helm" lint --strict "$root/deploy/chart"
ok "the defaults" agree "workspace -n kaito-workspace" ""
ok "another release and namespace" agree "prod -n ai" "--release prod --namespace ai"
ok "nodes of one's own" agree "workspace -n kaito-workspace --set nodeProvisioner=byo" "--node-provisioner byo"
ok "Karpenter" agree "workspace -n kaito-workspace --set nodeProvisioner=karpenter" "--node-provisioner karpenter"
ok "two managers elect a leader" agree "workspace -n kaito-workspace --set replicaCount=2" "--replicas 2"
ok "some namespaces only" agree "prod -n ai --set watchNamespaces={team-a,team-b}" "--release prod --namespace ai --watch-namespace team-a --watch-namespace team-b"
ok "models that are streamed" agree "workspace -n kaito-workspace --set featureGates.ModelMirror=true,featureGates.ModelStreaming=true" "--feature-gates ModelMirror=true,ModelStreaming=true"
ok "another cloud, image and gate" agree \
    "workspace -n kaito-workspace --set cloudProviderName=aws,image.repository=r/kaito,image.tag=9,featureGates.disableNodeAutoProvisioning=true" \
    "--cloud aws --image r/kaito:9 --feature-gates disableNodeAutoProvisioning=true"
ok "no device plugin" agree "workspace -n kaito-workspace --set nvidiaDevicePlugin.enabled=false" "--no-device-plugin"
unknown_gate() {
    template workspace -n kaito-workspace --set featureGates.typo=true | grep -q 'typo=true'
}
ok "an unknown gate reaches the manager, which refuses it" unknown_gate
echo "1..$tests"
echo "# $((tests - failed)) passed, $failed failed"
[ "$failed" -eq 0 ]
