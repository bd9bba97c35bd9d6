#!/usr/bin/env bash
# The quick start on a clean clone of the last commit: what a newcomer waits for. Packages that are installed already take no time here.
. "$(dirname "$0")/lib.sh"
began=$(now_ms)
git clone -q "$SOURCE" "$T/clone"
make -C "$T/clone" quickstart >"$T/story" 2>&1 || { tail -40 "$T/story" >&2; make -C "$T/clone" quickstart-down >&2; exit 1; }
told() { grep -E "^$1 " "$T/story" | tail -1 | grep -oE '[0-9.]+ s$' | cut -d' ' -f1; }
whole=$(($(now_ms) - began))
figure "clean clone to answers" "$((whole / 1000))" s 360
figure "packages and build in it" "$(told 'packages, build')" s
figure "apply to WORKSPACEREADY" "$(told 'apply to ready')" s 60
figure "tuning in it" "$(told tune)" s
figure "kaito up resident, with the story's objects" "$(resident "$(cut -d' ' -f1 "$T/clone/.quickstart/kaito.pid")")" MiB 40
make -s -C "$T/clone" quickstart-down >"$T/down" 2>&1 || { cat "$T/down" >&2; exit 1; }
