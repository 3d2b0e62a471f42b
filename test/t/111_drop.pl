# DROP of each kind of object while a worker runs: no waiting, no deadlock, and nothing is left but the archive
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use PostgreSQL::Test::Utils;
use StreamBatch::Background;
use StreamBatch::Broker;
use StreamBatch::Node;
use StreamBatch::Traffic;
use Test::More;

my $broker = StreamBatch::Broker->embedded;
$broker->create_topic('events', 2);
my $node = StreamBatch::Node->new('main');
$node->init;
$node->append_conf('postgresql.conf', "streambatch.refresh_chunk_rows = 20\n");
$node->start;
my $traffic = StreamBatch::Traffic->new($broker, 'events', 2);

# what to drop, and what is left then
my @cases = (
    [ 'DROP VIEW v2, v1', 'streams stay' ],
    [ 'DROP FOREIGN TABLE events CASCADE', 'no stream' ],
    [ 'DROP SERVER kafka CASCADE', 'no stream' ],
    [ 'DROP SCHEMA app CASCADE', 'no stream' ],
    [ 'DROP EXTENSION pg_streambatch CASCADE', 'no extension' ],
    [ 'ALTER TABLE events DROP COLUMN amount CASCADE', 'streams stay' ],
    [ 'ALTER FOREIGN TABLE events DROP COLUMN amount CASCADE', 'streams stay' ]);

drop_under_load(@$_) foreach @cases;

# a refresh and a drop: the drop waits for the chunk at hand, the refresh says what happened
foreach my $drop ('DROP VIEW app.v1', 'DROP SCHEMA app CASCADE', 'DROP FOREIGN TABLE app.events CASCADE')
{
    set_up();
    $node->poll_query_until('app', "SELECT watermark > '2025-03-01 00:00:10Z' FROM streambatch.stat_stream") or die 'the traffic does not arrive';
    $node->safe_psql('app', "CALL streambatch.refresh('app.v1')");
    # a window holds more events than a chunk, so that some are done when the refresh is held back at the third window
    my $holder = StreamBatch::Background->new($node, undef, 'app');
    $holder->start(
        'BEGIN',
        "SELECT FROM streambatch_state.batch_1 WHERE pane = '2025-03-01 00:00:02Z' FOR UPDATE",
        "SET application_name = 'holder'",
        'DO $$ BEGIN WHILE NOT EXISTS (SELECT FROM pg_locks WHERE mode = \'AccessExclusiveLock\' AND NOT granted) LOOP PERFORM pg_sleep(0.02); END LOOP; END $$',
        'COMMIT');
    $node->poll_query_until('app', "SELECT count(*) = 1 FROM pg_stat_activity WHERE application_name = 'holder'") or die 'nobody holds the refresh back';
    my $refresh = StreamBatch::Background->new($node, qr/was dropped during the refresh/, 'app');
    $refresh->start("CALL streambatch.refresh('app.v1', full => true)");
    $node->poll_query_until('app', "SELECT chunks_done > 1 FROM streambatch.refresh_history WHERE state = 'running'")
      or die 'the refresh does not begin';
    is(run_sql("SET client_min_messages = error; $drop"), '', "$drop during a refresh");
    $holder->finish;
    ok(eval { $refresh->finish; 1 }, 'the refresh takes it') or diag($@);
    is($refresh->done, 0, 'and does not end well');
    clean_up();
}

is_quiet();

# the database itself
foreach my $drop ('DROP DATABASE app', 'DROP DATABASE app WITH (FORCE)')
{
    set_up();
    is($node->psql('postgres', $drop), 0, "$drop with a live worker");
    worker_gone();
}
set_up();
is($node->psql('app', 'CREATE DATABASE copy TEMPLATE app'), 0, 'CREATE DATABASE … TEMPLATE of the own database with a live worker');
$node->wait_for_state('app.events', 'streaming', 'app');
is($node->psql('postgres', 'DROP DATABASE copy'), 0, 'and the copy can be dropped');
is($node->psql('postgres', 'ALTER DATABASE app RENAME TO renamed'), 0, 'ALTER DATABASE RENAME with a live worker');
$node->wait_for_state('app.events', 'streaming', 'renamed');
$traffic->burst;
$node->wait_for('app.events', '60 s', 'renamed');
is($node->safe_psql('renamed', 'SELECT sum(n) - (SELECT count(*) FROM app.events_archive) FROM app.v1'), '0', 'the worker continues');
is($node->psql('postgres', 'DROP DATABASE renamed'), 0, 'and can be dropped by its new name');
my $before = -s $node->logfile;
sleep 3;
my $log = substr(slurp_file($node->logfile), $before);
unlike($log, qr/FATAL|does not exist/, 'nobody tries to work in databases that are gone');
$traffic->finish;
$node->stop;

done_testing();

sub set_up
{
    $node->safe_psql('postgres', 'CREATE DATABASE app');
    $node->safe_psql('app', 'CREATE SCHEMA app; ALTER DATABASE app SET search_path = app, public');
    $node->create_server($broker, 'kafka', 'app');
    $node->safe_psql('app', <<'SQL');
SET client_min_messages = error;
CREATE FOREIGN TABLE app.events (user_id bigint, amount numeric, ts timestamptz) SERVER kafka
    OPTIONS (topic 'events', format 'json', event_time 'ts');
SELECT streambatch.create_view(name, 'SELECT user_id, streambatch.tumble(ts, ''1 s'') AS w, count(*) AS n, sum(amount) AS total FROM app.events GROUP BY 1, 2')
FROM (VALUES ('app.v1'), ('app.v2')) AS v (name);
SQL
    $node->poll_query_until('app', "SELECT received > 0 AND pid IS NOT NULL FROM streambatch.stat_stream") or die 'the worker does not start';
    return;
}

sub clean_up
{
    is($node->psql('postgres', 'DROP DATABASE app WITH (FORCE)'), 0, 'the database can be dropped afterwards');
    return;
}

# Run SQL in the database; what it complains of.
sub run_sql
{
    my ($sql) = @_;
    my ($status, $out, $err) = $node->psql('app', $sql);

    return $err;
}

sub drop_under_load
{
    my ($drop, $what) = @_;

    set_up();
    is(run_sql("SET client_min_messages = error; $drop"), '', "$drop under load");
    if ($what eq 'streams stay')
    {
        is($node->safe_psql('app', <<'SQL'), '0|0|0', 'no view is left');
SELECT (SELECT count(*) FROM streambatch.stat_view), (SELECT count(*) FROM pg_class c WHERE relnamespace = 'streambatch_state'::regnamespace),
       (SELECT count(*) FROM streambatch._view) + (SELECT count(*) FROM streambatch._coverage) + (SELECT count(*) FROM streambatch._run)
SQL
    }
    if ($what eq 'no stream')
    {
        is($node->safe_psql('app', <<'SQL'), '0|0|0', 'neither stream nor view is left');
SELECT (SELECT count(*) FROM streambatch.stat_stream), (SELECT count(*) FROM pg_class c WHERE relnamespace = 'streambatch_state'::regnamespace),
       (SELECT count(*) FROM streambatch._view) + (SELECT count(*) FROM streambatch._stream) + (SELECT count(*) FROM streambatch._progress)
SQL
    }
    is($node->safe_psql('app', "SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'streambatch%'"), '0', 'no schema is left')
      if $what eq 'no extension';
    is($node->safe_psql('app', "SELECT count(*) > 0 FROM app.events_archive"), 't', 'the archive is') unless $drop =~ /SCHEMA/;
    worker_gone();
    clean_up();
    return;
}

sub worker_gone
{
    ok( $node->poll_query_until('postgres', "SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type = 'pg_streambatch worker'"),
        'the worker is gone');
    return;
}

sub is_quiet
{
    my @lines = grep { /signal|PANIC|TRAP|deadlock/ } split /\n/, slurp_file($node->logfile);

    is(join("\n", @lines), '', 'no deadlock, no crash');
    return;
}
