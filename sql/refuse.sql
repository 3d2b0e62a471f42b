-- What create_view refuses: each with its SQLSTATE, its reason, and what to do instead.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pg_streambatch;
CREATE SCHEMA refuse;
SET search_path = refuse;
\getenv broker STREAMBATCH_BROKER
\! test/broker/broker-command create refuse 4
\! test/broker/broker-command create refuse2 4
CREATE SERVER refuse_kafka FOREIGN DATA WRAPPER streambatch_kafka OPTIONS ("bootstrap.servers" :'broker');
CREATE TYPE pair AS (a int, b int);
CREATE COLLATION ignore_case (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
CREATE FOREIGN TABLE events (
    id bigint, kind text, amount numeric(10, 2), x float8, ts timestamptz, naive timestamp, day date, doc json, tags text[],
    place point, cents money, p pair, ci text COLLATE ignore_case
) SERVER refuse_kafka OPTIONS (topic 'refuse', event_time 'ts');
CREATE FOREIGN TABLE timeless (id bigint, ts timestamptz) SERVER refuse_kafka OPTIONS (topic 'refuse');
CREATE TABLE plain (id bigint, ts timestamptz);
CREATE TEMPORARY TABLE passing (id bigint);
CREATE TABLE keyed (id bigint PRIMARY KEY, ts timestamptz);
CREATE VIEW over_events AS SELECT * FROM events;
CREATE MATERIALIZED VIEW kept AS SELECT 1 AS id;
CREATE FUNCTION volatile_function(int) RETURNS int LANGUAGE sql VOLATILE AS 'SELECT $1';
CREATE FUNCTION session_size() RETURNS interval LANGUAGE plpgsql STABLE AS $$BEGIN RETURN '1 h'; END$$;
CREATE AGGREGATE own_sum(int) (SFUNC = int4pl, STYPE = int);
CREATE AGGREGATE count(kind text) (SFUNC = textcat, STYPE = text);

-- The error of a create_view, in words; NULL where there was none, which is undone.
CREATE FUNCTION try(query text, name text DEFAULT 'refused', options text DEFAULT '') RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    d text; h text;
BEGIN
    EXECUTE format('SELECT streambatch.create_view(%L, %L%s)', name, query, options);
    RAISE SQLSTATE 'ZZZZZ';
EXCEPTION WHEN SQLSTATE 'ZZZZZ' THEN
    RETURN 'accepted';
WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS d = PG_EXCEPTION_DETAIL, h = PG_EXCEPTION_HINT;
    RETURN SQLSTATE || ' ' || SQLERRM || CASE WHEN d <> '' THEN E'\n  DETAIL: ' || d ELSE '' END ||
           CASE WHEN h <> '' THEN E'\n  HINT: ' || h ELSE '' END;
END $$;
\pset format unaligned
\pset tuples_only on

-- ---- no query ----
SELECT q || E'\n  ' || try(q) FROM unnest(ARRAY[
    '', ' ; ', '-- nothing', 'SELECT', 'SELECT count(*) FROM nowhere', 'SELECT count(*) FROM events;',
    'SELECT count(*) FROM events; SELECT 1', 'INSERT INTO plain VALUES (1)', 'DELETE FROM plain RETURNING id', 'TABLE events',
    'VALUES (1)', 'EXPLAIN SELECT count(*) FROM events', 'CREATE TABLE t AS SELECT count(*) FROM events',
    'SELECT count(*) INTO t FROM events', 'SELECT count(*) FROM events WHERE id = $1', 'SELECT nope(id), count(*) FROM events GROUP BY 1',
    'SELECT id, count(*) FROM events', 'DECLARE c CURSOR FOR SELECT count(*) FROM events']) q;

-- ---- the shape ----
SELECT q || E'\n  ' || try(q) FROM unnest(ARRAY[
    'SELECT count(*) FROM events UNION ALL SELECT count(*) FROM events',
    'SELECT kind FROM events INTERSECT SELECT kind FROM events',
    'WITH e AS (SELECT * FROM events) SELECT count(*) FROM e',
    'WITH RECURSIVE e AS (SELECT 1) SELECT count(*) FROM events',
    'SELECT kind, count(*), sum(count(*)) OVER () FROM events GROUP BY kind',
    'SELECT kind, count(*) FROM events GROUP BY kind LIMIT 5',
    'SELECT kind, count(*) FROM events GROUP BY kind OFFSET 5',
    'SELECT kind, count(*) FROM events GROUP BY kind FETCH FIRST 1 ROW WITH TIES',
    'SELECT kind, count(*) FROM events GROUP BY kind ORDER BY kind FETCH FIRST 1 ROW WITH TIES',
    'SELECT kind, count(*) FROM events GROUP BY kind ORDER BY 2',
    'SELECT count(*) FROM events FOR UPDATE',
    'SELECT kind FROM events FOR UPDATE',
    'SELECT count(*), (SELECT 1) FROM events',
    'SELECT count(*) FILTER (WHERE id IN (SELECT id FROM plain)) FROM events',
    'SELECT count(*) FROM events HAVING count(*) > (SELECT count(*) FROM plain)',
    'SELECT count(*) FROM events WHERE id = (SELECT max(id) FROM plain)',
    'SELECT count(*) FROM events WHERE id > ALL (SELECT id FROM plain)',
    'SELECT count(*) FROM events e WHERE EXISTS (SELECT FROM events f WHERE f.id = e.id)',
    'SELECT DISTINCT kind, count(*) FROM events GROUP BY kind, id',
    'SELECT DISTINCT kind FROM events GROUP BY kind, id',
    'SELECT DISTINCT id FROM plain',
    'SELECT DISTINCT ON (kind) kind, count(*) FROM events GROUP BY kind, id',
    'SELECT DISTINCT kind FROM events GROUP BY ROLLUP (kind)',
    'SELECT DISTINCT kind, grouping(kind) FROM events GROUP BY kind',
    $$SELECT kind, streambatch.session(ts, '5 s') AS w, count(*) FROM events GROUP BY ROLLUP (kind, w)$$,
    'SELECT kind AS a, kind AS b, count(*) FROM events GROUP BY ROLLUP (a, b)',
    'SELECT 1 FROM events GROUP BY ()',
    'SELECT kind FROM events',
    'SELECT * FROM events',
    'SELECT 1 FROM events HAVING true',
    'SELECT unnest(tags), count(*) FROM events GROUP BY 1',
    'SELECT kind, generate_series(1, 2), count(*) FROM events GROUP BY kind',
    'SELECT kind, count(*) FROM events TABLESAMPLE system (1) GROUP BY kind',
    'SELECT kind, count(*) FROM events JOIN plain TABLESAMPLE system (1) USING (id) GROUP BY kind',
    'SELECT kind, count(*) FROM events JOIN (SELECT * FROM plain FOR SHARE) p USING (id) GROUP BY kind',
    'SELECT kind, count(*) FROM events JOIN passing USING (id) GROUP BY kind',
    $$SELECT w, count(*) FROM events e, LATERAL (SELECT streambatch.session(e.ts, '5 s') AS w) l GROUP BY w$$]) q;

-- ---- what it reads ----
SELECT q || E'\n  ' || try(q) FROM unnest(ARRAY[
    'SELECT count(*)',
    'SELECT count(*) FROM plain',
    'SELECT count(*) FROM over_events',
    'SELECT count(*) FROM kept',
    'SELECT count(*) FROM generate_series(1, 3)',
    'SELECT count(*) FROM (VALUES (1)) v',
    'SELECT count(*) FROM (SELECT * FROM events) e',
    'SELECT count(*) FROM pg_catalog.pg_class',
    'SELECT count(*) FROM plain p LEFT JOIN events e USING (id)',
    'SELECT count(*) FROM events e RIGHT JOIN plain p USING (id)',
    'SELECT count(*) FROM events e FULL JOIN plain p USING (id)',
    'SELECT count(*) FROM plain p JOIN plain q USING (id)',
    'SELECT count(*) FROM events e JOIN over_events o USING (id)',
    'SELECT count(*) FROM events e JOIN (SELECT * FROM over_events) o USING (id)',
    'SELECT count(*) FROM events e JOIN pg_catalog.pg_views o ON o.viewname = e.kind',
    'SELECT p.id, p.ts, count(*) FROM events e JOIN keyed p USING (id) GROUP BY p.id',
    'SELECT count(*) FROM events e JOIN events f USING (id)',
    'SELECT count(e) FROM events e',
    'SELECT count(*) FILTER (WHERE e IS NOT NULL) FROM events e',
    'SELECT tableoid, count(*) FROM events GROUP BY 1',
    'SELECT count(*) FROM events WHERE tableoid = 1',
    'SELECT count(ctid) FROM events']) q;

-- ---- what would change by itself ----
SELECT q || E'\n  ' || try(q) FROM unnest(ARRAY[
    'SELECT count(*) FROM events WHERE ts > now()',
    'SELECT count(*) FROM events WHERE ts > current_timestamp - interval ''1 h''',
    'SELECT count(*) FROM events WHERE ts > current_timestamp(0)',
    'SELECT current_date, count(*) FROM events GROUP BY 1',
    'SELECT count(*) FILTER (WHERE naive > localtimestamp) FROM events',
    'SELECT count(*) FROM events HAVING max(ts) > now()',
    'SELECT count(*) FROM events HAVING max(ts::time) > localtime',
    'SELECT max(age(ts)) FROM events',
    'SELECT max(age(naive)) FROM events',
    'SELECT count(*) FROM events WHERE ts > statement_timestamp()',
    'SELECT count(*) FROM events WHERE ts > transaction_timestamp()',
    'SELECT count(*) FROM events WHERE ts > clock_timestamp()',
    'SELECT count(*) FROM events WHERE random() < 0.5',
    'SELECT gen_random_uuid(), count(*) FROM events GROUP BY 1',
    'SELECT sum(refuse.volatile_function(1)) FROM events',
    'SELECT streambatch.tumble(now(), ''1 h''), count(*) FROM events GROUP BY 1']) q;

-- ---- aggregates ----
SELECT q || E'\n  ' || try(q) FROM unnest(ARRAY[
    'SELECT count(DISTINCT kind) FROM events', 'SELECT sum(DISTINCT amount) FROM events', 'SELECT min(DISTINCT kind) FROM events',
    'SELECT sum(amount ORDER BY id) FROM events', 'SELECT array_agg(id ORDER BY id) FROM events', 'SELECT jsonb_agg(kind) FROM events',
    'SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY x) FROM events', 'SELECT mode() WITHIN GROUP (ORDER BY kind) FROM events',
    'SELECT rank(1) WITHIN GROUP (ORDER BY id) FROM events',
    'SELECT stddev(x) FROM events', 'SELECT variance(amount) FROM events', 'SELECT corr(x, x) FROM events', 'SELECT regr_count(x, x) FROM events',
    'SELECT bool_and(id > 0) FROM events', 'SELECT every(id > 0) FROM events', 'SELECT bit_or(id) FROM events',
    'SELECT refuse.own_sum(id::int) FROM events', 'SELECT refuse.count(kind) FROM events', 'SELECT range_agg(int4range(1, 2)) FROM events',
    'SELECT kind, count(*) FROM events GROUP BY kind HAVING stddev(x) > 1',
    'SELECT kind, 1 + coalesce(stddev(x), 0) FROM events GROUP BY kind',
    'SELECT sum(kind) FROM events', 'SELECT avg(cents) FROM events', 'SELECT max(doc) FROM events',
    'SELECT sum(count(*)) FROM events']) q;

-- ---- keys ----
SELECT q || E'\n  ' || try(q) FROM unnest(ARRAY[
    'SELECT doc, count(*) FROM events GROUP BY 1', 'SELECT place, count(*) FROM events GROUP BY 1',
    'SELECT id::text::xid, cents, count(*) FROM events GROUP BY 1, 2',
    'SELECT id::text::xid, streambatch.session(ts, ''1 min''), count(*) FROM events GROUP BY 1, 2',
    'SELECT ROW (id, kind), count(*) FROM events GROUP BY 1', 'SELECT ARRAY[place], count(*) FROM events GROUP BY 1',
    'SELECT ci, count(*) FROM events GROUP BY 1', 'SELECT kind COLLATE refuse.ignore_case, count(*) FROM events GROUP BY 1',
    'SELECT count(*) FROM events GROUP BY 5']) q;

-- ---- output columns ----
SELECT q || E'\n  ' || try(q) FROM unnest(ARRAY[
    'SELECT count(*), count(id) FROM events', 'SELECT kind, kind, count(*) FROM events GROUP BY kind', 'SELECT 1, 2, count(*) FROM events',
    'SELECT count(*) AS a, sum(x) AS b, max(x) AS a FROM events',
    'SELECT kind AS exact, count(*) FROM events GROUP BY 1', 'SELECT count(*) AS closed FROM events',
    'SELECT kind AS stream_n, count(*) AS n FROM events GROUP BY 1', 'SELECT count(*) AS n, sum(x) AS batch_n FROM events',
    'SELECT kind AS stream_as_of, count(*) FROM events GROUP BY 1',
    'SELECT count(*) AS ctid FROM events', 'SELECT kind AS tableoid, count(*) FROM events GROUP BY 1']) q;

-- ---- windows ----
SELECT q || E'\n  ' || try(q) FROM unnest(ARRAY[
    'SELECT streambatch.tumble(ts, ''1 h''), streambatch.tumble(ts, ''1 day'') AS d, count(*) FROM events GROUP BY 1, 2',
    'SELECT streambatch.tumble(ts, ''1 h''), streambatch.tumble_end(ts, ''1 day'') AS d, count(*) FROM events GROUP BY 1, 2',
    'SELECT streambatch.tumble(ts, ''1 h''), streambatch.tumble(naive, ''1 h'') AS d, count(*) FROM events GROUP BY 1, 2',
    'SELECT streambatch.tumble(ts, ''1 h''), streambatch.tumble(ts, ''1 h'', ''2000-01-01 00:30'') AS d, count(*) FROM events GROUP BY 1, 2',
    'SELECT streambatch.tumble(ts, ''0''), count(*) FROM events GROUP BY 1',
    'SELECT streambatch.tumble(ts, ''-1 h''), count(*) FROM events GROUP BY 1',
    'SELECT streambatch.tumble(ts, ''1 day 1 h''), count(*) FROM events GROUP BY 1',
    'SELECT streambatch.tumble(day, ''1 h''), count(*) FROM events GROUP BY 1',
    'SELECT streambatch.tumble(ts, ''1 h'', ''infinity''), count(*) FROM events GROUP BY 1',
    'SELECT streambatch.tumble(day, ''1 day'', ''-infinity''), count(*) FROM events GROUP BY 1',
    'SELECT streambatch.tumble(day, ''1 day'', ''5874897-12-31''), count(*) FROM events GROUP BY 1',
    'SELECT streambatch.tumble(ts, NULL), count(*) FROM events GROUP BY 1',
    'SELECT streambatch.tumble(ts, ''1 h'', NULL, NULL), count(*) FROM events GROUP BY 1',
    'SELECT streambatch.tumble(ts, id * interval ''1 s''), count(*) FROM events GROUP BY 1',
    'SELECT streambatch.tumble(ts, ''1 h'', ts), count(*) FROM events GROUP BY 1',
    'SELECT streambatch.tumble(ts, ''1 h'', NULL, kind), count(*) FROM events GROUP BY 1',
    'SELECT streambatch.tumble(ts, refuse.session_size()), count(*) FROM events GROUP BY 1',
    'SELECT streambatch.tumble(ts), count(*) FROM events GROUP BY 1',
    'SELECT streambatch.tumble(ts, ''1 h''), count(*) FROM timeless GROUP BY 1',
    'SELECT streambatch.tumble(ts, ''1 day'', time_zone => ''Mars/Olympus''), count(*) FROM events GROUP BY 1',
    'SELECT streambatch.hop(ts, ''5 min'', ''1 min''), count(*) FROM events GROUP BY 1',
    'SELECT streambatch.hop(ts, ''0'', ''1 min''), count(*) FROM events GROUP BY 1',
    'SELECT streambatch.hop(ts, ''1 us'', ''1 min''), count(*) FROM events GROUP BY 1',
    'SELECT streambatch.cumulate(ts, ''1 ms'', ''1 day'', time_zone => ''Europe/Berlin''), count(*) FROM events GROUP BY 1',
    'SELECT streambatch.hop(ts, ''25 hours'', ''1 day''), count(*) FROM events GROUP BY 1',
    'SELECT streambatch.hop(ts, ''1 day'', ''1 month''), count(*) FROM events GROUP BY 1',
    'SELECT streambatch.hop(ts, id * interval ''1 s'', ''1 min''), count(*) FROM events GROUP BY 1',
    'SELECT streambatch.cumulate(ts, ''25 s'', ''1 min''), count(*) FROM events GROUP BY 1',
    'SELECT streambatch.cumulate(ts, ''5 hours'', ''1 day''), count(*) FROM events GROUP BY 1',
    'SELECT streambatch.cumulate(ts, ''1 hour'', ''1 month''), count(*) FROM events GROUP BY 1',
    'SELECT date_trunc(''fortnight'', ts), count(*) FROM events GROUP BY 1',
    'SELECT date_trunc(''timezone'', ts, ''UTC''), count(*) FROM events GROUP BY 1',
    'SELECT date_bin(''0'', ts, ''2000-01-01''), count(*) FROM events GROUP BY 1',
    'SELECT date_bin(''-1 day'', ts, ''2000-01-01''), count(*) FROM events GROUP BY 1',
    'SELECT date_bin(''1 month'', ts, ''2000-01-01''), count(*) FROM events GROUP BY 1',
    'SELECT date_bin(''1 day'', ts, ''infinity''), count(*) FROM events GROUP BY 1',
    'SELECT streambatch.session(ts, ''0''), count(*) FROM events GROUP BY 1',
    'SELECT streambatch.session(ts, ''1 month''), count(*) FROM events GROUP BY 1',
    'SELECT streambatch.session(ts, ''1 min''), streambatch.session(ts, ''2 min'') AS s, count(*) FROM events GROUP BY 1, 2',
    'SELECT streambatch.hop(ts, ''1 min'', ''2 min''), streambatch.tumble(ts, ''1 min'') AS s, count(*) FROM events GROUP BY 1, 2',
    'SELECT streambatch.hop(ts, ''1 min'', ''5 min'') + id * interval ''1 s'', count(*) FROM events GROUP BY 1',
    'SELECT streambatch.hop(p.ts, ''1 min'', ''5 min''), count(*) FROM events JOIN plain p USING (id) GROUP BY 1',
    'SELECT streambatch.session(ts, ''1 min''), count(*) FROM timeless GROUP BY 1',
    'SELECT streambatch.session(ts, ''1 min'') AS s, count(*) FROM events GROUP BY streambatch.tumble(ts, ''1 min'')',
    'SELECT streambatch.session(ts, ''1 min'') + max(ts) AS s, count(*) FROM events',
    'SELECT streambatch.hop(''2025-01-01''::timestamptz, ''1 min'', ''5 min'') AS s, count(*) FROM events',
    'SELECT max(streambatch.session(ts, ''1 min'')) FROM events',
    'SELECT count(*) FROM events HAVING streambatch.session(max(ts), ''1 min'') > now()',
    'SELECT count(*) FROM events WHERE streambatch.session(ts, ''1 min'') > ts',
    'SELECT h, count(*) FROM events, streambatch.hop(ts, ''1 min'', ''5 min'') h GROUP BY 1']) q;

-- ---- names ----
CREATE TABLE taken ();
CREATE TABLE half_layers ();
CREATE TEMP TABLE temporary ();
SELECT n || E'\n  ' || try('SELECT count(*) FROM events', n) FROM unnest(ARRAY[
    'taken', 'refuse.taken', 'half', 'events', 'nowhere.v', 'pg_temp.v', 'pg_catalog.v', '', ' ', '"', 'a.b.c', 'other.refuse.v',
    '"x', repeat('x', 57), repeat('x', 63), repeat('x', 64), repeat('ü', 29), 'v"']) n;
SELECT try('SELECT count(*) FROM events', 'Fo"o'), try('SELECT count(*) FROM events', '"Fo""o; DROP TABLE taken"'),
       try('SELECT count(*) FROM events', repeat('x', 56)), try('SELECT count(*) FROM events', 'regression.refuse.v');

-- ---- the other arguments ----
SELECT o || E'\n  ' || try('SELECT count(*) FROM events', options => o) FROM unnest(ARRAY[
    ', NULL', ', ''1 s'', NULL', ', history => NULL', ', max_staleness => ''-1 s''', ', max_staleness => ''-1 day''',
    ', max_staleness => ''1 day -48 h''', ', max_staleness => ''1 month -60 days''',
    ', allowed_lateness => ''-1 us''', ', allowed_lateness => ''-1 month''', ', max_staleness => ''nonsense''', ', nonsense => 1',
    ', max_staleness => ''178000000 years''', ', allowed_lateness => ''36526 days''', ', allowed_lateness => ''2562047788 hours''']) o;
SELECT try(NULL, 'v');
SELECT coalesce(streambatch.create_view(NULL, 'SELECT count(*) FROM events')::text, 'null');
SELECT coalesce(streambatch.create_view('v', NULL)::text, 'null');

-- ---- streams that cannot be opened ----
CREATE FOREIGN TABLE wrong_time (id bigint, kind text) SERVER refuse_kafka OPTIONS (topic 'refuse', event_time 'when');
CREATE FOREIGN TABLE wrong_type (id bigint, kind text) SERVER refuse_kafka OPTIONS (topic 'refuse', event_time 'kind');
CREATE FOREIGN TABLE wrong_meta (id bigint, o int OPTIONS (metadata 'offset')) SERVER refuse_kafka OPTIONS (topic 'refuse');
CREATE FOREIGN TABLE wrong_raw (id bigint, b bytea) SERVER refuse_kafka OPTIONS (topic 'refuse', format 'raw');
CREATE FOREIGN TABLE wrong_archive (id bigint) SERVER refuse_kafka OPTIONS (topic 'refuse', archive 'nowhere.archive');
CREATE FOREIGN TABLE in_archive_view (id bigint) SERVER refuse_kafka OPTIONS (topic 'refuse', archive 'over_events');
CREATE FOREIGN TABLE archived (id bigint) SERVER refuse_kafka OPTIONS (topic 'refuse');
SELECT streambatch.pause('archived');
CREATE FOREIGN TABLE in_archive_of_other (id bigint) SERVER refuse_kafka OPTIONS (topic 'refuse2', archive 'archived_archive');
CREATE UNLOGGED TABLE unlogged (id bigint, kafka_partition int, kafka_offset bigint);
CREATE FOREIGN TABLE in_unlogged (id bigint) SERVER refuse_kafka OPTIONS (topic 'refuse', archive 'unlogged');
CREATE FOREIGN TABLE like_position (id bigint, kafka_offset bigint) SERVER refuse_kafka OPTIONS (topic 'refuse');
CREATE FOREIGN TABLE like_position_kept (id bigint, kafka_offset bigint) SERVER refuse_kafka OPTIONS (topic 'refuse', archive 'none');
CREATE FOREIGN TABLE no_columns () SERVER refuse_kafka OPTIONS (topic 'refuse');
SELECT q || E'\n  ' || try(q) FROM unnest(ARRAY[
    'SELECT count(*) FROM wrong_time', 'SELECT count(*) FROM wrong_type', 'SELECT count(*) FROM wrong_meta', 'SELECT count(*) FROM wrong_raw',
    'SELECT count(*) FROM wrong_archive', 'SELECT count(*) FROM in_archive_view',
    'SELECT count(*) FROM in_archive_of_other', 'SELECT count(*) FROM in_unlogged',
    'SELECT count(*) FROM like_position', 'SELECT count(*) FROM like_position_kept', 'SELECT count(*) FROM no_columns']) q;

-- ---- taken after all: the edges of what is refused ----
SELECT q || E'\n  ' || try(q) FROM unnest(ARRAY[
    'SELECT count(*) FROM ONLY events', 'SELECT count(*) FROM events AS e (a, b, c)', 'SELECT count(*) FROM refuse.events;;',
    'SELECT kind FROM events GROUP BY kind', 'SELECT 1 FROM events HAVING count(*) > 0', 'SELECT count(*) FROM events GROUP BY ''x''::text',
    'SELECT p, count(*) FROM events GROUP BY p', 'SELECT current_user, count(*) FROM events GROUP BY 1',
    'SELECT streambatch.tumble(ts, interval ''1 h'' * 2), count(*) FROM events GROUP BY 1',
    'SELECT streambatch.tumble(ts, ''1 h''), streambatch.tumble(ts, ''60 min'') AS same, count(*) FROM events GROUP BY 1, 2',
    'SELECT count(*) FROM events WHERE false',
    'SELECT sum(cents), min(tags) FROM events',
    'SELECT count(*) FROM events GROUP BY ' || (SELECT string_agg(format('id + %s', i), ', ') FROM generate_series(1, 30) i)]) q;
\pset tuples_only off
\pset format aligned

-- the place of an error is one in the query
SELECT streambatch.create_view('v', 'SELECT id, coutn(*) FROM events GROUP BY 1');
SELECT streambatch.create_view('v', E'SELECT id, count(*)\n FORM events GROUP BY 1');
SELECT streambatch.create_view('v', 'SELECT id, count(*) FROM events');

-- nothing of it is left
SELECT count(*) FROM streambatch.stat_view WHERE stream::text LIKE 'refuse%';
SELECT relname FROM pg_class WHERE relnamespace = 'refuse'::regnamespace AND relkind = 'v' ORDER BY 1;
DROP SCHEMA refuse CASCADE;
DROP SERVER refuse_kafka;
