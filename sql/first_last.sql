-- streambatch.first() and last(): by hand over any table, and in hybrid views by the order of a key.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pg_streambatch;
CREATE SCHEMA first_last;
SET search_path = first_last;
SET timezone = 'UTC';
SET datestyle = 'ISO, DMY';
\getenv broker STREAMBATCH_BROKER

-- ---- by hand ----
CREATE TABLE t (k int, n int, x text);
INSERT INTO t VALUES (1, 3, 'c'), (1, 1, 'a'), (1, 2, NULL), (2, 5, NULL), (2, 6, 'f'), (3, NULL, 'nowhere'), (3, 4, 'd'), (4, 1, NULL);
SELECT k, streambatch.first(x ORDER BY n), streambatch.last(x ORDER BY n), streambatch.first(x ORDER BY n DESC) AS first_desc,
       streambatch.last(x ORDER BY n) FILTER (WHERE x IS NOT NULL) AS last_known FROM t GROUP BY k ORDER BY k;
SELECT streambatch.first(x ORDER BY n) AS first, streambatch.last(n ORDER BY n) AS last FROM t WHERE false;
SELECT streambatch.first(ARRAY[n] ORDER BY n), streambatch.last((n, x) ORDER BY n, x), streambatch.first(n::numeric(5, 2) ORDER BY n) FROM t WHERE k < 3;
SELECT k, n, streambatch.first(x) OVER w, streambatch.last(x) OVER w FROM t WHERE k < 3 WINDOW w AS (PARTITION BY k ORDER BY n) ORDER BY 1, 2;
-- a thousand groups, against arrays
SELECT count(*) AS groups, count(*) FILTER (WHERE f IS DISTINCT FROM a[1] OR l IS DISTINCT FROM a[cardinality(a)]) AS wrong
  FROM (SELECT i % 1000, streambatch.first(md5(i::text) ORDER BY i * 7919 % 100003) AS f, streambatch.last(md5(i::text) ORDER BY i * 7919 % 100003) AS l,
               array_agg(md5(i::text) ORDER BY i * 7919 % 100003) AS a FROM generate_series(1, 20000) i GROUP BY 1) s;

-- ---- in a hybrid view: ties go by partition and offset ----
\! test/broker/broker-command create first_last 3
CREATE SERVER first_last_kafka FOREIGN DATA WRAPPER streambatch_kafka OPTIONS ("bootstrap.servers" :'broker');
CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
CREATE TYPE pair AS (a int, m mood);
CREATE DOMAIN known AS text NOT NULL;
CREATE FOREIGN TABLE events (
    part int OPTIONS (metadata 'partition'), pos bigint OPTIONS (metadata 'offset'), key text OPTIONS (metadata 'key'),
    k int, n int, price numeric(10, 2), x text COLLATE "C", doc jsonb, tags text[], m mood, d known, b bytea, i interval, ts timestamptz, naive timestamp, day date
) SERVER first_last_kafka OPTIONS (topic 'first_last', event_time 'ts');
SELECT streambatch.create_view('latest', $$SELECT k, streambatch.first(x ORDER BY ts) AS first_x, streambatch.last(x ORDER BY ts) AS last_x,
    streambatch.last(n ORDER BY ts, part, pos) AS last_n, streambatch.first(n ORDER BY ts DESC, part DESC, pos DESC) AS same_n,
    streambatch.last(price ORDER BY ts) FILTER (WHERE price > 20) AS last_price, count(*) AS c FROM events GROUP BY k$$);
SELECT streambatch.create_view('types', $$SELECT k, streambatch.last(doc ORDER BY ts) AS doc, streambatch.last(tags ORDER BY ts) AS tags,
    streambatch.last(m ORDER BY ts) AS m, streambatch.last(d ORDER BY ts) AS d, streambatch.last(b ORDER BY ts) AS b, streambatch.last(i ORDER BY ts) AS i,
    streambatch.last((n, m)::pair ORDER BY ts) AS p, streambatch.last(price ORDER BY ts) AS price, streambatch.last(x > 'm' ORDER BY ts) AS late
    FROM events GROUP BY k$$);
SELECT streambatch.create_view('keys', $$SELECT streambatch.tumble(ts, '1 h') AS w, streambatch.last(x ORDER BY n) AS by_int, streambatch.last(x ORDER BY n::smallint) AS by_smallint,
    streambatch.first(x ORDER BY pos) AS by_bigint, streambatch.last(x ORDER BY naive) AS by_timestamp, streambatch.first(x ORDER BY day) AS by_date,
    streambatch.last(x ORDER BY date_trunc('hour', ts, 'UTC')) AS by_expression FROM events GROUP BY 1$$);
SELECT streambatch.create_view('total', 'SELECT streambatch.last(x ORDER BY ts) AS x FROM events');
CREATE TABLE names (n int PRIMARY KEY, name text);
INSERT INTO names SELECT i, 'name of ' || i FROM generate_series(0, 49) i;
SELECT streambatch.create_view('joined', $$SELECT e.k, streambatch.last(t.name ORDER BY e.ts) AS name FROM events e JOIN names t ON t.n = e.n GROUP BY e.k$$);
SELECT format_type(atttypid, atttypmod) AS type, attcollation::regcollation AS collation, attname FROM pg_attribute
 WHERE attrelid IN ('latest'::regclass, 'types'::regclass) AND attnum > 0 ORDER BY attrelid, attnum;
SELECT * FROM total;

-- events in disorder, with ties, NULLs and negative keys
CREATE FUNCTION put(lo int, hi int) RETURNS void LANGUAGE sql AS $$
INSERT INTO first_last.events (key, k, n, price, x, doc, tags, m, d, b, i, ts, naive, day)
SELECT i % 10, i % 7, i * 31 % 50 - 10, CASE WHEN i % 3 > 0 THEN (i % 50)::numeric / 3 END, CASE WHEN i % 5 > 0 THEN 'x' || i ELSE NULL END, jsonb_build_object('i', i),
       ARRAY['a', NULL, i::text], (enum_range(NULL::first_last.mood))[1 + i % 3], 'd' || i, decode(md5(i::text), 'hex'), i * interval '1 month 1 s',
       '2025-02-14 12:00'::timestamptz + i * 17 % 40 * interval '5 min', '2025-02-14 12:00'::timestamp - i * 17 % 40 * interval '1 min',
       '2025-02-14'::date + i % 3
  FROM generate_series(lo, hi) i $$;
SELECT put(1, 300);
SELECT streambatch.wait_for('events');

-- Each view against the plain query, and that against arrays; from whichever layer.
CREATE FUNCTION differences() RETURNS TABLE (view text, rows bigint, wrong bigint) LANGUAGE sql AS $$
WITH latest AS (SELECT k, (array_agg(x ORDER BY ts, part, pos))[1] AS first_x, (array_agg(x ORDER BY ts DESC, part DESC, pos DESC))[1] AS last_x,
                (array_agg(n ORDER BY ts DESC, part DESC, pos DESC))[1] AS last_n, (array_agg(n ORDER BY ts DESC, part DESC, pos DESC))[1] AS same_n,
                (array_agg(price ORDER BY ts DESC, part DESC, pos DESC) FILTER (WHERE price > 20))[1] AS last_price, count(*) AS c FROM first_last.events_archive GROUP BY k),
types AS (SELECT DISTINCT ON (k) k, doc, tags, m, d, b, i, (n, m)::first_last.pair AS p, price, x > 'm' AS late FROM first_last.events_archive ORDER BY k, ts DESC, part DESC, pos DESC),
keys AS (SELECT date_trunc('hour', ts) AS w, (array_agg(x ORDER BY n DESC, part DESC, pos DESC))[1] AS by_int, (array_agg(x ORDER BY n DESC, part DESC, pos DESC))[1] AS by_smallint,
         (array_agg(x ORDER BY pos, part))[1] AS by_bigint, (array_agg(x ORDER BY naive DESC, part DESC, pos DESC))[1] AS by_timestamp,
         (array_agg(x ORDER BY day, part, pos))[1] AS by_date, (array_agg(x ORDER BY part DESC, pos DESC))[1] AS by_expression FROM first_last.events_archive GROUP BY 1),
joined AS (SELECT e.k, (array_agg(t.name ORDER BY e.ts DESC, e.part DESC, e.pos DESC))[1] AS name FROM first_last.events_archive e JOIN first_last.names t ON t.n = e.n GROUP BY e.k)
SELECT 'latest', (SELECT count(*) FROM first_last.latest), (SELECT count(*) FROM ((TABLE latest EXCEPT TABLE first_last.latest) UNION ALL (TABLE first_last.latest EXCEPT TABLE latest)) u)
UNION ALL SELECT 'types', (SELECT count(*) FROM first_last.types), (SELECT count(*) FROM ((TABLE types EXCEPT TABLE first_last.types) UNION ALL (TABLE first_last.types EXCEPT TABLE types)) u)
UNION ALL SELECT 'keys', (SELECT count(*) FROM first_last.keys), (SELECT count(*) FROM ((TABLE keys EXCEPT TABLE first_last.keys) UNION ALL (TABLE first_last.keys EXCEPT TABLE keys)) u)
UNION ALL SELECT 'joined', (SELECT count(*) FROM first_last.joined), (SELECT count(*) FROM ((TABLE joined EXCEPT TABLE first_last.joined) UNION ALL (TABLE first_last.joined EXCEPT TABLE joined)) u)
UNION ALL SELECT 'total', 1, (SELECT count(*) FROM first_last.total WHERE x IS DISTINCT FROM (SELECT (array_agg(x ORDER BY ts DESC, part DESC, pos DESC))[1] FROM first_last.events_archive)) $$;
SELECT count(DISTINCT part) > 1 AS partitions, count(*) - count(DISTINCT (k, ts)) > 0 AS ties FROM events_archive;
SELECT * FROM differences();
CALL streambatch.refresh('latest');
CALL streambatch.refresh('types');
CALL streambatch.refresh('keys', "to" => '2025-02-14 14:00');
CALL streambatch.refresh('total');
SELECT count(*) > 0 AS batch_rows FROM latest_layers WHERE recommended = 'batch';
SELECT * FROM differences();
-- late and early events, merged with what the batch layer holds
SELECT put(301, 400);
SELECT streambatch.wait_for('events');
SELECT * FROM differences();
SELECT DISTINCT exact FROM latest_layers;

-- a view made afterwards: history in both layers
SELECT streambatch.create_view('afterwards', $$SELECT streambatch.tumble(ts, '30 min') AS w, streambatch.first(x ORDER BY ts) AS f, streambatch.last(n ORDER BY ts) AS l FROM events GROUP BY 1$$);
SELECT recommended, count(*), count(*) FILTER (WHERE f IS NOT DISTINCT FROM (SELECT e.x FROM events_archive e WHERE e.ts >= w AND e.ts < w + interval '30 min' ORDER BY ts, part, pos LIMIT 1)
                                                AND l = (SELECT e.n FROM events_archive e WHERE e.ts >= w AND e.ts < w + interval '30 min' ORDER BY ts DESC, part DESC, pos DESC LIMIT 1)) AS same
  FROM afterwards_layers GROUP BY 1 ORDER BY 1;

-- ---- what is stored does not depend on the client's encoding, on whichever side ----
INSERT INTO events (k, x, doc, d, ts) VALUES (100, 'Zoë', '{"ä": "ö"}', 'ü', '2025-02-14 12:00');
SELECT streambatch.wait_for('events');
SELECT k, last_x, length(last_x) FROM latest WHERE k = 100;
SET client_encoding = 'LATIN1';
CALL streambatch.refresh('latest', "full" => true);
CALL streambatch.refresh('types', "full" => true);
SELECT k, last_x = U&'Zo\00eb' AS same, length(last_x) FROM latest WHERE k = 100;
SET client_encoding = 'UTF8';
SELECT k, last_x, doc, d FROM latest JOIN types USING (k) WHERE k = 100;
RESET client_encoding;

-- ---- rows that people add have no position: of one key they come last, as ORDER BY has NULLs ----
INSERT INTO events_archive (part, pos, k, n, x, d, ts) VALUES (NULL, NULL, 6, 77, 'added', 'd', '2025-02-14 15:15'), (NULL, NULL, 6, 78, 'added too', 'd', '2025-02-14 15:15');
CALL streambatch.refresh('latest', "full" => true);
SELECT last_x, last_n FROM latest WHERE k = 6;
SELECT x, n FROM events_archive WHERE k = 6 ORDER BY ts DESC, part DESC, pos DESC, n DESC LIMIT 2;

-- ---- states of one's own writing: an error, and nothing else ----
CREATE FUNCTION fails(expression text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    result text;
BEGIN
    EXECUTE 'SELECT (' || expression || ')::text' INTO result;
    RETURN coalesce(result, 'NULL');
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE || ' ' || SQLERRM;
END $$;
SELECT e AS expression, fails(e) FROM unnest(ARRAY[
    $$streambatch._first_value('', NULL::int)$$, $$streambatch._last_value('\x00', NULL::text)$$, $$streambatch._last_value(NULL, NULL::text)$$,
    $$streambatch._last_value(decode(repeat('00', 28), 'hex'), NULL::text)$$,
    $$streambatch._last_value(decode(repeat('00', 27) || '01', 'hex'), NULL::int)$$,
    $$streambatch._last_value(decode(repeat('00', 27) || '0100000005', 'hex'), NULL::int)$$,
    $$streambatch._last_value(decode(repeat('00', 27) || '010000000500', 'hex'), NULL::int)$$,
    $$streambatch._last_value(decode(repeat('00', 27) || '01ffffffff', 'hex'), NULL::text)$$,
    $$streambatch._last_value(decode(repeat('00', 27) || '01ffffffffffffffffffff', 'hex'), NULL::int[])$$,
    $$streambatch._last_value(decode(repeat('00', 27) || '01ffffffffffffffffffff', 'hex'), NULL::jsonb)$$,
    $$streambatch._last_value(decode(repeat('00', 27) || '01ffffffffffffffffffff', 'hex'), NULL::numeric)$$,
    $$streambatch._last_value(decode(repeat('00', 27) || '01ffffffffffffffffffff', 'hex'), NULL::first_last.pair)$$,
    $$streambatch._first_combine('\x01', decode(repeat('00', 28), 'hex'))$$,
    $$streambatch._first_add('\x01', 1, 1, 1, 1)$$, $$streambatch._first_add(NULL, 1, 1.5, 1, 1)$$,
    $$streambatch._first_state('a'::text, 1, -1, 2)$$, $$streambatch._rank_value(NULL, NULL, NULL::int)$$]) e;
-- bytes order as what they stand for
SELECT key, count(*) FILTER (WHERE before < state) AS greater, count(*) AS of
  FROM (SELECT key, v, streambatch._first_state(1, v, 0, 0) AS state, lag(streambatch._first_state(1, v, 0, 0)) OVER (PARTITION BY key ORDER BY v) AS before
          FROM (SELECT 'key', v FROM unnest('{-9223372036854775808,-4294967297,-256,-1,0,1,255,4294967296,9223372036854775807,NULL}'::bigint[]) v) s (key, v) GROUP BY 1, 2) s GROUP BY 1;

-- ---- refused ----
CREATE FUNCTION try(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    d text; h text;
BEGIN
    PERFORM streambatch.create_view('refused', query);
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
SELECT q || E'\n  ' || try(format('SELECT %s FROM first_last.events', q)) FROM unnest(ARRAY[
    'streambatch.last(x)', 'streambatch.first(x ORDER BY price)', 'streambatch.first(x ORDER BY x)', 'streambatch.last(x ORDER BY ts NULLS FIRST)',
    'streambatch.last(x ORDER BY ts DESC NULLS LAST)', 'streambatch.last(x ORDER BY ts, n)', 'streambatch.last(x ORDER BY ts, pos)',
    'streambatch.last(x ORDER BY ts, part, pos, n)', 'streambatch.last(x ORDER BY ts, part DESC)', 'streambatch.last(DISTINCT n ORDER BY n)',
    'streambatch.last((n, x) ORDER BY ts)', 'streambatch.last(x ORDER BY i)', 'streambatch.last(x ORDER BY ts, part)', 'streambatch.first(x ORDER BY ts USING >)',
    'streambatch.last(CASE WHEN m > ''sad'' THEN x END ORDER BY ts) FILTER (WHERE n > 0)']) q;
\pset tuples_only off
\pset format aligned

SET client_min_messages = warning;
DROP SCHEMA first_last CASCADE;
