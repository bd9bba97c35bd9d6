#!/usr/bin/env bash
# N (default 500) claims created at once with an instant cloud: seconds until all are Initialized, and the provisioner's memory then. A JSON line.
# claims_at_once.sh own|real [N]: on our own API server, or on a real kube-apiserver where there is one.
. "$(dirname "$0")/lib.sh"
server=${1:-own} n=${2:-500} tool=${KAITO_SHARED:-$SOURCE/../shared}/tools/kube-apiserver pid=
bench=$BUILD/bench/bench_provisioner
[ -x "$bench" ] || ninja -C "$BUILD" bench/bench_provisioner >/dev/null
finish() { [ -z "$pid" ] || { kill "$pid"; wait "$pid" 2>/dev/null || true; }; [ ! -x "$tool/down" ] || "$tool/down" "$T/real" >/dev/null 2>&1 || true; rm -rf "$T"; }
trap finish EXIT
if [ "$server" = real ]; then
    [ -x "${KUBE_BIN:-${XDG_CACHE_HOME:-$HOME/.cache}/kaito-kube}/kube-apiserver" ] && [ -x "$tool/up" ] || { echo "no kube-apiserver: $tool/build makes it" >&2; exit 0; }
    eval "$("$tool/up" "$T/real")"
    export KUBECONFIG
else
    "$KAITO" apiserver --state-dir "$T/own" >"$T/log" 2>&1 &
    pid=$!
    export KUBECONFIG=$T/own/kubeconfig
    until [ -s "$KUBECONFIG" ] && kubectl get --raw /readyz >/dev/null 2>&1; do read -rt 0.1 <> <(:) || :; done
fi
"$bench" "$n" 2>"$T/bench.log" || { cat "$T/bench.log" >&2; exit 1; }
