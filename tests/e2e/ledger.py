"""The exact oracle (durability.md 17.1): every sequence number is accounted for.

The feeder mixes in what a plant sends: lines that are no readings, lines that are broken, readings that are a day late, and
readings that repeat the key of an earlier one with another value. Intake numbers the readings in the order of their lines,
so the numbers of the rows and the sequence ranges in the names of the files must fit exactly: of each file the ledger
knows which readings lie in its range, which of them are superseded, and which rows are therefore in it.
"""
import json
import os
import re
import subprocess
import urllib.request

from plant import BASE_US, PROGRAM, SERIES, Feeder, fail, name_range, payload_of, rows_of, timestamp_text

LATE = 100_000_000_000  # microseconds: more than a day
BLOCK = 10  # a connection begins with a whole block, so no key is shared between connections
BROKEN = [b'{"type":"data;pt=number","resource":"krn:ad:asset-1/stream-1","timestamp":\n', b"\xff\xfe no json\n", b"{}\n",
          b'{"type":"data;pt=number","resource":"krn:ad:asset-1/stream-1","timestamp":"2023-02-31T00:00:00Z","payload":1}\n',
          b'{"type":"data;pt=number","resource":"krn:ad:asset-1/stream-1","timestamp":"2023-02-01T00:00:00Z","payload":1e999}\n',
          b'{"type":"data;pt=number","resource":"krn:ad:asset-1/stream-1","timestamp":"2023-02-01T00:00:00Z","payload":"x"}\n']
IGNORED = [b"\n", b"  \r\n"]


def key_of(n):
    """(microseconds after BASE, number of the series): every tenth reading repeats a key, every tenth is late."""
    place = n % BLOCK
    if place == 7:
        return n - 5, (n - 5) % SERIES
    return (n - LATE if place == 4 else n), n % SERIES


def number_of(offset_us, payload):
    """Which reading a row is, by its time and value; None: none that was ever made."""
    n = offset_us + LATE if offset_us < 0 else offset_us
    for one in (n, n + 5):
        if one >= 0 and key_of(one)[0] == offset_us and payload == payload_of(one):
            return one
    return None


def broken_before(n):
    return n % 40 == 20


def ignored_before(n):
    return n % 60 == 30


class OddFeeder(Feeder):
    """A Feeder of all that a plant sends."""

    def __init__(self, *arguments, **more):
        super().__init__(*arguments, **more)
        self.next = self.begin()
        self.hang_up = False  # asked to: in the middle of a line
        self.cut_lines = 0

    def begin(self):
        return -(-self.next // BLOCK) * BLOCK

    def line(self, n):
        text = b""
        if broken_before(n):
            text += BROKEN[n // 40 % len(BROKEN)]
        if ignored_before(n):
            text += IGNORED[n // 60 % len(IGNORED)]
        offset_us, series = key_of(n)
        return text + (
            f'{{"type":"data;pt=number","resource":"krn:ad:asset-{series}/stream-{series}",'
            f'"id":"00000000-0000-4000-8000-{n:012x}","timestamp":"{timestamp_text(BASE_US + offset_us)}",'
            f'"payload":{payload_of(n)!r}}}\n').encode()

    def leaves(self, peer):
        if not self.hang_up:
            return False
        self.send(peer, b'{"type":"data;pt=nu')
        self.cut_lines += 1
        self.hang_up = False
        return True

    def spans(self):
        """(first, count) of each connection that sent a reading, in their order."""
        with self.lock:
            return [(first, len(ends)) for _, first, ends in self.connections if ends]


class Ledger:
    """All rows of the volume, and what is written down about the rest."""

    def __init__(self, place, feeder, read=rows_of):
        self.spans = feeder.spans()
        self.altered, self.ghost, self.twice, self.misplaced = [], [], [], []
        self.files, self.file_of, self.superseded, self.rows = [], {}, [], 0
        for path in sorted(place.files(), key=name_range):
            numbers = {n for n in (self.row(*row) for row in read(path)) if n is not None and self.enter(n, path)}
            self.files.append((*name_range(path), numbers))
        # A file whose confirmation never came is dropped last; nobody can know then whether it arrived, and it may have.
        names = {os.path.basename(path) for path in place.files()}
        gaps = gaps_of(place)
        self.dropped_yet_there = [gap for gap in gaps if gap[2] == "dropped" and gap[3] in names]
        self.gaps = [gap for gap in gaps if gap not in self.dropped_yet_there]

    def row(self, timestamp_us, asset, datastream, payload):
        """The number of the reading the row is."""
        self.rows += 1
        n = number_of(timestamp_us - BASE_US, payload)
        if n is None:
            self.altered.append((timestamp_us - BASE_US, asset, payload))
            return None
        series = key_of(n)[1]
        if asset != f"asset-{series}" or datastream != f"stream-{series}":
            self.altered.append((n, asset, payload))
        return n

    def enter(self, n, path):
        if n in self.file_of:
            self.twice.append(n)
        self.file_of[n] = path
        return True

    def number(self, durable):
        """The readings in the order of their sequence numbers. Of a connection a first part was received, all up to the
        last that is anywhere: the last one of a connection is never superseded."""
        anywhere = sorted(set(self.file_of) | set(durable))
        order, at = [], 0
        for first, count in self.spans:
            last = None
            while at < len(anywhere) and anywhere[at] < first + count:
                if anywhere[at] < first:
                    self.ghost.append(anywhere[at])
                else:
                    last = anywhere[at]
                at += 1
            if last is not None:
                order += range(first, last + 1)
        self.ghost += anywhere[at:]
        return order

    def judge(self, durable, dropped=False):
        """`durable`: numbers of readings. All must have been delivered, or, with `dropped`, stand in gaps.log."""
        order, lost = self.number(durable), []
        pieces = sorted([(a, b, numbers) for a, b, numbers in self.files] + [(a, b, None) for a, b, _, _ in self.gaps],
                        key=lambda piece: piece[0])
        end, gaps = 0, 0
        for first, last, numbers in pieces:
            if first > end + 1:
                self.misplaced.append(f"numbers {end + 1} to {first - 1} are nowhere")
            elif first <= end:
                self.misplaced.append(f"numbers {first} to {min(end, last)} are there twice")
            end = max(end, last)
            if numbers is None:
                gaps += last - first + 1
                continue
            inside = order[first - 1:last]
            newest = {key_of(n): n for n in inside}
            rows = set(newest.values())
            lost += rows - numbers
            self.misplaced += numbers - rows
            self.superseded.append(len(inside) - len(rows))
        superseded = sum(self.superseded)
        if end != len(order):
            self.misplaced.append(f"{len(order)} readings, {end} numbers")
        print(f"{len(order)} readings = {self.rows} rows in {len(self.files)} files + {superseded} superseded + {gaps} in "
              f"gaps; durable {len(durable)}; lost {len(lost)}, twice {len(self.twice)}, ghost {len(self.ghost)}, altered "
              f"{len(self.altered)}, misplaced {len(self.misplaced)}", flush=True)
        if lost or self.twice or self.ghost or self.altered or self.misplaced:
            fail(f"lost {sorted(lost)[:5]} twice {self.twice[:5]} ghost {self.ghost[:5]} altered {self.altered[:5]} "
                 f"misplaced {self.misplaced[:5]}")
        if len(order) != self.rows + superseded + gaps:
            fail("the sum is not exact")
        if (self.gaps or self.dropped_yet_there) and not dropped:
            fail(f"gaps.log: {(self.gaps + self.dropped_yet_there)[:3]}")
        return gaps


def gaps_of(place):
    """(from_seq, to_seq, reason, where) of what gaps.log counts."""
    found = []
    path = os.path.join(place.state, "gaps.log")
    if os.path.exists(path):
        with open(path, "rb") as lines:
            for line in lines.read().split(b"\n"):
                try:
                    gap = json.loads(line)
                except ValueError:
                    continue  # cut by a crash, or room kept for the next line
                if gap["readings"]:
                    found.append((gap["from_seq"], gap["to_seq"], gap["reason"], gap.get("where")))
    return found


def nothing_left(place):
    """`inspect` of a stopped state: nothing waits, and gaps.log says what the ledger read in it."""
    out = subprocess.run([PROGRAM, "inspect", "--json", place.state], capture_output=True, check=False)
    if out.returncode != 0:
        fail(f"inspect: {out.returncode} {out.stderr.decode(errors='replace')}")
    shown = json.loads(out.stdout)
    if shown["waiting_readings"] or shown["refused_readings"] or shown["quarantine_bytes"] or shown["damaged"]:
        fail(f"something is left: {out.stdout.decode()[:2000]}")
    if shown["gap_readings"] != sum(b - a + 1 for a, b, _, _ in gaps_of(place)):
        fail(f"inspect counts {shown['gap_readings']} readings in gaps")


def metrics(port):
    """All samples of /metrics, those with labels summed."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    values = {}
    for name, value in re.findall(r"^volume_uploader_(\w+)(?:\{[^}]*\})? (\S+)$", text, re.M):
        values[name] = values.get(name, 0) + float(value)
    return values


def sums(values):
    """What is missing in each of the two sums; 0 and 0 when no data moves."""
    lines = values["lines_total"] - values["readings_total"] - values["rejected_lines_total"] - values["ignored_lines_total"]
    readings = (values["carried_readings"] + values["readings_total"] - values["delivered_readings_total"]
                - values["waiting_readings"] - values["superseded_readings_total"] - values["gap_readings_total"])
    return lines, readings


def settled(port, lines):
    """The metrics once `lines` lines were received and all of them are delivered; None: not yet."""
    try:
        values = metrics(port)
    except OSError:
        return None
    return values if values["lines_total"] >= lines and values["waiting_readings"] == 0 and sums(values) == (0, 0) else None


class Count:
    """What a run must have counted that received everything of these connections: (first, count)."""

    def __init__(self, *spans, connections=1, cut_lines=0):
        numbers = [n for first, count in spans for n in range(first, first + count)]
        self.readings = len(numbers)
        self.rejected = sum(map(broken_before, numbers)) + cut_lines
        self.ignored = sum(map(ignored_before, numbers)) + connections  # a manifest each
        self.lines = self.readings + self.rejected + self.ignored

    def check(self, values):
        for name, wanted in (("lines_total", self.lines), ("readings_total", self.readings),
                             ("rejected_lines_total", self.rejected), ("ignored_lines_total", self.ignored)):
            if values[name] != wanted:
                fail(f"{name} is {values[name]:.0f}, {wanted} were sent")
