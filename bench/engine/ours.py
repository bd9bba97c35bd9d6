"""Our engine in its own process (bench_engine) and our server over HTTP."""
import contextlib, json, os, re, shutil, socket, statistics, subprocess, time

import http_load
from common import BUILD, CACHE, Failed, Figure, json_lines, run, warm

# (bench_engine's mode, the weights): the first that this build knows; the GGUF files are those that llama.cpp runs
WEIGHTS = {4: [("q4", "hf"), ("nf4", "hf"), ("bf16", "model-q4_k_m.gguf")], 8: [("int8", "hf"), ("bf16", "model-q8_0.gguf")], 16: [("bf16", "hf")]}
SERVED = ["--dtype", "bf16"]


def bench_engine(model, bits, options, timeout):
    """(rows, what the weights were)"""
    for mode, weights in WEIGHTS[bits]:
        warm(model / "hf/model.safetensors" if weights == "hf" else model / weights)
        try:
            rows = json_lines(run([BUILD / "bench/bench_engine", "--model", model / weights, "--mode", mode, *options], timeout))
            return rows, mode if weights == "hf" else weights
        except Failed as e:
            if "is unknown; one of" not in str(e):
                raise
    raise Failed(f"bench_engine knows no mode for {bits} bits")


def engine(model, bits, prompt, steps, streams, runs, timeout):
    """{prefill, decode: Figures with the probes' means beside each value}"""
    options = ["--prompt", prompt, "--steps", steps, "--streams", streams, "--runs", runs]
    rows, weights = bench_engine(model, bits, options, timeout)
    name = f"{bits} bits" if streams == 1 else f"{streams} streams {bits} bits"
    read = [statistics.mean(r["read_gb_s"]) for r in rows]
    peak = [statistics.mean(r["product_gflop_s"]) for r in rows]
    more = {k: rows[0][k] for k in ("kernels", "threads", "step_bytes", "weight_bytes", "kv_token_bytes", "parameters")} | {"weights": weights}
    return {"prefill": Figure("kaito", f"prefill {name}", "tokens/s", [r["prefill_tokens_s"] for r in rows], product_gflop_s=peak, **more),
            "decode": Figure("kaito", f"decode {name}", "tokens/s", [r["decode_tokens_s"] for r in rows], read_gb_s=read, **more)}


def attention():
    """Each case of bench_attention: bytes of keys and values, or operations, in a second."""
    rows = json_lines(run([BUILD / "bench/bench_attention"], 300))
    unit = lambda r: "gb_s" if "gb_s" in r else "gflop_s"
    name = lambda r: f"{r['case']}, {r['heads']}/{r['kv_heads']} heads of {r['dim']}, {r['kv']}, depth {r['depth']}"
    return [Figure("attention", name(r), {"gb_s": "GB/s", "gflop_s": "GFLOP/s"}[unit(r)], [r[unit(r)]], limit=r["limit"], share=r["share"]) for r in rows]


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def health(port):
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as s:
            s.sendall(b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
            return b" 200 " in s.recv(64)
    except OSError:
        return False


@contextlib.contextmanager
def server(model, *options):
    """(URL, process id, milliseconds from exec to the first 200 of /health)"""
    port = free_port()
    with open(CACHE / "log/serve", "w") as log:
        began = time.perf_counter()
        p = subprocess.Popen([BUILD / "src/cli/kaito-runtime", "serve", "--model", model / "hf", "--port", str(port), *options], stdout=log, stderr=log,
                             env={**os.environ, "OMP_WAIT_POLICY": "passive"})
    try:
        while not health(port):
            if p.poll() is not None or time.perf_counter() > began + 300:
                raise Failed("kaito serve: " + " ".join((CACHE / "log/serve").read_text().split()[-40:]))
            time.sleep(0.001)
        yield f"http://127.0.0.1:{port}", p.pid, 1e3 * (time.perf_counter() - began)
    finally:
        p.terminate()
        p.wait()


def start(model, runs):
    """Start to /health with the checkpoint in the page cache and no conversion."""
    warm(model / "hf/model.safetensors")
    took = []
    for _ in range(runs):
        with server(model, *SERVED) as (_, _, ms):
            took.append(ms)
    return Figure("kaito", "start", "ms", took, checkpoint_bytes=(model / "hf/model.safetensors").stat().st_size)


def request_cost(tiny, requests):
    """A request of 64 tokens for one, as its client sees it: everything but the model, which is next to nothing here."""
    with server(tiny, "--threads", "1") as (url, _, _):
        http_load.load(url, 64, 1, 100, 1)
        runs = [http_load.load(url, 64, 1, requests, 1, first=(i + 1) * requests)[1] for i in range(3)]
    return Figure("kaito", "request", "ms", [1e3 * statistics.median(r) for r in runs])


def resident_beyond(pid, kv_bytes):
    """MB that are neither mapped weights nor keys and values."""
    total, skip = 0, False
    for line in open(f"/proc/{pid}/smaps"):
        if re.match(r"[0-9a-f]+-[0-9a-f]+ ", line):
            skip = line.rstrip().endswith((".safetensors", ".gguf"))
        elif line.startswith("Rss:") and not skip:
            total += int(line.split()[1]) * 1024
    return (total - kv_bytes) / 1e6


def resident(model, kv_token_bytes):
    """After a prompt that fills a pass: every buffer was used. Its tokens are in 33 blocks of 16."""
    with server(model, *SERVED) as (url, pid, _):
        http_load.load(url, 512, 2, 1, 1)
        return Figure("kaito", "resident", "MB", [resident_beyond(pid, 33 * 16 * kv_token_bytes)])


def linearity(model, tokens, streams):
    """[(tokens, seconds)] of one answer and [(streams, seconds)] of answers together, over HTTP."""
    with server(model, *SERVED) as (url, _, _):
        http_load.load(url, 16, 4, 4, 2)
        by_tokens = [(n, min(http_load.load(url, 16, n, 1, 1, first=n + i)[0] for i in range(2))) for n in tokens]
        by_streams = [(n, min(http_load.load(url, 16, 64, n, n, first=9000 + n + i)[0] for i in range(2))) for n in streams]
    return by_tokens, by_streams
