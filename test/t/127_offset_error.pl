# An offset error of the broker for an offset that is inside the log: it is read again from there; positions never move back
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use PostgreSQL::Test::Utils;
use StreamBatch::Broker;
use StreamBatch::Node;
use Test::More;

foreach my $on_gap (qw(skip stop))
{
    my $broker = StreamBatch::Broker->embedded;
    $broker->create_topic('events', 2);
    my $node = StreamBatch::Node->new($on_gap);
    $node->init;
    $node->start;
    $node->create_server($broker);
    $node->safe_psql('postgres', <<"SQL");
CREATE FOREIGN TABLE events (n int) SERVER kafka OPTIONS (topic 'events', on_gap '$on_gap');
SELECT streambatch.create_view('totals', 'SELECT count(*) AS messages, sum(n) AS total FROM events');
SQL
    my $n = 0;
    my $produce = sub {
        my ($partition, $count) = @_;
        $broker->produce('events', $partition, map { [ undef, '{"n": ' . ++$n . '}' ] } 1 .. $count);
    };
    my $sql = sub { return $node->safe_psql('postgres', $_[0]); };

    $produce->($_, 10) foreach 0, 1;
    $node->wait_for('events');
    is($sql->('TABLE totals'), '20|210', "$on_gap: read");

    # each of the next fetches is refused, though every offset is in the log
    foreach my $round (1 .. 2)
    {
        $broker->command('fail', 'fetch', 4, 'OFFSET_OUT_OF_RANGE');
        $produce->($_, 5) foreach 0, 1;
        $node->wait_for('events');
        is($sql->('TABLE totals'), "$n|" . $n * ($n + 1) / 2, "$on_gap, $round: each message counts once");
    }
    is($sql->('SELECT count(*) FROM streambatch.gap'), '0', "$on_gap: there is no gap");
    is($sql->("SELECT state FROM streambatch.stat_stream WHERE stream = 'events'::regclass"), 'streaming', "$on_gap: it goes on");
    is($sql->('SELECT count(*), count(DISTINCT (kafka_partition, kafka_offset)) FROM events_archive'), "$n|$n", "$on_gap: each position is archived once");
    is($sql->("SELECT sum(next_offset) FROM streambatch.stat_partition WHERE stream = 'events'::regclass"), $n, "$on_gap: positions are behind all messages");

    # while a backlog is read
    $sql->("SELECT streambatch.pause('events')");
    $node->wait_for_state('events', 'paused');
    $produce->($_, 2000) foreach 0, 1;
    $broker->command('fail', 'fetch', 4, 'OFFSET_OUT_OF_RANGE');
    $sql->("SELECT streambatch.resume('events')");
    $node->wait_for('events');
    is($sql->('TABLE totals'), "$n|" . $n * ($n + 1) / 2, "$on_gap: a backlog is read once");
    is($sql->('SELECT count(*) FROM streambatch.gap'), '0', "$on_gap: and there is no gap in it");
    $node->stop;
}

done_testing();
