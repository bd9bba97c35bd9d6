# Sourced by test_py_*: the virtual environment build/venv-peers with tests/peers/requirements.txt, made once. Sets root, build, venv.
# Without the packages and without a network: skipped, but a failure where CI=true.
root=$(cd "$(dirname "$0")/../.." && pwd)
build=${KAITO_BUILD:-$root/build}
venv=$root/build/venv-peers
wanted=$(sha256sum "$root/tests/peers/requirements.txt" | cut -d' ' -f1)
absent() {
    [ "${CI:-}" = true ] || { echo "1..0 # SKIP $1"; echo "ok 1 - peers # SKIP $1"; exit 0; }
    echo "not ok 1 - $1"
    sed 's/^/# /' "$build/venv-peers.log" | tail -20
    exit 1
}
make_venv() {
    [ "$(cat "$venv/made-from" 2>/dev/null)" != "$wanted" ] || return 0
    rm -rf "$venv"
    mkdir -p "$root/build"
    "$root/tools/install-deps" packages.peers >"$build/venv-peers.log" 2>&1 || absent "Debian's python3-torch does not install"
    /usr/bin/python3 -m venv --system-site-packages "$venv" >>"$build/venv-peers.log" 2>&1 || absent "no virtual environment: apt-get install python3-venv"
    "$venv/bin/pip" install -q --disable-pip-version-check --retries 1 -r "$root/tests/peers/requirements.txt" >>"$build/venv-peers.log" 2>&1 ||
        absent "the packages of tests/peers/requirements.txt do not install"
    echo "$wanted" >"$venv/made-from"
}
(flock 9; make_venv) 9>"$root/build/venv-peers.lock" || exit 1
[ -x "$venv/bin/python" ] || exit 0         # skipped above
export HF_HUB_OFFLINE=1 TRANSFORMERS_VERBOSITY=error TOKENIZERS_PARALLELISM=false PYTHONWARNINGS=ignore OMP_NUM_THREADS=2
