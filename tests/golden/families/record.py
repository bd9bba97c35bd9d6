"""
record.py: rows of tests/peers/families_agree.py as truths, so that they are checked without PyPI, and those that need a newer transformers
than the pinned one at all. Writes NAME/{config.json,model.safetensors} and expected.json beside this file. Numbers are transformers'.

    python -m venv venv && venv/bin/pip install torch transformers && venv/bin/python tests/golden/families/record.py
"""
import json
import os
import re
import shutil
import sys

here = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(here, "../../peers"))
import families_agree as peers      # noqa: E402

NAMES = ["falcon alibi", "falcon alibi, 6 heads", "falcon 11b: one norm", "falcon sequential", "phi normed queries", "phi3 partial longrope",
         "qwen3 biases, tied", "gemma3 layer types", "olmo2 biases, odd sizes", "mixtral three of five, odd sizes", "llama longrope",
         "qwen2 window from layer 1", "gemma2 no caps, odd sizes"]

out = {"transformers": peers.transformers.__version__, "torch": peers.torch.__version__, "models": []}
for name in NAMES:
    row = list(peers.ROWS[name]) + [{}]
    folder = os.path.join(here, re.sub("[^a-z0-9]+", "-", name))
    shutil.rmtree(folder, ignore_errors=True)
    model = peers.make(row[0], row[1], row[2], folder)
    for extra in set(os.listdir(folder)) - {"config.json", "model.safetensors"}:
        os.remove(os.path.join(folder, extra))
    rows = [{"ids": ids, "last_logits": [round(v, 6) for v in logits.tolist()], "nll": loss}
            for ids, (logits, loss) in zip(peers.PROMPTS, peers.expected(model))]
    out["models"].append({"name": name, "dir": os.path.basename(folder), "prompts": rows})
with open(os.path.join(here, "expected.json"), "w") as f:
    json.dump(out, f)
