"""A start with 100 GB waiting: how long until the stream is connected, and what memory it takes.

outage.py [GB]: 400 files of 256 MiB in outbox/ (sparse: zeros, whose checksum is in their names, so that each is what its
name says) and as many segments as a day's backlog holds in journal/, made by `run` itself with the workspace away. Then
`run` is killed and started, stopped and started. Everything a start does it does here: it lists, reads headers, ends and
the newest segment, and rewrites that one after the kill; it does not read what waits.
"""
import os
import re
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../tests/e2e"))
os.environ.setdefault("VOLUME_UPLOADER", os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                                      "../build/release/volume-uploader"))
from plant import Place, fail, free_port, log_of, wait_for  # noqa: E402

FILE_BYTES = 256 << 20
SEGMENTS = 200
SETTINGS = {"VOLUME_UPLOADER_SEGMENT_BYTES": "1MiB", "VOLUME_UPLOADER_STATE_BYTES_MAX": str(1 << 40),
            "VOLUME_UPLOADER_MERGE_BYTES": "512MiB", "VOLUME_UPLOADER_FREE_BYTES_MIN": "1"}


def crc_of_zeros(size):
    """CRC-32C, by doubling: the checksum of n zeros is a linear map applied to that of none."""
    table = []
    for n in range(256):
        for _ in range(8):
            n = n >> 1 ^ (0x82F63B78 if n & 1 else 0)
        table.append(n)

    def times(matrix, vector):
        result = 0
        for row in matrix:
            if vector & 1:
                result ^= row
            vector >>= 1
        return result

    one = [table[1 << i & 0xFF] ^ (1 << i) >> 8 for i in range(32)]  # a zero byte
    crc = 0xFFFFFFFF
    while size:
        if size & 1:
            crc = times(one, crc)
        one = [times(one, row) for row in one]
        size >>= 1
    return crc ^ 0xFFFFFFFF


def memory(child):
    with open(f"/proc/{child.pid}/status", encoding="ascii") as status:
        return int(re.search(r"VmHWM:\s+(\d+)", status.read())[1]) / 1024


def start(place, port):
    begin = time.monotonic()
    child = place.run(port, **SETTINGS)
    while "stream_connected" not in log_of(child):
        if child.poll() is not None or time.monotonic() - begin > 120:
            fail(log_of(child))
        time.sleep(0.001)
    return child, (time.monotonic() - begin) * 1000


def fill_outbox(place, gigabytes):
    with open(os.path.join(place.state, "IDENTITY"), encoding="ascii") as file:
        instance = file.read().split("\n")[1][:16]
    crc, count, at = crc_of_zeros(FILE_BYTES), round(gigabytes * 1e9 / FILE_BYTES), 1
    for _ in range(count):
        name = f"20260131T123456Z-{instance}-{at:012d}-{at + 49_999_999:012d}-{crc:08x}.parquet"
        at += 50_000_000
        path = os.path.join(place.state, "outbox", name)
        with open(path, "wb") as file:
            file.truncate(FILE_BYTES)
        os.chmod(path, 0o600)
    for name in os.listdir(os.path.join(place.state, "journal")):
        os.unlink(os.path.join(place.state, "journal", name))
    return count


def segments(place):
    return len([n for n in os.listdir(os.path.join(place.state, "journal")) if n.endswith(".seg")])


def main():
    gigabytes = float(sys.argv[1]) if len(sys.argv) > 1 else 107.4
    place = Place()
    try:
        port = free_port()
        child = place.run(port, **SETTINGS)
        wait_for("the identity", 60, lambda: "recovered" in log_of(child))
        child.send_signal(signal.SIGTERM)
        child.wait(60)
        files = fill_outbox(place, gigabytes)
        place.start(["simulate", "--listen", f"127.0.0.1:{port}", "--rate", "max", "--count",
                     str(SEGMENTS * 52000), "--assets", "20", "--streams", "25", "--upload-interval", "3600"], place.env)
        child, _ = start(place, port)
        wait_for("the segments", 1800, lambda: segments(place) >= SEGMENTS or child.poll() is not None)
        if child.poll() is not None:
            fail(log_of(child))
        child.kill()
        child.wait()
        for what in ("a kill -9", "a clean stop", "a clean stop"):
            count = segments(place)
            child, took = start(place, port)
            line = next(line for line in log_of(child).splitlines() if "recovered" in line)
            print(f"start with {files} files of 256 MiB ({files * FILE_BYTES / 1e9:.1f} GB) and {count} segments waiting, "
                  f"after {what}: recovery {re.search('took_ms=([0-9]+)', line)[1]} ms, first byte of the stream "
                  f"{took:.0f} ms after exec; peak {memory(child):.1f} MiB", flush=True)
            child.send_signal(signal.SIGTERM)
            child.wait(120)
    finally:
        for child in place.children:
            if child.poll() is None:
                child.kill()
                child.wait()
        subprocess.run(["rm", "-rf", place.directory], check=False)


main()
