"""
bf16_movement.py SOURCE: how far PEFT's own bf16 training moves from the recorded run of tests/golden/hf/qlora/bfloat16-double when its adapters
begin half a step of bf16 beside (2^-9 of each number, 32 seeds): the furthest loss of each step, relative, into
tests/golden/tune/bf16_movement.json. Rounding turns a sum in another order into such steps, and twelve updates carry them on.
Needs transformers, peft and bitsandbytes.
"""
import json, os, sys

import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM

SEEDS, NOISE, RATE = 32, 2.0 ** -9, 5e-3


def run(model, params, truth):
    """The loss of each step."""
    adam = torch.optim.AdamW(params, lr=RATE, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.01)
    for step in range(len(truth["losses"])):
        ids = torch.tensor([truth["batches"][step % len(truth["batches"])]])
        adam.param_groups[0]["lr"] = RATE * (1 - step / len(truth["losses"]))
        adam.zero_grad()
        loss = model(input_ids=ids, labels=ids).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(params, 1.0)
        adam.step()
        yield loss.item()


def main():
    source = sys.argv[1]
    folder = os.path.join(source, "tests/golden/hf/qlora/bfloat16-double")
    truth = json.load(open(folder + "/expected.json"))
    base = AutoModelForCausalLM.from_pretrained(folder + "/base", attn_implementation="eager", device_map={"": "cpu"})
    model = PeftModel.from_pretrained(base, folder + "/init", is_trainable=True, autocast_adapter_dtype=False).train()
    params = [p for p in model.parameters() if p.requires_grad]
    for p in model.parameters():
        p.data = p.data.float() if p.dtype == torch.bfloat16 else p.data
    start = [p.detach().clone() for p in params]
    furthest = [0.0] * len(truth["losses"])
    for seed in range(SEEDS):
        noise = torch.Generator().manual_seed(seed)
        for p, s in zip(params, start):
            p.data = s * (1 + NOISE * (2 * torch.rand(s.shape, generator=noise) - 1))
        for step, (got, want) in enumerate(zip(run(model, params, truth), truth["losses"])):
            furthest[step] = max(furthest[step], float(f"{abs(got - want) / want:.3g}"))
    with open(os.path.join(source, "tests/golden/tune/bf16_movement.json"), "w") as f:
        json.dump({"losses": furthest}, f)


main()
