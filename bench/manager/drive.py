#!/usr/bin/env python3
"""Load on a Workspace manager through a real API server, and a machine room that answers at once. Standard library only.

Starts the manager that the words after -- name (its --metrics-bind-address and --health-probe-bind-address are added), plays the cloud
(a claim becomes a ready node) and the StatefulSet controller (ready at once), and prints the figures as JSON.
"""
import argparse, atexit, base64, http.client, json, os, queue, signal, socket, ssl, subprocess, sys, tempfile, threading, time, urllib.parse

WS = "/apis/kaito.sh/v1beta1/namespaces/default/workspaces"
CLAIMS = "/apis/karpenter.sh/v1/nodeclaims"
SETS = "/apis/apps/v1/namespaces/default/statefulsets"
NODES = "/api/v1/nodes"
MACHINE = "Standard_NC24ads_A100_v4"
IDLE_MAX_S = 30     # kube-apiserver closes connections that nobody uses


class Api:
    """One connection per thread."""

    def __init__(self, kubeconfig):
        text = subprocess.run(["kubectl", "--kubeconfig", kubeconfig, "config", "view", "--raw", "-o", "json"], check=True, capture_output=True).stdout
        config = json.loads(text)
        cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        url = urllib.parse.urlparse(cluster["server"])
        self.host, self.port, self.local = url.hostname, url.port, threading.local()
        self.context = ssl.create_default_context(cadata=self.text(cluster, "certificate-authority").decode())
        self.token = user.get("token")
        if not self.token:
            with tempfile.NamedTemporaryFile() as pair:
                pair.write(self.text(user, "client-certificate") + b"\n" + self.text(user, "client-key"))
                pair.flush()
                self.context.load_cert_chain(pair.name)

    @staticmethod
    def text(d, key):
        return base64.b64decode(d[key + "-data"]) if key + "-data" in d else open(d[key], "rb").read()

    def connect(self):
        c = http.client.HTTPSConnection(self.host, self.port, context=self.context, timeout=600)
        c.connect()
        c.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return c

    def headers(self, kind):
        h = {"Accept": "application/json", "Content-Type": kind}
        return dict(h, Authorization="Bearer " + self.token) if self.token else h

    def call(self, method, path, body=None, kind="application/json"):
        if time.monotonic() - getattr(self.local, "used", 0) > IDLE_MAX_S:
            self.local.c = self.connect()
        self.local.used = time.monotonic()
        self.local.c.request(method, path, json.dumps(body) if body is not None else None, self.headers(kind))
        r = self.local.c.getresponse()
        data = r.read()
        if r.status >= 300:
            raise RuntimeError(f"{method} {path}: {r.status} {data[:300].decode()}")
        return json.loads(data)

    def patch(self, path, body):
        return self.call("PATCH", path, body, "application/merge-patch+json")

    def watch(self, path, event):
        """Calls event(type, object, time) for ever, on a thread of its own."""
        def run():
            c = self.connect()
            c.request("GET", path + "?watch=true", headers=self.headers("application/json"))
            r = c.getresponse()
            while line := r.readline():
                e = json.loads(line)
                if "type" in e:         # a server that ends says so without one
                    event(e["type"], e["object"], time.monotonic())
        threading.Thread(target=run, daemon=True).start()


class Crew:
    """Workers for calls that must not hold up a watch."""

    def __init__(self, n):
        self.q = queue.Queue()
        for _ in range(n):
            threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            fn, args = self.q.get()
            try:
                fn(*args)
            except Exception as e:
                print("room:", e, file=sys.stderr)


class World:
    def __init__(self, api, n_workers):
        self.api, self.crew, self.cond = api, Crew(n_workers), threading.Condition()
        self.claim_seen, self.set_seen, self.node_ready, self.ready_sets = {}, {}, {}, 0
        api.watch(CLAIMS, self.on_claim)
        api.watch(SETS, self.on_set)

    def on_claim(self, kind, o, now):
        if kind != "ADDED":
            return
        ws = o["metadata"]["labels"].get("kaito.sh/workspace", "")
        with self.cond:
            self.claim_seen.setdefault(ws, now)
            self.cond.notify_all()
        self.crew.q.put((self.make_node, (o, ws)))

    def make_node(self, claim, ws):
        name = "node-" + claim["metadata"]["name"]
        labels = dict(claim["metadata"]["labels"], **{"node.kubernetes.io/instance-type": MACHINE, "accelerator": "nvidia"})
        make_node(self.api, name, labels)
        with self.cond:
            self.node_ready[ws] = time.monotonic()
        conditions = [{"type": t, "status": "True", "reason": t, "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z"}
                      for t in ("Launched", "Registered", "Initialized", "Ready")]
        self.api.patch(f"{CLAIMS}/{claim['metadata']['name']}/status", {"status": {"nodeName": name, "providerID": "bench:///" + name, "conditions": conditions}})

    def on_set(self, kind, o, now):
        if kind != "ADDED":
            return
        with self.cond:
            self.set_seen.setdefault(o["metadata"]["name"], now)
            self.cond.notify_all()
        self.crew.q.put((self.make_set_ready, (o,)))

    def make_set_ready(self, o):
        n = o["spec"].get("replicas", 1)
        self.api.patch(f"{SETS}/{o['metadata']['name']}/status",
                       {"status": {"observedGeneration": 1, "replicas": n, "readyReplicas": n, "currentReplicas": n, "updatedReplicas": n}})
        with self.cond:
            self.ready_sets += 1
            self.cond.notify_all()

    def wait(self, true, seconds, what):
        with self.cond:
            if not self.cond.wait_for(true, seconds):
                raise SystemExit(f"not within {seconds} s: {what}")


# What NVIDIA's feature discovery writes on a node: in BYO mode a Workspace is refused without.
GPU_LABELS = {"nvidia.com/gpu.product": "NVIDIA-A100-80GB-PCIe", "nvidia.com/gpu.count": "1", "nvidia.com/gpu.memory": "81920"}


def make_node(api, name, labels):
    api.call("POST", NODES, {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels}})
    size = {"cpu": "24", "memory": "220Gi", "nvidia.com/gpu": "1", "pods": "110"}
    api.patch(f"{NODES}/{name}/status", {"status": {"capacity": size, "allocatable": size, "conditions": [
        {"type": "Ready", "status": "True", "reason": "KubeletReady", "message": "", "lastHeartbeatTime": "2026-01-01T00:00:00Z",
         "lastTransitionTime": "2026-01-01T00:00:00Z"}]}})


def workspace(name, byo):
    resource = {"labelSelector": {"matchLabels": {"bench": name}}}
    if not byo:
        resource["instanceType"] = MACHINE
    # no benchmark: its result is in a pod's log, and nobody runs pods here
    return {"apiVersion": "kaito.sh/v1beta1", "kind": "Workspace",
            "metadata": {"name": name, "namespace": "default", "annotations": {"kaito.sh/disable-benchmark": "true"}}, "resource": resource, "inference": {"preset": {"name": "phi-4-mini-instruct"}}}


class Manager:
    def __init__(self, words, env):
        if webhook_listens():
            raise SystemExit("port 9443 is taken: another manager runs here")
        self.ports = [free_port(), free_port()]
        self.began = time.monotonic()
        self.log = tempfile.NamedTemporaryFile(prefix="manager-", suffix=".log", delete=False)
        self.p = subprocess.Popen(words + [f"--metrics-bind-address=127.0.0.1:{self.ports[0]}", f"--health-probe-bind-address=127.0.0.1:{self.ports[1]}"],
                                  stdout=self.log, stderr=self.log, env=env)
        atexit.register(self.p.kill)    # nothing is left behind when a figure cannot be had

    def wait_ready(self):
        while True:
            try:
                c = http.client.HTTPConnection("127.0.0.1", self.ports[1], timeout=5)
                c.request("GET", "/readyz")
                if c.getresponse().status == 200 and webhook_listens():
                    return (time.monotonic() - self.began) * 1000
            except OSError:
                pass
            if self.p.poll() is not None:
                raise SystemExit(f"the manager ended: see {self.log.name}")
            time.sleep(0.001)       # how exactly the start is timed

    def resident_mb(self):
        with open(f"/proc/{self.p.pid}/status") as f:
            return next(int(l.split()[1]) for l in f if l.startswith("VmRSS")) / 1024

    def cpu(self):
        total = 0
        for t in os.listdir(f"/proc/{self.p.pid}/task"):
            try:
                with open(f"/proc/{self.p.pid}/task/{t}/schedstat") as f:
                    total += int(f.read().split()[0])
            except OSError:
                pass
        with open(f"/proc/{self.p.pid}/stat") as f:
            fields = f.read().rsplit(")", 1)[1].split()
        return max(total / 1e9, (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"))

    def requests(self):
        c = http.client.HTTPConnection("127.0.0.1", self.ports[0], timeout=5)
        c.request("GET", "/metrics")
        rows = [l for l in c.getresponse().read().decode().splitlines() if l.startswith("rest_client_requests_total")]
        return sum(float(l.rsplit(" ", 1)[1]) for l in rows)

    def stop(self):
        began = time.monotonic()
        self.p.send_signal(signal.SIGTERM)
        self.p.wait(30)
        return (time.monotonic() - began) * 1000


def webhook_listens(port=9443):
    """Upstream says that it is ready before it is."""
    with socket.socket() as s:
        return s.connect_ex(("127.0.0.1", port)) == 0


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


HOOK = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/validation.workspace.kaito.sh"


def trust(api, secret):
    """Upstream's manager gives its certificate to webhooks behind a Service only; here the API server asks a URL."""
    ns, name = secret.split("/")
    while not (ca := api.call("GET", f"/api/v1/namespaces/{ns}/secrets/{name}").get("data", {}).get("ca-cert.pem")):
        time.sleep(0.05)
    api.call("PATCH", HOOK, [{"op": "add", "path": "/webhooks/0/clientConfig/caBundle", "value": ca}], "application/json-patch+json")
    for _ in range(100):        # until the API server knows, whatever the webhook then says
        try:
            return api.call("POST", WS + "?dryRun=All", workspace("nobody", False))
        except RuntimeError as e:
            if "failed calling webhook" not in str(e):
                return None
            time.sleep(0.1)
    raise SystemExit("the API server does not trust the webhook")


def p50(values):
    return sorted(values)[len(values) // 2] if values else None


def create_all(api, names, byo, threads=8):
    crew, done, began = queue.Queue(), [], time.monotonic()
    for n in names:
        crew.put(n)

    def run():
        while True:
            try:
                n = crew.get_nowait()
            except queue.Empty:
                return
            api.call("POST", WS, workspace(n, byo))
            done.append(n)
    ts = [threading.Thread(target=run) for _ in range(threads)]
    [t.start() for t in ts]
    [t.join() for t in ts]
    return began


def main():
    a = argparse.ArgumentParser()
    a.add_argument("--kubeconfig", required=True)
    a.add_argument("--byo", action="store_true")
    a.add_argument("--many", type=int, default=200)
    a.add_argument("--settled", type=int, default=0, help="Workspaces in all before memory and rest are measured")
    a.add_argument("--single", type=int, default=0)
    a.add_argument("--rest", type=float, default=0)
    a.add_argument("--starts", type=int, default=1)
    a.add_argument("--ca-from", metavar="NAMESPACE/SECRET", help="whose ca-cert.pem the webhook's configuration shall trust")
    a.add_argument("manager", nargs=argparse.REMAINDER)
    o = a.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    words = o.manager[1:] if o.manager[:1] == ["--"] else o.manager
    api, env, out = Api(o.kubeconfig), dict(os.environ, KUBECONFIG=o.kubeconfig), {}
    starts, stops = [], []
    for i in range(o.starts):
        m = Manager(words, env)
        starts.append(m.wait_ready())
        if i + 1 < o.starts:
            stops.append(m.stop())
    out["start_ms"] = p50(starts)
    if o.ca_from:
        trust(api, o.ca_from)
    time.sleep(1)       # what starting took is given back
    out["idle_mb"] = m.resident_mb()
    w = World(api, 6)
    time.sleep(0.5)     # the watches of the world are open
    if o.single:
        to_claim, to_set = [], []
        for i in range(o.single):
            n = f"one-{'b' if o.byo else 'g'}-{i}"
            if o.byo:
                make_node(api, "node-" + n, dict(GPU_LABELS, bench=n))
            began = time.monotonic()
            api.call("POST", WS, workspace(n, o.byo))
            w.wait(lambda: n in w.set_seen, 30, f"StatefulSet {n}")
            if not o.byo:
                to_claim.append((w.claim_seen[n] - began) * 1000)
                to_set.append((w.set_seen[n] - w.node_ready[n]) * 1000)
            else:
                to_set.append((w.set_seen[n] - began) * 1000)
            w.wait(lambda: w.ready_sets > i, 30, f"StatefulSet {n} ready")
            time.sleep(0.3)     # its last status is written: the next one is alone
        out["create_to_claim_ms"], out["ready_to_set_ms"] = p50(to_claim), p50(to_set)
    names = [f"many-{'b' if o.byo else 'g'}-{i}" for i in range(o.many)]
    if o.byo:
        for n in names:
            make_node(api, "node-" + n, dict(GPU_LABELS, bench=n))
        time.sleep(1)       # the manager has seen the nodes: they are not part of the figure
    cpu = m.cpu()
    began = create_all(api, names, o.byo)
    out["created_s"] = time.monotonic() - began
    w.wait(lambda: all(n in w.set_seen for n in names), 180, "all StatefulSets")
    out["many_s"] = max(w.set_seen[n] for n in names) - began
    out["many_cpu_s"] = m.cpu() - cpu
    if o.settled:
        more = [f"rest-{i}" for i in range(o.settled - o.many - o.single)]
        create_all(api, more, o.byo)
        w.wait(lambda: all(n in w.set_seen for n in more), 180, "the rest")
        w.wait(lambda: w.ready_sets >= o.settled, 60, "all ready")
        time.sleep(5)       # settled: the memory of the burst is given back
        out["settled_mb"] = m.resident_mb()
    if o.rest:
        asked, cpu, began = m.requests(), m.cpu(), time.monotonic()
        time.sleep(o.rest)      # the time at rest that is measured
        out["rest_cpu"] = (m.cpu() - cpu) / (time.monotonic() - began)
        out["rest_requests"] = m.requests() - asked
        states = {}
        for item in api.call("GET", WS)["items"]:
            s = item.get("status", {}).get("state")
            states[s] = states.get(s, 0) + 1
        out["states"] = states
    stops.append(m.stop())
    out["stop_ms"] = p50(stops)
    print(json.dumps({k: round(v, 4) if isinstance(v, float) else v for k, v in out.items() if v is not None}))


main()
