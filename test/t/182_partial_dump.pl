# Dumps and restores of parts: without the archive, without data, without indexes, over what is there already, of a copy that was never
# resumed, without the extension
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use PostgreSQL::Test::Utils;
use StreamBatch::Broker;
use StreamBatch::Node;
use Test::More;

my $broker = StreamBatch::Broker->embedded;
$broker->create_topic('events', 1);
my $node = StreamBatch::Node->new('main');
$node->init;
$node->start;
$node->create_server($broker);
my $directory = PostgreSQL::Test::Utils::tempdir;
my $number = 0;

my $create = q{SELECT streambatch.create_view('sums', $$SELECT k, streambatch.tumble(ts, '1 h') AS h, count(*) AS n, sum(v) FROM events GROUP BY 1, 2$$)};
$node->safe_psql('postgres', <<"SQL");
CREATE FOREIGN TABLE events (k int, v numeric, ts timestamptz) SERVER kafka OPTIONS (topic 'events', event_time 'ts');
CREATE FOREIGN TABLE alone (k int, v numeric, ts timestamptz) SERVER kafka OPTIONS (topic 'events', event_time 'ts');
SELECT streambatch.resume('alone');
$create
SQL
send_events(1, 200);
# what the first dump says that the stream has read is in the archive, which is dumped later
$node->wait_for('alone');
$node->safe_psql('postgres', "CALL streambatch.refresh('sums', '2025-01-01Z', '2025-01-01 02:00Z')");
my $before = contents('postgres');

# ---- without the archive: nothing is lost, and the stream cannot be resumed without it ----
is(restore('no_archive', dump_of('postgres', qw(--exclude-table=events_archive --exclude-table=alone_archive))), '', 'a dump without the archive is restored');
is(contents('no_archive'), $before, 'the view has what it had');
my ($status, $out, $error) = $node->psql('no_archive', "SELECT streambatch.resume('events')");
like($error, qr/ERROR:  archive public\.events_archive of stream "events" does not exist.*HINT:  Restore the table from the dump/s, 'resume() names what is missing');
($status, $out, $error) = $node->psql('no_archive', "CALL streambatch.refresh('sums')");
like($error, qr/ERROR:  archive public\.events_archive of stream "events" does not exist/, 'a refresh, too');
($status, $out, $error) = $node->psql('no_archive', $create =~ s/sums/more/r);
like($error, qr/ERROR:  archive public\.events_archive of stream "events" does not exist/, 'and create_view()');
is($node->stream_state('events', 'no_archive'), 'paused', 'the stream is still paused');
is(restore('no_archive', dump_of('postgres', qw(--table=events_archive --table=alone_archive))), '', 'the archive is restored later');
$node->safe_psql('no_archive', "CALL streambatch.refresh('sums', full => true)");
is(contents('no_archive'), contents('postgres'), 'a refresh finds it');
send_events(201, 300);
resume('no_archive');
is(contents('no_archive'), contents('postgres'), 'and the stream goes on');
$node->safe_psql('no_archive', "SELECT streambatch.resume('alone')");
$node->wait_for('alone', undef, 'no_archive');
is($node->safe_psql('no_archive', 'SELECT count(*) FROM alone_archive'), '300', 'as does one without views');
$node->safe_psql('no_archive', "CALL streambatch.refresh('sums', full => true)");
is(contents('no_archive'), contents('postgres'), 'as does a refresh');

# ---- a copy that was never resumed is dumped again ----
is(restore('first', dump_of('postgres', '--exclude-table=events_archive')), '', 'a copy, still without its archive');
is(restore('second', dump_of('first')), '', 'a copy of the copy');
is(contents('second'), contents('postgres'), 'it has what the first one has');
($status, $out, $error) = $node->psql('second', "SELECT streambatch.resume('events')");
like($error, qr/archive public\.events_archive of stream "events" does not exist/, 'and knows which archive is missing');

# ---- somebody else's view that reads a part of the view, and is restored before the view ----
$node->safe_psql('postgres', <<'SQL');
CREATE ROLE victim;
CREATE ROLE thief;
CREATE SCHEMA "0thief" AUTHORIZATION thief;
CREATE TABLE secret AS SELECT 'secret' AS s;
GRANT SELECT ON secret TO victim;
SET ROLE thief;
CREATE VIEW "0thief".v AS SELECT s.s FROM secret s LEFT JOIN streambatch_state.cuts_1 ON true;
SQL
is(restore('theft', dump_of('postgres')), '', "somebody's view of a part");
$node->safe_psql('theft', 'ALTER TABLE sums OWNER TO victim');
is($node->safe_psql('theft', q{SELECT string_agg(oid::regclass || ' ' || relowner::regrole, ', ' ORDER BY oid) FROM pg_class WHERE relname IN ('v', 'sums', 'sums_layers', 'batch_1')}),
    '"0thief".v thief, streambatch_state.batch_1 victim, sums victim, sums_layers victim',
    'is not given to the owner of the hybrid view, whose parts are');
$node->safe_psql('theft', 'DROP VIEW "0thief".v; DROP VIEW sums');
$node->safe_psql('postgres', 'DROP SCHEMA "0thief" CASCADE; DROP TABLE secret');

# ---- without data: empty views that are no hybrid views ----
is(restore('no_data', dump_of('postgres', '--schema-only')), '', 'a dump without data is restored');
is(contents('no_data'), '', 'the view is empty');
($status, $out, $error) = $node->psql('no_data', "CALL streambatch.refresh('sums')");
like($error, qr/ERROR:  "sums" is not a hybrid view.*DETAIL:  .*HINT:  /s, 'a refresh says what it is not');
$node->safe_psql('no_data', "DROP VIEW sums_layers, sums; DROP TABLE events_archive; $create");
$node->wait_for('events', undef, 'no_data');
is(contents('no_data'), contents('postgres'), 'created again, it reads the topic from its beginning');

# ---- data for a schema that is there already ----
restore('data', dump_of('postgres', '--schema-only'));
like(restore('data', dump_of('postgres', qw(--data-only --disable-triggers))),
    qr/ERROR:  new row for relation "_view" violates check constraint "restored_by_trigger"/, 'without the triggers, the rows are refused');
is($node->safe_psql('data', 'SELECT count(*) FROM streambatch._stream, streambatch._progress, streambatch._view, streambatch._run'), '0', 'all of them');
$node->safe_psql('data', "SELECT format('TRUNCATE %s', oid::regclass) FROM pg_class WHERE relkind = 'r' AND relnamespace IN ('public'::regnamespace, 'streambatch_state'::regnamespace) OR relname = '_coverage' \\gexec");
is(restore('data', dump_of('postgres', '--data-only')), '', 'with them, data can be restored by itself');
is(contents('data'), contents('postgres'), 'and is complete');

# ---- without indexes, which are restored while the stream is read ----
my $dump = dump_of('postgres', '--format=custom');
is(restore('no_index', $dump, '--section=pre-data'), '', 'pre-data');
is(restore('no_index', $dump, '--section=data'), '', 'data');
send_events(301, 400);
$node->safe_psql('no_index', "SELECT streambatch.resume('events')");
$node->wait_for_state('events', 'error', 'no_index');
like($node->safe_psql('no_index', 'SELECT error_message, error_hint FROM streambatch.stat_stream'),
    qr/^state table "stream_1" has no index on its keys\|.*section post-data/, 'what is missing is named');
is(contents('no_index'), $before = contents('first'), 'and nothing was written');
is(restore('no_index', $dump, '--section=post-data'), '', 'post-data');
resume('no_index');
is(contents('no_index'), contents('postgres'), 'the stream goes on');

# ---- over what is there already ----
$dump = dump_of('postgres', '--format=custom');
my $expected = contents('postgres');
send_events(401, 600);
isnt(contents('postgres'), $expected, 'the original has more');
$node->safe_psql('postgres', 'CREATE DATABASE over TEMPLATE no_index');
is($node->stream_state('events', 'over'), 'paused', 'a copy from a template is paused');
resume('over');
restore('over', $dump, qw(--clean --if-exists));
is(contents('over'), $expected, 'pg_restore --clean puts back what was dumped');
is($node->stream_state('events', 'over'), 'paused', 'and pauses the stream');
resume('over');
is(contents('over'), contents('postgres'), 'which then goes on');
$node->safe_psql('over', 'DROP FOREIGN TABLE events CASCADE');
is($node->safe_psql('over', "SELECT string_agg(relname, ' ') FROM pg_class WHERE relnamespace = 'streambatch_state'::regnamespace"),
    '', 'DROP leaves nothing');

# ---- where the extension is not installed: an error, and nothing that is half made ----
my $file = dump_of('postgres');
my $text = slurp_file($file);
$text =~ s/(CREATE EXTENSION IF NOT EXISTS) pg_streambatch/$1 pg_streambatch_not_installed/ or die 'no CREATE EXTENSION';
append_to_file("$directory/missing", $text);
like(restore('missing', "$directory/missing"), qr/ERROR:  .*extension "pg_streambatch_not_installed"/, 'an error of the server');
is($node->safe_psql('missing', "SELECT string_agg(relname, ' ') FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('v', 'f')"),
    '', 'there are neither streams nor views');
is($node->safe_psql('missing', 'SELECT count(*) FROM events_archive'), '600', 'the archive is a table as any other');

$node->stop;
done_testing();

sub send_events
{
    my ($from, $to) = @_;

    $node->safe_psql('postgres', <<"SQL");
INSERT INTO events SELECT i % 5, i * 0.5, '2025-01-01Z'::timestamptz + i * interval '3 min' FROM generate_series($from, $to) i;
SQL
    $node->wait_for('events');
    return;
}

sub contents
{
    my ($database) = @_;

    return $node->safe_psql($database, 'SELECT * FROM sums ORDER BY 1, 2');
}

sub resume
{
    my ($database) = @_;

    $node->safe_psql($database, "SELECT streambatch.resume('events')");
    $node->wait_for('events', undef, $database);
    return;
}

# Returns the file
sub dump_of
{
    my ($database, @options) = @_;

    my $file = $directory . '/' . ++$number;
    IPC::Run::run([ 'pg_dump', '--host', $node->host, '--port', $node->port, @options, '--file', $file, $database ]) or die "pg_dump @options failed";
    return $file;
}

# Into a database, which is made unless it is there; returns the errors. Options: of pg_restore
sub restore
{
    my ($database, $file, @options) = @_;

    my @connection = ('--host', $node->host, '--port', $node->port, '--dbname', $database);
    my $error = '';
    $node->safe_psql('postgres', "CREATE DATABASE $database")
      if $node->safe_psql('postgres', "SELECT count(*) FROM pg_database WHERE datname = '$database'") eq '0';
    my $command = @options ? [ 'pg_restore', @connection, @options, $file ] : [ 'psql', @connection, '--no-psqlrc', '--quiet', '--file', $file ];
    IPC::Run::run($command, '>', \my $out, '2>', \$error);
    return $error;
}
