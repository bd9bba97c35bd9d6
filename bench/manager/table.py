#!/usr/bin/env python3
"""The figures of drive.py (ours-gpu.json, upstream-byo.json, ... in a folder) as a table beside what must be reached."""
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


def figure(folder, who, row):
    """The measured value as text; "" where it was not measured."""
    _, file, key, unit, must, *_ = row
    path = folder / f"{who}-{file}.json"
    v = json.load(path.open()).get(key) if path.exists() else None
    return "" if v is None else f"{v:.4g} {unit}{'' if v <= must or who != 'ours' else ' (misses)'}"


def main():
    folder = pathlib.Path(sys.argv[1])
    beside = any(folder.glob("upstream-*.json"))
    columns = ["figure", "measured"] + ["upstream, measured beside"] * beside + ["must", "aim", "upstream v0.12, published"]
    print("| " + " | ".join(columns) + " |\n|" + " --- |" * len(columns))
    for row in ROWS:
        ours, theirs = figure(folder, "ours", row), figure(folder, "upstream", row)
        if ours or theirs:
            print("| " + " | ".join([row[0], ours] + [theirs] * beside + [f"<= {row[4]}", f"<= {row[5]}", row[6]]) + " |")


main()
