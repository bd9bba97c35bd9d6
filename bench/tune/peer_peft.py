#!/usr/bin/env python3
"""transformers + PEFT + bitsandbytes, one job: peer_peft.py MODEL OPTIONS_JSON. Lines as they come: seconds to load, of each step, peak memory.

A step is what the Trainer's is: forward, backward, clipping, AdamW, on 1 x tokens. Adapters on every linear layer but the head.
"""
import json, os, resource, sys, time

o = json.loads(sys.argv[2])
import torch
from peft import LoraConfig, get_peft_model, prepare_model_for_kbit_training
from transformers import AutoModelForCausalLM, BitsAndBytesConfig, logging

torch.set_num_threads(o["threads"])
dtype = getattr(torch, o["dtype"])
logging.set_verbosity_error()
logging.disable_progress_bar()


def show(what, value):
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
    print(json.dumps({"what": what, "value": value, "peak_gb": peak}), flush=True)


def load():
    how = {}
    if o["nf4"]:
        how["quantization_config"] = BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True,
                                                        bnb_4bit_compute_dtype=dtype)
        how["device_map"] = {"": "cpu"}
    return AutoModelForCausalLM.from_pretrained(sys.argv[1], dtype=dtype, **how)


def adapted(model):
    reentrant = {"use_reentrant": False}
    if o["nf4"]:
        model = prepare_model_for_kbit_training(model, use_gradient_checkpointing=o["checkpointing"], gradient_checkpointing_kwargs=reentrant)
    elif o["checkpointing"]:
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs=reentrant)
        model.enable_input_require_grads()
    model = get_peft_model(model, LoraConfig(r=8, lora_alpha=16, lora_dropout=0.0, target_modules="all-linear", task_type="CAUSAL_LM"))
    model.config.use_cache = False
    model.train()
    return model


began = time.perf_counter()
model = load()
show("load", time.perf_counter() - began)
model = adapted(model)
learnt = [p for p in model.parameters() if p.requires_grad]
optimiser = torch.optim.AdamW(learnt, lr=1e-4)
ids = torch.randint(300, 600, (1, o["tokens"]), generator=torch.Generator().manual_seed(7))
for step in range(o["steps"]):
    began = time.perf_counter()
    loss = model(input_ids=ids, labels=ids).loss
    loss.backward()
    torch.nn.utils.clip_grad_norm_(learnt, 1.0)
    optimiser.step()
    optimiser.zero_grad()
    show("step", time.perf_counter() - began)
