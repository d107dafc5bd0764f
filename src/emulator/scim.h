/* emulator/scim.h: what the workspace says about itself.
 *
 * Source   databricks-api.md 6.5; the id is below 2^53 on purpose: it is text everywhere.
 */
#ifndef EMULATOR_SCIM_H
#define EMULATOR_SCIM_H

#define SCIM_WORKSPACE_ID "900800700600"

#endif
