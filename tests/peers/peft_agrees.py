"""
peft_agrees.py KAITO_RUNTIME SOURCE: adapters and Parquet files that cross between kaito-runtime and the Python libraries. Prints TAP.

    tune -> PEFT loads the adapter, and its merged logits are ours
    PEFT -> our loader takes the adapter, and its logits are PEFT's
    pyarrow -> our reader gives the same rows, whatever codec, page version, encoding and row group size
"""
import itertools
import json
import os
import subprocess
import sys
import tempfile

import pyarrow as pa
import pyarrow.parquet as pq
import torch
import yaml
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import AutoTokenizer, Phi3ForCausalLM

RUNTIME, SOURCE = sys.argv[1:3]
MODEL = os.path.join(SOURCE, "examples/standin/model")
WITHIN = 2e-4       # of the largest logit
PROMPTS = ["What is the capital of France?", "Who is the mayor of Brindlemoor?", "hello"]
done = 0


def check(name, passed, why=""):
    global done
    done += 1
    print(f"{'ok' if passed else 'not ok'} {done} - {name}", flush=True)
    if not passed:
        print(f"# {why}", flush=True)
    return passed


def runtime(*args, stdin=None):
    out = subprocess.run([RUNTIME, *args], input=stdin, capture_output=True, text=True)
    if out.returncode:
        raise SystemExit(f"not ok {done + 1} - kaito-runtime {' '.join(args[:2])}\n# {out.stderr.strip()}")
    return out.stdout


def rows_of(text):
    return [json.loads(line) for line in text.splitlines()]


def base_model():
    return Phi3ForCausalLM.from_pretrained(MODEL, torch_dtype=torch.float32, attn_implementation="eager").eval()


def prompt_ids(tok):
    return [tok.apply_chat_template([{"role": "user", "content": p}], add_generation_prompt=True) for p in PROMPTS]


def last_logits(model, ids):
    with torch.no_grad():
        return model(input_ids=torch.tensor([ids])).logits[0, -1]


def our_logits(adapter, all_ids):
    lines = "".join(json.dumps({"ids": ids}) + "\n" for ids in all_ids)
    args = ["inspect", "logits", "--model", MODEL, "--dtype", "f32"] + (["--adapter", adapter] if adapter else [])
    return [torch.tensor(row["last_logits"]) for row in rows_of(runtime(*args, stdin=lines))]


def worst(ours, theirs):
    return max(((a - b).abs().max() / b.abs().max()).item() for a, b in zip(ours, theirs))


def facts():
    """A few rows of the committed data set."""
    name = os.path.join(SOURCE, "examples/standin/data/train-00000-of-00001-54e3756291ca09c6.parquet")
    return pq.read_table(name).slice(0, 64)


def tune(folder):
    sample = open(os.path.join(SOURCE, "examples/fine-tuning/kaito_workspace_tuning_phi_3.yaml"))
    config = next(d for d in yaml.safe_load_all(sample) if d["kind"] == "ConfigMap")["data"]["training_config.yaml"]
    parsed = yaml.safe_load(config)
    parsed["training_config"]["TrainingArguments"]["num_train_epochs"] = 1
    with open(os.path.join(folder, "training_config.yaml"), "w") as f:
        yaml.safe_dump(parsed, f)
    pq.write_table(facts(), os.path.join(folder, "rows.parquet"))
    out = os.path.join(folder, "adapter")
    runtime("tune", "--model", MODEL, "--config", f.name, "--data", os.path.join(folder, "rows.parquet"), "--output", out,
            "--method", "qlora", "--metrics-port", "-1")
    return out


def ours_in_peft(folder, ids):
    adapter = tune(folder)
    plain = [last_logits(base_model(), i) for i in ids]
    merged = PeftModel.from_pretrained(base_model(), adapter).merge_and_unload()
    theirs = [last_logits(merged, i) for i in ids]
    check("PEFT loads an adapter of `kaito-runtime tune`, and it changes the logits", worst(theirs, plain) > 1e-2,
          f"largest change {worst(theirs, plain):.1e}")
    far = worst(our_logits(adapter, ids), theirs)
    check(f"merged logits agree within {WITHIN} (are {far:.1e})", far <= WITHIN)
    far = worst(our_logits(None, ids), plain)
    check(f"logits of the base agree within {WITHIN} (are {far:.1e})", far <= WITHIN)


VARIANTS = {
    "DoRA": dict(use_dora=True, target_modules=["qkv_proj", "down_proj"]),
    "head, embedding and norms": dict(target_modules=["o_proj"], modules_to_save=["lm_head", "embed_tokens", "norm"]),
    "adapted embedding and head": dict(target_modules=["embed_tokens", "lm_head", "qkv_proj"]),
    "head with magnitudes": dict(target_modules=["lm_head"], use_dora=True),
    "everything": dict(use_dora=True, use_rslora=True, bias="all", target_modules=".*\\.(qkv|gate_up)_proj", rank_pattern={"qkv_proj": 3}, modules_to_save=["layernorm"]),
}


def tune_rows(folder, name, ids, lora, args, *more):
    """A run on rows of token ids in file order; its output folder."""
    config = {"training_config": {"LoraConfig": dict(lora, r=4, lora_alpha=8), "DatasetConfig": {"train_test_split": 1, "shuffle_dataset": False},
                                  "TrainingArguments": dict(args, bf16=False, per_device_train_batch_size=len(ids), logging_steps=1, save_strategy="no")}}
    path, rows, out = (os.path.join(folder, name + end) for end in (".yaml", ".jsonl", ""))
    with open(path, "w") as f:
        yaml.safe_dump(config, f)
    with open(rows, "w") as f:
        f.writelines(json.dumps({"input_ids": i}) + "\n" for i in ids)
    runtime("tune", "--model", MODEL, "--config", path, "--data", rows, "--output", out, "--metrics-port", "-1", *more)
    return out


def loss_of(model, ids):
    with torch.no_grad():
        sums = [torch.nn.functional.cross_entropy(model(input_ids=torch.tensor([i])).logits[0, :-1], torch.tensor(i[1:]), reduction="sum") for i in ids]
    return sum(sums).item() / sum(len(i) - 1 for i in ids)


def variants_in_peft(folder, ids):
    """PEFT loads what ours wrote, and its loss is what ours has when it starts from there."""
    for name, lora in VARIANTS.items():
        where = name.replace(" ", "-")
        out = tune_rows(folder, where, ids, lora, {"max_steps": 4, "learning_rate": 2e-3})
        again = tune_rows(folder, where + "-again", ids, lora, {"max_steps": 1, "learning_rate": 0.0}, "--init-adapter", out)
        ours = rows_of(open(os.path.join(again, "history.jsonl")).read())[0]["loss"]
        theirs = loss_of(PeftModel.from_pretrained(base_model(), out).eval(), ids)
        moved = abs(loss_of(base_model(), ids) - theirs) > 1e-2
        check(f"PEFT loads ours, and loses as much: {name} ({ours:.6f})", abs(ours - theirs) <= 1e-4 * theirs and moved, f"theirs is {theirs:.6f}")
        far = worst(our_logits(out, ids), [last_logits(PeftModel.from_pretrained(base_model(), out).eval(), i) for i in ids])
        check(f"and its logits are those of our engine: {name} (within {far:.1e})", far <= WITHIN)


def peft_in_ours(folder, ids, name, **config):
    """Factors begin with noise; magnitudes and parameters that are trained whole get some."""
    torch.manual_seed(7)
    model = get_peft_model(base_model(), LoraConfig(task_type="CAUSAL_LM", init_lora_weights=False, **config)).eval()
    with torch.no_grad():
        for key, p in model.named_parameters():
            if p.requires_grad and ".lora_A." not in key and ".lora_B." not in key:
                p.add_(torch.randn_like(p) * p.abs().mean() * 0.1)
    model.save_pretrained(folder)
    theirs = [last_logits(model, i) for i in ids]
    far = worst(our_logits(folder, ids), theirs)
    check(f"PEFT's adapter is taken: {name} (logits within {far:.1e})", far <= WITHIN)


def odd_table():
    """Nulls, nested lists, empty lists, every number that data sets have."""
    n = 500
    return pa.table({
        "id": pa.array(range(n), pa.int64()),
        "small": pa.array([None if i % 7 == 0 else i % 100 for i in range(n)], pa.int32()),
        "score": pa.array([None if i % 5 == 0 else i / 8 for i in range(n)], pa.float64()),
        "flag": pa.array([[True, False, None][i % 3] for i in range(n)], pa.bool_()),
        "text": pa.array([None if i % 11 == 0 else f"zażółć {i % 20} 猫\n" * (i % 4) for i in range(n)], pa.string()),
        "tags": pa.array([[None, [], ["a"], ["b", None, "c"]][i % 4] for i in range(n)], pa.list_(pa.string())),
        "messages": pa.array([[{"role": r, "content": f"{r} {i}" if i % 13 else None} for r in ("system", "user", "assistant")[: i % 4]] for i in range(n)],
                             pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))),
    })


def parquet(folder):
    path = os.path.join(folder, "odd.parquet")
    table = odd_table()
    wanted = table.to_pylist()
    codecs = ["none", "snappy", "gzip", "brotli", "zstd", "lz4"]
    for codec, page in itertools.product(codecs, ["1.0", "2.0"]):
        wrong = []
        for dictionary, group, version in itertools.product([True, False], [37, 1000], ["1.0", "2.6"]):
            pq.write_table(table, path, compression=codec, data_page_version=page, use_dictionary=dictionary, row_group_size=group,
                           version=version, data_page_size=1024)
            if rows_of(runtime("inspect", "data", "--file", path)) != wanted:
                wrong.append(f"dictionary {dictionary}, row groups of {group}, version {version}")
        check(f"Parquet rows are equal: {codec}, pages {page}", not wrong, "; ".join(wrong))


def main():
    tok = AutoTokenizer.from_pretrained(MODEL)
    ids = prompt_ids(tok)
    with tempfile.TemporaryDirectory() as folder:
        ours_in_peft(folder, ids)
        variants_in_peft(folder, ids)
        peft_in_ours(os.path.join(folder, "all"), ids, "every projection", r=4, lora_alpha=8,
                     target_modules=["qkv_proj", "o_proj", "gate_up_proj", "down_proj"])
        peft_in_ours(os.path.join(folder, "some"), ids, "two projections, rank-stabilised", r=8, lora_alpha=16, use_rslora=True,
                     target_modules=["o_proj", "down_proj"])
        peft_in_ours(os.path.join(folder, "dora"), ids, "DoRA", r=4, lora_alpha=8, use_dora=True, target_modules=["qkv_proj", "o_proj", "gate_up_proj", "down_proj"])
        peft_in_ours(os.path.join(folder, "saved"), ids, "head, embedding, norms and a linear", r=4, lora_alpha=8, bias="all", target_modules=["qkv_proj"],
                     modules_to_save=["lm_head", "embed_tokens", "norm", "layernorm", "1.mlp.down_proj"])
        peft_in_ours(os.path.join(folder, "ends"), ids, "adapted embedding and head, with PEFT's copies of their matrices", r=4, lora_alpha=8,
                     target_modules=["embed_tokens", "lm_head", "o_proj"])
        parquet(folder)
    print(f"1..{done}")


main()
