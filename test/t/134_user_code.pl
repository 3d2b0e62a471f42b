# However long the code of a view runs in the worker: the view is suspended and named, the stream goes on, and pause, DROP and whatever
# else waits for the worker are not held up. Statements that must not wait have a statement_timeout, long after which the code would end.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use PostgreSQL::Test::Utils;
use StreamBatch::Broker;
use StreamBatch::Node;
use Test::More;

my $broker = StreamBatch::Broker->embedded;
$broker->create_topic('events', 1);
my $node = StreamBatch::Node->new('main');
$node->init;
$node->append_conf('postgresql.conf', "streambatch.view_timeout = '700 ms'\n");
$node->start;
$node->create_server($broker);
$node->safe_psql('postgres', <<'SQL');
CREATE ROLE host;
CREATE ROLE guest;
GRANT ALL ON SCHEMA public TO host, guest;
GRANT USAGE ON FOREIGN SERVER kafka TO host;
SET SESSION AUTHORIZATION host;
CREATE FOREIGN TABLE events (id int, ts timestamptz) SERVER kafka OPTIONS (topic 'events', event_time 'ts');
SELECT streambatch.resume('events');
GRANT SELECT ON events, events_archive TO guest;
SELECT streambatch.create_view('steady', 'SELECT count(*) AS n FROM events');
SET SESSION AUTHORIZATION guest;
-- what takes its time for ids below -50, which no sample value of an aggregate is: by itself, and whatever is done about it
CREATE FUNCTION sleepy(id int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN IF id < -50 THEN PERFORM pg_sleep(3600); END IF; RETURN id; END $$;
CREATE FUNCTION stubborn(id int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$
BEGIN
    WHILE id < -50 LOOP
        BEGIN
            PERFORM pg_sleep(3600);
        EXCEPTION WHEN query_canceled THEN
            NULL;
        END;
    END LOOP;
    RETURN id;
END $$;
CREATE FUNCTION forging(id int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$
BEGIN
    IF id < -50 THEN RAISE 'canceled, it says' USING ERRCODE = '57014'; END IF;
    RETURN id;
END $$;
CREATE FUNCTION out_of_memory(id int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$
BEGIN
    IF id < -50 THEN RAISE 'out of memory, it says' USING ERRCODE = '53200'; END IF;
    RETURN id;
END $$;
-- the same where aggregates begin, and where states are combined in the flush
CREATE FUNCTION sleepy_combine(int, int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$
BEGIN
    RETURN public.sleepy(least($1, $2));
END $$;
CREATE AGGREGATE least_of(int) (SFUNC = int4smaller, STYPE = int, COMBINEFUNC = sleepy_combine);
CREATE FUNCTION forging_combine(int, int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN RETURN public.forging(least($1, $2)); END $$;
CREATE AGGREGATE forged_least_of(int) (SFUNC = int4smaller, STYPE = int, COMBINEFUNC = forging_combine);
CREATE TABLE ids (id int);
INSERT INTO ids VALUES (1), (-100);
SQL
my $sent = 0;
produce(1);
$node->wait_for('events');

# ---- the time limit ----
my $pid = $node->worker_pid('events');
suspended('SELECT sum(sleepy(id)) FROM events', 'a function that sleeps', qr/^57014\|the query was canceled because it ran for more than 700 ms/);
suspended('SELECT sum(sleepy(e.id)) FROM events e JOIN ids i ON i.id = e.id', 'one behind a join', qr/^57014\|.* 700 ms/);
suspended('SELECT forging(id), count(*) FROM events GROUP BY 1', 'a function that claims to have been canceled', qr/^57014\|canceled, it says/);
suspended('SELECT out_of_memory(id), count(*) FROM events GROUP BY 1', 'one that claims that memory is short', qr/^53200\|out of memory, it says/);
is($node->worker_pid('events'), $pid, 'all the time, the worker was the same');
{
    my $before = $node->safe_psql('postgres', 'SELECT current_setting($$streambatch.view_timeout$$)');
    $node->safe_psql('postgres', 'ALTER ROLE guest SET statement_timeout = $$450ms$$');
    suspended('SELECT sum(sleepy(id)) FROM events', "the owner's own statement_timeout", qr/^57014\|.* 450 ms/);
    $node->safe_psql('postgres', 'ALTER ROLE guest SET statement_timeout = $$1h$$');
    suspended('SELECT sum(sleepy(id)) FROM events', 'one that is longer', qr/^57014\|.* 700 ms/);
    $node->safe_psql('postgres', 'ALTER ROLE guest RESET statement_timeout');
}
is($node->worker_pid('events'), $pid, 'and was still');
suspended('SELECT sum(stubborn(id)) FROM events', 'a function that does not let itself be canceled', qr/^57014\|.*did not end when it was canceled/);

# in the flush, there is a state to combine with
foreach ([ 'least_of', qr/^57014\|.* 700 ms/ ], [ 'forged_least_of', qr/^57014\|canceled, it says/ ])
{
    my ($aggregate, $error) = @$_;
    $node->safe_psql('postgres', "SET SESSION AUTHORIZATION guest; SELECT streambatch.create_view('guests', 'SELECT 1 AS one, $aggregate(id) AS l FROM events WHERE id <> 0 GROUP BY 1', history => false)");
    produce(7);
    $node->wait_for('events');
    is($node->safe_psql('postgres', 'SELECT l FROM guests'), '7', "$aggregate: a state to combine with");
    produce(-107);
    $node->wait_for('events');
    like($node->safe_psql('postgres', "SELECT error_sqlstate, error_message FROM streambatch.stat_view WHERE view = 'guests'::regclass"), $error, 'a combine function that sleeps or forges');
    is($node->safe_psql('postgres', 'SELECT n FROM steady'), $sent, 'the other view goes on');
    drop_guests();
}

# ---- without a limit ----
$node->append_conf('postgresql.conf', "streambatch.view_timeout = 0\n");
$node->reload;
$node->safe_psql('postgres', "SELECT streambatch.pause('events')");
$node->wait_for_state('events', 'paused');
$node->safe_psql('postgres', "SELECT streambatch.resume('events')");
$node->wait_for('events');

foreach my $code (qw(sleepy stubborn))
{
    foreach (
        [ "SELECT streambatch.pause('events')", 'pause', 'host' ],
        [ "SELECT streambatch.create_view('second', 'SELECT count(*) AS n FROM events')", 'a new view', 'host' ],
        [ "CALL streambatch.refresh('steady')", 'a refresh', 'host' ],
        [ 'DROP VIEW guests', 'DROP VIEW', 'guest' ],
        [ "SELECT streambatch.drop_view('guests')", 'drop_view', 'host' ],
        [ 'ALTER FOREIGN TABLE events ADD COLUMN extra text', 'ALTER of the stream', 'host' ],
        [ 'ALTER TABLE events_archive ADD COLUMN extra text', 'ALTER of the archive', 'host' ],
        [ 'DROP FOREIGN TABLE events CASCADE', 'DROP of the stream', 'host' ])
    {
        my ($statement, $name, $role) = @$_;

        stuck($code);
        is(run_as($role, $statement), '', "$name, while a $code function runs");
        repair($name);
    }
}

# ---- the stream's own code: no limit, but it gives way ----
$node->safe_psql('postgres', <<'SQL');
SET SESSION AUTHORIZATION host;
CREATE FUNCTION wait_row() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.id < -50 THEN PERFORM pg_sleep(3600); END IF; RETURN NEW; END $$;
CREATE TRIGGER wait_row BEFORE INSERT ON events_archive FOR EACH ROW EXECUTE FUNCTION wait_row();
SQL
produce(-999);
runs();
is(run_as('host', "SELECT streambatch.pause('events')"), '', 'pause, while a trigger on the archive sleeps');
$node->wait_for_state('events', 'paused');
is(run_as('host', 'ALTER TABLE events_archive DISABLE TRIGGER wait_row'), '', 'and the trigger can be disabled');
$node->safe_psql('postgres', "SELECT streambatch.resume('events')");
$node->wait_for('events');
is($node->safe_psql('postgres', 'SELECT count(*) FROM events_archive WHERE id = -999'), '1', 'the event is archived once');

$node->stop;
done_testing();

sub produce
{
    my (@ids) = @_;

    $broker->produce('events', 0, map { [ undef, qq({"id": $_, "ts": "2025-02-14 00:00:00+00"}) ] } @ids);
    $sent += @ids;
    return;
}

# A view whose code takes too long for one of three events.
sub suspended
{
    my ($query, $name, $error) = @_;

    $node->safe_psql('postgres', "SET SESSION AUTHORIZATION guest; SELECT streambatch.create_view('guests', '$query', history => false)");
    produce(2, -100, 3);
    $node->wait_for('events');
    like($node->safe_psql('postgres', "SELECT error_sqlstate, error_message FROM streambatch.stat_view WHERE view = 'guests'::regclass AND state = 'suspended'"),
        $error, "$name: the view is suspended, and says why");
    is($node->safe_psql('postgres', 'SELECT n FROM steady'), $sent, 'the other view goes on');
    drop_guests();
    return;
}

sub drop_guests { $node->safe_psql('postgres', 'SET client_min_messages = error; DROP VIEW guests'); return; }

# A view that the worker is stuck in.
sub stuck
{
    my ($function) = @_;

    $node->safe_psql('postgres', "SET SESSION AUTHORIZATION guest; SELECT streambatch.create_view('guests', 'SELECT sum($function(id)) FROM events', history => false)");
    $node->wait_for('events');
    produce(-100);
    runs();
    return;
}

# The worker runs code that sleeps.
sub runs
{
    $node->poll_query_until('postgres', "SELECT count(*) > 0 FROM pg_stat_activity WHERE backend_type = 'pg_streambatch worker' AND wait_event = 'PgSleep'")
      or die 'the worker does not come to the code that sleeps';
    return;
}

sub run_as
{
    my ($role, $statement) = @_;

    my ($status, $output, $error) = $node->psql('postgres', "SET client_min_messages = error; SET statement_timeout = '60s'; SET SESSION AUTHORIZATION $role;\n$statement");
    return $status == 0 ? '' : $error;
}

# Everything as before: stream and views are there, nothing waits; each event is counted once.
sub repair
{
    my ($name) = @_;

    $node->psql('postgres', 'SET client_min_messages = error; SET statement_timeout = $$60s$$; DROP VIEW IF EXISTS guests');
    if ($name eq 'DROP of the stream')
    {
        $node->safe_psql('postgres', <<'SQL');
SET client_min_messages = error;
DROP TABLE events_archive;
SET SESSION AUTHORIZATION host;
CREATE FOREIGN TABLE events (id int, ts timestamptz) SERVER kafka OPTIONS (topic 'events', event_time 'ts');
SELECT streambatch.resume('events');
GRANT SELECT ON events, events_archive TO guest;
SELECT streambatch.create_view('steady', 'SELECT count(*) AS n FROM events');
SQL
    }
    elsif ($name eq 'pause')
    {
        $node->wait_for_state('events', 'paused');
        $node->safe_psql('postgres', "SELECT streambatch.resume('events')");
    }
    elsif ($name =~ /^ALTER/)
    {
        $node->safe_psql('postgres', 'ALTER FOREIGN TABLE events DROP COLUMN IF EXISTS extra; ALTER TABLE events_archive DROP COLUMN IF EXISTS extra');
    }
    $node->wait_for('events');
    is($node->safe_psql('postgres', 'SELECT n FROM steady'), $sent, 'each event is counted once');
    is($node->safe_psql('postgres', 'SELECT n FROM second'), $sent, 'by the new view, too') if $name eq 'a new view';
    $node->safe_psql('postgres', 'DROP VIEW second') if $name eq 'a new view';
    return;
}
