"""From an empty workspace to a filled Delta table, for the tests of e2e and interop."""
import json
import os
import random
import subprocess
import time

from plant import PROGRAM, Feeder, deliver_the_rest, end_well, fail, wait_for

TABLE = "main.plant.events"
WAREHOUSE = "8ec9edc1db0c40df"
LOADERS = {
    "auto loader": {"VOLUME_UPLOADER_JOB_SERVERLESS": "yes"},
    "copy into": {"DATABRICKS_JOB_WAREHOUSE_ID": WAREHOUSE},
}
FAST = ["--job-poll=50ms", "--job-time-scale=300"]


def table_directory(place):
    return os.path.join(place.root, "tables", *TABLE.split("."))


def log_actions(place):
    """Every action of the table's log, in order, with its version."""
    log = os.path.join(table_directory(place), "_delta_log")
    for version, name in enumerate(sorted(n for n in os.listdir(log) if n.endswith(".json"))):
        if name != f"{version:020d}.json":
            fail(f"the log has {name} as version {version}")
        with open(os.path.join(log, name)) as text:
            for line in text.read().splitlines():
                (kind, value), = json.loads(line).items()
                yield version, kind, value


def table_files(place):
    return [os.path.join(table_directory(place), value["path"]) for _, kind, value in log_actions(place)
            if kind == "add"]


def table_count(place):
    return sum(json.loads(value["stats"])["numRecords"] for _, kind, value in log_actions(place) if kind == "add")


def volume_count(place):
    count = 0
    for path in place.files():
        out = subprocess.run([PROGRAM, "inspect", "--json", path], capture_output=True, check=True)
        count += json.loads(out.stdout)["rows"]
    return count


def set_up(place, job):
    out = subprocess.run([PROGRAM, "setup"], env=place.run_env(1, DATABRICKS_DELTA_TABLE=TABLE, **job), check=False,
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120)
    if out.returncode != 0:
        fail(f"setup: {out.stdout}")


def fill(place, job, seconds, kills=0):
    """Streams, uploads and loads for so long, with the workspace killed in between; returns the number sent."""
    feeder = Feeder(rate=5000)
    feeder.start()
    emulator = place.emulate(*FAST)
    set_up(place, job)
    child = place.run(feeder.port, "--stop-ms=60s", DATABRICKS_DELTA_TABLE=TABLE, **job)
    end = time.monotonic() + seconds
    for left in range(kills, 0, -1):
        time.sleep(max(0.1, random.uniform(0.2, 1.8) * (end - time.monotonic()) / (left + 1)))
        emulator.kill()
        emulator.wait()
        emulator = place.emulate(*FAST)
    time.sleep(max(0, end - time.monotonic()))
    feeder.rest()
    end_well(child)
    deliver_the_rest(place, feeder, DATABRICKS_DELTA_TABLE=TABLE, **job)
    feeder.stop()
    rows = volume_count(place)
    if rows != feeder.sent():
        fail(f"{rows} rows in the volume, {feeder.sent()} sent")
    # A run takes its time on a busy machine; more rows than sent never come right again.
    wait_for("the job to load all files", 180, lambda: table_count(place) >= rows)
    time.sleep(0.5)
    return feeder.sent()
