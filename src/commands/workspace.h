/* commands/workspace.h: from settings to a workspace and to the places in it.
 *
 * Shape    one function each.
 * Errors   ERR_INPUT: a setting is malformed, with its name and what to do; ERR_DENIED: e.g. an
 *          unreadable CA file.
 * Owner    the caller owns what it gets.
 * Threads  any: every thread opens a workspace of its own.
 * Source   design.md 6, 7.
 */
#ifndef COMMANDS_WORKSPACE_H
#define COMMANDS_WORKSPACE_H

#include "config/settings.h"
#include "databricks/workspace.h"

/* Secrets are copied. */
struct workspace *workspace_for(const struct settings *s, struct err *err);

/* "/Volumes/<catalog>/<schema>/<volume>/data". */
void volume_folder(const struct settings *s, struct buf *out);

#endif
