"""The Auto Loader script as it goes into a workspace, run by Spark: `cloudFiles` becomes plain Parquet streaming, and the
paths are local. Each file is loaded once, in a session far from UTC, and strays are left alone."""
import os
import shutil
import sys
import tempfile

try:
    import pyarrow.parquet

    import matrix
except ImportError as missing:
    print(f"not there: {missing}")
    sys.exit(77)

SCRIPT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../golden/ingestion/auto_loader.py")


def run_script(code, folder):
    sys.argv = ["auto_loader.py", "--source", f"{folder}/data/", "--table", "events", "--checkpoint",
                f"{folder}/checkpoints/"]
    exec(compile(code, SCRIPT, "exec"), {"__name__": "__main__"})  # as a file task does


def put(path, folder, name):
    """Content first, name last, as a volume shows it."""
    shutil.copyfile(path, f"{folder}/hidden")
    os.replace(f"{folder}/hidden", f"{folder}/data/{name}")


def rows_of(paths):
    rows = []
    for path in paths:
        table = pyarrow.parquet.read_table(path)
        columns = [table["timestamp"].cast("int64").to_pylist(), table["asset"].to_pylist(),
                   table["datastream"].to_pylist(), [repr(v) for v in table["payload"].to_pylist()]]
        rows += list(zip(*columns))
    return sorted(rows, key=repr)


def check(spark, paths):
    frame = spark.table("events")
    kinds = dict(frame.dtypes)
    if kinds != {"timestamp": "timestamp_ntz", "asset": "string", "datastream": "string", "payload": "double"}:
        sys.exit(f"the table is {kinds}")
    found = spark.sql("select (extract(day from t) * 86400000000 + extract(hour from t) * 3600000000 + "
                      "extract(minute from t) * 60000000 + cast(extract(second from t) * 1000000 as bigint)), "
                      "asset, datastream, payload from (select timestamp - timestamp_ntz'1970-01-01' t, asset, "
                      "datastream, payload from events)").collect()
    have = sorted([(r[0], r[1], r[2], repr(r[3])) for r in found], key=repr)
    want = rows_of(paths)
    if have != want:
        sys.exit(f"{len(have)} rows, not {len(want)}; first {have[:2]}, not {want[:2]}")
    return len(have)


def main(home):
    sys.path.insert(0, home)
    os.environ.update(PYSPARK_PYTHON=sys.executable, SPARK_LOCAL_IP="127.0.0.1")
    from pyspark.sql import SparkSession

    with open(SCRIPT, encoding="utf-8") as text:
        code = text.read()
    if code.count('format("cloudFiles")') != 1:
        sys.exit("the script does not read cloudFiles")
    code = code.replace('format("cloudFiles")', 'format("parquet")')
    with tempfile.TemporaryDirectory(prefix="volume-uploader-auto.") as folder, matrix.Matrix() as files:
        os.mkdir(f"{folder}/data")
        spark = (SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false")
                 .config("spark.sql.session.timeZone", "Asia/Tokyo").config("spark.driver.bindAddress", "127.0.0.1")
                 .config("spark.sql.warehouse.dir", f"{folder}/tables").getOrCreate())
        spark.sparkContext.setLogLevel("ERROR")
        # Rows that survive a day-time interval: no timestamps at the ends of the calendar, no nulls.
        paths = [path for path, expected in files.files()
                 if 0 < expected["rows"] <= 2000 and not expected["nulls"].any()
                 and min(expected["timestamp"].to_pylist()) >= 0
                 and max(expected["timestamp"].to_pylist()) < 4_000_000_000_000_000][:6]
        if len(paths) < 4:
            sys.exit(f"only {len(paths)} files to load")
        for n, path in enumerate(paths[:-1]):
            put(path, folder, f"{n}.parquet")
        put(paths[0], folder, "_stray.parquet")
        put(SCRIPT, folder, "note.txt")
        run_script(code, folder)
        check(spark, paths[:-1])
        put(paths[-1], folder, "last.parquet")
        run_script(code, folder)
        run_script(code, folder)
        print(f"Spark {spark.version}: {check(spark, paths)} rows of {len(paths)} files, each once")
        spark.stop()


for name in ("spark-4.1", "spark-3.5"):
    place = os.path.join(os.environ.get("INTEROP_DIR", "build/interop"), name)
    if os.path.isdir(os.path.join(place, "pyspark")) and shutil.which("java"):
        main(place)
        break
else:
    print("no Spark, or no java")
    sys.exit(77)
