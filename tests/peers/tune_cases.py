"""
Random cases of tuning: what is drawn is a function of the seed alone. A case is a dict of plain values:
    kind, model      class of transformers, and its arguments
    write            dtype of the checkpoint
    lora             arguments of LoraConfig
    train            keys of TrainingArguments that both sides know
    quant            None, or arguments of BitsAndBytesConfig
    rows             input_ids and labels
    pack             whether rows are packed into samples of max_length
    split            train_test_split
    shuffle          whether rows are shuffled (in our order, by data_seed)
    max_length, keep_end
    bf16             whether products are in bf16
    memory           of --memory
"""
import random

LLAMA3 = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 64}
SHAPES = [(1, 1), (2, 1), (2, 2), (3, 1), (3, 3), (4, 2), (4, 1), (5, 1), (6, 2), (6, 3)]      # heads, of keys and values
ACTS = ["silu", "gelu", "gelu_new", "gelu_pytorch_tanh", "relu", "quick_gelu"]
LLAMA_LINEARS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
LINEARS = {
    "Llama": LLAMA_LINEARS, "Mistral": LLAMA_LINEARS, "Qwen2": LLAMA_LINEARS, "Qwen3": LLAMA_LINEARS, "Gemma2": LLAMA_LINEARS,
    "Gemma3Text": LLAMA_LINEARS, "Olmo2": LLAMA_LINEARS, "Mixtral": LLAMA_LINEARS[:4],
    "Phi3": ["qkv_proj", "o_proj", "gate_up_proj", "down_proj"], "Phi": ["q_proj", "k_proj", "v_proj", "dense", "fc1", "fc2"],
    "Falcon": ["query_key_value", "dense", "dense_h_to_4h", "dense_4h_to_h"],
}
NORMS = {
    "Phi": ["input_layernorm", "final_layernorm"], "Falcon": ["ln_f"], "Olmo2": ["post_attention_layernorm", "q_norm", "norm"],
    "Gemma2": ["pre_feedforward_layernorm", "model.norm"], "Gemma3Text": ["k_norm", "post_attention_layernorm"], "Qwen3": ["q_norm", "input_layernorm"],
}


def chance(r, p):
    return r.random() < p


def some(r, items, least=1):
    return r.sample(items, r.randint(least, len(items)))


# --- models --------------------------------------------------------------------------------------------------------------------------------

def rope(r, head_dim):
    """Of the Llama-like ones."""
    return r.choice([None, None, None, {"rope_type": "linear", "factor": 3.5}, {"rope_type": "dynamic", "factor": 2.0}, LLAMA3,
                     {"rope_type": "yarn", "factor": 4.0}, {"rope_type": "yarn", "factor": 2.0, "beta_fast": 16.0, "beta_slow": 2.0, "attention_factor": 1.3}])


def longrope(r, pairs):
    return {"rope_type": "longrope", "short_factor": [1 + 0.08 * i for i in range(pairs)], "long_factor": [1.1 + 0.7 * i for i in range(pairs)]}


def llama_like(r):
    heads, kv = r.choice(SHAPES)
    head_dim = r.choice([4, 6, 8, 10, 12, 16])
    out = dict(vocab_size=r.randint(61, 130), hidden_size=heads * head_dim, intermediate_size=r.randint(9, 140), num_hidden_layers=r.choice([1, 1, 2, 2, 3]),
               num_attention_heads=heads, num_key_value_heads=kv, max_position_embeddings=256, pad_token_id=0, bos_token_id=1, eos_token_id=2,
               tie_word_embeddings=chance(r, 0.3), rms_norm_eps=r.choice([1e-6, 1e-5, 1e-2]), hidden_act=r.choice(ACTS) if chance(r, 0.3) else "silu")
    if chance(r, 0.5):
        out["rope_theta"] = r.choice([100.0, 500000.0])
    return out, head_dim


def window(r):
    return r.choice([None, 3, 9, 20])


def make_llama(r):
    out, head_dim = llama_like(r)
    out.update(attention_bias=chance(r, 0.3), mlp_bias=chance(r, 0.3), rope_scaling=rope(r, head_dim))
    if chance(r, 0.3):
        out["head_dim"] = r.choice([4, 8, 14])
    return out


def make_mistral(r):
    out, _ = llama_like(r)
    return dict(out, sliding_window=window(r), **({"head_dim": r.choice([6, 24])} if chance(r, 0.3) else {}))


def make_mixtral(r):
    out, _ = llama_like(r)
    experts = r.randint(2, 6)
    return dict(out, sliding_window=window(r), num_local_experts=experts, num_experts_per_tok=r.randint(1, experts), hidden_act="silu")


def make_qwen2(r):
    out, head_dim = llama_like(r)
    if chance(r, 0.4):
        out.update(sliding_window=r.choice([5, 9]), use_sliding_window=chance(r, 0.7), max_window_layers=r.randint(0, 2))
    return dict(out, rope_scaling=rope(r, head_dim))


def make_qwen3(r):
    out, _ = llama_like(r)
    head_dim = r.choice([6, 16, 24])
    return dict(out, head_dim=head_dim, attention_bias=chance(r, 0.3), rope_scaling=rope(r, head_dim))


def make_phi3(r):
    out, head_dim = llama_like(r)
    out["sliding_window"] = window(r)
    share = r.choice([1.0, 1.0, 0.5]) if head_dim % 4 == 0 else 1.0
    if share < 1:
        out["partial_rotary_factor"] = share
    if chance(r, 0.4):
        out.update(rope_scaling=longrope(r, int(head_dim * share) // 2), original_max_position_embeddings=r.choice([16, 32, 128]))
    return out


def make_phi(r):
    out, head_dim = llama_like(r)
    del out["rms_norm_eps"]
    return dict(out, partial_rotary_factor=r.choice([0.5, 1.0]) if head_dim % 4 == 0 else 1.0, layer_norm_eps=r.choice([1e-5, 1e-3]),
                hidden_act=r.choice(["gelu_new", "gelu", "silu"]), qk_layernorm=chance(r, 0.3))


def make_falcon(r):
    heads = r.choice([1, 2, 3, 4, 6])
    out = dict(vocab_size=r.randint(61, 130), hidden_size=heads * r.choice([4, 8, 12, 16]), num_hidden_layers=r.choice([1, 2]), num_attention_heads=heads,
               max_position_embeddings=256, bos_token_id=1, eos_token_id=2, pad_token_id=0, bias=chance(r, 0.5), tie_word_embeddings=chance(r, 0.7),
               activation=r.choice(["gelu", "gelu", "relu", "silu"]))
    shape = r.choice(["7b", "40b", "11b", "sequential", "alibi"])
    if shape == "40b" or shape == "11b":
        out.update(new_decoder_architecture=True, num_kv_heads=r.choice([k for k in range(1, heads + 1) if heads % k == 0]))
    if shape == "11b":
        out.update(num_ln_in_parallel_attn=1, ffn_hidden_size=r.randint(20, 140))
    if shape == "7b":
        out.update(multi_query=chance(r, 0.7), parallel_attn=True)
    if shape == "sequential":
        out.update(multi_query=chance(r, 0.4), parallel_attn=False)
    if shape == "alibi":
        out.update(multi_query=chance(r, 0.4), parallel_attn=chance(r, 0.5), alibi=True)
    return out


def make_gemma2(r):
    out, head_dim = llama_like(r)
    out.update(head_dim=r.choice([8, 16, 18]), sliding_window=r.choice([5, 9, 300]), query_pre_attn_scalar=r.choice([8, 24]), attention_bias=chance(r, 0.2),
               hidden_activation="gelu_pytorch_tanh", tie_word_embeddings=True)
    del out["hidden_act"]
    if chance(r, 0.3):
        out.update(attn_logit_softcapping=None, final_logit_softcapping=None)
    return out


def make_gemma3(r):
    out, _ = llama_like(r)
    layers = out["num_hidden_layers"]
    out.update(head_dim=r.choice([8, 16]), sliding_window=r.choice([5, 9]), query_pre_attn_scalar=r.choice([8, 24]), hidden_activation="gelu_pytorch_tanh",
               layer_types=[r.choice(["full_attention", "sliding_attention"]) for _ in range(layers)], tie_word_embeddings=True)
    for key in ("hidden_act", "rope_theta"):
        out.pop(key, None)
    return out


def make_olmo2(r):
    out, head_dim = llama_like(r)
    return dict(out, attention_bias=chance(r, 0.3), rope_scaling=rope(r, head_dim))


MODELS = {"Llama": make_llama, "Mistral": make_mistral, "Mixtral": make_mixtral, "Qwen2": make_qwen2, "Qwen3": make_qwen3, "Phi3": make_phi3, "Phi": make_phi,
          "Falcon": make_falcon, "Gemma2": make_gemma2, "Gemma3Text": make_gemma3, "Olmo2": make_olmo2}


# --- adapters ------------------------------------------------------------------------------------------------------------------------------

def layers_of(kind):
    return {"Falcon": "transformer.h"}.get(kind, "model.layers")


def embedding_of(kind):
    return {"Falcon": "word_embeddings"}.get(kind, "embed_tokens")


def target_modules(r, kind, layers):
    names = LINEARS[kind]
    form = r.choice(["some", "some", "all-linear", "tails", "paths", "expression", "with ends"])
    if form == "all-linear" and kind != "Mixtral":          # stacked experts are no linears of transformers 5
        return "all-linear"
    if form == "tails":
        parts = {"self_attn": names[:4] if len(names) > 4 else names[:2]}
        if kind == "Falcon":
            parts = {"self_attention": names[:2], "mlp": names[2:]}
        if kind == "Phi":
            parts = {"self_attn": names[:4], "mlp": names[4:]}
        return [f"{part}.{n}" for part, of in parts.items() for n in some(r, of)]
    if form == "paths":
        layer = r.randrange(layers)
        part = {"Falcon": "self_attention"}.get(kind, "self_attn")
        return [f"{layers_of(kind)}.{layer}.{part}.{names[0]}"] + some(r, names[1:2])
    if form == "expression":
        return r".*\.(%s)" % "|".join(some(r, names)) if chance(r, 0.5) else r".*\.[0%d]\..*(%s)$" % (r.randrange(layers), "|".join(some(r, names)))
    if form == "with ends":
        return some(r, names) + some(r, ["lm_head", embedding_of(kind)])
    return some(r, names)


def patterns(r, kind, most, values):
    names = LINEARS[kind]
    keys = some(r, names[:2]) + ([r"0\..*(%s)" % "|".join(names[-2:])] if chance(r, 0.4) else [])
    return {k: r.choice(values) for k in keys if most is None or True}


def lora_config(r, kind, model, quant):
    smallest = min(v for k, v in model.items() if k in ("hidden_size", "intermediate_size", "ffn_hidden_size"))
    heads, kv = model["num_attention_heads"], model.get("num_key_value_heads", 1)
    smallest = min(smallest, kv * model.get("head_dim", model["hidden_size"] // heads))
    out = dict(r=r.randint(1, min(9, smallest)), lora_alpha=r.choice([1, 4, 8, 16, 33]), lora_dropout=0.0,
               target_modules=target_modules(r, kind, model["num_hidden_layers"]), use_rslora=chance(r, 0.25), use_dora=chance(r, 0.2),
               bias=r.choice(["none", "none", "none", "all", "lora_only"]))
    listed = isinstance(out["target_modules"], list)
    if chance(r, 0.25):
        out["rank_pattern"] = patterns(r, kind, smallest, list(range(1, min(5, smallest) + 1)))
    if chance(r, 0.25):
        out["alpha_pattern"] = patterns(r, kind, None, [2, 5, 24])
    if listed and chance(r, 0.25):
        out["layers_to_transform"] = sorted(some(r, list(range(model["num_hidden_layers"]))))
        if chance(r, 0.5):
            out["layers_pattern"] = [layers_of(kind).split(".")[-1]]
    if chance(r, 0.25):
        ends = [e for e in ("lm_head", embedding_of(kind)) if not (listed and e in out["target_modules"])]
        save = some(r, NORMS.get(kind, ["norm", "input_layernorm"])) + (some(r, ends) if ends and chance(r, 0.5) else [])
        out["modules_to_save"] = save
    return out


# --- training ------------------------------------------------------------------------------------------------------------------------------

def schedule(r, rate):
    name = r.choice(["linear", "cosine", "constant", "constant_with_warmup", "polynomial", "inverse_sqrt", "cosine_with_restarts", "cosine_with_min_lr",
                     "cosine_warmup_with_min_lr", "warmup_stable_decay"])
    kwargs = {
        "cosine": {"num_cycles": r.choice([0.5, 1.5])}, "polynomial": {"power": r.choice([1.0, 2.0, 0.5]), "lr_end": rate / 10},
        "inverse_sqrt": {"timescale": r.choice([3, 20])}, "cosine_with_restarts": {"num_cycles": r.randint(1, 3)},
        "cosine_with_min_lr": r.choice([{"min_lr": rate / 7}, {"min_lr_rate": 0.2, "num_cycles": 0.7}]),
        "cosine_warmup_with_min_lr": r.choice([{"min_lr": rate / 7}, {"min_lr_rate": 0.2, "warmup_lr_rate": 0.1}]),
        "warmup_stable_decay": {"num_decay_steps": r.randint(1, 3), "min_lr_ratio": r.choice([0.0, 0.1]), "decay_type": r.choice(["linear", "cosine", "1-sqrt"]),
                                "warmup_type": r.choice(["linear", "cosine", "1-sqrt"])},
    }.get(name, {})
    needed = name in ("cosine_with_min_lr", "cosine_warmup_with_min_lr", "warmup_stable_decay")
    return dict(lr_scheduler_type=name, lr_scheduler_kwargs=kwargs if needed or chance(r, 0.5) else {},
                warmup_steps=r.choice([0, 0, 1, 2, 3, 0.3]))


OPTIMISERS = ["adamw_torch"] * 8 + ["adamw_torch_fused", "adamw_torch_fused", "adamw_bnb_8bit", "paged_adamw_32bit", "paged_adamw_8bit", "adafactor", "sgd", "adagrad",
                                    "rmsprop", "lion_32bit", "lion_8bit"]
OPTIM_ARGS = {"sgd": [None, "momentum=0.9", "momentum=0.8,nesterov=true", "momentum=0.5, dampening=0.3"], "adagrad": [None, "lr_decay=0.1,eps=1e-6"],
              "rmsprop": [None, "alpha=0.9,momentum=0.5"]}


def training(r):
    rate = r.choice([1e-4, 1e-3, 5e-3])
    out = dict(per_device_train_batch_size=r.randint(1, 4), gradient_accumulation_steps=r.choice([1, 1, 2, 3]), learning_rate=rate,
               weight_decay=r.choice([0.0, 0.0, 0.01, 0.3]), adam_beta1=r.choice([0.9, 0.8, 0.0]), adam_beta2=r.choice([0.999, 0.95, 0.98]),
               adam_epsilon=r.choice([1e-8, 1e-6, 1e-4]), max_grad_norm=r.choice([1.0, 0.1, 100.0, 0.0]),
               optim=r.choice(OPTIMISERS), label_smoothing_factor=r.choice([0.0, 0.0, 0.0, 0.1]),
               gradient_checkpointing=chance(r, 0.4), seed=r.randrange(1000), dataloader_drop_last=chance(r, 0.15))
    out.update(schedule(r, rate))
    args = r.choice(OPTIM_ARGS.get(out["optim"], [None]))
    if args:
        out["optim_args"] = args
    if chance(r, 0.5):
        out["max_steps"] = r.randint(1, 6)
    else:
        out["num_train_epochs"] = r.choice([1, 2, 1.5])
    return out


def rows(r, vocab, labelled):
    out = []
    for _ in range(r.randint(3, 11)):
        n = r.choice([2, 3, r.randint(4, 20), r.randint(4, 40), r.randint(4, 70)])
        ids = [r.randrange(3, vocab) for _ in range(n)]
        if chance(r, 0.1):
            ids[r.randrange(n)] = 0             # the padding token, in the middle of a text
        masked = r.choice([0.0, 0.0, 0.3, 0.6, 1.0 if chance(r, 0.3) else 0.5])
        out.append({"input_ids": ids, "labels": [t if r.random() >= masked else -100 for t in ids]})
    if all(x < 0 for row in out for x in row["labels"][1:]):
        out[0]["labels"] = list(out[0]["input_ids"])
    return out


QUANT = [None] * 6 + [dict(load_in_4bit=True, bnb_4bit_quant_type=t, bnb_4bit_use_double_quant=d) for t in ("nf4", "fp4") for d in (False, True)] + \
        [dict(load_in_8bit=True)]


def draw(seed):
    r = random.Random(seed)
    kind = r.choice(sorted(MODELS))
    model = MODELS[kind](r)
    quant = r.choice(QUANT)
    if kind in ("Falcon", "Mixtral"):           # transformers 5 quantises neither Falcon's own class of linears nor stacked experts
        quant = None
    train = training(r)
    split = r.choice([1, 1, 1, 0.7])
    if split < 1:
        train.update(eval_strategy=r.choice(["steps", "epoch"]), per_device_eval_batch_size=r.randint(1, 4), eval_steps=r.randint(1, 3))
    if train["dataloader_drop_last"] and split < 1:        # a batch that never fills is an error of ours; the Trainer logs nothing
        train["per_device_eval_batch_size"] = 1
    case = dict(seed=seed, kind=kind, model=model, write=r.choice(["bfloat16", "bfloat16", "float32", "float16"]), quant=quant,
                lora=lora_config(r, kind, model, quant), train=train, rows=rows(r, model["vocab_size"], True), split=split, shuffle=chance(r, 0.4),
                max_length=r.choice([1024, 1024, 25]), keep_end=chance(r, 0.3), pack=chance(r, 0.2))
    if case["pack"]:
        case["max_length"] = r.randint(20, 90)
    case["bf16"] = chance(r, 0.08) and not (quant and "load_in_8bit" in quant)
    if case["bf16"]:
        case["lora"].pop("modules_to_save", None)
        case["lora"].update(bias="none")
    case["memory"] = r.choice(["auto", "low", "fast"])
    return case
