#!/usr/bin/env python3
"""The same sorted rows written by pyarrow, DuckDB and polars: one thread each, their defaults with
zstd, beside our file. Needs these three packages.

    parquet_encode_bench 1000000 5 plant /tmp/rows     writes /tmp/rows.series and /tmp/rows.time
    parquet_compare.py /tmp/rows.series [OURS_BYTES_A_ROW]
"""
import os
import sys
import tempfile
import time

os.environ["POLARS_MAX_THREADS"] = "1"

import duckdb
import polars
import pyarrow as pa
import pyarrow.parquet as pq

RUNS = 5


def load(path):
    """The dump of parquet_encode_bench as an Arrow table with dictionary-free strings."""
    with open(path, "rb") as f:
        data = f.read()
    rows = int.from_bytes(data[:8], "little")
    buf = pa.py_buffer(data)
    at = 8

    def column(kind, width):
        nonlocal at
        array = pa.Array.from_buffers(kind, rows, [None, buf.slice(at, rows * width)])
        at += rows * width
        return array

    stamp = column(pa.timestamp("us"), 8)
    value = column(pa.float64(), 8)
    asset = column(pa.int32(), 4)
    stream = column(pa.int32(), 4)
    names = data[at:].decode().split("\n")[:-1]
    assets = [n for n in names if n.startswith("asset")]
    streams = [n for n in names if n.startswith("datastream")]

    def text(codes, words):
        return pa.DictionaryArray.from_arrays(codes, pa.array(words)).cast(pa.string())

    return pa.table({"timestamp": stamp, "asset": text(asset, assets),
                     "datastream": text(stream, streams), "payload": value})


def measure(write):
    """Best processor time of some runs, and the file's length."""
    best = None
    for _ in range(RUNS):
        start = time.process_time()
        path = write()
        used = time.process_time() - start
        best = used if best is None else min(best, used)
    return best, os.path.getsize(path)


def main():
    table = load(sys.argv[1])
    rows = table.num_rows
    pa.set_cpu_count(1)
    pa.set_io_thread_count(1)
    con = duckdb.connect(config={"threads": 1})
    con.register("rows_view", table)
    con.execute("create table rows_table as select * from rows_view")
    frame = polars.from_arrow(table)
    with tempfile.TemporaryDirectory() as tmp:
        path = os.path.join(tmp, "x.parquet")

        def arrow():
            pq.write_table(table, path, compression="zstd")
            return path

        def duck():
            con.execute(f"copy rows_table to '{path}' (format parquet, compression zstd)")
            return path

        def pol():
            frame.write_parquet(path, compression="zstd")
            return path

        ours = float(sys.argv[2]) if len(sys.argv) > 2 else None
        for name, write in (("pyarrow", arrow), ("duckdb", duck), ("polars", pol)):
            used, size = measure(write)
            per_row = size / rows
            ratio = f"  ours/theirs {ours / per_row:.3f}" if ours else ""
            print(f"{name:8} {rows / used / 1e6:6.2f} M rows/s  {per_row:.3f} B/row{ratio}")
            meta = pq.ParquetFile(path).metadata
            totals = {}
            for g in range(meta.num_row_groups):
                for c in range(meta.num_columns):
                    col = meta.row_group(g).column(c)
                    totals[col.path_in_schema] = (
                        totals.get(col.path_in_schema, 0) + col.total_compressed_size)
            print("    " + "  ".join(f"{k} {v / rows:.3f}" for k, v in totals.items()))


main()
