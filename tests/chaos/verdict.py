#!/usr/bin/env python3
"""Judges what a run left behind: verdict.py FOLDER reads FOLDER/record.json, prints what it finds, and ends with a status that is not zero if something is wrong.

A record holds what was seen, not what was meant: the simulator's state, history, journal of refusals and breaches, the watch's rows, the claims at the end.
"""
import json, pathlib, sys

from truth import LIMIT_S, judge as judge_truth

SHOWN = 10


UNSEEN_S = 2                    # what came so short ago nobody need have seen


def came_after_its_time(pool, history, launch_timeout_s):
    """A pool that took longer than a launch may last, and went before anybody could see that it had come: whoever gave it up was right."""
    rows = [r for r in history if r["pool"] == pool["name"] and pool["created"] <= r["at"] <= (pool["ended"] or r["at"])]
    came = next((r["at"] for r in rows if r["state"] == "Succeeded"), None)
    went = next((r["at"] for r in rows if came is not None and r["at"] >= came and r["state"] in ("Deleting", "Gone")), None)
    return went is not None and came - pool["created"] >= 1000 * launch_timeout_s and went - came < 1000 * UNSEEN_S


def find_doubles(past, history, launch_timeout_s):
    """(doubles, late): names of pools that were made again although the one before was well and nobody broke it; late: it came when it had been given up."""
    doubles, late, last = set(), set(), {}
    for p in past:
        before = last.get(p["name"])
        if before and before["succeeded"] and not before["broken"]:
            (late if came_after_its_time(before, history, launch_timeout_s) else doubles).add(p["name"])
        last[p["name"]] = p
    return sorted(doubles), sorted(late)


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
    doubles, given_up = find_doubles(state["past"], record["history"], record["launch_timeout_s"])
    return {
        "orphans": [f"pool {n} has no claim" for n in sorted(pools - live)] + [f"claim {n} is Launched and has no pool" for n in sorted(launched - pools)],
        "doubles": [f"pool {n} was made again, although the first was well" for n in doubles],
        "untruths": [f"{name} {what} for {seconds:.1f} s{meanwhile(record, since, seconds)}" for seconds, name, what, since in late] + lies,
        "breaches": [f"{v['rule']}: {v['what']} ({v['method']} {v['path'].rsplit('/', 1)[-1]})" for v in record["violations"]],
        "unsettled": record["unsettled"], "crashes": record["crashes"],
        "foreign pools lost": sorted(set(record["foreign"]) - foreign),
        "longest": longest, "moments": len(everything), "made": sum(1 for p in state["past"] if p["name"] not in record["foreign"]), "live": len(live), "pools": len(pools), "given_up": given_up,
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
    print(f"seed {record['seed']}: longest untruth {longest} of {v['moments']} (at most {LIMIT_S} s); the collectors rescued {rescued}; {len(v['given_up'])} pools came just after "
          f"they were given up; {record['lost_leases']} leases lost; troubles: {troubles}", flush=True)
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
