"""Files that PyPI's `gguf` writes, read by `kaito-runtime inspect tensors`: every format, shapes and metadata at random, damage.

Usage: gguf_agree.py KAITO_RUNTIME [--rounds N] [--seed N]. Prints TAP.
"""
import argparse
import json
import pathlib
import random
import subprocess
import tempfile

import gguf
import numpy as np

Type = gguf.GGMLQuantizationType
# name: byte offsets of the f16 fields in a block
BLOCKS = {"Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q8_0": [0], "Q2_K": [80, 82], "Q3_K": [108], "Q4_K": [0, 2],
          "Q5_K": [0, 2], "Q6_K": [208], "IQ4_NL": [0], "IQ4_XS": [0]}
PLAIN = {"F32": np.float32, "F16": np.float16}
REFUSED = ["IQ1_S", "IQ2_XXS", "IQ3_S", "TQ1_0", "Q8_K"]


def matrix(rng, name):
    """Bytes of a random matrix as the writer takes them, and its values."""
    rows = int(rng.integers(1, 9))
    if name in PLAIN:
        values = (rng.standard_normal((rows, int(rng.integers(1, 300)))) * 3).astype(PLAIN[name])
        return values, values.astype(np.float32)
    if name == "BF16":
        values = (rng.standard_normal((rows, int(rng.integers(1, 300)))) * 3).astype(np.float32)
        raw = gguf.quants.quantize(values, Type.BF16)
        return raw, gguf.quants.dequantize(raw, Type.BF16)
    size = gguf.GGML_QUANT_SIZES[Type[name]][1]
    blocks = rng.integers(0, 256, (rows, int(rng.integers(1, 6)), size), dtype=np.uint8)
    for at in BLOCKS.get(name, []):
        scales = (rng.standard_normal(blocks.shape[:2]) * 0.1).astype(np.float16)
        blocks[:, :, at:at + 2] = scales.view(np.uint8).reshape(*blocks.shape[:2], 2)
    raw = blocks.reshape(rows, -1)
    return raw, gguf.quants.dequantize(raw, Type[name]) if name in BLOCKS else None


def metadata(rng, w):
    """A key of every kind, some nested, with texts that need care."""
    words = ["", "a", "Größe", "\u2581x", "🙂", "line\nbreak", "x" * 3000]
    for i in range(rng.randint(0, 12)):
        key = f"some.key{i}"
        rng.choice([
            lambda: w.add_string(key, rng.choice(words) or "-"), lambda: w.add_uint8(key, 7), lambda: w.add_int64(key, -2**40),
            lambda: w.add_float64(key, 1e-300), lambda: w.add_bool(key, True), lambda: w.add_array(key, [rng.choice(words) for _ in range(30)]),
            lambda: w.add_array(key, [rng.randint(-9, 9) for _ in range(200)]), lambda: w.add_array(key, [[1, 2], [3], [4, 5, 6]]),
            lambda: w.add_array(key, [True, False]),
        ])()


def write(path, rng, seed, formats):
    """A file with one tensor for each format; what its values are."""
    numbers, want = np.random.default_rng(seed), {}
    w = gguf.GGUFWriter(path, "peers")
    if rng.random() < 0.5:
        w.add_custom_alignment(rng.choice([8, 64, 256]))
    metadata(rng, w)
    for i, name in enumerate(formats):
        raw, want[f"t{i}.{name}"] = matrix(numbers, name)
        w.add_tensor(f"t{i}.{name}", raw, raw_dtype=None if name in PLAIN else Type[name])
    w.write_header_to_file(), w.write_kv_data_to_file(), w.write_tensors_to_file(), w.close()
    return want


class Peer:
    def __init__(self, runtime):
        self.runtime = runtime

    def tensors(self, path):
        done = subprocess.run([self.runtime, "inspect", "tensors", str(path)], capture_output=True, text=True, timeout=60)
        return done.returncode, [json.loads(line) for line in done.stdout.splitlines()], done.stderr


def differs(rows, want):
    if [r["name"] for r in rows] != list(want):
        return f"names {[r['name'] for r in rows]}"
    for row, values in zip(rows, want.values(), strict=True):
        if row["shape"] != list(values.shape) or row["dtype"] != row["name"].split(".")[1]:
            return f"{row['name']}: shape {row['shape']}, dtype {row['dtype']}"
        largest = float(np.abs(values).max()) or 1.0
        for key, value in (("min", values.min()), ("max", values.max()), ("mean", values.astype(np.float64).mean())):
            if abs(row[key] - float(value)) > 1e-6 * largest:
                return f"{row['name']}: {key} {row[key]}, expected {float(value)}"
    return None


def check_formats(peer, folder, rounds, rng):
    names = [*PLAIN, "BF16", *BLOCKS]
    for i in range(rounds):
        path = folder / "random.gguf"
        want = write(path, rng, rng.randrange(2**32), rng.sample(names, rng.randint(1, len(names))))
        code, rows, error = peer.tensors(path)
        problem = error if code else differs(rows, want)
        if problem:
            return f"file {i}: {problem}"
    return None


def check_refusals(peer, folder, rng):
    for name in REFUSED:
        path = folder / "refused.gguf"
        write(path, rng, 1, [name])
        code, _, error = peer.tensors(path)
        if code <= 0 or f"({name}) is not read" not in error or "refused.gguf" not in error:
            return f"{name}: exit {code}: {error}"
    return None


def check_damage(peer, folder, rounds, rng):
    """Cut or changed anywhere: an answer or an error, never a crash."""
    path, good = folder / "damaged.gguf", folder / "good.gguf"
    write(good, rng, 5, ["F32", "Q8_0", "Q6_K"])
    data = good.read_bytes()
    for i in range(rounds):
        broken = bytearray(data[:rng.randrange(len(data))] if i % 2 else data)
        for _ in range(rng.randint(1, 4) if broken else 0):
            broken[rng.randrange(min(len(broken), 1500))] = rng.choice([0, 1, 0x7f, 0xff])
        path.write_bytes(broken)
        code, _, error = peer.tensors(path)
        if code < 0 or (code and "damaged.gguf" not in error):
            return f"round {i}: exit {code}: {error}"
    return None


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("runtime")
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    rng, peer = random.Random(args.seed), Peer(args.runtime)
    failed = 0
    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(scratch)
        checks = [("files of every format", lambda: check_formats(peer, folder, args.rounds, rng)),
                  ("formats that are not read are named", lambda: check_refusals(peer, folder, rng)),
                  ("damaged files", lambda: check_damage(peer, folder, 4 * args.rounds, rng))]
        print(f"1..{len(checks)}")
        for i, (what, check) in enumerate(checks, 1):
            problem = check()
            failed += bool(problem)
            print(f"{'not ok' if problem else 'ok'} {i} - gguf: {what}", flush=True)
            if problem:
                print("# " + problem.replace("\n", "\n# "))
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
