-- count(DISTINCT) and percentiles: exact in the batch layer, sketches of the extensions hll and tdigest in the stream layer.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pg_streambatch;
CREATE SCHEMA sketch;
SET search_path = sketch;
SET timezone = 'UTC';
SET datestyle = 'ISO, DMY';
\getenv broker STREAMBATCH_BROKER
\! test/broker/broker-command create sketch 1
\! test/broker/broker-command create sketch_many 1
CREATE SERVER sketch_kafka FOREIGN DATA WRAPPER streambatch_kafka OPTIONS ("bootstrap.servers" :'broker');
CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
CREATE FOREIGN TABLE events (
    g text, k int, big bigint, price numeric, x float8, r real, s text, tags text[], m mood, place point, cents money, i interval, ts timestamptz
) SERVER sketch_kafka OPTIONS (topic 'sketch', event_time 'ts', idle_timeout '1 h');

-- The error of a create_view, in words.
CREATE FUNCTION try(what text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    d text; h text;
BEGIN
    PERFORM streambatch.create_view('refused', format('SELECT %s AS v FROM sketch.events', what));
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
-- ---- without the extensions ----
SELECT q || E'\n  ' || try(q) FROM unnest(ARRAY['count(DISTINCT k)', 'percentile_cont(0.5) WITHIN GROUP (ORDER BY x)']) q;
-- in a schema whose name asks for quotes, and means something to a format
CREATE SCHEMA "100%s";
CREATE EXTENSION hll SCHEMA "100%s";
CREATE EXTENSION tdigest SCHEMA "100%s";
-- ---- refused ----
SELECT q || E'\n  ' || try(q) FROM unnest(ARRAY[
    'count(DISTINCT place::text ORDER BY place::text)', 'count(DISTINCT cents)', 'count(DISTINCT (k, s))', 'sum(DISTINCT k)', 'array_agg(DISTINCT k)', 'count(DISTINCT i)', 'count(DISTINCT tags)',
    'percentile_cont(0.5) WITHIN GROUP (ORDER BY i)', 'percentile_disc(0.5) WITHIN GROUP (ORDER BY s)', 'percentile_disc(0.5) WITHIN GROUP (ORDER BY ts)',
    'percentile_cont(1.5) WITHIN GROUP (ORDER BY x)', 'percentile_cont(''NaN'') WITHIN GROUP (ORDER BY x)', 'percentile_cont(NULL) WITHIN GROUP (ORDER BY x)',
    'percentile_cont(0.25 + 0.25) WITHIN GROUP (ORDER BY x)', 'percentile_cont(ARRAY[0.1, NULL]) WITHIN GROUP (ORDER BY x)',
    'percentile_cont(ARRAY[ARRAY[0.1]]) WITHIN GROUP (ORDER BY x)', 'percentile_cont(date_part(''year'', now()) / 10000) WITHIN GROUP (ORDER BY x)',
    'mode() WITHIN GROUP (ORDER BY k)', 'rank(1) WITHIN GROUP (ORDER BY k)']) q;
\pset tuples_only off
\pset format aligned

CREATE ROLE regress_streambatch_sketch;
GRANT USAGE ON SCHEMA sketch TO regress_streambatch_sketch;
GRANT CREATE ON SCHEMA sketch TO regress_streambatch_sketch;
GRANT SELECT ON events TO regress_streambatch_sketch;
SET ROLE regress_streambatch_sketch;
SELECT streambatch.create_view('refused', 'SELECT count(DISTINCT k) FROM sketch.events');
RESET ROLE;
GRANT USAGE ON SCHEMA "100%s" TO regress_streambatch_sketch;

-- ---- small groups: as many as are kept as they are ----
SELECT streambatch.create_view('few', $$SELECT g, count(DISTINCT k) AS k, count(DISTINCT big) AS big, count(DISTINCT price) AS price, count(DISTINCT x) AS x, count(DISTINCT s) AS s,
    count(DISTINCT tags) AS tags, count(DISTINCT m) AS m, count(DISTINCT i) AS i, count(DISTINCT k % 5) FILTER (WHERE k > 10) AS above, count(*) AS c,
    count(DISTINCT lower(s)) + count(DISTINCT k) AS sum FROM events GROUP BY g$$);
SELECT streambatch.create_view('percentiles', $$SELECT g, percentile_cont(0.5) WITHIN GROUP (ORDER BY x) AS median, percentile_disc(0.9) WITHIN GROUP (ORDER BY k) AS k,
    percentile_disc(0.5) WITHIN GROUP (ORDER BY big) AS big, percentile_disc(0.5) WITHIN GROUP (ORDER BY price) AS price, percentile_disc(0.5) WITHIN GROUP (ORDER BY r) AS r,
    percentile_cont(ARRAY[0, 0.5, 1]) WITHIN GROUP (ORDER BY k) AS several, percentile_disc(ARRAY[0, 0.5, 1]) WITHIN GROUP (ORDER BY k) AS discrete,
    percentile_cont(0) WITHIN GROUP (ORDER BY x DESC) AS greatest, percentile_cont(1) WITHIN GROUP (ORDER BY x) FILTER (WHERE x < 100) AS greatest_below FROM events GROUP BY g$$);
SELECT streambatch.create_view('total', 'SELECT count(DISTINCT k) AS k, percentile_cont(0.5) WITHIN GROUP (ORDER BY x) AS x FROM events');
-- documents that PostgreSQL's own hash takes for one another
SELECT streambatch.create_view('documents', $$SELECT count(DISTINCT CASE k % 7 WHEN 0 THEN '1'::jsonb WHEN 1 THEN '[1]' WHEN 2 THEN '{}' WHEN 3 THEN '[]' WHEN 4 THEN '[1, [2]]'
    WHEN 5 THEN '[[1], 2]' ELSE '1.0' END) AS documents FROM events$$);
SELECT streambatch.create_view('hourly', $$SELECT streambatch.tumble(ts, '1 h') AS w, count(DISTINCT k) AS k, percentile_disc(0.5) WITHIN GROUP (ORDER BY k) AS median FROM events GROUP BY 1$$);
SELECT streambatch.create_view('hopping', $$SELECT streambatch.hop(ts, '1 h', '2 h') AS w, count(DISTINCT k) AS k, percentile_disc(0.5) WITHIN GROUP (ORDER BY k) AS median FROM events GROUP BY 1$$);
SELECT attrelid::regclass AS view, attname, format_type(atttypid, atttypmod) AS type FROM pg_attribute
 WHERE attrelid IN ('few'::regclass, 'percentiles'::regclass) AND attnum > 0 AND attname IN ('k', 'big', 'price', 'median', 'r', 'several', 'discrete') ORDER BY 1, attnum;
-- percentiles of one expression share a sketch
SELECT format_type(atttypid, atttypmod) AS state, count(*) FROM pg_attribute
 WHERE attrelid = (SELECT format('streambatch_state.stream_%s', id)::regclass FROM streambatch._view WHERE view = 'percentiles'::regclass) AND attnum > 0 AND attname ~ '^s'
 GROUP BY 1 ORDER BY 1;
SELECT * FROM total;
SELECT * FROM total_layers;
INSERT INTO events (g, k, big, price, x, r, s, tags, m, i, ts)
SELECT 'g' || i % 3, i % 40, (i % 30)::bigint << 32 | i % 30, trim_scale((i % 8)::numeric / 4) + CASE WHEN i % 2 = 0 THEN 0.00 ELSE 0 END,
       CASE i % 4 WHEN 0 THEN 0 WHEN 1 THEN '-0' ELSE i END, i, CASE WHEN i % 6 > 0 THEN 'Word ' || i % 10 END, ARRAY[i % 3, i % 2]::text[],
       (enum_range(NULL::mood))[1 + i % 2], CASE WHEN i % 2 = 0 THEN '1 day' ELSE '24 h' END::interval, '2025-02-14 12:00'::timestamptz + i * interval '1 min'
  FROM generate_series(1, 240) i;
INSERT INTO events (g, ts) VALUES ('nothing', '2025-02-14 12:00');
SELECT streambatch.wait_for('events');
CREATE VIEW plain_few AS SELECT g, count(DISTINCT k) AS k, count(DISTINCT big) AS big, count(DISTINCT price) AS price, count(DISTINCT x) AS x, count(DISTINCT s) AS s,
    count(DISTINCT tags) AS tags, count(DISTINCT m) AS m, count(DISTINCT i) AS i, count(DISTINCT k % 5) FILTER (WHERE k > 10) AS above, count(*) AS c,
    count(DISTINCT lower(s)) + count(DISTINCT k) AS sum FROM events_archive GROUP BY g;
SELECT * FROM few ORDER BY g;
SELECT count(*) AS differences FROM ((TABLE few EXCEPT TABLE plain_few) UNION ALL (TABLE plain_few EXCEPT TABLE few)) u;
SELECT g, exact, recommended FROM few_layers ORDER BY g;
SELECT k, x BETWEEN 0 AND 20 AS x FROM total;
SELECT * FROM documents;
SELECT bool_and(exact) AS exact FROM percentiles_layers;

-- ---- the batch layer is exact; a group of one batch row alone has its value ----
CALL streambatch.refresh('few');
CALL streambatch.refresh('percentiles');
CALL streambatch.refresh('total');
CALL streambatch.refresh('hourly', "to" => '2025-02-14 14:00');
CALL streambatch.refresh('hopping', "to" => '2025-02-14 14:00');
CREATE VIEW plain_percentiles AS SELECT g, percentile_cont(0.5) WITHIN GROUP (ORDER BY x) AS median, percentile_disc(0.9) WITHIN GROUP (ORDER BY k) AS k,
    percentile_disc(0.5) WITHIN GROUP (ORDER BY big) AS big, percentile_disc(0.5) WITHIN GROUP (ORDER BY price) AS price, percentile_disc(0.5) WITHIN GROUP (ORDER BY r) AS r,
    percentile_cont(ARRAY[0, 0.5, 1]) WITHIN GROUP (ORDER BY k) AS several, percentile_disc(ARRAY[0, 0.5, 1]) WITHIN GROUP (ORDER BY k) AS discrete,
    percentile_cont(0) WITHIN GROUP (ORDER BY x DESC) AS greatest, percentile_cont(1) WITHIN GROUP (ORDER BY x) FILTER (WHERE x < 100) AS greatest_below FROM events_archive GROUP BY g;
SELECT count(*) AS differences FROM ((TABLE few EXCEPT TABLE plain_few) UNION ALL (TABLE plain_few EXCEPT TABLE few)) u;
SELECT count(*) AS differences FROM ((TABLE percentiles EXCEPT TABLE plain_percentiles) UNION ALL (TABLE plain_percentiles EXCEPT TABLE percentiles)) u;
TABLE plain_percentiles ORDER BY g;
SELECT g, exact, recommended, batch_median = median AS same, stream_median FROM percentiles_layers ORDER BY g;
SELECT count(*) AS differences FROM (SELECT k, x FROM total EXCEPT SELECT count(DISTINCT k), percentile_cont(0.5) WITHIN GROUP (ORDER BY x) FROM events_archive) u;
-- more events: of the two layers together it is the sketch's again, which has all values
INSERT INTO events (g, k, big, x, ts) VALUES ('g0', 1000, 1000, 1000, '2025-02-14 12:10'), ('g0', 3, 3, 3, '2025-02-14 12:20');
SELECT streambatch.wait_for('events');
SELECT v.g, v.k, v.k = p.k AS same, exact, recommended FROM few_layers v JOIN plain_few p USING (g) ORDER BY g;
SELECT w, k, k = (SELECT count(DISTINCT e.k) FROM events_archive e WHERE e.ts >= w AND e.ts < w + interval '1 h') AS same, exact, recommended FROM hourly_layers ORDER BY w;
-- windows of several panes likewise
SELECT w, k, k = (SELECT count(DISTINCT e.k) FROM events_archive e WHERE e.ts >= w AND e.ts < w + interval '2 h') AS same, exact, recommended FROM hopping_layers ORDER BY w;
-- a view made afterwards: history in both layers, as another role
GRANT SELECT ON events_archive TO regress_streambatch_sketch;
SET ROLE regress_streambatch_sketch;
SELECT streambatch.create_view('afterwards', $$SELECT streambatch.tumble(ts, '1 h') AS w, count(DISTINCT k) AS k, percentile_disc(0.5) WITHIN GROUP (ORDER BY k) AS median FROM events GROUP BY 1$$);
SELECT w, k, k = (SELECT count(DISTINCT e.k) FROM events_archive e WHERE e.ts >= w AND e.ts < w + interval '1 h') AS same,
       NOT exact OR median = (SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY e.k) FROM events_archive e WHERE e.ts >= w AND e.ts < w + interval '1 h') AS same_median, exact, recommended
  FROM afterwards_layers WHERE exact OR k > 1 ORDER BY w;
RESET ROLE;
SET streambatch.serve = 'batch';
SELECT g, k, above FROM few ORDER BY g;
SET streambatch.serve = 'stream';
SELECT g, k, above FROM few ORDER BY g;
RESET streambatch.serve;

-- ---- what a digest cannot hold: a dead letter of the view, unless its filter leaves it out ----
SELECT streambatch.create_view('filtered', $$SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY x) FILTER (WHERE x < 'infinity' AND x > '-infinity' AND x <> 'NaN') AS x, count(*) AS c
    FROM events$$, history => false);
INSERT INTO events (g, k, x, price, ts) VALUES ('odd', 1, 'NaN', 1, '2025-02-14 12:30'), ('odd', 2, 'Infinity', 1, '2025-02-14 12:30'), ('odd', 3, '-Infinity', 1, '2025-02-14 12:30'),
    ('odd', 4, 1e300, 1, '2025-02-14 12:30'), ('odd', 5, 5, 1e300, '2025-02-14 12:30'), ('odd', 6, 6, 1, '2025-02-14 12:30');
SELECT streambatch.wait_for('events');
SELECT g, k, median, price FROM percentiles WHERE g = 'odd';
SELECT g, k, x FROM few WHERE g = 'odd';
SELECT count(*) AS c FROM filtered WHERE x IS NOT NULL;
SELECT view, sqlstate, message, count(*) FROM streambatch.dead_letter WHERE stream = 'events'::regclass GROUP BY 1, 2, 3 ORDER BY view::text, message;
SELECT view, state FROM streambatch.stat_view WHERE stream = 'events'::regclass ORDER BY view::text;
CALL streambatch.refresh('percentiles', "full" => true);
SELECT g, k, median, price FROM percentiles WHERE g = 'odd';

-- ---- many values: within the bounds that are documented ----
CREATE FOREIGN TABLE many (u int, v float8, ts timestamptz) SERVER sketch_kafka OPTIONS (topic 'sketch_many', event_time 'ts');
SELECT streambatch.create_view('many_users', $$SELECT count(DISTINCT u) AS users, count(DISTINCT u % 1000) AS thousand, count(DISTINCT v) AS values,
    percentile_cont(ARRAY[0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99]) WITHIN GROUP (ORDER BY u) AS even,
    percentile_cont(ARRAY[0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99]) WITHIN GROUP (ORDER BY v) AS exponential FROM many$$);
-- twice each of 0 to 19999 in disorder; v: the exponential distribution's quantile of u, without the uppermost
INSERT INTO many SELECT i * 7919 % 20000, -ln(1 - (i * 7919 % 20000 + 0.5) / 20000), '2025-02-14 12:00' FROM generate_series(1, 20000) i;
SELECT streambatch.wait_for('many');
INSERT INTO many SELECT i * 7919 % 20000, -ln(1 - (i * 7919 % 20000 + 0.5) / 20000), '2025-02-14 12:00' FROM generate_series(1, 20000) i;
SELECT streambatch.wait_for('many');
SELECT stream_users IS NOT NULL AS stream, batch_users IS NULL AS no_batch, exact, abs(users - 20000) < 5 * 1.04 / sqrt(4096) * 20000 AS users,
       abs(values - 20000) < 5 * 1.04 / sqrt(4096) * 20000 AS values, abs(thousand - 1000) < 5 * 1.04 / sqrt(4096) * 1000 AS thousand FROM many_users_layers;
-- of each quantile the rank of what was found, which is known, against the weight of a centroid: 2 pi q (1 - q) ln(n) / compression
CREATE FUNCTION far(even float8[], exponential float8[]) RETURNS TABLE (of text, quantiles bigint, beyond bigint) LANGUAGE sql AS $$
SELECT 'even', count(*), count(*) FILTER (WHERE abs((found + 0.5) / 20000 - q) > 2 * pi() * q * (1 - q) * ln(40000) / 200)
  FROM unnest('{0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99}'::float8[], even) s (q, found)
UNION ALL
SELECT 'exponential', count(*), count(*) FILTER (WHERE abs(1 - exp(-found) - q) > 2 * pi() * q * (1 - q) * ln(40000) / 200)
  FROM unnest('{0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99}'::float8[], exponential) s (q, found) $$;
SELECT f.* FROM many_users, far(even, exponential) f;
-- and of this smooth distribution it is within a hundredth
SELECT max(abs((found + 0.5) / 20000 - q)) < 0.01 AS even FROM many_users, unnest('{0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99}'::float8[], even) s (q, found);
CALL streambatch.refresh('many_users', "full" => true);
SELECT users, thousand, values, even, exact FROM many_users_layers;
INSERT INTO many VALUES (-1, 0, '2025-02-14 12:00');
SELECT streambatch.wait_for('many');
SELECT exact, recommended, abs(users - 20001) < 5 * 1.04 / sqrt(4096) * 20001 AS users, f.* FROM many_users_layers, far(even, exponential) f;
-- sketches are stored as values of the extensions' types, of the size that is documented
SELECT format_type(atttypid, atttypmod) AS state FROM pg_attribute
 WHERE attrelid = (SELECT format('streambatch_state.batch_%s', id)::regclass FROM streambatch._view WHERE view = 'many_users'::regclass) AND attnum > 0 ORDER BY attnum;
SELECT "100%s".hll_log2m(h) AS log2m, pg_column_size(h) < 2600 AS small, pg_column_size(d) < 2000 AS digest_small
  FROM (SELECT streambatch._sketch(i, NULL::"100%s".hll) AS h, streambatch._sketch(i::float8, NULL::"100%s".tdigest) AS d FROM generate_series(1, 100000) i) s;

-- ---- by hand: types and values that are no sketches' ----
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
    'streambatch._sketch(1, NULL::text)', 'streambatch._sketch(1, NULL::"100%s".tdigest)', 'streambatch._sketch(''(1,2)''::point, NULL::"100%s".hll)',
    'streambatch._sketch(''NaN''::float8, NULL::"100%s".tdigest)', 'streambatch._sketch(NULL::int, NULL::"100%s".hll)', 'streambatch._sketch_combine(1, 2)',
    'streambatch._sketch_merge(1)', 'streambatch._sketch_merge(NULL::int)', 'streambatch._percentile(1, 0.5, NULL::int)',
    'streambatch._percentile("100%s".hll_empty(), 0.5, NULL::int)', 'streambatch._percentile("100%s".tdigest(1, 200), 0.5, NULL::text)',
    'streambatch._percentile("100%s".tdigest(9223372036854775807::bigint, 200), 0.5, NULL::bigint)',
    'streambatch._percentile("100%s".tdigest(-1e20, 200), 0.5, NULL::smallint)', 'streambatch._percentile("100%s".tdigest(2.5, 200), 0.5, NULL::smallint)',
    'streambatch._percentiles("100%s".tdigest(2.5, 200), ''{0.5,NULL}'', NULL::int)', 'streambatch._percentile(NULL::"100%s".tdigest, 0.5, NULL::int)']) e;
-- equal values are one, wherever they come from
SELECT "100%s".hll_cardinality(streambatch._sketch_merge(h)) AS both, "100%s".hll_cardinality(streambatch._sketch_combine(min(h::text)::"100%s".hll, max(h::text)::"100%s".hll)) AS combined
  FROM (SELECT streambatch._sketch(v, NULL::"100%s".hll) AS h FROM unnest('{1, 1.0, 2, 3}'::numeric[]) v UNION ALL
        SELECT streambatch._sketch(v, NULL::"100%s".hll) FROM unnest('{1.00, 4, NULL}'::numeric[]) v) s;
-- those that differ in their sign alone are two
SELECT "100%s".hll_cardinality(streambatch._sketch(v, NULL::"100%s".hll)) AS six
  FROM unnest('{1, -1, 1.50, -1.5, 100, -100, -1.50, 1e2}'::numeric[]) v;

-- an event that another aggregate fails on leaves nothing in a sketch
SELECT streambatch.create_view('kept', $$SELECT count(DISTINCT k) AS d, sum(x) AS x, count(*) AS n FROM events WHERE g = 'kept'$$, history => false);
INSERT INTO events (g, k, x, ts) VALUES ('kept', 1, 1.7e308, '2025-02-14'), ('kept', 2, 1.7e308, '2025-02-14'), ('kept', 3, 1, '2025-02-14');
SELECT streambatch.wait_for('events');
SELECT * FROM kept;
DROP VIEW kept;

-- ---- read under the search_path of maintenance commands, which PostgreSQL 17 restricts ----
DO $$
DECLARE
    read text; n bigint;
BEGIN
    FOR read IN SELECT unnest(ARRAY['few', 'percentiles', 'total', 'hourly', 'hopping']) LOOP
        EXECUTE format('CREATE MATERIALIZED VIEW refreshed AS TABLE %I WITH NO DATA', read);
        REFRESH MATERIALIZED VIEW refreshed;
        EXECUTE format('SELECT count(*) FROM ((TABLE %1$I EXCEPT ALL TABLE refreshed) UNION ALL (TABLE refreshed EXCEPT ALL TABLE %1$I)) d', read) INTO n;
        ASSERT n = 0, read;
        DROP MATERIALIZED VIEW refreshed;
    END LOOP;
END $$;

-- ---- DROP EXTENSION takes the views along ----
SELECT count(*) FROM streambatch._view v JOIN pg_class c ON c.oid = v.view WHERE c.relnamespace = 'sketch'::regnamespace;
\set VERBOSITY terse
DROP EXTENSION hll;
\set VERBOSITY default
DROP EXTENSION hll CASCADE;
SELECT v.view FROM streambatch.stat_view v JOIN pg_class c ON c.oid = v.view WHERE c.relnamespace = 'sketch'::regnamespace ORDER BY v.view::text;
DROP EXTENSION tdigest CASCADE;
SELECT v.view FROM streambatch.stat_view v JOIN pg_class c ON c.oid = v.view WHERE c.relnamespace = 'sketch'::regnamespace ORDER BY v.view::text;
DROP SCHEMA "100%s", sketch CASCADE;
DROP ROLE regress_streambatch_sketch;
