"""transformers + PEFT + bitsandbytes on the same weights."""
import json, sys

from common import SOURCE, THREADS, Figure, lines_so_far

NAME = "PEFT"


def tune(model, name, nf4, checkpointing, tokens, steps, timeout):
    """The first step is left out, as of ours, when there are others."""
    options = json.dumps(dict(nf4=nf4, checkpointing=checkpointing, tokens=tokens, steps=steps, threads=THREADS))
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
