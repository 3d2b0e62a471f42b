# Very many groups: each has one row per epoch, whatever the filters of epoch_filter.c contain
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use PostgreSQL::Test::Utils;
use StreamBatch::Broker;
use StreamBatch::Node;
use Test::More;

# more than fill the first filters of epoch_filter.c, in many flushes
my $groups = 60_000;
my $broker = StreamBatch::Broker->embedded;
$broker->create_topic('events', 1);
my $node = StreamBatch::Node->new('main');
$node->init;
$node->append_conf('postgresql.conf', "streambatch.work_mem = 2MB\n");
$node->start;
$node->create_server($broker);
$node->safe_psql('postgres', <<'SQL');
CREATE FOREIGN TABLE events (k bigint, name text, ts timestamptz) SERVER kafka OPTIONS (topic 'events', format 'json', event_time 'ts');
SELECT streambatch.create_view('by_key', $$ SELECT k, streambatch.tumble(ts, '1 h') AS w, count(*) AS n, min(name) AS name FROM events GROUP BY 1, 2 $$);
SELECT streambatch.create_view('by_name', $$ SELECT streambatch.tumble(ts, '1 h') AS w, name, count(*) AS n, sum(k) AS k FROM events GROUP BY 1, 2 $$);
SELECT streambatch.create_view('nobody', $$ SELECT nullif(k % 3, 0) AS k, nullif(name, name) AS name, count(*) AS n FROM events GROUP BY 1, 2 $$);
SQL

my $times = 0;
check('first come: the tables were empty');
check('they come again: all are known');
is(rows(), "1|$groups\n2|$groups\n3|3", 'groups that come again have no further rows');
$node->safe_psql('postgres', "CALL streambatch.refresh('$_')") foreach qw(by_key by_name nobody);
check('a refresh has raised the epochs: none is known');
check('and they come again');
$node->safe_psql('postgres', 'SELECT pg_terminate_backend(' . $node->worker_pid('events') . ')');
check('another worker takes over in the midst of an epoch: nothing is known');
$node->safe_psql('postgres', "SELECT streambatch.create_view('late', 'SELECT k, count(*) AS n FROM events GROUP BY 1')");
check('views are loaded again, and one has rows from the archive');
is($node->safe_psql('postgres', 'SELECT count(*), min(n), max(n) FROM late'), "$groups|$times|$times", 'which go on');
$node->stop;

done_testing();

# Send an event of each group, and see each counted.
sub check
{
    my ($name) = @_;

    $times++;
    $broker->produce('events', 0, map { [ undef, sprintf '{"k": %d, "name": "name %d", "ts": "2025-02-14T12:00:00Z"}', $_, $_ ] } 1 .. $groups);
    $node->wait_for('events');
    is($node->safe_psql('postgres', <<'SQL'), join("\n", ("$groups|$times|$times|t") x 2, '3|t'), "$name: each is counted");
SELECT count(*), min(n), max(n), bool_and(name = 'name ' || k) FROM by_key;
SELECT count(*), min(n), max(n), bool_and(k = n * substr(name, 6)::bigint) FROM by_name;
SELECT count(*), sum(n) = (SELECT sum(n) FROM by_key) FROM nobody;
SQL
    is($node->doubled_groups, '', 'and has one row under each epoch');
    return;
}

sub rows
{
    return $node->safe_psql('postgres', join ';', map { "SELECT $_, count(*) FROM streambatch_state.stream_$_" } 1 .. 3);
}
