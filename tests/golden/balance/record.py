#!/usr/bin/env python3
"""
What transformers.Trainer logs of a Mixtral whose routers are balanced (output_router_logits, router_aux_loss_coef): expected.json, and the
first adapter in init/. The mixtral model of ../hf/models in float32, rows of token ids in file order, some labels masked, two micro-batches
of two padded rows a step. Needs torch, transformers and peft; run in this folder.
"""
import json
import random
import tempfile

import torch
import transformers
from peft import LoraConfig, get_peft_model
from torch.utils.data import SequentialSampler
from transformers import AutoModelForCausalLM, Trainer, TrainingArguments

ROWS, HELD, PAD, COEFFICIENT = 9, 5, 0, 0.3
KEYS = ("step", "epoch", "loss", "grad_norm", "learning_rate", "eval_loss")
ARGS = {"learning_rate": 5e-3, "max_steps": 5, "per_device_train_batch_size": 2, "gradient_accumulation_steps": 2, "per_device_eval_batch_size": 3,
        "eval_strategy": "steps", "eval_steps": 2, "eval_on_start": True}


class InOrder(Trainer):
    def _get_train_sampler(self, *_):
        return SequentialSampler(self.train_dataset)


def row(draw, n):
    ids = [draw.randrange(3, 600) for _ in range(n)]
    return {"input_ids": ids, "labels": [-100 if draw.random() < 0.3 else i for i in ids]}


def collate(rows):
    longest = max(len(r["input_ids"]) for r in rows)
    pad = lambda r, key, fill: r[key] + [fill] * (longest - len(r[key]))
    return {"input_ids": torch.tensor([pad(r, "input_ids", PAD) for r in rows]), "labels": torch.tensor([pad(r, "labels", -100) for r in rows]),
            "attention_mask": torch.tensor([[1] * len(r["input_ids"]) + [0] * (longest - len(r["input_ids"])) for r in rows])}


def run(train, held, coefficient):
    base = AutoModelForCausalLM.from_pretrained("../hf/models/mixtral", torch_dtype=torch.float32, attn_implementation="eager",
                                                output_router_logits=coefficient > 0, router_aux_loss_coef=float(coefficient))
    torch.manual_seed(5)
    model = get_peft_model(base, LoraConfig(r=4, lora_alpha=8, target_modules=["q_proj", "v_proj"], init_lora_weights=False))
    model.save_pretrained("init")
    options = TrainingArguments(output_dir=tempfile.mkdtemp(), use_cpu=True, report_to=[], save_strategy="no", logging_steps=1, disable_tqdm=True,
                                label_names=["labels"], **ARGS)
    trainer = InOrder(model=model, args=options, train_dataset=train, eval_dataset=held, data_collator=collate)
    trainer.train()
    return [{k: e[k] if k == "step" else float(f"{e[k]:.9g}") for k in KEYS if k in e} for e in trainer.state.log_history if "loss" in e or "eval_loss" in e]


def main():
    draw = random.Random(7)
    train, held = [row(draw, draw.randint(4, 24)) for _ in range(ROWS)], [row(draw, draw.randint(4, 24)) for _ in range(HELD)]
    json.dump({"made_with": f"transformers {transformers.__version__}", "train": train, "held": held, "args": ARGS, "coefficient": COEFFICIENT,
               "log": run(train, held, COEFFICIENT), "plain": run(train, held, 0)}, open("expected.json", "w"), separators=(",", ":"))


main()
