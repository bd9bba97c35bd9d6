#!/usr/bin/env python3
"""numbers.parquet, and numbers.jsonl, what pyarrow reads from it: types that JSON has no word for. Needs pyarrow; run in this folder."""
import json
import math
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

DECIMALS = ["0", "-0.05", "12.50", "-99999.99", None, "0.01"]
HALVES = [0.0, -1.5, 65504.0, 2.0 ** -24, float("nan"), None]


def decimals(of, factor=1):
    return pa.array([None if d is None else Decimal(d) * factor for d in DECIMALS], of)


table = pa.table({
    "d32": decimals(pa.decimal128(7, 2)), "d64": decimals(pa.decimal128(18, 2)), "d128": decimals(pa.decimal128(38, 2), 10 ** 20),
    "d256": decimals(pa.decimal256(60, 2), 10 ** 40), "half": pa.array([None if h is None else np.float16(h) for h in HALVES], pa.float16()),
    "u64": pa.array([0, 1, 2 ** 63 - 1, 2 ** 63, 2 ** 64 - 2048, None], pa.uint64()),
    "wide": pa.array([b"a" * 20, b"b" * 20, None] * 2, pa.binary(20)), "then": pa.array([0, 1, -1, 10 ** 18, -10 ** 18, None], pa.timestamp("ns")),
})
options = dict(use_dictionary=False, store_schema=False, use_deprecated_int96_timestamps=True)
pq.write_table(table, "numbers.parquet", column_encoding={n: "BYTE_STREAM_SPLIT" for n in ("d32", "d64", "wide", "half")}, **options)
with open("numbers.jsonl", "w") as f:
    for i, row in enumerate(pq.read_table("numbers.parquet").to_pylist()):
        row = {n: f"{v:f}" if isinstance(v, Decimal) else v.decode() if isinstance(v, bytes) else v for n, v in row.items()}
        row["half"] = None if row["half"] is None or math.isnan(row["half"]) else float(row["half"])
        row["u64"] = float(row["u64"]) if row["u64"] and row["u64"] > 2 ** 63 - 1 else row["u64"]
        row["then"] = table["then"][i].value if row["then"] is not None else None
        f.write(json.dumps(row) + "\n")
