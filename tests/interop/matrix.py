"""The files of parquet_matrix, and the comparison of what a reader found with what they must hold, bit for bit."""
import glob
import json
import os
import shutil
import subprocess
import sys
import tempfile

import numpy
import pyarrow

COLUMNS = ["timestamp", "asset", "datastream", "payload"]


class Matrix:
    """with Matrix() as matrix: for path, expected in matrix.files(): ..."""

    def __enter__(self):
        self.directory = tempfile.mkdtemp(prefix="volume-uploader-matrix.")
        subprocess.run([os.environ["PARQUET_MATRIX"], self.directory], check=True, stdout=subprocess.DEVNULL)
        return self

    def __exit__(self, *ignored):
        shutil.rmtree(self.directory)

    def files(self):
        count = 0
        for text in sorted(glob.glob(os.path.join(self.directory, "*.json"))):
            expected = load(text)
            paths = sorted(glob.glob(text[:-5] + "-*-*.parquet"))
            # rows-1 must not take the files of rows-1-more: what follows is the profile and the codec.
            for path in paths:
                if os.path.basename(path)[len(expected["name"]) + 1:].count("-") == 1:
                    count += 1
                    yield path, expected
        if count < 100:
            sys.exit(f"only {count} files were made")


def load(path):
    with open(path) as text:
        rows = json.load(text)
    bits = [0 if b is None else int(b, 16) for b in rows["payload"]]
    nulls = numpy.array([b is None for b in rows["payload"]], dtype=bool)
    return {"name": rows["name"], "rows": rows["rows"], "nulls": nulls,
            "bits": numpy.array(bits, dtype=numpy.uint64),
            "timestamp": pyarrow.array(rows["timestamp"], pyarrow.int64()),
            "asset": pyarrow.array(rows["asset"], pyarrow.string()),
            "datastream": pyarrow.array(rows["datastream"], pyarrow.string())}


def compare(who, path, expected, table, skip=()):
    """`table`: a pyarrow table with our four columns. Another NaN than the file has is no difference: a JVM may make one."""
    def wrong(what):
        sys.exit(f"{who}: {os.path.basename(path)}: {what}")

    if table.num_rows != expected["rows"]:
        wrong(f"{table.num_rows} rows, not {expected['rows']}")
    for name in COLUMNS[:3]:
        if name in skip:
            continue
        column = table[name]
        if name == "timestamp":
            if pyarrow.types.is_timestamp(column.type) and (column.type.tz or column.type.unit != "us"):
                wrong(f"timestamps of type {column.type}")
            column = column.cast(pyarrow.int64())
        else:
            column = column.cast(pyarrow.string())
        have = pyarrow.concat_arrays(column.chunks) if column.num_chunks != 1 else column.chunk(0)
        if not have.equals(expected[name]):
            row = next(i for i in range(len(have)) if have[i].as_py() != expected[name][i].as_py())
            wrong(f"{name}, row {row}: {have[row]}, not {expected[name][row]}")
    payload = table["payload"]
    nulls = numpy.asarray(payload.is_null())
    bits = payload.fill_null(0.0).to_numpy().view(numpy.uint64)
    if not numpy.array_equal(nulls, expected["nulls"]):
        wrong("other NULLs in payload")
    different = (bits != expected["bits"]) & ~nulls & ~(is_nan(bits) & is_nan(expected["bits"]))
    if different.any():
        row = int(numpy.argmax(different))
        wrong(f"payload, row {row}: {bits[row]:016x}, not {expected['bits'][row]:016x}")


def is_nan(bits):
    return (bits & numpy.uint64(0x7fffffffffffffff)) > numpy.uint64(0x7ff0000000000000)
