-- Every aggregate with a combine function: in the stream layer, in the batch layer, in both, the value of the plain query.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pg_streambatch;
CREATE SCHEMA aggregate;
SET search_path = aggregate;
SET timezone = 'UTC';
SET datestyle = 'ISO, DMY';
\getenv broker STREAMBATCH_BROKER
\! test/broker/broker-command create aggregate 1
CREATE SERVER aggregate_kafka FOREIGN DATA WRAPPER streambatch_kafka OPTIONS ("bootstrap.servers" :'broker');
CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
CREATE TYPE pair AS (n bigint, label text);
CREATE DOMAIN amount AS int CHECK (VALUE < 1000);
CREATE FOREIGN TABLE events (
    id int, k text, i2 int2, i4 int4, i8 int8, f4 float4, f8 float8, n numeric, flag bool, bits bit(4), varbits varbit(8), t text, c text COLLATE "C",
    v varchar(5), e mood, tags text[], d date, r int4range, m nummultirange, dom amount, ts timestamptz
) SERVER aggregate_kafka OPTIONS (topic 'aggregate', event_time 'ts');

-- ---- aggregates of our own ----
-- strict without initial value: the first value is the state
CREATE AGGREGATE least_of(int) (SFUNC = int4smaller, STYPE = int, COMBINEFUNC = int4smaller);
-- not strict: counts NULLs
CREATE FUNCTION count_null(bigint, anyelement) RETURNS bigint LANGUAGE sql IMMUTABLE AS 'SELECT $1 + ($2 IS NULL)::int';
CREATE AGGREGATE nulls(anyelement) (SFUNC = count_null, STYPE = bigint, INITCOND = '0', COMBINEFUNC = int8pl);
-- an initial value, a final function, and a value where there are no rows
CREATE FUNCTION say(int) RETURNS text LANGUAGE sql IMMUTABLE AS $$SELECT 'sum ' || $1$$;
CREATE AGGREGATE said(int) (SFUNC = int4pl, STYPE = int, INITCOND = '0', FINALFUNC = say, COMBINEFUNC = int4pl);
-- no argument
CREATE FUNCTION one_more(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$BEGIN RETURN $1 + 1; END$$;
CREATE AGGREGATE rows_of(*) (SFUNC = one_more, STYPE = int, INITCOND = '0', COMBINEFUNC = int4pl);
-- a composite state, two arguments, not strict
CREATE FUNCTION add_pair(pair, bigint, text) RETURNS pair LANGUAGE sql IMMUTABLE AS
    'SELECT (coalesce(($1).n, 0) + coalesce($2, 0), greatest(($1).label, $3))::aggregate.pair';
CREATE FUNCTION join_pairs(pair, pair) RETURNS pair LANGUAGE sql IMMUTABLE AS
    'SELECT CASE WHEN $1 IS NULL THEN $2 WHEN $2 IS NULL THEN $1 ELSE (($1).n + ($2).n, greatest(($1).label, ($2).label))::aggregate.pair END';
CREATE AGGREGATE pair_of(bigint, text) (SFUNC = add_pair, STYPE = pair, COMBINEFUNC = join_pairs);
-- a polymorphic array state, an expanded object in plpgsql; its final function is told the argument's type
CREATE FUNCTION keep_one(anyarray, anyelement) RETURNS anyarray LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    IF $2 IS NULL OR $2 = ANY ($1) THEN RETURN $1; END IF;
    RETURN array_append($1, $2);
END $$;
CREATE FUNCTION keep_all(anyarray, anyarray) RETURNS anyarray LANGUAGE sql IMMUTABLE AS
    'SELECT ARRAY(SELECT x FROM unnest($1 || $2) x GROUP BY x ORDER BY x)';
CREATE FUNCTION sorted(anyarray, anyelement) RETURNS anyarray LANGUAGE sql IMMUTABLE AS 'SELECT ARRAY(SELECT x FROM unnest($1) x ORDER BY x)';
CREATE AGGREGATE kinds_of(anyelement) (SFUNC = keep_one, STYPE = anyarray, INITCOND = '{}', FINALFUNC = sorted, FINALFUNC_EXTRA, COMBINEFUNC = keep_all);
-- any number of arguments
CREATE FUNCTION add_all(numeric, VARIADIC numeric[]) RETURNS numeric LANGUAGE sql IMMUTABLE AS 'SELECT $1 + coalesce((SELECT sum(x) FROM unnest($2) x), 0)';
CREATE AGGREGATE sum_all(VARIADIC numeric[]) (SFUNC = add_all, STYPE = numeric, INITCOND = '0', COMBINEFUNC = numeric_add);
-- a state of type internal: PostgreSQL's own functions under another name
CREATE AGGREGATE "100% mean"(numeric) (SFUNC = numeric_avg_accum, STYPE = internal, FINALFUNC = numeric_avg, COMBINEFUNC = numeric_avg_combine,
    SERIALFUNC = numeric_avg_serialize, DESERIALFUNC = numeric_avg_deserialize);
-- a collation matters
CREATE AGGREGATE longest_word(text) (SFUNC = text_larger, STYPE = text, COMBINEFUNC = text_larger);

-- ---- views: the plain query for each is over the archive ----
CREATE TABLE views (view text, query text);
CREATE FUNCTION hybrid(name text, query text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM streambatch.create_view(name, query);
    INSERT INTO views VALUES (name, query);
END $$;
-- Rows in which the two answers differ.
CREATE FUNCTION differences() RETURNS TABLE (differs text, here text, there text) LANGUAGE plpgsql AS $$
DECLARE
    v record; plain text;
BEGIN
    FOR v IN SELECT * FROM views LOOP
        plain := replace(v.query, 'FROM events', 'FROM events_archive');
        RETURN QUERY EXECUTE format('SELECT %3$L, (SELECT string_agg(x::text, E''\n'' ORDER BY x::text) FROM (TABLE %1$I EXCEPT ALL %2$s) x), ' ||
            '(SELECT string_agg(x::text, E''\n'' ORDER BY x::text) FROM (%2$s EXCEPT ALL TABLE %1$I) x)', v.view, plain, v.view);
    END LOOP;
END $$;

SELECT hybrid('booleans', $$SELECT k, bool_and(flag), bool_or(flag), every(i4 > 0) FROM events GROUP BY k$$);
SELECT hybrid('bits', $$SELECT k, bit_and(i2) AS a2, bit_or(i2) AS o2, bit_xor(i2) AS x2, bit_and(i4) AS a4, bit_or(i4) AS o4, bit_xor(i4) AS x4,
    bit_and(i8) AS a8, bit_or(i8) AS o8, bit_xor(i8) AS x8, bit_and(bits) AS ab, bit_or(bits) AS ob, bit_xor(bits) AS xb FROM events GROUP BY k$$);
SELECT hybrid('ranges', $$SELECT k, range_agg(r) AS union, range_agg(m) AS unions, range_intersect_agg(r) AS common, range_intersect_agg(m) AS commons
    FROM events GROUP BY k$$);
SELECT hybrid('deviations', $$SELECT k, stddev(i2) AS i2, stddev_pop(i4) AS i4, stddev_samp(i8) AS i8, round(stddev(f4)::numeric, 5) AS f4,
    round(stddev(f8)::numeric, 9) AS f8, stddev(n) AS n, variance(i2) AS vi2, var_pop(i4) AS vi4, var_samp(i8) AS vi8,
    round(variance(f8)::numeric, 9) AS vf8, var_pop(n) AS vn, stddev(dom) AS dom FROM events GROUP BY k$$);
SELECT hybrid('regressions', $$SELECT k, round(corr(f8, i4)::numeric, 9) AS corr, round(covar_pop(f8, f4)::numeric, 4) AS covar_pop,
    round(covar_samp(i4, i8)::numeric, 9) AS covar_samp, round(regr_slope(n, i4)::numeric, 9) AS slope, round(regr_intercept(f8, i4)::numeric, 9) AS intercept,
    round(regr_r2(f8, i4)::numeric, 9) AS r2, regr_count(f8, i4) AS n, round(regr_avgx(f8, i4)::numeric, 9) AS avgx, round(regr_avgy(f8, i4)::numeric, 9) AS avgy,
    round(regr_sxx(f8, i4)::numeric, 9) AS sxx, round(regr_sxy(f8, i4)::numeric, 9) AS sxy, round(regr_syy(f8, i4)::numeric, 9) AS syy
    FROM events GROUP BY k$$);
SELECT hybrid('filtered', $$SELECT k, stddev(i4) FILTER (WHERE flag) AS s, bit_or(i4) FILTER (WHERE i4 > 2 AND flag IS NOT TRUE) AS o,
    aggregate.said(i4) FILTER (WHERE i4 < 0) AS said, variance(n) FILTER (WHERE false) AS none, round(stddev(i4) + avg(i4), 6) AS sum FROM events
    GROUP BY k HAVING count(*) > 0 AND stddev(i4) FILTER (WHERE k <> 'c') IS DISTINCT FROM 0$$);
SELECT hybrid('own', $$SELECT k, aggregate.least_of(i4) AS least, aggregate.nulls(i4) AS n4, aggregate.nulls(t) AS nt, aggregate.nulls(tags) AS ntags,
    aggregate.said(i4) AS said, aggregate.rows_of(*) AS rows, aggregate.rows_of(*) FILTER (WHERE flag) AS flagged, aggregate.pair_of(i8, t) AS pair, aggregate.pair_of(i4, v) AS cast,
    aggregate.kinds_of(i4) AS ints, aggregate.kinds_of(t) AS texts, aggregate.kinds_of(e) AS moods, aggregate.kinds_of(v) AS varchars,
    aggregate.sum_all(i4, n, 1) AS of_three, aggregate.sum_all(VARIADIC ARRAY[n, i8]) AS of_array,
    aggregate."100% mean"(n) AS mean, aggregate."100% mean"(i4) AS mean4, aggregate.longest_word(c) AS in_c, aggregate.longest_word(t COLLATE "C") AS t_in_c,
    aggregate.kinds_of('x'::text) AS constant, aggregate.least_of(NULL) AS nothing FROM events GROUP BY k$$);
SELECT hybrid('total', $$SELECT stddev(i4) AS s, bool_and(flag) AS b, round(corr(f8, f4)::numeric, 5) AS corr, range_agg(r) AS r, aggregate.said(i4) AS said, aggregate.nulls(i4) AS nulls,
    aggregate.rows_of(*) AS rows, aggregate.kinds_of(i4) AS ints, aggregate.pair_of(i8, t) AS pair, aggregate."100% mean"(n) AS mean FROM events$$);
SELECT hybrid('windowed', $$SELECT streambatch.tumble(ts, '1 h') AS w, stddev(i4) AS s, aggregate.kinds_of(k) AS ks, var_pop(n) AS v, bool_or(flag) AS f FROM events GROUP BY 1$$);
-- the types are the query's; states are their own types, and sealed where they are internal
SELECT string_agg(attname || ' ' || format_type(atttypid, atttypmod), ', ' ORDER BY attnum) FROM pg_attribute WHERE attrelid = 'own'::regclass AND attnum > 0;
SELECT string_agg(format_type(atttypid, atttypmod), ', ' ORDER BY attnum) FROM pg_attribute JOIN streambatch._view v
    ON v.view = 'own'::regclass AND attrelid = ('streambatch_state.stream_' || v.id)::regclass AND attnum > 0;

-- before the first event: what the plain query gives of no rows
SELECT * FROM total;
SELECT * FROM own;
SELECT * FROM differences() WHERE here IS NOT NULL OR there IS NOT NULL;

-- ---- stream layer alone ----
CREATE FUNCTION send(first int, last int) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO aggregate.events SELECT i, (ARRAY['a', 'b', 'c', NULL])[1 + i % 4], i % 7 - 3, CASE WHEN i % 11 <> 0 THEN i % 17 - 5 END, i * 1000003 % 77 - 20,
        i * 0.5, CASE WHEN i % 5 <> 0 THEN sqrt(i) * 3 - 10 END, CASE WHEN i % 6 <> 0 THEN round(i * 1.37, i % 4) END, CASE WHEN i % 3 <> 0 THEN i % 8 > 1 END,
        (i % 16)::bit(4), (i % 16)::bit(4)::varbit, CASE WHEN i % 4 <> 1 THEN chr(65 + i % 40) END, chr(65 + i * 7 % 40), repeat('v', i % 4),
        (ARRAY['sad', 'ok', 'happy', NULL])[1 + i / 4 % 4]::aggregate.mood, CASE WHEN i % 2 = 0 THEN ARRAY['t' || i % 3] END, '2025-02-14'::date + i % 9,
        CASE WHEN i % 5 <> 0 THEN int4range(i % 23, i % 23 + 30) END, CASE WHEN i % 7 <> 0 THEN nummultirange(numrange(i % 13, i % 13 + 14.5), numrange(50, 50 + i % 3)) END,
        i % 10, '2025-02-14 00:00+00'::timestamptz + i % 5 * interval '47 min' FROM generate_series(first, last) i;
    RETURN streambatch.wait_for('aggregate.events');
END $$;
SELECT send(1, 60);
SELECT * FROM differences() WHERE here IS NOT NULL OR there IS NOT NULL;
-- several flushes into the same rows: states combine in the worker
SELECT send(61, 90);
SELECT send(91, 97);
SELECT * FROM differences() WHERE here IS NOT NULL OR there IS NOT NULL;
SELECT count(*) FROM streambatch._view v JOIN views ON v.view = views.view::regclass;

-- ---- batch layer alone, then both ----
CALL streambatch.refresh('own');
CALL streambatch.refresh('total');
CALL streambatch.refresh('booleans');
CALL streambatch.refresh('bits');
CALL streambatch.refresh('ranges');
CALL streambatch.refresh('deviations');
CALL streambatch.refresh('regressions');
CALL streambatch.refresh('filtered');
CALL streambatch.refresh('windowed', "to" => 'infinity');
SET streambatch.serve = 'batch';
SELECT * FROM differences() WHERE here IS NOT NULL OR there IS NOT NULL;
RESET streambatch.serve;
SELECT * FROM differences() WHERE here IS NOT NULL OR there IS NOT NULL;
SELECT send(98, 140);
SELECT * FROM differences() WHERE here IS NOT NULL OR there IS NOT NULL;
SELECT send(141, 150);
SELECT * FROM differences() WHERE here IS NOT NULL OR there IS NOT NULL;
-- what was there when a view is created: from the archive
SELECT hybrid('late', $$SELECT k, stddev(i4) AS s, aggregate.pair_of(i8, t) AS pair, aggregate."100% mean"(n) AS mean, var_samp(f8::numeric) AS v FROM events GROUP BY k$$);
SELECT send(151, 155);
SELECT * FROM differences() WHERE here IS NOT NULL OR there IS NOT NULL;

-- ---- by hand ----
\! test/broker/broker-command create aggregate_small 1
CREATE FOREIGN TABLE small (k text, x int, y int, ts timestamptz) SERVER aggregate_kafka OPTIONS (topic 'aggregate_small', event_time 'ts');
SELECT streambatch.create_view('hand', $$SELECT k, var_pop(x) AS var_pop, stddev_pop(x) AS stddev_pop, variance(x) AS variance, corr(x, y) AS corr, regr_slope(y, x) AS slope,
    bool_and(x > 1) AS bool_and, bit_xor(x) AS bit_xor, range_agg(int4range(x, x + 2)) AS range_agg, aggregate.said(x) AS said, aggregate.kinds_of(y) AS kinds
    FROM small GROUP BY k$$);
INSERT INTO small VALUES ('a', 2, 20, '2025-02-14 00:10'), ('a', 4, 40, '2025-02-14 00:20'), ('b', 5, NULL, '2025-02-14 00:30');
SELECT streambatch.wait_for('small');
SELECT * FROM hand ORDER BY k;
CALL streambatch.refresh('hand');
INSERT INTO small VALUES ('a', 6, 60, '2025-02-14 00:10'), ('a', 8, 80, '2025-02-14 00:20'), ('c', NULL, 1, '2025-02-14 00:30');
SELECT streambatch.wait_for('small');
SELECT * FROM hand ORDER BY k;
\x on
SELECT * FROM (SELECT k, stream_var_pop, batch_var_pop, var_pop, stream_said, batch_said, said, stream_kinds, batch_kinds, kinds, stream_range_agg, batch_range_agg, range_agg,
    recommended, exact FROM hand_layers) l ORDER BY k;
\x off
