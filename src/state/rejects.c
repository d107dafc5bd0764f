#include "state/rejects.h"

#include "base/clock.h"
#include "base/json_out.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_BYTES (UINT64_C(1) << 20)
#define ALL_BYTES (UINT64_C(16) << 20)
#define SHARE 16U     /* of what the directory may hold: samples must not fill it up for ever */
#define FILES_MAX 64U /* a run begins a file of its own, so small ones could become many */
#define SHOWN_BYTES 4096U
#define PENDING_BYTES (256U * 1024U)
#define WRITE_AT_BYTES (64U * 1024U)
#define REASONS 32
#define REASON_SIZE 48
#define A_SECOND 100U

/* A line of 4 KiB whose every byte is shown as \xHH, escaped once more by JSON, and the rest. */
#define LINE_BYTES_MAX (SHOWN_BYTES * 6 + 4096U)

struct rate {
    char reason[REASON_SIZE];
    int64_t second; /* monotonic */
    unsigned kept;
};

struct rejects {
    const struct state *state;
    struct limits *limits;
    int fd;                /* of the newest file; -1: not open */
    uint64_t first, last;  /* numbers of the files; first > last: none */
    uint64_t newest_bytes; /* of the newest file */
    uint64_t all_bytes;    /* of all of them */
    uint64_t all_bytes_max;
    struct buf pending;
    struct buf shown;
    struct rate rates[REASONS];
    size_t rate_count;
};

/* "00000042.jsonl" */
static void file_name(char out[32], uint64_t number)
{
    (void)snprintf(out, 32, "%08llu.jsonl", (unsigned long long)number);
}

static bool name_parse(const char *text, uint64_t *ret)
{
    struct span name = span_of(text);
    char again[32];
    uint64_t number;

    if (name.len < 6 || !str_u64((struct span){name.data, name.len - 6}, &number) || number == 0)
        return false;
    file_name(again, number);
    if (strcmp(again, text) != 0)
        return false;
    *ret = number;
    return true;
}

static bool look(struct rejects *r, struct err *err)
{
    struct file_list list;
    bool ok = true;

    r->first = 1;
    r->last = 0;
    if (!file_list(r->state->rejected, &list, err))
        return false;
    for (size_t i = 0; ok && i < list.count; i++) {
        struct file_info info;
        bool exists = false;
        uint64_t number;

        if (!name_parse(list.names[i], &number))
            continue; /* not ours */
        ok = file_stat(r->state->rejected, list.names[i], &exists, &info, err);
        if (!ok || !exists)
            continue;
        if (r->last == 0 || number < r->first)
            r->first = number;
        if (number > r->last)
            r->last = number;
        r->all_bytes += info.bytes;
    }
    file_list_done(&list);
    return ok;
}

struct rejects *rejects_open(const struct state *st, struct limits *limits, struct err *err)
{
    struct rejects *r = calloc(1, sizeof(*r));

    if (!r) {
        err_set(err, ERR_FULL, ENOMEM, "no memory for samples of rejected lines");
        return NULL;
    }
    r->state = st;
    r->limits = limits;
    r->fd = -1;
    r->all_bytes_max = ALL_BYTES;
    if (limits && limits->state_bytes_max / SHARE < ALL_BYTES)
        r->all_bytes_max = limits->state_bytes_max / SHARE;
    if (r->all_bytes_max < 2 * FILE_BYTES)
        r->all_bytes_max = 2 * FILE_BYTES;
    buf_init(&r->pending, PENDING_BYTES);
    buf_init(&r->shown, LINE_BYTES_MAX);
    if (!look(r, err)) {
        rejects_close(r);
        return NULL;
    }
    return r;
}

void rejects_close(struct rejects *r)
{
    struct err ignored; /* samples are for people */

    if (!r)
        return;
    (void)rejects_flush(r, &ignored);
    file_drop(r->fd);
    buf_done(&r->pending);
    buf_done(&r->shown);
    free(r);
}

/* --- the ring of files --- */

static bool delete_oldest(struct rejects *r, struct err *err)
{
    struct file_info info;
    bool exists = false;
    char name[32];

    file_name(name, r->first);
    if (!file_stat(r->state->rejected, name, &exists, &info, err))
        return false;
    if (exists) {
        if (!file_unlink(r->state->rejected, name, err))
            return false;
        limits_sub(r->limits, LIMITS_OTHER, info.bytes);
        r->all_bytes -= info.bytes < r->all_bytes ? info.bytes : r->all_bytes;
    }
    r->first++;
    return true;
}

/* A run begins a file of its own: the end of the last one may be half a line. */
static bool next_file(struct rejects *r, struct err *err)
{
    char name[32];

    file_drop(r->fd);
    r->fd = -1;
    while (r->first <= r->last &&
           (r->all_bytes > r->all_bytes_max - FILE_BYTES || r->last - r->first >= FILES_MAX)) {
        if (!delete_oldest(r, err))
            return false;
    }
    file_name(name, r->last + 1);
    if (!file_open(r->state->rejected, name, FILE_CREATE_NEW, &r->fd, err))
        return false;
    r->last++;
    r->newest_bytes = 0;
    return true;
}

bool rejects_flush(struct rejects *r, struct err *err)
{
    size_t n = 0;
    bool ok = true;

    if (r->pending.len == 0)
        return true;
    if (r->fd < 0 || r->newest_bytes + r->pending.len > FILE_BYTES)
        ok = next_file(r, err);
    if (ok) {
        ok = file_write(r->fd, r->pending.data, r->pending.len, &n, err);
        r->newest_bytes += n;
        r->all_bytes += n;
        limits_add(r->limits, LIMITS_OTHER, n);
    }
    if (!ok) { /* the next samples begin a new file, not in the middle of a line */
        file_drop(r->fd);
        r->fd = -1;
        (void)err_wrap(err, "samples of rejected lines");
    }
    buf_reset(&r->pending);
    return ok;
}

/* --- samples --- */

/* A reason that finds no place in the table (there are about a dozen) shares the last one. */
static bool within_rate(struct rejects *r, const char *reason, int64_t mono_us)
{
    int64_t second = mono_us / CLOCK_SECOND_US;
    struct rate *rate = NULL;

    for (size_t i = 0; i < r->rate_count && !rate; i++) {
        if (strncmp(r->rates[i].reason, reason, REASON_SIZE - 1) == 0)
            rate = &r->rates[i];
    }
    if (!rate) {
        rate = &r->rates[r->rate_count < REASONS ? r->rate_count++ : REASONS - 1];
        *rate = (struct rate){.second = second};
        (void)str_copy(rate->reason, sizeof(rate->reason), reason);
    }
    if (rate->second != second) {
        rate->second = second;
        rate->kept = 0;
    }
    return rate->kept++ < A_SECOND;
}

bool rejects_add(struct rejects *r, const char *reason, struct span line, uint64_t line_bytes,
    const char *peer, int64_t wall_us, int64_t mono_us, struct err *err)
{
    char at[CLOCK_TEXT_SIZE];
    struct json_out json;
    size_t before;

    if (!within_rate(r, reason, mono_us))
        return true;
    if (r->pending.len >= WRITE_AT_BYTES && !rejects_flush(r, err))
        return false;
    buf_reset(&r->shown);
    str_show(&r->shown, line, SHOWN_BYTES);
    before = r->pending.len;
    json_init(&json, &r->pending);
    json_out_object(&json);
    json_key_text(&json, "at", clock_text(at, wall_us));
    json_key_text(&json, "reason", reason);
    json_key_uint(&json, "bytes", line_bytes);
    json_key_text(&json, "peer", peer);
    json_key(&json, "line");
    json_span(&json, (struct span){r->shown.data, r->shown.len});
    json_out_object_end(&json);
    buf_add_byte(&r->pending, '\n');
    if (buf_check(&r->shown, "a sample", err) && buf_check(&r->pending, "samples", err))
        return true;
    r->pending.failed = false; /* no memory: this one is not kept */
    r->pending.len = before;
    return false;
}
