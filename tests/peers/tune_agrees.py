"""
tune_agrees.py SOURCE [NAME...]: PEFT, transformers and torch.optim.AdamW, as they are installed, beside the truths that the C tests of
tuning stand on: one row per family and option. Prints TAP.
tune_agrees.py --record SOURCE [NAME...] ("-": no row): writes those truths into tests/golden/tune/expected.json (tests/unit/tune/test_agreement.c reads
it); rows that this version of transformers does not have keep what is there.

A row: the model's folder below tests/golden, LoraConfig, and how the loss is made. Six AdamW steps in f32, two rows of tokens each, one sum of
losses over both divided by their label tokens. Adapters begin with numbers that C and Python compute alike, so that no file is
needed; of gradients and results a few projections on random directions are kept per tensor, and its length.
"""
import importlib.util
import json
import os
import re
import sys

import numpy as np
import torch
import transformers
from peft import LoraConfig, get_peft_model
from transformers import AutoConfig, AutoModelForCausalLM

STEPS, RATE, DECAY, PROJECTIONS = 6, 5e-3, 0.01, 4
MASK = (1 << 64) - 1
ALL = "all-linear"
HF, FAMILIES = "hf/models/", "families/"
SDPA = dict(attention="sdpa")       # Falcon's eager attention adds ALiBi twice
OLD = dict(old=True)                # transformers 5 keeps experts as one stacked parameter, beside which PEFT has no plain LoRA

SMALL = dict(target_modules=["q_proj", "down_proj"], layers_to_transform=[1], modules_to_save=["1.input_layernorm"])

ROWS = {
    "phi2": (HF + "phi2", dict(target_modules=ALL)),
    "phi normed queries": (FAMILIES + "phi-normed-queries", dict(target_modules=["q_proj", "k_proj", "dense", "fc1", "fc2"])),
    "falcon 7b": (HF + "falcon7b", dict(target_modules=ALL)),
    "falcon 40b": (HF + "falcon40b", dict(target_modules=ALL)),
    "falcon 11b: one norm": (FAMILIES + "falcon-11b-one-norm", dict(target_modules=ALL)),
    "falcon alibi": (FAMILIES + "falcon-alibi", dict(target_modules=ALL), SDPA),
    "falcon sequential": (FAMILIES + "falcon-sequential", dict(target_modules=["query_key_value", "dense_4h_to_h"])),
    "mixtral": (HF + "mixtral", dict(target_modules=["q_proj", "v_proj", "o_proj", "gate", "w1", "w2", "w3"]), OLD),
    "mixtral, attention alone": (HF + "mixtral", dict(target_modules=["q_proj", "v_proj"])),
    "mixtral, balanced routers": (HF + "mixtral", dict(target_modules=["q_proj", "gate", "w2"]), dict(OLD, balance=0.5)),
    "mixtral, balanced routers, attention alone": (HF + "mixtral", dict(target_modules=["v_proj"]), dict(balance=0.5)),
    "gemma2": (HF + "gemma2", dict(target_modules=ALL)),
    "gemma3": (HF + "gemma3", dict(target_modules=ALL)),
    "olmo2": (HF + "olmo2", dict(target_modules=ALL)),
    "qwen3": (HF + "qwen3", dict(target_modules=ALL)),
    "phi4-mini": (HF + "phi4-mini", dict(target_modules=ALL)),
    "phi3 longrope": (HF + "phi3-longrope", dict(target_modules=["qkv_proj", "down_proj"])),
    "dora": (HF + "llama3", dict(target_modules=ALL, use_dora=True)),
    "dora, biases of the base": (HF + "qwen2", dict(target_modules=["q_proj", "v_proj", "down_proj"], use_dora=True, use_rslora=True)),
    "dora, fused projections": (HF + "phi3", dict(target_modules=["qkv_proj", "gate_up_proj"], use_dora=True)),
    "rslora, patterns": (HF + "llama2", dict(target_modules=ALL, use_rslora=True, rank_pattern={"k_proj": 3, r"layers\.1\.mlp\.(gate|up)_proj": 2},
                                             alpha_pattern={"mlp.down_proj": 5, r".*\.0\..*o_proj": 24})),
    "expression": (HF + "llama2", dict(target_modules=r".*\.[01]\.(self_attn\.[qv]|mlp\.down)_proj")),
    "layers 1": (HF + "llama2", dict(target_modules=["q_proj", "up_proj"], layers_to_transform=[1])),
    "bias all": (HF + "phi2", dict(target_modules=["q_proj", "fc2"], bias="all")),
    "bias lora_only": (HF + "qwen2", dict(target_modules=["q_proj", "k_proj", "down_proj"], bias="lora_only")),
    "head, embedding and norms": (HF + "llama2", dict(target_modules=["q_proj", "v_proj"], modules_to_save=["lm_head", "embed_tokens", "norm", "layernorm"])),
    "a linear trained whole, layer norms": (HF + "phi2", dict(target_modules=["q_proj"], modules_to_save=["1.mlp.fc1", "input_layernorm", "lm_head"])),
    "head of tied weights": (HF + "gemma2", dict(target_modules=["q_proj"], modules_to_save=["lm_head"])),
    "embedding of gemma": (HF + "gemma3", dict(target_modules=["v_proj"], modules_to_save=["embed_tokens", "q_norm"])),
    "embedding and head": (HF + "llama2", dict(target_modules=["q_proj", "embed_tokens", "lm_head"], rank_pattern={"lm_head": 3}, alpha_pattern={"embed_tokens": 5})),
    "embedding and head, tied": (HF + "gemma3", dict(target_modules=["embed_tokens", "lm_head", "down_proj"], use_rslora=True)),
    "head alone, with a bias": (HF + "phi2", dict(target_modules=["lm_head"], bias="lora_only")),
    "head with magnitudes": (HF + "gemma2", dict(target_modules=["lm_head", "o_proj"], use_dora=True)),
    "embedding with magnitudes": (HF + "llama2", dict(target_modules=["q_proj", "embed_tokens"], use_dora=True)),
    "embedding with magnitudes, scaled": (HF + "gemma3", dict(target_modules=["embed_tokens", "down_proj"], use_dora=True)),
    "embedding alone": (HF + "falcon7b", dict(target_modules=["word_embeddings"])),
    "label smoothing": (HF + "qwen2", dict(target_modules=ALL), dict(smoothing=0.1)),
    "label smoothing, capped logits": (HF + "gemma2", dict(target_modules=["o_proj"]), dict(smoothing=0.3)),
    "states in 8 bits": (HF + "llama2", dict(target_modules=["q_proj", "down_proj"], modules_to_save=["lm_head", "1.mlp.up_proj", "norm"]), dict(states8=True)),
    "sgd": (HF + "llama2", SMALL, dict(optim="sgd")),
    "sgd, momentum": (HF + "llama2", SMALL, dict(optim="sgd", optim_args="momentum=0.8,dampening=0.3")),
    "sgd, nesterov": (HF + "llama2", SMALL, dict(optim="sgd", optim_args="momentum=0.8,nesterov=true")),
    "rmsprop": (HF + "llama2", SMALL, dict(optim="rmsprop", optim_args="alpha=0.9,momentum=0.5,eps=1e-6")),
    "adagrad": (HF + "llama2", SMALL, dict(optim="adagrad", optim_args="lr_decay=0.1")),
    "adafactor": (HF + "llama2", SMALL, dict(optim="adafactor")),
    "lion": (HF + "llama2", SMALL, dict(optim="lion_32bit")),
    "weights in 8 bits": (HF + "llama3", dict(target_modules=ALL), dict(int8=True)),
    "weights in 8 bits, fused projections": (HF + "phi3", dict(target_modules=["qkv_proj", "down_proj"], use_rslora=True), dict(int8=True)),
    "weights in fp4": (HF + "llama3", dict(target_modules=ALL), dict(fp4=dict(bnb_4bit_use_double_quant=False))),
    "weights in fp4, twice": (HF + "phi3", dict(target_modules=["qkv_proj", "gate_up_proj"]), dict(fp4=dict(bnb_4bit_use_double_quant=True))),
    "everything": (HF + "qwen2", dict(target_modules=ALL, use_dora=True, bias="all", modules_to_save=["norm", "1.mlp.up_proj"])),
}


# learning rates: lr_scheduler_type, warm-up steps, steps, lr_scheduler_kwargs
SCHEDULES = [(name, warmup, steps, {}) for name in ("linear", "cosine", "constant", "constant_with_warmup", "polynomial", "inverse_sqrt")
             for warmup, steps in ((0, 12), (5, 17), (2, 3))] + [
    ("cosine", 2, 15, {"num_cycles": 1.5}), ("polynomial", 4, 15, {"power": 2.0, "lr_end": 1e-3}), ("inverse_sqrt", 4, 15, {"timescale": 7}),
    ("cosine_with_restarts", 3, 17, {}), ("cosine_with_restarts", 3, 17, {"num_cycles": 3}), ("cosine_with_min_lr", 3, 12, {"min_lr": 1e-3}),
    ("cosine_with_min_lr", 0, 12, {"min_lr_rate": 0.2, "num_cycles": 0.7}), ("cosine_warmup_with_min_lr", 3, 12, {"min_lr": 1e-3}),
    ("cosine_warmup_with_min_lr", 3, 12, {"min_lr_rate": 0.2, "warmup_lr_rate": 0.1}), ("cosine_warmup_with_min_lr", 0, 5, {"min_lr_rate": 0.0}),
    ("warmup_stable_decay", 3, 14, {"num_decay_steps": 5}), ("warmup_stable_decay", 4, 14, {"num_decay_steps": 6, "min_lr_ratio": 0.1, "warmup_type": "cosine", "decay_type": "1-sqrt"}),
    ("warmup_stable_decay", 4, 14, {"num_decay_steps": 3, "num_stable_steps": 5, "min_lr_ratio": 0.1, "warmup_type": "1-sqrt", "decay_type": "linear"}),
]


# --- numbers that C computes alike (src/tune/random.h, base/hash.h) --------------------------------------------------------------------------

def mix(x):
    x = x + np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def fnv1a(text):
    h = 2166136261
    for b in text.encode():
        h = (h ^ b) * 16777619 & 0xFFFFFFFF
    return h


def numbers(name, salt, n):
    """n floats in [-1, 1), a function of a name."""
    with np.errstate(over="ignore"):
        bits = mix(np.uint64((fnv1a(name) << 8) + salt) * np.uint64(0x10001) + np.arange(n, dtype=np.uint64))
    return (2 * (bits >> np.uint64(40)).astype(np.float32) * np.float32(2.0 ** -24) - 1).astype(np.float32)


def sketch(name, t):
    """Its length, and what it shows along a few directions."""
    x = t.detach().double().flatten().numpy()
    return [float(np.sqrt((x * x).sum()))] + [float((x * numbers(name, 1 + k, x.size).astype(np.float64)).sum()) for k in range(PROJECTIONS)]


# --- one row ------------------------------------------------------------------------------------------------------------------------------

def saved_name(name):
    """PEFT's name in the adapter's file for a parameter of the model."""
    name = name.replace(".default", "").replace(".modules_to_save", "")
    return name[:-len(".weight")] if name.endswith("lora_magnitude_vector.weight") else name


def trained(model):
    return {saved_name(n): p for n, p in model.named_parameters() if p.requires_grad}


def name_is_a(name):
    return re.search(r"\.lora_(embedding_)?A", name)


def load(source, folder, lora, how):
    path = os.path.join(source, "tests/golden", folder)
    more = {}
    if how.get("int8"):
        more = dict(quantization_config=transformers.BitsAndBytesConfig(load_in_8bit=True), device_map={"": "cpu"})
    if how.get("fp4"):
        more = dict(quantization_config=transformers.BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_compute_dtype=torch.float32, **how["fp4"]), device_map={"": "cpu"})
    base = AutoModelForCausalLM.from_pretrained(path, torch_dtype=torch.float32, attn_implementation=how.get("attention", "eager"), **more)
    torch.manual_seed(0)
    model = get_peft_model(base, LoraConfig(r=4, lora_alpha=8, **lora), autocast_adapter_dtype=False)
    with torch.no_grad():
        for name, p in trained(model).items():
            if re.search(r"\.lora_(embedding_)?[AB]", name):
                p.copy_(torch.from_numpy(numbers(name, 0, p.numel()) * np.float32(0.2 if name_is_a(name) else 0.1)).reshape(p.shape))
    return model.train()


def rows_of(step, vocab):
    """Two rows of tokens with some labels masked."""
    out = []
    for r, n in enumerate((21 + step, 13)):
        ids = [(i * 37 + i * i * 11 + step * 17 + r * 5) % vocab for i in range(n)]
        out.append((ids, [-100 if i % 7 == 2 + r else t for i, t in enumerate(ids)]))
    return out


def loss_of(model, rows, smoothing):
    """transformers' LabelSmoother: the label's share, and the mean over the vocabulary."""
    total, count = 0, 0
    for ids, labels in rows:
        logits = model(input_ids=torch.tensor([ids]), use_cache=False).logits[0, :-1].float()
        target = torch.tensor(labels[1:])
        total = total + (1 - smoothing) * torch.nn.functional.cross_entropy(logits, target, ignore_index=-100, reduction="sum")
        total = total - smoothing * (torch.log_softmax(logits, -1).mean(-1) * (target >= 0)).sum()
        count += int((target >= 0).sum())
    return total / count


def balanced_loss(model, rows, coefficient):
    """One padded micro-batch, whose aux_loss is of all its tokens."""
    width = max(len(ids) for ids, _ in rows)
    ids = torch.tensor([ids + [0] * (width - len(ids)) for ids, _ in rows])
    target = torch.tensor([labels[1:] + [-100] * (width - len(labels)) for _, labels in rows])
    mask = torch.tensor([[1] * len(ids) + [0] * (width - len(ids)) for ids, _ in rows])
    out = model(input_ids=ids, attention_mask=mask, output_router_logits=True, use_cache=False)
    loss = torch.nn.functional.cross_entropy(out.logits[:, :-1].float().flatten(0, 1), target.flatten(), ignore_index=-100)
    return loss + coefficient * out.aux_loss


def decays(name):
    """As transformers' Trainer groups parameters."""
    return not re.search(r"bias|layernorm|rmsnorm|(^|\.)norm($|\.)|_norm($|\.)", name)


def named_optimiser(how):
    """As the Trainer makes the ones that TrainingArguments.optim names."""
    from transformers import Trainer, TrainingArguments
    args = TrainingArguments(output_dir="unused", optim=how["optim"], optim_args=how.get("optim_args"), report_to=[], use_cpu=True, adam_beta1=0.9, adam_beta2=0.999)
    kind, kwargs = Trainer.get_optimizer_cls_and_kwargs(args)
    unread = [a.split("=")[0] for a in how.get("optim_args", "").split(",") if a and a.split("=")[0] not in kwargs]
    if unread:      # transformers 4 drops those of torch's own
        raise ValueError(f"optim_args: {', '.join(unread)} not read for {how['optim']}")
    return lambda groups, **_: kind(groups, **dict(kwargs, lr=RATE))


def optimiser_class(how):
    if how.get("optim"):
        return named_optimiser(how)
    if not how.get("states8"):
        return torch.optim.AdamW
    import bitsandbytes
    import bitsandbytes.backends.cpu.ops as ops
    ops._quant_blockwise_fp32_direct = nearest_codes
    return bitsandbytes.optim.AdamW8bit


def nearest_codes(x, code, scales, codes, blocksize):
    """
    The nearest entry, as the published method and bitsandbytes' GPU kernels have it. Its CPU kernel looks codes up in a table of equal steps,
    which misses by up to 2.7e-5 of a block's largest value: tiny squares become 1e-5 instead of 0.
    """
    flat = torch.nn.functional.pad(x.flatten(), (0, -x.numel() % blocksize)).view(-1, blocksize)
    largest = flat.abs().amax(1)
    q = torch.bucketize((flat / largest[:, None]).nan_to_num(0), (code[:-1] + code[1:]) / 2)
    codes.copy_(q.flatten()[: x.numel()].to(torch.uint8).view(codes.shape))
    scales.copy_(largest)


def codes8():
    """bitsandbytes' two maps, and the nearest codes of some numbers."""
    from bitsandbytes import functional as F
    x = torch.from_numpy(numbers("codes8", 0, 600) ** 3)
    out = {}
    for name, signed in (("signed", True), ("unsigned", False)):
        code = F.create_dynamic_map(signed=signed)
        codes, scales = torch.empty(600, dtype=torch.uint8), torch.empty(3)
        nearest_codes(x if signed else x.abs(), code, scales, codes, 256)
        out[name] = {"map": [float(v) for v in code], "codes": codes.tolist(), "scales": [float(v) for v in scales]}
    return out


def fp4_parts(path):
    """What bitsandbytes makes of some numbers, block by block: small ones, a block of zeros, one of negative ones, one that is not full."""
    from bitsandbytes import functional as F
    from safetensors.torch import save_file
    n = 64 * 24 + 10
    x = torch.from_numpy(numbers("fp4", 0, n) ** 3 * 0.07)
    x[64:128] = 0
    x[128:192] = -x[128:192].abs()
    x[192:256] *= 1e-12
    x[256:256 + 16] = F.get_4bit_type("fp4", "cpu") * 0.5      # the halves between codes, and what is beside them
    x[256 + 16] = 0.5
    x[64 * 24:64 * 24 + 2] = torch.tensor([0.515625, -0.30078125])      # divided by the largest this is half-way, times its inverse it is not
    out = {"weight": x.bfloat16()}
    for name, twice in (("", False), ("dq_", True)):
        packed, state = F.quantize_4bit(out["weight"], compress_statistics=twice, quant_type="fp4")
        out[name + "packed"], out[name + "absmax"] = packed.flatten(), state.absmax
        out[name + "dequantized"] = F.dequantize_4bit(packed, state)
        if twice:
            out |= {"dq_nested_absmax": state.state2.absmax, "dq_nested_code": state.state2.code, "dq_offset": state.offset.reshape(1)}
    save_file(out, path)


def schedules():
    out = []
    for name, warmup, steps, kwargs in SCHEDULES:
        adam = torch.optim.AdamW([torch.nn.Parameter(torch.zeros(1))], lr=RATE)
        rates = []
        try:
            schedule = transformers.get_scheduler(name, adam, warmup, steps, scheduler_specific_kwargs=kwargs)
        except (TypeError, ValueError):         # not in this version, or not so
            schedule = None
        for _ in range(steps if schedule else 0):
            rates.append(adam.param_groups[0]["lr"])
            adam.step()
            schedule.step()
        out.append({"name": name, "warmup": warmup, "kwargs": kwargs, "rates": rates})
    return out


# group_by_length: samples, samples of a step
GROUPED = [(3, 2), (10, 1), (50, 3), (430, 2)]


def lengths_of(n):
    """Of samples that C makes alike; the longest once."""
    return [60 if i == n * 2 // 3 else (i * i * 7 + i * 13) % 41 + 2 for i in range(n)]


def grouped():
    """What transformers makes of samples that its random permutation left in order."""
    from transformers.trainer_pt_utils import get_length_grouped_indices
    shuffle, torch.randperm = torch.randperm, lambda n, generator=None: torch.arange(n)
    try:
        return [{"n": n, "per_step": k, "order": get_length_grouped_indices(lengths_of(n), k)} for n, k in GROUPED]
    finally:
        torch.randperm = shuffle


def truth(source, name):
    folder, lora, how = (list(ROWS[name]) + [{}])[:3]
    if how.get("old") and int(transformers.__version__.split(".")[0]) >= 5:
        return None
    try:
        AutoConfig.from_pretrained(os.path.join(source, "tests/golden", folder))
        model = load(source, folder, lora, how)
        optimiser_class(how)
    except (ImportError, ValueError, KeyError, AttributeError, TypeError) as e:
        print(f"# {name}: {str(e).splitlines()[0][:100]}")
        return None
    params = trained(model)
    groups = [{"params": [p for n, p in params.items() if decays(n) == d], "weight_decay": DECAY * d} for d in (True, False)]
    adam = optimiser_class(how)([g for g in groups if g["params"]], lr=RATE, betas=(0.9, 0.999), eps=1e-8)
    out = {"name": name, "model": folder, "lora": dict(lora, r=4, lora_alpha=8), "smoothing": how.get("smoothing", 0.0),
           "states8": how.get("states8", False), "int8": how.get("int8", False), "steps": []}
    if how.get("balance"):
        out["balance"] = how["balance"]
    out |= {k: how[k] for k in ("optim", "optim_args") if k in how}
    if how.get("fp4"):
        out["fp4"] = "double" if how["fp4"]["bnb_4bit_use_double_quant"] else "single"
    try:
        train(model, params, adam, how, out)
    except (RuntimeError, TypeError, AttributeError, ValueError) as e:      # what this version does not run
        print(f"# {name}: {str(e).splitlines()[0][:100]}")
        return None
    return out, model


def train(model, params, adam, how, out):
    for step in range(STEPS):
        for g in adam.param_groups:
            g["lr"] = RATE * (1 - step / STEPS)
        adam.zero_grad()
        rows = rows_of(step, model.config.vocab_size)
        loss = balanced_loss(model, rows, how["balance"]) if how.get("balance") else loss_of(model, rows, how.get("smoothing", 0))
        loss.backward()
        norm = torch.sqrt(sum((p.grad.double() ** 2).sum() for p in params.values()))
        if step == 0:
            out["gradients"] = {n: sketch(n, p.grad) for n, p in params.items()}
        torch.nn.utils.clip_grad_norm_(params.values(), 1.0)
        adam.step()
        out["steps"].append({"loss": loss.item(), "grad_norm": norm.item()})
    out["trained"] = {n: sketch(n, p) for n, p in params.items()}


def round9(x):
    if isinstance(x, float):
        return float(f"{x:.8g}")
    if isinstance(x, list):
        return [round9(v) for v in x]
    return {k: round9(v) for k, v in x.items()} if isinstance(x, dict) else x


def record(source, names):
    path = os.path.join(source, "tests/golden/tune/expected.json")
    before = json.load(open(path)) if os.path.exists(path) else {"rows": []}
    have = {r["name"]: r for r in before["rows"]}
    codes = codes8() if importlib.util.find_spec("bitsandbytes") else before["codes8"]
    if importlib.util.find_spec("bitsandbytes"):
        fp4_parts(os.path.join(source, "tests/golden/tune/fp4.safetensors"))
    for name in names:
        made = truth(source, name)
        if made:
            have[name] = dict(round9(made[0]), made_with=f"transformers {transformers.__version__}")
    rates = schedules() if int(transformers.__version__.split(".")[0]) > 4 else before["schedules"]      # 4 drops inverse_sqrt's timescale
    out = {"codes8": codes, "schedules": rates, "grouped": grouped(), "rows": [have[n] for n in ROWS if n in have]}
    with open(path, "w") as f:
        json.dump(out, f, separators=(",", ":"))


# --- the installed peers beside the record ---------------------------------------------------------------------------------------------------

def apart(a, b):
    """The largest difference of two trees of numbers, relative to the first number of each list (a length) or to the number itself."""
    if isinstance(a, dict):
        return max((apart(a[k], b[k]) for k in a), default=0.0) if set(a) == set(b) else float("inf")
    if isinstance(a, list):
        if a and isinstance(a[0], dict):
            return max(apart(x, y) for x, y in zip(a, b))
        return max(abs(x - y) for x, y in zip(a, b)) / (abs(a[0]) + 1e-9)
    return abs(a - b) / (abs(a) + 1e-9)


def compare(source, names):
    """PEFT and transformers as they are installed still say what was recorded, whatever their version."""
    want = json.load(open(os.path.join(source, "tests/golden/tune/expected.json")))
    print(f"1..{len(names) + 2}")
    # transformers 4 drops inverse_sqrt's timescale
    known = [(x, y) for x, y in zip(want["schedules"], schedules()) if y["rates"] and "timescale" not in x["kwargs"] or int(transformers.__version__.split(".")[0]) > 4]
    far = max(max(abs(a - b) for a, b in zip(x["rates"], y["rates"])) for x, y in known)
    print(f"{'ok' if far < 1e-9 else 'not ok'} 1 - learning rates of get_scheduler")
    print(f"{'ok' if want['grouped'] == grouped() else 'not ok'} 2 - group_by_length")
    for i, name in enumerate(names, 3):
        row = next(r for r in want["rows"] if r["name"] == name)
        made = truth(source, name)
        if not made:
            print(f"ok {i} - {name} # SKIP not with these versions")
            continue
        far = max(apart(row["steps"], made[0]["steps"]), apart({n: v for n, v in row["gradients"].items() if not noisy(n)},
                                                               {n: v for n, v in made[0]["gradients"].items() if not noisy(n)}))
        print(f"{'ok' if far < 1e-3 else 'not ok'} {i} - {name} (within {far:.1e})", flush=True)


def noisy(name):
    """A key's bias moves all scores of a query alike where it is not rotated: its gradient is rounding."""
    return "k_proj" in name and name.endswith("bias")


def main():
    if sys.argv[1] == "--record":
        record(sys.argv[2], [n for n in sys.argv[3:] if n != "-"] or ([] if "-" in sys.argv else list(ROWS)))
    else:
        compare(sys.argv[1], sys.argv[2:] or list(ROWS))


if __name__ == "__main__":
    main()
