#!/usr/bin/env bash
# The quick scenes on `kaito up`; `make test-scenes` plays all of them, `make test-real` the same on a real kube-apiserver.
. "$(dirname "$0")/../scenes/lib.sh"
. "$(dirname "$0")/../scenes/scenes.sh"
begin_world up
play quick
finish
