/* commands/inspect_state.h: what `inspect` found in a state directory, between finding and showing.
 *
 * Shape    inspect_state.c fills struct look, inspect_show.c writes it as text or as JSON.
 * Limits   the last GAP_VIEWS_MAX lines of gaps.log are shown; REASONS_MAX different reasons in gaps.log and in rejected/.
 * Errors   none: showing cannot fail but by the buffer.
 * Threads  main.
 */
#ifndef COMMANDS_INSPECT_STATE_H
#define COMMANDS_INSPECT_STATE_H

#include "commands/inspect.h"
#include "journal/scan.h"
#include "outbox/outbox.h"
#include "state/gaps.h"

#define REASONS_MAX 32U
#define GAP_VIEWS_MAX 10000U

struct segment_view {
    const struct segment_info *info;
    bool read;        /* the frames were looked at; the counts below are known */
    uint64_t end_seq; /* one past the last; 0: not known */
    uint64_t readings, commits, series;
    uint64_t holes, lost; /* ranges without a valid frame; readings that had been promised */
    uint64_t missing;     /* numbers between the segment before and this one that are nowhere */
    int64_t last_us;      /* when the last reading of the newest one came; 0: not known */
};

/* A line of gaps.log. */
struct gap_view {
    struct gap gap;
    char where[OUTBOX_NAME_SIZE];
};

/* Lines of gaps.log or rejected/, counted by their reason. */
struct reason {
    char name[40];
    uint64_t lines, readings, promised;
    char *sample; /* the last one's "line", still escaped as in JSON */
};

struct reasons {
    struct reason items[REASONS_MAX];
    size_t count;
    uint64_t lines, readings, promised;
};

struct look {
    struct inspect *in;
    struct state st;
    struct segment_list segments;
    struct segment_view *views;
    struct outbox_list outbox, refused;
    struct reasons gaps, rejects;
    struct gap_view *gap_views; /* the last GAP_VIEWS_MAX, a ring */
    size_t gap_count;           /* of all lines */
    struct file_list quarantine;
    uint64_t journal_bytes, outbox_bytes, refused_bytes, quarantine_bytes;
    uint64_t journal_readings, outbox_readings, refused_readings;
    size_t bad_files;        /* --check: content and name differ */
    int64_t oldest_us;       /* when the oldest of what waits was begun; 0: nothing waits */
    double rate, rate_bytes; /* readings and bytes a second, of late; 0: not known */
    int64_t rate_until_us;   /* wall: the last reading of that rate */
    uint64_t used_bytes, left_bytes, limit_bytes;
    int64_t lasts_us; /* the rest at this rate; -1: not known */
    struct buf out;
    struct json_out json;
};

NODISCARD bool look_rate(struct look *l, struct err *err);

uint64_t look_readings(const struct outbox_entry *entry);

void look_show_text(struct look *l);
void look_show_json(struct look *l);

#endif
