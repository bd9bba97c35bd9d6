"""Conversations of every shape that chat templates look at: roles, calls of tools, thoughts, parts, documents, flags."""

TOOL = {"type": "function", "function": {"name": "get_weather", "description": "Get the weather.\nIn \"a\" city", "parameters": {"type": "object", "properties": {
    "city": {"type": "string", "description": "City", "enum": ["Paris", "Köln"]}, "days": {"type": "integer", "default": 3}, "opts": {"type": "array", "items": {"type": "string"}},
    "u": {"anyOf": [{"type": "string"}, {"type": "null"}]}, "o": {"type": "object", "properties": {"k": {"type": ["string", "null"]}}, "required": ["k"]}}, "required": ["city"]},
    "return": {"type": "string"}}}
BARE_TOOL = {"type": "function", "function": {"name": "noargs", "description": "None", "parameters": {"type": "object", "properties": {}}}}
DOCUMENTS = [{"title": "T", "text": "Body é", "doc_id": 1, "contents": "C"}, {"title": "T2", "text": "B2"}]


def says(role, content, **more):
    return dict(role=role, content=content, **more)


def parts(role, *content):
    return says(role, [{"type": "text", "text": c} if isinstance(c, str) else c for c in content])


SYSTEM, ASKS, ASKS_ON, ANSWERS = says("system", " You are helpful. "), says("user", "Hello <b>\nwörld 👍 "), says("user", "What's next?"), says("assistant", "Hi! \n")
THINKS = says("assistant", "<think>\nI think.\n</think>\n\nAnswer.")
REASONS, REASONS_TOO = says("assistant", "Answer 2", reasoning_content="Because of x."), says("assistant", "Answer 3", thinking="Deep.", reasoning="Deeper.")
CALL = {"id": "abcdefghi", "type": "function", "function": {"name": "get_weather", "arguments": {"city": "Paris", "days": 2, "opts": ["a", "b"], "u": None, "o": {"k": "v"}}}}
SECOND_CALL = dict(CALL, id="123456789", function={"name": "noargs", "arguments": {}})
TEXT_CALL = dict(CALL, function={"name": "get_weather", "arguments": "{\"city\": \"Paris\"}"})
CALLS, CALLS_TWICE = says("assistant", None, tool_calls=[CALL]), says("assistant", "Calling.", tool_calls=[CALL, SECOND_CALL])
CALLS_BY_TEXT, CALLS_WITHOUT_CONTENT = says("assistant", "", tool_calls=[TEXT_CALL]), {"role": "assistant", "tool_calls": [CALL]}
RESULT, SECOND_RESULT = says("tool", "{\"temp\": 21}", tool_call_id="abcdefghi", name="get_weather"), says("tool", "ok", tool_call_id="123456789", name="noargs")
RESULT_IN_PARTS = dict(parts("tool", "21"), tool_call_id="abcdefghi")
SHOWS, SHOWS_BY_URL = parts("user", "Look ", {"type": "image"}, "here"), parts("user", {"type": "image_url", "image_url": {"url": "http://x/y.png"}}, "what")

CONVERSATIONS = [
    [], [SYSTEM], [ASKS], [SYSTEM, ASKS], [ANSWERS], [ASKS, ANSWERS], [ASKS, ASKS_ON], [ASKS, ANSWERS, ANSWERS], [ASKS, ANSWERS, ASKS_ON], [SYSTEM, ASKS, ANSWERS, ASKS_ON],
    [ASKS, ANSWERS, SYSTEM, ASKS_ON], [SYSTEM, ASKS, THINKS, ASKS_ON], [ASKS, THINKS], [ASKS, REASONS, ASKS_ON], [ASKS, REASONS_TOO, ASKS_ON, REASONS], [ASKS, CALLS, RESULT],
    [ASKS, CALLS, RESULT, ANSWERS, ASKS_ON], [SYSTEM, ASKS, CALLS_TWICE, RESULT, SECOND_RESULT], [ASKS, CALLS_TWICE, RESULT, SECOND_RESULT, REASONS, ASKS_ON],
    [ASKS, CALLS_BY_TEXT, RESULT], [ASKS, CALLS_WITHOUT_CONTENT, RESULT, ANSWERS], [ASKS, CALLS, RESULT_IN_PARTS, ANSWERS], [SYSTEM, ASKS, ANSWERS, ASKS_ON, CALLS, RESULT, REASONS],
    [SHOWS], [SYSTEM, SHOWS, ANSWERS, SHOWS_BY_URL], [parts("system", "Sys"), SHOWS, parts("assistant", "Ok")], [says("developer", "Dev."), ASKS], [says("user", None)], [says("user", "")],
    [says("ipython", "x")], [ASKS, says("function", "r", name="f")], [ASKS, dict(ANSWERS, prefix=True)],
]
FLAGS = [
    dict(add_generation_prompt=True), dict(add_generation_prompt=False), dict(add_generation_prompt=True, tools=[TOOL, BARE_TOOL]), dict(add_generation_prompt=False, tools=[TOOL, BARE_TOOL]),
    dict(add_generation_prompt=True, enable_thinking=False), dict(add_generation_prompt=True, enable_thinking=True, tools=[TOOL], documents=DOCUMENTS),
    dict(add_generation_prompt=False, pad_token="<pad>", unk_token="<unk>", documents=DOCUMENTS, reasoning_effort="high", thinking=True, builtin_tools=["browser", "python"], citation_mode="fast",
         custom_tools=[TOOL], date_string="1 Jan 2025", tools_in_user_message=False, keep_past_thinking=True, truncate_history_thinking=False, model_identity="I"),
]
# tools and documents are always there, as in transformers' apply_chat_template
ROWS = [dict(dict(messages=c, tools=None, documents=None, bos_token="<s>", eos_token="</s>"), **f) for c in CONVERSATIONS for f in FLAGS]
