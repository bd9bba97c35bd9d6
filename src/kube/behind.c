#include "kube/behind.h"

#include "base/map.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/thread.h"

struct behind {
    struct mutex mu;
    struct map *versions;               /* "ns/name" -> struct buf of lines, each a version that was replaced */
};

static void lines_free(void *p)
{
    buf_done(p);
    free(p);
}

struct behind *behind_new(void)
{
    struct behind *b = xzalloc(sizeof *b);

    mutex_init(&b->mu);
    b->versions = map_new(lines_free);
    return b;
}

void behind_free(struct behind *b)
{
    if (!b)
        return;
    map_free(b->versions);
    mutex_done(&b->mu);
    free(b);
}

void behind_note(struct behind *b, const struct key *k, const char *version)
{
    AUTO_MEM char *id = xasprintf("%s/%s", k->ns, k->name);
    LOCK_SCOPE(&b->mu);
    struct buf *lines = map_get(b->versions, str_of(id));

    if (!lines) {
        lines = xzalloc(sizeof *lines);
        map_put(b->versions, str_of(id), lines);
    }
    buf_addf(lines, "%s\n", version);
}

bool behind_is(struct behind *b, const struct key *k, const char *version)
{
    AUTO_MEM char *id = xasprintf("%s/%s", k->ns, k->name);
    LOCK_SCOPE(&b->mu);
    const struct buf *lines = map_get(b->versions, str_of(id));
    struct str rest = lines ? buf_str(lines) : (struct str){ 0 }, line;

    while (lines && str_next(&rest, '\n', &line))
        if (str_is(line, version))
            return true;
    (void)map_del(b->versions, str_of(id));
    return false;
}

void behind_forget(struct behind *b, const struct key *k)
{
    AUTO_MEM char *id = xasprintf("%s/%s", k->ns, k->name);
    LOCK_SCOPE(&b->mu);

    (void)map_del(b->versions, str_of(id));
}
