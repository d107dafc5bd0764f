"""no damage to the store needs a person: `run` starts, loses nothing that was valid, counts what was lost

more_damage.py [short | long | CASE...]    short: each kind once, some combined; long: 300 random combinations more

A store is filled with the workspace away and killed: a file in outbox/, several closed segments, an active one without a
seal. Each case damages a copy of it, starts `run` with the workspace there, waits until nothing waits, and asks: where is
every reading? Number n has sequence number n + 1. Everything odd must lie in quarantine/ afterwards, or where it was.
SEED=N repeats a run; a failing case prints the names that repeat it alone.
"""
import contextlib
import json
import os
import random
import re
import shutil
import signal
import stat
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../e2e"))
from plant import (BASE_US, Failure, Feeder, Place, Verdict, again, fail, free_port, log_of, name_range,  # noqa: E402
                   rows_of, seed, wait_for)

READINGS = 2400
SMALL = {"VOLUME_UPLOADER_SEGMENT_BYTES": "1MiB", "VOLUME_UPLOADER_BATCH_SIZE": "300",
         "VOLUME_UPLOADER_UPLOAD_PARALLEL": "1", "VOLUME_UPLOADER_COMMIT_MS": "20"}
OTHER_IDENTITY = b"volume-uploader state 1\n7f250517a90304cae0ff2954f625444c\n85839c6d\n"


class Store:
    """A copy of the base, to be damaged."""

    def __init__(self, path, rng):
        self.path, self.rng = path, rng
        self.may_lose = set()  # sequence numbers
        self.odd = []          # contents and directories that must still be somewhere
        self.denied = None     # a word of the message

    def at(self, *names):
        return os.path.join(self.path, *names)

    def segments(self):
        return sorted(n for n in os.listdir(self.at("journal"))
                      if re.fullmatch("[0-9a-f]{16}.seg", n) and 0 < int(n[:16], 16) <= READINGS
                      and os.path.isfile(self.at("journal", n)) and not os.path.islink(self.at("journal", n)))

    def files(self):
        return sorted(n for n in os.listdir(self.at("outbox")) if n.endswith(".parquet")
                      and os.path.isfile(self.at("outbox", n)))

    def range_of(self, segment):
        names = self.segments()
        i = names.index(segment)
        end = int(names[i + 1][:16], 16) if i + 1 < len(names) else READINGS + 1
        return set(range(int(segment[:16], 16), end))

    def write(self, name, data):
        path = self.at(name)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        with open(path, "wb") as file:
            file.write(data)
        os.chmod(path, 0o600)
        return path

    def strange(self, name, data=None):
        """Something nobody expects under that name: a directory with a file in it, or this content."""
        mark = os.urandom(16)
        if data is None:
            path = self.at(name)
            if os.path.isfile(path):
                os.unlink(path)
            os.mkdir(path, 0o700)
            with open(os.path.join(path, "inside"), "wb") as file:
                file.write(mark)
        else:
            self.write(name, data + mark)
        self.odd.append(mark)


def cases():
    """name: function(store). Each may be combined with others unless its name ends in '!'."""
    table = {}

    def case(name):
        def add(function):
            table[name] = function
            return function
        return add

    def simple(name, function):
        table[name] = function

    for part in ("LOCK", "gaps.log", "IDENTITY", "journal/spare.seg", "outbox/reserve"):
        simple(f"{part} missing", lambda s, p=part: os.path.lexists(s.at(p)) and os.unlink(s.at(p)))
        simple(f"{part} empty", lambda s, p=part: s.write(p, b""))
        simple(f"{part} garbage", lambda s, p=part: s.write(p, s.rng.randbytes(s.rng.randrange(1, 9000))))
        simple(f"{part} a directory", lambda s, p=part: s.strange(p))
        simple(f"{part} a FIFO", lambda s, p=part: (os.path.lexists(s.at(p)) and os.unlink(s.at(p)),
                                                     os.mkfifo(s.at(p), 0o600)))
    simple("LOCK a socket", lambda s: (os.unlink(s.at("LOCK")), os.mknod(s.at("LOCK"), 0o600 | stat.S_IFSOCK)))
    for part in ("journal", "outbox"):
        simple(f"{part}/ a stranger with the longest name", lambda s, p=part: s.strange(f"{p}/" + "a" * 255, b"whatever"))
    for part in ("refused", "rejected", "quarantine"):
        simple(f"{part} missing", lambda s, p=part: shutil.rmtree(s.at(p)))
        simple(f"{part} a file", lambda s, p=part: (shutil.rmtree(s.at(p)), s.strange(p, b"not a directory")))
    for name in ("journal/next.tmp", "journal/spare.tmp", "journal/0000000000000001.seg.tmp", "outbox/pack.tmp",
                 "outbox/reserve.tmp", "IDENTITY.tmp", "quarantine/x.tmp", "rejected/00000001.jsonl"):
        simple(f"{name} a directory", lambda s, p=name: s.strange(p))
    for name in ("journal/notes.txt", "journal/00000000000000AB.seg", "journal/0000000000000000.seg",
                 "outbox/notes.txt", "outbox/20260131T123456Z-9f3a6c1e0b7d4a25-2-1-5be0cd19.parquet", "refused/notes.txt",
                 "rejected/notes.txt", "quarantine/notes.txt", "notes.txt"):
        simple(f"{name} a stranger", lambda s, p=name: s.strange(p, b"whatever"))
    simple("journal/00000000000fffff.seg a directory", lambda s: s.strange("journal/00000000000fffff.seg"))
    simple("journal/00000000000fffff.seg a link",
           lambda s: os.symlink("/etc/passwd", s.at("journal/00000000000fffff.seg")))
    simple("journal/00000000000fffff.seg garbage",
           lambda s: s.strange("journal/00000000000fffff.seg", s.rng.randbytes(5000)))
    # A number behind which there is none: whoever believes it makes names that nobody reads.
    simple("journal/ffffffffffffffff.seg a stranger", lambda s: s.strange("journal/ffffffffffffffff.seg", b"whatever"))
    simple("journal/00000000000ffff0.seg a socket",
           lambda s: os.mknod(s.at("journal/00000000000ffff0.seg"), 0o600 | stat.S_IFSOCK))
    simple("outbox/a directory of a good name", lambda s: s.strange(
        "outbox/20260131T123456Z-9f3a6c1e0b7d4a25-000000004711-000000009802-5be0cd19.parquet"))
    simple("IDENTITY a link", lambda s: (os.unlink(s.at("IDENTITY")), os.symlink("/etc/passwd", s.at("IDENTITY"))))

    def headers(s, which):
        for name in which:
            with open(s.at("journal", name), "r+b") as file:
                file.write(bytes(64) if s.rng.random() < 0.5 else s.rng.randbytes(64))

    simple("header of the oldest segment", lambda s: headers(s, s.segments()[:1]))
    simple("header of a middle segment", lambda s: headers(s, s.segments()[1:2]))
    simple("header of the newest segment", lambda s: headers(s, s.segments()[-1:]))
    simple("all headers", lambda s: headers(s, s.segments()))

    @case("a sector of a segment")
    def _(s):
        name = s.rng.choice(s.segments()[:-1])
        with open(s.at("journal", name), "r+b") as file:
            file.seek(s.rng.randrange(1, max(2, os.path.getsize(s.at("journal", name)) // 512)) * 512)
            file.write(s.rng.randbytes(512))
        s.may_lose |= s.range_of(name)

    @case("a segment cut")
    def _(s):
        name = s.rng.choice(s.segments()[:-1])
        s.may_lose |= s.range_of(name)
        os.truncate(s.at("journal", name), os.path.getsize(s.at("journal", name)) * s.rng.randrange(100) // 100)

    @case("a segment garbage")
    def _(s):
        name = s.rng.choice(s.segments()[:-1])
        s.may_lose |= s.range_of(name)
        s.write(f"journal/{name}", s.rng.randbytes(20000))

    @case("a segment missing")
    def _(s):
        name = s.rng.choice(s.segments()[1:-1] or s.segments()[:-1])
        s.may_lose |= s.range_of(name)
        os.unlink(s.at("journal", name))

    @case("a bit of a file in outbox")
    def _(s):
        name = s.rng.choice(s.files())
        first, last = name_range(name)
        s.may_lose |= set(range(first, last + 1))
        with open(s.at("outbox", name), "r+b") as file:
            size = os.path.getsize(s.at("outbox", name))
            if size == 0:
                return
            at = s.rng.randrange(size)
            file.seek(at)
            byte = file.read(1)[0]
            file.seek(at)
            file.write(bytes([byte ^ 1 << s.rng.randrange(8)]))

    @case("a file in outbox cut")
    def _(s):
        name = s.rng.choice(s.files())
        first, last = name_range(name)
        s.may_lose |= set(range(first, last + 1))
        os.truncate(s.at("outbox", name), os.path.getsize(s.at("outbox", name)) * s.rng.randrange(100) // 100)

    @case("IDENTITY of another store!")
    def _(s):
        s.write("IDENTITY", OTHER_IDENTITY)
        s.denied = "mixed"

    @case("IDENTITY of a newer version!")
    def _(s):
        s.write("IDENTITY", b"volume-uploader state 2\nwho knows\n")
        s.denied = "newer version"

    @case("journal a link!")
    def _(s):
        os.rename(s.at("journal"), s.at("elsewhere"))
        os.symlink("elsewhere", s.at("journal"))
        s.denied = "is not a directory"

    return table


class Prover:
    def __init__(self, place):
        self.place = place
        self.base = os.path.join(place.directory, "base")
        self.known = {}
        self.fill()
        self.port = free_port()  # nobody listens: no stream

    def fill(self):
        place = self.place
        away = place.away()
        feeder = Feeder(rate=400, batch_size=300)
        feeder.max_n = READINGS
        feeder.start()
        child = place.run(feeder.port, **SMALL)
        wait_for("all readings", 300, lambda: feeder.sent() >= READINGS and f"readings={READINGS}" in self.summary(child))
        child.kill()
        child.wait()
        feeder.stop()
        away.close()
        os.rename(place.state, self.base)
        store = Store(self.base, None)
        if not store.files() or len(store.segments()) < 3:
            fail(f"not the store wanted: {store.files()} {store.segments()}")

    def summary(self, child):
        """Readings that are on disk: the last record of the trace, kept for that."""
        child.durable = getattr(child, "durable", 0)
        os.set_blocking(child.trace, False)
        with contextlib.suppress(BlockingIOError):
            data = os.read(child.trace, 1 << 16)
            if len(data) >= 16:
                child.durable = int.from_bytes(data[len(data) // 16 * 16 - 16:][:8], "little")
        return f"readings={child.durable}"

    def rows(self, path):
        name = os.path.basename(path)
        if name not in self.known:
            self.known[name] = rows_of(path)
        return self.known[name]

    def waits(self):
        state = self.place.state
        with contextlib.suppress(FileNotFoundError):
            return ([n for n in os.listdir(os.path.join(state, "outbox")) if n.endswith(".parquet")
                     and os.path.isfile(os.path.join(state, "outbox", n))] or
                    len([n for n in os.listdir(os.path.join(state, "journal")) if n.endswith(".seg")
                         and n != "spare.seg"]) > 1)
        return True

    def one(self, names, table, rng):
        place = self.place
        shutil.rmtree(place.state, ignore_errors=True)
        shutil.rmtree(place.data, ignore_errors=True)
        shutil.copytree(self.base, place.state, symlinks=True)
        os.chmod(place.state, 0o700)
        store = Store(place.state, rng)
        for name in names:
            table[name](store)
        child = place.run(self.port, **SMALL)
        if store.denied:
            if child.wait(120) != 4 or store.denied not in log_of(child):
                fail(f"exit code {child.returncode}, want 4 and '{store.denied}'")
            return
        wait_for("all to be delivered", 120, lambda: child.poll() is not None or not self.waits())
        child.send_signal(signal.SIGTERM)
        if child.wait(120) != 0:
            fail(f"exit code {child.returncode}")
        os.close(child.trace)
        self.judge(store)

    def judge(self, store):
        verdict = Verdict(self.place, self.rows)
        lost = set()
        total = 0
        with contextlib.suppress(FileNotFoundError):
            with open(store.at("gaps.log"), "rb") as log:
                for line in log:
                    with contextlib.suppress(ValueError, KeyError, TypeError):
                        gap = json.loads(line)
                        lost |= set(range(gap["from_seq"], gap["to_seq"] + 1))
                        total += gap["readings"]
        there = {n + 1 for n in verdict.seen}
        # After the last reading known an odd name may claim numbers that were never given.
        counted = {n for n in lost if n <= READINGS}
        missing = set(range(1, READINGS + 1)) - there
        if verdict.twice or verdict.altered or verdict.ghost or verdict.overlap:
            fail(f"twice {verdict.twice[:5]} altered {verdict.altered[:5]} overlap {verdict.overlap[:3]}")
        if missing - store.may_lose:
            fail(f"lost although it was valid: {sorted(missing - store.may_lose)[:5]} of {len(missing)}")
        if missing - counted:
            fail(f"lost and not counted: {sorted(missing - counted)[:5]} of {len(missing)}")
        if counted & there:
            fail(f"counted as lost, and delivered: {sorted(counted & there)[:5]}")
        for mark in store.odd:
            if not self.find(mark):
                fail("something odd was deleted")

    def find(self, mark):
        for folder, _, names in os.walk(self.place.state):
            for name in names:
                path = os.path.join(folder, name)
                if os.path.isfile(path) and not os.path.islink(path):
                    with open(path, "rb") as file:
                        if mark in file.read():
                            return True
        return False


def kind_of(name):
    """Two damages of one thing at a time make no sense; nor does one of what the other takes away."""
    if name.startswith(("refused", "rejected", "quarantine")):
        return name.split(" ")[0].split("/")[0]
    return name.split(" ")[0] if "/" in name or name[0].isupper() or "." in name.split(" ")[0] else name


def plans(table, what, rng):
    if what not in ("short", "long"):
        return [tuple(sys.argv[1:])]
    alone = [(name,) for name in table]
    mixable = [name for name in table if not name.endswith("!")]
    mixed = []
    for _ in range(300 if what == "long" else 12):
        chosen = []
        for name in rng.sample(mixable, rng.randrange(2, 7)):
            if kind_of(name) not in [kind_of(c) for c in chosen]:
                chosen.append(name)
        mixed.append(tuple(chosen))
    return alone + mixed


def main():
    what = sys.argv[1] if len(sys.argv) > 1 else "short"
    value = seed()
    table, place, done = cases(), Place(), 0
    failed = []
    started = time.monotonic()
    try:
        prover = Prover(place)
        place.emulate()
        for names in plans(table, what, random.Random(value)):
            try:
                prover.one(names, table, random.Random(f"{value} {names}"))
            except Failure as failure:
                kept = f"{place.state}.failed.{len(failed)}"
                child = place.children[-1]
                if child.poll() is None:
                    child.kill()
                    child.wait()
                shutil.rmtree(kept, ignore_errors=True)
                os.rename(place.state, kept)
                failed.append(names)
                print(f"FAIL {failure}\n  {again(*names, SEED=value)}\n"
                      f"  kept: {kept}\n  " + "\n  ".join(log_of(child).splitlines()[-6:]), flush=True)
            done += 1
            if done % 50 == 0:
                print(f"{done} damaged stores, {len(failed)} failed", flush=True)
            child = place.children.pop()
            if child.args[1] != "run":
                place.children.append(child)
    finally:
        place.end(keep=bool(failed))
    print(f"{done} damaged stores, {len(failed)} failed; {time.monotonic() - started:.0f} s", flush=True)
    if failed:
        sys.exit(1)


if __name__ == "__main__":
    main()
