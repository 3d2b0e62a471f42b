-- Statistics: what the views of schema streambatch say of streams, partitions, hybrid views and refreshes.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pg_streambatch;
CREATE SCHEMA stat;
SET search_path = stat;
SET timezone = 'UTC';
SET datestyle = 'ISO, DMY';
\getenv broker STREAMBATCH_BROKER
\! test/broker/broker-command create stat 3
CREATE SERVER stat_kafka FOREIGN DATA WRAPPER streambatch_kafka OPTIONS ("bootstrap.servers" :'broker');
CREATE FOREIGN TABLE events (k text, n int, ts timestamptz, p int OPTIONS (metadata 'partition')) SERVER stat_kafka
    OPTIONS (topic 'stat', event_time 'ts', max_out_of_orderness '1 min', idle_timeout '1 h');
CREATE FOREIGN TABLE raw (value text, p int OPTIONS (metadata 'partition')) SERVER stat_kafka OPTIONS (topic 'stat', format 'raw');
SELECT attrelid::regclass AS view, string_agg(attname || ' ' || format_type(atttypid, atttypmod), ', ' ORDER BY attnum) AS columns
  FROM pg_attribute WHERE attrelid IN ('streambatch.stat_stream'::regclass, 'streambatch.stat_partition'::regclass, 'streambatch.stat_view'::regclass,
       'streambatch.refresh_history'::regclass, 'streambatch.dead_letter'::regclass, 'streambatch.gap'::regclass) AND attnum > 0
 GROUP BY 1 ORDER BY attrelid::regclass::text;
-- each stream is there before it starts
SELECT stream, state, pid, lag, received FROM streambatch.stat_stream WHERE stream::text IN ('events', 'raw') ORDER BY stream::text;
SELECT streambatch.create_view('hourly', $$SELECT k, streambatch.tumble(ts, '1 h') AS w, count(*) AS c FROM events WHERE k <> 'filtered' GROUP BY 1, 2$$,
                               max_staleness => '500 ms', allowed_lateness => '1 h');
SELECT streambatch.create_view('positive', 'SELECT sum(1 / n) AS s FROM events WHERE n >= 0');
INSERT INTO events VALUES ('a', 1, '2025-02-14 00:10', 0), ('a', 0, '2025-02-14 00:20', 1), ('filtered', -1, '2025-02-14 00:30', 1), ('filtered', 1, '2025-02-14 00:40', 2);
INSERT INTO raw VALUES ('nonsense', 2), (NULL, 2), (NULL, 2);
SELECT streambatch.wait_for('events');

-- every message is counted once: folded by some view, filtered by all, dead for the stream or for a view, or a tombstone
SELECT state, lag, watermark, received, folded, filtered, dead, skipped, received = folded + filtered + dead + skipped AS all_counted, flushes > 0 AS flushed,
       flushed_at <= clock_timestamp() AS at, archive, error_sqlstate, error_message, error_hint FROM streambatch.stat_stream WHERE stream = 'events'::regclass;
SELECT partition, next_offset, log_end, lag, max_event_time FROM streambatch.stat_partition WHERE stream = 'events'::regclass ORDER BY 1;
SELECT view, stream, state, error_sqlstate, error_message, coverage, last_refresh, last_cut, epoch, max_staleness, allowed_lateness FROM streambatch.stat_view
 WHERE stream = 'events'::regclass ORDER BY view::text;
SELECT view, kafka_partition, sqlstate FROM streambatch.dead_letter WHERE stream = 'events'::regclass ORDER BY 2;
-- the watermark: the least of the latest times, and never back
INSERT INTO events VALUES ('a', 1, '2025-02-14 02:00', 0), ('a', 1, '2025-02-14 02:10', 1);
SELECT streambatch.wait_for('events');
SELECT watermark FROM streambatch.stat_stream WHERE stream = 'events'::regclass;
INSERT INTO events VALUES ('a', 1, '2025-02-14 02:20', 2), ('a', 1, '2025-02-14 00:00', 0);
SELECT streambatch.wait_for('events');
SELECT watermark FROM streambatch.stat_stream WHERE stream = 'events'::regclass;
INSERT INTO events VALUES ('a', 1, '1970-01-01', 0), ('a', 1, '1960-01-01', 1), ('a', 1, '0001-01-01', 2);
SELECT streambatch.wait_for('events');
SELECT watermark FROM streambatch.stat_stream WHERE stream = 'events'::regclass;
SELECT partition, max_event_time FROM streambatch.stat_partition WHERE stream = 'events'::regclass ORDER BY 1;

-- refreshes
CALL streambatch.refresh('hourly');
SELECT view, coverage, last_refresh = (SELECT max(ended_at) FROM streambatch.refresh_history h WHERE h.view = v.view) AS last_refresh, last_cut,
       last_cut_at <= last_refresh AS cut_before, epoch FROM streambatch.stat_view v WHERE stream = 'events'::regclass ORDER BY view::text;
SELECT view, kind, state, cut, cut_epoch, from_time, to_time, chunks >= 1 AND chunks = chunks_done AS chunks, rows, error FROM streambatch.refresh_history
 WHERE view = 'hourly'::regclass;
SELECT count(*) FROM streambatch.stat_progress_refresh;
-- rows of states, about: as the statistics collector knows them
SELECT groups >= 0 AS groups FROM streambatch.stat_view WHERE view = 'hourly'::regclass;
SELECT count(*) FROM streambatch.gap WHERE stream = 'events'::regclass;

-- paused, and lag of what is not read
SELECT streambatch.pause('events');
SELECT state FROM streambatch.stat_stream WHERE stream = 'events'::regclass;
SELECT lag FROM streambatch.stat_stream WHERE stream = 'events'::regclass;
SELECT streambatch.resume('events');
SELECT streambatch.wait_for('events');
DROP VIEW hourly, positive;
SELECT count(*) FROM streambatch.stat_view WHERE stream = 'events'::regclass;
-- counts stay with the stream
SELECT received FROM streambatch.stat_stream WHERE stream = 'events'::regclass;

DROP SCHEMA stat CASCADE;
DROP SERVER stat_kafka;
