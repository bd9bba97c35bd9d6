# Sourced with the name of what is tested: sets $build and $venv, a virtual environment with requirements.text.txt. Skips without a network.
set -uo pipefail
build=${KAITO_BUILD:-$root/build}
venv=$root/build/venv-text
wanted=$(sha256sum "$root/tests/peers/requirements.text.txt" | cut -d' ' -f1)
absent() {
    [ "${CI:-}" = true ] || { echo "1..0 # SKIP $2"; echo "ok 1 - $1 # SKIP $2"; exit 0; }
    echo "not ok 1 - $2"
    sed 's/^/# /' "$build/venv-text.log" | tail -20
    exit 1
}

if [ "$(cat "$venv/made-from" 2>/dev/null)" != "$wanted" ]; then
    rm -rf "$venv"
    mkdir -p "$root/build"
    /usr/bin/python3 -m venv "$venv" >"$build/venv-text.log" 2>&1 || absent "$1" "no virtual environment: apt-get install python3-venv"
    "$venv/bin/pip" install -q --disable-pip-version-check --retries 1 -r "$root/tests/peers/requirements.text.txt" >>"$build/venv-text.log" 2>&1 ||
        absent "$1" "the packages of tests/peers/requirements.text.txt do not install"
    echo "$wanted" >"$venv/made-from"
fi
export TOKENIZERS_PARALLELISM=false
