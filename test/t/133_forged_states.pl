# The owner of a hybrid view writes its state tables: sketches and states changed at random, and states of type _state. The
# server survives, reading says what is wrong, the stream and the views of others go on, and a refresh repairs the view
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use PostgreSQL::Test::Utils;
use StreamBatch::Broker;
use StreamBatch::Node;
use Test::More;

my $seed = $ENV{SEED} // int(time);
my $tries = $ENV{CALLS} // 1500;
diag("SEED=$seed CALLS=$tries");
srand($seed);

my $broker = StreamBatch::Broker->embedded;
$broker->create_topic('events', 1);
my $node = StreamBatch::Node->new('main');
$node->init;
$node->append_conf('postgresql.conf', "restart_after_crash = on\nautovacuum = off\n");
$node->start;
$node->create_server($broker);
foreach my $extension (qw(hll tdigest))
{
    plan skip_all => "$extension is not installed"
      if $node->safe_psql('postgres', "SELECT count(*) FROM pg_available_extensions WHERE name = '$extension'") eq '0';
    $node->safe_psql('postgres', "CREATE EXTENSION $extension");
}

my $query = 'SELECT k, count(DISTINCT n) AS d, percentile_disc(0.5) WITHIN GROUP (ORDER BY n) AS p, streambatch.last(t ORDER BY ts) AS l, '
  . 'stddev(n::numeric) AS s, variance(n) AS v, sum(n) AS total FROM f.events GROUP BY k';
$node->safe_psql('postgres', <<"SQL");
CREATE ROLE f_owner LOGIN;
CREATE SCHEMA f;
GRANT USAGE, CREATE ON SCHEMA f TO f_owner;
CREATE FOREIGN TABLE f.events (k int, n int, t text, ts timestamptz) SERVER kafka OPTIONS (topic 'events', event_time 'ts');
SELECT streambatch.create_view('f.other', 'SELECT k, count(*) AS c FROM f.events GROUP BY k');
GRANT SELECT ON f.events, f.events_archive TO f_owner;
-- what anybody has for hll, and a binary COPY does for tdigest
CREATE CAST (hll AS bytea) WITHOUT FUNCTION;
CREATE CAST (bytea AS tdigest) WITHOUT FUNCTION;
CREATE CAST (tdigest AS bytea) WITHOUT FUNCTION;
SET SESSION AUTHORIZATION f_owner;
SELECT streambatch.create_view('f.own', '$query');
SQL
my $events = 0;
send_events(1 .. 800);
my $id = $node->safe_psql('postgres', "SELECT id FROM streambatch._view WHERE view = 'f.own'::regclass");
# the first bytea is the t-digest, or in all groups but one the list of values, the second one the state of last()
my %column = map { split /\|/ } split /\n/, $node->safe_psql('postgres', <<"SQL");
SELECT CASE WHEN atttypid = 'bytea'::regtype AND number = 1 THEN 'tdigest' ELSE format_type(atttypid, NULL) END, max(attname)
  FROM (SELECT *, row_number() OVER (PARTITION BY atttypid ORDER BY attnum) AS number FROM pg_attribute
         WHERE attrelid = 'streambatch_state.stream_$id'::regclass AND attname ~ '^s[0-9]') a
 GROUP BY 1
SQL
my @kinds = qw(hll tdigest bytea);
is(join(' ', grep { !$column{$_} } @kinds, 'streambatch._state'), '', 'the view has states of every kind');

# ---- read after each change, which is then undone ----
$node->safe_psql('postgres', <<"SQL");
CREATE FUNCTION f.changed(bytes bytea, header int) RETURNS bytea LANGUAGE plpgsql AS \$\$
DECLARE
    n int := length(bytes);
BEGIN
    CASE floor(random() * 6)::int
        WHEN 0 THEN RETURN substr(bytes, 1, floor(random() * n)::int);
        WHEN 1 THEN RETURN bytes || f.noise(1 + floor(random() * 40)::int);
        WHEN 2 THEN RETURN set_byte(bytes, floor(random() * least(n, header))::int, floor(random() * 256)::int);
        WHEN 3 THEN RETURN substr(bytes, 1, header) || f.noise(n - header);
        WHEN 4 THEN RETURN f.noise(floor(random() * 200)::int);
        ELSE
            FOR i IN 1 .. 1 + floor(random() * 8) LOOP
                bytes := set_byte(bytes, floor(random() * n)::int, (ARRAY[0, 1, 127, 128, 255, floor(random() * 256)::int])[1 + floor(random() * 6)::int]);
            END LOOP;
            RETURN bytes;
    END CASE;
END \$\$;
CREATE FUNCTION f.noise(n int) RETURNS bytea LANGUAGE sql VOLATILE AS \$\$
SELECT coalesce(string_agg(set_byte('\\x00', 0, floor(random() * 256)::int), ''), '') FROM generate_series(1, n) \$\$;
-- change the state of one group in the layer, as its owner may
CREATE FUNCTION f.change(layer text, k int, col text, kind text) RETURNS void LANGUAGE plpgsql AS \$\$
BEGIN
    EXECUTE format('CREATE TEMP TABLE IF NOT EXISTS moved (LIKE streambatch_state.%s_$id)', layer);
    EXECUTE format('WITH gone AS (DELETE FROM streambatch_state.%s_$id WHERE k1 = %s RETURNING *) INSERT INTO moved SELECT * FROM gone', layer, k);
    EXECUTE format('UPDATE moved SET %1\$I = f.changed(%1\$I::bytea, %2\$s)::%3\$s', col, CASE kind WHEN 'hll' THEN 3 WHEN 'tdigest' THEN 20 ELSE 28 END, CASE kind WHEN 'hll' THEN 'hll' ELSE 'bytea' END);
    EXECUTE format('INSERT INTO streambatch_state.%s_$id SELECT * FROM moved', layer);
    DROP TABLE moved;
END \$\$;
CREATE FUNCTION f.read_changed(seed float8, tries int, layer text) RETURNS TABLE (kind text, outcome text, count bigint) LANGUAGE plpgsql AS \$\$
#variable_conflict use_column
DECLARE
    kinds text[] := '{hll,tdigest,bytea}'; columns text[] := '{$column{hll},$column{tdigest},$column{bytea}}'; i int; counts jsonb := '{}'; result text;
BEGIN
    PERFORM setseed(seed);
    FOR try IN 1 .. tries LOOP
        i := 1 + try % 3;
        BEGIN
            PERFORM f.change(layer, try % 4, columns[i], kinds[i]);
            PERFORM count(o.d) + count(o.p) + count(o.l) FROM f.own o;
            PERFORM count(o.d) + count(o.stream_d) + count(o.batch_d) + count(o.p) + count(o.stream_p) + count(o.batch_p) + count(o.l) FROM f.own_layers o;
            RAISE SQLSTATE 'UNDO0';
        EXCEPTION WHEN OTHERS THEN
            result := kinds[i] || ' ' || CASE SQLSTATE WHEN 'UNDO0' THEN 'a value' ELSE SQLSTATE END;
        END;
        counts := counts || jsonb_build_object(result, coalesce((counts ->> result)::int, 0) + 1);
    END LOOP;
    RETURN QUERY SELECT split_part(key, ' ', 1), substr(key, strpos(key, ' ') + 1), value::bigint FROM jsonb_each_text(counts);
END \$\$;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA f TO f_owner;
SQL

foreach my $layer (qw(stream batch))
{
    as_owner("CALL streambatch.refresh('f.own', \"full\" => true)") if $layer eq 'batch';
    # so that states of both layers are united
    send_events(801 .. 840) if $layer eq 'batch';
    my $random = rand;
    my @outcomes = split /\n/, as_owner("SELECT * FROM f.read_changed($random, $tries, '$layer') ORDER BY 1, 2");
    note(join '; ', @outcomes);
    # bytes of a text may be none of the encoding (22021)
    is(join("\n", grep { !/^\w+\|(?:a value|22P03)\|/ && !/^bytea\|22021\|/ } @outcomes),
        '', "$layer layer: a changed state is a value, or an error that says so");
    is(scalar(grep { /\|22P03\|/ } @outcomes), 3, "$layer layer: of each kind some are refused");
}
# in the order that last() documents for events of one time; what is a dead letter of the view is left out by its refresh
my $plain = $query =~ s/f\.events/(SELECT * FROM f.events_archive WHERE (kafka_partition, kafka_offset) NOT IN (SELECT kafka_partition, kafka_offset FROM streambatch.dead_letter WHERE view = 'f.own'::regclass)) e/r =~ s/ORDER BY ts/ORDER BY ts, kafka_partition, kafka_offset/r;
is(contents('f.other'), contents('(SELECT k, count(*) AS c FROM f.events_archive GROUP BY k)'), 'the view of somebody else is right');
unlike(slurp_file($node->logfile), qr/PANIC|TRAP|terminated by signal/, 'no process has crashed');

# ---- left as it is: the worker unites it with what comes ----
foreach my $round (1 .. 8)
{
    my $kind = $kinds[ $round % 3 ];

    as_owner('SELECT setseed(' . rand() . "), f.change('stream', k, '$column{$kind}', '$kind') FROM generate_series(0, 3) k");
    send_events(1000 + 40 * $round .. 1039 + 40 * $round);
    is(contents('f.other'), contents('(SELECT k, count(*) AS c FROM f.events_archive GROUP BY k)'),
        "round $round: the stream goes on with a changed $kind in a view, and the view of somebody else is right");
    is($node->stream_state('f.events'), 'streaming', "round $round: its state is streaming");
    as_owner("CALL streambatch.refresh('f.own', \"full\" => true)");
    is(contents('f.own'), contents("($plain)"), "round $round: a refresh repairs the view");
}
# what has crashed servers: more hashes than there is room for, a mean that is no number, and what a loop does not end with;
# the second as bytes, which no version of the extension checks
foreach my $case (
    [ 'hll', q(('\\x128c7f'::bytea || (SELECT string_agg(int8send(i), '' ORDER BY i) FROM generate_series(1, 16383) i))::hll) ],
    [ 'tdigest', q(('\\x01000000' || '0200000000000000' || 'c8000000' || '02000000' ||
        '000000000000f03f' || '0100000000000000' || '000000000000f87f' || '0100000000000000')::bytea) ],
    [ 'tdigest', q('flags 1 count 9223372036854775807 compression 200 centroids 1 (1, 9223372036854775807)'::tdigest::bytea) ])
{
    my ($kind, $value) = @$case;

    send_events(2000 .. 2039);
    as_owner(<<"SQL");
CREATE TEMP TABLE moved (LIKE streambatch_state.stream_$id);
WITH gone AS (DELETE FROM streambatch_state.stream_$id RETURNING *) INSERT INTO moved SELECT * FROM gone;
UPDATE moved SET $column{$kind} = $value;
INSERT INTO streambatch_state.stream_$id SELECT * FROM moved;
SQL
    send_events(2040 .. 2079);
    is(contents('f.other'), contents('(SELECT k, count(*) AS c FROM f.events_archive GROUP BY k)'), "the stream goes on with a forged $kind");
    my (undef, undef, $error) = $node->psql('postgres', "SET statement_timeout = '30 s'; SELECT * FROM f.own", extra_params => [ '-U', 'f_owner' ]);
    like($error, qr/ERROR:  (?:invalid sketch of type $kind|a t-digest cannot hold)/, "reading a forged $kind says what it is");
    as_owner("CALL streambatch.refresh('f.own', \"full\" => true)");
    is(contents('f.own'), contents("($plain)"), 'a refresh repairs the view');
}
is($node->safe_psql('postgres', "SELECT count(*) FROM streambatch.dead_letter WHERE view IS DISTINCT FROM 'f.own'::regclass"), '0', 'no message has been lost to others');
unlike(slurp_file($node->logfile), qr/PANIC|TRAP|terminated by signal/, 'no process has crashed');

# ---- nobody makes a _state but the aggregate that it is of ----
my $sealed = "streambatch_state.batch_$id";
my @sealed = split /\n/, $node->safe_psql('postgres',
    "SELECT attname FROM pg_attribute WHERE attrelid = '$sealed'::regclass AND atttypid = 'streambatch._state'::regtype ORDER BY attnum");
cmp_ok(scalar(@sealed), '>=', 2, 'two states of type _state');
my $bytes = unpack 'H*', join '', map { chr int rand 256 } 1 .. 40;
foreach my $forgery (
    "SELECT '\\x$bytes'::streambatch._state",
    "SELECT ('\\x$bytes'::bytea)::streambatch._state",
    "SELECT ('\\x$bytes'::text)::streambatch._state",
    "SELECT ($sealed[0]::text)::streambatch._state FROM $sealed",
    "INSERT INTO $sealed ($sealed[0]) VALUES ('\\x$bytes')",
    "INSERT INTO $sealed ($sealed[0]) SELECT '\\x$bytes'::bytea",
    "SELECT jsonb_populate_record(NULL::$sealed, '{\"$sealed[0]\": \"\\\\x$bytes\"}')",
    "SELECT '(,,,,,,,\\\\x$bytes)'::$sealed",
    "SELECT ARRAY['\\x$bytes']::streambatch._state[]",
    "SELECT '{\\\\x$bytes}'::streambatch._state[]",
    "SELECT streambatch._last_value(set_byte(streambatch._last_state('\\x$bytes'::bytea, 1, 1, 1), 0, 0), NULL::streambatch._state)",
    "DO 'DECLARE s streambatch._state := ''\\x$bytes''::bytea; BEGIN END'",
    "CREATE FUNCTION f.forge(bytea) RETURNS streambatch._state LANGUAGE sql AS 'SELECT \$1'",
    "CREATE CAST (bytea AS streambatch._state) WITHOUT FUNCTION",
    "CREATE DOMAIN f.sealed AS streambatch._state; SELECT '\\x$bytes'::f.sealed",
    "CREATE TEMP TABLE t AS SELECT '\\x$bytes'::bytea AS s; ALTER TABLE t ALTER s TYPE streambatch._state",
    "CREATE TEMP TABLE t AS SELECT '\\x$bytes'::bytea AS s; ALTER TABLE t ALTER s TYPE streambatch._state USING s::text::streambatch._state")
{
    my ($status, undef, $error) = $node->psql('postgres', $forgery, extra_params => [ '-U', 'f_owner' ]);
    my $shown = $forgery =~ s/$bytes/…/gr;

    isnt($status, 0, "refused: $shown") and like($error, qr/ERROR:  (?!XX)/, "with an error: $shown");
}
my $file = PostgreSQL::Test::Utils::tempdir . '/binary';
open my $out, '>', $file or die;
binmode $out;
# a row of a binary COPY with one column
print $out "PGCOPY\n\377\r\n\0", pack('NN n N', 0, 0, 1, 40), pack('H*', $bytes), pack('n', 0xffff);
close $out;
my (undef, undef, $error) = $node->psql('postgres', "CREATE TEMP TABLE t (s streambatch._state);\n\\copy t FROM '$file' BINARY", extra_params => [ '-U', 'f_owner' ]);
like($error, qr/no binary input function available for type streambatch\._state/, 'refused: a binary COPY');
# one of another aggregate is taken for none of this one, in another column, and of another group it is a state
as_owner("CREATE TEMP TABLE moved (LIKE $sealed); WITH gone AS (DELETE FROM $sealed RETURNING *) INSERT INTO moved SELECT * FROM gone; "
      . "UPDATE moved SET $sealed[0] = $sealed[1]; INSERT INTO $sealed SELECT * FROM moved");
(undef, undef, $error) = $node->psql('postgres', '\set VERBOSITY sqlstate' . "\nSELECT * FROM f.own", extra_params => [ '-U', 'f_owner' ]);
like($error, qr/ERROR:  42804/, 'a state of another aggregate is refused');
unlike(slurp_file($node->logfile), qr/PANIC|TRAP|terminated by signal/, 'no process has crashed');

$node->stop;
done_testing();

sub send_events
{
    my (@n) = @_;

    # group 0 has five of eight: too many for a list of values
    $broker->produce('events', 0, map { [ undef, sprintf '{"k": %d, "n": %d, "t": "text %d", "ts": "2025-02-14 00:00:%02d+00"}', $_ % 8 < 4 ? 0 : $_ % 4, $_, $_, $_ % 60 ] } @n);
    $node->wait_for('f.events');
    return;
}

sub contents
{
    my ($of) = @_;

    return $node->safe_psql('postgres', "SELECT string_agg(o::text, ' ' ORDER BY k) FROM $of o");
}

sub as_owner { return $node->safe_psql('postgres', $_[0], extra_params => [ '-U', 'f_owner' ]); }
