/* simulator/json_check.h: is this one JSON text, and what does its "type" say?
 *
 * Shape    a yes or no; nothing is decoded. For lines that a client sends to the publisher, and for
 *          the tests to show that a bad line is bad.
 * Limits   nesting up to 64.
 * Errors   false is the answer, not an error.
 * Owner    borrows; *ret_type points into the text.
 * Threads  any.
 * Source   RFC 8259.
 */
#ifndef SIMULATOR_JSON_CHECK_H
#define SIMULATOR_JSON_CHECK_H

#include "base/str.h"

/* True: a whole JSON text in valid UTF-8. *ret_type (may be NULL): the value of the first top-level
 * "type" when that is a string, without its quotes and with its escapes as they are; else empty. */
bool json_check(struct span text, struct span *ret_type);

#endif
