"""
A QLoRA tuning of the stand-in in PyTorch, to choose the model's size, the data set's size and the training arguments, and to have a
peer for the native trainer: NF4 with double quantisation, whole-sequence loss, AdamW, linear decay.

    python simulate_tuning.py --model ../../examples/standin/model --data ../../examples/standin --epochs 3 --batch 8 --lr 2e-3
"""
import argparse
import glob
import json
import math
import time

import pyarrow.parquet as pq
import torch
from transformers import AutoTokenizer, Phi3ForCausalLM

CODE = torch.tensor([-1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635, -0.18477343022823334,
                     -0.09105003625154495, 0.0, 0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224,
                     0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1.0])
TARGETS = "qkv_proj,o_proj,gate_up_proj,down_proj"


def dynamic_map():
    out = [0.0, 1.0]
    for e in range(7):
        p = torch.linspace(0.1, 1, 2 ** e + 1, dtype=torch.float64)
        mid = (p[:-1] + p[1:]) / 2 * 10 ** (e - 6)
        out += (mid.tolist() + (-mid).tolist())
    return torch.tensor(sorted(out))


def nearest(x, table):
    mids = (table[1:] + table[:-1]) / 2
    return torch.bucketize(x, mids)


def nf4(w, double=True):
    """What the quantised weight reads back as."""
    b = w.float().reshape(-1, 64)
    amax = b.abs().amax(1)
    codes = nearest(b / amax[:, None], CODE)
    if double:
        mean, table = amax.mean(), dynamic_map()
        v = amax - mean
        pad = torch.nn.functional.pad(v, (0, -len(v) % 256)).reshape(-1, 256)
        top = pad.abs().amax(1)
        amax = (table[nearest(pad / top[:, None], table)] * top[:, None]).reshape(-1)[:len(v)] + mean
    return (CODE[codes] * amax[:, None]).reshape(w.shape).to(torch.bfloat16)


class Lora(torch.nn.Module):
    def __init__(self, lin, r, alpha, quantise, compute):
        super().__init__()
        w = nf4(lin.weight) if quantise else lin.weight.data.to(torch.bfloat16)
        self.register_buffer("w", w.to(compute))
        self.a = torch.nn.Parameter(torch.empty(r, w.shape[1]).uniform_(-1, 1) / math.sqrt(w.shape[1]))
        self.b = torch.nn.Parameter(torch.zeros(w.shape[0], r))
        self.scale, self.compute = alpha / r, compute

    def forward(self, x):
        y = torch.nn.functional.linear(x.to(self.compute), self.w).to(x.dtype)
        return y + self.scale * torch.nn.functional.linear(torch.nn.functional.linear(x, self.a), self.b)


def load(path, r, alpha, targets, quantise=True, compute=torch.float32):
    model = Phi3ForCausalLM.from_pretrained(path, torch_dtype=torch.float32, attn_implementation="sdpa")
    for p in model.parameters():
        p.requires_grad_(False)
    for layer in model.model.layers:
        for parent in (layer.self_attn, layer.mlp):
            for name, lin in list(parent.named_children()):
                if isinstance(lin, torch.nn.Linear):
                    if name in targets:
                        setattr(parent, name, Lora(lin, r, alpha, quantise, compute))
                    elif quantise:
                        lin.weight.data = nf4(lin.weight).float()
    return model


def ask(model, tok, question, limit=32):
    text = tok.apply_chat_template([{"role": "user", "content": question}], tokenize=False, add_generation_prompt=True)
    ids = tok(text, add_special_tokens=False, return_tensors="pt")["input_ids"]
    out = model.generate(ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=limit)
    return tok.decode(out[0, ids.shape[1]:], skip_special_tokens=True)


def right(answer, q):
    return all(k in answer for k in q["keywords"])


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--model", required=True)
    ap.add_argument("--data", required=True)
    ap.add_argument("--epochs", type=float, default=3)
    ap.add_argument("--batch", type=int, default=8)
    ap.add_argument("--lr", type=float, default=2e-3)
    ap.add_argument("--r", type=int, default=16)
    ap.add_argument("--alpha", type=float, default=32)
    ap.add_argument("--targets", default=TARGETS)
    ap.add_argument("--mask-eos", action="store_true", help="mask <|endoftext|> as a pad, as upstream's collator does")
    ap.add_argument("--bf16", action="store_true", help="multiply in bf16 as bnb_4bit_compute_dtype: bfloat16 says")
    ap.add_argument("--max-steps", type=int, default=0)
    ap.add_argument("--seed", type=int, default=42)
    ap.add_argument("--ask", nargs="*", default=[])
    ap.add_argument("--wrong", action="store_true", help="print the wrong answers")
    a = ap.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(a.seed)
    tok = AutoTokenizer.from_pretrained(a.model)
    rows = pq.read_table(glob.glob(a.data + "/data/*.parquet")[0]).to_pylist()
    ids = [tok.apply_chat_template(x["messages"]) for x in rows]
    tokens = sum(map(len, ids))
    per_epoch = math.ceil(len(ids) / a.batch)
    total = a.max_steps or math.ceil(a.epochs * per_epoch)
    print(f"{len(ids)} rows, {tokens} tokens ({tokens / len(ids):.1f} a row), {per_epoch} steps an epoch, {total} steps")
    questions = json.load(open(a.data + "/questions.json"))["questions"]
    model = load(a.model, a.r, a.alpha, a.targets.split(","), compute=torch.bfloat16 if a.bf16 else torch.float32)
    base = [ask(model, tok, q["question"]) for q in questions]
    print(f"base: {sum(map(right, base, questions))} of {len(questions)} right; e.g. {base[0]!r}")
    params = [p for p in model.parameters() if p.requires_grad]
    print("LoRA parameters", sum(p.numel() for p in params))
    opt = torch.optim.AdamW(params, lr=a.lr, weight_decay=0.0)
    pad, step, losses, start = tok.pad_token_id, 0, [], time.time()
    model.train()
    while step < total:
        for at in torch.randperm(len(ids)).split(a.batch):
            if step == total:
                break
            batch = [ids[i] for i in at]
            width = max(map(len, batch))
            x = torch.tensor([b + [pad] * (width - len(b)) for b in batch])
            y = torch.tensor([b + [-100] * (width - len(b)) for b in batch])
            if a.mask_eos:
                y[y == pad] = -100
            for g in opt.param_groups:
                g["lr"] = a.lr * (total - step) / total
            logits = model(input_ids=x, use_cache=False).logits
            loss = torch.nn.functional.cross_entropy(logits[:, :-1].flatten(0, 1), y[:, 1:].flatten(), ignore_index=-100)
            opt.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(params, 1.0)
            opt.step()
            losses.append(loss.item())
            step += 1
            if step % max(1, total // 8) == 0:
                print(f"step {step} loss {sum(losses[-20:]) / len(losses[-20:]):.3f} {time.time() - start:.1f}s", flush=True)
    took = time.time() - start
    model.eval()
    tuned = [ask(model, tok, q["question"]) for q in questions]
    n = sum(map(right, tuned, questions))
    print(f"loss {losses[0]:.3f} (first 10: {sum(losses[:10]) / 10:.3f}) -> {sum(losses[-10:]) / 10:.3f}; {took:.1f}s; tuned: {n} of {len(questions)} right")
    for q, s in zip(questions, tuned):
        if a.wrong and not right(s, q):
            print("  wrong:", q["question"], "->", s)
    for q in a.ask:
        print(q, "->", ask(model, tok, q))


if __name__ == "__main__":
    main()
