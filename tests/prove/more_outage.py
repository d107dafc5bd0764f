"""an outage ends in a handful of large files, nothing that has a name is renamed, the start and draining cost no more

more_outage.py [short | long]

The workspace is away while a simulated plant fills many small segments (1 MiB each; short: about 48, long: 1,440 as a day
of one a minute has). merge_bytes is to a segment what 256 MiB are to a minute at 1,000 readings/s (long), or eight
segments (short). Then `run` is killed and started with the workspace there. Must hold: at most ten files; a name, once
seen in outbox/, stays until its file arrives under it; the ranges of all names are 1 to the last number, without a hole
or an overlap, and the footers count as many rows; draining takes no more memory than running did.
"""
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../e2e"))
from plant import PROGRAM, Place, fail, free_port, log_of, main, name_range, wait_for  # noqa: E402

MIB = 1 << 20
FILES_MAX = 10
LONG = len(sys.argv) > 1 and sys.argv[1] == "long"
# A 1 MiB segment holds some 52,000 readings.
SEGMENTS, MERGE = (1440, 200 * MIB) if LONG else (48, 8 * MIB)
SETTINGS = {"VOLUME_UPLOADER_SEGMENT_BYTES": "1MiB", "VOLUME_UPLOADER_MERGE_BYTES": str(MERGE),
            "VOLUME_UPLOADER_STATE_BYTES_MAX": str(64 << 30)}


def peak_mib(child):
    with open(f"/proc/{child.pid}/status", encoding="ascii") as status:
        return int(re.search(r"VmHWM:\s+(\d+)", status.read())[1]) / 1024


class Watch(threading.Thread):
    """The names in outbox/: one that was there and is gone must have arrived."""

    def __init__(self, place):
        super().__init__(daemon=True)
        self.outbox, self.seen, self.ended = os.path.join(place.state, "outbox"), set(), False

    def look(self):
        try:
            self.seen |= {n for n in os.listdir(self.outbox) if n.endswith(".parquet")}
        except FileNotFoundError:
            pass

    def run(self):
        while not self.ended:
            self.look()
            time.sleep(0.02)


class Durable(threading.Thread):
    """Drains the trace; knows the last durable number."""

    def __init__(self, fd):
        super().__init__(daemon=True)
        self.fd, self.number = fd, 0

    def run(self):
        while True:
            data = os.read(self.fd, 16 * 4096)
            if not data:
                return
            if len(data) >= 16:
                self.number = int.from_bytes(data[len(data) // 16 * 16 - 16:][:8], "little")


def footer_rows(path):
    out = subprocess.run([PROGRAM, "inspect", "--json", path], capture_output=True, check=True)
    return json.loads(out.stdout)["rows"]


def an_outage(place):
    readings = SEGMENTS * 52000
    port = free_port()
    # A round over all series takes a second of the plant's clock: no reading supersedes another.
    plant = place.start(["simulate", "--listen", f"127.0.0.1:{port}", "--rate", "max", "--count", str(readings),
                         "--assets", "20", "--streams", "25", "--upload-interval", "3600", "--batch-size", "1000000",
                         "--start-time", "2026-01-31T00:00:00Z", "--step", "1"], place.env)
    wait_for("the plant", 60, lambda: "Listening" in log_of(plant))  # a look at its port would be a client
    away = place.away()
    watch = Watch(place)
    watch.start()
    run = place.run(port, **SETTINGS)
    durable = Durable(run.trace)
    durable.start()
    wait_for("all to be durable", 7200 if LONG else 600, lambda: durable.number >= readings or run.poll() is not None)
    if run.poll() is not None:
        fail(log_of(run))
    time.sleep(2)  # pack gathers what it wants to
    running = peak_mib(run)
    watch.look()
    waiting, segments = len(watch.seen), len(os.listdir(os.path.join(place.state, "journal")))
    run.kill()
    run.wait()
    away.close()
    place.emulate()
    run = place.run(free_port(), **SETTINGS)
    wait_for("all to be delivered", 1800, lambda: run.poll() is not None or sum(
        b - a + 1 for a, b in map(name_range, place.files())) == readings)
    draining = peak_mib(run)
    run.send_signal(signal.SIGTERM)
    if run.wait(120) != 0:
        fail(f"exit code {run.returncode}")
    plant.kill()
    watch.ended = True
    watch.join()
    judge(place, watch, readings)
    recovered = next(line for line in log_of(run).splitlines() if "recovered" in line)
    print(f"{readings} readings in about {SEGMENTS} segments: {waiting} files and {segments} segments waited, "
          f"{len(place.files())} files arrived; peak {running:.0f} MiB running, {draining:.0f} MiB draining; start "
          f"{re.search('took_ms=([0-9]+)', recovered)[1]} ms", flush=True)
    if draining > running * 1.1 + 8:
        fail("draining takes more memory than running")


def judge(place, watch, readings):
    files = place.files()
    names = {os.path.basename(f) for f in files}
    if len(files) > FILES_MAX:
        fail(f"{len(files)} files")
    if watch.seen - names:
        fail(f"a name has changed: {watch.seen - names}")
    at = 1
    for first, last in sorted(map(name_range, files)):
        if first != at:
            fail(f"{first} comes after {at - 1}")
        at = last + 1
    if at != readings + 1:
        fail(f"{at - 1} of {readings}")
    rows = sum(map(footer_rows, files))
    if rows != readings:
        fail(f"{rows} rows of {readings} readings")


if __name__ == "__main__":
    sys.argv[1:] = [a for a in sys.argv[1:] if a not in ("short", "long")]
    main(an_outage)
