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
-- a polymorphic array state, an expanded object in plpgsql; its final function gets the argument's type
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
-- a combine function that raises: the event that cannot be combined is a dead letter, in both layers
CREATE FUNCTION to_a_thousand(int, int) RETURNS int LANGUAGE plpgsql IMMUTABLE STRICT AS
    $$BEGIN IF $1 + $2 > 1000 THEN RAISE 'more than a thousand'; END IF; RETURN $1 + $2; END$$;
CREATE AGGREGATE limited(int) (SFUNC = int4pl, STYPE = int, COMBINEFUNC = to_a_thousand);
SELECT streambatch.create_view('limits', 'SELECT k, aggregate.limited(x) AS s FROM small GROUP BY k');
INSERT INTO small VALUES ('d', 600, 1, '2025-02-14 00:10');
SELECT streambatch.wait_for('small');
INSERT INTO small VALUES ('d', 500, 1, '2025-02-14 00:10'), ('e', 1, 1, '2025-02-14 00:10');
SELECT streambatch.wait_for('small');
INSERT INTO small VALUES ('e', 2, 1, '2025-02-14 00:10');
SELECT streambatch.wait_for('small');
SELECT k, said FROM hand WHERE k IN ('d', 'e') ORDER BY k;
SELECT * FROM limits WHERE k <> 'd' ORDER BY k;
SELECT * FROM limits WHERE k = 'd';
CALL streambatch.refresh('limits');
SELECT * FROM limits WHERE k = 'd';

-- ---- combinability: an aggregate is refused if partial results over sample rows do not combine ----
CREATE FUNCTION try(aggregate text, OUT error text) LANGUAGE plpgsql AS $$
DECLARE
    d text; h text;
BEGIN
    EXECUTE format('SELECT streambatch.create_view(''refused'', %L)', 'SELECT ' || aggregate || ' AS x FROM aggregate.events');
    RAISE SQLSTATE 'ZZZZZ';
EXCEPTION WHEN SQLSTATE 'ZZZZZ' THEN
    error := 'accepted';
WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS d = PG_EXCEPTION_DETAIL, h = PG_EXCEPTION_HINT;
    error := SQLSTATE || ' ' || SQLERRM || CASE WHEN d <> '' THEN E'\n  DETAIL: ' || d ELSE '' END || CASE WHEN h <> '' THEN E'\n  HINT: ' || h ELSE '' END;
END $$;
-- an initial value that counts once for each part; a combine function that takes the last; one that loses a part; the first row
CREATE AGGREGATE from_ten(int) (SFUNC = int4pl, STYPE = int, INITCOND = '10', COMBINEFUNC = int4pl);
CREATE FUNCTION second(int, int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $2';
CREATE AGGREGATE last_part(int) (SFUNC = int4pl, STYPE = int, COMBINEFUNC = second);
CREATE FUNCTION first_of(anyelement, anyelement) RETURNS anyelement LANGUAGE sql IMMUTABLE STRICT AS 'SELECT $1';
CREATE AGGREGATE first_row(anyelement) (SFUNC = first_of, STYPE = anyelement, COMBINEFUNC = first_of);
CREATE FUNCTION add_or_zero(int, int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT coalesce($1, 0) + coalesce($2, 0)';
CREATE AGGREGATE null_is_null(int) (SFUNC = add_or_zero, STYPE = int, COMBINEFUNC = int4mul);
CREATE AGGREGATE none_is_zero(int) (SFUNC = add_or_zero, STYPE = int, COMBINEFUNC = add_or_zero);
CREATE FUNCTION words(text, text) RETURNS text LANGUAGE sql IMMUTABLE AS $$SELECT concat_ws(' ', $1, $2)$$;
CREATE AGGREGATE all_words(text) (SFUNC = words, STYPE = text, COMBINEFUNC = words);
CREATE AGGREGATE same_mean(float8) (SFUNC = float8_accum, STYPE = float8[], INITCOND = '{0,0,0}', FINALFUNC = float8_avg, COMBINEFUNC = float8_combine);
CREATE FUNCTION halves(float8, float8) RETURNS float8 LANGUAGE sql IMMUTABLE AS 'SELECT ($1 + $2) / 2';
CREATE AGGREGATE halved(float8) (SFUNC = halves, STYPE = float8, INITCOND = '0', COMBINEFUNC = float8pl);
-- factors, of which one is zero: it hides an initial value that counts once for each part, but not from each run of rows
CREATE AGGREGATE product(numeric) (SFUNC = numeric_mul, STYPE = numeric, INITCOND = '1', COMBINEFUNC = numeric_mul);
CREATE AGGREGATE twice_the_product(numeric) (SFUNC = numeric_mul, STYPE = numeric, INITCOND = '2', COMBINEFUNC = numeric_mul);
-- one that raises on most samples, and combines correctly on the others; one whose functions raise always
CREATE FUNCTION only_even(int, int) RETURNS int LANGUAGE plpgsql IMMUTABLE STRICT AS
    $$BEGIN IF $2 % 2 <> 0 THEN RAISE 'odd'; END IF; RETURN $1 + $2; END$$;
CREATE AGGREGATE even_sum(int) (SFUNC = only_even, STYPE = int, INITCOND = '0', COMBINEFUNC = int4pl);
CREATE AGGREGATE even_last(int) (SFUNC = only_even, STYPE = int, INITCOND = '0', COMBINEFUNC = second);
CREATE FUNCTION never(anyelement, anyelement) RETURNS anyelement LANGUAGE plpgsql IMMUTABLE AS $$BEGIN RAISE 'never'; END$$;
CREATE AGGREGATE never(anyelement) (SFUNC = never, STYPE = anyelement, COMBINEFUNC = never);
CREATE AGGREGATE no_combine(int) (SFUNC = int4pl, STYPE = int);
CREATE AGGREGATE no_serial(numeric) (SFUNC = numeric_avg_accum, STYPE = internal, FINALFUNC = numeric_avg, COMBINEFUNC = numeric_avg_combine);
-- one that takes anything: not as an array
CREATE AGGREGATE anything(VARIADIC "any") (SFUNC = concat_ws, STYPE = text, INITCOND = '', COMBINEFUNC = textcat);
\pset format unaligned
\pset tuples_only on
SELECT q || E'\n  ' || try(q) FROM unnest(ARRAY[
    'aggregate.anything(VARIADIC tags)', 'aggregate.anything(i4, t)', 'aggregate.from_ten(i4)', 'aggregate.last_part(i4)', 'aggregate.first_row(t)', 'aggregate.first_row(e)', 'aggregate.first_row(tags)', 'aggregate.first_row((i4, t)::aggregate.pair)',
    'aggregate.first_row(dom)', 'aggregate.first_row(d)', 'aggregate.first_row(r)', 'aggregate.first_row(flag)', 'aggregate.null_is_null(i4)', 'aggregate.none_is_zero(i4)', 'aggregate.none_is_zero(i4) FILTER (WHERE i4 > 5)', 'aggregate.all_words(t)',
    'aggregate.same_mean(f8)', 'aggregate.halved(f8)', 'aggregate.even_sum(i4 * 2)', 'aggregate.even_last(i4 * 2)', 'aggregate.never(i4) FILTER (WHERE false)',
    'aggregate.no_combine(i4)', 'aggregate.no_serial(n)', 'aggregate.product(n)', 'aggregate.twice_the_product(n)']) q;

-- ---- without EXECUTE on an aggregate, no view with it, and no call of it by the internal functions of views ----
CREATE ROLE aggregate_owner;
CREATE ROLE aggregate_reader;
GRANT USAGE ON SCHEMA aggregate TO aggregate_owner, aggregate_reader;
GRANT CREATE ON SCHEMA aggregate TO aggregate_owner;
GRANT SELECT ON events, events_archive TO aggregate_owner;
GRANT EXECUTE ON FUNCTION try(text) TO PUBLIC;
REVOKE EXECUTE ON FUNCTION said(int), "100% mean"(numeric) FROM PUBLIC;
SET ROLE aggregate_owner;
SELECT q || E'\n  ' || try(q) FROM unnest(ARRAY['aggregate.said(i4)', 'aggregate."100% mean"(n)', 'aggregate.least_of(i4)', 'stddev(i4)']) q;
SELECT streambatch._partial('aggregate.said(int)', NULL::int, 1);
SELECT streambatch._merge('aggregate.said(int)', NULL::text, 1, NULL::int);
RESET ROLE;
GRANT EXECUTE ON FUNCTION said(int), "100% mean"(numeric) TO aggregate_owner;
SET ROLE aggregate_owner;
SELECT streambatch.create_view('aggregate.theirs', 'SELECT stddev(i4) AS s, aggregate.said(i4) AS said, aggregate."100% mean"(n) AS mean FROM aggregate.events');
SELECT t = (SELECT x FROM (SELECT stddev(i4) AS s, aggregate.said(i4) AS said, aggregate."100% mean"(n) AS mean FROM aggregate.events_archive) x) FROM aggregate.theirs t;
GRANT SELECT ON aggregate.theirs TO aggregate_reader;
SET ROLE aggregate_reader;
SELECT s > 4 FROM aggregate.theirs;
SELECT said FROM aggregate.theirs;
RESET ROLE;
GRANT EXECUTE ON FUNCTION said(int), "100% mean"(numeric) TO aggregate_reader;
SET ROLE aggregate_reader;
SELECT s > 4, said LIKE 'sum %', mean > 80 FROM aggregate.theirs;

-- ---- states of type internal cannot be written down, nor be taken for another aggregate's ----
SELECT '\x01'::streambatch._state;
SELECT '\x01'::bytea::streambatch._state;
CREATE TEMP TABLE forged (s streambatch._state);
SELECT jsonb_populate_record(NULL::forged, '{"s": "\\x01"}');
COPY forged FROM STDIN;
\\x01
\.
SELECT typreceive, typsend FROM pg_type WHERE oid = 'streambatch._state'::regtype;
SELECT castsource::regtype, casttarget::regtype FROM pg_cast WHERE 'streambatch._state'::regtype IN (castsource, casttarget);
SELECT ('("\\x01")'::text)::streambatch._state;
SELECT streambatch._merge('stddev(numeric)', NULL::numeric, '\x01'::bytea, NULL::numeric);
SELECT streambatch._merge('stddev(numeric)', NULL::numeric, NULL::bytea, NULL::numeric);
CREATE TEMP TABLE states AS SELECT streambatch._partial('stddev(numeric)', NULL::streambatch._state, i::numeric) AS s,
    streambatch._partial('stddev(int)', NULL::streambatch._state, i::int) AS i, streambatch._partial('corr(float8, float8)', NULL::float8[], i::float8, i::float8) AS c
    FROM generate_series(1, 4) i;
SELECT streambatch._merge('stddev(numeric)', NULL::numeric, s, NULL::numeric) FROM states;
SELECT streambatch._merge('stddev(numeric)', NULL::numeric, i, NULL::numeric) FROM states;
SELECT streambatch._merge('stddev(numeric)', NULL::numeric, s, NULL::int) FROM states;
SELECT streambatch._merge('stddev(numeric)', NULL::numeric, s) FROM states;
SELECT streambatch._merge('stddev(numeric)', NULL::text, s, NULL::numeric) FROM states;
SELECT streambatch._merge('stddev(numeric)', NULL::numeric, c, NULL::numeric) FROM states;
SELECT streambatch._merge('corr(float8, float8)', NULL::float8, c, NULL::float8, NULL::float8) FROM states;
SELECT streambatch._merge('corr(float8, float8)', NULL::float8, '{1,2}'::float8[], NULL::float8, NULL::float8);
SELECT streambatch._partial('stddev(numeric)', NULL::bytea, 1.5);
SELECT streambatch._partial('stddev(numeric)', NULL::streambatch._state, 'x'::text);
SELECT streambatch._partial('stddev(numeric)', NULL::streambatch._state, 1.5, 2.5);
SELECT streambatch._partial('stddev(numeric)', NULL::streambatch._state);
SELECT streambatch._partial('abs(numeric)', NULL::streambatch._state, 1.5);
SELECT streambatch._partial(NULL::regprocedure, NULL::streambatch._state, 1.5);
SELECT streambatch._partial(0::regprocedure, NULL::streambatch._state, 1.5);
SELECT streambatch._partial(p.oid, NULL::streambatch._state, 1.5) FROM pg_proc p WHERE p.oid = 'stddev(numeric)'::regprocedure;
SELECT streambatch._partial('rank("any")', NULL::bigint, 1);
SELECT streambatch._partial('jsonb_agg(anyelement)', NULL::streambatch._state, 1);
SELECT streambatch._partial('stddev(numeric)', NULL::streambatch._state, 1.5) OVER ();
RESET ROLE;
-- the right to an aggregate is none to the functions that it is made of
REVOKE EXECUTE ON FUNCTION join_pairs(pair, pair), say(int) FROM PUBLIC;
SET ROLE aggregate_reader;
SELECT aggregate.pair_of(1, 'x');
SELECT streambatch._merge('aggregate.pair_of(bigint, text)', NULL::aggregate.pair, '(1,x)'::aggregate.pair, NULL::bigint, NULL::text);
SELECT streambatch._merge('aggregate.said(int)', NULL::text, 3, NULL::int);
RESET ROLE;
GRANT EXECUTE ON FUNCTION join_pairs(pair, pair), say(int) TO PUBLIC;
-- many groups, sorted and hashed, and grouping sets: each group has a state of its own
CREATE TEMP TABLE many AS SELECT i % 1000 AS k, i % 7 AS x, i % 3 AS g, i::numeric / 8 AS n FROM generate_series(1, 20000) i;
CREATE TEMP TABLE parts AS SELECT k, g, streambatch._partial('stddev(numeric)', NULL::streambatch._state, n) FILTER (WHERE x <> 1) AS s,
    streambatch._partial('aggregate.kinds_of(anyelement)', NULL::int[], x) AS a FROM many GROUP BY k, g;
SELECT count(*) FROM (SELECT k, g, streambatch._merge('stddev(numeric)', NULL::numeric, s, NULL::numeric),
    streambatch._merge('aggregate.kinds_of(anyelement)', NULL::int[], a, NULL::int) FROM parts GROUP BY ROLLUP (k, g)
  INTERSECT ALL SELECT k, g, stddev(n) FILTER (WHERE x <> 1), array_agg(DISTINCT x ORDER BY x) FROM many GROUP BY ROLLUP (k, g)) same;
SELECT count(*) FROM (SELECT FROM many GROUP BY ROLLUP (k, g)) groups;
SET enable_hashagg = off;
SELECT count(*) FROM (SELECT k, streambatch._merge('stddev(numeric)', NULL::numeric, s, NULL::numeric) AS s FROM parts GROUP BY k) here
  JOIN (SELECT k, stddev(n) FILTER (WHERE x <> 1) AS s FROM many GROUP BY k) there USING (k) WHERE here.s IS NOT DISTINCT FROM there.s;
RESET enable_hashagg;
\pset tuples_only off
\pset format aligned

SET client_min_messages = warning;
DROP SCHEMA aggregate CASCADE;
DROP SERVER aggregate_kafka;
DROP OWNED BY aggregate_owner, aggregate_reader;
DROP ROLE aggregate_owner, aggregate_reader;
