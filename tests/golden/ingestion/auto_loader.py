# Made and kept current by volume-uploader: changes by hand are overwritten.
# definition version 1, hash 49393898d0f124db
"""Loads the new Parquet files of a volume into a Delta table, each file once."""

import argparse

from pyspark.sql import SparkSession
from pyspark.sql.types import DoubleType, StringType, StructField, StructType
from pyspark.sql.types import TimestampNTZType

parser = argparse.ArgumentParser(allow_abbrev=False)
parser.add_argument("--source", required=True)
parser.add_argument("--table", required=True)
parser.add_argument("--checkpoint", required=True)
parser.add_argument("--archive", help="loaded files move here")
parser.add_argument("--archive-after", default="1 hour", help="an interval")
args = parser.parse_args()

schema = StructType(
    [
        StructField("timestamp", TimestampNTZType()),
        StructField("asset", StringType()),
        StructField("datastream", StringType()),
        StructField("payload", DoubleType()),
    ]
)

spark = SparkSession.builder.getOrCreate()
reader = (
    spark.readStream.format("cloudFiles")
    .option("cloudFiles.format", "parquet")
    .option("cloudFiles.partitionColumns", "")
    .option("pathGlobFilter", "*.parquet")
    .schema(schema)
)
if args.archive:
    reader = (
        reader.option("cloudFiles.cleanSource", "MOVE")
        .option("cloudFiles.cleanSource.moveDestination", args.archive)
        .option("cloudFiles.cleanSource.retentionDuration", args.archive_after)
    )
query = (
    reader.load(args.source)
    .writeStream.option("checkpointLocation", args.checkpoint)
    .trigger(availableNow=True)
    .toTable(args.table)
)
query.awaitTermination()
