"""The Delta table that the workspace's job filled, read by Spark with Delta Lake, in a session far from UTC. Delta's
jars come from Maven Central, once; without them this is skipped."""
import os
import shutil
import sys

from plant import BASE_US, SERIES, Place, payload_of, timestamp_text
from table_rig import LOADERS, fill, table_directory

HOME = os.path.join(os.environ["INTEROP_DIR"], "spark-3.5")
PACKAGE = "io.delta:delta-spark_2.12:3.3.2"
if not os.path.isdir(os.path.join(HOME, "pyspark")) or not shutil.which("java"):
    print("no spark-3.5, or no java")
    sys.exit(77)
sys.path.insert(0, HOME)
os.environ.update(PYSPARK_PYTHON=sys.executable, SPARK_LOCAL_IP="127.0.0.1")


def start():
    from pyspark.sql import SparkSession
    try:
        return (SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false")
                .config("spark.ui.showConsoleProgress", "false").config("spark.driver.bindAddress", "127.0.0.1")
                .config("spark.jars.packages", PACKAGE)
                .config("spark.jars.ivy", os.path.join(os.environ["INTEROP_DIR"], "ivy"))
                .config("spark.sql.extensions", "io.delta.sql.DeltaSparkSessionExtension")
                .config("spark.sql.catalog.spark_catalog", "org.apache.spark.sql.delta.catalog.DeltaCatalog")
                .config("spark.databricks.delta.snapshotPartitions", "1")
                .config("spark.sql.shuffle.partitions", "1")
                .config("spark.sql.session.timeZone", "Asia/Tokyo").getOrCreate())
    except Exception as error:  # Ivy's errors come as a gateway that ended
        print(f"Spark with {PACKAGE} does not start here: {error}")
        sys.exit(77)


def check(spark, path, sent):
    frame = spark.read.format("delta").load(path)
    kinds = dict(frame.dtypes)
    if kinds != {"timestamp": "timestamp_ntz", "asset": "string", "datastream": "string", "payload": "double"}:
        sys.exit(f"the table is {kinds}")
    number = f"timestampdiff(MICROSECOND, timestamp_ntz'1970-01-01 00:00:00', timestamp) - {BASE_US}"
    found = frame.selectExpr(f"{number} as n", "asset", "datastream", "payload").collect()
    want = [(n, f"asset-{n % SERIES}", f"stream-{n % SERIES}", payload_of(n)) for n in range(sent)]
    if sorted(tuple(row) for row in found) != want:
        sys.exit(f"{len(found)} rows are not the {sent} that were sent")
    # Files are skipped by their bounds.
    for n in [0, sent // 2, sent - 1]:
        at = f"timestamp_ntz'{timestamp_text(BASE_US + n)[:-1]}'"
        if frame.where(f"timestamp = {at}").count() != 1 or frame.where(f"timestamp > {at}").count() != sent - 1 - n:
            sys.exit(f"rows are missing at reading {n}")
    print(f"Spark {spark.version} with Delta Lake: {sent} rows, value for value")


place = Place()
try:
    count = fill(place, LOADERS["auto loader"], 4)
    session = start()
    session.sparkContext.setLogLevel("ERROR")
    check(session, table_directory(place), count)
    session.stop()
finally:
    place.end()
