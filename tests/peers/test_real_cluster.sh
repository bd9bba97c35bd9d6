#!/usr/bin/env bash
# The client (kube/), evictions, the provisioner and the cluster's controllers (cluster/) against a real kube-apiserver that has no controllers. Prints TAP.
# Needs ../shared/tools/kube-apiserver with its binaries built; skips otherwise. KAITO_BUILD, KAITO_SHARED override the folders.
set -uo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
build=${KAITO_BUILD:-$root/build}
tool=${KAITO_SHARED:-$root/../shared}/tools/kube-apiserver
bin=${KUBE_BIN:-${XDG_CACHE_HOME:-$HOME/.cache}/kaito-kube}
skip() { echo "1..0 # SKIP $1"; exit 0; }
[ -x "$tool/up" ] || skip "no ../shared/tools/kube-apiserver"
[ -x "$bin/kube-apiserver" ] || skip "no kube-apiserver in $bin: run $tool/build once"
[ -x "$build/tests/unit/cluster/test_cluster_api" ] || skip "no $build/tests/unit/cluster/test_cluster_api: build first"

work=$(mktemp -d)
finish() { "$tool/down" "$work/real" >/dev/null 2>&1; rm -rf "$work"; }
trap finish EXIT
"$tool/up" "$work/real" >"$work/up" || { echo "Bail out! the API server did not start"; exit 1; }
failed=0
export CMOCKA_MESSAGE_OUTPUT=TAP KAITO_TEST_KUBECONFIG=$work/real/kubeconfig
for t in kube/test_kube_api apiserver/test_eviction provisioner/test_life provisioner/test_end cluster/test_cluster_api apiserver/test_admission; do
    "$build/tests/unit/$t" || failed=1
done
exit $failed
