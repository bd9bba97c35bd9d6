# What bench/engine.sh and bench/tune.sh share (sourced): the cache they keep things in, the build, Python environments.
set -euo pipefail
SOURCE=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
export BUILD=${BUILD:-$SOURCE/build}
export KAITO_BENCH_CACHE=${KAITO_BENCH_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/kaito-bench}
export PYTHONPATH=$SOURCE/bench/shared:$SOURCE/bench
NICE=${NICE:-}

say() { echo "$(date +%T) $*" >&2; }
logged() {      # NAME COMMAND...: its output in a file, shown when it fails
    local log=$KAITO_BENCH_CACHE/log/$1
    shift
    $NICE "$@" >"$log" 2>&1 || { tail -20 "$log" >&2; say "failed: $*"; return 1; }
}

# RUN.PY ARGS...: goes there at once when nothing is to be measured.
only_words() {
    case " ${*:2} " in *" --help "* | *" -h "* | *" --from-results "*) exec python3 "$@" ;; esac
    mkdir -p "$KAITO_BENCH_CACHE/log"
}

build() {       # TARGETS...
    [ -f "$BUILD/build.ninja" ] || make -s -C "$SOURCE" "$BUILD/build.ninja" BUILD="$BUILD" >/dev/null
    logged build ninja -C "$BUILD" "$@"
}

environment() { # NAME MODULES REQUIREMENTS: a Python environment where the modules (comma-separated) can be imported
    local python=$KAITO_BENCH_CACHE/$1/bin/python
    "$python" -c "import $2" 2>/dev/null && return
    say "Python environment $1 (gigabytes: PyTorch)"
    [ -x "$python" ] || logged "$1" python3 -m venv "$KAITO_BENCH_CACHE/$1"
    logged "$1-pip" "$python" -m pip install -r "$3"
}
