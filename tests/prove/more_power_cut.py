"""power cuts on real ext4, XFS and Btrfs (T6)

  more_power_cut.py [short|long|STATES]               so many different states over the file systems (short 120, long 3,240)
  more_power_cut.py --again DIRECTORY POSITION MODE   one state of a recording that was kept
  more_power_cut.py --record KIND SEED STATES         one recording anew, and so many of its states
  FILE_SYSTEMS="ext4 xfs" runs only these

The program runs on a disk whose every write and flush is logged (logged_disk.py): it takes readings, rolls, packs and
delivers, is killed and started again, stopped and started again, and meets a workspace that is away for a while. Then for
many positions of the log the disk is built as a power cut just before that entry may have left it: what a completed flush
covers is certain, of the writes after it none ("dropped"), all ("kept"), some ("writes") or some of their sectors
("sectors") are there. The file system is mounted, the program starts on it with a few fresh readings and a volume that
holds what it had received by then, delivers all and stops. The oracle asks for every reading that had been promised by the
time of that entry. A file that was under way at that time may or may not have arrived: a coin decides.
"""
import bisect
import contextlib
import io
import json
import multiprocessing
import os
import random
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import zlib

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "../e2e"), HERE]
from logged_disk import (KINDS, MODES, DiskError, Log, LoggedDisk, Past, call, kinds_here,  # noqa: E402
                         mount_or_repair, unmount)
import plant  # noqa: E402
from plant import (Failure, Feeder, Place, Verdict, fail, line_of, log_of, manifest_line, name_range,  # noqa: E402
                   rows_of, seed, wait_for)

SMALL = {"VOLUME_UPLOADER_COMMIT_MS": "20", "VOLUME_UPLOADER_BATCH_SIZE": "1000",
         "VOLUME_UPLOADER_SEGMENT_BYTES": "1MiB", "VOLUME_UPLOADER_UPLOAD_PARALLEL": "1",
         "VOLUME_UPLOADER_FREE_BYTES_MIN": "1", "VOLUME_UPLOADER_ALLOW_VOLATILE_STATE": None}
LIVES = ["kill", "kill", "stop", "kill", "stop"]
FRESH = 5
FAILURES_MAX = 5


def quiet_place():
    """Its emulator listens where no connection of another process gets its own port from."""
    place = Place()
    while True:
        place.emulator_port = random.SystemRandom().randrange(12000, 30000)
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", place.emulator_port)):
            return place


class Door(threading.Thread):
    """Between program and workspace: when was each file surely not yet, and surely there?"""

    def __init__(self, to):
        super().__init__(daemon=True)
        self.to, self.listener = to, socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.arrivals = {}  # name: [ns before its last bytes went in, ns when the answer was known]
        self.start()

    def run(self):
        while True:
            client, _ = self.listener.accept()
            server = socket.create_connection(("127.0.0.1", self.to))
            for peer in (client, server):
                peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            request = {"answered": True, "name": None, "begin": 0}
            threading.Thread(target=self.ask, args=(client, server, request), daemon=True).start()
            threading.Thread(target=self.answer, args=(client, server, request), daemon=True).start()

    def ask(self, client, server, request):
        with contextlib.suppress(OSError):
            while data := client.recv(1 << 18):
                if request["answered"]:
                    words = data.split(b"\r\n", 1)[0].split()
                    put = words[0] == b"PUT" and b"/fs/files/" in words[1]
                    request["name"] = words[1].split(b"?")[0].rsplit(b"/", 1)[1].decode() if put else None
                    request["answered"] = False
                request["begin"] = time.monotonic_ns()
                server.sendall(data)
        with contextlib.suppress(OSError):
            server.shutdown(socket.SHUT_WR)

    def answer(self, client, server, request):
        with contextlib.suppress(OSError):
            while data := server.recv(1 << 18):
                status = int(data[9:12]) if data.startswith(b"HTTP/1.1 ") else 0
                if status >= 200 and not request["answered"]:
                    request["answered"] = True
                    if request["name"] and status < 300:
                        self.arrivals.setdefault(request["name"], [request["begin"], time.monotonic_ns()])
                with contextlib.suppress(OSError):  # a client that was killed: the file may arrive all the same
                    client.sendall(data)
        client.close()
        server.close()


class Recorder:
    """One run of the program, with its lives, on a logged disk. Its story is kept in `directory`."""

    def __init__(self, kind, directory, rng):
        self.kind, self.directory, self.rng = kind, directory, rng
        self.promises = []  # [ns, first n of the connection, how many of it]
        self.place = quiet_place()
        os.mkdir(self.place.state)
        self.disk = None

    def listen_to(self, child, port):
        def reader():
            while (record := os.read(child.trace, 16)):
                now = time.monotonic_ns()
                if len(record) == 16:
                    self.records.append((now, port, struct.unpack("<QQ", record)[1]))
            os.close(child.trace)
        child.reader = threading.Thread(target=reader, daemon=True)
        child.reader.start()

    def life(self, end):
        """One process, from its start to its end."""
        before = len(self.records)
        port = self.feeder.listen()
        child = self.place.run(port, "--stop-ms=20s", DATABRICKS_HOST=f"http://127.0.0.1:{self.door.port}", **SMALL)
        self.listen_to(child, port)
        wait_for("the first promise", 60, lambda: len(self.records) > before or child.poll() is not None)
        time.sleep(0.3 + self.rng.random() * 1.7)
        if end == "away":
            self.place.faults("* /api/2.0/fs/* status=503")
            time.sleep(1.5 + self.rng.random() * 2)
            self.place.faults(None, method="DELETE")
            time.sleep(self.rng.random() * 2)
        if child.poll() is not None:
            fail(f"ended by itself with {child.returncode}:\n{log_of(child)}")
        child.send_signal(signal.SIGKILL if end == "kill" else signal.SIGTERM)
        child.wait(90)
        child.reader.join()
        if end != "kill" and child.returncode != 0:
            fail(f"ended with {child.returncode}:\n{log_of(child)}")

    def record(self):
        self.records = []
        self.feeder = Feeder(rate=self.rng.choice([500, 1500, 3000]))
        try:
            self.disk = LoggedDisk(self.kind, self.directory, self.place.state)
            os.chmod(self.place.state, 0o700)
            self.feeder.start()
            self.place.emulate()
            self.door = Door(self.place.emulator_port)
            lives = LIVES[:]
            self.rng.shuffle(lives)
            lives.insert(self.rng.randrange(len(lives)), "away")
            for end in [*lives, "stop"]:
                self.life(end)
            self.feeder.sending = False
            self.disk.end()
            self.keep()
        finally:
            self.feeder.stop()
            if self.disk:
                self.disk.end()
            self.place.end()

    def keep(self):
        files = os.path.join(self.directory, "files")
        os.mkdir(files)
        for path in self.place.files():
            name = os.path.basename(path)
            if name not in self.door.arrivals:
                fail(f"nobody has seen {name} arrive")
            shutil.copy(path, files)
        for when, port, offset in self.records:
            durable = self.feeder.durable(port, offset)
            if durable:
                self.promises.append([when, durable[0], len(durable)])
        with open(os.path.join(self.directory, "story.json"), "w", encoding="ascii") as story:
            json.dump({"kind": self.kind, "sent": self.feeder.sent(), "promises": self.promises,
                       "arrivals": {n: self.door.arrivals[n] for n in os.listdir(files)}}, story)


class Restart:
    """Starts the program on a state directory that has been through something, and asks where every reading is."""

    def __init__(self, place):
        self.place = place
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.decoded = {}

    def rows(self, path):
        """A name says what is in the file, unless somebody wrote something else below that name."""
        with open(path, "rb") as file:
            key = (os.path.basename(path), zlib.crc32(file.read()))
        if key not in self.decoded:
            self.decoded[key] = rows_of(path)
        return self.decoded[key]

    def live(self, first):
        """The program starts, takes a few fresh readings, delivers and stops."""
        child = self.place.run(self.listener.getsockname()[1], "--stop-ms=60s", **SMALL)
        peer = None
        try:
            while peer is None:
                self.listener.settimeout(0.2)
                try:
                    peer, _ = self.listener.accept()
                except TimeoutError:
                    if child.poll() is not None:
                        fail(f"recovery ended with {child.returncode}:\n{log_of(child)}")
            peer.sendall(manifest_line() + b"".join(line_of(n) for n in range(first, first + FRESH)))
            child.send_signal(signal.SIGTERM)
            if child.wait(90) != 0:
                fail(f"ended with {child.returncode}:\n{log_of(child)}")
        finally:
            if peer:
                peer.close()
            if child.poll() is None:
                child.kill()
                child.wait()
            os.close(child.trace)
            self.place.children.remove(child)
        text = log_of(child)
        os.unlink(child.log)
        if "\nerror " in "\n" + text:
            fail(f"an error after a power cut:\n{text}")

    def waits(self):
        return [n for n in os.listdir(os.path.join(self.place.state, "outbox")) if n.endswith(".parquet")]

    def drain(self, first):
        """Until all is delivered; the fresh readings that must be there, and the first that was never sent."""
        self.live(first)
        for more in range(1, 6):  # on a busy machine a ship that backs off ends before all is sent
            if self.waits():
                self.live(first + more * FRESH)
        return set(range(first, first + FRESH)), first + 6 * FRESH

    def gaps(self):
        """[(from_seq, to_seq, readings)]; a promised one is a failure: nothing was damaged, only cut off."""
        found = []
        with contextlib.suppress(FileNotFoundError):
            with open(os.path.join(self.place.state, "gaps.log"), "rb") as lines:
                for line in lines:
                    with contextlib.suppress(ValueError):
                        gap = json.loads(line)
                        if gap["promised"]:
                            fail(f"a power cut is no damage, but gaps.log says: {line!r}")
                        found.append((gap["from_seq"], gap["to_seq"], gap["readings"]))
        return found

    def judge(self, promised, sent):
        state = self.place.state
        for folder in ("outbox", "refused", "quarantine"):
            left = [n for n in os.listdir(os.path.join(state, folder)) if n != "reserve"]
            if left:
                fail(f"left in {folder}/: {left}")
        segments = [n for n in os.listdir(os.path.join(state, "journal")) if n != "spare.seg"]
        if len(segments) != 1:
            fail(f"left in journal/: {segments}")
        gaps = self.gaps()
        verdict = Verdict(self.place, self.rows)
        for path in verdict.files:
            a, b = name_range(path)
            rows, lost = len(self.rows(path)), sum(g[2] for g in gaps if a <= g[0] and g[1] <= b)
            if rows + lost != b - a + 1:
                fail(f"{os.path.basename(path)}: {rows} rows and {lost} in gaps are not the range of its name")
        with contextlib.redirect_stdout(io.StringIO()):
            verdict.check(promised, sent)
        return len(verdict.seen)


class Again(Restart):
    """Starts the program on past states of a recording."""

    def __init__(self, directory):
        super().__init__(quiet_place())
        self.directory = directory
        with open(os.path.join(directory, "story.json"), encoding="ascii") as text:
            self.story = json.load(text)
        self.kind = self.story["kind"]
        self.log = Log(os.path.join(directory, "writes.log"))
        call("mount", "-t", "tmpfs", "-o", "size=2g", "tmpfs", self.place.directory)
        os.mkdir(self.place.state)
        self.past = Past(os.path.join(directory, "base.img"), self.log, self.place.directory)
        self.place.emulate()
        os.makedirs(self.place.data, exist_ok=True)
        self.tried, self.repaired = set(), 0

    def promised(self, now):
        counts = {}
        for when, first, count in self.story["promises"]:
            if when < now:
                counts[first] = count
        return {n for first, count in counts.items() for n in range(first, first + count)}

    def fill_volume(self, now, rng):
        for name in os.listdir(self.place.data):
            os.unlink(os.path.join(self.place.data, name))
        for name, (begin, known) in sorted(self.story["arrivals"].items()):
            if known < now or (begin < now and rng.random() < 0.5):
                shutil.copy(os.path.join(self.directory, "files", name), self.place.data)

    def state(self, position, mode):
        """None: the same disk was tried for this position before. Else how many readings had been promised."""
        rng = random.Random(f"{position} {mode}")
        kept = tuple(self.past.choose(position, mode, rng))
        if (position, kept) in self.tried:
            return None
        self.tried.add((position, kept))
        now = self.log.time(position)
        self.past.build(position, kept)
        try:
            self.repaired += mount_or_repair(self.kind, self.past.image, self.place.state)
        except DiskError as error:
            fail(f"not mounted: {error}")
        try:
            os.chmod(self.place.state, 0o700)
            self.fill_volume(now, rng)
            fresh, end = self.drain(self.story["sent"])
            promised = self.promised(now)
            self.judge(promised | fresh, end)
        finally:
            unmount(self.place.state)
        return len(promised)

    def end(self):
        self.place.end(keep=True)
        unmount(self.place.directory, lazily=True)
        shutil.rmtree(self.place.directory, ignore_errors=True)


def positions_of(again, count, rng):
    """A third of them next to a flush, where promises are made; a third where a file was about to leave or had just
    arrived, where names are given and deleted; the rest anywhere."""
    log, chosen = again.log, set()
    times = [entry[3] for entry in log.entries]
    near_flush = {i + k for i in log.flushes for k in (0, 1)}
    near_file = {min(max(bisect.bisect_left(times, begin) + k, 1), len(log))
                 for begin, _ in again.story["arrivals"].values() for k in range(-25, 15)}
    for group in (near_flush, near_file, set(range(1, len(log) + 1))):
        rest = sorted(group - chosen)
        chosen |= set(rng.sample(rest, min(len(rest), -(-count // 3))))
    return sorted(chosen)


def walk(again, number, count, rng, done):
    """At least `count` different states; where nothing is in doubt, a position has only one."""
    before = -1
    while before < sum(done["modes"].values()) < count:  # or there is none left
        before = sum(done["modes"].values())
        for position in positions_of(again, max(3, (count - before) // 3), rng):
            for mode in MODES:
                try:
                    found = again.state(position, mode)
                except (Failure, subprocess.TimeoutExpired) as failure:
                    done["failures"].append(
                        f"FAIL {again.kind}, seed {number}, before entry {position} of {len(again.log)}, {mode}: "
                        f"{failure}\n" + plant.again("--again", again.directory, position, mode))
                    print(done["failures"][-1], flush=True)
                    if len(done["failures"]) >= FAILURES_MAX:
                        return
                else:
                    done["modes"][mode] += found is not None
                    done["promised"] += found or 0


def work(task):
    """A recording and its states."""
    kind, number, count = task
    rng = random.Random(number)
    done = {"kind": kind, "modes": dict.fromkeys(MODES, 0), "promised": 0, "repaired": 0, "failures": [],
            "seconds": 0.0}
    started = time.monotonic()
    directory = tempfile.mkdtemp(prefix=f"power-cut.{kind}.")
    again = None
    try:
        Recorder(kind, directory, rng).record()
        recorded = time.monotonic() - started
        again = Again(directory)
        walk(again, number, count, rng, done)
        print(f"{kind}, seed {number}: {len(again.log)} entries, {len(again.log.flushes)} of them flushes, "
              f"{again.story['sent']} readings, {len(again.story['arrivals'])} files, recorded in {recorded:.0f} s; "
              f"{sum(done['modes'].values())} states", flush=True)
    except (Failure, OSError) as failure:
        done["failures"].append(f"FAIL {kind}, seed {number}, while it was recorded: {failure}\n"
                                + plant.again("--record", kind, number, count))
        print(done["failures"][-1], flush=True)
    finally:
        if again:
            done["repaired"] = again.repaired
            again.end()
        if not done["failures"]:
            shutil.rmtree(directory, ignore_errors=True)
        done["seconds"] = time.monotonic() - started
    return done


def tasks_for(kinds, states, rng):
    """Recordings of at most 270 states."""
    each = -(-states // len(kinds))
    tasks = []
    while each > 0:
        tasks += [(kind, rng.randrange(2**32), min(270, each)) for kind in kinds]
        each -= 270
    return tasks


def one_again(directory, position, mode):
    again = Again(directory)
    try:
        print(f"{again.kind}, before entry {position}, {mode}: {len(again.past.doubtful(int(position)))} writes in doubt, "
              f"{again.state(int(position), mode)} readings promised; all of them are there")
    except Failure as failure:
        print(f"FAIL: {failure}")
        sys.exit(1)
    finally:
        again.end()


def sum_up(results, started):
    failures = sum(len(r["failures"]) for r in results)
    total = 0
    for kind in KINDS:
        mine = [r for r in results if r["kind"] == kind]
        if not mine:
            continue
        modes = {mode: sum(r["modes"][mode] for r in mine) for mode in MODES}
        total += sum(modes.values())
        print(f"{kind}: {sum(modes.values())} states ({', '.join(f'{m} {n}' for m, n in modes.items())}) of "
              f"{len(mine)} recordings, {sum(r['promised'] for r in mine)} promised readings asked for, "
              f"{sum(r['repaired'] for r in mine)} times the file system had to be repaired first, "
              f"{sum(r['seconds'] for r in mine):.0f} s")
    print(f"{total} states, {time.monotonic() - started:.0f} s: "
          + (f"{failures} FAILED" if failures else "lost 0, twice 0, ghost 0, altered 0, overlapping names 0"))
    return failures == 0 and total > 0


def main():
    kinds = kinds_here("power_cut")
    if kinds and sys.argv[1:2] == ["--again"]:
        one_again(*sys.argv[2:5])
        return
    length = sys.argv[1] if len(sys.argv) > 1 else "short"
    if not kinds:
        return
    if length == "--record":
        sys.exit(0 if sum_up([work((sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))], time.monotonic()) else 1)
    states = {"short": 120, "long": 3240}.get(length) or int(length)
    rng = random.Random(seed())
    started = time.monotonic()
    with multiprocessing.Pool(2, maxtasksperchild=1) as pool:
        results = pool.map(work, tasks_for(kinds, states, rng), chunksize=1)
    sys.exit(0 if sum_up(results, started) else 1)


if __name__ == "__main__":
    main()
