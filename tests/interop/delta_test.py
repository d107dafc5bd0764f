"""The Delta table that the workspace's job filled, read by delta-rs, and by DuckDB where its extension is there:
rows equal what was sent, and the log says what the protocol asks for."""
import datetime
import json
import re
import sys

try:
    import duckdb
    from deltalake import DeltaTable
except ImportError as missing:
    print(f"not there: {missing}")
    sys.exit(77)

from plant import BASE_US, SERIES, Place, fail, payload_of
from table_rig import LOADERS, fill, log_actions, table_directory

COLUMNS = {"timestamp": "timestamp_ntz", "asset": "string", "datastream": "string", "payload": "double"}
EPOCH = datetime.datetime(1970, 1, 1)


def rows_of_arrow(table):
    return zip(table["timestamp"].cast("int64").to_pylist(), table["asset"].to_pylist(),
               table["datastream"].to_pylist(), table["payload"].to_pylist())


def judge(who, rows, sent):
    seen = bytearray(sent)
    for timestamp_us, asset, datastream, payload in rows:
        n = timestamp_us - BASE_US
        if not 0 <= n < sent or seen[n]:
            fail(f"{who}: reading {n} is there twice, or was never sent")
        if (asset, datastream, payload) != (f"asset-{n % SERIES}", f"stream-{n % SERIES}", payload_of(n)):
            fail(f"{who}: reading {n} was altered")
        seen[n] = 1
    if sum(seen) != sent:
        fail(f"{who}: {sent - sum(seen)} readings are missing")
    print(f"{who}: {sent} rows, value for value", flush=True)


def check_log(place):
    actions = list(log_actions(place))
    kinds = [kind for version, kind, _ in actions if version == 0]
    if sorted(kinds) != ["commitInfo", "metaData", "protocol"]:
        fail(f"version 0 has {kinds}")
    for version, kind, value in actions:
        if kind == "add":
            if value["partitionValues"] != {} or value["dataChange"] is not True or "\\" in value["path"]:
                fail(f"version {version}: {value}")
            stats = json.loads(value["stats"])
            if sorted(stats["minValues"]) != sorted(COLUMNS) or set(stats["nullCount"].values()) != {0}:
                fail(f"version {version}: {stats}")
            if not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}", stats["maxValues"]["timestamp"]):
                fail(f"version {version}: {stats['maxValues']['timestamp']}")


def check_delta_rs(path, sent):
    table = DeltaTable(path)
    protocol = table.protocol()
    if (protocol.min_reader_version, protocol.min_writer_version) != (3, 7) or \
            protocol.reader_features != ["timestampNtz"]:
        fail(f"protocol: {protocol}")
    types = {f.name: f.type.type for f in table.schema().fields}
    if types != COLUMNS:
        fail(f"schema: {types}")
    judge("delta-rs", rows_of_arrow(table.to_pyarrow_table()), sent)
    # Bounds that are wrong would lose rows here: files are skipped by them.
    for n in [0, sent // 3, sent - 1]:
        at = EPOCH + datetime.timedelta(microseconds=BASE_US + n)
        found = table.to_pyarrow_table(filters=[("timestamp", "=", at)]).num_rows
        later = table.to_pyarrow_table(filters=[("timestamp", ">", at)]).num_rows
        if (found, later) != (1, sent - 1 - n):
            fail(f"delta-rs: {found} rows at reading {n}, {later} behind it")


def check_duckdb(path, sent):
    try:
        duckdb.sql("install delta")
        duckdb.sql("load delta")
    except duckdb.Error as error:
        print(f"DuckDB's delta extension cannot be installed here: {str(error).splitlines()[0]}")
        return
    judge("DuckDB", duckdb.sql(
        f"select epoch_us(timestamp), asset, datastream, payload from delta_scan('{path}')").fetchall(), sent)


for loader, job in LOADERS.items():
    place = Place()
    try:
        number = fill(place, job, 5)
        print(loader)
        check_log(place)
        check_delta_rs(table_directory(place), number)
        check_duckdb(table_directory(place), number)
    finally:
        place.end()
