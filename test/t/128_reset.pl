# reset() while the worker reads and refreshes run: each topic epoch is a prefix of the topic, every event counts once for each
#
# SEED repeats a scenario
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use IPC::Run;
use PostgreSQL::Test::Utils;
use StreamBatch::Broker;
use StreamBatch::Node;
use Test::More;
use Time::HiRes qw(sleep);

my $seed = $ENV{SEED} // time;
srand $seed;
diag("SEED=$seed");

my $broker = StreamBatch::Broker->embedded;
$broker->create_topic('events', 2);
my $node = StreamBatch::Node->new('main');
$node->init;
$node->append_conf('postgresql.conf', 'streambatch.refresh_chunk_rows = 200');
$node->start;
$node->create_server($broker);
my $query = q{SELECT streambatch.tumble(ts, '1 h') AS w, count(*) AS n, sum(n) AS total, streambatch.first(n ORDER BY ts) AS f, streambatch.last(n ORDER BY ts) AS l FROM %s GROUP BY 1};
my $failing = q{SELECT k, count(*) AS n, sum(1000 / (n %% 7)) AS s FROM %s GROUP BY 1};

# a plain archive, one that is written by INSERT, and none
sql(<<'SQL');
CREATE TABLE parted_archive (n int, k int, ts timestamptz, kafka_partition int, kafka_offset bigint) PARTITION BY LIST (kafka_partition);
CREATE TABLE parted_archive_0 PARTITION OF parted_archive FOR VALUES IN (0);
CREATE TABLE parted_archive_1 PARTITION OF parted_archive DEFAULT;
CREATE TABLE sent (p int, o bigint, n int, k int, ts timestamptz, PRIMARY KEY (p, o));
SQL
foreach my $stream (qw(plain parted bare))
{
    my $archive = $stream eq 'bare' ? ", archive 'none'" : '';
    sql("CREATE FOREIGN TABLE $stream (n int, k int, ts timestamptz) SERVER kafka OPTIONS (topic 'events', event_time 'ts'$archive)");
    sql("SELECT streambatch.create_view('v_$stream', \$\$" . sprintf($query, $stream) . '$$)');
    sql("SELECT streambatch.create_view('w_$stream', \$\$" . sprintf($failing, $stream) . '$$)') unless $stream eq 'bare';
}

my $n = 0;
my @next = (0, 0);
send_events(500);
$node->wait_for($_) foreach qw(plain parted bare);

# ---- what is rolled back did not happen ----
sql("BEGIN; SELECT streambatch.reset('plain'); SELECT streambatch.reset('bare'); ROLLBACK");
send_events(50);
$node->wait_for($_) foreach qw(plain parted bare);
is(sql("SELECT string_agg(topic_epoch::text, ' ') FROM streambatch.stat_stream"), '0 0 0', 'a reset that is rolled back');
is(sql('SELECT count(*) FROM plain_archive'), $n, 'nothing is read twice');
is(sql("SELECT count(*) FROM pg_attribute WHERE attrelid = 'plain_archive'::regclass AND attname = 'kafka_epoch'"), '0', 'the archive is as it was');

# ---- while the stream is read and refreshed ----
my $script = join "\n", map { "CALL streambatch.refresh('v_plain', \"to\" => 'infinity'); CALL streambatch.refresh('w_plain'); CALL streambatch.refresh('v_parted', full => true); CALL streambatch.refresh('w_parted');" } 1 .. 2000;
my $refresher = IPC::Run::start([ 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('postgres'), '-f', '-' ], '<', \$script, '>', \my $said, '2>', \my $complained);
foreach my $round (1 .. 5)
{
    foreach my $stream (qw(plain parted bare))
    {
        send_events(1 + int rand 300);
        sleep rand 0.1;
        sql("SELECT streambatch.reset('$stream')");
        sleep rand 0.05;
    }
    # in a transaction that others wait for
    sql("BEGIN; SELECT streambatch.reset('plain'); SELECT pg_sleep(0.3); COMMIT") if $round == 3;
}
send_events(100);
$node->wait_for($_) foreach qw(plain parted bare);
ok($refresher->pumpable, 'refreshes have run all the time') or diag($complained);
$refresher->kill_kill;
compare('while refreshes run');
foreach my $stream (qw(plain parted))
{
    sql("CALL streambatch.refresh('$_\_$stream', full => true)") foreach qw(v w);
    sql(qq{CALL streambatch.refresh('v_$stream', "to" => 'infinity')});
}
compare('after refreshes of everything');
is(sql("SET streambatch.serve = 'stream'; SELECT coalesce(sum(n), 0) FROM (SELECT n FROM v_plain UNION ALL SELECT n FROM v_parted UNION ALL SELECT n FROM w_plain UNION ALL SELECT n FROM w_parted) s"),
    '0', 'which the batch layers hold alone');
send_events(100);
$node->wait_for($_) foreach qw(plain parted bare);
compare('with more events');

# ---- without an archive: each epoch adds what the topic holds ----
my $before = sql('SELECT sum(n) FROM v_bare');
sql("SELECT streambatch.reset('bare')");
$node->wait_for('bare');
is(sql('SELECT sum(n) FROM v_bare'), $before + $n, 'without an archive it counts all once more');

$node->stop;
done_testing();

sub send_events
{
    my ($count) = @_;
    my @rows;
    my @messages = ([], []);

    foreach (1 .. $count)
    {
        my ($p, $number, $k, $ts) = (int rand 2, ++$n, int rand 5, sprintf('2025-02-14T%02d:%02d:00Z', rand 6, rand 60));
        push @{ $messages[$p] }, [ undef, qq({"n": $number, "k": $k, "ts": "$ts"}) ];
        push @rows, "($p, " . $next[$p]++ . ", $number, $k, '$ts')";
    }
    $broker->produce('events', $_, @{ $messages[$_] }) foreach 0, 1;
    sql('INSERT INTO sent VALUES ' . join ', ', @rows);
    return;
}

# What was sent is what was archived, as far as each epoch goes, and so what the views must be.
sub compare
{
    my ($when) = @_;

    foreach my $stream (qw(plain parted))
    {
        my $archive = "${stream}_archive";
        is(sql("SELECT count(*) FROM $archive LEFT JOIN sent ON (p, o) = (kafka_partition, kafka_offset) WHERE sent.n IS DISTINCT FROM $archive.n"),
            '0', "$stream: the archive holds what was sent, $when");
        is( sql("SELECT count(*) FROM (SELECT FROM $archive GROUP BY kafka_epoch, kafka_partition HAVING count(*) <> max(kafka_offset) + 1 OR count(DISTINCT kafka_offset) <> count(*)) s"),
            '0', "$stream: of each epoch a prefix, $when");
        my $last = sql("SELECT topic_epoch FROM streambatch.stat_stream WHERE stream = '$stream'::regclass");
        is(sql("SELECT count(*) FROM $archive WHERE kafka_epoch = $last"), $n, "$stream: of the last epoch all, $when");
        my $events = "(SELECT sent.*, e.kafka_epoch FROM sent JOIN (SELECT kafka_epoch, kafka_partition, max(kafka_offset) AS last FROM $archive GROUP BY 1, 2) e ON e.kafka_partition = p AND o <= last) e";
        same("v_$stream", "SELECT streambatch.tumble(ts, '1 h') AS w, count(*) AS n, sum(n) AS total, (array_agg(n ORDER BY ts, kafka_epoch, p, o))[1] AS f, (array_agg(n ORDER BY ts DESC, kafka_epoch DESC, p DESC, o DESC))[1] AS l FROM $events GROUP BY 1", $when);
        same("w_$stream", "SELECT k, count(*) AS n, sum(1000 / (n % 7)) AS s FROM $events WHERE n % 7 <> 0 GROUP BY 1", $when);
        is( sql("SELECT count(*) FROM streambatch.dead_letter WHERE view = 'w_$stream'::regclass"),
            sql("SELECT count(*) FROM $events WHERE n % 7 = 0"),
            "$stream: dead letters of each epoch, $when");
    }
    return;
}

sub same
{
    my ($view, $plain, $when) = @_;

    is(sql("SELECT count(*) FROM ((TABLE $view EXCEPT ALL ($plain)) UNION ALL (($plain) EXCEPT ALL TABLE $view)) d"), '0', "$view: it is what the events say, $when")
      or diag(sql("(TABLE $view EXCEPT ALL ($plain)); SELECT ''; ($plain) EXCEPT ALL TABLE $view"));
    return;
}

sub sql { my ($sql) = @_; return $node->safe_psql('postgres', $sql); }
