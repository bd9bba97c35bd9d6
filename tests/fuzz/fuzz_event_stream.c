/*
 * A stream's way to its client when the model answers any tokens: text that became certain is taken apart into content and tool calls,
 * and each piece becomes an event. Events stay events: JSON on one line that can be read again, with nothing lost.
 */
#include "fuzz_server.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_event(const json_t *j)
{
    AUTO_BUF out = { 0 };
    AUTO_JSON again = NULL;
    struct err e;

    json_write(j, &out);
    if (memchr(out.p, '\n', out.n) || json_parse(buf_str(&out), &again, &e) || !json_equal(again, j))
        abort();
}

/* Sends what became certain; tools NULL: all of it is content. */
static void send(struct tool_reader *tools, struct buf *text, bool end)
{
    AUTO_BUF content = { 0 };
    json_t *calls = NULL;

    if (tools)
        tool_reader_add(tools, buf_str(text), end, &content, &calls);
    AUTO_JSON delta = json_pack("{s:o, s:o*}", "content", json_strn(tools ? buf_str(&content) : buf_str(text)), "tool_calls", calls);
    if (!delta || !str_utf8_valid(buf_str(text)))
        abort();
    check_event(delta);
    buf_clear(text);
}

static void answer(const struct server *s, struct tool_reader *tools, const uint8_t *data, size_t size)
{
    AUTO_FREE(token_stream) t = token_stream_new(s->tokenizer, false);
    AUTO_BUF text = { 0 };

    for (size_t i = 0; i + 1 < size; i += 2) {
        token_stream_add(t, (int32_t)((data[i] | (size_t)data[i + 1] << 8) % s->vocab), &text);
        if (data[i + 1] & 0x80)
            send(tools, &text, false);
    }
    token_stream_end(t, &text);
    send(tools, &text, true);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char body[] = "{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}],\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\"}}]}";
    const struct server *s = fuzz_server();
    struct completion_request r;
    AUTO_JSON in = NULL;
    struct err e;

    fuzz_must(json_parse(str_of(body), &in, &e), &e);
    fuzz_must(completion_read(s, ON_CHAT, in, &r, &e), &e);
    AUTO_FREE(tool_reader) tools = tool_reader_new(s, &r);
    answer(s, tools, data, size);
    answer(s, NULL, data, size);
    if (tools) {
        AUTO_JSON calls = tool_reader_calls(tools);
        check_event(calls);
    }
    return 0;
}
