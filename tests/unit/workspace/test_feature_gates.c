/* --feature-gates: defaults, overrides, and what is refused by name. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "workspace/feature_gates.h"

static void gates_over_their_defaults(void **state)
{
    struct feature_gates_set s;
    struct err e;

    assert_int_equal(feature_gates_parse(NULL, &s, &e), ERR_OK);
    assert_true(feature_gate_is_on(&s, "vLLM") && feature_gate_is_on(&s, "enableInferenceSetController"));
    assert_false(feature_gate_is_on(&s, "disableNodeAutoProvisioning"));
    assert_int_equal(feature_gates_parse("vLLM=True, disableNodeAutoProvisioning=1,,enableInferenceSetController=f", &s, &e), ERR_OK);
    assert_true(feature_gate_is_on(&s, "disableNodeAutoProvisioning"));
    assert_false(feature_gate_is_on(&s, "enableInferenceSetController"));
    assert_int_equal(feature_gates_parse("ModelStreaming=true,ModelMirror=true", &s, &e), ERR_OK);
    assert_true(feature_gate_is_on(&s, "ModelStreaming"));
}

static void what_is_refused_is_named(void **state)
{
    static const struct { const char *text, *want; errc code; } rows[] = {
        { "vllm=true", "invalid feature gate(s) vllm; there are vLLM, disableNodeAutoProvisioning", ERR_BAD_REQUEST },
        { "vLLM=true,foo=false", "invalid feature gate(s) foo", ERR_BAD_REQUEST },
        { "vLLM", "vLLM: has no =true or =false", ERR_BAD_REQUEST },
        { "vLLM=yes", "vLLM: yes is neither true nor false", ERR_BAD_REQUEST },
        { "ModelStreaming=true", "ModelStreaming=true: needs ModelMirror=true beside it", ERR_BAD_REQUEST },
        { "ModelMirror=true", "ModelMirror=true: not built yet", ERR_UNBUILT },
        { "gatewayAPIInferenceExtension=true", "gatewayAPIInferenceExtension=true: not built yet", ERR_UNBUILT },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct feature_gates_set s;
        struct err e;

        assert_int_equal(feature_gates_parse(rows[i].text, &s, &e), rows[i].code);
        assert_non_null(strstr(e.text, rows[i].want));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(gates_over_their_defaults), cmocka_unit_test(what_is_refused_is_named) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
