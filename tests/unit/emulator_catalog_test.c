/* Unity Catalog: databricks-api.md 6.1 to 6.3. */
#include "emulator_api.h"

#define UC "/api/2.1/unity-catalog/"

static void with_schema(struct emulator_options *options)
{
    static const char *const schemas[] = {"main.other"};

    with_worker(options);
    options->schemas = schemas;
    options->schema_count = 1;
}

static int setup(void **state)
{
    *state = fixture_start(with_schema);
    return 0;
}

static int teardown(void **state)
{
    fixture_stop(*state);
    return 0;
}

static void volumes_are_made_shown_listed_and_removed(void **state)
{
    static const char volume[] = "{\"catalog_name\":\"main\",\"schema_name\":\"Other\","
                                 "\"name\":\"New\",\"volume_type\":\"MANAGED\",\"comment\":\"c\"}";
    struct fixture *f = *state;
    json_t *a;

    expect_error(f, "GET", UC "volumes/main.other.new", NULL, 404, "VOLUME_DOES_NOT_EXIST",
        "Volume 'main.other.new' does not exist.");
    a = call(f, "POST", UC "volumes", volume, 200);
    assert_string_equal(json_member(a, "full_name"), "main.other.new");
    assert_string_equal(json_member(a, "volume_type"), "MANAGED");
    assert_string_equal(json_member(a, "owner"), "somebody@example.com");
    assert_int_equal(strlen(json_member(a, "volume_id")), 36);
    json_decref(a);
    expect_error(f, "POST", UC "volumes", volume, 409, "VOLUME_ALREADY_EXISTS", "already exists");
    assert_int_equal(put_text(f, FILES "/Volumes/main/other/new/a", "x"), 204);
    a = call(f, "GET", UC "volumes/main%2Eother%2ENEW", NULL, 200);
    assert_string_equal(json_member(a, "comment"), "c");
    json_decref(a);
    a = call(f, "GET", UC "volumes?catalog_name=main&schema_name=other", NULL, 200);
    assert_int_equal(json_array_size(json_object_get(a, "volumes")), 1);
    json_decref(a);
    expect_error(f, "DELETE", UC "volumes/main.other.new", NULL, 400, "INVALID_PARAMETER_VALUE",
        "not empty");
    assert_int_equal(ask_status(f, "DELETE", FILES "/Volumes/main/other/new/a", BEARER, NULL), 204);
    do_call(f, "DELETE", UC "volumes/main.other.new", NULL, 200);
    do_call(f, "GET", UC "volumes/main.other.new", NULL, 404);
}

static void a_missing_parent_is_named(void **state)
{
    struct fixture *f = *state;

    expect_error(f, "POST", UC "volumes",
        "{\"catalog_name\":\"main\",\"schema_name\":\"no\",\"name\":\"v\","
        "\"volume_type\":\"MANAGED\"}",
        404, "SCHEMA_DOES_NOT_EXIST", "Schema 'main.no' does not exist.");
    expect_error(f, "POST", UC "schemas", "{\"catalog_name\":\"no\",\"name\":\"s\"}", 404,
        "CATALOG_DOES_NOT_EXIST", "Catalog 'no' does not exist.");
    expect_error(f, "POST", UC "volumes",
        "{\"catalog_name\":\"main\",\"schema_name\":\"other\",\"name\":\"v\","
        "\"volume_type\":\"MANAGED\",\"storage_location\":\"s3://x\"}",
        400, "INVALID_PARAMETER_VALUE", "CreateVolume storage_location can not be provided.");
    expect_error(f, "POST", UC "volumes",
        "{\"catalog_name\":\"main\",\"schema_name\":\"other\",\"name\":\"a b\","
        "\"volume_type\":\"MANAGED\"}",
        400, "INVALID_PARAMETER_VALUE", "not allowed");
    do_call(f, "POST", UC "catalogs", "{\"name\":\"mine\"}", 200);
    do_call(f, "POST", UC "schemas", "{\"catalog_name\":\"mine\",\"name\":\"s\"}", 200);
    do_call(f, "GET", UC "schemas/mine.s", NULL, 200);
    do_call(f, "GET", UC "schemas/mine.t", NULL, 404);
    do_call(f, "GET", UC "catalogs/main", NULL, 200);
}

static void grant(const struct fixture *f, const char *on, const char *privilege)
{
    char target[128], body[256];

    (void)snprintf(target, sizeof(target), UC "permissions/%s", on);
    (void)snprintf(body, sizeof(body),
        "{\"changes\":[{\"principal\":\"" WORKER "\",\"add\":[\"%s\"]}]}", privilege);
    do_call(f, "PATCH", target, body, 200);
}

static int worker_put(const struct fixture *f, const char *name)
{
    char target[128];

    (void)snprintf(target, sizeof(target), FILES VOLUME "/%s", name);
    return ask_status(f, "PUT", target, WORKER_BEARER, "x");
}

static void each_missing_grant_is_named_in_turn(void **state)
{
    struct fixture *f = *state;
    const char *me = UC "volumes/main.raw.land";

    expect_error_as(f, WORKER_BEARER, "GET", me, NULL, 403, "PERMISSION_DENIED",
        "User does not have USE CATALOG on Catalog 'main'.");
    grant(f, "catalog/main", "USE_CATALOG");
    expect_error_as(f, WORKER_BEARER, "PUT", FILES VOLUME "/a", "x", 403, "PERMISSION_DENIED",
        "User does not have USE SCHEMA on Schema 'main.raw'.");
    grant(f, "schema/main.raw", "USE_SCHEMA");
    expect_error_as(f, WORKER_BEARER, "PUT", FILES VOLUME "/a", "x", 403, "PERMISSION_DENIED",
        "User does not have WRITE VOLUME on Volume 'main.raw.land'.");
    /* Missing, not forbidden: the schema can be used. */
    expect_error_as(f, WORKER_BEARER, "GET", UC "volumes/main.raw.no", NULL, 404,
        "VOLUME_DOES_NOT_EXIST", "does not exist");
    grant(f, "volume/main.raw.land", "WRITE_VOLUME");
    assert_int_equal(worker_put(f, "a"), 204);
    assert_int_equal(ask_status(f, "GET", FILES VOLUME "/a", WORKER_BEARER, NULL), 403);
    assert_int_equal(ask_status(f, "HEAD", FILES VOLUME "/a", WORKER_BEARER, NULL), 403);
    grant(f, "catalog/main", "READ_VOLUME"); /* inherited */
    assert_int_equal(ask_status(f, "GET", FILES VOLUME "/a", WORKER_BEARER, NULL), 200);
    json_decref(call_as(f, WORKER_BEARER, "GET", me, NULL, 200));
    expect_error_as(f, WORKER_BEARER, "POST", UC "volumes",
        "{\"catalog_name\":\"main\",\"schema_name\":\"raw\",\"name\":\"v\","
        "\"volume_type\":\"MANAGED\"}",
        403, "PERMISSION_DENIED", "User does not have CREATE VOLUME on Schema 'main.raw'.");
    /* Taken away in the middle. */
    do_call(f, "PATCH", UC "permissions/volume/main.raw.land",
        "{\"changes\":[{\"principal\":\"" WORKER "\",\"remove\":[\"WRITE_VOLUME\"]}]}", 200);
    assert_int_equal(worker_put(f, "b"), 403);
    restart(f, with_schema);
    assert_int_equal(worker_put(f, "b"), 403);
    grant(f, "volume/main.raw.land", "ALL_PRIVILEGES");
    assert_int_equal(worker_put(f, "b"), 204);
}

static void effective_permissions_say_where_from(void **state)
{
    struct fixture *f = *state;
    json_t *a, *list, *one;

    grant(f, "catalog/main", "USE_SCHEMA");
    grant(f, "catalog/main", "USE_CATALOG");
    grant(f, "schema/main.raw", "READ_VOLUME");
    a = call_as(f, WORKER_BEARER, "GET",
        UC "effective-permissions/schema/main.raw?principal=" WORKER, NULL, 200);
    list = json_object_get(
        json_array_get(json_object_get(a, "privilege_assignments"), 0), "privileges");
    assert_int_equal(json_array_size(list), 3);
    one = json_array_get(list, 0);
    assert_string_equal(json_member(one, "privilege"), "READ_VOLUME");
    assert_null(json_object_get(one, "inherited_from_type"));
    one = json_array_get(list, 1);
    assert_string_equal(json_member(one, "inherited_from_type"), "CATALOG");
    assert_string_equal(json_member(one, "inherited_from_name"), "main");
    json_decref(a);
    expect_error_as(f, WORKER_BEARER, "GET", UC "effective-permissions/schema/main.raw", NULL, 403,
        "PERMISSION_DENIED", "MANAGE");
    a = call(f, "GET", UC "permissions/schema/main.raw", NULL, 200);
    list = json_object_get(a, "privilege_assignments");
    assert_string_equal(json_member(json_array_get(list, 0), "principal"), WORKER);
    json_decref(a);
    a = call(f, "GET", UC "permissions/schema/main.raw?principal=x", NULL, 200);
    assert_null(json_object_get(a, "privilege_assignments"));
    json_decref(a);
}

static void grants_that_make_no_sense_are_refused_whole(void **state)
{
    static const char target[] = UC "permissions/volume/main.raw.land";
    struct fixture *f = *state;
    json_t *a;

    expect_error(f, "PATCH", target,
        "{\"changes\":[{\"principal\":\"" WORKER "\",\"add\":[\"READ_VOLUME\",\"SELECT\"]}]}", 400,
        "INVALID_PARAMETER_VALUE", "not applicable");
    expect_error(f, "PATCH", target,
        "{\"changes\":[{\"principal\":\"" WORKER "\",\"add\":[\"READ_VOLUME\"],"
        "\"remove\":[\"READ_VOLUME\"]}]}",
        400, "INVALID_PARAMETER_VALUE", "both");
    expect_error(f, "PATCH", target,
        "{\"changes\":[{\"principal\":\"nobody\",\"add\":[\"READ_VOLUME\"]}]}", 404,
        "PRINCIPAL_DOES_NOT_EXIST", "Could not find principal with name nobody");
    a = call(f, "GET", target, NULL, 200);
    assert_null(json_object_get(a, "privilege_assignments"));
    json_decref(a);
}

static void me_is_who_asks(void **state)
{
    struct fixture *f = *state;
    json_t *a = call_as(f, WORKER_BEARER, "GET", "/api/2.0/preview/scim/v2/Me", NULL, 200);
    json_t *b = call(f, "GET", "/api/2.0/preview/scim/v2/Me", NULL, 200);

    assert_string_equal(json_member(a, "userName"), WORKER);
    assert_string_not_equal(json_member(a, "id"), json_member(b, "id"));
    assert_int_equal(json_array_size(json_object_get(a, "groups")), 1);
    assert_int_equal(json_array_size(json_object_get(b, "groups")), 2);
    json_decref(a);
    json_decref(b);
}

static void warehouses_and_clusters_are_there(void **state)
{
    struct fixture *f = *state;
    json_t *a = call(f, "GET", "/api/2.0/sql/warehouses", NULL, 200), *one;

    one = json_array_get(json_object_get(a, "warehouses"), 0);
    assert_string_equal(json_member(one, "id"), "8ec9edc1db0c40df");
    assert_string_equal(json_member(one, "state"), "STOPPED");
    assert_true(json_is_true(json_object_get(one, "enable_serverless_compute")));
    json_decref(a);
    do_call(f, "POST", "/api/2.0/sql/warehouses/8ec9edc1db0c40df/start", "{}", 200);
    a = call(f, "GET", "/api/2.0/sql/warehouses/8ec9edc1db0c40df", NULL, 200);
    assert_string_equal(json_member(a, "state"), "RUNNING");
    json_decref(a);
    do_call(f, "GET", "/api/2.0/sql/warehouses/no", NULL, 404);
    do_call(f, "GET", "/api/2.1/clusters/get?cluster_id=0123-456789-cluster0", NULL, 200);
    expect_error(f, "GET", "/api/2.1/clusters/get?cluster_id=no", NULL, 400,
        "INVALID_PARAMETER_VALUE", "Cluster no does not exist");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(volumes_are_made_shown_listed_and_removed, setup, teardown),
        cmocka_unit_test_setup_teardown(a_missing_parent_is_named, setup, teardown),
        cmocka_unit_test_setup_teardown(each_missing_grant_is_named_in_turn, setup, teardown),
        cmocka_unit_test_setup_teardown(effective_permissions_say_where_from, setup, teardown),
        cmocka_unit_test_setup_teardown(
            grants_that_make_no_sense_are_refused_whole, setup, teardown),
        cmocka_unit_test_setup_teardown(me_is_who_asks, setup, teardown),
        cmocka_unit_test_setup_teardown(warehouses_and_clusters_are_there, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
