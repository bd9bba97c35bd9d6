#!/usr/bin/env python3
"""Records truths about GGUF files from PyPI's `gguf` (pip install gguf numpy safetensors): record.py [folder].

blocks.safetensors: for each format NAME, NAME.blocks (random blocks) and NAME.values (what gguf.quants.dequantize makes of
them); for formats that gguf quantises like us, NAME.source and NAME.quantized.
kinds.gguf: one metadata value of every kind, and a tensor of several formats.
"""
import pathlib
import sys

import gguf
import numpy as np
from safetensors.numpy import save_file

# name, byte offsets of the f16 fields in a block
FORMATS = {
    "Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q8_0": [0], "Q2_K": [80, 82], "Q3_K": [108], "Q4_K": [0, 2],
    "Q5_K": [0, 2], "Q6_K": [208], "IQ4_NL": [0], "IQ4_XS": [0],
}
QUANTIZED = ["Q8_0", "Q4_0"]
BLOCKS = 6


def random_blocks(rng, name):
    """Any bytes but for the scales, which are small numbers of both signs; the last block's scales are subnormal."""
    size = gguf.GGML_QUANT_SIZES[gguf.GGMLQuantizationType[name]][1]
    blocks = rng.integers(0, 256, (BLOCKS, size), dtype=np.uint8)
    for at in FORMATS[name]:
        scales = (rng.standard_normal(BLOCKS) * 0.05).astype(np.float16)
        scales[-1] = np.float16(3e-6)
        blocks[:, at:at + 2] = scales.view(np.uint8).reshape(BLOCKS, 2)
    return blocks


def record_blocks(out):
    rng = np.random.default_rng(7)
    tensors = {}
    for name in FORMATS:
        kind = gguf.GGMLQuantizationType[name]
        blocks = random_blocks(rng, name)
        tensors[f"{name}.blocks"] = blocks
        tensors[f"{name}.values"] = gguf.quants.dequantize(blocks, kind).astype(np.float32)
    for name in QUANTIZED:
        source = rng.standard_normal((BLOCKS, 32)).astype(np.float32)
        source[0] = 0
        source[1, 5] = -source[1].max() * 3
        tensors[f"{name}.source"] = source
        tensors[f"{name}.quantized"] = gguf.quants.quantize(source, gguf.GGMLQuantizationType[name])
    save_file({k: np.ascontiguousarray(v) for k, v in tensors.items()}, out / "blocks.safetensors")


def record_kinds(path):
    rng = np.random.default_rng(3)
    w = gguf.GGUFWriter(path, "kinds")
    for name, value in (("uint8", 200), ("int8", -100), ("uint16", 60000), ("int16", -30000), ("uint32", 4000000000), ("int32", -2000000000),
                        ("uint64", 2**63 - 1), ("int64", -2**62), ("float32", 0.5), ("float64", -1e300), ("bool", True), ("string", "vier \u2581 W\u00f6rter")):
        getattr(w, f"add_{name}")(f"k.{name}", value)
    w.add_uint64("k.too_large", 2**64 - 1)
    w.add_array("k.ints", [1, -2, 3])
    w.add_array("k.reals", [0.25, -4.0])
    w.add_array("k.flags", [True, False, True])
    w.add_array("k.words", ["eins", "", "drei"])
    w.add_array("k.nested", [[1, 2], [3]])
    w.add_tensor("plain", np.arange(6, dtype=np.float32).reshape(2, 3))
    w.add_tensor("half", np.arange(4, dtype=np.float16))
    for name in ("Q8_0", "Q4_0"):
        kind = gguf.GGMLQuantizationType[name]
        w.add_tensor(name, gguf.quants.quantize(rng.standard_normal((3, 64)).astype(np.float32), kind), raw_dtype=kind)
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


if __name__ == "__main__":
    folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent)
    record_blocks(folder)
    record_kinds(folder / "kinds.gguf")
