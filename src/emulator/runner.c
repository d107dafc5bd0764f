#include "emulator/runner_inside.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"

#define POLL_US (60 * CLOCK_SECOND_US) /* databricks-api.md 4.3 */
#define FILES_LIMIT 10000

static bool stopping(struct runner *runner)
{
    bool stop;

    (void)pthread_mutex_lock(&runner->lock);
    stop = runner->stop;
    (void)pthread_mutex_unlock(&runner->lock);
    return stop;
}

/* A disk that fails shows here again with the next look; there is nobody to tell. */
static void do_runs(struct runner *runner)
{
    struct run_work work;
    struct err err = {0};

    while (!stopping(runner) && runbook_take(runner->emu, &work, &err)) {
        runner_do(runner, &work);
        run_work_done(&work);
    }
}

static void wait_until_due(struct runner *runner)
{
    int64_t us = runbook_next_us(runner->emu);
    struct timespec until;

    if (us < 0 || us > runner->options.poll_us)
        us = runner->options.poll_us;
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    us += until.tv_nsec / 1000;
    until.tv_sec += (time_t)(us / CLOCK_SECOND_US);
    until.tv_nsec = (long)(us % CLOCK_SECOND_US) * 1000;
    (void)pthread_mutex_lock(&runner->lock);
    while (!runner->stop && !runner->wake) {
        if (pthread_cond_timedwait(&runner->wait, &runner->lock, &until) == ETIMEDOUT)
            break;
    }
    runner->wake = false;
    (void)pthread_mutex_unlock(&runner->lock);
}

static void *loop(void *arg)
{
    struct runner *runner = arg;

    while (!stopping(runner)) {
        runner_look(runner);
        do_runs(runner);
        wait_until_due(runner);
    }
    return NULL;
}

static void init_locks(struct runner *runner)
{
    pthread_condattr_t attr;

    (void)pthread_mutex_init(&runner->lock, NULL);
    (void)pthread_mutex_init(&runner->tables, NULL);
    (void)pthread_condattr_init(&attr);
    (void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&runner->wait, &attr);
    (void)pthread_condattr_destroy(&attr);
}

struct runner *runner_new(
    struct emulator *emu, const struct runner_options *options, struct err *err)
{
    struct runner *runner = calloc(1, sizeof(*runner));

    if (!runner) {
        err_set(err, ERR_FULL, ENOMEM, "no memory for the runner of jobs");
        return NULL;
    }
    init_locks(runner);
    runner->emu = emu;
    runner->root = -1;
    runner->options = *options;
    if (runner->options.poll_us <= 0)
        runner->options.poll_us = POLL_US;
    if (runner->options.time_scale <= 0)
        runner->options.time_scale = 1;
    if (runner->options.files_limit <= 0)
        runner->options.files_limit = FILES_LIMIT;
    if (!file_dir_open(FILE_CWD, emu->root, &runner->root, err))
        goto fail;
    emu->runner = runner; /* before the thread, which wakes itself through it */
    errno = pthread_create(&runner->thread, NULL, loop, runner);
    if (errno) {
        err_sys(err, ERR_DENIED, "start the runner of jobs");
        goto fail;
    }
    runner->started = true;
    return runner;
fail:
    emu->runner = NULL;
    runner_free(runner);
    return NULL;
}

void runner_free(struct runner *runner)
{
    if (!runner)
        return;
    (void)pthread_mutex_lock(&runner->lock);
    runner->stop = true;
    (void)pthread_cond_broadcast(&runner->wait);
    (void)pthread_mutex_unlock(&runner->lock);
    if (runner->started)
        (void)pthread_join(runner->thread, NULL);
    file_drop(runner->root);
    (void)pthread_cond_destroy(&runner->wait);
    (void)pthread_mutex_destroy(&runner->tables);
    (void)pthread_mutex_destroy(&runner->lock);
    free(runner);
}

void runner_wake(struct runner *runner)
{
    if (!runner)
        return;
    (void)pthread_mutex_lock(&runner->lock);
    runner->wake = true;
    (void)pthread_cond_broadcast(&runner->wait);
    (void)pthread_mutex_unlock(&runner->lock);
}
