"""Figures against what was wanted of them, and the table in a document."""
import pathlib, re, statistics

from common import BUILD, SOURCE, THREADS, Figure, json_lines, run


def limits(threads, runs=3):
    """What the machine can do at most: Figures of bench/limits.c."""
    rows = json_lines(run([BUILD / "bench/bench_limits", threads, runs], 120))
    return [Figure("machine", f"{r['limit']}, {threads} threads", r["unit"], r["values"]) for r in rows]


def ratio(a, b):
    return a.median / b.median if a and b else None


def percent(v):
    return None if v is None else 100 * v


def has_amx():
    return "amx_bf16" in pathlib.Path("/proc/cpuinfo").read_text()


def verdict(value, must, aim, less=False):
    good = (lambda limit: value <= limit) if less else (lambda limit: value >= limit)
    return "not measured" if value is None else "aim" if aim is not None and good(aim) else "must" if good(must) else "below"


def number(v, unit):
    return "-" if v is None else f"{v:.0f} %" if unit == "%" else f"{v:.2f}{'x' if unit == 'x' else ' ' + unit}"


def wanted(limit, unit, less=False):
    return "-" if limit is None else f"{'<=' if less else '>='} {number(limit, unit)}"


def beside(*figures):
    return "; ".join(f"{f.engine} {f.text()} {f.unit}" for f in figures if f)


def markdown(head, rows):
    """Lines of a table."""
    return [f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *rows)]


def machine(r):
    flags = pathlib.Path("/proc/cpuinfo").read_text()
    cpu = re.search(r"model name\s*: (.*)", flags)
    has = [f for f in ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16") if f in flags]
    found = [f"{f.what}: {f.text()} {f.unit}" for (e, _), f in r.figures.items() if e == "machine" and f.median]
    return f"{THREADS} threads of {cpu.group(1) if cpu else 'an unknown CPU'} ({', '.join(has)}); {'; '.join(found)}; load before: {r.load:.1f}."


def missing(r):
    return ["", "Not measured:", ""] + [f"- {what}: {why}" for what, why in r.missing.items()] if r.missing else []


def write_between(document, mark, text):
    """Between the two lines `mark` of a document."""
    path = SOURCE / document
    before, _, after = path.read_text().split(mark)
    path.write_text(before + mark + "\n" + text + mark + after)
