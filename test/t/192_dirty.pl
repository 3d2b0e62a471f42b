# Dirty marks: none from the worker's appends, whatever the archive is; partitions that are attached, detached and dropped; dumps; the
# update from version 0.1.0; DROP EXTENSION
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use PostgreSQL::Test::Utils;
use StreamBatch::Broker;
use StreamBatch::Node;
use Test::More;

my $broker = StreamBatch::Broker->embedded;
$broker->create_topic($_, 1) foreach qw(events parts old);
my $node = StreamBatch::Node->new('main');
$node->init;
$node->start;
$node->create_server($broker);

sub sql { my ($sql, $database) = @_; return $node->safe_psql($database // 'postgres', $sql); }

sub dirty
{
    my ($view, $database) = @_;
    return sql("SELECT dirty_panes FROM streambatch.stat_view WHERE view = '$view'::regclass", $database);
}

sub wrong
{
    my ($view, $archive, $database) = @_;
    my $plain = "SELECT streambatch.tumble(ts, '1 h') AS w, count(*) AS c, sum(n) AS s FROM $archive GROUP BY 1";
    return sql("SELECT count(*) FROM ((TABLE $view EXCEPT ALL ($plain)) UNION ALL (($plain) EXCEPT ALL TABLE $view)) d", $database);
}
sub view_sql { my ($view, $stream) = @_; return "SELECT streambatch.create_view('$view', \$\$SELECT streambatch.tumble(ts, '1 h') AS w, count(*) AS c, sum(n) AS s FROM $stream GROUP BY 1\$\$)"; }

# ---- the worker's appends: a plain archive, one with a trigger of the user's, which corrects other rows, and one with partitions ----
sql(<<'SQL');
CREATE FOREIGN TABLE events (n int, ts timestamptz) SERVER kafka OPTIONS (topic 'events', event_time 'ts');
CREATE FOREIGN TABLE parts (n int, ts timestamptz) SERVER kafka OPTIONS (topic 'parts', event_time 'ts');
CREATE TABLE parts_archive (n int, ts timestamptz, kafka_partition int, kafka_offset bigint) PARTITION BY RANGE (ts);
CREATE TABLE parts_1 PARTITION OF parts_archive FOR VALUES FROM ('2025-01-01Z') TO ('2025-01-02Z');
CREATE TABLE parts_2 PARTITION OF parts_archive FOR VALUES FROM ('2025-01-02Z') TO ('2025-01-03Z') PARTITION BY RANGE (ts);
CREATE TABLE parts_21 PARTITION OF parts_2 FOR VALUES FROM ('2025-01-02Z') TO ('2025-01-02 12:00Z');
CREATE TABLE parts_22 PARTITION OF parts_2 FOR VALUES FROM ('2025-01-02 12:00Z') TO ('2025-01-03Z');
SQL
sql(view_sql('hourly', 'events'));
sql(view_sql('by_part', 'parts'));
foreach my $stream (qw(events parts))
{
    sql("INSERT INTO $stream SELECT i, '2025-01-01Z'::timestamptz + i * interval '1 min' FROM generate_series(0, 2879) i");
    $node->wait_for($stream);
}
is(dirty('hourly') . dirty('by_part'), '00', 'the worker marks nothing');
is(sql("SELECT string_agg(DISTINCT tgrelid::regclass::text, ' ' ORDER BY tgrelid::regclass::text) FROM pg_trigger WHERE tgfoid = 'streambatch._mark'::regproc AND tgenabled = 'A'"),
    'events_archive parts_1 parts_2 parts_21 parts_22 parts_archive', 'all partitions have the triggers');
sql(q{CALL streambatch.refresh('hourly')});
sql(q{CALL streambatch.refresh('by_part')});
sql(<<'SQL');
CREATE FUNCTION correct() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN UPDATE public.events_archive SET n = n + 1 WHERE ts = '2025-01-01 05:00Z'; INSERT INTO public.events_archive (n, ts) SELECT 7, '2025-01-01 07:00Z' WHERE NEW.n = -1; RETURN NEW; END $$;
CREATE TRIGGER correct BEFORE INSERT ON events_archive FOR EACH ROW WHEN (NEW.kafka_offset IS NOT NULL) EXECUTE FUNCTION correct();
INSERT INTO events VALUES (1, '2025-01-02 23:59:30Z'), (-1, '2025-01-02 23:59:30Z');
SQL
$node->wait_for('events');
is(dirty('hourly'), '2', 'what a trigger of the archive does beside the append is a correction');
sql(q{DROP TRIGGER correct ON events_archive});
sql(q{CALL streambatch.refresh('hourly', "to" => 'infinity')});
is(wrong('hourly', 'events_archive'), '0', 'and is refreshed');
is(dirty('hourly'), '0', 'without a mark left');

# a message that the archive has rejected, and takes later
sql(q{ALTER TABLE parts_archive ADD CHECK (n <> 5000)});
sql(q{INSERT INTO parts VALUES (5000, '2025-01-01 03:00Z'), (1, '2025-01-01 03:00Z')});
$node->wait_for('parts');
sql(q{ALTER TABLE parts_archive DROP CONSTRAINT parts_archive_n_check});
is(sql(q{SELECT streambatch.retry_dead_letters('parts')}), '1', 'a dead letter is retried');
is(dirty('by_part'), '0', 'and marks nothing');
sql(q{CALL streambatch.refresh('by_part')});
is(wrong('by_part', 'parts_archive'), '0', 'the view is right');

# ---- partitions ----
sql(q{UPDATE parts_21 SET n = n + 1 WHERE ts = '2025-01-02 03:00Z'});
sql(q{UPDATE parts_archive SET ts = ts + interval '1 day' WHERE ts = '2025-01-01 04:00Z'});
is(dirty('by_part'), '3', 'a statement on a partition, and one that moves a row to another one');
sql(q{CALL streambatch.refresh('by_part')});
sql(<<'SQL');
CREATE TABLE older (LIKE parts_archive);
INSERT INTO older (n, ts) SELECT i, '2024-12-31Z'::timestamptz + i * interval '30 min' FROM generate_series(0, 5) i;
ALTER TABLE parts_archive ATTACH PARTITION older FOR VALUES FROM ('2024-12-31Z') TO ('2025-01-01Z');
CREATE TABLE oldest PARTITION OF parts_archive FOR VALUES FROM ('2024-12-30Z') TO ('2024-12-31Z');
SQL
is(dirty('by_part'), '3', 'an attached partition brings three panes');
sql(q{CALL streambatch.refresh('by_part')});
is(dirty('by_part') . wrong('by_part', 'parts_archive'), '00', 'which are refreshed');
sql(q{INSERT INTO older (n, ts) VALUES (1, '2024-12-31 20:00Z')});
sql(q{INSERT INTO oldest (n, ts) VALUES (1, '2024-12-30 20:00Z')});
is(dirty('by_part'), '2', 'attached and created partitions are watched');
sql(q{CALL streambatch.refresh('by_part')});
my $before = sql(q{SELECT * FROM by_part ORDER BY w});
sql(q{ALTER TABLE parts_archive DETACH PARTITION older});
sql(q{DROP TABLE oldest});
is(dirty('by_part'), '0', 'detaching and dropping mark nothing');
sql(q{UPDATE older SET n = 0});
is(dirty('by_part'), '0', 'what was detached is not watched');
is(sql(q{SELECT count(*) FROM pg_trigger WHERE tgrelid = 'older'::regclass}), '0', 'and has no triggers');
sql(q{CALL streambatch.refresh('by_part')});
is(sql(q{SELECT * FROM by_part ORDER BY w}), $before, 'the panes keep their values');
sql(q{INSERT INTO parts VALUES (1, '2025-01-02 22:00Z')});
$node->wait_for('parts');
is(dirty('by_part'), '0', 'the worker goes on');

# ---- a plain archive becomes a partitioned one: copied, and as a partition ----
sub fails { my ($sql, $error, $name) = @_; my ($rc, undef, $stderr) = $node->psql('postgres', $sql); ok($rc != 0 && $stderr =~ $error, $name) or diag($stderr); return; }

sql(<<'SQL');
CREATE TABLE copied (LIKE events_archive) PARTITION BY RANGE (ts);
CREATE TABLE copied_1 PARTITION OF copied FOR VALUES FROM ('2025-01-01Z') TO ('2025-01-02Z');
CREATE TABLE copied_rest PARTITION OF copied DEFAULT;
SQL
fails(q{SELECT streambatch.change_archive('events', 'copied')}, qr/is not paused.*HINT/s, 'the stream must be paused');
sql(q{SELECT streambatch.pause('events')});
fails(q{SELECT streambatch.change_archive('events', 'copied')}, qr/does not contain the same events.*HINT/s, 'the events must be there');
fails(q{SELECT streambatch.change_archive('events', 'events_archive')}, qr/is the archive of stream "events" already/, 'it must be another table');
fails(q{SELECT streambatch.change_archive('events', 'hourly')}, qr/cannot be the archive/, 'it must be a table');
fails(q{SELECT streambatch.change_archive('events', 'parts_archive')}, qr/cannot be the archive/, 'it must be nobody else\'s');
fails(q{SELECT streambatch.change_archive('events', NULL)}, qr/must not be null/, 'no NULL');
fails(q{BEGIN ISOLATION LEVEL SERIALIZABLE; SELECT streambatch.change_archive('events', 'copied')}, qr/cannot run in a REPEATABLE READ/, 'no older snapshot');
sql(q{INSERT INTO copied SELECT * FROM events_archive});
sql(q{SELECT streambatch.change_archive('events', 'copied'); SELECT streambatch.resume('events')});
is(dirty('hourly'), '0', 'the same events mark nothing');
is(sql(q{SELECT count(*) FROM pg_trigger WHERE tgrelid = 'events_archive'::regclass}), '0', 'the old archive is not watched');
sql(q{DROP TABLE events_archive});
sql(q{INSERT INTO events VALUES (3, '2025-01-01 09:00Z'), (4, '2025-01-04Z')});
$node->wait_for('events');
is(sql(q{SELECT archive FROM streambatch.stat_stream WHERE stream = 'events'::regclass}), 'copied', 'the worker writes to the new one');
is(dirty('hourly'), '0', 'and marks nothing');
sql(q{UPDATE copied_1 SET n = 0 WHERE ts = '2025-01-01 10:00Z'});
is(dirty('hourly'), '1', 'its partitions are watched');
sql(q{CALL streambatch.refresh('hourly', "to" => 'infinity')});
is(dirty('hourly') . wrong('hourly', 'copied'), '00', 'the view is right');
sql(<<'SQL');
SELECT streambatch.pause('events');
CREATE TABLE events_archive (LIKE copied) PARTITION BY RANGE (ts);
ALTER TABLE events_archive ATTACH PARTITION copied FOR VALUES FROM (MINVALUE) TO ('2026-01-01Z');
SELECT streambatch.change_archive('events', 'events_archive');
SELECT streambatch.resume('events');
INSERT INTO events VALUES (5, '2025-01-02Z');
SQL
$node->wait_for('events');
is(dirty('hourly'), '0', 'an archive that becomes a partition marks nothing');
sql(q{UPDATE copied_1 SET n = 1 WHERE ts = '2025-01-01 10:00Z'});
is(dirty('hourly'), '1', 'and is watched');
sql(q{CALL streambatch.refresh('hourly', "to" => 'infinity')});
is(dirty('hourly') . wrong('hourly', 'events_archive'), '00', 'the view is right again');
sql(q{SELECT streambatch.pause('events'); CREATE TABLE fewer (LIKE copied); INSERT INTO fewer SELECT * FROM copied WHERE ts < '2025-01-01 12:00Z'; SELECT streambatch.change_archive('events', 'fewer', force => true)});
is(dirty('hourly'), '', 'by force, other events: everything is marked');
sql(q{SELECT streambatch.change_archive('events', 'events_archive', force => true); SELECT streambatch.resume('events')});
sql(q{CALL streambatch.refresh('hourly', "to" => 'infinity')});
is(dirty('hourly') . wrong('hourly', 'events_archive'), '00', 'and back');

# ---- a tracked table comes back from a dump ----
sql(q{CREATE TABLE site (n int PRIMARY KEY, name text); INSERT INTO site SELECT i, 'x' FROM generate_series(0, 100) i});
sql(q{SELECT streambatch.create_view('by_site', $$SELECT streambatch.tumble(ts, '1 h') AS w, name, count(*) AS c FROM parts JOIN site USING (n) GROUP BY 1, 2$$); SELECT streambatch.track('by_site', 'site')});

# ---- dump and restore: the marks and the triggers come back, and a correction before the first use of the copy is noticed ----
sql(q{UPDATE parts_archive SET n = 100 WHERE ts = '2025-01-01 08:00Z'});
my $dump = PostgreSQL::Test::Utils::tempdir . '/dump';
command_ok(['pg_dump', '--file', $dump, '--dbname', $node->connstr('postgres')], 'dump');
sql('CREATE DATABASE copy');
command_ok(['psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '--dbname', $node->connstr('copy'), '--file', $dump], 'restore');
is(dirty('by_part', 'copy'), '1', 'a dump contains the marks');
sql(q{DELETE FROM parts_21 WHERE ts = '2025-01-02 03:00Z'}, 'copy');
is(dirty('by_part', 'copy'), '2', 'and the triggers');
sql(q{CALL streambatch.refresh('by_part')}, 'copy');
is(dirty('by_part', 'copy'), '0', 'a refresh of the copy clears them');
is(sql(q{SELECT c FROM by_part WHERE w = '2025-01-02 03:00Z'}, 'copy'), '59', 'and computes the panes');
is(dirty('by_part'), '1', 'the original is as it was');
sql(q{CALL streambatch.refresh('by_site')}, 'copy');
sql(q{UPDATE site SET name = 'y' WHERE n = 1}, 'copy');
is(dirty('by_site', 'copy'), '', 'a change of a tracked table marks the view of the copy');
sql(q{SET client_min_messages = warning; DROP FOREIGN TABLE events, parts CASCADE; DROP EXTENSION pg_streambatch CASCADE}, 'copy');
is(sql(q{SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'streambatch%'}, 'copy'), '0', 'DROP leaves no triggers');

# ---- from version 0.1.0 ----
sql('CREATE DATABASE old');
sql(q{CREATE EXTENSION pg_streambatch VERSION '0.1.0'}, 'old');
$node->create_server($broker, 'kafka', 'old');
sql(q{CREATE FOREIGN TABLE events (n int, ts timestamptz) SERVER kafka OPTIONS (topic 'old', event_time 'ts')}, 'old');
sql(view_sql('hourly', 'events'), 'old');
sql(q{INSERT INTO events SELECT i, '2025-01-01Z'::timestamptz + i * interval '10 min' FROM generate_series(0, 60) i}, 'old');
$node->wait_for('events', undef, 'old');
sql(q{CALL streambatch.refresh('hourly')}, 'old');
sql(q{UPDATE events_archive SET n = 10 WHERE n = 1}, 'old');
sql(q{ALTER EXTENSION pg_streambatch UPDATE}, 'old');
is(sql(q{SELECT count(*) FROM pg_trigger WHERE tgrelid = 'events_archive'::regclass}, 'old'), '4', 'the update creates the triggers');
is(dirty('hourly', 'old'), '0', 'what was changed before is not known');
sql(q{UPDATE events_archive SET n = 20 WHERE n = 20}, 'old');
is(dirty('hourly', 'old'), '1', 'what is changed from now on is');
sql(q{CALL streambatch.refresh('hourly')}, 'old');
is(dirty('hourly', 'old'), '0', 'and refreshed');
sql(q{DROP TRIGGER streambatch_update ON events_archive}, 'old');
sql(q{CALL streambatch.refresh('hourly')}, 'old');
is(sql(q{SELECT count(*) FROM pg_trigger WHERE tgrelid = 'events_archive'::regclass}, 'old'), '4', 'a trigger that was dropped comes back');
sql(q{SET client_min_messages = warning; DROP FOREIGN TABLE events CASCADE; DROP SERVER kafka; DROP EXTENSION pg_streambatch}, 'old');
is(sql(q{SELECT count(*) FROM pg_trigger WHERE tgrelid = 'events_archive'::regclass}, 'old'), '0', 'nothing of the extension is left, without CASCADE');

$node->stop;
done_testing();
