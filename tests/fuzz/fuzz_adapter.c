/*
 * An adapter's two files for the stand-in model: adapter_config.json, a zero byte, adapter_model.safetensors. Refused with a reason,
 * or bound to modules of the right shape.
 */
#include <stdio.h>

#include "base/file.h"
#include "engine/adapter.h"
#include "fuzz_server.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char dir[] = "/tmp/kaito-fuzz-adapter-XXXXXX";

static void clean(void)
{
    struct err e;

    (void)dir_remove(dir, &e);          /* the process ends */
}

static const char *folder(void)
{
    static bool made;

    if (!made && (!mkdtemp(dir) || atexit(clean)))
        abort();
    made = true;
    return dir;
}

static void put(const char *name, struct str bytes)
{
    AUTO_MEM char *path = path_join(folder(), name);
    struct err e = { 0 };

    fuzz_must(file_write_atomic(path, bytes, 0600, &e), &e);
}

static void check(const struct adapter *a)
{
    for (size_t i = 0; i < a->n_loras; i++)
        if (a->loras[i].r > a->max_rank || (a->loras[i].r && (!a->loras[i].a || !a->loras[i].b)))
            abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str all = str_n((const char *)data, size), config;
    AUTO_FREE(adapter) a = NULL;
    struct err e = { 0 };

    if (!str_next(&all, '\0', &config))
        return 0;
    put("adapter_config.json", config);
    put("adapter_model.safetensors", all);
    if (!adapter_load(folder(), "fuzz", 1, engine_model(fuzz_server()->engine), &a, &e))
        check(a);
    else if (!*e.text)
        abort();
    return 0;
}
