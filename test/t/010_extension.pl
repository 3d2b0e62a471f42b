# The extension as a package: it installs, explains itself, can be dropped, and needs no preloading to be created
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use List::Util qw(uniq);
use PostgreSQL::Test::Utils;
use StreamBatch::Broker;
use StreamBatch::Node;
use StreamBatch::Paths;
use Test::More;

my $node = StreamBatch::Node->new('main');
$node->init;
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION pg_streambatch');

is( $node->safe_psql('postgres', <<'SQL'), '', 'every object of the extension has a comment');
SELECT pg_describe_object(classid, objid, objsubid)
FROM pg_depend
WHERE refclassid = 'pg_extension'::regclass AND deptype = 'e'
      AND refobjid = (SELECT oid FROM pg_extension WHERE extname = 'pg_streambatch')
      AND obj_description(objid, classid::regclass::name) IS NULL
      AND NOT (classid = 'pg_class'::regclass AND objid IN (SELECT oid FROM pg_class WHERE relkind = 'S'))
      AND NOT (classid = 'pg_type'::regclass AND objid IN (SELECT oid FROM pg_type WHERE typrelid <> 0 OR typelem <> 0))
ORDER BY 1
SQL

# what users read of the extension, a view each
my @columns = map { [ split /\|/ ] } split /\n/, $node->safe_psql('postgres', <<'SQL');
SELECT c.relname, a.attname, coalesce(col_description(c.oid, attnum), '') <> ''
  FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND attnum > 0
 WHERE c.relnamespace = 'streambatch'::regnamespace AND c.relkind = 'v' AND c.relname NOT LIKE '\_%' ORDER BY relname, attnum
SQL
is(join(' ', uniq(map { $_->[0] } @columns)),
    'dead_letter gap refresh_history stat_drift stat_partition stat_progress_refresh stat_stream stat_view states_view', 'statistics');
is_deeply([ map { "$_->[0].$_->[1]" } grep { $_->[2] ne 't' } @columns ], [], 'every column of theirs has a comment');
is_deeply([ map { "$_->[0].$_->[1]" } grep { !documented($_->[0])->{ $_->[1] } } @columns ], [], 'and is in the reference');

$node->safe_psql('postgres', 'DROP EXTENSION pg_streambatch');
is($node->safe_psql('postgres', "SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'streambatch%'"),
    '0', 'DROP EXTENSION leaves nothing behind');

# The library with the objects of the first version. Then these are updated, with those of the views that there are.
my $broker = StreamBatch::Broker->embedded;
$broker->create_topic('events', 1);
$node->safe_psql('postgres', q(CREATE EXTENSION pg_streambatch VERSION '0.1.0'));
$node->create_server($broker);
$node->safe_psql('postgres', q(CREATE FOREIGN TABLE "all events" (k text, n int, ts timestamptz) SERVER kafka OPTIONS (topic 'events', event_time 'ts')));
make_views('');
$broker->produce('events', 0, [ undef, '{"k": "a", "n": 1, "ts": "2025-02-14T12:00:00Z"}' ]);
$node->wait_for('"all events"');
is($node->safe_psql('postgres', 'TABLE sums'), 'a|1', 'with the objects of version 0.1.0 the library makes views and fills them');
$node->safe_psql('postgres', <<'SQL');
-- as the library of that version left them
DELETE FROM pg_description WHERE objoid IN (SELECT oid FROM pg_class WHERE relnamespace IN ('public'::regnamespace, 'streambatch_state'::regnamespace));
COMMENT ON VIEW windows IS 'mine';
ALTER EXTENSION pg_streambatch UPDATE;
COMMENT ON VIEW windows IS NULL;
SQL
make_views(2);
$node->safe_psql('postgres', 'COMMENT ON VIEW windows2 IS NULL');
is($node->safe_psql('postgres', "SELECT view, query FROM streambatch.stat_view WHERE view::text LIKE 'sums%' ORDER BY 1"),
    <<'SQL' =~ s/\n$//r, 'the query of a view: as far as it is known, and as written');
sums|SELECT k,
    sum(n) AS s
   FROM public."all events"
  GROUP BY k
sums2|SELECT k, sum(n) AS s FROM "all events" GROUP BY k
SQL
is(comments('2'), comments(''), 'comments are the same on views of before and after the update, except where there were some');
like(comments(''), qr/^stream 0 internal.*^windows 0 -\n.*^windows_layers 0 the groups/ms, 'and there are comments');
$node->stop;

my $plain = StreamBatch::Node->new('plain');
$plain->init(preload => '');
$plain->start;
$plain->safe_psql('postgres', 'CREATE EXTENSION pg_streambatch');
is($plain->safe_psql('postgres', "SELECT count(*) FROM pg_extension WHERE extname = 'pg_streambatch'"),
    '1', 'without preloading it can be created too');
$plain->stop;

done_testing();

# The columns that the reference has in its table of a view
sub documented
{
    my ($view) = @_;
    my $reference = slurp_file(StreamBatch::Paths::test_directory() . '/../docs/reference.md');
    my ($section) = $reference =~ /^### `\Q$view\E`(.*?)^##/ms or die "docs/reference.md says nothing of $view";

    return { map { $_ => 1 } map { /`(\w+)`/g } $section =~ /^\| (`[^|]+) \|/mg };
}

sub make_views
{
    my ($suffix) = @_;

    return $node->safe_psql('postgres', <<"SQL");
SELECT streambatch.create_view('sums$suffix', ' SELECT k, sum(n) AS s FROM "all events" GROUP BY k; ');
SELECT streambatch.create_view('windows$suffix', \$\$SELECT k, streambatch.tumble(ts, '1 h') AS w, sum(n) AS s, max(n) FROM "all events" GROUP BY 1, 2\$\$);
SQL
}

# All comments on two views, what is beside them and behind them
sub comments
{
    my ($suffix) = @_;

    return $node->safe_psql('postgres', <<"SQL");
WITH v AS (SELECT view, replace(view::text, '$suffix', '') AS name, substring(stream_table::text, '\\d+\$') AS id FROM streambatch.stat_view
            WHERE view::text ~ '^[a-z]+$suffix\$')
SELECT concat_ws(' ', o.name, n, coalesce(CASE WHEN n = 0 THEN obj_description(c.oid, 'pg_class') ELSE col_description(c.oid, n) END, '-'))
  FROM v, LATERAL (VALUES (view::text, name), (view || '_layers', name || '_layers')) o(relation, name), pg_class c, generate_series(0, c.relnatts) n
 WHERE c.oid = o.relation::regclass
UNION ALL
SELECT concat_ws(' ', substring(relname, '^[a-z]+'), 0, obj_description(c.oid, 'pg_class'))
  FROM v JOIN pg_class c ON c.relnamespace = 'streambatch_state'::regnamespace AND relkind IN ('r', 'v') AND substring(relname, '\\d+\$') = id
 ORDER BY 1
SQL
}
