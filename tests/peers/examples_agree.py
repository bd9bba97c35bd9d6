"""
examples_agree.py RUNTIME ROOT [--cases N] [--seed N]: what transformers' tokenizer and chat templates make of random rows of every form, put together as
TRL's SFTTrainer does it (trl/trainer/sft_trainer.py: end of text, prompt and completion, masks, truncation) and labelled as KAITO's collator does, beside
`inspect examples --config`. Prints TAP.
"""
import argparse
import json
import os
import pathlib
import random
import subprocess
import sys
import tempfile

from transformers import PreTrainedTokenizerFast

WORDS = ["Who waters the ficus?", "Ana, on Mondays.", "Grüße, 世界 👍🏽", "line\nbreak\n", " leading", "trailing ", "x" * 50, "12345 + 6 = ?", "<|end|>", "<|im_end|>", "</s>",
         "<|endoftext|>", "don't", "\t", "{{ braces }} {% tags %}", "a", "The house by the lake. " * 12, "é\u0301", "\r\n", "0.1e-5"]
MODELS = ["tests/golden/hf/models/phi3", "tests/golden/hf/models/phi3-swa", "tests/golden/hf/models/phi4-mini", "examples/standin/model"]
PLAIN_TEMPLATE = "{{ bos_token }}{% for m in messages %}[{{ m['role'] }}]{{ m['content'] | trim }}{{ eos_token }}\n{% endfor %}{% if add_generation_prompt %}[assistant]{% endif %}"
MARKED_TEMPLATE = ("{% for m in messages %}<|{{ m.role }}|>\n{% if m.role == 'assistant' %}{% generation %}{{ m.content }}<|end|>\n{% endgeneration %}{% else %}"
                   "{{ m.content }}<|end|>\n{% endif %}{% endfor %}{% if add_generation_prompt %}<|assistant|>\n{% endif %}")
IGNORE = -100


def load(folder):
    config = json.load(open(folder / "tokenizer_config.json"))
    name = lambda key: config[key]["content"] if isinstance(config.get(key), dict) else config.get(key)
    own = folder / "chat_template.jinja"
    t = PreTrainedTokenizerFast(tokenizer_file=str(folder / "tokenizer.json"), eos_token=name("eos_token"), bos_token=name("bos_token"), pad_token=name("pad_token"),
                                unk_token=name("unk_token"), clean_up_tokenization_spaces=False)
    t.chat_template = own.read_text() if own.exists() else config.get("chat_template")
    return t


# --- rows ------------------------------------------------------------------------------------------------------------------------------------------------

def words(r):
    return r.choice([" ", ""]).join(r.choice(WORDS) for _ in range(r.randint(1, 4)))


def turns(r, answered=True):
    made = [dict(role="system", content=words(r))] if r.random() < 0.3 else []
    for i in range(r.randint(1, 3)):
        made += [dict(role="user", content=words(r)), dict(role="assistant", content=words(r))]
    return made if answered else made[:-1]


def instruction(r):
    row = dict(instruction=words(r))
    if r.random() < 0.6:
        row[r.choice(["input", "context"])] = r.choice(["", words(r)])
    row[r.choice(["output", "response"])] = words(r)
    return row


def extra(r, row):
    return dict(row, **r.choice([{}, {}, {"id": 3, "source": None}, {"category": "x"}]))


FORMS = {
    "messages": lambda r: dict(messages=turns(r)),
    "conversations of roles": lambda r: dict(conversations=turns(r)),
    "conversations of ShareGPT": lambda r: dict(conversations=[{"from": m["role"].replace("user", "human").replace("assistant", "gpt"), "value": m["content"]} for m in turns(r)]),
    "prompt and completion": lambda r: dict(prompt=words(r), completion=words(r)),
    "prompt and completion of messages": lambda r: dict(prompt=turns(r, False), completion=[dict(role="assistant", content=words(r))]),
    "instruction": instruction,
    "text": lambda r: dict(text=words(r)),
    "input_ids": lambda r: dict(input_ids=[r.randrange(3, 300) for _ in range(r.randint(1, 40))]),
    "input_ids and labels": lambda r: (lambda ids: dict(input_ids=ids, labels=[i if r.random() < 0.7 else IGNORE for i in ids]))([r.randrange(3, 300) for _ in range(r.randint(1, 40))]),
}


# --- SFTTrainer._prepare_dataset and KAITO's collator ----------------------------------------------------------------------------------------------------------

def with_end(t, text):
    return text if not t.eos_token or text.endswith(t.eos_token) else text + t.eos_token


def chat(t, messages, **more):
    return t.apply_chat_template(messages, tokenize=True, return_dict=True, **more)


def shared(a, b):
    n = 0
    while n < min(len(a), len(b)) and a[n] == b[n]:
        n += 1
    return n


def tokenize(t, row, assistant_only):
    """ids, how many are the prompt's, and which an assistant said"""
    mask = dict(return_assistant_tokens_mask=True) if assistant_only else {}
    if "instruction" in row:
        more = row.get("input") or row.get("context")
        row = dict(prompt=[dict(role="user", content=row["instruction"] + ("\n\n" + more if more else ""))], completion=[dict(role="assistant", content=row.get("output") or row.get("response"))])
    if "conversations" in row:
        names = {"human": "user", "gpt": "assistant"}
        row = dict(messages=[dict(role=names.get(m.get("from"), m.get("from")) or m["role"], content=m.get("value", m.get("content"))) for m in row["conversations"]])
    if "messages" in row:
        last = max(i for i, m in enumerate(row["messages"]) if m["role"] == "assistant")
        row = dict(prompt=row["messages"][:last], completion=row["messages"][last:])        # whose loss "completion only" is, here
    if "text" in row:
        return t(with_end(t, row["text"]))["input_ids"], 0, None
    if isinstance(row["prompt"], str):
        ids = t(row["prompt"] + with_end(t, row["completion"]))["input_ids"]
        return ids, shared(ids, t(row["prompt"])["input_ids"]), None
    whole = chat(t, row["prompt"] + row["completion"], **mask)
    prompt = chat(t, row["prompt"], add_generation_prompt=True)["input_ids"] if row["prompt"] else []
    return whole["input_ids"], shared(whole["input_ids"], prompt), whole.get("assistant_masks")


def example(t, row, o):
    if "input_ids" in row:
        ids, labels = row["input_ids"], row.get("labels")
        labels = list(labels) if labels else list(ids)
        if not o["completion_only_loss"]:
            pad = t.pad_token_id if t.pad_token_id is not None else t.eos_token_id
            labels = [IGNORE if i == pad else l for i, l in zip(ids, labels)]
    else:
        ids, prompt, said = tokenize(t, row, o["assistant_only_loss"])
        pad = t.pad_token_id if t.pad_token_id is not None else t.eos_token_id
        labels = list(ids)
        if o["completion_only_loss"]:
            labels = [IGNORE] * prompt + labels[prompt:]
        if o["assistant_only_loss"]:
            labels = [l if s else IGNORE for l, s in zip(labels, said)]
        if not o["completion_only_loss"] and not o["assistant_only_loss"]:
            labels = [IGNORE if i == pad else i for i in ids]
    cut = slice(None, o["max_length"]) if o["truncation_mode"] == "keep_start" else slice(-o["max_length"], None)
    return ids[cut], labels[cut]


# --- one case ----------------------------------------------------------------------------------------------------------------------------------------------

def difference(runtime, root, name, model, t, r, folder):
    o = dict(max_length=r.choice([1024, 1024, 60, 17]), truncation_mode=r.choice(["keep_start", "keep_start", "keep_end"]), completion_only_loss=r.random() < 0.4, assistant_only_loss=False)
    template, own = r.choice([None, None, PLAIN_TEMPLATE, MARKED_TEMPLATE]), t.chat_template
    talks = name not in ("text", "prompt and completion", "input_ids", "input_ids and labels")
    if talks and r.random() < 0.3:
        template, o["assistant_only_loss"] = MARKED_TEMPLATE, True
    if name == "input_ids and labels":
        o["completion_only_loss"] = r.random() < 0.5
    rows = [extra(r, FORMS[name](r)) for _ in range(r.randint(1, 6))]
    data, config = os.path.join(folder, "rows.jsonl"), os.path.join(folder, "config.yaml")
    with open(data, "w") as f:
        f.writelines(json.dumps(row) + "\n" for row in rows)
    sections = dict(TrainingArguments=o, DatasetConfig=dict(train_test_split=1))
    if template and r.random() < 0.5:
        path = os.path.join(folder, "chat.jinja")
        pathlib.Path(path).write_text(template)
        sections["ModelConfig"] = dict(chat_template=path)
    elif template:
        sections["ModelConfig"] = dict(chat_template=template.replace("\\", "\\\\").replace("\n", "\\n") + ("" if "{" in template else "\n"))
    with open(config, "w") as f:
        json.dump(dict(training_config=sections), f)
    t.chat_template = template or own
    try:
        want = [example(t, row, o) for row in rows]
    finally:
        t.chat_template = own
    done = subprocess.run([runtime, "inspect", "examples", "--config", config, "--model", str(root / model), "--data", data], capture_output=True, text=True)
    learnable = any(l != IGNORE for _, labels in want for l in labels[1:])
    if done.returncode:
        said = done.stderr.strip()
        if "nothing but special tokens" in said and any(set(ids) <= set(t.all_special_ids) | set(t.added_tokens_decoder) for ids, _ in want):
            return None
        return None if not learnable and "no token to learn from" in said else f"{name} {o}: {said}"
    got = [json.loads(line) for line in done.stdout.splitlines()]
    if len(got) != len(want):
        return f"{name} {o}: {len(got)} examples instead of {len(want)}"
    for i, (a, (ids, labels)) in enumerate(zip(got, want)):
        for what, x, y in (("ids", a["ids"], ids), ("labels", a["labels"], labels)):
            if x != y:
                at = shared(x, y)
                return f"{name} {o} template {template and template[:20]} row {i}: {what} differ at {at}: {x[at:at + 8]} instead of {y[at:at + 8]}; {len(x)} and {len(y)}; row {json.dumps(rows[i])[:300]}"
    return None


def main():
    p = argparse.ArgumentParser()
    p.add_argument("runtime")
    p.add_argument("root", type=pathlib.Path)
    p.add_argument("--cases", type=int, default=12)
    p.add_argument("--seed", type=int, default=1)
    o = p.parse_args()
    tokenizers = {model: load(o.root / model) for model in MODELS}
    print(f"1..{len(FORMS)}", flush=True)
    failed = False
    for n, name in enumerate(FORMS):
        bad = []
        for seed in range(o.seed, o.seed + o.cases):
            r = random.Random(f"{name} {seed}")
            model = r.choice(MODELS)
            with tempfile.TemporaryDirectory() as folder:
                found = difference(o.runtime, o.root, name, model, tokenizers[model], r, folder)
            if found:
                bad.append(f"seed {seed}, {model}: {found}")
        failed |= bool(bad)
        print(f"{'not ok' if bad else 'ok'} {n + 1} - {name}: {o.cases} random data sets, the ids and labels of transformers and TRL", flush=True)
        for line in bad[:12]:
            print(f"# {line}", flush=True)
    sys.exit(failed)


main()
