"""A watch on all claims, from the first to the last: what each said and since when. One row for each change, by the machine's wall clock."""
import http.client, json, socket, ssl, threading, time, urllib.parse

from world import CLAIMS, Http

STAGES = ("Launched", "Registered", "Initialized", "Ready")
ENDINGS = ("InstanceTerminating", "Drained", "VolumesDetached")


def row_of(claim, now):
    """What is judged later; `uid` None: the claim is gone."""
    said = {c["type"]: c for c in claim.get("status", {}).get("conditions", [])}
    return {"wall": now, "claim": claim["metadata"]["name"], "uid": claim["metadata"]["uid"], "deleting": "deletionTimestamp" in claim["metadata"],
            "stages": {s: [said[s]["status"], said[s].get("reason", ""), said[s].get("message", "")[:200]] for s in STAGES if s in said},
            "endings": [e for e in ENDINGS if e in said], "node": claim.get("status", {}).get("nodeName", "")}


class Watch:
    """Its own thread; `present` and `rows` are guarded by `lock`."""

    def __init__(self, world):
        self.w, self.lock, self.stopped = world, threading.Lock(), threading.Event()
        self.present, self.rows, self.synced = {}, [], threading.Event()
        self.connection = None
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def claims(self):
        """As last heard of, whole."""
        with self.lock:
            return list(self.present.values())

    def stop(self):
        self.stopped.set()
        connection = self.connection
        if connection and connection.sock:
            try:
                connection.sock.shutdown(socket.SHUT_RDWR)      # it may be in the middle of a read
            except OSError:
                pass
        self.thread.join(15)

    def put(self, claim, now):
        row = row_of(claim, now)
        with self.lock:
            self.present[row["claim"]] = claim
            self.rows.append(row)

    def drop(self, name, now):
        with self.lock:
            if self.present.pop(name, None):
                self.rows.append({"wall": now, "claim": name, "uid": None})

    def run(self):
        while not self.stopped.is_set():
            try:
                self.follow(self.list())
            except (OSError, http.client.HTTPException, ValueError, KeyError):
                self.stopped.wait(0.1)

    def list(self):
        now = time.time()
        status, answer = Http(self.w.server, self.w.ca, self.w.token).ask("GET", CLAIMS)
        if status != 200:
            raise OSError(f"list: {status}")
        there = {c["metadata"]["name"] for c in answer["items"]}
        for name in set(self.present) - there:
            self.drop(name, now)
        for claim in answer["items"]:
            had = self.present.get(claim["metadata"]["name"])
            if not had or had["metadata"]["resourceVersion"] != claim["metadata"]["resourceVersion"]:
                self.put(claim, now)
        self.synced.set()
        return answer["metadata"]["resourceVersion"]

    def follow(self, version):
        at = urllib.parse.urlsplit(self.w.server)
        connection = self.connection = http.client.HTTPSConnection(at.hostname, at.port, timeout=2, context=ssl.create_default_context(cadata=self.w.ca))
        try:
            connection.request("GET", f"{CLAIMS}?watch=1&resourceVersion={version}&timeoutSeconds=300", headers={"Authorization": "Bearer " + self.w.token})
            reply = connection.getresponse()
            if reply.status != 200:
                raise OSError(f"watch: {reply.status}")
            self.read(reply)
        finally:
            self.connection = None
            connection.close()

    def read(self, reply):
        rest = b""
        while not self.stopped.is_set():
            try:
                piece = reply.read1(1 << 16)
            except TimeoutError:        # nothing happens: the list tells whether the API lives
                return
            if not piece:
                return
            *lines, rest = (rest + piece).split(b"\n")
            for line in lines:
                if line.strip():
                    self.hear(json.loads(line))

    def hear(self, event):
        now, claim = time.time(), event["object"]
        if event["type"] in ("ADDED", "MODIFIED"):
            self.put(claim, now)
        elif event["type"] == "DELETED":
            self.drop(claim["metadata"]["name"], now)
        elif event["type"] == "ERROR":
            raise OSError("watch ended")
