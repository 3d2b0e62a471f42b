# Large messages and large compressed batches: what can be read is read; what cannot is a dead letter with the beginning of its
# payload, or a stop that names the option to raise
use strict;
use warnings;

use Digest::MD5 qw(md5_hex);
use FindBin;
use lib "$FindBin::RealBin/../perl";
use PostgreSQL::Test::Utils;
use StreamBatch::Broker;
use StreamBatch::Node;
use StreamBatch::RecordBatch;
use Test::More;

use constant MB => 1024 * 1024;

my $broker = StreamBatch::Broker->kafka;
my $node = StreamBatch::Node->new('main');
$node->init;
$node->start;
$node->create_server($broker);

# ---- ten messages of 8 MB in one batch, by each codec ----
my $pad = 'ab' x (4 * MB);
my @codecs = qw(zstd gzip lz4 snappy);
foreach my $codec (@codecs)
{
    $broker->create_topic($codec, 1, 'max.message.bytes' => 20_000_000);
    my $client = $broker->client(
        'compression.type' => $codec,
        'batch.size' => 900_000_000,
        'message.max.bytes' => 900_000_000,
        'queue.buffering.max.kbytes' => 1_000_000,
        'linger.ms' => 2000);
    my @offsets = $client->produce($codec, 0, map { [ undef, qq({"k": $_, "pad": "$pad"}) ] } 1 .. 10);
    is("@offsets", '0 1 2 3 4 5 6 7 8 9', "$codec: the broker has ten messages");
    $client->close;
    stream($codec, $codec, "k int, pad text", 'count(*), sum(k), sum(length(pad)) AS bytes', "archive 'none'");
}
foreach my $codec (@codecs)
{
    $node->wait_for($codec);
    is(sql("TABLE ${codec}_sums"), '10|55|' . 80 * MB, "$codec: all are read");
    is(stat_of($codec, 'dead, lag'), '0|0', "$codec: no dead letters");
}

# ---- one message of 102 MB, not compressed ----
my $large = '{"k": 2, "pad": "' . 'x' x 102_000_000 . '"}';
$broker->create_topic('large', 1, 'max.message.bytes' => 104_857_600);
my $client = $broker->client('message.max.bytes' => 104_857_600);
$client->produce('large', 0, [ undef, $_ ]) foreach '{"k": 1}', $large, '{"k": 3}';
$client->close;
stream('large', 'large', 'k int', 'count(*), sum(k)');
$node->wait_for('large');
is(sql('TABLE large_sums'), '2|4', 'too large for JSON: its neighbours are counted');
is(stat_of('large', 'dead, lag'), '1|0', 'it is a dead letter');
is(dead_letters('large'), '1|54000|payload is longer than 64 MB|' . MB . '|' . md5_hex(substr $large, 0, MB), 'with the beginning of its payload');
raw('large_raw', 'large');
is(sql('SELECT kafka_offset, length(value) FROM large_raw'), join("\n", '0|8', '1|' . length $large, '2|8'), 'as raw bytes it can be read');
$node->wait_for('large_raw');
is(sql('TABLE large_raw_sums'), '3|' . (length($large) + 16), 'by the worker, too');

# ---- a message that unpacks to 1.1 GB ----
my $head = '{"k": 2, "pad": "';
$broker->create_topic('bomb', 1, 'max.message.bytes' => 20_000_000);
$broker->produce('bomb', 0, [ undef, '{"k": 1}' ]);
StreamBatch::RecordBatch::send($broker, 'bomb', 0, 1, StreamBatch::RecordBatch::gzip($head, 'a' x MB, 1100, '"}'));
$broker->produce('bomb', 0, [ undef, '{"k": 3}' ]);
stream('bomb', 'bomb', 'k int', 'count(*), sum(k)');
raw('bomb_raw', 'bomb');
my $beginning = md5_hex($head . 'a' x (MB - length $head));
foreach ([ 'bomb', '2|4', 'payload is longer than 64 MB' ], [ 'bomb_raw', '2|16', 'payload or key is longer than 256 MB' ])
{
    my ($stream, $sums, $message) = @$_;
    # unpacking takes seconds, more on a machine that does other things
    $node->wait_for($stream, '180 s');
    is(sql("TABLE ${stream}_sums"), $sums, "$stream: its neighbours are counted");
    is(dead_letters($stream), "1|54000|$message|" . MB . "|$beginning", "$stream: it is a dead letter with the beginning of its payload");
}

# ---- a part of a large message in so many columns that the row would not fit in memory ----
$broker->create_topic('wide', 1, 'max.message.bytes' => 20_000_000);
$broker->produce('wide', 0, [ undef, '{"k": 1}' ]);
StreamBatch::RecordBatch::send($broker, 'wide', 0, 1, StreamBatch::RecordBatch::gzip('{"k": 2, "pad": "', 'a' x MB, 60, '"}'));
$broker->produce('wide', 0, [ undef, '{"k": 3}' ]);
stream('wide', 'wide', join(', ', 'k int', map { "c$_ text OPTIONS (path 'pad')" } 1 .. 20), 'count(*), sum(k)');
$node->wait_for('wide');
is(sql('TABLE wide_sums'), '2|4', 'a row that does not fit: its neighbours are counted');
like(dead_letters('wide'), qr/^1\|54000\|columns of the message are longer than 960 MB together\|/, 'it is a dead letter');

# ---- what is no compressed batch; Kafka would refuse it ----
my $mock = StreamBatch::Broker->embedded;
$node->create_server($mock, 'mock');
$mock->create_topic('broken', 1);
$mock->produce('broken', 0, [ undef, '{"k": 1}' ]);
StreamBatch::RecordBatch::send($mock, 'broken', 0, 2, "\x28\xb5\x2f\xfd" . "\xff" x 100, codec => 4);
$mock->produce('broken', 0, [ undef, '{"k": 4}' ]);
stream('broken', 'broken', 'k int', 'count(*), sum(k)', undef, 'mock');
$node->wait_for('broken');
is(sql('TABLE broken_sums'), '2|5', 'a batch that does not unpack: its neighbours are counted');
is(sql("SELECT string_agg(kafka_offset || ' ' || sqlstate, ',' ORDER BY kafka_offset) FROM streambatch.dead_letter WHERE stream = 'broken'::regclass"),
    '1 XX001,2 XX001', 'and both its messages are dead letters');

# ---- with little memory a limit is reached; the hint names what raises it ----
$node->safe_psql('postgres', "ALTER SYSTEM SET streambatch.prefetch = '16MB'");
$node->reload;
$node->create_server($broker, 'tight');
stream('tight_zstd', 'zstd', 'k int, pad text', 'count(*), sum(k), sum(length(pad)) AS bytes', "archive 'none'", 'tight');
raw('tight_large', 'large', 'tight');
foreach ([ 'tight_zstd', 10, 'the batch of messages at offset 0 of partition 0 is too large' ], [ 'tight_large', 2, 'a batch of messages of topic "large" is too large' ])
{
    my ($stream, $lag, $message) = @$_;
    $node->wait_for_state($stream, 'error');
    is(stat_of($stream, 'error_sqlstate, error_message'), "54000|$message", "$stream stops");
    like(stat_of($stream, 'error_hint'), qr/ALTER SERVER .*"fetch\.max\.bytes"/, "$stream: the hint names the option");
    is(stat_of($stream, 'lag'), $lag, "$stream: lag is what has not been read");
}
my (undef, undef, $said) = $node->psql('postgres', 'SELECT k FROM tight_zstd');
like($said, qr/ERROR:  could not read topic "zstd": a batch of messages is too large\n.*HINT:  .*"fetch\.max\.bytes"/s, 'and so does a query');
$node->safe_psql('postgres', q(ALTER SERVER tight OPTIONS (ADD "fetch.max.bytes" '268435456')));
$node->wait_for_state($_, 'streaming') foreach qw(tight_zstd tight_large);
$node->wait_for($_) foreach qw(tight_zstd tight_large);
is(sql('TABLE tight_zstd_sums'), '10|55|' . 80 * MB, 'tight_zstd: the hint helps');
is(sql('TABLE tight_large_sums'), '3|' . (length($large) + 16), 'tight_large: the hint helps');
is(stat_of($_, 'dead, lag, error_message IS NULL'), '0|0|t', "$_: nothing is lost") foreach qw(tight_zstd tight_large);

$node->stop;
done_testing();

sub sql { return $node->safe_psql('postgres', $_[0]); }

sub stream
{
    my ($name, $topic, $columns, $aggregates, $options, $server) = @_;

    $options = $options ? ", $options" : '';
    $server //= 'kafka';
    sql("CREATE FOREIGN TABLE $name ($columns) SERVER $server OPTIONS (topic '$topic'$options)");
    sql("SELECT streambatch.create_view('${name}_sums', 'SELECT $aggregates FROM $name')");
    return;
}

sub raw
{
    my ($name, $topic, $server) = @_;

    return stream($name, $topic, "value bytea, kafka_offset bigint OPTIONS (metadata 'offset')", 'count(*), sum(length(value))',
        "format 'raw', archive 'none'", $server);
}

sub stat_of { return sql("SELECT $_[1] FROM streambatch.stat_stream WHERE stream = '$_[0]'::regclass"); }

sub dead_letters
{
    return sql("SELECT kafka_offset, sqlstate, message, octet_length(payload), md5(payload) FROM streambatch.dead_letter WHERE stream = '$_[0]'::regclass ORDER BY kafka_offset");
}
