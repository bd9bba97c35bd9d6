/* The state folder: who runs on it, and ending that. */
#include <errno.h>
#include <signal.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/process.h"
#include "local/priv.h"
#include "node/node.h"

enum { DOWN_TIMEOUT_MS = 20 * 1000, POD_GRACE_S = 10 };

static const struct field owner_fields[] = {
    FIELD(struct state_owner, pid, INT, "pid"),
    FIELD(struct state_owner, start_ticks, INT, "startTicks"),
};
static const struct type owner_type = TYPE("state_owner", struct state_owner, owner_fields);

char *local_default_state_dir(void)
{
    const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");

    if (str_set(state) && state[0] == '/')
        return path_join(state, "kaito");
    return xasprintf("%s/.local/state/kaito", str_set(home) ? home : "/root");
}

errc state_write_owner(const char *state_dir, struct err *e)
{
    const struct state_owner me = { getpid(), (int64_t)process_start_ticks(getpid()) };
    AUTO_MEM char *path = path_join(state_dir, "up.json");
    AUTO_JSON j = schema_encode(&owner_type, &me);
    AUTO_BUF text = { 0 };

    json_write(j, &text);
    return file_write_atomic(path, buf_str(&text), 0600, e);
}

bool state_find_owner(const char *state_dir, struct state_owner *out)
{
    AUTO_MEM char *path = path_join(state_dir, "up.json");
    AUTO_FREE(arena) a = arena_new();
    AUTO_JSON j = NULL;

    return !json_parse_file(path, 4096, &j, NULL) && !schema_decode(&owner_type, j, a, out, NULL) &&
           process_is((pid_t)out->pid, (unsigned long long)out->start_ticks);
}

uint16_t state_port(const char *state_dir, const char *name)
{
    AUTO_MEM char *path = path_join(state_dir, name);
    AUTO_BUF text = { 0 };
    int64_t port = 0;

    if (file_read(path, 16, &text, NULL) || !str_to_i64(str_trim(buf_str(&text)), &port) || port < 1 || port > 65535)
        return 0;
    return (uint16_t)port;
}

errc state_write_port(const char *state_dir, const char *name, uint16_t port, struct err *e)
{
    AUTO_MEM char *path = path_join(state_dir, name), *text = xasprintf("%u\n", port);

    return file_write_atomic(path, str_of(text), 0600, e);
}

errc local_down(const char *state_dir, bool *out_was_running, struct err *e)
{
    AUTO_FREE(cancel) never = cancel_new();
    int64_t deadline = clock_mono_ms() + DOWN_TIMEOUT_MS;
    struct state_owner owner;

    *out_was_running = state_find_owner(state_dir, &owner);
    if (*out_was_running && kill((pid_t)owner.pid, SIGTERM) && errno != ESRCH)
        return err_sys(e, errno, "stop process %d (it belongs to another user?)", (int)owner.pid);
    while (state_find_owner(state_dir, &owner)) {
        if (clock_mono_ms() > deadline)
            return err_set(e, ERR_TIMEOUT, "process %d does not end; look at its log, or end it with kill -9 %d and run this again",
                           (int)owner.pid, (int)owner.pid);
        cancel_wait_ms(never, 20);      /* not our child: /proc is all there is to ask */
    }
    return node_stop_pods(state_dir, POD_GRACE_S, e);
}

errc local_reset(const char *state_dir, struct err *e)
{
    AUTO_MEM char *db = path_join(state_dir, "api.db"), *owner = path_join(state_dir, "up.json");
    bool was_running;

    if (!dir_exists(state_dir))
        return ERR_OK;
    if (!file_exists(db) && !file_exists(owner))
        return err_set(e, ERR_INVALID, "%s holds no state of kaito (no api.db): not removed", state_dir);
    TRY(local_down(state_dir, &was_running, e));
    return dir_remove(state_dir, e);
}
