# examples/several-servers does what its README says
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use PostgreSQL::Test::Utils;
use StreamBatch::Broker;
use StreamBatch::Node;
use Test::More;

my $example = "$FindBin::RealBin/../../examples/several-servers";
my $broker = StreamBatch::Broker->embedded;
my %node;

$broker->create_topic('events', 4);
foreach my $name ('a', 'b')
{
    my $new = $node{$name} = StreamBatch::Node->new($name);
    $new->init;
    $new->start;
    command_ok([ 'psql', '-X', '-d', $new->connstr('postgres'), '-v', 'bootstrap=' . $broker->bootstrap, '-v', 'partitions=' . ($name eq 'a' ? '0-1' : '2-'), '-f', "$example/node.sql" ],
        "node.sql on $name");
}
# another database of one of them merges
$node{a}->safe_psql('postgres', 'CREATE DATABASE merged');
command_ok([ 'psql', '-X', '-d', $node{a}->connstr('merged'), (map { ('-v', "host_$_=" . $node{$_}->host, '-v', "port_$_=" . $node{$_}->port) } 'a', 'b'), '-v', 'database=postgres', '-f', "$example/merge.sql" ],
    'merge.sql');
foreach my $partition (0 .. 3)
{
    $broker->produce('events', $partition, [ undef, qq({"user_id": $partition, "country": "DE", "amount": 12.50, "ts": "2025-03-01T12:00:0${partition}Z"}) ]);
}
$node{$_}->wait_for('events') foreach 'a', 'b';
is($node{a}->safe_psql('merged', q(SET timezone = 'UTC'; SELECT * FROM sales WHERE country = 'DE' AND window_start >= '2025-03-01 12:00Z')),
    'DE|2025-03-01 12:00:00+00|4|50.00|12.5000000000000000|3', 'the merged view');
is($node{a}->safe_psql('merged', 'SELECT country, purchases, recommended, closed FROM sales_layers'), 'DE|4|stream|f', 'its layers');
like($node{a}->safe_psql('merged', q(EXPLAIN (VERBOSE, COSTS OFF) SELECT * FROM sales WHERE country = 'DE')), qr/Remote SQL: .*'DE'/, 'the condition reaches the servers');
$node{b}->stop;
like(($node{a}->psql('merged', 'SELECT * FROM sales'))[2], qr/could not connect to server "node_b"/, 'a server that is stopped');
$node{b}->start;
is($node{a}->safe_psql('merged', 'SELECT purchases FROM sales'), 4, 'and back');
done_testing();
