#!/usr/bin/env python3
"""Writes a Phi-3 shaped model with random bf16 weights, for benches: make_model.py DIR [phi-3-mini|small|tiny] [LAYERS].

Only the shapes matter for speed. phi-3-mini takes 7.6 GB; a smaller LAYERS scales it down.
"""
import json, os, random, struct, sys

SHAPES = {  # layers, hidden, inter, heads, kv heads, vocabulary
    "phi-3-mini": (32, 3072, 8192, 32, 32, 32064),
    "small": (12, 768, 2048, 12, 4, 32064),
    "tiny": (4, 256, 688, 4, 4, 2048),
}


def config(layers, hidden, inter, heads, kv, vocab):
    return {
        "architectures": ["Phi3ForCausalLM"], "model_type": "phi3", "hidden_size": hidden, "intermediate_size": inter,
        "num_hidden_layers": layers, "num_attention_heads": heads, "num_key_value_heads": kv, "vocab_size": vocab,
        "max_position_embeddings": 4096, "original_max_position_embeddings": 4096, "rms_norm_eps": 1e-5,
        "rope_theta": 10000.0, "sliding_window": None, "tie_word_embeddings": False, "torch_dtype": "bfloat16",
        "hidden_act": "silu", "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0,
    }


def tensors(layers, hidden, inter, heads, kv, vocab):
    qkv = (heads + 2 * kv) * (hidden // heads)
    yield "model.embed_tokens.weight", [vocab, hidden]
    yield "lm_head.weight", [vocab, hidden]
    yield "model.norm.weight", [hidden]
    for i in range(layers):
        at = f"model.layers.{i}."
        yield at + "input_layernorm.weight", [hidden]
        yield at + "post_attention_layernorm.weight", [hidden]
        yield at + "self_attn.qkv_proj.weight", [qkv, hidden]
        yield at + "self_attn.o_proj.weight", [hidden, hidden]
        yield at + "mlp.gate_up_proj.weight", [2 * inter, hidden]
        yield at + "mlp.down_proj.weight", [hidden, inter]


def main():
    shape = list(SHAPES[sys.argv[2] if len(sys.argv) > 2 else "phi-3-mini"])
    if len(sys.argv) > 3:
        shape[0] = int(sys.argv[3])
    os.makedirs(sys.argv[1], exist_ok=True)
    with open(os.path.join(sys.argv[1], "config.json"), "w") as f:
        json.dump(config(*shape), f)
    header, at = {}, 0
    for name, dims in tensors(*shape):
        size = 2
        for d in dims:
            size *= d
        header[name] = {"dtype": "BF16", "shape": dims, "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    rng = random.Random(1)      # values near +-0.01: sign, a fixed exponent, eight random bits
    pool = b"".join(struct.pack("<H", rng.getrandbits(1) << 15 | 0x3C00 | rng.getrandbits(8)) for _ in range(1 << 20))
    with open(os.path.join(sys.argv[1], "model.safetensors"), "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text)
        while at > 0:
            f.write(pool[:at])
            at -= len(pool)


main()
