#include "config/forget.h"

#include "config/table.h"

#include <stdlib.h>

/* Overwritten where /proc shows it, then taken away. */
static void forget(const char *name)
{
    char *value = getenv(name);

    if (!value)
        return;
    explicit_bzero(value, strlen(value));
    (void)unsetenv(name);
}

/* "http://user:password@proxy:3128" */
static void forget_password(const char *name)
{
    const char *value = getenv(name);

    if (value && strchr(value, '@'))
        forget(name);
}

void config_forget_secrets(void)
{
    static const char *const proxies[] = {
        "HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"};
    const char *other = getenv("DATABRICKS_OIDC_TOKEN_ENV");

    if (other && *other)
        forget(other);
    for (size_t i = 0; i < setting_count; i++)
        for (int n = 0; n < SETTING_ENVS && setting_table[i].env[n]; n++)
            if (setting_table[i].type == SETTING_SECRET)
                forget(setting_table[i].env[n]);
    for (size_t i = 0; i < sizeof(proxies) / sizeof(*proxies); i++)
        forget_password(proxies[i]);
}
