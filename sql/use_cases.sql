-- The examples of docs/use-cases.md, and each view against the question asked otherwise of the archive, in either layer and merged.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pg_streambatch;
CREATE SCHEMA use_cases;
SET search_path = use_cases;
-- goes with the schema: sketch.sql begins without it
CREATE EXTENSION hll;
SET timezone = 'UTC';
SET datestyle = 'ISO, MDY';
\getenv broker STREAMBATCH_BROKER
CREATE SERVER kafka FOREIGN DATA WRAPPER streambatch_kafka OPTIONS ("bootstrap.servers" :'broker');
\! test/broker/broker-command create shop 1

-- ---- the stream ----
CREATE FOREIGN TABLE events (user_id bigint, kind text, product text, amount numeric, country text, ts timestamptz)
    SERVER kafka OPTIONS (topic 'shop', event_time 'ts', max_out_of_orderness '5 s');

-- ---- an abandoned cart ----
SELECT streambatch.create_view('visits', $$
    SELECT user_id, streambatch.session(ts, '30 min') AS visit_start, streambatch.session_end(ts, '30 min') AS visit_end,
           count(*) FILTER (WHERE kind = 'cart') AS put_in_cart, count(*) FILTER (WHERE kind = 'purchase') AS purchases,
           streambatch.last(product ORDER BY ts) FILTER (WHERE kind = 'cart') AS last_product
    FROM events GROUP BY 1, 2, 3 $$);

CREATE TABLE reminder (user_id bigint, visit_end timestamptz, product text, PRIMARY KEY (user_id, visit_end));

INSERT INTO events VALUES
    (1, 'view',     'lamp',  NULL,  'IT', '2025-02-14 12:00:00+00'),
    (2, 'view',     'desk',  NULL,  'FR', '2025-02-14 12:01:00+00'),
    (1, 'cart',     'lamp',  NULL,  'IT', '2025-02-14 12:04:00+00'),
    (2, 'cart',     'desk',  NULL,  'FR', '2025-02-14 12:05:00+00'),
    (2, 'purchase', 'desk', 180.00, 'FR', '2025-02-14 12:09:00+00'),
    (3, 'cart',     'vase',  NULL,  'IT', '2025-02-14 12:20:00+00'),
    (4, 'view',     'lamp',  NULL,  'XX', '2025-02-14 12:34:06+00');
SELECT streambatch.wait_for('events');

INSERT INTO reminder
SELECT user_id, visit_end, last_product FROM visits_layers WHERE closed AND put_in_cart > 0 AND purchases = 0
ON CONFLICT DO NOTHING
RETURNING *;

INSERT INTO events VALUES (5, 'view', 'vase', NULL, 'DE', '2025-02-14 12:50:06+00');
SELECT streambatch.wait_for('events');

INSERT INTO reminder
SELECT user_id, visit_end, last_product FROM visits_layers WHERE closed AND put_in_cart > 0 AND purchases = 0
ON CONFLICT DO NOTHING
RETURNING *;

-- ---- a feature, live and exact ----
SELECT streambatch.create_view('user_days', $$
    SELECT user_id, streambatch.tumble(ts, '1 day') AS day, count(*) FILTER (WHERE kind = 'view') AS views,
           count(DISTINCT product) AS products, coalesce(sum(amount), 0) AS spent
    FROM events GROUP BY 1, 2 $$);

INSERT INTO events VALUES
    (1, 'view',     'desk',  NULL, 'IT', '2025-02-14 20:00:00+00'),
    (1, 'purchase', 'lamp', 25.00, 'IT', '2025-02-14 20:00:30+00'),
    (1, 'view',     'vase',  NULL, 'IT', '2025-02-15 00:10:00+00');
SELECT streambatch.wait_for('events');
CALL streambatch.refresh('user_days');

INSERT INTO events VALUES (1, 'view', 'rug', NULL, 'IT', '2025-02-14 23:59:58+00');
SELECT streambatch.wait_for('events');

SELECT day::date, stream_views, batch_views, views, stream_products, batch_products, products, recommended, exact
FROM user_days_layers WHERE user_id = 1 ORDER BY day;

CALL streambatch.refresh('user_days');

SELECT day::date, stream_views, batch_views, views, stream_products, batch_products, products, recommended, exact
FROM user_days_layers WHERE user_id = 1 ORDER BY day;

-- ---- fraud ----
SELECT streambatch.create_view('suspicious', $$
    SELECT user_id, streambatch.hop_end(ts, '10 s', '1 min') AS minute_until, count(*) AS purchases,
           sum(amount) AS amount, count(DISTINCT country) AS countries
    FROM events WHERE kind = 'purchase'
    GROUP BY 1, 2 HAVING count(*) >= 3 OR count(DISTINCT country) > 1 $$);

INSERT INTO events VALUES
    (6, 'purchase', 'phone', 900.00, 'FR', '2025-02-15 09:00:05+00'),
    (6, 'purchase', 'phone', 900.00, 'FR', '2025-02-15 09:00:31+00'),
    (7, 'purchase', 'rug',    80.00, 'IT', '2025-02-15 09:00:40+00'),
    (6, 'purchase', 'phone', 900.00, 'FR', '2025-02-15 09:00:58+00'),
    (7, 'purchase', 'vase',   30.00, 'DE', '2025-02-15 09:01:15+00');
SELECT streambatch.wait_for('events');

SELECT user_id, min(minute_until) AS since, max(purchases) AS purchases, max(amount) AS amount, max(countries) AS countries
FROM suspicious WHERE minute_until > '2025-02-15 09:00:00+00' GROUP BY user_id ORDER BY user_id;

-- ---- a dashboard ----
CREATE TABLE country (code text PRIMARY KEY, name text);
INSERT INTO country VALUES ('DE', 'Germany'), ('FR', 'France'), ('IT', 'Italy');

SELECT streambatch.create_view('hourly_sales', $$
    SELECT c.name AS country, streambatch.tumble(e.ts, '1 h') AS hour, count(*) AS sales, sum(e.amount) AS amount
    FROM events e JOIN country c ON c.code = e.country WHERE e.kind = 'purchase' GROUP BY 1, 2 $$);

CREATE VIEW daily_sales AS
SELECT country, date_trunc('day', hour, 'Europe/Berlin') AS day, sum(sales) AS sales, sum(amount) AS amount,
       round(sum(amount) / sum(sales), 2) AS average
FROM hourly_sales GROUP BY 1, 2;

SELECT country, (day AT TIME ZONE 'Europe/Berlin')::date AS day, sales, amount, average FROM daily_sales ORDER BY day, country;

-- ---- the latest value ----
SELECT streambatch.create_view('last_seen', $$
    SELECT user_id, max(ts) AS at, streambatch.last(product ORDER BY ts) AS product,
           streambatch.last(kind ORDER BY ts) AS kind, streambatch.last(country ORDER BY ts) AS country
    FROM events GROUP BY 1 $$);

SELECT * FROM last_seen WHERE user_id IN (1, 6) ORDER BY user_id;

-- ---- the best of each window, over 202,000 groups ----
-- so that the plan says the same after whatever other tests: state tables are named by the view's id
SELECT setval('streambatch._view_id', 1000);
\! test/broker/broker-command create clicks 1
CREATE FOREIGN TABLE clicks (product int, ts timestamptz) SERVER kafka OPTIONS (topic 'clicks', event_time 'ts');
SELECT streambatch.resume('clicks');
INSERT INTO clicks
SELECT i % 1000, '2025-02-09 08:00:00+00'::timestamptz + i / 1000 * interval '1 h' FROM generate_series(0, 1999) i;
SELECT streambatch.wait_for('clicks');
INSERT INTO clicks_archive (product, ts)
SELECT i % 1000, '2025-02-01 00:00:00+00'::timestamptz + i / 1000 * interval '1 h' FROM generate_series(0, 199999) i
UNION ALL SELECT 7 * i % 1000, '2025-02-01 00:30:00+00'::timestamptz + h * interval '1 h'
FROM generate_series(0, 199) h, generate_series(0, h % 7) i, generate_series(0, i);

SELECT streambatch.create_view('product_hours', $$
    SELECT streambatch.tumble(ts, '1 h') AS hour, product, count(*) AS clicks FROM clicks GROUP BY 1, 2 $$);
SELECT count(*) AS groups FROM product_hours;
SELECT recommended, count(*) AS groups FROM product_hours_layers GROUP BY 1 ORDER BY 1;
ANALYZE;

SELECT product, clicks FROM product_hours
WHERE hour = '2025-02-08 12:00:00+00' ORDER BY clicks DESC, product LIMIT 3;

SET enable_bitmapscan = off;
EXPLAIN (COSTS off)
SELECT product, clicks FROM product_hours
WHERE hour >= '2025-02-08 12:00:00+00' AND hour < '2025-02-08 13:00:00+00' ORDER BY clicks DESC, product LIMIT 3;
RESET enable_bitmapscan;

SELECT h.hour, best.product, best.clicks
FROM generate_series('2025-02-08 11:00:00+00'::timestamptz, '2025-02-08 13:00:00+00', '1 h') AS h(hour),
     LATERAL (SELECT * FROM product_hours p WHERE p.hour = h.hour ORDER BY clicks DESC, product LIMIT 2) AS best
ORDER BY hour, clicks DESC, product;

-- ---- the same questions, asked otherwise of the archive: by no function of ours ----
CREATE TABLE questions (view text, query text);
INSERT INTO questions VALUES
('visits', $$SELECT user_id, min(ts), max(ts) + interval '30 min', sum((kind = 'cart')::int), sum((kind = 'purchase')::int),
    (array_agg(product ORDER BY ts DESC, kafka_offset DESC) FILTER (WHERE kind = 'cart'))[1] FROM
    (SELECT *, count(*) FILTER (WHERE opens) OVER (PARTITION BY user_id ORDER BY ts) AS number FROM
        (SELECT *, coalesce(ts - lag(ts) OVER (PARTITION BY user_id ORDER BY ts) > interval '30 min', true) AS opens FROM events_archive) o) s
    GROUP BY user_id, number$$),
('user_days', $$SELECT user_id, ts::date::timestamptz, sum((kind = 'view')::int), cardinality(array_remove(array_agg(DISTINCT product), NULL)), coalesce(sum(amount), 0)
    FROM events_archive GROUP BY 1, 2$$),
('suspicious', $$SELECT * FROM (SELECT user_id, e, sum(1) AS purchases, sum(amount), cardinality(array_agg(DISTINCT country)) AS countries
    FROM events_archive, LATERAL (SELECT date_bin('10 s', ts, '2000-01-01') + n * interval '10 s' AS e FROM generate_series(1, 6) n) w
    WHERE kind = 'purchase' GROUP BY 1, 2) s WHERE purchases >= 3 OR countries > 1$$),
('hourly_sales', $$SELECT CASE country WHEN 'DE' THEN 'Germany' WHEN 'FR' THEN 'France' WHEN 'IT' THEN 'Italy' END, date_bin('1 h', ts, '2000-01-01'), sum(1), sum(amount)
    FROM events_archive WHERE kind = 'purchase' AND country IN ('DE', 'FR', 'IT') GROUP BY 1, 2$$),
('daily_sales', $$SELECT name, (ts AT TIME ZONE 'Europe/Berlin')::date::timestamp AT TIME ZONE 'Europe/Berlin', sum(1), sum(amount), round(avg(amount), 2)
    FROM events_archive e, country c WHERE e.country = c.code AND kind = 'purchase' GROUP BY 1, 2$$),
('last_seen', $$SELECT * FROM (SELECT DISTINCT ON (user_id) user_id, ts, product, kind, country FROM events_archive ORDER BY user_id, ts DESC, kafka_offset DESC) l$$),
('recent_hours', $$SELECT date_bin('1 h', ts, '2000-01-01'), product, sum(1) FROM clicks_archive WHERE ts >= '2025-02-09' GROUP BY 1, 2$$);
CREATE VIEW recent_hours AS SELECT * FROM product_hours WHERE hour >= '2025-02-09';
-- rows that only one of the two has
CREATE FUNCTION differences() RETURNS TABLE (view text, groups bigint, wrong bigint) LANGUAGE plpgsql AS $$
DECLARE
    q record;
BEGIN
    FOR q IN SELECT * FROM questions ORDER BY 1 LOOP
        view := q.view;
        EXECUTE format('SELECT (SELECT count(*) FROM %1$I), (SELECT count(*) FROM ((TABLE %1$I EXCEPT ALL (%2$s)) UNION ALL ((%2$s) EXCEPT ALL TABLE %1$I)) d)',
                       q.view, q.query) INTO groups, wrong;
        RETURN NEXT;
    END LOOP;
END $$;
SELECT * FROM differences();
-- and by hand
CREATE FUNCTION by_hand() RETURNS TABLE (question text, as_expected boolean) LANGUAGE sql SET search_path = use_cases, pg_temp AS $$
SELECT 'visits', array_agg((visit_start::time, visit_end::time, put_in_cart, purchases, last_product)::text ORDER BY visit_start) =
    '{"(12:00:00,12:34:00,1,0,lamp)","(20:00:00,20:30:30,0,1,)","(23:59:58,00:40:00,0,0,)"}' FROM visits WHERE user_id = 1
UNION ALL SELECT 'user_days', array_agg((views, products, spent)::text ORDER BY day) = '{"(3,3,25.00)","(1,1,0)"}' FROM user_days WHERE user_id = 1
UNION ALL SELECT 'suspicious', array_agg((user_id, minute_until::time, purchases, amount, countries)::text ORDER BY user_id, minute_until) =
    '{"(6,09:01:00,3,2700.00,1)","(7,09:01:20,2,110.00,2)","(7,09:01:30,2,110.00,2)","(7,09:01:40,2,110.00,2)"}' FROM suspicious
UNION ALL SELECT 'sales', array_agg((country, day AT TIME ZONE 'UTC', sales, amount, average)::text ORDER BY day, country) =
    '{"(France,\"2025-02-13 23:00:00\",1,180.00,180.00)","(Italy,\"2025-02-13 23:00:00\",1,25.00,25.00)","(France,\"2025-02-14 23:00:00\",3,2700.00,900.00)","(Germany,\"2025-02-14 23:00:00\",1,30.00,30.00)","(Italy,\"2025-02-14 23:00:00\",1,80.00,80.00)"}' FROM daily_sales
UNION ALL SELECT 'last_seen', array_agg((at::time, product, kind)::text) = '{"(12:20:00,vase,cart)"}' FROM last_seen WHERE user_id = 3
UNION ALL SELECT 'product_hours', array_agg(clicks ORDER BY product) = '{2,3,4,5}' FROM product_hours WHERE hour = '2025-02-01 03:00:00+00' AND product IN (0, 7, 14, 21) $$;
SELECT * FROM by_hand();
-- the same from the batch layer
SELECT format('CALL streambatch.refresh(%L, NULL, %L)', view, 'infinity') FROM unnest('{visits,user_days,suspicious,hourly_sales,product_hours}'::text[]) view
\gexec
-- no window: as a whole
CALL streambatch.refresh('last_seen');
SET streambatch.serve = 'batch';
SELECT * FROM differences();
SELECT * FROM by_hand() WHERE as_expected IS NOT TRUE;
RESET streambatch.serve;
-- and from both, with events that are late for every window
INSERT INTO events SELECT user_id, kind, product, amount, CASE WHEN user_id = 6 THEN 'IT' ELSE country END, ts - user_id * interval '13 min' FROM events_archive ORDER BY ts;
INSERT INTO clicks SELECT product, ts - interval '90 min' FROM clicks_archive WHERE ts > '2025-02-09 08:00:00+00';
SELECT streambatch.wait_for('events'), streambatch.wait_for('clicks');
SELECT * FROM differences();
SELECT recommended, count(*) AS groups FROM user_days_layers GROUP BY 1 ORDER BY 1;

SET client_min_messages = error;
DROP SCHEMA use_cases CASCADE;
DROP SERVER kafka CASCADE;
