#include "workspace/tuning_config.h"

#include "base/yaml.h"

static const char *const sections[] = {
    "ModelConfig", "QuantizationConfig", "LoraConfig", "TrainingArguments", "DatasetConfig", "DataCollator",
};

static bool is_section(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(sections); i++)
        if (streq(sections[i], name))
            return true;
    return false;
}

static const char *go_type(const json_t *v)
{
    return json_is_string(v) ? "string" : json_is_integer(v) ? "int" : json_is_real(v) ? "float64" : json_is_array(v) ? "[]interface {}" : "map[string]interface {}";
}

static void check_quantization(const json_t *config, struct str method, const char *name, struct buf *out)
{
    static const char *const keys[] = { "load_in_4bit", "load_in_8bit" };
    const json_t *q = json_object_get(config, "QuantizationConfig");
    int on = 0;

    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        const json_t *v = json_object_get(q, keys[i]);

        if (v && !json_is_null(v) && !json_is_boolean(v)) {
            buf_addf(out, "invalid value: value must be either nil or a boolean, got type %s: %s\n", go_type(v), keys[i]);
            return;
        }
        on += json_is_true(v);
    }
    if (on == 2)
        buf_addf(out, "Cannot set both 'load_in_4bit' and 'load_in_8bit' to true in ConfigMap '%s': QuantizationConfig\n", name);
    else if (str_ieq(method, STR("lora")) && on > 0)
        buf_addf(out, "For method 'lora', 'load_in_4bit' or 'load_in_8bit' in ConfigMap '%s' must not be true: QuantizationConfig\n", name);
    else if (str_ieq(method, STR("qlora")) && on == 0)
        buf_addf(out, "missing field(s): For method 'qlora', either 'load_in_4bit' or 'load_in_8bit' must be true in ConfigMap '%s', QuantizationConfig\n", name);
}

/* Cleans "/mnt/" + value as Go's path.Join does; false when it leaves /mnt or is /mnt. */
static bool stays_below_mnt(struct str value)
{
    struct str rest = value, part;
    int depth = 0;

    while (str_next(&rest, '/', &part)) {
        if (part.n == 0 || str_is(part, "."))
            continue;
        depth += str_is(part, "..") ? -1 : 1;
        if (depth < 0)
            return false;
    }
    return depth > 0;
}

static void check_output_dir(const json_t *config, const char *name, struct str ns, struct buf *out)
{
    const json_t *dir = json_at(config, "TrainingArguments", "output_dir", NULL);

    if (!dir)
        return;
    if (!json_is_string(dir))
        buf_addf(out, "invalid value: output_dir is not a string in ConfigMap '%s' in namespace '%.*s': output_dir\n", name, STR_ARG(ns));
    else if (!stays_below_mnt(json_to_str(dir)))
        buf_addf(out, "invalid value: Invalid output_dir specified: '%s', must be a directory: output_dir\n", json_string_value(dir));
}

void tuning_config_problems(const json_t *config_map, struct str method, struct str ns, struct buf *out)
{
    const char *text = json_str_at(config_map, "data", "training_config.yaml", NULL);
    const char *name = json_str_at(config_map, "metadata", "name", NULL), *key;
    AUTO_JSON doc = NULL;
    json_t *config, *value;
    struct err e;

    if (!text) {
        buf_adds(out, "missing field(s): training_config.yaml in ConfigMap\n");
        buf_addf(out, "ConfigMap '%s' does not contain 'training_config.yaml' in namespace '%.*s': config\n", name, STR_ARG(ns));
        return;
    }
    if (yaml_parse(str_of(text), &doc, &e)) {
        buf_addf(out, "invalid value: %s: training_config.yaml\n", e.text);
        buf_addf(out, "Failed to parse 'training_config.yaml' in ConfigMap '%s' in namespace '%.*s': %s: config\n", name, STR_ARG(ns), e.text);
        return;
    }
    config = json_object_get(doc, "training_config");
    if (!json_is_object(config)) {
        buf_adds(out, "invalid value: Expected 'training_config' key to contain a map: training_config.yaml\n");
        if (config && !json_is_null(config))
            return;
    }
    json_object_foreach(config, key, value)
        if (!is_section(key))
            buf_addf(out, "invalid value: Unrecognized section: %s: training_config.yaml\n", key);
    check_quantization(config, method, name, out);
    check_output_dir(config, name, ns, out);
}
