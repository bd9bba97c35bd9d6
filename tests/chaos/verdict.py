#!/usr/bin/env python3
"""Judges what a run left behind: verdict.py FOLDER reads FOLDER/record.json, prints what it finds, and ends with a status that is not zero if something is wrong.

A record holds what was seen, not what was meant: the simulator's state, history, journal of refusals and breaches, the watch's rows, the claims at the end.
"""
import json, pathlib, sys

from truth import LIMIT_S, judge as judge_truth

SHOWN = 10


def find_doubles(past):
    """A pool that was made again although the one before was well and nobody broke it."""
    last = {}
    for p in past:
        before = last.get(p["name"])
        if before and before["succeeded"] and not before["broken"]:
            yield p["name"]
        last[p["name"]] = p


def meanwhile(record, since, seconds):
    """Who was hurt and who began to lead from a little before a moment on, as a text; ARM's own faults are left out."""
    told = [(t["from"], t["what"].replace("_", " ") + (f" ({t['who']})" if t["who"] else "")) for t in record.get("troubles", []) if t["who"] or t["what"] == "restart_api"]
    told += [(row["at"], f"{row['who']} leads") for row in record.get("leads", [])]
    near = [f"{at - since:+.1f} s {text}" for at, text in sorted(told) if since - 8 < at < since + seconds]
    return f" [{'; '.join(near)}]" if near else ""


def judge(record):
    state, claims = record["state"], record["claims_at_end"]
    live = {c["name"] for c in claims if not c["deleting"]}
    launched = {c["name"] for c in claims if not c["deleting"] and c["launched"] == "True"}
    pools = {p["name"] for p in state["pools"] if not p["foreign"]}
    foreign = {p["name"] for p in state["pools"] if p["foreign"]}
    late, lies, longest, everything = judge_truth(record["rows"], record["history"], record["refusals"], record["api_away"], record["end"])
    return {
        "orphans": [f"pool {n} has no claim" for n in sorted(pools - live)] + [f"claim {n} is Launched and has no pool" for n in sorted(launched - pools)],
        "doubles": [f"pool {n} was made again, although the first was well" for n in sorted(set(find_doubles(state["past"])))],
        "untruths": [f"{name} {what} for {seconds:.1f} s{meanwhile(record, since, seconds)}" for seconds, name, what, since in late] + lies,
        "breaches": [f"{v['rule']}: {v['what']} ({v['method']} {v['path'].rsplit('/', 1)[-1]})" for v in record["violations"]],
        "unsettled": record["unsettled"], "crashes": record["crashes"],
        "foreign pools lost": sorted(set(record["foreign"]) - foreign),
        "longest": longest, "moments": len(everything), "made": sum(1 for p in state["past"] if p["name"] not in record["foreign"]), "live": len(live), "pools": len(pools),
    }


WRONGS = ("orphans", "doubles", "untruths", "breaches", "unsettled", "crashes", "foreign pools lost")


def wrongs(v):
    return sum(len(v[w]) for w in WRONGS)


def report(record, v):
    longest = f"{v['longest'][0]:.1f} s ({v['longest'][1]} {v['longest'][2]})" if v["longest"] else "0 s"
    troubles = ", ".join(f"{n} {what}" for what, n in sorted(record["deeds"].items()))
    rescued = ", ".join(f"{n} {kind}" for kind, n in sorted(record["rescues"].items())) or "nothing"
    print(f"seed {record['seed']}: {record['claims']} claims, {v['made']} pools made, {record['state']['requests']} requests, {v['live']} claims live and {v['pools']} pools at "
          f"the end; " + ", ".join(f"{len(v[w])} {w}" for w in WRONGS))
    print(f"seed {record['seed']}: longest untruth {longest} of {v['moments']} (at most {LIMIT_S} s); the collectors rescued {rescued}; {record['lost_leases']} leases lost; "
          f"troubles: {troubles}", flush=True)
    print(f"seed {record['seed']}: CPU " + ", ".join(f"{n} {s:.0f} s" for n, s in sorted(record.get("cpu_s", {}).items())), flush=True)
    for what in WRONGS:
        for item in v[what][:SHOWN]:
            print(f"  {what}: {item}")
        if len(v[what]) > SHOWN:
            print(f"  {what}: and {len(v[what]) - SHOWN} more")


def main():
    record = json.loads((pathlib.Path(sys.argv[1]) / "record.json").read_text())
    v = judge(record)
    report(record, v)
    return 1 if wrongs(v) else 0


if __name__ == "__main__":
    sys.exit(main())
