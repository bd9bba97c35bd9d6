/* What the tests of tune/ share: recorded truths, closeness of arrays, temporary folders. */
#ifndef TEST_TUNE_HELPERS_H
#define TEST_TUNE_HELPERS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "tensor/safetensors.h"
#include "tune/lora_set.h"

#define OK(call) do { struct err e_; if ((call)) fail_msg("%s", e_.text); } while (0)
#define E (&e_)

char *golden(const char *path);                         /* tests/golden/hf/PATH, malloc'd */
char *shared_golden(const char *path);                  /* ../shared/golden/hf/PATH, NULL when it is absent; malloc'd */
json_t *golden_json(const char *path);
json_t *recorded(const char *path);                     /* tests/golden/PATH */
char *temp_dir(void);                                   /* malloc'd; rm_dir removes it */
void rm_dir(char *path);
void write_text(const char *dir, const char *name, const char *text);
/* DIR/rows.jsonl in such an order that the split of DatasetConfig.shuffle_seed's default holds out the recorded ones. */
void write_split_rows(const char *dir, const json_t *train, const json_t *held);

/* Each line of DIR/out/history.jsonl has the step of log's, and values as near to log's as said; one that may lack is asked only where log has it. */
struct nearness { const char *key; double relative; bool may_lack; };
void assert_history(const char *dir, const json_t *log, const struct nearness *keys, size_t n_keys, const char *name);

/* sqrt(sum (a-b)^2) / sqrt(sum b^2) */
double distance(const float *a, const float *b, size_t n);
/* The same over every tensor of a PEFT file (suffix ".weight" or ".default.weight") against values of s laid out like s->w. */
double distance_to_file(const struct lora_set *s, const float *values, const char *path, const char *suffix);
double distance_of_files(const char *a, const char *b);

#endif
