/* What Prometheus' own client libraries say of a process, from /proc. What cannot be read is left out. */
#include "base/process_metrics.h"

#include <dirent.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"

#define PROC_MAX (64u << 10)

static void add(struct buf *out, const char *name, const char *type, const char *help, double value)
{
    buf_addf(out, "# HELP %s %s\n# TYPE %s %s\n%s %.15g\n", name, help, name, type, name, value);
}

static bool read_proc(const char *path, struct buf *out)
{
    struct err ignored;

    return file_read(path, PROC_MAX, out, &ignored) == ERR_OK;
}

static double cpu_seconds(void)
{
    struct rusage used = { 0 };

    (void)getrusage(RUSAGE_SELF, &used);
    return (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) + (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
}

static size_t open_files(void)
{
    DIR *d = opendir("/proc/self/fd");
    size_t n = 0;

    if (!d)
        return 0;
    for (const struct dirent *one; (one = readdir(d));)
        n += one->d_name[0] != '.';
    closedir(d);
    return n - 1;                       /* but for the folder's own */
}

static double limit(int which)
{
    struct rlimit l = { 0 };

    return getrlimit((__rlimit_resource_t)which, &l) || l.rlim_cur == RLIM_INFINITY ? 18446744073709551615. : (double)l.rlim_cur;
}

/* The word at `index` after the name in brackets, which may hold spaces itself; proc(5) counts it as number index + 3. */
static uint64_t stat_word(struct str stat, size_t index)
{
    struct str name, rest, word;
    uint64_t value = 0;

    if (!str_rcut(stat, ')', &name, &rest))
        return 0;
    rest = str_trim(rest);
    for (size_t i = 0; str_next(&rest, ' ', &word) && i < index; i++)
        ;
    return str_to_u64(word, &value) ? value : 0;
}

/* Seconds since 1970 at which the machine started; 0: not known. */
static uint64_t boot_time(void)
{
    AUTO_BUF text = { 0 };
    struct str rest, line;
    uint64_t value = 0;

    if (!read_proc("/proc/stat", &text))
        return 0;
    rest = buf_str(&text);
    while (str_next(&rest, '\n', &line))
        if (str_has_prefix(line, STR("btime ")) && str_to_u64(str_from(line, 6), &value))
            return value;
    return 0;
}

static void add_stat(struct buf *out)
{
    AUTO_BUF text = { 0 };
    uint64_t boot = boot_time();

    if (!read_proc("/proc/self/stat", &text))
        return;
    if (boot)
        add(out, "process_start_time_seconds", "gauge", "When the process started, in seconds since 1970.",
            (double)boot + (double)stat_word(buf_str(&text), 19) / (double)sysconf(_SC_CLK_TCK));
    add(out, "process_virtual_memory_bytes", "gauge", "Virtual memory in bytes.", (double)stat_word(buf_str(&text), 20));
    add(out, "process_resident_memory_bytes", "gauge", "Resident memory in bytes.", (double)stat_word(buf_str(&text), 21) * (double)sysconf(_SC_PAGESIZE));
}

/* Two lines that begin with "IpExt:": names, then values. */
static bool ip_octets(const char *name, double *value)
{
    AUTO_BUF text = { 0 };
    struct str rest, line, names = { 0 }, values = { 0 }, key, number;
    uint64_t n = 0;

    if (!read_proc("/proc/self/net/netstat", &text))
        return false;
    rest = buf_str(&text);
    while (str_next(&rest, '\n', &line))
        if (str_has_prefix(line, STR("IpExt:"))) {
            names = values;
            values = line;
        }
    while (names.p && str_next(&names, ' ', &key) && str_next(&values, ' ', &number))
        if (str_is(key, name) && str_to_u64(number, &n)) {
            *value = (double)n;
            return true;
        }
    return false;
}

void process_metrics(struct buf *out)
{
    double received, sent;

    add(out, "process_cpu_seconds_total", "counter", "CPU time of the process and of the system for it, in seconds.", cpu_seconds());
    add(out, "process_open_fds", "gauge", "Open file descriptors.", (double)open_files());
    add(out, "process_max_fds", "gauge", "How many file descriptors may be open.", limit(RLIMIT_NOFILE));
    add(out, "process_virtual_memory_max_bytes", "gauge", "How much virtual memory there may be, in bytes.", limit(RLIMIT_AS));
    add_stat(out);
    if (ip_octets("InOctets", &received) && ip_octets("OutOctets", &sent)) {
        add(out, "process_network_receive_bytes_total", "counter", "Bytes received by the network namespace of the process.", received);
        add(out, "process_network_transmit_bytes_total", "counter", "Bytes sent by it.", sent);
    }
}
