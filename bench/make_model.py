#!/usr/bin/env python3
"""Writes a model with random bf16 weights in the shape of a known one: only speed and memory mean anything.

    make_model.py SHAPE DIR [--layers N] [--gguf FILE]

SHAPE: phi-3-mini (7.6 GB), llama-134m (0.3 GB), small, tiny. DIR becomes a Hugging Face checkpoint: config.json, a tokenizer
whose vocabulary is filled up with made-up words, model.safetensors. --gguf writes the same weights as a GGUF file, for engines
that read nothing else; it needs the Python packages gguf and numpy, the rest needs none.
"""
import argparse, json, os, random, struct

SHAPES = {
    "phi-3-mini": dict(family="phi3", layers=32, hidden=3072, inter=8192, heads=32, kv=32, vocab=32064),
    "llama-134m": dict(family="llama", layers=12, hidden=768, inter=2048, heads=12, kv=12, vocab=32000),
    "small": dict(family="phi3", layers=12, hidden=768, inter=2048, heads=12, kv=4, vocab=32064),
    "tiny": dict(family="llama", layers=2, hidden=64, inter=128, heads=4, kv=4, vocab=1024),
}
CONTEXT = 4096
ALIGN = 1 << 12
POOL_VALUES = (1 << 21) - 3     # odd, so that equal shapes do not get equal numbers

GGUF_NAMES = {
    "input_layernorm": "attn_norm", "self_attn.qkv_proj": "attn_qkv", "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output", "post_attention_layernorm": "ffn_norm",
    "mlp.gate_up_proj": "ffn_up", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down",
    "model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output",
}


def tensors(s):
    """(name, shape) in file order; a matrix is [out, in]."""
    h, inter, kv = s["hidden"], s["inter"], s["kv"] * s["hidden"] // s["heads"]
    attention = {"qkv_proj": h + 2 * kv} if s["family"] == "phi3" else {"q_proj": h, "k_proj": kv, "v_proj": kv}
    mlp = {"gate_up_proj": 2 * inter} if s["family"] == "phi3" else {"gate_proj": inter, "up_proj": inter}
    yield "model.embed_tokens.weight", (s["vocab"], h)
    for i in range(s["layers"]):
        at = f"model.layers.{i}."
        yield at + "input_layernorm.weight", (h,)
        for name, out in attention.items():
            yield at + f"self_attn.{name}.weight", (out, h)
        yield at + "self_attn.o_proj.weight", (h, h)
        yield at + "post_attention_layernorm.weight", (h,)
        for name, out in mlp.items():
            yield at + f"mlp.{name}.weight", (out, h)
        yield at + "mlp.down_proj.weight", (h, inter)
    yield "model.norm.weight", (h,)
    yield "lm_head.weight", (s["vocab"], h)


class Numbers:
    """bf16 numbers near +-0.01 (sign, a fixed exponent, the upper bits of a fraction), or ones for norms."""

    def __init__(self):
        rng = random.Random(1)
        self.pool = b"".join(struct.pack("<H", rng.getrandbits(1) << 15 | 0x3C00 | rng.getrandbits(8)) for _ in range(POOL_VALUES))
        self.at = 0

    def take(self, shape):
        if len(shape) == 1:
            yield struct.pack("<H", 0x3F80) * shape[0]
            return
        left = 2 * shape[0] * shape[1]
        while left:
            part = self.pool[self.at:self.at + left]
            self.at = (self.at + len(part)) % len(self.pool)
            left -= len(part)
            yield part


def config(s):
    c = {
        "architectures": ["Phi3ForCausalLM" if s["family"] == "phi3" else "LlamaForCausalLM"], "model_type": s["family"],
        "hidden_size": s["hidden"], "intermediate_size": s["inter"], "num_hidden_layers": s["layers"],
        "num_attention_heads": s["heads"], "num_key_value_heads": s["kv"], "vocab_size": s["vocab"],
        "max_position_embeddings": CONTEXT, "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "tie_word_embeddings": False,
        "torch_dtype": "bfloat16", "hidden_act": "silu", "bos_token_id": 1, "eos_token_id": 2,
    }
    if s["family"] == "phi3":
        c |= {"original_max_position_embeddings": CONTEXT, "sliding_window": None, "pad_token_id": 0}
    return c


def words(vocab):
    """SentencePiece's order: special tokens, bytes, words."""
    return ["<unk>", "<s>", "</s>"] + [f"<0x{b:02X}>" for b in range(256)] + ["\u2581"] + [f"\u2581w{i}" for i in range(vocab - 260)]


def tokenizer(vocab):
    special = [{"id": i, "content": t, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
               for i, t in enumerate(words(vocab)[:3])]
    space = {"type": "Replace", "pattern": {"String": " "}, "content": "\u2581"}
    return {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": special,
        "normalizer": {"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": "\u2581"}, space]},
        "pre_tokenizer": None, "post_processor": None,
        "decoder": {"type": "Sequence", "decoders": [{"type": "Replace", "pattern": {"String": "\u2581"}, "content": " "},
                                                     {"type": "ByteFallback"}, {"type": "Fuse"}]},
        "model": {"type": "BPE", "dropout": None, "unk_token": "<unk>", "continuing_subword_prefix": None, "end_of_word_suffix": None,
                  "fuse_unk": True, "byte_fallback": True, "vocab": {t: i for i, t in enumerate(words(vocab))}, "merges": []},
    }


def write_json(path, value):
    with open(path, "w", encoding="utf-8") as f:
        json.dump(value, f)


def write_checkpoint(s, folder):
    os.makedirs(folder, exist_ok=True)
    write_json(f"{folder}/config.json", config(s))
    write_json(f"{folder}/generation_config.json", {"bos_token_id": 1, "eos_token_id": 2})
    write_json(f"{folder}/tokenizer.json", tokenizer(s["vocab"]))
    write_json(f"{folder}/tokenizer_config.json", {"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<s>", "eos_token": "</s>",
                                                   "unk_token": "<unk>", "model_max_length": CONTEXT, "clean_up_tokenization_spaces": False})
    header, at = {"__metadata__": {"format": "pt"}}, 0
    for name, shape in tensors(s):
        size = 2 * shape[0] * (shape[1] if len(shape) > 1 else 1)
        header[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(header).encode()
    text += b" " * (-(len(text) + 8) % ALIGN)
    numbers = Numbers()
    with open(f"{folder}/model.safetensors", "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text)
        for _, shape in tensors(s):
            for part in numbers.take(shape):
                f.write(part)


def gguf_name(name):
    name = name.removesuffix(".weight")
    if name in GGUF_NAMES:
        return GGUF_NAMES[name] + ".weight"
    _, _, layer, rest = name.split(".", 3)
    return f"blk.{layer}.{GGUF_NAMES[rest]}.weight"


def write_gguf(s, path):
    import gguf
    import numpy as np
    kinds = gguf.GGMLQuantizationType
    w = gguf.GGUFWriter(path, s["family"])
    w.add_context_length(CONTEXT)
    w.add_embedding_length(s["hidden"])
    w.add_block_count(s["layers"])
    w.add_feed_forward_length(s["inter"])
    w.add_head_count(s["heads"])
    w.add_head_count_kv(s["kv"])
    w.add_layer_norm_rms_eps(1e-5)
    w.add_rope_dimension_count(s["hidden"] // s["heads"])
    w.add_rope_freq_base(10000.0)
    w.add_vocab_size(s["vocab"])
    w.add_file_type(gguf.LlamaFileType.MOSTLY_BF16)
    if s["family"] == "phi3":
        w.add_rope_scaling_orig_ctx_len(CONTEXT)
        w.add_sliding_window(CONTEXT)
    w.add_tokenizer_model("llama")
    w.add_tokenizer_pre("default")
    w.add_token_list([t.encode() for t in words(s["vocab"])])
    w.add_token_scores([-float(i) for i in range(s["vocab"])])
    types = [gguf.TokenType.UNKNOWN] + [gguf.TokenType.CONTROL] * 2 + [gguf.TokenType.BYTE] * 256
    w.add_token_types([int(t) for t in types + [gguf.TokenType.NORMAL] * (s["vocab"] - len(types))])
    w.add_bos_token_id(1)
    w.add_eos_token_id(2)
    w.add_unk_token_id(0)
    w.add_add_bos_token(False)
    for name, shape in tensors(s):
        flat = len(shape) == 1
        count = shape[0] * (1 if flat else shape[1])
        w.add_tensor_info(gguf_name(name), shape, np.dtype(np.float32 if flat else np.uint16), count * (4 if flat else 2), kinds.F32 if flat else kinds.BF16)
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_ti_data_to_file()
    numbers = Numbers()
    for name, shape in tensors(s):
        t = np.frombuffer(b"".join(numbers.take(shape)), np.uint16).reshape(shape)
        if s["family"] == "llama" and name.endswith(("q_proj.weight", "k_proj.weight")):    # GGUF pairs the halves of a rotated head
            heads = s["heads" if "q_proj" in name else "kv"]
            t = t.reshape(heads, 2, shape[0] // heads // 2, shape[1]).swapaxes(1, 2).reshape(shape)
        w.write_tensor_data(np.ones(shape, np.float32) if len(shape) == 1 else np.ascontiguousarray(t))
    w.close()


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("shape", choices=SHAPES)
    ap.add_argument("dir")
    ap.add_argument("--layers", type=int)
    ap.add_argument("--gguf")
    a = ap.parse_args()
    s = dict(SHAPES[a.shape])
    s["layers"] = a.layers or s["layers"]
    write_checkpoint(s, a.dir)
    if a.gguf:
        write_gguf(s, a.gguf)


if __name__ == "__main__":
    main()
