/* tests/state_kit.h: a state directory of its own for a test. */
#ifndef STATE_KIT_H
#define STATE_KIT_H

#include "base/clock.h"
#include "state/gaps.h"
#include "state/quarantine.h"
#include "state/rejects.h"
#include "temp_dir.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

struct kit {
    char top[128]; /* a directory */
    char dir[160]; /* the state directory in it */
    struct state st;
    struct limits limits;
    struct err err;
};

#define kit_ok(k, call)                                                                            \
    do {                                                                                           \
        if (!(call))                                                                               \
            fail_msg("%s: %s (%s)", #call, (k)->err.text, err_kind_name((k)->err.kind));           \
    } while (0)

#define kit_fails(k, call, want)                                                                   \
    do {                                                                                           \
        assert_false(call);                                                                        \
        if ((k)->err.kind != (want))                                                               \
            fail_msg("%s: %s (%s)", #call, (k)->err.text, err_kind_name((k)->err.kind));           \
    } while (0)

static inline void kit_new(struct kit *k)
{
    memset(k, 0, sizeof(*k));
    temp_dir(k->top, sizeof(k->top), "state");
    (void)snprintf(k->dir, sizeof(k->dir), "%s/s", k->top);
}

static inline bool kit_try_open(struct kit *k)
{
    bool busy;

    return state_open(&k->st, k->dir, true, &busy, &k->err);
}

static inline void kit_open(struct kit *k)
{
    kit_ok(k, kit_try_open(k));
    kit_ok(k, limits_init(&k->limits, &k->st, UINT64_C(1) << 40, 1, &k->err));
}

static inline void kit_free(struct kit *k)
{
    char command[300];

    (void)snprintf(command, sizeof(command), "rm -rf '%s'", k->top);
    assert_int_equal(system(command), 0);
}

static inline const char *kit_path(const struct kit *k, const char *name)
{
    static char path[512];

    (void)snprintf(path, sizeof(path), "%s/%s", k->dir, name);
    return path;
}

static inline void kit_write(const struct kit *k, const char *name, const void *data, size_t len)
{
    FILE *out = fopen(kit_path(k, name), "wb");

    assert_non_null(out);
    assert_int_equal(fwrite(data, 1, len, out), len);
    assert_int_equal(fclose(out), 0);
    assert_int_equal(chmod(kit_path(k, name), 0600), 0);
}

static inline bool kit_exists(const struct kit *k, const char *name)
{
    struct stat st;

    return lstat(kit_path(k, name), &st) == 0;
}

static inline void kit_read(const struct kit *k, const char *name, struct buf *ret)
{
    struct err err;

    buf_init(ret, 32 << 20);
    if (!file_read_whole(FILE_CWD, kit_path(k, name), ret, &err))
        fail_msg("%s", err.text);
}

#endif
