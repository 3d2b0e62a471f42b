-- An infinite interval is refused wherever an interval is taken. Before PostgreSQL 17 the type has none.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pg_streambatch;
CREATE SCHEMA infinite;
SET search_path = infinite;
SET timezone = 'UTC';
\getenv broker STREAMBATCH_BROKER
\! test/broker/broker-command create infinite 1
CREATE SERVER infinite_kafka FOREIGN DATA WRAPPER streambatch_kafka OPTIONS ("bootstrap.servers" :'broker');
CREATE FOREIGN TABLE events (n int, ts timestamptz) SERVER infinite_kafka OPTIONS (topic 'infinite', event_time 'ts');
SELECT streambatch.create_view('counted', 'SELECT count(*) FROM events');

CREATE FUNCTION try(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    hint text;
BEGIN
    EXECUTE statement;
    RETURN 'accepted';
EXCEPTION WHEN others THEN
    GET STACKED DIAGNOSTICS hint = PG_EXCEPTION_HINT;
    RETURN sqlstate || ' ' || sqlerrm || coalesce(nullif(' ' || hint, ' '), '');
END $$;
CREATE VIEW statements AS
SELECT * FROM (VALUES
    ('SELECT streambatch.tumble(now(), %L)', '22023 window size must be finite To aggregate over all time, do not group by a window.'),
    ('SELECT streambatch.tumble_end(localtimestamp, %L)', '22023 window size must be finite To aggregate over all time, do not group by a window.'),
    ('SELECT streambatch.tumble(current_date, %L)', '22023 window size must be finite To aggregate over all time, do not group by a window.'),
    ('SELECT streambatch.hop(now(), ''1 h'', %L)', '22023 window size must be finite To aggregate over all time, do not group by a window.'),
    ('SELECT streambatch.hop(now(), %L, ''1 h'')', '22023 window slide must be finite To aggregate over all time, do not group by a window.'),
    ('SELECT streambatch.cumulate(now(), ''1 h'', %L)', '22023 window size must be finite To aggregate over all time, do not group by a window.'),
    ('SELECT streambatch.cumulate(now(), %L, ''1 h'')', '22023 window step must be finite To aggregate over all time, do not group by a window.'),
    ('SELECT streambatch._session_pane(now(), %L)', '22023 session gap must be finite To aggregate over all time, do not group by a window.'),
    ('SELECT streambatch.create_view(''v'', $q$SELECT streambatch.tumble(ts, ''%s'') AS w, count(*) FROM events GROUP BY 1$q$)',
     '22023 window size must be finite To aggregate over all time, do not group by a window.'),
    ('SELECT streambatch.create_view(''v'', $q$SELECT streambatch.session(ts, ''%s'') AS w, count(*) FROM events GROUP BY 1$q$)',
     '22023 session gap must be finite To aggregate over all time, do not group by a window.'),
    ('SELECT streambatch.create_view(''v'', ''SELECT count(*) FROM events'', max_staleness => %L)', '22023 max_staleness must be finite'),
    ('SELECT streambatch.create_view(''v'', ''SELECT count(*) FROM events'', allowed_lateness => %L)', '22023 allowed_lateness must be finite'),
    ('SELECT streambatch.wait_for(''events'', %L)', '22023 the timeout must be finite Use a long one, such as ''1 year''.'),
    ('ALTER FOREIGN TABLE events OPTIONS (ADD max_out_of_orderness %L)',
     'HV024 invalid value for option "max_out_of_orderness": "%s" Use an interval that is finite, as in max_out_of_orderness ''1 day''.'),
    ('ALTER FOREIGN TABLE events OPTIONS (ADD max_future %L)',
     'HV024 invalid value for option "max_future": "%s" Use an interval that is finite, as in max_future ''1 day''.'),
    ('ALTER FOREIGN TABLE events OPTIONS (ADD idle_timeout %L)',
     'HV024 invalid value for option "idle_timeout": "%s" Use an interval that is finite, as in idle_timeout ''1 day''.')) t(statement, refusal);
CREATE VIEW tried AS
SELECT format(statement, size) AS statement, try(format(statement, size)) AS said,
       CASE WHEN current_setting('server_version_num')::int >= 170000 THEN format(refusal, size)
            ELSE format('22007 invalid input syntax for type interval: "%s"', size) END AS expected
  FROM statements, unnest(ARRAY['infinity', '-infinity']) size;
SELECT count(*) FILTER (WHERE said = expected) AS refused, count(*) FROM tried;
SELECT * FROM tried WHERE said <> expected;
SELECT try('SELECT streambatch.wait_for(''events'', ''178000000 years'')');
DROP SCHEMA infinite CASCADE;
