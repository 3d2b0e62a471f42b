#!/bin/bash
# kafka.sh: a real Apache Kafka of one node, for tests and benchmarks
#
#   kafka.sh fetch        resolve the jars with Maven, once; prints their directory
#   kafka.sh start DIR    start the broker whose data live in DIR (made if need be); prints its bootstrap.servers
#   kafka.sh stop DIR     shut it down; start brings it back with its data on the same ports
#   kafka.sh kill DIR     the same by SIGKILL
#
# It listens on 127.0.0.1 alone, on ports that were free when DIR was made. DIR/kafka.pid is the only process that is ever ended.
#
#   KAFKA_LIBS  the directory of the jars, instead of the cache (XDG_CACHE_HOME, ~/.cache)
#   KAFKA_JVM   options for the JVM; by default a small heap and a quick start
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
jvm=${KAFKA_JVM:--Xms128m -Xmx512m -XX:+UseSerialGC -XX:TieredStopAtLevel=1}

die() {
    echo "kafka.sh: $*" >&2
    exit 1
}

libs() {
    if [ -n "${KAFKA_LIBS:-}" ]; then
        echo "$KAFKA_LIBS"
    else
        local version
        version=$(sed -n 's/.*<kafka.version>\(.*\)<.*/\1/p' "$here/pom.xml")
        echo "${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/pg_streambatch/kafka-$version"
    fi
}

fetch() {
    local target temporary
    target=$(libs)
    if [ ! -d "$target" ]; then
        mkdir -p "$(dirname "$target")"
        temporary=$(mktemp -d "$target.XXXXXX")
        mvn --quiet --batch-mode --file "$here/pom.xml" dependency:copy-dependencies \
            -DoutputDirectory="$temporary" -DincludeScope=runtime >&2 || {
            rm -rf "$temporary"
            die "Maven could not resolve Apache Kafka's jars"
        }
        chmod 755 "$temporary"
        # another run may have been faster
        mv -T "$temporary" "$target" 2>/dev/null || rm -rf "$temporary"
    fi
    echo "$target"
}

free_ports() {
    perl -MIO::Socket::INET -e '
        my @sockets = map { IO::Socket::INET->new(LocalAddr => "127.0.0.1", Listen => 1) or die $! } 1 .. 2;
        print join(" ", map { $_->sockport } @sockets), "\n"'
}

java_run() {
    # shellcheck disable=SC2086
    exec java $jvm -Dorg.slf4j.simpleLogger.defaultLogLevel=warn -Dorg.slf4j.simpleLogger.showDateTime=true \
        -cp "$(libs)/*" "$@"
}

make_node() {
    local dir=$1 port controller
    read -r port controller < <(free_ports)
    mkdir -p "$dir"
    cat >"$dir/server.properties.new" <<PROPERTIES
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:$controller
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://127.0.0.1:$port,CONTROLLER://127.0.0.1:$controller
advertised.listeners=PLAINTEXT://127.0.0.1:$port
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs=$dir/log
auto.create.topics.enable=false
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
group.initial.rebalance.delay.ms=0
# a killed broker may register again as soon as its session has ended
broker.heartbeat.interval.ms=500
broker.session.timeout.ms=3000
num.network.threads=2
num.io.threads=2
# retention and compaction act within seconds
log.initial.task.delay.ms=1000
log.retention.check.interval.ms=1000
log.cleaner.backoff.ms=500
log.cleaner.dedupe.buffer.size=4194304
log.segment.delete.delay.ms=100
log.flush.start.offset.checkpoint.interval.ms=1000
PROPERTIES
    (java_run kafka.tools.StorageTool format --config "$dir/server.properties.new" \
        --cluster-id "$(head -c 16 /dev/urandom | base64 | tr '+/' 'ab' | cut -c 1-22)") >"$dir/kafka.log" 2>&1 || {
        tail -n 30 "$dir/kafka.log" >&2
        die "could not format the storage in $dir"
    }
    echo "127.0.0.1:$port" >"$dir/bootstrap"
    mv "$dir/server.properties.new" "$dir/server.properties"
}

# the process of this directory's broker, if it runs: a pid alone may have been given to another process
pid() {
    local pid
    pid=$(cat "$1/kafka.pid" 2>/dev/null) || return 1
    tr '\0' '\n' <"/proc/$pid/cmdline" 2>/dev/null | grep -Fqx "$1/server.properties" || return 1
    echo "$pid"
}

start() {
    local dir=$1 pid bootstrap
    [ -x "$here/kafka_client" ] || die "kafka_client is not built: make -C $here"
    [ -d "$(libs)" ] || fetch >/dev/null
    if pid "$dir" >/dev/null; then
        die "a broker runs in $dir already"
    fi
    [ -f "$dir/server.properties" ] || make_node "$dir"
    bootstrap=$(cat "$dir/bootstrap")
    (java_run kafka.Kafka "$dir/server.properties") >>"$dir/kafka.log" 2>&1 </dev/null &
    pid=$!
    echo "$pid" >"$dir/kafka.pid"
    disown
    for _ in $(seq 60); do
        if printf 'ready\t1\n' | "$here/kafka_client" "$bootstrap" log_level=0 >/dev/null 2>&1; then
            echo "$bootstrap"
            return
        fi
        kill -0 "$pid" 2>/dev/null || break
    done
    kill -KILL "$pid" 2>/dev/null || true
    tail -n 50 "$dir/kafka.log" >&2
    die "the broker in $dir did not start; above is the end of its log"
}

finish() {
    local signal=$1 dir=$2 pid
    pid=$(pid "$dir") || return 0
    kill "-$signal" "$pid"
    for i in $(seq 300); do
        kill -0 "$pid" 2>/dev/null || break
        [ "$i" -lt 200 ] || kill -KILL "$pid" 2>/dev/null || true
        sleep 0.1
    done
    rm -f "$dir/kafka.pid"
}

[ $# -eq 1 ] && [ "$1" = fetch ] || [ $# -eq 2 ] || die "usage: kafka.sh fetch | start DIR | stop DIR | kill DIR"
case $1 in
    fetch) fetch ;;
    start) start "$(realpath -m "$2")" ;;
    stop) finish TERM "$(realpath -m "$2")" ;;
    kill) finish KILL "$(realpath -m "$2")" ;;
    *) die "no such command: $1" ;;
esac
