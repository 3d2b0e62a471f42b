# throwaway.sh, to be sourced: a temporary directory for servers and brokers, and an end that leaves none of them
#
#   throwaway_begin               makes $work, owned by the user that servers run as, and sweeps it when the script exits
#   throwaway_server SETTING …    starts PostgreSQL in $work/server on a socket in $work; psql and its kin find it
#   throwaway_kafka               starts Apache Kafka in $work/kafka; prints its bootstrap.servers
#
# keep_when_failed=1: the directory stays when the script failed. at_end, if defined, is called with the exit status first.

throwaway_begin() {
    # short: sockets live in it
    work=$(mktemp -d /tmp/streambatch.XXXX)
    trap throwaway_end EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
    # a clone may lie where nobody else can read
    mkdir "$work/test"
    cp -R test/broker test/unprivileged "$work/test"
    chmod -R a+rX "$work"
    if [ "$(id -u)" -eq 0 ]; then
        chown -R postgres: "$work"
    fi
    unprivileged=$work/test/unprivileged
}

# the only processes that end are those whose pid was noted in $work
throwaway_end() {
    local status=$? file
    trap - EXIT INT TERM
    ! declare -F at_end >/dev/null || at_end "$status"
    cd /
    while read -r file; do
        "$work/test/broker/kafka.sh" kill "$(dirname "$file")"
    done < <(find "$work" -name kafka.pid)
    while read -r file; do
        "$unprivileged" "$("$PG_CONFIG" --bindir)/pg_ctl" stop --silent --mode immediate --pgdata "$(dirname "$file")" || true
    done < <(find "$work" -name postmaster.pid)
    if [ "$status" -eq 0 ] || [ -z "${keep_when_failed:-}" ]; then
        rm -rf "$work"
    fi
    exit "$status"
}

throwaway_server() {
    local bin setting
    bin=$("$PG_CONFIG" --bindir)
    # in a directory that they may enter, or they complain
    (cd "$work" && "$unprivileged" "$bin/initdb" --pgdata "$work/server" --username postgres --auth trust --encoding UTF8 \
        --no-locale >"$work/initdb.log")
    for setting in "shared_preload_libraries = 'pg_streambatch'" "listen_addresses = ''" \
        "unix_socket_directories = '$work'" "$@"; do
        echo "$setting"
    done | "$unprivileged" tee -a "$work/server/postgresql.conf" >/dev/null
    (cd "$work" && "$unprivileged" "$bin/pg_ctl" start --silent --wait --pgdata "$work/server" --log "$work/server.log") || {
        tail -n 20 "$work/server.log" >&2
        return 1
    }
    export PATH=$bin:$PATH PGHOST=$work PGUSER=postgres PGDATABASE=postgres
}

throwaway_kafka() {
    local libs
    libs=$(test/broker/kafka.sh fetch)
    cp -R "$libs" "$work/jars"
    chmod -R a+rX "$work/jars"
    "$unprivileged" env KAFKA_LIBS="$work/jars" "$work/test/broker/kafka.sh" start "$work/kafka"
}
