"""Texts that random walks make under a schema are valid for Python's jsonschema; texts under a regular expression match in Python's re."""
import gzip, json, pathlib, random, re, subprocess, sys, tempfile

import jsonschema

WALK, ROOT = sys.argv[1], pathlib.Path(sys.argv[2])
SEED = 20261125
PATTERNS = [r"^[a-z]{2,8}$", r"\d{3}-\d{4}", r"^(foo|ba[rz])+$", r"[^\s\"\\]{1,5}", r"^\S+@\S+\.\w{2,3}$", r"[A-F0-9]{6}", r"a.c", r"\W\D[\w-]x?"]
FORMATS = ["date", "time", "date-time", "duration", "email", "hostname", "ipv4", "ipv6", "uuid", "uri"]
WORDS = ["a", "ab", "name", "na", "é", "x y", "q\"uote", "back\\slash", "tab\t", "", "0"]


def random_schema(r, depth):
    kinds = ["string", "pattern", "format", "integer", "number", "boolean", "null", "enum", "const"]
    if depth > 0:
        kinds += ["object"] * 4 + ["array"] * 3 + ["anyOf", "list", "ref", "any", "map"]
    kind = r.choice(kinds)
    if kind == "string":
        s = {"type": "string"}
        low = r.choice([0, 0, 1, 3, 20])
        if low:
            s["minLength"] = low
        if r.random() < .6:
            s["maxLength"] = low + r.choice([0, 1, 5, 60])
        return s
    if kind == "pattern":
        return {"type": "string", "pattern": r.choice(PATTERNS)}
    if kind == "format":
        return {"type": "string", "format": r.choice(FORMATS)}
    if kind in ("integer", "number"):
        s = {"type": kind}
        low = r.choice([-1000, -7, 0, 1, 99, 12345]) if kind == "integer" else r.choice([-10.5, -0.001, 0, 0.1, 3, 1e6])
        if r.random() < .6:
            s[r.choice(["minimum", "exclusiveMinimum"])] = low
        if r.random() < .6:
            s[r.choice(["maximum", "exclusiveMaximum"])] = low + r.choice([2, 10, 1000]) if kind == "integer" else low + r.choice([.5, 1, 99.75])
        if kind == "integer" and r.random() < .2:
            s = {"type": kind, "multipleOf": r.choice([2, 7, 25]), **({"minimum": low} if r.random() < .5 else {})}
        return s
    if kind == "enum":
        return {"enum": r.sample([1, -2.5, "x", "é\n", None, True, [1, "2"], {"k": []}], 3)}
    if kind == "const":
        return {"const": r.choice(["yes", 5, None, "q\"\\"])}
    if kind == "object":
        names = r.sample(WORDS, r.randint(1, 5))
        s = {"type": "object", "properties": {n: random_schema(r, depth - 1) for n in names}, "required": [n for n in names if r.random() < .5]}
        more = r.random()
        if more < .3:
            s["additionalProperties"] = random_schema(r, depth - 1)
        elif more < .6:
            s["additionalProperties"] = False
        return s
    if kind == "map":
        return {"type": "object", "additionalProperties": random_schema(r, depth - 1), **({"maxProperties": 3} if r.random() < .5 else {})}
    if kind == "array":
        s = {"type": "array", "items": random_schema(r, depth - 1)}
        low = r.choice([0, 0, 1, 2])
        if r.random() < .3:
            s["prefixItems"] = [random_schema(r, depth - 1) for _ in range(r.randint(1, 2))]
        if low:
            s["minItems"] = low
        if r.random() < .5:
            s["maxItems"] = low + r.randint(0, 4)
        return s
    if kind == "anyOf":
        return {"anyOf": [random_schema(r, depth - 1) for _ in range(r.randint(1, 3))]}
    if kind == "list":
        return {"type": r.sample(["string", "integer", "null", "boolean", "object", "array"], 2)}
    if kind == "ref":
        return {"$ref": r.choice(["#/$defs/tree", "#/$defs/leaf"])}
    return r.choice([{}, True])


def schemas():
    r = random.Random(SEED)
    fixed = [
        {"allOf": [{"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}, {"properties": {"b": {"type": "string"}}, "required": ["b"]}]},
        {"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "null"}}, "anyOf": [{"required": ["a"]}, {"required": ["b"]}]},
        {"oneOf": [{"type": "object", "properties": {"k": {"const": "x"}, "v": {"type": "integer"}}, "required": ["k"], "additionalProperties": False},
                   {"type": "object", "properties": {"k": {"const": "y"}, "w": {"type": "string"}}, "required": ["k"], "additionalProperties": False}]},
        {"allOf": [{"type": "object", "properties": {"a": {"type": "integer"}}, "additionalProperties": {"type": "string"}}, {"properties": {"z": {"maxLength": 3}}}]},
        {"type": "object", "properties": {"id": {"type": "integer"}}, "patternProperties": {"^x-": {"type": "null"}, "^n_[a-z]+$": {"type": "integer"}}, "required": ["id"]},
        {"type": "object", "patternProperties": {"^[a-z]{2}(?:-[A-Z]{2})?$": {"type": "boolean"}}, "additionalProperties": False, "maxProperties": 3},
        {"type": "object", "patternProperties": {"_id$": {"type": "integer"}, "\\d": {"type": "integer"}}, "additionalProperties": False},
        {"allOf": [{"type": "object", "patternProperties": {"^a": {"type": "integer"}}}, {"patternProperties": {"^a": {"minimum": 5}, "^b": {"type": "null"}}}]},
        {"type": "object", "propertyNames": {"enum": ["red", "green"]}, "additionalProperties": {"type": "number"}},
        {"type": "object", "propertyNames": {"pattern": "^[A-Z_]+$", "maxLength": 8}},
        {"type": "array", "items": {"enum": ["r", "g", "b", 1, 1.0, None]}, "uniqueItems": True, "minItems": 2},
        {"type": "array", "items": {"type": "boolean"}, "uniqueItems": True},
        {"type": "string", "format": "uri", "minLength": 1, "maxLength": 2083},
    ]
    for i in range(160):
        s = fixed[i] if i < len(fixed) else random_schema(r, 3)
        s = {**s} if isinstance(s, dict) else {}
        s["$defs"] = {"leaf": {"type": "string", "maxLength": 4},
                      "tree": {"type": "object", "properties": {"v": {"type": "integer"}, "kids": {"type": "array", "items": {"$ref": "#/$defs/tree"}}},
                               "required": ["v", "kids"], "additionalProperties": False}}
        yield s


def run(args, rows):
    out = subprocess.run([WALK, *args], input="".join(json.dumps(r) + "\n" for r in rows), capture_output=True, text=True, timeout=500)
    assert out.returncode == 0, out.stderr
    return [json.loads(line) for line in out.stdout.split("\n") if line]


def check_schemas(name, args, count):
    rows = [{"schema": s, "seed": i, "count": count} for i, s in enumerate(schemas())]
    made, bad, unfinished = run(args, rows), [], 0
    for i, text in enumerate(made):
        schema = rows[i // count]["schema"]
        if "error" in text:
            if "no text satisfies" not in text["error"]:
                bad.append(f"{json.dumps(schema)}: {text['error']}")
            continue
        if not text["finished"]:
            unfinished += 1
            continue
        try:
            jsonschema.validate(json.loads(text["text"]), schema, jsonschema.Draft202012Validator, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER)
        except Exception as e:
            bad.append(f"{json.dumps(schema)}\n#   text {text['text']!r}\n#   {str(e).splitlines()[0]}")
    if unfinished > len(made) // 50:
        bad.append(f"{unfinished} of {len(made)} texts do not end")
    report(f"{name}: {len(made)} texts under {len(rows)} schemas", bad)


def check_patterns(name, args):
    patterns = [p for p in PATTERNS if "@" not in p] + [r"(?:a|b(?:c|d)*){2,3}", r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}", r"yes|no", r"[^a-y]\s\S", r"x{0}y?z*"]
    made = run(args, [{"regex": p, "seed": i, "count": 20} for i, p in enumerate(patterns)])
    bad = [f"{patterns[i // 20]}: {t}" for i, t in enumerate(made) if not t.get("finished") or not re.fullmatch(patterns[i // 20], t["text"])]
    made = run(args, [{"json_object": True, "seed": 5, "count": 200}])
    bad += [repr(t) for t in made if not t.get("finished") or not isinstance(json.loads(t["text"]), dict)]
    report(f"{name}: regular expressions, json_object", bad)


tests, failed = 0, 0


def report(name, bad):
    global tests, failed
    tests += 1
    failed += bool(bad)
    print(("not ok" if bad else "ok"), tests, "-", name, flush=True)
    for line in bad[:5]:
        print("#", line)


check_schemas("bytes and words", [], 20)
check_patterns("bytes and words", [])
golden = ROOT / "../shared/golden/hf/tokenizers"
for vocabulary in ["phi-3", "llama-bpe"]:
    packed = golden / f"{vocabulary}.tokenizer.json.gz"
    if not packed.exists():
        tests += 1
        print("ok", tests, "-", vocabulary, "# SKIP skipped: no ../shared")
        continue
    with tempfile.NamedTemporaryFile(suffix=".json") as f:
        f.write(gzip.decompress(packed.read_bytes()))
        f.flush()
        check_schemas(vocabulary, [f.name], 4)
        check_patterns(vocabulary, [f.name])
print(f"1..{tests}")
sys.exit(failed > 0)
