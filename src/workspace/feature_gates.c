#include "workspace/feature_gates.h"

#include "base/mem.h"

const struct feature_gate feature_gates[] = {
    { "vLLM", true, true, true },
    { "disableNodeAutoProvisioning", false, true, true },
    { "enableInferenceSetController", true, true, false },
    { "gatewayAPIInferenceExtension", false, true, false },
    { "enableMultiRoleInferenceController", false, true, false },
    { "enableMIG", false, true, true },
    { "enableAccelerator", false, true, true },
    { "ModelMirror", false, true, true },
    { "ModelStreaming", false, true, true },
    { "enableBaseImageAutoUpgrade", false, true, false },
};
const size_t n_feature_gates = ARRAY_LEN(feature_gates);

static size_t row_of(struct str name)
{
    size_t i = 0;

    while (i < n_feature_gates && !str_is(name, feature_gates[i].name))
        i++;
    return i;
}

static errc unknown(struct str name, struct err *e)
{
    AUTO_BUF all = { 0 };

    for (size_t i = 0; i < n_feature_gates; i++)
        buf_addf(&all, "%s%s", i ? ", " : "", feature_gates[i].name);
    return err_set(e, ERR_BAD_REQUEST, "--feature-gates: invalid feature gate(s) %.*s; there are %s", STR_ARG(name), buf_cstr(&all));
}

static errc set_one(struct str piece, struct feature_gates_set *out, struct err *e)
{
    struct str name, value;
    bool on = true;

    if (!str_cut(piece, '=', &name, &value))
        return err_set(e, ERR_BAD_REQUEST, "--feature-gates %.*s: has no =true or =false", STR_ARG(piece));
    name = str_trim(name);
    size_t i = row_of(name);

    if (i == n_feature_gates)
        return unknown(name, e);
    if (!str_to_bool(str_trim(value), &on))
        return err_set(e, ERR_BAD_REQUEST, "--feature-gates %s: %.*s is neither true nor false", feature_gates[i].name, STR_ARG(value));
    if (on != feature_gates[i].by_default && !(on ? feature_gates[i].built_on : feature_gates[i].built_off))
        return err_set(e, ERR_UNBUILT, "--feature-gates %s=%s: not built yet", feature_gates[i].name, on ? "true" : "false");
    out->on[i] = on;
    return ERR_OK;
}

/* The one needs the other, as upstream; and mirrors are only waited for here. */
static errc check_streaming(const struct feature_gates_set *s, struct err *e)
{
    bool mirrors = feature_gate_is_on(s, "ModelMirror"), streams = feature_gate_is_on(s, "ModelStreaming");

    if (streams && !mirrors)
        return err_set(e, ERR_BAD_REQUEST, "--feature-gates ModelStreaming=true: needs ModelMirror=true beside it");
    if (mirrors && !streams)
        return err_set(e, ERR_UNBUILT, "--feature-gates ModelMirror=true: not built yet: nothing here fetches models into mirrors; with ModelStreaming=true it means that somebody else does");
    return ERR_OK;
}

errc feature_gates_parse(const char *text, struct feature_gates_set *out, struct err *e)
{
    struct str rest = str_of(text ? text : ""), piece;

    *out = (struct feature_gates_set){ 0 };
    for (size_t i = 0; i < n_feature_gates; i++)
        out->on[i] = feature_gates[i].by_default;
    while (str_next(&rest, ',', &piece))
        if (str_trim(piece).n)
            TRY(set_one(str_trim(piece), out, e));
    return check_streaming(out, e);
}

bool feature_gate_is_on(const struct feature_gates_set *s, const char *name)
{
    return s->on[row_of(str_of(name))];
}
