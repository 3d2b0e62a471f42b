# Dead letters have a way back: retried they are counted exactly once, discarded never; they block nothing, and are limited
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use PostgreSQL::Test::Utils;
use StreamBatch::Broker;
use StreamBatch::Node;
use Test::More;

my $broker = StreamBatch::Broker->embedded;
$broker->create_topic('events', 2);
$broker->create_topic($_, 1) foreach qw(flood load);
my $node = StreamBatch::Node->new('main');
$node->init;
$node->start;
$node->create_server($broker);

sub sql { return $node->safe_psql('postgres', $_[0]); }

sub failure
{
    my (undef, undef, $errors) = $node->psql('postgres', "\\set VERBOSITY verbose\n$_[0]");
    return $errors;
}

sub produce
{
    my ($topic, $partition, @payloads) = @_;

    $broker->produce($topic, $partition, map { ref $_ ? $_ : [ undef, $_ ] } @payloads);
    return;
}
sub letters { return sql("SELECT coalesce(view::text, '-'), kafka_partition, kafka_offset, sqlstate FROM streambatch.dead_letter WHERE stream = '$_[0]'::regclass ORDER BY 1, 2, 3"); }
sub counted { return sql("SELECT received, folded, filtered, dead, skipped, received = folded + filtered + dead + skipped FROM streambatch.stat_stream WHERE stream = '$_[0]'::regclass"); }
sub wait_for { $node->wait_for($_) foreach qw(events bare); return; }

sql(<<'SQL');
CREATE ROLE owner_of_stream;
CREATE ROLE owner_of_view;
CREATE ROLE watcher;
GRANT pg_monitor TO watcher;
GRANT USAGE ON FOREIGN SERVER kafka TO owner_of_stream;
GRANT CREATE ON SCHEMA public TO owner_of_stream, owner_of_view;
SET ROLE owner_of_stream;
CREATE TABLE known (kind text PRIMARY KEY);
INSERT INTO known VALUES ('a'), ('b');
CREATE TABLE events_archive (kind text REFERENCES known, n int, ts timestamptz, tag text, kafka_partition int, kafka_offset bigint);
CREATE FOREIGN TABLE events (kind text, n int, ts timestamptz, tag text OPTIONS (metadata 'key')) SERVER kafka OPTIONS (topic 'events', event_time 'ts');
CREATE FOREIGN TABLE bare (kind text, n int, ts timestamptz, h jsonb OPTIONS (metadata 'headers')) SERVER kafka OPTIONS (topic 'events', event_time 'ts', archive 'none');
CREATE FUNCTION checked(n int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$BEGIN IF n < 0 THEN RAISE 'negative'; END IF; RETURN n; END$$;
SELECT streambatch.create_view('totals', 'SELECT kind, count(*) AS c, sum(n) AS s FROM events GROUP BY kind');
SELECT streambatch.create_view('hours', $$SELECT streambatch.tumble(ts, '1 h') AS w, count(*) AS c, sum(checked(n)) AS s FROM events GROUP BY 1$$);
SELECT streambatch.create_view('bare_hours', $$SELECT streambatch.tumble(ts, '1 h') AS w, count(*) AS c, sum(checked(n)) AS s, max(h #>> '{0,value}') AS h FROM bare GROUP BY 1$$);
GRANT SELECT ON events, events_archive TO owner_of_view;
SET ROLE owner_of_view;
SELECT streambatch.create_view('theirs', 'SELECT count(*) AS c, sum(100 / n) AS s FROM events');
SQL
sub event { my ($kind, $n, $hour) = @_; return sprintf '{"kind": "%s", "n": %d, "ts": "2025-02-14T%02d:30:00Z"}', $kind, $n, $hour; }
produce('events', 0, event('a', 1, 0), event('c', 2, 0), 'no json', event('b', -4, 1), event('a', 5, 1));
produce('events', 1, event('b', 10, 0), [ 'k', '{"kind": "a", "n": "x", "ts": "2025-02-14T01:10:00Z"}', 0, { source => 'test' } ], event('b', 0, 1), event('d', -7, 1));
wait_for();
is(letters('events'), "-|0|1|23503\n-|0|2|22032\n-|1|1|22P02\n-|1|3|23503\nhours|0|3|P0001\ntheirs|1|2|22012", 'dead letters of stream and views');
is(sql("SELECT convert_from(key, 'UTF8'), headers FROM streambatch.dead_letter WHERE stream = 'events'::regclass AND kafka_partition = 1 AND kafka_offset = 1"),
    'k|[{"key": "source", "value": "test"}]', 'with key and headers');
is(counted('events'), '9|5|0|4|0|t', 'all messages are accounted for');
is(sql("SET ROLE watcher; SELECT dead_letters FROM streambatch.stat_stream WHERE stream = 'events'::regclass; SELECT dead_letters FROM streambatch.stat_view WHERE view = 'hours'::regclass;
    SELECT count(*) FROM streambatch.dead_letter"), "6\n1\n0", 'a member of pg_monitor sees their numbers, and no payload');

# ---- rights and arguments ----
like(failure("SET ROLE owner_of_view; SELECT streambatch.retry_dead_letters('events')"), qr/42501: must be owner of foreign table events/, 'another role cannot retry');
like(failure("SET ROLE owner_of_view; SELECT streambatch.discard_dead_letters('hours')"), qr/42501: must be owner of view hours/, 'or discard');
like(failure("SELECT streambatch.retry_dead_letters('known')"), qr/42809: "known" is not a hybrid view/, 'of what is neither stream nor view');
like(failure("SELECT streambatch.retry_dead_letters('events', payload => '{}')"), qr/22023: a payload can only be given for a single dead letter/, 'a payload is for one message');
like(failure("SELECT streambatch.retry_dead_letters('events', 0, 99, '{}')"), qr/42704: there is no such dead letter/, 'that is a dead letter');
like(failure("SELECT streambatch.retry_dead_letters('hours', 0, 3, '{}')"), qr/22023: a payload cannot be given for an event that is archived/, 'and not in the archive');

# ---- of the stream ----
sql("INSERT INTO known VALUES ('c'), ('d')");
is(sql("SET ROLE owner_of_stream; SELECT streambatch.retry_dead_letters('events')"), '2', 'the owner retries');
is(letters('events'), "-|0|2|22032\n-|1|1|22P02\nhours|0|3|P0001\nhours|1|3|P0001\ntheirs|1|2|22012", 'what fails again remains; what only a view refuses becomes its own');
is(sql('SELECT kind, c, s FROM totals ORDER BY 1'), "a|2|6\nb|3|6\nc|1|2\nd|1|-7", 'the others are counted');
is(sql('SELECT extract(hour FROM w), c, s FROM hours ORDER BY 1'), "0|3|13\n1|2|5", 'by every view');
is(sql('SELECT c, s FROM theirs'), '6|' . (100 / 1 + 50 - 25 + 20 + 10 - 14), 'of whomever');
is(sql('SELECT kind, n FROM events_archive ORDER BY kafka_partition, kafka_offset'), "a|1\nc|2\nb|-4\na|5\nb|10\nb|0\nd|-7", 'and archived');
is(counted('events'), '9|7|0|2|0|t', 'counts follow');
like(failure(q{SELECT streambatch.retry_dead_letters('events', 1, 1, '{"kind": "a", "n": "y"}')}), qr/22P02: .*CONTEXT:  retrying the message at partition 1, offset 1/s, 'a payload that does not do is an error');
is(sql(q{SELECT streambatch.retry_dead_letters('events', 1, 1, '{"kind": "a", "n": 6, "ts": "2025-02-14T01:10:00Z"}')}), '1', 'one that does is taken');
is(sql("SELECT kind, n, tag FROM events_archive WHERE kafka_partition = 1 AND kafka_offset = 1"), 'a|6|k', 'with the key of the message');
sql("CALL streambatch.refresh('$_')") foreach qw(totals theirs);
sql("CALL streambatch.refresh('hours', \"to\" => 'infinity')");
is(sql('SELECT kind, c, s FROM totals ORDER BY 1'), "a|3|12\nb|3|6\nc|1|2\nd|1|-7", 'a refresh counts it once');
is(sql('SELECT extract(hour FROM w), c, s FROM hours ORDER BY 1'), "0|3|13\n1|3|11", 'as well');

# ---- of a view ----
is(sql("SELECT streambatch.retry_dead_letters('hours')"), '0', 'what fails again remains');
is(letters('events'), "-|0|2|22032\nhours|0|3|P0001\nhours|1|3|P0001\ntheirs|1|2|22012", 'where it is');
sql("CREATE OR REPLACE FUNCTION checked(n int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT n'");
is(sql("SELECT streambatch.retry_dead_letters('hours', kafka_partition => 0)"), '1', 'one is retried');
is(sql('SELECT extract(hour FROM w), c, s FROM hours ORDER BY 1'), "0|3|13\n1|4|7", 'and counted, beside the batch layer');
sql("CALL streambatch.refresh('hours', \"to\" => 'infinity')");
is(sql('SELECT extract(hour FROM w), c, s FROM hours ORDER BY 1'), "0|3|13\n1|4|7", 'and in it, once');
is(sql("SELECT streambatch.retry_dead_letters('hours')"), '1', 'the other one');
is(sql('SELECT extract(hour FROM w), c, s FROM hours ORDER BY 1'), "0|3|13\n1|5|0", 'likewise');
sql('UPDATE events_archive SET n = 25 WHERE kafka_partition = 1 AND kafka_offset = 2');
is(sql("SET ROLE owner_of_view; SELECT streambatch.retry_dead_letters('theirs')"), '1', 'of a view whose owner is another');
is(sql('SELECT c, s FROM theirs'), '8|' . (100 + 50 - 25 + 20 + 10 + 16 + 4 - 14), 'as the archive was corrected');

# ---- without an archive ----
is(letters('bare'), "-|0|2|22032\n-|1|1|22P02\nbare_hours|0|3|P0001\nbare_hours|1|3|P0001", 'the same messages');
is(sql(q{SELECT streambatch.retry_dead_letters('bare', 1, 1, '{"kind": "a", "n": 6, "ts": "2025-02-14T01:10:00Z"}')}), '1', 'a message of the stream');
is(sql("SELECT streambatch.retry_dead_letters('bare_hours', 0, 3), streambatch.retry_dead_letters('bare_hours', 1, 3, '" . event('d', -70, 1) . "')"), '1|1', 'and of the view, one with another payload');
is(sql('SELECT extract(hour FROM w), c, s, h FROM bare_hours ORDER BY 1'), "0|3|13|\n1|5|-63|test", 'are counted, with headers');

# ---- discarded ----
is(sql("SELECT streambatch.discard_dead_letters('events'), streambatch.discard_dead_letters('bare', 0, 2)"), '1|1', 'discarded');
is(letters('events') . letters('bare'), '', 'nothing is left');
sql("CREATE OR REPLACE FUNCTION checked(n int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS \$\$BEGIN IF n < 0 THEN RAISE 'negative'; END IF; RETURN n; END\$\$");
produce('events', 0, event('a', -9, 1), event('a', 9, 1));
wait_for();
is(sql("SELECT streambatch.discard_dead_letters('hours')"), '1', 'one of a view');
is(letters('events'), '', 'is not shown any more');
sql("UPDATE events_archive SET n = 1 WHERE n < 0 AND n > -9; CALL streambatch.refresh('hours', \"to\" => 'infinity', \"full\" => true)");
is(sql('SELECT extract(hour FROM w), c, s FROM hours ORDER BY 1'), "0|3|13\n1|6|47", 'and a refresh still leaves it out');

# ---- an old dead letter blocks neither a new view nor a restored one ----
sql('DROP VIEW hours');
my (undef, undef, $warning) = $node->psql('postgres', q{SET ROLE owner_of_stream; SELECT streambatch.create_view('hours', $$SELECT streambatch.tumble(ts, '1 h') AS w, count(*) AS c, sum(checked(n)) AS s FROM events GROUP BY 1$$)});
like($warning, qr/WARNING:  1 event of the archive is a dead letter of hybrid view "hours"/, 'create_view says what it leaves out');
is(sql('SELECT extract(hour FROM w), c, s FROM hours ORDER BY 1'), "0|3|13\n1|6|47", 'and counts the rest');
is(letters('events'), 'hours|0|5|P0001', 'it is a dead letter');
like(failure(q{SET ROLE owner_of_stream; SELECT streambatch.create_view('broken', 'SELECT sum(n / (n - n)) FROM events')}), qr/WARNING:  01000: 10 events of the archive are dead letters of hybrid view "broken"/, 'however many');
sql('DROP VIEW broken');

# ---- while a view is suspended, or refreshed ----
sql("REVOKE SELECT ON events FROM owner_of_view");
produce('events', 1, 'no json', event('a', 1, 2));
wait_for();
like(failure("SELECT streambatch.retry_dead_letters('events')"), qr/55000: cannot retry dead letters while hybrid view "theirs" is suspended/, 'a suspended view would miss it');
is(sql("SELECT streambatch.discard_dead_letters('events')"), '1', 'it can be discarded');
sql("GRANT SELECT ON events TO owner_of_view");
ok($node->poll_query_until('postgres', "SELECT state = 'active' FROM streambatch.stat_view WHERE view = 'theirs'::regclass"), 'the view comes back');
is(sql('SELECT c FROM theirs'), '11', 'and does not count what was discarded');

# ---- exactly once while events come and refreshes run ----
sql(<<'SQL');
CREATE TABLE allowed (k int PRIMARY KEY);
CREATE TABLE load_archive (k int REFERENCES allowed, n int, ts timestamptz, kafka_partition int, kafka_offset bigint);
CREATE FOREIGN TABLE load (k int, n int, ts timestamptz) SERVER kafka OPTIONS (topic 'load', event_time 'ts');
INSERT INTO allowed VALUES (0);
SELECT streambatch.create_view('load_view', $$SELECT streambatch.tumble(ts, '1 min') AS w, k, count(*) AS c, sum(n) AS s FROM load GROUP BY 1, 2$$);
SQL
my ($count, $sum) = (0, 0);
foreach my $round (1 .. 10)
{
    produce('load', 0, map { sprintf '{"k": %d, "n": %d, "ts": "2025-02-14T00:%02d:00Z"}', $_ % 5 ? 0 : $round, $_, $_ % 60 } 1 .. 200);
    $count += 200;
    $sum += 200 * 201 / 2;
    $node->wait_for('load') if $round % 3 == 0;
    sql("INSERT INTO allowed VALUES ($round)");
    sql("CALL streambatch.refresh('load_view', \"to\" => 'infinity')") if $round % 2;
    sql("SELECT streambatch.retry_dead_letters('load')");
}
$node->wait_for('load');
sql("SELECT streambatch.retry_dead_letters('load')");
is(letters('load'), '', 'all are retried');
is(sql('SELECT sum(c), sum(s) FROM load_view'), "$count|$sum", 'and counted once');
is(sql('SELECT count(*), sum(n), count(DISTINCT kafka_offset) FROM load_archive'), "$count|$sum|$count", 'in the archive, too');
sql("CALL streambatch.refresh('load_view', \"to\" => 'infinity', \"full\" => true)");
is(sql('SELECT sum(c), sum(s) FROM load_view'), "$count|$sum", 'and after a refresh');

# ---- a refresh that runs keeps a retry away, and a retry a refresh ----
$broker->produce('load', 0, [ undef, '{"k": 77, "n": 1, "ts": "2025-02-14T00:00:00Z"}' ]);
$node->wait_for('load');
my $holder = $node->background_psql('postgres');
$holder->query_safe('BEGIN; SELECT * FROM load_archive LIMIT 0; LOCK TABLE load_archive IN ACCESS EXCLUSIVE MODE');
my $refresher = $node->background_psql('postgres', on_error_stop => 0);
$refresher->query_until(qr/go/, "\\echo go\nCALL streambatch.refresh('load_view', \"to\" => 'infinity');\n");
ok($node->poll_query_until('postgres', "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND mode = 'ShareLock')"), 'a refresh runs');
like(failure("SELECT streambatch.retry_dead_letters('load')"), qr/55006: cannot retry dead letters of stream "load" while/, 'a retry is refused meanwhile');
$holder->query_safe('ROLLBACK');
$holder->quit;
$refresher->quit;

# ---- the limit ----
$node->append_conf('postgresql.conf', 'streambatch.max_dead_letters = 100');
$node->reload;
# the worker has the settings that the postmaster has when it starts
$node->poll_query_until('postgres', "SELECT current_setting('streambatch.max_dead_letters') = '100'") or die;
sql("CREATE FOREIGN TABLE flood (n int) SERVER kafka OPTIONS (topic 'flood'); SELECT streambatch.create_view('flood_count', 'SELECT count(*) AS c FROM flood')");
produce('flood', 0, (map { 'no json' } 1 .. 90), '{"n": 1}');
$node->wait_for('flood');
# however many flushes these take: from 100 on, the next one that has any is the last
produce('flood', 0, (map { 'no json' } 1 .. 20), '{"n": 2}');
my $flooded = "SELECT count(*) %s FROM streambatch.dead_letter WHERE stream = 'flood'::regclass";
ok($node->poll_query_until('postgres', sprintf $flooded, '>= 100'), 'there are as many as may be');
produce('flood', 0, 'no json', '{"n": 3}');
ok($node->poll_query_until('postgres', "SELECT state = 'error' AND error_sqlstate = '53400' FROM streambatch.stat_stream WHERE stream = 'flood'::regclass"), 'too many dead letters stop the stream');
my $letters = sql(sprintf $flooded, '');
like(counted('flood'), qr/^\d+\|(\d+)\|0\|$letters\|0\|t$/, 'before any message is lost');
cmp_ok($letters, '<', 111, 'some are still to come');
is(sql("SELECT streambatch.discard_dead_letters('flood')"), $letters, 'all are discarded');
$node->wait_for('flood');
is(sql(sprintf $flooded, "+ $letters"), '111', 'and it goes on by itself');
is(sql('SELECT c FROM flood_count'), '3', 'with every message counted');

$node->stop;
$broker->stop;
done_testing();
