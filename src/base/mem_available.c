/* How much memory is left, by /proc/meminfo and by control group v2. */
#include <stdint.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"

/* The whole number at the beginning of text after `key`; SIZE_MAX when there is none ("max", no such file). */
static size_t number_after(const char *path, const char *key)
{
    AUTO_BUF text = { 0 };
    uint64_t n = 0;

    if (file_read(path, 1 << 16, &text, NULL))
        return SIZE_MAX;
    const char *at = strstr(buf_cstr(&text), key);
    if (!at)
        return SIZE_MAX;
    at += strlen(key);
    at += strspn(at, " ");
    size_t digits = strspn(at, "0123456789");
    return digits && str_to_u64(str_n(at, digits), &n) ? (size_t)n : SIZE_MAX;
}

static size_t group_left(void)
{
    size_t limit = number_after("/sys/fs/cgroup/memory.max", ""), used = number_after("/sys/fs/cgroup/memory.current", "");
    size_t cache = number_after("/sys/fs/cgroup/memory.stat", "\ninactive_file");

    if (limit == SIZE_MAX || used == SIZE_MAX)
        return SIZE_MAX;
    used -= cache < used ? cache : 0;           /* the kernel drops it before anything else */
    return limit > used ? limit - used : 0;
}

size_t mem_available(void)
{
    size_t kib = number_after("/proc/meminfo", "MemAvailable:"), machine = kib == SIZE_MAX ? SIZE_MAX : kib * 1024, group = group_left();
    size_t least = machine < group ? machine : group;

    return least == SIZE_MAX ? 0 : least;
}
