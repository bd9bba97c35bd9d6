#!/usr/bin/env bash
# Both executables without their debug information.
. "$(dirname "$0")/lib.sh"
for name in kaito kaito-runtime; do
    strip -o "$T/$name" "$BUILD/src/cli/$name"
    figure "$name stripped" "$(megabytes "$(stat -c %s "$T/$name")")" MB 4
done
