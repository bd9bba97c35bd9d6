"""What the scripts here share: places, figures with their spread, child processes."""
import json, os, pathlib, statistics, subprocess, sys, time

SOURCE = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("BUILD", SOURCE / "build"))
CACHE = pathlib.Path(os.environ.get("KAITO_BENCH_CACHE", pathlib.Path.home() / ".cache/kaito-bench"))
THREADS = len(os.sched_getaffinity(0))


def say(text):
    print(f"{time.strftime('%T')} {text}", file=sys.stderr, flush=True)


class Figure:
    """Values of one measurement; more: what belongs beside them (limits, sizes)."""

    def __init__(self, engine, what, unit, values, **more):
        self.engine, self.what, self.unit, self.values, self.more = engine, what, unit, [float(v) for v in values], more
        self.median = statistics.median(self.values)

    def text(self):
        number = lambda v: f"{v:.4g}"
        return f"{number(self.median)} [{number(min(self.values))}..{number(max(self.values))}]"

    def line(self):
        return {"engine": self.engine, "figure": self.what, "unit": self.unit, "median": self.median, "min": min(self.values),
                "max": max(self.values), "values": self.values, "load1": round(os.getloadavg()[0], 2), **self.more}


class Failed(Exception):
    """A measurement that did not come about; the text says why. out: what it had printed."""

    def __init__(self, why, out=""):
        super().__init__(why)
        self.out = out


def run(command, timeout, env=None):
    """Standard output of a command; Failed with its last words, or when the time is up."""
    command = [str(c) for c in command]
    try:
        p = subprocess.run(command, capture_output=True, text=True, timeout=timeout, env={**os.environ, "OMP_WAIT_POLICY": "passive", **(env or {})})
    except subprocess.TimeoutExpired as e:
        raise Failed(f"{pathlib.Path(command[0]).name}: not done after {timeout:.0f} s", (e.stdout or b"").decode()) from None
    except OSError as e:
        raise Failed(str(e)) from None
    if p.returncode:
        raise Failed(f"{pathlib.Path(command[0]).name}: status {p.returncode}: {' '.join(p.stderr.split()[-30:])}")
    return p.stdout


def warm(path):
    """Reads a file, so that the page cache has it: nobody is measured against the disk, and who comes second has no advantage."""
    subprocess.run(["cat", path], stdout=subprocess.DEVNULL, check=True)
    return path


def json_lines(text):
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]


def lines_so_far(command, timeout, env=None):
    """JSON lines of a command; those before the time was up count, if there are any."""
    try:
        return json_lines(run(command, timeout, env))
    except Failed as e:
        if not json_lines(e.out):
            raise
        return json_lines(e.out)
