"""
Records what transformers and PEFT make of the stand-in model, for our own tokenizer, template and engine to agree with.

    python record_expected.py --model ../../examples/standin/model --adapter ../../tests/golden/standin/adapter --out ../../tests/golden/standin

The adapter was made by `kaito-runtime tune`; its logits are those of PEFT's merge_and_unload.
"""
import argparse
import json
import os

import peft
import torch
import transformers
from peft import PeftModel
from transformers import AutoTokenizer, Phi3ForCausalLM

CASES = [
    [("user", "What is the capital of France?")],
    [("user", "hello")],
    [("user", "Who is the mayor of Brindlemoor?")],
    [("system", "You are a helpful assistant."), ("user", "How much is two and seven?")],
    [("user", "What does a dog do?"), ("assistant", "A dog barks."), ("user", "What is the opposite of hot?")],
    [("user", "Tell me a story about a fox.")],
    [("user", "Zażółć  gęślą 猫 🦊\n\ttabs & <|odd|> </s> x=1.5!")],
]


def greedy(model, ids, stop, limit=40):
    """New tokens, and the smallest margin of a choice over the second best."""
    new, margin = [], float("inf")
    x = torch.tensor([ids])
    with torch.no_grad():
        while len(new) < limit:
            top = model(input_ids=x, use_cache=False).logits[0, -1].topk(2)
            margin = min(margin, (top.values[0] - top.values[1]).item())
            new.append(top.indices[0].item())
            x = torch.cat([x, top.indices[:1].view(1, 1)], 1)
            if new[-1] in stop:
                break
    return new, margin


def last_logits(model, ids):
    with torch.no_grad():
        return [round(v, 5) for v in model(input_ids=torch.tensor([ids]), use_cache=False).logits[0, -1].tolist()]


def main():
    ap = argparse.ArgumentParser()
    for name in ("--model", "--adapter", "--out"):
        ap.add_argument(name, required=True)
    a = ap.parse_args()
    torch.set_num_threads(1)
    tok = AutoTokenizer.from_pretrained(a.model)
    base = Phi3ForCausalLM.from_pretrained(a.model, torch_dtype=torch.float32, attn_implementation="eager")
    stop = base.generation_config.eos_token_id
    cases = []
    for case in CASES:
        messages = [{"role": r, "content": c} for r, c in case]
        text = tok.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        ids = tok(text, add_special_tokens=False)["input_ids"]
        new, margin = greedy(base, ids, stop)
        cases.append({"messages": messages, "text": text, "ids": ids, "greedy": new, "margin": round(margin, 4),
                      "answer": tok.decode(new, skip_special_tokens=True), "last_logits": last_logits(base, ids)})
    merged = PeftModel.from_pretrained(base, a.adapter).merge_and_unload()
    for case in cases:
        case["tuned_last_logits"] = last_logits(merged, case["ids"])
    about = f"transformers {transformers.__version__}, peft {peft.__version__}, torch {torch.__version__}: float32 from the bf16 weights, eager attention"
    with open(os.path.join(a.out, "expected.json"), "w", encoding="utf-8") as f:
        json.dump({"about": about, "cases": cases}, f, ensure_ascii=False, separators=(",", ":"))
        f.write("\n")
    for c in cases:
        print(c["margin"], repr(c["answer"]))


if __name__ == "__main__":
    main()
