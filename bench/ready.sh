#!/usr/bin/env bash
# `kaito up` on a new state folder: from exec to the first 200 of /readyz, median of five; what it holds once its controllers run.
. "$(dirname "$0")/lib.sh"
times=()
for i in 1 2 3 4 5; do
    state=$T/$i
    began=$(now_ms)
    "$KAITO" up --state-dir "$state" >"$T/log" 2>&1 &
    up=$!
    until [ -s "$state/kubeconfig" ] && server=$(grep -oE 'https://[0-9.:]+' "$state/kubeconfig") &&
        curl -ksf -o "$T/answer" -H "Authorization: Bearer $(cat "$state/token")" "$server/readyz"; do
        kill -0 $up 2>/dev/null || { cat "$T/log" >&2; exit 1; }
    done
    times+=($(($(now_ms) - began)))
    if [ $i -eq 5 ]; then
        export KUBECONFIG=$state/kubeconfig
        until kubectl get workspaces >/dev/null 2>&1 && [ -n "$(kubectl get configmap -n kaito-workspace -o name)" ]; do
            kill -0 $up 2>/dev/null || exit 1
        done
        idle=$(resident $up)
    fi
    kill $up
    wait $up || :
done
figure "kaito up ready, median of five" "$(printf '%s\n' "${times[@]}" | median)" ms 300
figure "kaito up resident, no Workspace" "$idle" MiB 40
