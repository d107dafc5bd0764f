/* simulator/line.h: the bytes of one data line, made fast.
 *
 * Shape    {"type":T,"resource":R,"id":I[,"trace_id":X][,"source":S],"timestamp":Z,"payload":P}
 *          A form is all of it before P, built once per series; a line is a copy of the form with
 *          the 36 bytes of I, the 27 of Z (and the last 12 of X) put in place.
 * Units    cents: hundredths, so that two decimals are exact.
 * Limits   a form of LINE_FORM_MAX bytes; number texts of LINE_NUMBER_MAX.
 * Errors   line_form_init: ERR_FULL.
 * Owner    line_form_done frees what line_form_init took.
 * Threads  one at a time.
 * Source   kelvin-stream.md 2.2.
 */
#ifndef SIMULATOR_LINE_H
#define SIMULATOR_LINE_H

#include "base/clock.h"
#include "base/rng.h"
#include "base/str.h"

#define LINE_UUID_LEN 36
#define LINE_STAMP_LEN 27
#define LINE_FORM_MAX 3072
#define LINE_NUMBER_MAX 32

/* Writes the timestamp text; only the six digits when the second is the same as before. */
struct stamp {
    int64_t us;
    int64_t second_us; /* INT64_MIN: no text yet */
    char text[CLOCK_TEXT_SIZE];
};
void stamp_init(struct stamp *stamp);
void stamp_set(struct stamp *stamp, int64_t us);

/* A random UUID v4, lower case. */
void line_uuid(char *out, struct rng *rng);

/* "63.08", "63.1", "63.0": as Python writes cents / 100. |cents| < 1e15. Returns the length. */
size_t line_cents(char *out, int64_t cents);

/* The shortest text of a finite double that reads back the same; fast from 1 to 1024. */
size_t line_real(char *out, double value);

struct line_form {
    char *text;
    uint32_t len;
    uint32_t id_at;
    uint32_t trace_at; /* the 12 changing characters; 0: none */
    uint32_t stamp_at;
};

/* asset, stream and source are escaped as JSON text; `type` is written as it is. source.len 0: no
 * source. */
NODISCARD bool line_form_init(struct line_form *form, const char *type, struct span asset,
    struct span stream, struct span source, bool trace, struct err *err);
void line_form_done(struct line_form *form);

/* Everything up to the payload; returns where that goes. */
char *line_begin(
    char *out, const struct line_form *form, const struct stamp *stamp, struct rng *rng);

#endif
