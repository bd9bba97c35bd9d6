/* Why pods do not run, beside what upstream's manager says of the same pods: order of the checks, texts, where they are cut. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/yaml.h"
#include "workspace/cause.h"

#define OWNED(name) "metadata: {name: " name ", ownerReferences: [{kind: StatefulSet, name: w, uid: u, controller: true}]}"
#define WAITS(reason, message) "{name: w, state: {waiting: {reason: " reason ", message: '" message "'}}}"
#define TEN "0123456789"
#define FIFTY TEN TEN TEN TEN TEN

static void assert_cause(const char *pods, const char *owner, const char *reason, const char *message)
{
    AUTO_JSON j = NULL;
    struct cause c;

    assert_int_equal(yaml_parse(str_of(pods), &j, NULL), ERR_OK);
    cause_of_pods(j, owner, &c);
    if (!reason) {
        assert_null(c.reason);
        return;
    }
    assert_string_equal(c.reason, reason);
    assert_string_equal(c.message, message);
}

#define POD(status, reason, message) assert_cause("[{" OWNED("w-0") ", status: " status "}]", "StatefulSet", reason, message)

static void containers_tell(void **state)
{
    (void)state;
    POD("{phase: Pending, containerStatuses: [" WAITS("ErrImagePull", "gone") "]}", "ImagePullError", "container \"w\" image pull failed (ErrImagePull): gone");
    POD("{phase: Pending, containerStatuses: [" WAITS("RunContainerError", "no exec") "]}", "ContainerStartError", "container \"w\" failed to start (RunContainerError): no exec");
    POD("{phase: Running, containerStatuses: [" WAITS("CrashLoopBackOff", "") "]}", "ContainerCrashLoopBackOff", "container \"w\" is in CrashLoopBackOff");
    POD("{phase: Running, containerStatuses: [{name: w, state: {waiting: {reason: CrashLoopBackOff}}, lastState: {terminated: {exitCode: 2}}}]}", "ContainerCrashLoopBackOff",
        "container \"w\" is in CrashLoopBackOff; last termination: exit code 2");
    POD("{phase: Running, containerStatuses: [{name: w, state: {waiting: {reason: CrashLoopBackOff}}, lastState: {terminated: {exitCode: 137, reason: OOMKilled}}}]}",
        "ContainerOOMKilled", "container \"w\" was OOMKilled (exit code 137); reduce memory usage or use a larger instance type");
    POD("{phase: Running, containerStatuses: [{name: w, state: {running: {}}, lastState: {terminated: {exitCode: 0}}}]}", NULL, NULL);
}

static void pods_tell(void **state)
{
    (void)state;
    POD("{phase: Failed, reason: Evicted, message: 'low on resource: ephemeral-storage.'}", "NodeDiskPressure",
        "pod \"w-0\" evicted due to node disk pressure: low on resource: ephemeral-storage.");
    POD("{phase: Failed, reason: Evicted, message: 'low on Memory'}", "NodeMemoryPressure", "pod \"w-0\" evicted due to node memory pressure: low on Memory");
    POD("{phase: Failed, reason: Evicted, message: '[PIDPressure]'}", "PodEvicted", "pod \"w-0\" was evicted: [PIDPressure]");
    POD("{phase: Pending, conditions: [{type: PodScheduled, status: 'False', reason: Unschedulable, message: 0 of 3}]}", "Unschedulable",
        "pod \"w-0\" is unschedulable: 0 of 3");
    POD("{phase: Pending, conditions: [{type: PodScheduled, status: 'False', reason: SchedulingGated, message: gates}]}", NULL, NULL);
}

/* Of several pods the worst cause counts, whichever shows it and whenever it was made. */
static void all_pods_of_a_statefulset_speak(void **state)
{
    (void)state;
    assert_cause("[{metadata: {name: w-0, creationTimestamp: '2026-01-01T00:00:00Z', ownerReferences: [{kind: StatefulSet, controller: true}]}, "
                 "status: {phase: Pending, containerStatuses: [" WAITS("ErrImagePull", "old") "]}},"
                 " {metadata: {name: w-1, creationTimestamp: '2026-01-01T00:00:09Z', ownerReferences: [{kind: StatefulSet, controller: true}]}, status: {phase: Running}}]",
                 "StatefulSet", "ImagePullError", "container \"w\" image pull failed (ErrImagePull): old");
    assert_cause("[{" OWNED("w-0") ", status: {phase: Running, containerStatuses: [" WAITS("CrashLoopBackOff", "") "]}},"
                 " {" OWNED("w-1") ", status: {phase: Pending, containerStatuses: [" WAITS("ErrImagePull", "x") "]}}]",
                 "StatefulSet", "ImagePullError", "container \"w\" image pull failed (ErrImagePull): x");
    assert_cause("[{" OWNED("w-0") ", status: {phase: Failed}}]", "Job", NULL, NULL);
}

static void an_older_attempt_is_past(void **state)
{
    (void)state;
    assert_cause("[{metadata: {name: a, creationTimestamp: '2026-01-01T00:00:00Z', ownerReferences: [{kind: Job, controller: true}]}, status: {phase: Failed}},"
                 " {metadata: {name: b, creationTimestamp: '2026-01-01T00:00:09Z', ownerReferences: [{kind: Job, controller: true}]}, status: {phase: Running}}]",
                 "Job", NULL, NULL);
}

static void long_messages_are_cut(void **state)
{
    (void)state;
    POD("{phase: Pending, containerStatuses: [" WAITS("ErrImagePull", FIFTY FIFTY FIFTY FIFTY FIFTY FIFTY) "]}", "ImagePullError",
        "container \"w\" image pull failed (ErrImagePull): " FIFTY FIFTY FIFTY FIFTY "01234567...");
    char out[300];

    message_cut(FIFTY FIFTY FIFTY FIFTY FIFTY "012345", out, sizeof out);
    assert_string_equal(out, FIFTY FIFTY FIFTY FIFTY FIFTY "012345");
    message_cut(FIFTY FIFTY FIFTY FIFTY FIFTY "01234\xc3\xa9", out, sizeof out);
    assert_string_equal(out, FIFTY FIFTY FIFTY FIFTY FIFTY "01234...");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(containers_tell), cmocka_unit_test(pods_tell), cmocka_unit_test(all_pods_of_a_statefulset_speak),
        cmocka_unit_test(an_older_attempt_is_past), cmocka_unit_test(long_messages_are_cut),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
