#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "emulator/stmt_inside.h"

static bool no_memory(struct words *words)
{
    words->failed = true;
    return err_set(words->err, ERR_FULL, ENOMEM, "no memory for a statement");
}

bool stmt_read_word(struct words *words, char out[STMT_NAME_MAX])
{
    if (words->now != WORD_PLAIN && words->now != WORD_TICKED)
        return words_error(words);
    if (!str_copy(out, STMT_NAME_MAX, words->text))
        return words_fail(words,
            "[INVALID_IDENTIFIER] A name is longer than %d bytes. SQLSTATE: "
            "42602",
            STMT_NAME_MAX - 1);
    words_next(words);
    return true;
}

/* main-x: the service says what to do. */
static bool check_hyphen(struct words *words, const char *before, bool ticked)
{
    if (ticked || !words_is(words, "-"))
        return true;
    words_next(words);
    return words_fail(words,
        "[INVALID_IDENTIFIER] The unquoted identifier %.60s-%.60s is invalid and must be back "
        "quoted as: `%.60s-%.60s`. SQLSTATE: 42602",
        before, words->text, before, words->text);
}

bool stmt_read_name(struct words *words, struct stmt_name *ret)
{
    ret->count = 0;
    do {
        bool ticked = words->now == WORD_TICKED;
        char *part = ret->part[ret->count];

        if (!stmt_read_word(words, part) || !check_hyphen(words, part, ticked))
            return false;
        for (; *part; part++)
            *part = *part >= 'A' && *part <= 'Z' ? (char)(*part | 0x20) : *part;
        ret->count++;
    } while (ret->count < 3 && words_take(words, "."));
    return words_is(words, ".") ? words_error(words) : !words->failed;
}

bool stmt_read_text(struct words *words, char **ret)
{
    if (words->now != WORD_TEXT)
        return words_error(words);
    free(*ret);
    *ret = strdup(words->text);
    if (!*ret)
        return no_memory(words);
    words_next(words);
    return !words->failed;
}

/* word, its usual spelling, numbers in brackets at most */
static const struct {
    const char *word, *type;
    int numbers;
} types[] = {
    {"STRING", "STRING", 0},
    {"BIGINT", "BIGINT", 0},
    {"LONG", "BIGINT", 0},
    {"INT", "INT", 0},
    {"INTEGER", "INT", 0},
    {"SMALLINT", "SMALLINT", 0},
    {"SHORT", "SMALLINT", 0},
    {"TINYINT", "TINYINT", 0},
    {"BYTE", "TINYINT", 0},
    {"DOUBLE", "DOUBLE", 0},
    {"FLOAT", "FLOAT", 0},
    {"REAL", "FLOAT", 0},
    {"BOOLEAN", "BOOLEAN", 0},
    {"DATE", "DATE", 0},
    {"TIMESTAMP", "TIMESTAMP", 0},
    {"TIMESTAMP_NTZ", "TIMESTAMP_NTZ", 0},
    {"BINARY", "BINARY", 0},
    {"DECIMAL", "DECIMAL", 2},
    {"DEC", "DECIMAL", 2},
    {"NUMERIC", "DECIMAL", 2},
    {"VARCHAR", "VARCHAR", 1},
    {"CHAR", "CHAR", 1},
};

/* "(18, 2)" behind the word; false after an error. */
static bool read_numbers(struct words *words, int most, int *ret_count, uint64_t ret[2])
{
    *ret_count = 0;
    if (most == 0 || !words_take(words, "("))
        return !words->failed;
    do {
        if (*ret_count == most || words->now != WORD_NUMBER ||
            !str_u64(span_of(words->text), &ret[*ret_count]))
            return words_error(words);
        (*ret_count)++;
        words_next(words);
    } while (words_take(words, ","));
    return words_need(words, ")");
}

bool stmt_read_type(struct words *words, char out[64])
{
    uint64_t n[2] = {10, 0};
    int count = 0;

    if (words->now != WORD_PLAIN)
        return words_error(words);
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        if (strcasecmp(words->text, types[i].word) != 0)
            continue;
        words_next(words);
        if (!read_numbers(words, types[i].numbers, &count, n))
            return false;
        if (types[i].numbers == 2)
            (void)snprintf(out, 64, "%s(%llu,%llu)", types[i].type, (unsigned long long)n[0],
                (unsigned long long)n[1]);
        else if (types[i].numbers == 1 && count == 1)
            (void)snprintf(out, 64, "%s(%llu)", types[i].type, (unsigned long long)n[0]);
        else
            (void)snprintf(out, 64, "%s", types[i].type);
        return types[i].numbers != 1 || count == 1 || words_error(words);
    }
    for (char *p = words->text; *p; p++)
        *p = (char)toupper((unsigned char)*p);
    return words_fail(words,
        "[UNSUPPORTED_DATATYPE] Unsupported data type \"%.60s\". SQLSTATE: 0A000", words->text);
}

static bool read_column(struct words *words, struct stmt_column *column)
{
    char *comment = NULL;
    bool ok = stmt_read_word(words, column->name) && stmt_read_type(words, column->type);

    while (ok) {
        if (words_take_all(words, "NOT NULL")) {
            column->not_null = true;
        } else if (words_take(words, "COMMENT")) {
            ok = stmt_read_text(words, &comment);
            if (ok && !str_copy(column->comment, sizeof(column->comment), comment))
                ok = words_fail(words, "[PARSE_SYNTAX_ERROR] A comment is too long. SQLSTATE: "
                                       "42601");
        } else {
            break;
        }
    }
    free(comment);
    return ok && !words->failed;
}

bool stmt_read_columns(struct words *words, struct stmt *stmt)
{
    if (!words_need(words, "("))
        return false;
    stmt->columns = calloc(STMT_COLUMNS_MAX, sizeof(*stmt->columns));
    if (!stmt->columns)
        return no_memory(words);
    do {
        struct stmt_column *column = &stmt->columns[stmt->column_count];

        if (stmt->column_count == STMT_COLUMNS_MAX)
            return words_fail(words,
                "[PARSE_SYNTAX_ERROR] More than %d columns are not served "
                "here. SQLSTATE: 42601",
                STMT_COLUMNS_MAX);
        if (!read_column(words, column))
            return false;
        stmt->column_count++;
        for (size_t i = 0; i + 1 < stmt->column_count; i++) {
            if (strcasecmp(stmt->columns[i].name, column->name) == 0)
                return words_fail(words,
                    "[COLUMN_ALREADY_EXISTS] The column `%.100s` already exists. Choose another "
                    "name or rename the existing column. SQLSTATE: 42711",
                    column->name);
        }
    } while (words_take(words, ","));
    return words_need(words, ")");
}

/* 'k', k or k.l.m */
static bool read_key(struct words *words, char out[STMT_NAME_MAX])
{
    size_t len = strlen(out);

    if (words->now == WORD_TEXT) {
        if (!str_copy(out + len, STMT_NAME_MAX - len, words->text))
            return words_error(words);
        words_next(words);
        return !words->failed;
    }
    do {
        if ((words->now != WORD_PLAIN && words->now != WORD_TICKED) ||
            !str_copy(out + len, STMT_NAME_MAX - len - 1, words->text))
            return words_error(words);
        len = strlen(out);
        words_next(words);
        if (words_is(words, "."))
            out[len++] = '.';
    } while (words_take(words, "."));
    return !words->failed;
}

/* 'v', v, 12 or true */
static bool read_value(struct words *words, char out[STMT_TEXT_MAX])
{
    if (words->now != WORD_TEXT && words->now != WORD_NUMBER && words->now != WORD_PLAIN)
        return words_error(words);
    (void)str_copy(out, STMT_TEXT_MAX, words->text);
    words_next(words);
    return !words->failed;
}

bool stmt_read_pairs(struct words *words, struct stmt *stmt, const char *prefix, bool lower)
{
    if (!stmt->pairs)
        stmt->pairs = calloc(STMT_PAIRS_MAX, sizeof(*stmt->pairs));
    if (!stmt->pairs)
        return no_memory(words);
    if (!words_need(words, "("))
        return false;
    do {
        struct stmt_pair *pair = &stmt->pairs[stmt->pair_count];

        if (stmt->pair_count == STMT_PAIRS_MAX)
            return words_fail(words,
                "[PARSE_SYNTAX_ERROR] More than %d options are not served "
                "here. SQLSTATE: 42601",
                STMT_PAIRS_MAX);
        (void)str_copy(pair->key, sizeof(pair->key), prefix);
        if (!read_key(words, pair->key) || !words_need(words, "=") ||
            !read_value(words, pair->value))
            return false;
        for (char *p = pair->key; lower && *p; p++)
            *p = (char)tolower((unsigned char)*p);
        stmt->pair_count++;
    } while (words_take(words, ","));
    return words_need(words, ")");
}

/* --- COPY INTO --- */

/* *, column, CAST(column AS type), column::type; then [AS] alias. A dotted column keeps its dots. */
static bool read_column_ref(struct words *words, char out[STMT_NAME_MAX])
{
    char part[STMT_NAME_MAX];

    out[0] = '\0';
    do {
        size_t len = strlen(out);
        int n;

        if (!stmt_read_word(words, part))
            return false;
        n = snprintf(out + len, STMT_NAME_MAX - len, "%s%s", len ? "." : "", part);
        if (n < 0 || (size_t)n >= STMT_NAME_MAX - len)
            return words_error(words);
    } while (words_take(words, "."));
    return true;
}

static bool read_item(struct words *words, struct stmt_item *item)
{
    if (words_take(words, "*"))
        return str_copy(item->column, sizeof(item->column), "*");
    if (words_take_all(words, "CAST")) {
        if (!words_need(words, "(") || !read_column_ref(words, item->column) ||
            !words_need(words, "AS") || !stmt_read_type(words, item->cast) ||
            !words_need(words, ")"))
            return false;
    } else {
        if (!read_column_ref(words, item->column))
            return false;
        if (words_take(words, ":") &&
            (!words_need(words, ":") || !stmt_read_type(words, item->cast)))
            return false;
    }
    if (words_take(words, "AS"))
        return stmt_read_word(words, item->alias);
    if (!words_is(words, ",") && !words_is(words, "FROM"))
        return stmt_read_word(words, item->alias);
    return !words->failed;
}

static bool read_items(struct words *words, struct stmt *stmt)
{
    stmt->items = calloc(STMT_COLUMNS_MAX, sizeof(*stmt->items));
    if (!stmt->items)
        return no_memory(words);
    do {
        if (stmt->item_count == STMT_COLUMNS_MAX)
            return words_error(words);
        if (!read_item(words, &stmt->items[stmt->item_count]))
            return false;
        stmt->item_count++;
    } while (words_take(words, ","));
    return words_need(words, "FROM");
}

static bool read_source(struct words *words, struct stmt *stmt)
{
    if (!words_take(words, "("))
        return stmt_read_text(words, &stmt->text);
    return words_need(words, "SELECT") && read_items(words, stmt) &&
           stmt_read_text(words, &stmt->text) && words_need(words, ")");
}

static bool read_pattern(struct words *words, struct stmt *stmt)
{
    if (!words_need(words, "="))
        return false;
    if (words->now != WORD_TEXT || !str_copy(stmt->pattern, sizeof(stmt->pattern), words->text))
        return words_error(words);
    words_next(words);
    return !words->failed;
}

/* Behind COPY. */
bool stmt_read_copy(struct words *words, struct stmt *stmt)
{
    stmt->kind = STMT_COPY_INTO;
    (void)str_copy(stmt->securable, sizeof(stmt->securable), "table");
    if (!words_need(words, "INTO") || !stmt_read_name(words, &stmt->name) ||
        !words_need(words, "FROM") || !read_source(words, stmt) ||
        !words_need(words, "FILEFORMAT") || !words_need(words, "="))
        return false;
    if (words->now != WORD_PLAIN || !str_copy(stmt->format, sizeof(stmt->format), words->text))
        return words_error(words);
    for (char *p = stmt->format; *p; p++)
        *p = (char)toupper((unsigned char)*p);
    words_next(words);
    if (words_take(words, "PATTERN") && !read_pattern(words, stmt))
        return false;
    if (words_take(words, "FORMAT_OPTIONS") && !stmt_read_pairs(words, stmt, "format.", true))
        return false;
    return !words_take(words, "COPY_OPTIONS") || stmt_read_pairs(words, stmt, "copy.", true);
}
