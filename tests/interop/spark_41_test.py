"""Spark 4.1 reads our files."""
from spark_common import main

main("spark-4.1")
