-- What somebody has made up to do harm: sketches in the states of a view, which their extensions would trust, and windows without number.
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
SELECT quote_ident(attname) AS sketch FROM pg_attribute WHERE attrelid = :'states'::regclass AND atttypid = 'bytea'::regtype \gset
SET SESSION AUTHORIZATION forged_owner;
-- 1e300 as the mean of the first centroid
UPDATE :states SET :sketch = overlay(:sketch PLACING '\x9c7500883ce4377e' FROM 21);
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
