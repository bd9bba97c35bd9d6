#!/usr/bin/env python3
"""Records what llama.cpp makes of texts with the vocabularies of the small models: record_tokens.py LLAMA_TOKENS [folder].

LLAMA_TOKENS is llama_tokens.c built against libllama. tokens.json: {"model", "pre", "rows": [{"text", "ids"}]}; pre NULL leaves the
file as it is, else tokenizer.ggml.pre is replaced. Texts are ones on which llama.cpp and Hugging Face's tokenizers agree: no
decomposed characters (only the latter composes them for Qwen).
"""
import json
import pathlib
import subprocess
import sys
import tempfile

CASES = [("mixtral", None), ("phi3-longrope", None), ("gemma3", None), ("phi2", None)] + \
        [("llama3", pre) for pre in ("llama-bpe", "dbrx", "qwen2", "deepseek-r1-qwen", "gpt-2", "falcon", "starcoder", "gpt-4o", "tekken", "default")]

TEXTS = [
    "The quick brown fox jumps over the lazy dog.", "  two  spaces\tand a tab\nnew line\r\n\r\nend  ", "", " ", "   ", "\n\n", "a",
    "Don't you'll WE'RE i'd", "1234567890 12 345 6,789.01", "x=1;y+=22;z-->333", "def f(x):\n    return x**2 + 1_000.5e-3  # comment",
    "Größe über Straße, façade naïve", "数学は楽しい。深度学习 모델", "🙂👩‍👩‍👧‍👦🏳️‍🌈 ok", "مرحبا بالعالم שלום", "<s> inside </s> text<unk>", "a<|endoftext|> b <|im_end|>c",
    "<|assistant|>\n hello <|end|>  there", "٣٤٥ ²³ Ⅷ", "HelloWorld helloWORLD ABCdef", "!!!??? ... -- $$$ ^^ ~~ `code` <tag/>", "tabs\t\tand\u00a0nbsp\u3000wide",
    "https://example.org/a?b=c&d=%20", "word" * 40, "    indented\n\tdeeper\n", "end of line\n", "é è ü ß \u0000x"[:-2],
]


def with_pre(data, pre):
    """The file with another tokenizer.ggml.pre; bytes at the end make up for what moves."""
    key = b"tokenizer.ggml.pre" + (8).to_bytes(4, "little")
    at = data.index(key) + len(key)
    old = int.from_bytes(data[at:at + 8], "little")
    return data[:at] + len(pre).to_bytes(8, "little") + pre.encode() + data[at + 8 + old:] + bytes(64)


def tokens(tool, path):
    out = subprocess.run([tool, str(path)], input="".join(t + "\0" for t in TEXTS).encode(), capture_output=True, check=True).stdout.decode()
    return [[int(i) for i in line.split()] for line in out.split("\n")[:-1]]


def main():
    tool = str(pathlib.Path(sys.argv[1]).resolve())
    folder = pathlib.Path(sys.argv[2] if len(sys.argv) > 2 else pathlib.Path(__file__).parent)
    cases = []
    for model, pre in CASES:
        data = (folder / f"{model}.gguf").read_bytes()
        with tempfile.NamedTemporaryFile(suffix=".gguf") as file:
            file.write(with_pre(data, pre) if pre else data)
            file.flush()
            rows = [{"text": t, "ids": ids} for t, ids in zip(TEXTS, tokens(tool, file.name), strict=True)]
        cases.append({"model": model, "pre": pre, "rows": rows})
    (folder / "tokens.json").write_text("[\n" + ",\n".join(json.dumps(c, ensure_ascii=False) for c in cases) + "\n]\n")


if __name__ == "__main__":
    main()
