/* commands/emulate_options.h: what the command line of `emulate` says.
 *
 * Shape    emulate_parse fills struct emulate; emulate_done frees it.
 * Limits   64 of each option that may be repeated.
 * Errors   emulate_parse prints what is wrong and says how to end.
 * Owner    the caller; strings are borrowed from argv and the environment.
 * Threads  one.
 */
#ifndef COMMANDS_EMULATE_OPTIONS_H
#define COMMANDS_EMULATE_OPTIONS_H

#include "emulator/emulator.h"

#define EMULATE_LIST_MAX 64U
#define EMULATE_FAULTS_MAX 65536U

/* Known to everybody, so they are good on loopback only: --allow-remote asks for others. */
#define LOCAL_TOKEN "local-token"
#define LOCAL_CLIENT_ID "00000000-0000-4000-8000-000000000001"
#define LOCAL_CLIENT_SECRET "local-secret"

struct emulate {
    struct emulator_options emulator;
    char address[64];
    const char *volumes[EMULATE_LIST_MAX];
    const char *schemas[EMULATE_LIST_MAX];
    const char *warehouses[EMULATOR_COMPUTE_MAX];
    const char *clusters[EMULATOR_COMPUTE_MAX];
    struct emulator_principal principals[EMULATOR_PRINCIPALS_MAX];
    char principal_ids[EMULATOR_PRINCIPALS_MAX][128];
    struct secret *principal_secrets[EMULATOR_PRINCIPALS_MAX];
    struct buf faults;
    struct secret *token;         /* NULL: the local one */
    struct secret *client_secret; /* NULL: the local one */
    bool verbose;
};

/* False: *ret_exit says how to end. */
bool emulate_parse(int argc, char **argv, struct emulate *set, int *ret_exit);
void emulate_done(struct emulate *set);

#endif
