"""The official openai client, unchanged, against `kaito-runtime serve` on the stand-in model. Prints TAP."""
import asyncio, json, os, pathlib, re, signal, subprocess, sys, tempfile, time, traceback

import openai

RUNTIME, ROOT = sys.argv[1], pathlib.Path(sys.argv[2])
MODEL = ROOT / "examples/standin/model"
ADAPTER = ROOT / "tests/golden/standin/adapter"
ASK = [{"role": "user", "content": "What is the capital of France?"}]
TOOL = {"type": "function", "function": {"name": "get_weather", "description": "Weather of a city.", "parameters": {
    "type": "object", "properties": {"city": {"type": "string", "enum": ["Paris", "Rome"]}}, "required": ["city"]}}}


class Server:
    def __init__(self, *options):
        self.process = subprocess.Popen([RUNTIME, "serve", str(MODEL), "--served-model-name", "phi-3", "--port", "0", "--threads", "2", *options],
                                        stderr=subprocess.PIPE, text=True)
        for line in self.process.stderr:
            found = re.search(r"serve: ready .* port=(\d+)", line)
            if found:
                self.port = int(found.group(1))
                break
        else:
            raise RuntimeError("the server did not start")

    def client(self, kind=openai.OpenAI, **more):
        return kind(**{"base_url": f"http://127.0.0.1:{self.port}/v1", "api_key": "none", "max_retries": 0, "timeout": 60, **more})

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(40) == 0, "the server's exit status"


tests = []


def test(f):
    tests.append(f)
    return f


def fails(kind, f, *args, **kwargs):
    try:
        f(*args, **kwargs)
    except kind as e:
        assert type(e) is kind, f"{type(e).__name__} instead of {kind.__name__}"
        return e
    raise AssertionError(f"{kind.__name__} was not raised")


def greedy(c, **more):
    return c.chat.completions.create(model="phi-3", messages=ASK, temperature=0, **more)


@test
def models_are_listed(c):
    assert [m.id for m in c.models.list()] == ["phi-3"]
    assert c.models.retrieve("phi-3").owned_by == "kaito"
    assert c.models.list().data[0].max_model_len == 4096


@test
def a_chat_is_answered(c):
    r = greedy(c, max_tokens=40)
    assert r.object == "chat.completion" and r.id.startswith("chatcmpl-") and r.model == "phi-3"
    assert r.choices[0].message.role == "assistant" and "Paris" in r.choices[0].message.content
    assert r.choices[0].finish_reason == "stop" and r.choices[0].message.tool_calls in (None, [])
    assert r.usage.total_tokens == r.usage.prompt_tokens + r.usage.completion_tokens > 0
    assert r._request_id


@test
def a_stream_is_the_answer_in_pieces(c):
    whole = greedy(c, max_tokens=20).choices[0].message.content
    chunks = list(greedy(c, max_tokens=20, stream=True, stream_options={"include_usage": True}))
    assert chunks[0].choices[0].delta.role == "assistant"
    assert "".join(x.choices[0].delta.content or "" for x in chunks if x.choices) == whole
    assert chunks[-1].choices == [] and chunks[-1].usage.completion_tokens > 0
    assert [x.choices[0].finish_reason for x in chunks if x.choices][-1] in ("stop", "length")
    assert len({x.id for x in chunks}) == 1


@test
def a_long_answer_comes_while_it_is_made(c):
    """A slow reader gets several tokens in a chunk, as from vLLM; a long answer still comes in many."""
    chunks = list(greedy(c, max_tokens=2000, stream=True, extra_body={"ignore_eos": True}))
    assert len(chunks) > 10, len(chunks)


@test
def the_streaming_helper_works(c):
    with c.chat.completions.stream(model="phi-3", messages=ASK, temperature=0, max_tokens=8) as s:
        for _ in s:
            pass
        done = s.get_final_completion()
    assert done.choices[0].message.content == greedy(c, max_tokens=8).choices[0].message.content


@test
def completions_take_several_prompts(c):
    r = c.completions.create(model="phi-3", prompt=["The sea", "A dog"], max_tokens=5, temperature=0.7, seed=1, n=2, echo=True)
    assert [x.index for x in r.choices] == [0, 1, 2, 3]
    assert [x.text.startswith(p) for x, p in zip(r.choices, ["The sea", "The sea", "A dog", "A dog"])] == [True] * 4
    pieces = list(c.completions.create(model="phi-3", prompt="The sea", max_tokens=5, temperature=0, stream=True))
    whole = c.completions.create(model="phi-3", prompt="The sea", max_tokens=5, temperature=0)
    assert "".join(x.choices[0].text for x in pieces) == whole.choices[0].text


@test
def samples_and_seeds(c):
    ask = lambda seed: [x.message.content for x in c.chat.completions.create(model="phi-3", messages=ASK, n=3, seed=seed, temperature=1.8, max_tokens=12).choices]
    assert ask(7) == ask(7) and ask(7) != ask(8) and len(set(ask(7))) > 1


@test
def log_probabilities(c):
    r = greedy(c, max_tokens=5, logprobs=True, top_logprobs=4)
    content = r.choices[0].logprobs.content
    assert "".join(t.token for t in content) == r.choices[0].message.content and len(content) == 5
    assert all(len(t.top_logprobs) == 4 and t.logprob <= 0 and bytes(t.bytes).decode() == t.token for t in content)
    t = c.completions.create(model="phi-3", prompt="The sea", max_tokens=3, logprobs=2, echo=True).choices[0]
    assert t.logprobs.token_logprobs[0] is None and len(t.logprobs.tokens) == 5 and t.logprobs.text_offset[0] == 0
    chunks = [x for x in greedy(c, max_tokens=5, logprobs=True, stream=True) if x.choices and x.choices[0].logprobs]
    assert [t.token for x in chunks for t in x.choices[0].logprobs.content] == [t.token for t in content]


@test
def stops(c):
    r = greedy(c, stop=["capital"])
    assert r.choices[0].message.content == " The " and r.choices[0].finish_reason == "stop" and r.choices[0].stop_reason == "capital"
    assert greedy(c, max_completion_tokens=2).choices[0].finish_reason == "length"


@test
def extra_body_reaches_vllms_fields(c):
    r = greedy(c, max_tokens=6, extra_body={"min_tokens": 6, "ignore_eos": True, "repetition_penalty": 1.2, "top_k": 5, "min_p": 0.1})
    assert r.usage.completion_tokens == 6


@test
def json_mode(c):
    text = c.chat.completions.create(model="phi-3", messages=ASK, max_tokens=200, temperature=0, response_format={"type": "json_schema", "json_schema": {
        "name": "answer", "schema": {"type": "object", "properties": {"city": {"enum": ["Paris", "Rome"]}, "size": {"type": "integer", "minimum": 1, "maximum": 9}},
                                     "required": ["city", "size"]}}}).choices[0].message.content
    answer = json.loads(text)
    assert answer["city"] in ("Paris", "Rome") and 1 <= answer["size"] <= 9
    choice = greedy(c, extra_body={"guided_choice": ["red", "green"]}).choices[0].message.content
    assert choice in ("red", "green")


@test
def a_demanded_tool_is_called(c):
    for choice in ("required", {"type": "function", "function": {"name": "get_weather"}}):
        r = c.chat.completions.create(model="phi-3", messages=ASK, tools=[TOOL], tool_choice=choice, temperature=0, max_tokens=200)
        call = r.choices[0].message.tool_calls[0]
        assert call.function.name == "get_weather" and json.loads(call.function.arguments)["city"] in ("Paris", "Rome")
        assert call.type == "function" and call.id


@test
def errors_have_their_classes(c):
    e = fails(openai.NotFoundError, c.chat.completions.create, model="gpt-4", messages=ASK)
    assert "The model `gpt-4` does not exist." in e.message and e.body["type"] == "NotFoundError" and e.status_code == 404
    e = fails(openai.BadRequestError, c.chat.completions.create, model="phi-3", messages=ASK, temperature=9)
    assert (e.param, str(e.code), e.body["message"]) == ("temperature", "400", "temperature: 9 is not in [0, 2]"), e.body
    fails(openai.BadRequestError, c.chat.completions.create, model="phi-3", messages=ASK, max_tokens=100000)
    fails(openai.BadRequestError, c.chat.completions.create, model="phi-3", messages=[])
    e = fails(openai.BadRequestError, c.embeddings.create, model="phi-3", input="hello")
    assert "does not support Embeddings" in e.message
    fails(openai.NotFoundError, c.models.retrieve, "gpt-4")


@test
def adapters_are_chosen_by_model(c):
    http = c._client
    load = http.post(f"{str(c.base_url)}load_lora_adapter", json={"lora_name": "tuned", "lora_path": str(ADAPTER)})
    assert load.status_code == 200 and load.text == "Success: LoRA adapter 'tuned' added successfully.", load.text
    assert [m.id for m in c.models.list()] == ["phi-3", "tuned"]
    r = c.chat.completions.create(model="tuned", messages=ASK, max_tokens=3)
    assert r.model == "tuned"
    assert http.post(f"{str(c.base_url)}unload_lora_adapter", json={"lora_name": "tuned"}).status_code == 200
    fails(openai.NotFoundError, c.chat.completions.create, model="tuned", messages=ASK)


@test
def many_at_once_answer_as_one(c):
    async def all_of_them():
        async with main.client(openai.AsyncOpenAI) as a:
            async def one():
                parts = []
                async for x in await a.chat.completions.create(model="phi-3", messages=ASK, temperature=0, max_tokens=16, stream=True):
                    parts.append((x.choices[0].delta.content if x.choices else "") or "")
                return "".join(parts)
            return await asyncio.gather(*[one() for _ in range(24)])
    answers = asyncio.run(all_of_them())
    assert set(answers) == {greedy(c, max_tokens=16).choices[0].message.content}


@test
def a_client_that_stops_reading_frees_its_place(c):
    for _ in range(8):
        s = c.completions.create(model="phi-3", prompt="The sea", max_tokens=3500, stream=True, extra_body={"ignore_eos": True})
        next(iter(s))
        s.close()
    for _ in range(200):
        text = c._client.get(f"http://127.0.0.1:{main.port}/metrics").text
        if re.search(r"^vllm:num_requests_running\{[^}]*\} 0$", text, re.M):
            return
        time.sleep(.05)
    raise AssertionError("generations go on")


@test
def keys_and_tls(c):
    with tempfile.TemporaryDirectory() as d:
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", f"{d}/key.pem", "-out",
                        f"{d}/cert.pem", "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"], check=True, capture_output=True)
        s = Server("--api-key", "secret", "--ssl-certfile", f"{d}/cert.pem", "--ssl-keyfile", f"{d}/key.pem")
        try:
            os.environ["SSL_CERT_FILE"] = f"{d}/cert.pem"
            url = f"https://127.0.0.1:{s.port}/v1"
            assert s.client(base_url=url, api_key="secret").models.list().data[0].id == "phi-3"
            fails(openai.AuthenticationError, s.client(base_url=url, api_key="wrong").models.list)
        finally:
            del os.environ["SSL_CERT_FILE"]
            s.stop()


@test
def a_long_queue_is_a_rate_limit(c):
    s = Server("--max-num-seqs", "1")
    try:
        async def flood():
            async with s.client(openai.AsyncOpenAI) as a:
                ask = lambda: a.completions.create(model="phi-3", prompt="The sea", max_tokens=100, extra_body={"ignore_eos": True})
                return await asyncio.gather(*[ask() for _ in range(12)], return_exceptions=True)
        results = asyncio.run(flood())
        limited = [r for r in results if isinstance(r, openai.RateLimitError)]
        assert limited and all("exceeds max-num-seqs (1)" in r.message and r.code == "rate_limit_exceeded" for r in limited)
        assert [r for r in results if not isinstance(r, Exception)], "somebody is served"
        assert not [r for r in results if isinstance(r, Exception) and not isinstance(r, openai.RateLimitError)]
    finally:
        s.stop()


main = Server("--max-num-seqs", "32")
client = main.client()
failed = 0
print(f"1..{len(tests)}")
for i, f in enumerate(tests, 1):
    try:
        f(client)
        print(f"ok {i} - {f.__name__}")
    except Exception:
        failed += 1
        print(f"not ok {i} - {f.__name__}")
        print("".join("# " + line for line in traceback.format_exc().splitlines(True)))
    sys.stdout.flush()
main.stop()
sys.exit(1 if failed else 0)
