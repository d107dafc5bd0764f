"""Reads the files of parquet_matrix in Spark with the explicit schema of the Auto Loader script, vectorised and not."""
import os
import shutil
import sys

try:
    import pyarrow

    import matrix
except ImportError as missing:
    print(f"not there: {missing}")
    sys.exit(77)


def main(folder):
    spark_home = os.path.join(os.environ["INTEROP_DIR"], folder)
    if not os.path.isdir(os.path.join(spark_home, "pyspark")):
        print(f"no {folder}")
        sys.exit(77)
    if not shutil.which("java"):
        print("no java")
        sys.exit(77)
    sys.path.insert(0, spark_home)
    os.environ["PYSPARK_PYTHON"] = sys.executable
    os.environ["SPARK_LOCAL_IP"] = "127.0.0.1"
    with matrix.Matrix() as files:
        read_all(files)


def session():
    from pyspark.sql import SparkSession

    # A session far from UTC: TIMESTAMP_NTZ must not care.
    spark = (SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false")
             .config("spark.sql.session.timeZone", "Asia/Tokyo").config("spark.driver.memory", "2g")
             .config("spark.driver.bindAddress", "127.0.0.1")
             .config("spark.ui.showConsoleProgress", "false").getOrCreate())
    spark.sparkContext.setLogLevel("ERROR")
    return spark


def as_arrow(frame):
    if hasattr(frame, "toArrow"):
        return frame.toArrow()
    batches = frame._collect_as_arrow()  # 3.5 has no public call
    return pyarrow.Table.from_batches(batches)


def read_all(files):
    from pyspark.sql.types import DoubleType, StringType, StructField, StructType, TimestampNTZType

    schema = StructType([
        StructField("timestamp", TimestampNTZType()), StructField("asset", StringType()),
        StructField("datastream", StringType()), StructField("payload", DoubleType())])
    spark = session()
    count = 0
    for path, expected in files.files():
        # One codec of the three is enough for the slower reader, and the large files are many.
        for vectorised in ["true", "false"] if path.endswith("-zstd.parquet") else ["true"]:
            spark.conf.set("spark.sql.parquet.enableVectorizedReader", vectorised)
            table = as_arrow(spark.read.schema(schema).parquet(path).coalesce(1))
            if table.num_rows == 0 and expected["rows"] == 0:
                continue
            matrix.compare(f"Spark {spark.version} (vectorised {vectorised})", path, expected, table)
            count += 1
    print(f"Spark {spark.version}: {count} reads, value for value")
    spark.stop()
