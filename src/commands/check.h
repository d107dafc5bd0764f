/* commands/check.h: the findings of `check`, and the steps that make them.
 *
 * Shape    a step says one line for each thing it looked at: ok, warn, fail or skip, what was found
 *          and, unless all is well, what to do about it. check_local.c looks at this machine,
 *          check_net.c at the stream and the way to the workspace, check_workspace.c at what is in
 *          the workspace, check_job.c at the job that loads the files.
 * Units    _us microseconds, monotonic unless `wall`.
 * Limits   CHECK_ITEMS_MAX lines; CHECK_TIME_US for all of it: each step gets its own limit, and no
 *          more than what is left.
 * Errors   none: what goes wrong is a line. Nothing is changed anywhere but for two probe files in
 *          the volume, which are removed again.
 * Owner    command_check owns the struct; settings are borrowed from its config.
 * Threads  main.
 * Source   durability.md 9, 11, 12; kelvin-stream.md 1, 4; databricks-api.md 1, 3, 4.3, 6.
 */
#ifndef COMMANDS_CHECK_H
#define COMMANDS_CHECK_H

#include "base/clock.h"
#include "config/settings.h"
#include "databricks/me.h"
#include "ingestion/ingestion.h"
#include "outbox/outbox.h"

#define CHECK_ITEMS_MAX 256 /* all settings, all mistakes in them, all steps */
#define CHECK_TIME_US (10 * CLOCK_SECOND_US)

enum check_status { CHECK_OK, CHECK_WARN, CHECK_FAIL, CHECK_SKIP, CHECK_STATUSES };

struct check_item {
    enum check_status status;
    const char *name;  /* a constant: "state directory" */
    char text[640];    /* one line */
    char remedy[1024]; /* one line; "": nothing to do */
    int64_t took_us;
};

struct check {
    struct config *config;
    const struct settings *s;
    bool json, strict;
    struct check_item items[CHECK_ITEMS_MAX];
    size_t count;
    unsigned counts[CHECK_STATUSES];
    bool unwritten;               /* stdout did not take it */
    int64_t deadline_us, step_us; /* the end of all; where the current step began */
    bool run_lives;               /* a `run` holds the lock of the state directory */

    /* Of the workspace, as far as we came. */
    struct workspace *ws;
    int timer; /* timerfd that ends a call; -1: none */
    struct me me;
    struct plan *plan;
    bool volume_writable; /* a probe file was written */
    bool volume_there, owns_volume, table_there, owns_table;
};

const char *check_status_name(enum check_status status); /* "ok", ... */

/* One finding; printed at once unless --json. `remedy` NULL: nothing to do. */
void check_say(struct check *c, enum check_status status, const char *name, const char *remedy,
    const char *fmt, ...) PRINTF_LIKE(5, 6);

/* How long a step may take: `most_us`, or what is left of all; 0: no time is left. */
int64_t check_time_us(const struct check *c, int64_t most_us);

/* --- the steps, in their order --- */

void check_local(struct check *c);
void check_stream(struct check *c);
/* True: the workspace's host answers HTTP. */
bool check_network(struct check *c);
void check_workspace(struct check *c, bool reached);
void check_job(struct check *c);

/* The calls of one step: they end with "stopped" after `most_us`. False: no time is left, and the
 * line `name` says so. */
bool check_call_begin(struct check *c, const char *name, int64_t most_us);
/* What a failed call means: its words, or that it took too long. Denied and wrong is a failure;
 * what may work later too, for now it does not. */
void check_call_failed(
    struct check *c, const char *name, const struct err *err, const char *remedy);

/* --- parts that need no machine: for tests too --- */

/* Who holds the flock on this inode, from the text of /proc/locks. The device counts unless the
 * process is the one that `pid_in_file` names (some file systems show two device numbers). */
bool check_lock_holder(
    struct span locks, uint64_t device, uint64_t inode, uint64_t pid_in_file, uint64_t *ret_pid);

/* "1.2 GiB free for the state, about 3 d 4 h at the 1.0 MiB/min of the backlog" behind `out`. A
 * backlog younger than a minute says nothing about a rate. */
void check_room_text(
    struct buf *out, uint64_t left_bytes, uint64_t backlog_bytes, int64_t backlog_age_us);

/* "https://user:secret@proxy:3128/" to name and port; only http:// and https://. */
bool check_proxy_parts(const char *proxy, char *name, size_t size, uint16_t *ret_port);

/* As libcurl judges it: "*" alone, a name that is the host or a domain it lies in; for a host that is
 * an address this address, or a network like 10.0.0.0/8. */
bool check_proxy_avoids(const char *no_proxy, const char *host);

/* The difference of our clock to a Date header: positive, ours is ahead. The header has whole
 * seconds and was written up to `took_us` ago. False: no such date. */
bool check_clock_ahead(const char *date, int64_t wall_us, int64_t took_us, int64_t *ret_us);

#endif
