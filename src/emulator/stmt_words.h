/* emulator/stmt_words.h: SQL text to words, for stmt*.c only.
 *
 * Shape    words_init, then `now` is the present word; words_next goes on.
 * Limits   4,096 bytes a word.
 * Errors   sticky: the first one stays in err, and `now` becomes WORD_END.
 * Threads  one at a time.
 */
#ifndef EMULATOR_STMT_WORDS_H
#define EMULATOR_STMT_WORDS_H

#include "emulator/stmt.h"

enum word_kind { WORD_END, WORD_PLAIN, WORD_TICKED, WORD_TEXT, WORD_NUMBER, WORD_SIGN };

struct words {
    struct span sql;
    size_t at;   /* behind the present word */
    size_t from; /* where it begins */
    enum word_kind now;
    char text[STMT_TEXT_MAX]; /* quotes and escapes resolved; a sign is one byte */
    struct err *err;
    bool failed;
};

void words_init(struct words *words, struct span sql, struct err *err);
void words_next(struct words *words);

/* Is the present one this keyword (in capitals) or sign? */
bool words_is(const struct words *words, const char *word);
/* ... then it is stepped over. */
bool words_take(struct words *words, const char *word);
/* ... else a syntax error. */
bool words_need(struct words *words, const char *word);

/* All of `list`, blank-separated, one after the other; nothing is taken when one is missing. */
bool words_take_all(struct words *words, const char *list);

/* [PARSE_SYNTAX_ERROR] at the present word. */
bool words_error(struct words *words);
/* Another sentence. */
bool words_fail(struct words *words, const char *fmt, ...) PRINTF_LIKE(2, 3);

#endif
