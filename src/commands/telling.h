/* commands/telling.h: what the loops tell the status page beyond plain counters.
 *
 * Shape    one function for each thing that happened; each copies into the counters' board.
 * Errors   none: what cannot be told is not told.
 * Threads  as each says.
 * Source   status/board.h, status/picture.h.
 */
#ifndef COMMANDS_TELLING_H
#define COMMANDS_TELLING_H

#include "commands/pipeline.h"
#include "uploader/uploader.h"

/* Main, after recovery and before the loops: what waits on disk, what is already in gaps.log. */
void telling_start(struct pipeline *p);

/* The settings with their sources. Main before the loops, then intake when a manifest came. */
void telling_settings(struct pipeline *p);

/* pack. */
void telling_packed(struct pipeline *p, const struct pack_done *done);

/* ship. */
void telling_shipped(struct pipeline *p, const struct uploader_event *event);
/* What is in refused/: people take files out of it at any time. Looks at most once a minute. */
void telling_refused(struct pipeline *p, int64_t mono_us);

/* Status thread, once a second: space and the flags of the pipeline. */
void telling_space(struct pipeline *p);

#endif
