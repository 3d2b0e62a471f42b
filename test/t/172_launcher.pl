# One database keeps no other waiting, and where no worker can start, it is said why
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use PostgreSQL::Test::Utils;
use StreamBatch::Background;
use StreamBatch::Broker;
use StreamBatch::Node;
use Test::More;

my $broker = StreamBatch::Broker->embedded;
$broker->create_topic('events', 1);
$broker->produce('events', 0, map { [ undef, qq({"n": $_}) ] } 1 .. 3);
my $node = StreamBatch::Node->new('main');
$node->init;
$node->append_conf('postgresql.conf', "max_prepared_transactions = 5\nrestart_after_crash = on\n");
$node->start;
# databases are scanned in the order of their creation: those that cannot be come first
foreach my $database (qw(prepared refusing locked first second))
{
    $node->safe_psql('postgres', "CREATE DATABASE $database");
    set_up($database);
}

# ---- a server starts, of which one database has a prepared transaction and another one refuses connections ----
$node->safe_psql('prepared', "BEGIN; DROP EXTENSION pg_streambatch CASCADE; PREPARE TRANSACTION 'drop'");
$node->safe_psql('postgres', 'ALTER DATABASE refusing ALLOW_CONNECTIONS false');
$node->restart;
foreach my $database (qw(first second locked))
{
    $node->wait_for_state('events', 'streaming', $database);
    pass("$database: its stream runs");
}
$node->safe_psql('postgres', 'ALTER DATABASE refusing ALLOW_CONNECTIONS true');
$node->wait_for_state('events', 'streaming', 'refusing');
pass('refusing: its stream runs when it accepts connections');
$node->safe_psql('prepared', "ROLLBACK PREPARED 'drop'");
$node->wait_for_state('events', 'streaming', 'prepared');
pass('prepared: its stream runs when the prepared transaction is gone');

# ---- the launcher starts again while a database is locked ----
my $lock = IPC::Run::start(
    [ 'psql', '-XAtq', '-d', $node->connstr('locked'), '-c', 'BEGIN', '-c', 'LOCK TABLE streambatch._stream', '-c', "SELECT pg_sleep(600)" ],
    '<', \'', '>', \my $out, '2>', \my $err);
$node->poll_query_until('postgres', "SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep'") or die 'nobody holds the lock';
my $launcher = launcher();
$node->safe_psql('postgres', "SELECT pg_terminate_backend($launcher)");
$node->poll_query_until('postgres', "SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'pg_streambatch launcher' AND pid <> $launcher")
  or die 'no launcher';
$node->poll_query_until('postgres', "SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'pg_streambatch scanner'") or die 'nobody scans';
my $worker = $node->worker_pid('events', 'second');
$node->safe_psql('postgres', "SELECT pg_terminate_backend($worker)");
ok($node->poll_query_until('second', "SELECT pid <> $worker AND state = 'streaming' FROM streambatch.stat_stream"),
    'while a database is locked, workers of others are started');
is($node->safe_psql('postgres', "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"), '1', 'which is so still');
$node->safe_psql('postgres', "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'PgSleep'");
$lock->finish;
$node->poll_query_until('postgres', "SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type = 'pg_streambatch scanner'") or die;

# ---- streambatch.autostart is turned on in a running server ----
$node->append_conf('postgresql.conf', "streambatch.autostart = off\n");
$node->restart;
is($node->stream_state('events', 'first'), 'stopped', 'without autostart no stream runs');
$node->append_conf('postgresql.conf', "streambatch.autostart = on\n");
$node->reload;
$node->wait_for_state('events', 'streaming', 'first');
pass('with it they do, also without a restart');

# ---- a crash ----
kill 'KILL', $node->worker_pid('events', 'first');
$node->poll_query_until('postgres', "SELECT count(*) = 5 FROM pg_stat_activity WHERE backend_type = 'pg_streambatch worker'")
  or die 'not all workers are back';
foreach my $database (qw(prepared refusing locked first second))
{
    $node->wait_for('events', '60 s', $database);
    is($node->safe_psql($database, 'TABLE counts'), '3', "$database: runs after a crash");
}

# ---- two-phase commit ----
foreach my $statement ("SELECT streambatch.create_view('more', 'SELECT sum(n) FROM events', history => false)", "SELECT streambatch.resume('events')",
    "ALTER FOREIGN TABLE events OPTIONS (ADD max_future '1 h')")
{
    my (undef, undef, $said) = $node->psql('first', "\\set VERBOSITY verbose\nBEGIN;\n$statement;\nPREPARE TRANSACTION 'start'");

    like($said, qr/ERROR:  0A000: cannot PREPARE a transaction that starts or alters stream "events"\n.*HINT:  Use COMMIT/s, "$statement: PREPARE is refused");
}
is($node->safe_psql('first', 'SELECT count(*) FROM pg_prepared_xacts'), '0', 'and nothing is prepared');
$node->safe_psql('first', "BEGIN; SELECT streambatch.pause('events'); PREPARE TRANSACTION 'stop'");
$node->safe_psql('first', "COMMIT PREPARED 'stop'");
ok($node->poll_query_until('first', 'SELECT pid IS NULL AND state = \'paused\' FROM streambatch.stat_stream'), 'pause works at COMMIT PREPARED');
$node->safe_psql('first', "SELECT streambatch.resume('events')");
$node->wait_for('events', '60 s', 'first');

# ---- templates ----
set_up('template1');
$node->wait_for_state('events', 'streaming', 'template1');
$node->safe_psql('postgres', 'CREATE ROLE maker LOGIN CREATEDB; CREATE ROLE other LOGIN');
my ($status, undef, $said) = $node->psql('postgres', "SET ROLE other;\nCREATE DATABASE denied");
like($said, qr/permission denied to create database/, 'who may not create databases');
$node->safe_psql('postgres', 'CREATE DATABASE made');
$node->safe_psql('postgres', 'SET ROLE maker; CREATE DATABASE made_by_role');
$node->safe_psql('postgres', 'SET ROLE maker; CREATE DATABASE made_too TEMPLATE template1');
$node->wait_for_state('events', 'streaming', 'template1');
pass('a template with a running stream can be copied, by whoever may, and goes on');
$broker->produce('events', 0, [ undef, '{"n": 4}' ]);
$node->wait_for('events', '60 s', 'template1');
is($node->stream_state('events', $_), 'paused', "$_: the copy is paused") foreach qw(made made_by_role made_too);
$node->restart;
$node->wait_for('events', '60 s', 'template1');
$node->wait_for_state('events', 'streaming', 'first');
$node->poll_query_until('postgres', "SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type = 'pg_streambatch scanner'") or die;
is($node->safe_psql('made', 'SELECT state, pid IS NULL FROM streambatch.stat_stream'), 'paused|t', 'after a restart, too');
is($node->safe_psql('made', 'TABLE counts'), '3', 'it has what it was copied with');
(undef, undef, $said) = $node->psql('made', "\\set VERBOSITY verbose\nSELECT streambatch.wait_for('events')");
like($said, qr/ERROR:  55000: stream "events" is paused\nHINT:  Use SELECT streambatch\.resume\('events'\)/, 'and says how to go on');
$node->safe_psql('made', "SELECT streambatch.resume('events')");
$node->wait_for('events', '60 s', 'made');
is($node->safe_psql('made', 'TABLE counts'), '4', 'after which it reads on');
$node->restart;
$node->wait_for_state('events', 'streaming', 'made');
pass('and does so when the server starts');

# ---- no background worker slot for the launcher ----
$node->append_conf('postgresql.conf', "max_worker_processes = 1\n");
$node->restart;
ok($node->poll_query_until('first', "SELECT state = 'error' FROM streambatch.stat_stream"), 'no slot for the launcher: an error');
is($node->safe_psql('first', 'SELECT error_sqlstate, error_message, error_hint FROM streambatch.stat_stream'),
    '53000|out of background worker slots for the launcher of pg_streambatch|Increase max_worker_processes and restart the server.',
    'which says why');
$node->safe_psql('made', "SELECT streambatch.pause('events')");
is($node->stream_state('events', 'made'), 'paused', 'but a paused stream is paused');
(undef, undef, $said) = $node->psql('first', "\\set VERBOSITY verbose\nSELECT streambatch.wait_for('events', '1 h')");
like($said, qr/ERROR:  53000: stream "events" has no worker: out of background worker slots.*\nHINT:  Increase max_worker_processes/, 'wait_for says it at once');
(undef, undef, $said) = $node->psql('first', "\\set VERBOSITY verbose\nSELECT streambatch.create_view('more', 'SELECT sum(n) FROM events', history => false)");
like($said, qr/WARNING:  53000: stream "events" has no worker: out of background worker slots.*\nHINT:  Increase max_worker_processes/, 'create_view warns');
is($node->safe_psql('first', 'TABLE counts'), '4', 'one can read');

# ---- one for the launcher, none for a scanner or worker ----
$node->append_conf('postgresql.conf', "max_worker_processes = 2\n");
$node->restart;
ok($node->poll_query_until('first', "SELECT state = 'error' FROM streambatch.stat_stream"), 'no slot but for the launcher: an error');
is($node->safe_psql('first', 'SELECT error_sqlstate, error_message, error_hint FROM streambatch.stat_stream'),
    '53000|out of background worker slots|Increase max_worker_processes.', 'which says why');
like(slurp_file($node->logfile), qr/WARNING:  out of background worker slots/, 'and so does the log');
$node->append_conf('postgresql.conf', "max_worker_processes = 32\n");
$node->restart;
$broker->produce('events', 0, [ undef, '{"n": 7}' ]);
$node->wait_for('events', '60 s', 'first');
is($node->safe_psql('first', 'SELECT (TABLE counts), sum FROM more'), '5|7', 'the hint helps');
$node->stop;
done_testing();

sub set_up
{
    my ($database) = @_;

    $node->create_server($broker, 'kafka', $database);
    $node->safe_psql($database, <<'SQL');
CREATE FOREIGN TABLE events (n int) SERVER kafka OPTIONS (topic 'events', archive 'none');
SELECT streambatch.create_view('counts', 'SELECT count(*) FROM events');
SQL
    $node->wait_for('events', '60 s', $database);
    return;
}

sub launcher { return $node->safe_psql('postgres', "SELECT pid FROM pg_stat_activity WHERE backend_type = 'pg_streambatch launcher'"); }
