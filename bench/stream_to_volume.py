"""Stream to volume on loopback, everything on: simulate, emulate and run as processes of their own, on this machine.

stream_to_volume.py [SECONDS] [--idle | --backlog GIB]: readings/s that became durable, readings in the files of the volume,
and the resident memory of `run` (peak, from /proc). Exit status 1 when a reading is lost: a benchmark that skips
the work would be no benchmark.
"""
import json
import os
import signal
import struct
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../tests/e2e"))
os.environ.setdefault("VOLUME_UPLOADER", os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                                      "../build/release/volume-uploader"))
from plant import PROGRAM, Place, fail, free_port, log_of, wait_for  # noqa: E402


def memory(pid):
    fields = {}
    with open(f"/proc/{pid}/status") as status:
        for line in status:
            if line.startswith(("VmHWM", "VmRSS", "RssAnon")):
                name, value = line.split(":")
                fields[name] = int(value.split()[0]) / 1024
    return fields


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat") as stat:
        parts = stat.read().rsplit(") ", 1)[1].split()
    return (int(parts[11]) + int(parts[12])) / os.sysconf("SC_CLK_TCK")


class Trace(threading.Thread):
    """Drains the trace pipe; knows the last durable number."""

    def __init__(self, fd):
        super().__init__(daemon=True)
        self.fd, self.durable = fd, 0

    def run(self):
        while True:
            data = os.read(self.fd, 16 * 4096)
            if not data:
                return
            whole = len(data) // 16 * 16
            if whole:
                self.durable = struct.unpack("<QQ", data[whole - 16:whole])[0]


def rows_in(files):
    total = 0
    for path in files:
        out = subprocess.run([PROGRAM, "inspect", "--json", path], capture_output=True, check=True)
        total += json.loads(out.stdout)["rows"]
    return total


def full_rate(seconds):
    place = Place()
    port = free_port()
    place.emulate()
    simulate = place.start(["simulate", "--listen", f"127.0.0.1:{port}", "--rate", "max", "--assets", "20",
                            "--streams", "25", "--trace-ids", "--batch-size", "1000000", "--upload-interval", "60",
                            "--start-time", "2026-01-01T00:00:00Z", "--step", "1"], place.env)
    time.sleep(0.3)
    run = place.run(port, "--stop-ms=120s")
    trace = Trace(run.trace)
    trace.start()
    time.sleep(2)
    begin, first, cpu = time.monotonic(), trace.durable, cpu_seconds(run.pid)
    time.sleep(seconds)
    took, readings, cpu = time.monotonic() - begin, trace.durable - first, cpu_seconds(run.pid) - cpu
    peak = memory(run.pid)
    run.send_signal(signal.SIGTERM)
    run.wait(180)
    simulate.kill()
    trace.join(5)
    log = log_of(run)
    if run.returncode != 0:
        fail(log)
    files = place.files()
    rows = rows_in(files)
    size = sum(os.path.getsize(f) for f in files)
    print(f"stream to volume: {readings / took / 1e6:.2f} M readings/s durable over {took:.0f} s; "
          f"run used {cpu / took:.2f} cores; peak resident {peak['VmHWM']:.0f} MiB; "
          f"{rows:,} rows in {len(files)} files, {size / rows:.2f} B/row; durable {trace.durable:,}")
    place.end()
    if rows != trace.durable:
        fail(f"{rows} rows in the volume, {trace.durable} durable")


def idle(seconds):
    place = Place()
    port = free_port()
    place.emulate()
    simulate = place.start(["simulate", "--listen", f"127.0.0.1:{port}", "--rate", "1", "--count", "1"], place.env)
    time.sleep(0.3)
    run = place.run(port)
    time.sleep(5)
    cpu = cpu_seconds(run.pid)
    begin = time.monotonic()
    time.sleep(seconds)
    used = cpu_seconds(run.pid) - cpu
    print(f"idle: resident {memory(run.pid)['VmRSS']:.1f} MiB (anonymous {memory(run.pid)['RssAnon']:.1f}); "
          f"CPU {100 * used / (time.monotonic() - begin):.2f} %")
    run.send_signal(signal.SIGTERM)
    run.wait(60)
    simulate.kill()
    place.end()


def held(directory):
    total = 0
    for folder, _, names in os.walk(directory):
        for name in names:
            try:
                total += os.path.getsize(os.path.join(folder, name))
            except OSError:
                pass
    return total


def backlog(gib):
    """No workspace: the store grows to `gib` GiB. Memory on the way; then how long a start takes with all of it waiting."""
    place = Place()
    port = free_port()
    simulate = place.start(["simulate", "--listen", f"127.0.0.1:{port}", "--rate", "max", "--assets", "20",
                            "--streams", "25", "--full-precision", "--batch-size", "1000000"], place.env)
    time.sleep(0.3)
    run = place.run(port, "--compression=none", "--row-order=time")
    Trace(run.trace).start()
    step, next_gib = max(1, gib // 5), max(1, gib // 5)
    while held(place.state) < gib * 2**30:
        time.sleep(1)
        if run.poll() is not None:
            fail(log_of(run))
        if held(place.state) >= next_gib * 2**30:
            print(f"backlog {held(place.state) / 2**30:.1f} GiB: resident {memory(run.pid)['VmRSS']:.0f} MiB, "
                  f"peak {memory(run.pid)['VmHWM']:.0f} MiB", flush=True)
            next_gib += step
    run.kill()
    run.wait()
    for what in ["a kill -9", "a clean stop"]:
        again = place.run(port)
        wait_for("the stream", 60, lambda: "stream_connected" in log_of(again))
        print(f"start with {held(place.state) / 2**30:.1f} GiB waiting, after {what}: "
              + next(line for line in log_of(again).splitlines() if "recovered" in line), flush=True)
        again.send_signal(signal.SIGTERM)
        again.wait(60)
    simulate.kill()
    place.end()


def main():
    seconds = int(sys.argv[1]) if len(sys.argv) > 1 and sys.argv[1].isdigit() else 30
    if "--backlog" in sys.argv:
        backlog(int(sys.argv[sys.argv.index("--backlog") + 1]))
    elif "--idle" in sys.argv:
        idle(seconds)
    else:
        full_rate(seconds)


if __name__ == "__main__":
    main()
