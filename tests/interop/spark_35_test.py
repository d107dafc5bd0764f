"""Spark 3.5 reads our files."""
from spark_common import main

main("spark-3.5")
