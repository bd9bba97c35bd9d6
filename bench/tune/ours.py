"""`kaito tune` as its users run it, each measurement in a process of its own."""
import contextlib, json, os, pathlib, random, re, shutil, statistics, subprocess, tempfile, textwrap, threading, time

from common import BUILD, CACHE, SOURCE, THREADS, Failed, Figure, warm
from table import limits

RUNTIME = BUILD / "src/cli/kaito-runtime"
POLL = 0.005                    # seconds between looks at history.jsonl
CONFIG = """\
training_config:
  ModelConfig: {torch_dtype: bfloat16}
  QuantizationConfig: {load_in_4bit: %(nf4)s, bnb_4bit_quant_type: nf4, bnb_4bit_use_double_quant: true, bnb_4bit_compute_dtype: bfloat16}
  LoraConfig: {r: 8, lora_alpha: 16, lora_dropout: 0.0, target_modules: %(modules)s}
  TrainingArguments: {max_steps: %(steps)d, per_device_train_batch_size: 1, max_length: %(tokens)d, learning_rate: 1.0e-4, logging_steps: 1,
                      save_strategy: "no", gradient_checkpointing: %(checkpointing)s}
  DatasetConfig: {train_test_split: 1}
"""
MODULES = {"phi3": "[qkv_proj, o_proj, gate_up_proj, down_proj]", "llama": "[q_proj, k_proj, v_proj, o_proj, gate_proj, up_proj, down_proj]"}


class Job:
    """What is trained. memory: kaito tune's --memory; checkpointing recomputes every layer."""

    def __init__(self, model, nf4=True, checkpointing=False, tokens=512, steps=3, rows=None, threads=THREADS, options=()):
        self.model, self.nf4, self.checkpointing, self.tokens, self.steps, self.threads = model, nf4, checkpointing, tokens, steps, threads
        self.rows = rows or steps
        self.options = ["--threads", threads, "--memory", "low" if checkpointing else "auto", "--checkpoint-interval", "1h", *options]

    def write(self, folder):
        family = json.loads((self.model / "hf/config.json").read_text())["model_type"]
        truth = lambda b: "true" if b else "false"
        (folder / "config.yaml").write_text(CONFIG % dict(nf4=truth(self.nf4), modules=MODULES[family], steps=self.steps, tokens=self.tokens,
                                                          checkpointing=truth(self.checkpointing)))
        rng = random.Random(7)
        with open(folder / "rows.jsonl", "w") as f:
            for _ in range(self.rows):
                f.write(json.dumps({"input_ids": rng.choices(range(300, 600), k=self.tokens)}) + "\n")

    def command(self, folder):
        return [RUNTIME, "tune", "--model", self.model / "hf", "--config", folder / "config.yaml", "--data", folder / "rows.jsonl",
                "--output", folder / "out", *self.options]


class Watched:
    """A running command: when each line of its output and of history.jsonl came, the memory it took at most."""

    def __init__(self, command, history):
        self.command, self.history, self.lines, self.steps = [str(c) for c in command], history, [], []
        self.peak_gb = 0

    def read(self, pipe):
        for line in pipe:
            self.lines.append((time.monotonic(), line.rstrip()))

    def look(self):
        with contextlib.suppress(FileNotFoundError):
            n = self.history.read_bytes().count(b"\n")
            self.steps += [time.monotonic()] * (n - len(self.steps))

    def look_at_memory(self, pid):
        """The kernel's own mark of the most; what wait4 says counts this process, too, whose memory the child had before it became kaito."""
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            status = pathlib.Path(f"/proc/{pid}/status").read_text()
            if (m := re.search(r"VmHWM:\s+(\d+)", status)) and not re.search(r"Name:\s+python", status):
                self.peak_gb = max(self.peak_gb, int(m[1]) * 1024 / 1e9)

    def run(self, timeout, until=None):
        """until(self): true when the process is to be killed."""
        self.began = time.monotonic()
        p = subprocess.Popen(self.command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env={**os.environ, "OMP_WAIT_POLICY": "passive"})
        reader = threading.Thread(target=self.read, args=(p.stdout,))
        reader.start()
        done, killed = 0, False
        while not done:
            self.look()
            self.look_at_memory(p.pid)
            if not killed and (time.monotonic() > self.began + timeout or (until and until(self))):
                killed = p.kill() or True
            done, status = os.waitpid(p.pid, os.WNOHANG)
            time.sleep(0 if done else POLL)
        p.returncode = os.waitstatus_to_exitcode(status)
        reader.join()
        self.look()
        if p.returncode and not killed:
            raise Failed(f"kaito tune: status {p.returncode}: {' '.join(text for _, text in self.lines)[-400:]}")
        return self

    def line(self, pattern):
        """(seconds after the start, match) of the first line with it."""
        for at, text in self.lines:
            if m := re.search(pattern, text):
                return at - self.began, m
        raise Failed(f"kaito tune: no line with {pattern}: {' '.join(text for _, text in self.lines)[-400:]}")

    def step_seconds(self):
        """Without the first, which touches its memory; that one alone when there are no others."""
        if not self.steps:
            raise Failed("kaito tune: no step was done in the time given")
        first = json.loads(self.history.read_text().splitlines()[0])
        between = [b - a for a, b in zip(self.steps, self.steps[1:])]
        return between or [first["tokens"] / first["tokens_per_second"]]


@contextlib.contextmanager
def scratch():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="tune-", dir=CACHE))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def to_page_cache(model):
    warm(model / "hf/model.safetensors")


def peaks(threads):
    """The product peak now in the type that counts: bf16, or f32 where there is no bf16 product."""
    found = {f.what.split(",")[0]: f.median for f in limits(threads, 1)}
    return found["bf16"] or found["f32"]


def work(model, tokens):
    """Operations of a step: 2 x parameters x tokens forward, the same back. The embedding is looked up, not multiplied."""
    c = json.loads((model / "hf/config.json").read_text())
    h, kv = c["hidden_size"], c["num_key_value_heads"] * c["hidden_size"] // c["num_attention_heads"]
    layer = h * (h + 2 * kv) + h * h + 3 * h * c["intermediate_size"]
    return 4 * tokens * (c["num_hidden_layers"] * layer + h * c["vocab_size"])


def tune(job, name, timeout):
    """{tokens/s with the probes around it, seconds to the first line about training, peak resident}"""
    to_page_cache(job.model)
    before = peaks(job.threads)
    with scratch() as folder:
        job.write(folder)
        w = Watched(job.command(folder), folder / "out/history.jsonl").run(timeout)
        seconds = w.step_seconds()
        loaded, _ = w.line(r"rank \d+ on \d+ modules")
    peak = statistics.mean([before, peaks(job.threads)])
    rates = [job.tokens / s for s in seconds]
    share = [100 * work(job.model, job.tokens) / s / 1e9 / peak for s in seconds]
    return {"rate": Figure("kaito", name, "tokens/s", rates, share=share, product_gflop_s=peak, threads=job.threads, step_s=seconds),
            "load": Figure("kaito", f"{name}: load", "s", [loaded]), "peak": Figure("kaito", f"{name}: peak", "GB", [w.peak_gb])}


def quick_start(runs):
    """The tuning of the quick start: the example's configuration, model and data set."""
    example = (SOURCE / "examples/fine-tuning/kaito_workspace_tuning_phi_3.yaml").read_text()
    took = []
    for _ in range(runs):
        with scratch() as folder:
            (folder / "config.yaml").write_text(textwrap.dedent(example.split("training_config.yaml: |\n")[1].split("\n---\n")[0]))
            w = Watched([RUNTIME, "tune", "--model", SOURCE / "examples/standin/model", "--config", folder / "config.yaml", "--data",
                         SOURCE / "examples/standin/data", "--output", folder / "out"], folder / "out/history.jsonl").run(300)
            took.append(float(w.line(r"tuned in ([\d.]+) s")[1].group(1)))
    return Figure("kaito", "quick start", "s", took)


def resume(model):
    """Steps done and steps kept when the job is killed: kill -9 after some of them, then the same command again."""
    lost = []
    for at in 13, 22, 31:
        with scratch() as folder:
            job = Job(model, tokens=64, steps=40, options=["--checkpoint-steps", 5])
            job.write(folder)
            killed = Watched(job.command(folder), folder / "out/history.jsonl").run(120, until=lambda w: len(w.steps) >= at)
            again = Watched(job.command(folder), folder / "out/history.jsonl").run(120)
            lost.append(len(killed.steps) - int(again.line(r"from the checkpoint of step (\d+)")[1].group(1)))
    return Figure("kaito", "resume", "steps", lost, interval=5)


def peak_of(model, name, timeout, **job):
    with scratch() as folder:
        j = Job(model, **job)
        j.write(folder)
        w = Watched(j.command(folder), folder / "out/history.jsonl").run(timeout)
    return Figure("kaito", name, "GB", [w.peak_gb])
