"""T15: random faults of all kinds over a long-lived run; memory, descriptors, threads and disk use stay flat.

  more_soak.py [short|long|SECONDS]     short: about a minute; long: half an hour

Two runs with all that a plant sends. The first is never killed: its workspace answers badly, goes and comes back, its feeder
hangs up in the middle of a line, its disk is filled and freed, it is stopped for a while and gets SIGHUP. After each burst of
faults it is left alone until all is delivered, and measured. The second signs in as a service principal, whose sign-in fails
too, and is killed (kill -9) and started again. In the end both must have delivered every reading, and their sums must be exact.
"""
import os
import random
import signal
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../e2e"))
from full_disk import Disk  # noqa: E402
from ledger import Count, Ledger, OddFeeder, metrics, nothing_left, settled, sums  # noqa: E402
from plant import OAUTH, Failure, Place, again, fail, free_port, log_of, seed, trace_of, wait_for  # noqa: E402

RULES = ["PUT *.parquet status=503 probability=0.5", "PUT *.parquet status=500", "PUT *.parquet status=429 retry-after=1",
         "PUT *.parquet limit", "PUT *.parquet lose probability=0.6", "PUT *.parquet lose status=503",
         "PUT *.parquet cut=before", "PUT *.parquet cut=inside", "PUT *.parquet cut=inside:100", "PUT *.parquet cut=after",
         "PUT *.parquet delay=700ms", "HEAD *.parquet head-length=+1 count=2", "HEAD *.parquet status=500",
         "HEAD *.parquet cut=before", "* * delay=200ms", "* * status=503 probability=0.3", "* * cut=before probability=0.3"]
SIGN_IN_RULES = ["PUT *.parquet 401-once", "POST *token* status=503", "POST *token* cut=inside"]
SMALL = {"VOLUME_UPLOADER_BATCH_SIZE": "4000", "VOLUME_UPLOADER_SEGMENT_BYTES": "1MiB", "VOLUME_UPLOADER_FREE_BYTES_MIN": "1"}
RING = 16 << 20  # of rejected/: durability.md 14
RSS_GROWTH = 8 << 20


def target_of(link):
    """None: closed since the list was made."""
    try:
        return os.readlink(link)
    except FileNotFoundError:
        return None


def blocks_of(path):
    """Bytes on the disk; 0: gone since the list was made."""
    try:
        return os.stat(path).st_blocks * 512
    except FileNotFoundError:
        return 0


class Plant:
    """One run with its feeder, workspace and state."""

    def __init__(self, name, rng, rate):
        self.name, self.rng = name, rng
        self.place, self.feeder = Place(), OddFeeder(rate=rate)
        self.disk, self.child, self.durable = None, None, set()
        self.more, self.faults = dict(SMALL), list(RULES)
        self.done, self.samples, self.status = {}, [], 0
        self.lives, self.life_connections, self.life_cuts = 0, 0, 0

    def start(self, traced):
        self.status = free_port()
        self.lives += 1
        self.life_connections, self.life_cuts = len(self.feeder.connections), self.feeder.cut_lines
        self.port = self.feeder.listen()
        more = dict(self.more, VOLUME_UPLOADER_STATUS_LISTEN=f"127.0.0.1:{self.status}")
        if traced:
            self.child = self.place.run(self.port, "--stop-ms=60s", **more)
        else:  # nobody would read the trace for half an hour
            self.child = self.place.start(["run", "--no-live-line", "--stop-ms=60s"], self.place.run_env(self.port, **more))

    def begin(self, traced):
        self.feeder.start()
        self.emulator = self.place.emulate()
        self.start(traced)

    # ---- faults ----

    def pause(self):
        time.sleep(0.3 + 2 * self.rng.random())

    def rules(self):
        self.place.faults("\n".join(self.rng.sample(self.faults, self.rng.randint(1, 4))))
        self.pause()

    def workspace_away(self):
        self.emulator.kill()
        self.emulator.wait()
        self.pause()
        self.emulator = self.place.emulate()

    def reload(self):
        for _ in range(self.rng.randint(1, 5)):
            self.child.send_signal(signal.SIGHUP)
            time.sleep(0.05)

    def hang_up(self):
        self.feeder.hang_up = True
        self.pause()

    def frozen(self):
        self.child.send_signal(signal.SIGSTOP)
        self.pause()
        self.child.send_signal(signal.SIGCONT)

    def full(self):
        self.place.faults("* /api/2.0/fs/* status=503")
        self.disk.fill(self.rng.choice([0, 0, 70000, 300000]))
        self.pause()
        self.disk.empty()

    def kill(self):
        self.child.send_signal(signal.SIGKILL)
        self.child.wait()
        record = trace_of(self.child)
        if record:
            self.durable.update(self.feeder.durable(self.port, record[1]))
        self.start(True)
        self.pause()

    def burst(self, kinds):
        for _ in range(self.rng.randint(2, 5)):
            kind = self.rng.choice(kinds)
            self.done[kind] = self.done.get(kind, 0) + 1
            getattr(self, kind)()
            if self.child.poll() is not None:
                fail(f"{self.name}: ended by itself with {self.child.returncode}")

    # ---- calm ----

    def calm(self):
        """All is delivered, and the run is measured."""
        self.place.faults(None, method="DELETE")
        wait_for(f"{self.name}: readings after the faults", 120, self.reads_again())
        self.feeder.sending = False
        values = wait_for(f"{self.name}: all to be delivered", 400, self.rests)  # 300 s: durability.md 10
        self.samples.append(self.measure())
        self.feeder.sending = True
        return values

    def reads_again(self):
        seen = self.feeder.sent()
        return lambda: self.feeder.sent() > seen + 200 and not self.feeder.hang_up

    def rests(self):
        if self.child.poll() is not None:
            fail(f"{self.name}: ended by itself with {self.child.returncode}")
        first = settled(self.status, 1)
        time.sleep(0.2)
        return first if first and settled(self.status, 1) == first else still(first, settled(self.status, 1))

    def measure(self):
        pid = self.child.pid
        with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as status:
            lines = dict(line.split(":", 1) for line in status)
        kinds = list(filter(None, (target_of(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd"))))
        sockets = sum(kind.startswith("socket:") for kind in kinds)
        disk = {}
        for folder, _, names in os.walk(self.place.state):
            part = os.path.relpath(folder, self.place.state)
            disk[part] = sum(blocks_of(os.path.join(folder, name)) for name in names)
        rejected = disk.pop("rejected", 0)
        return {"rss": int(lines["VmRSS"].split()[0]) * 1024, "threads": int(lines["Threads"]), "files": len(kinds) - sockets,
                "sockets": sockets, "disk": sum(disk.values()), "rejected": rejected, "pid": pid}

    # ---- the end ----

    def end(self):
        values = self.calm_for_good()
        self.child.send_signal(signal.SIGTERM)
        if self.child.wait(120) != 0:
            fail(f"{self.name}: ended with {self.child.returncode}")
        self.feeder.stop()
        return values

    def calm_for_good(self):
        values = self.calm()
        self.feeder.sending = False
        time.sleep(0.3)
        return wait_for(f"{self.name}: the last readings", 120, self.rests) or values

    def judge(self, values, all_received):
        connections = self.feeder.connections[self.life_connections:]
        spans = [(first, len(ends)) for _, first, ends in connections]
        numbers = [n for first, count in (self.feeder.spans() if all_received else spans) for n in range(first, first + count)]
        Count(*spans, connections=len(connections), cut_lines=self.feeder.cut_lines - self.life_cuts).check(values)
        if sums(values) != (0, 0):
            fail(f"{self.name}: the sums are off by {sums(values)}")
        print(f"{self.name}: ", end="")
        ledger = Ledger(self.place, self.feeder)
        ledger.judge(self.durable | set(numbers))
        nothing_left(self.place)
        return ledger


def still(first, second):
    """The same picture twice, but for what goes with the time: nothing moves."""
    names = ("lines_total", "readings_total", "delivered_readings_total", "packed_files_total")
    return second if first and second and all(first[name] == second[name] for name in names) else None


def flat(samples):
    """What the measurements of one process say. The first is the warm-up."""
    third = max(1, (len(samples) - 1) // 3)
    begin, last = samples[1:1 + third], samples[-third:]
    text = []
    for what in ("rss", "threads", "files", "sockets", "disk", "rejected"):
        low, high = min(s[what] for s in samples[1:]), max(s[what] for s in samples[1:])
        a, b = max(s[what] for s in begin), max(s[what] for s in last)
        text.append(f"{what} {low} to {high} (first third {a}, last {b})")
    print("measured: " + "; ".join(text), flush=True)
    if len({s["threads"] for s in samples[1:]}) != 1:
        fail(f"threads are not the same: {[s['threads'] for s in samples]}")
    # One less now and then is a spare or a reserve that is being made; more than at the beginning is a leak.
    if max(s["files"] for s in last) > max(s["files"] for s in begin):
        fail(f"files grow: {[s['files'] for s in samples]}")
    # Connections to the workspace stay open for the next file: at most one for each upload and one for its answers.
    if max(s["sockets"] for s in samples) > 12:
        fail(f"sockets: {[s['sockets'] for s in samples]}")
    if max(s["rss"] for s in last) > max(s["rss"] for s in begin) + RSS_GROWTH:
        fail(f"memory grows: {[s['rss'] for s in samples]}")
    if max(s["disk"] for s in last) > max(s["disk"] for s in begin) + (1 << 20):
        fail(f"disk use grows: {[s['disk'] for s in samples]}")
    if max(s["rejected"] for s in samples) > RING + (1 << 20):
        fail(f"rejected/ grows: {[s['rejected'] for s in samples]}")


def small_disk(plant):
    """ext4, or tmpfs; None: neither can be made here."""
    for kind, mib, make in (("ext4", 96, ["mkfs.ext4", "-q", "-F", "-m", "0"]), ("tmpfs", 64, None)):
        try:
            return Disk(plant.place, kind, mib, make)
        except (OSError, subprocess.CalledProcessError) as error:
            print(f"{kind}: not here: {error}", flush=True)
            os.rmdir(plant.place.state)
    return None


def soak(seconds, plants):
    lasting, mortal = plants
    mortal.more.update(OAUTH)  # the emulator forgets its tokens with each start, so this one's is not restarted
    mortal.faults += SIGN_IN_RULES
    lasting.disk = small_disk(lasting)
    kinds = ["rules", "rules", "workspace_away", "reload", "hang_up", "frozen"] + (["full"] if lasting.disk else [])
    lasting.begin(False)
    mortal.begin(True)
    end, wrong = time.monotonic() + seconds, []

    def go_on(plant, what):
        try:
            plant.calm()
            while time.monotonic() < end and not wrong:
                plant.burst(what)
                plant.calm()
        except Exception as failure:  # pylint: disable=broad-except
            wrong.append(failure)

    other = threading.Thread(target=go_on, args=(mortal, ["rules", "rules", "reload", "frozen", "kill"]))
    other.start()
    go_on(lasting, kinds)
    other.join()
    if wrong:
        raise wrong[0]
    values = [plant.end() for plant in plants]
    for plant in plants:
        print(f"{plant.name}: " + ", ".join(f"{kind} {count}" for kind, count in sorted(plant.done.items())), flush=True)
    print(f"{lasting.name}: {len(lasting.samples)} measurements; ", end="")
    flat(lasting.samples)
    lasting.judge(values[0], True)
    mortal.judge(values[1], False)


def main():
    words = {"short": "45", "long": "1800"}
    seconds = int(words.get(sys.argv[1], sys.argv[1]) if len(sys.argv) > 1 else words["short"])
    if os.environ.get("SOAK_INSIDE") != "yes":
        os.environ["SOAK_INSIDE"] = "yes"
        if subprocess.run(["unshare", "-m", "true"], check=False, stderr=subprocess.DEVNULL).returncode == 0:
            os.execvp("unshare", ["unshare", "-m", sys.executable, "-B", *sys.argv])
    first, code = seed(), 0
    plants = [Plant("lasting", random.Random(first), 2000), Plant("mortal", random.Random(first + 1), 2000)]
    try:
        soak(seconds, plants)
    except Failure as failure:
        code = 1
        print(f"FAIL: {failure}\n(kept: {', '.join(plant.place.directory for plant in plants)})\n"
              + again(seconds, SEED=first), flush=True)
        for plant in plants:
            for child in plant.place.children[-2:]:
                print(f"--- {plant.name} {child.args[1]}\n{log_of(child)[-3000:]}", flush=True)
    finally:
        for plant in plants:
            plant.feeder.running = False
            for child in plant.place.children:
                if child.poll() is None:
                    child.kill()
                    child.wait()
            if plant.disk:
                plant.disk.end()
            plant.place.end(keep=code != 0)
    sys.exit(code)


main()
