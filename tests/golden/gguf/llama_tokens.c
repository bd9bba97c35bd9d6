/*
 * llama_tokens MODEL.gguf: ids of texts by llama.cpp, for record_tokens.py. Reads texts that end with a NUL byte, writes one line of
 * ids each. gcc llama_tokens.c -I llama.cpp/include -I llama.cpp/ggml/include -L BUILD/bin -lllama
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "llama.h"

static void quiet(enum ggml_log_level level, const char *text, void *arg) { (void)level, (void)text, (void)arg; }

int main(int argc, char **argv)
{
    struct llama_model_params params = llama_model_default_params();
    static llama_token ids[1 << 16];
    char *text = NULL;
    size_t cap = 0;

    llama_log_set(quiet, NULL);
    params.vocab_only = true;
    struct llama_model *model = argc == 2 ? llama_model_load_from_file(argv[1], params) : NULL;
    if (!model)
        return 1;
    const struct llama_vocab *vocab = llama_model_get_vocab(model);
    while (getdelim(&text, &cap, 0, stdin) > 0) {
        int n = llama_tokenize(vocab, text, (int)strlen(text), ids, 1 << 16, true, true);

        for (int i = 0; i < n; i++)
            printf("%s%d", i ? " " : "", ids[i]);
        putchar('\n');
    }
    free(text);
    llama_model_free(model);
    return 0;
}
