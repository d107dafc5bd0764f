#include "emulator/ledger.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/rng.h"

#define BOOK_BYTES_MAX (64U << 20)

static const char *const names[LEDGER_BOOKS] = {
    [LEDGER_WORKSPACE] = "workspace.json",
    [LEDGER_JOBS] = "jobs.json",
    [LEDGER_RUNS] = "runs.json",
    [LEDGER_CATALOG] = "catalog.json",
};

struct ledger {
    pthread_mutex_t lock;
    int dirfd;
    json_t *book[LEDGER_BOOKS];
};

/* A file that is not there is an empty book. */
static json_t *load(int dirfd, const char *name, struct err *err)
{
    struct file_info info;
    json_error_t why;
    json_t *object = NULL;
    bool exists = false;
    struct buf text;

    if (!file_stat(dirfd, name, &exists, &info, err))
        return NULL;
    if (!exists) {
        object = json_object();
        if (!object)
            err_set(err, ERR_FULL, ENOMEM, "no memory for %s", name);
        return object;
    }
    buf_init(&text, BOOK_BYTES_MAX);
    if (file_read_whole(dirfd, name, &text, err)) {
        object = json_loadb(text.data ? text.data : "", text.len, JSON_REJECT_DUPLICATES, &why);
        if (!json_is_object(object)) {
            err_set(err, ERR_INPUT, 0, "%s is not a book of the emulator: %.120s", name,
                object ? "no object" : why.text);
            json_decref(object);
            object = NULL;
        }
    }
    buf_done(&text);
    return object;
}

struct ledger *ledger_new(const char *root, struct err *err)
{
    struct ledger *ledger = calloc(1, sizeof(*ledger));
    bool ok;
    int fd = -1;

    if (!ledger) {
        err_set(err, ERR_FULL, ENOMEM, "no memory for the emulator's books");
        return NULL;
    }
    (void)pthread_mutex_init(&ledger->lock, NULL);
    ledger->dirfd = -1;
    ok = file_dir_open(FILE_CWD, root, &fd, err) && file_dir_make(fd, ".emulator", false, err) &&
         file_dir_open(fd, ".emulator", &ledger->dirfd, err);
    file_drop(fd);
    for (int i = 0; ok && i < LEDGER_BOOKS; i++) {
        ledger->book[i] = load(ledger->dirfd, names[i], err);
        ok = ledger->book[i] != NULL;
    }
    if (!ok) {
        ledger_free(ledger);
        return NULL;
    }
    return ledger;
}

void ledger_free(struct ledger *ledger)
{
    if (!ledger)
        return;
    for (int i = 0; i < LEDGER_BOOKS; i++)
        json_decref(ledger->book[i]);
    file_drop(ledger->dirfd);
    (void)pthread_mutex_destroy(&ledger->lock);
    free(ledger);
}

json_t *ledger_open(struct ledger *ledger, enum ledger_book book)
{
    (void)pthread_mutex_lock(&ledger->lock);
    return ledger->book[book];
}

json_t *ledger_also(struct ledger *ledger, enum ledger_book book)
{
    return ledger->book[book];
}

void ledger_close(struct ledger *ledger)
{
    (void)pthread_mutex_unlock(&ledger->lock);
}

bool ledger_save(struct ledger *ledger, enum ledger_book book, struct err *err)
{
    char *text = json_dumps(ledger->book[book], JSON_INDENT(1));
    struct err second = {0};
    json_t *old;
    bool ok;

    ok = text ? file_write_whole(ledger->dirfd, names[book], text, strlen(text), err)
              : err_set(err, ERR_FULL, ENOMEM, "no memory to save %s", names[book]);
    free(text);
    if (ok)
        return true;
    /* Nobody may be told something that a restart would not know. */
    old = load(ledger->dirfd, names[book], &second);
    if (old) {
        json_decref(ledger->book[book]);
        ledger->book[book] = old;
    }
    return false;
}

static json_t *member(json_t *parent, const char *key, bool array)
{
    json_t *value = json_object_get(parent, key);

    if (array ? json_is_array(value) : json_is_object(value))
        return value;
    if (json_object_set_new(parent, key, array ? json_array() : json_object()) != 0)
        return NULL;
    return json_object_get(parent, key);
}

json_t *ledger_object(json_t *parent, const char *key)
{
    return member(parent, key, false);
}

json_t *ledger_array(json_t *parent, const char *key)
{
    return member(parent, key, true);
}

bool ledger_dir(struct ledger *ledger, const char *name, int *ret_fd, struct err *err)
{
    return file_dir_make(ledger->dirfd, name, false, err) &&
           file_dir_open(ledger->dirfd, name, ret_fd, err);
}

/* --- small things the books need --- */

static uint64_t random_u64(void)
{
    struct err err = {0};
    uint64_t value = 0;

    return rng_secure(&value, sizeof(value), &err) ? value : rng_any_seed();
}

int64_t ledger_id(void)
{
    /* 55 random bits and the odd one, above 2^56. */
    return (int64_t)((UINT64_C(1) << 57) | (random_u64() >> 8) | 1);
}

int64_t ledger_now_ms(void)
{
    return clock_wall_us() / 1000;
}

const char *ledger_uuid(char out[LEDGER_UUID_SIZE])
{
    uint64_t a = random_u64(), b = random_u64();

    (void)snprintf(out, LEDGER_UUID_SIZE, "%08x-%04x-4%03x-%04x-%012llx", (unsigned)(a >> 32),
        (unsigned)(a >> 16 & 0xffff), (unsigned)(a & 0xfff),
        (unsigned)(0x8000 | (b >> 48 & 0x3fff)), (unsigned long long)(b & 0xffffffffffff));
    return out;
}
