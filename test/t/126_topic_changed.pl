# Positions are of a topic: one that was deleted and created anew, cut off, or replaced by ALTER, is never read as if it were the old one
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use IPC::Run;
use PostgreSQL::Test::Utils;
use StreamBatch::Broker;
use StreamBatch::Node;
use Test::More;

my $broker = StreamBatch::Broker->kafka;
my $node = StreamBatch::Node->new('main');
$node->init;
$node->start;
$node->create_server($broker);
my $n = 0;
my $then = 1000 * (time - 3600);    # of messages that are to come back as they were; retention goes by it

# ---- deleted and created anew while the worker runs, with fewer messages ----
my $sum = create('running', 1, 10);
my $pid;
recreate('running', 1);
$sum += produce('running', 3);
my ($status, $out, $err) = wait_for('running');
isnt($status, 0, 'running: wait_for raises') or diag($out);
like($err, qr/ERROR:  stream "running" has stopped: topic "running" .*partition 0.*HINT:  .*SELECT streambatch\.reset\('running'\)/s,
    'running: it says why, and what to do');
is_stopped('running', 'when it is noticed', qr/partition 0/);
is(view('running'), '10|' . ($sum - last_sum(3)), 'running: it serves what it has');
my $error = sql("SELECT error_message, error_hint FROM streambatch.stat_stream WHERE stream = 'running'::regclass");

# a stop is not forgotten
$node->psql('postgres', "SELECT streambatch.resume('running')");
is_stopped('running', 'after resume()', qr/partition 0/);
$node->restart;
is_stopped('running', 'after a restart', qr/partition 0/);
is(sql("SELECT error_message, error_hint FROM streambatch.stat_stream WHERE stream = 'running'::regclass"), $error, 'running: with the same words');
sql("SELECT streambatch.pause('running')");
$node->psql('postgres', "SELECT streambatch.resume('running')");
is_stopped('running', 'after pause() and resume()', qr/partition 0/);
is(view('running'), '10|' . ($sum - last_sum(3)), 'running: nothing was read meanwhile');

sql("SELECT streambatch.reset('running')");
$node->wait_for('running');
is(view('running'), "13|$sum", 'running: reset() counts the new topic from its beginning, and keeps what was counted');
is(sql("SELECT state, error_sqlstate IS NULL, topic_epoch FROM streambatch.stat_stream WHERE stream = 'running'::regclass"),
    'streaming|t|1', 'running: the stop is over');
is(sql('SELECT kafka_epoch, kafka_partition, count(*), min(kafka_offset), max(kafka_offset) FROM running_archive GROUP BY 1, 2 ORDER BY 1, 2'),
    "0|0|10|0|9\n1|0|3|0|2", 'running: the archive keeps the epochs apart');
is_equal('running', 'before a refresh');
sql(q{CALL streambatch.refresh('v_running', "to" => 'infinity')});
is_equal('running', 'after it');
is(sql("SET streambatch.serve = 'stream'; SELECT coalesce(sum(messages), 0) FROM v_running"), '0', 'running: the batch layer has all of it');
$sum += produce('running', 4);
$node->wait_for('running');
is(view('running'), "17|$sum", 'running: more messages count once');
is_equal('running', 'merged');
sql("CALL streambatch.refresh('v_running')");
is_equal('running', 'after the next refresh');

# ---- while it runs, so fast that the worker never sees that it is gone ----
$sum = create('swift', 1, 10);
$pid = $node->worker_pid('swift');
kill 'STOP', $pid;
recreate('swift', 1);
produce('swift', 25);
kill 'CONT', $pid;
is_stopped('swift', 'when it grew meanwhile', qr/topic "swift".*partition 0.*offset 9/);
is(view('swift'), "10|$sum", 'swift: nothing of the new topic is read');

# ---- while it is paused, with more messages than before ----
$sum = create('grown', 1, 10);
sql("SELECT streambatch.pause('grown')");
$node->wait_for_state('grown', 'paused');
recreate('grown', 1);
my $new = produce('grown', 25);
sql("SELECT streambatch.resume('grown')");
raises_in_time('grown');
is_stopped('grown', 'after more messages than before', qr/topic "grown".*partition 0.*offset 9/);
is(view('grown'), "10|$sum", 'grown: nothing of the new topic is read');
sql("SELECT streambatch.reset('grown')");
$node->wait_for('grown');
is(view('grown'), '35|' . ($sum + $new), 'grown: reset() reads all of it');
is_equal('grown', 'both epochs');

# ---- with as many messages as before: wait_for is not true for what was not read ----
$sum = create('same', 1, 10);
sql("SELECT streambatch.pause('same')");
$node->wait_for_state('same', 'paused');
recreate('same', 1);
produce('same', 10);
sql("SELECT streambatch.resume('same')");
raises_in_time('same');
is(view('same'), "10|$sum", 'same: nothing of the new topic is read');

# ---- with fewer partitions, the first one message by message what it was ----
$sum = create('narrow', 3, 0);
$broker->produce('narrow', 0, map { [ 'key', "{\"n\": $_, \"ts\": \"2025-02-14T00:30:00Z\"}", $then + $_ ] } 1 .. 5);
$broker->produce('narrow', 2, [ 'key', '{"n": 100, "ts": "2025-02-14T00:30:00Z"}', $then ]);
$node->wait_for('narrow');
sql("SELECT streambatch.pause('narrow')");
$node->wait_for_state('narrow', 'paused');
recreate('narrow', 1);
$broker->produce('narrow', 0, map { [ 'key', "{\"n\": $_, \"ts\": \"2025-02-14T00:30:00Z\"}", $then + $_ ] } 1 .. 7);
sql("SELECT streambatch.resume('narrow')");
raises_in_time('narrow');
is_stopped('narrow', 'when partitions are missing', qr/topic "narrow".*1 partition/);
is(view('narrow'), '6|115', 'narrow: nothing of the new topic is read');

# ---- while it runs, too ----
$sum = create('shrunk', 3, 0);
$broker->produce('shrunk', $_, [ 'key', '{"n": 1, "ts": "2025-02-14T00:30:00Z"}', $then ]) foreach 0 .. 2;
$node->wait_for('shrunk');
recreate('shrunk', 1);
$broker->produce('shrunk', 0, [ 'key', '{"n": 1, "ts": "2025-02-14T00:30:00Z"}', $then ]);
$node->wait_for_state('shrunk', 'error');
is_stopped('shrunk', 'when partitions vanish while it runs', qr/topic "shrunk".*1 partition/);
sql("SELECT streambatch.reset('shrunk')");
$node->wait_for('shrunk');
is(view('shrunk'), '4|4', 'shrunk: reset() reads the one that is left')
  or diag(sql('TABLE streambatch.stat_partition; SELECT * FROM shrunk_archive; SELECT stream, state, error_message, topic_epoch, received FROM streambatch.stat_stream; TABLE streambatch.dead_letter'));

# ---- cut off: the same log, but shorter ----
my @messages = map { [ 'key', "{\"n\": $_, \"ts\": \"2025-02-14T00:30:00Z\"}", $then + $_ ] } 1 .. 600;
create('cut', 1, 0);
$broker->produce('cut', 0, @messages);
$node->wait_for('cut');
is(view('cut'), '600|180300', 'cut: all is read');
sql("SELECT streambatch.pause('cut')");
$node->wait_for_state('cut', 'paused');
recreate('cut', 1);
$broker->produce('cut', 0, @messages[ 0 .. 499 ]);
sql("SELECT streambatch.resume('cut')");
raises_in_time('cut');
is_stopped('cut', 'when the log is shorter', qr/partition 0.*\b600\b/);
$broker->produce('cut', 0, @messages[ 0 .. 149 ]);
$node->restart;
is_stopped('cut', 'after a restart, though the log is longer again', qr/partition 0.*\b600\b/);
is(view('cut'), '600|180300', 'cut: nothing was read meanwhile');
sql("SELECT streambatch.reset('cut')");
$node->wait_for('cut');
is(view('cut'), '1250|' . (180300 + 125250 + 11325), 'cut: reset() reads the log as it is now');

# ---- what retention takes does not make another topic ----
$sum = create('kept', 3, 10);
$broker->produce('kept', 1, [ undef, '{"n": 10, "ts": "2025-02-14T00:30:00Z"}' ], [ undef, '{"n": 20, "ts": "2025-02-14T00:30:00Z"}' ]);
$node->wait_for('kept');
sql("SELECT streambatch.pause('kept')");
$node->wait_for_state('kept', 'paused');
$broker->truncate('kept', 0, 10);
$broker->truncate('kept', 1, 2);
$broker->produce('kept', 2, [ undef, '{"n": 30, "ts": "2025-02-14T00:30:00Z"}' ]);
sql("SELECT streambatch.resume('kept')");
$node->wait_for('kept');
$sum += 60 + produce('kept', 5);
$node->wait_for('kept');
is(view('kept'), "18|$sum", 'kept: it goes on where the last messages that were read are gone');
is(sql("SELECT count(*) FROM streambatch.gap WHERE stream = 'kept'::regclass"), '0', 'kept: there is no gap');

# ---- what compaction takes, neither ----
$broker->create_topic('compact', 1, 'cleanup.policy' => 'compact', 'segment.ms' => 100, 'min.cleanable.dirty.ratio' => '0.01', 'delete.retention.ms' => 100);
table('compact', '');
$broker->produce('compact', 0, map { [ 'a', "{\"n\": $_, \"ts\": \"2025-02-14T00:30:00Z\"}" ] } 1 .. 10);
$node->wait_for('compact');
sql("SELECT streambatch.pause('compact')");
$node->wait_for_state('compact', 'paused');
$broker->produce('compact', 0, [ 'a', '{"n": 11, "ts": "2025-02-14T00:30:00Z"}' ]);
sql("SELECT streambatch.resume('compact')");
$node->wait_for('compact');
is(view('compact'), '11|66', 'compact: each message counts once');

# ---- another topic by ALTER ----
$sum = create('a', 2, 10);
$broker->create_topic('b', 1);
my $sum_b = $new = produce('b', 25);
sql("ALTER FOREIGN TABLE a OPTIONS (SET topic 'b')");
$node->wait_for('a');
is(view('a'), '35|' . ($sum + $new), 'a: wait_for waits for all of the other topic');
is(sql("SELECT topic_epoch FROM streambatch.stat_stream WHERE stream = 'a'::regclass"), '1', 'a: that begins a topic epoch');
is_equal('a', 'both topics');
sql("CALL streambatch.refresh('v_a')");
is_equal('a', 'after a refresh');
is(sql("SELECT partition, next_offset FROM streambatch.stat_partition WHERE stream = 'a'::regclass"), '0|25', 'a: positions are of the other topic');
# and back, of what is new there by then
sql("ALTER FOREIGN TABLE a OPTIONS (ADD start 'latest', SET topic 'a')");
$node->wait_for('a');
$n = 1000;
$new += produce('a', 2);
wait_for_view('a', '37|' . ($sum + $new), 'a: start says where the other topic begins');
is_equal('a', 'three epochs');

# with as many messages as were read of the one before
$sum = create('equal', 1, 10);
$broker->create_topic('equal_too', 1);
$new = produce('equal_too', 10);
sql("ALTER FOREIGN TABLE equal OPTIONS (SET topic 'equal_too')");
$node->wait_for('equal');
is(view('equal'), '20|' . ($sum + $new), 'equal: wait_for does not take positions of the one for those of the other');

# while somebody reads the archive in a transaction: the worker waits, and lets others read it and drop the stream
$sum = create('read', 1, 10);
my ($to, $from) = ("BEGIN; SELECT count(*) FROM read_archive;\n", '');
my $reader = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres'), '-f', '-' ], '<', \$to, '>', \$from);
$reader->pump until $from =~ /10/;
sql("ALTER FOREIGN TABLE read OPTIONS (SET topic 'equal_too')");
ok($node->poll_query_until('postgres', "SELECT error_sqlstate = '55P03' FROM streambatch.stat_stream WHERE stream = 'read'::regclass"),
    'read: it says that it waits for a lock');
is(sql('SELECT count(*) FROM read_archive'), '10', 'read: others can read the archive');
$to .= "COMMIT;\n\\q\n";
$reader->finish;
$node->wait_for('read');
is(view('read'), '20|' . ($sum + $new), 'read: it goes on by itself');

# ---- a topic that was changed under a stopped stream: the stop is of the old one ----
$broker->create_topic('elsewhere', 1);
$new = produce('elsewhere', 3);
sql("ALTER FOREIGN TABLE same OPTIONS (SET topic 'elsewhere')");
wait_for_view('same', '13|' . (sum_of('same') + $new), 'same: another topic ends the stop');

# ---- an archive that cannot be altered ----
sql(<<'SQL');
CREATE TYPE event AS (n int, ts timestamptz, kafka_partition int, kafka_offset bigint);
CREATE TABLE typed_archive OF event;
SQL
$sum = create('typed', 1, 3);
sql("ALTER FOREIGN TABLE typed OPTIONS (SET topic 'b')");
$node->wait_for_state('typed', 'error');
like(sql("SELECT error_message, error_hint FROM streambatch.stat_stream WHERE stream = 'typed'::regclass"),
    qr/typed_archive.*kafka_epoch/, 'typed: an archive without the column stops the stream');
is(view('typed'), "3|$sum", 'typed: nothing is mixed');
sql('ALTER TYPE event ADD ATTRIBUTE kafka_epoch int CASCADE');
sql("SELECT streambatch.resume('typed')");
$node->wait_for('typed');
is(view('typed'), '28|' . ($sum + $sum_b), 'typed: with the column it goes on');

# ---- dropped and created again: it goes on behind the archive's last epoch ----
sql('DROP FOREIGN TABLE running CASCADE');
table('running', '');
$node->wait_for('running');
is(sql('SELECT count(*) FROM running_archive'), '17', 'running, again: nothing is archived twice');
is(sql("SELECT topic_epoch FROM streambatch.stat_stream WHERE stream = 'running'::regclass"), '1', 'running, again: the epoch is the archive\'s');
is_equal('running', 'again');
produce('running', 1);
$node->wait_for('running');
is(sql('SELECT max(kafka_epoch), count(*), count(DISTINCT (kafka_epoch, kafka_partition, kafka_offset)) FROM running_archive'), '1|18|18', 'running, again: it goes on');

# ---- first and last: a later epoch is later ----
$broker->create_topic('ranked', 2);
table('ranked', '');
sql("SELECT streambatch.create_view('ends', 'SELECT streambatch.first(n ORDER BY ts) AS f, streambatch.last(n ORDER BY ts) AS l FROM ranked')");
$broker->produce('ranked', 1, map { [ undef, "{\"n\": $_, \"ts\": \"2025-02-14T00:30:00Z\"}" ] } 7, 9);
$node->wait_for('ranked');
recreate('ranked', 2);
$broker->produce('ranked', 0, map { [ undef, "{\"n\": $_, \"ts\": \"2025-02-14T00:30:00Z\"}" ] } 3, 5);
$node->wait_for_state('ranked', 'error');
sql("SELECT streambatch.reset('ranked')");
$node->wait_for('ranked');
is(sql('TABLE ends'), '7|5', 'first and last: stream layer')  or diag(sql('TABLE ranked_archive'));
sql("CALL streambatch.refresh('ends')");
is(sql('TABLE ends'), '7|5', 'first and last: batch layer');
is(sql('SELECT (array_agg(n ORDER BY ts, kafka_epoch, kafka_partition, kafka_offset))[1], (array_agg(n ORDER BY ts DESC, kafka_epoch DESC, kafka_partition DESC, kafka_offset DESC))[1] FROM ranked_archive'),
    '7|5', 'first and last: the plain query');

$node->stop;
$broker->stop;
done_testing();

my %sums;

# A topic, a stream by the same name, a view; so many messages in its first partition, read. Their sum.
sub create
{
    my ($name, $partitions, $count) = @_;

    $broker->create_topic($name, $partitions);
    table($name, '');
    my $total = $count > 0 ? produce($name, $count) : 0;
    $node->wait_for($name);
    is(view($name), "$count|$total", "$name: read") if $count > 0;
    return $sums{$name} = $total;
}

sub sum_of { return $sums{ $_[0] }; }

sub table
{
    my ($name, $options) = @_;

    return sql(<<"SQL");
CREATE FOREIGN TABLE $name (n int, ts timestamptz) SERVER kafka OPTIONS (topic '$name', event_time 'ts', idle_timeout '0'$options);
SELECT streambatch.create_view('v_$name', 'SELECT streambatch.tumble(ts, ''1 h'') AS w, count(*) AS messages, sum(n) AS total FROM $name GROUP BY 1');
SQL
}

sub recreate
{
    my ($name, $partitions) = @_;

    $broker->delete_topic($name);
    $broker->create_topic($name, $partitions);
    return;
}

# Messages with the next numbers, in three hours, into the first partition; their sum.
sub produce
{
    my ($topic, $count) = @_;
    my @numbers = map { ++$n } 1 .. $count;
    my $total = 0;

    $broker->produce($topic, 0, map { [ 'key', sprintf('{"n": %d, "ts": "2025-02-14T%02d:30:00Z"}', $_, $_ % 3) ] } @numbers);
    $total += $_ foreach @numbers;
    return $total;
}

# The sum of the last so many numbers.
sub last_sum
{
    my ($count) = @_;
    my $total = 0;

    $total += $_ foreach $n - $count + 1 .. $n;
    return $total;
}

sub wait_for { my ($stream) = @_; return $node->psql('postgres', "SELECT streambatch.wait_for('$stream', '30 s')"); }

# It may take the worker a moment; but true it is never.
sub raises_in_time
{
    my ($stream) = @_;
    my ($status, $out, $err) = wait_for($stream);

    ok($status != 0 && $err =~ /stream "$stream" has stopped: /, "$stream: wait_for raises") or diag("$out $err");
    return;
}

sub is_stopped
{
    my ($stream, $when, $like) = @_;

    $node->wait_for_state($stream, 'error');
    my $row = sql("SELECT state, error_sqlstate, error_message, error_hint FROM streambatch.stat_stream WHERE stream = '$stream'::regclass");
    like($row, qr/^error\|22000\|[^|]*$like[^|]*\|[^|]*SELECT streambatch\.reset\('$stream'\)/, "$stream: stopped $when");
    return;
}

sub view { my ($name) = @_; return sql("SELECT sum(messages), sum(total) FROM v_$name"); }

sub wait_for_view
{
    my ($name, $expected, $what) = @_;
    my ($messages, $total) = split /\|/, $expected;

    ok($node->poll_query_until('postgres', "SELECT coalesce(sum(messages), 0) >= $messages FROM v_$name"), "$name: it goes on")
      or diag(sql("SELECT state, error_message FROM streambatch.stat_stream WHERE stream = '$name'::regclass"));
    is(view($name), $expected, $what);
    return;
}

# The view is the plain query over the archive.
sub is_equal
{
    my ($name, $when) = @_;
    my $plain = "SELECT streambatch.tumble(ts, '1 h') AS w, count(*) AS messages, sum(n) AS total FROM ${name}_archive GROUP BY 1";

    is( sql("SELECT count(*) FROM ((TABLE v_$name EXCEPT ALL ($plain)) UNION ALL (($plain) EXCEPT ALL TABLE v_$name)) d"),
        '0', "$name: the view is the plain query over the archive, $when");
    return;
}

sub sql { my ($sql) = @_; return $node->safe_psql('postgres', $sql); }
