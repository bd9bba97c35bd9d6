"""Records tests/golden/encoders: tiny random encoders of transformers, their tokenizers, and the vectors that torch computes in float32.

Usage: encoders_record.py REPOSITORY        (in the environment of tests/peers/requirements.txt)
Pooling and normalising follow sentence-transformers' definitions: cls, mean over the tokens, x / max(|x|, 1e-12).
"""
import json
import os
import shutil
import sys

import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import BertConfig, BertModel, DistilBertConfig, DistilBertModel, RobertaConfig, RobertaModel, XLMRobertaConfig, XLMRobertaModel

ROOT = sys.argv[1]
OUT = os.path.join(ROOT, "tests/golden/encoders")
TEXTS = ["The quick brown fox jumps over the lazy dog.", "hello", "Ünïcödé and 日本語", "", "a b c d e f g h i j k l m n o p q r s t u v w x y z 0 1 2 3 4 5 6 7 8 9",
         "Set the number of nodes to three, then wait until the workspace is ready.", "!?", "word " * 30]


def corpus():
    with open(os.path.join(ROOT, "docs/architecture.md"), encoding="utf-8") as f:
        return f.read().splitlines()


def wordpiece(roberta):
    special = ["<s>", "<pad>", "</s>", "<unk>"] if roberta else ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    t = Tokenizer(models.WordPiece(unk_token="<unk>" if roberta else "[UNK]"))
    t.normalizer, t.pre_tokenizer, t.decoder = normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer(), decoders.WordPiece()
    t.train_from_iterator(corpus(), trainers.WordPieceTrainer(vocab_size=300, special_tokens=special, show_progress=False))
    first, last = (special[0], special[2]) if roberta else ("[CLS]", "[SEP]")
    t.post_processor = processors.TemplateProcessing(single="%s $A %s" % (first, last), special_tokens=[(first, t.token_to_id(first)), (last, t.token_to_id(last))])
    return t


SIZES = dict(vocab_size=300, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64)
MODELS = {
    "bert-mean": (lambda: BertModel(BertConfig(max_position_embeddings=64, **SIZES)), "mean", True, torch.float32),
    "bert-cls": (lambda: BertModel(BertConfig(max_position_embeddings=64, hidden_act="gelu_new", **SIZES), add_pooling_layer=False), "cls", False, torch.bfloat16),
    "roberta": (lambda: RobertaModel(RobertaConfig(max_position_embeddings=66, type_vocab_size=1, pad_token_id=1, layer_norm_eps=1e-5, **SIZES)), None, False, torch.float32),
    "xlm-roberta": (lambda: XLMRobertaModel(XLMRobertaConfig(max_position_embeddings=66, type_vocab_size=1, pad_token_id=1, layer_norm_eps=1e-5, **SIZES)), "cls", True, torch.float16),
    "distilbert": (lambda: DistilBertModel(DistilBertConfig(vocab_size=300, dim=32, n_layers=2, n_heads=4, hidden_dim=64, max_position_embeddings=64)), "mean", True, torch.float32),
}


def spread(model):
    """Random weights of a size at which every part of the model shows in the result."""
    g = torch.Generator().manual_seed(7)
    for name, p in model.named_parameters():
        norm_weight = "layernorm" in name.lower().replace("_", "") and name.endswith("weight") or name.endswith("layer_norm.weight")
        p.data = torch.randn(p.shape, generator=g) * (0.1 if p.dim() > 1 else 0.05) + (1.0 if norm_weight else 0.0)
    return model


def vector(model, ids, pooling, normalized):
    with torch.no_grad():
        x = model(input_ids=torch.tensor([ids])).last_hidden_state[0]
    v = x[0] if pooling == "cls" else x.mean(0)
    return (torch.nn.functional.normalize(v, dim=0) if normalized else v).tolist()


def write(path, j):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as f:
        json.dump(j, f, ensure_ascii=False, indent=1)
        f.write("\n")


def sentence_files(folder, pooling, normalized):
    modules = [("", "Transformer"), ("1_Pooling", "Pooling")] + ([("2_Normalize", "Normalize")] if normalized else [])
    write(folder + "/modules.json", [{"idx": i, "name": str(i), "path": p, "type": "sentence_transformers.models." + t} for i, (p, t) in enumerate(modules)])
    write(folder + "/1_Pooling/config.json", {"word_embedding_dimension": 32, "pooling_mode_cls_token": pooling == "cls", "pooling_mode_mean_tokens": pooling == "mean",
                                              "pooling_mode_max_tokens": False, "pooling_mode_mean_sqrt_len_tokens": False})


def main():
    shutil.rmtree(OUT, ignore_errors=True)
    for name, (make, pooling, normalized, dtype) in MODELS.items():
        folder = os.path.join(OUT, name)
        torch.manual_seed(1)
        model = spread(make()).to(dtype)
        model.save_pretrained(folder, safe_serialization=True)
        model = model.to(torch.float32).eval()
        t = wordpiece("roberta" in name)
        t.save(folder + "/tokenizer.json")
        if pooling:
            sentence_files(folder, pooling, normalized)
        rows = [{"text": s, "ids": t.encode(s).ids} for s in TEXTS]
        write(folder + "/expected.json", [dict(r, embedding=vector(model, r["ids"], pooling, normalized)) for r in rows])


main()
