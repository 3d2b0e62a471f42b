#!/bin/bash
# spark.sh: Apache Spark on this machine, for test/t/195_spark.pl
#
#   spark.sh fetch            install pyspark, sqlglot and psycopg with pip, and the jars with Maven, once; prints the directory
#   spark.sh submit ARGUMENT … spark-submit with these arguments, two threads, and nothing that listens beyond 127.0.0.1
#
#   SPARK_DIR  the directory, instead of the cache (XDG_CACHE_HOME, ~/.cache)
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
python_packages='sqlglot==30.30.0 psycopg==3.3.9'

die() {
    echo "spark.sh: $*" >&2
    exit 1
}

directory() {
    if [ -n "${SPARK_DIR:-}" ]; then
        echo "$SPARK_DIR"
    else
        echo "${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/pg_streambatch/spark-$(version)"
    fi
}

version() {
    sed -n 's/.*<spark.version>\(.*\)<.*/\1/p' "$here/pom.xml"
}

fetch() {
    local target temporary
    target=$(directory)
    if [ ! -d "$target" ]; then
        mkdir -p "$(dirname "$target")"
        temporary=$(mktemp -d "$target.XXXXXX")
        mvn --quiet --batch-mode --file "$here/pom.xml" dependency:copy-dependencies \
            -DoutputDirectory="$temporary/jars" -DincludeScope=runtime >&2 || {
            rm -rf "$temporary"
            die "Maven could not resolve the jars"
        }
        # pip from an environment of its own; the packages do not depend on it
        # shellcheck disable=SC2086
        { python3 -m venv "$temporary/venv" &&
            "$temporary/venv/bin/pip" install --quiet --target "$temporary/python" "pyspark==$(version)" $python_packages >&2; } || {
            rm -rf "$temporary"
            die "pip could not install pyspark"
        }
        rm -rf "$temporary/venv"
        chmod -R a+rX "$temporary"
        # another run may have been faster
        mv -T "$temporary" "$target" 2>/dev/null || rm -rf "$temporary"
    fi
    echo "$target"
}

submit() {
    local directory
    directory=$(directory)
    export PYTHONPATH=$directory/python SPARK_HOME=$directory/python/pyspark SPARK_LOCAL_IP=127.0.0.1
    export PYSPARK_PYTHON=python3 PYTHONDONTWRITEBYTECODE=1
    exec "$SPARK_HOME/bin/spark-submit" --master 'local[2]' --driver-memory 1g \
        --jars "$(echo "$directory"/jars/*.jar | tr ' ' ,)" \
        --driver-java-options "-Duser.timezone=UTC -Djava.io.tmpdir=${TMPDIR:-/tmp} -XX:+UseSerialGC -XX:TieredStopAtLevel=1" \
        --conf spark.driver.host=127.0.0.1 --conf spark.driver.bindAddress=127.0.0.1 --conf spark.ui.enabled=false \
        --conf spark.sql.shuffle.partitions=2 --conf spark.local.dir="${TMPDIR:-/tmp}" --conf spark.log.level=WARN "$@"
}

case ${1:-} in
    fetch) fetch ;;
    submit) shift && submit "$@" ;;
    *) die "usage: spark.sh fetch | submit ARGUMENT …" ;;
esac
