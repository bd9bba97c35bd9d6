"""transformers + PEFT + bitsandbytes on the same weights."""
import json, pathlib, sys

from common import SOURCE, THREADS, Figure, lines_so_far

NAME = "PEFT"


def dtype(wanted):
    """What the peer computes in: without instructions for it PyTorch's bf16 products are some fifty times slower than its f32 ones."""
    fast = any(f in pathlib.Path("/proc/cpuinfo").read_text() for f in ("avx512_bf16", "amx_bf16"))
    return wanted if wanted != "auto" else "bfloat16" if fast else "float32"


def tune(model, name, nf4, checkpointing, tokens, steps, dtype, timeout):
    """The first step is left out, as of ours, when there are others."""
    options = json.dumps(dict(nf4=nf4, checkpointing=checkpointing, tokens=tokens, steps=steps, dtype=dtype, threads=THREADS))
    lines = lines_so_far([sys.executable, SOURCE / "bench/tune/peer_peft.py", model / "hf", options], timeout,
                         {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": str(THREADS)})
    seconds = [line["value"] for line in lines if line["what"] == "step"]
    out = {"load": Figure(NAME, f"{name}: load", "s", [lines[0]["value"]])}
    if seconds:
        seconds = seconds[1:] or seconds
        out["rate"] = Figure(NAME, name, "tokens/s", [tokens / s for s in seconds], threads=THREADS, step_s=seconds)
        out["peak"] = Figure(NAME, f"{name}: peak", "GB", [lines[-1]["peak_gb"]])
    return out


def versions():
    import bitsandbytes, peft, torch, transformers
    return ", ".join(f"{m.__name__} {m.__version__}" for m in (transformers, peft, bitsandbytes, torch))
