-- <view>_layers and streambatch.serve: what each layer knows, when it knew it, and which one the view answers from.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pg_streambatch;
CREATE SCHEMA layers;
SET search_path = layers;
SET timezone = 'UTC';
SET datestyle = 'ISO, DMY';
\getenv broker STREAMBATCH_BROKER
\! test/broker/broker-command create layers 1
CREATE SERVER layers_kafka FOREIGN DATA WRAPPER streambatch_kafka OPTIONS ("bootstrap.servers" :'broker');
CREATE FOREIGN TABLE events (k text, n int, ts timestamptz, day date) SERVER layers_kafka OPTIONS (topic 'layers', event_time 'ts');

-- every shape: keys first, each aggregate in three versions, expressions over aggregates and keys, hidden keys
SELECT streambatch.create_view('windowed', $$SELECT count(*) AS c, k, sum(n) / count(n) AS ratio, streambatch.tumble(ts, '1 h') AS w, upper(k) AS loud
    FROM events GROUP BY k, streambatch.tumble(ts, '1 h') HAVING sum(n) > 0$$, allowed_lateness => '1 h');
SELECT streambatch.create_view('lifetime', 'SELECT k, max(n) AS "Greatest n" FROM events GROUP BY k');
SELECT streambatch.create_view('total', 'SELECT count(*) AS c, avg(n) AS a, ''x''::text AS constant FROM events');
SELECT streambatch.create_view('hidden', $$SELECT sum(n) AS s FROM events GROUP BY k, streambatch.tumble(ts, '1 h')$$);
SELECT streambatch.create_view('ends', $$SELECT streambatch.tumble_end(ts, '1 h') AS e, count(*) AS c FROM events GROUP BY 1$$);
SELECT streambatch.create_view('coarse', $$SELECT date_trunc('day', streambatch.tumble(ts, '1 h'), 'UTC') AS d, count(*) AS c FROM events GROUP BY 1$$);
SELECT streambatch.create_view('dates', $$SELECT streambatch.tumble(day, '1 day') AS d, count(*) AS c FROM events GROUP BY 1$$);
SELECT streambatch.create_view('kinds', 'SELECT k FROM events GROUP BY k');
SELECT attrelid::regclass AS layers, string_agg(attname || ' ' || format_type(atttypid, atttypmod), ', ' ORDER BY attnum) AS columns
  FROM pg_attribute WHERE attrelid IN ('windowed_layers'::regclass, 'lifetime_layers'::regclass, 'total_layers'::regclass, 'hidden_layers'::regclass,
       'kinds_layers'::regclass) AND attnum > 0 GROUP BY 1 ORDER BY 1;
SELECT * FROM windowed_layers;
SELECT * FROM total_layers;
INSERT INTO events VALUES ('a', 1, '2025-02-14 00:10', '2025-02-14'), ('a', 3, '2025-02-14 00:20', '2025-02-14'), ('b', 0, '2025-02-14 00:30', '2025-02-14'),
    ('a', 5, '2025-02-14 01:10', '2025-02-14'), (NULL, 6, '2025-02-14 02:00', '2025-02-15');
SELECT streambatch.wait_for('events');
CALL streambatch.refresh('windowed');
CALL streambatch.refresh('lifetime');
CALL streambatch.refresh('total');
CALL streambatch.refresh('hidden');
CALL streambatch.refresh('ends');
CALL streambatch.refresh('coarse');
CALL streambatch.refresh('dates', "to" => '2025-02-15');
CALL streambatch.refresh('kinds');
INSERT INTO events VALUES ('a', -4, '2025-02-14 00:40', '2025-02-14'), ('a', 7, '2025-02-14 02:10', '2025-02-15'), ('c', 8, '2025-02-14 01:40', '2025-02-14');
SELECT streambatch.wait_for('events');
-- HAVING is of the merged value: the group of 'a' at midnight has sum 0
SELECT * FROM windowed ORDER BY w, k;
SELECT k, w, loud, stream_c, batch_c, c, stream_ratio, batch_ratio, ratio, recommended, exact, closed FROM windowed_layers ORDER BY w, k;
SELECT k, "stream_Greatest n", "batch_Greatest n", "Greatest n", recommended, closed FROM lifetime_layers ORDER BY k;
SELECT stream_c, batch_c, c, round(stream_a, 2) AS stream_a, round(batch_a, 2) AS batch_a, round(a, 2) AS a, constant, recommended FROM total_layers;
SELECT stream_s, batch_s, s, recommended, closed FROM hidden_layers ORDER BY s, recommended;
SELECT e, stream_c, batch_c, c, recommended, closed FROM ends_layers ORDER BY e;
SELECT d, stream_c, batch_c, c, recommended, closed FROM coarse_layers ORDER BY d;
SELECT d, stream_c, batch_c, c, recommended, closed FROM dates_layers ORDER BY d;
SELECT k, recommended FROM kinds_layers ORDER BY k;
-- as of when: the flush, and the cut of the refresh that computed the window
SELECT k, w, stream_as_of = (SELECT flushed_at FROM streambatch.stat_stream WHERE stream = 'events'::regclass) AS stream_as_of,
       batch_as_of = (SELECT last_cut_at FROM streambatch.stat_view WHERE view = 'windowed'::regclass) OR
       batch_as_of < (SELECT last_cut_at FROM streambatch.stat_view WHERE view = 'windowed'::regclass) AS batch_as_of, batch_as_of < stream_as_of AS in_order
  FROM windowed_layers ORDER BY w, k;

-- ---- streambatch.serve: merged = batch and stream, in every shape ----
CREATE FUNCTION served(layer text) RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('streambatch.serve', layer, true);
    RETURN QUERY SELECT 'lifetime ' || string_agg(l::text, ' ' ORDER BY l::text) FROM layers.lifetime l;
    RETURN QUERY SELECT 'total ' || l::text FROM layers.total l;
    RETURN QUERY SELECT 'ends ' || string_agg(c::text, ' ' ORDER BY e) FROM layers.ends;
    RETURN QUERY SELECT 'kinds ' || string_agg(coalesce(k, 'NULL'), ' ' ORDER BY k) FROM layers.kinds;
    RETURN QUERY SELECT 'windowed ' || string_agg(c || '/' || ratio, ' ' ORDER BY w, k) FROM layers.windowed;
END $$;
SELECT served('merged');
SELECT served('batch');
SELECT served('stream');
SHOW streambatch.serve;
-- a cached plan follows the setting
PREPARE total AS SELECT c FROM total;
EXECUTE total;
SET streambatch.serve = batch;
EXECUTE total;
SET streambatch.serve = stream;
EXECUTE total;
RESET streambatch.serve;
EXECUTE total;
ALTER ROLE CURRENT_USER SET streambatch.serve = 'nothing';

DROP SCHEMA layers CASCADE;
DROP SERVER layers_kafka;
