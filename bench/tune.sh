#!/usr/bin/env bash
# The speed and memory of tuning beside transformers + PEFT + bitsandbytes in one run, each as a row of a table.
# Makes what it needs in $KAITO_BENCH_CACHE (~/.cache/kaito-bench): a Python environment, models with random weights.
#
#   bench/tune.sh [--layers 4] [--parts layers,threads,linear,flat,quickstart,resume,full] [--minutes N] [--no-peer] [--prepare] ...
#
# --go-on measures what a run before, also one that was cut off, does not have yet (each figure is kept as it comes); --from-results
# makes the table of it; --write-docs writes the table into docs/benchmarks.md. --help lists the rest.
. "$(dirname "$0")/prepare.sh"

only_words "$SOURCE/bench/tune/run.py" "$@"
build src/cli/kaito-runtime bench/bench_limits
python=python3
case " $* " in
*" --no-peer "*) ;;
*)
    environment venv-tune torch,transformers,peft,bitsandbytes,accelerate "$SOURCE/bench/tune/requirements.txt"
    python=$KAITO_BENCH_CACHE/venv-tune/bin/python
    ;;
esac
exec "$python" "$SOURCE/bench/tune/run.py" "$@"
