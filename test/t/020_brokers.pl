# The brokers that the other tests rely on do what they say
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use PostgreSQL::Test::Utils;
use StreamBatch::Broker;
use Test::More;

my $file = "$PostgreSQL::Test::Utils::tmp_check/020_lines";
append_to_file($file, "{\"a\": 1}\n{\"a\": 2}\n{\"a\": 3}\n");

foreach my $kind (qw(embedded kafka))
{
    my $broker = StreamBatch::Broker->$kind;

    $broker->create_topic('events', 2);
    is_deeply([ $broker->range('events', 1) ], [ 0, 0 ], "$kind: a new topic is empty");
    is_deeply(
        [ $broker->produce('events', 1, map { [ "key\t$_", "{\"a\": \"\\\\\n$_\"}", 0, { h => undef } ] } 1 .. 5000) ],
        [ 0 .. 4999 ],
        "$kind: messages lie in the order in which they were produced");
    is($broker->produce_file('events', 2, $file), 3, "$kind: lines of a file are messages");
    is_deeply([ $broker->range('events', 0) ], [ 0, 2 ], "$kind: they go to the partitions in turn");

    $broker->stop;
    ok(!eval { $broker->client(log_level => 0)->call('ready', 1); 1 }, "$kind: a stopped broker does not answer");
    $broker->start;
    is_deeply([ $broker->range('events', 1) ], [ 0, 5001 ], "$kind: it comes back with its messages");

    my $client = $broker->client('transactional.id' => 'one');
    $client->call('begin');
    $client->produce('events', 0, [ 'key', '{"a": 4}' ]);
    $client->call('abort');
    $client->close;
}

my $kafka = StreamBatch::Broker->kafka;
$kafka->create_topic('events', 1);
$kafka->produce('events', 0, map { [ undef, $_ ] } 'a' .. 'c');
$kafka->truncate('events', 0, 2);
is_deeply([ $kafka->range('events', 0) ], [ 2, 3 ], 'kafka: the beginning of a log can go');
$kafka->add_partitions('events', 3);
is_deeply([ $kafka->produce('events', 2, [ undef, 'd' ]) ], [0], 'kafka: partitions can be added');
$kafka->delete_topic('events');
$kafka->create_topic('events', 1, 'cleanup.policy' => 'compact');
is_deeply([ $kafka->produce('events', 0, [ 'key', undef ]) ], [0], 'kafka: a topic of the same name starts again at offset 0');
ok(!eval { $kafka->produce('events', 0, [ undef, 'no key' ]); 1 }, 'kafka: what the broker refuses is an error');
$kafka->kill;
$kafka->start;
is_deeply([ $kafka->range('events', 0) ], [ 0, 1 ], 'kafka: acknowledged messages survive a kill');

done_testing();
