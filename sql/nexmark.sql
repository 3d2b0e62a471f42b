-- The examples of docs/nexmark.md, and each view against the question asked otherwise of the archive, in either layer and merged.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pg_streambatch;
CREATE SCHEMA nexmark;
SET search_path = nexmark;
-- goes with the schema: sketch.sql begins without it
CREATE EXTENSION hll;
SET timezone = 'UTC';
SET datestyle = 'ISO, MDY';
\getenv broker STREAMBATCH_BROKER
CREATE SERVER kafka FOREIGN DATA WRAPPER streambatch_kafka OPTIONS ("bootstrap.servers" :'broker');
\! test/broker/broker-command create person 1
\! test/broker/broker-command create auction 1
\! test/broker/broker-command create bid 1

-- ---- the streams and their events ----
CREATE FOREIGN TABLE person (id bigint, name text, city text, state text, ts timestamptz)
    SERVER kafka OPTIONS (topic 'person', event_time 'ts');
CREATE FOREIGN TABLE auction (id bigint, item text, seller bigint, category int, ts timestamptz)
    SERVER kafka OPTIONS (topic 'auction', event_time 'ts');
CREATE FOREIGN TABLE bid (auction bigint, bidder bigint, price bigint, channel text, ts timestamptz)
    SERVER kafka OPTIONS (topic 'bid', event_time 'ts');

INSERT INTO person VALUES
    (1, 'Ann', 'Portland', 'OR', '2025-02-14 12:00:01+00'),
    (2, 'Bob', 'Seattle',  'WA', '2025-02-14 12:00:04+00'),
    (3, 'Cem', 'Portland', 'OR', '2025-02-14 12:00:12+00'),
    (4, 'Dia', 'Phoenix',  'AZ', '2025-02-14 12:00:27+00');
INSERT INTO auction VALUES
    (10, 'lamp',  1, 7, '2025-02-14 12:00:03+00'),
    (11, 'chair', 1, 7, '2025-02-14 12:00:08+00'),
    (12, 'stamp', 2, 9, '2025-02-14 12:00:14+00'),
    (13, 'canoe', 3, 8, '2025-02-14 12:00:19+00'),
    (14, 'clock', 4, 7, '2025-02-14 12:00:31+00');
INSERT INTO bid VALUES
    (10, 5,     900, 'Google',   '2025-02-14 12:00:04+00'),
    (10, 6,    1500, 'Apple',    '2025-02-14 12:00:05+00'),
    (11, 5,    2000, 'Google',   '2025-02-14 12:00:09+00'),
    (10, 7,   12000, 'Facebook', '2025-02-14 12:00:11+00'),
    (11, 6,    2500, 'Apple',    '2025-02-14 12:00:12+00'),
    (11, 5,    3000, 'Google',   '2025-02-14 12:00:13+00'),
    (12, 7,     500, 'Apple',    '2025-02-14 12:00:16+00'),
    (11, 6,    3500, 'Apple',    '2025-02-14 12:00:18+00'),
    (10, 5,   15000, 'Google',   '2025-02-14 12:00:27+00'),
    (13, 7, 1250000, 'Facebook', '2025-02-14 12:00:29+00'),
    (13, 6, 1300000, 'Apple',    '2025-02-15 08:30:00+00'),
    (12, 7,     800, 'Facebook', '2025-02-15 08:30:02+00'),
    (13, 5, 1400000, 'Google',   '2025-02-15 17:45:10+00');

-- ---- q5 ----
SELECT streambatch.create_view('hot_items', $$
    SELECT auction, streambatch.hop(ts, '2 s', '10 s') AS window_start, count(*) AS bids
    FROM bid GROUP BY 1, 2 $$);
SELECT streambatch.wait_for('bid');

SELECT window_start, auction, bids
FROM (SELECT *, rank() OVER (PARTITION BY window_start ORDER BY bids DESC) FROM hot_items) AS ranked
WHERE rank = 1 AND window_start >= '2025-02-14 12:00:00+00' AND window_start < '2025-02-14 12:00:10+00'
ORDER BY window_start, auction;

-- ---- q7 ----
SELECT streambatch.create_view('highest_bid', $$
    SELECT streambatch.tumble(ts, '10 s') AS window_start, max(price) AS price,
           streambatch.last(auction ORDER BY price) AS auction, streambatch.last(bidder ORDER BY price) AS bidder
    FROM bid GROUP BY 1 $$);

SELECT * FROM highest_bid ORDER BY window_start;

SELECT b.auction, b.bidder, b.price, b.ts
FROM highest_bid h JOIN bid_archive b
  ON b.ts >= h.window_start AND b.ts < h.window_start + interval '10 s' AND b.price = h.price
WHERE h.window_start = '2025-02-14 12:00:10+00';

-- ---- q8 ----
SELECT streambatch.create_view('new_people', $$
    SELECT id, name, streambatch.tumble(ts, '10 s') AS window_start FROM person GROUP BY 1, 2, 3 $$);
SELECT streambatch.create_view('sellers', $$
    SELECT seller, streambatch.tumble(ts, '10 s') AS window_start, count(*) AS auctions
    FROM auction GROUP BY 1, 2 $$);
SELECT streambatch.wait_for('person'), streambatch.wait_for('auction');

SELECT p.id, p.name, p.window_start, s.auctions
FROM new_people p JOIN sellers s ON s.seller = p.id AND s.window_start = p.window_start
ORDER BY p.id;

-- ---- q11 ----
SELECT streambatch.create_view('bid_sessions', $$
    SELECT bidder, streambatch.session(ts, '10 s') AS session_start,
           streambatch.session_end(ts, '10 s') AS session_end, count(*) AS bids
    FROM bid GROUP BY 1, 2, 3 $$);

SELECT * FROM bid_sessions WHERE session_start < '2025-02-15' ORDER BY bidder, session_start;

-- ---- q12 ----
SELECT streambatch.create_view('bids_per_user', $$
    SELECT bidder, streambatch.tumble(ts, '10 s') AS window_start, count(*) AS bids
    FROM bid GROUP BY 1, 2 $$);

SELECT * FROM bids_per_user WHERE bidder = 5 ORDER BY window_start;

-- ---- q15 ----
SELECT streambatch.create_view('bidding_days', $$
    SELECT date_trunc('day', ts, 'UTC') AS day, count(*) AS total_bids,
           count(*) FILTER (WHERE price < 10000) AS rank1_bids,
           count(*) FILTER (WHERE price >= 10000 AND price < 1000000) AS rank2_bids,
           count(*) FILTER (WHERE price >= 1000000) AS rank3_bids,
           count(DISTINCT bidder) AS total_bidders,
           count(DISTINCT bidder) FILTER (WHERE price < 10000) AS rank1_bidders,
           count(DISTINCT auction) AS total_auctions,
           count(DISTINCT auction) FILTER (WHERE price >= 1000000) AS rank3_auctions
    FROM bid GROUP BY 1 $$);

SELECT day::date, total_bids, rank1_bids, rank2_bids, rank3_bids,
       total_bidders AS bidders, rank1_bidders, total_auctions AS auctions, rank3_auctions
FROM bidding_days ORDER BY day;

-- ---- q16 ----
SELECT streambatch.create_view('channel_days', $$
    SELECT channel, date_trunc('day', ts, 'UTC') AS day, max(date_trunc('minute', ts)) AS minute,
           count(*) AS total_bids, count(*) FILTER (WHERE price < 10000) AS rank1_bids,
           count(DISTINCT bidder) AS total_bidders, count(DISTINCT auction) AS total_auctions
    FROM bid GROUP BY 1, 2 $$);

SELECT channel, day::date, minute::time, total_bids, rank1_bids, total_bidders, total_auctions
FROM channel_days ORDER BY channel, day;

-- ---- a late bid ----
CALL streambatch.refresh('bid_sessions', "to" => '2025-02-15');
INSERT INTO bid VALUES (12, 5, 700, 'Google', '2025-02-14 12:00:20+00');
SELECT streambatch.wait_for('bid');

SELECT bidder, session_start, session_end, stream_bids, batch_bids, bids, recommended
FROM bid_sessions_layers WHERE bidder = 5 ORDER BY session_start;

-- ---- the same questions, asked otherwise of the archive: by no function of ours ----
CREATE TABLE questions (view text, query text);
INSERT INTO questions VALUES
('hot_items', $$SELECT auction, w, count(*) FROM bid_archive, generate_series('2025-02-14 11:59'::timestamptz, '2025-02-14 12:02', '2 s') w
    WHERE ts >= w AND ts < w + interval '10 s' GROUP BY 1, 2
    UNION ALL SELECT auction, w, count(*) FROM bid_archive, generate_series('2025-02-15 08:29'::timestamptz, '2025-02-15 17:46', '2 s') w
    WHERE ts >= w AND ts < w + interval '10 s' GROUP BY 1, 2$$),
('highest_bid', $$SELECT DISTINCT ON (1) to_timestamp(floor(extract(epoch FROM ts) / 10) * 10), price, auction, bidder FROM bid_archive
    ORDER BY 1, 2 DESC, kafka_partition DESC, kafka_offset DESC$$),
('new_people', $$SELECT DISTINCT id, name, date_bin('10 s', ts, '2000-01-01') FROM person_archive$$),
('sellers', $$SELECT seller, date_bin('10 s', ts, '2000-01-01'), count(*) FROM auction_archive GROUP BY 1, 2$$),
('bid_sessions', $$SELECT bidder, min(ts), max(ts) + interval '10 s', count(*) FROM
    (SELECT *, count(*) FILTER (WHERE opens) OVER (PARTITION BY bidder ORDER BY ts) AS number FROM
        (SELECT bidder, ts, coalesce(ts - lag(ts) OVER (PARTITION BY bidder ORDER BY ts) > interval '10 s', true) AS opens FROM bid_archive) o) s GROUP BY bidder, number$$),
('bids_per_user', $$SELECT bidder, date_bin('10 s', ts, '2000-01-01'), count(*) FROM bid_archive GROUP BY 1, 2$$),
('bidding_days', $$SELECT ts::date::timestamptz, sum(1), sum((price < 10000)::int), sum((price BETWEEN 10000 AND 999999)::int), sum((price > 999999)::int),
    cardinality(array_agg(DISTINCT bidder)), cardinality(coalesce(array_agg(DISTINCT bidder) FILTER (WHERE price < 10000), '{}')),
    cardinality(array_agg(DISTINCT auction)), cardinality(coalesce(array_agg(DISTINCT auction) FILTER (WHERE price > 999999), '{}')) FROM bid_archive GROUP BY 1$$),
('channel_days', $$SELECT channel, ts::date::timestamptz, date_trunc('minute', max(ts)), sum(1), sum((price < 10000)::int), cardinality(array_agg(DISTINCT bidder)),
    cardinality(array_agg(DISTINCT auction)) FROM bid_archive GROUP BY 1, 2$$);
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
CREATE FUNCTION by_hand() RETURNS TABLE (question text, as_expected boolean) LANGUAGE sql SET search_path = nexmark, pg_temp AS $$
SELECT 'q5', array_agg((auction, bids)::text ORDER BY auction) = '{"(10,3)","(11,3)"}' FROM hot_items WHERE window_start = '2025-02-14 12:00:04+00'
UNION ALL SELECT 'q7', array_agg((price, auction, bidder)::text) = '{"(1250000,13,7)"}' FROM highest_bid WHERE window_start = '2025-02-14 12:00:20+00'
UNION ALL SELECT 'q8', array_agg(id ORDER BY id) = '{1,3}' FROM new_people p WHERE (id, window_start) IN (SELECT seller, window_start FROM sellers)
UNION ALL SELECT 'q11', array_agg((session_start::time, session_end::time, bids)::text ORDER BY session_start)
    = '{"(12:00:04,12:00:37,5)","(17:45:10,17:45:20,1)"}' FROM bid_sessions WHERE bidder = 5
UNION ALL SELECT 'q12', array_agg(bids ORDER BY window_start) = '{2,1,2,1}' FROM bids_per_user WHERE bidder = 5
UNION ALL SELECT 'q15', (total_bids, rank1_bids, rank2_bids, rank3_bids, total_bidders, rank1_bidders, total_auctions, rank3_auctions) = (11, 8, 2, 1, 3, 3, 4, 1)
    FROM bidding_days WHERE day = '2025-02-14'
UNION ALL SELECT 'q16', (minute::time, total_bids, rank1_bids, total_bidders, total_auctions) = ('12:00', 5, 4, 1, 3)
    FROM channel_days WHERE channel = 'Google' AND day = '2025-02-14' $$;
SELECT * FROM by_hand();
-- the same from the batch layer
SELECT format($$CALL streambatch.refresh('%s', NULL, 'infinity')$$, view) FROM questions ORDER BY 1
\gexec
SET streambatch.serve = 'batch';
SELECT * FROM differences();
SELECT * FROM by_hand() WHERE as_expected IS NOT TRUE;
RESET streambatch.serve;
SELECT bool_and(exact) FROM bidding_days_layers;
-- and from both, with bids that are late for every window
INSERT INTO bid SELECT auction + bidder % 2, bidder, price + 1, channel, ts - interval '3 s' FROM bid_archive;
INSERT INTO person SELECT id + 10, name, city, state, ts + interval '1 s' FROM person_archive;
INSERT INTO auction SELECT id + 10, item, seller + 10, category, ts + interval '2 s' FROM auction_archive;
SELECT streambatch.wait_for('bid'), streambatch.wait_for('person'), streambatch.wait_for('auction');
SELECT * FROM differences();
SELECT count(*) FILTER (WHERE recommended = 'merged') > 0 AS merged FROM hot_items_layers;

SET client_min_messages = error;
DROP SCHEMA nexmark CASCADE;
DROP SERVER kafka CASCADE;
