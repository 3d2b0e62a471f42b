# A worker restarts for what changes its stream, and for nothing else; however many partitions, wait_for() asks once
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
$node->start;
$node->create_server($broker);
$node->create_server($broker, 'other');
$node->safe_psql('postgres', <<'SQL');
CREATE ROLE reader;
CREATE USER MAPPING FOR CURRENT_USER SERVER other OPTIONS ("sasl.username" 'one');
CREATE FOREIGN TABLE events (n int, m int OPTIONS (path 'a.m')) SERVER kafka OPTIONS (topic 'events', max_future '1 day');
SELECT streambatch.create_view('counts', 'SELECT count(*), sum(m) FROM events');
SQL
my $sent = 0;
my $pid = pid();

foreach my $statement (
    'GRANT SELECT ON events TO reader',
    'REVOKE SELECT ON events FROM reader',
    'GRANT USAGE ON FOREIGN SERVER kafka TO reader',
    q(COMMENT ON FOREIGN TABLE events IS 'clicks'),
    q(ALTER USER MAPPING FOR CURRENT_USER SERVER other OPTIONS (SET "sasl.username" 'two')),
    'CREATE USER MAPPING FOR reader SERVER kafka',
    q(CREATE USER MAPPING FOR PUBLIC SERVER other OPTIONS ("sasl.username" 'three')),
    'ALTER FOREIGN TABLE events ALTER n SET STATISTICS 10',
    'ALTER SERVER other OPTIONS (ADD "client.id" \'other\')',
    q(ALTER FOREIGN TABLE events OPTIONS (SET max_future '1 day')))
{
    $node->safe_psql('postgres', $statement);
    is(pid(), $pid, "the same worker after: $statement");
}
foreach my $statement (
    q(ALTER FOREIGN TABLE events OPTIONS (SET max_future '2 days')),
    q(ALTER FOREIGN TABLE events ALTER m OPTIONS (SET path 'b')),
    q(ALTER SERVER kafka OPTIONS (ADD "client.id" 'mine')),
    q(CREATE USER MAPPING FOR PUBLIC SERVER kafka OPTIONS ("sasl.username" 'four')),
    q(ALTER USER MAPPING FOR PUBLIC SERVER kafka OPTIONS (SET "sasl.username" 'five')),
    'DROP USER MAPPING FOR PUBLIC SERVER kafka')
{
    my $before = $pid;

    $node->safe_psql('postgres', $statement);
    ok($node->poll_query_until('postgres', "SELECT pid <> $before FROM streambatch.stat_stream"), "another worker after: $statement");
    $pid = pid();
}
is($node->safe_psql('postgres', 'TABLE counts'), "$sent|", 'nothing is lost or doubled');
$broker->produce('events', 0, [ undef, '{"n": 1, "b": 7, "a": {"m": 5}}' ]);
$node->wait_for('events');
is($node->safe_psql('postgres', 'SELECT sum FROM counts'), '7', 'the new path is used');

# each request is answered 300 ms late, so that asking for each partition would take longer than a minute
$broker->create_topic('wide', 200);
$broker->produce('wide', $_, [ undef, '{"n": 1}' ]) foreach 0, 99, 199;
$node->safe_psql('postgres', <<'SQL');
CREATE FOREIGN TABLE wide (n int) SERVER kafka OPTIONS (topic 'wide', archive 'none');
SELECT streambatch.create_view('wide_counts', 'SELECT count(*) FROM wide');
SQL
$node->wait_for('wide');
is($node->safe_psql('postgres', 'TABLE wide_counts'), '3', '200 partitions are read');
$broker->command('slow', 0, 300);
is($node->safe_psql('postgres', "SET statement_timeout = '30 s'; SELECT streambatch.wait_for('wide')"), 't', 'wait_for does not ask for each partition');
$broker->command('slow', 0, 0);
$node->stop;
done_testing();

# The worker's pid once it has seen what the session before has committed: it has flushed a message that was sent after it.
sub pid
{
    $broker->produce('events', 0, [ undef, '{"n": 1}' ]);
    $sent++;
    $node->wait_for('events');
    return $node->worker_pid('events');
}
