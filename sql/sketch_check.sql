-- Sketches that sketch.c cannot have made never reach the code of the extensions: forged by hand, cut, changed at random.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pg_streambatch;
CREATE SCHEMA sketch_check;
SET search_path = sketch_check;
CREATE EXTENSION hll SCHEMA sketch_check;
CREATE EXTENSION tdigest SCHEMA sketch_check;
-- bytes as sketches and back; of hll the extension has the one cast itself, and of tdigest COPY does as much
CREATE CAST (hll AS bytea) WITHOUT FUNCTION;
CREATE CAST (bytea AS tdigest) WITHOUT FUNCTION;
CREATE CAST (tdigest AS bytea) WITHOUT FUNCTION;

-- a number in the byte order of the machine
CREATE FUNCTION turned(number bytea) RETURNS bytea IMMUTABLE LANGUAGE sql AS $$
SELECT string_agg(substr(number, i, 1), '' ORDER BY i DESC) FROM generate_series(1, length(number)) i $$;
CREATE FUNCTION digest(flags int, count bigint, compression int, ncentroids int, means float8[], counts bigint[]) RETURNS tdigest IMMUTABLE LANGUAGE sql AS $$
SELECT (turned(int4send(flags)) || turned(int8send(count)) || turned(int4send(compression)) || turned(int4send(ncentroids)) ||
    coalesce((SELECT string_agg(turned(float8send(m)) || turned(int8send(c)), '' ORDER BY i) FROM unnest(means, counts) WITH ORDINALITY u (m, c, i)), ''))::tdigest $$;
CREATE FUNCTION median(digest tdigest) RETURNS float8 LANGUAGE sql AS 'SELECT streambatch._percentile(digest, 0.5, NULL::float8)';
-- a sketch of n hashes of the given kind: explicit
CREATE FUNCTION hashes(first bigint, n int, step int DEFAULT 1) RETURNS bytea IMMUTABLE LANGUAGE sql AS $$
SELECT coalesce(string_agg(int8send(first + i * step::bigint), '' ORDER BY i), '') FROM generate_series(0, n - 1) i $$;
-- registers (number, value) in 17 bits each
CREATE FUNCTION registers(VARIADIC numbers int[]) RETURNS bytea IMMUTABLE LANGUAGE plpgsql AS $$
DECLARE
    bits text := '';
    result bytea := '';
BEGIN
    FOR i IN 1 .. cardinality(numbers) / 2 LOOP
        bits := bits || numbers[2 * i - 1]::bit(12)::text || numbers[2 * i]::bit(5)::text;
    END LOOP;
    WHILE bits <> '' LOOP
        result := result || substr(int4send(rpad(left(bits, 8), 8, '0')::bit(8)::int), 4);
        bits := substr(bits, 9);
    END LOOP;
    RETURN result;
END $$;

-- the value of an expression, or its error in words
CREATE FUNCTION told(expression text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    result text; d text;
BEGIN
    EXECUTE 'SELECT (' || expression || ')::text' INTO result;
    RETURN coalesce(result, 'NULL');
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS d = PG_EXCEPTION_DETAIL;
    RETURN SQLSTATE || ' ' || SQLERRM || CASE WHEN d <> '' THEN ': ' || d ELSE '' END;
END $$;
\pset format unaligned
\pset tuples_only on
-- ---- HyperLogLog ----
-- right ones: empty, one and 320 hashes, no and three registers, the last register, a full set
SELECT e || E'\n  ' || told(format('streambatch._cardinality((%s)::hll)', e)) FROM unnest(ARRAY[
    $$'\x118c7f'::bytea$$, $$'\x128c7f'::bytea || hashes(7, 1)$$, $$'\x128c7f'::bytea || hashes(-160, 320)$$, $$'\x138c7f'::bytea$$,
    $$'\x138c7f'::bytea || registers(0, 1, 1, 31, 17, 2)$$, $$'\x138c7f'::bytea || registers(4095, 1)$$,
    $$'\x148c7f'::bytea || decode(repeat('0842108421', 512), 'hex')$$]) e;
-- forged ones
SELECT e || E'\n  ' || told(format('streambatch._cardinality((%s)::hll)', e)) FROM unnest(ARRAY[
    -- nothing; cut within the header; an unknown version, and kind; the kind that stands for no value
    $$'\x'::bytea$$, $$'\x11'::bytea$$, $$'\x118c'::bytea$$, $$'\x018c7f'::bytea$$, $$'\x218c7f'::bytea$$, $$'\x158c7f'::bytea$$, $$'\x1f8c7f'::bytea$$, $$'\x108c7f'::bytea$$,
    -- other parameters: registers of 1 bit, 2^31 registers, no registers as a list, a limit of 2^62 hashes
    $$'\x110c7f'::bytea$$, $$'\x149f7f'::bytea$$, $$'\x138b7f'::bytea$$, $$'\x118c3f'::bytea$$, $$'\x128c7e'::bytea || hashes(1, 16000)$$,
    -- an empty one that goes on
    $$'\x118c7f00'::bytea$$,
    -- hashes: cut within one, too many (what is added to them would be written behind the end), twice the same, descending
    $$'\x128c7f'::bytea || '\x00000000000000'$$, $$'\x128c7f'::bytea || hashes(1, 321)$$, $$'\x128c7f'::bytea || hashes(1, 16383)$$, $$'\x128c7f'::bytea || hashes(1, 2, 0)$$,
    $$'\x128c7f'::bytea || hashes(1, 2, -2)$$,
    -- registers: a byte too many, a bit in the rest, descending, twice the same, of value zero
    $$'\x138c7f'::bytea || registers(0, 1) || '\x00'$$, $$'\x138c7f'::bytea || '\x00'$$, $$'\x138c7f'::bytea || '\x000881'$$, $$'\x138c7f'::bytea || registers(2, 1, 1, 1)$$, $$'\x138c7f'::bytea || registers(1, 1, 1, 1)$$,
    $$'\x138c7f'::bytea || registers(1, 1, 2, 0)$$,
    -- all of them: one byte less, one more, none
    $$'\x148c7f'::bytea || decode(repeat('00', 2559), 'hex')$$, $$'\x148c7f'::bytea || decode(repeat('00', 2561), 'hex')$$, $$'\x148c7f'::bytea$$]) e;
-- wherever a sketch is read
SELECT e || E'\n  ' || told(e) FROM unnest(ARRAY[
    $$streambatch._sketch_combine('\x128c7f'::bytea::hll, ('\x128c7f'::bytea || hashes(1, 321))::hll)$$,
    $$streambatch._sketch_combine(('\x128c7f'::bytea || hashes(1, 321))::hll, '\x128c7f'::bytea::hll)$$,
    $$(SELECT streambatch._sketch_merge(h) FROM (VALUES ('\x128c7f'::bytea::hll), (('\x128c7f'::bytea || hashes(1, 321))::hll)) v (h))$$]) e;

-- ---- t-digest ----
-- the last digit of an interpolated value depends on the extension's version
SET extra_float_digits = 0;
-- right ones
SELECT e || E'\n  ' || told(format('median(%s)', e)) FROM unnest(ARRAY[
    $$digest(1, 1, 200, 1, '{5}', '{1}')$$, $$digest(1, 4, 200, 2, '{-1e285,1e285}', '{3,1}')$$, $$digest(1, 1::bigint << 53, 200, 2, '{1,2}', ARRAY[(1::bigint << 53) - 1, 1])$$,
    -- a mean that rounding has put a little behind the next
    $$digest(1, 3, 200, 3, '{1,1.0000000000000002,1}', '{1,1,1}')$$]) e;
-- forged ones
SELECT e || E'\n  ' || told(format('median(%s)', e)) FROM unnest(ARRAY[
    -- nothing; cut within the header, and behind it
    $$'\x'::bytea::tdigest$$, $$substr(digest(1, 1, 200, 1, '{5}', '{1}')::bytea, 1, 19)::tdigest$$, $$substr(digest(1, 1, 200, 1, '{5}', '{1}')::bytea, 1, 20)::tdigest$$,
    $$substr(digest(1, 1, 200, 1, '{5}', '{1}')::bytea, 1, 35)::tdigest$$, $$(digest(1, 1, 200, 1, '{5}', '{1}')::bytea || '\x00')::tdigest$$,
    -- flags, compression
    $$digest(0, 1, 200, 1, '{5}', '{1}')$$, $$digest(3, 1, 200, 1, '{5}', '{1}')$$, $$digest(1, 1, 0, 1, '{5}', '{1}')$$, $$digest(1, 1, -200, 1, '{5}', '{1}')$$,
    $$digest(1, 1, 10, 1, '{5}', '{1}')$$, $$digest(1, 1, 2147483647, 1, '{5}', '{1}')$$,
    -- centroids: none, fewer, more, less than none, as many as four billion; more than a buffer takes
    $$digest(1, 0, 200, 0, '{}', '{}')$$, $$digest(1, 1, 200, 2, '{5}', '{1}')$$, $$digest(1, 2, 200, 1, '{5,6}', '{1,1}')$$, $$digest(1, 1, 200, -1, '{5}', '{1}')$$,
    $$digest(1, 1, 200, 268435457, '{5}', '{1}')$$,
    $$digest(1, 2001, 200, 2001, array_fill(5::float8, '{2001}'), array_fill(1::bigint, '{2001}'))$$,
    -- counts: zero, negative, that add up to another one, that overflow
    $$digest(1, 1, 200, 2, '{5,6}', '{1,0}')$$, $$digest(1, 1, 200, 2, '{5,6}', '{2,-1}')$$, $$digest(1, 3, 200, 2, '{5,6}', '{1,1}')$$, $$digest(1, -1, 200, 1, '{5}', '{1}')$$,
    $$digest(1, 9223372036854775807, 200, 1, '{5}', '{9223372036854775807}')$$,
    $$digest(1, -9223372036854775808, 200, 2, '{5,6}', '{9223372036854775807,1}')$$,
    -- means: what a loop would not end with, what is out of bounds, descending
    $$digest(1, 1, 200, 1, '{NaN}', '{1}')$$, $$digest(1, 2, 200, 2, '{1,NaN}', '{1,1}')$$, $$digest(1, 1, 200, 1, '{Infinity}', '{1}')$$, $$digest(1, 1, 200, 1, '{-Infinity}', '{1}')$$,
    $$digest(1, 1, 200, 1, '{1e286}', '{1}')$$, $$digest(1, 2, 200, 2, '{2,1}', '{1,1}')$$]) e;
-- wherever a sketch is read; and the count of all of them
SELECT e || E'\n  ' || told(e) FROM unnest(ARRAY[
    $$(SELECT streambatch._sketch_merge(d) FROM (VALUES (digest(1, 1, 200, 1, '{1}', '{1}')), (digest(1, 1, 200, 1, '{NaN}', '{1}'))) v (d))$$,
    $$streambatch._sketch_combine(digest(1, 1, 200, 1, '{NaN}', '{1}'), digest(1, 1, 200, 1, '{1}', '{1}'))$$,
    $$streambatch._sketch_combine(digest(1, 1, 200, 1, '{1}', '{1}'), digest(1, 1, 200, 1, '{NaN}', '{1}'))$$,
    $$streambatch._percentiles(digest(1, 1, 200, 1, '{NaN}', '{1}'), '{0.5}', NULL::float8)$$,
    $$(SELECT streambatch._sketch_merge(digest(1, 1::bigint << 53, 200, 1, '{1}', ARRAY[1::bigint << 53])) FROM generate_series(1, 2))$$,
    $$streambatch._sketch_combine(digest(1, 1::bigint << 53, 200, 1, '{1}', ARRAY[1::bigint << 53]), digest(1, 1, 200, 1, '{1}', '{1}'))$$,
    -- fractions
    $$streambatch._percentile(digest(1, 2, 200, 2, '{1,2}', '{1,1}'), -0.1, NULL::float8)$$, $$streambatch._percentile(digest(1, 2, 200, 2, '{1,2}', '{1,1}'), 1.1, NULL::float8)$$,
    $$streambatch._percentile(digest(1, 2, 200, 2, '{1,2}', '{1,1}'), 'NaN', NULL::float8)$$, $$streambatch._percentiles(digest(1, 2, 200, 2, '{1,2}', '{1,1}'), '{0,2}', NULL::float8)$$,
    $$streambatch._percentiles(digest(1, 2, 200, 2, '{1,2}', '{1,1}'), '{0,0.9999999999999999,1}', NULL::float8)$$]) e;
\pset tuples_only off
\pset format aligned

-- ---- what sketch.c makes is taken: of few values, of many, of those that are hard to sum up, united again and again ----
CREATE TABLE honest (kind text, n int, h hll, d tdigest);
INSERT INTO honest SELECT 'hash', n, (SELECT streambatch._sketch(i, NULL::hll) FROM generate_series(1, n) i), NULL
  FROM unnest('{1,2,319,320,321,322,1000,1500,3000,20000,100000}'::int[]) n;
INSERT INTO honest SELECT kind, n, NULL, (SELECT streambatch._sketch(CASE kind
        WHEN 'even' THEN i WHEN 'one' THEN 5 WHEN 'huge' THEN CASE WHEN i % 2 = 0 THEN 1e285 ELSE -1e285 END WHEN 'near' THEN 1 + (i % 3) * 2.220446049250313e-16
        WHEN 'wide' THEN (CASE WHEN i % 2 = 0 THEN 1 ELSE -1 END) * 10::float8 ^ (i % 570 - 285) WHEN 'tiny' THEN i * 5e-324 END, NULL::tdigest) FROM generate_series(1, n) i)
  FROM unnest('{even,one,huge,near,wide,tiny}'::text[]) kind, unnest('{1,2,1999,2000,2001,50000}'::int[]) n;
SELECT kind, count(*), count(streambatch._sketch_combine(d, d)) FILTER (WHERE d IS NOT NULL) AS digests,
       count(*) FILTER (WHERE tdigest_count(streambatch._sketch_combine(d, d)) = 2 * n) AS counted, count(*) FILTER (WHERE median(d) BETWEEN -1e285 AND 1e285) AS medians
  FROM honest GROUP BY kind ORDER BY kind;
SELECT count(*) FILTER (WHERE hll_cardinality(streambatch._sketch_combine(h, h)) = hll_cardinality(h)) AS united, count(*) AS of FROM honest WHERE h IS NOT NULL;
-- sketches of one kind are none of the other
SELECT told('streambatch._cardinality(digest(1, 1, 200, 1, ''{5}'', ''{1}''))'), told('streambatch._percentile(''\x118c7f''::bytea::hll, 0.5, NULL::float8)');
-- a session's own limit for lists of registers
SELECT hll_set_max_sparse(4096) = -1 AS automatic_before;
SELECT hll_cardinality(streambatch._sketch_merge(h)) BETWEEN 2700 AND 3300 AS sparse FROM (SELECT streambatch._sketch(i, NULL::hll) AS h FROM generate_series(1, 3000) i) s;
SELECT hll_set_max_sparse(-1);
DO $$
DECLARE
    united tdigest;
BEGIN
    FOR round IN 1 .. 400 LOOP
        SELECT streambatch._sketch_merge(d) INTO united
          FROM (SELECT united AS d UNION ALL
                SELECT streambatch._sketch((i * 7919 % 1000 - 500)::float8 * 1e280, NULL::tdigest) FROM generate_series(round, round + 1000) i) s;
    END LOOP;
    ASSERT tdigest_count(united) = 400 * 1001;
END $$;

-- ---- changed at random: a value or invalid_binary_representation, and nothing else ----
CREATE TYPE tally AS (kind text, outcome text);
-- seed: so that it can be run again
CREATE FUNCTION change_at_random(seed float8, tries int) RETURNS SETOF tally LANGUAGE plpgsql AS $$
DECLARE
    bytes bytea; other bytea; kinds text[] := '{hll,tdigest}'; type text; n int; how int;
BEGIN
    PERFORM setseed(seed);
    FOR i IN 1 .. tries LOOP
        type := kinds[1 + i % 2];
        SELECT coalesce(h::bytea, d::bytea) INTO bytes FROM honest WHERE (h IS NOT NULL) = (type = 'hll') ORDER BY random() LIMIT 1;
        other := bytes;
        n := length(bytes);
        how := floor(random() * 7);
        IF how = 0 THEN
            bytes := substr(bytes, 1, floor(random() * n)::int);
        ELSIF how = 1 THEN
            SELECT bytes || string_agg(set_byte('\x00', 0, floor(random() * 256)::int), '') INTO bytes FROM generate_series(1, 1 + floor(random() * 40)::int);
        ELSIF how = 2 THEN -- of the header alone
            bytes := set_byte(bytes, floor(random() * least(n, CASE type WHEN 'hll' THEN 3 ELSE 20 END))::int, floor(random() * 256)::int);
        ELSIF how = 3 THEN -- the header is right, and the rest is not
            SELECT substr(bytes, 1, CASE type WHEN 'hll' THEN 3 ELSE 20 END) || coalesce(string_agg(set_byte('\x00', 0, floor(random() * 256)::int), ''), '') INTO bytes
              FROM generate_series(1, n - CASE type WHEN 'hll' THEN 3 ELSE 20 END);
        ELSIF how = 4 THEN -- nothing is
            SELECT string_agg(set_byte('\x00', 0, floor(random() * 256)::int), '') INTO bytes FROM generate_series(1, 1 + floor(random() * 100)::int);
        ELSE
            FOR j IN 1 .. 1 + floor(random() * 8) LOOP
                bytes := set_byte(bytes, floor(random() * n)::int, (ARRAY[0, 1, 127, 128, 255, floor(random() * 256)::int])[1 + floor(random() * 6)::int]);
            END LOOP;
        END IF;
        BEGIN
            IF type = 'hll' THEN
                PERFORM streambatch._cardinality(streambatch._sketch_merge(bytes::hll)), hll_cardinality(streambatch._sketch_combine(other::hll, bytes::hll));
                PERFORM hll_cardinality(streambatch._sketch_merge(s)) FROM unnest(ARRAY[bytes, other, bytes]::hll[]) s;
            ELSE
                PERFORM median(bytes::tdigest), tdigest_count(streambatch._sketch_combine(other::tdigest, bytes::tdigest));
                PERFORM median(streambatch._sketch_merge(s)) FROM unnest(ARRAY[bytes, other, bytes]::tdigest[]) s;
            END IF;
            RETURN NEXT (type, 'a value')::tally;
        EXCEPTION WHEN OTHERS THEN
            RETURN NEXT (type, SQLSTATE)::tally;
        END;
    END LOOP;
END $$;
SELECT kind, outcome, count(*) > 20 AS often FROM change_at_random(0.42, 6000) GROUP BY 1, 2 ORDER BY 1, 2;

DROP EXTENSION hll CASCADE;
DROP EXTENSION tdigest CASCADE;
DROP SCHEMA sketch_check CASCADE;
