/* tests/outbox_rig.h: a state directory of its own for one test, and what is needed to look into
 * it. */
#ifndef TESTS_OUTBOX_RIG_H
#define TESTS_OUTBOX_RIG_H

#include "base/crc32c.h"
#include "outbox/outbox.h"

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* In memory where there is such a place: thousands of directories are made and deleted, and power cuts
 * are simulated, not waited for. */
#define RIG_PATH "/dev/shm/volume-uploader-test-XXXXXX"
#define RIG_PATH_ELSE "/tmp/volume-uploader-test-XXXXXX"

struct rig {
    char path[sizeof(RIG_PATH)];
    struct state state;
    struct limits limits;
    struct outbox box;
    struct err err;
};

static inline int rig_delete_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st;
    (void)flag;
    (void)ftw;
    return remove(path);
}

static inline void rig_delete(const char *path)
{
    (void)nftw(path, rig_delete_one, 16, FTW_DEPTH | FTW_PHYS);
}

static inline void rig_make_path(struct rig *rig)
{
    memcpy(rig->path, RIG_PATH, sizeof(RIG_PATH));
    if (mkdtemp(rig->path))
        return;
    memcpy(rig->path, RIG_PATH_ELSE, sizeof(RIG_PATH_ELSE));
    if (!mkdtemp(rig->path))
        abort();
}

/* As the program starts; a second time: as it starts again. */
static inline bool rig_start(struct rig *rig)
{
    bool busy;

    if (!state_open(&rig->state, rig->path, true, &busy, &rig->err))
        return false;
    if (!limits_init(&rig->limits, &rig->state, UINT64_C(1) << 40, 1, &rig->err)) {
        state_close(&rig->state);
        return false;
    }
    outbox_init(&rig->box, &rig->state, &rig->limits);
    return true;
}

/* What a name is in a directory of the rig: its length, or -1. */
static inline long long rig_length(const struct rig *rig, const char *part, const char *name)
{
    char path[512];
    struct stat st;

    (void)snprintf(path, sizeof(path), "%s/%s/%s", rig->path, part, name);
    return lstat(path, &st) == 0 ? (long long)st.st_size : -1;
}

static inline size_t rig_count(const struct rig *rig, const char *part)
{
    char path[512];
    struct dirent *entry;
    size_t count = 0;
    DIR *dir;

    (void)snprintf(path, sizeof(path), "%s/%s", rig->path, part);
    dir = opendir(path);
    if (!dir)
        abort();
    while ((entry = readdir(dir)))
        count += entry->d_name[0] != '.';
    closedir(dir);
    return count;
}

static inline void rig_write(
    const struct rig *rig, const char *part, const char *name, const void *data, size_t len)
{
    char path[512];
    FILE *out;

    (void)snprintf(path, sizeof(path), "%s/%s/%s", rig->path, part, name);
    out = fopen(path, "wb");
    if (!out || fwrite(data, 1, len, out) != len || fclose(out) != 0)
        abort();
}

#endif
