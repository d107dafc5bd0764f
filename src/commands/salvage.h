/* commands/salvage.h: `inspect --salvage DIR`: what is valid in a damaged store, copied out of it.
 *
 * Shape    DIR/outbox/      files of outbox/ and refused/, byte for byte, under their own names
 *          DIR/journal/     files made of journal/: what is not packed yet
 *          DIR/quarantine/  files made of quarantine/ whose numbers gaps.log counts as lost
 *          DIR/doubtful/    the same where gaps.log does not, of unfinished files, and whole row groups
 *                           of damaged files: perhaps delivered already
 *          DIR/report.txt, DIR/report.json
 * Units    _seq sequence numbers; bytes.
 * Limits   memory of one row group and of the list of sources; DIR holds one row of files more while it
 *          works (merge_bytes).
 * Errors   damage is none, and no file of the store stops it: it is in the report. ERR_DENIED: no store,
 *          or a DIR it does not take; ERR_FULL, ERR_BROKEN: DIR.
 * Threads  main. The store is only read, without its lock: a `run` may be at work in it.
 * Source   docs/guides/salvage.md.
 */
#ifndef COMMANDS_SALVAGE_H
#define COMMANDS_SALVAGE_H

#include "base/json_out.h"
#include "journal/salvage.h"
#include "outbox/outbox.h"
#include "state/gaps.h"

enum salvage_to {
    SALVAGE_OUTBOX,
    SALVAGE_JOURNAL,
    SALVAGE_QUARANTINE,
    SALVAGE_DOUBTFUL,
    SALVAGE_FOLDERS
};
extern const char *const salvage_folders[SALVAGE_FOLDERS];

/* One file of the store, and what became of it. */
struct salvage_note {
    char source[300]; /* "journal/0000000000000001.seg" */
    const char *what; /* "copied", "made", "known", "empty", "other", "unreadable", "gone" */
    bool damaged;     /* something in it cannot be read, or is not what it should be */
    bool counts;      /* the range is one of this instance's, and was there to be saved */
    uint64_t bytes;   /* of the source */
    uint64_t first_seq, last_seq; /* the range it stands for; first 0: none */
    uint64_t saved;               /* readings of it that are in a file of DIR */
    uint64_t missing, promised, nameless, holes_left_out;
    struct scan_hole *holes;
    size_t hole_count;
    char why[200];
};

/* One file of DIR. */
struct salvage_file {
    enum salvage_to to;
    char name[OUTBOX_NAME_SIZE];
    uint64_t bytes, rows, superseded; /* rows 0: copied, not counted */
    uint64_t first_seq, last_seq;
    bool ours; /* of this store's instance */
    bool gone; /* taken back: the store packed the same readings meanwhile */
};

struct salvage_gap {
    uint64_t first_seq, last_seq;
    char why[80];
};

struct salvage {
    /* the store */
    struct state st;
    struct seq_ranges counted_lost; /* gaps.log */

    /* DIR */
    int dir, folder[SALVAGE_FOLDERS];
    struct state work; /* a place to pack in, below DIR */

    /* what was done */
    struct seq_ranges saved;   /* of this instance: numbers that are in a file of DIR */
    struct seq_ranges claimed; /* of this instance: numbers in the name of a file of DIR */
    struct salvage_note *notes;
    size_t note_count, notes_size;
    struct salvage_file *files;
    size_t file_count, files_size;
    struct salvage_gap *gaps;
    size_t gap_count;
    bool damaged;
    const char *cut; /* why it is not complete; NULL: it is */
};

/* Into `dir` (new, or empty), from the state directory `store`. *ret_damaged: something was. */
NODISCARD bool salvage_run(
    const char *store, const char *dir, bool json, bool *ret_damaged, struct err *err);

/* --- salvage_dir.c: DIR --- */
NODISCARD bool salvage_dir_open(struct salvage *s, const char *path, struct err *err);
void salvage_dir_close(struct salvage *s);

/* --- salvage_out.c: files of DIR --- */
struct salvage_note *salvage_note_new(struct salvage *s, const char *folder, const char *name);
struct salvage_file *salvage_file_new(struct salvage *s, enum salvage_to to, const char *name);
void salvage_take_back(struct salvage *s, struct salvage_file *file);

/* A file of outbox/ or refused/: copied when its content is what its name says, else `what` is "wrong", for
 * salvage_rescue_file. *ret_gone: delivered meanwhile. */
NODISCARD bool salvage_copy_file(struct salvage *s, int from, const char *folder, const char *text,
    const struct file_name *name, bool *ret_gone, struct err *err);
/* One whose content was wrong, now or before: whole all the same, or its whole row groups. Into quarantine/
 * when gaps.log counts all of it as lost, else into doubtful/; what is saved already is left. */
NODISCARD bool salvage_rescue_file(struct salvage *s, size_t note, int from, const char *text,
    const struct file_name *name, struct err *err);

/* Clean segments gathered in the work directory become one file. */
struct salvage_batch {
    enum salvage_to to;
    struct segment_info *items;
    size_t count, size;
    uint64_t bytes, readings;
};
NODISCARD bool salvage_make_file(struct salvage *s, struct salvage_batch *b, struct err *err);

/* --- salvage_report.c --- */
NODISCARD bool salvage_report(struct salvage *s, bool json, struct err *err);

#endif
