#!/usr/bin/env python3
"""transformers' generate() in bf16: peer_transformers.py MODEL OPTIONS_JSON. Prefill is the time to the first token."""
import json, sys, time

import torch
from transformers import AutoModelForCausalLM, StoppingCriteria, StoppingCriteriaList, logging

o = json.loads(sys.argv[2])
torch.set_num_threads(o["threads"])
logging.set_verbosity_error()


class Clock(StoppingCriteria):
    def __init__(self):
        self.times = []

    def __call__(self, ids, scores, **kwargs):
        self.times.append(time.perf_counter())
        return torch.zeros(ids.shape[0], dtype=torch.bool)


def go(model, batch, prompt, steps):
    """(prompt, answer) in tokens per second."""
    ids, clock = torch.randint(300, 600, (batch, prompt)), Clock()
    began = time.perf_counter()
    model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=steps + 1, min_new_tokens=steps + 1, do_sample=False, pad_token_id=0,
                   eos_token_id=None, stopping_criteria=StoppingCriteriaList([clock]))
    t = clock.times
    return batch * prompt / (t[0] - began), batch * (len(t) - 1) / (t[-1] - t[0])


def show(what, value):
    print(json.dumps({"what": what, "value": value}), flush=True)


model = AutoModelForCausalLM.from_pretrained(sys.argv[1], dtype=torch.bfloat16).eval()
with torch.inference_mode():
    go(model, 1, 16, 1)
    for _ in range(o["runs"]):
        prefill, decode = go(model, 1, o["prompt"], o["steps"])
        show("prefill 16 bits", prefill)
        show("decode 16 bits", decode)
    for _ in range(o["stream_runs"]):
        show(f"{o['streams']} streams 16 bits", go(model, o["streams"], o["stream_prompt"], o["stream_steps"])[1])
