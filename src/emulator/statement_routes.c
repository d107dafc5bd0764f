/* The SQL Statement Execution API: databricks-api.md 6.4. */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "emulator/compute.h"
#include "emulator/statement.h"
#include "emulator/talk.h"

#define KEPT 256U

/* --- what was asked, by its id --- */

struct statements {
    pthread_mutex_t lock, making;
    size_t next; /* a ring: the oldest is replaced */
    struct {
        char id[LEDGER_UUID_SIZE];
        json_t *entry; /* {"answer","ready":ms,"canceled","principal"} */
    } list[KEPT];
};

struct statements *statements_new(struct err *err)
{
    struct statements *statements = calloc(1, sizeof(*statements));

    if (!statements) {
        err_set(err, ERR_FULL, ENOMEM, "no memory for statements");
        return NULL;
    }
    (void)pthread_mutex_init(&statements->lock, NULL);
    (void)pthread_mutex_init(&statements->making, NULL);
    return statements;
}

void statements_free(struct statements *statements)
{
    if (!statements)
        return;
    for (size_t i = 0; i < KEPT; i++)
        json_decref(statements->list[i].entry);
    (void)pthread_mutex_destroy(&statements->lock);
    (void)pthread_mutex_destroy(&statements->making);
    free(statements);
}

void statements_lock(struct statements *statements)
{
    (void)pthread_mutex_lock(&statements->making);
}

void statements_unlock(struct statements *statements)
{
    (void)pthread_mutex_unlock(&statements->making);
}

void statements_keep(struct statements *statements, const char *id, json_t *entry)
{
    (void)pthread_mutex_lock(&statements->lock);
    (void)str_copy(statements->list[statements->next].id, sizeof(statements->list[0].id), id);
    json_decref(statements->list[statements->next].entry);
    statements->list[statements->next].entry = entry;
    statements->next = (statements->next + 1) % KEPT;
    (void)pthread_mutex_unlock(&statements->lock);
}

static json_t *entry_of(struct statements *statements, const char *id)
{
    for (size_t i = 0; i < KEPT; i++) {
        if (statements->list[i].entry && strcmp(statements->list[i].id, id) == 0)
            return statements->list[i].entry;
    }
    return NULL;
}

json_t *statements_find(struct statements *statements, const char *id)
{
    json_t *entry;

    (void)pthread_mutex_lock(&statements->lock);
    entry = json_deep_copy(entry_of(statements, id));
    (void)pthread_mutex_unlock(&statements->lock);
    return entry;
}

bool statements_cancel(struct statements *statements, const char *id, int64_t now_ms)
{
    json_t *entry;

    (void)pthread_mutex_lock(&statements->lock);
    entry = entry_of(statements, id);
    if (entry && json_member_int(entry, "ready") > now_ms)
        (void)json_object_set_new(entry, "canceled", json_true());
    (void)pthread_mutex_unlock(&statements->lock);
    return entry != NULL;
}

/* --- answers --- */

static json_t *succeeded(const char *id, json_t *result)
{
    json_t *columns = json_object_get(result, "columns"), *rows = json_object_get(result, "rows");
    json_int_t count = (json_int_t)json_array_size(rows);
    json_t *answer = json_pack("{s:s, s:{s:s}, s:{s:s, s:{s:I, s:O}, s:I, s:I, s:b}}",
        "statement_id", id, "status", "state", "SUCCEEDED", "manifest", "format", "JSON_ARRAY",
        "schema", "column_count", (json_int_t)json_array_size(columns), "columns", columns,
        "total_chunk_count", (json_int_t)(count > 0), "total_row_count", count, "truncated", 0);

    if (count)
        (void)json_object_set_new(answer, "result",
            json_pack("{s:i, s:i, s:I, s:O}", "chunk_index", 0, "row_offset", 0, "row_count", count,
                "data_array", rows));
    else
        (void)json_object_set_new(answer, "result", json_object());
    return answer;
}

/* FAILED, with HTTP 200. */
static json_t *failed(const char *id, const struct err *err)
{
    const char *state = strstr(err->text, "SQLSTATE: ");
    json_t *answer = json_pack("{s:s, s:{s:s, s:{s:s, s:s}}}", "statement_id", id, "status",
        "state", "FAILED", "error", "error_code",
        err->kind == ERR_INPUT || err->kind == ERR_DENIED ? "BAD_REQUEST" : "INTERNAL_ERROR",
        "message", err->text);

    if (state && strlen(state) >= 15)
        (void)json_object_set_new(
            json_object_get(answer, "status"), "sql_state", json_stringn(state + 10, 5));
    return answer;
}

static json_t *in_state(const char *id, const char *state)
{
    return json_pack("{s:s, s:{s:s}}", "statement_id", id, "status", "state", state);
}

/* What the statement is now. */
static json_t *shown(const json_t *entry, const char *id)
{
    if (json_is_true(json_object_get(entry, "canceled")))
        return in_state(id, "CANCELED");
    if (json_member_int(entry, "ready") > ledger_now_ms())
        return in_state(
            id, json_is_true(json_object_get(entry, "running")) ? "RUNNING" : "PENDING");
    return json_incref(json_object_get(entry, "answer"));
}

/* --- POST --- */

struct wish {
    json_t *body;
    const char *sql;
    int64_t wait_ms;
    bool cancel;
};

static bool bad(struct request *req, const char *fmt, const char *value)
{
    char text[300];

    (void)snprintf(text, sizeof(text), "%s '%.150s'.", fmt, value);
    reply_error(req, 400, "INVALID_PARAMETER_VALUE", NULL, "%s", text);
    return false;
}

static bool read_wait(struct request *req, struct wish *wish)
{
    const char *text = json_member(wish->body, "wait_timeout");
    size_t digits = strspn(text, "0123456789");
    uint64_t seconds = 10;

    if (*text &&
        (strcmp(text + digits, "s") != 0 || !str_u64((struct span){text, digits}, &seconds) ||
            (seconds != 0 && (seconds < 5 || seconds > 50))))
        return bad(req, "wait_timeout must be 0s or between 5s and 50s, not", text);
    wish->wait_ms = (int64_t)seconds * 1000;
    text = json_member(wish->body, "on_wait_timeout");
    wish->cancel = strcmp(text, "CANCEL") == 0;
    return !*text || wish->cancel || strcmp(text, "CONTINUE") == 0 ||
           bad(req, "on_wait_timeout must be CONTINUE or CANCEL, not", text);
}

static bool read_wish(struct request *req, struct wish *wish)
{
    const char *warehouse, *disposition, *format;

    wish->sql = talk_text(req, wish->body, "statement");
    warehouse = wish->sql ? talk_text(req, wish->body, "warehouse_id") : NULL;
    if (!warehouse)
        return false;
    disposition = json_member(wish->body, "disposition");
    format = json_member(wish->body, "format");
    if (!compute_has_warehouse(req->emu, warehouse))
        return bad(req, "This is not a valid endpoint id:", warehouse);
    if (*disposition && strcmp(disposition, "INLINE") != 0)
        return bad(req, "Only the disposition INLINE is served here, not", disposition);
    if (*format && strcmp(format, "JSON_ARRAY") != 0)
        return bad(req, "Only the format JSON_ARRAY is served here, not", format);
    if (json_array_size(json_object_get(wish->body, "parameters")))
        return bad(req, "Parameters are not served here:", "parameters");
    if (!read_wait(req, wish))
        return false;
    compute_start(req->emu, warehouse);
    return true;
}

/* Runs it at once; what the client sees of it is a matter of `ready`. */
static json_t *answer_of(struct request *req, const struct wish *wish, const char *id)
{
    struct err err = {0};
    json_t *result = NULL, *answer;

    if (req->fault && req->fault->fail) {
        err_set(&err, ERR_INPUT, 0, "%s",
            req->fault->message[0] ? req->fault->message
                                   : "[INTERNAL_ERROR] A fault on request. SQLSTATE: XX000");
        return failed(id, &err);
    }
    if (!statement_run(req->emu, req->principal, span_of(wish->sql),
            json_member(wish->body, "catalog"), json_member(wish->body, "schema"), &result, &err))
        return failed(id, &err);
    answer = succeeded(id, result);
    json_decref(result);
    return answer;
}

void serve_statement_post(struct request *req)
{
    struct wish wish = {.body = talk_body(req)};
    int64_t slow_ms = req->fault ? req->fault->slow_us / 1000 : 0, start = ledger_now_ms();
    char id[LEDGER_UUID_SIZE];
    json_t *entry, *answer;

    if (wish.body && read_wish(req, &wish)) {
        (void)ledger_uuid(id);
        entry = json_pack("{s:o, s:s, s:I, s:b}", "answer", answer_of(req, &wish, id), "principal",
            req->principal, "ready", (json_int_t)start + slow_ms, "running", 1);
        if (slow_ms && wish.wait_ms)
            request_wait(req->emu, (slow_ms < wish.wait_ms ? slow_ms : wish.wait_ms) * 1000);
        if (slow_ms > wish.wait_ms && wish.cancel)
            (void)json_object_set_new(entry, "canceled", json_true());
        /* Asynchronous: never more than PENDING at first. */
        answer = wish.wait_ms == 0 ? in_state(id, "PENDING") : shown(entry, id);
        statements_keep(req->emu->statements, id, entry);
        talk_reply(req, answer);
    }
    json_decref(wish.body);
}

/* --- GET, cancel --- */

static json_t *named(struct request *req, char id[128], const char **after)
{
    json_t *entry;

    if (!talk_part(req, req->rest, id, 128, after))
        return NULL;
    entry = statements_find(req->emu->statements, id);
    if (entry && strcmp(json_member(entry, "principal"), req->principal) == 0)
        return entry;
    json_decref(entry);
    reply_error(
        req, 404, "RESOURCE_DOES_NOT_EXIST", NULL, "The statement %.100s was not found.", id);
    return NULL;
}

/* /{id} and /{id}/result/chunks/{n}. */
void serve_statement_get(struct request *req)
{
    char id[128];
    const char *after = "";
    json_t *entry = named(req, id, &after), *answer;

    if (!entry)
        return;
    answer = shown(entry, id);
    if (!*after) {
        talk_reply(req, answer);
    } else if (strcmp(after, "/result/chunks/0") == 0 && json_object_get(answer, "result")) {
        talk_reply(req, json_deep_copy(json_object_get(answer, "result")));
        json_decref(answer);
    } else {
        json_decref(answer);
        reply_error(req, 404, "RESOURCE_DOES_NOT_EXIST", NULL, "There is no such chunk.");
    }
    json_decref(entry);
}

void serve_statement_cancel(struct request *req)
{
    char id[128];
    const char *after = "";
    json_t *entry = named(req, id, &after);

    if (!entry)
        return;
    json_decref(entry);
    if (strcmp(after, "/cancel") != 0) {
        reply_error(req, 404, "ENDPOINT_NOT_FOUND", NULL, "No API found for this path.");
        return;
    }
    (void)statements_cancel(req->emu->statements, id, ledger_now_ms());
    talk_reply(req, json_object());
}
