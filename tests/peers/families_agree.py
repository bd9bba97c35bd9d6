"""
families_agree.py KAITO_RUNTIME [NAME...]: tiny random models of every family, in many shapes and settings, whose logits are those of
transformers. Prints TAP; a class that this version of transformers lacks is skipped.

Each row: the configuration class, its arguments, and how the checkpoint is written (`since`: older versions compute something else, a
fault that was mended). Weights are large enough that every part shows in
the logits. Compared: the logits after the last token of a short and of a long prompt, and the mean loss over the prompt.
"""
import importlib.util
import json
import os
import subprocess
import sys
import tempfile

import torch
import transformers
from safetensors.torch import load_file

transformers.utils.logging.disable_progress_bar()
RUNTIME, ONLY = (sys.argv + [None])[1], sys.argv[2:]
WITHIN = 2e-4       # of the largest logit, float32
PROMPTS = [list(range(5, 17)), [(i * 37 + i * i * 11) % 90 for i in range(75)]]
LONGROPE = {"type": "longrope", "short_factor": [1.0, 1.05, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6], "long_factor": [1.1, 1.9, 2.6, 3.3, 4.1, 4.8, 5.6, 6.3]}
LLAMA3 = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 64}

ODD = dict(hidden_size=90, num_attention_heads=5, num_key_value_heads=1, intermediate_size=131)
BASE = dict(vocab_size=97, hidden_size=64, intermediate_size=100, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
            max_position_embeddings=256, pad_token_id=0, bos_token_id=1, eos_token_id=2)
FALCON = dict(vocab_size=97, hidden_size=64, num_hidden_layers=2, num_attention_heads=4, max_position_embeddings=256, bos_token_id=1,
              eos_token_id=2)
SDPA = dict(attention="sdpa")      # Falcon's eager attention adds ALiBi twice: once in the mask, once to the scores

ROWS = {
    "llama": ("Llama", {}),
    "llama odd sizes": ("Llama", ODD),
    "llama one layer, one head": ("Llama", dict(num_hidden_layers=1, num_attention_heads=1, num_key_value_heads=1)),
    "llama head_dim given": ("Llama", dict(head_dim=10)),
    "llama all heads": ("Llama", dict(num_key_value_heads=4)),
    "llama biases of attention": ("Llama", dict(attention_bias=True)),
    "llama biases of the MLP": ("Llama", dict(mlp_bias=True)),
    "llama tied": ("Llama", dict(tie_word_embeddings=True)),
    "llama eps": ("Llama", dict(rms_norm_eps=1e-2)),
    "llama theta": ("Llama", dict(rope_theta=500000.0)),
    "llama linear": ("Llama", dict(rope_scaling={"type": "linear", "factor": 3.5})),
    "llama dynamic": ("Llama", dict(rope_scaling={"type": "dynamic", "factor": 2.0})),
    "llama llama3": ("Llama", dict(rope_scaling=LLAMA3)),
    "llama yarn": ("Llama", dict(rope_scaling={"rope_type": "yarn", "factor": 4.0})),
    "llama yarn, betas and factor": ("Llama", dict(rope_scaling={"rope_type": "yarn", "factor": 4.0, "beta_fast": 16.0, "beta_slow": 2.0,
                                                                 "attention_factor": 1.3})),
    "llama longrope": ("Llama", dict(rope_scaling=dict(LONGROPE, rope_type="longrope", factor=4.0, original_max_position_embeddings=64)), dict(since=(4, 50))),
    "llama f32 file": ("Llama", {}, dict(dtype=torch.float32)),
    "llama f16 file": ("Llama", {}, dict(dtype=torch.float16)),
    "llama in shards": ("Llama", {}, dict(max_shard_size="60KB")),
    "mistral": ("Mistral", dict(sliding_window=None)),
    "mistral window": ("Mistral", dict(sliding_window=9)),
    "mistral head_dim given": ("Mistral", dict(head_dim=24, sliding_window=None)),
    "mistral odd sizes, tied": ("Mistral", dict(ODD, sliding_window=20, tie_word_embeddings=True)),
    "mixtral": ("Mixtral", dict(num_local_experts=4, num_experts_per_tok=2)),
    "mixtral one of eight": ("Mixtral", dict(num_local_experts=8, num_experts_per_tok=1)),
    "mixtral three of five, odd sizes": ("Mixtral", dict(hidden_size=88, intermediate_size=132, num_key_value_heads=1, num_local_experts=5, num_experts_per_tok=3)),
    "mixtral all of three, window": ("Mixtral", dict(num_local_experts=3, num_experts_per_tok=3, sliding_window=9)),
    "qwen2": ("Qwen2", {}),
    "qwen2 tied, odd sizes": ("Qwen2", dict(ODD, tie_word_embeddings=True)),
    "qwen2 window unused": ("Qwen2", dict(sliding_window=9, use_sliding_window=False)),
    "qwen2 window from layer 1": ("Qwen2", dict(sliding_window=9, use_sliding_window=True, max_window_layers=1, num_hidden_layers=3),
                                  dict(since=(4, 50))),
    "qwen2 yarn": ("Qwen2", dict(rope_theta=1000000.0, rope_scaling={"type": "yarn", "factor": 4.0})),
    "qwen3": ("Qwen3", dict(head_dim=24)),
    "qwen3 biases, tied": ("Qwen3", dict(head_dim=16, attention_bias=True, tie_word_embeddings=True)),
    "qwen3 yarn, odd sizes": ("Qwen3", dict(ODD, head_dim=18, rope_scaling={"rope_type": "yarn", "factor": 2.0})),
    "phi3": ("Phi3", dict(num_key_value_heads=4)),
    "phi3 grouped heads, window": ("Phi3", dict(sliding_window=9)),
    "phi3 odd sizes, tied": ("Phi3", dict(ODD, tie_word_embeddings=True)),
    "phi3 longrope": ("Phi3", dict(rope_scaling=LONGROPE, original_max_position_embeddings=32)),
    "phi3 partial longrope": ("Phi3", dict(rope_scaling=dict(LONGROPE, short_factor=LONGROPE["short_factor"][:6], long_factor=LONGROPE["long_factor"][:6]),
                                           partial_rotary_factor=0.75, original_max_position_embeddings=32, tie_word_embeddings=True)),
    "phi": ("Phi", dict(num_key_value_heads=4)),
    "phi grouped heads, 0.4 of the head, exact gelu": ("Phi", dict(hidden_size=80, partial_rotary_factor=0.4, hidden_act="gelu")),
    "phi odd sizes": ("Phi", dict(ODD, partial_rotary_factor=0.45, layer_norm_eps=1e-3)),
    "phi normed queries": ("Phi", dict(qk_layernorm=True)),
    "phi tied": ("Phi", dict(tie_word_embeddings=True)),
    "phi linear": ("Phi", dict(rope_scaling={"type": "linear", "factor": 2.0})),
    "falcon 7b": ("Falcon", dict(FALCON, multi_query=True)),
    "falcon 7b biases, 71 heads": ("Falcon", dict(FALCON, hidden_size=142, num_attention_heads=71, multi_query=True, bias=True)),
    "falcon 40b": ("Falcon", dict(FALCON, new_decoder_architecture=True, num_kv_heads=2)),
    "falcon 40b biases, all heads": ("Falcon", dict(FALCON, new_decoder_architecture=True, num_kv_heads=4, bias=True)),
    "falcon 40b one group, untied": ("Falcon", dict(FALCON, new_decoder_architecture=True, num_kv_heads=1, tie_word_embeddings=False)),
    "falcon 11b: one norm": ("Falcon", dict(FALCON, new_decoder_architecture=True, num_kv_heads=2, num_ln_in_parallel_attn=1, ffn_hidden_size=100)),
    "falcon sequential": ("Falcon", dict(FALCON, multi_query=False, parallel_attn=False, bias=True)),
    "falcon sequential, one key": ("Falcon", dict(FALCON, multi_query=True, parallel_attn=False)),
    "falcon parallel, all keys": ("Falcon", dict(FALCON, multi_query=False)),
    "falcon alibi": ("Falcon", dict(FALCON, multi_query=False, parallel_attn=False, alibi=True, bias=True), SDPA),
    "falcon alibi, 6 heads": ("Falcon", dict(FALCON, hidden_size=48, num_attention_heads=6, multi_query=True, alibi=True), SDPA),
    "gemma2": ("Gemma2", dict(head_dim=16, sliding_window=9, query_pre_attn_scalar=24)),
    "gemma2 no caps, odd sizes": ("Gemma2", dict(ODD, head_dim=18, sliding_window=9, query_pre_attn_scalar=18, attn_logit_softcapping=None,
                                                  final_logit_softcapping=None, num_hidden_layers=3)),
    "gemma2 biases": ("Gemma2", dict(head_dim=24, attention_bias=True, sliding_window=300)),
    "gemma3": ("Gemma3Text", dict(head_dim=16, sliding_window=9, query_pre_attn_scalar=24, num_hidden_layers=7)),
    "gemma3 layer types": ("Gemma3Text", dict(head_dim=16, sliding_window=9, layer_types=["full_attention", "sliding_attention"])),
    "olmo2": ("Olmo2", {}),
    "olmo2 biases, odd sizes": ("Olmo2", dict(ODD, attention_bias=True)),
}
ADAPTERS = {         # row above: the modules that carry a LoRA, by PEFT's names
    "llama biases of attention": ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"],
    "mistral window": ["q_proj", "v_proj"],
    "mixtral": ["q_proj", "k_proj", "v_proj", "o_proj", "gate", "w1", "w2", "w3"],
    "qwen2": ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"],
    "qwen3": ["q_proj", "k_proj", "o_proj", "down_proj"],
    "phi3 grouped heads, window": ["qkv_proj", "o_proj", "gate_up_proj", "down_proj"],
    "phi grouped heads, 0.4 of the head, exact gelu": ["q_proj", "k_proj", "v_proj", "dense", "fc1", "fc2"],
    "falcon 7b": ["query_key_value", "dense", "dense_h_to_4h", "dense_4h_to_h"],
    "falcon 40b biases, all heads": ["query_key_value", "dense", "dense_h_to_4h", "dense_4h_to_h"],
    "falcon 40b": ["query_key_value"],
    "gemma2": ["q_proj", "v_proj", "gate_proj", "down_proj"],
    "gemma3": ["q_proj", "v_proj", "gate_proj", "down_proj"],
    "olmo2": ["k_proj", "o_proj", "up_proj"],
}
if int(transformers.__version__.split(".")[0]) >= 5:     # there a LoRA on experts is one on stacked parameters, which is refused by name
    ADAPTERS["mixtral"] = ["q_proj", "v_proj"]
for act in ["gelu", "gelu_new", "gelu_pytorch_tanh", "gelu_fast", "relu", "quick_gelu", "silu"]:
    ROWS[f"llama {act}"] = ("Llama", dict(hidden_act=act))
    ROWS[f"falcon {act}"] = ("Falcon", dict(FALCON, activation=act))


def fill(model):
    """Norm weights around what the class starts with, everything else wide."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, p in model.named_parameters():
            noise = torch.randn(p.shape, generator=generator)
            if p.dim() > 1:
                p.copy_(noise * (1.5 / p.shape[-1] ** 0.5 if "embed" not in name else 1.0))
            else:
                p.add_(0.3 * noise)


def make(kind, args, write, folder):
    config_class = getattr(transformers, kind + "Config", None)
    model_class = getattr(transformers, kind.replace("Text", "") + "ForCausalLM", None)
    if not config_class or not model_class:
        return None
    base = {k: v for k, v in BASE.items() if kind != "Falcon"}
    config = config_class(**{**base, **args})
    config._attn_implementation = "eager"
    torch.manual_seed(1)
    model = model_class(config).eval()
    fill(model)
    dtype = write.get("dtype", torch.bfloat16)
    model = model.to(dtype)
    model.config.torch_dtype = dtype
    model.save_pretrained(folder, safe_serialization=True, max_shard_size=write.get("max_shard_size", "5GB"))
    return model_class.from_pretrained(folder, torch_dtype=torch.float32, attn_implementation=write.get("attention", "eager")).eval()


def expected(model):
    rows = []
    for ids in PROMPTS:
        with torch.no_grad():
            logits = model(input_ids=torch.tensor([ids]), use_cache=False).logits[0].float()
        rows.append((logits[-1], torch.nn.functional.cross_entropy(logits[:-1], torch.tensor(ids[1:])).item()))
    return rows


def inspect(*args, stdin=None):
    """The JSON lines, or the last line of what went wrong."""
    out = subprocess.run([RUNTIME, "inspect", *args], input=stdin, capture_output=True, text=True)
    if out.returncode:
        return out.stderr.strip().splitlines()[-1]
    return [json.loads(line) for line in out.stdout.splitlines()]


def ours(folder, *args):
    lines = "".join(json.dumps({"ids": ids}) + "\n" for ids in PROMPTS)
    return inspect("logits", "--model", folder, "--threads", "2", *args, stdin=lines)


def compare(rows, wanted):
    for got, (logits, loss) in zip(rows, wanted):
        off = ((torch.tensor(got["last_logits"]) - logits).abs().max() / logits.abs().max()).item()
        if not off <= WITHIN:
            return f"logits differ by {off:.3g} of the largest"
        if not abs(got["nll"] - loss) <= 1e-3:
            return f"mean loss {got['nll']:.6f}, expected {loss:.6f}"
    return None


def compare_tensors(folder):
    """`inspect tensors` of one file against the file as PyTorch reads it."""
    path = os.path.join(folder, "model.safetensors")
    wanted, rows = load_file(path), inspect("tensors", path)
    if isinstance(rows, str) or [r["name"] for r in rows if r["name"] not in wanted] or len(rows) != len(wanted):
        return f"inspect tensors: {rows if isinstance(rows, str) else 'other names'}"
    for r in rows:
        t = wanted[r["name"]].double()
        have = [r["min"], r["max"], r["mean"]]
        if r["shape"] != list(t.shape) or any(abs(h - w) > 1e-8 * max(abs(w), 1e-3) for h, w in zip(have, [t.min(), t.max(), t.mean()])):
            return f"inspect tensors: {r}"
    return None


def compare_adapter(name, model, folder):
    """A random LoRA, saved by PEFT."""
    from peft import LoraConfig, get_peft_model

    config = LoraConfig(r=4, lora_alpha=12, target_modules=ADAPTERS[name], init_lora_weights=False)
    torch.manual_seed(2)
    peft = get_peft_model(model, config).eval()
    adapter = os.path.join(folder, "adapter")
    peft.save_pretrained(adapter)
    got = ours(folder, "--adapter", adapter)
    problem = got if isinstance(got, str) else compare(got, expected(peft))
    return problem and f"with an adapter: {problem}"


def version():
    return tuple(int(n) for n in transformers.__version__.split(".")[:2])


def run(name, kind, args, write=None):
    if version() < (write or {}).get("since", (0,)):
        return True, f"# SKIP transformers {transformers.__version__} computes something else"
    with tempfile.TemporaryDirectory() as folder:
        try:
            model = make(kind, args, write or {}, folder)
        except (TypeError, ValueError, KeyError, NotImplementedError) as e:      # a setting that this version does not take
            return True, f"# SKIP transformers {transformers.__version__}: {str(e).splitlines()[0][:80]}"
        if model is None:
            return True, f"# SKIP transformers {transformers.__version__} has no {kind}"
        try:
            wanted = expected(model)
        except (RuntimeError, TypeError, ValueError) as e:
            return True, f"# SKIP transformers {transformers.__version__} does not run it: {str(e).splitlines()[0][:80]}"
        got = ours(folder)
        problem = got if isinstance(got, str) else compare(got, wanted)
        if not problem and name in ADAPTERS:
            problem = compare_tensors(folder) or (compare_adapter(name, model, folder) if importlib.util.find_spec("peft") else None)
        return problem is None, f"\n# {problem}" if problem else ""


def main():
    rows = [(n, r) for n, r in ROWS.items() if not ONLY or any(o in n for o in ONLY)]
    failed = 0
    for i, (name, row) in enumerate(rows, 1):
        passed, note = run(name, *row)
        failed += not passed
        print(f"{'ok' if passed else 'not ok'} {i} - {name} {note}".rstrip(), flush=True)
    print(f"1..{len(rows)}")
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
