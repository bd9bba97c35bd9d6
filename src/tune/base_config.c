#include "tune/base_config.h"

#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"

#define CONFIG_BYTES_MAX (4u << 20)
#define NOTHING_DROPS "nothing is dropped here but by LoraConfig.lora_dropout"

static const struct { const char *key, *say; } without_effect[] = {
    { "attention_dropout", NOTHING_DROPS }, { "embd_pdrop", NOTHING_DROPS }, { "resid_pdrop", NOTHING_DROPS }, { "hidden_dropout", NOTHING_DROPS },
    { "output_router_logits", "the loss is the cross-entropy alone, without router_aux_loss_coef's share" },
    { "router_jitter_noise", "routers see no noise here" },
};

errc base_config_without_effect(const char *model_dir, struct buf *out, struct err *e)
{
    AUTO_MEM char *path = path_join(model_dir, "config.json");
    AUTO_JSON j = NULL;

    TRY(json_parse_file(path, CONFIG_BYTES_MAX, &j, e));
    for (size_t i = 0; i < ARRAY_LEN(without_effect); i++) {
        const json_t *v = json_object_get(j, without_effect[i].key);

        if (json_is_true(v) || json_number_value(v) != 0) {
            AUTO_MEM char *text = json_is_number(v) ? xasprintf("%g", json_number_value(v)) : json_text(v);
            buf_addf(out, "config.json: %s %s has no effect: %s\n", without_effect[i].key, text, without_effect[i].say);
        }
    }
    return ERR_OK;
}
