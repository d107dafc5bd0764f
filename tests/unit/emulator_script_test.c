/* Reading a job's Python file: what is followed, and what makes the run fail instead. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

#include "base/clock.h"
#include "emulator/loader.h"
#include "emulator/loader_python.h"

static const char head[] = "import argparse\n"
                           "from pyspark.sql import SparkSession\n"
                           "parser = argparse.ArgumentParser(allow_abbrev=False)\n"
                           "parser.add_argument(\"--source\", required=True)\n"
                           "parser.add_argument(\"--table\", required=True)\n"
                           "parser.add_argument('--checkpoint', required=True)\n"
                           "parser.add_argument(\"--archive\", help=\"loaded files move here\")\n"
                           "parser.add_argument(\"--archive-after\", default=\"1 hour\")\n"
                           "args = parser.parse_args()\n"
                           "spark = SparkSession.builder.getOrCreate()\n";
static const char reader[] = "reader = (\n"
                             "    spark.readStream.format(\"cloudFiles\")  # comment ) \"\n"
                             "    .option(\"cloudFiles.format\", \"parquet\")\n"
                             "    .option(\"cloudFiles.partitionColumns\", \"\")\n"
                             "    .option(\"pathGlobFilter\", \"*.parquet\")\n"
                             "    .schema(schema)\n"
                             ")\n";
static const char archive[] =
    "if args.archive:\n"
    "    reader = (\n"
    "        reader.option(\"cloudFiles.cleanSource\", \"MOVE\")\n"
    "        .option(\"cloudFiles.cleanSource.moveDestination\", args.archive)\n"
    "        .option(\"cloudFiles.cleanSource.retentionDuration\", args.archive_after)\n"
    "    )\n";
static const char writer[] = "query = (\n"
                             "    reader.load(args.source)\n"
                             "    .writeStream.option(\"checkpointLocation\", args.checkpoint)\n"
                             "    .trigger(availableNow=True)\n"
                             "    .toTable(args.table)\n"
                             ")\n";
static const char wait[] = "query.awaitTermination()\n";

static const char usual[] = "[\"--source\",\"/Volumes/main/raw/land/data/\",\"--table=main.raw.e\","
                            "\"--checkpoint\",\"/Volumes/main/raw/land/checkpoints/\"]";

static bool read_script(const char *const *parts, size_t count, const char *parameters,
    struct loader_stream *ret, struct err *err)
{
    json_t *list = json_loads(parameters, 0, NULL);
    struct buf code;
    bool ok;

    assert_non_null(list);
    buf_init(&code, 1 << 20);
    for (size_t i = 0; i < count; i++)
        assert_true(buf_add_text(&code, parts[i]));
    ok = loader_script((struct span){code.data, code.len}, list, ret, err);
    buf_done(&code);
    json_decref(list);
    return ok;
}

static void the_usual_script_is_understood(void **state)
{
    const char *const parts[] = {head, reader, archive, writer, wait};
    struct loader_stream stream;
    struct err err = {0};

    (void)state;
    if (!read_script(parts, 5, usual, &stream, &err))
        fail_msg("%s", err.text);
    assert_string_equal(stream.source, "/Volumes/main/raw/land/data/");
    assert_string_equal(stream.table, "main.raw.e");
    assert_string_equal(stream.checkpoint, "/Volumes/main/raw/land/checkpoints/");
    assert_string_equal(stream.glob, "*.parquet");
    assert_true(stream.no_partitions);
    assert_false(stream.move);
    assert_int_equal(stream.batch_files, 1000);
}

static void a_branch_is_taken_when_its_argument_is_there(void **state)
{
    const char *const parts[] = {head, reader, archive, writer, wait};
    struct loader_stream stream;
    struct err err = {0};

    (void)state;
    if (!read_script(parts, 5,
            "[\"--source\",\"s\",\"--table\",\"t\",\"--checkpoint\",\"c\",\"--archive\",\"/a\","
            "\"--archive-after\",\"2 days\"]",
            &stream, &err))
        fail_msg("%s", err.text);
    assert_true(stream.move);
    assert_string_equal(stream.archive, "/a");
    assert_int_equal(stream.retention_us, 2 * CLOCK_DAY_US);
    if (!read_script(parts, 5,
            "[\"--source\",\"s\",\"--table\",\"t\",\"--checkpoint\",\"c\",\"--archive\",\"/a\"]",
            &stream, &err))
        fail_msg("%s", err.text);
    assert_int_equal(stream.retention_us, 3600 * CLOCK_SECOND_US);
}

/* The same stream said in other ways. */
static void other_ways_to_say_it(void **state)
{
    static const char *const parts[] = {
        "\"\"\"Loads 'files'.\n\nMany lines \\\"\"\" quoted\"\"\"\n"
        "SOURCE = '/Volumes/main/raw/' \"l\\x61nd/data/\"\n"
        "TABLE = \"`main`.`raw`.\" + '`it\\'s`'\n"
        "def main():\n"
        "\tif False:\n"
        "\t\tspark.readStream.format('rate')\n"
        "\telif not None:\n"
        "\t\tlimit = 2\n"
        "\telse:\n"
        "\t\tspark.readStream.format('rate')\n"
        "\tframe = spark.readStream \\\n"
        "\t\t.format(source='cloudFiles') \\\n"
        "\t\t.option('cloudFiles.format', r'parquet') \\\n"
        "\t\t.option('cloudFiles.maxFilesPerTrigger', limit) \\\n"
        "\t\t.option('cloudFiles.includeExistingFiles', True)\n"
        "\tframe.load(path=SOURCE).writeStream.format('delta')\\\n"
        "\t\t.option('checkpointLocation', '/Volumes/main/raw/land/c').option('mergeSchema', "
        "'true')"
        ".trigger(availableNow=True).toTable(TABLE).awaitTermination()\n"
        "if __name__ == \"__main__\":\n"
        "\tmain()\n"};
    struct loader_stream stream;
    struct err err = {0};

    (void)state;
    if (!read_script(parts, 1, "[]", &stream, &err))
        fail_msg("%s", err.text);
    assert_string_equal(stream.source, "/Volumes/main/raw/land/data/");
    assert_string_equal(stream.table, "`main`.`raw`.`it's`");
    assert_string_equal(stream.checkpoint, "/Volumes/main/raw/land/c");
    assert_int_equal(stream.batch_files, 2);
    assert_false(stream.no_partitions);
}

static void what_is_not_followed_fails(void **state)
{
    static const struct {
        const char *parts[5];
        const char *parameters, *why;
    } rows[] = {
        {{head, reader, writer, wait}, "[\"--source\",\"s\"]", "required: --table"},
        {{head, reader, writer, wait},
            "[\"--source\",\"s\",\"--table\",\"t\",\"--checkpoint\",\"c\",\"--speed\",\"9\"]",
            "unrecognized arguments: --speed"},
        {{head, reader, writer, wait}, "[\"--source\"]", "unrecognized arguments: --source"},
        {{head, reader, writer, wait}, "[\"plain\", \"x\"]", "unrecognized arguments: plain"},
        {{head, reader, writer}, usual, "awaitTermination() is missing"},
        {{head, reader,
             "query = reader.load(args.source).writeStream.option('checkpointLocation',"
             " args.checkpoint).toTable(args.table)\n",
             wait},
            usual, "availableNow=True"},
        {{head, reader,
             "query = reader.load(args.source).writeStream.trigger(availableNow=True)"
             ".toTable(args.table)\n",
             wait},
            usual, "checkpointLocation must be specified"},
        {{head, reader, "query = reader.load(where()).writeStream\n", wait}, usual,
            "does not follow this argument"},
        {{head, reader, "query = reader.load(f\"{args.source}x\").writeStream\n", wait}, usual,
            "does not follow this argument"},
        {{head, reader, "if os.path.exists(args.source):\n    pass\n", writer, wait}, usual,
            "does not follow this condition"},
        {{head, reader, "for a in b:\n    pass\n", writer, wait}, usual,
            "does not follow this loop"},
        {{head, reader, "if args.archive: x = 1\n", writer, wait}, usual, "on one line"},
        {{head, reader, reader, writer, wait}, usual, "second stream"},
        {{head, "reader = spark.readStream.format('json')\n", writer, wait}, usual, "cloudFiles"},
        {{head,
             "reader = spark.readStream.format('cloudFiles').option('cloudFiles.format','csv')\n",
             writer, wait},
            usual, "only parquet"},
        {{head, reader, "reader = reader.option('cloudFiles.fromat', 'x')\n", writer, wait}, usual,
            "CF_UNKNOWN_OPTION_KEYS_ERROR"},
        {{head, reader, "reader = reader.option('cloudFiles.cleanSource', 'DELETE')\n", writer,
             wait},
            usual, "not done here"},
        {{head, reader, "reader = reader.option('cloudFiles.cleanSource', 'MOVE')\n", writer, wait},
            usual, "MOVE_DESTINATION_MISSING"},
        {{head, "x = (1,\n"}, usual, "unexpected EOF"},
        {{head, "x = 'open\n"}, usual, "unterminated string"},
        {{head, "x = '''open\n"}, usual, "unterminated string"},
        {{head, "x = 1)\n"}, usual, "unmatched bracket"},
        {{"", "print('nothing')\n"}, "[]", "cloudFiles"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct loader_stream stream;
        struct err err = {0};
        size_t count = 0;

        while (count < 5 && rows[i].parts[count])
            count++;
        if (read_script(rows[i].parts, count, rows[i].parameters, &stream, &err))
            fail_msg("row %zu was taken", i);
        assert_int_equal(err.kind, ERR_INPUT);
        if (!strstr(err.text, rows[i].why))
            fail_msg("row %zu: '%s' does not say '%s'", i, err.text, rows[i].why);
    }
}

static void texts_are_pythons(void **state)
{
    static const struct {
        const char *code, *want;
    } rows[] = {
        {"'a'", "a"},
        {"\"a'b\"", "a'b"},
        {"'a\\'b'", "a'b"},
        {"'\\u00e4\\U0001f600'", "\xc3\xa4\xf0\x9f\x98\x80"},
        {"r'\\n'", "\\n"},
        {"'\\n\\101\\q'", "\nA\\q"},
        {"'''a\n'b'''", "a\n'b"},
        {"f'plain'", "plain"},
        {"b''", ""},
        {"'a\\\nb'", "ab"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct python python = {0};
        struct err err = {0};

        if (!python_read(span_of(rows[i].code), &python, &err))
            fail_msg("%s: %s", rows[i].code, err.text);
        assert_int_equal(python.count, 2); /* the text and the end of its line */
        assert_int_equal(python.tokens[0].kind, PYTHON_TEXT);
        if (!span_is(python.tokens[0].bytes, rows[i].want))
            fail_msg("%s", rows[i].code);
        python_done(&python);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_usual_script_is_understood),
        cmocka_unit_test(a_branch_is_taken_when_its_argument_is_there),
        cmocka_unit_test(other_ways_to_say_it),
        cmocka_unit_test(what_is_not_followed_fails),
        cmocka_unit_test(texts_are_pythons),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
