# A refresh is computed in parallel, whatever it must leave out, and evaluates nothing for what it leaves out
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use PostgreSQL::Test::Utils;
use StreamBatch::Broker;
use StreamBatch::Node;
use Test::More;

my $broker = StreamBatch::Broker->kafka;
$broker->create_topic($_, 1) foreach qw(events texts);
my $node = StreamBatch::Node->new('main');
$node->init;
$node->append_conf('postgresql.conf', <<'CONF');
min_parallel_table_scan_size = 0
min_parallel_index_scan_size = 0
parallel_setup_cost = 0
parallel_tuple_cost = 0
max_worker_processes = 20
session_preload_libraries = 'auto_explain'
CONF
$node->start;
$node->create_server($broker);

sub sql { return $node->safe_psql('postgres', $_[0]); }

# the plans of the statements that compute a view's groups, during a call
sub plans
{
    my ($call) = @_;
    my $from = -s $node->logfile;

    sql("SET auto_explain.log_min_duration = 0; SET auto_explain.log_nested_statements = on; SET auto_explain.log_analyze = on; $call");
    my $log = slurp_file($node->logfile, $from);

    return grep { /Query Text: WITH _event/ && /Aggregate/ && /GROUP BY 1, 2/ } split /LOG:  duration/, $log;
}

# the groups are computed in parallel during a call, and the view is right after it
sub all_parallel
{
    my ($name, $call, $aggregate) = @_;
    my @plans = plans($call);

    cmp_ok(scalar(@plans), '>=', 1, "$name: groups are computed");
    foreach my $plan (@plans)
    {
        like($plan, $aggregate // qr/Finalize.*Gather.*Partial (?:Hash|Group)?Aggregate/s, "$name: the plan");
    }
    is(sql('SELECT count(*) FROM ((TABLE served EXCEPT ALL TABLE plain) UNION ALL (TABLE plain EXCEPT ALL TABLE served)) d'), 0, "$name: the result is right");
    return;
}

# a regular expression is one cheap operator, which costs less than any condition on positions, and raises an error
sql(<<'SQL');
CREATE FOREIGN TABLE events (k int, pattern text, n numeric, ts timestamptz) SERVER kafka OPTIONS (topic 'events', event_time 'ts');
SELECT streambatch.create_view('stats', $$
    SELECT k, streambatch.tumble(ts, '10 min') AS w, count(*) AS c, sum(n) AS s, min(n) AS low, avg(n) AS mean
    FROM events WHERE 'b' !~ pattern GROUP BY 1, 2$$);
CREATE VIEW served AS SELECT k, w, c, s, low, mean FROM stats;
CREATE VIEW plain AS
    SELECT k, streambatch.tumble(ts, '10 min') AS w, count(*) AS c, sum(n) AS s, min(n) AS low, avg(n) AS mean
    FROM (SELECT * FROM events_archive WHERE pattern <> '(' OFFSET 0) e WHERE 'b' !~ pattern GROUP BY 1, 2;
INSERT INTO events SELECT i % 7, CASE WHEN i % 3 = 0 THEN 'b' ELSE repeat('a', 1 + i * 7 % 100) END, i / 10.0, '2025-01-01Z'::timestamptz + i * interval '3 s' FROM generate_series(0, 19999) i;
SQL
$node->wait_for('events', '180 s');
# rows of different lengths, none of which is put into a gap at the end of an earlier page
is(sql('SELECT count(*) FROM (SELECT kafka_offset < lag(kafka_offset) OVER (ORDER BY ctid) AS back FROM events_archive) a WHERE back'), 0, 'the archive is in the order of the log');
sql('ANALYZE events_archive');
all_parallel('all of it', q{CALL streambatch.refresh('stats', "full" => true)});

# as if a flush had written it after the cut
sql(q{INSERT INTO events_archive VALUES (0, '(', 1, '2025-01-01 03:00Z', 0, 1000000), (0, '(', 1, '2025-01-01 03:00Z', 7, 0)});
all_parallel('an event above the cut', q{CALL streambatch.refresh('stats', "full" => true)});

# events that failed are dead letters of the view
sql(q{INSERT INTO events SELECT 1, '(', 1, '2025-01-01 01:00Z'::timestamptz + i * interval '1 min' FROM generate_series(1, 30) i});
$node->wait_for('events');
is(sql('SELECT count(*) FROM streambatch.dead_letter'), 30, 'events with a wrong pattern are dead letters');
all_parallel('dead letters', q{CALL streambatch.refresh('stats', "full" => true)});

# every fourth window: read by the blocks that the index finds
sub change
{
    sql(q{INSERT INTO events SELECT 2, 'a', 1, '2025-01-01Z'::timestamptz + i * interval '40 min' FROM generate_series(0, 20) i});
    $node->wait_for('events');
    sql('ANALYZE events_archive');
    return;
}
change();
all_parallel('changed windows far apart', q{CALL streambatch.refresh('stats')}, qr/Gather.*Custom Scan \(StreamBatchBlocks\)/s);
sql('DROP INDEX events_archive_ts_idx');
change();
all_parallel('without an index', q{CALL streambatch.refresh('stats')}, qr/Gather/);

# without parallel workers the session's settings hold
my @plans = plans(q{SET max_parallel_workers_per_gather = 0; CALL streambatch.refresh('stats', "full" => true)});
unlike(join('', @plans), qr/Gather/, 'no parallel workers are started where none are allowed');

# the groups go through work_mem into a temporary file, with values that the archive keeps compressed or out of line
sql(<<'SQL');
CREATE FOREIGN TABLE texts (k int, n text, ts timestamptz) SERVER kafka OPTIONS (topic 'texts', event_time 'ts');
SELECT streambatch.create_view('long', $$SELECT k, streambatch.tumble(ts, '10 min') AS w, max(n) AS high FROM texts GROUP BY 1, 2$$);
CREATE VIEW plain_long AS SELECT k, streambatch.tumble(ts, '10 min') AS w, max(n) AS high FROM texts_archive GROUP BY 1, 2;
INSERT INTO texts SELECT i % 7, i || (SELECT string_agg(md5(i::text || j), '') FROM generate_series(1, 200) j), '2025-01-01Z'::timestamptz + i * interval '1 min' FROM generate_series(0, 999) i;
SQL
$node->wait_for('texts', '180 s');
sql(q{SET work_mem = '64kB'; CALL streambatch.refresh('long', "full" => true)});
is(sql('SELECT count(*) FROM ((TABLE long EXCEPT ALL TABLE plain_long) UNION ALL (TABLE plain_long EXCEPT ALL TABLE long)) d'), 0, 'groups that are larger than work_mem are written as they were computed');

# what VACUUM has freed is used again
sql('DELETE FROM events_archive WHERE kafka_offset < 15000');
$node->safe_psql('postgres', 'VACUUM events_archive');
my $size = sql(q{SELECT pg_relation_size('events_archive')});
sql(q{INSERT INTO events SELECT 1, 'a', i, '2025-01-02Z'::timestamptz + i * interval '1 s' FROM generate_series(1, 10000) i});
$node->wait_for('events', '180 s');
is(sql(q{SELECT pg_relation_size('events_archive')}), $size, 'the archive does not grow where there is room');

$node->stop;
done_testing();
