#include "emulator/rights.h"

#include <ctype.h>
#include <stdio.h>

#include "emulator/auth.h"

#define KEY_MAX (3 * STMT_NAME_MAX + 16)

static const struct {
    const char *privilege;
    const char *types; /* first letters: c s v t */
} known[] = {
    {"ALL_PRIVILEGES", "csvt"},
    {"MANAGE", "csvt"},
    {"APPLY_TAG", "csvt"},
    {"BROWSE", "c"},
    {"USE_CATALOG", "c"},
    {"CREATE_SCHEMA", "c"},
    {"USE_SCHEMA", "cs"},
    {"CREATE_TABLE", "cs"},
    {"CREATE_VOLUME", "cs"},
    {"CREATE_FUNCTION", "cs"},
    {"CREATE_MATERIALIZED_VIEW", "cs"},
    {"CREATE_MODEL", "cs"},
    {"EXECUTE", "cs"},
    {"READ_VOLUME", "csv"},
    {"WRITE_VOLUME", "csv"},
    {"SELECT", "cst"},
    {"MODIFY", "cst"},
};

bool rights_is_privilege(const char *type, const char *privilege)
{
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (strcmp(known[i].privilege, privilege) == 0)
            return strchr(known[i].types, type[0]) != NULL;
    }
    return false;
}

static void key_of(char out[KEY_MAX], const char *type, const char *name)
{
    (void)snprintf(out, KEY_MAX, "%s:%s", type, name);
}

json_t *rights_record(json_t *book, const char *type, const char *name)
{
    json_t *all = ledger_object(book, "securables"), *record;
    char key[KEY_MAX], uuid[LEDGER_UUID_SIZE];

    key_of(key, type, name);
    record = json_object_get(all, key);
    if (record)
        return record;
    record = json_pack("{s:s, s:s, s:I, s:{}}", "owner", AUTH_USER, "id", ledger_uuid(uuid),
        "created_at", (json_int_t)ledger_now_ms(), "grants");
    if (json_object_set_new(all, key, record) != 0)
        return NULL;
    return json_object_get(all, key);
}

/* --- asking --- */

static bool listed(const json_t *grants, const char *who, const char *privilege)
{
    json_t *entry;
    size_t i;

    json_array_foreach(json_object_get(grants, who), i, entry)
    {
        const char *word = json_string_value(entry);

        if (word && (strcmp(word, privilege) == 0 || strcmp(word, "ALL_PRIVILEGES") == 0))
            return true;
    }
    return false;
}

/* An owner of a parent has these on what is below. */
static bool is_of_parents(const char *privilege)
{
    return strncmp(privilege, "USE_", 4) == 0 || strncmp(privilege, "CREATE_", 7) == 0 ||
           strcmp(privilege, "MANAGE") == 0;
}

static bool has_on(json_t *book, const char *principal, const char *type, const char *name,
    const char *privilege, bool itself)
{
    char key[KEY_MAX];
    json_t *record, *grants;

    key_of(key, type, name);
    record = json_object_get(json_object_get(book, "securables"), key);
    grants = json_object_get(record, "grants");
    if (strcmp(json_member(record, "owner"), principal) == 0 &&
        (itself || is_of_parents(privilege)))
        return true;
    return listed(grants, principal, privilege) || listed(grants, "account users", privilege) ||
           listed(grants, "users", privilege);
}

/* "main.raw.land" to "main" (depth 1) or "main.raw" (2). */
static const char *ancestor(const char *name, int depth, char out[KEY_MAX])
{
    const char *end = name;

    for (int i = 0; i < depth && end; i++)
        end = strchr(i ? end + 1 : end, '.');
    (void)snprintf(out, KEY_MAX, "%.*s", end ? (int)(end - name) : (int)strlen(name), name);
    return out;
}

static int depth_of(const char *type)
{
    return strcmp(type, "catalog") == 0 ? 1 : strcmp(type, "schema") == 0 ? 2 : 3;
}

static bool has(
    json_t *book, const char *principal, const char *type, const char *name, const char *privilege)
{
    int depth = depth_of(type);
    char parent[KEY_MAX];

    return has_on(book, principal, type, name, privilege, true) ||
           (depth > 1 &&
               has_on(book, principal, "catalog", ancestor(name, 1, parent), privilege, false)) ||
           (depth > 2 &&
               has_on(book, principal, "schema", ancestor(name, 2, parent), privilege, false));
}

static bool deny(const char *type, const char *name, const char *privilege, struct err *err)
{
    char words[48];

    (void)str_copy(words, sizeof(words), privilege);
    for (char *p = words; *p; p++)
        *p = *p == '_' ? ' ' : *p;
    return err_set(err, ERR_DENIED, 403, "User does not have %s on %c%s '%.150s'.", words,
        toupper((unsigned char)type[0]), type + 1, name);
}

bool rights_reach(struct emulator *emu, json_t *book, const char *principal, const char *type,
    const char *name, struct err *err)
{
    int depth = depth_of(type);
    char parent[KEY_MAX];

    if (auth_is_admin(emu, principal))
        return true;
    if (depth > 1 && !has(book, principal, "catalog", ancestor(name, 1, parent), "USE_CATALOG"))
        return deny("catalog", parent, "USE_CATALOG", err);
    if (depth > 2 && !has(book, principal, "schema", ancestor(name, 2, parent), "USE_SCHEMA"))
        return deny("schema", parent, "USE_SCHEMA", err);
    return true;
}

bool rights_check_open(struct emulator *emu, json_t *book, const char *principal, const char *type,
    const char *name, const char *privilege, struct err *err)
{
    if (auth_is_admin(emu, principal))
        return true;
    return rights_reach(emu, book, principal, type, name, err) &&
           (has(book, principal, type, name, privilege) || deny(type, name, privilege, err));
}

bool rights_check(struct emulator *emu, const char *principal, const char *type, const char *name,
    const char *privilege, struct err *err)
{
    json_t *book = ledger_open(emu->ledger, LEDGER_CATALOG);
    bool ok = rights_check_open(emu, book, principal, type, name, privilege, err);

    ledger_close(emu->ledger);
    return ok;
}

bool rights_allow_target(struct request *req, bool write)
{
    const char *const *part = req->target.part;
    char name[3 * STMT_NAME_MAX];
    struct err err = {0}, second = {0};
    json_t *book;
    bool ok;

    if (auth_is_admin(req->emu, req->principal))
        return true;
    (void)snprintf(name, sizeof(name), "%s.%s.%s", part[1], part[2], part[3]);
    book = ledger_open(req->emu->ledger, LEDGER_CATALOG);
    ok = rights_reach(req->emu, book, req->principal, "volume", name, &err);
    if (ok && store_volume(req->emu->store, &req->target, write, &second) == STORE_OK)
        ok = rights_check_open(req->emu, book, req->principal, "volume", name,
            write ? "WRITE_VOLUME" : "READ_VOLUME", &err);
    ledger_close(req->emu->ledger);
    if (!ok)
        reply_error(req, 403, "PERMISSION_DENIED", NULL, "PERMISSION_DENIED: %s", err.text);
    return ok;
}

/* --- changing --- */

bool rights_change(struct emulator *emu, json_t *record, const char *principal,
    const char *privilege, bool give, struct err *err)
{
    json_t *grants = ledger_object(record, "grants"), *list, *entry;
    bool group = strcmp(principal, "account users") == 0 || strcmp(principal, "users") == 0 ||
                 strcmp(principal, "admins") == 0;
    size_t i;

    if (!group && !auth_is_known(emu, principal))
        return err_set(err, ERR_INPUT, 404, "Could not find principal with name %.100s", principal);
    list = give ? ledger_array(grants, principal) : json_object_get(grants, principal);
    json_array_foreach(list, i, entry)
    {
        if (strcmp(json_string_value(entry), privilege) != 0)
            continue;
        if (!give)
            (void)json_array_remove(list, i);
        break;
    }
    if (give && i == json_array_size(list))
        (void)json_array_append_new(list, json_string(privilege));
    if (!give && list && json_array_size(list) == 0)
        (void)json_object_del(grants, principal);
    return true;
}
