/* Settings of a job that the service would refuse: databricks-api.md 4.2, 4.3, 8. */
#include "emulator/auth.h"
#include "emulator/compute.h"
#include "emulator/jobbook.h"

#define NAME_BYTES_MAX 4096U
#define TASKS_MAX 1000U
#define TAGS_MAX 25U

static bool refuse(struct request *req, const char *fmt, ...) PRINTF_LIKE(2, 3);
static bool refuse(struct request *req, const char *fmt, ...)
{
    char text[400];
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    reply_error(req, 400, "INVALID_PARAMETER_VALUE", NULL, "%s", text);
    return false;
}

/* The clouds' rules for tags, the strictest of them: they are passed on to the machines. */
static bool check_tags(struct request *req, const json_t *tags)
{
    json_t *value;
    const char *key;

    if (tags && !json_is_object(tags))
        return refuse(req, "Cannot deserialize the field tags.");
    if (json_object_size(tags) > TAGS_MAX)
        return refuse(req, "Job settings can have at most %u tags.", TAGS_MAX);
    json_object_foreach((json_t *)(uintptr_t)tags, key, value)
    {
        const char *text = json_string_value(value);

        if (!text || !*key || strlen(key) > 127 || strlen(text) > 255)
            return refuse(req, "The tag '%.100s' is too long, or not text.", key);
        for (const char *p = text; *p; p++) {
            if ((unsigned char)*p < ' ' || strchr("<>%&\\?", *p))
                return refuse(req,
                    "The value of the tag '%.100s' has a character that is not "
                    "allowed.",
                    key);
        }
    }
    return true;
}

/* READ VOLUME on the volume of a path below /Volumes; its directory must be there. */
static bool check_monitored(struct request *req, const char *url)
{
    enum store_answer answer;
    struct path path;
    struct err err = {0};
    const char *why;
    char volume[3 * STMT_NAME_MAX];
    int fd = -1;

    if (!path_decode_volume(span_of(url), &path, &why))
        return refuse(req, "The file arrival path %.200s is not valid: %s", url, why);
    (void)snprintf(volume, sizeof(volume), "%s.%s.%s", path.part[1], path.part[2], path.part[3]);
    if (!rights_check(req->emu, req->principal, "volume", volume, "READ_VOLUME", &err)) {
        reply_error(req, 403, "PERMISSION_DENIED", NULL, "%s", err.text);
        return false;
    }
    answer = store_dir(req->emu->store, &path, &fd, &err);
    file_drop(fd);
    return answer == STORE_OK ||
           refuse(req, "The file arrival path %.200s does not exist or cannot be read.", url);
}

static bool check_wait(struct request *req, const json_t *arrival, const char *key)
{
    const json_t *value = json_object_get(arrival, key);

    return !value || (json_is_integer(value) && json_integer_value(value) >= 60) ||
           refuse(req, "%s must be at least 60 seconds.", key);
}

static bool check_trigger(struct request *req, const json_t *settings)
{
    const json_t *trigger = json_object_get(settings, "trigger");
    const json_t *arrival = json_object_get(trigger, "file_arrival");
    const json_t *periodic = json_object_get(trigger, "periodic");
    const char *pause = json_member(trigger, "pause_status");
    const char *url = json_member(arrival, "url"), *unit = json_member(periodic, "unit");

    if (!trigger)
        return true;
    if (*pause && strcmp(pause, "PAUSED") != 0 && strcmp(pause, "UNPAUSED") != 0)
        return refuse(req, "Invalid value for pause_status: %.50s", pause);
    if (json_object_get(settings, "schedule") || json_object_get(settings, "continuous"))
        return refuse(req, "A job can have only one of schedule, trigger and continuous.");
    if (!arrival == !periodic)
        return refuse(req, "A trigger is exactly one of file_arrival, periodic and table_update.");
    if (periodic)
        return (json_member_int(periodic, "interval") > 0 &&
                   (strcmp(unit, "HOURS") == 0 || strcmp(unit, "DAYS") == 0 ||
                       strcmp(unit, "WEEKS") == 0)) ||
               refuse(req, "A periodic trigger needs an interval and HOURS, DAYS or WEEKS.");
    if (!*url || url[strlen(url) - 1] != '/')
        return refuse(req, "The file arrival url '%.200s' must end with '/'.", url);
    if (strpbrk(url, "*?[]{}"))
        return refuse(req, "The file arrival url must not contain wildcards.");
    return check_wait(req, arrival, "min_time_between_triggers_seconds") &&
           check_wait(req, arrival, "wait_after_last_change_seconds") && check_monitored(req, url);
}

static bool has_environment(const json_t *settings, const char *key)
{
    json_t *entry;
    size_t i;

    json_array_foreach(json_object_get(settings, "environments"), i, entry)
    {
        if (strcmp(json_member(entry, "environment_key"), key) == 0)
            return true;
    }
    return false;
}

static bool check_python(struct request *req, const json_t *settings, const json_t *task)
{
    const json_t *python = json_object_get(task, "spark_python_task");
    const char *file = json_member(python, "python_file");
    const char *cluster = json_member(task, "existing_cluster_id");
    const char *environment = json_member(task, "environment_key");
    int choices = (*cluster != '\0') + (*environment != '\0') +
                  (json_object_get(task, "new_cluster") != NULL) +
                  (json_object_get(task, "job_cluster_key") != NULL);

    if (file[0] != '/' && strncmp(file, "dbfs:/", 6) != 0 && !strstr(file, "://"))
        return refuse(
            req, "Invalid python file reference: '%.200s'. It must be an absolute path.", file);
    if (choices == 0)
        return refuse(req, "A task environment can not be provided for the task: the "
                           "environment_key is required for serverless tasks, or one of "
                           "existing_cluster_id, new_cluster and job_cluster_key.");
    if (choices > 1)
        return refuse(req, "Exactly one of environment_key, existing_cluster_id, new_cluster and "
                           "job_cluster_key is needed.");
    if (*environment && !has_environment(settings, environment))
        return refuse(
            req, "The environment_key '%.100s' is not defined in environments.", environment);
    if (*cluster && !compute_has_cluster(req->emu, cluster))
        return refuse(req, "Cluster %.100s does not exist.", cluster);
    return true;
}

static bool check_sql(struct request *req, const json_t *task)
{
    const json_t *sql = json_object_get(task, "sql_task");
    const json_t *file = json_object_get(sql, "file");
    const char *path = json_member(file, "path"), *warehouse = json_member(sql, "warehouse_id");

    if (!*warehouse)
        return refuse(req, "Missing required field: sql_task.warehouse_id");
    if (!compute_has_warehouse(req->emu, warehouse))
        return refuse(req, "SQL warehouse %.100s does not exist.", warehouse);
    if (file && path[0] != '/' && strcmp(json_member(file, "source"), "GIT") != 0)
        return refuse(req, "The SQL file path '%.200s' must be absolute.", path);
    if (file && compute_is_classic(req->emu, warehouse))
        return refuse(req, "SQL file tasks need a pro or serverless warehouse.");
    return true;
}

static bool check_task(struct request *req, const json_t *settings, const json_t *task)
{
    const char *key = json_member(task, "task_key");

    if (!*key || strlen(key) > 100 ||
        key[strspn(key, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")])
        return refuse(req, "The task key '%.100s' is not valid.", key);
    if (json_object_get(task, "spark_python_task"))
        return check_python(req, settings, task);
    if (json_object_get(task, "sql_task"))
        return check_sql(req, task);
    return json_object_size(task) > 1 ||
           refuse(req, "The task '%.100s' does not say what to do.", key);
}

static bool check_tasks(struct request *req, const json_t *settings)
{
    const json_t *tasks = json_object_get(settings, "tasks");
    json_t *task;
    size_t i;

    if (tasks && (!json_is_array(tasks) || json_array_size(tasks) > TASKS_MAX))
        return refuse(req, "A job can have at most %u tasks.", TASKS_MAX);
    json_array_foreach(tasks, i, task)
    {
        if (!check_task(req, settings, task))
            return false;
        for (size_t j = 0; j < i; j++) {
            if (strcmp(json_member(json_array_get(tasks, j), "task_key"),
                    json_member(task, "task_key")) == 0)
                return refuse(
                    req, "The task key '%.100s' is there twice.", json_member(task, "task_key"));
        }
    }
    return true;
}

/* The identity of the runs: a non-admin only oneself. */
static bool check_run_as(struct request *req, const json_t *settings)
{
    const json_t *run_as = json_object_get(settings, "run_as");
    const char *service = json_member(run_as, "service_principal_name");
    const char *who = *service ? service : json_member(run_as, "user_name");

    if (!run_as || !*who)
        return true;
    if (!auth_is_known(req->emu, who))
        return refuse(req, "The principal %.100s does not exist.", who);
    if (strcmp(who, req->principal) == 0 || auth_is_admin(req->emu, req->principal))
        return true;
    reply_error(req, 403, "PERMISSION_DENIED", NULL,
        "User %.100s may not set run_as to %.100s: the role servicePrincipal/user is needed.",
        req->principal, who);
    return false;
}

bool job_check(struct request *req, const json_t *settings)
{
    const json_t *runs = json_object_get(settings, "max_concurrent_runs");

    if (!json_is_object(settings))
        return refuse(req, "Missing required field: new_settings");
    if (strlen(json_member(settings, "name")) > NAME_BYTES_MAX)
        return refuse(req, "The name of a job has at most %u bytes.", NAME_BYTES_MAX);
    if (runs &&
        (!json_is_integer(runs) || json_integer_value(runs) < 0 || json_integer_value(runs) > 1000))
        return refuse(req, "max_concurrent_runs must be between 0 and 1000.");
    return check_tags(req, json_object_get(settings, "tags")) && check_tasks(req, settings) &&
           check_run_as(req, settings) && check_trigger(req, settings);
}
