# A random scenario against Apache Kafka: whatever is killed, refreshed, created and dropped, every event is counted exactly once
#
# SEED repeats a scenario; ROUNDS makes it longer
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use PostgreSQL::Test::Utils;
use StreamBatch::Background;
use StreamBatch::Broker;
use StreamBatch::Node;
use StreamBatch::Oracle;
use StreamBatch::Oracle::Events;
use Test::More;
use Time::HiRes qw(sleep);

my $seed = $ENV{STREAMBATCH_SEED} // $ENV{SEED} // time;
my $rounds = $ENV{STREAMBATCH_ROUNDS} // 40;
diag("SEED=$seed");

my $broker = StreamBatch::Broker->kafka;
$broker->create_topic('events', 3);
my $transactions = $broker->client('transactional.id' => 'oracle');

my $node = StreamBatch::Node->new('main');
$node->init;
$node->append_conf('postgresql.conf', <<'CONF');
restart_after_crash = on
streambatch.refresh_chunk_rows = 40
CONF
$node->start;
$node->create_server($broker);

my $oracle = StreamBatch::Oracle->new(
    node => $node,
    broker => $broker,
    topic => 'events',
    partitions => 3,
    events => StreamBatch::Oracle::Events->new(seed => $seed));
my $refreshes = StreamBatch::Background->new($node, qr{"doomed"|dropped during the refresh});

# what was in the topic before the stream, and before the first view
$oracle->burst(50);
$oracle->create_stream(start => 'earliest', max_out_of_orderness => '30 s');

# so that none of the first views finds events that it fails on in its past
$oracle->sql("SELECT streambatch.pause('events')");
$oracle->create_view('by_user', <<'SQL');
SELECT user_id, streambatch.tumble(ts, '10 s') AS w, streambatch.tumble_end(ts, '10 s') AS e,
       count(*) AS n, sum(amount) AS total, avg(amount) AS mean, min(amount) AS least, max(kind) AS most, avg(qty) AS quantity
FROM events GROUP BY 1, 2, 3
SQL
$oracle->create_view('windows', <<'SQL');
SELECT streambatch.tumble(ts, '1 min') AS w, count(*) AS n, count(user_id) AS users, sum(score) AS score, avg(score) AS mean
FROM events GROUP BY 1
SQL
$oracle->create_view('totals', <<'SQL');
SELECT count(*) AS n, sum(amount) AS total, min(ts) AS first, max(ts) AS last, sum(qty) AS quantity FROM events
SQL
$oracle->create_view('doomed', 'SELECT kind, count(*) AS n FROM events GROUP BY kind');
$oracle->create_view('kinds', <<'SQL');
SELECT kind, count(*) FILTER (WHERE amount > 0) AS paid, sum(amount) / count(*) AS mean, 10 * sum(qty) + count(*) AS odd
FROM events WHERE score < 400 GROUP BY kind HAVING count(*) > 3 AND sum(amount) IS NOT NULL
SQL
$oracle->create_view('rates', <<'SQL', fails => 'qty = 0 AND amount IS NOT NULL');
SELECT user_id % 3 AS class, streambatch.tumble(ts, '1 hour') AS w, sum(amount / qty) AS rate, count(*) AS n
FROM events GROUP BY 1, 2
SQL
$oracle->create_view('shifted', <<'SQL', fails => 'qty = 3 AND kind = \'buy\'');
SELECT streambatch.tumble(ts + CASE kind WHEN 'buy' THEN interval '1 s' / (qty - 3) ELSE interval '0' END, '20 s') AS w, count(*) AS n, max(score) AS score
FROM events GROUP BY 1
SQL

$oracle->sql("SELECT streambatch.resume('events')");

my @refresh = (
    sub { "CALL streambatch.refresh('$_[0]')" },
    sub { "CALL streambatch.refresh('$_[0]')" },
    sub { "CALL streambatch.refresh('$_[0]', full => true)" },
    sub { "CALL streambatch.refresh('$_[0]', \"to\" => 'infinity')" },
    sub { "CALL streambatch.refresh('$_[0]', '2025-03-01 00:0" . int(rand 3) . ":05', '2025-03-01 00:0" . (3 + int rand 5) . ":07')" });

my %events = (
    int($rounds * 0.15) => \&kill_worker,
    int($rounds * 0.3) => sub { $oracle->create_view('late', <<'SQL') },
SELECT user_id, kind, streambatch.tumble(ts, '30 s') AS w, sum(amount) FILTER (WHERE qty > 5) AS some, count(*) AS n FROM events GROUP BY 1, 2, 3
SQL
    int($rounds * 0.4) => \&kill_worker,
    int($rounds * 0.5) => sub { $oracle->create_view('fresh', 'SELECT kind, count(*) AS n, max(ts) AS last FROM events GROUP BY kind', history => 'false') },
    int($rounds * 0.55) => sub { $oracle->drop_view('doomed') },
    int($rounds * 0.65) => sub { $node->stop('immediate'); $node->start; },
    int($rounds * 0.8) => \&kill_worker);

foreach my $round (1 .. $rounds)
{
    $oracle->burst(rand() < 0.1 ? 1500 : int rand 200);
    $oracle->burst(20, client => $transactions, aborted => int rand 2) if rand() < 0.3;
    $oracle->{events}->pass(rand 20);
    foreach (1 .. 3 - $refreshes->running)
    {
        my @views = grep { $_ ne 'fresh' } $oracle->views;
        my $view = $views[ rand @views ];
        my $call = $refresh[ $view =~ /by_user|windows|rates|late|shifted/ ? rand @refresh : 0 ]->($view);

        $refreshes->start($call);
    }
    $oracle->probe("round $round") if rand() < 0.5;
    $events{$round}->() if $events{$round};
    sleep rand 0.2;
    $refreshes->reap;
}
$refreshes->finish;
ok($refreshes->done > $rounds / 4, 'refreshes ran: ' . $refreshes->done);
$oracle->verdict;
$oracle->probe('all is read');

foreach my $view (grep { $_ ne 'fresh' } $oracle->views)
{
    $oracle->sql("CALL streambatch.refresh('$view', full => true)");
}
$oracle->probe('all is refreshed');
$oracle->verdict;
$node->stop;
$oracle->unexpected('nothing failed but what was killed');

done_testing();

# kill -9 of the worker takes the server along; it comes back by itself
sub kill_worker
{
    my $pid = $oracle->sql("SELECT pid FROM streambatch.stat_stream WHERE stream = 'events'::regclass");

    kill 'KILL', $pid if $pid;
    return;
}
