/* kaito-runtime tune: options, the lines on the terminal, the metrics port, the termination message. The run itself is tune/tune.h. */
#include "cli/command.h"

#include <limits.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/options.h"
#include "cli/termination.h"
#include "tune/tune.h"

#define LIVE_EVERY_MS 200

struct options {
    struct tune_opts run;
    const char *memory, *bind, *termination_log;
    struct strlist data;
    int64_t threads, metrics_port, checkpoint_steps;
};

static const struct command_help help = {
    .usage = "kaito-runtime tune --model DIR --config FILE --data PATH --output DIR [options]",
    .summary = "Fine-tunes a model folder (Hugging Face layout) with LoRA or QLoRA, as a training_config.yaml says, and writes the adapter in "
               "PEFT's format. Killed or stopped, the same command goes on from its last checkpoint. While it runs, GET /metrics and /healthz "
               "answer on --metrics-port.",
    .examples = "  kaito-runtime tune --model phi-3-mini --config training_config.yaml --data rows.parquet --output adapter\n"
                "  kaito-runtime tune --model phi-3-mini --config training_config.yaml --data /mnt/data --output /mnt/results "
                "--method qlora --metrics-port 5000",
};

static errc parse(struct options *o, int argc, char **argv, struct err *e)
{
    const struct option_row rows[] = {
        { "model", 0, OPT_STR, &o->run.model_dir, "DIR", "Model folder: config.json, safetensors, tokenizer.json.", NULL, true },
        { "config", 0, OPT_STR, &o->run.config_path, "FILE", "training_config.yaml, as in the ConfigMap.", "YAML_FILE_PATH", true },
        { "data", 0, OPT_WORDS, &o->data, "PATH...", "Data set: Parquet, Arrow, JSON, JSON Lines or CSV files, or a folder with them.",
          "DATASET_FOLDER_PATH", true },
        { "output", 0, OPT_STR, &o->run.output_dir, "DIR", "Where the adapter goes. Without it: TrainingArguments.output_dir.", NULL, false },
        { "method", 0, OPT_STR, &o->run.method, "NAME", "lora or qlora; must agree with QuantizationConfig.", NULL, false },
        { "merged", 0, OPT_STR, &o->run.merged_dir, "DIR", "Also write the whole model there, with the adapter merged into its weights.", NULL, false },
        { "init-adapter", 0, OPT_STR, &o->run.init_adapter, "DIR", "Start from the values of this LoRA adapter.", NULL, false },
        { "default-target-modules", 0, OPT_STR, &o->run.default_targets, "LIST",
          "Used when LoraConfig.target_modules is absent; comma-separated. Without it: every linear layer.", "DEFAULT_TARGET_MODULES", false },
        { "threads", 0, OPT_INT, &o->threads, "N", "Worker threads; 0: one per CPU.", NULL, false, 0, 1024 },
        { "memory", 0, OPT_STR, &o->memory, "MODE", "auto, fast (keep everything) or low (recompute layers, expand weights as needed).", NULL, false },
        { "checkpoint-interval", 0, OPT_DURATION_MS, &o->run.checkpoint_ms, "TIME",
          "Longest time between checkpoints, like 30s; 0: as often as costs about 2 %.", NULL, false },
        { "checkpoint-steps", 0, OPT_INT, &o->checkpoint_steps, "N", "Also checkpoint every N steps; 0: by time alone.", NULL, false, 0, INT_MAX },
        { "metrics-port", 0, OPT_INT, &o->metrics_port, "PORT", "Serve /metrics and /healthz there; 0: any free port, -1: do not.", NULL, false, -1, 65535 },
        { "bind", 0, OPT_STR, &o->bind, "ADDRESS", "Address of the metrics port.", "POD_IP", false },
        { "termination-log", 0, OPT_STR, &o->termination_log, "FILE", "Where the last message is left; default " TERMINATION_LOG ".",
          TERMINATION_ENV, false },
    };

    TRY(options_parse(rows, ARRAY_LEN(rows), &help, argc, argv, NULL, e));
    o->run.data_path = o->data.items[0];
    o->run.more_data = o->data.items + 1;
    o->run.n_more_data = o->data.n - 1;
    o->run.threads = (int)o->threads;
    o->run.checkpoint_steps = (uint64_t)o->checkpoint_steps;
    if (streq(o->memory, "fast"))
        o->run.memory = TUNE_MEMORY_FAST;
    else if (streq(o->memory, "low"))
        o->run.memory = TUNE_MEMORY_LOW;
    else if (!streq(o->memory, "auto"))
        return err_set(e, ERR_BAD_REQUEST, "--memory: \"%s\" is none of auto, fast, low", o->memory);
    return ERR_OK;
}

/* On a terminal one line is rewritten in place; elsewhere only whole lines are printed. */
struct screen {
    bool live, drawn;
    int64_t drawn_ms;
};

/* Takes fields ("  loss 0.5") out of the line until it fits into width: a line that wraps cannot be drawn over. */
static void fit(char *line, size_t width)
{
    static const char *const least[] = { "  lr ", "  grad ", "  epoch ", "  evaluation loss " };

    for (size_t i = 0; i < ARRAY_LEN(least) && strlen(line) > width; i++) {
        char *from = strstr(line, least[i]), *to = from ? strstr(from + 2, "  ") : NULL;
        if (to)
            memmove(from, to, strlen(to) + 1);
    }
    if (strlen(line) > width)
        line[width] = '\0';
}

static size_t columns_of(int fd)
{
    struct winsize size = { 0 };

    return ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 1 ? size.ws_col : 80;
}

static void draw(const char *line)
{
    AUTO_MEM char *cut = xstrdup(line);

    fit(cut, columns_of(STDOUT_FILENO) - 1);
    printf("\r%s\033[K", cut);
}

static void show(void *self, enum tune_tell kind, const char *line)
{
    static const char *const prefix[] = { [TUNE_TELL_NOTE] = "note: ", [TUNE_TELL_WARNING] = "warning: " };
    struct screen *s = self;

    if (kind == TUNE_TELL_LIVE) {
        if (!s->live || clock_mono_ms() - s->drawn_ms < LIVE_EVERY_MS)
            return;
        draw(line);
        s->drawn = true;
        s->drawn_ms = clock_mono_ms();
    } else if (kind != TUNE_TELL_STEP || !s->live) {
        printf("%s%s%s\n", s->drawn ? "\r\033[K" : "", kind <= TUNE_TELL_WARNING ? prefix[kind] : "", line);
        s->drawn = false;
    }
    fflush(stdout);
}

static void finish_line(struct screen *s)
{
    if (s->drawn)
        printf("\n");
    fflush(stdout);
    s->drawn = false;
}

static void tell_end(const struct options *o, const struct tune_result *r)
{
    AUTO_MEM char *text = NULL, *evaluation = r->has_eval ? xasprintf(", evaluation loss %.4f", r->eval_loss) : NULL;

    if (r->was_complete)
        text = xasprintf("already complete: %llu steps, loss %.4f to %.4f%s", (unsigned long long)r->steps, r->first_loss, r->last_loss, evaluation ? evaluation : "");
    else
        text = xasprintf("tuned in %.1f s: %llu steps, %llu tokens, loss %.4f to %.4f (mean %.4f)%s", r->seconds, (unsigned long long)r->steps,
                         (unsigned long long)r->tokens, r->first_loss, r->last_loss, r->mean_loss, evaluation ? evaluation : "");
    printf("%s\n", text);
    termination_say(o->termination_log, text);
}

static errc run(struct options *o, struct screen *screen, struct tune_result *result, struct err *e)
{
    AUTO_FREE(cancel) cancel = cancel_new();
    AUTO_FREE(progress) progress = progress_new();
    AUTO_FREE(progress_server) server = NULL;

    cancel_on_signals(cancel);
    o->run.cancel = cancel;
    o->run.progress = progress;
    o->run.tell = show;
    o->run.tell_self = screen;
    if (o->metrics_port >= 0) {
        TRY(progress_serve(progress, o->bind, (uint16_t)o->metrics_port, &server, e));
        printf("metrics on http://%s:%d/metrics\n", str_set(o->bind) ? o->bind : "127.0.0.1", progress_server_port(server));
    }
    return tune_run(&o->run, result, e);
}

int cmd_tune(int argc, char **argv)
{
    struct options o = { .memory = "auto", .metrics_port = -1 };
    struct screen screen = { .live = isatty(STDOUT_FILENO) };
    struct tune_result result;
    struct err e;
    errc rc = parse(&o, argc, argv, &e);

    if (rc == OPTIONS_HELP)
        return 0;
    if (rc == ERR_OK)
        rc = run(&o, &screen, &result, &e);
    finish_line(&screen);
    strlist_done(&o.data);
    if (rc)
        return termination_fail("tune", o.termination_log, &e);
    tell_end(&o, &result);
    return 0;
}
