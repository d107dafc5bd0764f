"""pyarrow, DuckDB and polars read every file of parquet_matrix, value for value, NaN bits and all."""
import glob
import json
import os
import shutil
import struct
import subprocess
import sys
import tempfile

try:
    import duckdb
    import polars
    import pyarrow.parquet as pq
except ImportError as missing:
    print(f"not there: {missing}")
    sys.exit(77)

from spark_common import bits, compare


def with_pyarrow(path):
    table = pq.ParquetFile(path, page_checksum_verification=True).read()
    return list(zip(table["timestamp"].cast("int64").to_pylist(), table["asset"].to_pylist(),
                    table["datastream"].to_pylist(), table["payload"].to_pylist()))


def with_duckdb(path):
    return duckdb.sql(f"select epoch_us(timestamp), asset, datastream, payload from read_parquet('{path}')").fetchall()


def with_polars(path):
    return polars.read_parquet(path).with_columns(polars.col("timestamp").dt.epoch("us")).rows()


def check_predicates(path, expected):
    """A filter with statistics must give what a scan without them gives."""
    values = sorted({struct.unpack(">d", bytes.fromhex(r[3]))[0] for r in expected if r[3] is not None and
                     r[3][:3] not in ("7ff", "fff")})
    if not values:
        return
    middle = values[len(values) // 2]
    # NaN counts as the largest number in DuckDB.
    want = sum(1 for r in expected if r[3] is not None and
               (r[3][:3] == "7ff" or (r[3][:3] != "fff" and struct.unpack(">d", bytes.fromhex(r[3]))[0] > middle) or
                (r[3][:3] == "fff" and r[3] != "fff0000000000000")))
    have = duckdb.sql(f"select count(*) from read_parquet('{path}') where payload > {middle!r}::double").fetchone()[0]
    if want != have:
        sys.exit(f"{path}: payload > {middle!r}: {have} rows, not {want}")


def main():
    directory = tempfile.mkdtemp(prefix="volume-uploader-readers.")
    try:
        subprocess.run([os.environ["PARQUET_MATRIX"], directory], check=True, stdout=subprocess.DEVNULL)
        paths = sorted(glob.glob(os.path.join(directory, "*.parquet")))
        for path in paths:
            with open(path[:-8] + ".json") as text:
                expected = [tuple(row) for row in json.load(text)["rows"]]
            for read in (with_pyarrow, with_duckdb, with_polars):
                found = [(us, a, d, None if p is None else bits(p)) for us, a, d, p in read(path)]
                compare(f"{read.__name__} {path}", expected, found)
            check_predicates(path, expected)
        if not paths:
            sys.exit("no files were made")
        print(f"{len(paths)} files, three readers, value for value")
    finally:
        shutil.rmtree(directory)


main()
