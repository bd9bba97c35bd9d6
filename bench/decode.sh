#!/usr/bin/env bash
# Tokens a second of the stand-in model, and of a Phi-3 mini's shapes when MODEL names such a folder (bench/make_model.py).
. "$(dirname "$0")/lib.sh"
ninja -C "$BUILD" bench/bench_engine >"$T/log" || { cat "$T/log" >&2; exit 1; }
rate() {    # MODE STREAMS KEY
    OMP_WAIT_POLICY=passive "$BUILD/bench/bench_engine" --model "${MODEL:-$SOURCE/examples/standin/model}" --mode "$1" --streams "$2" \
        --prompt 128 --steps 64 --runs 3 | jq -s "map(.$3) | sort | .[length / 2 | floor]"
}
for mode in f32 bf16; do
    figure "prefill, $mode" "$(rate $mode 1 prefill_tokens_s)" tokens/s
    figure "decode, $mode, 1 sequence" "$(rate $mode 1 decode_tokens_s)" tokens/s
    figure "decode, $mode, 8 sequences" "$(rate $mode 8 decode_tokens_s)" tokens/s
done
