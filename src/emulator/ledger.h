/* emulator/ledger.h: what the workspace remembers, as JSON documents that survive a restart.
 *
 * Shape    <root>/.emulator/<book>.json, one object each, in memory and on disk. ledger_open locks
 *          and lends the object; change it, ledger_save, ledger_close. Nothing is on disk before
 *          the first save.
 * Limits   64 MiB a book.
 * Errors   ledger_new: ERR_DENIED, ERR_FULL, ERR_INPUT (a book that is not JSON). ledger_save: what
 *          the disk said; the book is then again what the disk holds.
 * Owner    the objects stay the ledger's: borrowed between open and close.
 * Threads  any: one lock over all books, not recursive.
 * Source   jansson 2.14.
 */
#ifndef EMULATOR_LEDGER_H
#define EMULATOR_LEDGER_H

#include "emulator/json.h"

#include "base/file.h"

enum ledger_book { LEDGER_WORKSPACE, LEDGER_JOBS, LEDGER_RUNS, LEDGER_CATALOG, LEDGER_BOOKS };

struct ledger;

struct ledger *ledger_new(const char *root, struct err *err);
void ledger_free(struct ledger *ledger);

json_t *ledger_open(struct ledger *ledger, enum ledger_book book);
/* Another book while one is open. */
json_t *ledger_also(struct ledger *ledger, enum ledger_book book);
NODISCARD bool ledger_save(struct ledger *ledger, enum ledger_book book, struct err *err);
void ledger_close(struct ledger *ledger);

/* The member `key`, made as an empty object or array when missing. NULL: no memory. */
json_t *ledger_object(json_t *parent, const char *key);
json_t *ledger_array(json_t *parent, const char *key);

/* A directory below .emulator for things too large for a book. */
NODISCARD bool ledger_dir(struct ledger *ledger, const char *name, int *ret_fd, struct err *err);

/* Positive, odd, above 2^53: a client that keeps it in a double gets another number. */
int64_t ledger_id(void);

/* Milliseconds since 1970, as the APIs count. */
int64_t ledger_now_ms(void);

/* "8-4-4-4-12" at random. */
#define LEDGER_UUID_SIZE 37
const char *ledger_uuid(char out[LEDGER_UUID_SIZE]);

#endif
