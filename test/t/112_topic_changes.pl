# Changes of a topic while a stream reads it: transactions, tombstones, more partitions, broker restarts; no event is lost or counted twice
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use PostgreSQL::Test::Utils;
use StreamBatch::Broker;
use StreamBatch::Node;
use Test::More;
use Time::HiRes qw(time);

my $broker = StreamBatch::Broker->kafka;
$broker->create_topic($_, 2) foreach qw(events late);
my $node = StreamBatch::Node->new('main');
$node->init;
$node->start;
$node->create_server($broker);
my $n = 0;

# start 'latest': what is there already is not read
produce('late', 0, 5);
$node->safe_psql('postgres', <<'SQL');
CREATE FOREIGN TABLE events (n int, kafka_partition int OPTIONS (metadata 'partition')) SERVER kafka OPTIONS (topic 'events', format 'json');
CREATE FOREIGN TABLE late (n int) SERVER kafka OPTIONS (topic 'late', format 'json', start 'latest');
SELECT streambatch.create_view('per_partition', 'SELECT kafka_partition, count(*) AS messages, sum(n) AS total FROM events GROUP BY 1');
SELECT streambatch.create_view('latest', 'SELECT count(*) AS messages, sum(n) AS total FROM late');
SQL
$node->wait_for_state($_, 'streaming') foreach qw(events late);
my $sum = produce('late', 1, 3);
$node->wait_for('late');
is(sql('TABLE latest'), "3|$sum", 'latest: only what came after the start');

# transactions
my $client = $broker->client('transactional.id' => 'one');
my @expected = (0, 0, 0);
$client->call('begin');
$expected[0] = produce('events', 0, 10, $client);
$client->call('commit');
$client->call('begin');
produce('events', 0, 10, $client);
$client->call('abort');
$node->wait_for('events');
is(sql('TABLE per_partition'), "0|10|$expected[0]", 'what was aborted is not seen');
my $begin = time;
$node->wait_for('events');
cmp_ok(time - $begin, '<', 5, 'wait_for does not wait for control records');
is(sql("SELECT lag FROM streambatch.stat_stream WHERE stream = 'events'::regclass"), '0', 'there is no lag');

# an open transaction holds back what follows, and no more
$client->call('begin');
my $open = produce('events', 0, 1, $client);
my $behind = produce('events', 0, 1);
$expected[1] = produce('events', 1, 2);
$node->wait_for('events');
is(sql('TABLE per_partition ORDER BY 1'), "0|10|$expected[0]\n1|2|$expected[1]", 'what stands behind an open transaction waits for it');
$client->call('commit');
$node->wait_for('events');
$expected[0] += $open + $behind;
is(sql('TABLE per_partition ORDER BY 1'), "0|12|$expected[0]\n1|2|$expected[1]", 'and comes with it');

# tombstones
$broker->produce('events', 1, [ 'key', undef ], [ 'key', undef ]);
$node->wait_for('events');
is(sql("SELECT received, folded, skipped, dead FROM streambatch.stat_stream WHERE stream = 'events'::regclass"),
    '16|14|2|0', 'tombstones are skipped and counted');

# more partitions, read from their beginning, by a stream that began at the end as well
$broker->add_partitions($_, 3) foreach qw(events late);
$expected[2] = produce('events', 2, 4);
$sum += produce('late', 2, 4);
ok($node->poll_query_until('postgres', 'SELECT messages = 4 FROM per_partition WHERE kafka_partition = 2'), 'a new partition is noticed')
  or diag(sql('TABLE per_partition'));
ok($node->poll_query_until('postgres', 'SELECT messages = 7 FROM latest'), 'by a stream that started with the latest, too');
is(sql('SELECT total FROM latest'), $sum, 'each event once');

# the broker goes and comes
foreach my $how (qw(stop kill))
{
    $broker->$how;
    $node->wait_for_state('events', 'reconnecting');
    is(sql("SELECT error_sqlstate FROM streambatch.stat_stream WHERE stream = 'events'::regclass"), '08006', "$how: stat_stream says why");
    $broker->start;
    $expected[$_] += produce('events', $_, 5) foreach 0 .. 2;
    $node->wait_for('events');
    is(sql('SELECT kafka_partition, total FROM per_partition ORDER BY 1'),
        join("\n", map { "$_|$expected[$_]" } 0 .. 2),
        "$how: it continues by itself");
    $node->wait_for_state('events', 'streaming');
}
is(sql('SELECT count(*) - count(DISTINCT (kafka_partition, kafka_offset)) FROM events_archive'), '0', 'nothing is archived twice');

# nobody answers when the view is made
$broker->stop;
my ($status, $out, $err) = $node->psql('postgres', <<'SQL');
CREATE FOREIGN TABLE patient (n int) SERVER kafka OPTIONS (topic 'events', format 'json');
SELECT streambatch.create_view('patience', 'SELECT count(*) AS messages, sum(n) AS total FROM patient');
SQL
is($status, 0, 'a view can be made while no broker answers');
like($err, qr/WARNING:  could not connect to a broker of stream "patient": /, 'with a warning');
$broker->start;
$node->wait_for_state('patient', 'streaming');
$node->wait_for('patient');
is(sql('SELECT total FROM patience'), $expected[0] + $expected[1] + $expected[2], 'and it works as soon as one does');
$node->stop;

done_testing();

# Messages with the next numbers; their sum.
sub produce
{
    my ($topic, $partition, $count, $producer) = @_;
    my @numbers = map { ++$n } 1 .. $count;
    my $total = 0;

    ($producer // $broker)->produce($topic, $partition, map { [ 'key', "{\"n\": $_}" ] } @numbers);
    $total += $_ foreach @numbers;
    return $total;
}

sub sql { my ($sql) = @_; return $node->safe_psql('postgres', $sql); }
