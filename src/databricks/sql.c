#include "databricks/sql.h"

#include "base/clock.h"
#include "base/json_out.h"
#include "databricks/redact.h"
#include "databricks/rest.h"
#include "databricks/url.h"

#include <jansson.h>
#include <stdlib.h>
#include <strings.h>

#define STATEMENTS "/api/2.0/sql/statements"
#define STATEMENT_MAX ((size_t)16 << 20)
#define ANSWER_MAX ((size_t)16 << 20)
#define MESSAGE_MAX 4000
#define LIMIT_US (600 * CLOCK_SECOND_US)
#define POLL_FIRST_US CLOCK_SECOND_US
#define POLL_LAST_US (5 * CLOCK_SECOND_US)
#define POLL_FAILURES 5 /* of the network, one after the other */

static const struct error_words WORDS = {"run SQL", "grant CAN USE on the SQL warehouse",
    "no such SQL warehouse, or the statement is forgotten", NULL};

void sql_result_done(struct sql_result *result)
{
    for (size_t i = 0; i < result->column_count; i++)
        free(result->column_names[i]);
    for (size_t i = 0; i < result->row_count * result->column_count; i++)
        free(result->cells[i]);
    free(result->column_names);
    free(result->cells);
    free(result->message);
    *result = (struct sql_result){.message = NULL};
}

const char *sql_cell(const struct sql_result *result, size_t row, size_t column)
{
    return row < result->row_count && column < result->column_count
               ? result->cells[row * result->column_count + column]
               : NULL;
}

size_t sql_column(const struct sql_result *result, const char *name)
{
    size_t i = 0;

    while (i < result->column_count && strcasecmp(result->column_names[i], name) != 0)
        i++;
    return i;
}

/* --- what comes back --- */

static enum sql_state read_state(const json_t *status)
{
    static const struct {
        const char *name;
        enum sql_state state;
    } rows[] = {{"PENDING", SQL_PENDING}, {"RUNNING", SQL_RUNNING}, {"SUCCEEDED", SQL_SUCCEEDED},
        {"FAILED", SQL_FAILED}, {"CANCELED", SQL_CANCELED}, {"CLOSED", SQL_CLOSED}};
    const char *name = json_string_value(json_object_get(status, "state"));

    for (size_t i = 0; name && i < sizeof(rows) / sizeof(rows[0]); i++)
        if (strcmp(name, rows[i].name) == 0)
            return rows[i].state;
    return SQL_RUNNING; /* a state we do not know is none of the ends we know */
}

static bool read_columns(const json_t *root, struct sql_result *ret)
{
    const json_t *manifest = json_object_get(root, "manifest");
    const json_t *items = json_object_get(json_object_get(manifest, "schema"), "columns");
    size_t count = json_array_size(items);

    ret->total_rows = (uint64_t)rest_int(manifest, "total_row_count", 0);
    if (count == 0)
        return true;
    ret->column_names = calloc(count, sizeof(*ret->column_names));
    if (!ret->column_names)
        return false;
    ret->column_count = count;
    for (size_t i = 0; i < count; i++)
        if (!rest_keep(&ret->column_names[i], json_array_get(items, i), "name"))
            return false;
    return true;
}

static bool read_rows(const json_t *root, struct sql_result *ret)
{
    const json_t *rows = json_object_get(json_object_get(root, "result"), "data_array");
    size_t count = json_array_size(rows);

    if (count == 0 || ret->column_count == 0)
        return true;
    ret->cells = calloc(count * ret->column_count, sizeof(*ret->cells));
    if (!ret->cells)
        return false;
    ret->row_count = count;
    if (ret->total_rows < count)
        ret->total_rows = count;
    for (size_t i = 0; i < count * ret->column_count; i++) {
        const char *text = json_string_value(
            json_array_get(json_array_get(rows, i / ret->column_count), i % ret->column_count));

        ret->cells[i] = text ? strdup(text) : NULL;
        if (text && !ret->cells[i])
            return false;
    }
    return true;
}

static bool read_message(const json_t *error, struct sql_result *ret)
{
    const char *text = json_string_value(json_object_get(error, "message"));
    struct buf shown;

    buf_init(&shown, 4 * MESSAGE_MAX);
    (void)redact_add(&shown, span_of(text ? text : "the service does not say why"), MESSAGE_MAX);
    ret->message = strdup(buf_text(&shown));
    buf_done(&shown);
    return ret->message != NULL;
}

/* What a caller can do about a statement that failed. */
static enum err_kind failure_kind(const struct sql_result *r)
{
    static const char *const denied[] = {"PERMISSION_DENIED", "UNAUTHORIZED_ACCESS",
        "UNAUTHENTICATED", "INSUFFICIENT_PERMISSIONS", "INSUFFICIENT_PRIVILEGES"};
    static const char *const later[] = {"RESOURCE_EXHAUSTED", "TEMPORARILY_UNAVAILABLE",
        "SERVICE_UNDER_MAINTENANCE", "DEADLINE_EXCEEDED", "WORKSPACE_TEMPORARILY_UNAVAILABLE",
        "INTERNAL_ERROR", "IO_ERROR", "ABORTED", "CANCELLED", "UNKNOWN"};

    /* 42501: insufficient privilege, in every SQL. The code may be only BAD_REQUEST. */
    if (strcmp(r->sql_state, "42501") == 0)
        return ERR_DENIED;
    for (size_t i = 0; i < sizeof(denied) / sizeof(denied[0]); i++)
        if (strcmp(r->error_code, denied[i]) == 0 || strstr(r->message, denied[i]))
            return ERR_DENIED;
    for (size_t i = 0; i < sizeof(later) / sizeof(later[0]); i++)
        if (strcmp(r->error_code, later[i]) == 0)
            return ERR_RETRY;
    return ERR_INPUT;
}

static bool failed(const json_t *root, struct sql_result *ret, struct err *err)
{
    const json_t *status = json_object_get(root, "status");
    const json_t *error = json_object_get(status, "error");

    rest_copy(ret->error_code, sizeof(ret->error_code), error, "error_code");
    rest_copy(ret->sql_state, sizeof(ret->sql_state), status, "sql_state");
    if (!ret->sql_state[0])
        rest_copy(ret->sql_state, sizeof(ret->sql_state), error, "sql_state");
    if (!read_message(error, ret))
        return rest_no_memory(WORDS.what, err);
    return err_set(err, failure_kind(ret), 0, "the statement failed: %s%s%s", ret->error_code,
        ret->error_code[0] ? ": " : "", ret->message);
}

/* --- one statement --- */

struct progress {
    struct workspace *ws;
    struct sql_result *ret;
    int64_t until_us;
};

/* The state of an answer, and what it holds when it is an end. */
static bool take_answer(struct progress *p, const json_t *root, bool *ret_ended, struct err *err)
{
    struct sql_result *r = p->ret;

    if (!r->statement_id[0])
        rest_copy(r->statement_id, sizeof(r->statement_id), root, "statement_id");
    r->state = read_state(json_object_get(root, "status"));
    *ret_ended = r->state != SQL_PENDING && r->state != SQL_RUNNING;
    switch (r->state) {
    case SQL_SUCCEEDED:
        return read_columns(root, r) && read_rows(root, r) ? true : rest_no_memory(WORDS.what, err);
    case SQL_FAILED:
        return failed(root, r, err);
    case SQL_CANCELED:
        return err_set(err, ERR_RETRY, 0, "the statement was cancelled");
    case SQL_NOT_SENT:
    case SQL_PENDING:
    case SQL_RUNNING:
    case SQL_CLOSED:
        break;
    }
    if (!*ret_ended && !r->statement_id[0])
        return err_set(err, ERR_RETRY, 0, "%s: the answer has no statement id", WORDS.what);
    return true;
}

static void build_body(const struct sql_statement *s, struct buf *out)
{
    struct json_out json;

    json_init(&json, out);
    json_out_object(&json);
    json_key_text(&json, "warehouse_id", s->warehouse_id);
    if (s->catalog)
        json_key_text(&json, "catalog", s->catalog);
    if (s->schema)
        json_key_text(&json, "schema", s->schema);
    json_key(&json, "statement");
    json_span(&json, s->text);
    json_key_text(&json, "wait_timeout", "30s");
    json_key_text(&json, "on_wait_timeout", "CONTINUE");
    json_key_text(&json, "disposition", "INLINE");
    json_key_text(&json, "format", "JSON_ARRAY");
    json_out_object_end(&json);
}

static bool send_statement(
    struct progress *p, const struct sql_statement *s, bool *ret_ended, struct err *err)
{
    struct call_request r = {
        .method = HTTP_POST, .prefix = STATEMENTS, .answer_max = ANSWER_MAX, .words = WORDS};
    struct buf body;
    json_t *root = NULL;
    bool ok;

    buf_init(&body, 2 * STATEMENT_MAX);
    build_body(s, &body);
    r.body = (struct span){body.data, body.len};
    ok = buf_check(&body, WORDS.what, err) && rest_call(p->ws, &r, &root, NULL, err);
    if (ok)
        ok = take_answer(p, root, ret_ended, err);
    json_decref(root);
    buf_done(&body);
    return ok;
}

static bool statement_path(const struct progress *p, const char *more, struct buf *out)
{
    (void)buf_add_text(out, STATEMENTS "/");
    (void)url_add_value(out, span_of(p->ret->statement_id));
    return buf_add_text(out, more);
}

/* Best effort: it may have ended meanwhile, and a stop must not wait for the network. */
static void cancel(struct progress *p)
{
    struct call_request r = {.method = HTTP_POST, .words = WORDS};
    struct buf path;
    struct err ignored;

    buf_init(&path, 512);
    (void)statement_path(p, "/cancel", &path);
    r.prefix = buf_text(&path);
    if (buf_check(&path, WORDS.what, &ignored))
        rest_brief(p->ws, &r, CLOCK_SECOND_US);
    buf_done(&path);
}

static bool poll_once(struct progress *p, bool *ret_ended, bool *ret_lost, struct err *err)
{
    struct call_request r = {.method = HTTP_GET, .answer_max = ANSWER_MAX, .words = WORDS};
    struct buf path;
    json_t *root = NULL;
    bool ok;

    buf_init(&path, 512);
    (void)statement_path(p, "", &path);
    r.prefix = buf_text(&path);
    ok = buf_check(&path, WORDS.what, err) && rest_call(p->ws, &r, &root, NULL, err);
    *ret_lost = !ok && err->kind == ERR_RETRY;
    if (ok)
        ok = take_answer(p, root, ret_ended, err);
    json_decref(root);
    buf_done(&path);
    return ok;
}

static bool wait_for_end(struct progress *p, struct err *err)
{
    int64_t pause = POLL_FIRST_US;
    bool ended = false, ok = true;
    int failures = 0;

    while (ok && !ended) {
        int64_t left = p->until_us - clock_mono_us();
        bool lost = false;

        if (left <= 0 || !rest_pause(p->ws, pause < left ? pause : left, err)) {
            cancel(p);
            return left <= 0 ? err_set(err, ERR_RETRY, 0,
                                   "the statement did not end in time (%s): cancelled; is the "
                                   "warehouse able to start?",
                                   p->ret->state == SQL_PENDING ? "it waits for the warehouse"
                                                                : "it runs")
                             : false;
        }
        ok = poll_once(p, &ended, &lost, err);
        failures = lost ? failures + 1 : 0;
        if (lost && failures < POLL_FAILURES && !workspace_stopped(p->ws))
            ok = true; /* the statement goes on without us: ask again */
        pause = pause * 3 / 2 < POLL_LAST_US ? pause * 3 / 2 : POLL_LAST_US;
    }
    return ok;
}

bool sql_execute(struct workspace *ws, const struct sql_statement *statement,
    struct sql_result *ret, struct err *err)
{
    struct progress p = {.ws = ws,
        .ret = ret,
        .until_us = clock_mono_us() + (statement->limit_us > 0 ? statement->limit_us : LIMIT_US)};
    bool ended = false;

    *ret = (struct sql_result){.state = SQL_NOT_SENT};
    if (statement->text.len > STATEMENT_MAX)
        return err_set(
            err, ERR_INPUT, 0, "the statement of %zu bytes is too long", statement->text.len);
    return send_statement(&p, statement, &ended, err) && (ended || wait_for_end(&p, err));
}
