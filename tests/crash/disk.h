/* tests/crash/disk.h: a disk in memory that can lose power.
 *
 * Shape    files are bytes, with a durable and a current version; directories are names, likewise,
 *          and a log of the changes that no sync has covered yet. tests/crash/file_memory.c is
 *          base/file.h over it.
 * Units    bytes; sectors of 512 bytes.
 * Limits   names of 159 bytes, 128 descriptors.
 * Errors   none: a misuse of the model aborts.
 * Owner    disk_new and disk_crash give a disk, disk_free takes it. Contents are shared between disks.
 * Threads  one.
 * Source   durability.md 2.
 *
 * What a power cut may leave (disk_crash):
 *
 *   file      any mixture of sectors, each durable or current or torn between the two; the length may be
 *             the old or the new one, whatever the sectors are. What the file grew over and was not
 *             written is zeros, or old bytes of other files.
 *   names     any subset of the changes since the last sync of their directory, except that the changes
 *             of one file come one after the other, and that a rename between two directories leaves
 *             the file in at least one of them.
 */
#ifndef TESTS_CRASH_DISK_H
#define TESTS_CRASH_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DISK_NAME 160
#define DISK_SECTOR 512U
#define DISK_ROOT 0U

/* The outcomes of a power cut that are tried at every point; numbers from DISK_FATES on are random
 * ones. */
enum disk_fate {
    DISK_NOTHING,     /* only what was synced */
    DISK_ALL,         /* as after kill -9 */
    DISK_ONLY_DATA,   /* bytes, no names */
    DISK_ONLY_NAMES,  /* names, no bytes */
    DISK_NO_UNLINK,   /* deletions undone */
    DISK_NO_RENAME,   /* renames undone */
    DISK_NO_CREATE,   /* new names undone, and with them what was renamed from them */
    DISK_FIRST_NAMES, /* all but the last change of a name */
    DISK_ZEROS,       /* lengths, no bytes: zeros */
    DISK_OLD_BYTES,   /* lengths, no bytes: what lay there before */
    DISK_TORN,        /* the last sector that differs is torn */
    DISK_HOLED,       /* the first sector that differs did not make it */
    DISK_FATES
};
const char *disk_fate_name(unsigned fate);

struct disk;

struct disk *disk_new(void);
void disk_free(struct disk *d);

/* Nothing is open, nothing is pending. `ret_hash` says what became of the pending changes: two fates
 * with the same hash at the same point leave the same disk. */
struct disk *disk_crash(const struct disk *d, unsigned fate, uint64_t seed, uint64_t *ret_hash);

/* --- for file_memory.c --- */

struct content {
    unsigned refs;
    size_t len, cap;
    uint8_t *data;
};

struct entry {
    char name[DISK_NAME];
    uint32_t node;
};

struct names {
    struct entry *items;
    size_t count, size;
};

struct node {
    bool dir;
    uint32_t parent;               /* of a directory */
    struct content *now, *durable; /* of a file; the same one: clean */
    struct names names, old_names; /* of a directory; old: durable */
};

struct handle {
    bool open, writable, append, locked;
    uint32_t node;
    uint64_t at;
};

#define DISK_NONE UINT32_MAX
#define DISK_HANDLES 128

/* A change of names: a creation has no `from`, a deletion no `to`. */
struct change {
    uint32_t node, from_dir, to_dir;
    char from[DISK_NAME], to[DISK_NAME];
};

struct disk {
    struct node *nodes;
    size_t count, size;
    struct change *changes; /* not synced, in order */
    size_t change_count, change_size;
    struct handle handles[DISK_HANDLES];
    int no_names; /* so many next segments get no name: no room */
};

extern struct disk *disk;              /* the one the program sees */
extern const struct disk *disk_former; /* whose blocks lie about; may be NULL */
extern bool disk_preallocates;         /* false: as a file system without fallocate(2) */
extern void (*disk_before)(const char *call, const char *name); /* each call that changes it */

uint32_t disk_find(const struct names *names, const char *name); /* DISK_NONE */
uint32_t disk_add_node(struct disk *d, bool dir, uint32_t parent);
/* Changes the names as they are now, and remembers the change. */
void disk_change(struct disk *d, uint32_t node, uint32_t from_dir, const char *from,
    uint32_t to_dir, const char *to);
void disk_sync_names(struct disk *d, uint32_t dir);
void disk_sync_file(struct node *n);
void disk_write(struct node *n, uint64_t at, const void *data, size_t len);
void disk_resize(struct node *n, uint64_t len);

/* A good enough mixture of two numbers, for seeds. */
uint64_t disk_mix(uint64_t a, uint64_t b);

#endif
