# Dumps of hybrid views, in every form that pg_dump has, restored into another database of the same server: the views come back with
# their queries, states, coverage and positions, the streams paused; after resume() each event is counted once; DROP leaves nothing
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
$broker->create_topic('other', 1);
my $node = StreamBatch::Node->new('main');
$node->init;
$node->start;
$node->create_server($broker);
my $directory = PostgreSQL::Test::Utils::tempdir;

# ---- what is dumped: names with spaces, other owners, views on views, shared folds, states of every kind, dead letters, a coverage ----
$node->safe_psql('postgres', <<'SQL');
SET client_min_messages = warning;
CREATE EXTENSION hll;
CREATE EXTENSION tdigest;
CREATE ROLE d_stream;
CREATE ROLE "d View";
CREATE ROLE d_reader LOGIN;
CREATE SCHEMA "my App";
CREATE SCHEMA elsewhere;
GRANT USAGE, CREATE ON SCHEMA "my App" TO d_stream, "d View";
GRANT USAGE ON SCHEMA "my App" TO d_reader;
GRANT USAGE ON FOREIGN SERVER kafka TO d_stream;
CREATE TABLE "my App".users (id int PRIMARY KEY, "the Country" text);
INSERT INTO "my App".users SELECT i, 'c' || i % 3 FROM generate_series(0, 9) i;
GRANT SELECT ON "my App".users TO "d View";

CREATE AGGREGATE "my App".own_sum(numeric) (SFUNC = numeric_avg_accum, STYPE = internal, COMBINEFUNC = numeric_avg_combine, SERIALFUNC = numeric_avg_serialize, DESERIALFUNC = numeric_avg_deserialize, FINALFUNC = numeric_sum, PARALLEL = SAFE);

SET SESSION AUTHORIZATION d_stream;
SET search_path = "my App";
CREATE FOREIGN TABLE "the Events" (k int, "a Value" numeric, x float8, ts timestamptz) SERVER kafka OPTIONS (topic 'events', event_time 'ts');
SELECT streambatch.resume('"the Events"');
GRANT SELECT ON "the Events", "the Events_archive" TO "d View";

SET SESSION AUTHORIZATION "d View";
SELECT streambatch.create_view('"by Hour"', $$ SELECT k, streambatch.tumble(ts, '1 h') AS h, count(*) AS n, sum("a Value"), avg("a Value"), own_sum("a Value") AS own,
    stddev("a Value") AS spread, corr("a Value", k) AS c, streambatch.last("a Value" ORDER BY ts) AS l FROM "the Events" GROUP BY 1, 2 $$);
SELECT streambatch.create_view('hops', $$ SELECT k, streambatch.hop(ts, '1 h', '3 h') AS h, count(*) AS n FROM "the Events" GROUP BY 1, 2 $$);
SELECT streambatch.create_view('hops2', $$ SELECT k, streambatch.tumble(ts, '1 h') AS h, count(*) AS n FROM "the Events" GROUP BY 1, 2 HAVING count(*) > 1 $$);
SELECT streambatch.create_view('visits', $$ SELECT k, streambatch.session(ts, '20 min') AS s, count(*) AS n FROM "the Events" GROUP BY 1, 2 $$);
SELECT streambatch.create_view('distincts', $$ SELECT k % 2 AS odd, count(DISTINCT "a Value") AS d, percentile_disc(0.5) WITHIN GROUP (ORDER BY x * 1e-9) AS p FROM "the Events" GROUP BY 1 $$);
SELECT streambatch.create_view('countries', $$ SELECT u."the Country", count(*) AS n FROM "the Events" e JOIN users u ON u.id = e.k GROUP BY 1 $$);
SELECT streambatch.create_view('sets', $$ SELECT k, streambatch.hop(ts, '1 h', '3 h') AS h, k % 2 AS odd, grouping(k, k % 2) AS rolled, count(*) AS n, avg("a Value") FROM "the Events"
    GROUP BY DISTINCT k, ROLLUP (2, k % 2), CUBE (k, 2) HAVING count(*) > 1 $$);
SELECT streambatch.create_view('failing', $$ SELECT sum(1 / (k - 3)) AS s FROM "the Events" $$);
CREATE VIEW above AS SELECT h, sum(n) AS n FROM "by Hour" GROUP BY h;
CREATE VIEW "above that" AS SELECT max(n) AS n FROM above;
GRANT SELECT ON "by Hour", above TO d_reader;
COMMENT ON VIEW hops IS 'mine';

RESET SESSION AUTHORIZATION;
CREATE TYPE "my App".color AS ENUM ('red', 'green', 'blue');
GRANT USAGE ON TYPE "my App".color TO "d View";
CREATE FOREIGN TABLE elsewhere.s (k int, ts timestamptz) SERVER kafka OPTIONS (topic 'other', event_time 'ts', archive 'none');
SELECT streambatch.create_view('elsewhere.v', 'SELECT k, count(*) AS n FROM elsewhere.s GROUP BY k');
SQL
# states that have OIDs of types in them
if (query('postgres', "SELECT current_setting('server_version_num')::int >= 160000") eq 't')
{
    query('postgres', <<'SQL');
SET SESSION AUTHORIZATION "d View";
SET search_path = "my App";
SELECT streambatch.create_view('lists', $$ SELECT k % 2 AS odd, cardinality(array_agg((ARRAY['red', 'green', 'blue']::color[])[k % 3 + 1])) AS n,
    array_length(array_agg(ARRAY[(ARRAY['red', 'green', 'blue']::color[])[k % 3 + 1]]), 1) AS m FROM "the Events" GROUP BY 1 $$);
SQL
}
my @views = map { qq{"my App".$_} } '"by Hour"', qw(hops hops2 visits distincts countries sets failing above), '"above that"';
push @views, '"my App".lists' if query('postgres', q{SELECT to_regclass('"my App".lists') IS NOT NULL}) eq 't';
my $sent = 0;
send_events('postgres', 300);
$node->safe_psql('postgres', q{CALL streambatch.refresh('"my App"."by Hour"', '2025-01-01Z', '2025-01-01 12:00Z')});
$node->safe_psql('postgres', q{CALL streambatch.refresh('"my App".distincts')});
send_events('postgres', 100);
$node->safe_psql('postgres', "INSERT INTO elsewhere.s SELECT i % 4, '2025-01-01Z' FROM generate_series(1, 20) i");
$node->wait_for('elsewhere.s');
my $before = contents('postgres', @views);
my $other = contents('postgres', 'elsewhere.v');
my $catalog = catalog('postgres', '"my App"."the Events"');
like($before, qr/c1/, 'the views have rows');
is(query('postgres', 'SELECT count(*) > 0 FROM streambatch.dead_letter'), 't', 'and dead letters');

# ---- each form of a dump ----
my %form = (
    plain => [ [qw(--format=plain)] ],
    custom => [ [qw(--format=custom)], [] ],
    directory => [ [ qw(--format=directory --jobs=2) ], [qw(--jobs=2)] ],
    inserts => [ [qw(--format=plain --column-inserts --rows-per-insert=3)] ],
    sections => [ [qw(--format=custom)], [qw(--section=pre-data)], [qw(--section=data)], [qw(--section=post-data)] ]);
foreach my $form (sort keys %form)
{
    restore($form, @{ $form{$form} });
    my $copy = "copy_$form";
    is(contents($copy, @views), $before, "$form: every view has what it had");
    is(contents($copy, 'elsewhere.v'), $other, "$form: that of another schema, too");
    is(catalog($copy, '"my App"."the Events"'), $catalog, "$form: positions, coverage, owners, dead letters, states");
    is(query($copy, 'SELECT string_agg(DISTINCT state, $$ $$) FROM streambatch.stat_stream'), 'paused', "$form: the streams are paused");
    is(query($copy, 'SELECT count(*) FROM streambatch._stream WHERE names IS NOT NULL'), '0', "$form: nothing is left to do");
}

# ---- the original goes on, the copies do not; then each copy reads what it has missed ----
send_events('postgres', 200);
my $after = contents('postgres', @views);
isnt($after, $before, 'the original has more');
foreach my $form (sort keys %form)
{
    my $copy = "copy_$form";
    is(contents($copy, @views), $before, "$form: the copy has read nothing");
    query($copy, q{SELECT streambatch.resume('"my App"."the Events"'), streambatch.resume('elsewhere.s')});
    $node->wait_for('"my App"."the Events"', undef, $copy);
    $node->wait_for('elsewhere.s', undef, $copy);
    is(contents($copy, @views), $after, "$form: after resume() it has what the original has");
    query($copy, qq{CALL streambatch.refresh('$_', full => true)}) foreach grep { !/above|failing/ } @views;
    is(contents($copy, grep { !/distincts/ } @views), contents('postgres', grep { !/distincts/ } @views), "$form: and after a refresh");
    check_drop($copy);
}

# ---- one schema: with the states and the rows of the extension; what is of another schema is left out ----
my $other_id = query('postgres', "SELECT id FROM streambatch._view WHERE view = 'elsewhere.v'::regclass");
my $error = restore('schema', [ qw(--format=plain --extension=pg_streambatch --extension=hll --extension=tdigest --schema=streambatch_state), '--schema="my App"', "--exclude-table=streambatch_state.*_$other_id" ]);
is(contents('copy_schema', @views), $after, 'one schema: every view has what it had');
like($error, qr/WARNING:  stream elsewhere\.s is not restored/, 'one schema: the stream of another one is named');
like($error, qr/WARNING:  hybrid view elsewhere\.v is not restored/, 'one schema: its view is named');
is(query('copy_schema', 'SELECT count(*) FROM streambatch.stat_view'), scalar(grep { !/above/ } @views), 'one schema: its views');
send_events('postgres', 50);
query('copy_schema', q{SELECT streambatch.resume('"my App"."the Events"')});
$node->wait_for('"my App"."the Events"', undef, 'copy_schema');
is(contents('copy_schema', @views), contents('postgres', @views), 'one schema: it goes on');
check_drop('copy_schema');

done_testing();

sub query
{
    my ($database, $sql) = @_;

    return $node->safe_psql($database, $sql);
}

# Events whose values do not depend on anything but their number; every tenth makes the view "failing" fail
sub send_events
{
    my ($database, $n) = @_;

    my $first = $sent + 1;
    $sent += $n;
    query($database, <<"SQL");
SET session_replication_role = origin;
INSERT INTO "my App"."the Events" SELECT i % 10, i * 1.5, i % 7, '2025-01-01 00:00Z'::timestamptz + i * interval '7 min' FROM generate_series($first, $sent) i;
SQL
    $node->wait_for('"my App"."the Events"', undef, $database);
    return;
}

sub contents
{
    my ($database, @relations) = @_;

    return join "\n", map { "$_:\n" . query($database, "SELECT t::text FROM $_ t ORDER BY 1") } @relations;
}

sub catalog
{
    my ($database, $stream) = @_;

    return query($database, <<"SQL");
SELECT kafka_partition, next_offset, max_event_time, last_offset, last_hash FROM streambatch._progress WHERE stream = '$stream'::regclass ORDER BY 1;
SELECT view, stream, owner, state, coverage, epoch, last_cut, dead_letters FROM streambatch.stat_view ORDER BY view::text COLLATE "C";
-- not the watermark, which moves on when partitions become idle
SELECT archive, received, folded, dead FROM streambatch.stat_stream ORDER BY stream::text COLLATE "C";
SELECT stream, view, kafka_partition, kafka_offset, sqlstate, message FROM streambatch.dead_letter ORDER BY 3, 4;
SELECT view, kind, state, rows FROM streambatch.refresh_history ORDER BY id;
SELECT c.oid::regclass, c.relowner::regrole, c.relacl FROM pg_class c
 WHERE c.relnamespace IN ('streambatch_state'::regnamespace, '"my App"'::regnamespace) ORDER BY c.relname COLLATE "C";
SQL
}

# Dump and restore; the rest are the options of the dump and of each pg_restore, none: psql
sub restore
{
    my ($name, $dump, @restores) = @_;

    my $file = "$directory/$name";
    my @connection = ('--host', $node->host, '--port', $node->port);
    my ($out, $error) = ('', '');
    IPC::Run::run([ 'pg_dump', @connection, @$dump, '--file', $file, 'postgres' ], '>', \$out, '2>', \$error)
      or BAIL_OUT("pg_dump @$dump: $error");
    $node->safe_psql('postgres', "CREATE DATABASE copy_$name");
    # one schema comes without its servers
    $node->create_server($broker, 'kafka', "copy_$name") if $name eq 'schema';
    my @commands = $dump->[0] eq '--format=plain'
      ? [ 'psql', @connection, '--no-psqlrc', '--quiet', '-v', 'ON_ERROR_STOP=1', '--file', $file, "copy_$name" ]
      : map { [ 'pg_restore', @connection, '--exit-on-error', @$_, '--dbname', "copy_$name", $file ] } @restores;
    my $errors = '';
    foreach my $command (@commands)
    {
        ok(IPC::Run::run($command, '>', \$out, '2>', \$error), "$name: restored by $command->[0]") or diag($error);
        $errors .= $error;
    }
    return $errors;
}

# A copy is as easy to get rid of as any other
sub check_drop
{
    my ($database) = @_;

    query($database, q{DROP VIEW "my App".hops});
    is(query($database, q{SELECT count(*) FROM pg_class WHERE relname = 'hops_layers'}), '0', "$database: DROP VIEW takes _layers with it");
    query($database, q{SET client_min_messages = error; DROP FOREIGN TABLE "my App"."the Events" CASCADE});
    query($database, q{SET client_min_messages = error; DROP FOREIGN TABLE IF EXISTS elsewhere.s CASCADE});
    is(query($database, <<'SQL'), '', "$database: nothing is left");
SELECT relname FROM pg_class WHERE relnamespace = 'streambatch_state'::regnamespace
UNION ALL SELECT 'view ' || view FROM streambatch._view
UNION ALL SELECT 'stream ' || stream FROM streambatch._stream
UNION ALL SELECT 'progress of ' || stream FROM streambatch._progress
UNION ALL SELECT 'coverage of ' || view_id FROM streambatch._coverage
UNION ALL SELECT 'run ' || id FROM streambatch._run
UNION ALL SELECT 'dead letter of ' || stream FROM streambatch._dead_letter
UNION ALL SELECT relname FROM pg_class WHERE relnamespace = '"my App"'::regnamespace AND relkind = 'v'
SQL
    return;
}
