"""A small client of any Kubernetes API, from a kubeconfig: what tests need beside kubectl when they ask a thousand things."""
import base64, http.client, json, ssl, tempfile, urllib.parse
import yaml

MERGE = "application/merge-patch+json"
APPLY = "application/apply-patch+yaml"


class Api:
    def __init__(self, path):
        config = yaml.safe_load(open(path))
        context = next(c["context"] for c in config["contexts"] if c["name"] == config["current-context"])
        cluster = next(c["cluster"] for c in config["clusters"] if c["name"] == context["cluster"])
        user = next(u["user"] for u in config["users"] if u["name"] == context["user"])
        url = urllib.parse.urlparse(cluster["server"])
        self.where, self.token = (url.hostname, url.port), user.get("token")
        self.tls = ssl.create_default_context(cadata=base64.b64decode(cluster["certificate-authority-data"]).decode())
        if "client-certificate-data" in user:
            with tempfile.NamedTemporaryFile("wb") as both:
                both.write(base64.b64decode(user["client-certificate-data"]) + base64.b64decode(user["client-key-data"]))
                both.flush()
                self.tls.load_cert_chain(both.name)
        self.connection = None

    def ask(self, method, path, body=None, kind="application/json"):
        """(status, answer); status 0 when nobody answered."""
        headers = {"Accept": "application/json"}
        if self.token:
            headers["Authorization"] = "Bearer " + self.token
        if body is not None:
            headers["Content-Type"] = kind
        for _ in range(2):              # a connection that was left alone may have been closed
            try:
                fresh = self.connection is None
                if fresh:
                    self.connection = http.client.HTTPSConnection(*self.where, context=self.tls, timeout=15)
                self.connection.request(method, path, json.dumps(body) if body is not None else None, headers)
                answer = self.connection.getresponse()
                text = answer.read()
                return answer.status, json.loads(text) if text[:1] == b"{" else {"message": text.decode(errors="replace")}
            except (OSError, http.client.HTTPException):
                self.connection = None
                if fresh:
                    break
        return 0, {"message": "nobody answers"}

    def __call__(self, method, path, body=None, kind="application/json"):
        """The answer, or None for a refusal: the next look sees what is true by then."""
        status, answer = self.ask(method, path, body, kind)
        return answer if 0 < status < 300 else None

    def items(self, path):
        return (self("GET", path) or {}).get("items", [])
