"""Tokenizers of every kind, built and trained by Hugging Face's `tokenizers`, against `kaito-runtime inspect tokens`.

Usage: tokenizers_agree.py KAITO_RUNTIME REPOSITORY [--rows N] [--seed N] [--only NAME] [--record FOLDER]
Prints TAP. --record writes a small set of truths for the unit test instead (tests/golden/tokenizers).
"""
import argparse
import base64
import glob
import json
import os
import random
import struct
import subprocess
import sys
import tempfile

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

CL100K = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
O200K = (r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
         r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
         r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+")
DEEPSEEK = r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
VOCABULARY = 600
SPECIALS = ["<unk>", "<s>", "</s>", "<pad>", "[CLS]", "[SEP]", "[MASK]", "<|im_start|>"]

# ---- texts ----

PIECES = ["Hello", "world", " ", "  ", "\n", "\r\n", "\t", "'s", "don't", "I'LL", "123", "4567", "3.14", "0x1F", "...", "!?", "--", "_", "▁", "Ġ", "##", "</w>",
          "naïve", "Ünïcödé", "e\u0301", "ﬁ", "Ⅷ", "½", "İstanbul", "ß", "Σίσυφος", "Привет", "мир", "שלום", "العربية", "हिन्दी", "ไทย", "日本語", "漢字", "ひらがな", "カタカナ", "한국어",
          "👍", "👨‍👩‍👧‍👦", "🇩🇪", "👍🏽", "\u200b", "\u200d", "\ufeff", "\u00a0", "\u3000", "\u2028", "\u0085", "\u180e", "\x01", "\x7f", "\x1b[0m", "\ufffd", "\u0300",
          "𝔘𝔫𝔦", "𠀀", "\U0010ffff", "\ue000", "K", "ſ", "aaaaaaaaaaaaaaaa", "supercalifragilistic", "def f(x):\n    return x", "http://a.b/c?d=e&f", "a@b.cd", "C++",
          "<0x41>", "<s>", "</s>", "<unk>", "[MASK]", "<|im_start|>", " [MASK] ", "[CLS]", "tok", "TOK", " tok ", "atokb", "<extra>", "  <extra>  "]
PLANES = [(0x20, 0x7e), (0xa0, 0x24f), (0x300, 0x36f), (0x370, 0x52f), (0x590, 0x6ff), (0x900, 0xdff), (0xe00, 0xfff), (0x1e00, 0x1fff), (0x2000, 0x2bff),
          (0x3000, 0x30ff), (0x4e00, 0x9fff), (0xac00, 0xd7a3), (0xf900, 0xfaff), (0xfe00, 0xffef), (0x10000, 0x103ff), (0x1d400, 0x1d7ff), (0x1f300, 0x1faff),
          (0x20000, 0x2a6df), (0x2ebf0, 0x323af), (0x11f00, 0x11f60), (0x13460, 0x143fa), (0x16100, 0x16d7f), (0xe0000, 0xe01ef), (0x0, 0x10ffff)]


def character(rng):
    lo, hi = rng.choice(PLANES)
    while True:
        c = rng.randint(lo, hi)
        if not 0xd800 <= c <= 0xdfff:
            return chr(c)


def text(rng, words):
    out = []
    for _ in range(rng.choice([0, 1, 2, 3, 5, 8, 20])):
        kind = rng.random()
        if kind < 0.45:
            out.append(rng.choice(PIECES))
        elif kind < 0.75:
            out.append(rng.choice(words))
        elif kind < 0.9:
            out.append("".join(character(rng) for _ in range(rng.randint(1, 6))))
        else:
            out.append(rng.choice([" ", "\n", ""]) * rng.randint(1, 5))
        if rng.random() < 0.5:
            out.append(" ")
    return "".join(out)


def corpus(root):
    lines = []
    for name in sorted(glob.glob(root + "/docs/*.md") + glob.glob(root + "/*.md") + glob.glob(root + "/src/tokenizer/*.c")):
        with open(name, encoding="utf-8") as f:
            lines += f.read().splitlines()
    lines = [line for line in lines if line.strip()][:1500]
    return lines + ["naïve café déjà vu Ünïcödé", "Привет мир, как дела", "日本語の文章です。漢字", "한국어 문장", "👍 🎉 emoji 👨‍👩‍👧‍👦", "العربية والنص"] * 4


# ---- tokenizers: each entry makes one; trained on the repository's own prose ----

def train(t, lines, **more):
    kind = {"BPE": trainers.BpeTrainer, "Unigram": trainers.UnigramTrainer, "WordPiece": trainers.WordPieceTrainer, "WordLevel": trainers.WordLevelTrainer}
    options = dict(vocab_size=VOCABULARY, show_progress=False, special_tokens=SPECIALS)
    options.update(more)
    t.train_from_iterator(lines, kind[type(t.model).__name__](**options))
    return t


def bpe_bytes(lines, pre, normalizer=None, prefix=False, **model):
    t = Tokenizer(models.BPE(**model))
    byte = pre_tokenizers.ByteLevel(add_prefix_space=prefix, use_regex=pre is None)
    t.pre_tokenizer = byte if pre is None else pre_tokenizers.Sequence([pre, byte])
    if normalizer:
        t.normalizer = normalizer
    t.decoder = decoders.ByteLevel()
    return train(t, lines, initial_alphabet=pre_tokenizers.ByteLevel.alphabet())


def with_bytes(t):
    """Adds <0x00>..<0xFF> to a trained vocabulary and turns byte_fallback on."""
    j = json.loads(t.to_str())
    vocab = j["model"]["vocab"]
    for b in range(256):
        if isinstance(vocab, dict):
            vocab["<0x%02X>" % b] = len(vocab)
        else:
            vocab.append(["<0x%02X>" % b, -20.0])
    j["model"]["byte_fallback"] = True
    return Tokenizer.from_str(json.dumps(j))


def llama(lines, normalizer=True, fuse=True):
    t = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=fuse))
    if normalizer:
        t.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
        t.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    else:
        t.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
        t.decoder = decoders.Sequence([decoders.Metaspace(prepend_scheme="first"), decoders.ByteFallback(), decoders.Fuse()])
    lines = [" ".join(line.split()[i:i + 3]) for line in lines for i in range(0, len(line.split()), 3)]
    t = with_bytes(train(t, lines))
    t.post_processor = processors.TemplateProcessing(single="<s> $A", pair="<s> $A <s> $B", special_tokens=[("<s>", 1)])
    return t


def gemma(lines):
    t = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True))
    t.normalizer = normalizers.Replace(" ", "▁")
    t.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    t.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    return with_bytes(train(t, lines))


def clip(lines):
    t = Tokenizer(models.BPE(unk_token="<unk>", end_of_word_suffix="</w>"))
    t.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()])
    t.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"), "removed", invert=True),
                                               pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    t.decoder = decoders.BPEDecoder("</w>")
    t.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 1))
    return train(t, lines, end_of_word_suffix="</w>")


def unigram(lines, normalizer, pre, decoder, bytes_too=False):
    t = Tokenizer(models.Unigram())
    if normalizer:
        t.normalizer = normalizer
    t.pre_tokenizer, t.decoder = pre, decoder
    t = train(t, lines, unk_token="<unk>")
    t = with_bytes(t) if bytes_too else t
    t.post_processor = processors.TemplateProcessing(single="$A </s>", pair="$A </s> $B </s>", special_tokens=[("</s>", t.token_to_id("</s>"))])
    return t


def bert(lines, **options):
    t = Tokenizer(models.WordPiece(unk_token="<unk>", max_input_chars_per_word=options.pop("longest", 100)))
    t.normalizer = normalizers.BertNormalizer(**options)
    t.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    t.decoder = decoders.WordPiece()
    t.post_processor = processors.BertProcessing(("[SEP]", 5), ("[CLS]", 4))
    return train(t, lines)


def wordlevel(lines, pre):
    t = Tokenizer(models.WordLevel(unk_token="<unk>"))
    t.pre_tokenizer = pre
    return train(t, lines)


def reveal(normalizer=None, pre=None):
    """Ids are bytes; the first byte of each piece has another id than the rest: shows exactly what the earlier steps made."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocab = {c: i for i, c in enumerate(alphabet)}
    vocab.update({"##" + c: 256 + i for i, c in enumerate(alphabet)})
    t = Tokenizer(models.BPE(vocab=vocab, merges=[], continuing_subword_prefix="##"))
    if normalizer:
        t.normalizer = normalizer
    byte = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    t.pre_tokenizer = pre_tokenizers.Sequence([pre, byte]) if pre else byte
    t.decoder = decoders.ByteLevel()
    return t


def charsmap(rules):
    """A SentencePiece character map of {from: to}, packed as Darts packs it."""
    trie = {}
    texts = bytearray()
    for key in sorted(rules):
        node = trie
        for b in key.encode():
            node = node.setdefault(b, {})
        node[0] = len(texts)
        texts += rules[key].encode() + b"\0"
    units, used = {0: 0}, {0}

    def place(node, at, label):
        children = sorted(node)
        base = 1
        while any(((at ^ base) ^ c) in used for c in children) or base >= 1 << 21:
            base += 1
        for c in children:
            used.add((at ^ base) ^ c)
        units[at] = label | (base << 10) | (0x100 if 0 in node else 0)
        for c in children:
            if c == 0:
                units[at ^ base] = node[0] | 1 << 31
            else:
                place(node[c], at ^ base ^ c, c)
    place(trie, 0, 0)
    blob = b"".join(struct.pack("<I", units.get(i, 0)) for i in range((max(units) | 255) + 1))
    return struct.pack("<I", len(blob)) + blob + bytes(texts)


def added(t):
    t.add_tokens([AddedToken("tok", single_word=True), AddedToken("<extra>", lstrip=True, rstrip=True), AddedToken("Naïve", normalized=True),
                  AddedToken("TOK", normalized=False), AddedToken("wor", normalized=True)])
    t.add_special_tokens([AddedToken("[MASK]", lstrip=True), AddedToken("<|im_start|>", rstrip=True, normalized=False)])
    return t


MAP = {"ﬁ": "fi", "Ⅷ": "VIII", "½": "1/2", "\u3000": " ", "\u00a0": " ", "\t": " ", "\n": " ", "e\u0301": "é", "\u200b": "", "Ａ": "A", "ｱ": "ア", "\x01": ""}
BEHAVIOURS = ["removed", "isolated", "merged_with_previous", "merged_with_next", "contiguous"]


def families(lines):
    m, n, p = pre_tokenizers.Metaspace, normalizers, pre_tokenizers
    yield "bpe gpt2", lambda: bpe_bytes(lines, None)
    yield "bpe gpt2 prefix space", lambda: bpe_bytes(lines, None, prefix=True)
    yield "bpe llama3", lambda: bpe_bytes(lines, p.Split(Regex(CL100K), "isolated"), ignore_merges=True)
    yield "bpe qwen2", lambda: bpe_bytes(lines, p.Split(Regex(CL100K.replace("{1,3}", "")), "isolated"), normalizers.NFC())
    yield "bpe o200k", lambda: bpe_bytes(lines, p.Split(Regex(O200K), "isolated"))
    yield "bpe deepseek", lambda: bpe_bytes(lines, p.Sequence([p.Split(Regex(r"\p{N}{1,3}"), "isolated"), p.Split(Regex(r"[一-龥぀-ゟ゠-ヿ]+"), "isolated"), p.Split(Regex(DEEPSEEK), "isolated")]))
    yield "bpe falcon", lambda: bpe_bytes(lines, p.Sequence([p.Punctuation("contiguous"), p.ByteLevel(add_prefix_space=False), p.Digits(), p.Split(Regex("[0-9][0-9][0-9]"), "isolated")]))
    yield "bpe starcoder", lambda: bpe_bytes(lines, p.Sequence([p.Digits(individual_digits=True), p.ByteLevel(add_prefix_space=False)]))
    yield "bpe added tokens", lambda: added(bpe_bytes(lines, None, normalizers.NFKC()))
    yield "bpe llama2", lambda: llama(lines)
    yield "bpe llama2 added tokens", lambda: added(llama(lines))
    yield "bpe llama2 unfused", lambda: llama(lines, fuse=False)
    yield "bpe mistral", lambda: llama(lines, normalizer=False)
    yield "bpe mistral added tokens", lambda: added(llama(lines, normalizer=False))
    yield "bpe gemma", lambda: gemma(lines)
    yield "bpe clip", lambda: clip(lines)
    yield "unigram t5", lambda: unigram(lines, n.Sequence([n.Nmt(), n.NFKC(), n.Replace(Regex(" {2,}"), " ")]), m(), decoders.Metaspace())
    yield "unigram bytes", lambda: unigram(lines, None, m(prepend_scheme="first"), decoders.Sequence([decoders.ByteFallback(), decoders.Metaspace(prepend_scheme="first")]), True)
    yield "unigram unsplit", lambda: unigram(lines, None, m(prepend_scheme="never", split=True), decoders.Metaspace(prepend_scheme="never"))
    yield "unigram added tokens", lambda: added(unigram(lines, n.Precompiled(charsmap(MAP)), p.Sequence([p.WhitespaceSplit(), m()]), decoders.Metaspace()))
    yield "wordpiece", lambda: bert(lines)
    yield "wordpiece cased", lambda: bert(lines, lowercase=False)
    yield "wordpiece accents", lambda: bert(lines, lowercase=True, strip_accents=False, handle_chinese_chars=False, clean_text=False, longest=12)
    yield "wordpiece added tokens", lambda: added(bert(lines))
    yield "wordlevel", lambda: wordlevel(lines, p.Whitespace())
    for name in "NFC NFD NFKC NFKD Lowercase StripAccents Nmt Strip BertNormalizer ByteLevel".split():
        yield "normalizer " + name, lambda name=name: reveal(getattr(n, name)())
    yield "normalizer Strip left", lambda: reveal(n.Strip(right=False))
    yield "normalizer Precompiled", lambda: reveal(n.Precompiled(charsmap(MAP)))
    yield "normalizer Prepend", lambda: reveal(n.Prepend("▁"))
    yield "normalizer Replace string", lambda: reveal(n.Replace(" ", "<>"))
    for pattern in [r"\s+", r"\w", r"[^\w\s]", r"^a|b$", r"(?i)k"]:
        yield "normalizer Replace %s" % pattern, lambda pattern=pattern: reveal(n.Replace(Regex(pattern), "<>"))
    for steps in [[n.NFD(), n.StripAccents()], [n.Strip(), n.Prepend("_")], [n.Prepend("_"), n.Strip()], [n.NFKD(), n.Lowercase(), n.NFC()]]:
        yield "normalizer sequence %s" % [type(s).__name__ for s in steps], lambda steps=steps: reveal(n.Sequence(steps))
    for scheme in ["always", "first", "never"]:
        for split in [True, False]:
            yield "pre Metaspace %s %s" % (scheme, split), lambda scheme=scheme, split=split: added(reveal(None, m(prepend_scheme=scheme, split=split)))
    yield "pre Metaspace after Strip", lambda: added(reveal(n.Strip(), m(prepend_scheme="first")))
    yield "pre Metaspace after clean", lambda: added(reveal(n.BertNormalizer(), m(prepend_scheme="first")))
    for behaviour in BEHAVIOURS:
        for invert in [False, True]:
            yield "pre Split %s %s" % (behaviour, invert), lambda b=behaviour, i=invert: reveal(None, p.Split(Regex(r"\d+|\s|[.,]"), b, invert=i))
        yield "pre Split string %s" % behaviour, lambda b=behaviour: reveal(None, p.Split(" ", b))
        yield "pre Punctuation %s" % behaviour, lambda b=behaviour: reveal(None, p.Punctuation(b))
    for pattern in [r"\w+", r"\W", r"\s+", r"\S+", r"\d", r"[\w']+", r"[^\s\w]", r"\p{L}+", r"\p{M}", r"[\p{P}\p{S}]", r"\p{Han}+", r"[\r\n]*|\s+$", r"\h+"]:
        yield "pre Split %s" % pattern, lambda pattern=pattern: reveal(None, p.Split(Regex(pattern), "isolated"))
    yield "pre Digits", lambda: reveal(None, p.Digits())
    yield "pre Digits each", lambda: reveal(None, p.Digits(individual_digits=True))
    for name in "Whitespace WhitespaceSplit BertPreTokenizer".split():
        yield "pre " + name, lambda name=name: reveal(None, getattr(p, name)())
    yield "pre CharDelimiterSplit", lambda: reveal(None, p.CharDelimiterSplit("."))
    yield "pre ByteLevel twice", lambda: reveal(None, p.ByteLevel())
    yield "pre WhitespaceSplit Metaspace", lambda: reveal(None, p.Sequence([p.WhitespaceSplit(), m()]))


# ---- comparing ----

def truth(t, row):
    ids = t.encode(row["text"], add_special_tokens=row["add_special_tokens"]).ids
    return {"ids": ids, "decoded": t.decode(ids, skip_special_tokens=False), "decoded_skip": t.decode(ids, skip_special_tokens=True)}


def rows_of(rng, words, n):
    return [{"text": text(rng, words), "add_special_tokens": rng.random() < 0.5} for _ in range(n)]


def differences(binary, t, rows):
    with tempfile.TemporaryDirectory() as folder:
        t.save(folder + "/tokenizer.json")
        lines = "".join(json.dumps(r) + "\n" for r in rows)
        got = subprocess.run([binary, "inspect", "tokens", "--model", folder], input=lines, capture_output=True, text=True)
    answers = [json.loads(line) for line in got.stdout.split("\n") if line]
    if len(answers) != len(rows):
        return ["%d answers to %d rows: %s" % (len(answers), len(rows), got.stderr.strip()[:300])]
    return ["%s\n#   want %s\n#   got  %s" % (json.dumps(r), json.dumps(truth(t, r)), json.dumps(a)) for r, a in zip(rows, answers) if a != truth(t, r)]


def record(folder, named, rng, words, n):
    os.makedirs(folder, exist_ok=True)
    for name, make in named:
        t = make()
        rows = [dict(r, **truth(t, r)) for r in rows_of(rng, words, n)]
        path = "%s/%s.json" % (folder, name.replace(" ", "-"))
        with open(path, "w", encoding="utf-8") as f:
            json.dump({"tokenizer": json.loads(t.to_str()), "rows": rows}, f, ensure_ascii=True, separators=(",", ":"))
            f.write("\n")


def main():
    a = argparse.ArgumentParser()
    a.add_argument("binary")
    a.add_argument("root")
    a.add_argument("--rows", type=int, default=400)
    a.add_argument("--seed", type=int, default=4)
    a.add_argument("--only", default="")
    a.add_argument("--record")
    o = a.parse_args()
    lines = corpus(o.root)
    words = sorted({w for line in lines for w in line.split()})
    named = [(name, make) for name, make in families(lines) if o.only in name]
    rng = random.Random(o.seed)
    if o.record:
        return record(o.record, [x for x in named if not x[0].startswith(("pre", "normalizer"))], rng, words, 12)
    print("1..%d" % len(named))
    bad = 0
    for i, (name, make) in enumerate(named):
        wrong = differences(o.binary, make(), rows_of(rng, words, o.rows))
        bad += bool(wrong)
        print("%s %d - %s%s" % ("not ok" if wrong else "ok", i + 1, name, ": %d of %d differ" % (len(wrong), o.rows) if wrong else ""))
        for w in wrong[:3]:
            print("# " + w)
        sys.stdout.flush()
    return bad > 0


sys.exit(main())
