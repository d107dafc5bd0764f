#include "emulator/stmt.h"

#include <ctype.h>
#include <stdlib.h>
#include <strings.h>

#include "emulator/stmt_inside.h"

static void securable(struct stmt *stmt, const char *type)
{
    (void)str_copy(stmt->securable, sizeof(stmt->securable), type);
}

/* CATALOG, SCHEMA, DATABASE, VOLUME, TABLE: stepped over, or not there. */
static bool take_securable(struct words *words, struct stmt *stmt)
{
    static const char *const words_of[][2] = {{"CATALOG", "catalog"}, {"SCHEMA", "schema"},
        {"DATABASE", "schema"}, {"VOLUME", "volume"}, {"TABLE", "table"}};

    for (size_t i = 0; i < sizeof(words_of) / sizeof(words_of[0]); i++) {
        if (words_take(words, words_of[i][0])) {
            securable(stmt, words_of[i][1]);
            return true;
        }
    }
    return false;
}

/* --- CREATE, DROP, ALTER --- */

static bool read_table_clauses(struct words *words, struct stmt *stmt)
{
    while (!words->failed) {
        if (words_take(words, "USING")) {
            if (!words_take(words, "DELTA"))
                return words_error(words);
        } else if (words_take(words, "COMMENT")) {
            if (!stmt_read_text(words, &stmt->text))
                return false;
        } else if (words_take(words, "TBLPROPERTIES")) {
            if (!stmt_read_pairs(words, stmt, "", false))
                return false;
        } else {
            return true;
        }
    }
    return false;
}

static bool read_create(struct words *words, struct stmt *stmt)
{
    stmt->external = words_take_all(words, "EXTERNAL");
    if (!take_securable(words, stmt))
        return words_error(words);
    stmt->kind = stmt->securable[0] == 'c'   ? STMT_CREATE_CATALOG
                 : stmt->securable[0] == 's' ? STMT_CREATE_SCHEMA
                 : stmt->securable[0] == 'v' ? STMT_CREATE_VOLUME
                                             : STMT_CREATE_TABLE;
    stmt->if_not_exists = words_take_all(words, "IF NOT EXISTS");
    if (!stmt_read_name(words, &stmt->name))
        return false;
    if (stmt->kind == STMT_CREATE_TABLE)
        return (!words_is(words, "(") || stmt_read_columns(words, stmt)) &&
               read_table_clauses(words, stmt);
    if (stmt->external && !(words_need(words, "LOCATION") && stmt_read_text(words, &stmt->text)))
        return false;
    return !words_take(words, "COMMENT") || stmt_read_text(words, &stmt->text);
}

static bool read_drop(struct words *words, struct stmt *stmt)
{
    stmt->kind = STMT_DROP_TABLE;
    securable(stmt, "table");
    if (!words_need(words, "TABLE"))
        return false;
    stmt->if_not_exists = words_take_all(words, "IF EXISTS");
    return stmt_read_name(words, &stmt->name);
}

static bool read_alter(struct words *words, struct stmt *stmt)
{
    stmt->kind = STMT_SET_PROPERTIES;
    securable(stmt, "table");
    return words_need(words, "TABLE") && stmt_read_name(words, &stmt->name) &&
           words_need(words, "SET") && words_need(words, "TBLPROPERTIES") &&
           stmt_read_pairs(words, stmt, "", false);
}

/* --- GRANT, REVOKE, SHOW GRANTS --- */

/* USE CATALOG, SELECT: words up to a comma or ON, joined by '_'. */
static bool read_privilege(struct words *words, char out[48])
{
    size_t len = 0;

    while (words->now == WORD_PLAIN && !words_is(words, "ON")) {
        size_t more = strlen(words->text);

        if (len + more + 2 > 48)
            return words_error(words);
        if (len)
            out[len++] = '_';
        for (size_t i = 0; i < more; i++)
            out[len++] = (char)toupper((unsigned char)words->text[i]);
        words_next(words);
    }
    out[len] = '\0';
    return len ? !words->failed : words_error(words);
}

static bool read_principal(struct words *words, struct stmt *stmt)
{
    if (words->now == WORD_PLAIN || words->now == WORD_TICKED)
        return stmt_read_word(words, stmt->principal);
    return words_error(words);
}

static bool read_on(struct words *words, struct stmt *stmt)
{
    if (!words_need(words, "ON"))
        return false;
    if (!take_securable(words, stmt))
        securable(stmt, "table");
    return stmt_read_name(words, &stmt->name);
}

static bool read_grant(struct words *words, struct stmt *stmt, bool give)
{
    stmt->kind = give ? STMT_GRANT : STMT_REVOKE;
    stmt->privileges = calloc(STMT_PAIRS_MAX, sizeof(*stmt->privileges));
    if (!stmt->privileges)
        return words_fail(words, "no memory for a statement");
    do {
        if (stmt->privilege_count == STMT_PAIRS_MAX)
            return words_error(words);
        if (!read_privilege(words, stmt->privileges[stmt->privilege_count]))
            return false;
        stmt->privilege_count++;
    } while (words_take(words, ","));
    return read_on(words, stmt) && words_need(words, give ? "TO" : "FROM") &&
           read_principal(words, stmt);
}

static bool read_show(struct words *words, struct stmt *stmt)
{
    stmt->kind = STMT_SHOW_GRANTS;
    if (!words_take(words, "GRANTS") && !words_take(words, "GRANT"))
        return words_error(words);
    if (!words_is(words, "ON") && !read_principal(words, stmt))
        return false;
    return read_on(words, stmt);
}

/* --- reading --- */

static bool read_describe(struct words *words, struct stmt *stmt)
{
    stmt->kind = STMT_DESCRIBE_TABLE;
    securable(stmt, "table");
    if (words_take_all(words, "VOLUME")) {
        stmt->kind = STMT_DESCRIBE_VOLUME;
        securable(stmt, "volume");
    } else {
        (void)words_take_all(words, "TABLE");
        stmt->extended = words_take_all(words, "EXTENDED");
    }
    return stmt_read_name(words, &stmt->name);
}

static bool read_count(struct words *words, struct stmt *stmt)
{
    stmt->kind = STMT_SELECT_COUNT;
    if (!words_need(words, "(") || !(words_take(words, "*") || words_take(words, "1")) ||
        !words_need(words, ")"))
        return words_error(words);
    if (words_take(words, "AS") || !words_is(words, "FROM")) {
        if (!stmt_read_word(words, stmt->pattern)) /* the column's name in the answer */
            return false;
    }
    return words_need(words, "FROM") && stmt_read_name(words, &stmt->name);
}

static bool read_limit(struct words *words, struct stmt *stmt)
{
    if (!words_take(words, "LIMIT"))
        return !words->failed;
    if (words->now != WORD_NUMBER || !str_u64(span_of(words->text), &stmt->limit))
        return words_error(words);
    words_next(words);
    return true;
}

static bool read_select(struct words *words, struct stmt *stmt)
{
    securable(stmt, "table");
    if (words_take_all(words, "COUNT"))
        return read_count(words, stmt);
    if (words->now == WORD_NUMBER && strcmp(words->text, "1") == 0) {
        stmt->kind = STMT_SELECT_ONE;
        words_next(words);
        return !words->failed;
    }
    stmt->kind = STMT_SELECT_ROWS;
    return words_need(words, "*") && words_need(words, "FROM") &&
           stmt_read_name(words, &stmt->name) && read_limit(words, stmt);
}

/* SET TIME ZONE 'UTC'; SET a.b.c = value; */
static bool read_set(struct words *words, struct stmt *stmt)
{
    stmt->kind = STMT_SET;
    if (words_take_all(words, "TIME ZONE")) {
        if (words->now != WORD_TEXT && !words_is(words, "LOCAL"))
            return words_error(words);
        words_next(words);
        return !words->failed;
    }
    do {
        if (words->now != WORD_PLAIN && words->now != WORD_TICKED)
            return words_error(words);
        words_next(words);
    } while (words_take(words, "."));
    if (!words_need(words, "="))
        return false;
    while (words->now != WORD_END && !words_is(words, ";"))
        words_next(words);
    return !words->failed;
}

static bool read_statement(struct words *words, struct stmt *stmt)
{
    if (words_take(words, "CREATE"))
        return read_create(words, stmt);
    if (words_take(words, "DROP"))
        return read_drop(words, stmt);
    if (words_take(words, "ALTER"))
        return read_alter(words, stmt);
    if (words_take(words, "GRANT"))
        return read_grant(words, stmt, true);
    if (words_take(words, "REVOKE"))
        return read_grant(words, stmt, false);
    if (words_take(words, "SHOW"))
        return read_show(words, stmt);
    if (words_take(words, "DESCRIBE") || words_take(words, "DESC"))
        return read_describe(words, stmt);
    if (words_take(words, "COPY"))
        return stmt_read_copy(words, stmt);
    if (words_take(words, "SELECT"))
        return read_select(words, stmt);
    if (words_take(words, "SET"))
        return read_set(words, stmt);
    return words_error(words);
}

bool stmt_parse(struct span text, struct stmt *ret, struct err *err)
{
    struct words *words = malloc(sizeof(*words));
    bool ok;

    *ret = (struct stmt){.limit = UINT64_MAX};
    if (!words)
        return err_set(err, ERR_FULL, 0, "no memory for a statement");
    words_init(words, text, err);
    ok = !words->failed && read_statement(words, ret);
    if (ok) {
        (void)words_take(words, ";");
        ok = !words->failed && (words->now == WORD_END || words_error(words));
    }
    free(words);
    if (!ok)
        stmt_done(ret);
    return ok;
}

void stmt_done(struct stmt *stmt)
{
    free(stmt->columns);
    free(stmt->privileges);
    free(stmt->text);
    free(stmt->items);
    free(stmt->pairs);
    *stmt = (struct stmt){0};
}
