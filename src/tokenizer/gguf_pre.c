/*
 * How byte-level vocabularies of GGUF files cut text into words: tokenizer.ggml.pre names it. Rows: the pre-tokenizers of the
 * models behind the names, in tokenizer.json's terms (the names are those of llama.cpp's converter).
 */
#include "tokenizer/gguf.h"

#define CONTRACTIONS "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
#define TAIL "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
#define LLAMA3 CONTRACTIONS "|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}" TAIL
#define QWEN2 CONTRACTIONS "|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}" TAIL
#define GPT2 "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+"
#define UPPER "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]"
#define LOWER "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]"
#define SLASH_TAIL "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
#define GPT4O "[^\\r\\n\\p{L}\\p{N}]?" UPPER "*" LOWER "+" CONTRACTIONS "?|[^\\r\\n\\p{L}\\p{N}]?" UPPER "+" LOWER "*" CONTRACTIONS "?|\\p{N}{1,3}" SLASH_TAIL
#define TEKKEN "[^\\r\\n\\p{L}\\p{N}]?" UPPER "*" LOWER "+|[^\\r\\n\\p{L}\\p{N}]?" UPPER "+" LOWER "*|\\p{N}" SLASH_TAIL

enum pre_step_kind { CUT, GPT2_WORDS, PUNCTUATION, EACH_DIGIT };

static const struct pre_row {
    const char *names;          /* separated by spaces */
    struct { enum pre_step_kind kind; const char *pattern; } steps[4];
    size_t n;
    bool whole_words;           /* a word that is a token is taken as it stands */
    bool bos;                   /* text begins with the bos token unless the file says otherwise */
    bool nfc;
} rows[] = {
    { "llama-bpe llama3 llama-v3 falcon3 pixtral", { { CUT, LLAMA3 } }, 1, .whole_words = true, .bos = true },
    { "dbrx smaug-bpe chatglm-bpe", { { CUT, LLAMA3 } }, 1 },
    { "glm4", { { CUT, LLAMA3 } }, 1, .whole_words = true },
    { "qwen2", { { CUT, QWEN2 } }, 1, .nfc = true },
    { "deepseek-r1-qwen megrez stablelm2 hunyuan", { { CUT, QWEN2 } }, 1 },
    { "gpt-2 phi-2 olmo mpt jais gigachat exaone4 trillion", { { GPT2_WORDS } }, 1 },
    { "falcon", { { PUNCTUATION }, { GPT2_WORDS }, { CUT, "[0-9][0-9][0-9]" } }, 3 },
    { "starcoder refact command-r smollm codeshell exaone minerva-7b", { { EACH_DIGIT }, { GPT2_WORDS } }, 2 },
    { "gpt-4o llama4 kanana2", { { CUT, GPT4O } }, 1 },
    { "tekken", { { CUT, TEKKEN } }, 1, .whole_words = true, .bos = true },
    { "default", { { CUT, "[\\p{P}\\$\\+<=>\\^~\\|]+" }, { CUT, GPT2 }, { CUT, "\\p{N}+" }, { CUT, "[0-9][0-9][0-9]" } }, 4 },
};

static bool named(const char *names, struct str name)
{
    struct str rest = str_of(names), one;

    while (str_next(&rest, ' ', &one))
        if (str_eq(one, name))
            return true;
    return false;
}

static json_t *byte_level(bool use_regex)
{
    return json_pack("{s:s, s:b, s:b}", "type", "ByteLevel", "add_prefix_space", 0, "use_regex", use_regex);
}

static json_t *step_json(enum pre_step_kind kind, const char *pattern)
{
    switch (kind) {
    case CUT:         return json_pack("{s:s, s:{s:s}, s:s}", "type", "Split", "pattern", "Regex", pattern, "behavior", "Isolated");
    case GPT2_WORDS:  return byte_level(true);
    case PUNCTUATION: return json_pack("{s:s, s:s}", "type", "Punctuation", "behavior", "Contiguous");
    case EACH_DIGIT:  return json_pack("{s:s, s:b}", "type", "Digits", "individual_digits", 1);
    }
    return NULL;
}

errc gguf_pre_tokenizer(struct str name, struct gguf_pre *out, struct err *e)
{
    AUTO_BUF known = { 0 };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct pre_row *row = &rows[i];
        bool words = false;

        buf_addf(&known, "%s%s", i ? " " : "", row->names);
        if (!named(row->names, name))
            continue;
        json_t *steps = json_array();
        for (size_t k = 0; k < row->n; k++) {
            json_push(steps, step_json(row->steps[k].kind, row->steps[k].pattern));
            words = words || row->steps[k].kind == GPT2_WORDS;
        }
        if (!words)
            json_push(steps, byte_level(false));
        *out = (struct gguf_pre){ .pre_tokenizer = json_pack("{s:s, s:o}", "type", "Sequence", "pretokenizers", steps),
                                  .normalizer = row->nfc ? json_pack("{s:s}", "type", "NFC") : json_null(),
                                  .whole_words = row->whole_words, .bos = row->bos };
        return ERR_OK;
    }
    return err_set(e, ERR_UNSUPPORTED, "tokenizer.ggml.pre \"%.*s\" is not known; known are %s", (int)(name.n < 60 ? name.n : 60), name.p, buf_cstr(&known));
}
