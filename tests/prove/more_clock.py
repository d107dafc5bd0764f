"""T12: the clock steps by up to ten years, in every phase (libfaketime)

  more_clock.py [short|long]     one round, or ten; each with other steps

The real program runs with libfaketime, which fakes the wall clock alone (FAKETIME_DONT_FAKE_MONOTONIC) and reads its offset anew
at every call from a file, so the clock can be stepped from outside at any moment. Everybody else keeps the right time.
What is asked of every case: each durable reading once, unaltered, under a name of its own; a jump of more than ten
seconds logged once with both times, and a smaller one not.
"""
import contextlib
import datetime
import email.utils
import glob
import json
import os
import random
import re
import signal
import sys
import threading
import time
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../e2e"))
from plant import OAUTH, Failure, Feeder, Place, Verdict, fail, free_port, log_of, name_range, seed, trace_of  # noqa: E402
from plant import again, wait_for  # noqa: E402

LIBRARY = (glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1") or [None])[0]
YEAR = 365 * 86400
PUT = "PUT /api/2.0/fs/files/*"
SMALL = {"VOLUME_UPLOADER_COMMIT_MS": "20", "VOLUME_UPLOADER_BATCH_SIZE": "2000", "VOLUME_UPLOADER_SEGMENT_BYTES": "1MiB",
         "VOLUME_UPLOADER_MERGE_BYTES": "1MiB",
         "VOLUME_UPLOADER_SANDBOX": "no"}  # libfaketime reads its clock from a file that a confined run may not open


class Clock:
    """The wall clock of one program: the real one plus an offset in seconds."""

    def __init__(self, place):
        self.path = os.path.join(place.directory, "clock")
        self.steps = 0
        self.set(0)

    def set(self, offset):
        """At once, and whole: the program may read the file at any moment."""
        with open(self.path + ".new", "w", encoding="ascii") as out:
            out.write(f"{offset:+d}\n")
        os.replace(self.path + ".new", self.path)
        self.offset = offset
        self.steps += 1

    def since_1970(self, seconds):
        """A machine without a battery: it booted so long ago, in 1970."""
        self.set(int(seconds - time.time()))

    def env(self):
        return {"LD_PRELOAD": LIBRARY, "FAKETIME_TIMESTAMP_FILE": self.path, "FAKETIME_NO_CACHE": "1",
                "FAKETIME_DONT_FAKE_MONOTONIC": "1", "NO_FAKE_STAT": "1"}


class Bench:
    """A place with a feeder, a clock, and all that is durable."""

    def __init__(self, place, **feed):
        self.place, self.clock = place, Clock(place)
        self.feeder = Feeder(**feed)
        self.feeder.start()
        self.durable = set()

    def begin(self, *arguments, **more):
        self.port, self.status = self.feeder.listen(), free_port()
        env = dict(SMALL, VOLUME_UPLOADER_STATUS_LISTEN=f"127.0.0.1:{self.status}", **OAUTH)
        env.update(self.clock.env())
        env.update(more)
        self.child = self.place.run(self.port, *arguments, **env)
        wait_for("the stream to be connected", 60, lambda: [c for c in self.feeder.connections if c[0] == self.port])

    def finish(self, how=signal.SIGTERM):
        self.child.send_signal(how)
        code = self.child.wait(90)
        if code != (-signal.SIGKILL if how == signal.SIGKILL else 0):
            fail(f"run ended with {code}")
        record = trace_of(self.child)
        if record:
            self.durable.update(self.feeder.durable(self.port, record[1]))

    def metrics(self):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.status}/metrics", timeout=10) as answer:
            lines = answer.read().decode().splitlines()
        return {line.rsplit(" ", 1)[0].removeprefix("volume_uploader_"): float(line.rsplit(" ", 1)[1])
                for line in lines if line and not line.startswith("#")}

    def delivered(self):
        """The program reads the status of the last turn: all that was sent on this connection is in the volume."""
        m = self.metrics()
        first = next(c for c in self.feeder.connections if c[0] == self.port)[1]
        return m if self.feeder.sent() - first == m["readings_total"] and \
            m["received_sequence"] == m["delivered_sequence"] else None

    def rest(self):
        """Nothing more is sent; what was arrives, within the minute."""
        self.feeder.sending = False
        time.sleep(0.1)
        return wait_for("all to be delivered", 60, self.delivered)

    def jumps(self):
        return re.findall(r"clock_jumped\b.*?from=\"?([-0-9T:.]+Z)\"? to=\"?([-0-9T:.]+Z)", log_of(self.child))

    def judge(self):
        self.feeder.stop()
        for folder in ("outbox/*.parquet", "refused/*", "quarantine/*"):
            left = glob.glob(os.path.join(self.place.state, folder))
            if left:
                fail(f"left after the last stop: {left[:3]}")
        verdict = Verdict(self.place)
        verdict.check(self.durable, self.feeder.sent())
        ranges = sorted(name_range(path) for path in verdict.files)
        holes = [(a, b) for a, b in zip(ranges, ranges[1:]) if b[0] != a[1] + 1]
        if holes or ranges[0][0] != 1:
            fail(f"names leave a hole: {holes[:3]}")
        return verdict


def seconds_of(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def expect_jump(bench, before, after):
    """The next line about a jump, exactly one, with both times; each step is one of seconds."""
    known = len(bench.jumps())
    bench.clock.set(after)
    at = time.time()
    wait_for("the jump to be logged", 30, lambda: len(bench.jumps()) > known)
    time.sleep(2.2)  # looked at once a second: a second line would have come
    new = bench.jumps()[known:]
    if len(new) != 1:
        fail(f"one jump, {len(new)} lines: {new}")
    for text, offset in zip(new[0], (before, after)):
        if abs(seconds_of(text) - at - offset) > 30:
            fail(f"a jump from {before:+d} to {after:+d} s was logged as {new[0]}")


def jumps_are_told_once(place, rng):
    """Starts in 1970; the network time comes; then years to and fro. A step of some seconds is nobody's business."""
    bench = Bench(place, rate=2000)
    place.emulate()
    bench.clock.since_1970(rng.uniform(3, 600))
    bench.begin()
    time.sleep(2.5)
    offset, steps = bench.clock.offset, [0, rng.randint(1, 10) * YEAR, -rng.randint(1, 10) * YEAR, -11, 0]
    for after in steps:
        expect_jump(bench, offset, after)
        offset = after
    bench.clock.set(rng.choice([-5, 5]))
    time.sleep(2.5)
    if len(bench.jumps()) != len(steps):
        fail("a step of five seconds was logged")
    bench.rest()
    bench.finish()
    bench.judge()
    return bench.clock.steps


class Storm(threading.Thread):
    """Steps the clock every few milliseconds: no instruction of any phase is spared for long."""

    def __init__(self, clock, rng):
        super().__init__(daemon=True)
        self.clock, self.rng, self.running = clock, rng, True

    def run(self):
        while self.running:
            self.clock.set(self.rng.choice([0, self.rng.randint(-10 * YEAR, 10 * YEAR), int(60 - time.time())]))
            time.sleep(self.rng.uniform(0.001, 0.02))

    def end(self):
        self.running = False
        self.join()


def storm_in_every_phase(place, rng):
    """Steps while it receives, packs, uploads, backs off, starts and stops: lives ended by SIGTERM and SIGKILL."""
    bench = Bench(place, rate=20000)
    place.emulate("--token-lifetime", "8s")
    storm = Storm(bench.clock, rng)
    storm.start()
    for how in (signal.SIGTERM, signal.SIGKILL, signal.SIGTERM):
        place.faults(f"{PUT} delay=300ms probability=0.5\n{PUT} status=503 count=2")
        bench.begin()
        time.sleep(rng.uniform(2, 4))
        negative = {k: v for k, v in bench.metrics().items() if v < 0}
        if negative:
            fail(f"metrics below zero: {negative}")
        bench.finish(how)
    place.faults(None, method="DELETE")
    bench.begin()
    bench.rest()
    bench.finish()
    storm.end()
    bench.judge()
    return bench.clock.steps


def lives_in_other_years(place, rng):
    """A start in 1970, one ten years ahead, one ten years back, in any order, killed or stopped; steps in each."""
    bench = Bench(place, rate=10000)
    place.emulate()
    years = [int(30 - time.time()), 10 * YEAR, -10 * YEAR, 0, rng.randint(-10 * YEAR, 10 * YEAR)]
    for offset in rng.sample(years, len(years)):
        bench.clock.set(offset)
        bench.begin()
        time.sleep(rng.uniform(0.7, 1.5))
        bench.clock.set(rng.choice(years))
        time.sleep(rng.uniform(0.1, 1))
        bench.finish(rng.choice([signal.SIGTERM, signal.SIGKILL]))
    bench.begin()
    bench.rest()
    bench.finish()
    bench.judge()
    return bench.clock.steps


def order_is_by_number(place, rng):
    """The workspace is away while the clock goes back, year after year, over restarts too; then all is sent, oldest first."""
    bench = Bench(place, rate=4000)
    emulator = place.emulate()
    emulator.kill()
    emulator.wait()
    for years in (10, 5, 0, -5, -10):
        bench.clock.set(years * YEAR)
        bench.begin(VOLUME_UPLOADER_UPLOAD_PARALLEL="16")
        time.sleep(rng.uniform(1.2, 1.8))
        bench.clock.set((years - 2) * YEAR)
        time.sleep(1.2)
        bench.finish()
    waiting = glob.glob(os.path.join(place.state, "outbox", "*.parquet"))
    names = sorted(waiting, key=name_range)
    created = [os.path.basename(name)[:16] for name in names]
    if len(names) < 4 or not any(a > b for a, b in zip(created, created[1:])):
        fail(f"the clock did not go back between these: {created}")
    place.emulate()
    bench.begin(VOLUME_UPLOADER_UPLOAD_PARALLEL="1")
    bench.rest()
    sent = [name_range(name) for name in re.findall(r"file=\"?(\S+?\.parquet)", log_of(bench.child)) if name]
    bench.finish()
    if sent != sorted(sent) or len(sent) < len(names):
        fail(f"not sent in the order of numbers: {sent}")
    kept = {os.path.basename(path) for path in place.files()}
    if not {os.path.basename(name) for name in names} <= kept:
        fail("a file that waited came under another name")
    bench.judge()
    return bench.clock.steps


def token_requests(emulator):
    return len(re.findall(r"method=POST path=/oidc/v1/token", log_of(emulator)))


def tokens_live_by_another_clock(place, rng):
    """A token of an hour outlives all steps; one of eight seconds is renewed in time also when the clock went back."""
    bench = Bench(place, rate=2000)
    emulator = place.emulate("--token-lifetime", "1h", "--verbose")
    bench.begin()
    wait_for("a delivery", 60, lambda: "delivered" in log_of(bench.child))
    for offset in (10 * YEAR, -10 * YEAR, rng.randint(-YEAR, YEAR), 0):
        bench.clock.set(offset)
        known = log_of(bench.child).count("delivered")
        wait_for("two deliveries more", 60, lambda known=known: log_of(bench.child).count("delivered") > known + 1)
    if token_requests(emulator) != 1:
        fail(f"{token_requests(emulator)} sign-ins for one token of an hour")
    bench.finish()
    emulator.kill()
    emulator.wait()
    emulator = place.emulate("--token-lifetime", "8s", "--verbose")
    bench.begin()
    for offset in (-10 * YEAR, 10 * YEAR, -10 * YEAR):
        bench.clock.set(offset)
        known = token_requests(emulator)
        wait_for("a new token", 60, lambda known=known: token_requests(emulator) > known)
    bench.rest()
    bench.finish()
    if "status=401" in log_of(emulator):
        fail("a token was used beyond its end")
    bench.judge()
    return bench.clock.steps


def waits_are_no_dates(place, rng):
    """Retry-After as a date counts from the server's clock; "three refusals over an hour" is an hour that has passed."""
    bench = Bench(place, rate=2000)
    place.emulate()
    bench.clock.set(-10 * YEAR)
    until = email.utils.formatdate(time.time() + 3, usegmt=True)
    place.faults(f'{PUT} status=503 retry-after="{until}" count=1')
    bench.begin()
    wait_for("the end of a wait given as a date", 60, lambda: "delivered" in log_of(bench.child))
    place.faults(f'{PUT} status=400 error_code=INVALID_PARAMETER_VALUE message="bad file path" count=6')
    end = time.monotonic() + 12
    while time.monotonic() < end:
        bench.clock.set(rng.choice([-10, 10]) * YEAR)
        time.sleep(0.7)
    place.faults(None, method="DELETE")
    m = bench.rest()
    if m["refused_files"]:
        fail("a jump made an hour of some seconds")
    bench.finish()
    bench.judge()
    return bench.clock.steps


CASES = (jumps_are_told_once, storm_in_every_phase, lives_in_other_years, order_is_by_number,
         tokens_live_by_another_clock, waits_are_no_dates)


def one(case, value):
    place = Place()
    try:
        steps = case(place, random.Random(value))
    except (Failure, OSError) as failure:
        print(f"FAIL {case.__name__}: {failure}\n(kept: {place.directory})\n"
              + again(SEED=value, CASE=case.__name__), flush=True)
        for child in place.children:
            print(f"--- {child.args[1]} {child.log}\n{log_of(child)[-2500:]}", flush=True)
        place.end(keep=True)
        sys.exit(1)
    place.end()
    print(f"ok {case.__name__}: {steps} steps of the clock", flush=True)
    return steps


def main():
    if not LIBRARY:
        print("clock: skipped: no libfaketime (Debian package faketime)")
        return
    rounds = 10 if sys.argv[1:] == ["long"] else 1
    value = seed()
    started, steps, done = time.monotonic(), 0, 0
    wanted = os.environ.get("CASE")
    for i in range(1 if wanted else rounds):
        for case in CASES:
            if wanted in (None, case.__name__):
                steps += one(case, value + i)
                done += 1
    print(f"{done} cases, {steps} steps of the clock, {time.monotonic() - started:.0f} s: lost 0, twice 0, ghost 0, altered 0, "
          "overlapping names 0")


main()
