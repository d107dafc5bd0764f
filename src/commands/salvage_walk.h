/* commands/salvage_walk.h: what the files of the salvage share. Not for other commands.
 *
 * Shape    salvage.c walks outbox/, refused/ and journal/; salvage_aside.c what was set aside or never
 *          finished; salvage_gaps.c finds what is missing.
 * Errors   as commands/salvage.h: of DIR and of memory only.
 * Threads  main.
 */
#ifndef COMMANDS_SALVAGE_WALK_H
#define COMMANDS_SALVAGE_WALK_H

#include "commands/salvage.h"

struct salvage_segment { /* a segment of journal/ */
    char name[SEGMENT_NAME_SIZE];
    uint64_t first_seq, end_seq; /* end 0: the newest */
    size_t note;                 /* index + 1; 0: not looked at yet */
    bool gone, done;
};

struct salvage_walk {
    struct salvage *s;
    struct salvage_segment *sources;
    size_t count;
    struct salvage_batch batch;
    uint64_t batch_end;
};

/* --- salvage.c --- */

bool salvage_no_memory(struct err *err); /* false */
bool salvage_is_temp(const char *name);
bool salvage_is_regular(int dir, const char *name, bool *ret_there);
bool salvage_is_source_error(const struct err *err);
bool salvage_is_ours(const struct salvage *s, const struct salvage_look *look);
bool salvage_list(
    struct salvage *s, int dir, const char *folder, struct file_list *ret, struct err *err);
bool salvage_note_other(struct salvage *s, const char *folder, const char *name, const char *what,
    const char *why, bool damaged, struct err *err);
void salvage_fill_note(struct salvage_note *note, struct salvage_look *look);
bool salvage_copy_piece(struct salvage_walk *w, const struct salvage_source *source,
    const struct salvage_look *look, struct seq_range piece, enum salvage_to to,
    uint64_t *ret_saved, struct err *err);
bool salvage_end_batch(struct salvage_walk *w, struct err *err);

/* --- salvage_aside.c --- */

/* Files of outbox/ or refused/ that are not what their names say. */
bool salvage_take_wrong(struct salvage *s, int dir, const char *folder, struct err *err);
/* quarantine/ (aside), or what journal/ holds besides segments. */
bool salvage_take_odd(
    struct salvage_walk *w, int dir, const char *folder, bool aside, struct err *err);

/* --- salvage_gaps.c --- */

bool salvage_read_gaps(struct salvage *s, struct err *err);
/* Numbers between the first and the last that are in no file of DIR, with the reason. */
bool salvage_find_gaps(struct salvage *s, struct err *err);

#endif
