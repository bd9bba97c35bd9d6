"""Figures kept as they come, one JSON line each, so that a run that was cut off can be read and gone on with."""
import json, os, time

from common import Failed, Figure, say


class Results:
    """o: results (a path), minutes, from_results; what else of a run is noted in the file is set on o, or here, when it is read again."""

    def __init__(self, o, goes_on=False, **notes):
        self.o, self.figures, self.missing, self.done = o, {}, {}, set()
        self.ends = time.monotonic() + 60 * o.minutes if o.minutes else None
        self.load, self.log = os.getloadavg()[0], None
        goes_on = goes_on and os.path.exists(o.results)
        if o.from_results or goes_on:
            self.read(o.results)
        if not o.from_results:
            self.date = time.strftime("%Y-%m-%d")
            self.log = open(o.results, "a" if goes_on else "w")
            self.note(load=self.load, date=self.date, **notes)

    def note(self, **what):
        """A line of what was run, beside the figures: for who reads them later."""
        self.write(run=what)

    def write(self, **line):
        self.log.write(json.dumps(line) + "\n")
        self.log.flush()

    def read(self, path):
        """The figures of a run before, whole or cut off."""
        self.date = "an unknown day"
        for line in map(json.loads, open(path)):
            if "run" in line:
                for key, value in line["run"].items():
                    setattr(self if key in ("date", "load") else self.o, key, value)
            elif "missing" in line:
                self.missing[line["missing"]] = line["why"]
            elif "done" in line:
                self.finished(line["done"])
            else:
                f = Figure(line.pop("engine"), line.pop("figure"), line.pop("unit"), line.pop("values"), **line)
                self.figures[f.engine, f.what] = f

    def left(self):
        return self.ends - time.monotonic() if self.ends else 3600

    def keep(self, figure):
        self.figures[figure.engine, figure.what] = figure
        self.write(**figure.line())
        say(f"  {figure.engine:12} {figure.what:20} {figure.text()} {figure.unit}")

    def measure(self, what, fn, *args, own=False, **kw):
        """Keeps the figures that fn gives; what goes wrong is kept too. A peer gets the time that is left. What the run before has done stays."""
        if what in self.done:
            return
        say(what)
        if self.left() < 20 and not own:
            return self.miss(what, "no time left")
        try:
            out = fn(*args, **kw)
        except (Failed, RuntimeError, OSError, KeyError) as e:
            return self.miss(what, str(e) or repr(e))
        for figure in out.values() if isinstance(out, dict) else out if isinstance(out, list) else [out]:
            self.keep(figure)
        self.write(done=what)
        self.finished(what)

    def finished(self, what):
        self.done.add(what)
        self.missing.pop(what, None)

    def miss(self, what, why):
        say(f"  not measured: {why}")
        self.missing[what] = why
        self.write(missing=what, why=why)

    def get(self, engine, what):
        return self.figures.get((engine, what))
