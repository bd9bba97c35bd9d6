"""When two answers mean the same: `validate`, `render` and `estimate` beside what upstream v0.12 answered.

What has no meaning in its order, and what the API server would default, is put into a normal form first. Each comparison yields the
differences as text; none: equal.
"""
import json, re, shlex

# ---- normal forms: what has no meaning in its order or is an API default ----------------------------------------------
BY = {"env": "name", "volumes": "name", "volumeMounts": "mountPath", "ports": "name", "tolerations": None, "imagePullSecrets": "name", "matchExpressions": "key", "requirements": "key", "volumeClaimTemplates": None,
      "sources": None, "items": None, "ownerReferences": "name", "taints": "key", "finalizers": None, "budgets": None, "workerNodes": None, "conditions": "type"}
EMPTY = {"status", "resources", "strategy", "updateStrategy", "imagePullSecrets", "annotations", "labels", "securityContext", "env", "volumes", "volumeMounts", "ports", "tolerations", "initContainers", "volumeClaimTemplates", "affinity", "matchLabels", "workerNodes", "serviceName", "sources"}
DEFAULTS = {"protocol": "TCP", "restartPolicy": "Always", "dnsPolicy": "ClusterFirst", "schedulerName": "default-scheduler", "terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File",
            "successThreshold": 1, "scheme": "HTTP", "revisionHistoryLimit": 10, "volumeMode": "Filesystem", "sessionAffinity": "None", "internalTrafficPolicy": "Cluster"}
PROBE = {"timeoutSeconds": 1, "periodSeconds": 10, "failureThreshold": 3, "initialDelaySeconds": 0}
DROP = {"creationTimestamp", "resourceVersion", "uid", "managedFields", "generation", "lastTransitionTime", "observedGeneration"}

def command(s):
    """a shell line as: words in order, then the --flags as a sorted set, for every part between semicolons"""
    if " --" not in s: return s
    out = []
    for part in s.split("; "):
        try: words = shlex.split(part)
        except ValueError: words = part.split()
        out.append([w for w in words if not w.startswith("--")] + sorted(w for w in words if w.startswith("--")))
    return out

def canon(x, key=""):
    if isinstance(x, dict):
        if "$script" in x: return x
        d = {}
        for k, v in x.items():
            if k in DROP or v is None or (k in EMPTY and v in ({}, [], "")): continue
            c = canon(v, k)
            if DEFAULTS.get(k) == c and k in DEFAULTS: continue
            if key.endswith("Probe") and PROBE.get(k) == c: continue
            if k in EMPTY and c in ({}, []): continue
            d[k] = c
        if key in ("metadata",): d.pop("namespace", None) if x.get("namespace") == "default" else None
        return d
    if isinstance(x, list):
        l = [canon(v, key if isinstance(v, str) else "") for v in x]
        if key in BY: l.sort(key=lambda v: (str(v.get(BY[key], "")) if BY[key] and isinstance(v, dict) else "") + json.dumps(v, sort_keys=True))
        return l
    if key in ("command", "args") and isinstance(x, str): return command(x)
    if isinstance(x, (int, float)) and not isinstance(x, bool) and key not in ("port", "containerPort", "targetPort"): return x
    return x

def quantities(o):
    if isinstance(o, dict): return {k: ({a: str(b) for a, b in v.items()} if k in ("requests", "limits", "capacity") and isinstance(v, dict) else quantities(v)) for k, v in o.items()}
    return [quantities(v) for v in o] if isinstance(o, list) else o

def rename(text):
    names = []
    for n in re.findall(r"\bws[0-9a-f]{9}\b", text):
        if n not in names: names.append(n)
    for i, n in enumerate(names): text = text.replace(n, f"<nodeclaim-{i}>")
    return text

def compare(e, g, path=""):
    if isinstance(e, dict) and "$script" in e:
        if not isinstance(g, (str, list)): yield f"{path}: a script is expected, got {short(g)}"; return
        text = g if isinstance(g, str) else json.dumps(g)
        for m in e["mentions"]:
            if m not in text: yield f"{path}: the {e['$script']} script does not mention {m!r}"
        return
    if type(e) is not type(g) and not (isinstance(e, (int, float)) and isinstance(g, (int, float))):
        yield f"{path}: expected {short(e)}, got {short(g)}"; return
    if isinstance(e, dict):
        for k in sorted(set(e) | set(g)):
            p = f"{path}.{k}" if path else k
            if k not in g: yield f"{p}: missing, expected {short(e[k])}"
            elif k not in e: yield f"{p}: not expected, got {short(g[k])}"
            else: yield from compare(e[k], g[k], p)
    elif isinstance(e, list):
        if all(not isinstance(v, (dict, list)) for v in e + g) and e != g:
            lost, more = [v for v in e if v not in g], [v for v in g if v not in e]
            yield f"{path}: missing {short(lost)}, not expected {short(more)}" if lost or more else f"{path}: other order, expected {short(e)}, got {short(g)}"; return
        def who(v): return v.get("name") or v.get("key") or v.get("type") or v.get("mountPath") if isinstance(v, dict) else None
        if e and all(who(v) for v in e + g) and [who(v) for v in e] != [who(v) for v in g] and sorted(map(str, map(who, e))) != sorted(map(str, map(who, g))):
            for v in e:
                if who(v) not in map(who, g): yield f"{path}[{who(v)}]: missing, expected {short(v)}"
            for v in g:
                if who(v) not in map(who, e): yield f"{path}[{who(v)}]: not expected, got {short(v)}"
            return
        if len(e) != len(g): yield f"{path}: expected {len(e)} entries, got {len(g)}"
        for i, (a, b) in enumerate(zip(e, g)): yield from compare(a, b, f"{path}[{who(a) or i}]")
    elif e != g: yield f"{path}: expected {short(e)}, got {short(g)}"
def short(v): s = json.dumps(v, ensure_ascii=False, sort_keys=True); return s if len(s) < 300 else s[:300] + "…"

# ---- the three kinds --------------------------------------------------------------------------------------------------
def message(s):
    s = re.sub(r"(Supported SKUs: \[)([^\]]*)(\])", lambda m: m[1] + " ".join(sorted(m[2].split())) + m[3], s)
    m = re.match(r"(Workspace\.kaito\.sh \"[^\"]*\" is invalid: )\[(.*)\]$", s, re.S)
    if m: s = m[1] + "[" + ", ".join(sorted(re.split(r", (?=(?:<nil>|[a-z][\w.\[\]-]*): (?:Required|Invalid|Unsupported|Too|Forbidden|Duplicate|Not found))", m[2]))) + "]"
    return s

def validation(e, g, opt):
    if bool(g.get("allowed")) != e["allowed"]:
        yield f"allowed: expected {e['allowed']} ({e.get('message', '')[:200]!r}), got {g.get('allowed')} ({str(g.get('message', ''))[:200]!r})"; return
    if e["allowed"]:
        if "defaulted" in g: yield from compare(canon(e["defaulted"]), canon(g["defaulted"]), "defaulted")
        else: yield "defaulted: missing"
    elif e.get("stage") in ("schema", "webhook") and message(e["message"]) != message(str(g.get("message", ""))):
        yield f"message:\n      expected {message(e['message'])!r}\n      got      {message(str(g.get('message', '')))!r}"

def objects(x, skip=("Node",)):
    """objects by identity; later writes of the same object win, `delete` is kept as its own entry"""
    out, n = {}, {}
    for w in x.get("writes") or []:
        o = w["object"]
        if o["kind"] in skip: continue
        name = o.get("metadata", {}).get("name", "")
        if o["kind"] == "NodeClaim": name = re.sub(r"^<nodeclaim-\d+>$", "<nodeclaim>", name); n[name] = n.get(name, 0) + 1; name += f"#{n[name]}" if n[name] > 1 else ""; o = {**o, "metadata": {**o["metadata"], "name": name}}; o["metadata"].pop("namespace", None)
        out[w["verb"], o["kind"], name] = quantities(canon(o))
    return out
def rendering(e, g, opt, path=""):
    if "panic" not in e and bool(e.get("error")) != bool(g.get("error")): yield f"{path}error: expected {e.get('error')!r}, got {g.get('error')!r}"
    a, b = objects(e), objects(g)
    for key in sorted(set(a) | set(b)):
        at = path + "/".join(key)
        if key not in b: yield f"{at}: missing"
        elif key not in a: yield f"{at}: not expected"
        else: yield from (f"{at} {d}" for d in compare(a[key], b[key]))
    if opt.status and "workspace" in e and "panic" not in e: yield from (f"{path}workspace {d}" for d in compare(canon(e["workspace"]), canon(g.get("workspace") or {})))
    for i, u in enumerate(e.get("afterUpdates") or []):
        gu = (g.get("afterUpdates") or [])
        yield from rendering(u, gu[i] if i < len(gu) else {}, opt, f"{path}after update {i + 1}: ")

def estimator(e, g, opt):
    if "nodes" in e and e["nodes"] != g.get("nodes"): yield f"nodes: expected {e['nodes']}, got {g.get('nodes')} {g.get('error', '')}"
    if "error" in e and "error" not in g: yield f"error: expected {e['error']!r}, got {g.get('nodes')} nodes"
    elif "error" in e and e["error"] != g["error"]: yield f"error: expected {e['error']!r}, got {g['error']!r}"

KINDS = {"validation": ("validate", validation), "rendering": ("render", rendering), "estimator": ("estimate", estimator)}
