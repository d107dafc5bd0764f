"""`inspect --salvage`: what is valid in a damaged store comes out of it, and the store stays as it is.

Number n of the feeder has sequence number n + 1 (one run took them all in order), so a row says which reading it is.
"""
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import time

from plant import BASE_US, PROGRAM, Feeder, Verdict, fail, main, name_range, rows_of, seed, wait_for

SMALL = {"VOLUME_UPLOADER_SEGMENT_BYTES": "1MiB", "VOLUME_UPLOADER_BATCH_SIZE": "1500",
         "VOLUME_UPLOADER_UPLOAD_PARALLEL": "1"}


def picture(directory):
    """Everything about every file but the time of the last look at it."""
    found = {}
    for folder, names, files in os.walk(directory):
        for name in names + files + ["."]:
            path = os.path.join(folder, name)
            about = os.lstat(path)
            content = b""
            if os.path.isfile(path) and not os.path.islink(path):
                with open(path, "rb") as file:
                    content = hashlib.sha256(file.read()).digest()
            found[os.path.normpath(path)] = (about.st_mode, about.st_size, about.st_mtime_ns, about.st_ctime_ns,
                                             about.st_ino, content)
    return found


def salvage(place, into, *more):
    out = subprocess.run([PROGRAM, "inspect", "--salvage", into, "--json", *more, place.state], env=place.env,
                         capture_output=True, check=False)
    if out.returncode not in (0, 1):
        fail(f"exit code {out.returncode}: {out.stderr.decode()}")
    report = json.loads(out.stdout)
    with open(os.path.join(into, "report.json"), encoding="utf-8") as file:
        if json.load(file) != report:
            fail("report.json says something else than stdout")
    if bool(out.returncode) != report["damaged"]:
        fail(f"exit code {out.returncode}, damaged {report['damaged']}")
    return report


def saved_files(into):
    return sorted(os.path.join(folder, name) for folder, _, names in os.walk(into) for name in names
                  if name.endswith(".parquet"))


def judge(into, report, sent):
    """Every row is one that was sent, as it was; none twice. Returns their numbers."""
    numbers = []
    files = saved_files(into)
    if len(files) != len(report["files"]) or any(name.startswith(".") for name in os.listdir(into)):
        fail(f"{files} but the report lists {report['files']}, {os.listdir(into)}")
    verdict = Verdict.__new__(Verdict)
    verdict.seen, verdict.twice, verdict.altered, verdict.ghost = {}, [], [], []
    for path in files:
        for timestamp_us, asset, datastream, payload in rows_of(path):
            verdict.row(timestamp_us - BASE_US, asset, datastream, payload)
            numbers.append(timestamp_us - BASE_US)
    if verdict.twice or verdict.altered or verdict.ghost or any(n >= sent for n in numbers):
        fail(f"twice {verdict.twice[:5]} altered {verdict.altered[:5]} ghost {verdict.ghost[:5]}")
    if "doubtful" not in os.listdir(into) and len(numbers) != report["saved_readings"]:
        fail(f"{len(numbers)} rows, {report['saved_readings']} saved")
    return set(numbers)


def fill(place, readings=15000):
    """The workspace is away: files in outbox/, segments in journal/; killed, so that the newest has no seal."""
    place.taken = place.away()  # until the end
    feeder = Feeder(rate=2500, batch_size=1500)
    feeder.max_n = readings
    feeder.start()
    child = place.run(feeder.port, **SMALL)
    wait_for("all to be sent", 120, lambda: feeder.sent() >= readings)
    wait_for("a file and segments", 60, lambda: outbox(place) and len(segments(place)) > 3)
    time.sleep(0.3)  # the last commit
    child.kill()
    child.wait()
    feeder.stop()
    return readings


def outbox(place):
    return [n for n in os.listdir(os.path.join(place.state, "outbox")) if n.endswith(".parquet")]


def segments(place):
    return sorted(n for n in os.listdir(os.path.join(place.state, "journal"))
                  if n.endswith(".seg") and n != "spare.seg")


def a_sound_store_comes_out_whole(place):
    sent = fill(place)
    before = picture(place.state)
    into = os.path.join(place.directory, "saved")
    report = salvage(place, into)
    if picture(place.state) != before:
        fail("the store has changed")
    numbers = judge(into, report, sent)
    if report["damaged"] or report["not_saved"] or numbers != set(range(sent)):
        fail(f"{sent - len(numbers)} of {sent} are missing from a sound store: {report['not_saved']}")
    copied = os.listdir(os.path.join(into, "outbox"))
    if sorted(copied) != sorted(outbox(place)):
        fail("files that have a name keep it")
    for name in copied:
        with open(os.path.join(into, "outbox", name), "rb") as a, \
                open(os.path.join(place.state, "outbox", name), "rb") as b:
            if a.read() != b.read():
                fail(f"{name} is another file now")
    # A second time: the same names, made anew.
    again = os.path.join(place.directory, "again")
    if [f["name"] for f in salvage(place, again)["files"]] != [f["name"] for f in report["files"]]:
        fail("the second time other names")


def what_is_valid_comes_out_of_a_damaged_store(place):
    rng = random.Random(seed())
    sent = fill(place)
    state = place.state
    names = segments(place)
    # The second segment loses its header; the third a sector in its middle; the newest its end.
    headless, holed, newest = (os.path.join(state, "journal", n) for n in (names[0], names[1], names[-1]))
    with open(headless, "r+b") as file:
        file.write(bytes(64))
    with open(holed, "r+b") as file:
        file.seek(os.path.getsize(holed) // 2 // 512 * 512)
        file.write(rng.randbytes(512))
    with open(newest, "rb") as file:
        content = file.read().rstrip(b"\0")
    with open(newest, "wb") as file:
        file.write(content[:len(content) - 100])
    # A segment and a file in quarantine/; what nobody knows everywhere.
    lost = names[2]
    os.rename(os.path.join(state, "journal", lost), os.path.join(state, "quarantine", lost + ".0"))
    first, behind = int(lost[:16], 16), int(names[3][:16], 16)
    with open(os.path.join(state, "gaps.log"), "a", encoding="utf-8") as log:
        log.write('{"at":"2026-01-31T12:34:56.789012Z","from_seq":%d,"to_seq":%d,"readings":%d,"promised":true,'
                  '"reason":"damaged","first":null,"last":null,"bytes":1,"where":"%s"}\n' %
                  (first, behind - 1, behind - first, lost))
    os.unlink(os.path.join(state, "IDENTITY"))
    os.mkdir(os.path.join(state, "journal", "directory.seg"))
    os.mkfifo(os.path.join(state, "journal", "00000000000fffff.seg"))
    os.mkfifo(os.path.join(state, "outbox", "x.parquet"))
    os.symlink("/etc/passwd", os.path.join(state, "quarantine", "link"))
    shutil.rmtree(os.path.join(state, "rejected"))
    before = picture(state)
    into = os.path.join(place.directory, "saved")
    report = salvage(place, into)
    if picture(state) != before:
        fail("the store has changed")
    numbers = judge(into, report, sent)
    if not report["damaged"]:
        fail("no damage?")
    missing = sorted(set(range(sent)) - numbers)
    listed = sorted(n - 1 for gap in report["not_saved"] for n in range(gap["from_seq"], gap["to_seq"] + 1))
    last = max(numbers)
    if [n for n in missing if n < last] != [n for n in listed if n < last]:
        fail(f"missing {missing[:5]}.. ({len(missing)}), the report says {listed[:5]}.. ({len(listed)})")
    low, high = int(names[1][:16], 16) - 1, int(names[2][:16], 16) - 1
    tail = int(names[-1][:16], 16) - 1
    if [n for n in missing if not low <= n < high and n < tail]:
        fail(f"missing elsewhere than where it was damaged: {missing}")
    if not 0 < len([n for n in missing if low <= n < high]) < high - low:
        fail("one sector costs its frame, not its segment")
    if not os.listdir(os.path.join(into, "quarantine")):
        fail("what gaps.log counts as lost has a folder of its own")
    with open(os.path.join(into, "report.txt"), encoding="utf-8") as file:
        text = file.read()
    for word in (os.path.basename(headless), "vouch for each other", "cannot be read", "x.parquet"):
        if word not in text:
            fail(f"'{word}' is not in the report:\n{text}")


def it_works_beside_run_and_touches_nothing(place):
    """While segments become files and files are delivered: nothing twice, nothing lost that had been durable."""
    feeder = Feeder(rate=3000, batch_size=1500)
    feeder.start()
    place.emulate()
    child = place.run(feeder.port, **SMALL)
    wait_for("the first delivery", 60, place.files)
    for i in range(9):
        if i % 3 == 0:
            place.faults("* /api/2.0/fs/* status=503")
        if i % 3 == 2:
            place.faults(None, method="DELETE")
        into = os.path.join(place.directory, f"saved-{i}")
        report = salvage(place, into)
        numbers = judge(into, report, feeder.sent())
        if report["damaged"]:
            fail(f"damage beside a sound run: {report}")
        # What is in no file of the volume afterwards was waiting then, or came later.
        ranges = sorted(name_range(f) for f in saved_files(into))
        if any(b[0] <= a[1] for a, b in zip(ranges, ranges[1:])):
            fail(f"overlapping names: {ranges}")
        if numbers and len(numbers) < max(numbers) - min(numbers) + 1:
            delivered = set(range(min(numbers), max(numbers) + 1)) - numbers
            in_volume = set(Verdict(place, rows_of).seen)
            if delivered - in_volume:
                fail(f"neither saved nor delivered: {sorted(delivered - in_volume)[:5]}")
        shutil.rmtree(into)
    place.faults(None, method="DELETE")
    feeder.sending = False
    wait_for("all to be delivered", 120, lambda: sum(b - a + 1 for a, b in map(name_range, place.files())) ==
             feeder.sent())
    child.send_signal(signal.SIGTERM)
    if child.wait(120) != 0:
        fail("run did not end well")
    feeder.stop()
    Verdict(place).check(set(range(feeder.sent())), feeder.sent())


def it_refuses_what_it_must(place):
    fill(place)
    state = place.state
    inside = os.path.join(state, "saved")
    link = os.path.join(place.directory, "link")
    os.symlink(state, link)
    full = os.path.join(place.directory, "full")
    os.mkdir(full)
    with open(os.path.join(full, "something"), "w", encoding="utf-8"):
        pass
    to_empty, empty = os.path.join(place.directory, "to-empty"), os.path.join(place.directory, "empty")
    os.mkdir(empty)
    os.symlink(empty, to_empty)
    before = picture(state)
    for into in (inside, state, os.path.join(link, "saved"), os.path.join(state, "outbox", "..", "x"), link, full,
                 to_empty, os.path.join(full, "something"), os.path.join(place.directory, "no", "such")):
        out = subprocess.run([PROGRAM, "inspect", "--salvage", into, state], env=place.env, capture_output=True,
                             check=False)
        if out.returncode != 4 or b"error:" not in out.stderr:
            fail(f"{into}: {out.returncode} {out.stderr!r}")
        if picture(state) != before or os.listdir(empty):
            fail(f"{into}: something was made")
    for arguments in (["--salvage", full, saved] for saved in ("/etc/passwd", "/no/such")):
        out = subprocess.run([PROGRAM, "inspect", *arguments], env=place.env, capture_output=True, check=False)
        if out.returncode != 2:
            fail(f"{arguments}: {out.returncode}")


def a_store_that_cannot_be_written_is_read(place):
    sent = fill(place)
    mounted = subprocess.run(["mount", "--bind", "-o", "ro", place.state, place.state], check=False,
                             stderr=subprocess.PIPE)
    if mounted.returncode != 0:
        print("skipped: no mount: " + mounted.stderr.decode().strip(), flush=True)
        return
    try:
        try:
            with open(os.path.join(place.state, "x"), "w", encoding="utf-8"):
                fail("it can be written")
        except OSError:
            pass
        into = os.path.join(place.directory, "saved")
        report = salvage(place, into)
        if judge(into, report, sent) != set(range(sent)):
            fail("something is missing")
    finally:
        subprocess.run(["umount", place.state], check=False)


def a_full_target_is_said(place):
    fill(place)
    into = os.path.join(place.directory, "small")
    os.mkdir(into)
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=32k", "tmpfs", into], check=False,
                             stderr=subprocess.PIPE)
    if mounted.returncode != 0:
        print("skipped: no mount: " + mounted.stderr.decode().strip(), flush=True)
        return
    before = picture(place.state)
    try:
        out = subprocess.run([PROGRAM, "inspect", "--salvage", into, "--json", place.state], env=place.env,
                             capture_output=True, check=False)
        if out.returncode != 4 or b"error:" not in out.stderr or json.loads(out.stdout)["complete"]:
            fail(f"{out.returncode} {out.stderr!r} {out.stdout[:300]!r}")
        if picture(place.state) != before:
            fail("the store has changed")
    finally:
        subprocess.run(["umount", into], check=False)


if __name__ == "__main__":
    main(a_sound_store_comes_out_whole, what_is_valid_comes_out_of_a_damaged_store,
         it_works_beside_run_and_touches_nothing, it_refuses_what_it_must, a_store_that_cannot_be_written_is_read,
         a_full_target_is_said)
