#!/usr/bin/env python3
"""Writes the Arrow files of this folder with pyarrow, and rows.json, what pyarrow reads from them. Needs pyarrow; run in this folder."""
import json
import math

import pyarrow as pa
import pyarrow.ipc as ipc

N = 37
TEXTS = ["", "a", "Grüße, 世界", "line\nbreak", "x" * 300, "exactly12byt", "thirteen byte"]


def message(i):
    return [{"role": r, "content": TEXTS[(i + k) % 7]} for k, r in enumerate(["system", "user", "assistant"][: i % 4])]


def table():
    text = [None if i % 5 == 3 else TEXTS[i % 7] for i in range(N)]
    columns = {
        "text": pa.array(text, pa.string()),
        "large": pa.array(text, pa.large_string()),
        "view": pa.array(text, pa.string_view()),
        "bytes": pa.array([None if i % 4 == 1 else bytes([255, i, 0]) for i in range(N)], pa.binary()),
        "fixed": pa.array([b"abc", None] * 18 + [b"xyz"], pa.binary(3)),
        "messages": pa.array([None if i % 9 == 8 else message(i) for i in range(N)],
                             pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))),
        "large_list": pa.array([[1.5] * (i % 3) for i in range(N)], pa.large_list(pa.float64())),
        "pair": pa.array([None if i % 6 == 5 else [i, -i] for i in range(N)], pa.list_(pa.int16(), 2)),
        "map": pa.array([[("k%d" % k, k) for k in range(i % 3)] for i in range(N)], pa.map_(pa.string(), pa.int32())),
        "struct": pa.array([None if i % 7 == 2 else {"a": i, "b": {"c": [None, i]}} for i in range(N)],
                           pa.struct([("a", pa.int64()), ("b", pa.struct([("c", pa.list_(pa.int8()))]))])),
        "dictionary": pa.array([None if i % 8 == 6 else "role%d" % (i % 3) for i in range(N)]).dictionary_encode(),
        "flag": pa.array([None if i % 5 == 4 else i % 3 == 0 for i in range(N)], pa.bool_()),
        "none": pa.nulls(N),
        "f16": pa.array([0.0, -1.5, 65504.0, 2.0 ** -24, float("nan")] * 7 + [1.0, 2.0], pa.float16()),
        "f32": pa.array([0.1 * i for i in range(N)], pa.float32()),
        "f64": pa.array([math.pi * i for i in range(N)]),
        "date": pa.array(range(N), pa.date32()),
        "time": pa.array(range(N), pa.timestamp("ms")),
    }
    for bits in (8, 16, 32, 64):
        columns["i%d" % bits] = pa.array([-(2 ** (bits - 1)), 2 ** (bits - 1) - 1, None, 0] * 9 + [7], pa.from_numpy_dtype("int%d" % bits))
        columns["u%d" % bits] = pa.array([2 ** (bits - 1) - 1, 0, None, 5] * 9 + [7], pa.from_numpy_dtype("uint%d" % bits))
    return pa.table(columns)


def plain(value, name):
    if name in ("date", "time"):
        return value
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            import base64
            return {"bytes": base64.b64encode(value).decode()}
    if isinstance(value, float) and math.isnan(value):
        return None
    if name == "map":
        return [{"key": k, "value": v} for k, v in value]
    return value


def write(name, t, make, batch, **options):
    with make(name, t.schema, options=ipc.IpcWriteOptions(**options)) as w:
        w.write_table(t, max_chunksize=batch)


def main():
    t = table()
    stored = t.set_column(t.schema.get_field_index("date"), "date", t["date"].cast(pa.int32()))
    stored = stored.set_column(stored.schema.get_field_index("time"), "time", t["time"].cast(pa.int64()))
    rows = [{k: plain(v, k) for k, v in row.items()} for row in stored.to_pylist()]
    json.dump(rows, open("rows.json", "w"), ensure_ascii=False, separators=(",", ":"))
    write("stream.arrow", t, ipc.new_stream, 10)
    write("file.arrow", t, ipc.new_file, 10)
    write("lz4.arrow", t, ipc.new_stream, 20, compression="lz4")
    write("zstd.arrow", t, ipc.new_file, 37, compression="zstd")
    write("legacy.arrow", t.drop_columns(["view"]), ipc.new_stream, 37, use_legacy_format=True, metadata_version=ipc.MetadataVersion.V4)
    write("empty.arrow", t.slice(0, 0), ipc.new_stream, 10)
    # the same column's dictionary grows from batch to batch, and is replaced
    for name, delta in (("delta.arrow", True), ("replaced.arrow", False)):
        schema = pa.schema([("d", pa.dictionary(pa.int8(), pa.string()))])
        with ipc.new_stream(name, schema, options=ipc.IpcWriteOptions(emit_dictionary_deltas=delta)) as w:
            for words in (["a", "b"], ["a", "b", "c"], ["a", "b", "c", "d"] if delta else ["z"]):
                d = pa.DictionaryArray.from_arrays(pa.array(range(len(words)), pa.int8()), pa.array(words))
                w.write_batch(pa.record_batch([d], schema=schema))
    decimal = pa.table({"text": ["a"], "price": pa.array([1], pa.decimal128(5, 2))})
    write("decimal.arrow", decimal, ipc.new_stream, 10)
    either = pa.UnionArray.from_sparse(pa.array([0, 1], pa.int8()), [pa.array([1, 2]), pa.array(["a", "b"])])
    write("union.arrow", pa.table({"text": ["a", "b"], "either": either}), ipc.new_stream, 10)


main()
