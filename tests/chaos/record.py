"""What a run saw, written down as FOLDER/record.json for verdict.py."""
import collections, datetime, json, time

from world import LAUNCH_TIMEOUT_S, wait


def names(claims):
    return {c["metadata"]["name"] for c in claims}


def launched(claim):
    return next((c["status"] for c in claim.get("status", {}).get("conditions", []) if c["type"] == "Launched"), "")


def refusals(journal):
    """What ARM said about a pool when it refused."""
    for line in journal.read_text().splitlines():
        row = json.loads(line)
        if row.get("code") and row["call"] in ("put", "get"):
            yield {"wall": row["wall"], "pool": row["path"].rsplit("/", 1)[-1], "code": row["code"]}


def said_by_provisioners(folder, words):
    """(process, line) of their logs."""
    for log in sorted(folder.glob("provisioner-*.log")):
        for line in log.read_text(errors="replace").splitlines():
            if words in line:
                yield log.stem, line


def rescues(folder):
    """What the collectors found, of which each is a leak that nearly was."""
    return dict(collections.Counter(line.split("kind=", 1)[-1].split()[0].strip('"') for _, line in said_by_provisioners(folder, "deletes what is left over")))


def leads(folder):
    """Who began to lead, and when by the wall clock."""
    for who, line in said_by_provisioners(folder, "provisioner leads"):
        yield {"who": who, "at": datetime.datetime.fromisoformat(line.split()[0].replace("Z", "+00:00")).timestamp()}


def claims_at_end(world):
    """The API server may be on its way back from its last restart."""
    claims = None

    def told():
        nonlocal claims
        claims = world.claims()
        return claims is not None
    wait(told, 30, "the API server")
    return claims


def take(world, watch, **about):
    """about: seed, claims, deeds, troubles, unsettled. Ends the watch once it has heard of everything."""
    claims = claims_at_end(world)
    wait(lambda: names(watch.claims()) == names(claims), 10, "the watch's last event")
    watch.stop()
    world.tend()
    record = {
        **about, "state": world.control("GET", "state"), "history": world.control("GET", "history"), "violations": world.control("GET", "violations"),
        "foreign": list(world.FOREIGN), "launch_timeout_s": LAUNCH_TIMEOUT_S, "crashes": world.crashes, "lost_leases": world.lost_leases, "api_away": world.api_away, "end": time.time(),
        "rows": watch.rows, "refusals": list(refusals(world.folder / "journal.jsonl")), "rescues": rescues(world.folder), "leads": list(leads(world.folder)), "cpu_s": world.cpu_s(),
        "claims_at_end": [{"name": c["metadata"]["name"], "deleting": "deletionTimestamp" in c["metadata"], "launched": launched(c)} for c in claims]}
    (world.folder / "record.json").write_text(json.dumps(record))
    return record
