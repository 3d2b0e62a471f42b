-- GROUPING SETS, ROLLUP and CUBE: served from the states of the finest groups, and the same as the plain query over the archive.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pg_streambatch;
RESET client_min_messages;
CREATE SCHEMA grouping_sets;
SET search_path = grouping_sets;
-- go with the schema: sketch.sql begins without them
CREATE EXTENSION hll;
CREATE EXTENSION tdigest;
SET timezone = 'UTC';
SET datestyle = 'ISO, MDY';
\getenv broker STREAMBATCH_BROKER
CREATE SERVER kafka FOREIGN DATA WRAPPER streambatch_kafka OPTIONS ("bootstrap.servers" :'broker');
\! test/broker/broker-command create sales 1

CREATE FOREIGN TABLE sales (country text, product text, x xid, amount int, price numeric, ts timestamptz)
    SERVER kafka OPTIONS (topic 'sales', event_time 'ts', max_out_of_orderness '5 s');
CREATE TABLE region (country text, name text);
INSERT INTO region VALUES ('FR', 'Europe'), ('IT', 'Europe'), (NULL, 'none');
CREATE FUNCTION widest(int, int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT greatest(abs($1), abs($2))';
CREATE AGGREGATE farthest(int) (SFUNC = widest, STYPE = int, COMBINEFUNC = widest);

-- each query, as a hybrid view and over the archive
CREATE TABLE question (name text PRIMARY KEY, query text);
INSERT INTO question VALUES
    ('rollup', $$SELECT country, product, grouping(country, product) AS rolled, count(*) AS n, sum(amount) AS amount FROM sales GROUP BY ROLLUP (country, product)$$),
    ('cube', $$SELECT country AS c, upper(product) AS p, grouping(upper(product)) + 2 * grouping(country) AS rolled, avg(price), stddev(amount) AS s, count(*) FILTER (WHERE amount > 2) AS many
               FROM sales GROUP BY CUBE (1, 2)$$),
    ('sets', $$SELECT country, product, amount % 2 AS odd, min(price), max(price) FROM sales GROUP BY GROUPING SETS ((country, product), (amount % 2), ())$$),
    ('nested', $$SELECT country, product, x, amount % 2 AS odd, count(*) FROM sales GROUP BY country, GROUPING SETS (ROLLUP (product, x), CUBE (amount % 2), (product, amount % 2))$$),
    ('pairs', $$SELECT country, product, x, count(*) FROM sales GROUP BY ROLLUP ((country, product), x)$$),
    ('twice', $$SELECT country, product, count(*) FROM sales GROUP BY ROLLUP (country), ROLLUP (country, product)$$),
    ('once', $$SELECT country, product, count(*) FROM sales GROUP BY DISTINCT ROLLUP (country), ROLLUP (country, product)$$),
    ('nothing', $$SELECT count(*), sum(amount) FROM sales GROUP BY ()$$),
    ('two_totals', $$SELECT count(*), sum(amount) FROM sales GROUP BY GROUPING SETS ((), ())$$),
    ('no_total', $$SELECT country, product, count(*) FROM sales GROUP BY GROUPING SETS (country, product)$$),
    ('keys', $$SELECT country, product FROM sales GROUP BY CUBE (country, product)$$),
    ('hidden', $$SELECT count(*) FROM sales GROUP BY CUBE (country, product)$$),
    ('plain', $$SELECT country, grouping(country) AS rolled, count(*) FROM sales GROUP BY country$$),
    ('constant', $$SELECT country, 'all'::text AS what, count(*) FROM sales GROUP BY ROLLUP (country, 2)$$),
    ('chosen', $$SELECT country, product, sum(amount) FROM sales GROUP BY ROLLUP (country, product) HAVING grouping(product) = 1 AND sum(amount) > 4 OR product = 'lamp' $$),
    ('expressions', $$SELECT coalesce(country, CASE grouping(country) WHEN 1 THEN 'all' ELSE '?' END) || '!' AS c, sum(amount) * 100 + count(*) + grouping(product) AS v, 1.0 * max(amount) / count(*) AS r
                      FROM sales GROUP BY ROLLUP (country, product)$$),
    ('sketches', $$SELECT country, product, count(DISTINCT amount) AS amounts, percentile_cont(0.5) WITHIN GROUP (ORDER BY amount) AS median FROM sales GROUP BY CUBE (country, product)$$),
    ('ends', $$SELECT country, product, streambatch.first(amount ORDER BY ts) AS f, streambatch.last(price ORDER BY ts) FILTER (WHERE price IS NOT NULL) AS l, farthest(amount - 3) FROM sales GROUP BY ROLLUP (product, country)$$),
    ('joined', $$SELECT r.name, product, count(*), sum(amount) FROM sales LEFT JOIN region r ON r.country IS NOT DISTINCT FROM sales.country WHERE amount > 0 GROUP BY CUBE (r.name, product)$$),
    ('hashed', $$SELECT x, country, count(*) FROM sales GROUP BY CUBE (x, country)$$),
    ('by_minute', $$SELECT country, streambatch.tumble(ts, '1 min') AS w, streambatch.tumble_end(ts, '1 min') AS e, count(*), count(DISTINCT product) AS products
                    FROM sales GROUP BY GROUPING SETS ((country, 2, 3), (2, 3), (country), ())$$),
    ('hopping', $$SELECT country, streambatch.hop(ts, '1 min', '3 min') AS w, grouping(country) AS rolled, count(*), avg(amount) FROM sales GROUP BY CUBE (country, 2)$$),
    ('cumulating', $$SELECT streambatch.cumulate(ts, '1 min', '5 min') AS w, streambatch.cumulate_end(ts, '1 min', '5 min') AS e, product, sum(amount), max(price)
                     FROM sales GROUP BY ROLLUP (1, 2, 3)$$),
    ('of_window', $$SELECT extract(minute FROM streambatch.hop(ts, '1 min', '2 min')) AS m, country, count(*) FROM sales GROUP BY GROUPING SETS (1, (1, 2), ())$$),
    ('truncated', $$SELECT date_trunc('hour', ts) AS h, date_trunc('minute', ts) AS m, country, count(*) FROM sales GROUP BY ROLLUP (1, 2, 3)$$),
    ('binned', $$SELECT date_bin('2 min', ts, '2025-01-01') AS b, product, sum(price) FROM sales GROUP BY CUBE (1, 2)$$);
SELECT count(streambatch.create_view(name, query)) FROM question;

-- rows that only one of two queries has; that the view and the plain query differ in: with a condition on windows, in a layer, or of <view>_layers
CREATE FUNCTION unequal(one text, other text) RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
    RETURN QUERY EXECUTE format('SELECT v::text FROM ((%1$s EXCEPT ALL %2$s) UNION ALL (%2$s EXCEPT ALL %1$s)) v', one, other);
END $$;
CREATE FUNCTION plain(query text) RETURNS text LANGUAGE sql AS $$ SELECT regexp_replace(query, 'FROM (\(?)(grouping_sets\.)?sales', 'FROM \1grouping_sets.sales_archive sales') $$;
CREATE FUNCTION differences(condition text DEFAULT 'true', layers text DEFAULT '') RETURNS TABLE (name text, difference text) LANGUAGE sql AS $$
    SELECT q.name, d FROM question q, LATERAL unequal(
        format('SELECT %s FROM %I WHERE %s', (SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute WHERE attrelid = q.name::regclass),
            q.name || layers, condition),
        format('SELECT * FROM (%s OFFSET 0) p WHERE %s', plain(query), condition)) d
    WHERE condition = 'true' OR query ~ ' AS w,'
$$;

-- ---- before the first event: the total is there ----
TABLE rollup;
TABLE two_totals;
SELECT FROM no_total;
SELECT n, amount, recommended, exact, closed FROM rollup_layers;
SELECT * FROM differences();

-- ---- events; NULL as a key is not a total ----
INSERT INTO sales (country, product, x, amount, price, ts) VALUES
    ('FR', 'lamp', '1', 1, 2.5, '2025-02-14 12:00:10+00'), ('FR', 'desk', '2', 2, NULL, '2025-02-14 12:00:20+00'), ('IT', 'lamp', '1', 3, 7, '2025-02-14 12:01:00+00'),
    (NULL, 'lamp', '3', 4, 0.5, '2025-02-14 12:01:30+00'), (NULL, NULL, '3', 5, 1, '2025-02-14 12:02:00+00'), ('FR', NULL, NULL, 6, 3, '2025-02-14 12:04:59+00'),
    ('FR', 'lamp', '1', 7, 2, '2025-02-14 12:07:00+00');
SELECT streambatch.wait_for('sales');
SELECT * FROM rollup ORDER BY rolled, country, product;
SELECT * FROM hopping WHERE country IS NULL AND rolled = 0 ORDER BY w;
SELECT * FROM by_minute WHERE country IS NULL ORDER BY w, count, products;
SELECT * FROM differences();
SET streambatch.serve = 'stream';
SELECT * FROM differences();
SET streambatch.serve = 'batch';
TABLE rollup;
RESET streambatch.serve;

-- ---- refreshed, in part; then later and late events ----
SELECT format('CALL streambatch.refresh(%L)', name) FROM question ORDER BY 1 \gexec
SELECT * FROM differences();
INSERT INTO sales (country, product, x, amount, price, ts) VALUES
    ('FR', 'lamp', '1', 8, 4, '2025-02-14 12:00:30+00'), ('DE', 'desk', '1', 9, 5, '2025-02-14 12:06:10+00'), (NULL, 'desk', '4', -7, 6, '2025-02-14 12:09:00+00');
SELECT streambatch.wait_for('sales');
SELECT * FROM rollup ORDER BY rolled, country, product;
SELECT * FROM differences();
-- conditions on keys and windows, some of which are rolled up
SELECT * FROM differences($$w >= '2025-02-14 12:01:00+00'$$);
SELECT * FROM differences($$w = '2025-02-14 12:00:00+00'$$);
SELECT * FROM differences($$w IS NULL OR w < '2025-02-14 12:02:00+00'$$);
SELECT * FROM differences($$w IS NOT NULL$$);

-- a constant is rolled up in its own column only; without events, PostgreSQL 18 has no constants elsewhere
SELECT streambatch.create_view('constants', $$SELECT country, 'all'::text AS what, 'all'::text AS again, coalesce(country, 'all'::text) || 'x' AS c, count(*) FROM sales GROUP BY ROLLUP (country, 2)$$);
SELECT * FROM constants WHERE country = 'FR' OR count = 10 ORDER BY count, what;
SELECT * FROM unequal('TABLE constants', format('SELECT * FROM (%s OFFSET 0) p', plain($$SELECT country, 'all'::text AS what, 'all'::text AS again, coalesce(country, 'all'::text) || 'x' AS c, count(*) FROM sales GROUP BY ROLLUP (country, 2)$$)));

-- ---- layers: the rows of the same sets ----
SELECT country, product, rolled, stream_n, batch_n, n, stream_amount, batch_amount, amount, recommended, exact, closed,
       stream_as_of IS NOT NULL AS stream_known, batch_as_of IS NOT NULL AS batch_known
  FROM rollup_layers ORDER BY rolled, country, product;
-- closed: a window's rows, not those of all windows
SELECT country, w, stream_count, batch_count, count, recommended, closed FROM by_minute_layers ORDER BY w, country, count, stream_count;
SELECT stream_v, batch_v, v FROM expressions_layers WHERE c = 'all!';
SELECT * FROM differences(layers => '_layers');
SELECT format('CALL streambatch.refresh(%L, full => true)', name) FROM question ORDER BY 1 \gexec
SELECT * FROM differences();
SELECT format('CALL streambatch.refresh(%L, NULL, %L)', name, 'infinity') FROM question WHERE query ~ 'streambatch.(tumble|hop|cumulate)|date_' ORDER BY 1 \gexec
SELECT * FROM differences();
SET streambatch.serve = 'batch';
SELECT * FROM differences();
RESET streambatch.serve;

-- many values: where groups are merged, a sketch estimates, and exact says so
INSERT INTO sales (country, product, x, amount, ts) SELECT 'FR', 'lamp', '1', i, '2025-02-14 12:20:00+00' FROM generate_series(1, 2000) i;
INSERT INTO sales (country, product, x, amount, ts) SELECT 'DE', 'lamp', '1', i, '2025-02-14 12:20:00+00' FROM generate_series(1, 3000) i;
SELECT streambatch.wait_for('sales');
CALL streambatch.refresh('sketches');
SELECT country, product, amounts IN (2000, 3000) AS right, abs(amounts - 2500) < 700 AS near, exact FROM sketches_layers WHERE country IN ('FR', 'DE') AND product = 'lamp' ORDER BY 1;
SELECT grouping, abs(amounts - 3000) < 200 AS near, exact FROM (SELECT country IS NULL AND product IS NULL AS grouping, * FROM sketches_layers) s WHERE grouping AND amounts > 1000;

-- ---- what is stored, shown and counted ----
SELECT groups FROM streambatch.stat_view WHERE view = 'rollup'::regclass;
SELECT streambatch.query('nested');
SELECT regexp_replace(explain, '_\d+\M', '_N', 'g') AS explain FROM streambatch.explain('rollup') AS explain WHERE explain ~ 'GROUP|ROLLUP';
-- the texts that a dump has say the same
CREATE TABLE told (name text, what text, difference text);
DO $$
DECLARE
    q question;
    merged text;
BEGIN
    FOR q IN TABLE question
    LOOP
        merged := 'streambatch_state.merged_' || (SELECT id FROM streambatch._view WHERE view = q.name::regclass);
        EXECUTE format('CREATE VIEW served AS %s; CREATE VIEW both_layers AS %s', pg_get_viewdef(q.name::regclass), pg_get_viewdef(merged::regclass));
        INSERT INTO told SELECT q.name, 'view', d FROM unequal('TABLE served', format('TABLE %I', q.name)) d;
        INSERT INTO told SELECT q.name, 'merged', d FROM unequal('TABLE both_layers', 'TABLE ' || merged) d;
        INSERT INTO told SELECT q.name, 'query', d FROM unequal(plain(rtrim(streambatch.query(q.name::regclass), ';')), plain(q.query)) d;
        DROP VIEW served, both_layers;
    END LOOP;
END $$;
TABLE told;

-- ---- rebuilt with other sets, and without ----
UPDATE question SET query = replace(query, 'ROLLUP', 'CUBE') WHERE name = 'rollup';
UPDATE question SET query = replace(query, 'ROLLUP (country), ROLLUP (country, product)', 'country, product') WHERE name = 'twice';
SELECT format('CALL streambatch.rebuild(%L, %L)', name, query) FROM question WHERE name IN ('rollup', 'twice') ORDER BY name \gexec
SELECT * FROM differences() WHERE name IN ('rollup', 'twice');

-- ---- names of columns of the layers: GROUPING() is not a value of theirs ----
SELECT streambatch.create_view('v', 'SELECT country, grouping(country) AS batch_n, count(*) AS n FROM sales GROUP BY ROLLUP (country)');
SELECT streambatch.create_view('v', 'SELECT country, grouping(country) AS n, count(*) AS batch_n FROM sales GROUP BY ROLLUP (country)');

SET client_min_messages = warning;
DROP SCHEMA grouping_sets CASCADE;
DROP SERVER kafka CASCADE;
