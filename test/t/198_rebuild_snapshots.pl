# A rebuild beside transactions that have their snapshots from before: they never see states that are not complete; and its end is the swap
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use PostgreSQL::Test::Utils;
use StreamBatch::Background;
use StreamBatch::Broker;
use StreamBatch::Node;
use Test::More;

my $broker = StreamBatch::Broker->embedded;
$broker->create_topic('events', 2);
my $node = StreamBatch::Node->new('main');
$node->init;
$node->start;
$node->create_server($broker);

sub sql { return $node->safe_psql('postgres', $_[0]); }
sub phase { return $node->poll_query_until('postgres', "SELECT EXISTS (SELECT FROM streambatch.stat_progress_refresh WHERE kind = 'rebuild' AND phase = '$_[0]')"); }
sub last_run { return sql("SELECT state, error_sqlstate FROM streambatch.refresh_history WHERE kind = 'rebuild' ORDER BY id DESC LIMIT 1"); }

my $query = q{SELECT streambatch.tumble(ts, '1 h') AS w, count(*) AS n FROM events GROUP BY 1};
sql("CREATE FOREIGN TABLE events (id int, ts timestamptz) SERVER kafka OPTIONS (topic 'events', event_time 'ts')");
sql("SELECT streambatch.create_view('hours', \$\$$query\$\$)");
sql(q{INSERT INTO events SELECT i, '2025-01-01Z'::timestamptz + i * interval '1 min' FROM generate_series(1, 1000) i});
$node->wait_for('events');

# a transaction with a snapshot that has not read the view
my $reader = $node->background_psql('postgres');
$reader->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ');
is($reader->query_safe('SELECT count(*) FROM events_archive'), '1000', 'a snapshot');
my $rebuild = StreamBatch::Background->new($node);
$rebuild->start("CALL streambatch.rebuild('hours', \$\$" . ($query =~ s/count\(\*\)/2 * count(*)/r) . '$$)');
ok(phase('waiting for older snapshots'), 'the rebuild waits for it, and shows that');
is(last_run(), 'running|', 'it is not done before the swap');
is(sql('SELECT state, groups, dirty_panes FROM streambatch.stat_view ORDER BY state'), "active|17|0\nbuilding|17|0", 'statistics of both');
is($reader->query_safe('SELECT sum(n) FROM hours'), '1000', 'the transaction sees the old logic');
ok(phase('waiting for older snapshots'), 'still');
$reader->query_safe('COMMIT');
$rebuild->finish;
is(sql('SELECT sum(n) FROM hours'), '2000', 'then it ends');
is(last_run(), 'done|', 'and is done');

# it gives up where it may not wait, and leaves nothing
$reader->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ');
$reader->query_safe('SELECT count(*) FROM events_archive');
my ($status, undef, $error) = $node->psql('postgres', q{SET lock_timeout = '100ms'; CALL streambatch.rebuild('hours')});
like($error, qr/lock timeout/, 'lock_timeout applies');
is(last_run(), 'failed|55P03', 'which is recorded');
is(sql('SELECT count(*) FROM streambatch._view'), '1', 'nothing is left behind');
$reader->query_safe('COMMIT');

# nor where it waits for the view itself
$reader->query_safe('BEGIN');
$reader->query_safe('SELECT sum(n) FROM hours');
$rebuild = StreamBatch::Background->new($node, qr/canceling/);
$rebuild->start(q{CALL streambatch.rebuild('hours')});
ok(phase('swapping'), 'another one waits for a reader');
is(sql(q{SELECT pg_cancel_backend(pid) FROM streambatch.stat_progress_refresh WHERE kind = 'rebuild'}), 't', 'it is cancelled');
$rebuild->finish;
is(last_run(), 'failed|57014', 'which is recorded, too');
is($reader->query_safe('SELECT sum(n) FROM hours'), '2000', 'the view is what it was');
$reader->quit;
is(sql('SELECT count(*) FROM streambatch._view'), '1', 'nothing is left behind');

# statistics can be read whatever is swapped and dropped meanwhile
$rebuild = StreamBatch::Background->new($node);
$rebuild->start(map { q{CALL streambatch.rebuild('hours')} } 1 .. 10);
my $errors = 0;
while ($rebuild->running)
{
    (undef, undef, $error) = $node->psql('postgres', 'SELECT * FROM streambatch.stat_view');
    $errors++ if $error ne '';
    $rebuild->reap;
}
is($errors, 0, 'no error in stat_view during ten rebuilds');

# two of them do not wait for each other
sql("SELECT streambatch.create_view('again', \$\$$query\$\$)");
$rebuild = StreamBatch::Background->new($node);
$rebuild->start("CALL streambatch.rebuild('$_')") foreach qw(hours again);
$rebuild->finish;
is($rebuild->done, 2, 'two at the same time');
is(sql('SELECT count(*) FROM streambatch._view'), '2', 'nothing is left behind');
$node->stop;
done_testing();
