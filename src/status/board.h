/* status/board.h: the lists that people look at: the last files, a sample of each kind of rejected
 * line, the settings with their sources. And the books of the rows that files do not hold.
 *
 * Shape    fixed tables; the loops write, the status thread copies.
 * Units    bytes, readings; _wall_us wall microseconds.
 * Limits   BOARD_FILES newest files, BOARD_SAMPLES kinds of lines, BOARD_SETTINGS settings,
 *          BOARD_ABSENT waiting files with absent rows (beyond it two share a line: the sums stay
 *          exact, only the moment a number moves is late).
 * Errors   none; texts that do not fit are cut.
 * Owner    caller-owned struct, part of struct counters.
 * Threads  any: one lock, held for a copy only.
 *
 * A file named 11-20 has ten numbers. Of these, rows that a later reading superseded and rows lost
 * to damage are in no file: they are absent, known when the file is packed. The uploader counts in
 * numbers, people in rows; the difference is kept here until the file is delivered or lost:
 *
 *     packed (11-20, 8 rows)    absent.waiting += 2
 *     delivered 11              absent.waiting -= 2, absent.delivered += 2
 *     dropped 11                absent.waiting -= 2, absent.lost += 2   (gaps.log says ten)
 */
#ifndef STATUS_BOARD_H
#define STATUS_BOARD_H

#include "base/str.h"

#include <pthread.h>

#define BOARD_FILES 40U
#define BOARD_SAMPLES 16U
#define BOARD_SETTINGS 96U
#define BOARD_ABSENT 4096U

enum board_file_state { BOARD_READY, BOARD_DELIVERED, BOARD_REFUSED, BOARD_DROPPED, BOARD_DAMAGED };
const char *board_file_state_name(enum board_file_state state);

struct board_file {
    char name[128];
    uint64_t first_seq, last_seq;
    uint64_t rows; /* 0: packed by an earlier run, not known */
    uint64_t bytes;
    int64_t created_wall_us; /* first reading */
    int64_t changed_wall_us; /* when it came into this state */
    int64_t took_us;         /* delivered: last try to confirmed */
    unsigned attempts;
    enum board_file_state state;
};

struct board_sample {
    char reason[48];
    char line[200];      /* printable */
    uint64_t line_bytes; /* of the whole line */
    int64_t wall_us, mono_us;
};

struct board_setting {
    char key[40];
    char value[200]; /* never a secret */
    char source[160];
};

struct board_absent {
    uint64_t waiting, delivered, lost;
};

struct board {
    pthread_mutex_t lock;
    struct board_file files[BOARD_FILES]; /* a ring */
    uint64_t files_added;
    struct board_sample samples[BOARD_SAMPLES];
    size_t samples_count;
    struct board_setting settings[BOARD_SETTINGS];
    size_t settings_count;
    struct {
        uint64_t first_seq, rows;
    } absent_of[BOARD_ABSENT]; /* by rising first_seq */
    size_t absent_count;
    struct board_absent absent;
};

void board_init(struct board *b);

/* A file was packed: `rows` of its numbers are in it. */
void board_packed(struct board *b, const struct board_file *file);
/* It reached `state`. One that is not on the board (of an earlier run) is put there. */
void board_moved(struct board *b, const struct board_file *file, enum board_file_state state);

/* At most one a second and reason is kept, the others cost a look at the table. */
void board_sample_add(struct board *b, const char *reason, struct span line, uint64_t line_bytes,
    int64_t wall_us, int64_t mono_us);

void board_setting_set(struct board *b, const char *key, const char *value, const char *source);

/* Copies, newest file first. Return how many. */
size_t board_get_files(struct board *b, struct board_file ret[BOARD_FILES]);
size_t board_get_samples(struct board *b, struct board_sample ret[BOARD_SAMPLES]);
size_t board_get_settings(struct board *b, struct board_setting ret[BOARD_SETTINGS]);
struct board_absent board_get_absent(struct board *b);

#endif
