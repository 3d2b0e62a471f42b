-- Conditions on hopping windows leave out no pane that belongs to a window they let through.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pg_streambatch;
CREATE SCHEMA pane_pruning;
SET search_path = pane_pruning;
SET timezone = 'UTC';
SET datestyle = 'ISO';
\getenv broker STREAMBATCH_BROKER
CREATE SERVER pane_pruning_kafka FOREIGN DATA WRAPPER streambatch_kafka OPTIONS ("bootstrap.servers" :'broker');
\! test/broker/broker-command create pane_pruning 1
CREATE FOREIGN TABLE events (ts timestamptz, naive timestamp) SERVER pane_pruning_kafka OPTIONS (topic 'pane_pruning', event_time 'ts');
SELECT streambatch.create_view('hop', $$SELECT streambatch.hop(ts, '10 s', '1 min') AS pane, count(*) FROM events GROUP BY 1$$);
SELECT streambatch.create_view('hop_naive', $$SELECT streambatch.hop(naive, '10 min', '40 min', time_zone => 'Europe/Berlin') AS w,
    streambatch.hop_end(naive, '10 min', '40 min', time_zone => 'Europe/Berlin') AS e, count(*) FROM events GROUP BY 1, 2$$);
-- a minute apart, over the hour that Berlin leaves out
\copy (SELECT 0, NULL, json_build_object('ts', ts, 'naive', ts AT TIME ZONE 'Europe/Berlin'), 0 FROM generate_series(timestamptz '2025-03-30 00:00+00', '2025-03-30 02:00+00', '1 min') ts) TO PROGRAM 'test/broker/produce pane_pruning'
SELECT streambatch.wait_for('events');

-- each window by a condition on it is the same window of all
CREATE TABLE whole AS SELECT * FROM hop_naive;
SELECT count(*) FROM whole;
CREATE FUNCTION differ(condition text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    result bigint := 0;
    v record;
    n bigint;
BEGIN
    FOR v IN SELECT * FROM whole LOOP
        EXECUTE format('SELECT count(*) FROM ((SELECT * FROM hop_naive WHERE %1$s EXCEPT ALL SELECT * FROM whole WHERE %1$s)
            UNION ALL (SELECT * FROM whole WHERE %1$s EXCEPT ALL SELECT * FROM hop_naive WHERE %1$s)) d',
            replace(replace(condition, 'W', quote_literal(v.w)), 'E', quote_literal(v.e))) INTO n;
        result := result + n;
    END LOOP;
    RETURN result;
END $$;
SELECT differ('w = W'), differ('w <= W'), differ('w < W'), differ('w >= W'), differ('w > W'), differ('e = E'), differ('e <= E'), differ('e < E'), differ('e >= E'), differ('e > E');

-- a window over a view's column that is called as the panes are: events are a minute apart, each in six windows
SELECT * FROM (SELECT streambatch.hop(pane, '10 s', '10 s') AS again, count FROM hop) h WHERE again <= '2025-03-30 00:00:10+00' ORDER BY 1;

-- parameters near the end of time, to which no size can be added
SET plan_cache_mode = force_generic_plan;
PREPARE before(timestamptz) AS SELECT count(*) FROM hop WHERE pane <= $1;
PREPARE after(timestamp) AS SELECT count(*) FROM hop_naive WHERE e >= $1;
EXECUTE before('infinity');
EXECUTE before('294276-12-31 23:59:59+00');
EXECUTE before('2025-03-30 00:00:20+00');
EXECUTE before(NULL);
EXECUTE after('-infinity');
EXECUTE after('4714-11-24 00:00:01 BC');
EXECUTE after('2025-03-30 03:30');
SELECT count(*) FROM whole WHERE e >= '2025-03-30 03:30';

SET client_min_messages = error;
DROP SCHEMA pane_pruning CASCADE;
DROP SERVER pane_pruning_kafka CASCADE;
