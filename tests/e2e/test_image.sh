#!/usr/bin/env bash
# Both images: what skopeo says of them, and the programs at work with nothing but what is inside.
. "$(dirname "$0")/lib.sh"
begin
build() { "$SOURCE/tools/build-image" --build "$BUILD" --output "$T/$1$2.tar" "$1"; }
config() { skopeo inspect --config "oci-archive:$T/$1.tar" | jq -r "$2"; }
unpack() {      # checks digests and sizes on the way
    mkdir "$T/$1.root"
    skopeo copy -q "oci-archive:$T/$1.tar" "dir:$T/$1.dir" && tar -xzf "$T/$1.dir/$(jq -r '.layers[0].digest' "$T/$1.dir/manifest.json" | sed s/sha256://)" -C "$T/$1.root"
}
inside() { "$SOURCE/tests/e2e/inside_image" "$T/$1.root" "/usr/bin/$1" "${@:2}"; }

for name in kaito kaito-runtime; do
    t "$name: an image" build "$name" ""
    t "$name: it is unpacked" unpack "$name"
    t "$name: it runs its program, as nobody special" is "$(config "$name" '.config | "\(.Entrypoint[0]) \(.User)"')" "$name 65532:65532"
    t "$name: nothing in it belongs to anybody else or may be written by others" is "$(find "$T/$name.root" -perm -002 ! -type l ! -name tmp | wc -l)" 0
    t "$name: the licences of what is in it" test -s "$T/$name.root/usr/share/doc/$name/copyright" -a -s "$T/$name.root/usr/share/doc/libc6/copyright"
done
same() { build kaito -again && cmp "$T/kaito.tar" "$T/kaito-again.tar"; }
t "the same bytes again" same
if ! unshare --map-root-user --mount true 2>/dev/null; then
    N=$((N + 1))
    echo "ok $N - the programs run inside # SKIP no user namespaces"
    finish
    exit
fi

for name in kaito kaito-runtime; do
    t "$name: it runs" is "$(inside "$name" --version)" "$("$BUILD/src/cli/$name" --version)"
done
start api "$KAITO" apiserver --state-dir "$T/state"
t "an API server" until_ok 10 kubectl get --raw /readyz
cp "$KUBECONFIG" "$T/kaito.root/kubeconfig"
PORT=$(free_port)
kubectl create namespace kaito-workspace >/dev/null
start manager "$SOURCE/tests/e2e/inside_image" "$T/kaito.root" /usr/bin/kaito manager --kubeconfig /kubeconfig --no-webhook --health-probe-bind-address "127.0.0.1:$PORT" --metrics-bind-address 0
t "the manager of the image is ready" until_ok 20 curl -fsS "127.0.0.1:$PORT/readyz"
t "it has defined what it needs" kubectl get workspaces
finish
