"""
tune_random.py KAITO_RUNTIME [--seeds 1-40,77] [--keep DIR] [--show]: `kaito-runtime tune` beside transformers' Trainer with PEFT (and bitsandbytes where it
is installed) on random models, adapters, data and settings of tune_cases.py, in f32 on the CPU. Prints TAP, a line per seed.

Both begin with the same adapter (PEFT's, saved by PEFT) and see the same rows in the same order. Compared: every step's loss, norm and learning
rate, every evaluation loss, the final adapter tensor by tensor, and what both write into adapter_config.json.
"""
import argparse
import collections
import logging
import json
import math
import os
import subprocess
import sys
import tempfile
import traceback
import warnings

os.environ["TORCHDYNAMO_DISABLE"] = "1"         # bitsandbytes would compile what runs once

import torch
import transformers
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file
from transformers import PrinterCallback, Trainer, TrainerCallback, TrainingArguments

from tune_cases import draw

LOSS, NORM, ADAPTER = 1e-4, 1e-4, 1e-3          # relative
MOVED = 4           # or so many times what the peer itself moves by when the last bits of its weights do
MODERN = int(transformers.__version__.split(".")[0]) >= 5
MASK = (1 << 64) - 1


class Absent(Exception):
    """What the installed versions do not have."""


# --- what both sides read ------------------------------------------------------------------------------------------------------------------

def fill(model, seed):
    """Norm weights around what the class starts with, everything else wide enough that every part shows."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, p in model.named_parameters():
            noise = torch.randn(p.shape, generator=generator)
            if p.dim() > 1:
                p.copy_(noise * (1.2 / p.shape[-1] ** 0.5 if "embed" not in name else 1.0))
            else:
                p.add_(0.3 * noise)


def model_class(case):
    cls = getattr(transformers, case["kind"].replace("Text", "") + "ForCausalLM", None)
    if cls is None or not hasattr(transformers, case["kind"] + "Config"):
        raise Absent(f"no {case['kind']}")
    return cls


def write_model(case, folder):
    cls = model_class(case)
    config = getattr(transformers, case["kind"] + "Config")(**case["model"])
    torch.manual_seed(case["seed"])
    model = cls(config)
    fill(model, case["seed"])
    model.to(getattr(torch, case["write"])).save_pretrained(folder)
    words = {f"t{i}": i for i in range(case["model"]["vocab_size"])}
    with open(os.path.join(folder, "tokenizer.json"), "w") as f:
        json.dump({"version": "1.0", "added_tokens": [], "normalizer": None, "pre_tokenizer": {"type": "Whitespace"}, "post_processor": None, "decoder": None,
                   "model": {"type": "WordLevel", "vocab": words, "unk_token": "t1"}}, f)


def load_model(case, folder, low=False):
    """low: with products in bf16, as upstream's configuration has it."""
    more, dtype = {}, torch.bfloat16 if low else torch.float32
    if case["quant"]:
        try:
            import bitsandbytes  # noqa: F401
        except ImportError as e:
            raise Absent("no bitsandbytes") from e
        more = dict(quantization_config=transformers.BitsAndBytesConfig(**case["quant"], **({"bnb_4bit_compute_dtype": dtype} if "load_in_4bit" in case["quant"] else {})),
                    device_map={"": "cpu"})
    falcon = case["kind"] == "Falcon"           # its eager attention adds ALiBi twice
    if MODERN and case["kind"] == "Mixtral":
        more["experts_implementation"] = "eager"        # the default wants sizes that are multiples of 16 bytes
    return model_class(case).from_pretrained(folder, torch_dtype=dtype, attn_implementation="sdpa" if falcon else "eager", **more)


def with_adapter(case, base, folder):
    torch.manual_seed(case["seed"])
    model = get_peft_model(base, LoraConfig(task_type="CAUSAL_LM", init_lora_weights=False, **case["lora"]))
    with torch.no_grad():
        for name, p in model.named_parameters():
            if "lora_embedding" in name:
                p.mul_(0.2)
    model.save_pretrained(folder)
    return model


# --- the peer ------------------------------------------------------------------------------------------------------------------------------

def order(n, seed, epoch):
    """src/dataset/examples.c."""
    state = seed

    def mix():
        nonlocal state
        state = z = (state + 0x9E3779B97F4A7C15) & MASK
        z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 & MASK
        z = (z ^ z >> 27) * 0x94D049BB133111EB & MASK
        return z ^ z >> 31

    state = mix() ^ (epoch + 1) * 0xD1342543DE82EF95 & MASK
    out = list(range(n))
    for i in range(n, 1, -1):
        k = mix() % i
        out[i - 1], out[k] = out[k], out[i - 1]
    return out


def cut(case, row):
    n = case["max_length"]
    part = slice(-n, None) if case["keep_end"] else slice(0, n)
    return {k: v[part] for k, v in row.items()}


def packed(rows, length):
    """Samples of rows, as TRL's best-fit decreasing makes them."""
    bins, spaces = [], {}
    for row in sorted(rows, key=lambda r: -len(r["input_ids"])):
        want = len(row["input_ids"])
        fitting = [s for s, waiting in spaces.items() if s >= want and waiting]
        space = min(fitting) if fitting else length
        i = spaces[space].pop(0) if fitting else len(bins)
        if not fitting:
            bins.append([])
        bins[i].append(row)
        spaces.setdefault(space - want, []).append(i) if space > want else None
    return bins


def split(case):
    """Samples to train on, and held out: lists of rows."""
    rows = [cut(case, r) for r in case["rows"]]
    held = math.ceil(len(rows) * (1 - case["split"]) - 1e-9)
    out = set(order(len(rows), case["train"]["seed"], 0)[:held])
    parts = [[r for i, r in enumerate(rows) if (i in out) == wanted] for wanted in (False, True)]
    return [packed(p, case["max_length"]) if case["pack"] else [[r] for r in p] for p in parts]


def collate(pad):
    def together(samples):
        items = [row for sample in samples for row in sample]
        width = max(len(i["input_ids"]) for i in items)
        fit = lambda v, x: v + [x] * (width - len(v))
        return {"input_ids": torch.tensor([fit(i["input_ids"], pad) for i in items]), "labels": torch.tensor([fit(i["labels"], -100) for i in items]),
                "attention_mask": torch.tensor([fit([1] * len(i["input_ids"]), 0) for i in items])}
    return together


class Ordered(torch.utils.data.Sampler):
    def __init__(self, n, seed):
        self.n, self.seed, self.epoch = n, seed, 0

    def __len__(self):
        return self.n

    def set_epoch(self, epoch):
        self.epoch = epoch

    def __iter__(self):
        picked = list(range(self.n)) if self.seed is None else order(self.n, self.seed, self.epoch)
        self.epoch += 1
        return iter(picked)


class Peer(Trainer):
    seed_of_order = None

    def _get_train_sampler(self, *_):
        return Ordered(len(self.train_dataset), self.seed_of_order)

    def get_batch_samples(self, *args, **kwargs):
        batches, labels = super().get_batch_samples(*args, **kwargs)
        return batches, labels if MODERN else sum((b["labels"][:, 1:] >= 0).sum() for b in batches)

    def training_step(self, *args, **kwargs):
        self.rate = self.optimizer.param_groups[0]["lr"]        # of this step; older versions log the next one's
        loss = super().training_step(*args, **kwargs)
        self.micro.append(loss.item())
        return loss


def loss_of(smoothing):
    """The newer Trainer's loss, for those that divide by other counts."""
    def loss(outputs, labels, num_items_in_batch=None):
        logp = torch.log_softmax(outputs["logits"][:, :-1].float(), -1)
        target = labels[:, 1:]
        learnt = target >= 0
        nll = -logp.gather(-1, target.clamp_min(0)[..., None])[..., 0][learnt].sum()
        return ((1 - smoothing) * nll - smoothing * logp.mean(-1)[learnt].sum()) / (num_items_in_batch or learnt.sum())
    return loss


def for_old(case):
    """Without what transformers 4's Trainer does otherwise: accumulation, and checkpointing below frozen embeddings."""
    if not MODERN and (case["lora"]["bias"] != "none" or "longrope" in str(case["model"])):
        raise Absent("older versions save no biases beside LoRA, and choose other LongRoPE factors")
    return case if MODERN else dict(case, train=dict(case["train"], gradient_accumulation_steps=1, gradient_checkpointing=False))


class Steps(TrainerCallback):
    """Losses unrounded, as older versions round what they log."""

    def __init__(self, trainer):
        self.trainer, self.rows, self.evals = trainer, [], []

    def on_step_end(self, args, state, control, **_):
        self.rows.append({"step": state.global_step, "loss": sum(self.trainer.micro), "learning_rate": self.trainer.rate})
        self.trainer.micro = []

    def on_log(self, args, state, control, logs=None, **_):
        if "eval_loss" in logs:
            self.evals.append((state.global_step, logs["eval_loss"]))
        elif self.rows and "learning_rate" in logs:
            self.rows[-1].update(grad_norm=logs.get("grad_norm"))


def arguments(case, folder, low):
    keys = dict(case["train"])
    if not MODERN and 0 < keys["warmup_steps"] < 1:
        keys["warmup_ratio"] = keys.pop("warmup_steps")
    if any(word in keys["optim"] for word in ("8bit", "paged", "lion")):
        try:
            import bitsandbytes  # noqa: F401
        except ImportError as e:
            raise Absent("no bitsandbytes") from e
    try:
        return TrainingArguments(output_dir=folder, use_cpu=True, report_to=[], save_strategy="no", logging_steps=1, disable_tqdm=True, bf16=low,
                                 dataloader_pin_memory=False, remove_unused_columns=False, **keys)
    except (ValueError, TypeError) as e:
        raise Absent(str(e).splitlines()[0][:100]) from e


def nearest_codes():
    """bitsandbytes' CPU kernel looks codes up in a table of equal steps; see tune_agrees.py."""
    import bitsandbytes.backends.cpu.ops as ops
    from tune_agrees import nearest_codes as exact
    ops._quant_blockwise_fp32_direct = exact


def train_peer(case, model, folder, low=False):
    args = arguments(case, folder, low)
    train, held = split(case)
    if "8bit" in case["train"]["optim"]:
        nearest_codes()
    pad = case["model"].get("pad_token_id", 0)
    trainer = Peer(model=model, args=args, train_dataset=train, eval_dataset=held or None, data_collator=collate(pad),
                   **({} if MODERN else {"compute_loss_func": loss_of(args.label_smoothing_factor)}))
    trainer.seed_of_order = case["train"]["seed"] if case["shuffle"] else None
    trainer.micro = []
    steps = Steps(trainer)
    trainer.remove_callback(PrinterCallback)
    trainer.add_callback(steps)
    trainer.train()
    model.save_pretrained(folder)
    return steps


# --- ours ----------------------------------------------------------------------------------------------------------------------------------

def our_config(case):
    train = {k: v for k, v in case["train"].items()}
    train.update(bf16=case["bf16"], logging_steps=1, save_strategy="no", max_length=case["max_length"], packing=case["pack"], truncation_mode="keep_end" if case["keep_end"] else "keep_start")
    quant = dict(case["quant"] or {})
    if "load_in_4bit" in quant:
        quant["bnb_4bit_compute_dtype"] = "bfloat16" if case["bf16"] else "float32"
    return {"training_config": {
        "ModelConfig": {"torch_dtype": "bfloat16" if case["bf16"] else "float32"}, "QuantizationConfig": quant, "LoraConfig": dict(case["lora"], init_lora_weights=False),
        "TrainingArguments": train,
        "DatasetConfig": {"shuffle_dataset": case["shuffle"], "train_test_split": case["split"], "shuffle_seed": case["train"]["seed"]}}}


def train_ours(runtime, case, folder):
    with open(os.path.join(folder, "config.yaml"), "w") as f:
        json.dump(our_config(case), f)
    with open(os.path.join(folder, "rows.jsonl"), "w") as f:
        f.writelines(json.dumps(r) + "\n" for r in case["rows"])
    done = subprocess.run([runtime, "tune", "--model", f"{folder}/model", "--config", f"{folder}/config.yaml", "--data", f"{folder}/rows.jsonl", "--output", f"{folder}/ours",
                           "--init-adapter", f"{folder}/init", "--threads", "1", "--memory", case.get("memory", "auto")], capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


# --- comparison ----------------------------------------------------------------------------------------------------------------------------

def far(a, b):
    return abs(a - b) / max(abs(b), 1e-7)


def history(folder):
    lines = [json.loads(line) for line in open(os.path.join(folder, "ours", "history.jsonl"))]
    return [x for x in lines if "loss" in x], [(x["step"], x["eval_loss"]) for x in lines if "eval_loss" in x]


def moves(a, b, key):
    """How far each step's number, or one before it, moves between two runs of the peer; 0 without a second one."""
    each = [far(y[key], x[key]) if y and x.get(key) is not None else 0.0 for x, y in zip(a.rows, b.rows if b else [None] * len(a.rows))]
    return [max(each[:i + 1]) for i in range(len(each))]


def compare_steps(case, peer, again, folder):
    rows, evals = history(folder)
    if len(rows) != len(peer.rows):
        return f"steps: {len(rows)}, the peer's {len(peer.rows)}"
    for key, within in (("loss", LOSS), ("grad_norm", NORM), ("learning_rate", 1e-6)):
        for ours, theirs, moved in zip(rows, peer.rows, moves(peer, again, key)):
            if theirs.get(key) is None:
                continue
            d = far(ours[key], theirs[key])
            if not d <= max(within, MOVED * moved):
                return f"{key} of step {ours['step']}: {ours[key]:.9g}, the peer's {theirs[key]:.9g} ({d:.2g}; it moves by {moved:.2g})"
    if len(evals) != len(peer.evals):
        return f"evaluations: {evals}, the peer's {peer.evals}"
    rounds = case["quant"] and "load_in_8bit" in case["quant"]          # bitsandbytes rounds activations in evaluation alone
    for i, ((s, a), (t, b)) in enumerate(zip(evals, peer.evals)):
        within = max(LOSS, MOVED * far(again.evals[i][1], b)) if again else 0.02 if rounds else LOSS
        if s != t or not (far(a, b) <= within or math.isnan(b)):
            return f"eval_loss of step {s}: {a:.9g}, the peer's {b:.9g} of step {t}"
    return None


def compare_adapters(case, folder, again):
    ours, theirs, init = (load_file(f"{folder}/{d}/adapter_model.safetensors") for d in ("ours", "peer", "init"))
    other = load_file(f"{folder}/disturbed/adapter_model.safetensors") if again else theirs
    extra = {n for n in theirs if n not in ours and ".modules_to_save." not in n and ".original_module." not in n and ".base_layer." not in n and not n.endswith(("embed_tokens.weight", "lm_head.weight", "word_embeddings.weight"))}
    if extra or [n for n in ours if n not in theirs]:
        return f"adapter: tensors {sorted(extra)[:3]} are the peer's alone, {sorted(n for n in ours if n not in theirs)[:3]} ours"
    for n in sorted(ours):
        a, b, c = ours[n].double(), theirs[n].double(), other[n].double()
        if a.shape != b.shape:
            return f"adapter: {n} {list(a.shape)}, the peer's {list(b.shape)}"
        d, moved = (((x - b).norm() / b.norm().clamp_min(1e-12)).item() for x in (a, c))
        if not d <= max(ADAPTER, MOVED * moved):
            way = (b - init[n].double()).norm() / b.norm() if n in init else float("nan")
            return f"adapter: {n} differs by {d:.2g} of its length (its way was {way:.2g}; it moves by {moved:.2g})"
    return None


def distance(a, b, of):
    """Of all of a's tensors from b's, in lengths of what `of` moved b by."""
    names = sorted(n for n in a if n in b and n in of)
    flat = lambda t: torch.cat([t[n].double().flatten() for n in names])
    return ((flat(a) - flat(b)).norm() / (flat(b) - flat(of)).norm().clamp_min(1e-12)).item()


def compare_low(folder, peer, peer_low):
    """With bf16 products: no farther from f32 than twice what the peer itself moves."""
    rows, _ = history(folder)
    if len(rows) != len(peer.rows):
        return f"steps: {len(rows)}, the peer's {len(peer.rows)}"
    moved = max(far(b["loss"], a["loss"]) for a, b in zip(peer.rows, peer_low.rows))
    ours = max(far(b["loss"], a["loss"]) for a, b in zip(peer.rows, rows))
    if not ours <= 2 * moved + 1e-3:
        return f"bf16: losses are {ours:.2g} from f32, the peer's {moved:.2g}"
    mine, low, full, init = (load_file(f"{folder}/{d}/adapter_model.safetensors") for d in ("ours", "low", "peer", "init"))
    ours, moved = distance(mine, full, init), distance(low, full, init)
    return None if ours <= 2 * moved + 0.02 else f"bf16: the adapter is {ours:.2g} of its way from f32, the peer's {moved:.2g}"


def compare_configs(case, folder):
    ours, theirs = (json.load(open(f"{folder}/{d}/adapter_config.json")) for d in ("ours", "peer"))
    for key in ours:
        a, b = ours[key], theirs.get(key)
        if key in ("base_model_name_or_path", "auto_mapping", "init_lora_weights", "megatron_core", "target_modules", "revision", "rank_pattern", "alpha_pattern"):
            continue
        if isinstance(a, list) and isinstance(b, list):
            a, b = sorted(a), sorted(b)
        if a != b and not (not a and not b):
            return f"adapter_config.json: {key} {ours[key]}, the peer's {theirs.get(key)}"
    return None


def compare_all(case, peer, again, folder):
    return compare_steps(case, peer, again, folder) or compare_adapters(case, folder, again) or compare_configs(case, folder)


def dense(module):
    """A 4-bit linear of bitsandbytes as the matrix that it multiplies by."""
    import bitsandbytes.functional as F
    out = torch.nn.Linear(module.in_features, module.out_features, bias=module.bias is not None)
    out.weight.data = F.dequantize_4bit(module.weight.data, module.weight.quant_state).float().reshape(out.weight.shape)
    if module.bias is not None:
        out.bias.data = module.bias.data.float()
    return out


def train_disturbed(case, folder):
    """The peer once more, with other last bits in the weights of its base; None where that cannot be."""
    try:
        base = load_model(case, os.path.join(folder, "model"))
        for name, module in list(base.named_modules()):
            if type(module).__name__ == "Linear4bit":
                base.set_submodule(name, dense(module))
        for attribute in ("is_loaded_in_4bit", "is_quantized", "hf_quantizer") if case["quant"] else ():
            setattr(base, attribute, None)
        torch.manual_seed(1)
        with torch.no_grad():
            for p in base.parameters():
                if p.dtype == torch.float32:
                    p.mul_(1 + 1e-7 * torch.randn_like(p))
        model = PeftModel.from_pretrained(base, os.path.join(folder, "init"), is_trainable=True)
        return train_peer(dict(case, quant=None), model, os.path.join(folder, "disturbed"))
    except Exception as e:
        print(f"# not once more: {type(e).__name__}: {str(e).splitlines()[0][:150]}")
        return None


def run(runtime, seed, folder, case=None):
    case = case or draw(seed)
    model_dir = os.path.join(folder, "model")
    try:
        write_model(case, model_dir)
        base = load_model(case, model_dir)
        model = with_adapter(case, base, os.path.join(folder, "init"))
        peer, error = train_peer(case, model, os.path.join(folder, "peer")), None
        peer_low = None
        if case["bf16"]:
            model = PeftModel.from_pretrained(load_model(case, model_dir, True), os.path.join(folder, "init"), is_trainable=True)
            peer_low = train_peer(case, model, os.path.join(folder, "low"), True)
    except Absent:
        raise
    except Exception as e:      # what the peer refuses, ours should refuse or do better
        if not MODERN:
            raise Absent(str(e).splitlines()[0][:100]) from e
        peer, error = None, f"{type(e).__name__}: {e}".splitlines()[0][:150]
        trace = traceback.format_exc()
        with open(os.path.join(folder, "trace"), "w") as f:
            f.write(trace)
    if not os.path.exists(os.path.join(folder, "init", "adapter_model.safetensors")):
        return "peer refuses", error
    code, said = train_ours(runtime, case, folder)
    if peer is None:
        return ("peer refuses", error) if code else ("peer refuses, ours trains", error)
    if any(math.isnan(r["loss"]) or (r.get("grad_norm") is not None and math.isnan(r["grad_norm"])) for r in peer.rows):
        return "peer is not a number", ""
    if code:
        return "ours refuses", said.strip().splitlines()[-1]
    if peer_low:
        problem = compare_low(folder, peer, peer_low)
        return ("differs", problem) if problem else ("ok", "")
    if not compare_all(case, peer, None, folder):
        return "ok", ""
    again = train_disturbed(case, folder)
    problem = compare_all(case, peer, again, folder)
    return ("differs", problem) if problem else ("ok, as far as the peer itself moves", "")


def seeds_of(text):
    out = []
    for part in text.split(","):
        first, _, last = part.partition("-")
        out += range(int(first), int(last or first) + 1)
    return out


def describe(case):
    t = case["train"]
    return f"{case['kind']}, {case['quant'] or case['write']}, {case['lora']['target_modules']}, {t['optim']}, {t['lr_scheduler_type']}"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("runtime")
    parser.add_argument("--seeds", default="1-24")
    parser.add_argument("--keep")
    parser.add_argument("--show", action="store_true")
    o = parser.parse_args()
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    for name in ("bitsandbytes", "torch"):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore")
    torch.set_num_threads(1)
    count = collections.Counter()
    seeds = seeds_of(o.seeds)
    print(f"1..{len(seeds)}", flush=True)
    for i, seed in enumerate(seeds, 1):
        case = draw(seed)
        if o.show:
            print(f"# {json.dumps({k: v for k, v in case.items() if k != 'rows'})}")
        with tempfile.TemporaryDirectory() as scratch:
            folder = os.path.join(o.keep, str(seed)) if o.keep else scratch
            os.makedirs(folder, exist_ok=True)
            try:
                verdict, why = run(o.runtime, seed, folder, for_old(case))
            except Absent as e:
                verdict, why = "absent", str(e)
        count[verdict] += 1
        name = f"seed {seed}: {describe(case)}"
        if verdict in ("absent", "peer refuses", "peer is not a number"):
            print(f"ok {i} - {name} # SKIP {verdict}: {why}", flush=True)
        else:
            print(f"{'ok' if verdict.startswith('ok') else 'not ok'} {i} - {name}" + (f"\n# {verdict}: {why}" if why else ""), flush=True)
    print("# " + ", ".join(f"{n} {v}" for v, n in count.most_common()))


if __name__ == "__main__":
    main()
