/* What `kubectl describe workspace` says where upstream's manager says nothing: signals, probes, ends without a crash loop. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/yaml.h"
#include "workspace/cause.h"

#define POD(status) "[{metadata: {name: w-0, ownerReferences: [{kind: StatefulSet, name: w, controller: true}]}, status: {phase: Running, " status "}}]"
#define ENDED(how)  POD("containerStatuses: [{name: w, state: {waiting: {reason: CrashLoopBackOff}}, lastState: {terminated: {" how "}}}]")
#define READY_SINCE(s) "conditions: [{type: Ready, status: 'False', lastTransitionTime: '2026-01-01T00:00:" s "Z'}], "
#define RUNS(more)  "containerStatuses: [{name: w, " more "ready: false, state: {running: {startedAt: '2026-01-01T00:00:05Z'}}}]"

struct row { const char *pods, *reason, *message; };

static const struct row rows[] = {
    /* what a signal ended did not say why */
    { ENDED("exitCode: 137, reason: Error, message: 'serve: ready'"), "ContainerCrashLoopBackOff",
      "container \"w\" is in CrashLoopBackOff; last termination: exit code 137, ended by SIGKILL (unless somebody did: no memory was left, or its liveness probe "
      "failed); last words: serve: ready" },
    { ENDED("exitCode: 139, reason: Error"), "ContainerCrashLoopBackOff", "container \"w\" is in CrashLoopBackOff; last termination: exit code 139, ended by SIGSEGV" },
    { ENDED("exitCode: 137, reason: OOMKilled"), "ContainerOOMKilled",
      "container \"w\" was OOMKilled (exit code 137); reduce memory usage or use a larger instance type" },
    /* what ended by itself, did */
    { ENDED("exitCode: 1, reason: Error, message: \"first line\\nno such model\\n\""), "ContainerCrashLoopBackOff",
      "container \"w\" is in CrashLoopBackOff; last termination: no such model" },
    { ENDED("exitCode: 255, reason: Error"), "ContainerCrashLoopBackOff", "container \"w\" is in CrashLoopBackOff; last termination: exit code 255" },
    /* probes */
    { POD(READY_SINCE("09") RUNS("started: true, ")), "ContainerNotReady",
      "container \"w\" runs, and its readiness probe does not succeed any more; kubectl describe pod w-0 tells what it says" },
    { POD(READY_SINCE("04") RUNS("started: true, ")), NULL,
      "container \"w\" runs, and its readiness probe has not succeeded yet; kubectl describe pod w-0 tells what it says" },
    { POD(READY_SINCE("04") RUNS("started: false, ")), NULL, "" },
    { POD("containerStatuses: [{name: w, started: true, ready: true, state: {running: {startedAt: '2026-01-01T00:00:05Z'}}}]"), NULL, "" },
    { "[]", NULL, "" },
};

static void each_pod_gives_its_cause(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO_JSON pods = NULL;
        struct cause cause;

        assert_int_equal(yaml_parse(str_of(rows[i].pods), &pods, NULL), ERR_OK);
        cause_of_pods(pods, "StatefulSet", &cause);
        if (!streq(cause.reason ? cause.reason : "", rows[i].reason ? rows[i].reason : "") || !streq(cause.message, rows[i].message))
            fail_msg("%s\nsays %s: %s", rows[i].pods, cause.reason ? cause.reason : "nothing", cause.message);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(each_pod_gives_its_cause) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
