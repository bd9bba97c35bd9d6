#!/usr/bin/env python3
"""The figures of drive.py (gpu.json, byo.json) as a table beside what must be reached and what upstream v0.12 does on a 2-core machine."""
import json, pathlib, sys

ROWS = [  # figure, file, key, unit, must, aim, upstream
    ("resident, idle", "gpu", "idle_mb", "MiB", 16, 10, "62"),
    ("resident, 500 Workspaces", "gpu", "settled_mb", "MiB", 30, 18, "100"),
    ("start to ready, webhooks serving", "gpu", "start_ms", "ms", 200, 50, "2060"),
    ("200 Workspaces at once, gpu", "gpu", "many_s", "s", 12, 4, "80"),
    ("200 Workspaces at once, BYO", "byo", "many_s", "s", 8, 3, "55"),
    ("CPU for the 200, gpu", "gpu", "many_cpu_s", "s", 2.0, 0.8, "7.1"),
    ("CPU for the 200, BYO", "byo", "many_cpu_s", "s", 1.2, 0.5, "3.1"),
    ("create to NodeClaim, p50", "gpu", "create_to_claim_ms", "ms", 15, 6, "39"),
    ("node ready to StatefulSet, p50", "gpu", "ready_to_set_ms", "ms", 100, 20, "1351"),
    ("CPU at rest, 500 Workspaces", "gpu", "rest_cpu", "s/s", 0.02, 0.002, "0.11"),
    ("requests at rest, 20 s", "gpu", "rest_requests", "", 0, 0, ""),
    ("SIGTERM to the end", "gpu", "stop_ms", "ms", 3000, 500, ""),
]


def main():
    have = {pathlib.Path(p).stem: json.load(open(p)) for p in sys.argv[1:]}
    print("| figure | measured | must | aim | upstream |\n| --- | --- | --- | --- | --- |")
    for name, file, key, unit, must, aim, upstream in ROWS:
        v = have.get(file, {}).get(key)
        if v is not None:
            print(f"| {name} | {v:.4g} {unit}{'' if v <= must else ' (misses)'} | <= {must} | <= {aim} | {upstream} |")


main()
