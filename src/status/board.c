#include "status/board.h"

#include "base/clock.h"

#include <string.h>

#define SAMPLE_EVERY_US CLOCK_SECOND_US

void board_init(struct board *b)
{
    memset(b, 0, sizeof(*b));
    (void)pthread_mutex_init(&b->lock, NULL); /* cannot fail for a plain mutex on Linux */
}

const char *board_file_state_name(enum board_file_state state)
{
    switch (state) {
    case BOARD_READY:
        return "waiting";
    case BOARD_DELIVERED:
        return "delivered";
    case BOARD_REFUSED:
        return "refused";
    case BOARD_DROPPED:
        return "dropped";
    case BOARD_DAMAGED:
        return "damaged";
    }
    return "";
}

/* --- rows that files do not hold --- */

/* Where first_seq is, or belongs. */
static size_t absent_find(const struct board *b, uint64_t first_seq)
{
    size_t low = 0, high = b->absent_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (b->absent_of[middle].first_seq < first_seq)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void absent_add(struct board *b, uint64_t first_seq, uint64_t rows)
{
    size_t at = absent_find(b, first_seq);

    b->absent.waiting += rows;
    if (at < b->absent_count && b->absent_of[at].first_seq == first_seq) {
        b->absent_of[at].rows += rows;
        return;
    }
    if (b->absent_count == BOARD_ABSENT) { /* share the line of a neighbour */
        b->absent_of[at < BOARD_ABSENT ? at : BOARD_ABSENT - 1].rows += rows;
        return;
    }
    memmove(
        b->absent_of + at + 1, b->absent_of + at, (b->absent_count - at) * sizeof(b->absent_of[0]));
    b->absent_of[at].first_seq = first_seq;
    b->absent_of[at].rows = rows;
    b->absent_count++;
}

static uint64_t absent_take(struct board *b, uint64_t first_seq)
{
    size_t at = absent_find(b, first_seq);
    uint64_t rows;

    if (at == b->absent_count || b->absent_of[at].first_seq != first_seq)
        return 0;
    rows = b->absent_of[at].rows;
    b->absent_count--;
    memmove(
        b->absent_of + at, b->absent_of + at + 1, (b->absent_count - at) * sizeof(b->absent_of[0]));
    b->absent.waiting -= rows;
    return rows;
}

/* --- files --- */

static struct board_file *file_find(struct board *b, uint64_t first_seq)
{
    size_t count = b->files_added < BOARD_FILES ? (size_t)b->files_added : BOARD_FILES;

    for (size_t i = 0; i < count; i++)
        if (b->files[i].first_seq == first_seq)
            return &b->files[i];
    return NULL;
}

static struct board_file *file_add(struct board *b, const struct board_file *file)
{
    struct board_file *to = &b->files[b->files_added++ % BOARD_FILES];

    *to = *file;
    return to;
}

/* Where the absent rows of a file go that has come to this end; NULL: it still waits. */
static uint64_t *absent_end(struct board *b, enum board_file_state state)
{
    if (state == BOARD_DELIVERED)
        return &b->absent.delivered;
    return state == BOARD_DROPPED || state == BOARD_DAMAGED ? &b->absent.lost : NULL;
}

/* Ship may have taken the file before pack came here. */
void board_packed(struct board *b, const struct board_file *file)
{
    uint64_t numbers = file->last_seq - file->first_seq + 1, *end = NULL;
    struct board_file *to;

    (void)pthread_mutex_lock(&b->lock);
    to = file_find(b, file->first_seq);
    if (to) {
        to->rows = file->rows;
        end = absent_end(b, to->state);
    } else {
        file_add(b, file)->state = BOARD_READY;
    }
    if (end && numbers > file->rows)
        *end += numbers - file->rows;
    else if (numbers > file->rows)
        absent_add(b, file->first_seq, numbers - file->rows);
    (void)pthread_mutex_unlock(&b->lock);
}

void board_moved(struct board *b, const struct board_file *file, enum board_file_state state)
{
    uint64_t *end = absent_end(b, state);
    struct board_file *to;

    (void)pthread_mutex_lock(&b->lock);
    if (end)
        *end += absent_take(b, file->first_seq);
    to = file_find(b, file->first_seq);
    if (!to)
        to = file_add(b, file);
    to->state = state;
    to->changed_wall_us = file->changed_wall_us;
    to->took_us = file->took_us;
    to->attempts = file->attempts;
    (void)pthread_mutex_unlock(&b->lock);
}

size_t board_get_files(struct board *b, struct board_file ret[BOARD_FILES])
{
    size_t count;

    (void)pthread_mutex_lock(&b->lock);
    count = b->files_added < BOARD_FILES ? (size_t)b->files_added : BOARD_FILES;
    for (size_t i = 0; i < count; i++)
        ret[i] = b->files[(b->files_added - 1 - i) % BOARD_FILES];
    (void)pthread_mutex_unlock(&b->lock);
    return count;
}

struct board_absent board_get_absent(struct board *b)
{
    struct board_absent copy;

    (void)pthread_mutex_lock(&b->lock);
    copy = b->absent;
    (void)pthread_mutex_unlock(&b->lock);
    return copy;
}

/* --- samples --- */

void board_sample_add(struct board *b, const char *reason, struct span line, uint64_t line_bytes,
    int64_t wall_us, int64_t mono_us)
{
    struct board_sample *s = NULL;
    struct buf shown;

    (void)pthread_mutex_lock(&b->lock);
    for (size_t i = 0; i < b->samples_count && !s; i++)
        if (strncmp(b->samples[i].reason, reason, sizeof(s->reason) - 1) == 0)
            s = &b->samples[i];
    if (s && mono_us - s->mono_us < SAMPLE_EVERY_US)
        goto out;
    if (!s && b->samples_count == BOARD_SAMPLES)
        goto out;
    if (!s)
        s = &b->samples[b->samples_count++];
    buf_init(&shown, 8 * sizeof(s->line)); /* a byte may be shown as four */
    (void)str_show(&shown, line, sizeof(s->line) - 4);
    (void)str_copy(s->reason, sizeof(s->reason), reason);
    if (!str_copy(s->line, sizeof(s->line), buf_text(&shown)))
        memcpy(s->line + sizeof(s->line) - 4, "...", 4);
    s->line_bytes = line_bytes;
    s->wall_us = wall_us;
    s->mono_us = mono_us;
    buf_done(&shown);
out:
    (void)pthread_mutex_unlock(&b->lock);
}

size_t board_get_samples(struct board *b, struct board_sample ret[BOARD_SAMPLES])
{
    size_t count;

    (void)pthread_mutex_lock(&b->lock);
    count = b->samples_count;
    memcpy(ret, b->samples, count * sizeof(*ret));
    (void)pthread_mutex_unlock(&b->lock);
    return count;
}

/* --- settings --- */

void board_setting_set(struct board *b, const char *key, const char *value, const char *source)
{
    struct board_setting *s = NULL;

    (void)pthread_mutex_lock(&b->lock);
    for (size_t i = 0; i < b->settings_count && !s; i++)
        if (strcmp(b->settings[i].key, key) == 0)
            s = &b->settings[i];
    if (!s && b->settings_count < BOARD_SETTINGS)
        s = &b->settings[b->settings_count++];
    if (s) {
        (void)str_copy(s->key, sizeof(s->key), key);
        (void)str_copy(s->value, sizeof(s->value), value);
        (void)str_copy(s->source, sizeof(s->source), source);
    }
    (void)pthread_mutex_unlock(&b->lock);
}

size_t board_get_settings(struct board *b, struct board_setting ret[BOARD_SETTINGS])
{
    size_t count;

    (void)pthread_mutex_lock(&b->lock);
    count = b->settings_count;
    memcpy(ret, b->settings, count * sizeof(*ret));
    (void)pthread_mutex_unlock(&b->lock);
    return count;
}
