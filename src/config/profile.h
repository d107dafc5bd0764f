/* config/profile.h: one profile of a .databrickscfg file. Inside config only.
 *
 * Shape    profile_parse takes the whole text and gives the keys of one section.
 * Limits   lines of 198 bytes (libinih's; a longer one is refused, never cut), names of sections
 *          and keys of 49 bytes, PROFILE_KEYS_MAX keys.
 * Errors   ERR_INPUT: a broken line (with its number, never its content), a missing profile.
 * Owner    profile_done frees and wipes the values.
 * Threads  any.
 * Source   databricks-api.md 1.5; inih r55's ini.c.
 *
 *   [__settings__]              reserved: default_profile names the one to take
 *   default_profile = prod
 *   [prod]
 *   host = "https://..."        quotes around a value are taken off; ` ;...` and ` #...` are
 *   client_id = 0000-...        comments outside of them
 */
#ifndef CONFIG_PROFILE_H
#define CONFIG_PROFILE_H

#include "base/str.h"

#define PROFILE_KEYS_MAX 32

struct profile_key {
    char name[50];
    char *value; /* NUL-terminated, without its quotes; never empty */
};

struct profile {
    char name[50]; /* the section taken; "" when there is none */
    struct profile_key keys[PROFILE_KEYS_MAX];
    size_t count;
};

/* `wanted` NULL: default_profile, else DEFAULT, which may be missing. */
NODISCARD bool profile_parse(
    struct span text, const char *wanted, struct profile *ret, struct err *err);
void profile_done(struct profile *p);

/* NULL: not there. */
const char *profile_get(const struct profile *p, const char *key);

#endif
