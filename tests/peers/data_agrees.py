"""
data_agrees.py RUNTIME [--cases N] [--seed N] [--only KIND]: pyarrow and Python's csv and json beside `inspect data`, on random files: every flat and
nested type, encoding, codec, page version and size, nulls and empty lists at every level, no rows; dialects of CSV; JSON of every layout. Prints TAP.
A case is a function of its seed: `--seed 17 --cases 1 --only parquet` repeats one.
"""
import argparse
import base64
import csv
import io
import json
import math
import os
import random
import subprocess
import sys
import tempfile

import numpy as np
import pyarrow as pa
import pyarrow.ipc as ipc
import pyarrow.parquet as pq

WORDS = ["", "a", "Grüße, 世界", "line\nbreak", "\"quoted\", 'single'", "x" * 300, "👍🏽", "\\n", "tab\there", "same", "same prefix 1", "same prefix 2", "null", "0", "\u0000", "\r\n", "\ufeff"]


# --- random types and values ---------------------------------------------------------------------------------------------------------------------

def text(r):
    return r.choice(WORDS) if r.random() < 0.8 else "".join(chr(r.choice([32 + r.randrange(95), 0x400 + r.randrange(200), 0x1F600 + r.randrange(60)])) for _ in range(r.randrange(60)))


def number(bits, signed):
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << min(bits, 63)) - 1)
    return lambda r: r.choice([low, high, 0, 1, r.randint(low, high), r.randint(0, 100)])


def real(r):
    return r.choice([0.0, -0.0, 1.5, math.pi, 1e300, -1e-300, float("nan"), float("inf"), r.gauss(0, 1), float(r.randrange(1000))])


def small_real(r):
    return np.float16(r.choice([0.0, -1.5, 65504.0, 2.0 ** -24, float("nan"), float("-inf"), r.randrange(2048) / 4]))


def decimal(precision, scale):
    from decimal import Decimal
    return lambda r: Decimal(r.choice([0, 1, -1, 10 ** precision - 1, r.randint(-10 ** (precision - 1), 10 ** (precision - 1))])).scaleb(-scale)


def flat(r):
    """(type, value of it)"""
    width, precision = r.choice([1, 3, 16, 20, 33]), r.choice([1, 5, 9, 10, 18, 19, 38, 60])
    scale = r.randint(0, min(precision, 12))
    return r.choice([
        (pa.string(), text), (pa.string(), text), (pa.large_string(), text), (pa.bool_(), lambda r: r.random() < 0.5),
        (pa.binary(), lambda r: r.choice([b"", b"\xff\x00\xfe", b"text", r.randbytes(20)])), (pa.binary(width), lambda r: r.randbytes(width)),
        (pa.int8(), number(8, True)), (pa.int16(), number(16, True)), (pa.int32(), number(32, True)), (pa.int64(), number(64, True)),
        (pa.uint8(), number(8, False)), (pa.uint16(), number(16, False)), (pa.uint32(), number(32, False)), (pa.uint64(), number(64, False)),
        (pa.float32(), real), (pa.float64(), real), (pa.float16(), small_real), (pa.date32(), number(20, True)), (pa.timestamp("ms"), number(40, True)),
        (pa.timestamp("us"), number(48, True)), (pa.timestamp("ns", "UTC"), number(60, True)), (pa.time32("ms"), lambda r: r.randrange(86400000)), (pa.time64("us"), lambda r: r.randrange(86400000000)),
        (pa.decimal128(min(precision, 38), min(scale, precision, 38)) if precision <= 38 else pa.decimal256(precision, scale), decimal(precision, scale)),
        (pa.null(), lambda r: None), (pa.dictionary(pa.int32(), pa.string()), lambda r: r.choice(["user", "assistant", "system", ""])),
    ])


def nested(r, depth):
    """(type, value of it): messages, lists, maps and structs of anything."""
    kind = r.random()
    if depth == 0 or kind < 0.35:
        return flat(r)
    if kind < 0.5:
        return (pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())])),
                lambda r: [None if r.random() < 0.05 else dict(role=r.choice(["user", "assistant"]), content=maybe(text)(r)) for _ in range(r.randrange(4))])
    if kind < 0.75:
        of, value = nested(r, depth - 1)
        length, how = r.choice([1, 2, 5]), r.random()
        if how < 0.15:
            return pa.list_(of, length), lambda r: [maybe(value)(r) for _ in range(length)]
        return (pa.large_list if how < 0.3 else pa.list_)(of), lambda r: [maybe(value)(r) for _ in range(r.choice([0, 0, 1, 2, 3, 9]))]
    if kind < 0.85:
        of, value = nested(r, depth - 1)
        return pa.map_(pa.string(), of), lambda r: [(str(i), maybe(value)(r)) for i in range(r.randrange(4))]
    fields = [(f"f{i}", *nested(r, depth - 1)) for i in range(r.randint(1, 3))]
    return pa.struct([(n, t) for n, t, _ in fields]), lambda r: {n: maybe(v)(r) for n, _, v in fields}


def maybe(value, share=0.15):
    return lambda r: None if r.random() < share else value(r)


def table(r):
    rows = r.choice([0, 1, 7, 100, 100, 1000, 3000])
    columns, fields = [], []
    for i in range(r.randint(1, 6)):
        of, value = nested(r, r.choice([0, 1, 2, 3]))
        null = r.choice([0, 0, 0.1, 0.9, 1])
        nullable = null > 0 or pa.types.is_null(of)
        cells = [value(r) if not null or r.random() >= null else None for _ in range(rows)]
        columns.append(pa.array(cells, of))
        fields.append(pa.field(f"c{i}" if r.random() < 0.9 else f"spalte ü.{i}", of, nullable=nullable or r.random() < 0.5))
    return pa.Table.from_arrays(columns, schema=pa.schema(fields))


# --- what pyarrow reads, as `inspect data` writes it -----------------------------------------------------------------------------------------------

def plain(scalar):
    t = scalar.type
    if not scalar.is_valid:
        return None
    if pa.types.is_dictionary(t):
        return plain(scalar.value)
    if pa.types.is_temporal(t):
        return scalar.value
    if pa.types.is_map(t):
        return [{"key": plain(s["key"]), "value": plain(s["value"])} for s in scalar.values]
    if pa.types.is_list(t) or pa.types.is_large_list(t) or pa.types.is_fixed_size_list(t):
        return [plain(s) for s in scalar.values]
    if pa.types.is_struct(t):
        return {f.name: plain(scalar[i]) for i, f in enumerate(t)}
    value = scalar.as_py()
    if pa.types.is_decimal(t):
        return f"{value:f}"
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return {"bytes": base64.b64encode(value).decode()}
    if pa.types.is_floating(t):
        return float(value) if math.isfinite(value) else None
    return value


def rows_of(t):
    columns = [(name, [plain(s) for s in t.column(i).combine_chunks()] if t.num_rows else []) for i, name in enumerate(t.column_names)]
    return [{name: values[k] for name, values in columns} for k in range(t.num_rows)]


# --- files of each kind: write to path, give the rows ------------------------------------------------------------------------------------------------

ENCODINGS = {
    "int": ["PLAIN", "DELTA_BINARY_PACKED", "BYTE_STREAM_SPLIT"], "float": ["PLAIN", "BYTE_STREAM_SPLIT"], "bool": ["PLAIN", "RLE"],
    "text": ["PLAIN", "DELTA_LENGTH_BYTE_ARRAY", "DELTA_BYTE_ARRAY"], "fixed": ["PLAIN", "DELTA_BYTE_ARRAY", "BYTE_STREAM_SPLIT"],
}


def kind_of_leaf(physical):
    return {"INT32": "int", "INT64": "int", "FLOAT": "float", "DOUBLE": "float", "BOOLEAN": "bool", "BYTE_ARRAY": "text", "FIXED_LEN_BYTE_ARRAY": "fixed"}.get(physical)


def leaves(t, options):
    """Path and physical type of each column, as a first writing finds them."""
    sink = io.BytesIO()
    pq.write_table(t.slice(0, 0), sink, **options)
    schema = pq.ParquetFile(sink).schema
    return [(schema.column(i).path, schema.column(i).physical_type) for i in range(len(schema))]


def parquet(r, path):
    t = table(r)
    options = dict(version=r.choice(["1.0", "2.4", "2.6"]), data_page_version=r.choice(["1.0", "2.0"]), use_compliant_nested_type=r.random() < 0.7,
                   compression=r.choice(["none", "snappy", "gzip", "zstd", "brotli", "lz4"]), data_page_size=r.choice([1, 64, 1000, 1 << 20]),
                   write_batch_size=r.choice([1, 10, 1024]), dictionary_pagesize_limit=r.choice([16, 200, 1 << 20]), store_schema=r.random() < 0.7,
                   write_page_checksum=r.random() < 0.3, write_page_index=r.random() < 0.3)
    paths = leaves(t, options)
    how = r.random()
    if how < 0.4:
        options["use_dictionary"] = True
    elif how < 0.5:
        options["use_dictionary"] = [p for p, _ in paths if r.random() < 0.5]
    else:
        options["use_dictionary"] = False
        options["column_encoding"] = {p: r.choice(ENCODINGS[kind_of_leaf(of)]) for p, of in paths if kind_of_leaf(of)}
    if r.random() < 0.3:
        options["compression"] = {p: r.choice(["none", "snappy", "gzip", "zstd", "brotli", "lz4"]) for p, _ in paths}
    with pq.ParquetWriter(path, t.schema, **options) as w:
        for part in range(r.choice([1, 1, 2, 3])):
            w.write_table(t, row_group_size=r.choice([None, 1 if t.num_rows < 200 else 50, 10, 100]))
    return rows_of(pq.read_table(path))


def arrow(r, path):
    t = table(r)
    options = ipc.IpcWriteOptions(compression=r.choice([None, None, "lz4", "zstd"]), emit_dictionary_deltas=r.random() < 0.5, use_legacy_format=r.random() < 0.2,
                                  unify_dictionaries=r.random() < 0.5)
    make = r.choice([ipc.new_stream, ipc.new_file])
    if make is ipc.new_file:
        t = t.unify_dictionaries()
    with make(path, t.schema, options=options) as w:
        for part in range(r.choice([0, 1, 1, 2])):
            w.write_table(t, max_chunksize=r.choice([1 if t.num_rows < 200 else 50, 10, 10000]))
    with pa.memory_map(path) as m:
        return rows_of((ipc.open_stream if make is ipc.new_stream else ipc.open_file)(m).read_all())


def csv_file(r, path):
    names = [f"c{i}" for i in range(r.randint(1, 5))]
    names[0] = r.choice(["text", "c 0", "a,b", "q\"q"])
    cell = lambda: r.choice(["", "plain", "a,b", "say \"hi\"", "two\nlines", "two\r\nlines", " spaces ", "ü", "'", "1e5", "None", ",", "\"", "a\"b", "x" * 2000])
    rows = [[cell() for _ in names] for _ in range(r.choice([0, 1, 5, 200]))]
    rows = [row for row in rows if len(names) > 1 or row != [""]]          # an empty line is no row
    sink = io.StringIO()
    end = r.choice(["\n", "\r\n", "\r"])
    w = csv.writer(sink, lineterminator=end, quoting=csv.QUOTE_ALL if end == "\r" else r.choice([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]))
    w.writerows([names] + rows)
    data = sink.getvalue()
    if r.random() < 0.3:
        data = data.rstrip("\r\n")
    if r.random() < 0.2:
        data += "\n\n"
    with open(path, "wb") as f:
        f.write((b"\xef\xbb\xbf" if r.random() < 0.3 else b"") + data.encode())
    return [{n: c if c else None for n, c in zip(names, row)} for row in rows]


def value(r, depth):
    return r.choice([None, True, False, 0, -1, 2 ** 53, 1.5, 1e-7, text(r), text(r)] + ([] if depth == 0 else [
        [value(r, depth - 1) for _ in range(r.randrange(4))], {text(r).replace("\0", "k") or "k": value(r, depth - 1) for _ in range(r.randrange(4))}]))


def json_file(r, path):
    rows = [{f"k{i}": value(r, 3) for i in range(r.randint(1, 4))} for _ in range(r.choice([0, 1, 5, 100]))]
    how = dict(ensure_ascii=r.random() < 0.5, indent=r.choice([None, None, 1]), separators=r.choice([None, (",", ":"), (" , ", " : ")]))
    one = lambda row: json.dumps(row, **how)
    if r.random() < 0.5:
        data = r.choice(["\n", "\r\n", "\n\n", " \n\t"]).join(map(one, rows)) + r.choice(["", "\n"])
    else:
        data = r.choice(["", "\n "]) + json.dumps(rows, **how) + r.choice(["", "\n\n"])
    with open(path, "wb") as f:
        f.write((b"\xef\xbb\xbf" if r.random() < 0.2 else b"") + data.encode())
    return rows


KINDS = {"parquet": parquet, "arrow": arrow, "csv": csv_file, "json": json_file}


# --- one case -----------------------------------------------------------------------------------------------------------------------------------------

def same(a, b):
    if isinstance(a, float) or isinstance(b, float):
        return not isinstance(a, (bool, str, type(None))) and not isinstance(b, (bool, str, type(None))) and a == b
    if isinstance(a, dict):
        return isinstance(b, dict) and a.keys() == b.keys() and all(same(v, b[k]) for k, v in a.items())
    if isinstance(a, list):
        return isinstance(b, list) and len(a) == len(b) and all(map(same, a, b))
    return type(a) is type(b) and a == b


def difference(runtime, kind, seed, folder):
    """None, or what differs; NotImplementedError: pyarrow itself cannot write it."""
    r = random.Random(f"{kind} {seed}")
    path = os.path.join(folder, f"rows.{'jsonl' if kind == 'json' else kind}")
    try:
        want = KINDS[kind](r, path)
    except (pa.ArrowNotImplementedError, pa.ArrowInvalid, OSError) as e:
        raise NotImplementedError(str(e)) from e
    done = subprocess.run([runtime, "inspect", "data", path], capture_output=True)
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip()
        return None if not want and "empty" in said else said
    got = [json.loads(line) for line in done.stdout.decode().splitlines()]
    if len(got) != len(want):
        return f"{len(got)} rows instead of {len(want)}"
    for i, (a, b) in enumerate(zip(got, want)):
        for name in b:
            if not same(a.get(name), b[name]) or a.keys() != b.keys():
                return f"row {i}, {name}: {json.dumps(a.get(name))[:200]} instead of {json.dumps(b[name])[:200]}"
    return None


def main():
    p = argparse.ArgumentParser()
    p.add_argument("runtime")
    p.add_argument("--cases", type=int, default=40)
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--only", choices=KINDS)
    o = p.parse_args()
    kinds = [o.only] if o.only else list(KINDS)
    print(f"1..{len(kinds)}", flush=True)
    failed = False
    for n, kind in enumerate(kinds):
        bad, refused = [], 0
        for seed in range(o.seed, o.seed + o.cases):
            with tempfile.TemporaryDirectory() as folder:
                try:
                    found = difference(o.runtime, kind, seed, folder)
                except NotImplementedError as e:
                    refused += 1
                    if refused < 4 and os.environ.get("VERBOSE"):
                        print(f"# seed {seed}: {e}"[:300], flush=True)
                    continue
            if found:
                bad.append(f"seed {seed}: {found}")
        if refused > o.cases // 4:
            bad.append(f"{refused} of {o.cases} cases could not be written")
        failed |= bool(bad)
        print(f"{'not ok' if bad else 'ok'} {n + 1} - {kind}: {o.cases - refused} random files, the rows that Python reads", flush=True)
        for line in bad[:20]:
            print(f"# {line}", flush=True)
    sys.exit(failed)


main()
