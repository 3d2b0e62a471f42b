-- streambatch.explain(), and plans of reads: conditions on keys and window reach the indexes of both layers.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pg_streambatch;
CREATE SCHEMA explain;
SET search_path = explain;
SET timezone = 'UTC';
SET datestyle = 'ISO, DMY';
\getenv broker STREAMBATCH_BROKER
\! test/broker/broker-command create explain 4
CREATE SERVER explain_kafka FOREIGN DATA WRAPPER streambatch_kafka OPTIONS ("bootstrap.servers" :'broker');
CREATE FOREIGN TABLE events (k text, n numeric, ts timestamptz, "Odd name" int) SERVER explain_kafka
    OPTIONS (topic 'explain', event_time 'ts', archive 'History');
CREATE FOREIGN TABLE bare (k text) SERVER explain_kafka OPTIONS (topic 'explain', archive 'none');
SELECT streambatch.create_view('hourly', $$SELECT k, streambatch.tumble(ts, '1 h') AS w, count(*) AS c, avg(n) FILTER (WHERE "Odd name" > 0) AS a
    FROM events WHERE k <> 'it''s' GROUP BY 1, 2 HAVING count(*) > 0$$);
SELECT streambatch.create_view('"Total"', 'SELECT sum(n) AS "Sum" FROM events');
SELECT streambatch.create_view('of_bare', 'SELECT k, max(k) FROM bare GROUP BY k');

-- ids of views differ from run to run
CREATE FUNCTION numberless(line text) RETURNS text LANGUAGE sql AS $$ SELECT regexp_replace(line, '_\d+', '_N', 'g') $$;
-- how the state tables are read; what stands above differs between versions of the server
CREATE FUNCTION plan(query text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
    line text;
BEGIN
    FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) ' || query LOOP
        IF line ~ 'Scan.* on (batch|stream)_\d+' OR line ~ 'Cond: \(+(k1|pane) ' THEN
            RETURN NEXT ltrim(explain.numberless(line), ' ->');
        END IF;
    END LOOP;
END $$;
\pset format unaligned
\pset tuples_only on
SELECT numberless(explain) FROM streambatch.explain('hourly');
SELECT numberless(explain) FROM streambatch.explain('"Total"');
SELECT numberless(explain) FROM streambatch.explain('of_bare');
SELECT count(*) FROM streambatch.explain(NULL);
SELECT streambatch.explain('events');
SELECT streambatch.explain('hourly_layers');
SELECT streambatch.explain(0);
-- whatever the session's settings, it says the same
CREATE TABLE said AS SELECT * FROM streambatch.explain('hourly');
SET search_path = pg_catalog;
SET timezone = 'Asia/Tokyo';
SET intervalstyle = 'iso_8601';
SELECT count(*) FROM (SELECT * FROM streambatch.explain('explain.hourly') EXCEPT ALL TABLE explain.said) d;
RESET timezone;
RESET intervalstyle;
SET search_path = explain;
SET timezone = 'UTC';

-- ---- a point read: an index probe in each layer ----
SET enable_seqscan = off;
SET enable_bitmapscan = off;
SELECT plan($$SELECT * FROM hourly WHERE k = 'a' AND w = '2025-02-14 12:00+00'$$);
SELECT plan($$SELECT c FROM hourly WHERE w = '2025-02-14 12:00+00' AND k IN ('a', 'b')$$);
SELECT plan($$SELECT * FROM hourly WHERE k = 'a' AND w >= '2025-02-14' AND w < '2025-02-15'$$);
SELECT plan($$SELECT * FROM hourly WHERE w = '2025-02-14 12:00+00'$$);
SELECT plan($$SELECT * FROM hourly_layers WHERE k = 'a' AND w = '2025-02-14 12:00+00'$$);
SELECT plan($$SELECT * FROM of_bare WHERE k = 'a'$$);
PREPARE point(text, timestamptz) AS SELECT * FROM hourly WHERE k = $1 AND w = $2;
SET plan_cache_mode = force_generic_plan;
SELECT plan($$EXECUTE point('a', '2025-02-14 12:00+00')$$);
RESET plan_cache_mode;
-- a layer that is not served is not read
INSERT INTO events VALUES ('a', 1, '2025-02-14 12:30', 1), ('b', 1, '2025-02-14 12:30', 1);
SELECT streambatch.wait_for('events');
SET streambatch.serve = 'batch';
CREATE FUNCTION executed(query text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
    line text;
BEGIN
    FOR line IN EXECUTE 'EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) ' || query LOOP
        IF line ~ 'Index Scan' THEN
            RETURN NEXT regexp_replace(ltrim(explain.numberless(line), ' ->'), 'rows=(\d+)(\.00)?', 'rows=\1');
        END IF;
    END LOOP;
END $$;
SELECT executed($$SELECT * FROM hourly WHERE k = 'a' AND w = '2025-02-14 12:00+00'$$);
SET streambatch.serve = 'stream';
SELECT executed($$SELECT * FROM hourly WHERE k = 'a' AND w = '2025-02-14 12:00+00'$$);
RESET streambatch.serve;
SELECT executed($$SELECT * FROM hourly WHERE k = 'a' AND w = '2025-02-14 12:00+00'$$);

DROP SCHEMA explain CASCADE;
DROP SERVER explain_kafka;
