"""T4: the program is killed at a chosen system call, by strace; then it starts again, and every reading is asked for.

  kill_at_call.py [POINTS]     so many points at random over all calls and counts (default: every one there is)
  kill_at_call.py --point CALL:K

A point is (system call, k): the k-th such call of any thread is the last thing the process does (it is killed on
entering it). Counts of a run differ a little from run to run, because threads do; "not reached" points are counted,
and end the walk over a call.
"""
import contextlib
import io
import os
import random
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../e2e"))
import plant  # noqa: E402
from ledger import Ledger, OddFeeder  # noqa: E402
from plant import Failure, Place, again, fail, log_of, rows_of, seed, trace_of  # noqa: E402

CALLS = ["write", "pwrite64", "fdatasync", "fsync", "renameat", "unlinkat", "ftruncate", "fallocate"]
READINGS = 2500
POINTS_A_PLACE = 20
SMALL = {"VOLUME_UPLOADER_COMMIT_MS": "10", "VOLUME_UPLOADER_BATCH_SIZE": "1000",
         "VOLUME_UPLOADER_SEGMENT_BYTES": "1MiB"}


class Bench:
    """A place that lives for some points; files of the volume never change, so each is decoded once."""

    def __init__(self):
        self.place = Place()
        self.feeder = OddFeeder(rate=30000)
        self.feeder.max_n = 0
        self.feeder.start()
        self.place.emulate()
        self.durable = set()
        self.decoded = {}
        self.points = 0

    def rows(self, path):
        if path not in self.decoded:
            self.decoded[path] = rows_of(path)
        return self.decoded[path]

    def start(self, port, prefix=()):
        place = self.place
        trace_read, trace_write = os.pipe()
        log = open(os.path.join(place.directory, f"run.{self.points}.log"), "ab")
        child = subprocess.Popen(
            [*prefix, plant.PROGRAM, "run", "--no-live-line", f"--trace-fd={trace_write}"],
            env=place.run_env(port, **SMALL), stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
            pass_fds=(trace_write,), cwd=place.directory)
        os.close(trace_write)
        child.log, child.trace = log.name, trace_read
        log.close()
        place.children.append(child)
        return child

    def live(self, prefix=()):
        """One run: READINGS readings, then a clean stop, unless something ends it before. True: it ended cleanly."""
        port = self.feeder.listen()
        first = self.feeder.sent()
        child = self.start(port, prefix)
        self.feeder.max_n = first + READINGS
        end = time.monotonic() + 30
        while self.feeder.sent() < first + READINGS and child.poll() is None and time.monotonic() < end:
            time.sleep(0.01)
        if child.poll() is None:
            time.sleep(0.15 if os.getloadavg()[0] < 4 else 1.0)  # what was sent has to be there
            child.send_signal(signal.SIGTERM)
        try:
            code = child.wait(60)
        except subprocess.TimeoutExpired:
            child.kill()
            fail(f"no end:\n{log_of(child)}")
        self.feeder.max_n = self.feeder.sent()
        record = trace_of(child)
        if record:
            self.durable.update(self.feeder.durable(port, record[1]))
        if code == 0:
            self.durable.update(range(first, self.feeder.sent()))
        elif code != -signal.SIGKILL:
            fail(f"run ended with {code}:\n{log_of(child)}")
        return code == 0

    def waits(self):
        outbox = os.path.join(self.place.state, "outbox")
        return os.path.isdir(outbox) and any(name.endswith(".parquet") for name in os.listdir(outbox))

    def point(self, call, k):
        """False: the k-th call did not come."""
        self.points += 1
        clean = self.live(["strace", "-D", "-f", "-qqq", "-o", "/dev/null", "-e", f"trace={call}",
                           "-e", "signal=none", "-e", f"inject={call}:signal=SIGKILL:when={k}"])
        if not clean and not self.live():
            fail("the run after a kill was not clean")
        for _ in range(5):  # on a busy machine a ship that backs off ends before all is sent
            if self.waits() and not self.live():
                fail("a run that was left alone was not clean")
        with contextlib.redirect_stdout(io.StringIO()):  # a line a point is too much
            Ledger(self.place, self.feeder, self.rows).judge(self.durable)
        return not clean

    def end(self, keep=False):
        self.feeder.stop()
        self.place.end(keep)


def has_strace():
    try:
        return subprocess.run(["strace", "-qqq", "-o", "/dev/null", "-f", "true"], check=False,
                              stderr=subprocess.DEVNULL).returncode == 0
    except FileNotFoundError:
        return False


def counts():
    """How often each call comes in one run, over all threads: the upper end of k."""
    bench = Bench()
    out = os.path.join(bench.place.directory, "strace.out")
    try:
        bench.live(["strace", "-D", "-f", "-qqq", "-o", out, "-e", "trace=" + ",".join(CALLS), "-e",
                    "signal=none"])
        time.sleep(0.3)
        seen = {}
        with open(out, errors="replace") as lines:
            for line in lines:
                parts = line.split(None, 1)
                call = parts[1].split("(")[0] if len(parts) == 2 and "(" in parts[1] else ""
                if call in CALLS:
                    thread = seen.setdefault(call, {})
                    thread[parts[0]] = thread.get(parts[0], 0) + 1
    finally:
        bench.end()
    return {call: max(threads.values()) for call, threads in seen.items()}


def main():
    if not has_strace():
        print("kill_at_call: skipped: strace cannot trace here")
        return
    rng = random.Random(seed())
    if len(sys.argv) == 3:
        call, k = sys.argv[2].split(":")
        todo = [(call, int(k))]
    else:
        most = counts()
        print("calls of a standard run, of the busiest thread:",
              ", ".join(f"{call} {n}" for call, n in sorted(most.items())), flush=True)
        todo = [(call, k) for call in sorted(most) for k in range(1, most[call] + 3)]
        if len(sys.argv) == 2 and int(sys.argv[1]) < len(todo):
            todo = rng.sample(todo, int(sys.argv[1]))
    killed = missed = 0
    bench = None
    started = time.monotonic()
    for i, (call, k) in enumerate(todo):
        if i % POINTS_A_PLACE == 0:
            if bench:
                bench.end()
            bench = Bench()
        try:
            if bench.point(call, k):
                killed += 1
            else:
                missed += 1
        except Failure as failure:
            print(f"FAIL at {call} number {k}: {failure}\n(kept: {bench.place.directory})\n"
                  + again("--point", f"{call}:{k}"), flush=True)
            bench.end(keep=True)
            sys.exit(1)
    if bench:
        bench.end()
    print(f"killed at {killed} of {len(todo)} calls ({missed} did not come in that run), "
          f"{time.monotonic() - started:.0f} s; lost 0, twice 0, ghost 0, altered 0, overlapping names 0")


main()
