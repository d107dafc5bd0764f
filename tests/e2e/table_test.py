"""Every reading reaches the Delta table once, also when the workspace is killed again and again."""
import os
import random

from plant import BASE_US, Feeder, Verdict, deliver_the_rest, end_well, fail, main, rows_of, seed, wait_for
from table_rig import FAST, LOADERS, TABLE, fill, log_actions, set_up, table_count, table_files


class TableVerdict(Verdict):
    """The same questions, asked of the table's files."""

    def __init__(self, place):
        super().__init__(place, read=lambda path: [])  # the volume's names, for their ranges
        self.files = table_files(place)
        for path in self.files:
            for timestamp_us, *rest in rows_of(path):
                self.row(timestamp_us - BASE_US, *rest)


def judge(place, loader, kills):
    sent = fill(place, LOADERS[loader], 8, kills)
    TableVerdict(place).check(range(sent), sent)
    actions = list(log_actions(place))
    sources = [value["tags"]["source"] for _, kind, value in actions if kind == "add"]
    if len(set(sources)) != len(sources):
        fail("a path was loaded twice")
    print(f"{loader}: {actions[-1][0]} versions, {len(sources)} files")


def auto_loader_fills_the_table(place):
    judge(place, "auto loader", 0)


def auto_loader_survives_kills_of_the_workspace(place):
    judge(place, "auto loader", 5)


def copy_into_survives_kills_of_the_workspace(place):
    judge(place, "copy into", 5)


def loaded_files_go_to_the_archive(place):
    """The answer to the trigger's limit of files: data/ stays small by itself, and every reading is loaded once."""
    job = {**LOADERS["auto loader"], "VOLUME_UPLOADER_JOB_CLEAN_SOURCE": "yes",
           "VOLUME_UPLOADER_JOB_ARCHIVE_AFTER": "1m"}
    feeder = Feeder(rate=2000)
    feeder.start()
    place.emulate(*FAST)
    set_up(place, job)
    child = place.run(feeder.port, "--stop-ms=60s", DATABRICKS_DELTA_TABLE=TABLE, **job)
    archive = os.path.join(os.path.dirname(place.data), "archive")

    def archived():
        return [name for _, _, names in os.walk(archive) for name in names]

    wait_for("loaded files in the archive", 180, lambda: len(archived()) >= 4)
    feeder.rest()
    end_well(child)
    deliver_the_rest(place, feeder, DATABRICKS_DELTA_TABLE=TABLE, **job)
    feeder.stop()
    wait_for("all rows in the table", 180, lambda: table_count(place) >= feeder.sent())
    TableVerdict(place).check(range(feeder.sent()), feeder.sent())
    loaded = [value["tags"]["source"] for _, kind, value in log_actions(place) if kind == "add"]
    if len(set(loaded)) != len(loaded):
        fail("a path was loaded twice")

    def kept():
        return sorted(archived() + [os.path.basename(name) for name in place.files()])

    # One more run may be moving files just now.
    wait_for("every file in data/ or archive/", 60, lambda: kept() == sorted(map(os.path.basename, loaded)))


random.seed(seed())
main(auto_loader_fills_the_table, auto_loader_survives_kills_of_the_workspace,
     copy_into_survives_kills_of_the_workspace, loaded_files_go_to_the_archive)
