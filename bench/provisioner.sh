#!/usr/bin/env bash
# Calls to ARM per claim; then 500 claims at once on our own API server and, where there is one, on a real kube-apiserver: seconds until all are
# Initialized, memory. JSON lines.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
build=${BUILD:-$root/build} n=${1:-500}
kaito=$build/src/cli/kaito bench=$build/bench/bench_provisioner
[ -x "$bench" ] || ninja -C "$build" bench/bench_provisioner >/dev/null
work=$(mktemp -d)
tool=${KAITO_SHARED:-$root/../shared}/tools/kube-apiserver
server=
finish() { [ -z "$server" ] || { kill "$server"; wait "$server" 2>/dev/null || true; }; [ ! -x "$tool/down" ] || "$tool/down" "$work/real" >/dev/null 2>&1 || true; rm -rf "$work"; }
trap finish EXIT
echo "# calls to ARM"
BUILD=$build "$root/bench/arm_calls.sh"
"$kaito" apiserver --state-dir "$work/own" >"$work/log" 2>&1 &
server=$!
until [ -s "$work/own/kubeconfig" ] && KUBECONFIG=$work/own/kubeconfig kubectl get --raw /readyz >/dev/null 2>&1; do read -rt 0.1 <> <(:) || :; done
echo "# kaito apiserver"
KUBECONFIG=$work/own/kubeconfig "$bench" "$n" 2>"$work/bench.log"
[ -x "${KUBE_BIN:-${XDG_CACHE_HOME:-$HOME/.cache}/kaito-kube}/kube-apiserver" ] && [ -x "$tool/up" ] || exit 0
eval "$("$tool/up" "$work/real")"
echo "# kube-apiserver"
KUBECONFIG=$KUBECONFIG "$bench" "$n" 2>"$work/bench.log"
