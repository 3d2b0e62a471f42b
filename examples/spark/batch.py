#!/usr/bin/env python3
"""Compute windows of hybrid views with Apache Spark, from the stream's own topic or from Parquet files with positions.

    spark-submit --packages … batch.py --database postgresql://… --brokers host:9092 --columns 'user_id BIGINT, …' view …

For each view: begin_batch() takes a cut and returns the query in portable SQL; sqlglot translates it into Spark's dialect;
Spark runs it over the events below the cut, and writes the groups to the staging table by JDBC; publish_batch() replaces
the windows by them. README.md explains the arguments, and how to run it on a cluster.
"""
import argparse
import json
import urllib.parse

import psycopg
import psycopg.rows
import sqlglot
from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from sqlglot import exp


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("views", nargs="+", help="hybrid views of one stream")
    parser.add_argument("--database", required=True, help="URL of the database; a password is better in ~/.pgpass")
    parser.add_argument("--from", dest="start", help="begin of the range (default: the beginning)")
    parser.add_argument("--to", dest="end", help="end of the range (default: the watermark)")
    parser.add_argument("--brokers", help="bootstrap servers, to read the topic")
    parser.add_argument("--columns", help="fields of the messages with Spark's types: 'user_id BIGINT, amount DECIMAL(12, 2)'")
    parser.add_argument("--parquet", help="path of Parquet files to read instead of the topic")
    parser.add_argument("--no-publish", action="store_true", help="leave the batches open, to publish them later")
    return parser.parse_args()


def spark_sql(query):
    """The portable query in Spark's dialect. Two constructs have no counterpart that sqlglot knows."""

    def rewrite(node):
        if isinstance(node, exp.Extract) and node.name.upper() == "EPOCH":
            micros = exp.func("UNIX_MICROS", exp.cast(node.expression, "TIMESTAMPTZ"))
            return exp.paren(exp.cast(micros, "DECIMAL(20, 0)") / 1000000)
        # of a clock back to an instant; in the other direction sqlglot's FROM_UTC_TIMESTAMP is right
        if isinstance(node, exp.AtTimeZone) and isinstance(node.this, exp.TimestampTrunc):
            return exp.func("TO_UTC_TIMESTAMP", node.this, node.args["zone"])
        return node

    return sqlglot.parse_one(query, read="postgres").transform(rewrite).sql(dialect="spark", pretty=True)


def events_of_topic(spark, batch, brokers, columns):
    """The events of the topic below the cut: what the stream has read by then, and not a message more."""
    ends = {str(partition): offset for partition, offset in enumerate(batch["cut"]) if offset is not None}
    messages = (
        spark.read.format("kafka")
        .option("kafka.bootstrap.servers", brokers)
        .option("kafka.isolation.level", "read_committed")
        .option("assign", json.dumps({batch["topic"]: [int(partition) for partition in ends]}))
        .option("startingOffsets", json.dumps({batch["topic"]: dict.fromkeys(ends, -2)}))
        .option("endingOffsets", json.dumps({batch["topic"]: ends}))
        .load()
    )
    # messages without payload are no events; those that do not decode are dead letters, which the query leaves out
    return (
        messages.where("value IS NOT NULL")
        .withColumn("event", F.from_json(F.col("value").cast("string"), columns))
        .select("event.*", F.col("partition").alias("kafka_partition"), F.col("offset").alias("kafka_offset"))
    )


def compute(spark, batch, args):
    if args.parquet:
        events = spark.read.parquet(args.parquet)
    else:
        events = events_of_topic(spark, batch, args.brokers, args.columns)
    events.createOrReplaceTempView("events")
    groups = spark.sql(spark_sql(batch["query"]))
    url = urllib.parse.urlsplit(args.database)
    properties = {"driver": "org.postgresql.Driver"}
    if url.username:
        properties["user"] = urllib.parse.unquote(url.username)
    if url.password:
        properties["password"] = urllib.parse.unquote(url.password)
    groups.write.jdbc(f"jdbc:postgresql://{url.hostname}:{url.port or 5432}{url.path}", batch["staging"], "append", properties)


def main():
    args = arguments()
    # the portable query is written for this time zone
    spark = SparkSession.builder.config("spark.sql.session.timeZone", "UTC").config("spark.sql.ansi.enabled", "true").getOrCreate()
    with psycopg.connect(args.database, autocommit=True, row_factory=psycopg.rows.dict_row) as database:
        for view in args.views:
            batch = database.execute("SELECT * FROM streambatch.begin_batch(%s, %s, %s)", (view, args.start, args.end)).fetchone()
            try:
                compute(spark, batch, args)
                if args.no_publish:
                    print(f"{view}: batch {batch['id']} is in {batch['staging']}")
                else:
                    rows = database.execute("SELECT streambatch.publish_batch(%s) AS n", (batch["id"],)).fetchone()["n"]
                    print(f"{view}: batch {batch['id']} is published, {rows} groups")
            except BaseException:
                database.execute("SELECT streambatch.abandon_batch(%s)", (batch["id"],))
                raise
    spark.stop()


if __name__ == "__main__":
    main()
