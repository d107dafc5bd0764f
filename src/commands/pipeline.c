#include "commands/pipeline.h"

#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

bool pipeline_init(struct pipeline *p, struct err *err)
{
    int *fds[] = {&p->wake_intake, &p->wake_pack, &p->wake_ship, &p->wake_main};

    for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
        *fds[i] = -1;
    for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++) {
        *fds[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (*fds[i] < 0) {
            err_sys(err, ERR_DENIED, "eventfd");
            pipeline_done(p);
            return false;
        }
    }
    atomic_init(&p->stopping, false);
    atomic_init(&p->intake_ended, false);
    atomic_init(&p->pack_ended, false);
    atomic_init(&p->ship_ended, false);
    atomic_init(&p->broken, false);
    atomic_init(&p->reload_secrets, false);
    atomic_init(&p->stop_deadline_us, 0);
    atomic_init(&p->intake_turn_us, clock_mono_us());
    atomic_init(&p->held_files, 0);
    atomic_init(&p->ship_ill, false);
    return true;
}

void pipeline_done(struct pipeline *p)
{
    file_drop(p->wake_intake);
    file_drop(p->wake_pack);
    file_drop(p->wake_ship);
    file_drop(p->wake_main);
    p->wake_intake = p->wake_pack = p->wake_ship = p->wake_main = -1;
}

void pipeline_wake(int event_fd)
{
    uint64_t one = 1;
    ssize_t ignored = write(event_fd, &one, sizeof(one)); /* full counter: it is awake already */

    (void)ignored;
}

bool pipeline_woken(int event_fd, int64_t wait_us)
{
    struct pollfd poll_fd = {.fd = event_fd, .events = POLLIN};
    uint64_t count;

    if (wait_us > 0) {
        struct timespec wait = {wait_us / 1000000, wait_us % 1000000 * 1000};

        (void)ppoll(
            &poll_fd, 1, &wait, NULL); /* EINTR: looks like nothing happened, and that is fine */
    }
    return read(event_fd, &count, sizeof(count)) == (ssize_t)sizeof(count);
}

void pipeline_break(struct pipeline *p, const char *loop, const struct err *err)
{
    atomic_store(&p->broken, true);
    atomic_store(&p->stopping, true);
    LOG_ERROR("broken", LOG_TEXT("loop", loop), LOG_TEXT("error", err->text),
        LOG_TEXT(
            "do", "the program stops; start it again: recovery reads what the disk really holds"));
    pipeline_wake(p->wake_intake);
    pipeline_wake(p->wake_pack);
    pipeline_wake(p->wake_ship);
    pipeline_wake(p->wake_main);
}
