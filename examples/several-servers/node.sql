-- On each server that reads partitions of the topic; see README.md. Variables: bootstrap, partitions.
\set ON_ERROR_STOP on

CREATE EXTENSION pg_streambatch;
CREATE SERVER kafka FOREIGN DATA WRAPPER streambatch_kafka OPTIONS ("bootstrap.servers" :'bootstrap');
CREATE FOREIGN TABLE events (
    user_id bigint,
    country text,
    amount  numeric,
    ts      timestamptz
) SERVER kafka OPTIONS (topic 'events', event_time 'ts', max_out_of_orderness '5 s', partitions :'partitions');

-- the same on all servers
SELECT streambatch.create_view('sales', $$
    SELECT country, streambatch.tumble(ts, '1 minute') AS window_start,
           count(*) AS purchases, sum(amount) AS revenue, avg(amount), streambatch.last(user_id ORDER BY ts) AS latest_user
      FROM events GROUP BY 1, 2 $$);

-- what the server that merges may read
SELECT streambatch.create_states_view('sales');
CREATE ROLE merger LOGIN;
GRANT SELECT ON sales, sales_states TO merger;
