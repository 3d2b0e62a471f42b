# Every function of the schema streambatch, as anybody may call it, with what nobody should: no crash, no internal error, no call without an end
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use List::Util qw(shuffle);
use PostgreSQL::Test::Utils;
use StreamBatch::Broker;
use StreamBatch::Node;
use Test::More;
use Time::HiRes qw(time);

my $seed = $ENV{SEED} // int(time);
srand($seed);

# of each function: every value of each argument once, the others at random, and so many calls of random values throughout
my $random = $ENV{CALLS} // 12;
diag("SEED=$seed CALLS=$random");

# sketches are those of these extensions, where they are installed
my @others = qw(hll tdigest);

# Values of each type, as SQL. Those of anyelement are of several; calls whose types do not fit one another end with an error, too.
my @intervals = map { "interval '$_'" } '0', '1 us', '-1 us', '1 s', '1 h', '1 day', '-1 day', '1 mon', '1 year', '1 mon 1 day 1 us', '2 h', '7 days',
  '178956970 years 7 mons 2147483647 days 2562047788:00:54.775807', '-178956970 years -8 mons -2147483648 days -2562047788:00:54.775808',
  '178956970 years', '2147483647 days', '-2147483648 days', '2562047788:00:54.775807', '-2562047788:00:54.775808', '106751991 days', '1000000 h';
my @texts = map { "text $_" } qw('' 'UTC' 'Europe/Berlin' '+02' 'AAA-170' '<x>0' 'Mars/Olympus' '""' '.' '..' 'a.b.c.d' '%s%n%d' '{}' 'batch' 'stream'),
  q('x''"\\'), q(E'\\x01\\n\\t'), q('h.fresh'), q('h."odd name ""'''), q(repeat('x', 63)), q(repeat('a.', 2000)), q(repeat('x', 1000000)), q('ä€😀'),
  q('pg_catalog.pg_class'), q('../../etc/passwd'), q('/etc/localtime');
my @queries = map { "text \$q\$$_\$q\$" } 'SELECT count(*) FROM h.mine', 'SELECT count(*) FROM h.others', 'SELECT 1', ';', 'DROP TABLE h.plain',
  'SELECT count(*) FROM h.mine; DROP TABLE h.plain', 'SELECT count(*) FROM h.plain', 'SELECT count(*) FROM h.my_view', 'SELECT count(*) FROM nowhere',
  'SELECT k, streambatch.tumble(ts, streambatch.tumble(ts, NULL) - ts) FROM h.mine GROUP BY 1, 2', 'SELECT FROM h.mine GROUP BY ()', 'SELECT * FROM h.mine',
  'SELECT n, streambatch.hop(ts, \'1 us\', \'10 years\'), count(*) FROM h.mine GROUP BY 1, 2',
  'SELECT streambatch.last(k ORDER BY ts), stddev(n), streambatch._only(n), streambatch._sum(n) FROM h.mine',
  'SELECT streambatch._mark_row(NULL, 1, 2), count(*) FROM h.mine GROUP BY 1', 'SELECT streambatch._partial(0, 1, 2) FROM h.mine',
  'SELECT count(*), streambatch.wait_for(\'h.mine\') FROM h.mine', 'INSERT INTO h.plain VALUES (1)', 'COPY h.plain TO STDOUT', 'VALUES (1)',
  'SELECT $1 FROM h.mine', 'WITH RECURSIVE r AS (SELECT 1 UNION ALL SELECT 1 FROM r) SELECT count(*) FROM r, h.mine';
push @queries, q{repeat('(', 100000)}, q('SELECT ' || repeat('n+', 20000) || 'n FROM h.mine GROUP BY 1'),
  q('SELECT ' || repeat('n,', 1700) || 'count(*) FROM h.mine GROUP BY 1');
my @bytes = (
    (map { "bytea '\\x$_'" } '', '00', 'ff', '7b7d', '5b', '227b', 'ff' x 100, '00' x 100, '5b' x 1000, unpack('H*', '{"k": "1", "n": 2, "ts": "infinity"}')),
    (map { 'bytea \'\\x' . join('', map { sprintf '%02x', int rand 256 } 1 .. $_) . '\'' } 1, 4, 8, 9, 16, 17, 33, 200),
    q(convert_to(repeat('[', 1000000), 'UTF8')), q(convert_to('{"n": ' || repeat('9', 100000) || '}', 'UTF8')),
    # states of first() that are right, of other types, cut, and with a byte changed
    (map { "(SELECT state FROM h.ranked WHERE id = $_)" } 1 .. 4),
    (map { "(SELECT substr(state, 1, $_) FROM h.ranked WHERE id = 2)" } 1, 7, 8, 15, 16, 17, 20, 24, 25),
    (map { "(SELECT set_byte(state, $_, " . int(rand 256) . ') FROM h.ranked WHERE id = ' . (1 + int rand 4) . ')' } 0 .. 27));
my @elements = (
    qw(1 NULL::int 9223372036854775807 2::smallint), 'NULL::text', "text 'x'", q(repeat('x', 100000)), "'x'::\"char\"", "'x'::name", '1.5::numeric', "numeric 'NaN'",
    "float8 'NaN'", "float8 'infinity'", '1e300::float8', 'true', "date 'infinity'", "date '5874897-12-31'", "timestamptz '-infinity'", "timestamp '2025-02-14'",
    "interval '1 h'", "bytea '\\x00'", "json '{}'", "jsonb '[1]'", "'{1,NULL,3}'::int[]", "'{{1,2},{3,4}}'::int[]", "'[-5:-4]={a,b}'::text[]", "'{}'::numeric[]",
    "ARRAY[ROW(1, 'a')]", "ROW(1, 'a')", 'ROW()', 'NULL::h.plain', 'ROW(1)::h.plain', 'NULL::h.mine', "ROW('1', 2, 'infinity')::h.mine", 'NULL::h.others',
    'NULL::h.my_view', 'NULL::pg_class', "int4range '[1,2)'", "'{[1,2)}'::int4multirange", "point '(1,2)'", "inet '::1'", "'h.plain'::regclass", '5::h.positive',
    'NULL::h.positive', "'a'::h.letter", 'NULL::tid', "(SELECT s2 FROM streambatch_state.batch_1 LIMIT 1)", 'NULL::streambatch._state', 'NULL::void', 'NULL',
    '1::bigint', 'NULL::float8', "timestamptz '2025-02-14'", "date '2025-02-14'");
my %values = (
    boolean => [qw(true false)],
    integer => [qw(0 1 -1 2147483647 -2147483648)],
    bigint => [qw(0 1 -1 9223372036854775807 (-9223372036854775808))],
    'double precision' => [ qw(0 0.5 -1 1e308 5e-324), map { "float8 '$_'" } qw(NaN infinity -infinity 1) ],
    'double precision[]' => [ map { "'$_'::float8[]" } '{}', '{0.5}', '{NULL}', '{{0,1},{0.5,NULL}}', '{NaN,2,-1}', '[-5:-4]={0,1}' ],
    'bigint[]' => [ map { "'$_'::bigint[]" } '{}', '{0}', '{NULL,1}', '{{0,1},{1,NULL}}', '[-5:-4]={0,1}', '{9223372036854775807}' ],
    'timestamp with time zone[]' => [ map { "'$_'::timestamptz[]" } '{}', '{2025-02-14}', '{2025-02-15}', '{NULL}', '{{-infinity},{infinity}}', '[5:6]={-infinity,infinity}', '{epoch,2025-02-14}' ],
    'text[]' => [ map { "'$_'::text[]" } '{}', '{a}', '{a=b}', '{{a,b},{c=d,e=f}}', '{NULL}', '[5:6]={topic=x,=}', '{bootstrap.servers=localhost:1}' ],
    text => \@texts,
    bytea => \@bytes,
    interval => \@intervals,
    'timestamp with time zone' => [
        map { "timestamptz '$_'" } qw(infinity -infinity epoch 2025-02-14 1800-01-01), '4714-11-24 00:00:00+00 BC', '294276-12-31 23:59:59.999999+00',
        '2025-03-30 01:59:59.999999+00', '0001-01-01 00:00:00+00' ],
    'timestamp without time zone' =>
      [ map { "timestamp '$_'" } qw(infinity -infinity epoch 2025-02-14), '4714-11-24 00:00:00 BC', '294276-12-31 23:59:59.999999', '2025-03-30 02:30:00' ],
    date => [ map { "date '$_'" } qw(infinity -infinity epoch 2025-02-14 5874897-12-31), '4714-11-24 BC', '0001-01-01' ],
    'name[]' => [ map { "'$_'::name[]" } '{}', '{NULL}', '{x}', '{kafka}', '{h,h}', '{{a,b},{c,d}}' ],
    oid => [qw(0 4294967295 1417 1418 3118 1249)],
    tid => [ map { "tid '$_'" } '(0,0)', '(0,1)', '(0,65535)', '(4294967295,65535)', '(4294967295,0)' ],
    cstring => [ map { "'$_'" } '', '\x00', 'x' ],
    regclass => [
        0, 4294967295, 1, map { "'$_'::regclass" } qw(h.mine h.my_view h.my_view_layers h.idle h.others h.their_view h.plain h.plain_view h.plain_seq h.plain_index
          h.partitioned h.materialized h.composite h.foreign_table pg_class pg_stat_activity streambatch._view streambatch.stat_stream
          streambatch_state.batch_1 streambatch_state.query_1 h.mine_archive), "(SELECT reltoastrelid FROM pg_class WHERE oid = 'h.plain'::regclass)" ],
    regprocedure => [
        0, 4294967295, 1, map { "'$_'::regprocedure" } split / /,
        'count() sum(int) sum(bigint) max(text) stddev(numeric) stddev(int) abs(int) row_number() array_agg(anynonarray) ' .
        'json_agg(anyelement) generate_series(int,int) percentile_cont(float8,float8) streambatch.first(anyelement) ' .
        'streambatch._only(anyelement) streambatch.refresh(regclass,timestamptz,timestamptz,bool,bool,bool) h.odd(int)' ],
    'streambatch._origin' => [ map { "'$_'::streambatch._origin" } 'infinity', '-infinity', '2000-01-01 00:00+05', '4714-11-24 00:00:00+00 BC', '294276-12-31 23:59:59.999999+00' ],
    'streambatch._state' => ["(SELECT s2 FROM streambatch_state.batch_1 LIMIT 1)"],
    # no value of these can be written down
    map { $_ => ["'x'"] } qw(internal event_trigger));
$values{$_} = \@elements foreach qw(anyelement anycompatible "any");

# what has failed once is tried always
my @found = (
    "SELECT streambatch.hop(timestamptz '294276-12-31 23:59:59.999999+00', interval '1 us', interval '1 h') LIMIT 1",
    "SELECT streambatch.hop(timestamptz '4714-11-24 00:00:00+00 BC', interval '1 us', interval '1000000 h') LIMIT 1",
    "SELECT streambatch.cumulate(timestamp '4714-11-24 00:00:00 BC', interval '1 us', interval '2 h', timestamp '294276-12-31 23:59:59.999999') LIMIT 1",
    "SELECT streambatch._rank_value((SELECT state FROM h.ranked WHERE id = 2), NULL, jsonb '[1]')",
    "SELECT streambatch._last_value(convert_to(repeat('[', 1000), 'UTF8'), '{[1,2)}'::int4multirange)");
my @found_of_digests = (
    "SELECT streambatch._percentile('flags 1 count 2 compression 10 centroids 2 (1, 1) (2, 1)'::tdigest, -1, 1::float8)",
    "SELECT streambatch._rank_value((SELECT state FROM h.ranked WHERE id = 2), NULL, NULL::tdigest)");

my $broker = StreamBatch::Broker->embedded;
$broker->create_topic('events', 1);
my $node = StreamBatch::Node->new('main');
$node->init;
# one crash hides no other
$node->append_conf('postgresql.conf', "restart_after_crash = on\nautovacuum = off\n");
$node->start;
$node->create_server($broker);
set_up();

my @calls = shuffle(map { calls_of(split /\|/) } split /\n/, $node->safe_psql('postgres', <<'SQL'));
SELECT proname, prokind, provariadic <> 0, (SELECT string_agg(format_type(t, NULL), ',' ORDER BY i) FROM unnest(proargtypes) WITH ORDINALITY a(t, i))
  FROM pg_proc WHERE pronamespace = 'streambatch'::regnamespace ORDER BY oid
SQL
push @calls, @found, grep({ $node->safe_psql('postgres', q(SELECT to_regtype('tdigest') IS NOT NULL)) eq 't' } @found_of_digests);
my ($began, %seen) = time;
my @results = try_calls(@calls);

is(scalar(@results), scalar(@calls), 'every call has been tried');
is(join("\n", map { $_->[1] =~ /^(?:XX|crash)/ ? "$_->[1]: $_->[0]" : () } @results), '', 'none ends with a crash or an internal error');
is(join("\n", map { $_->[1] =~ /^(?:57|hang)/ ? "$_->[1]: $_->[0]" : () } @results), '', 'each ends by itself');
$seen{ $_->[1] }++ foreach @results;
note(sprintf '%d calls in %.1f s: %s', scalar @calls, time - $began, join ', ', map { "$_ $seen{$_}" } sort keys %seen);
cmp_ok($seen{'00000'} // 0, '>', @calls / 20, 'some are no errors at all');

# what they have left behind: nothing
is($node->safe_psql('postgres', <<'SQL'), 'h.my_view|h.mine', 'no view but the one that was there is theirs');
SELECT view, stream FROM streambatch._view WHERE pg_get_userbyid((SELECT relowner FROM pg_class WHERE oid = view)) = 'h_caller'
SQL
is($node->safe_psql('postgres', 'SELECT count(*) FROM h.their_view'), '1', 'another one is read as before');
$broker->produce('events', 0, [ undef, '{"k": "9", "n": 9, "ts": "2025-02-14 00:10:00+00"}' ]);
$node->wait_for('h.others');
is($node->safe_psql('postgres', 'SELECT c FROM h.their_view'), '4', 'and goes on');
# but for the kills of those that would not end
my @alarms = grep { /PANIC|TRAP|was terminated by signal (?!9\b)/ } split /\n/, slurp_file($node->logfile);
is(join("\n", @alarms), '', 'the log tells of no crash');

$node->stop;
done_testing();

sub set_up
{
    foreach my $extension (@others)
    {
        my $available = $node->safe_psql('postgres', "SELECT count(*) FROM pg_available_extensions WHERE name = '$extension'");
        note("$extension is not installed") unless $available;
        $node->safe_psql('postgres', "CREATE EXTENSION $extension") if $available;
        push @elements, sketches($extension) if $available;
    }
    $node->safe_psql('postgres', <<'SQL');
CREATE ROLE h_caller LOGIN;
CREATE SCHEMA h;
GRANT USAGE ON SCHEMA h TO h_caller;
-- also those that nobody needs to call (130_permissions.pl): they bear as much
GRANT EXECUTE ON ALL ROUTINES IN SCHEMA streambatch TO h_caller;
GRANT USAGE ON FOREIGN SERVER kafka TO h_caller;
CREATE FOREIGN TABLE h.others (k text, n int, ts timestamptz) SERVER kafka OPTIONS (topic 'events', event_time 'ts');
-- of the caller's own, so that not everything ends with a lack of privileges
GRANT CREATE ON SCHEMA h TO h_caller;
SET SESSION AUTHORIZATION h_caller;
CREATE FOREIGN TABLE h.mine (k text, n int, ts timestamptz) SERVER kafka OPTIONS (topic 'events', event_time 'ts');
CREATE FOREIGN TABLE h.idle (k text, n int, ts timestamptz) SERVER kafka OPTIONS (topic 'idle');
SELECT streambatch.create_view('h.my_view', 'SELECT n, streambatch.tumble(ts, ''1 h'') AS w, count(*) AS c, stddev(n) AS s FROM h.mine GROUP BY 1, 2');
CREATE TABLE h.plain (id int PRIMARY KEY, t text);
CREATE INDEX plain_index ON h.plain (t);
CREATE SEQUENCE h.plain_seq;
CREATE VIEW h.plain_view AS SELECT id, count(*) FROM h.plain GROUP BY 1;
CREATE TABLE h.partitioned (id int) PARTITION BY RANGE (id);
CREATE MATERIALIZED VIEW h.materialized AS SELECT 1 AS one;
CREATE TYPE h.composite AS (a int);
CREATE TYPE h.letter AS ENUM ('a');
CREATE DOMAIN h.positive AS int CHECK (VALUE > 0);
CREATE FUNCTION h.raises(int, int) RETURNS int LANGUAGE plpgsql AS $$ BEGIN RAISE 'no'; END $$;
CREATE AGGREGATE h.odd(int) (SFUNC = h.raises, STYPE = int, INITCOND = '0', COMBINEFUNC = h.raises);
CREATE TABLE h.ranked AS
SELECT 1 AS id, streambatch._first_state(5, 1::bigint, 0::bigint, 0::bigint) AS state UNION ALL
SELECT 2, streambatch._first_state('some text'::text, timestamptz '2025-02-14', 0::bigint, 1::bigint) UNION ALL
SELECT 3, streambatch._last_state(ROW(1, 'a'::text)::h.plain, date '2025-02-14', 0::bigint, 1::bigint) UNION ALL
SELECT 4, streambatch._last_state('{1,2}'::int[], 1::smallint, 0::bigint, 1::bigint);
RESET SESSION AUTHORIZATION;
CREATE FOREIGN DATA WRAPPER nothing;
CREATE SERVER nowhere FOREIGN DATA WRAPPER nothing;
CREATE FOREIGN TABLE h.foreign_table (id int) SERVER nowhere;
SELECT streambatch.create_view('h.their_view', 'SELECT count(*) AS c FROM h.others');
SQL
    $broker->produce('events', 0, map { [ undef, qq({"k": "$_", "n": $_, "ts": "2025-02-14 00:10:00+00"}) ] } 1 .. 3);
    $node->wait_for($_) foreach qw(h.mine h.others);
    $node->safe_psql('postgres', q(CALL streambatch.refresh('h.my_view', "full" => true)));
    return;
}

# what the extension's own input function takes, right and forged
sub sketches
{
    my ($extension) = @_;
    my @forged = $extension eq 'hll'
      ? map { "\\\\x$_" } qw(118b7f 128b7f 138b4008 148b7f), '128b7f' . '00' x 8, '138b40' . 'ff' x 40, '148b7f' . 'ff' x 1280, '14ff7f', '13817f' . 'ff' x 10, ''
      : ('flags 1 count 2 compression 10 centroids 2 (1, 1) (2, 1)', 'flags 1 count 9223372036854775807 compression 10 centroids 1 (1, 9223372036854775807)',
        'flags 1 count 0 compression 10 centroids 0', 'flags 0 count 1 compression 10000 centroids 1 (1e308, 1)', 'flags 1 count 2 compression 10 centroids 1 (1, 1)');
    my @taken = grep { ($node->psql('postgres', "SELECT '$_'::$extension"))[0] == 0 } map { s/\\\\/\\/r } @forged;

    return ("NULL::$extension", map { "'$_'::$extension" } @taken);
}

sub calls_of
{
    my ($name, $kind, $variadic, $types) = @_;
    my @types = split /,/, $types // '';
    my @pools = map { [ 'NULL', @{ $values{$_} // die "no values of type $_, for $name" } ] } @types;

    $pools[1] = [ 'NULL', @queries, @{ $values{text} } ] if $name eq 'create_view';
    # an interval of an hour or two is one that is waited for
    $pools[1] = [ grep { !/\d h'|day|mon|year|:/ || /-/ } @{ $pools[1] } ] if $name eq 'wait_for';
    my @rows = map { my $i = $_; map { my $value = $_; [ map { $_ == $i ? $value : any($pools[$_]) } 0 .. $#pools ] } @{ $pools[$i] } } 0 .. $#pools;
    push @rows, [] unless @rows;
    push @rows, map { [ map { any($_) } @pools ] } 1 .. $random if @pools;
    # what is NULL twice over, and any number of arguments
    push @rows, [ map { 'NULL' } @pools ];
    if ($variadic eq 't')
    {
        $#$_ = $#pools - 1 foreach @rows;
        push @$_, map { any(\@elements) } 1 .. 1 + int rand 3 foreach @rows;
        push @rows, [ @{ $rows[0] }[ 0 .. $#pools - 1 ], map { 1 } 1 .. 120 ];
    }
    return map { call($name, $kind, @$_) } @rows;
}

sub any { my ($values) = @_; return $values->[ rand @$values ]; }

sub call
{
    my ($name, $kind, @arguments) = @_;
    my $list = join ', ', @arguments;

    return "CALL streambatch.$name($list)" if $kind eq 'p';
    return "SELECT streambatch.$name($list) LIMIT 10" if $kind ne 'a';
    my $modes = [
        "SELECT streambatch.$name($list) FROM generate_series(1, 3)",
        "SELECT streambatch.$name($list) FROM generate_series(1, 3) WHERE false",
        "SELECT streambatch.$name($list) OVER (ORDER BY i) FROM generate_series(1, 3) i",
        "SELECT i % 2, streambatch.$name($list) FILTER (WHERE i > 2) FROM generate_series(1, 5) i GROUP BY 1",
        "SELECT streambatch.$name($list ORDER BY i DESC) FROM generate_series(1, 3) i" ];
    return any($modes);
}

# [call, SQLSTATE] of each; of one that takes the server along 'crash', of one that nothing but a kill ends 'hang', and the next one goes on
sub try_calls
{
    my (@todo) = @_;
    my (@done, $failures);

    while (@todo)
    {
        my @batch = @todo[ 0 .. ($#todo < 499 ? $#todo : 499) ];
        my ($out, $err, $timed_out) = ('', '');
        my $script = "SET client_min_messages = error;\nSET statement_timeout = '5 s';\n\\o /dev/null\n";

        foreach (@batch)
        {
            $script .= /^CALL/ ? "$_;\n\\echo result :SQLSTATE\n" : "BEGIN;\n$_;\n\\echo result :SQLSTATE\nROLLBACK;\n";
        }
        $node->psql('postgres', "$script\\echo end\n", extra_params => [ '-U', 'h_caller' ],
            stdout => \$out, stderr => \$err, on_error_stop => 0, on_error_die => 0, timeout => 30, timed_out => \$timed_out);
        push @done, map { [ shift @todo, $_ ] } $out =~ /^result (\S+)$/mg;
        next if $out =~ /^end$/m;
        push @done, [ shift @todo, $timed_out ? 'hang' : 'crash' ];
        last if ++$failures > 10;
        kill_backend() if $timed_out;
        $node->poll_query_until('postgres', 'SELECT true') or last;
    }
    return @done;
}

sub kill_backend
{
    kill 'KILL', split /\n/, $node->safe_psql('postgres', "SELECT pid FROM pg_stat_activity WHERE usename = 'h_caller' AND state = 'active' AND backend_type = 'client backend'");
    return;
}
