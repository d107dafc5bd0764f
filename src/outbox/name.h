/* outbox/name.h: the name of a finished file: its identity for every loader.
 *
 * Shape    <created>-<instance>-<first_seq>-<last_seq>-<crc>.parquet, e.g.
 *          20260131T123456Z-9f3a6c1e0b7d4a25-000000004711-000000009802-5be0cd19.parquet; packed
 *          under file_layout = daily the time is written 2026-01-31T123456Z, and the file belongs
 *          into data/2026-01-31/.
 * Units    seq: sequence numbers from 1, both ends in; crc: CRC-32C of the whole file; created:
 *          UTC, whole seconds.
 * Limits   OUTBOX_NAME_SIZE bytes with the NUL; only [A-Za-z0-9.-]; 12 to 19 digits a number.
 * Errors   a name is ours or it is not: file_name_parse says only that.
 * Threads  any.
 * Source   durability.md 10; docs/formats/outbox.md. Parsed from the right.
 */
#ifndef OUTBOX_NAME_H
#define OUTBOX_NAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OUTBOX_NAME_SIZE 128

struct file_name {
    int64_t created_us; /* whole seconds */
    bool daily;
    char instance[17]; /* 16 hex digits */
    uint64_t first_seq, last_seq;
    uint32_t crc;
};

void file_name_format(const struct file_name *name, char out[OUTBOX_NAME_SIZE]);

/* Only what file_name_format writes, byte for byte; `ret` is untouched by anything else. */
bool file_name_parse(const char *text, struct file_name *ret);

/* "" or "2026-01-31/": the folder below data/, from the name alone. */
void file_name_folder(const struct file_name *name, char out[16]);

#endif
