/* What is secret goes out of the environment; everything else stays. */
#include "config/forget.h"

#include "config/table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void every_secret_of_the_table_is_forgotten(void **unused)
{
    unsigned secrets = 0;

    (void)unused;
    for (size_t i = 0; i < setting_count; i++)
        for (int n = 0; n < SETTING_ENVS && setting_table[i].env[n]; n++)
            assert_int_equal(setenv(setting_table[i].env[n], "canary", 1), 0);
    assert_int_equal(setenv("DATABRICKS_OIDC_TOKEN_ENV", "MY_OWN_TOKEN", 1), 0);
    assert_int_equal(setenv("MY_OWN_TOKEN", "canary", 1), 0);
    config_forget_secrets();
    for (size_t i = 0; i < setting_count; i++)
        for (int n = 0; n < SETTING_ENVS && setting_table[i].env[n]; n++) {
            bool secret = setting_table[i].type == SETTING_SECRET;

            secrets += secret;
            assert_int_equal(getenv(setting_table[i].env[n]) == NULL, secret);
        }
    assert_true(secrets >= 4);
    assert_null(getenv("MY_OWN_TOKEN"));
    config_forget_secrets(); /* nothing is left: fine */
}

static void the_bytes_are_overwritten_too(void **unused)
{
    static char block[] = "DATABRICKS_TOKEN=canary";

    (void)unused;
    assert_int_equal(putenv(block), 0); /* the environment holds this very memory */
    config_forget_secrets();
    assert_memory_equal(block, "DATABRICKS_TOKEN=\0\0\0\0\0\0", sizeof(block));
}

static void a_proxy_goes_only_with_a_password(void **unused)
{
    (void)unused;
    assert_int_equal(setenv("HTTPS_PROXY", "http://user:canary@proxy:3128", 1), 0);
    assert_int_equal(setenv("https_proxy", "http://proxy:3128", 1), 0);
    config_forget_secrets();
    assert_null(getenv("HTTPS_PROXY"));
    assert_string_equal(getenv("https_proxy"), "http://proxy:3128");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_secret_of_the_table_is_forgotten),
        cmocka_unit_test(the_bytes_are_overwritten_too),
        cmocka_unit_test(a_proxy_goes_only_with_a_password),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
