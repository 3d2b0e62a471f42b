-- Values that somebody has made up to do harm: sketches that their extensions would trust, and windows without number.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pg_streambatch;
CREATE SCHEMA forged;
SET search_path = forged;
CREATE EXTENSION hll SCHEMA forged;
CREATE EXTENSION tdigest SCHEMA forged;
SET timezone = 'UTC';
\getenv broker STREAMBATCH_BROKER
\! test/broker/broker-command create forged 1
CREATE ROLE forged_owner;
GRANT USAGE, CREATE ON SCHEMA forged TO forged_owner;
CREATE SERVER forged_kafka FOREIGN DATA WRAPPER streambatch_kafka OPTIONS ("bootstrap.servers" :'broker');
GRANT USAGE ON FOREIGN SERVER forged_kafka TO forged_owner;
RESET client_min_messages;

-- ---- t-digests ----
CREATE FUNCTION attempt(command text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    result text;
BEGIN
    EXECUTE command INTO result;
    RETURN result;
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE || ' ' || SQLERRM;
END $$;
CREATE FUNCTION digest(compression int, VARIADIC centroids text[]) RETURNS text LANGUAGE sql AS $$
SELECT format('flags 1 count %s compression %s centroids %s%s', sum(split_part(trim(c, '()'), ',', 2)::numeric), compression, count(*), string_agg(' ' || c, ''))
  FROM unnest(centroids) c $$;
CREATE TABLE digests (what text, digest text);
INSERT INTO digests VALUES
    ('good', digest(200, '(1, 1)', '(2, 1)', '(3, 2)')),
    ('another compression', digest(100, '(1, 1)', '(2, 1)')),
    ('a mean that is NaN', digest(200, '(nan, 1)', '(nan, 1)')),
    ('a mean that is infinite', digest(200, '(1, 1)', '(inf, 1)')),
    ('a mean that is too large', digest(200, '(1, 1)', '(1e300, 1)')),
    ('counts that are too large', digest(200, '(1, 1)', '(2, 2000000000000000)'));
SELECT what, attempt(format('SELECT streambatch._sketch_merge(%L::tdigest)', digest)) AS alone,
       attempt(format('SELECT streambatch._sketch_merge(d) FROM unnest(ARRAY[%L, %L]::tdigest[]) d', digest, (SELECT digest FROM digests WHERE what = 'good'))) AS merged,
       attempt(format('SELECT streambatch._percentile(%L::tdigest, 0.5, NULL::float8)', digest)) AS percentile
  FROM digests;
-- counts that are too large together
SELECT streambatch._sketch_merge(digest(200, '(1, 1000000000000000)')::tdigest) FROM generate_series(1, 2);
-- without any centroid
SELECT attempt(format($$SELECT streambatch._sketch_merge(%L::tdigest)$$, 'flags 1 count 1 compression 200 centroids 0')) ~ '^XX000|^22023' AS refused;

-- ---- HyperLogLogs: version 1, 2^12 registers of 5 bits, automatic threshold ----
CREATE TABLE sets (what text, bytes bytea);
INSERT INTO sets VALUES
    ('empty', '\x118c7f'),
    ('explicit', '\x128c7f00000000000000010000000000000002'),
    ('an unknown type', '\x158c7f'),
    ('undefined', '\x108c7f'),
    ('another version', '\x218c7f'),
    ('fewer registers', '\x118b7f'),
    ('another threshold', '\x118c5f'),
    ('no sparse sets', '\x118c3f'),
    ('more explicit values than that', '\x128c7f' || (SELECT string_agg(int8send(i), '' ORDER BY i) FROM generate_series(1, 321) i)),
    ('too few registers', '\x148c7f' || (SELECT string_agg('\x00'::bytea, '') FROM generate_series(1, 2559))),
    ('registers', '\x148c7f' || (SELECT string_agg('\x00'::bytea, '') FROM generate_series(1, 2560)));
-- hll's own cast from bytea looks at nothing
SELECT what, attempt(format('SELECT hll_cardinality(streambatch._sketch_merge(%L::bytea::hll))', bytes)) AS alone,
       attempt(format('SELECT hll_cardinality(streambatch._sketch_merge(b::hll)) FROM unnest(ARRAY[%L, ''\x128c7f0000000000000003'']::bytea[]) b', bytes)) AS merged
  FROM sets;
SELECT attempt($$SELECT streambatch._sketch_merge(''::bytea::hll)$$);
-- a threshold far beyond the memory of a set: united, they would write over whatever lies behind it
SELECT streambatch._sketch_merge(('\x128c5f'::bytea || bytes)::hll)
  FROM (SELECT string_agg(int8send(n * 1000 + i), '' ORDER BY i) AS bytes FROM generate_series(1, 100) n, generate_series(1, 300) i GROUP BY n) s;

-- ---- written into one's own states: the owner's view fails, nobody else's, and a full refresh makes it whole ----
SET SESSION AUTHORIZATION forged_owner;
CREATE FOREIGN TABLE events (k text, v float8, ts timestamptz) SERVER forged_kafka OPTIONS (topic 'forged', event_time 'ts');
SELECT streambatch.create_view('medians', 'SELECT k, percentile_cont(0.5) WITHIN GROUP (ORDER BY v) AS median FROM events GROUP BY k');
SELECT streambatch.create_view('counts', 'SELECT k, count(*) AS n FROM events GROUP BY k');
RESET SESSION AUTHORIZATION;
\copy (SELECT 0, NULL, json_build_object('k', 'a', 'v', i, 'ts', '2025-02-14 00:00+00')::text, 0 FROM generate_series(1, 2000) i) TO PROGRAM 'test/broker/produce forged'
SELECT streambatch.wait_for('events');
SELECT k, median BETWEEN 990 AND 1010 AS about FROM medians;
SELECT format('streambatch_state.stream_%s', id) AS states FROM streambatch._view WHERE view = 'medians'::regclass \gset
SELECT quote_ident(attname) AS sketch FROM pg_attribute WHERE attrelid = :'states'::regclass AND atttypid = 'tdigest'::regtype \gset
SET SESSION AUTHORIZATION forged_owner;
UPDATE :states SET :sketch = (SELECT digest('200', '(nan, 1)', '(nan, 1)')::tdigest);
SELECT * FROM medians;
RESET SESSION AUTHORIZATION;
\copy (SELECT 0, NULL, json_build_object('k', 'a', 'v', i, 'ts', '2025-02-14 00:00+00')::text, 0 FROM generate_series(1, 2000) i) TO PROGRAM 'test/broker/produce forged'
SELECT streambatch.wait_for('events');
SELECT * FROM counts;
SELECT view, state FROM streambatch.stat_view WHERE stream = 'events'::regclass ORDER BY 1;
SET SESSION AUTHORIZATION forged_owner;
SELECT * FROM medians;
CALL streambatch.refresh('medians', "full" => true);
SELECT k, median FROM medians;
RESET SESSION AUTHORIZATION;

-- ---- windows without number can be canceled before the first of them ----
SET statement_timeout = '300ms';
SELECT streambatch.hop('4714-11-24 BC'::timestamp, '1 us', '2000000000000 us') LIMIT 1;
SELECT streambatch.hop_end('4714-11-24 BC'::timestamp, '1 us', '2000000000000 us') LIMIT 1;
SELECT count(*) FROM (SELECT streambatch.cumulate('2025-02-14'::timestamptz, '1 us', '2000000000000 us')) c;
SELECT count(*) FROM (SELECT streambatch.cumulate_end('294276-12-31 23:00'::timestamptz, '1 us', '2000000000000 us')) c;
SELECT cardinality(streambatch._percentiles((SELECT streambatch._sketch(i::float8, NULL::tdigest) FROM generate_series(1, 10000) i),
                                            (SELECT array_agg(0.5::float8) FROM generate_series(1, 3000000)), NULL::float8));
RESET statement_timeout;

SET client_min_messages = error;
DROP SCHEMA forged CASCADE;
DROP SERVER forged_kafka CASCADE;
DROP OWNED BY forged_owner CASCADE;
DROP ROLE forged_owner;
