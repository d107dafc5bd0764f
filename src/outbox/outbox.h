/* outbox/outbox.h: finished files waiting to be delivered, kept in a directory.
 *
 * Shape    <name>.parquet is ready to send; pack.tmp is still being packed; ../refused/<name> was
 *          refused for good; `reserve` is space set aside so that packing goes on when the disk is
 *          full. Sent by rising first_seq.
 * Units    *_seq sequence numbers of readings; *_bytes bytes.
 * Limits   the caps of state/limits.h.
 * Errors   ERR_FULL at a limit or no space; ERR_BROKEN when a commit may not be durable; ERR_INPUT:
 *          this file is not what its entry says.
 * Owner    one process owns the directory (lock file); an entry belongs to whoever took it.
 * Threads  pack puts; ship takes and ends; recovery before both. Each has its own struct outbox
 *          over the same state; they meet in the directory.
 * Source   durability.md 3, 6, 7, 9, 10; docs/formats/outbox.md.
 *
 * A file may be sent only after the segments it was made from are durably gone (durability.md 6, P4
 * before P5), but it has its final name before that. So whoever packs holds a lock (flock) on it
 * through the descriptor of outbox_begin, and outbox_scan does not show a locked file. The lock
 * needs no space on a full disk and leaves nothing behind after a crash, where recovery finishes P4
 * itself.
 */
#ifndef OUTBOX_OUTBOX_H
#define OUTBOX_OUTBOX_H

#include "outbox/name.h"
#include "state/limits.h"

struct outbox_entry {
    struct file_name name;
    char text[OUTBOX_NAME_SIZE];
    uint64_t bytes;
};

struct outbox_list {
    struct outbox_entry *items; /* by rising first_seq */
    size_t count;
    char **strange; /* names that do not parse, and are not ours to touch here */
    size_t strange_count;
};

struct outbox {
    const struct state *state;
    struct limits *limits;
    uint64_t reserved_bytes; /* of pack.tmp, counted already: it was the reserve */
};

void outbox_init(struct outbox *box, const struct state *state, struct limits *limits);

/* `refused`: of refused/ instead. The file whose segments are still being deleted is left out. */
NODISCARD bool outbox_scan(
    const struct outbox *box, bool refused, struct outbox_list *ret, struct err *err);
void outbox_list_done(struct outbox_list *list);

/* How many files wait, without looking at them. */
NODISCARD bool outbox_count(const struct outbox *box, size_t *ret, struct err *err);

/* --- pack --- */

#define OUTBOX_TEMP "pack.tmp"

#define OUTBOX_RESERVE "reserve"

/* The file to pack into: pack.tmp, made from `reserve` (when `from_reserve`, because the disk is
 * full; its old content is the caller's to cut off) or new. The descriptor carries the lock: drop
 * it when the segments are durably gone, never before. */
NODISCARD bool outbox_begin(struct outbox *box, bool from_reserve, int *ret_fd, struct err *err);
/* Deletes pack.tmp; the descriptor stays the caller's. */
NODISCARD bool outbox_abort(struct outbox *box, struct err *err);

/* Give the finished, synced pack.tmp its name. True: durable, the segments may go. False: not
 * added, except that after ERR_BROKEN it may be (then keep the descriptor open until the process
 * ends). Copies `name`. */
NODISCARD bool outbox_put(
    struct outbox *box, const struct file_name *name, uint64_t bytes, struct err *err);

/* Makes the reserve of `bytes` when it is missing or smaller; ERR_FULL when there is no room. */
NODISCARD bool outbox_make_reserve(struct outbox *box, uint64_t bytes, struct err *err);
bool outbox_has_reserve(const struct outbox *box);
/* Gives its space back: when something small must be written and nothing else is left. */
NODISCARD bool outbox_drop_reserve(struct outbox *box, struct err *err);

/* --- ship --- */

/* Reads the file and compares with the checksum of its name and the length of the entry. *ret_ok
 * false: wrong content. ERR_DENIED: it cannot be read. */
NODISCARD bool outbox_verify(
    const struct outbox *box, const struct outbox_entry *entry, bool *ret_ok, struct err *err);

/* For reading; the caller drops the descriptor. Its length is checked against the entry
 * (ERR_INPUT). */
NODISCARD bool outbox_open(
    const struct outbox *box, const struct outbox_entry *entry, int *ret_fd, struct err *err);

/* Delivered: deleted, and the deletion is durable. */
NODISCARD bool outbox_done(struct outbox *box, const struct outbox_entry *entry, struct err *err);

/* Refused for good: moved to refused/, durable. */
NODISCARD bool outbox_refuse(struct outbox *box, const struct outbox_entry *entry, struct err *err);

/* Content does not match its name: to quarantine/. The caller has written the gap. */
NODISCARD bool outbox_quarantine(
    struct outbox *box, const struct outbox_entry *entry, struct err *err);

#endif
