/* state/state.h: the state directory: one writer, one identity, one local file system.
 *
 * Shape    <dir>/ LOCK IDENTITY journal/ outbox/ refused/ rejected/ quarantine/ gaps.log, each
 *          subdirectory held open for the life of the process (docs/formats/journal.md).
 * Limits   one process (flock on LOCK).
 * Errors   ERR_DENIED: not ours to use (owner, mode, file system, mixed directories, newer format);
 *          ERR_RETRY with `busy` set: another process holds the lock; ERR_BROKEN: it cannot be
 *          read or synced.
 * Owner    state_open makes it, state_close releases it (the lock file is never deleted).
 * Threads  constant after state_open and state_set_instance: any.
 * Source   durability.md 3, 7 (steps 1, 2), 11.
 */
#ifndef STATE_STATE_H
#define STATE_STATE_H

#include "base/file.h"

struct state {
    char *path;
    int dir, journal, outbox, refused, rejected, quarantine; /* directory descriptors */
    int lock;                                                /* -1: opened for reading only */
    uint8_t instance[16];
    bool instance_known;     /* false: new directory or IDENTITY lost; see state_set_instance */
    char instance_text[33];  /* hex; its first 16 digits stand in file names */
    struct file_space space; /* at open */
    bool volatile_warning;   /* on a file system that may lose data, and allowed to be: log it */
};

/* Makes the directories, takes the lock, checks owner, mode, device and file system, deletes *.tmp
 * in it, reads IDENTITY. *ret_busy: the lock is held by another process (its id, for people, in the
 * text). */
NODISCARD bool state_open(
    struct state *st, const char *dir, bool allow_volatile, bool *ret_busy, struct err *err);

/* For `inspect`, `check`, `top`: no lock, nothing made, nothing deleted; missing parts are -1. */
NODISCARD bool state_open_readonly(struct state *st, const char *dir, struct err *err);

/* IDENTITY was missing: adopt the id found in segments or outbox names, or NULL for a new random
 * one; written and synced. A no-op when the id is known and equal; ERR_DENIED when it differs (two
 * directories mixed). */
NODISCARD bool state_set_instance(struct state *st, const uint8_t *found, struct err *err);

void state_close(struct state *st);

#endif
