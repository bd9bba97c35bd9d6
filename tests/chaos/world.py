"""The processes of a chaos run: an API server, the simulator of ARM, two provisioners that elect a leader. All on loopback, in one folder."""
import base64, concurrent.futures, http.client, json, os, pathlib, re, signal, ssl, subprocess, threading, time, urllib.parse

CLAIMS = "/apis/karpenter.sh/v1/nodeclaims"
SECRET = "planted-client-secret"
# Short, so that a run of minutes meets them all; the simulator's operations take about a second.
LAUNCH_TIMEOUT_S = 40
TIMERS = (f"--launch-timeout={LAUNCH_TIMEOUT_S}s", "--registration-timeout=10s", "--initialization-timeout=15s", "--replace-pause=2s", "--drain-timeout=5s",
          "--repair-after=4s", "--repair-pause=500ms", "--collect-interval=5s", "--collect-grace=6s")
SETTINGS = {"create_ms": 1200, "delete_ms": 600, "update_ms": 500, "join_ms": -300, "ready_ms": 200, "gpu_ms": 100, "retry_after_s": 1,
            "list_lag_ms": 1500, "page_size": 7, "max_pools": 1000, "throttle_scale": 1000, "token_ms": 60000}
# Kinds of clouds: what is set beside SETTINGS; how long it tells its clients to wait (-1: nothing); when a claim whose phase does not come is deleted.
# The slow one takes 9 s for a pool, 45 s for one of the slow ones, which is more than a launch may last.
CLOUDS = {"usual": {"settings": {}, "waits": (-1, 1, 1, 2), "too_old_s": 20},
          "slow": {"settings": {"create_ms": 9000, "retry_after_s": -1}, "waits": (-1,), "too_old_s": 60}}
LOST_LEASE = "leader election lost"     # the last words of a provisioner that another one followed: its pod starts it again


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
    def __init__(self, folder, build, seed, settings, provisioners=("provisioner-1", "provisioner-2")):
        self.folder, self.build, self.seed = pathlib.Path(folder), pathlib.Path(build), seed
        self.kaito = self.build / "src/cli/kaito"
        self.lock = threading.Lock()        # guards processes
        self.processes = {}                 # name -> Popen
        self.log_at = {}                    # name -> where its present process's log begins
        self.crashes, self.lost_leases = [], 0
        self.spent_s = {}                   # name -> CPU seconds of its processes that have ended
        self.cpu_began = time.process_time()
        self.api_away = []                  # [from, to] of the wall clock: nobody could write anything
        self.api_port = 0
        # What it starts dies with it, and it lives as long as we do: no process is left over, whatever ends us.
        self.starter = concurrent.futures.ThreadPoolExecutor(1)
        self.closed = False
        self.local = threading.local()      # connections
        self.token_file = self.folder / "federated-token"
        self.token_file.write_text("a.b.0")
        self.start_api()
        self.settings = {**SETTINGS, **settings}
        self.start_arm(self.settings)
        for name in provisioners:
            self.start_provisioner(name)

    # ---- processes

    def spawn(self, name, command, **env):
        with self.lock:
            if self.closed:
                raise RuntimeError("the world has ended")
            with open(self.folder / f"{name}.log", "ab") as log:
                self.log_at[name] = log.tell()
                start = self.starter.submit(subprocess.Popen, ["setpriv", "--pdeathsig", "KILL"] + [str(c) for c in command], stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=log, env={**os.environ, **env}, start_new_session=True)
                self.processes[name] = start.result()

    def kill(self, name, how=signal.SIGKILL):
        with self.lock:
            child = self.processes.pop(name, None)
        if child:
            if name == "apiserver":
                self.api_away.append([time.time(), None])
            self.spent_s[name] = self.spent_s.get(name, 0) + cpu_s(child.pid)
            child.send_signal(how)
            try:
                child.wait(20)
            except subprocess.TimeoutExpired:
                self.crashes.append(f"{name} did not end within 20 s of signal {how}")
                child.kill()
                child.wait()

    def cpu_s(self):
        """CPU seconds by name, of all its processes."""
        with self.lock:
            now = {**{n: cpu_s(p.pid) for n, p in self.processes.items()}, "this program": time.process_time() - self.cpu_began}
        return {n: round(self.spent_s.get(n, 0) + now.get(n, 0), 1) for n in {**self.spent_s, **now}}

    def has_led(self, name):
        """Since it was started, by its own words."""
        with open(self.folder / f"{name}.log", "rb") as log:
            log.seek(self.log_at.get(name, 0))
            return b"provisioner leads" in log.read()

    def tend(self):
        """Starts again who lost the lease, as a kubelet would; everybody else that ended by itself has crashed."""
        with self.lock:
            ended = [(n, p.returncode) for n, p in self.processes.items() if p.poll() is not None]
            for name, _ in ended:
                del self.processes[name]
        for name, status in ended:
            with open(self.folder / f"{name}.log", "rb") as log:
                log.seek(max(0, log.seek(0, os.SEEK_END) - 400))
                said = log.read().decode(errors="replace")
            if status == 1 and LOST_LEASE in said:
                self.lost_leases += 1
            else:
                self.crashes.append(f"{name} ended with {status}: {said.splitlines()[-1] if said else 'without a word'}")
            if name.startswith("provisioner"):
                self.start_provisioner(name)

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
        if self.api_away and not self.api_away[-1][1]:
            self.api_away[-1][1] = time.time()

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
                          "--workers", "16", "--arm-budget-scale", "1000", *TIMERS],
                   AZURE_TENANT_ID="11111111-1111-1111-1111-111111111111", AZURE_CLIENT_ID="22222222-2222-2222-2222-222222222222",
                   AZURE_FEDERATED_TOKEN_FILE=str(self.token_file), AZURE_AUTHORITY_HOST=self.arm_url + "/", ARM_ENDPOINT=self.arm_url,
                   ARM_SUBSCRIPTION_ID="00000000-0000-0000-0000-000000000000", ARM_RESOURCE_GROUP="rehearsal", AZURE_CLUSTER_NAME="aks",
                   DEPLOYMENT_MODE="self-hosted")

    def stop(self):
        with self.lock:
            self.closed, left = True, list(self.processes.values())
            self.processes.clear()
        for child in left:
            child.kill()
            child.wait()
        self.starter.shutdown()

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

    FOREIGN = ("nodepool1", "mine1")    # pools that are somebody else's, and stay

    def add_foreign_pools(self):
        for name in self.FOREIGN:
            self.control("POST", f"pools/{name}", {"vmSize": "Standard_D4s_v5", "mode": "System" if name == "nodepool1" else "User", "nodeLabels": {"team": "a"}})

    def claims(self):
        """None while the API is away."""
        status, answer = self.api("GET", CLAIMS)
        return answer["items"] if status == 200 else None


def cpu_s(pid):
    """What a process has used; 0 when it is gone."""
    try:
        user, system = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError):
        return 0


def wait(ready, seconds, what):
    until = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > until:
            raise RuntimeError(f"{what} did not come within {seconds} s")
        time.sleep(0.05)
