-- Batches that an engine outside of PostgreSQL computes: begin_batch(), publish_batch(), abandon_batch(). The engine here is
-- PostgreSQL itself, which runs the portable query over a copy of the events.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pg_streambatch;
CREATE SCHEMA outside;
SET search_path = outside;
SET timezone = 'UTC';
SET datestyle = 'ISO, DMY';
SET intervalstyle = 'postgres';
\getenv broker STREAMBATCH_BROKER
\! test/broker/broker-command create outside 2
CREATE SERVER outside_kafka FOREIGN DATA WRAPPER streambatch_kafka OPTIONS ("bootstrap.servers" :'broker');
CREATE FOREIGN TABLE s (k text, n int, v numeric(12,2), ok boolean, ts timestamptz, kafka_partition int OPTIONS (metadata 'partition'))
    SERVER outside_kafka OPTIONS (topic 'outside', event_time 'ts', idle_timeout '1 h');
SELECT streambatch.create_view('hourly', $$SELECT k, streambatch.tumble(ts, '1 h') AS w, count(*) AS c, sum(n), avg(v), min(v), max(ts) AS last,
    bool_and(ok) AS all_ok, bool_or(ok) AS any_ok, count(*) FILTER (WHERE n > 3) AS many, sum(v) FILTER (WHERE k LIKE 'a%' OR n IN (1, 2)) AS some
    FROM s WHERE n <> 100 AND (k IS NOT NULL OR v > 1.5) GROUP BY 1, 2$$);
SELECT streambatch.create_view('total', 'SELECT count(*) AS c, sum(v) AS v FROM s');
SELECT streambatch.create_view('nested', $$SELECT k, streambatch.hop(ts, '5 min', '15 min') AS w, streambatch.hop_end(ts, '5 min', '15 min') AS e, count(*) AS c FROM s GROUP BY 1, 2, 3$$);
SELECT streambatch.create_view('visits', $$SELECT k, streambatch.session(ts, '10 min') AS w, count(*) AS c, sum(v) FROM s GROUP BY 1, 2$$);
SELECT streambatch.create_view('daily', $$SELECT streambatch.tumble(ts, '1 day', time_zone => 'Europe/Berlin') AS w, sum(n) AS n FROM s GROUP BY 1$$);
SELECT streambatch.create_view('months', $$SELECT date_trunc('month', ts, 'UTC') AS w, sum(n) AS n FROM s GROUP BY 1$$);
SELECT streambatch.create_view('days', $$SELECT streambatch.tumble((ts AT TIME ZONE 'UTC')::date, '1 day') AS w, sum(n) AS n FROM s GROUP BY 1$$);
INSERT INTO s SELECT CASE i % 4 WHEN 0 THEN 'a' WHEN 1 THEN 'ab' WHEN 2 THEN 'b' END, i % 7, i / 100.0, CASE WHEN i % 5 > 0 THEN i % 3 > 0 END,
    '2025-03-29 22:07:00.5Z'::timestamptz + i * interval '7 min', i % 2 FROM generate_series(1, 300) i;
SELECT streambatch.wait_for('s');
-- what plain queries return
CREATE FUNCTION differences() RETURNS TABLE (view text, differ bigint) LANGUAGE plpgsql AS $$
DECLARE
    query text;
BEGIN
    FOR view, query IN VALUES
        ('hourly', 'SELECT k, streambatch.tumble(ts, ''1 h''), count(*), sum(n), avg(v), min(v), max(ts), bool_and(ok), bool_or(ok), count(*) FILTER (WHERE n > 3), sum(v) FILTER (WHERE k LIKE ''a%'' OR n IN (1, 2)) FROM outside.s_archive WHERE n <> 100 AND (k IS NOT NULL OR v > 1.5) GROUP BY 1, 2'),
        ('total', 'SELECT count(*), sum(v) FROM outside.s_archive'),
        ('nested', 'SELECT k, streambatch.hop(ts, ''5 min'', ''15 min''), streambatch.hop_end(ts, ''5 min'', ''15 min''), count(*) FROM outside.s_archive GROUP BY 1, 2, 3'),
        ('daily', 'SELECT streambatch.tumble(ts, ''1 day'', time_zone => ''Europe/Berlin''), sum(n) FROM outside.s_archive GROUP BY 1'),
        ('months', 'SELECT date_trunc(''month'', ts, ''UTC''), sum(n) FROM outside.s_archive GROUP BY 1')
    LOOP
        EXECUTE format('WITH plain AS (%1$s), v AS (TABLE outside.%2$I) SELECT count(*) FROM ((TABLE v EXCEPT ALL TABLE plain) UNION ALL (TABLE plain EXCEPT ALL TABLE v)) d', query, view) INTO differ;
        RETURN NEXT;
    END LOOP;
END $$;
-- an engine: it has the events, and runs the query as it is
CREATE VIEW events AS TABLE s_archive;
CREATE FUNCTION compute(query text, staging regclass) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    n bigint;
BEGIN
    EXECUTE format('INSERT INTO %s %s', staging, query);
    GET DIAGNOSTICS n = ROW_COUNT;
    RETURN n;
END $$;

-- an error, without the numbers of batches
CREATE FUNCTION failure(statement text) RETURNS TABLE (state text, message text, detail text, hint text) LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE statement;
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
    message := regexp_replace(message, '(batch |staging_)\d+(_\d+)?', '\1N');
    hint := regexp_replace(hint, 'batch\(\d+', 'batch(N');
    RETURN NEXT;
END $$;

-- ---- the query and the table ----
SELECT id AS batch, topic, cut, topic_epoch, from_time, to_time, query, staging FROM streambatch.begin_batch('hourly', '2025-03-29 22:30Z', '2025-03-30 02:00Z') \gset
\echo :topic :cut :topic_epoch :from_time :to_time
\echo :query
SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = :'staging'::regclass AND attnum > 0 ORDER BY attnum;
SELECT obj_description(:'staging'::regclass) = :'query' AS comment, relowner::regrole = current_user::regrole AS owner FROM pg_class WHERE oid = :'staging'::regclass;
SELECT kind, state, cut, chunks_done FROM streambatch.refresh_history WHERE id = :batch;
SELECT count(*) FROM streambatch.stat_progress_refresh;
-- late events, and more of the stream, between begin and publish
INSERT INTO s VALUES ('a', 1, 5, true, '2025-03-29 23:10Z', 0), ('zz', 1, 5, NULL, '2025-03-30 00:10Z', 1), ('a', 1, 5, true, '2025-04-02', 1);
SELECT streambatch.wait_for('s');
SELECT compute(:'query', :'staging');
-- nobody sees anything yet
SELECT * FROM differences();
SELECT streambatch.publish_batch(:batch);
SELECT * FROM differences();
SELECT w, k, stream_c, batch_c, c, recommended FROM hourly_layers WHERE k IN ('a', 'zz') AND w BETWEEN '2025-03-29 22:00Z' AND '2025-03-30 00:00Z' ORDER BY 1, 2;
SELECT coverage FROM streambatch.stat_view WHERE view = 'hourly'::regclass;
SELECT kind, state, from_time, to_time, chunks, chunks_done, rows > 0 AS rows, error FROM streambatch.refresh_history WHERE id = :batch;
SELECT to_regclass(:'staging') IS NULL AS dropped;
SELECT f.* FROM unnest(ARRAY['publish', 'abandon']) q, failure(format('SELECT streambatch.%s_batch(%s)', q, :batch)) f;

-- ---- each kind of window: what the engine computes is what the stream layer had ----
CREATE TABLE visits_before AS TABLE visits;
CREATE TABLE days_before AS TABLE days;
CREATE FUNCTION whole(view regclass, "to" timestamptz DEFAULT 'infinity') RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    b record;
    n bigint;
BEGIN
    SELECT * INTO b FROM streambatch.begin_batch(view, "to" => whole."to");
    n := compute(b.query, b.staging);
    ASSERT n = streambatch.publish_batch(b.id);
    RETURN n;
END $$;
SELECT whole('nested') > 100 AS nested, whole('daily') AS daily, whole('months') AS months, whole('total', NULL) AS total, whole('visits') AS visits, whole('days') AS days;
SET streambatch.serve = 'batch';
SELECT * FROM differences() WHERE view <> 'hourly';
SELECT count(*) FROM ((TABLE visits EXCEPT ALL TABLE visits_before) UNION ALL (TABLE visits_before EXCEPT ALL TABLE visits)) d;
SELECT count(*) FROM ((TABLE days EXCEPT ALL TABLE days_before) UNION ALL (TABLE days_before EXCEPT ALL TABLE days)) d;
RESET streambatch.serve;
SELECT query FROM streambatch.begin_batch('daily') \gx
SELECT query FROM streambatch.begin_batch('months', '2025-03-05', '2025-03-07') \gx
SELECT query FROM streambatch.begin_batch('days', "to" => 'infinity') \gx
SELECT streambatch.abandon_batch(id) FROM streambatch.refresh_history WHERE kind = 'outside' AND state = 'running';
SELECT state, error_sqlstate, error FROM streambatch.refresh_history WHERE view = 'days'::regclass AND kind = 'outside' ORDER BY id;
SELECT count(*) FROM pg_class WHERE relnamespace = 'streambatch_state'::regnamespace AND relname LIKE 'staging%';

-- ---- dead letters of the stream and of the view are left out, discarded ones too ----
CREATE FOREIGN TABLE t (k int, n int, ts timestamptz) SERVER outside_kafka OPTIONS (topic 'outside_t', event_time 'ts');
\! test/broker/broker-command create outside_t 1
SELECT streambatch.create_view('ratio', $$SELECT streambatch.tumble(ts, '1 day') AS w, count(*) AS c, sum(60 % n) AS r FROM t GROUP BY 1$$);
\copy (SELECT 0, NULL, CASE WHEN i IN (3, 4, 7) THEN 'no json' ELSE json_build_object('k', i, 'n', i % 5, 'ts', '2025-01-01T00:00:00Z')::text END, 0 FROM generate_series(1, 10) i) TO PROGRAM 'test/broker/produce outside_t'
SELECT streambatch.wait_for('t');
SELECT view, kafka_offset FROM streambatch.dead_letter WHERE stream = 't'::regclass ORDER BY 2;
SELECT streambatch.discard_dead_letters('t', 0, 6);
CREATE TEMP TABLE b AS SELECT * FROM streambatch.begin_batch('ratio', "to" => '2025-01-02Z');
SELECT query FROM b \gx
-- retried while the batch is open: counted once
UPDATE t_archive SET n = 7 WHERE k = 5;
SELECT streambatch.retry_dead_letters('ratio', 0, 4);
DROP VIEW events;
CREATE VIEW events AS TABLE t_archive;
SELECT compute(query, staging) FROM b;
SELECT streambatch.publish_batch(id) FROM b;
SELECT (SELECT c FROM ratio) AS c, (SELECT batch_c FROM ratio_layers) AS batch_c, (SELECT count(*) FROM t_archive WHERE n > 0) AS plain;
CALL streambatch.refresh('ratio', "to" => '2025-01-02Z');
SELECT (SELECT c FROM ratio) AS c, (SELECT batch_c FROM ratio_layers) AS batch_c;
DROP TABLE b;

-- ---- cuts that are older than what is served ----
DROP VIEW events;
CREATE VIEW events AS TABLE s_archive;
CREATE TABLE expected AS TABLE hourly;
CREATE TEMP TABLE b AS SELECT 1 AS i, b.* FROM streambatch.begin_batch('hourly', '2025-03-29 22:00Z', '2025-03-30 06:00Z') b;
INSERT INTO b SELECT 2, b.* FROM streambatch.begin_batch('hourly', '2025-03-30 00:00Z', '2025-03-30 02:00Z') b;
INSERT INTO b SELECT 3, b.* FROM streambatch.begin_batch('hourly', '2025-03-30 00:00Z', '2025-03-30 01:00Z') b;
SELECT i, compute(query, staging) > 0 AS computed FROM b ORDER BY i;
-- a publication in a transaction that does not commit
BEGIN;
SELECT streambatch.publish_batch(id) > 0 FROM b WHERE i = 3;
ROLLBACK;
SELECT streambatch.publish_batch(id) > 0 FROM b WHERE i = 2;
SELECT count(*) FROM ((TABLE hourly EXCEPT ALL TABLE expected) UNION ALL (TABLE expected EXCEPT ALL TABLE hourly)) d;
\set VERBOSITY terse
\set SHOW_CONTEXT never
SELECT f.* FROM b, failure(format('SELECT streambatch.publish_batch(%s)', id)) f WHERE i = 1;
SELECT streambatch.publish_batch(id) > 0 FROM b WHERE i = 3;
CREATE TEMP TABLE c AS SELECT * FROM streambatch.begin_batch('hourly', '2025-03-30 00:00Z', '2025-03-30 01:00Z');
SELECT compute(query, staging) > 0 FROM c;
-- a refresh: the batch remains open, but what it would replace is newer
CALL streambatch.refresh('hourly');
SELECT state FROM streambatch.refresh_history h, c WHERE h.id = c.id;
SELECT f.* FROM c, failure(format('SELECT streambatch.publish_batch(%s)', id)) f;
SELECT streambatch.abandon_batch(id) FROM c;
SELECT streambatch.abandon_batch(id) FROM b WHERE i = 1;
SELECT count(*) FROM ((TABLE hourly EXCEPT ALL TABLE expected) UNION ALL (TABLE expected EXCEPT ALL TABLE hourly)) d;
DROP TABLE b, c;

-- ---- rows that cannot be published ----
SELECT id AS batch, staging FROM streambatch.begin_batch('hourly', '2025-03-30 00:00Z', '2025-03-30 02:00Z') \gset
CREATE TEMP VIEW publication AS SELECT f.* FROM (SELECT max(id) AS id FROM streambatch.refresh_history WHERE kind = 'outside') r, failure(format('SELECT streambatch.publish_batch(%s)', id)) f;
TABLE publication;
INSERT INTO :staging (k, pane, count) VALUES ('a', '2025-03-30 00:30Z', 1);
TABLE publication;
UPDATE :staging SET pane = '2025-03-30 02:00Z';
TABLE publication;
UPDATE :staging SET pane = NULL;
TABLE publication;
UPDATE :staging SET pane = '2025-03-30 01:00Z', count_2 = 1, count_v = NULL;
TABLE publication;
UPDATE :staging SET count_v = 1, k = NULL;
INSERT INTO :staging TABLE :staging;
TABLE publication;
ALTER TABLE :staging ADD COLUMN x int;
TABLE publication;
ALTER TABLE :staging RENAME TO gone;
TABLE publication;
SELECT streambatch.abandon_batch(:batch);
DROP TABLE streambatch_state.gone;
SELECT id AS batch, staging FROM streambatch.begin_batch('total') \gset
INSERT INTO :staging VALUES (1, 1), (2, 2);
TABLE publication;
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT streambatch.publish_batch(:batch);
ROLLBACK;
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT * FROM streambatch.begin_batch('total');
ROLLBACK;
-- nothing of this was published
SELECT * FROM differences();

-- ---- what cannot be begun ----
\set VERBOSITY default
SELECT streambatch.begin_batch(NULL);
SELECT streambatch.begin_batch('s');
SELECT streambatch.begin_batch('total', '2025-01-01');
SELECT streambatch.begin_batch('hourly', '2025-01-02', '2025-01-01');
SELECT streambatch.begin_batch('hourly', '2030-01-01');
SELECT streambatch.begin_batch('hourly', '20000-01-01', '20000-01-02');
SELECT streambatch.publish_batch(0);
SELECT streambatch.abandon_batch(0);
SELECT streambatch.publish_batch(NULL), streambatch.abandon_batch(NULL);
CREATE FUNCTION refused(query text) RETURNS TABLE (message text, detail text) LANGUAGE plpgsql AS $$
BEGIN
    PERFORM streambatch.create_view('refused', query);
    PERFORM streambatch.begin_batch('outside.refused', "to" => CASE WHEN query ~ 'tumble|hop|cumulate|date_' THEN 'infinity'::timestamptz END);
    RAISE EXCEPTION 'not refused' USING DETAIL = query;
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL;
    RETURN NEXT;
END $$;
CREATE TABLE joined (k text, x int);
\pset format unaligned
\pset fieldsep ': '
\pset tuples_only on
SELECT r.* FROM unnest(ARRAY[
    $$SELECT k, stddev(n) FROM s GROUP BY 1$$,
    $$SELECT k, streambatch.last(n ORDER BY ts) FROM s GROUP BY 1$$,
    $$SELECT k FROM s GROUP BY 1 HAVING regr_slope(n, n) > 0$$,
    $$SELECT min(k) FROM s$$,
    $$SELECT min(ts - '2000-01-01') FROM s$$,
    $$SELECT sum(n / 2) FROM s$$,
    $$SELECT sum(v / 3) FROM s$$,
    $$SELECT sum(v % 3) FROM s$$,
    $$SELECT count(*) FROM s WHERE k < 'b'$$,
    $$SELECT count(*) FROM s WHERE k ~ 'b'$$,
    $$SELECT count(*) FROM s WHERE k LIKE 'a\_'$$,
    $$SELECT count(*) FROM s WHERE ts > timestamp '2025-01-01'$$,
    $$SELECT count(*) FROM s WHERE ts > 'infinity'$$,
    $$SELECT count(*) FROM s WHERE v > 'NaN'$$,
    $$SELECT count(*) FROM s WHERE n::numeric(5,1) > 1$$,
    $$SELECT count(*) FROM s WHERE v::int = 1$$,
    $$SELECT count(*) FROM s WHERE greatest(n, 1) = 1$$,
    $$SELECT upper(k), count(*) FROM s GROUP BY 1$$,
    $$SELECT v::text, count(*) FROM s GROUP BY 1$$,
    $$SELECT CASE n WHEN 1 THEN 2 END, count(*) FROM s GROUP BY 1$$,
    $$SELECT k::char(3), count(*) FROM s GROUP BY 1$$,
    $$SELECT count(*) FROM s JOIN joined USING (k)$$,
    $$SELECT streambatch.tumble(ts, '10 ms'), count(*) FROM s GROUP BY 1$$,
    $$SELECT streambatch.tumble(ts, '2 months'), count(*) FROM s GROUP BY 1$$,
    $$SELECT streambatch.tumble(ts, '1 month', '2025-01-15'), count(*) FROM s GROUP BY 1$$,
    $$SELECT streambatch.tumble(ts, '2 hours', time_zone => 'Europe/Berlin'), count(*) FROM s GROUP BY 1$$,
    $$SELECT streambatch.tumble(ts, '1 week', '2025-01-05', 'Europe/Berlin'), count(*) FROM s GROUP BY 1$$,
    $$SELECT streambatch.cumulate(ts, '1 hour', '1 day', time_zone => 'Europe/Berlin'), count(*) FROM s GROUP BY 1$$,
    $$SELECT streambatch.tumble(ts AT TIME ZONE 'UTC', '1 hour', time_zone => 'Europe/Berlin'), count(*) FROM s GROUP BY 1$$,
    $$SELECT date_trunc('hour', ts, 'Europe/Berlin'), count(*) FROM s GROUP BY 1$$,
    $$SELECT date_trunc('century', ts, 'UTC'), count(*) FROM s GROUP BY 1$$
    ]) WITH ORDINALITY AS q (query, i), refused(query) r ORDER BY i;
\pset format aligned
\pset tuples_only off
-- a stream that has begun in the middle of its topic
CREATE FOREIGN TABLE late (n int) SERVER outside_kafka OPTIONS (topic 'outside', start 'latest');
SELECT streambatch.create_view('late_view', 'SELECT count(*) FROM late');
SELECT streambatch.begin_batch('late_view');

-- ---- what can be written ----
SELECT streambatch.create_view('written', $$SELECT CASE WHEN ok IS NOT TRUE THEN abs(n - 3) * 2 ELSE -1 END AS a, coalesce(k, 'O''Neil\n') AS "a b", nullif(n, 3)::bigint AS n,
    max(length(k)), sum(v * 2 - 0.5) AS s1, sum(n::bigint) AS s2, min((k || 'x') COLLATE "C"), count(*) FILTER (WHERE n % 2 = 1 AND ok IS DISTINCT FROM true), sum(n::float8 / 0.25::float8) AS s3
    FROM s WHERE ts >= '2025-03-30 00:00:00.25Z' AND (k NOT IN ('b') OR n BETWEEN 2 AND 3 OR k LIKE '%b' OR ok) AND NOT (v IS NULL) GROUP BY 1, 2, 3$$);
CREATE TABLE written_before AS TABLE written;
SELECT query FROM streambatch.begin_batch('written') \gx
SELECT whole('written', NULL);
SELECT count(*) FROM ((TABLE written EXCEPT ALL TABLE written_before) UNION ALL (TABLE written_before EXCEPT ALL TABLE written)) d;
SELECT streambatch.create_view('span', $$SELECT streambatch.tumble(ts, '36 hours', '2025-01-01 01:00Z') AS w, count(*) AS c FROM s GROUP BY 1$$);
CREATE TABLE span_before AS TABLE span;
SELECT whole('span');
SELECT count(*) FROM ((TABLE span EXCEPT ALL TABLE span_before) UNION ALL (TABLE span_before EXCEPT ALL TABLE span)) d;

-- ---- a correction while a batch is open remains marked; a rebuild ends the batch ----
CREATE TEMP TABLE b AS SELECT * FROM streambatch.begin_batch('daily', "to" => '2025-03-30 22:00Z');
SELECT compute(query, staging) FROM b;
UPDATE s_archive SET n = 1000 WHERE kafka_partition = 0 AND kafka_offset = 3;
SELECT streambatch.publish_batch(id) FROM b;
SELECT dirty_panes FROM streambatch.stat_view WHERE view = 'daily'::regclass;
CALL streambatch.refresh('daily');
SELECT dirty_panes, differ FROM streambatch.stat_view v, differences() d WHERE v.view = 'daily'::regclass AND d.view = 'daily';
DROP TABLE b;
SELECT id AS batch, staging FROM streambatch.begin_batch('daily') \gset
CALL streambatch.rebuild('daily');
SELECT to_regclass(:'staging') IS NULL AS dropped;
SELECT state, error FROM streambatch.refresh_history WHERE id = :batch;
SELECT f.* FROM failure(format('SELECT streambatch.publish_batch(%s)', :batch)) f;
SELECT * FROM differences() WHERE view = 'daily';
SELECT id AS batch, staging FROM streambatch.begin_batch('total') \gset

-- ---- rights ----
CREATE ROLE outside_owner;
CREATE ROLE outside_other;
GRANT ALL ON SCHEMA outside TO outside_owner, outside_other;
GRANT SELECT ON s, s_archive TO outside_owner, outside_other;
ALTER VIEW total OWNER TO outside_owner;
GRANT SELECT ON total TO outside_other;
\set VERBOSITY terse
SET ROLE outside_other;
SELECT streambatch.begin_batch('total');
SELECT streambatch.publish_batch(:batch);
SELECT streambatch.abandon_batch(:batch);
SELECT has_table_privilege(:'staging', 'SELECT');
SET ROLE outside_owner;
SELECT streambatch.abandon_batch(:batch);
SELECT id AS batch, staging FROM streambatch.begin_batch('total') \gset
INSERT INTO :staging VALUES (1, 2);
SELECT regexp_replace(f.message, '\d+_\d+', 'N') FROM unnest(ARRAY['ALTER TABLE %s ADD CHECK (count > 0)', 'CREATE RULE x AS ON INSERT TO %s DO INSTEAD NOTHING', 'DROP TABLE %s']) q, failure(format(q, :'staging')) f;
RESET ROLE;

-- ---- a batch in the way of DROP: everything goes ----
ALTER VIEW total OWNER TO outside_other;
SELECT relowner::regrole FROM pg_class WHERE oid = :'staging'::regclass;
DROP VIEW total;
SELECT to_regclass(:'staging') IS NULL AS dropped;
SELECT f.* FROM failure(format('SELECT streambatch.publish_batch(%s)', :batch)) f;
SELECT id > 0 AS begun FROM streambatch.begin_batch('hourly', "to" => 'infinity');
DROP FOREIGN TABLE s, t, late CASCADE;
SELECT relname FROM pg_class WHERE relnamespace = 'streambatch_state'::regnamespace AND relname LIKE 'staging%';
DROP SCHEMA outside CASCADE;
DROP SERVER outside_kafka;
DROP ROLE outside_owner, outside_other;
