/* tests/temp_dir.h: where a test has its files.
 *
 * TMPDIR when it is set, else a place in memory where there is one with room (a container often has 64 MiB):
 * what is looked at is what was written, and a disk only makes every fsync wait. `out` becomes "<place>/<name>-XXXXXX", a new directory.
 */
#ifndef TESTS_TEMP_DIR_H
#define TESTS_TEMP_DIR_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define TEMP_DIR_ROOM (UINT64_C(1) << 30)

static inline void temp_dir(char *out, size_t size, const char *name)
{
    const char *place = getenv("TMPDIR");
    struct statvfs room;
    int len;

    if (!place && access("/dev/shm", W_OK | X_OK) == 0 && statvfs("/dev/shm", &room) == 0 &&
        (uint64_t)room.f_bavail * room.f_frsize >= TEMP_DIR_ROOM)
        place = "/dev/shm";
    if (!place)
        place = "/tmp";
    len = snprintf(out, size, "%s/%s-XXXXXX", place, name);
    if (len < 0 || (size_t)len >= size || !mkdtemp(out)) {
        perror(place);
        abort();
    }
}

#endif
