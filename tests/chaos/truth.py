"""
Do the claims tell the truth? What each claim said (watch.py) laid beside what the cloud was at the same moment (the simulator's history),
both by the wall clock of one machine. A statement that is not so is an untruth from the first moment on; it may last LIMIT_S, for nobody knows
at once what a cloud does. Time in which the API was away does not count: nobody could have written anything. Pure: no clock, no I/O.

What a claim says:
  Launched=True                 the pool is there and made, with its machine
  Launched, LaunchInProgress    an operation of the pool runs
  Launched, any other reason    the machine was refused, failed or was given up: none runs, and none is being made
  Registered=True               a Node has joined; otherwise none has
  Initialized=True              the Node was ready with its GPUs once (a Node that falls silent later is told by the Node, as in Karpenter); otherwise it never was
  Ready                         all three: wrong at any moment is a lie, whatever its length
  a deletion                    is told by InstanceTerminating, Drained or VolumesDetached
  nothing (AwaitingReconciliation) is no statement; nor is a claim that is gone while its pool is there
"""
LIMIT_S = 10
NODE_JOINED, NODE_READY, NODE_GPU, NODE_LOST = 1, 2, 3, 4       # as the simulator counts

# A reason that quotes the cloud: it must have said so about this pool before. The words are parts of ARM's codes.
QUOTED = {"QuotaExceeded": ("Quota",), "InsufficientCapacity": ("Allocation", "Capacity")}


def launched_untruths(stage, pool):
    status, reason = stage[0], stage[1]
    state = pool["state"] if pool else "Gone"
    runs = state in ("Succeeded", "Updating") and pool["machine"]
    if status == "True":
        if not runs:
            yield "says Launched, and the cloud has no such machine"
    elif reason == "LaunchInProgress":
        if state == "Succeeded":
            yield "says that the machine is being made, and it is made"
        elif state not in ("Creating", "Updating", "Deleting"):
            yield "says that the machine is being made, and nobody makes it"
    elif state == "Succeeded" and pool["machine"]:
        yield f"says that there is no machine ({reason}), and it runs"
    elif state == "Creating":
        yield f"says that there is no machine ({reason}), and it is being made"


def node_untruths(stages, pool):
    launched, registered, initialized = (stages.get(s, ["", "", ""]) for s in ("Launched", "Registered", "Initialized"))
    node = pool["node"] if pool and pool["machine"] else 0
    if registered[0] == "True" and node < NODE_JOINED:
        yield "says Registered, and no Node has joined"
    if launched[0] == "True" and registered[0] != "True" and registered[1] != "MultipleNodesFound" and node in (NODE_JOINED, NODE_READY, NODE_GPU):
        yield "does not say Registered, and its Node has joined"
    if initialized[0] == "True" and pool and not pool.get("was_usable"):
        yield "says Initialized, and its Node never was"
    if registered[0] == "True" and initialized[0] != "True" and node == NODE_GPU:
        yield "does not say Initialized, and its Node is usable"


def untruths(said, pool):
    """What is untrue at one moment. said: a row of the watch; pool: of the history, or None."""
    if not said or not said["uid"]:
        if pool and pool["state"] not in ("Gone", "Deleting"):
            yield "there is no claim, and its pool is there"
        return
    if said["deleting"]:
        if not said["endings"]:
            yield "does not say what its deletion waits for"
        return
    stages = said["stages"]
    launched = stages.get("Launched", ["Unknown", "AwaitingReconciliation", ""])
    if launched[1] == "AwaitingReconciliation":
        yield "says nothing"
        return
    yield from launched_untruths(launched, pool)
    yield from node_untruths(stages, pool)


def lies(said):
    """What is wrong in itself, or quotes what was never said: no time excuses it. The reason and the words that the cloud must have used."""
    stages = said.get("stages", {}) if said else {}
    whole = [stages.get(s, ["Unknown"])[0] == "True" for s in ("Launched", "Registered", "Initialized")]
    if "Ready" in stages and (stages["Ready"][0] == "True") != all(whole):
        yield f"Ready is {stages['Ready'][0]} beside Launched, Registered, Initialized {[stages.get(s, ['missing'])[0] for s in ('Launched', 'Registered', 'Initialized')]}", ()
    reason = stages.get("Launched", ["", ""])[1]
    if reason in QUOTED:
        yield f"says {reason}, and the cloud never said so", QUOTED[reason]


def away_s(windows, start, end):
    return sum(max(0, min(end, to if to is not None else end) - max(start, since)) for since, to in windows)


class Claim:
    """One name's story: rows of both sides in the order of time."""

    def __init__(self, name, api_away):
        self.name, self.api_away = name, api_away
        self.said, self.pool = None, None
        self.open = {}                  # untruth -> since
        self.found, self.lies = [], []  # (seconds, untruth, since), texts
        self.codes = set()

    def close(self, what, now):
        since = self.open.pop(what)
        self.found.append((now - since - away_s(self.api_away, since, now), what, since))

    def look(self, now):
        true_now = set(untruths(self.said, self.pool))
        for what in set(self.open) - true_now:
            self.close(what, now)
        for what in true_now - set(self.open):
            self.open[what] = now

    def cloud(self, row):
        before = self.pool or {}
        made_anew = row["state"] == "Creating" and before.get("state") != "Creating"
        self.pool = {**row, "was_usable": row["node"] == NODE_GPU or (bool(before.get("was_usable")) and not made_anew)}
        if row.get("error"):
            self.codes.add(row["error"])

    def hear(self, row):
        self.said = row
        for text, words in lies(row):
            if not words or not any(w in c for w in words for c in self.codes):
                self.lies.append(text)


def stories(rows, history, refusals, api_away):
    """All events by claim, in the order of time. refusals: rows of the journal with a code."""
    events = [(r["wall"], 2, r["claim"], "hear", r) for r in rows]
    events += [(r["wall"] / 1000, 1, r["pool"], "cloud", r) for r in history if not r["foreign"]]
    events += [(r["wall"] / 1000, 0, r["pool"], "refused", r) for r in refusals]
    claims = {}
    for wall, _, name, kind, row in sorted(events, key=lambda e: e[:2]):
        claim = claims.setdefault(name, Claim(name, api_away))
        if kind == "refused":
            claim.codes.add(row["code"])
        else:
            getattr(claim, kind)(row)
            claim.look(wall)
    return claims


def judge(rows, history, refusals, api_away, end):
    """(too long, lies, longest, all): too long and longest as (seconds, claim, what, since); lies as texts."""
    everything, told = [], []
    for name, claim in stories(rows, history, refusals, api_away).items():
        for what in list(claim.open):
            claim.close(what, end)
        everything += [(s, name, what, since) for s, what, since in claim.found]
        told += [f"{name}: {text}" for text in dict.fromkeys(claim.lies)]
    everything.sort(key=lambda u: -u[0])
    return [u for u in everything if u[0] > LIMIT_S], told, everything[0] if everything else None, everything
