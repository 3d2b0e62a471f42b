# Real events: flights per origin and day, from Apache Kafka through both layers, equal to the plain query over a table of them
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use PostgreSQL::Test::Utils;
use StreamBatch::Broker;
use StreamBatch::Node;
use Test::More;

my $file = $ENV{FLIGHTS_FILE} or die 'FLIGHTS_FILE: the file that test/data/fetch-flights prints';

# the first part is history when the view is made, the second comes while it runs, the third after a refresh
my @parts = map { "$PostgreSQL::Test::Utils::tmp_check/flights_$_" } 0 .. 2;
open my $lines, '<', $file or die "$file: $!";
my @handles = map { open my $handle, '>', $_ or die "$_: $!"; $handle } @parts;
my $total = 0;
while (my $line = <$lines>)
{
    print { $handles[ $total++ % 5 < 3 ? 0 : $total % 2 + 1 ] } $line;
}
close $_ foreach ($lines, @handles);

my $broker = StreamBatch::Broker->kafka;
$broker->create_topic('flights', 4);
my $node = StreamBatch::Node->new('main');
$node->init;
$node->start;
$node->create_server($broker);
$node->safe_psql('postgres', <<'SQL');
CREATE FOREIGN TABLE flights (departed timestamptz OPTIONS (path 'date'), origin text, destination text, distance int, delay int)
    SERVER kafka OPTIONS (topic 'flights', format 'json', event_time 'departed');
CREATE TABLE line (content jsonb);
CREATE VIEW expected AS
    SELECT content->>'origin' AS origin, date_trunc('day', (content->>'date')::timestamp) AT TIME ZONE 'UTC' AS day,
           count(*) AS flights, sum((content->>'delay')::int) AS delay, avg((content->>'delay')::int) AS mean,
           min((content->>'delay')::int) AS least, max((content->>'delay')::int) AS most
    FROM line GROUP BY 1, 2;
SQL

my $query = <<'SQL';
SELECT origin, streambatch.tumble(departed, '1 day') AS day,
       count(*) AS flights, sum(delay) AS delay, avg(delay) AS mean, min(delay) AS least, max(delay) AS most
FROM flights GROUP BY 1, 2
SQL

produce($parts[0]);
$node->safe_psql('postgres', "SELECT streambatch.create_view('delays', \$\$ $query \$\$)");
produce($parts[1]);
$node->wait_for('flights');
same('history and stream');

$node->safe_psql('postgres', "CALL streambatch.refresh('delays', '2001-01-10', '2001-02-10')");
same('a month of batch, the rest of stream');

produce($parts[2]);
$node->wait_for('flights');
same('late flights on days that the batch layer covers');

$node->safe_psql('postgres', "CALL streambatch.refresh('delays', full => true)");
same('a full refresh');
$node->safe_psql('postgres', "CALL streambatch.refresh('delays', '2001-01-01', 'infinity')");
is($node->safe_psql('postgres', "SET streambatch.serve = 'batch'; SELECT sum(flights) FROM delays"),
    $total, 'the batch layer holds every flight');

is($node->safe_psql('postgres', 'SELECT count(*) FROM flights_archive'), $total, 'the archive holds every flight');
is($node->safe_psql('postgres', 'SELECT count(*) FROM flights'), $total, 'and so does the log, read ad hoc');
is($node->safe_psql('postgres', 'SELECT count(*) FROM streambatch.dead_letter'), '0', 'there are no dead letters');
$node->stop;

done_testing();

sub produce
{
    my ($part) = @_;

    $broker->produce_file('flights', 4, $part);
    $node->safe_psql('postgres', "COPY line FROM '$part' (FORMAT csv, QUOTE e'\\x01', DELIMITER e'\\x02')");
    return;
}

# the view and the plain query over the table, to the last digit
sub same
{
    my ($name) = @_;

    is( $node->safe_psql('postgres', <<'SQL'), '', "$name: the view equals the plain query");
(TABLE delays EXCEPT ALL TABLE expected) UNION ALL (TABLE expected EXCEPT ALL TABLE delays) LIMIT 5
SQL
    is($node->safe_psql('postgres', 'SELECT sum(flights) = (SELECT count(*) FROM line) FROM delays'),
        't', "$name: every flight is counted");
    return;
}
