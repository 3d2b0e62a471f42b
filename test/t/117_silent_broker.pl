# A broker that does not answer blocks no session: a DROP succeeds at once, and the worker exits within seconds, wherever it waits
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use IPC::Run;
use PostgreSQL::Test::Utils;
use StreamBatch::Background;
use StreamBatch::Broker;
use StreamBatch::Node;
use Test::More;
use Time::HiRes qw(sleep time);

use constant SECONDS => 4;    # a second is what is promised; the rest is for a busy machine

my $broker = StreamBatch::Broker->embedded(brokers => 2);
$broker->create_topic('events', 1);
my $node = StreamBatch::Node->new('main');
$node->init;
$node->start;
$node->create_server($broker);

# it reads
create('reading', 'earliest');
$node->wait_for_state('reading', 'streaming');
$broker->freeze;
drop('reading');

# it asks for partitions
create('asking', 'earliest');
drop('asking');
$broker->thaw;

# it asks where the log ends: one broker tells of the topic, the other one, which has it, nothing
$broker->command('leader', 'events', 0, 2);
$broker->command('slow', 2, 60_000);
create('ending', 'latest');
$node->wait_for_state('ending', 'reconnecting');
drop('ending');
create('terminated', 'latest');
$node->wait_for_state('terminated', 'reconnecting');
my $begin = time;
$node->safe_psql('postgres', 'SELECT pg_terminate_backend(' . $node->worker_pid('terminated') . ', 10000)');
cmp_ok(time - $begin, '<', SECONDS, 'a worker that asks where the log ends can be terminated');
drop('terminated');
$broker->command('slow', 2, 0);

# it is about to store where it begins
$broker->freeze;
create('beginning', 'earliest');
my $session = StreamBatch::Background->new($node);
$session->start(
    'BEGIN',
    "SELECT FROM streambatch._stream WHERE stream = 'beginning'::regclass FOR UPDATE",
    'DO $$ BEGIN WHILE NOT ' . worker_waits_for_lock() . ' LOOP PERFORM pg_sleep(0.02), pg_stat_clear_snapshot(); END LOOP; END $$',
    'SET client_min_messages = error',
    'DROP FOREIGN TABLE beginning CASCADE',
    'COMMIT');
$node->poll_query_until('postgres', "SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event = 'PgSleep'") or die 'the session does not begin';
$broker->thaw;
$session->finish;
workers_gone('beginning');

# a session that waits for a broker reacts to a cancel at once, not at the end of its timeout
create('asked', 'earliest');
$node->wait_for_state('asked', 'streaming');
my @waiting = ('SELECT FROM asked', 'INSERT INTO asked VALUES (1)', "SELECT streambatch.wait_for('asked', '5 s')");
$broker->freeze;
# they would give up after five seconds, of which the last one and more would be in one piece
my @timed = map { beside("SET statement_timeout = '4 s'", $_) } @waiting;
foreach my $i (0 .. $#waiting)
{
    like($timed[$i]->(), qr/^ERROR:  57014: /, "a statement's timeout is heard: $waiting[$i]");
}
my @cancelled = map { beside($_, 'SELECT 1') } @waiting;
foreach my $how (qw(pg_cancel_backend pg_terminate_backend))
{
    my @sessions = $how eq 'pg_cancel_backend' ? @cancelled : map { beside($_) } @waiting;

    $node->poll_query_until('postgres', "SELECT count(*) = @{[ scalar @waiting ]} FROM pg_stat_activity WHERE " . asks()) or die 'the sessions do not ask';
    is($node->safe_psql('postgres', 'WITH asking AS MATERIALIZED (SELECT pid FROM pg_stat_activity WHERE ' . asks() . ") SELECT count($how(pid)) FROM asking"),
        scalar @waiting, "$how: sessions that ask");
    foreach my $i (0 .. $#waiting)
    {
        my $code = $how eq 'pg_cancel_backend' ? '57014' : '57P01';

        like($sessions[$i]->(), qr/^(?:ERROR|FATAL):  $code: /, "$how: $waiting[$i]");
    }
}
$broker->thaw;
$node->wait_for('asked');
$node->safe_psql('postgres', 'INSERT INTO asked VALUES (1), (2)');
$node->wait_for('asked');
is($node->safe_psql('postgres', 'SELECT (SELECT count(*) FROM asked) - count FROM count_asked'), '0', 'what was left unanswered harms nobody');

$node->stop;
done_testing();

# A stream with a view and a worker. That nobody answers is known.
sub create
{
    my ($name, $start) = @_;

    $node->safe_psql('postgres', <<"SQL");
SET client_min_messages = error;
CREATE FOREIGN TABLE $name (n int) SERVER kafka OPTIONS (topic 'events', start '$start', archive 'none');
SELECT streambatch.create_view('count_$name', 'SELECT count(*) FROM $name');
SQL
    $node->poll_query_until('postgres', "SELECT pid IS NOT NULL FROM streambatch.stat_stream WHERE stream = '$name'::regclass")
      or die "no worker for $name";
    return;
}

sub drop
{
    my ($name) = @_;
    my $began = time;

    $node->safe_psql('postgres', "SET client_min_messages = error; DROP FOREIGN TABLE $name CASCADE");
    cmp_ok(time - $began, '<', SECONDS, "$name: DROP does not wait for its worker");
    workers_gone($name);
    return;
}

sub workers_gone
{
    my ($name) = @_;
    my $until = time + SECONDS;

    sleep 0.05 while workers() && time < $until;
    is(workers(), 0, "$name: the worker leaves");
    return;
}

sub workers { return $node->safe_psql('postgres', "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'pg_streambatch worker'"); }

sub worker_waits_for_lock
{
    return "EXISTS (SELECT FROM pg_stat_activity WHERE backend_type = 'pg_streambatch worker' AND wait_event_type = 'Lock')";
}

# psql beside the test; what it is told goes to the function returned, which waits for its end
sub beside
{
    my (@statements) = @_;
    my ($out, $err) = ('', '');
    my $run = IPC::Run::start(
        [ 'psql', '-XAtq', '-v', 'VERBOSITY=verbose', '-d', $node->connstr('postgres'), map { ('-c', $_) } @statements ],
        '<', \'', '>', \$out, '2>', \$err);

    return sub { $run->finish; return $err };
}

sub asks { return "backend_type = 'client backend' AND state = 'active' AND wait_event_type = 'Extension'"; }
