"""
Asks the held-out questions of the base and of the base with a PEFT adapter, greedily: what a tuning, by whatever trainer, has taught.

    python check_adapter.py --model ../../examples/standin/model --data ../../examples/standin --adapter RESULTS
"""
import argparse
import json

import torch
from peft import PeftModel
from transformers import AutoTokenizer, Phi3ForCausalLM

from simulate_tuning import ask, right


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--model", required=True)
    ap.add_argument("--data", required=True)
    ap.add_argument("--adapter", required=True)
    a = ap.parse_args()
    torch.set_num_threads(1)
    tok = AutoTokenizer.from_pretrained(a.model)
    base = Phi3ForCausalLM.from_pretrained(a.model, torch_dtype=torch.float32)
    questions = json.load(open(a.data + "/questions.json"))["questions"]
    before = [ask(base, tok, q["question"]) for q in questions]
    tuned_model = PeftModel.from_pretrained(base, a.adapter).eval()
    after = [ask(tuned_model, tok, q["question"]) for q in questions]
    for q, x, y in zip(questions, before, after):
        if not right(y, q):
            print("wrong:", q["question"], "->", y)
    print(f"base {sum(map(right, before, questions))}, tuned {sum(map(right, after, questions))} of {len(questions)}; e.g. {questions[0]['question']}")
    print("  base: ", before[0])
    print("  tuned:", after[0])


if __name__ == "__main__":
    main()
