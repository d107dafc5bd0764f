"""T8: the disk below the state directory is full, and free again, over and over.

  full_disk.py [FILLS]      so many fills over all kinds of disk and both policies (default 24)
  FILE_SYSTEMS="xfs btrfs" fills only these

The state lies on a small file system of its own: tmpfs, and ext4, XFS, Btrfs images where loop devices and the tools are
there (else named as skipped), each in a private mount namespace; and once below a file size limit (RLIMIT_FSIZE).
A fill is a ballast file that takes all but a little room, or all of it, while readings come in and the workspace is up or
away; then it is deleted, or shortened. With when_full=wait every reading must arrive. With drop_oldest every reading must
arrive or lie in a range that gaps.log says was dropped.
"""
import contextlib
import io
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../e2e"))
from ledger import Count, Ledger, OddFeeder, nothing_left, settled  # noqa: E402
from plant import Failure, Place, fail, free_port, log_of, seed, trace_of, wait_for, waiting  # noqa: E402

MIB = 1 << 20
#       name    MiB  how it is made
KINDS = [("tmpfs", 16, None), ("ext4", 32, ["mkfs.ext4", "-q", "-F", "-m", "0"]),
         ("xfs", 320, ["mkfs.xfs", "-q", "-f"]), ("btrfs", 200, ["mkfs.btrfs", "-q", "-f"])]
SMALL = {"VOLUME_UPLOADER_COMMIT_MS": "20", "VOLUME_UPLOADER_BATCH_SIZE": "4000",
         "VOLUME_UPLOADER_SEGMENT_BYTES": "1MiB", "VOLUME_UPLOADER_FREE_BYTES_MIN": "1"}


class Disk:
    def __init__(self, place, kind, mib, make):
        self.place, self.kind, self.image = place, kind, os.path.join(place.directory, "image")
        os.mkdir(place.state, 0o700)
        if make is None:
            self.mount("-t", "tmpfs", "-o", f"size={mib}m,mode=0700", "tmpfs")
        else:
            with open(self.image, "wb") as image:
                image.truncate(mib * MIB)
            subprocess.run([*make, self.image], check=True, stdout=subprocess.DEVNULL)
            self.mount("-o", "loop", self.image)
        os.chmod(place.state, 0o700)
        self.ballast = os.path.join(place.state, "rejected", "ballast")

    def mount(self, *arguments):
        done = subprocess.run(["mount", *arguments, self.place.state], check=False, stderr=subprocess.PIPE)
        if done.returncode != 0:
            raise OSError(done.stderr.decode().strip())

    def free(self):
        fs = os.statvfs(self.place.state)
        return fs.f_bavail * fs.f_frsize

    def fill(self, leave):
        """All but `leave` bytes: most of it at once, the rest by writing until nothing goes in."""
        try:
            with open(self.ballast, "ab") as ballast:
                if self.free() > leave + 4 * MIB:
                    os.posix_fallocate(ballast.fileno(), 0, self.free() - leave - 2 * MIB)
                    ballast.seek(0, os.SEEK_END)
                while True:
                    room = self.free() - leave
                    ballast.write(b"\xaa" * max(4096, min(room, MIB)))
                    ballast.flush()
                    os.fsync(ballast.fileno())
                    if room <= 4096 and leave:
                        return
        except OSError:
            pass  # full

    def empty(self):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.ballast)

    def end(self):
        subprocess.run(["umount", "-l", self.place.state], check=False)


def judge(place, feeder, policy):
    """All that was sent was received, and is in the volume or in gaps.log."""
    sent = {n for first, count in feeder.spans() for n in range(first, first + count)}
    ledger = Ledger(place, feeder)
    with contextlib.redirect_stdout(io.StringIO()):
        dropped = ledger.judge(sent, dropped=policy != "wait")
    if any(reason != "dropped" for _, _, reason, _ in ledger.gaps):
        fail(f"gaps that are none: {ledger.gaps}")
    nothing_left(place)
    text = f"{len(sent)} readings, {ledger.rows} rows, {sum(ledger.superseded)} superseded, {dropped} dropped and counted"
    if ledger.dropped_yet_there:
        text += f" ({len(ledger.dropped_yet_there)} files without confirmation dropped as well, and yet there)"
    return text


def cpu_seconds(child):
    with open(f"/proc/{child.pid}/stat", encoding="ascii") as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def fills(place, disk, policy, count, rng):
    feeder = OddFeeder(rate=20000)
    feeder.start()
    place.emulate()
    status = free_port()
    child = place.run(feeder.port, "--stop-ms=60s", VOLUME_UPLOADER_WHEN_FULL=policy,
                      VOLUME_UPLOADER_STATUS_LISTEN=f"127.0.0.1:{status}", **SMALL)
    wait_for("the first readings", 20, lambda: feeder.sent() > 2000)
    for _ in range(count):
        away = rng.random() < 0.7
        if away:
            place.faults("* /api/2.0/fs/* status=503")
        time.sleep(rng.random() * 0.6)
        disk.fill(rng.choice([0, 0, 0, 70000, 300000, 1200000]))
        before = feeder.sent()
        time.sleep(0.5 + rng.random())
        spent = cpu_seconds(child)
        time.sleep(1)
        spent = cpu_seconds(child) - spent
        if feeder.sent() == before and spent > 0.5:
            fail(f"waiting for room takes {spent:.1f} s of processor time a second")
        if rng.random() < 0.3:
            place.faults(None, method="DELETE")
            away = False
            time.sleep(1)  # deliveries go on while the disk is full
        disk.empty()
        if away:
            place.faults(None, method="DELETE")
        if child.poll() is not None:
            fail(f"ended by itself with {child.returncode}:\n{log_of(child)}")
        at = feeder.sent()
        wait_for("readings to be taken again", 120, lambda: feeder.sent() > at + 500)
    feeder.sending = False
    time.sleep(2.5)  # the last segment is closed and packed by its age; a ship that backs off tries again
    wait_for("the outbox to be empty", 400, lambda: not waiting(place))  # after a long outage: a backoff of minutes
    spans = feeder.spans()
    if len(spans) == 1:  # else the number of lines is not known: the last of a connection may be cut
        counts = Count(*spans)
        counts.check(wait_for("the sums to be exact", 60, lambda: settled(status, counts.lines)))
    child.send_signal(signal.SIGTERM)
    if child.wait(90) != 0:
        fail(f"ended with {child.returncode}:\n{log_of(child)}")
    feeder.stop()
    if waiting(place):
        fail("files left in the outbox after a clean stop")
    return judge(place, feeder, policy)


def file_size_limit(place):
    """EFBIG in the middle of everything, then the same state without the limit."""
    feeder = OddFeeder(rate=20000)
    feeder.start()
    place.emulate()
    durable = set()
    for limit in (0, 40_000, 100_000, 200_000, 250_000, None):
        port = feeder.listen()
        child = place.run(port, "--stop-ms=60s", **SMALL)
        if limit is not None:
            resource.prlimit(child.pid, resource.RLIMIT_FSIZE, (limit, limit))
        wait_for("the run to begin, or to end", 60, lambda: child.poll() is not None or "recovered" in log_of(child))
        time.sleep(1.5)
        if limit is None:
            at = feeder.sent()
            wait_for("the last run to read", 120, lambda: feeder.sent() > at + 20000)
            feeder.sending = False
            time.sleep(0.5)
        child.send_signal(signal.SIGTERM)
        code = child.wait(90)
        record = trace_of(child)
        if record:
            durable.update(feeder.durable(port, record[1]))
        if code not in ((0,) if limit is None else (0, 4)):
            fail(f"ended with {code}:\n{log_of(child)}")
    feeder.stop()
    ledger = Ledger(place, feeder)
    with contextlib.redirect_stdout(io.StringIO()):
        ledger.judge(durable)
    if len(durable) < 10000:
        fail(f"only {len(durable)} durable readings: nothing was tested")
    return ledger.rows


def one_kind(kind, mib, make, policy, count, rng):
    if make and not shutil.which(make[0]):
        print(f"{kind}: skipped: no {make[0]}", flush=True)
        return 0
    place = Place()
    disk = None
    try:
        try:
            disk = Disk(place, kind, mib, make)
        except (OSError, subprocess.CalledProcessError) as error:
            print(f"{kind}: skipped: {error}", flush=True)
            return 0
        accounts = fills(place, disk, policy, count, rng)
        print(f"{kind} of {mib} MiB, {policy}: {count} fills, {accounts}; lost 0, twice 0, ghost 0, altered 0", flush=True)
        return count
    except Failure as failure:
        print(f"FAIL {kind}, {policy}: {failure}", flush=True)
        for child in place.children:
            print(f"--- {child.args[1]}\n{log_of(child)[-3000:]}", flush=True)
        raise
    finally:
        for child in place.children:
            if child.poll() is None:
                child.kill()
                child.wait()
        if disk:
            disk.end()
        place.end()


def main():
    wanted = int(sys.argv[1]) if len(sys.argv) > 1 else 24
    if os.environ.get("FULL_DISK_INSIDE") != "yes":
        os.environ["FULL_DISK_INSIDE"] = "yes"
        if subprocess.run(["unshare", "-m", "true"], check=False, stderr=subprocess.DEVNULL).returncode != 0:
            print("full_disk: skipped: no mount namespace of our own (root is needed)")
            return
        os.execvp("unshare", ["unshare", "-m", sys.executable, "-B", *sys.argv])
    rng = random.Random(seed())
    done = 0
    wanted_kinds = os.environ.get("FILE_SYSTEMS", " ".join(k[0] for k in KINDS)).split()
    kinds = [(k, p) for k in KINDS if k[0] in wanted_kinds for p in ("wait", "drop_oldest")]
    try:
        while done < wanted:
            before = done
            for kind, policy in kinds:
                done += one_kind(*kind, policy, max(1, min(6, wanted // len(kinds))), rng) if done < wanted else 0
            if done == before:
                print("full_disk: skipped: no small file system can be made")
                return
        place = Place()
        try:
            rows = file_size_limit(place)
        finally:
            place.end()
        print(f"file size limit: 6 runs, {rows} rows; twice 0, ghost 0, altered 0")
        print(f"{done} fills: lost 0, twice 0, ghost 0, altered 0")
    except Failure as failure:
        print(f"FAIL: {failure}")
        sys.exit(1)


if __name__ == "__main__":
    main()
