-- rebuild(): a hybrid view computed anew, by another query, and swapped in
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pg_streambatch;
CREATE SCHEMA rebuild;
SET search_path = rebuild;
RESET client_min_messages;
SET timezone = 'UTC';
\getenv broker STREAMBATCH_BROKER
\! test/broker/broker-command create rebuild 1
\! test/broker/broker-command create rebuild_other 1
CREATE SERVER rebuild_kafka FOREIGN DATA WRAPPER streambatch_kafka OPTIONS ("bootstrap.servers" :'broker');
CREATE FOREIGN TABLE events (k int, v numeric, ts timestamptz) SERVER rebuild_kafka OPTIONS (topic 'rebuild', event_time 'ts');
CREATE FOREIGN TABLE other (k int, v numeric, ts timestamptz) SERVER rebuild_kafka OPTIONS (topic 'rebuild_other', event_time 'ts');
SELECT streambatch.create_view('sums', $$SELECT k, streambatch.tumble(ts, '1 h') AS w, count(*) AS n, sum(v) AS s FROM events GROUP BY 1, 2$$);
SELECT streambatch.create_view('total', 'SELECT count(*) AS n, sum(v) AS s FROM events');
INSERT INTO events SELECT i % 3, i, '2025-01-01Z'::timestamptz + i * interval '5 min' FROM generate_series(0, 99) i;
SELECT streambatch.wait_for('events');
CALL streambatch.refresh('sums');
CREATE VIEW dependent AS SELECT k, sum(s) AS s FROM sums GROUP BY k;
CREATE VIEW on_layers AS SELECT k, w, batch_n, recommended FROM sums_layers;
CREATE ROLE rebuild_reader;
GRANT SELECT ON sums, sums_layers TO rebuild_reader;
GRANT USAGE ON SCHEMA rebuild TO rebuild_reader;
COMMENT ON VIEW sums IS 'mine';
ALTER VIEW sums SET (security_barrier = true);
CREATE TABLE before AS SELECT 'sums'::regclass::oid AS view, 'sums_layers'::regclass::oid AS layers, c.relacl, c.reloptions FROM pg_class c WHERE oid = 'sums'::regclass;
CREATE FUNCTION parts() RETURNS SETOF text LANGUAGE sql AS $$
SELECT regexp_replace(relname, '\d+', 'N') FROM pg_class c WHERE relnamespace = 'streambatch_state'::regnamespace AND relkind IN ('r', 'v')
   AND substring(relname, '\d+') IN (SELECT id::text FROM streambatch._view WHERE stream = 'rebuild.events'::regclass) ORDER BY 1 $$;
CREATE FUNCTION others() RETURNS bigint LANGUAGE sql AS $$
SELECT count(*) FROM pg_class c WHERE relnamespace = 'streambatch_state'::regnamespace AND relkind IN ('r', 'v')
   AND substring(relname, '\d+') NOT IN (SELECT id::text FROM streambatch._view) $$;

-- ---- another query ----
CALL streambatch.rebuild('sums', $$
    SELECT k, streambatch.tumble(ts, '1 h') AS w, count(*) AS n, sum(v) AS s, max(v) AS m FROM events WHERE v >= 10 GROUP BY 1, 2; $$);
SELECT count(*), sum(n), sum(s), max(m) FROM sums;
SELECT k, streambatch.tumble(ts, '1 h'), count(*), sum(v), max(v) FROM events_archive WHERE v >= 10 GROUP BY 1, 2 EXCEPT SELECT * FROM sums;
SELECT view = 'sums'::regclass AS view, layers = 'sums_layers'::regclass AS layers, b.relacl = c.relacl AS acl, b.reloptions = c.reloptions AS options
  FROM before b, pg_class c WHERE c.oid = 'sums'::regclass;
SELECT obj_description('sums'::regclass, 'pg_class');
SELECT attname, col_description(attrelid, attnum) IS NOT NULL AS comment FROM pg_attribute WHERE attrelid = 'sums_layers'::regclass AND attnum > 0 ORDER BY attnum;
SELECT * FROM dependent ORDER BY 1;
SELECT * FROM on_layers ORDER BY 1, 2 LIMIT 3;
SELECT DISTINCT recommended, m = batch_m AS same FROM sums_layers;
SELECT view, state, query FROM streambatch.stat_view WHERE stream = 'events'::regclass ORDER BY 1;
SELECT kind, state, from_time, to_time, rows, error FROM streambatch.refresh_history WHERE view = 'sums'::regclass ORDER BY id;
SELECT parts();
SELECT others();
SET ROLE rebuild_reader;
SELECT sum(n) FROM sums;
CALL streambatch.rebuild('sums');
RESET ROLE;
-- it goes on, and is refreshed
INSERT INTO events SELECT i % 3, i, '2025-01-01Z'::timestamptz + i * interval '5 min' FROM generate_series(90, 120) i;
SELECT streambatch.wait_for('events');
SELECT sum(n), sum(s) FROM sums;
CALL streambatch.refresh('sums');
SELECT k, streambatch.tumble(ts, '1 h'), count(*), sum(v), max(v) FROM events_archive WHERE v >= 10 GROUP BY 1, 2 EXCEPT SELECT * FROM sums;
-- the same query, of a stream that is paused
SELECT streambatch.pause('events');
CALL streambatch.rebuild('sums');
SELECT streambatch.resume('events');
SELECT sum(n), sum(s) FROM sums;
SELECT query FROM streambatch.stat_view WHERE view = 'sums'::regclass;
-- without windows; with windows instead of none
CALL streambatch.rebuild('total', 'SELECT count(*) AS n, sum(v) * 2 AS s FROM events');
SELECT * FROM total;
CALL streambatch.rebuild('total', $$SELECT count(*) AS n, sum(v) AS s, streambatch.tumble(ts, '1 day') AS d FROM events GROUP BY 3$$);
SELECT * FROM total ORDER BY d;

-- ---- events that the new query fails on are dead letters, and those that it accepts are none ----
CALL streambatch.rebuild('sums', $$SELECT k, streambatch.tumble(ts, '1 h') AS w, count(*) AS n, sum(10 / (v - 7)) AS s, max(v) AS m FROM events GROUP BY 1, 2$$);
SELECT view, kafka_offset IS NOT NULL AS position, sqlstate, message FROM streambatch.dead_letter WHERE stream = 'events'::regclass;
INSERT INTO events VALUES (1, 7, '2025-01-01 00:01Z');
SELECT streambatch.wait_for('events');
SELECT view, sqlstate FROM streambatch.dead_letter WHERE stream = 'events'::regclass;
SELECT sum(n) FROM sums;
CALL streambatch.rebuild('sums', $$SELECT k, streambatch.tumble(ts, '1 h') AS w, count(*) AS n, sum(v) AS s, max(v) AS m FROM events GROUP BY 1, 2$$);
SELECT count(*) FROM streambatch.dead_letter WHERE stream = 'events'::regclass;
SELECT sum(n) FROM sums;

-- ---- refused before any work ----
CALL streambatch.rebuild(NULL);
CALL streambatch.rebuild('sums', source => NULL);
CALL streambatch.rebuild('dependent');
CALL streambatch.rebuild('sums', source => 'elsewhere');
CALL streambatch.rebuild('sums', $$SELECT k, streambatch.tumble(ts, '1 h') AS w, count(*) AS n, sum(v) AS s FROM events GROUP BY 1, 2$$);
CALL streambatch.rebuild('sums', $$SELECT k, streambatch.tumble(ts, '1 h') AS w, count(*) AS n, sum(v) AS s, max(v) AS maximum FROM events GROUP BY 1, 2$$);
CALL streambatch.rebuild('sums', $$SELECT k, streambatch.tumble(ts, '1 h') AS w, count(*) AS n, sum(v) AS s, max(v)::int AS m FROM events GROUP BY 1, 2$$);
CALL streambatch.rebuild('sums', $$SELECT k, streambatch.tumble(ts, '1 h') AS w, count(*) AS n, v AS s, max(v) AS m FROM events GROUP BY 1, 2, 4$$);
CALL streambatch.rebuild('sums', $$SELECT k, streambatch.tumble(ts, '1 h') AS w, count(*) AS n, sum(v) AS s, max(v) AS m FROM other GROUP BY 1, 2$$);
CALL streambatch.rebuild('sums', 'SELECT 1');
CALL streambatch.rebuild('sums', $$SELECT k, streambatch.tumble(ts, '1 h') AS w, count(*) AS n, sum(v) AS s, max(v) AS m, 1 AS exact FROM events GROUP BY 1, 2$$);
BEGIN;
CALL streambatch.rebuild('sums');
ROLLBACK;
SELECT parts();
SELECT others();

-- ---- what depends on the old states ----
DO $$ BEGIN EXECUTE format('CREATE VIEW states AS SELECT * FROM %s', (SELECT batch_table FROM streambatch.stat_view WHERE view = 'sums'::regclass)); END $$;
\set VERBOSITY sqlstate
CALL streambatch.rebuild('sums');
\set VERBOSITY default
SELECT others();
DROP VIEW states;
SELECT sum(n) FROM sums;

SET client_min_messages = error;
DROP FOREIGN TABLE events CASCADE;
SELECT others();
DROP SCHEMA rebuild CASCADE;
DROP SERVER rebuild_kafka;
DROP ROLE rebuild_reader;
