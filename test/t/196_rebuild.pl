# A view is rebuilt while events come in: readers see the old logic or the new one, each event once, whatever ends the rebuild
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
use Time::HiRes qw(sleep);

my $broker = StreamBatch::Broker->kafka;
$broker->create_topic('events', 2);
my $node = StreamBatch::Node->new('main');
$node->init;
$node->append_conf('postgresql.conf', "restart_after_crash = on\nstreambatch.refresh_chunk_rows = 300");
$node->start;
$node->create_server($broker);

sub sql { return $node->safe_psql('postgres', $_[0]); }
sub query { return "SELECT user_id, streambatch.tumble(ts, '10 s') AS w, count(*) AS n, sum(amount) * $_[0] AS s FROM events GROUP BY 1, 2"; }

sql("CREATE FOREIGN TABLE events (user_id int, amount numeric, ts timestamptz) SERVER kafka OPTIONS (topic 'events', event_time 'ts')");
sql(sprintf q{SELECT streambatch.create_view('sums', $$%s$$)}, query(1));
sql('CREATE VIEW mine AS SELECT w, sum(n) AS n FROM sums GROUP BY w');
my $oid = sql("SELECT 'sums'::regclass::oid");
my $traffic = StreamBatch::Traffic->new($broker, 'events', 2);
$node->poll_query_until('postgres', 'SELECT count(*) > 2000 FROM events_archive') or die 'no events';
$node->wait_for('events');

# In one snapshot: what the view shows is what the archive holds, by the one logic or the other
my $consistent = <<'SQL';
SELECT coalesce((SELECT sum(n) FROM sums) = a.n AND (SELECT sum(n) FROM mine) = a.n AND (SELECT sum(s) FROM sums) IN (a.s, 2 * a.s), a.n = 0)
  FROM (SELECT count(*) AS n, sum(amount) AS s FROM events_archive) a
SQL
my $differs = <<'SQL';
WITH plain AS (SELECT user_id, streambatch.tumble(ts, '10 s') AS w, count(*) AS n, sum(amount) * %d AS s FROM events_archive GROUP BY 1, 2)
SELECT count(*) FROM ((TABLE sums EXCEPT ALL TABLE plain) UNION ALL (TABLE plain EXCEPT ALL TABLE sums)) d
SQL
my $left = <<'SQL';
SELECT count(*) FROM pg_class WHERE relnamespace = 'streambatch_state'::regnamespace AND relkind IN ('r', 'v')
   AND substring(relname, '\d+') NOT IN (SELECT id::text FROM streambatch._view WHERE view = 'sums'::regclass)
SQL
my $backend = q{FROM pg_stat_activity WHERE query LIKE 'CALL streambatch.rebuild%' AND pid <> pg_backend_pid()};

my %ends = (
    'it ends' => sub { },
    'cancelled' => sub { sql("SELECT pg_cancel_backend(pid) $backend"); },
    'terminated' => sub { sql("SELECT pg_terminate_backend(pid) $backend"); },
    'killed' => sub { my $pid = sql("SELECT pid $backend"); kill KILL => $pid if $pid =~ /^\d+$/; },
    'the server is killed' => sub { $node->stop('immediate'); $node->start; },
    'the worker is terminated' => sub { sql('SELECT pg_terminate_backend(pid) FROM streambatch.stat_stream WHERE pid IS NOT NULL'); },
);
my $wrong = 0;
my $reads = 0;

sub probe
{
    my ($status, $out) = $node->psql('postgres', $consistent);

    # while the server restarts nobody reads
    return if $status != 0;
    $reads++;
    $wrong++ if $out ne 't';
    return;
}

foreach my $end ('it ends', sort grep { $_ ne 'it ends' } keys %ends)
{
    my $background = StreamBatch::Background->new($node, qr/cancel/);
    my $factor = sql(sprintf $differs, 1) eq '0' ? 2 : 1;

    $background->start(sprintf 'CALL streambatch.rebuild(%s, $$%s$$)', "'sums'", query($factor));
    sleep rand 0.4;
    probe();
    $ends{$end}->();
    while ($background->running) { probe(); sleep 0.02; $background->reap; }
    ok($node->poll_query_until('postgres', $consistent), "$end: the view is consistent");
    ok($node->poll_query_until('postgres', $left, '0'), "$end: nothing is left behind");
    sql(sprintf 'CALL streambatch.rebuild(%s, $$%s$$)', "'sums'", query($factor));
    is(sql(sprintf $differs, $factor), '0', "$end: another call rebuilds it");
    is(sql($left), '0', "$end: and leaves nothing");
}
my $sent = $traffic->finish;
$node->wait_for('events');
is(sql('SELECT sum(n) FROM sums'), $sent, 'every event is counted');
is(sql("SELECT 'sums'::regclass::oid"), $oid, 'it is the same view');
is($wrong, 0, 'no read saw anything else');
cmp_ok($reads, '>', 0, 'there were reads');
sql(q{CALL streambatch.refresh('sums', "to" => 'infinity')});
is(sql($consistent), 't', 'a refresh goes on from there');

# DROP during a rebuild takes everything
my $background = StreamBatch::Background->new($node, qr/dropped|does not exist|not a hybrid view/);
$background->start(q{CALL streambatch.rebuild('sums')});
sleep 0.1;
sql('SET client_min_messages = error; DROP VIEW sums CASCADE');
$background->finish;
ok($node->poll_query_until('postgres', "SELECT count(*) FROM pg_class WHERE relnamespace = 'streambatch_state'::regnamespace", '0'), 'DROP VIEW leaves nothing');
is(sql('SELECT count(*) FROM streambatch._view'), '0', 'nor a row');
$node->stop;
done_testing();
