#!/usr/bin/env python3
"""Measures the engine and its peers in one run and prints the table of what was wanted and what came out (bench/engine.sh starts this).

Every figure is a median with its least and greatest value. The machine's limits are probed right before and after each of our figures;
our figure and its peers' follow each other. What cannot be measured, or not in the time given, is named under the table.
"""
import argparse, signal, statistics, sys

from common import CACHE, SOURCE, THREADS, say
from results import Results
from table import beside, has_amx, limits, machine, markdown, missing, number, percent, ratio, verdict, wanted, write_between
import make_model
import ours, peers, plot

PEERS_PYTHON = {"transformers": peers.transformers, "vllm": peers.vllm}
WRITTEN = "<!-- engine table: bench/engine.sh --write-docs -->"


class Run(Results):
    def __init__(self, o):
        super().__init__(o, goes_on=o.go_on, shape=o.shape, streams=o.streams, prompt=o.prompt)
        self.model, self.tiny = CACHE / "models" / o.shape, CACHE / "models/tiny"


# ── preparation ──

def prepare(r):
    for shape, folder in (r.o.shape, r.model), ("tiny", r.tiny):
        if not (folder / "made").exists():
            say(f"model {shape}")
            (folder / "hf").mkdir(parents=True, exist_ok=True)
            s = make_model.SHAPES[shape]
            make_model.write_checkpoint(s, str(folder / "hf"))
            make_model.write_gguf(s, str(folder / "model-bf16.gguf"))
            (folder / "made").touch()
    if "llama.cpp" in r.o.peers:
        say("quantised files of llama.cpp")
        peers.llama_quantize(r.model)


# ── measuring ──

def measure(r):
    o, llama = r.o, "llama.cpp" in r.o.peers
    for threads in sorted({1, THREADS}):
        r.measure(f"limits, {threads} threads", limits, threads, own=True)
    for bits in 16, 4, 8:
        r.measure(f"kaito {bits} bits", ours.engine, r.model, bits, o.prompt, o.steps, 1, o.runs, 600, own=True)
        if llama:
            r.measure(f"llama.cpp {bits} bits", peers.llama_one, r.model, bits, o, r.left())
    for bits in 16, 4:
        r.measure(f"kaito 1 stream {bits} bits", short_stream, r, bits, own=True)
        r.measure(f"kaito {o.streams} streams {bits} bits", ours.engine, r.model, bits, o.stream_prompt, o.stream_steps, o.streams, o.stream_runs, 600, own=True)
        if llama:
            r.measure(f"llama.cpp {o.streams} streams {bits} bits", peers.llama_streams, r.model, bits, o, r.left())
    r.measure("request", ours.request_cost, r.tiny, 500, own=True)
    r.measure("start", ours.start, r.model, 3, own=True)
    if r.get("kaito", "decode 16 bits"):
        r.measure("resident", ours.resident, r.model, r.get("kaito", "decode 16 bits").more["kv_token_bytes"], own=True)
    r.measure("attention", ours.attention, own=True)
    for name, fn in PEERS_PYTHON.items():
        if name in o.peers:
            r.measure(name, fn, r.model, o, min(r.left(), 60 * o.peer_minutes))


def short_stream(r, bits):
    """One stream of the length that the streams together have."""
    f = ours.engine(r.model, bits, r.o.stream_prompt, r.o.stream_steps, 1, r.o.stream_runs, 600)["decode"]
    f.what = f"1 stream {bits} bits"
    return f


# ── the table ──

def share(figure, key, work):
    """Median over the runs of work per second over the limit probed beside that run."""
    if not figure or not all(figure.more[key]):
        return None
    return statistics.median(work * v / (1e9 * limit) for v, limit in zip(figure.values, figure.more[key]))


def decode_share(r, bits):
    f = r.get("kaito", f"decode {bits} bits")
    return share(f, "read_gb_s", f.more["step_bytes"]) if f else None


def prefill_share(r):
    f = r.get("kaito", "prefill 16 bits")
    return share(f, "product_gflop_s", 2 * f.more["parameters"]) if f else None


def best_peer(r, what):
    found = [f for (engine, w), f in r.figures.items() if w == what and engine not in ("kaito", "machine")]
    return max(found, key=lambda f: f.median, default=None)


def row(name, value, must, aim, unit, what, less=False):
    return (name, wanted(must, unit, less), wanted(aim, unit, less), number(value, unit), verdict(value, must, aim, less), what)


def rows(r):
    get, n = r.get, r.o.streams
    for bits in 4, 8, 16:
        f = get("kaito", f"decode {bits} bits")
        what = beside(f) + (f"; {8 * f.more['weight_bytes'] / f.more['parameters']:.2f} bits a weight ({f.more['weights']}); read {statistics.median(f.more['read_gb_s']):.1f} GB/s" if f else "")
        yield row(f"decode, 1 stream, {bits} bits: share of read bandwidth", percent(decode_share(r, bits)), 70, 90, "%", what)
    for bits, must, aim in (4, 1.15, 1.35), (8, 1.0, None), (16, 1.0, None):
        a, b = get("kaito", f"decode {bits} bits"), get("llama.cpp", f"decode {bits} bits")
        yield row(f"decode, {bits} bits vs llama.cpp", ratio(a, b), must, aim, "x", beside(a, b))
    a, must, aim = get("kaito", "prefill 16 bits"), *((60, 75) if has_amx() else (80, 90))
    peak = f"; product {statistics.median(a.more['product_gflop_s']):.0f} GFLOP/s" if a else ""
    yield row(f"prefill of {r.o.prompt}, bf16: share of the product peak", percent(prefill_share(r)), must, aim, "%", beside(a) + peak)
    b = best_peer(r, "prefill 16 bits")
    yield row("prefill, bf16 vs the best peer", ratio(a, b), 1.0, 1.1, "x", beside(a, b))
    for bits in 8, 4:
        a, b = get("kaito", f"prefill {bits} bits"), get("llama.cpp", f"prefill {bits} bits")
        yield row(f"prefill, {bits} bits vs llama.cpp", ratio(a, b), 1.7, 3, "x", beside(a, b))
    for bits, must, aim in (16, 1.1, 1.3), (4, 2, 3):
        a, one, b = get("kaito", f"decode {n} streams {bits} bits"), get("kaito", f"1 stream {bits} bits"), best_peer(r, f"{n} streams {bits} bits")
        yield row(f"{n} streams vs 1, {bits} bits", ratio(a, one), 4, 6, "x", beside(a, one))
        yield row(f"{n} streams vs the best peer, {bits} bits", ratio(a, b), must, aim, "x", beside(a, b))
    for what, name, must, aim in ("request", "a request of 64 tokens for 1, tiny model, p50", 1, 0.3), ("start", "start to /health 200", 1000, 150), \
            ("resident", "resident beyond weights and cache", 150, 60):
        f = get("kaito", what)
        yield row(name, f.median if f else None, must, aim, f.unit if f else "", beside(f), less=True)


def attention_table(r):
    found = [f for (e, _), f in r.figures.items() if e == "attention"]
    rows = [(f.what, f"{f.median:.2f} {f.unit}", f"{100 * f.more['share']:.0f} % of {f.more['limit']:.1f}") for f in found]
    return [""] + markdown(("attention over the cache, one layer", "measured", "share of the limit"), rows) if found else []


def table(r):
    out = [f"Model: {r.o.shape} with random weights. Machine: {machine(r)} Measured on {r.date}.", ""]
    out += markdown(("figure", "must", "aim", "measured", "verdict", "medians [least..greatest]"), rows(r))
    out += attention_table(r)
    if r.o.plotted:
        out += ["", f"![Cost over tokens and over answers together](engine-cost.svg) ({r.o.plot_shape}, over HTTP)"]
    return "\n".join(out + missing(r)) + "\n"


def draw(r):
    by_tokens, by_streams = ours.linearity(CACHE / "models" / r.o.plot_shape, (16, 64, 128, 192, 256), (1, 2, 3, 4, 6, 8))
    path = SOURCE / "docs/engine-cost.svg" if r.o.write_docs else CACHE / "engine-cost.svg"
    path.write_text(plot.svg(by_tokens, by_streams))
    r.note(plotted=True)
    r.o.plotted = True
    slope, _, r2 = plot.fit(by_tokens)
    say(f"  {path}: {1e3 * slope:.3f} ms a token, R2 {r2:.4f}; streams: {by_streams}")


def options():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--shape", default="llama-134m", choices=make_model.SHAPES)
    ap.add_argument("--peers", default="llama.cpp,transformers", help="of llama.cpp, transformers, vllm; - for none")
    ap.add_argument("--minutes", type=float, default=0, help="peers get what is left of this time; 0: no limit")
    ap.add_argument("--peer-minutes", type=float, default=10, help="at most this long for transformers, vLLM each")
    ap.add_argument("--prepare", action="store_true", help="only make models and quantised files")
    ap.add_argument("--plot", action="store_true", help="also draw cost over tokens and streams")
    ap.add_argument("--plot-shape", default="llama-134m", choices=make_model.SHAPES)
    ap.add_argument("--write-docs", action="store_true", help="the table into docs/benchmarks.md, the plot into docs/")
    ap.add_argument("--from-results", action="store_true", help="measure nothing: the table of the figures in --results, also of a run that was cut off (same machine)")
    ap.add_argument("--go-on", action="store_true", help="measure what the run in --results, cut off, has not measured (same machine)")
    ap.add_argument("--results", default=str(CACHE / "results.jsonl"))
    for name, default in ("runs", 3), ("prompt", 512), ("steps", 64), ("streams", 8), ("stream-prompt", 128), ("stream-steps", 32), ("stream-runs", 2):
        ap.add_argument("--" + name, type=int, default=default)
    o = ap.parse_args()
    o.peers, o.plotted = o.peers.split(","), False
    return o


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))     # servers are ended on the way out
    r = Run(options())
    if not r.o.from_results:
        prepare(r)
        if r.o.prepare:
            return
        measure(r)
    if r.o.plot and not r.o.from_results:
        r.measure("plot", lambda: draw(r) or [], own=True)
    text = table(r)
    print(text)
    if r.o.write_docs:
        write_between("docs/benchmarks.md", WRITTEN, text)


if __name__ == "__main__":
    main()
