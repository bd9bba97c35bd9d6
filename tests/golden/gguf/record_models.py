#!/usr/bin/env python3
"""Records small GGUF models and their logits: record_models.py HF_MODELS LLAMA_CPP [folder].

HF_MODELS is the folder of tiny models of the Hugging Face goldens, LLAMA_CPP a checkout of llama.cpp, whose converter writes the
files. The logits are those of transformers in float32. (pip install torch transformers sentencepiece protobuf gguf safetensors)

NAME.gguf: the model as the converter writes it; record_tokens.py is about its vocabulary.
formats.gguf: a Llama model whose matrices are in twelve block formats, filled with random blocks.
models.json: per model, prompts with the logits after the last token. A file in blocks is compared with its dequantised weights.
"""
import json
import pathlib
import re
import shutil
import sys
import tempfile

LLAMA_CPP = pathlib.Path(sys.argv[2]).resolve()
sys.path[:0] = [str(LLAMA_CPP / "gguf-py"), str(LLAMA_CPP)]     # the converter wants the gguf it comes with

import gguf
import numpy as np
import torch
import transformers

from record import FORMATS, random_blocks

# name: converter's --outtype, pre-tokenizer of a byte-level vocabulary, changes to config.json: what GGUF files cannot say
# (their readers know it from the architecture), so that transformers computes the model the file describes
MODELS = {
    "llama3": ("bf16", "llama-bpe", {}),
    "phi3-longrope": ("bf16", None, {}),
    "gemma3": ("bf16", None, {"query_pre_attn_scalar": 16, "layer_types": ["sliding_attention"] * 2}),
    "mixtral": ("q8_0", None, {}),
    "falcon40b": ("bf16", "falcon", {}),
    "phi2": ("bf16", None, {}),
}


def sentencepiece_model(source, target):
    """The tokenizer.model these tokenizers would have had: scores are minus the rank of the merge that makes a token."""
    from sentencepiece import sentencepiece_model_pb2 as pb
    tokenizer = json.loads(source.read_text())
    model, special = tokenizer["model"], {t["content"] for t in tokenizer["added_tokens"]}
    merges = [m.split(" ") if isinstance(m, str) else m for m in model["merges"]]
    rank = {}
    for i, (left, right) in enumerate(merges):
        rank.setdefault(left + right, i)
    proto, kinds = pb.ModelProto(), pb.ModelProto.SentencePiece
    for token, i in sorted(model["vocab"].items(), key=lambda row: row[1]):
        piece = proto.pieces.add(piece=token, score=0)
        if token == model["unk_token"]:
            piece.type = kinds.UNKNOWN
        elif token in special:
            piece.type = kinds.CONTROL
        elif re.fullmatch("<0x[0-9A-F]{2}>", token):
            piece.type = kinds.BYTE
        else:
            piece.score = -float(rank.get(token, len(merges) + i))
    proto.trainer_spec.model_type = pb.TrainerSpec.BPE
    proto.trainer_spec.byte_fallback = True
    proto.trainer_spec.vocab_size = len(proto.pieces)
    proto.trainer_spec.pad_id = -1
    proto.normalizer_spec.name = "identity"
    proto.normalizer_spec.remove_extra_whitespaces = False
    target.write_bytes(proto.SerializeToString())


def convert(name, source, out):
    """One model through llama.cpp's own converter."""
    outtype, pre, _ = MODELS[name]
    import conversion.base
    import conversion.phi
    import convert_hf_to_gguf
    if pre:
        conversion.base.TextModel.get_vocab_base_pre = lambda self, tokenizer: pre
    else:
        sentencepiece_model(source / "tokenizer.json", source / "tokenizer.model")
    if name == "phi2":      # not the real Phi 2: its vocabulary is SentencePiece's, its MLP not four times as wide
        plain = conversion.phi.Phi2Model.set_gguf_parameters

        def patched(self):
            plain(self)
            self.gguf_writer.kv_data[0]["phi2.feed_forward_length"].value = self.hparams["intermediate_size"]
        conversion.phi.Phi2Model.set_gguf_parameters = patched
        conversion.phi.Phi2Model.set_vocab = lambda self: self._set_vocab_sentencepiece()
    argv, sys.argv = sys.argv, ["convert", str(source), "--outfile", str(out), "--outtype", outtype]
    convert_hf_to_gguf.main()
    sys.argv = argv


def as_q8_0(name, weight):
    """What a Q8_0 file keeps of a weight: its rows in blocks of 32, else f16; routers and norms as they are."""
    if weight.ndim < 2 or name.endswith("mlp.gate.weight"):
        return weight
    array = weight.detach().numpy()
    if array.shape[-1] % 32:
        return torch.from_numpy(array.astype(np.float16).astype(np.float32))
    kind = gguf.GGMLQuantizationType.Q8_0
    return torch.from_numpy(gguf.quants.dequantize(gguf.quants.quantize(array, kind), kind).reshape(array.shape).copy())


def logits(model, prompts):
    with torch.no_grad():
        return [{"ids": ids, "last_logits": [float(f"{x:.8g}") for x in model(torch.tensor([ids])).logits[0, -1].tolist()]} for ids in prompts]


def record_model(name, hf, out):
    outtype, _, changes = MODELS[name]
    with tempfile.TemporaryDirectory() as scratch:
        source = pathlib.Path(scratch) / name
        shutil.copytree(hf / name, source)
        convert(name, source, out / f"{name}.gguf")
        config = json.loads((source / "config.transformers5.json").read_text()) | changes
        (source / "config.json").write_text(json.dumps(config))
        model = transformers.AutoModelForCausalLM.from_pretrained(source, dtype=torch.float32, attn_implementation="eager").eval()
    if outtype == "q8_0":
        with torch.no_grad():
            for key, weight in model.named_parameters():
                weight.copy_(as_q8_0(key, weight))
    expected = json.loads((hf.parent / "expected" / f"{name}.logits.json").read_text())["prompts"]
    return {"prompts": logits(model, [p["ids"] for p in expected[:2]])}


LAYERS, WIDTH, HEADS, KV_HEADS, VOCAB = 2, 256, 4, 2, 128
LINEARS = [("attn_q", "self_attn.q_proj", WIDTH), ("attn_k", "self_attn.k_proj", WIDTH // 2), ("attn_v", "self_attn.v_proj", WIDTH // 2),
           ("attn_output", "self_attn.o_proj", WIDTH), ("ffn_gate", "mlp.gate_proj", WIDTH), ("ffn_up", "mlp.up_proj", WIDTH),
           ("ffn_down", "mlp.down_proj", WIDTH)]


def block_matrix(rng, name, rows):
    """[rows, WIDTH] of random blocks whose values spread by about 0.06: the bytes, and what gguf makes of them."""
    kind = gguf.GGMLQuantizationType[name]
    elements, size = gguf.GGML_QUANT_SIZES[kind]
    blocks = np.concatenate([random_blocks(rng, name)[:-1] for _ in range(rows * WIDTH // elements // 5 + 1)])[:rows * WIDTH // elements]
    for at in FORMATS[name]:
        halves = blocks[:, at:at + 2].copy().view(np.float16)
        spread = gguf.quants.dequantize(blocks, kind).std()
        blocks[:, at:at + 2] = (halves * np.float16(0.06 / spread)).view(np.uint8)
        if len(FORMATS[name]) == 2:
            break           # the minimum keeps its size: off-centre weights, as Q4_1 is for
    for at in FORMATS[name][1:]:
        halves = blocks[:, at:at + 2].copy().view(np.float16)
        blocks[:, at:at + 2] = (halves * np.float16(0.02)).view(np.uint8)
    return blocks.reshape(rows, -1), gguf.quants.dequantize(blocks, kind).reshape(rows, WIDTH)


def neighbours_to_halves(weight, heads):
    """Rows of q and k as Hugging Face has them: pairs half a head apart."""
    return weight.reshape(heads, -1, 2, WIDTH).swapaxes(1, 2).reshape(weight.shape)


def record_formats(path):
    rng = np.random.default_rng(11)
    config = transformers.LlamaConfig(hidden_size=WIDTH, intermediate_size=WIDTH, num_hidden_layers=LAYERS, num_attention_heads=HEADS,
                                      num_key_value_heads=KV_HEADS, vocab_size=VOCAB, max_position_embeddings=256, rms_norm_eps=1e-5,
                                      tie_word_embeddings=False, attn_implementation="eager")
    model = transformers.LlamaForCausalLM(config).float().eval()
    state = model.state_dict()
    w = gguf.GGUFWriter(path, "llama")
    w.add_block_count(LAYERS), w.add_embedding_length(WIDTH), w.add_feed_forward_length(WIDTH), w.add_head_count(HEADS)
    w.add_head_count_kv(KV_HEADS), w.add_context_length(256), w.add_layer_norm_rms_eps(1e-5), w.add_rope_freq_base(10000)

    def put(ours, theirs, rows, name):
        blocks, values = block_matrix(rng, name, rows)
        w.add_tensor(f"{ours}.weight", blocks, raw_dtype=gguf.GGMLQuantizationType[name])
        if ours.endswith(("attn_q", "attn_k")):
            values = neighbours_to_halves(values, HEADS if ours.endswith("q") else KV_HEADS)
        state[f"{theirs}.weight"].copy_(torch.from_numpy(values.copy()))

    def put_norm(ours, theirs):
        values = (1 + 0.1 * rng.standard_normal(WIDTH)).astype(np.float32)
        w.add_tensor(f"{ours}.weight", values)
        state[f"{theirs}.weight"].copy_(torch.from_numpy(values))

    names = list(FORMATS)
    with torch.no_grad():
        put("token_embd", "model.embed_tokens", VOCAB, "Q6_K")
        put("output", "lm_head", VOCAB, "Q4_K")
        put_norm("output_norm", "model.norm")
        for i in range(LAYERS):
            put_norm(f"blk.{i}.attn_norm", f"model.layers.{i}.input_layernorm")
            put_norm(f"blk.{i}.ffn_norm", f"model.layers.{i}.post_attention_layernorm")
            for k, (ours, theirs, rows) in enumerate(LINEARS):
                put(f"blk.{i}.{ours}", f"model.layers.{i}.{theirs}", rows, names[(i * len(LINEARS) + k) % len(names)])
    w.write_header_to_file(), w.write_kv_data_to_file(), w.write_tensors_to_file(), w.close()
    return {"prompts": logits(model, [rng.integers(0, VOCAB, 40).tolist(), rng.integers(0, VOCAB, 7).tolist()])}


def main():
    hf = pathlib.Path(sys.argv[1]).resolve()
    out = pathlib.Path(sys.argv[3] if len(sys.argv) > 3 else pathlib.Path(__file__).parent).resolve()
    only = sys.argv[4:]
    if not only:            # a converter's classes are patched per model: one process each
        import subprocess
        for name in [*MODELS, "formats"]:
            subprocess.run([sys.executable, __file__, str(hf), str(LLAMA_CPP), str(out), name], check=True)
        return
    path = out / "models.json"
    rows = json.loads(path.read_text()) if path.exists() else {}
    rows[only[0]] = record_formats(out / "formats.gguf") if only[0] == "formats" else record_model(only[0], hf, out)
    path.write_text("{\n" + ",\n".join(f'"{k}": {json.dumps(v)}' for k, v in rows.items()) + "\n}\n")


if __name__ == "__main__":
    main()
