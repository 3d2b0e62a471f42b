# Open batches of engines outside of PostgreSQL: crashes, a refresh at the same time, a stream that starts over, a suspended view, a dump
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
$node->safe_psql('postgres', <<'SQL');
CREATE FOREIGN TABLE s (k int, v numeric, ts timestamptz, kafka_partition int OPTIONS (metadata 'partition')) SERVER kafka OPTIONS (topic 'events', event_time 'ts');
SELECT streambatch.create_view('sums', $$SELECT k, streambatch.tumble(ts, '1 h') AS h, count(*) AS n, sum(v) FROM s GROUP BY 1, 2$$);
-- the engine runs the query over what the archive has
CREATE VIEW events AS TABLE s_archive;
CREATE FUNCTION compute(batch bigint) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    staging regclass;
BEGIN
    SELECT oid INTO staging FROM pg_class WHERE relname ~ ('^staging_\d+_' || batch || '$');
    EXECUTE format('INSERT INTO %s %s', staging, obj_description(staging));
    RETURN batch;
END $$;
SQL
insert(1, 500);

# ---- crashes ----
my $id = begin();
same('a batch is begun');
$node->stop('immediate');
$node->start;
insert(400, 700);
$node->safe_psql('postgres', "SELECT compute($id)");
$node->stop('immediate');
$node->start;
same('computed, after a crash');
my $background = StreamBatch::Background->new($node);
$background->start('BEGIN', "SELECT streambatch.publish_batch($id)", 'SELECT pg_sleep(600)');
ok($node->poll_query_until('postgres', "SELECT count(*) = 1 FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(600)'"), 'published, not committed');
same('published, not committed');
$node->stop('immediate');
$background->finish;
$node->start;
same('after a crash in the middle of a publication');
is(sql("SELECT state FROM streambatch.refresh_history WHERE id = $id"), 'running', 'the batch is still open');
like(sql("SELECT streambatch.publish_batch($id)"), qr/^[1-9]/, 'and is published');
same('published');
$node->restart;
same('published, and restarted');

# ---- a refresh at the same time ----
$id = begin();
sql("SELECT compute($id)");
$background->start('BEGIN', 'LOCK TABLE streambatch_state.batch_1', 'SELECT pg_sleep(601)');
ok($node->poll_query_until('postgres', "SELECT count(*) = 1 FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(601)'"), 'a lock that a refresh waits for');
my $refresh = StreamBatch::Background->new($node);
$refresh->start(q{CALL streambatch.refresh('sums', "to" => '2025-01-03Z', "full" => true)});
ok($node->poll_query_until('postgres', "SELECT count(*) = 1 FROM streambatch.stat_progress_refresh"), 'a refresh is running, and the open batch is none');
like(failure("SELECT streambatch.publish_batch($id)"), qr/55006: cannot publish a batch of hybrid view "sums" while a refresh of it is running/, 'a refresh runs');
like(failure("SELECT streambatch.begin_batch('sums')"), qr/55006: cannot begin a batch of hybrid view "sums" while a refresh of it is running/, 'and no batch is begun');
sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(601)'");
$background->finish;
$refresh->finish;
like(failure("SELECT streambatch.publish_batch($id)"), qr/55000: the cut of batch $id is older than what hybrid view "sums" serves/, 'the refresh has a later cut');
same('a publication that was refused');
sql("SELECT streambatch.abandon_batch($id)");

# ---- writers of the staging table ----
$id = begin();
my $staging = sql("SELECT relname FROM pg_class WHERE relname ~ '^staging_1_$id\$'");
$background->start('BEGIN', "INSERT INTO streambatch_state.$staging VALUES (77, '2025-01-01', 1, 1)", 'SELECT pg_sleep(602)');
ok($node->poll_query_until('postgres', "SELECT count(*) = 1 FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(602)'"), 'an engine that has not committed');
like(failure("SET lock_timeout = '100ms'; SELECT streambatch.publish_batch($id)"), qr/55P03/, 'is waited for');
sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(602)'");
$background->finish;

# ---- a dump with an open batch: it is open in the copy, too ----
sql("SELECT compute($id)");
insert(100, 200);
my $dump = "$PostgreSQL::Test::Utils::tmp_check/outside_dump.sql";
command_ok([ 'pg_dump', '-d', $node->connstr('postgres'), '--file', $dump ], 'pg_dump');
$node->safe_psql('postgres', 'CREATE DATABASE copy');
command_ok([ 'psql', '-XqAt', '-d', $node->connstr('copy'), '-v', 'ON_ERROR_STOP=1', '--file', $dump ], 'restored');
same('in the copy', 'copy');
like($node->safe_psql('copy', "SELECT streambatch.publish_batch($id)"), qr/^[1-9]/, 'the batch is published in the copy');
same('published in the copy', 'copy');
my $other = begin('copy');
$node->safe_psql('copy', 'DROP VIEW sums');
is($node->safe_psql('copy', "SELECT count(*) FROM pg_class WHERE relname LIKE 'staging%'"), '0', 'DROP VIEW leaves no staging table in the copy');
like(sql("SELECT streambatch.publish_batch($id)"), qr/^[1-9]/, 'and in the original');
same('published in the original');

# ---- a suspended view ----
$node->safe_psql('postgres', <<'SQL');
CREATE ROLE owner;
GRANT CREATE ON SCHEMA public TO owner;
GRANT SELECT ON s, s_archive TO owner;
SELECT streambatch.create_view('plain', 'SELECT count(*) AS n FROM s');
ALTER VIEW plain OWNER TO owner;
SQL
$id = sql("SELECT id FROM streambatch.begin_batch('plain')");
sql("SELECT compute($id)");
sql('REVOKE SELECT ON s FROM owner');
insert(1, 10);
ok($node->poll_query_until('postgres', "SELECT state = 'suspended' FROM streambatch.stat_view WHERE view = 'plain'::regclass"), 'a view is suspended');
like(failure("SELECT streambatch.begin_batch('plain')"), qr/55000: hybrid view "plain" is suspended/, 'no batch is begun');
is(sql("SELECT streambatch.publish_batch($id)"), '1', 'one that was begun before can be published');
sql('GRANT SELECT ON s TO owner');
ok($node->poll_query_until('postgres', "SELECT state = 'active' FROM streambatch.stat_view WHERE view = 'plain'::regclass"), 'the view is active again');
$node->wait_for('s');
is(sql('SELECT n FROM plain'), sql('SELECT count(*) FROM s_archive'), 'and has all events');

# ---- the stream starts over: what was begun before cannot be published, and what is begun then reads both topic epochs ----
$id = begin();
sql("SELECT compute($id)");
sql("SELECT streambatch.reset('s')");
$node->wait_for('s');
like(failure("SELECT streambatch.publish_batch($id)"), qr/55000: cannot publish batch $id because stream "s" has started over since/, 'the stream has started over');
sql("SELECT streambatch.abandon_batch($id)");
same('started over');
sql("DROP VIEW events; CREATE VIEW events AS SELECT *, coalesce(e, 0) AS kafka_epoch FROM (SELECT k, v, ts, kafka_partition, kafka_offset, kafka_epoch AS e FROM s_archive) a");
$id = begin();
sql("SELECT compute($id)");
insert(1, 100);
like(sql("SELECT streambatch.publish_batch($id)"), qr/^[1-9]/, 'a batch of the new topic epoch');
same('published after it has started over');

$node->stop;
done_testing();

sub sql { return $node->safe_psql('postgres', $_[0]); }

# what psql says of a statement that fails
sub failure
{
    my (undef, undef, $error) = $node->psql('postgres', $_[0], extra_params => [ '-v', 'VERBOSITY=verbose' ]);
    return $error;
}

sub insert
{
    my ($from, $to) = @_;

    sql("INSERT INTO s SELECT i % 7, i, '2025-01-01Z'::timestamptz + i * interval '5 min', i % 2 FROM generate_series($from, $to) i");
    $node->wait_for('s');
    return;
}

# of the windows of the first half
sub begin { return $node->safe_psql($_[0] // 'postgres', "SELECT id FROM streambatch.begin_batch('sums', NULL, '2025-01-02Z')"); }

# the view is what the plain query returns
sub same
{
    my ($when, $database) = @_;

    $database //= 'postgres';
    $node->wait_for('s', undef, $database) if $database eq 'postgres';
    is($node->safe_psql($database, 'SELECT * FROM sums ORDER BY 1, 2'),
        $node->safe_psql($database, "SELECT k, streambatch.tumble(ts, '1 h'), count(*), sum(v) FROM s_archive GROUP BY 1, 2 ORDER BY 1, 2"), "the view: $when");
    return;
}
