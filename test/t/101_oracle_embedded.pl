# Random scenarios against the embedded broker: with an archive whose table is not plain, and a stream layer alone, without archive
#
# SEED repeats a scenario
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use PostgreSQL::Test::Utils;
use StreamBatch::Broker;
use StreamBatch::Node;
use StreamBatch::Oracle;
use StreamBatch::Oracle::Events;
use Test::More;
use Time::HiRes qw(sleep);

my $seed = $ENV{STREAMBATCH_SEED} // $ENV{SEED} // time;
diag("SEED=$seed");

foreach my $archive (qw(partitioned none))
{
    my $broker = StreamBatch::Broker->embedded;
    $broker->create_topic('events', 2);
    my $node = StreamBatch::Node->new($archive);
    $node->init;
    $node->append_conf('postgresql.conf', "restart_after_crash = on\nstreambatch.refresh_chunk_rows = 40\n");
    $node->start;
    $node->create_server($broker);
    my $oracle = StreamBatch::Oracle->new(
        node => $node,
        broker => $broker,
        topic => 'events',
        partitions => 2,
        events => StreamBatch::Oracle::Events->new(seed => $seed));

    $oracle->sql(<<'SQL') if $archive eq 'partitioned';
CREATE TABLE events_archive (user_id bigint, kind text, amount numeric, qty int, score float8, ts timestamptz, kafka_partition int, kafka_offset bigint)
    PARTITION BY LIST (kafka_partition);
CREATE TABLE events_archive_0 PARTITION OF events_archive FOR VALUES IN (0);
CREATE TABLE events_archive_1 PARTITION OF events_archive DEFAULT;
SQL
    $oracle->create_stream($archive eq 'none' ? (archive => 'none') : ());
    $oracle->sql("SELECT streambatch.pause('events')");
    $oracle->create_view('by_user', <<'SQL');
SELECT user_id, streambatch.tumble(ts, '10 s') AS w, count(*) AS n, sum(amount) AS total, avg(amount) AS mean, max(kind) AS most
FROM events GROUP BY 1, 2
SQL
    $oracle->create_view('rates', <<'SQL', fails => 'qty = 0 AND amount IS NOT NULL');
SELECT kind, count(*) AS n, sum(amount / qty) AS rate, sum(score) AS score FROM events GROUP BY kind
SQL
    $oracle->create_view('totals', 'SELECT count(*) AS n, avg(qty) AS quantity, min(ts) AS first FROM events');
    $oracle->sql("SELECT streambatch.resume('events')");

    foreach my $round (1 .. 15)
    {
        $oracle->burst(rand() < 0.2 ? 800 : int rand 100);
        $oracle->{events}->pass(rand 20);
        if ($archive ne 'none')
        {
            $oracle->sql("CALL streambatch.refresh('$_')") foreach $oracle->views;
            $oracle->probe("round $round") if rand() < 0.5;
        }
        kill 'KILL', $node->worker_pid('events') // () if $round == 8;
        sleep rand 0.1;
    }
    $oracle->verdict;
    $oracle->probe('all is read') if $archive ne 'none';
    $node->stop;
    $oracle->unexpected("$archive: nothing failed but what was killed");
}

done_testing();
