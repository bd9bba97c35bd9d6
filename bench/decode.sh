#!/usr/bin/env bash
# Tokens a second of the stand-in model, and of a Phi-3 mini's shapes when MODEL names such a folder (bench/make_model.py).
. "$(dirname "$0")/lib.sh"
ninja -C "$BUILD" bench/bench_engine >"$T/log" || { cat "$T/log" >&2; exit 1; }
for mode in f32 bf16; do
    line=$(OMP_WAIT_POLICY=passive "$BUILD/bench/bench_engine" "${MODEL:-$SOURCE/examples/standin/model}" $mode 128 64)
    figure "prefill, $mode" "$(jq .prefill_tokens_s <<<"$line")" tokens/s
    figure "decode, $mode, 1 sequence" "$(jq .decode1_tokens_s <<<"$line")" tokens/s
    figure "decode, $mode, 8 sequences" "$(jq .decode8_tokens_s <<<"$line")" tokens/s
done
