-- Windows at the ends of time, and keys that raise for a window: the event is the view's dead letter, and the view can be read.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pg_streambatch;
CREATE SCHEMA window_limit;
SET search_path = window_limit;
SET timezone = 'UTC';
\getenv broker STREAMBATCH_BROKER
\! test/broker/broker-command create window_limit 1
CREATE SERVER limit_kafka FOREIGN DATA WRAPPER streambatch_kafka OPTIONS ("bootstrap.servers" :'broker');
CREATE FOREIGN TABLE events (k int, t timestamptz, o timestamptz, n timestamp, d date) SERVER limit_kafka OPTIONS (topic 'window_limit', event_time 't');

-- ---- by hand: a window of which an edge is no time is none ----
SELECT streambatch.hop(t, '1 h', '3 h'), streambatch.hop_end(t, '1 h', '3 h')
  FROM (VALUES ('4714-11-24 01:10 BC'::timestamptz), ('294276-12-31 22:10'), ('294276-12-31 23:10')) v (t);
SELECT streambatch.cumulate(t, '1 h', '3 h'), streambatch.cumulate_end(t, '1 h', '3 h')
  FROM (VALUES ('4714-11-24 01:10 BC'::timestamptz), ('294276-12-31 22:10'), ('294276-12-31 23:10')) v (t);
SELECT count(*) FROM streambatch.cumulate('294276-12-31 12:10'::timestamptz, '1 h', '1 day', time_zone => 'Europe/Berlin');
SELECT count(*) FROM streambatch.hop('294276-12-31 12:10'::timestamp, '1 day', '7 days');
SELECT count(*) FROM streambatch.hop('4714-11-24 BC'::date, '1 day', '7 days');
-- starts or ends out of range, how many there may be
SELECT count(*) AS six, min(s) AS first, max(s) AS last FROM streambatch.hop('4714-11-24 00:00:00.000005 BC'::timestamp, '1 us', '10 us') s;
SELECT count(*) AS six FROM streambatch.hop('4714-11-24 00:00:00.000005 BC'::timestamp, '1 us', '1000000 h');
SELECT count(*) AS one FROM streambatch.hop('4714-11-24 BC'::timestamp, '1 us', '2000000000 us');
SELECT count(*) AS four, min(e) AS first, max(e) AS last FROM streambatch.hop_end('294276-12-31 23:59:59.999995'::timestamp, '1 us', '10 us') e;
SELECT count(*) AS none FROM streambatch.hop('294276-12-31 23:59:59.999999Z'::timestamptz, '1 us', '1 h');
SELECT count(*) AS none FROM streambatch.cumulate('4714-11-24 BC'::timestamp, '1 us', '2 h', '294276-12-31 23:59:59.999999');
SELECT count(*) AS ten FROM streambatch.cumulate_end('294276-12-31 22:00'::timestamp, '10 min', '100 min', '294276-12-31 22:00');
SELECT count(*) AS one FROM streambatch.cumulate_end('294276-12-31 22:30'::timestamp, '1 h', '2 h', '294276-12-31 22:30');
-- and those in range can be cancelled
SET statement_timeout = 100;
SELECT count(*) FROM (SELECT streambatch.hop('2025-01-01'::timestamp, '1 us', '1000000 h')) s;
SELECT count(*) FROM (SELECT streambatch.cumulate('2025-01-01'::timestamp, '1 us', '1000000 h')) s;
RESET statement_timeout;

CREATE TABLE views (view text, query text);
INSERT INTO views VALUES
    ('hop_t', $$SELECT streambatch.hop(t, '1 h', '2 h') AS w, count(*) AS c FROM events GROUP BY 1$$),
    ('hop_o', $$SELECT streambatch.hop_end(o, '1 h', '3 h') AS w, count(*) AS c FROM events GROUP BY 1$$),
    ('hop_n', $$SELECT streambatch.hop_end(n, '1 day', '2 days', time_zone => 'Europe/Berlin') AS w, count(*) AS c FROM events GROUP BY 1$$),
    ('hop_d', $$SELECT streambatch.hop(d, '1 day', '3 days') AS w, count(*) AS c FROM events GROUP BY 1$$),
    ('cumulate_o', $$SELECT streambatch.cumulate_end(o, '6 h', '1 day', time_zone => 'Europe/Berlin') AS w, count(*) AS c FROM events GROUP BY 1$$),
    ('tumble_o', $$SELECT streambatch.tumble(o, '1 day') AS w, count(*) AS c FROM events GROUP BY 1$$),
    ('trunc_t', $$SELECT date_trunc('month', t, 'UTC') AS w, count(*) AS c FROM events GROUP BY 1$$),
    ('bin_t', $$SELECT date_bin('7 days', t, '2000-01-01 00:00Z') AS w, count(*) AS c FROM events GROUP BY 1$$),
    ('arrays', $$SELECT ARRAY[streambatch.hop(t, '1 h', '2 h'), streambatch.hop_end(t, '1 h', '2 h')] AS w, count(*) AS c FROM events GROUP BY 1$$),
    ('later', $$SELECT streambatch.hop(o, '1 h', '3 h') + interval '1000 years' AS w, count(*) AS c FROM events GROUP BY 1$$),
    ('quotient', $$SELECT 12 / (extract(hour FROM streambatch.hop(t, '1 h', '2 h') AT TIME ZONE 'UTC')::int - 5) AS w, count(*) AS c FROM events GROUP BY 1$$),
    ('quotients', $$SELECT 12 / (extract(hour FROM streambatch.cumulate_end(t, '1 h', '2 h') AT TIME ZONE 'UTC')::int - 6) AS w, k, streambatch.cumulate(t, '1 h', '2 h') AS s, count(*) AS c
        FROM events WHERE k <> 3 GROUP BY 1, 2, 3$$);
-- of the events that are no dead letters of the view
CREATE FUNCTION differences() RETURNS TABLE (view text, n bigint) LANGUAGE plpgsql AS $$
DECLARE
    v record;
BEGIN
    FOR v IN SELECT * FROM views ORDER BY 1 LOOP
        EXECUTE format('SELECT count(*) FROM ((TABLE %1$I EXCEPT ALL %2$s) UNION ALL (%2$s EXCEPT ALL TABLE %1$I)) d', v.view,
                       replace(v.query, 'FROM events', format('FROM (SELECT * FROM events_archive a WHERE NOT EXISTS (SELECT FROM streambatch.dead_letter l '
                           'WHERE l.view = %L::regclass AND l.kafka_partition = a.kafka_partition AND l.kafka_offset = a.kafka_offset)) events', v.view))) INTO n;
        view := v.view;
        RETURN NEXT;
    END LOOP;
END $$;
SELECT streambatch.create_view(view, query) FROM views ORDER BY view;
SELECT streambatch.create_view('sessions', $$SELECT streambatch.session(o, '1 h') AS w, streambatch.session_end(o, '1 h') AS e, count(*) AS c FROM events GROUP BY 1, 2$$);
INSERT INTO events VALUES
    (1, '2025-01-01 03:10Z', '2025-01-01 00:00Z', '2025-03-30 12:00', '2025-01-01'),
    (1, '2025-01-01 05:10Z', '294276-12-31 23:59:59Z', '294276-12-31 23:59:59', '2025-01-01'),
    (0, '4714-11-24 00:10Z BC', '4714-11-24 00:10Z BC', '4714-11-24 00:10 BC', '4714-11-24 BC'),
    (3, '2025-01-01 05:20Z', '294276-12-31 22:30Z', '2025-03-30 02:30', '2025-01-02'),
    (2, '2025-01-01 06:10Z', '2025-01-01 00:30Z', NULL, NULL);
SELECT streambatch.wait_for('events');
SELECT view, kafka_offset, sqlstate, message FROM streambatch.dead_letter WHERE stream = 'events'::regclass ORDER BY view::text, kafka_offset;
SELECT * FROM differences();
SELECT * FROM sessions ORDER BY w;
SELECT * FROM quotients ORDER BY 1, 2, 3;

-- ---- a range without the dead letters, and all ----
CALL streambatch.refresh('trunc_t', '2025-01-01', '2025-02-01');
CALL streambatch.refresh('bin_t', '2024-12-28', '2025-01-04');
SELECT * FROM differences() WHERE n > 0;
SELECT format('CALL streambatch.refresh(%L, "to" => ''infinity'')', view) FROM views ORDER BY view
\gexec
CALL streambatch.refresh('sessions', "to" => 'infinity');
SELECT * FROM differences() WHERE n > 0;
SELECT * FROM sessions ORDER BY w;
INSERT INTO events VALUES (1, '2025-01-01 05:30Z', '294276-12-31 23:00Z', '2025-03-30 01:30', '2025-01-01'), (1, '2025-01-01 03:30Z', '2025-01-01 01:30Z', '2025-03-30 03:30', '2025-01-03');
SELECT streambatch.wait_for('events');
SELECT * FROM differences() WHERE n > 0;
SELECT * FROM sessions ORDER BY w;
-- the layers, too, and whether a window at the end of time is closed: never
SELECT format('SELECT %L AS view, count(*) AS rows, count(*) FILTER (WHERE closed) AS closed, sum(stream_c) AS stream, sum(batch_c) AS batch FROM %I', view, view || '_layers')
  FROM views ORDER BY view
\gexec

-- ---- over the archive of such events: they are dead letters ----
SELECT streambatch.create_view('too_late', $$SELECT 12 / (extract(hour FROM streambatch.hop(t, '1 h', '2 h') AT TIME ZONE 'UTC')::int - 5) AS w, count(*) AS c FROM events GROUP BY 1$$);
SELECT count(*), sum(c) FROM too_late;

SET client_min_messages = error;
DROP SCHEMA window_limit CASCADE;
DROP SERVER limit_kafka CASCADE;
