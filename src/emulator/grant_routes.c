/* Grants of Unity Catalog: databricks-api.md 6.3. */
#include <stdio.h>

#include "emulator/auth.h"
#include "emulator/metastore.h"
#include "emulator/rights.h"
#include "emulator/talk.h"

#define NAME_SIZE (3 * STMT_NAME_MAX)

/* /{type}/{full name}; answers when it is not one. */
static bool securable(struct request *req, char type[32], char name[NAME_SIZE])
{
    static const char *const types[] = {"catalog", "schema", "volume", "table"};
    char given[NAME_SIZE];
    const char *after = "";
    struct err err = {0};

    if (!talk_part(req, req->rest, type, 32, &after) ||
        !talk_part(req, after, given, sizeof(given), NULL))
        return false;
    for (char *p = type; *p; p++)
        *p = *p >= 'A' && *p <= 'Z' ? (char)(*p | 0x20) : *p;
    for (size_t i = 0; i < 4; i++) {
        if (strcmp(type, types[i]) != 0)
            continue;
        if (metastore_name(given, type, name, &err))
            return true;
        metastore_refuse(req, type, &err);
        return false;
    }
    reply_error(
        req, 400, "INVALID_PARAMETER_VALUE", NULL, "'%s' is not a securable type here.", type);
    return false;
}

/* MANAGE, or asking about oneself. Book open. */
static bool may_see(struct request *req, json_t *book, const char *type, const char *name,
    const char *principal, struct err *err)
{
    if (!rights_reach(req->emu, book, req->principal, type, name, err))
        return false;
    if (!metastore_exists(req->emu, book, type, name))
        return metastore_missing(type, name, err);
    return (*principal && strcmp(principal, req->principal) == 0) ||
           rights_check_open(req->emu, book, req->principal, type, name, "MANAGE", err);
}

static json_t *direct(const json_t *book, const char *type, const char *name)
{
    char key[NAME_SIZE + 16];

    (void)snprintf(key, sizeof(key), "%s:%s", type, name);
    return json_object_get(json_object_get(json_object_get(book, "securables"), key), "grants");
}

static json_t *shown(const json_t *book, const char *type, const char *name, const char *principal)
{
    json_t *list = json_array(), *privileges;
    const char *who;

    json_object_foreach(direct(book, type, name), who, privileges)
    {
        if (!*principal || strcmp(who, principal) == 0)
            (void)json_array_append_new(list, json_pack("{s:s, s:o}", "principal", who,
                                                  "privileges", json_deep_copy(privileges)));
    }
    if (json_array_size(list))
        return json_pack("{s:o}", "privilege_assignments", list);
    json_decref(list);
    return json_object(); /* absent means empty */
}

/* Both lists are asked for and refused alike; `list` makes the answer. */
static void serve_grants(struct request *req,
    json_t *(*list)(const json_t *book, const char *type, const char *name, const char *principal))
{
    char type[32], name[NAME_SIZE], principal[STMT_NAME_MAX];
    struct err err = {0};
    json_t *book, *answer = NULL;
    bool found;

    if (!securable(req, type, name) ||
        !talk_query(req, "principal", principal, sizeof(principal), &found) ||
        talk_empty_page(req, "privilege_assignments"))
        return;
    book = ledger_open(req->emu->ledger, LEDGER_CATALOG);
    if (may_see(req, book, type, name, principal, &err))
        answer = list(book, type, name, principal);
    ledger_close(req->emu->ledger);
    if (answer)
        talk_reply(req, answer);
    else
        metastore_refuse(req, type, &err);
}

void serve_grants_get(struct request *req)
{
    serve_grants(req, shown);
}

/* --- effective: with what is inherited --- */

static void collect(json_t *all, const json_t *book, const char *type, const char *name,
    const char *of_type, const char *principal)
{
    json_t *privileges, *entry;
    const char *who;
    size_t i;
    char upper[16] = "";

    for (size_t n = 0; type[n] && n < sizeof(upper) - 1; n++)
        upper[n] = (char)(type[n] & ~0x20);
    json_object_foreach(direct(book, type, name), who, privileges)
    {
        if (*principal && strcmp(who, principal) != 0)
            continue;
        json_array_foreach(privileges, i, entry)
        {
            json_t *one = json_pack("{s:s}", "privilege", json_string_value(entry));

            if (strcmp(type, of_type) != 0) {
                (void)json_object_set_new(one, "inherited_from_type", json_string(upper));
                (void)json_object_set_new(one, "inherited_from_name", json_string(name));
            }
            (void)json_array_append_new(ledger_array(all, who), one);
        }
    }
}

static json_t *effective(
    const json_t *book, const char *type, const char *name, const char *principal)
{
    json_t *all = json_object(), *list = json_array(), *privileges;
    const char *dot = strchr(name, '.'), *second = dot ? strchr(dot + 1, '.') : NULL, *who;
    char parent[NAME_SIZE];

    collect(all, book, type, name, type, principal);
    if (second) {
        (void)snprintf(parent, sizeof(parent), "%.*s", (int)(second - name), name);
        collect(all, book, "schema", parent, type, principal);
    }
    if (dot) {
        (void)snprintf(parent, sizeof(parent), "%.*s", (int)(dot - name), name);
        collect(all, book, "catalog", parent, type, principal);
    }
    json_object_foreach(all, who, privileges)(void) json_array_append_new(
        list, json_pack("{s:s, s:O}", "principal", who, "privileges", privileges));
    json_decref(all);
    return json_pack("{s:o}", "privilege_assignments", list);
}

void serve_grants_effective(struct request *req)
{
    serve_grants(req, effective);
}

/* --- changes --- */

static bool apply(struct request *req, json_t *record, const char *type, const json_t *change,
    bool give, struct err *err)
{
    const json_t *list = json_object_get(change, give ? "add" : "remove");
    const json_t *other = json_object_get(change, give ? "remove" : "add");
    const char *who = json_member(change, "principal");
    json_t *entry, *there;
    size_t i, j;

    json_array_foreach(list, i, entry)
    {
        const char *word = json_string_value(entry);

        if (!word || !rights_is_privilege(type, word))
            return err_set(err, ERR_INPUT, 400,
                "Privilege %.60s is not applicable to this entity "
                "[%s]",
                word ? word : "?", type);
        json_array_foreach(other, j, there)
        {
            if (json_equal(entry, there))
                return err_set(
                    err, ERR_INPUT, 400, "The privilege %.60s is both added and removed.", word);
        }
        if (!rights_change(req->emu, record, who, word, give, err))
            return false;
    }
    return true;
}

static bool apply_all(struct request *req, json_t *book, const char *type, const char *name,
    const json_t *changes, struct err *err)
{
    json_t *record = rights_record(book, type, name), *change;
    json_t *before = json_deep_copy(record);
    size_t i;
    bool ok = true;

    json_array_foreach(changes, i, change)
    {
        ok = ok && apply(req, record, type, change, true, err) &&
             apply(req, record, type, change, false, err);
    }
    /* All or none; a save that fails puts the book back itself. */
    if (!ok && before)
        (void)json_object_update(record, before);
    json_decref(before);
    return ok && ledger_save(req->emu->ledger, LEDGER_CATALOG, err);
}

void serve_grants_patch(struct request *req)
{
    char type[32], name[NAME_SIZE];
    json_t *body = talk_body(req), *book, *answer = NULL;
    struct err err = {0};

    if (body && securable(req, type, name)) {
        book = ledger_open(req->emu->ledger, LEDGER_CATALOG);
        if (may_see(req, book, type, name, "", &err) &&
            apply_all(req, book, type, name, json_object_get(body, "changes"), &err))
            answer = shown(book, type, name, "");
        ledger_close(req->emu->ledger);
        if (answer)
            talk_reply(req, answer);
        else
            metastore_refuse(req, type, &err);
    }
    json_decref(body);
}
