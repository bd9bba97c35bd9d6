#!/usr/bin/env python3
"""Measures tuning beside transformers + PEFT + bitsandbytes and prints the table of what was wanted and what came out (bench/tune.sh starts this).

One job is one process of `kaito tune`, or of the peer; the machine's product peak is probed right before and after each of ours, and the peer's job
follows ours. The first step of a job, which touches its memory, is not counted where there are others. Checkpoints of training are off (by
themselves they take at most 2 % of the time). A step costs the same for every layer, so most is measured on few layers; --parts full takes all.
"""
import argparse, os, signal, sys

from common import CACHE, THREADS, say
from results import Results
from table import has_amx, limits, machine, markdown, missing, number, ratio, verdict, wanted, write_between
import make_model
import ours, peers, plot

WRITTEN = "<!-- tuning table: bench/tune.sh --write-docs -->"
PARTS = ("quickstart", "resume", "flat", "layers", "threads", "linear", "full")
QLORA, QLORA_LESS, LORA, LORA_LESS = "QLoRA", "QLoRA, checkpointing", "LoRA bf16", "LoRA bf16, checkpointing"
KINDS = {QLORA: (True, False), QLORA_LESS: (True, True), LORA: (False, False), LORA_LESS: (False, True)}     # (nf4, checkpointing)
FLAT_STEPS, FLAT_ROWS = (20, 400), (1000, 50000)


def checkpoint(shape, layers=None):
    """A folder with hf/, made where it is not there."""
    folder = CACHE / "models" / (f"{shape}-{layers}" if layers else shape)
    if not (folder / "made").exists() and not (folder / "hf/made").exists():
        say(f"model {folder.name}")
        make_model.write_checkpoint(make_model.SHAPES[shape] | ({"layers": layers} if layers else {}), str(folder / "hf"))
        (folder / "hf/made").touch()
    return folder


class Run(Results):
    def __init__(self, o):
        super().__init__(o, goes_on=o.go_on, shape=o.shape, layers=o.layers, tokens=o.tokens, peer_dtype=o.peer_dtype)
        self.whole = make_model.SHAPES[o.shape]["layers"]

    def new(self, what, engine="kaito"):
        """Whether that figure is still to be measured."""
        return not self.get(engine, what)

    def job(self, kind, layers, tokens=None, steps=None, threads=THREADS, name=None):
        nf4, checkpointing = KINDS[kind]
        name = name or f"{kind}, {layers} layers"
        if self.new(name):
            model = checkpoint(self.o.shape, layers if layers != self.whole else None)
            j = ours.Job(model, nf4, checkpointing, tokens or self.o.tokens, steps or self.o.steps, threads=threads)
            self.measure(f"kaito {name}", ours.tune, j, name, max(60, self.left()), own=True)

    def peer(self, kind, layers, steps):
        name = f"{kind}, {layers} layers"
        if self.o.peer and self.new(name, peers.NAME):
            model = checkpoint(self.o.shape, layers if layers != self.whole else None)
            self.measure(f"{peers.NAME} {name}", peers.tune, model, name, *KINDS[kind], self.o.tokens, steps, self.o.peer_dtype,
                         min(self.left(), 60 * self.o.peer_minutes))


# ── measuring ──

def measure_layers(r):
    for kind in KINDS:
        r.job(kind, r.o.layers)
        r.peer(kind, r.o.layers, r.o.peer_steps)


def measure_full(r):
    """What counts first: time is short where a step takes minutes."""
    r.job(QLORA, r.whole, steps=r.o.full_steps)
    r.peer(QLORA_LESS, r.whole, r.o.full_steps)
    r.job(QLORA_LESS, r.whole, steps=r.o.full_steps)
    if r.left() > 600:
        r.job(LORA, r.whole, steps=r.o.full_steps)
        r.peer(LORA, r.whole, r.o.full_steps)


def measure_threads(r):
    for threads in sorted({1, THREADS}):
        r.job(QLORA, r.o.layers, steps=2, threads=threads, name=f"{QLORA}, {r.o.layers} layers, {threads} threads")


def series(r):
    """{what grows: [(value, name of the figure, layers, tokens)]}"""
    tokens = [r.o.tokens * i // 4 for i in range(1, 5)]
    return {"tokens": [(t, f"{QLORA}, 1 layers, {t} tokens", 1, t) for t in tokens],
            "layers": [(n, f"{QLORA}, {n} layers, {r.o.tokens} tokens", n, r.o.tokens) for n in (1, 2, 3)]}


def measure_linear(r):
    for points in series(r).values():
        for _, name, layers, tokens in points:
            r.job(QLORA, layers, tokens, name=name)


def measure_flat(r):
    tiny = checkpoint("tiny")
    for name, job in flat_jobs():
        if r.new(name):
            r.measure(name, ours.peak_of, tiny, name, 300, tokens=64, own=True, **job)


def flat_jobs():
    return [(f"peak of {n} steps", dict(steps=n)) for n in FLAT_STEPS] + [(f"peak with {n} rows", dict(steps=20, rows=n)) for n in FLAT_ROWS]


def measure_quickstart(r):
    if r.new("quick start"):
        r.measure("quick start", ours.quick_start, 3, own=True)


def measure_resume(r):
    if r.new("resume"):
        r.measure("resume", ours.resume, checkpoint("tiny"), own=True)


def measure(r):
    for threads in sorted({1, THREADS}):
        r.measure(f"limits, {threads} threads", limits, threads, own=True)
    for part in PARTS:
        if part in r.o.parts:
            globals()[f"measure_{part}"](r)


# ── the table ──

def text(f):
    return f"{f.text()} {f.unit}" if f else "-"


def row(name, value, must, aim, unit, our, peer=None, less=False):
    return (name, wanted(must, unit, less), wanted(aim, unit, less), our, text(peer) if peer else "", f"{number(value, unit)}: {verdict(value, must, aim, less)}")


def speed_rows(r, layers):
    get, at = r.get, f"{layers} layers"
    a, b, peak = get("kaito", f"{QLORA}, {at}"), get(peers.NAME, f"{QLORA_LESS}, {at}"), get("kaito", f"{QLORA}, {at}: peak")
    within = f" in {peak.median:.2f} GB" if peak else ""
    yield row(f"QLoRA NF4 vs PEFT with checkpointing, {at}", ratio(a, b), 1.4, 3 if has_amx() else 1.7, "x", text(a) + within, b)
    for kind, must, aim in (QLORA, None, None), (QLORA_LESS, None, None), (LORA, 1.0, 1.5 if has_amx() else 1.1), (LORA_LESS, 1.0, 1.5 if has_amx() else 1.1):
        a, b = get("kaito", f"{kind}, {at}"), get(peers.NAME, f"{kind}, {at}")
        if must and (a or b):
            yield row(f"{kind} vs PEFT at equal settings, {at}", ratio(a, b), must, aim, "x", text(a), b)
        elif a and b:
            yield (f"{kind} vs PEFT at equal settings, {at}", "-", "-", text(a), text(b), number(ratio(a, b), "x"))
    for kind in KINDS:
        if a := get("kaito", f"{kind}, {at}"):
            share = sum(a.more["share"]) / len(a.more["share"])
            yield row(f"{kind}: share of the product peak, {at}", share, 55, 70, "%", f"{text(a)}, peak {a.more['product_gflop_s']:.0f} GFLOP/s")


def memory_rows(r, layers):
    for kind, must, aim in (QLORA, 5, 4.2), (QLORA_LESS, 3.5, 2.8), (LORA, None, None), (LORA_LESS, None, None):
        a, b = (r.get(engine, f"{kind}, {layers} layers: peak") for engine in ("kaito", peers.NAME))
        name = f"{kind}: peak resident, {layers} layers"
        if layers == r.whole and must:
            yield row(name, a.median if a else None, must, aim, "GB", text(a), b, less=True)
        elif a:
            yield (name, "-", "-", text(a), text(b), "")
    a, b = (r.get(engine, f"{kind}, {layers} layers: load") for engine, kind in (("kaito", QLORA), (peers.NAME, QLORA_LESS)))
    if layers == r.whole:
        yield row("load and quantise to NF4, 7.6 GB", a.median if a else None, 20, 8, "s", text(a), b, less=True)
    elif a:
        yield (f"load and quantise to NF4, {layers} layers", "-", "-", text(a), text(b), "")


def line_rows(r):
    """Seconds of a step over what grows, and how near a straight line they are."""
    for what, points in series(r).items():
        found = [(x, f.more["step_s"][len(f.more["step_s"]) // 2]) for x, name, *_ in points if (f := r.get("kaito", name))]
        if len(found) > 2:
            slope, base, r2 = plot.fit(found)
            yield (f"a step over {what}", "linear", "-", "; ".join(f"{x}: {s:.2f} s" for x, s in found), "", f"{slope:.3g} s each + {base:.2g} s, R\u00b2 = {r2:.4f}")


def other_rows(r):
    one, two = (r.get("kaito", f"{QLORA}, {r.o.layers} layers, {n} threads") for n in (1, THREADS))
    if one and two:
        yield (f"{THREADS} threads vs 1", "scales", "-", f"{text(two)} of {text(one)}", "", number(ratio(two, one), "x"))
    yield from line_rows(r)
    for few, many in (flat_jobs()[:2], flat_jobs()[2:]):
        a, b = r.get("kaito", few[0]), r.get("kaito", many[0])
        if a and b:
            yield (f"{many[0]}, small model", "flat", "-", f"{1e3 * b.median:.1f} MB; {few[0]}: {1e3 * a.median:.1f} MB", "", f"{1e3 * (b.median - a.median):+.1f} MB")
    f = r.get("kaito", "quick start")
    yield row("quick start's tuning phase", f.median if f else None, 20, 8, "s", text(f), less=True)
    f = r.get("kaito", "resume")
    yield row("steps lost after kill -9, a checkpoint every 5", max(f.values) if f else None, 5, None, "steps", text(f), less=True)


def rows(r):
    yield from speed_rows(r, r.whole)
    yield from speed_rows(r, r.o.layers)
    yield from memory_rows(r, r.whole)
    yield from memory_rows(r, r.o.layers)
    yield from other_rows(r)


def table(r):
    out = [f"Shape of {r.o.shape}, 1 x {r.o.tokens} tokens, r 8 on every linear of the layers, random weights. Machine: {machine(r)} "
           f"Peer: {getattr(r.o, 'versions', 'not measured')}, computing in {r.o.peer_dtype}. Measured on {r.date}.", ""]
    out += markdown(("figure", "must", "aim", "kaito", "PEFT", "measured: verdict"), rows(r))
    return "\n".join(out + missing(r)) + "\n"


def options():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--shape", default="phi-3-mini", choices=make_model.SHAPES)
    ap.add_argument("--layers", type=int, default=4, help="of the small version")
    ap.add_argument("--parts", default=",".join(PARTS[:-1]), help=f"of {', '.join(PARTS)}; full: all layers, 7.6 GB for phi-3-mini")
    ap.add_argument("--no-peer", dest="peer", action="store_false", help="without transformers + PEFT + bitsandbytes")
    ap.add_argument("--peer-dtype", default="auto", choices=("auto", "bfloat16", "float32"),
                    help="what the peer computes in; auto: bfloat16 where the CPU multiplies it, else float32, which is then far faster there")
    ap.add_argument("--minutes", type=float, default=0, help="jobs get what is left of this time; 0: no limit")
    ap.add_argument("--peer-minutes", type=float, default=15, help="at most this long for a job of the peer")
    ap.add_argument("--prepare", action="store_true", help="only make models and the peer's environment")
    ap.add_argument("--write-docs", action="store_true", help="the table into docs/benchmarks.md")
    ap.add_argument("--go-on", action="store_true", help="measure only what --results does not have yet")
    ap.add_argument("--from-results", action="store_true", help="measure nothing: the table of the figures in --results, also of a run that was cut off (same machine)")
    ap.add_argument("--results", default=str(CACHE / "tune-results.jsonl"))
    for name, default in ("tokens", 512), ("steps", 3), ("peer-steps", 3), ("full-steps", 2):
        ap.add_argument("--" + name, type=int, default=default)
    o = ap.parse_args()
    o.parts = o.parts.split(",")
    o.peer_dtype = peers.dtype(o.peer_dtype)
    if unknown := set(o.parts) - set(PARTS):
        ap.error(f"--parts: {', '.join(sorted(unknown))}: none of {', '.join(PARTS)}")
    return o


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    o = options()
    if o.prepare:
        layers = [None] if "full" in o.parts else []
        layers += [o.layers] if {"layers", "threads"} & set(o.parts) else []
        for n in layers + ([1, 2, 3] if "linear" in o.parts else []):
            checkpoint(o.shape, n)
        checkpoint("tiny")
        return
    r = Run(o)
    if not o.from_results:
        if o.peer:
            o.versions = peers.versions()
            r.note(versions=o.versions)
        measure(r)
    text = table(r)
    print(text)
    if o.write_docs:
        write_between("docs/benchmarks.md", WRITTEN, text)


if __name__ == "__main__":
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    main()
