# Values that raise an error, in a fold, in the archive, or when layers are combined: only their own event is a dead letter
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use PostgreSQL::Test::Utils;
use StreamBatch::Broker;
use StreamBatch::Node;
use Test::More;

my $broker = StreamBatch::Broker->embedded;
$broker->create_topic($_, 1) foreach qw(floats orders);
my $node = StreamBatch::Node->new('main');
$node->init;
$node->start;
$node->create_server($broker);

# two of 1e308 cannot be added: the second one in a fold is that view's dead letter
$node->safe_psql('postgres', <<'SQL');
CREATE FOREIGN TABLE floats (k int, x float8, i interval) SERVER kafka OPTIONS (topic 'floats', format 'json');
SELECT streambatch.pause('floats');
SELECT streambatch.create_view('sums', 'SELECT k, count(*) AS n, sum(x) AS x FROM floats GROUP BY k');
SELECT streambatch.create_view('lengths', 'SELECT k, count(*) AS n, sum(i) AS i FROM floats GROUP BY k');
SELECT streambatch.create_view('counts', 'SELECT k, count(*) AS n, max(x) AS x FROM floats GROUP BY k');
SQL
my @before = map { [ undef, "{\"k\": 1, \"x\": $_, \"i\": \"1 h\"}" ] } 1 .. 150;
my @after = map { [ undef, "{\"k\": 3, \"x\": $_, \"i\": \"1 h\"}" ] } 1 .. 150;
$broker->produce('floats', 0, @before, (map { [ undef, '{"k": 2, "x": 1e308, "i": "170000000 years"}' ] } 1 .. 2), @after);
$node->safe_psql('postgres', "SELECT streambatch.resume('floats')");
$node->wait_for('floats');
is(sql('SELECT k, n, x FROM sums ORDER BY 1'), "1|150|11325\n2|1|1e+308\n3|150|11325", 'an overflow leaves its event out');
is(sql('SELECT k, n, extract(epoch FROM i) / 3600 FROM lengths WHERE k <> 2 ORDER BY 1'), "1|150|150.0000000000000000\n3|150|150.0000000000000000",
    'and no other');
is(sql('SELECT k, n, x FROM counts ORDER BY 1'), "1|150|150\n2|2|1e+308\n3|150|150", 'other views count it');
is(sql("SELECT view, kafka_offset, sqlstate FROM streambatch.dead_letter ORDER BY 1, 2"), "sums|151|22003\nlengths|151|22008",
    'it is a dead letter of the views that it failed');
is(sql("SELECT received, folded, dead FROM streambatch.stat_stream"), '302|302|0', 'it counts as folded, as some view took it');
is(sql('SELECT count(*) FROM floats_archive'), '302', 'and is archived');
sql("CALL streambatch.refresh('$_')") foreach qw(sums lengths counts);
is(sql('SELECT k, n, x FROM sums ORDER BY 1'), "1|150|11325\n2|1|1e+308\n3|150|11325", 'a refresh leaves it out as well');

# what overflows only when layers are combined raises what the plain query raises
$broker->produce('floats', 0, [ undef, '{"k": 2, "x": 1e308}' ], [ undef, '{"k": 4, "x": 4}' ]);
$node->wait_for('floats');
is(sql('SELECT k, n, x FROM sums WHERE k <> 2 ORDER BY 1'), "1|150|11325\n3|150|11325\n4|1|4", 'groups that do not overflow are served');
like(failure('SELECT * FROM sums WHERE k = 2'), qr/value out of range: overflow/, 'the one that does raises');
$broker->produce('floats', 0, [ undef, '{"k": 2, "x": 1e308}' ], [ undef, '{"k": 4, "x": 5}' ]);
$node->wait_for('floats');
is(sql('SELECT k, n, x FROM sums WHERE k = 4'), '4|2|9', 'events keep coming when stored states do not combine');
$broker->produce('floats', 0, map { [ undef, "{\"k\": $_, \"x\": 1}" ] } 4 .. 6);
$node->wait_for('floats');
is(sql('SELECT k, n, x FROM sums WHERE k > 3 ORDER BY 1'), "4|3|10\n5|1|1\n6|1|1", 'for as long as they do not');
is(sql("SELECT state FROM streambatch.stat_stream WHERE stream = 'floats'::regclass"), 'streaming', 'the stream runs');

# the archive's own rules: each refuses its row, wherever in the batch, and no other
$node->safe_psql('postgres', <<'SQL');
CREATE TABLE customer (id int PRIMARY KEY);
INSERT INTO customer SELECT generate_series(1, 10);
CREATE FOREIGN TABLE orders (id int, customer int) SERVER kafka OPTIONS (topic 'orders', format 'json', archive 'kept');
CREATE TABLE kept (id int NOT NULL, customer int REFERENCES customer, kafka_partition int, kafka_offset bigint, CHECK (id <> 13));
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF new.id = 17 THEN RAISE 'not 17'; END IF; RETURN new; END $$;
CREATE TRIGGER late AFTER INSERT ON kept FOR EACH ROW EXECUTE FUNCTION refuse();
SELECT streambatch.pause('orders');
SELECT streambatch.create_view('orders_of', 'SELECT customer, count(*) AS n FROM orders GROUP BY 1');
SQL
$broker->produce('orders', 0, map { [ undef, "{\"id\": $_, \"customer\": " . ($_ == 5 ? 11 : 1 + $_ % 10) . '}' ] } 0 .. 29);
$broker->produce('orders', 0, [ undef, '{"customer": 1}' ]);
$node->safe_psql('postgres', "SELECT streambatch.resume('orders')");
$node->wait_for('orders', '20 s');
is(sql("SELECT kafka_offset, sqlstate FROM streambatch.dead_letter WHERE stream = 'orders'::regclass ORDER BY 1"),
    "5|23503\n13|23514\n17|P0001\n30|23502", 'foreign key, check, trigger and NOT NULL refuse a row each');
is(sql('SELECT count(*), sum(id) FROM kept'), '27|400', 'the others are archived');
is(sql('SELECT sum(n) FROM orders_of'), '27', 'and counted');
$node->stop;

done_testing();

sub sql { my ($sql) = @_; return $node->safe_psql('postgres', $sql); }

sub failure
{
    my ($sql) = @_;
    my ($status, $out, $err) = $node->psql('postgres', $sql);

    return $err;
}
