/* The command of upstream's transformers server (dossier 6.7). */
#include "workspace/render.h"

#define LLAMA_TEMPLATE   "/workspace/chat_templates/llama-3-instruct.jinja"
#define MISTRAL_TEMPLATE "/workspace/chat_templates/mistral-instruct.jinja"

struct family { const char *dtype, *chat_template; bool trust_remote_code; };
static const struct family phi = { "auto", NULL, true }, mistral = { "bfloat16", MISTRAL_TEMPLATE, false }, llama = { "bfloat16", LLAMA_TEMPLATE, false };
static const struct family automatic = { "auto", NULL, false }, plain = { "bfloat16", NULL, false };

static const struct { const char *prefix; const struct family *family; } families[] = {
    { "phi-", &phi },           { "mistral-", &mistral }, { "gemma-3-", &automatic }, { "gpt-oss-", &automatic },
    { "qwen2.5-coder-", &plain }, { "deepseek-", &plain },  { "llama-3", &llama },
};

json_t *transformers_command(const struct preset *p)
{
    const struct family *f = NULL;
    AUTO_BUF text = { 0 };

    for (size_t i = 0; i < ARRAY_LEN(families) && !f; i++)
        if (p->transformers && str_has_prefix(str_of(p->name), str_of(families[i].prefix)))
            f = families[i].family;
    if (!f)
        return NULL;
    buf_addf(&text, "accelerate launch --num_processes=1 --num_machines=1 --machine_rank=0 --gpu_ids=all /workspace/tfs/inference_api.py"
                    " --torch_dtype=%s --pipeline=text-generation --allow_remote_files --served_model_name=%s --pretrained_model_name_or_path=", f->dtype, p->name);
    lower_add(&text, str_of(p->repo));
    if (f->trust_remote_code)
        buf_adds(&text, " --trust_remote_code");
    if (f->chat_template)
        buf_addf(&text, " --chat_template=%s", f->chat_template);
    return PACK("[s, s, s]", "/bin/sh", "-c", buf_cstr(&text));
}
