#!/usr/bin/env python3
"""
eval_loss as transformers.Trainer logs it: expected.json. The phi3 model of ../hf/models in float32, the adapter of ../hf/trainer/init, rows of
token ids in file order; the last batch is short and some labels are masked. Needs torch, transformers 4.46 and peft; run in this folder.
"""
import json
import random
import tempfile

import torch
from peft import LoraConfig, get_peft_model, set_peft_model_state_dict
from safetensors.torch import load_file
from torch.utils.data import SequentialSampler
from transformers import AutoModelForCausalLM, Trainer, TrainingArguments

ROWS, HELD, PAD = 9, 5, 0


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


def run(train, held, **args):
    base = AutoModelForCausalLM.from_pretrained("../hf/models/phi3", torch_dtype=torch.float32, attn_implementation="eager")
    model = get_peft_model(base, LoraConfig(r=8, lora_alpha=16, target_modules=["qkv_proj", "o_proj", "gate_up_proj", "down_proj"]))
    set_peft_model_state_dict(model, load_file("../hf/trainer/init/adapter_model.safetensors"))
    options = TrainingArguments(output_dir=tempfile.mkdtemp(), use_cpu=True, report_to=[], save_strategy="no", logging_steps=1, disable_tqdm=True, label_names=["labels"],
                                **args)
    trainer = InOrder(model=model, args=options, train_dataset=train, eval_dataset=held, data_collator=collate)
    trainer.train()
    return [{k: e[k] for k in ("step", "epoch", "eval_loss") if k in e} for e in trainer.state.log_history if "eval_loss" in e]


def main():
    draw = random.Random(7)
    train, held = [row(draw, draw.randint(4, 24)) for _ in range(ROWS)], [row(draw, draw.randint(4, 24)) for _ in range(HELD)]
    cases = [{"args": args, "log": run(train, held, **args)} for args in (
        {"learning_rate": 5e-3, "max_steps": 4, "per_device_train_batch_size": 2, "per_device_eval_batch_size": 2, "eval_strategy": "steps", "eval_steps": 2,
         "eval_on_start": True},
        {"learning_rate": 5e-3, "num_train_epochs": 2, "per_device_train_batch_size": 3, "per_device_eval_batch_size": 8, "eval_strategy": "epoch",
         "lr_scheduler_type": "constant"},
        {"learning_rate": 5e-3, "max_steps": 6, "per_device_train_batch_size": 1, "per_device_eval_batch_size": 1, "eval_strategy": "steps", "eval_steps": 3,
         "eval_delay": 4},
    )]
    json.dump({"train": train, "held": held, "cases": cases}, open("expected.json", "w"), separators=(",", ":"))


main()
