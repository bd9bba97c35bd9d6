# Sourced with the name of a set: the virtual environment build/venv-SET with the pinned packages of requirements-SET.txt, made once and
# kept. Sets root, build, venv.
#   torch   transformers and PEFT on Debian's PyTorch (PyPI's comes with gigabytes of GPU libraries)
#   plain   everything that needs no PyTorch
# Without the packages and without a network: skipped, but a failure where CI=true.
set -uo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
build=${KAITO_BUILD:-$root/build}
packages=${1:?the set of packages: torch or plain}
venv=$root/build/venv-$packages

absent() {
    [ "${CI:-}" = true ] || { echo "1..0 # SKIP $1"; exit 0; }
    echo "not ok 1 - $1"
    sed 's/^/# /' "$venv.log" | tail -20
    exit 1
}

make_venv() {
    local requirements=$root/tests/peers/requirements-$packages.txt wanted system=
    wanted=$(sha256sum "$requirements" | cut -d' ' -f1)
    [ "$(cat "$venv/made-from" 2>/dev/null)" != "$wanted" ] || return 0
    rm -rf "$venv"
    : >"$venv.log"
    if [ "$packages" = torch ]; then
        system=--system-site-packages
        "$root/tools/install-deps" packages.peers >>"$venv.log" 2>&1 || absent "Debian's python3-torch does not install"
    fi
    /usr/bin/python3 -m venv $system "$venv" >>"$venv.log" 2>&1 || absent "no virtual environment: apt-get install python3-venv"
    "$venv/bin/pip" install -q --disable-pip-version-check --retries 1 -r "$requirements" >>"$venv.log" 2>&1 || absent "the packages of $requirements do not install"
    echo "$wanted" >"$venv/made-from"
}

mkdir -p "$root/build"
(flock 9; make_venv) 9>"$venv.lock" || exit 1
[ -x "$venv/bin/python" ] || exit 0         # skipped above
export HF_HUB_OFFLINE=1 TRANSFORMERS_VERBOSITY=error TOKENIZERS_PARALLELISM=false PYTHONWARNINGS=ignore OMP_NUM_THREADS=2
