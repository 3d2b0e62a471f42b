# The option partitions: a stream reads, waits for, shows and selects only the partitions that it names
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use StreamBatch::Broker;
use StreamBatch::Node;
use Test::More;

my $broker = StreamBatch::Broker->embedded;
my $node = StreamBatch::Node->new('main');
$node->init;
$node->start;
$node->create_server($broker);
$broker->create_topic('events', 4);

# ---- the value ----
foreach my $case (
    [ '', 'must not be empty' ],
    [ '1,', 'invalid value for option "partitions": "1,"' ],
    [ 'a', 'invalid value for option "partitions": "a"' ],
    [ '3-1', 'The range 3-1 is empty' ],
    [ '0-3,2', 'It names partition 2 twice' ],
    [ '4-,9', 'It names partition 9 twice' ],
    [ '2147483647', 'A number is too large' ],
    [ '-1', 'invalid value for option "partitions": "-1"' ],
    [ '1 2', 'invalid value for option "partitions": "1 2"' ])
{
    my (undef, undef, $err) = $node->psql('postgres', "CREATE FOREIGN TABLE bad (id int) SERVER kafka OPTIONS (topic 'events', partitions '$case->[0]')");
    like($err, qr/$case->[1]/, "partitions '$case->[0]' is refused");
}
like(error("CREATE FOREIGN TABLE bad (id int) SERVER kafka OPTIONS (topic 'events', partitions 'x')"),
    qr/HINT:  Use numbers and ranges of partitions, as in partitions '0-3'/, 'with a hint');

# ---- two streams over one topic, with a partition in common ----
produce($_, 10) foreach 0 .. 3;
sql(<<'SQL');
CREATE FOREIGN TABLE low (id int, ts timestamptz, p int OPTIONS (metadata 'partition'), o bigint OPTIONS (metadata 'offset'))
    SERVER kafka OPTIONS (topic 'events', event_time 'ts', partitions ' 0-1 ');
CREATE FOREIGN TABLE odd (id int, ts timestamptz, p int OPTIONS (metadata 'partition'), o bigint OPTIONS (metadata 'offset'))
    SERVER kafka OPTIONS (topic 'events', event_time 'ts', partitions '3,1', idle_timeout '1 hour');
SELECT streambatch.create_view('lows', 'SELECT p, count(*) FROM low GROUP BY 1');
SELECT streambatch.create_view('odds', 'SELECT p, count(*) FROM odd GROUP BY 1');
SQL
is(sql('SELECT p, count(*) FROM low GROUP BY 1 ORDER BY 1'), "0|10\n1|10", 'SELECT from the stream reads its partitions');
is(sql('SELECT count(*) FROM low WHERE p IN (1, 2)'), 10, 'conditions choose among them');
$node->wait_for($_) foreach 'low', 'odd';
is(sql('SELECT * FROM lows ORDER BY 1'), "0|10\n1|10", 'so does the worker');
is(sql('SELECT * FROM odds ORDER BY 1'), "1|10\n3|10", 'and that of the other stream');
is(sql('SELECT p, count(*) FROM low_archive GROUP BY 1 ORDER BY 1'), "0|10\n1|10", 'the archive has no others');
is(sql("SELECT partition, next_offset, lag, reading FROM streambatch.stat_partition WHERE stream = 'odd'::regclass ORDER BY 1"), "1|10|0|t\n3|10|0|t", 'nor have the statistics');
is(sql("SELECT watermark IS NOT NULL FROM streambatch.stat_stream WHERE stream = 'odd'::regclass"), 't', 'the watermark does not wait for them');
produce($_, 5) foreach 0 .. 3;
$node->wait_for($_) foreach 'low', 'odd';
is(sql("SELECT sum(count) FROM lows"), 30, 'wait_for waits for the named partitions');
is(sql("SELECT lag FROM streambatch.stat_stream WHERE stream = 'low'::regclass"), 0, 'no lag');
sql("INSERT INTO low (id, ts, p) VALUES (1, '2025-03-01Z', 2)");
$node->wait_for('low');
is(sql('SELECT sum(count) FROM lows'), 30, 'INSERT may produce to any partition; it is read by those who name it');

# ---- partitions are added, and removed ----
sql("ALTER FOREIGN TABLE low OPTIONS (SET partitions '0-2')");
produce($_, 1) foreach 0 .. 2;
$node->wait_for('low');
is(sql('SELECT * FROM lows ORDER BY 1'), "0|16\n1|16\n2|17", 'an added partition is read from its beginning');
sql("ALTER FOREIGN TABLE low OPTIONS (SET partitions '1-2')");
$node->wait_for('low');
produce($_, 2) foreach 0 .. 2;
$node->wait_for('low');
is(sql('SELECT * FROM lows ORDER BY 1'), "0|16\n1|18\n2|19", 'a removed one stays counted, and is not read any more');
is(sql("SELECT partition, next_offset, lag, reading FROM streambatch.stat_partition WHERE stream = 'low'::regclass ORDER BY 1"),
    "0|16||f\n1|18|0|t\n2|19|0|t", 'its position is kept');
sql("CALL streambatch.refresh('lows')");
is(sql('SELECT * FROM lows ORDER BY 1'), "0|16\n1|18\n2|19", 'a refresh keeps what was counted');
is(sql(q(SELECT streambatch.create_view('again', 'SELECT p, count(*) FROM low GROUP BY 1'); SELECT * FROM again ORDER BY 1)), "again\n0|16\n1|18\n2|19", 'a new view has the same history');
$node->restart;
$node->wait_for('low');
sql("ALTER FOREIGN TABLE low OPTIONS (SET partitions '0-')");
produce($_, 1) foreach 0 .. 3;
$node->wait_for('low');
is(sql('SELECT * FROM lows ORDER BY 1'), "0|19\n1|19\n2|20\n3|16", 'named again, it continues where it was; a range without end has all others');

# ---- where a partition is taken over ----
sql(<<'SQL');
CREATE FOREIGN TABLE taken (id int, p int OPTIONS (metadata 'partition'), o bigint OPTIONS (metadata 'offset'))
    SERVER kafka OPTIONS (topic 'events', partitions '2-3', start 'latest');
SELECT streambatch.start_at('taken', 2, 18);
SELECT streambatch.create_view('takens', 'SELECT p, count(*), min(o) FROM taken GROUP BY 1');
SQL
$node->wait_for('taken');
produce(3, 1);
$node->wait_for('taken');
is(sql('SELECT * FROM takens ORDER BY 1'), "2|2|18\n3|1|16", 'start_at sets where a partition begins; the others follow the option start');
like(error("SELECT streambatch.start_at('taken', 2, 0)"), qr/stream "taken" has read partition 2 up to offset 20\n.*HINT:  Use start_at before/s, 'not where it was read');
like(error("SELECT streambatch.start_at('taken', -1, 0)"), qr/must not be negative/, 'negative numbers are refused');
is(error("SELECT streambatch.start_at('taken', 0, 7)"), '', 'it can be set before the partition is named');
sql("ALTER FOREIGN TABLE taken OPTIONS (SET partitions '0,2-3')");
$node->wait_for('taken');
is(sql('SELECT * FROM takens WHERE p = 0'), '0|12|7', 'and is read from there');

# ---- a partition that does not exist ----
my $lacks = qr/topic "events" has 4 partitions, but option "partitions" of stream "far" names partition 4/;
sql(q(CREATE FOREIGN TABLE far (id int) SERVER kafka OPTIONS (topic 'events', partitions '2-5')));
like(error('SELECT * FROM far'), qr/$lacks\nHINT:  Partitions are numbered from 0\. .*SET partitions/, 'SELECT raises');
my (undef, undef, $said) = $node->psql('postgres', q(SELECT streambatch.create_view('fars', 'SELECT count(*) FROM far')));
like($said, qr/WARNING:  $lacks/, 'create_view warns');
$node->wait_for_state('far', 'reconnecting');
$node->poll_query_until('postgres', q(SELECT error_sqlstate = '42704' FROM streambatch.stat_stream WHERE stream = 'far'::regclass)) or die 'no error is shown';
like(sql(q(SELECT error_message FROM streambatch.stat_stream WHERE stream = 'far'::regclass)), $lacks, 'the statistics say why nothing is read');
like(error(q(SELECT streambatch.wait_for('far'))), $lacks, 'wait_for raises');
is(sql('SELECT count FROM fars'), 0, 'and nothing is');
sql(q(ALTER FOREIGN TABLE far OPTIONS (SET partitions '2-')));
$node->wait_for('far');
is(sql('SELECT count FROM fars'), 37, 'until the option is corrected');
like(error(q(ALTER FOREIGN TABLE far OPTIONS (SET partitions '9-'); SELECT * FROM far)), qr/names partition 9/, 'of a range without end the first must exist');

done_testing();

sub sql { my ($sql) = @_; return $node->safe_psql('postgres', "SET client_min_messages = error; $sql"); }
sub error { my ($sql) = @_; my (undef, undef, $err) = $node->psql('postgres', $sql); return $err; }

my %produced;

sub produce
{
    my ($partition, $n) = @_;

    $broker->produce('events', $partition, map { my $id = ++$produced{$partition}; [ undef, qq({"id": $id, "ts": "2025-03-01T00:00:00Z"}) ] } 1 .. $n);
    return;
}
