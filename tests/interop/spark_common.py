"""Reads the files of parquet_matrix in Spark with the explicit schema of the Auto Loader script, vectorised and not."""
import glob
import json
import os
import shutil
import struct
import subprocess
import sys
import tempfile


def main(folder):
    spark_home = os.path.join(os.environ["INTEROP_DIR"], folder)
    matrix = os.environ["PARQUET_MATRIX"]
    if not os.path.isdir(os.path.join(spark_home, "pyspark")):
        print(f"no {folder}")
        sys.exit(77)
    if not shutil.which("java"):
        print("no java")
        sys.exit(77)
    sys.path.insert(0, spark_home)
    os.environ["PYSPARK_PYTHON"] = sys.executable
    os.environ["SPARK_LOCAL_IP"] = "127.0.0.1"
    directory = tempfile.mkdtemp(prefix="volume-uploader-spark.")
    try:
        subprocess.run([matrix, directory], check=True, stdout=subprocess.DEVNULL)
        read_all(directory)
    finally:
        shutil.rmtree(directory)


def read_all(directory):
    from pyspark.sql import SparkSession
    from pyspark.sql import functions as F
    from pyspark.sql.types import DoubleType, StringType, StructField, StructType, TimestampNTZType

    schema = StructType([
        StructField("timestamp", TimestampNTZType()), StructField("asset", StringType()),
        StructField("datastream", StringType()), StructField("payload", DoubleType())])
    spark = (SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false")
             .config("spark.sql.session.timeZone", "Asia/Tokyo").config("spark.driver.memory", "2g")
             .config("spark.driver.bindAddress", "127.0.0.1").getOrCreate())
    spark.sparkContext.setLogLevel("ERROR")
    count = 0
    for vectorised in ["true", "false"]:
        spark.conf.set("spark.sql.parquet.enableVectorizedReader", vectorised)
        for path in sorted(glob.glob(os.path.join(directory, "*.parquet"))):
            with open(path[:-8] + ".json") as text:
                expected = [tuple(row) for row in json.load(text)["rows"]]
            # Microseconds as text: Python's datetime ends at 9999 and knows no year 0.
            frame = spark.read.schema(schema).parquet(path).select(
                F.expr("timestampdiff(MICROSECOND, TIMESTAMP_NTZ'1970-01-01 00:00:00', timestamp)").alias("us"),
                "asset", "datastream", "payload")
            found = [(r.us, r.asset, r.datastream, None if r.payload is None else bits(r.payload))
                     for r in frame.collect()]
            compare(path, expected, found)
            count += 1
    print(f"Spark {spark.version}: {count} reads, value for value")
    spark.stop()


def bits(value):
    return struct.pack(">d", value).hex()


def is_nan(text):
    return text is not None and (int(text, 16) & 0x7ff0000000000000) == 0x7ff0000000000000 and \
        int(text, 16) & 0x000fffffffffffff != 0


def compare(path, expected, found):
    if len(expected) != len(found):
        sys.exit(f"{path}: {len(found)} rows, not {len(expected)}")
    for number, (want, have) in enumerate(zip(expected, found)):
        # The JVM may hand over another NaN than the file has.
        if want[:3] != have[:3] or (want[3] != have[3] and not (is_nan(want[3]) and is_nan(have[3]))):
            sys.exit(f"{path}: row {number}: {have}, not {want}")
