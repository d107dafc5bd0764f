/* commands/top_screen.h: the plain lines of the status server as a screen.
 *
 * Shape    top_screen_draw parses `key<TAB>value...` lines and writes a screen of text.
 * Limits   width columns a line (sentences and sums go on in the next one, what else is longer is
 *          cut), fewer than height lines (0: no limit).
 * Errors   lines that are not understood are passed over.
 * Owner    plain struct; borrows the lines for the call.
 * Threads  one.
 * Source   status/report.h (the lines). What came from the network is shown with str_show: it cannot
 *          move the cursor.
 */
#ifndef COMMANDS_TOP_SCREEN_H
#define COMMANDS_TOP_SCREEN_H

#include "base/str.h"

#define TOP_PAST 60U

struct top_screen {
    unsigned width, height;
    bool color;
    double readings[TOP_PAST], delivered[TOP_PAST], waiting[TOP_PAST]; /* rings, one a look */
    unsigned looks;
};

void top_screen_draw(struct top_screen *screen, struct span lines, struct buf *out);
void top_screen_failed(const struct top_screen *screen, const char *why, struct buf *out);

#endif
