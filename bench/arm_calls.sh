#!/usr/bin/env bash
# Calls to ARM per claim over its whole life (claimed, Ready, deleted, pool gone), from the simulator's journal; tokens are not counted. JSON lines.
# arm_calls.sh [CLAIMS...] (default 1 20); SETTINGS='{"create_ms": 240000, "delete_ms": 120000}' makes it as slow as AKS, default: the simulator's own times.
. "$(dirname "$0")/arm_world.sh"
[ $# -gt 0 ] || set -- 1 20
start_arm "${SETTINGS:-}"
start_provisioner
for n in "$@"; do
    before=$(arm journal | jq length)
    claims "$n" | kubectl create -f - >/dev/null
    wait_for 900 ready "$n"
    up=$(arm journal | jq length)
    kubectl delete nodeclaims --all --wait=false >/dev/null
    wait_for 900 gone
    arm journal | jq -c --argjson n "$n" --argjson from "$before" --argjson up "$up" '.[$from:] as $all | [$all[] | select(.call != "token")] as $calls |
        {claims: $n, calls_per_claim: (($calls | length) / $n * 100 | round / 100), until_ready: ([.[$from:$up][] | select(.call != "token")] | length),
         by_call: ($calls | group_by(.call) | map({(.[0].call): length}) | add)}'
    round=$(echo "$round" | tr a-y b-z)
done
rules_kept
