-- What a flush costs the database: one transaction id, and no row that has not changed.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pg_streambatch;
CREATE SCHEMA flush_cost;
SET search_path = flush_cost;
\getenv broker STREAMBATCH_BROKER
\! test/broker/broker-command create flush_cost 3
CREATE SERVER flush_cost_kafka FOREIGN DATA WRAPPER streambatch_kafka OPTIONS ("bootstrap.servers" :'broker');
CREATE FOREIGN TABLE events (k int, x numeric, part int OPTIONS (metadata 'partition'), ts timestamptz) SERVER flush_cost_kafka
    OPTIONS (topic 'flush_cost', event_time 'ts');
SELECT streambatch.create_view('counts', $$SELECT k, streambatch.tumble(ts, '1 h') AS w, count(*) AS n, sum(x) AS x FROM events GROUP BY 1, 2$$);
SELECT streambatch.create_view('others', 'SELECT k, count(*) AS n FROM events WHERE k < 0 GROUP BY 1');
INSERT INTO events SELECT i, i, i % 3, '2025-01-01' FROM generate_series(0, 8) i;
SELECT streambatch.wait_for('events');
-- the same partition again and again
CREATE TABLE before AS SELECT s.flushes, p.kafka_partition, p.xmin::text AS version FROM streambatch._progress p JOIN streambatch.stat_stream s USING (stream)
    WHERE p.stream = 'events'::regclass;
SELECT pg_snapshot_xmax(pg_current_snapshot()) AS next_xid \gset
SELECT format('INSERT INTO events SELECT i, 1, 1, ''2025-01-01'' FROM generate_series(0, 99) i; SELECT streambatch.wait_for(''events'');') FROM generate_series(1, 5) \gexec
SELECT s.flushes > b.flushes AS flushed, pg_snapshot_xmax(pg_current_snapshot())::text::bigint - :next_xid = s.flushes - b.flushes AS one_id_each
FROM streambatch.stat_stream s, (SELECT DISTINCT flushes FROM before) b WHERE s.stream = 'events'::regclass;
SELECT p.kafka_partition, p.xmin::text = b.version AS as_it_was FROM streambatch._progress p JOIN before b USING (kafka_partition) WHERE p.stream = 'events'::regclass ORDER BY 1;
SELECT sum(n) AS n, sum(x) AS x FROM counts;
SET client_min_messages = error;
DROP SCHEMA flush_cost CASCADE;
DROP SERVER flush_cost_kafka CASCADE;
