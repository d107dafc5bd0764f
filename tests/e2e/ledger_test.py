"""The oracle sees what it is there to see: each kind of mistake, put into a made-up volume, turns the verdict."""
import contextlib
import io
import json
import os
import shutil
import tempfile
import types

from ledger import BASE_US, Ledger, key_of, number_of
from plant import Failure, Verdict, fail, payload_of

SPANS = [(0, 95), (100, 60)]  # of the first connection the last five were not received
ORDER = list(range(0, 90)) + list(range(100, 160))
CUTS = [(1, 50), (51, 120), (121, 150)]


def row(n):
    offset_us, series = key_of(n)
    return [BASE_US + offset_us, f"asset-{series}", f"stream-{series}", payload_of(n)]


def volume():
    """{name: rows} as it should be."""
    files = {}
    for first, last in CUTS:
        newest = {key_of(n): n for n in ORDER[first - 1:last]}
        files[f"/x-{first:012d}-{last:012d}-0.parquet"] = [row(n) for n in sorted(newest.values())]
    return files


def verdict(files, gaps="", durable=None, dropped=False):
    """None, or what the ledger says."""
    state = tempfile.mkdtemp(prefix="volume-uploader-ledger.")
    with open(os.path.join(state, "gaps.log"), "w", encoding="ascii") as log:
        log.write(gaps)
    place = types.SimpleNamespace(files=lambda: list(files), state=state)
    feeder = types.SimpleNamespace(spans=lambda: SPANS)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            Ledger(place, feeder, lambda path: files[path]).judge(ORDER if durable is None else durable, dropped)
    except Failure as failure:
        return str(failure)
    finally:
        shutil.rmtree(state)
    return None


def mistakes():
    """(name, the volume with it)."""
    one, two, _ = list(volume())

    def with_it(change):
        files = volume()
        change(files)
        return files

    at = volume()[one].index(row(12 - 5 + 10))  # 17 repeats the key of 12
    yield "a row is missing", with_it(lambda f: f[two].pop(3))
    yield "the last row is missing", with_it(lambda f: f[list(f)[2]].pop())
    yield "a row is there twice", with_it(lambda f: f[two].append(f[two][3]))
    yield "a row is in two files", with_it(lambda f: f[two].append(f[one][3]))
    yield "a row is in the wrong file", with_it(lambda f: f[two].append(f[one].pop(3)))
    yield "the older of a key is kept", with_it(lambda f: f[one].__setitem__(at, row(12)))
    yield "both of a key are kept", with_it(lambda f: f[one].append(row(12)))
    yield "another value", with_it(lambda f: f[one][5].__setitem__(3, 0.125))
    yield "another series", with_it(lambda f: f[one][5].__setitem__(1, "asset-99"))
    yield "another time", with_it(lambda f: f[one][5].__setitem__(0, BASE_US + 5_000_000))
    yield "a row never sent", with_it(lambda f: f[two].append(row(97)))
    yield "a row from behind the end", with_it(lambda f: f[two].append(row(170)))
    yield "a file is missing", with_it(lambda f: f.pop(two))
    yield "the last file is missing", with_it(lambda f: f.pop(list(f)[2]))
    yield "a name with one number more", with_it(lambda f: f.__setitem__(two.replace("120", "121"), f.pop(two)))
    yield "a name with one number less", with_it(lambda f: f.__setitem__(two.replace("120", "119"), f.pop(two)))
    yield "a file under two names", with_it(lambda f: f.__setitem__(two.replace("-0.", "-1."), list(f[two])))


def main():
    for n in range(400):
        if number_of(key_of(n)[0], payload_of(n)) != n:
            fail(f"{n} is not found again")
    if verdict(volume()) is not None:
        fail(f"a good volume: {verdict(volume())}")
    for name, files in mistakes():
        if verdict(files) is None:
            fail(f"nothing is said when {name}")
    files = volume()
    files.pop(list(files)[1])
    gap = {"from_seq": 51, "to_seq": 120, "readings": 70, "promised": True, "reason": "dropped"}
    if verdict(files) is None or verdict(files, json.dumps(gap) + "\n") is None:
        fail("a gap passes for a delivery")
    if verdict(volume(), json.dumps(gap) + "\n") is None:
        fail("a gap of what was delivered passes")
    name = os.path.basename(list(volume())[1])
    if verdict(volume(), json.dumps(dict(gap, where=name)) + "\n") is None:
        fail("a gap passes where nothing may be dropped")
    if verdict(volume(), json.dumps(dict(gap, where=name)) + "\n", dropped=True) is not None:
        fail("a file that was dropped without its confirmation, and is there, does not pass")
    if verdict(volume(), json.dumps(dict(gap, where="another")) + "\n", dropped=True) is None:
        fail("a gap of what was delivered passes for a drop")
    if verdict(volume(), durable=ORDER + [90]) is None:
        fail("a durable reading is missing, and nothing is said")
    place = types.SimpleNamespace(files=lambda: ["/x-1-2-0.parquet", "/x-2-3-0.parquet"])
    if not Verdict(place, lambda path: []).overlap:
        fail("names overlap, and nothing is said")
    print(f"{len(list(mistakes()))} mistakes, each of them found")


main()
