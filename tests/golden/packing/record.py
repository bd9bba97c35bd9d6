#!/usr/bin/env python3
"""
What trl.pack_dataset makes of rows of random lengths: expected.json. Tokens are numbered through the data set, so that a sample is a list of
ranges [first, end) of them; a new range begins where the numbers jump. Needs trl 1.16, datasets 5.2; run in this folder.
"""
import json
import random

from datasets import Dataset
from trl import pack_dataset


def ranges(ids):
    out = []
    for i in ids:
        if out and out[-1][1] == i:
            out[-1][1] += 1
        else:
            out.append([i, i + 1])
    return out


def case(seed, rows, longest, length, strategy):
    draw = random.Random(seed)
    lengths = [draw.randint(1, longest) for _ in range(rows)]
    at, data = 0, []
    for n in lengths:
        data.append(list(range(at, at + n)))
        at += n
    packed = pack_dataset(Dataset.from_dict({"input_ids": data}), length, strategy)
    made = {"length": length, "strategy": strategy, "lengths": lengths, "samples": [ranges(ids) for ids in packed["input_ids"]]}
    if "seq_lengths" in packed.column_names:
        made["seq_lengths"] = packed["seq_lengths"][:]
    return made


cases = [case(seed, rows, longest, length, strategy)
         for strategy in ("bfd", "bfd_split", "wrapped")
         for seed, rows, longest, length in ((1, 1, 5, 8), (2, 40, 9, 8), (3, 60, 30, 32), (4, 60, 40, 16), (5, 1100, 9, 10))]
json.dump(cases, open("expected.json", "w"), separators=(",", ":"))
