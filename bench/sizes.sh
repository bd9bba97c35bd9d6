#!/usr/bin/env bash
# Both executables without their debug information, and the image of the control plane as it is downloaded.
. "$(dirname "$0")/lib.sh"
for name in kaito kaito-runtime; do
    strip -o "$T/$name" "$BUILD/src/cli/$name"
    figure "$name stripped" "$(megabytes "$(stat -c %s "$T/$name")")" MB 4
done
image=$("$SOURCE/tools/build-image" --build "$BUILD" --output "$T/image.tar" kaito)
figure "image kaito/kaito compressed" "$(sed -E 's/.*, ([0-9.]+) MB.*/\1/' <<<"$image")" MB 18
