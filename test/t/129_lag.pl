# The lag in every state: while the worker waits for a lock, and for whom; for a partition that cannot be read; without a broker; after a stop
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use PostgreSQL::Test::Utils;
use StreamBatch::Broker;
use StreamBatch::Node;
use Test::More;

$PostgreSQL::Test::Utils::timeout_default = 30;
my $broker = StreamBatch::Broker->embedded;
my $node = StreamBatch::Node->new('main');
$node->init;
$node->append_conf('postgresql.conf', "max_prepared_transactions = 2\n");
$node->start;
$node->create_server($broker);
my $produced = 0;

$broker->create_topic('events', 2);
sql(<<'SQL');
CREATE TABLE events_archive (id int, kafka_partition int, kafka_offset bigint, UNIQUE (id));
CREATE FOREIGN TABLE events (id int) SERVER kafka OPTIONS (topic 'events');
SELECT streambatch.create_view('counts', 'SELECT count(*) FROM events');
SQL
produce(0, 3);
produce(1, 1);
$node->wait_for('events');
is(lag(), 0, 'no lag when all is read');
my $other = $node->background_psql('postgres', on_error_stop => 0);
my $pid = $other->query_safe('SELECT pg_backend_pid()');

# ---- a lock on the archive ----
$other->query_safe('BEGIN; LOCK TABLE events_archive IN SHARE MODE');
produce(0, 4);
waits_for("relation \"events_archive\"", $pid, 'a table lock');
produce(1, 2);
has_lag(6, 'while the worker waits, its lag grows');
is(sql('SELECT partition, lag FROM streambatch.stat_partition ORDER BY 1'), "0|4\n1|2", 'that of each partition, too');
is(sql("SELECT state FROM streambatch.stat_stream WHERE stream = 'events'::regclass"), 'catching up', 'the state is not streaming');
my (undef, undef, $said) = $node->psql('postgres', "SELECT streambatch.wait_for('events', '100 ms')");
like($said, qr/NOTICE:  stream "events" is not being read: waiting for relation "events_archive", locked by process $pid\n/, 'wait_for says whom the worker waits for');
$broker->command('down', 0);
sleep 3;
is(lag(), 6, 'without a broker the lag remains what it was');
$broker->command('up', 0);
$other->query_safe('ROLLBACK');
goes_on('a table lock');

# ---- the stream's own row, by a pause() that does not commit ----
$other->query_safe(q(BEGIN; SELECT streambatch.pause('events')));
produce(0, 3);
waits_for('a row', $pid, q(the stream's row));
has_lag(3, q(the stream's row: lag));
$other->query_safe('ROLLBACK');
goes_on(q(the stream's row));

# ---- a row in the middle of the worker's transaction: the archive's unique index ----
my $next = $produced + 1;
$other->query_safe("BEGIN; INSERT INTO events_archive (id) VALUES ($next)");
produce(1, 1);
waits_for('a row', $pid, 'a unique index');
produce(1, 1);
has_lag(2, 'a unique index: lag');
$other->query_safe('ROLLBACK');
goes_on('a unique index');

# ---- a prepared transaction ----
$other->query_safe(q(BEGIN; LOCK TABLE events_archive IN SHARE MODE; PREPARE TRANSACTION 'held'));
produce(0, 1);
ok($node->poll_query_until('postgres', <<'SQL'), 'a prepared transaction is told') or diag(sql('TABLE streambatch.stat_stream'));
SELECT error_message = 'waiting for relation "events_archive", locked by a prepared transaction' AND error_hint ~ 'pg_prepared_xacts' FROM streambatch.stat_stream
SQL
sql(q(ROLLBACK PREPARED 'held'));
goes_on('a prepared transaction');

# ---- a slow function of a view ----
sql(<<'SQL');
CREATE FUNCTION slow(int) RETURNS int LANGUAGE plpgsql STABLE AS 'BEGIN PERFORM pg_advisory_xact_lock_shared(1); RETURN $1; END';
SELECT streambatch.create_view('slow_counts', 'SELECT count(*) FROM events WHERE slow(id) > 0', history => false);
SQL
$node->wait_for('events');
$other->query_safe('BEGIN; SELECT pg_advisory_xact_lock(1)');
produce(0, 2);
waits_for('an advisory lock', $pid, 'a function');
produce(1, 3);
has_lag(5, 'a function: lag');
$other->query_safe('ROLLBACK');
goes_on('a function');
$other->quit;

# ---- a partition that cannot be read, from its first message on ----
$broker->create_topic('stuck', 1);
$broker->produce('stuck', 0, map { [ undef, '{"id": 1}' ] } 1 .. 7);
$broker->command('fail', 'fetch', 1000, 'KAFKA_STORAGE_ERROR');
sql("CREATE FOREIGN TABLE stuck (id int) SERVER kafka OPTIONS (topic 'stuck', archive 'none')");
sql("SELECT streambatch.create_view('stuck_counts', 'SELECT count(*) FROM stuck')");
ok($node->poll_query_until('postgres', q(SELECT lag = 7 AND next_offset = 0 AND log_end = 7 FROM streambatch.stat_partition WHERE stream = 'stuck'::regclass)),
    'a partition that was never read has its lag')
  or diag(sql('TABLE streambatch.stat_partition'));
$broker->command('fail', 'fetch', 0, 'NO_ERROR');
$node->wait_for('stuck');
is(sql('TABLE stuck_counts'), '7', 'and is read when it can be');
$broker->command('fail', 'fetch', 1000, 'KAFKA_STORAGE_ERROR');
$broker->produce('stuck', 0, map { [ undef, '{"id": 1}' ] } 1 .. 5);
ok($node->poll_query_until('postgres', q(SELECT lag = 5 AND log_end_at > now() - interval '10 s' FROM streambatch.stat_partition WHERE stream = 'stuck'::regclass)),
    'so has one that was read before')
  or diag(sql('TABLE streambatch.stat_partition'));
$broker->command('fail', 'fetch', 0, 'NO_ERROR');
$node->wait_for('stuck');

# ---- an error that ends the worker, again and again ----
sql('ALTER TABLE events_archive RENAME COLUMN id TO was_id');
produce(0, 2);
ok($node->poll_query_until('postgres', q(SELECT state = 'error' AND error_message ~ 'was_id|"id"' AND lag = 2 FROM streambatch.stat_stream WHERE stream = 'events'::regclass)), 'an error: lag')
  or diag(sql('TABLE streambatch.stat_stream'));
sql('ALTER TABLE events_archive RENAME COLUMN was_id TO id');
goes_on('an error');

# ---- who may see it ----
sql('CREATE ROLE guest LOGIN');
is($node->safe_psql('postgres', 'SELECT count(*) FROM streambatch._log_ends()', extra_params => [ '-U', 'guest' ]), '0', 'nobody else sees the log ends');
is($node->safe_psql('postgres', 'SELECT count(*) FROM streambatch.stat_partition', extra_params => [ '-U', 'guest' ]), '0', 'in the view either');
sql('GRANT SELECT ON events TO guest');
is($node->safe_psql('postgres', 'SELECT partition FROM streambatch.stat_partition ORDER BY 1', extra_params => [ '-U', 'guest' ]), "0\n1", 'one who may read the stream does');

# ---- a dropped stream ----
sql('DROP FOREIGN TABLE stuck CASCADE');
is(sql('SELECT DISTINCT stream FROM streambatch.stat_partition'), 'events', 'a dropped stream leaves no partitions');

$node->stop;
done_testing();

sub sql { return $node->safe_psql('postgres', $_[0]); }
sub lag { return sql(q(SELECT lag FROM streambatch.stat_stream WHERE stream = 'events'::regclass)); }

sub produce
{
    my ($partition, $n) = @_;

    $broker->produce('events', $partition, map { [ undef, sprintf '{"id": %d}', ++$produced ] } 1 .. $n);
    return;
}

sub has_lag
{
    my ($lag, $name) = @_;

    return ok($node->poll_query_until('postgres', "SELECT lag = $lag FROM streambatch.stat_stream WHERE stream = 'events'::regclass"), $name) || diag(sql('TABLE streambatch.stat_partition'));
}

sub waits_for
{
    my ($what, $who, $name) = @_;

    return ok(
        $node->poll_query_until('postgres', <<"SQL"), "$name: stat_stream says whom the worker waits for") || diag(sql('TABLE streambatch.stat_stream'));
SELECT error_sqlstate = '55P03' AND error_message = 'waiting for $what, locked by process $who' AND error_hint ~ 'pg_terminate_backend\\($who\\)'
  FROM streambatch.stat_stream WHERE stream = 'events'::regclass
SQL
}

sub goes_on
{
    my ($name) = @_;

    $node->wait_for('events');
    return is(sql('TABLE counts') . '|' . lag(), "$produced|0", "$name: afterwards all is read");
}
