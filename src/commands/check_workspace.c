/* `check`, the workspace: sign-in, volume, its two folders, table and grants. */
#include "commands/check.h"

#include "base/rng.h"
#include "commands/plan_for.h"
#include "commands/workspace.h"
#include "databricks/files.h"

#include <signal.h>
#include <stdio.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define CALL_US (4 * CLOCK_SECOND_US)
#define REMOVE_US (1500 * INT64_C(1000)) /* kept for the removal of a probe file */
#define PROBE_TEXT "volume-uploader check\n"

/* --- calls with an end --- */

bool check_call_begin(struct check *c, const char *name, int64_t most_us)
{
    int64_t left = check_time_us(c, most_us);
    struct itimerspec end = {
        .it_value = {left / CLOCK_SECOND_US, left % CLOCK_SECOND_US * 1000 + 1}};

    c->step_us = clock_mono_us();
    if (left > 0 && (c->timer < 0 || timerfd_settime(c->timer, 0, &end, NULL) == 0))
        return true;
    check_say(c, CHECK_SKIP, name, "see which step above took so long, and run it again",
        "no time is left: the whole check may take %lld s",
        (long long)(CHECK_TIME_US / CLOCK_SECOND_US));
    return false;
}

void check_call_failed(struct check *c, const char *name, const struct err *err, const char *remedy)
{
    if (workspace_stopped(c->ws))
        check_say(c, CHECK_FAIL, name, "try again; else look at the network and the workspace",
            "no answer within %lld ms", (long long)((clock_mono_us() - c->step_us) / 1000));
    else
        check_say(c, CHECK_FAIL, name, remedy, "%s", err->text);
}

/* --- who we are --- */

/* False: no further call makes sense. */
static bool look_sign_in(struct check *c)
{
    struct workspace_facts facts;
    struct err err = {0};
    char remedy[256];

    if (!check_call_begin(c, "sign-in", CALL_US))
        return false;
    if (!me_get(c->ws, &c->me, &err)) {
        workspace_facts(c->ws, &facts);
        (void)snprintf(remedy, sizeof(remedy),
            "%s (sign-in method %s; the lines `setting` show where each value came from)",
            err.kind == ERR_DENIED ? "check that host, client id and secret or token belong "
                                     "together and have not ended"
                                   : "try again later",
            facts.method);
        check_call_failed(c, "sign-in", &err, remedy);
        return false;
    }
    workspace_facts(c->ws, &facts);
    if (!c->me.active)
        check_say(c, CHECK_FAIL, "sign-in", "activate it in the account console",
            "%s is not active in this workspace", c->me.user_name);
    else
        check_say(c, CHECK_OK, "sign-in", NULL, "as %s%s%s%s with %s%s%s%s%s", c->me.user_name,
            c->me.display_name[0] ? " (" : "", c->me.display_name, c->me.display_name[0] ? ")" : "",
            facts.method, facts.token_url[0] ? " at " : "", facts.token_url,
            facts.token_says[0] ? ", " : "", facts.token_says);
    return true;
}

static void look_workspace_id(struct check *c)
{
    struct workspace_facts facts;
    const char *wanted = c->s->workspace_id;

    workspace_facts(c->ws, &facts);
    if (wanted && c->me.workspace_id[0] && strcmp(wanted, c->me.workspace_id) != 0)
        check_say(c, CHECK_FAIL, "workspace id", "correct DATABRICKS_WORKSPACE_ID, or the host",
            "workspace %s answers, the settings say %s", c->me.workspace_id, wanted);
    else if (c->me.workspace_id[0])
        check_say(c, CHECK_OK, "workspace id", NULL, "%s%s%s", c->me.workspace_id,
            facts.cloud[0] ? " on " : "", facts.cloud);
    else
        check_say(c, CHECK_OK, "workspace id", NULL, "not told by the workspace%s%s",
            wanted ? "; the settings say " : "", wanted ? wanted : "");
}

/* --- the volume --- */

static void look_volume(struct check *c)
{
    struct catalog_volume volume = {0};
    struct err err = {0};
    bool exists = false;

    if (!check_call_begin(c, "volume", CALL_US))
        return;
    if (!catalog_volume_get(c->ws, c->plan->options.volume, &volume, &exists, &err)) {
        check_call_failed(c, "volume", &err,
            "grant USE CATALOG, USE SCHEMA, READ VOLUME and WRITE VOLUME: "
            "`volume-uploader setup --sql` prints the statements");
    } else if (!exists) {
        check_say(c, CHECK_FAIL, "volume",
            "run `volume-uploader setup`, or correct DATABRICKS_UC_VOLUME",
            "%s does not exist, or we may not see it", c->s->volume_text);
    } else {
        c->volume_there = true;
        c->owns_volume = strcmp(volume.owner, c->me.user_name) == 0;
        check_say(c, CHECK_OK, "volume", NULL, "%s, %s%s%s", volume.full_name, volume.type,
            volume.owner[0] ? ", owner " : "", volume.owner);
    }
    catalog_volume_done(&volume);
}

/* Writes a file and removes it again. Its name begins with '_', which loaders pass over. */
static bool write_probe(struct check *c, const char *name, const char *folder)
{
    struct err err = {0}, removal = {0};
    uint64_t number = 0;
    bool ok = false, removed = false;
    struct buf path;

    buf_init(&path, 4096);
    if (!rng_secure(&number, sizeof(number), &err))
        number = (uint64_t)clock_wall_us();
    buf_printf(&path, "%s/_volume-uploader-check-%016llx", folder, (unsigned long long)number);
    if (!check_call_begin(c, name, check_time_us(c, CALL_US + REMOVE_US) - REMOVE_US)) {
        buf_done(&path);
        return false;
    }
    ok = files_put(c->ws, buf_text(&path), span_of(PROBE_TEXT), false, &err);
    if (!ok)
        check_call_failed(c, name, &err,
            "grant READ VOLUME and WRITE VOLUME on the volume, USE CATALOG and USE SCHEMA: "
            "`volume-uploader setup --sql` prints the statements");
    /* After a failure too, unless it was refused: a lost answer may have left the file behind. */
    if (ok || err.kind == ERR_RETRY) {
        c->volume_writable = ok || c->volume_writable;
        if (check_call_begin(c, name, CALL_US))
            removed = files_delete(c->ws, buf_text(&path), &removal);
    }
    if (ok && !removed)
        check_say(c, CHECK_WARN, name, "delete it; grant WRITE VOLUME for good",
            "the probe file %s could not be removed: %s", buf_text(&path), removal.text);
    buf_done(&path);
    return ok && removed;
}

/* Ctrl-C waits for the removal. */
static bool try_to_write(struct check *c, const char *name, const char *folder)
{
    sigset_t ends, before;
    bool ok;

    (void)sigemptyset(&ends);
    (void)sigaddset(&ends, SIGINT);
    (void)sigaddset(&ends, SIGTERM);
    (void)sigaddset(&ends, SIGHUP);
    (void)pthread_sigmask(SIG_BLOCK, &ends, &before);
    ok = write_probe(c, name, folder);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return ok;
}

static void look_folder(struct check *c, const char *name, const char *folder)
{
    struct err err = {0};
    bool exists = false;
    char root[1024];

    if (!check_call_begin(c, name, CALL_US))
        return;
    if (!files_directory_exists(c->ws, folder, &exists, &err)) {
        check_call_failed(c, name, &err,
            "grant READ VOLUME on the volume: `volume-uploader setup --sql` prints the statement");
        return;
    }
    if (exists) {
        if (try_to_write(c, name, folder))
            check_say(c, CHECK_OK, name, NULL, "%s takes files", folder);
        return;
    }
    /* Not made here: the check leaves nothing behind. What the volume takes, its folders will. */
    (void)snprintf(root, sizeof(root), "%.*s", (int)(strrchr(folder, '/') - folder), folder);
    if (c->volume_writable || try_to_write(c, name, root))
        check_say(c, CHECK_OK, name, NULL,
            "not there yet; it is made when it is needed, and the volume takes files");
}

/* --- the table --- */

static void say_table(struct check *c, const struct catalog_table *table)
{
    struct buf differs;
    bool fits;

    c->table_there = true;
    c->owns_table = strcmp(table->owner, c->me.user_name) == 0;
    buf_init(&differs, 4096);
    fits = plan_table_fits(table, &differs);
    if (fits)
        check_say(c, CHECK_OK, "table", NULL, "%s takes our rows%s%s", table->full_name,
            differs.len ? ": " : "", buf_text(&differs));
    else
        check_say(c, CHECK_FAIL, "table",
            "name another table in DATABRICKS_DELTA_TABLE, or alter or drop this one; `setup` "
            "makes a missing one",
            "%s is not what the job writes: %s", table->full_name, buf_text(&differs));
    buf_done(&differs);
}

static void look_table(struct check *c)
{
    bool job = c->s->job_loader != JOB_LOADER_NONE;
    struct catalog_table table = {0};
    struct err err = {0};
    bool exists = false;

    if (!check_call_begin(c, "table", CALL_US))
        return;
    if (!catalog_table_get(c->ws, c->plan->options.table, &table, &exists, &err))
        check_call_failed(c, "table", &err,
            "grant SELECT and MODIFY on the table: `volume-uploader setup --sql` prints the "
            "statement");
    else if (!exists)
        check_say(c, job ? CHECK_FAIL : CHECK_WARN, "table",
            "run `volume-uploader setup`, or correct DATABRICKS_DELTA_TABLE",
            "%s does not exist, or we may not see it", c->s->table_text);
    else
        say_table(c, &table);
    catalog_table_done(&table);
}

/* --- grants --- */

struct grants_look {
    struct buf missing, sql;
    size_t unknown;
};

/* What the probe files have shown cannot be missing, however it was granted. */
static bool is_proven(const struct check *c, const struct plan_grant *g)
{
    if (g->kind == CATALOG_TABLE)
        return c->owns_table;
    if (g->kind == CATALOG_VOLUME)
        return c->volume_writable || c->owns_volume;
    /* Of the volume's schema and catalog; the table may lie elsewhere. */
    return c->volume_writable && strcmp(g->path.catalog, c->plan->options.volume.catalog) == 0 &&
           (!g->path.schema || strcmp(g->path.schema, c->plan->options.volume.schema) == 0);
}

static void add_missing(struct check *c, struct grants_look *l, const struct plan_grant *g,
    const struct catalog_privileges *have)
{
    struct plan_grant rest = *g;

    rest.count = 0;
    for (size_t i = 0; i < g->count; i++)
        if (!catalog_privileges_have(have, c->me.user_name, g->privileges[i]))
            rest.privileges[rest.count++] = g->privileges[i];
    if (rest.count == 0)
        return;
    for (size_t i = 0; i < rest.count; i++)
        buf_printf(&l->missing, "%s%s", l->missing.len ? ", " : "", rest.privileges[i]);
    buf_printf(&l->missing, " on %s ", catalog_kind_name(g->kind));
    (void)catalog_full_name(g->path, &l->missing);
    if (l->sql.len)
        buf_add_text(&l->sql, "; ");
    (void)plan_grant_sql(&rest, c->me.user_name, &l->sql);
}

/* False: a call failed, and the line is said. */
static bool look_grant(struct check *c, struct grants_look *l, const struct plan_grant *g)
{
    struct catalog_privileges have = {0};
    bool known = false, ok;
    struct err err = {0};

    if (is_proven(c, g) || (g->kind == CATALOG_TABLE && !c->table_there) ||
        (g->kind == CATALOG_VOLUME && !c->volume_there))
        return true;
    if (!check_call_begin(c, "grants", CALL_US))
        return false;
    ok =
        catalog_privileges_get(c->ws, g->kind, g->path, c->me.user_name, true, &have, &known, &err);
    if (!ok && err.code != 404) /* a catalog or schema we may not see */
        check_call_failed(c, "grants", &err, "see the lines above");
    else if (ok && known)
        add_missing(c, l, g, &have);
    else
        l->unknown++;
    catalog_privileges_done(&have);
    return ok || err.code == 404;
}

static void look_grants(struct check *c)
{
    struct plan_grant grants[PLAN_GRANTS_MAX];
    size_t count = plan_grants(c->plan, grants), i = 0;
    struct grants_look l = {.unknown = 0};

    buf_init(&l.missing, 4096);
    buf_init(&l.sql, 8192);
    while (i < count && look_grant(c, &l, &grants[i]))
        i++;
    if (i == count && l.missing.len)
        check_say(c, CHECK_FAIL, "grants", buf_text(&l.sql), "missing: %s", buf_text(&l.missing));
    else if (i == count && l.unknown)
        check_say(c, CHECK_OK, "grants", NULL,
            "%zu of %zu are not known: the workspace does not tell us", l.unknown, count);
    else if (i == count)
        check_say(c, CHECK_OK, "grants", NULL, "nothing is missing%s",
            c->table_there && c->volume_there ? "" : " of what is there");
    buf_done(&l.missing);
    buf_done(&l.sql);
}

/* --- all of it --- */

static void skip_rest(struct check *c, const char *why)
{
    static const char *const names[] = {
        "volume", "data/", "checkpoints/", "table", "grants", "compute", "job", "files in data/"};

    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
        check_say(c, CHECK_SKIP, names[i], NULL, "%s", why);
}

static void look_all(struct check *c)
{
    if (!look_sign_in(c)) {
        skip_rest(c, "we are not signed in");
        return;
    }
    look_workspace_id(c);
    look_volume(c);
    if (c->volume_there) {
        look_folder(c, "data/", c->plan->data_path);
        look_folder(c, "checkpoints/", c->plan->checkpoint_path);
    } else {
        check_say(c, CHECK_SKIP, "data/", NULL, "there is no volume");
        check_say(c, CHECK_SKIP, "checkpoints/", NULL, "there is no volume");
    }
    look_table(c);
    look_grants(c);
    check_job(c);
}

void check_workspace(struct check *c, bool reached)
{
    struct err err = {0};

    c->step_us = clock_mono_us();
    if (!reached) {
        check_say(c, CHECK_SKIP, "sign-in", NULL, "the workspace is not reached");
        skip_rest(c, "the workspace is not reached");
        return;
    }
    c->plan = plan_for(c->s, &err);
    if (!c->plan) {
        check_say(c, CHECK_FAIL, "settings", NULL, "%s", err.text);
        check_say(c, CHECK_SKIP, "sign-in", NULL, "the settings have mistakes");
        skip_rest(c, "the settings have mistakes");
        return;
    }
    c->ws = workspace_for(c->s, &err);
    c->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (!c->ws) {
        check_say(c, CHECK_FAIL, "sign-in", NULL, "%s", err.text);
        skip_rest(c, "we are not signed in");
    } else {
        workspace_stop_on(c->ws, c->timer);
        look_all(c);
    }
    workspace_free(c->ws);
    plan_free(c->plan);
    if (c->timer >= 0)
        (void)close(c->timer);
}
