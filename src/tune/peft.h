/*
 * The files PEFT writes: adapter_config.json (the 24 keys of peft 0.11.1, which every later version reads), adapter_model.safetensors,
 * a model card. Each is written atomically. Values are f32, as PEFT keeps adapters.
 */
#ifndef TUNE_PEFT_H
#define TUNE_PEFT_H

#include "tune/lora_set.h"

/* adapter_config.json and adapter_model.safetensors into dir, which is made. */
errc peft_write(const char *dir, const struct lora_set *s, const struct tune_config *c, struct err *e);

/* adapter_config.json as a tree: sorted keys; *out is yours. */
void peft_config(const struct lora_set *s, const struct tune_config *c, json_t **out);

struct peft_card {              /* what README.md tells about the run */
    const char *model_name, *data_name;
    uint64_t rows, steps, tokens;
    double first_loss, mean_loss, last_loss;
    struct str without_effect;  /* a line for each key of the base's config.json that its family does not have */
};
errc peft_write_card(const char *dir, const struct lora_set *s, const struct tune_config *c, const struct peft_card *card, struct err *e);

#endif
