# What the tests on a real kube-apiserver share (sourced): where things are, checks that print TAP, an end that leaves nothing behind.
set -uo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
kaito=${KAITO_BUILD:-$root/build}/src/cli/kaito
tool=${KAITO_SHARED:-$root/../shared}/tools/kube-apiserver
bin=${KUBE_BIN:-${XDG_CACHE_HOME:-$HOME/.cache}/kaito-kube}
skip() { echo "1..0 # SKIP $1"; exit 0; }
[ -x "$kaito" ] || skip "no $kaito: build first"
[ -x "$tool/up" ] || skip "no ../shared/tools/kube-apiserver"
[ -x "$bin/kube-apiserver" ] || skip "no kube-apiserver in $bin: run $tool/build once"
command -v kubectl >/dev/null || skip "no kubectl"

patience=${KAITO_PATIENCE:-3}           # a busy machine may take so many times as long as one at rest
work=$(mktemp -d)
pids=()
tests=0 failed=0
finish() {
    for p in "${pids[@]}"; do kill "$p" 2>/dev/null; done
    wait 2>/dev/null
    "$tool/down" "$work/real" >/dev/null 2>&1
    [ "$failed" -eq 0 ] || for log in "$work"/*.log; do tail -n 25 "$log" | cut -c -300 | sed "s|^|# log of ${log##*/}: |"; done
    rm -rf "$work"
}
trap finish EXIT
ok() {      # ok NAME COMMAND...
    tests=$((tests + 1))
    local name=$1; shift
    if "$@" >"$work/out" 2>&1; then echo "ok $tests - $name"
    else echo "not ok $tests - $name"; failed=$((failed + 1)); sed 's/^/# /' "$work/out" | tail -20; fi
}
within() {  # within SECONDS COMMAND...: tried again until it succeeds, within SECONDS on a machine at rest
    local end=$((SECONDS + $1 * patience)); shift
    until "$@" >"$work/last" 2>&1; do
        [ "$SECONDS" -lt "$end" ] || { echo "not within time: $*"; cat "$work/last"; patience=1; return 1; }
        read -rt 0.1 <> <(:) || :
    done
}
is() { local want=$1; shift; local have; have=$("$@" 2>&1); [ "$have" = "$want" ] || { echo "want: $want"; echo "have: $have"; return 1; }; }
free_port() { "$root/tests/e2e/free_port.py"; }
holds() { local want=$1 have; shift; have=$("$@" 2>&1); [[ $have == *"$want"* ]] || { echo "no \"$want\" in:"; echo "$have"; return 1; }; }
