"""T11: uploads whose outcome is unclear: cut at any byte, both ways, and every fault of the workspace (needs no root)

  more_unclear_uploads.py [short|long|N]     until so many uploads were unclear: 320, 10,500, or N

Several uploaders, each with its own feeder and state, fill one volume of the emulator through cut_proxy.py, which cuts most
uploads at a random byte of the request or the reply. Over that the workspace has its own weather: rules of `emulate --fault`,
new ones twice a second; it is killed and started again; tokens live eight seconds. The uploaders are stopped or
killed every few seconds, which is also what keeps their back-off short; one lives all the time. Tiny segments (series_max) make
many files.

Afterwards all is calm: each uploader gets a fresh reading, which has to arrive within a minute, and then every durable reading
is asked for. SEED repeats what is drawn (the order of threads is the machine's).
"""
import collections
import concurrent.futures
import contextlib
import glob
import io
import os
import random
import re
import signal
import struct
import sys
import threading
import time
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../e2e"))
from cut_proxy import UNCLEAR, Proxy  # noqa: E402
from plant import OAUTH, Failure, Feeder, Place, Verdict, fail, free_port, log_of, name_range, rows_of, seed  # noqa: E402
from plant import again, wait_for  # noqa: E402

WANTED = {"short": 320, "long": 10_500}
INSTANCES = {"short": 4, "long": 6}
STRIDE = 1_000_000_000  # the readings of uploader k: k * STRIDE and up
SMALL = {"VOLUME_UPLOADER_COMMIT_MS": "20", "VOLUME_UPLOADER_SERIES_MAX": "6", "VOLUME_UPLOADER_SEGMENT_BYTES": "1MiB",
         "VOLUME_UPLOADER_MERGE_BYTES": "1MiB", "VOLUME_UPLOADER_STOP_MS": "2s"}
PARALLEL = ("24", "4", "24", "12")  # of uploader k: many at a time make many unclear ones; 4 is the default
STEADY = 1  # this uploader is left alone: its back-off grows as it does in a plant
FILES = "/api/2.0/fs/files/*"
# Rules of the workspace, each for some requests while it holds. Those that a person would have to mend (403, 404,
# a login page) make an uploader probe once a minute only, so they are rare.
RULES = [f"PUT {FILES} {what}" for what in (
    "status=503 retry-after=1", "status=500 body=\"<oops>\"", "status=502 html", "status=504 error_code=DEADLINE_EXCEEDED",
    "status=429", "status=429 retry-after=1 error_code=REQUEST_LIMIT_EXCEEDED", "limit", "status=408", "status=409",
    "status=409 error_code=ALREADY_EXISTS", "lose", "lose", "lose status=500", "lose status=503", "lose status=409",
    "cut=before", "cut=inside", "cut=inside:1", "cut=after", "delay=200ms", "status=400 error_code=BAD_REQUEST",
    "status=401 numeric", "401-once", "lose status=401", "status=499")] + [f"HEAD {FILES} {what}" for what in (
        "head-length=+1", "head-length=-1", "status=500", "status=404", "status=429", "cut=before", "delay=100ms",
        "status=401 numeric", "status=301 header=\"Location: https://example.invalid/\"")] + [
    "PUT /api/2.0/fs/directories/* status=503", "PUT /api/2.0/fs/directories/* cut=after", "POST /oidc/v1/token status=500",
    "POST /oidc/v1/token cut=after", "* /api/2.0/* status=429", "POST /oidc/v1/token string-expiry"]
RARE = [f"PUT {FILES} {what}" for what in ("html", "denied", "missing", "quota", "numeric", "status=302",
                                           "lose status=403")] + [f"HEAD {FILES} html"]


def weather(rng):
    rules = []
    for _ in range(rng.randint(0, 4)):
        rules.append(f"{rng.choice(RULES)} probability=0.{rng.randint(1, 9)} seed={rng.randint(1, 10**6)}")
    if rng.random() < 0.1:
        rules.append(f"{rng.choice(RARE)} probability=0.1 count=1 seed={rng.randint(1, 10**6)}")
    return [rule.replace(" probability=", " count=1 probability=") if "401-once" in rule and " count=" not in rule else rule
            for rule in rules]


class Uploader(threading.Thread):
    """One state directory: lives that end by a signal, until all is calm."""

    def __init__(self, place, k, proxy, rng_seed):
        super().__init__(daemon=True)
        self.place, self.k, self.proxy = place, k, proxy
        self.rng = random.Random(rng_seed)
        self.first = k * STRIDE
        self.feeder = Feeder(rate=100, first=self.first)
        self.feeder.max_n = self.first
        self.feeder.start()
        self.durable = set()
        self.lives = collections.Counter()
        self.broken = None

    def begin(self):
        self.port, self.status = self.feeder.listen(), free_port()
        more = dict(SMALL, VOLUME_UPLOADER_STATE_DIR=f"{self.place.state}.{self.k}",
                    VOLUME_UPLOADER_UPLOAD_PARALLEL=PARALLEL[self.k % len(PARALLEL)],
                    VOLUME_UPLOADER_STATUS_LISTEN=f"127.0.0.1:{self.status}",
                    DATABRICKS_HOST=f"http://127.0.0.1:{self.proxy.port}")
        self.child = self.place.run(self.port, **more, **({} if self.k % 4 == 3 else OAUTH))
        self.record = None
        self.reader = threading.Thread(target=self.read_trace, args=(self.child.trace,), daemon=True)
        self.reader.start()

    def read_trace(self, fd):
        """A pipe nobody reads is full after two minutes, and the program would wait for us."""
        rest = b""
        while chunk := os.read(fd, 1 << 16):
            rest += chunk
            whole = len(rest) // 16 * 16
            if whole:
                self.record = struct.unpack("<QQ", rest[whole - 16:whole])
            rest = rest[whole:]
        os.close(fd)

    def finish(self, how):
        self.child.send_signal(how)
        code = self.child.wait(90)
        if code != (-signal.SIGKILL if how == signal.SIGKILL else 0):
            fail(f"uploader {self.k} ended with {code}:\n{log_of(self.child)[-2000:]}")
        self.reader.join()
        if self.record:
            self.durable.update(self.feeder.durable(self.port, self.record[1]))
        self.lives[how.name] += 1

    def life(self):
        end = time.monotonic() + (self.rng.uniform(2, 8) if self.k != STEADY else 1e9)
        while time.monotonic() < end:
            if self.child.poll() is not None:
                fail(f"uploader {self.k} ended by itself:\n{log_of(self.child)[-2000:]}")
            self.feeder.max_n = self.feeder.sent() + self.rng.randint(0, 30)
            if self.proxy.calm.wait(0.15):
                return

    def run(self):
        try:
            self.begin()
            while True:
                self.life()
                if self.proxy.calm.is_set():
                    return
                self.finish(self.rng.choice([signal.SIGKILL, signal.SIGTERM]))
                os.unlink(self.child.log)
                self.place.children.remove(self.child)
                self.begin()
        except Exception as failure:  # told by the main thread
            self.broken = failure

    # ---- when all is calm ----

    def again(self):
        self.finish(signal.SIGTERM)
        self.begin()
        wait_for("the stream to be connected", 60, self.connected)

    def metrics(self):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.status}/metrics", timeout=10) as answer:
            lines = answer.read().decode().splitlines()
        return {line.rsplit(" ", 1)[0].removeprefix("volume_uploader_"): float(line.rsplit(" ", 1)[1])
                for line in lines if line and not line.startswith("#")}

    def connected(self):
        return [c for c in self.feeder.connections if c[0] == self.port]

    def all_received(self):
        self.last = m = self.metrics()
        return m["readings_total"] == self.feeder.sent() - self.connected()[0][1] and \
            self.feeder.sent() == self.feeder.max_n and m["received_sequence"] == m["durable_sequence"]

    def fresh_delivered(self):
        """The file with the last reading is in the volume; others, that failed many times by themselves, may still wait."""
        names = re.findall(r"delivered file=\S+-\d+-(\d+)-[0-9a-f]{8}\.parquet", log_of(self.child))
        return self.all_received() and any(int(last) == self.last["received_sequence"] for last in names)

    def all_delivered(self):
        return self.all_received() and self.last["delivered_sequence"] == self.last["received_sequence"]

    def check_sums(self):
        """Section 1's, exactly: of lines, and of readings."""
        m = self.last
        rejected = sum(v for k, v in m.items() if k.startswith("rejected_lines_total"))
        waiting = sum(v for k, v in m.items() if k.startswith("waiting_readings"))
        if m["lines_total"] != m["readings_total"] + m["ignored_lines_total"] + rejected:
            fail(f"uploader {self.k}: lines do not add up")
        if m["carried_readings"] + m["readings_total"] != m["delivered_readings_total"] + waiting + \
                m["superseded_readings_total"] + m["gap_readings_total"]:
            fail(f"uploader {self.k}: readings do not add up: {m}")
        if waiting or m["outbox_files"] or m["refused_files"] or m["gap_readings_total"]:
            fail(f"uploader {self.k}: something is left")


class Volume(Verdict):
    """All files of all uploaders; names must not overlap within one, and leave no hole."""

    def __init__(self, place):
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            files = place.files()
            decoded = dict(zip(files, pool.map(rows_of, files)))
        super().__init__(place, decoded.__getitem__)
        by_instance = collections.defaultdict(list)
        for path in files:
            by_instance[os.path.basename(path).split("-")[1]].append(name_range(path))
            first, last = name_range(path)
            if last - first + 1 != len(decoded[path]):
                fail(f"{path}: {len(decoded[path])} rows")
        self.overlap = []
        for ranges in by_instance.values():
            ranges.sort()
            self.overlap += [(a, b) for a, b in zip(ranges, ranges[1:]) if b[0] != a[1] + 1]

    def check_all(self, uploaders):
        durable = set().union(*(u.durable for u in uploaders))
        ranges = [(u.first, u.feeder.sent()) for u in uploaders]
        self.ghost += [n for n in self.seen if not any(a <= n < b for a, b in ranges)]
        with contextlib.redirect_stdout(io.StringIO()):  # its line counts one feeder
            self.check(durable, max(b for _, b in ranges))
        print(f"{len(self.seen)} rows in {len(self.files)} files of {sum(b - a for a, b in ranges)} sent; "
              f"durable {len(durable)}", flush=True)
        return len(durable)


def until_enough(place, proxy, uploaders, wanted, rng):
    started = said = time.monotonic()
    restart = started + rng.uniform(10, 25)
    workspaces = 1
    emulator = place.emulate("--token-lifetime", "8s")
    for u in uploaders:
        u.start()
    while proxy.unclear() < wanted:
        time.sleep(0.5)
        broken = next((u.broken for u in uploaders if u.broken), None)
        if broken:
            raise broken
        if time.monotonic() > restart:
            emulator.kill()
            emulator.wait()
            time.sleep(rng.uniform(0, 1.5))
            emulator = place.emulate("--token-lifetime", "8s")
            workspaces += 1
            restart = time.monotonic() + rng.uniform(15, 40)
        place.faults(None, method="DELETE")
        rules = weather(rng)
        if rules:
            place.faults("\n".join(rules))
        if time.monotonic() - said > 60:
            said = time.monotonic()
            print(f"... {proxy.unclear()} unclear after {said - started:.0f} s", flush=True)
        if time.monotonic() - started > 120 + wanted:
            fail(f"only {proxy.unclear()} unclear uploads after {time.monotonic() - started:.0f} s: nothing is tested")
    return workspaces


def calm_down(place, proxy, uploaders):
    """Seconds until the slowest fresh reading was in the volume, and until everything was."""
    place.faults(None, method="DELETE")
    proxy.calm.set()
    for u in uploaders:
        u.join()
        if u.broken:
            raise u.broken
        wait_for("the stream to be connected", 60, u.connected)
        # 403 and its like are looked at again after one to ten minutes: whoever has mended such a thing starts it again.
        if u.metrics()['upload_state{state="denied"}'] == 1:
            u.again()
    started = time.monotonic()
    for u in uploaders:
        u.feeder.max_n = u.feeder.sent() + 10
    for u in sorted(uploaders, key=lambda u: u.k == STEADY):
        if u.k == STEADY:  # after minutes of such weather it may just have begun its longest wait, 300 s (durability.md 10)
            fresh = time.monotonic() - started
        wait_for(f"a fresh reading of uploader {u.k} to arrive",
                 (330 if u.k == STEADY else 60) - (time.monotonic() - started), u.fresh_delivered)
    end = time.monotonic() + 15
    while time.monotonic() < end and not all(u.all_delivered() for u in uploaders):
        time.sleep(0.5)
    for u in uploaders:
        if not u.all_delivered():  # a file that failed again and again while others passed may wait five minutes by itself
            u.again()
            wait_for(f"all of uploader {u.k} to arrive", 60, u.all_delivered)
    return fresh, time.monotonic() - started


def judge(place, proxy, uploaders):
    for u in uploaders:
        u.check_sums()
        u.finish(signal.SIGTERM)
        u.feeder.stop()
        left = glob.glob(os.path.join(f"{place.state}.{u.k}", "outbox", "*.parquet")) + \
            glob.glob(os.path.join(f"{place.state}.{u.k}", "refused", "*")) + \
            glob.glob(os.path.join(f"{place.state}.{u.k}", "quarantine", "*"))
        if left:
            fail(f"left after a clean stop: {left[:3]}")
    volume = Volume(place)
    durable = volume.check_all(uploaders)
    if durable < 100:
        fail(f"only {durable} durable readings: nothing was tested")


def tell(proxy, uploaders, workspaces, fresh, rest):
    lives = sum((u.lives for u in uploaders), collections.Counter())
    kinds = ", ".join(f"{kind} {proxy.cut[kind]}" for kind in UNCLEAR)
    statuses = ", ".join(f"{status}: {n}" for status, n in sorted(proxy.statuses.items()))
    print(f"unclear uploads: {proxy.unclear()} of {sum(proxy.requests.values())} ({kinds}); {proxy.kept} of them had their "
          "effect for certain\n"
          f"answers to uploads {{{statuses}}}; {len(uploaders)} uploaders, {lives['SIGKILL']} killed and {lives['SIGTERM']} "
          f"stopped, {workspaces} workspaces; a fresh reading was there after {fresh:.1f} s at most, all "
          f"(with the uploader that was left alone) after {rest:.1f} s", flush=True)


def main():
    length = sys.argv[1] if len(sys.argv) > 1 else "short"
    wanted = WANTED.get(length) or int(length)
    value = seed()
    rng = random.Random(value)
    place = Place()
    proxy = Proxy(place.emulator_port, rng.random())
    uploaders = [Uploader(place, k, proxy, rng.random()) for k in range(INSTANCES.get(length, 4))]
    started = time.monotonic()
    try:
        workspaces = until_enough(place, proxy, uploaders, wanted, rng)
        fresh, rest = calm_down(place, proxy, uploaders)
        judge(place, proxy, uploaders)
    except Failure as failure:
        print(f"FAIL: {failure}\n(kept: {place.directory})\n{again(*sys.argv[1:], SEED=value)}", flush=True)
        for child in place.children:
            print(f"--- {child.args[1]} {child.log}\n{log_of(child)[-1500:]}", flush=True)
        place.end(keep=True)
        sys.exit(1)
    tell(proxy, uploaders, workspaces, fresh, rest)
    place.end()
    print(f"{proxy.unclear()} unclear uploads, {time.monotonic() - started:.0f} s: lost 0, twice 0, ghost 0, altered 0, "
          "overlapping names 0")


main()
