#include "workspace/validate/tuning_config.h"

#include "base/yaml.h"
#include "workspace/validate/priv.h"
#include "workspace/validate/go_yaml.h"

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
    return json_is_string(v) ? "string" : json_is_integer(v) ? "int" : json_is_real(v) ? "float64" : json_is_array(v) ? "[]interface {}" : "map[interface {}]interface {}";
}

static void add_missing_qlora(const char *name, struct problems *out)
{
    AUTO_BUF path = { 0 };

    buf_addf(&path, "For method 'qlora', either 'load_in_4bit' or 'load_in_8bit' must be true in ConfigMap '%s'", name);
    problem_add(out, buf_cstr(&path), MISSING);
    problem_add(out, "QuantizationConfig", MISSING);
}

static void check_quantization(const json_t *config, struct str method, const char *name, struct problems *out)
{
    static const char *const keys[] = { "load_in_4bit", "load_in_8bit" };
    const json_t *q = json_object_get(config, "QuantizationConfig");
    int on = 0;

    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        const json_t *v = json_object_get(q, keys[i]);

        if (v && !json_is_null(v) && !json_is_boolean(v)) {
            problem_add(out, keys[i], "invalid value: value must be either nil or a boolean, got type %s", go_type(v));
            return;
        }
        on += json_is_true(v);
    }
    if (on == 2)
        problem_add(out, "QuantizationConfig", "Cannot set both 'load_in_4bit' and 'load_in_8bit' to true in ConfigMap '%s'", name);
    else if (str_ieq(method, STR("lora")) && on > 0)
        problem_add(out, "QuantizationConfig", "For method 'lora', 'load_in_4bit' or 'load_in_8bit' in ConfigMap '%s' must not be true", name);
    else if (str_ieq(method, STR("qlora")) && on == 0)
        add_missing_qlora(name, out);
}

/* "/mnt" joined with the value and cleaned, as Go's path.Join; upstream then asks for the prefix only: ../mntx is let through. */
static bool stays_below_mnt(struct str value)
{
    AUTO_BUF path = { 0 };

    go_path_join("/mnt", value, &path);
    return !streq(buf_cstr(&path), "/mnt") && str_has_prefix(buf_str(&path), STR("/mnt"));
}

static void check_output_dir(const json_t *config, const char *name, struct str ns, struct problems *out)
{
    const json_t *dir = json_at(config, "TrainingArguments", "output_dir", NULL);

    if (!dir)
        return;
    if (!json_is_string(dir))
        problem_add(out, "output_dir", "invalid value: output_dir is not a string in ConfigMap '%s' in namespace '%.*s'", name, STR_ARG(ns));
    else if (!stays_below_mnt(json_to_str(dir)))
        problem_add(out, "output_dir", "invalid value: Invalid output_dir specified: '%s', must be a directory", json_string_value(dir));
}

/* Sections as upstream's first reading of the file sees them. */
static void check_sections(const struct go_yaml *y, go_ref config, struct problems *out)
{
    go_ref key, value;

    for (size_t i = 0; go_yaml_pair(y, config, i, &key, &value); i++) {
        AUTO_BUF name = { 0 };

        buf_addstr(&name, go_yaml_text(y, key));
        if (!go_yaml_is_string(y, key)) {
            problem_add(out, "training_config.yaml", "invalid value: Section key must be a string");
            return;
        }
        if (!is_section(buf_cstr(&name)))
            problem_add(out, "training_config.yaml", "invalid value: Unrecognized section: %s", buf_cstr(&name));
    }
}

static void refuse_text(const char *why, const char *name, struct str ns, struct problems *out)
{
    problem_add(out, "config", "Failed to parse 'training_config.yaml' in ConfigMap '%s' in namespace '%.*s': %s", name, STR_ARG(ns), why);
}

void tuning_config_problems(const json_t *config_map, struct str method, struct str ns, struct problems *out)
{
    const char *text = json_str_at(config_map, "data", "training_config.yaml", NULL), *name = json_str_at(config_map, "metadata", "name", NULL);
    AUTO_FREE(go_yaml) y = NULL;
    AUTO_JSON doc = NULL;
    AUTO_BUF why = { 0 };
    struct err e;

    if (!text) {
        problem_add(out, "training_config.yaml in ConfigMap", MISSING);
        problem_add(out, "config", "ConfigMap '%s' does not contain 'training_config.yaml' in namespace '%.*s'", name, STR_ARG(ns));
        return;
    }
    if (go_yaml_parse(str_of(text), &y, &why)) {
        problem_add(out, "training_config.yaml", "invalid value: %s", buf_cstr(&why));
        refuse_text(buf_cstr(&why), name, ns, out);
        return;
    }
    go_ref config = go_yaml_get(y, go_yaml_root(y), "training_config");

    if (go_yaml_kind(y, config) != GO_MAP) {
        problem_add(out, "training_config.yaml", "invalid value: Expected 'training_config' key to contain a map");
        if (!go_yaml_is_null(y, config)) {
            buf_adds(&why, "yaml: unmarshal errors:");
            go_yaml_mismatch(y, config, "map[string]interface {}", &why);
            refuse_text(buf_cstr(&why), name, ns, out);
            return;
        }
    }
    check_sections(y, config, out);
    if (yaml_parse(str_of(text), &doc, &e)) {
        refuse_text(e.text, name, ns, out);
        return;
    }
    check_quantization(json_object_get(doc, "training_config"), method, name, out);
    check_output_dir(json_object_get(doc, "training_config"), name, ns, out);
}
