/* ingestion/ingestion.h: the Databricks job that loads the volume into the table, and the set-up of
 * everything it needs. This is what `setup`, `check` and `run` call.
 *
 * Shape    options say what is wanted; plan_new makes every text of it (names, paths, code, SQL, the
 *          job's definition, its hash) without a network; ensure_job brings it into being and keeps
 *          it current; setup_* goes through the whole list of steps (ingestion/setup.h).
 * Units    _us microseconds.
 * Limits   names of Unity Catalog 255 bytes a part; RIVALS_MAX jobs of others are told.
 * Errors   ERR_INPUT: a name or path that cannot be used, with its reason. Calls: as
 *          databricks/error.h.
 * Owner    x_new / x_free, x_done as each says; texts of a plan live as long as the plan.
 * Threads  one at a time.
 * Source   databricks-api.md 4-7, 10; design.md 7.
 */
#ifndef INGESTION_INGESTION_H
#define INGESTION_INGESTION_H

#include "databricks/catalog.h"
#include "databricks/compute.h"
#include "databricks/jobs.h"

/* Rises with every change of what a plan says for the same options. An older program leaves a job
 * with a higher one alone. Kept in the job's tag "version". */
#define INGESTION_VERSION 1

/* Value of the tag "managed_by" of our jobs. */
#define INGESTION_MANAGER "volume-uploader"

enum ingestion_loader { INGESTION_NONE, INGESTION_AUTO_LOADER, INGESTION_COPY_INTO };
enum ingestion_trigger { INGESTION_FILE_ARRIVAL, INGESTION_PERIODIC };

struct ingestion_options {
    struct catalog_path volume; /* all three parts, without back-ticks */
    struct catalog_path table;
    enum ingestion_loader loader;
    const char *cluster_id;   /* of AUTO_LOADER; NULL: serverless */
    const char *warehouse_id; /* of COPY_INTO */
    enum ingestion_trigger trigger;
    bool clean_source;        /* of AUTO_LOADER: loaded files move to archive/ */
    int64_t archive_after_us; /* so long after they were loaded */
    const char *folder;       /* of the code: "/Workspace/Shared/volume-uploader" */
};

/* --- what is wanted --- */

/* Nothing in it differs between the uploaders of one fleet: same options, same bytes. */
struct plan {
    /* Places in the volume; all but the last without a slash at the end. */
    char *data_path, *checkpoint_path, *archive_path;
    char *trigger_folder; /* data_path with its slash: what the trigger and the loaders say */

    /* Of the job; NULL and "" with INGESTION_NONE. */
    char *job_name;   /* "volume-uploader main.raw.events" */
    char *table_tag;  /* value of the tag "table": the name, or a hash when a tag cannot hold it */
    char *volume_tag; /* of the tag "volume", likewise */
    char *code_path;  /* "/Workspace/Shared/volume-uploader/main.raw.events.py" */
    char *code;       /* its text */
    char *job;        /* settings as JSON, to create and to reset with */
    char *job_paused; /* the same, paused: for a job that a person paused */
    char hash[17];    /* FNV-1a, 64 bits, of code and job: tells change, is no security */

    /* SQL without a semicolon, names quoted. */
    char *create_schema, *create_table_schema; /* the latter NULL: the same schema */
    char *create_volume, *create_table;

    struct ingestion_options options; /* its texts are the plan's own */
};

struct plan *plan_new(const struct ingestion_options *options, struct err *err);
void plan_free(struct plan *plan);

/* --- rights --- */

struct plan_grant {
    enum catalog_kind kind;
    struct catalog_path path;
    const char *privileges[2]; /* as REST writes them: "READ_VOLUME" */
    size_t count;
    const char *why; /* "to upload files" */
};

#define PLAN_GRANTS_MAX 6
/* Those the uploader's principal needs; with a job also those of its run. Returns how many. */
size_t plan_grants(const struct plan *plan, struct plan_grant ret[PLAN_GRANTS_MAX]);
/* "GRANT READ VOLUME, WRITE VOLUME ON VOLUME `c`.`s`.`v` TO `principal`" behind `out`. NULL: a
 * placeholder for the principal. */
bool plan_grant_sql(const struct plan_grant *grant, const char *principal, struct buf *out);

/* --- the table --- */

/* Compares column by column. True: the table takes our rows. `out` gets what differs, one sentence
 * a column; also what is odd and harmless (more columns that may be null). */
bool plan_table_fits(const struct catalog_table *table, struct buf *out);

/* --- the job --- */

enum job_standing {
    JOB_CURRENT,    /* ours, as wanted (perhaps paused by a person) */
    JOB_MISSING,    /* there is none */
    JOB_DIFFERENT,  /* ours, of another definition: to be reset */
    JOB_NEWER,      /* ours, made by a newer program: left alone */
    JOB_DUPLICATES, /* several of ours: the lowest id stays */
    JOB_FOREIGN,    /* a job of this name that is not ours: left alone */
};

struct job_look {
    enum job_standing standing;
    int64_t id; /* ours with the lowest id; 0: none */
    bool paused;
    char differs[120]; /* JOB_DIFFERENT: in what */
    int64_t extra[16]; /* JOB_DUPLICATES: those that go */
    size_t extra_count;
    size_t foreign_count;
    struct job job; /* ours as jobs_get told it; empty when there is none */
};

/* Judges without a call: `list` is what jobs_list_get says of plan->job_name, `job` what jobs_get
 * says of ours with the lowest id (NULL: not read yet). Borrows nothing. */
void job_judge(const struct plan *plan, const struct jobs_list *list, const struct job *job,
    struct job_look *ret);
/* Asks the workspace; changes nothing. */
NODISCARD bool job_look_at(
    struct workspace *ws, const struct plan *plan, struct job_look *ret, struct err *err);
void job_look_done(struct job_look *look);

/* Jobs of others that would load the same data/ folder a second time, or into another table. */
enum rival_kind {
    RIVAL_ORIGINAL, /* of the original app: "Kelvin - Auto Loader", "Kelvin - COPY INTO" */
    RIVAL_TABLE,    /* ours, of another table on the same volume */
    RIVAL_FOLDER,   /* somebody's, started by files in data/ */
};
struct rival {
    enum rival_kind kind;
    int64_t id;
    bool paused;
    char name[160];
    char creator[128];
};

#define RIVALS_MAX 16
struct rivals {
    struct rival items[RIVALS_MAX];
    size_t count;
    size_t active; /* of them, not paused: these stand in the way */
    bool partial;  /* there are more jobs than were looked at */
};
void rivals_judge(const struct plan *plan, const struct jobs_list *list, struct rivals *ret);
NODISCARD bool rivals_find(
    struct workspace *ws, const struct plan *plan, struct rivals *ret, struct err *err);
/* One sentence for people, with what to do. */
bool rival_explain(const struct plan *plan, const struct rival *rival, struct buf *out);

/* --- the code file --- */

enum code_standing { CODE_CURRENT, CODE_MISSING, CODE_DIFFERENT, CODE_NEWER };
NODISCARD bool code_look_at(
    struct workspace *ws, const struct plan *plan, enum code_standing *ret, struct err *err);

/* --- keeping it --- */

enum ensure_result {
    ENSURE_OK, /* was there, as wanted */
    ENSURE_CREATED,
    ENSURE_UPDATED, /* the definition, the code or duplicates */
    ENSURE_NEWER,   /* left to a newer program */
    ENSURE_BLOCKED, /* a person must decide: `text` says what */
};
struct ensured {
    enum ensure_result result;
    int64_t job_id; /* 0: none */
    bool paused;    /* by a person; stays so */
    char text[600]; /* for people: what was done, or what stands in the way and what to do */
};

/* Brings code and job up to date; safe to repeat at any moment and from many machines: it looks
 * before it creates, and again after. Folder data/ is made when missing. plan->options.loader is
 * not INGESTION_NONE. False: a call failed; ERR_RETRY: again later. */
NODISCARD bool ensure_job(
    struct workspace *ws, const struct plan *plan, struct ensured *ret, struct err *err);

/* --- the warehouse for the SQL of the set-up --- */

/* The job's, else `other` (DATABRICKS_WAREHOUSE_ID), else the only usable one, serverless first.
 * "" in `ret`: none is to be chosen, `why` says it. No call when one of the two is given. */
NODISCARD bool warehouse_choose(struct workspace *ws, const char *of_job, const char *other,
    char ret[64], char why[200], struct err *err);
void warehouse_judge(const struct compute_warehouses *list, char ret[64], char why[200]);

#endif
