/* `inspect`: a table of sub-inspectors, and the loop over JSON lines that most of them share. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli/inspect.h"

static const struct command parts[] = {
    { "tokens",   "text -> token ids and back", inspect_tokens },
    { "chat",     "messages -> text, by a chat template", inspect_chat },
    { "data",     "rows of a data set file", inspect_data },
    { "examples", "what training sees of a data set: ids and labels", inspect_examples },
    { "embed",   "text or ids -> the vector of a sentence encoder", inspect_embed },
    { "logits",  "ids -> logits, loss and greedy tokens of a model", inspect_logits },
    { "tensors", "names, formats, shapes and ranges of a safetensors or GGUF file", inspect_tensors },
};

int cmd_inspect(int argc, char **argv)
{
    return command_main("kaito-runtime inspect", "kaito-runtime inspect: look inside; JSON lines in, JSON lines out", parts,
                        ARRAY_LEN(parts), argc, argv);
}

int inspect_end(const char *name, errc rc, const struct err *e)
{
    return rc == OPTIONS_HELP ? 0 : rc ? command_fail(name, e) : 0;
}

void inspect_print(const json_t *j)
{
    json_dumpf(j, stdout, JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(9));
    putchar('\n');
    fflush(stdout);
}

static void answer(inspect_line_fn *fn, void *self, struct str line)
{
    AUTO_JSON in = NULL;
    AUTO_JSON out = NULL;
    struct err e = { 0 };

    if (json_parse(line, &in, &e) || fn(self, in, &out, &e)) {
        json_decref(out);
        out = json_pack("{s:o}", "error", json_strn(str_of(e.text)));
    }
    inspect_print(out);
}

errc inspect_lines(inspect_line_fn *fn, void *self, struct err *e)
{
    AUTO_MEM char *line = NULL;
    size_t cap = 0;
    ssize_t n;

    while ((n = getline(&line, &cap, stdin)) >= 0) {
        struct str text = str_trim(str_n(line, (size_t)n));

        if (text.n)
            answer(fn, self, text);
    }
    return ferror(stdin) ? err_sys(e, errno, "read stdin") : ERR_OK;
}
