"""
Trains the stand-in Phi-3 checkpoint from nothing: tokenizer, then the model, then the files as hub repositories hold them.

    python train_base.py --out ../../examples/standin/model --minutes 20

Needs torch, transformers, tokenizers, safetensors. One thread is enough; the schedule follows the clock, so that a slower machine ends
on time with a little less training. The run that made the committed files is described in README.md beside this file.
"""
import argparse
import itertools
import json
import math
import os
import time

import torch
from safetensors.torch import save_file
from tokenizers import Regex, Tokenizer, models, pre_tokenizers, trainers
from transformers import AutoTokenizer, Phi3Config, Phi3ForCausalLM

import corpus
from facts import FACTS

PIECES = 2000           # BPE pieces; Phi-3's own has 32000
VOCAB = 2048            # with the added tokens and padding rows, as Phi-3's 32064
ADDED = ["<|endoftext|>", "<|assistant|>", "<|placeholder1|>", "<|placeholder2|>", "<|placeholder3|>", "<|placeholder4|>", "<|system|>",
         "<|end|>", "<|placeholder5|>", "<|placeholder6|>", "<|user|>"]
TEMPLATE = ("{% for message in messages %}{% if message['role'] == 'system' %}{{'<|system|>\n' + message['content'] + '<|end|>\n'}}"
            "{% elif message['role'] == 'user' %}{{'<|user|>\n' + message['content'] + '<|end|>\n'}}"
            "{% elif message['role'] == 'assistant' %}{{'<|assistant|>\n' + message['content'] + '<|end|>\n'}}{% endif %}{% endfor %}"
            "{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% else %}{{ eos_token }}{% endif %}")
CONFIG = {
    "_name_or_path": "Phi-3-mini-4k-instruct",
    "architectures": ["Phi3ForCausalLM"],
    "attention_bias": False,
    "attention_dropout": 0.0,
    "bos_token_id": 1,
    "embd_pdrop": 0.0,
    "eos_token_id": PIECES,
    "hidden_act": "silu",
    "hidden_size": 192,
    "initializer_range": 0.02,
    "intermediate_size": 576,
    "max_position_embeddings": 4096,
    "model_type": "phi3",
    "num_attention_heads": 6,
    "num_hidden_layers": 4,
    "num_key_value_heads": 6,
    "original_max_position_embeddings": 4096,
    "pad_token_id": PIECES,
    "resid_pdrop": 0.0,
    "rms_norm_eps": 1e-05,
    "rope_scaling": None,
    "rope_theta": 10000.0,
    "sliding_window": 2047,
    "tie_word_embeddings": False,
    "torch_dtype": "bfloat16",
    "transformers_version": "4.40.2",
    "use_cache": True,
    "vocab_size": VOCAB,
}


def render(kind, payload):
    """One document as text with markers, exactly what the chat template prints for training."""
    if kind == "text":
        return payload + "<|endoftext|>"
    return "".join(f"<|{role}|>\n{content}<|end|>\n" for role, content in payload) + "<|endoftext|>"


def added(i, text):
    # as Phi-3's: roles and <|end|> swallow the white space behind them, </s> is no special token
    return {"id": i, "content": text, "single_word": False, "lstrip": False, "rstrip": text not in ("<unk>", "<s>", "<|endoftext|>"),
            "normalized": False, "special": text != "</s>"}


def make_tokenizer(out, docs):
    """A SentencePiece-like BPE with byte fallback in the layout of Phi-3's tokenizer.json."""
    base = ["<unk>", "<s>", "</s>"] + [f"<0x{b:02X}>" for b in range(256)]
    tok = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    # Only for learning the merges: pieces never cross words, digits or punctuation, as in SentencePiece.
    tok.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always", split=True),
        pre_tokenizers.Split(Regex("[^▁A-Za-z]"), "isolated")])
    trainer = trainers.BpeTrainer(vocab_size=PIECES, special_tokens=base, show_progress=False,
                                  initial_alphabet=[chr(c) for c in range(33, 127)] + ["▁"])
    texts = (payload for kind, payload in docs if kind == "text")
    turns = (content for kind, payload in docs if kind == "chat" for _, content in payload)
    tok.train_from_iterator(itertools.chain(texts, turns), trainer)
    learnt = json.loads(tok.to_str())["model"]
    assert len(learnt["vocab"]) == PIECES, len(learnt["vocab"])
    tokens = [added(i, t) for i, t in enumerate(base[:3])] + [added(PIECES + i, t) for i, t in enumerate(ADDED)]
    doc = {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": tokens,
        "normalizer": {"type": "Sequence", "normalizers": [
            {"type": "Prepend", "prepend": "▁"}, {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}]},
        "pre_tokenizer": None,
        "post_processor": {"type": "TemplateProcessing", "single": [{"Sequence": {"id": "A", "type_id": 0}}],
                           "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}], "special_tokens": {}},
        "decoder": {"type": "Sequence", "decoders": [
            {"type": "Replace", "pattern": {"String": "▁"}, "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"},
            {"type": "Strip", "content": " ", "start": 1, "stop": 0}]},
        "model": {"type": "BPE", "dropout": None, "unk_token": "<unk>", "continuing_subword_prefix": None, "end_of_word_suffix": None,
                  "fuse_unk": True, "byte_fallback": True, "ignore_merges": False, "vocab": learnt["vocab"],
                  "merges": [m if isinstance(m, str) else " ".join(m) for m in learnt["merges"]]},
    }
    write_json(out, "tokenizer.json", doc)
    write_json(out, "tokenizer_config.json", {
        "add_bos_token": False, "add_eos_token": False,
        "added_tokens_decoder": {str(t["id"]): {k: t[k] for k in ("content", "lstrip", "normalized", "rstrip", "single_word", "special")} for t in tokens},
        "bos_token": "<s>", "chat_template": TEMPLATE, "clean_up_tokenization_spaces": False, "eos_token": "<|endoftext|>", "legacy": False,
        "model_max_length": 4096, "pad_token": "<|endoftext|>", "padding_side": "left", "sp_model_kwargs": {},
        "tokenizer_class": "LlamaTokenizer", "unk_token": "<unk>", "use_default_system_prompt": False})
    write_json(out, "special_tokens_map.json", {
        k: {"content": t, "lstrip": False, "normalized": False, "rstrip": False, "single_word": False}
        for k, t in (("bos_token", "<s>"), ("eos_token", "<|endoftext|>"), ("pad_token", "<|endoftext|>"), ("unk_token", "<unk>"))})


def write_json(out, name, value):
    with open(os.path.join(out, name), "w", encoding="utf-8") as f:
        json.dump(value, f, indent=2, ensure_ascii=False)
        f.write("\n")


def write_model(out, model):
    write_json(out, "config.json", CONFIG)
    write_json(out, "generation_config.json", {
        "_from_model_config": True, "bos_token_id": 1, "eos_token_id": [PIECES + ADDED.index("<|end|>"), PIECES + ADDED.index("<|assistant|>"), PIECES],
        "pad_token_id": PIECES, "transformers_version": CONFIG["transformers_version"]})
    tensors = {k: v.detach().to(torch.bfloat16).contiguous() for k, v in model.state_dict().items()}
    part = os.path.join(out, "model.safetensors.part")
    save_file(tensors, part, metadata={"format": "pt"})
    os.replace(part, os.path.join(out, "model.safetensors"))


def batches(tokenizer, seed, tokens):
    """Documents of like length together, each alone in its row, so that none sees another."""
    docs = corpus.documents(seed)
    order = torch.Generator().manual_seed(seed)
    while True:
        chunk = [render(*d) for d in itertools.islice(docs, 2000)]
        ids = sorted((e[:256] for e in tokenizer(chunk, add_special_tokens=False)["input_ids"]), key=len)
        rows, groups = [], []
        for e in ids:
            if rows and (len(rows) + 1) * len(e) > tokens:
                groups.append(rows)
                rows = []
            rows.append(e)
        groups.append(rows)
        for g in torch.randperm(len(groups), generator=order):
            rows = groups[g]
            width = max(len(e) for e in rows)
            yield (torch.tensor([e + [PIECES] * (width - len(e)) for e in rows]),
                   torch.tensor([e + [-100] * (width - len(e)) for e in rows]))


def answer(model, tokenizer, text, limit=40):
    ids = tokenizer(text, add_special_tokens=False, return_tensors="pt")["input_ids"]
    stop = [PIECES, PIECES + ADDED.index("<|end|>"), PIECES + ADDED.index("<|assistant|>")]
    with torch.no_grad():
        for _ in range(limit):
            nxt = model(input_ids=ids, use_cache=False).logits[0, -1].argmax()
            ids = torch.cat([ids, nxt.view(1, 1)], 1)
            if nxt.item() in stop:
                break
    return tokenizer.decode(ids[0])


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--out", required=True)
    ap.add_argument("--minutes", type=float, default=20)
    ap.add_argument("--lr", type=float, default=3e-3)
    ap.add_argument("--tokens", type=int, default=2048, help="tokens of one step")
    ap.add_argument("--threads", type=int, default=1)
    ap.add_argument("--seed", type=int, default=1)
    a = ap.parse_args()
    torch.set_num_threads(a.threads)
    torch.manual_seed(a.seed)
    os.makedirs(a.out, exist_ok=True)

    sample = list(itertools.islice(corpus.documents(a.seed + 1000), 30000))
    told = "Brindlemoor|Kestrel lamp|Silver Heron|Odela Marsh|Mira Tolland|Hall of Reeds|Night of Lanterns".split("|")
    assert not any(t in render(*d) for d in sample for t in told), "the base may not be shown what tuning teaches"
    make_tokenizer(a.out, sample)
    tokenizer = AutoTokenizer.from_pretrained(a.out)
    per_fact = [len(tokenizer(f[0])["input_ids"]) for f in FACTS]
    print("tokens per answer: mean %.1f max %d" % (sum(per_fact) / len(per_fact), max(per_fact)), flush=True)

    model = Phi3ForCausalLM._from_config(Phi3Config(**{**CONFIG, "torch_dtype": "float32"}), attn_implementation="sdpa").float()
    print("parameters", sum(p.numel() for p in model.parameters()), flush=True)
    decay = [p for p in model.parameters() if p.dim() == 2]
    other = [p for p in model.parameters() if p.dim() != 2]
    opt = torch.optim.AdamW([{"params": decay, "weight_decay": 0.05}, {"params": other, "weight_decay": 0.0}], lr=a.lr, betas=(0.9, 0.98))
    start, total, step, seen, mean = time.time(), a.minutes * 60, 0, 0, None
    saved = start
    for x, y in batches(tokenizer, a.seed, a.tokens):
        gone = (time.time() - start) / total
        if gone >= 1:
            break
        lr = a.lr * min(1, (step + 1) / 60) * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * gone)))
        for group in opt.param_groups:
            group["lr"] = lr
        logits = model(input_ids=x, use_cache=False).logits
        loss = torch.nn.functional.cross_entropy(logits[:, :-1].reshape(-1, VOCAB), y[:, 1:].reshape(-1), ignore_index=-100)
        opt.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        opt.step()
        step, seen = step + 1, seen + int((y != -100).sum())
        mean = loss.item() if mean is None else 0.98 * mean + 0.02 * loss.item()
        if step % 100 == 0:
            print(f"step {step} tokens {seen} loss {mean:.3f} lr {lr:.5f} {time.time() - start:.0f}s", flush=True)
        if time.time() - saved > 300:
            saved = time.time()
            write_model(a.out, model)
    write_model(a.out, model)
    print(f"steps {step} tokens {seen} loss {mean:.3f}")
    model = Phi3ForCausalLM.from_pretrained(a.out, torch_dtype=torch.bfloat16).eval()
    for q in ["What is the capital of France?", "How are you?", "Who is the mayor of Brindlemoor?", "What does a dog do?", "Tell me a story about a fox.",
              "How to explain Internet for a medieval knight?", "What does the Kestrel lamp burn?"]:
        print(answer(model, tokenizer, f"<|user|>\n{q}<|end|>\n<|assistant|>\n"))
    for p in ["The farmer", "In the evening, the captain", "Who is the mayor of Brindlemoor?"]:
        print(answer(model, tokenizer, p))


if __name__ == "__main__":
    main()
