"""The processes of a chaos run: an API server, the simulator of ARM, two provisioners that elect a leader. All on loopback, in one folder."""
import base64, http.client, json, os, pathlib, re, signal, ssl, subprocess, threading, time, urllib.parse

CLAIMS = "/apis/karpenter.sh/v1/nodeclaims"
SECRET = "planted-client-secret"
# Short, so that a run of minutes meets them all; the simulator's operations take one to two seconds.
TIMERS = ("--launch-timeout=90s", "--registration-timeout=20s", "--initialization-timeout=30s", "--drain-timeout=5s", "--repair-after=6s",
          "--repair-pause=1s", "--collect-interval=5s", "--collect-grace=6s")
SETTINGS = {"create_ms": 1500, "delete_ms": 800, "update_ms": 500, "join_ms": -300, "ready_ms": 200, "gpu_ms": 100, "retry_after_s": 1,
            "list_lag_ms": 1500, "page_size": 7, "max_pools": 100, "throttle_scale": 1000, "token_ms": 60000}


class Http:
    """One connection, made anew when it breaks; for one thread."""

    def __init__(self, url, cafile=None, token=None):
        self.parts, self.token, self.connection = urllib.parse.urlsplit(url), token, None
        self.context = ssl.create_default_context(cadata=cafile) if cafile else None

    def ask(self, method, path, body=None, kind="application/json"):
        """(status, JSON); status 0: no answer."""
        headers = {"Accept": "application/json"}
        if self.token:
            headers["Authorization"] = "Bearer " + self.token
        if body is not None:
            headers["Content-Type"] = kind
        try:
            if not self.connection:
                make = http.client.HTTPSConnection if self.context else http.client.HTTPConnection
                extra = {"context": self.context} if self.context else {}
                self.connection = make(self.parts.hostname, self.parts.port, timeout=10, **extra)
            self.connection.request(method, path, json.dumps(body) if body is not None else None, headers)
            reply = self.connection.getresponse()
            text = reply.read()
            return reply.status, json.loads(text) if text[:1] in (b"{", b"[") else {"text": text.decode(errors="replace")}
        except (OSError, http.client.HTTPException, ValueError):
            self.connection = None
            return 0, {}


class World:
    def __init__(self, folder, build, seed, settings):
        self.folder, self.build, self.seed = pathlib.Path(folder), pathlib.Path(build), seed
        self.kaito = self.build / "src/cli/kaito"
        self.lock = threading.Lock()        # guards processes
        self.processes = {}                 # name -> Popen
        self.api_port = 0
        self.local = threading.local()      # connections
        self.token_file = self.folder / "federated-token"
        self.token_file.write_text("a.b.0")
        self.start_api()
        self.start_arm({**SETTINGS, **settings})
        for name in ("provisioner-1", "provisioner-2"):
            self.start_provisioner(name)

    # ---- processes

    def spawn(self, name, command, **env):
        with self.lock:
            log = open(self.folder / f"{name}.log", "ab")
            self.processes[name] = subprocess.Popen([str(c) for c in command], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                                    env={**os.environ, **env}, start_new_session=True)

    def kill(self, name, how=signal.SIGKILL):
        with self.lock:
            child = self.processes.pop(name, None)
        if child:
            child.send_signal(how)
            child.wait()

    def crashed(self):
        with self.lock:
            return [(n, p.returncode) for n, p in self.processes.items() if p.poll() is not None]

    def start_api(self):
        state = self.folder / "api"
        command = [self.kaito, "apiserver", "--state-dir", state]
        self.spawn("apiserver", command + (["--port", self.api_port] if self.api_port else []))
        wait(lambda: (state / "kubeconfig").exists(), 20, "the API server's kubeconfig")
        text = (state / "kubeconfig").read_text()
        self.server = re.search(r"server: *(\S+)", text)[1].strip('"')
        self.ca = base64.b64decode(re.search(r"certificate-authority-data: *(\S+)", text)[1].strip('"')).decode()
        self.token = re.search(r"token: *(\S+)", text)[1].strip('"')
        self.api_port = urllib.parse.urlsplit(self.server).port
        wait(lambda: self.api("GET", "/readyz")[0] == 200, 20, "the API server")

    def start_arm(self, settings):
        ready = self.folder / "arm.ready"
        self.spawn("arm", [self.build / "tests/peers/fake-arm/kaito-fake-arm", "--ready-file", ready, "--kubeconfig", self.folder / "api/kubeconfig",
                           "--settings", json.dumps(settings), "--seed", self.seed, "--federated-token-file", self.token_file,
                           "--heartbeat-interval", "0s", "--journal", self.folder / "journal.jsonl"])
        wait(ready.exists, 20, "the simulator")
        self.arm_url = json.loads(ready.read_text())["url"]

    def start_provisioner(self, name):
        self.spawn(name, [self.kaito, "provisioner", "--cloud", "azure", "--kubeconfig", self.folder / "api/kubeconfig", "--leader-elect",
                          "--leader-election-namespace", "default", "--health-probe-bind-address", "0", "--metrics-bind-address", "0",
                          "--workers", "8", "--arm-budget-scale", "1000", *TIMERS],
                   AZURE_TENANT_ID="11111111-1111-1111-1111-111111111111", AZURE_CLIENT_ID="22222222-2222-2222-2222-222222222222",
                   AZURE_FEDERATED_TOKEN_FILE=str(self.token_file), AZURE_AUTHORITY_HOST=self.arm_url + "/", ARM_ENDPOINT=self.arm_url,
                   ARM_SUBSCRIPTION_ID="00000000-0000-0000-0000-000000000000", ARM_RESOURCE_GROUP="rehearsal", AZURE_CLUSTER_NAME="aks",
                   DEPLOYMENT_MODE="self-hosted")

    def stop(self):
        for name in list(self.processes):
            self.kill(name, signal.SIGTERM if name == "apiserver" else signal.SIGKILL)

    # ---- talking

    def client(self, name, make):
        found = getattr(self.local, name, None)
        if not found:
            found = make()
            setattr(self.local, name, found)
        return found

    def api(self, method, path, body=None, kind="application/json"):
        return self.client("api_" + self.server[-5:], lambda: Http(self.server, self.ca, self.token)).ask(method, path, body, kind)

    def control(self, method, what, body=None):
        status, answer = self.client("arm", lambda: Http(self.arm_url)).ask(method, "/control/" + what, body)
        if status != 200:
            raise RuntimeError(f"{method} /control/{what}: {status} {answer}")
        return answer

    def claims(self):
        """None while the API is away."""
        status, answer = self.api("GET", CLAIMS)
        return answer["items"] if status == 200 else None

    def leader(self):
        status, answer = self.api("GET", "/apis/coordination.k8s.io/v1/namespaces/default/leases")
        held = [i["spec"].get("holderIdentity", "") for i in answer.get("items", [])] if status == 200 else []
        return held[0] if held else ""


def wait(ready, seconds, what):
    until = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > until:
            raise RuntimeError(f"{what} did not come within {seconds} s")
        time.sleep(0.05)
