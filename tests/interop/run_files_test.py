"""What `run` wrote, read by pyarrow with page checksums, DuckDB and polars: every reading once, none altered."""
import signal
import sys
import time

try:
    import duckdb
    import polars
    import pyarrow.parquet as pq
except ImportError as missing:
    print(f"not there: {missing}")
    sys.exit(77)

from plant import Feeder, Place, Verdict, fail, log_of

READERS = {
    "pyarrow": lambda path: by_columns(pq.ParquetFile(path, page_checksum_verification=True).read()),
    "duckdb": lambda path: duckdb.sql(
        f"select epoch_us(timestamp), asset, datastream, payload from read_parquet('{path}')").fetchall(),
    "polars": lambda path: polars.read_parquet(path).with_columns(
        polars.col("timestamp").dt.epoch("us")).rows(),
}


def by_columns(table):
    return zip(table["timestamp"].cast("int64").to_pylist(), table["asset"].to_pylist(),
               table["datastream"].to_pylist(), table["payload"].to_pylist())


def one(place, *arguments):
    feeder = Feeder(rate=20000)
    feeder.start()
    emulator = place.emulate()
    child = place.run(feeder.port, *arguments)
    time.sleep(4)
    feeder.sending = False
    time.sleep(0.5)
    child.send_signal(signal.SIGTERM)
    if child.wait(60) != 0:
        fail(log_of(child))
    feeder.stop()
    emulator.kill()
    for name, read in READERS.items():
        print(name, *arguments, end=": ", flush=True)
        Verdict(place, read).check(range(feeder.sent()), feeder.sent())


for options in [[], ["--parquet-profile=delta", "--row-order=time"], ["--compression=snappy", "--file-layout=daily"],
                ["--compression=none"]]:
    place = Place()
    try:
        one(place, *options)
    finally:
        place.end()
