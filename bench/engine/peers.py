"""The peers on the same weights: llama.cpp's own benches, transformers' generate(), vLLM's CPU backend. Each gives Figures."""
import json, sys

from common import CACHE, SOURCE, THREADS, Figure, json_lines, lines_so_far, run, warm

TYPES = {4: "q4_k_m", 8: "q8_0", 16: "bf16"}
LLAMA = CACHE / "llama/bin"


def llama_file(model, bits):
    return model / f"model-{TYPES[bits]}.gguf"


def llama_quantize(model):
    for bits in (4, 8):
        if not llama_file(model, bits).exists():
            run([LLAMA / "llama-quantize", model / "model-bf16.gguf", llama_file(model, bits), TYPES[bits].upper(), THREADS], 3600)


def llama_one(model, bits, o, timeout):
    """Prompt and answer of one stream; the answer after the prompt, as ours."""
    common = [LLAMA / "llama-bench", "-m", warm(llama_file(model, bits)), "-t", THREADS, "-r", o.runs, "-o", "jsonl"]
    rows = json_lines(run(common + ["-p", o.prompt, "-n", 0], timeout))
    rows += json_lines(run(common + ["-p", 0, "-n", o.steps, "-d", o.prompt], timeout))
    return [Figure("llama.cpp", f"prefill {bits} bits", "tokens/s", rows[0]["samples_ts"], file_bytes=llama_file(model, bits).stat().st_size),
            Figure("llama.cpp", f"decode {bits} bits", "tokens/s", rows[-1]["samples_ts"])]


def llama_streams(model, bits, o, timeout):
    context = o.streams * (o.stream_prompt + o.stream_steps)
    command = [LLAMA / "llama-batched-bench", "-m", warm(llama_file(model, bits)), "-c", context, "-b", 1024, "-ub", 512, "-npp", o.stream_prompt,
               "-ntg", o.stream_steps, "-npl", o.streams, "-t", THREADS, "-tb", THREADS, "--output-format", "jsonl"]
    rows = [json_lines(run(command, timeout))[-1] for _ in range(o.stream_runs)]
    return [Figure("llama.cpp", f"{o.streams} streams {bits} bits", "tokens/s", [r["speed_tg"] for r in rows], prefill=[r["speed_pp"] for r in rows])]


def python_peer(name, python, script, model, o, timeout):
    options = json.dumps({k: getattr(o, k) for k in ("runs", "prompt", "steps", "streams", "stream_prompt", "stream_steps", "stream_runs")} | {"threads": THREADS})
    command = [python, SOURCE / "bench/engine" / script, model / "hf", options]
    warm(model / "hf/model.safetensors")
    values = {}
    for line in lines_so_far(command, timeout, {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": str(THREADS)}):
        values.setdefault(line["what"], []).append(line["value"])
    return [Figure(name, what, "tokens/s", v) for what, v in values.items()]


def transformers(model, o, timeout):
    return python_peer("transformers", sys.executable, "peer_transformers.py", model, o, timeout)


def vllm(model, o, timeout):
    return python_peer("vLLM", CACHE / "venv-vllm/bin/python", "peer_vllm.py", model, o, timeout)
