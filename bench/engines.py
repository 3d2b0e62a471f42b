#!/usr/bin/env python3
"""engines.py duckdb | spark, PARQUET, ROUNDS: the query of w5 over a Parquet file, by an engine in this process.

Prints a line for each round: seconds, groups, events. Spark's first round, with everything to be loaded, is printed first, as
round 0; DuckDB's first one warms the page cache and is not printed. Both use two threads.
"""
import sys
import time


def duckdb_query(parquet):
    import duckdb

    connection = duckdb.connect()
    connection.execute("SET threads = 2; SET enable_progress_bar = false; SET TimeZone = 'UTC'")

    def run():
        rows = connection.execute(
            "SELECT user_id, time_bucket(INTERVAL '10 seconds', ts), count(*) AS n, sum(amount), min(amount), max(amount), avg(amount) "
            f"FROM read_parquet('{parquet}') GROUP BY 1, 2").fetchall()
        return len(rows), sum(row[2] for row in rows)

    return run


def spark_query(parquet):
    from pyspark.sql import SparkSession, functions

    session = (SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false").config("spark.ui.showConsoleProgress", "false")
               .config("spark.driver.bindAddress", "127.0.0.1").config("spark.driver.host", "127.0.0.1")
               .config("spark.driver.memory", "2g").config("spark.sql.shuffle.partitions", "2").getOrCreate())
    session.sparkContext.setLogLevel("ERROR")

    def run():
        rows = (session.read.parquet(parquet).groupBy("user_id", functions.window("ts", "10 seconds"))
                .agg(functions.count("*").alias("n"), functions.sum("amount"), functions.min("amount"),
                     functions.max("amount"), functions.avg("amount")).collect())
        return len(rows), sum(row["n"] for row in rows)

    return run


def main():
    engine, parquet, rounds = sys.argv[1], sys.argv[2], int(sys.argv[3])
    run = {"duckdb": duckdb_query, "spark": spark_query}[engine](parquet)
    for number in range(rounds + 1):
        begin = time.monotonic()
        groups, events = run()
        if number > 0 or engine == "spark":
            print(number, f"{time.monotonic() - begin:.3f}", groups, events, flush=True)


main()
