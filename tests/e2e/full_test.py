"""A full local store: by its own limit (16 MiB, the least) and by a full file system.

when_full=wait: the intake pauses, says so once, and TCP pushes back, so the plant's own buffer holds what we do not
read; when the workspace is back everything arrives, once. when_full=drop_oldest: the oldest go, and gaps.log names
exactly what is missing.
"""
import contextlib
import ctypes
import json
import os
import signal
import socket
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(__file__))
from plant import (Feeder, Place, Verdict, fail, line_of, log_of, main, manifest_line, name_range, trace_of,  # noqa: E402
                   wait_for, waiting)

SMALL = {"VOLUME_UPLOADER_STATE_BYTES_MAX": "16MiB", "VOLUME_UPLOADER_COMPRESSION": "none",
         "VOLUME_UPLOADER_FREE_BYTES_MIN": "1MiB"}
DOWN = "* /api/2.0/fs/* status=503"
READINGS = 1_000_000  # 20 MB of the journal


class BlockingFeeder(Feeder):
    """Sends as fast as it is read, and never gives a line up: what is not read waits in send()."""

    def serve(self, peer, port):
        peer.sendall(manifest_line(self.interval, self.batch))
        peer.settimeout(0.2)
        while self.running:
            if not self.sending or self.next >= self.max_n:
                time.sleep(0.01)
                continue
            count = min(2000, self.max_n - self.next)
            chunk = memoryview(b"".join(line_of(n) for n in range(self.next, self.next + count)))
            while chunk and self.running:
                try:
                    chunk = chunk[peer.send(chunk):]
                except socket.timeout:
                    pass
            if not chunk:
                self.next += count


def start(place, readings, **more):
    feeder = BlockingFeeder()
    feeder.max_n = readings
    feeder.start()
    place.emulate()
    place.faults(DOWN)
    return feeder, place.run(feeder.port, **dict(SMALL, **more))


def until_paused(child):
    wait_for("the intake to pause", 300, lambda: "intake_paused" in log_of(child) or child.poll() is not None)
    if child.poll() is not None:
        fail(f"ended with {child.returncode}")


def until_settled(child, feeder):
    """Paused for good. Packing makes a segment smaller, so the first pauses end by themselves, each with less room won,
    and how fast that goes is the machine's business."""
    until_paused(child)
    seen = {"next": -1, "since": 0.0}

    def unchanged():
        lines = [line for line in log_of(child).splitlines() if " intake_paused " in line or " intake_resumed " in line]
        if feeder.next != seen["next"] or " intake_resumed " in lines[-1]:
            seen.update(next=feeder.next, since=time.monotonic())
        return time.monotonic() - seen["since"] > 4 or child.poll() is not None

    wait_for("the intake to stay paused", 300, unchanged)
    if child.poll() is not None:
        fail(f"ended with {child.returncode}")


def until_all_is_received(child, feeder, seconds=120):
    """All sent, and all that was sent is in the volume or counted: the program itself says so when it stops."""
    wait_for("the feeder to be read", seconds, lambda: feeder.next >= feeder.max_n or child.poll() is not None)


def until_delivered(place, readings):
    """So many readings are in the volume, by the names of the files: a delivery that backs off is not waited for by a
    stop, and may come minutes after the workspace is well again."""
    wait_for("the volume to hold it all", 400,
             lambda: sum(last - first + 1 for first, last in map(name_range, place.files())) >= readings)


def stop(child, seconds=60):
    child.send_signal(signal.SIGTERM)
    try:
        code = child.wait(seconds)
    except subprocess.TimeoutExpired:
        fail(f"does not stop:\n{log_of(child)[-2000:]}")
    if code != 0:
        fail(f"exit code {code}:\n{log_of(child)[-2000:]}")
    return (trace_of(child) or (0, 0))[0]


def said_once(child, event, most=1):
    count = sum(f" {event} " in line for line in log_of(child).splitlines())
    if not 1 <= count <= most:
        fail(f"{event} was said {count} times")


def gaps_of(place):
    try:
        with open(os.path.join(place.state, "gaps.log"), "rb") as log:
            return [json.loads(line) for line in log.read().replace(b"\0", b"").splitlines()]
    except FileNotFoundError:
        return []


def processor_seconds(child):
    with open(f"/proc/{child.pid}/stat", encoding="ascii") as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def stays_paused_quietly(child, feeder):
    """Nothing more is read, nothing more is said, and no loop spins."""
    sent, said, used = feeder.next, len(log_of(child)), processor_seconds(child)
    time.sleep(3)
    if feeder.next != sent:
        fail(f"{feeder.next - sent} readings were taken while paused")
    if log_of(child)[said:].count("\n") > 10:
        fail(f"it is not quiet:\n{log_of(child)[said:][:2000]}")
    if processor_seconds(child) - used > 1.0:
        fail(f"{processor_seconds(child) - used} s of processor time in 3 s of waiting")


def wait_pauses_and_goes_on(place):
    feeder, child = start(place, READINGS)
    until_settled(child, feeder)
    stays_paused_quietly(child, feeder)
    if feeder.next >= READINGS:
        fail("everything found room: nothing was tested")
    place.faults(None, method="DELETE")
    until_all_is_received(child, feeder)
    until_delivered(place, READINGS)
    stop(child)
    feeder.stop()
    said_once(child, "intake_paused", 12)  # once a pause, and packing or a delivery may end one: see until_settled
    said_once(child, "intake_resumed", 12)
    if gaps_of(place):
        fail(f"when_full=wait lost something: {gaps_of(place)}")
    Verdict(place).check(range(READINGS), READINGS)


def wait_outlives_a_restart(place):
    """Stopped and started while full: what is on disk stays, and a full disk is no reason not to start."""
    feeder, child = start(place, READINGS, VOLUME_UPLOADER_STOP_MS="2s")
    until_paused(child)
    durable = stop(child)
    feeder.stop()
    again = BlockingFeeder(first=READINGS)
    again.max_n = READINGS + 100_000
    again.start()
    child = place.run(again.port, **SMALL)
    wait_for("the next run", 30, lambda: "recovered" in log_of(child))
    time.sleep(1)
    if child.poll() is not None:
        fail(f"ended with {child.returncode}")
    place.faults(None, method="DELETE")
    until_all_is_received(child, again)
    until_delivered(place, durable + 100_000)
    stop(child)
    again.stop()
    verdict = Verdict(place)
    verdict.check(list(range(durable)) + list(range(READINGS, again.max_n)), again.max_n)


def drop_oldest_counts_what_goes(place):
    feeder, child = start(place, READINGS, VOLUME_UPLOADER_WHEN_FULL="drop_oldest")
    until_all_is_received(child, feeder)
    time.sleep(1)
    place.faults(None, method="DELETE")
    wait_for("deliveries", 400, lambda: not waiting(place))
    stop(child)
    feeder.stop()
    missing = set()
    for gap in gaps_of(place):
        numbers = set(range(gap["from_seq"] - 1, gap["to_seq"]))
        if gap["reason"] != "dropped" or gap["readings"] != len(numbers) or numbers & missing:
            fail(f"an odd line in gaps.log: {gap}")
        missing |= numbers
    verdict = Verdict(place)
    there = set(verdict.seen)
    if not missing:
        fail("nothing was dropped: nothing was tested")
    if there & missing or len(there) + len(missing) != READINGS:
        fail(f"{len(there)} in the volume, {len(missing)} dropped, {READINGS} sent; {len(there & missing)} are both")
    if max(missing) > min(there) and min(there) < min(missing):
        fail("not the oldest were dropped")
    verdict.check(there, READINGS)


def full_file_system(place):
    """The same on a file system of 18 MiB with something else on it; the disk is full also at a restart."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=18m,mode=700", "tmpfs", place.state], check=True)
    feeder, child = start(place, READINGS, VOLUME_UPLOADER_STATE_BYTES_MAX="1GiB", VOLUME_UPLOADER_SEGMENT_BYTES="2MiB",
                          VOLUME_UPLOADER_STOP_MS="2s")
    until_settled(child, feeder)
    stays_paused_quietly(child, feeder)
    with contextlib.suppress(OSError), open(os.path.join(place.state, "of-somebody-else"), "wb") as other:
        while True:
            other.write(b"x" * 65536)
            other.flush()
    time.sleep(1)
    durable = stop(child)
    feeder.stop()
    again = BlockingFeeder(first=READINGS)
    again.max_n = READINGS + 100_000
    again.start()
    child = place.run(again.port, **dict(SMALL, VOLUME_UPLOADER_STATE_BYTES_MAX="1GiB",
                                         VOLUME_UPLOADER_SEGMENT_BYTES="2MiB"))
    wait_for("the next run", 30, lambda: "recovered" in log_of(child))
    time.sleep(2)
    if child.poll() is not None:
        fail(f"ended with {child.returncode} on a full disk:\n{log_of(child)[-2000:]}")
    place.faults(None, method="DELETE")
    until_all_is_received(child, again)
    until_delivered(place, durable + 100_000)
    stop(child)
    again.stop()
    if gaps_of(place):
        fail(f"something was lost: {gaps_of(place)}")
    Verdict(place).check(list(range(durable)) + list(range(READINGS, again.max_n)), again.max_n)


def fill(path):
    """All there is, and what the program gives back meanwhile."""
    try:
        with open(path, "ab", buffering=0) as other:
            while True:
                other.write(b"x" * 65536)
    except OSError:
        pass


def room_made_by_others(place):
    """Full to the last byte and the workspace away, until packing waits as well; then somebody else makes room."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m,mode=700", "tmpfs", place.state], check=True)
    feeder = Feeder(rate=20000)
    feeder.start()
    place.emulate()
    place.faults(DOWN)
    child = place.run(feeder.port, VOLUME_UPLOADER_FREE_BYTES_MIN="1", VOLUME_UPLOADER_BATCH_SIZE="4000",
                      VOLUME_UPLOADER_SEGMENT_BYTES="1MiB", VOLUME_UPLOADER_UPLOAD_PARALLEL="1")
    journal = os.path.join(place.state, "journal")
    wait_for("segments that wait for their file", 60, lambda: os.path.isdir(journal) and sum(
        name.endswith(".seg") and name != "spare.seg" for name in os.listdir(journal)) > 4)
    filler = os.path.join(place.state, "of-somebody-else")

    def stuck():
        fill(filler)
        return "intake_paused" in log_of(child) and "packing waits" in log_of(child)

    wait_for("all to be full", 60, stuck)
    for _ in range(20):  # and so it stays: what was given back meanwhile is taken, too
        time.sleep(0.2)
        fill(filler)
    seen = log_of(child).count("intake_resumed")
    os.unlink(filler)
    wait_for("reading to go on, without a delivery", 60, lambda: log_of(child).count("intake_resumed") > seen)
    feeder.stop()
    place.faults(None, method="DELETE")
    sent = feeder.sent()
    wait_for("all to be delivered", 120, lambda: f"readings={sent} " in log_of(child) or not waiting(place))
    stop(child)
    Verdict(place).check(range(sent), sent)


def private_mounts():
    """True in a mount namespace of our own: a mount made there is nobody else's and ends with us."""
    libc = ctypes.CDLL(None, use_errno=True)
    if os.geteuid() != 0 or libc.unshare(0x00020000) != 0:
        return False
    return subprocess.run(["mount", "--make-rprivate", "/"], check=False, capture_output=True).returncode == 0


def on_a_file_system_of_its_own(place, test):
    if not private_mounts():
        print("skipped: needs root and a mount namespace", flush=True)
        return
    os.mkdir(place.state, 0o700)
    try:
        test(place)
    finally:
        for child in place.children:
            if child.poll() is None:
                child.kill()
                child.wait()
        subprocess.run(["umount", place.state], check=False)


def on_a_full_file_system(place):
    on_a_file_system_of_its_own(place, full_file_system)


def on_one_that_others_make_room_on(place):
    on_a_file_system_of_its_own(place, room_made_by_others)


def one_at_a_time_delivers_all_at_a_stop(place):
    """A file that waits for its turn behind another one is delivered, too, before the program ends."""
    feeder = BlockingFeeder()
    feeder.max_n = 1000
    feeder.start()
    place.emulate()
    place.faults("PUT /api/2.0/fs/files/* delay=2s")
    child = place.run(feeder.port, VOLUME_UPLOADER_UPLOAD_PARALLEL="1")
    wait_for("the first file", 30, place.files)
    feeder.max_n = 2000
    wait_for("more to be sent", 10, lambda: feeder.next == 2000)
    time.sleep(0.3)
    stop(child)
    feeder.stop()
    Verdict(place).check(range(2000), 2000)


if __name__ == "__main__":
    main(one_at_a_time_delivers_all_at_a_stop, wait_pauses_and_goes_on, wait_outlives_a_restart,
         drop_oldest_counts_what_goes, on_a_full_file_system, on_one_that_others_make_room_on)
