#!/usr/bin/env bash
# Every scene of tests/scenes on a real kube-apiserver with kube-controller-manager. SCENE="byo leaders" plays only those.
REAL_HOME=$HOME
. "$(dirname "$0")/../scenes/lib.sh"
. "$(dirname "$0")/../scenes/scenes.sh"
begin_world real
play
finish
