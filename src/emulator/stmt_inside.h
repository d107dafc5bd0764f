/* emulator/stmt_inside.h: the pieces of statements, for stmt*.c only.
 *
 * Shape    each reads one piece at the present word; false after an error.
 * Threads  one at a time.
 */
#ifndef EMULATOR_STMT_INSIDE_H
#define EMULATOR_STMT_INSIDE_H

#include "emulator/stmt_words.h"

/* a, a.b or a.b.c, in lower case. */
bool stmt_read_name(struct words *words, struct stmt_name *ret);
/* A quoted literal. */
bool stmt_read_text(struct words *words, char **ret);
/* DECIMAL(18,2) and the like, in its usual spelling. */
bool stmt_read_type(struct words *words, char out[64]);
/* ( name type [NOT NULL] [COMMENT '..'], ... ) */
bool stmt_read_columns(struct words *words, struct stmt *stmt);
/* ( 'key' = 'value', ... ): `prefix` goes before the keys; lower: they become lower case. */
bool stmt_read_pairs(struct words *words, struct stmt *stmt, const char *prefix, bool lower);
/* An identifier alone, as written. */
bool stmt_read_word(struct words *words, char out[STMT_NAME_MAX]);

bool stmt_read_copy(struct words *words, struct stmt *stmt);

#endif
