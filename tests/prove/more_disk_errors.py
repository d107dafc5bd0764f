"""writes and flushes that fail below real ext4, XFS and Btrfs (T7)

  more_disk_errors.py [short|long|ROUNDS]          so many rounds of every fault on every file system (short 1, long 12)
  more_disk_errors.py --again KIND FAULT SEED      one point
  FILE_SYSTEMS="ext4 xfs" runs only these

The program runs on the disk of logged_disk.py, under strace. At a random moment the disk begins to refuse writes that have
certain bytes in them (frames of the journal, the beginning of a Parquet file), all writes, flushes, or everything: once, a few
times, or for ever. The program must obey durability.md section 8: no further sync of a descriptor whose sync failed, and no
write to it; one rescue, and go on; or an end with exit code 4. A program that goes on must make fresh readings durable once
the disk is well. Then the file system is unmounted, or the power fails, and it is mounted from a disk that is well; the
program starts, delivers all, and the oracle asks for every reading that had been promised.
"""
import bisect
import multiprocessing
import os
import random
import re
import shutil
import signal
import struct
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "../e2e"), HERE]
import plant  # noqa: E402
from logged_disk import KINDS, MODES, Log, LoggedDisk, Past, kinds_here, mount_or_repair, unmount  # noqa: E402
from more_power_cut import SMALL, Restart, quiet_place  # noqa: E402
from plant import Failure, Feeder, again, fail, log_of, seed, wait_for  # noqa: E402

FRAME, PARQUET, EVER = b"\xf6VUF", b"PAR1", 1 << 40
#          name              what       with these bytes  how often    how it may end, besides 4
FAULTS = {"journal-once": ("writes", FRAME, (1, 1), "goes on, rescued"),
          "journal-ever": ("writes", FRAME, (EVER, EVER), None),
          "parquet-once": ("writes", PARQUET, (1, 1), "goes on, told"),
          "parquet-ever": ("writes", PARQUET, (EVER, EVER), None),
          "writes-few": ("writes", b"", (1, 12), "may go on"),
          "writes-ever": ("writes", b"", (EVER, EVER), None),
          "flush-once": ("flushes", b"", (1, 1), "may go on"),
          "flush-ever": ("flushes", b"", (EVER, EVER), None),
          "all-few": ("all", b"", (1, 30), "may go on"),
          "all-ever": ("all", b"", (EVER, EVER), None)}
CALL = re.compile(r"^(\d+) +(?:<\.\.\. )?(\w+)(?: resumed>|\((\d+)<([^>]*)>)(.*)$")


def second_syncs(path):
    """Calls on a descriptor after a sync of it failed, and before it is closed; how many syncs failed."""
    failed, open_calls, bad, count = {}, {}, [], 0
    with open(path, encoding="utf-8", errors="replace") as lines:
        for line in lines:
            found = CALL.match(line)
            if not found:
                continue
            task, name, fd, file, rest = found.groups()
            if fd is None:
                fd, file = open_calls.pop(task, (None, None))
            elif name == "close":
                failed.pop(fd, None)
                continue
            elif fd in failed:
                bad.append(f"{name} of {file} after {failed[fd]}")
            if "<unfinished" in rest:
                open_calls[task] = (fd, file)
            elif "sync" in name and " = -1 " in rest and fd:
                failed[fd] = f"{name} of {file}: {rest.split(' = ')[1].strip()}"
                count += 1
    return bad, count


class Point(Restart):
    def __init__(self, kind, fault, number):
        super().__init__(quiet_place())
        self.kind, self.fault, self.rng = kind, fault, random.Random(number)
        os.mkdir(self.place.state)
        self.feeder = Feeder(rate=3000)
        self.offset, self.disk = 0, None
        self.calls = os.path.join(self.place.directory, "calls")

    def start(self):
        read, write = os.pipe()
        prefix = ["strace", "-D", "-f", "--seccomp-bpf", "-q", "-y", "-e", "signal=none", "-s", "0", "-e",
                  "trace=fsync,fdatasync,write,pwrite64,close", "-o", self.calls] if shutil.which("strace") else []
        with open(os.path.join(self.place.directory, "first.log"), "ab") as log:
            child = subprocess.Popen(
                [*prefix, plant.PROGRAM, "run", "--no-live-line", "--stop-ms=3s", f"--trace-fd={write}"],
                env=self.place.run_env(self.feeder.port, **SMALL), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                pass_fds=(write,), cwd=self.place.directory)
        os.close(write)
        child.log = log.name
        self.place.children.append(child)

        def reader():
            while len(record := os.read(read, 16)) == 16:
                self.offset = struct.unpack("<QQ", record)[1]
            os.close(read)
        child.reader = threading.Thread(target=reader, daemon=True)
        child.reader.start()
        return child

    def suffer(self, child):
        """The fault comes, and goes: is the program still there?"""
        what, having, times, end = FAULTS[self.fault]
        ever = times[0] == EVER
        time.sleep(self.rng.random() * 1.2)
        self.disk.fail(what, having, skip=self.rng.choice([0, 0, 1, 2, 5]), count=self.rng.randint(*times))
        wait_for("the disk to refuse something", 60, lambda: self.disk.command("count") > 0 or child.poll() is not None)
        if ever:
            try:
                child.wait(90)
            except subprocess.TimeoutExpired:
                fail(f"it goes on although the disk refuses for ever:\n{log_of(child)}")
        else:
            time.sleep(0.3 + self.rng.random())
        refused = self.disk.well()
        if child.poll() is None:
            at = self.offset
            wait_for("a fresh promise from a disk that is well", 60,
                     lambda: self.offset > at or child.poll() is not None)
        if end and end.startswith("goes on") and child.poll() is not None:
            fail(f"it should have gone on, and ended with {child.returncode}:\n{log_of(child)}")
        if end and end.endswith("rescued") and "journal_rescued" not in log_of(child):
            fail(f"no rescue:\n{log_of(child)}")
        return refused

    def traced(self, pattern):
        with open(self.calls, encoding="utf-8", errors="replace") as lines:
            return re.search(pattern, lines.read())

    def stop(self, child):
        was_there = child.poll() is None
        if was_there:
            child.send_signal(signal.SIGTERM)
        child.wait(90)
        child.reader.join()
        if child.returncode not in ((0, 4) if was_there else (4,)):
            fail(f"ended with {child.returncode}:\n{log_of(child)}")
        if not os.path.exists(self.calls):
            return 0
        wait_for("strace to end", 30, lambda: self.traced(rf"(?m)^{child.pid} +\+\+\+ exited"))
        bad, syncs = second_syncs(self.calls)
        if bad:
            fail(f"a descriptor was used after its sync failed: {bad[:3]}")
        if not syncs and FAULTS[self.fault][3] == "goes on, told":
            fail("the disk refused bytes of a file, and no sync of it failed")
        return syncs

    def well_again(self, cut):
        """Mounts what the disk holds now: after it was unmounted, or as a power cut left it."""
        now = time.monotonic_ns()
        self.disk.end()
        image = self.disk.image
        if cut:
            log = Log(self.disk.log)
            past = Past(self.disk.base, log, self.place.directory)
            position = bisect.bisect_right([e[3] for e in log.entries], now)
            past.build(position, past.choose(position, cut, self.rng))
            image = past.image
        mount_or_repair(self.kind, image, self.place.state)

    def run(self):
        self.disk = LoggedDisk(self.kind, self.place.directory, self.place.state)
        os.chmod(self.place.state, 0o700)
        self.feeder.start()
        self.place.emulate()
        child = self.start()
        wait_for("the first promise", 60, lambda: self.offset or child.poll() is not None)
        refused = self.suffer(child)
        syncs = self.stop(child)
        self.feeder.sending = False
        promised = set(self.feeder.durable(self.feeder.port, self.offset))
        cut = self.rng.choice([None, *MODES])
        self.well_again(cut)
        try:
            fresh, end = self.drain(self.feeder.sent())
            self.judge(promised | fresh, end)
        finally:
            unmount(self.place.state)
        return {"code": child.returncode, "refused": refused, "syncs": syncs, "promised": len(promised),
                "rescued": "journal_rescued" in log_of(child), "cut": bool(cut)}

    def end(self, keep):
        self.feeder.stop()
        for child in self.place.children:
            if child.poll() is None:
                child.kill()
                child.wait()
        if self.disk:
            self.disk.end()
        self.place.end(keep)


def work(task):
    kind, fault, number = task
    point = Point(kind, fault, number)
    found = None
    try:
        found = point.run()
    except (Failure, OSError, subprocess.TimeoutExpired) as failure:
        print(f"FAIL {kind}, {fault}, seed {number}: {failure}\n(kept: {point.place.directory})\n"
              + again("--again", kind, fault, number), flush=True)
    finally:
        point.end(keep=found is None)
    return kind, fault, found


def sum_up(results, started):
    for kind in KINDS:
        for fault in FAULTS:
            mine = [r for k, f, r in results if (k, f) == (kind, fault) and r]
            if mine:
                print(f"{kind} {fault}: {len(mine)} points, {sum(r['refused'] for r in mine)} refused, "
                      f"{sum(r['syncs'] for r in mine)} syncs failed, {sum(r['rescued'] for r in mine)} rescued, "
                      f"{sum(r['code'] == 4 for r in mine)} ended with 4, {sum(r['cut'] for r in mine)} then cut off")
    failures = sum(r is None for _, _, r in results)
    print(f"{len(results)} points, {time.monotonic() - started:.0f} s: "
          + (f"{failures} FAILED" if failures else
             "no descriptor used after its sync failed; lost 0, twice 0, ghost 0, altered 0, overlapping names 0"))
    return failures == 0


def main():
    kinds = kinds_here("disk_errors")
    if not kinds:
        return
    if not shutil.which("strace"):
        print("disk_errors: skipped: no strace: nobody looks for second syncs")
    started = time.monotonic()
    if sys.argv[1:2] == ["--again"]:
        tasks = [(sys.argv[2], sys.argv[3], int(sys.argv[4]))]
    else:
        length = sys.argv[1] if len(sys.argv) > 1 else "short"
        rng = random.Random(seed())
        rounds = {"short": 1, "long": 12}.get(length) or int(length)
        tasks = [(kind, fault, rng.randrange(2**32)) for _ in range(rounds) for fault in FAULTS for kind in kinds]
    with multiprocessing.Pool(2, maxtasksperchild=1) as pool:
        results = pool.map(work, tasks, chunksize=1)
    sys.exit(0 if sum_up(results, started) else 1)


if __name__ == "__main__":
    main()
