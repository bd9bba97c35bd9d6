/* Messages through a chat template, with the variables that transformers gives it. */
#include "tokenizer/priv.h"

errc tokenizer_chat_with(const struct tokenizer *t, const struct template *tpl, const json_t *messages, bool add_generation_prompt,
                         const json_t *extra, const char *today, struct buf *out, struct err *e)
{
    return tokenizer_chat_marked(t, tpl, messages, add_generation_prompt, extra, today, NULL, out, e);
}

errc tokenizer_chat_marked(const struct tokenizer *t, const struct template *tpl, const json_t *messages, bool add_generation_prompt,
                           const json_t *extra, const char *today, struct template_marks *marks, struct buf *out, struct err *e)
{
    const struct tokenizer_info *i = &t->info;
    AUTO_JSON vars = json_object();

    json_put_str(vars, "bos_token", i->bos_token);
    json_put_str(vars, "eos_token", i->eos_token);
    json_put_str(vars, "pad_token", i->pad_token);
    json_put_str(vars, "unk_token", i->unk_token);
    json_put(vars, "tools", json_null());
    json_put(vars, "documents", json_null());
    if (json_is_object(extra))
        json_object_update(vars, (json_t *)(uintptr_t)extra);       /* shares the values, changes none */
    json_put(vars, "messages", json_incref((json_t *)(uintptr_t)messages));
    json_put_bool(vars, "add_generation_prompt", add_generation_prompt);
    return template_render_marked(tpl, vars, &(struct template_limits){ .today = today }, marks, out, e);
}

errc tokenizer_chat(const struct tokenizer *t, const json_t *messages, bool add_generation_prompt, const json_t *extra,
                    struct buf *out, struct err *e)
{
    if (!t->info.chat_template)
        return err_set(e, ERR_UNSUPPORTED, "the model has no chat template: add chat_template.jinja to its folder, or give a template");
    return tokenizer_chat_with(t, t->info.chat_template, messages, add_generation_prompt, extra, NULL, out, e);
}
