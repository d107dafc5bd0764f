#include "ingestion/code.h"

#include "databricks/workspace_files.h"
#include "ingestion/quote.h"

#define VERSION_WORDS "definition version "
#define HEAD_MAX 1024 /* the version is looked for in the first bytes only */

bool code_head(struct buf *out, const char *comment, const char *hash)
{
    buf_printf(out, "%s Made and kept current by %s: changes by hand are overwritten.\n", comment,
        INGESTION_MANAGER);
    return buf_printf(out, "%s %s%d, hash %s\n", comment, VERSION_WORDS, INGESTION_VERSION, hash);
}

uint64_t code_version(struct span code)
{
    const char *found;
    uint64_t version = 0;
    struct span digits;

    if (code.len > HEAD_MAX)
        code.len = HEAD_MAX;
    found = code.len ? memmem(code.data, code.len, VERSION_WORDS, strlen(VERSION_WORDS)) : NULL;
    if (!found)
        return 0;
    digits.data = found + strlen(VERSION_WORDS);
    digits.len = 0;
    while (digits.data + digits.len < code.data + code.len && digits.data[digits.len] >= '0' &&
           digits.data[digits.len] <= '9')
        digits.len++;
    return str_u64(digits, &version) ? version : 0;
}

/* A Python file task has no `spark` of its own. The schema is given, so nothing is inferred, a
 * file with other columns cannot change the table, and `timestamp` stays without a time zone. */
static const char auto_loader[] =
    "\"\"\"Loads the new Parquet files of a volume into a Delta table, each file once.\"\"\"\n"
    "\n"
    "import argparse\n"
    "\n"
    "from pyspark.sql import SparkSession\n"
    "from pyspark.sql.types import DoubleType, StringType, StructField, StructType\n"
    "from pyspark.sql.types import TimestampNTZType\n"
    "\n"
    "parser = argparse.ArgumentParser(allow_abbrev=False)\n"
    "parser.add_argument(\"--source\", required=True)\n"
    "parser.add_argument(\"--table\", required=True)\n"
    "parser.add_argument(\"--checkpoint\", required=True)\n"
    "parser.add_argument(\"--archive\", help=\"loaded files move here\")\n"
    "parser.add_argument(\"--archive-after\", default=\"1 hour\", help=\"an interval\")\n"
    "args = parser.parse_args()\n"
    "\n"
    "schema = StructType(\n"
    "    [\n"
    "        StructField(\"timestamp\", TimestampNTZType()),\n"
    "        StructField(\"asset\", StringType()),\n"
    "        StructField(\"datastream\", StringType()),\n"
    "        StructField(\"payload\", DoubleType()),\n"
    "    ]\n"
    ")\n"
    "\n"
    "spark = SparkSession.builder.getOrCreate()\n"
    "reader = (\n"
    "    spark.readStream.format(\"cloudFiles\")\n"
    "    .option(\"cloudFiles.format\", \"parquet\")\n"
    "    .option(\"cloudFiles.partitionColumns\", \"\")\n"
    "    .option(\"pathGlobFilter\", \"*.parquet\")\n"
    "    .schema(schema)\n"
    ")\n"
    "if args.archive:\n"
    "    reader = (\n"
    "        reader.option(\"cloudFiles.cleanSource\", \"MOVE\")\n"
    "        .option(\"cloudFiles.cleanSource.moveDestination\", args.archive)\n"
    "        .option(\"cloudFiles.cleanSource.retentionDuration\", args.archive_after)\n"
    "    )\n"
    "query = (\n"
    "    reader.load(args.source)\n"
    "    .writeStream.option(\"checkpointLocation\", args.checkpoint)\n"
    "    .trigger(availableNow=True)\n"
    "    .toTable(args.table)\n"
    ")\n"
    "query.awaitTermination()\n";

bool code_auto_loader(struct buf *out)
{
    return buf_add_text(out, auto_loader);
}

/* The casts change nothing in our files and make the statement safe for any reader's idea of
 * TIMESTAMP; the session's zone is fixed for a file that holds instants all the same. */
bool code_copy_into(struct buf *out, const struct plan *plan)
{
    buf_add_text(out, "SET TIME ZONE 'UTC';\n\nCOPY INTO ");
    quote_sql_path(out, plan->options.table);
    buf_add_text(out, "\nFROM (\n"
                      "    SELECT\n"
                      "        CAST(`timestamp` AS TIMESTAMP_NTZ) AS `timestamp`,\n"
                      "        CAST(`asset` AS STRING) AS `asset`,\n"
                      "        CAST(`datastream` AS STRING) AS `datastream`,\n"
                      "        CAST(`payload` AS DOUBLE) AS `payload`\n"
                      "    FROM ");
    quote_sql_text(out, plan->trigger_folder);
    return buf_add_text(out, "\n)\nFILEFORMAT = PARQUET;\n");
}

bool code_look_at(
    struct workspace *ws, const struct plan *plan, enum code_standing *ret, struct err *err)
{
    bool exists = false, ok;
    struct buf have;

    buf_init(&have, WORKSPACE_FILES_MAX);
    ok = workspace_files_export(ws, plan->code_path, &have, &exists, err);
    if (!ok)
        err_wrap(err, "read %s", plan->code_path);
    else if (!exists)
        *ret = CODE_MISSING;
    else if (span_is((struct span){have.data, have.len}, plan->code))
        *ret = CODE_CURRENT;
    else if (code_version((struct span){have.data, have.len}) > INGESTION_VERSION)
        *ret = CODE_NEWER;
    else
        *ret = CODE_DIFFERENT;
    buf_done(&have);
    return ok;
}
