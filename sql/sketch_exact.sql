-- count(DISTINCT) and percentiles of up to 320 values: those of the plain query, in each layer and over both.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pg_streambatch;
CREATE SCHEMA sketch_exact;
SET search_path = sketch_exact;
SET timezone = 'UTC';
\getenv broker STREAMBATCH_BROKER
\! test/broker/broker-command create sketch_exact 2
CREATE EXTENSION hll;
CREATE EXTENSION tdigest;
CREATE SERVER sketch_exact_kafka FOREIGN DATA WRAPPER streambatch_kafka OPTIONS ("bootstrap.servers" :'broker');
CREATE FOREIGN TABLE events (g text, n int, ts timestamptz, x float8, r real, p numeric, b bigint, s smallint, t text) SERVER sketch_exact_kafka OPTIONS (topic 'sketch_exact', event_time 'ts', idle_timeout '1 h');
CREATE TABLE views (view text, query text);
INSERT INTO views VALUES ('groups', $$SELECT g, count(*) AS c, percentile_cont(0.3) WITHIN GROUP (ORDER BY x) AS x, percentile_cont(0.3) WITHIN GROUP (ORDER BY x DESC) AS x_desc,
    percentile_disc(0.3) WITHIN GROUP (ORDER BY x) AS x_disc, percentile_disc(0.7) WITHIN GROUP (ORDER BY r) AS r, percentile_disc(0.5) WITHIN GROUP (ORDER BY p) AS p, percentile_disc(0.1) WITHIN GROUP (ORDER BY p DESC) AS p_desc,
    percentile_cont(0.9) WITHIN GROUP (ORDER BY p) AS p_cont, percentile_disc(0.25) WITHIN GROUP (ORDER BY b) AS b, percentile_cont(0.25) WITHIN GROUP (ORDER BY b DESC) AS b_cont,
    percentile_disc(ARRAY[0, 0.01, 0.5, 0.99, 1]) WITHIN GROUP (ORDER BY b) AS bs, percentile_cont(ARRAY[0, 0.01, 0.5, 0.99, 1]) WITHIN GROUP (ORDER BY s) AS ss,
    percentile_disc(0.6) WITHIN GROUP (ORDER BY s DESC) AS s, percentile_disc(0.5) WITHIN GROUP (ORDER BY p) FILTER (WHERE n % 2 = 0) AS p_even,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY x) FILTER (WHERE n % 2 = 0) AS x_even, percentile_disc(0) WITHIN GROUP (ORDER BY b) FILTER (WHERE n < 0) AS none,
    count(DISTINCT t) AS t, count(DISTINCT p) AS ps FROM events GROUP BY g$$),
    ('hops', $$SELECT streambatch.hop(ts, '1 hour', '1 day', time_zone => 'Europe/Berlin') AS w, percentile_disc(0.5) WITHIN GROUP (ORDER BY p) AS p, percentile_cont(0.9) WITHIN GROUP (ORDER BY x) AS x,
    count(DISTINCT n) AS ns, count(*) AS c FROM events WHERE g < '0321' GROUP BY 1$$),
    ('sessions', $$SELECT g, streambatch.session(ts, '1 h') AS w, percentile_disc(ARRAY[0.1, 0.9]) WITHIN GROUP (ORDER BY b) AS b, count(DISTINCT t) AS t FROM events GROUP BY 1, 2$$);
SELECT streambatch.create_view(view, query) FROM views;
CREATE FUNCTION plain(query text) RETURNS text LANGUAGE sql AS $$ SELECT replace(query, 'FROM events', 'FROM events_archive') $$;
-- How many groups there are, are exact, should be, and differ from the plain query where they are.
CREATE FUNCTION compare() RETURNS TABLE (view text, layers text, groups bigint, exact bigint, should bigint, wrong bigint) LANGUAGE plpgsql AS $$
DECLARE
    v record;
    plain text;
BEGIN
    FOR v IN SELECT * FROM views WHERE views.view <> 'sessions' ORDER BY 1 LOOP
        plain := plain(v.query);
        RETURN QUERY EXECUTE format($q$SELECT %1$L, string_agg(DISTINCT l.recommended, ' '), count(*), count(*) FILTER (WHERE l.exact), count(*) FILTER (WHERE l.c <= 320),
            count(*) FILTER (WHERE l.exact AND to_jsonb(v) IS DISTINCT FROM to_jsonb(q)) FROM %1$I v LEFT JOIN (%2$s) q USING (%3$I) JOIN %1$I_layers l USING (%3$I)$q$, v.view, plain, CASE v.view WHEN 'groups' THEN 'g' ELSE 'w' END);
    END LOOP;
END $$;
CREATE FUNCTION insert_events(round int) RETURNS void LANGUAGE sql AS $$
INSERT INTO events SELECT lpad(size::text, 4, '0'), n, '2025-03-29 20:00+00'::timestamptz + (n * 7 + round) * interval '5 min', sin(n) * 1e6, cos(n), (n * 7919 % 1000) * 1.010 + 1e30,
    (n * 7919 % 1000)::bigint * 1000000007 * 1000003, n * 7919 % 1000, 't' || n % 400
  FROM unnest('{1,2,3,5,8,100,319,320,321,330,1000}'::int[]) size, generate_series(1, size) n WHERE n % 3 = round
UNION ALL SELECT 'null', round, '2025-03-29 20:00+00', NULL, NULL, NULL, NULL, NULL, NULL
$$;
-- in the stream layer
SELECT insert_events(0), insert_events(1);
SELECT streambatch.wait_for('events');
SELECT * FROM compare();
-- in the batch layer, or over both
CALL streambatch.refresh('groups');
CALL streambatch.refresh('hops', '2025-03-30 01:00+00', '2025-03-30 05:00+00');
CALL streambatch.refresh('sessions', '2025-03-30 01:00+00', '2025-03-30 05:00+00');
SELECT * FROM compare();
SELECT insert_events(2);
SELECT streambatch.wait_for('events');
SELECT * FROM compare();
SELECT g, c, exact, recommended FROM groups_layers ORDER BY g;
SELECT count(*) AS sessions, bool_and(exact) AS exact, sum(cardinality(b)) AS values FROM sessions_layers WHERE g < '0321';
SET streambatch.serve = 'stream';
SELECT count(*) FROM groups;
RESET streambatch.serve;
CALL streambatch.refresh('hops', "to" => 'infinity');
SELECT * FROM compare() WHERE compare.view = 'hops';

-- ---- values of a list that a digest could not hold, and too many digits for a list ----
SELECT streambatch.create_view('long', $$SELECT g, percentile_disc(0.5) WITHIN GROUP (ORDER BY p) AS p, count(*) AS c FROM events WHERE g LIKE 'long%' GROUP BY 1$$, history => false);
INSERT INTO events (g, p, ts) SELECT 'long', 1 + n * 1e-1000, '2025-03-29' FROM generate_series(1, 100) n;
INSERT INTO events (g, p, ts) VALUES ('long few', 'NaN', '2025-03-29'), ('long few', 1e300, '2025-03-29'), ('long few', 5 + 1e-1000, '2025-03-29');
SELECT streambatch.wait_for('events');
SELECT g, round(p, 20) AS p, p = 5 + 1e-1000 AS same, c, exact FROM long_layers ORDER BY g;
SELECT sqlstate, message FROM streambatch.dead_letter WHERE view = 'long'::regclass ORDER BY message;

-- ---- sizes of states ----
SELECT n, pg_column_size(streambatch._sketch(i::float8, NULL::bytea)) AS float8, pg_column_size(streambatch._sketch(i::bigint, NULL::bytea)) AS bigint, pg_column_size(streambatch._sketch(i * 1.01, NULL::bytea)) AS numeric
  FROM unnest('{1,10,320,321}'::int[]) n, generate_series(1, n) i GROUP BY n ORDER BY n;

-- ---- by hand: bytes that are no lists ----
CREATE FUNCTION fails(expression text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    result text; detail text;
BEGIN
    EXECUTE 'SELECT (' || expression || ')::text' INTO result;
    RETURN coalesce(result, 'NULL');
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
    RETURN SQLSTATE || ' ' || SQLERRM || ' ' || detail;
END $$;
-- integers in the byte order of the machine
CREATE FUNCTION word(n bigint) RETURNS bytea LANGUAGE sql AS $$ SELECT CASE get_byte(little, 0) WHEN 84 THEN substring(b, 4, 1) || substring(b, 3, 1) || substring(b, 2, 1) || substring(b, 1, 1) ELSE b END
    FROM (SELECT streambatch._sketch(0::float8, NULL::bytea) AS little) l, (SELECT int4send(n::int) AS b) s $$;
CREATE FUNCTION list(type regtype, n int, content bytea) RETURNS bytea LANGUAGE sql AS $$ SELECT word(1279873876) || word(type::oid::bigint) || word(n) || content $$;
CREATE FUNCTION median(bytes bytea) RETURNS text LANGUAGE sql AS $$ SELECT streambatch._quantile(bytes, 0.5::float8, NULL::float8, NULL::tdigest, true, false)::text $$;
CREATE FUNCTION half(n int) RETURNS bytea LANGUAGE sql AS $$ SELECT CASE get_byte(word(1), 0) WHEN 1 THEN substring(word(n), 1, 2) ELSE substring(word(n), 3, 2) END $$;
SELECT e AS expression, fails(e) FROM unnest(ARRAY[
    'median(streambatch._sketch(7::float8, NULL::bytea))', 'median(list(''float8'', 1, ''\x0000000000000000''))', 'median(list(''float8'', 1, ''\x''))', 'median(list(''float8'', 0, ''\x''))', 'median(list(''float8'', -1, ''\x''))',
    'median(list(''float8'', 321, decode(repeat(''00'', 321 * 8), ''hex'')))', 'median(list(''float8'', 320, decode(repeat(''00'', 320 * 8), ''hex'')))', 'median(list(''float8'', 1, ''\x000000000000000000''))',
    'median(list(''float8'', 1, decode(repeat(''ff'', 8), ''hex'')))', 'median(list(''int4'', 1, ''\x00000000''))', 'median(list(''text'', 1, ''\x00000000''))', 'median(list(''int8'', 1, decode(repeat(''ff'', 8), ''hex'')))',
    'median(list(''numeric'', 1, ''\x''))', 'median(list(''numeric'', 1, half(8) || ''\x0001000000000000''))', 'median(list(''numeric'', 1, half(10) || ''\x0001000000000000000a''))', 'median(list(''numeric'', 1, half(10) || ''\x0001000000000000ffff''))',
    'median(list(''numeric'', 1, half(8) || ''\x00000000c0000000''))', 'median(list(''numeric'', 1, half(8) || ''\x00000000d0000000''))', 'median(list(''numeric'', 1, half(10) || ''\x00017fff000000000001''))', 'median(list(''numeric'', 1, half(-1) || ''\x0001''))',
    'median(list(''numeric'', 2, half(10) || ''\x0001000000000000000a''))', 'median(word(1279873876))', 'median(word(1279873876) || word(701))', 'median(''\x'')', 'median(''\x4c'')',
    'streambatch._sketch_combine(list(''int8'', 1, decode(repeat(''00'', 8), ''hex'')), list(''float8'', 1, decode(repeat(''ff'', 8), ''hex'')))', 'median(streambatch._sketch_combine(list(''int8'', 1, decode(repeat(''ff'', 8), ''hex'')), streambatch._sketch(1::float8, NULL::bytea)))',
    'streambatch._quantile(streambatch._sketch(7::float8, NULL::bytea), 1.5, NULL::float8, NULL::tdigest, true, false)', 'streambatch._quantile(streambatch._sketch(7::float8, NULL::bytea), 0.5, NULL::text, NULL::tdigest, true, false)',
    'streambatch._quantile(streambatch._sketch(7.25, NULL::bytea), 0.5, NULL::int, NULL::tdigest, true, false)', 'streambatch._quantile(NULL::bytea, 0.5, NULL::int, NULL::tdigest, true, false)',
    'streambatch._quantile(streambatch._sketch(7.25, NULL::bytea), 0.5, NULL::int, NULL::tdigest, NULL, false)', 'streambatch._quantiles(streambatch._sketch(7.25, NULL::bytea), ''{0,NULL}'', NULL::int, NULL::tdigest, true, false)',
    'streambatch._quantiles(streambatch._sketch(7.25, NULL::bytea), ''{0,1}'', NULL::numeric, NULL::tdigest, true, false)', 'streambatch._sketch(''NaN''::float8, NULL::bytea)', 'median(streambatch._sketch(''NaN''::numeric, NULL::bytea))',
    '(SELECT streambatch._sketch(''NaN''::numeric, NULL::bytea) FROM generate_series(1, 400))', 'streambatch._sketch(''x''::text, NULL::bytea)', 'streambatch._holds_all(1)', 'streambatch._holds_all(NULL::bytea)', 'streambatch._holds_all(''\x''::bytea)',
    'streambatch._holds_all(tdigest(1, 200))', 'streambatch._holds_all(hll_empty())', 'streambatch._holds_all(streambatch._sketch(1, NULL::hll))']) e;

SET client_min_messages = error;
DROP SCHEMA sketch_exact CASCADE;
DROP SERVER sketch_exact_kafka CASCADE;
