/* The job thread: mostly asleep. */
#include "commands/jobkeeping.h"

#include "base/backoff.h"
#include "base/clock.h"
#include "base/file.h"
#include "commands/pipeline.h"
#include "commands/plan_for.h"
#include "commands/workspace.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>

#define LOOK_US (3600 * CLOCK_SECOND_US)
#define RETRY_FIRST_US (2 * CLOCK_SECOND_US)
#define RETRY_MAX_US (60 * CLOCK_SECOND_US)
#define BLOCKED_US (300 * CLOCK_SECOND_US)
#define CONTESTED_US CLOCK_DAY_US
#define CONTESTED 3 /* so often somebody else may undo what we did */

struct jobkeeping {
    struct plan *plan;
    struct workspace *ws;
    struct counters *counters; /* where the state of the job is shown */
    pthread_t thread;
    int stop_fd, wake_fd; /* eventfds; stop_fd stays readable */
    pthread_mutex_t lock;
    struct secret *secret; /* under lock: the next one; NULL: none */
    bool renewed;          /* under lock: forget the access token */

    /* Of the thread alone. */
    struct backoff backoff;
    bool told; /* a first result was logged */
    bool failing;
    enum ensure_result last;
    char last_text[600];
    unsigned undone; /* our updates in a row that followed a good state */
};

/* --- what is told --- */

static void tell_result(struct jobkeeping *j, const struct ensured *e)
{
    switch (e->result) {
    case ENSURE_OK:
        LOG_INFO("job_ok", LOG_INT("job_id", e->job_id), LOG_TEXT("text", e->text));
        break;
    case ENSURE_CREATED:
        LOG_INFO("job_created", LOG_INT("job_id", e->job_id), LOG_TEXT("text", e->text));
        break;
    case ENSURE_UPDATED:
        LOG_INFO("job_updated", LOG_INT("job_id", e->job_id), LOG_TEXT("text", e->text));
        break;
    case ENSURE_NEWER:
        LOG_INFO("job_newer", LOG_INT("job_id", e->job_id), LOG_TEXT("text", e->text));
        break;
    case ENSURE_BLOCKED:
        LOG_ERROR("job_blocked", LOG_TEXT("reason", e->text),
            LOG_TEXT("do", "files wait in the volume until a job loads them; nothing is lost"));
        break;
    }
    if (j->undone == CONTESTED)
        LOG_WARN("job_contested", LOG_INT("job_id", e->job_id),
            LOG_TEXT("do", "another uploader of this table has other job settings, and each undoes "
                           "the other's; make them equal. This one now looks once a day"));
}

/* An update is a state and an event: it is told each time; everything else when it changed. */
static void take_result(struct jobkeeping *j, const struct ensured *e)
{
    bool changed = !j->told || j->failing || e->result != j->last ||
                   strcmp(e->text, j->last_text) != 0 || e->result == ENSURE_UPDATED;

    if (e->result == ENSURE_UPDATED && j->told && j->last != ENSURE_BLOCKED)
        j->undone++;
    else if (e->result == ENSURE_OK && j->last == ENSURE_OK)
        j->undone = 0;
    if (changed)
        tell_result(j, e);
    j->told = true;
    j->failing = false;
    j->last = e->result;
    (void)str_copy(j->last_text, sizeof(j->last_text), e->text);
    backoff_reset(&j->backoff);
    counters_set_job(j->counters,
        e->result == ENSURE_BLOCKED ? JOB_STATUS_BLOCKED
        : e->paused                 ? JOB_STATUS_PAUSED
                                    : JOB_STATUS_GOOD,
        e->job_id, e->text);
}

/* The same but for the number of the request, which differs each time. */
static bool same_failure(const char *a, const char *b)
{
    const char *end = strstr(a, " [request ");
    size_t len = end ? (size_t)(end - a) : strlen(a);

    return strncmp(a, b, len) == 0 && (end ? strncmp(b + len, " [request ", 10) == 0 : !b[len]);
}

static void take_failure(struct jobkeeping *j, const struct err *err)
{
    bool changed = !j->failing || !same_failure(err->text, j->last_text);

    if (changed && err->kind == ERR_RETRY)
        LOG_WARN(
            "job_waits", LOG_TEXT("class", err_kind_name(err->kind)), LOG_TEXT("error", err->text));
    else if (changed)
        LOG_ERROR("job_waits", LOG_TEXT("class", err_kind_name(err->kind)),
            LOG_TEXT("error", err->text),
            LOG_TEXT("do", "`volume-uploader check` says more; it is tried again all the time"));
    j->failing = true;
    (void)str_copy(j->last_text, sizeof(j->last_text), err->text);
    counters_set_job(j->counters, JOB_STATUS_FAILING, atomic_load(&j->counters->job_id), err->text);
}

/* --- the thread --- */

/* Returns how long to sleep. */
static int64_t look_once(struct jobkeeping *j)
{
    struct ensured ensured;
    struct err err;

    if (!ensure_job(j->ws, j->plan, &ensured, &err)) {
        if (!workspace_stopped(j->ws))
            take_failure(j, &err);
        return backoff_next_us(&j->backoff);
    }
    take_result(j, &ensured);
    if (j->undone >= CONTESTED)
        return CONTESTED_US;
    /* A person was asked to decide something: see soon that it was done. */
    return ensured.result == ENSURE_BLOCKED ? BLOCKED_US : LOOK_US;
}

/* False: stop. */
static bool sleep_us(struct jobkeeping *j, int64_t wait_us)
{
    struct pollfd fds[] = {
        {.fd = j->stop_fd, .events = POLLIN}, {.fd = j->wake_fd, .events = POLLIN}};

    (void)poll(fds, 2, (int)(wait_us / 1000 + 1));
    (void)pipeline_woken(j->wake_fd, 0);
    return !fds[0].revents;
}

static void take_secret(struct jobkeeping *j)
{
    struct secret *secret;
    bool renewed;

    (void)pthread_mutex_lock(&j->lock);
    secret = j->secret;
    renewed = j->renewed;
    j->secret = NULL;
    j->renewed = false;
    (void)pthread_mutex_unlock(&j->lock);
    if (renewed)
        workspace_renew(j->ws, secret);
}

static void *job_loop(void *arg)
{
    struct jobkeeping *j = arg;

    (void)pthread_setname_np(pthread_self(), "job");
    do
        take_secret(j);
    while (sleep_us(j, look_once(j)));
    return NULL;
}

/* --- start and stop --- */

static void free_jobs(struct jobkeeping *j)
{
    workspace_free(j->ws);
    plan_free(j->plan);
    secret_free(j->secret);
    file_drop(j->stop_fd);
    file_drop(j->wake_fd);
    (void)pthread_mutex_destroy(&j->lock);
    free(j);
}

static bool open_jobs(struct jobkeeping *j, const struct settings *s, struct err *err)
{
    j->plan = plan_for(s, err);
    if (!j->plan)
        return false;
    j->ws = workspace_for(s, err);
    if (!j->ws)
        return false;
    j->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    j->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (j->stop_fd < 0 || j->wake_fd < 0)
        return err_sys(err, ERR_DENIED, "eventfd");
    workspace_stop_on(j->ws, j->stop_fd);
    backoff_init(&j->backoff, RETRY_FIRST_US, RETRY_MAX_US, false, rng_any_seed());
    errno = pthread_create(&j->thread, NULL, job_loop, j);
    if (errno)
        return err_sys(err, ERR_DENIED, "start the job thread");
    return true;
}

struct jobkeeping *jobkeeping_start(const struct settings *s, struct counters *counters)
{
    struct jobkeeping *j;
    struct err err;

    if (s->job_loader == JOB_LOADER_NONE) {
        LOG_INFO("no_job", LOG_TEXT("do", "files stay in the volume; set "
                                          "DATABRICKS_JOB_CLUSTER_ID, DATABRICKS_JOB_WAREHOUSE_ID "
                                          "or DATABRICKS_JOB_SERVERLESS to load a table"));
        return NULL;
    }
    j = calloc(1, sizeof(*j));
    if (!j)
        return NULL;
    j->stop_fd = j->wake_fd = -1;
    j->counters = counters;
    counters_set_job(counters, JOB_STATUS_ASKING, 0, NULL);
    (void)pthread_mutex_init(&j->lock, NULL);
    if (!open_jobs(j, s, &err)) {
        LOG_ERROR("job_not_kept", LOG_TEXT("error", err.text),
            LOG_TEXT("do", "readings are received and delivered all the same"));
        counters_set_job(counters, JOB_STATUS_FAILING, 0, err.text);
        free_jobs(j);
        return NULL;
    }
    return j;
}

void jobkeeping_stop(struct jobkeeping *jobs)
{
    if (!jobs)
        return;
    pipeline_wake(jobs->stop_fd);
    (void)pthread_join(jobs->thread, NULL);
    free_jobs(jobs);
}

void jobkeeping_renew(struct jobkeeping *jobs, struct secret *secret)
{
    struct secret *old;

    if (!jobs) {
        secret_free(secret);
        return;
    }
    (void)pthread_mutex_lock(&jobs->lock);
    old = jobs->secret;
    jobs->secret = secret ? secret : old;
    jobs->renewed = true;
    (void)pthread_mutex_unlock(&jobs->lock);
    if (secret)
        secret_free(old);
    pipeline_wake(jobs->wake_fd);
}
