# The worker as a process: terminated, killed, without a slot, in two databases; the server stopped in every way
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
$node->append_conf('postgresql.conf', "restart_after_crash = on\n");
$node->start;

my @databases = qw(postgres other);
$node->safe_psql('postgres', 'CREATE DATABASE other');
foreach my $database (@databases)
{
    $node->create_server($broker, 'kafka', $database);
    $node->safe_psql($database, <<'SQL');
CREATE FOREIGN TABLE events (user_id bigint, amount numeric, ts timestamptz) SERVER kafka
    OPTIONS (topic 'events', format 'json', event_time 'ts');
SELECT streambatch.create_view('a', 'SELECT user_id, count(*) AS n, sum(amount) AS total FROM events GROUP BY 1');
SELECT streambatch.create_view('b', 'SELECT streambatch.tumble(ts, ''1 s'') AS w, count(*) AS n, sum(amount) AS total FROM events GROUP BY 1');
SELECT streambatch.create_view('c', 'SELECT count(*) AS n, sum(amount) AS total FROM events');
SQL
}
my $traffic = StreamBatch::Traffic->new($broker, 'events', 2);

my %faults = (
    'pg_terminate_backend' => sub { $node->safe_psql('postgres', 'SELECT pg_terminate_backend(' . pid() . ')') },
    'SIGKILL' => sub { kill 'KILL', pid() },
    'SIGTERM of the launcher' => sub {
        $node->safe_psql('postgres', "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'pg_streambatch launcher'");
        $node->safe_psql('postgres', 'SELECT pg_terminate_backend(' . pid() . ')');
    },
    'fast restart' => sub { $node->restart },
    'immediate stop' => sub { $node->stop('immediate'); $node->start });
foreach my $fault (sort keys %faults)
{
    foreach my $database (@databases)
    {
        $node->poll_query_until($database, "SELECT pid IS NOT NULL AND state IN ('catching up', 'streaming') FROM streambatch.stat_stream")
          or die 'no worker';
    }
    my $old = pid();
    $faults{$fault}->();
    ok( $node->poll_query_until('postgres', "SELECT pid <> $old AND state IN ('catching up', 'streaming') FROM streambatch.stat_stream"),
        "$fault: another worker takes over");
}
my $sent = $traffic->finish;
foreach my $database (@databases)
{
    $node->wait_for('events', '60 s', $database);
    is($node->safe_psql($database, <<'SQL'), "$sent|0|0|$sent|t", "$database: $sent messages, none lost, none doubled");
SELECT c.n, (SELECT sum(n) FROM a) - c.n, (SELECT sum(n) FROM b) - c.n, (SELECT count(DISTINCT (kafka_partition, kafka_offset)) FROM events_archive),
       c.total = (SELECT sum(amount) FROM events_archive) FROM c
SQL
}

# slots for the launcher, for logical replication's, and for one worker, which the first stream takes
$node->adjust_conf('postgresql.conf', 'max_worker_processes', '3');
$node->restart;
my ($rich, $poor) = @databases;
($rich, $poor) = ($poor, $rich)
  unless $node->poll_query_until('other', "SELECT state IN ('streaming', 'error') FROM streambatch.stat_stream")
  && $node->safe_psql('other', 'SELECT state FROM streambatch.stat_stream') eq 'error';
ok($node->poll_query_until($poor, "SELECT state = 'error' FROM streambatch.stat_stream"), 'without a slot a stream says that it cannot run');
like($node->safe_psql($poor, 'SELECT error_sqlstate, error_hint FROM streambatch.stat_stream'), qr/^53000\|.*max_worker_processes/, 'and what to raise');
is($node->safe_psql($poor, 'SELECT n FROM c'), $sent, 'its views are served all the same');
$node->safe_psql($rich, "SELECT streambatch.pause('events')");
$node->wait_for_state('events', 'streaming', $poor);
is($node->safe_psql($poor, 'SELECT error_message IS NULL FROM streambatch.stat_stream'), 't', 'it runs as soon as there is one');
$node->safe_psql($rich, "SELECT streambatch.resume('events')");
$node->adjust_conf('postgresql.conf', 'max_worker_processes', '16');
$node->restart;
$node->wait_for_state('events', 'streaming', $_) foreach @databases;
pass('with enough slots all run');

# those that this version has, in a database; sessions of the test are without
my @limits = split /\n/,
  $node->safe_psql('postgres', "SELECT name FROM pg_settings WHERE name ~ '^(statement|transaction|lock|idle_in_transaction_session)_timeout\$'");
$ENV{PGOPTIONS} = join ' ', map { "-c $_=0" } @limits;
$node->safe_psql('postgres', "ALTER DATABASE postgres SET $_ = '1 ms'") foreach @limits;
$node->restart;
$node->wait_for_state('events', 'streaming', 'postgres');
my $unlimited = pid();
my $holder = StreamBatch::Background->new($node);
$holder->start('BEGIN; LOCK TABLE events_archive; SELECT pg_sleep(1); COMMIT');
$node->poll_query_until('postgres', "SELECT count(*) > 0 FROM pg_locks WHERE relation = 'events_archive'::regclass AND mode = 'AccessExclusiveLock' AND granted")
  or die 'nobody holds the lock';
$broker->produce('events', 0, [ undef, '{"user_id": 1, "amount": 1, "ts": "2025-02-14T12:00:00Z"}' ]);
$holder->finish;
$node->wait_for('events');
is($node->safe_psql('postgres', 'SELECT n FROM c'), $sent + 1, 'a worker waits for a lock for longer than sessions may');
is(pid(), $unlimited, 'it is the same worker');
$node->stop;

done_testing();

sub pid
{
    return $node->safe_psql('postgres', 'SELECT pid FROM streambatch.stat_stream');
}
