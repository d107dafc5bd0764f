/* emulator/faults.h: what goes wrong on request.
 *
 * Shape    one rule a line; blank lines and lines starting with '#' are skipped:
 *
 *            PUT *.parquet status=503 retry-after=2 count=3 after=10
 *
 *          first the method ('*': any), then the path as sent without the query ('*' is any run of
 *          characters), then what to do, and when:
 *
 *            status=N            answer so, without the effect of the request
 *              body=TEXT         with this body instead of the usual JSON
 *              error_code=CODE   with this code in the JSON
 *              message=TEXT      with this message in the JSON
 *              numeric           with the status as a number for error_code, as the gateway does;
 *                                alone: 403 "Invalid access token."
 *              header="K: V"     with this header as well (up to 4)
 *              retry-after=TEXT  the header Retry-After
 *            limit               400 REQUEST_LIMIT_EXCEEDED
 *            html                the login page with 200 (or status=N)
 *            401-once            401 for an expired token; the same as status=401 numeric count=1
 *            delay=500ms         wait before the answer, after the effect (us, ms, s)
 *            cut=before          cut the connection before the body is read
 *            cut=inside[:BYTES]  ... inside the body (of the answer, when the request has none);
 *                                half of it unless BYTES says otherwise
 *            cut=after           ... after the body was read whole; no effect
 *            lose                keep the effect, lose the answer; with status=N: keep the effect
 *                                and answer N
 *            head-length=+1      a wrong Content-Length on HEAD of a file
 *            string-expiry       expires_in as text in the token answer
 *            quota               400 QUOTA_EXCEEDED
 *            missing             404 RESOURCE_DOES_NOT_EXIST
 *            denied              403 PERMISSION_DENIED
 *            stale               after a create or an import succeeded: the first look at such a
 *                                thing answers 404, as reads may lag behind writes
 *            duplicate           jobs/create makes two jobs, as after a lost answer and a retry
 *            empty-page          a list answers an empty page with a token first
 *            fail                a SQL statement ends FAILED, with HTTP 200 (message=TEXT)
 *            slow=2s             a SQL statement stays PENDING so long, whatever the wait
 *            count=N             for this many requests; count=all, the default: until cleared
 *            after=N             let the first N matching requests pass
 *            probability=P       hit only so often (0 to 1), seeded by seed=N (1)
 *
 *          A value with blanks is put into double quotes; inside, \" and \\ and \n.
 * Limits   64 rules, 1,023 bytes a rule.
 * Errors   ERR_INPUT with the word that is wrong; ERR_FULL.
 * Owner    opaque; rules are copied.
 * Threads  any: one lock inside.
 * Source   databricks-api.md 9.4.
 *
 * The rules are asked in their order. The first that hits is applied, and those behind it do not
 * see the request; one that lets it pass (after=, probability=) hands it on to the next.
 */
#ifndef EMULATOR_FAULTS_H
#define EMULATOR_FAULTS_H

#include "base/json_out.h"

#define FAULT_RULE_MAX 1024
#define FAULT_HEADERS_MAX 4

enum fault_cut { FAULT_CUT_NONE, FAULT_CUT_BEFORE, FAULT_CUT_INSIDE, FAULT_CUT_AFTER };

/* What one rule does; also a copy for the request it hit. */
struct fault_action {
    int status; /* 0: the answer is the handler's */
    bool numeric;
    bool html;
    bool lose;
    bool string_expiry;
    bool empty_page; /* of a list */
    bool duplicate;  /* a create makes two */
    bool stale;      /* what a create made is not found once */
    bool fail;       /* a SQL statement, a run: with 200 */
    int64_t slow_us; /* a SQL statement stays PENDING so long */
    bool has_body;
    enum fault_cut cut;
    uint64_t cut_bytes; /* FAULT_CUT_HALF: half of the body */
    int64_t delay_us;
    int64_t head_delta;
    int header_count;
    char header[FAULT_HEADERS_MAX][256]; /* "Name\0value" */
    char error_code[64];
    char message[256];
    char body[FAULT_RULE_MAX];
    char rule[FAULT_RULE_MAX]; /* as given */
};
#define FAULT_CUT_HALF UINT64_MAX

struct faults;

struct faults *faults_new(struct err *err);
void faults_free(struct faults *faults);

/* All lines or none. */
NODISCARD bool faults_add(struct faults *faults, struct span rules, struct err *err);
void faults_clear(struct faults *faults);

/* True: a rule is hit, and *ret says what it does. */
bool faults_hit(
    struct faults *faults, const char *method, const char *path, struct fault_action *ret);

/* {"faults":[{"rule":"...","matched":3,"hits":1,"left":2}]}; left is absent for count=all. */
void faults_print(struct faults *faults, struct json_out *json);

#endif
