#include "workspace/validate/tuning_config.h"

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

static void add_missing_qlora(const char *name, struct problems *out)
{
    AUTO_BUF path = { 0 };

    buf_addf(&path, "For method 'qlora', either 'load_in_4bit' or 'load_in_8bit' must be true in ConfigMap '%s'", name);
    problem_add(out, buf_cstr(&path), MISSING);
    problem_add(out, "QuantizationConfig", MISSING);
}

/* A section is written out and read again as a map: what is none is told of as a file of its own. False: so it was. */
static bool section_is_map(const struct go_yaml *y, go_ref section, struct buf *why)
{
    if (!section || go_yaml_is_null(y, section) || go_yaml_kind(y, section) == GO_MAP)
        return true;
    buf_adds(why, "failed to unmarshal runtime.RawExtension: yaml: unmarshal errors:");
    go_yaml_mismatch_alone(y, section, "map[string]interface {}", why);
    return false;
}

static void check_quantization(const struct go_yaml *y, go_ref config, struct str method, const char *name, struct problems *out)
{
    static const char *const keys[] = { "load_in_4bit", "load_in_8bit" };
    go_ref section = go_yaml_get(y, config, "QuantizationConfig");
    AUTO_BUF why = { 0 };
    int on = 0;

    if (!section_is_map(y, section, &why)) {
        problem_add(out, keys[0], "invalid value: %s", buf_cstr(&why));
        return;
    }
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        go_ref v = go_yaml_get(y, section, keys[i]);
        bool value = false;

        if (v && !go_yaml_is_null(y, v) && !go_yaml_is_bool(y, v, &value)) {
            problem_add(out, keys[i], "invalid value: value must be either nil or a boolean, got type %s", go_yaml_type(y, v));
            return;
        }
        on += value;
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

static void check_output_dir(const struct go_yaml *y, go_ref config, const char *name, struct str ns, struct problems *out)
{
    go_ref section = go_yaml_get(y, config, "TrainingArguments");
    AUTO_BUF why = { 0 };

    if (!section_is_map(y, section, &why)) {
        problem_add(out, "output_dir", "Failed to parse 'output_dir' in ConfigMap '%s' in namespace '%.*s': %s", name, STR_ARG(ns), buf_cstr(&why));
        return;
    }
    go_ref dir = go_yaml_get(y, section, "output_dir");
    struct str text = go_yaml_text(y, dir);

    if (!dir)
        return;
    if (!go_yaml_is_string(y, dir))
        problem_add(out, "output_dir", "invalid value: output_dir is not a string in ConfigMap '%s' in namespace '%.*s'", name, STR_ARG(ns));
    else if (!stays_below_mnt(text))
        problem_add(out, "output_dir", "invalid value: Invalid output_dir specified: '%.*s', must be a directory", STR_ARG(text));
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

/* What is no map: told by both readings of the file, the second one in its own words. True: so it was. */
static bool is_refused(const struct go_yaml *y, go_ref node, const char *into, const char *name, struct str ns, struct problems *out)
{
    AUTO_BUF why = { 0 };

    if (go_yaml_is_null(y, node) || go_yaml_kind(y, node) == GO_MAP)
        return false;
    buf_adds(&why, "yaml: unmarshal errors:");
    go_yaml_mismatch(y, node, into, &why);
    refuse_text(buf_cstr(&why), name, ns, out);
    return true;
}

static void check_document(const struct go_yaml *y, struct str method, const char *name, struct str ns, struct problems *out)
{
    go_ref root = go_yaml_root(y), config = go_yaml_get(y, root, "training_config");
    AUTO_BUF why = { 0 };

    if (is_refused(y, root, "v1beta1.Config", name, ns, out)) {
        buf_adds(&why, "yaml: unmarshal errors:");
        go_yaml_mismatch(y, root, "map[string]interface {}", &why);
        problem_add(out, "training_config.yaml", "invalid value: %s", buf_cstr(&why));
        return;
    }
    if (go_yaml_kind(y, config) == GO_MAP)
        check_sections(y, config, out);
    else
        problem_add(out, "training_config.yaml", "invalid value: Expected 'training_config' key to contain a map");
    if (is_refused(y, config, "map[string]interface {}", name, ns, out))
        return;
    check_quantization(y, config, method, name, out);
    check_output_dir(y, config, name, ns, out);
}

void tuning_config_problems(const json_t *config_map, struct str method, struct str ns, struct problems *out)
{
    const char *text = json_str_at(config_map, "data", "training_config.yaml", NULL), *name = json_str_at(config_map, "metadata", "name", NULL);
    AUTO_FREE(go_yaml) y = NULL;
    AUTO_BUF why = { 0 };

    if (!text) {
        problem_add(out, "training_config.yaml in ConfigMap", MISSING);
        problem_add(out, "config", "ConfigMap '%s' does not contain 'training_config.yaml' in namespace '%.*s'", name, STR_ARG(ns));
        return;
    }
    if (go_yaml_parse(str_of(text), &y, &why) || go_yaml_check_aliases(str_of(text), &why)) {
        problem_add(out, "training_config.yaml", "invalid value: %s", buf_cstr(&why));
        refuse_text(buf_cstr(&why), name, ns, out);
        return;
    }
    check_document(y, method, name, ns, out);
}
