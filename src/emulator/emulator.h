/* emulator/emulator.h: a local Databricks workspace over HTTP, for tests, the demo and `emulate`.
 *
 * Shape    emulator_start, use emulator_base_url as the workspace's host, emulator_stop. Files lie
 *          as plain files under <root>/Volumes/<catalog>/<schema>/<volume>/; <root>/.emulator/
 *          holds uploads that are not complete yet. What it answers is databricks-api.md 1, 2, 3.1
 *          and 6.5: the service's behaviour (204, implicit parents, overwrite by default), not that
 *          of the fake of section 9. Faults on request: emulator/faults.h has their syntax.
 * Units    _us microseconds, _bytes bytes.
 * Limits   128 connections; 64 fault rules; a body of upload_max_bytes; request headers of 64 KiB;
 *          1,024 live tokens (the oldest goes first).
 * Errors   emulator_start: ERR_DENIED (address, root), ERR_INPUT (volume name, fault rule),
 *          ERR_FULL.
 * Owner    options are copied. One emulator a root directory (a lock file sees to it).
 * Threads  one of libmicrohttpd's for each connection; every function here may be called from any
 *          thread between start and stop.
 * Source   databricks-api.md 1, 2, 3.1, 6.5, 9.4; libmicrohttpd 0.9.75.
 *
 * Beside the workspace it serves, without credentials and only to this machine:
 *   GET    /emulator/state    counters as JSON
 *   GET    /emulator/faults   the rules with their hits
 *   POST   /emulator/faults   adds rules, one a line
 *   DELETE /emulator/faults   removes all rules
 */
#ifndef EMULATOR_EMULATOR_H
#define EMULATOR_EMULATOR_H

#include "base/secret.h"

/* One finished exchange, for a line in a log. Borrowed for the call. */
struct emulator_exchange {
    const char *method;
    const char *path; /* as sent, without the query */
    int status;       /* 0: the connection was cut instead of an answer */
    uint64_t received_bytes;
    uint64_t sent_bytes; /* of the answer's body, as announced */
    int64_t took_us;
    const char *fault; /* the rule that was applied, or NULL */
    bool complete;     /* false: cut, by us or by the client */
};

/* Somebody beside the two of every workspace (the user of `token`, who is admin, and the service
 * principal `client_id`). */
struct emulator_principal {
    const char *id; /* an application id */
    const struct secret *secret;
    const struct secret *token; /* or NULL */
    bool admin;                 /* false: only what was granted */
};
#define EMULATOR_PRINCIPALS_MAX 16
#define EMULATOR_COMPUTE_MAX 8

struct emulator_options {
    const char *address; /* numeric or "localhost"; NULL: 127.0.0.1 */
    uint16_t port;       /* 0: any free one, see emulator_port */
    bool allow_remote;   /* listen on an address that is not loopback */
    const char *root;    /* made when missing */

    const struct secret *token; /* the personal access token; NULL: none is accepted */
    const char *client_id;      /* the service principal; NULL: the token endpoint refuses all */
    const struct secret *client_secret;
    bool restrict_client; /* client_id may do only what was granted to it; else all */
    const struct emulator_principal *principals;
    size_t principal_count;
    int64_t token_life_us; /* 0: one hour */

    const char *const *volumes; /* "catalog.schema.volume", made at the start */
    size_t volume_count;
    bool create_volumes; /* an upload or a directory makes the missing volume, and a volume or
                            table its missing catalog and schema */
    const char *const *schemas; /* "catalog.schema" without a volume yet */
    size_t schema_count;

    /* "ID" or "ID:serverless", ":pro", ":classic"; none: one serverless (emulator/compute.h) */
    const char *const *warehouses;
    size_t warehouse_count;
    const char *const *clusters; /* none: one */
    size_t cluster_count;

    const char *cert_file, *key_file; /* PEM; both: https, none: http */

    /* What executes jobs: emulator/runner.h. */
    int64_t job_poll_us;     /* how often triggers are looked at; 0: one minute */
    int64_t job_time_scale;  /* waits of definitions last 1/n as long; 0: 1 */
    int64_t job_files_limit; /* of a file-arrival trigger; 0: 10,000 */

    uint64_t upload_max_bytes; /* 0: 5 GiB, as the service */
    const char *faults;        /* rules, one a line; NULL: none */

    /* Called by the connection's thread after each exchange; NULL: nobody wants to know. */
    void (*on_exchange)(void *arg, const struct emulator_exchange *exchange);
    void *on_exchange_arg;
};

struct emulator_counters {
    uint64_t requests;       /* of the workspace; not those below /emulator */
    uint64_t uploads;        /* files published */
    uint64_t upload_bytes;   /* in them */
    uint64_t conflicts;      /* uploads refused because the name exists */
    uint64_t broken_uploads; /* whose body did not arrive whole */
    uint64_t downloads;
    uint64_t download_bytes;
    uint64_t deletes;
    uint64_t tokens; /* issued */
    uint64_t denied; /* 401 and 403 because of credentials */
    uint64_t faults; /* requests to which a rule was applied */
};

struct emulator;

struct emulator *emulator_start(const struct emulator_options *options, struct err *err);

/* Ends every connection, waits for the threads. Takes NULL. */
void emulator_stop(struct emulator *emu);

uint16_t emulator_port(const struct emulator *emu);
const char *emulator_base_url(const struct emulator *emu); /* "http://127.0.0.1:8181", https:// */

/* A volume more; one that exists is fine. */
NODISCARD bool emulator_add_volume(struct emulator *emu, const char *name, struct err *err);

/* The data files of the newest version of table "catalog.schema.table": their directory, their names
 * in `names` each with its NUL, and the rows the table's statistics count (NULL: not asked for).
 * ERR_INPUT: there is no such table. */
NODISCARD bool emulator_table(struct emulator *emu, const char *table, char *directory, size_t size,
    struct buf *names, uint64_t *ret_rows, struct err *err);

/* Rules as of emulator/faults.h, one a line. All or none. */
NODISCARD bool emulator_add_faults(struct emulator *emu, struct span rules, struct err *err);
void emulator_clear_faults(struct emulator *emu);

void emulator_count(const struct emulator *emu, struct emulator_counters *ret);

#endif
