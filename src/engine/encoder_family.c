/* The encoders, a row each. */
#include "engine/encoder_priv.h"

#define BERT_NAMES                                                                                                              \
    .layer = "encoder.layer.", .query = "attention.self.query", .key = "attention.self.key", .value = "attention.self.value",  \
    .attention_out = "attention.output.dense", .attention_norm = "attention.output.LayerNorm", .inter = "intermediate.dense",  \
    .out = "output.dense", .out_norm = "output.LayerNorm", .hidden_key = "hidden_size", .inter_key = "intermediate_size",      \
    .layers_key = "num_hidden_layers", .heads_key = "num_attention_heads", .act_key = "hidden_act", .token_types = true, .norm_eps = 1e-12

static const struct encoder_family families[] = {
    { .model_type = "bert", .prefix = "bert.", BERT_NAMES },
    { .model_type = "roberta", .prefix = "roberta.", .positions_after_padding = true, BERT_NAMES },
    { .model_type = "xlm-roberta", .prefix = "roberta.", .positions_after_padding = true, BERT_NAMES },
    { .model_type = "camembert", .prefix = "roberta.", .positions_after_padding = true, BERT_NAMES },
    { .model_type = "distilbert", .prefix = "distilbert.", .layer = "transformer.layer.", .query = "attention.q_lin", .key = "attention.k_lin",
      .value = "attention.v_lin", .attention_out = "attention.out_lin", .attention_norm = "sa_layer_norm", .inter = "ffn.lin1", .out = "ffn.lin2",
      .out_norm = "output_layer_norm", .hidden_key = "dim", .inter_key = "hidden_dim", .layers_key = "n_layers", .heads_key = "n_heads",
      .act_key = "activation", .norm_eps = 1e-12 },
};

const struct encoder_family *encoder_family_find(const char *model_type)
{
    for (size_t i = 0; i < ARRAY_LEN(families); i++)
        if (streq(families[i].model_type, model_type))
            return &families[i];
    return NULL;
}
