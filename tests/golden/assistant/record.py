#!/usr/bin/env python3
"""
Which tokens assistants said: expected.json, by transformers' return_assistant_tokens_mask with the training templates that TRL puts in place of
a model's own. MODELS is a folder with models of the families; needs trl 1.16, transformers 5.24: record.py MODELS, in this folder.
"""
import json
import pathlib
import sys

import trl
from transformers import AutoTokenizer

TEMPLATES = pathlib.Path(trl.__file__).parent / "chat_templates"
S, U, A = (lambda c, r=r: {"role": r, "content": c} for r in ("system", "user", "assistant"))
ROWS = [
    [U("What is 2+2?"), A("4")],
    [S("You are terse."), U("Hi"), A("Hello there!"), U("And now?"), A("Bye.\n\nReally."), U("ok")],
    [U("one"), A("two three"), U("four"), A("five")],
]


def masks(model, template):
    tok = AutoTokenizer.from_pretrained(model)
    out = []
    for messages in ROWS:
        r = tok.apply_chat_template(messages, chat_template=template, return_assistant_tokens_mask=True, return_dict=True, tokenize=True)
        out.append({"ids": r["input_ids"], "labels": [i if m else -100 for i, m in zip(r["input_ids"], r["assistant_masks"])]})
    return out


models = pathlib.Path(sys.argv[1])
made = {"rows": [{"messages": m} for m in ROWS], "cases": []}
for model in ("phi3",):
    for name in ("phi3", "llama3", "qwen2_5"):
        original, training = ((TEMPLATES / f"{name}{kind}.jinja").read_text() for kind in ("", "_training"))
        made["cases"].append({"model": model, "name": name, "original": original, "training": training, "examples": masks(models / model, training)})
json.dump(made, open("expected.json", "w"), ensure_ascii=False, separators=(",", ":"))
