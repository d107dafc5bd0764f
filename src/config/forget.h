/* config/forget.h: what is secret goes out of the environment, used or not.
 *
 * Shape    one function: after config_load, or at once by a command that needs no secret. /proc
 *          shows the environment a process was started with for as long as it lives.
 * Limits   the variables of the table; the one that DATABRICKS_OIDC_TOKEN_ENV names; proxies whose
 *          address holds a password.
 * Errors   none.
 * Threads  before others start: it changes the environment.
 * Source   durability.md 15.
 */
#ifndef CONFIG_FORGET_H
#define CONFIG_FORGET_H

void config_forget_secrets(void);

#endif
