# ALTER EXTENSION UPDATE: the objects of each earlier version are turned into those of a fresh installation, and what was made with
# them goes on
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use File::Basename;
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
my $current = $node->safe_psql('postgres', "SELECT extversion FROM pg_extension WHERE extname = 'pg_streambatch'");
my $fresh = objects('postgres');
cmp_ok(scalar(split /\n/, $fresh), '>', 500, 'a fresh installation has objects');

my @earlier = grep { $_ ne $current } map { /--([\d.]+)\.sql$/ } map { basename($_) } glob "$FindBin::RealBin/../../pg_streambatch--*.sql";
@earlier = grep { !/--/ } @earlier;
isnt(join(' ', @earlier), '', 'there are earlier versions');
foreach my $version (@earlier)
{
    my $database = "from_$version" =~ tr/./_/r;
    $node->safe_psql('postgres', "CREATE DATABASE $database");
    $node->safe_psql($database, "CREATE EXTENSION pg_streambatch VERSION '$version'");
    $node->create_server($broker, 'kafka', $database);
    $node->safe_psql($database, <<'SQL');
CREATE FOREIGN TABLE events (k int, v numeric, ts timestamptz) SERVER kafka OPTIONS (topic 'events', event_time 'ts');
SELECT streambatch.create_view('sums', $$SELECT k, streambatch.tumble(ts, '1 h') AS h, count(*) AS n, sum(v), stddev(v) FROM events GROUP BY 1, 2$$);
INSERT INTO events SELECT i % 3, i, '2025-01-01Z'::timestamptz + i * interval '1 min' FROM generate_series(1, 300) i;
SQL
    $node->wait_for('events', undef, $database);
    $node->safe_psql($database, "CALL streambatch.refresh('sums', '2025-01-01Z', '2025-01-01 02:00Z')");
    $node->safe_psql($database, 'CREATE VIEW mine AS SELECT stream, state FROM streambatch.stat_stream');
    my $before = $node->safe_psql($database, 'SELECT * FROM sums ORDER BY 1, 2');

    is($node->safe_psql($database, "BEGIN; ALTER EXTENSION pg_streambatch UPDATE; SELECT streambatch.query('sums') IS NULL, state IN ('streaming', 'catching up') FROM streambatch.stat_stream; ROLLBACK; SELECT streambatch.resume('events'), streambatch.wait_for('events')"),
        "f|t\n|t", "$version: an update is rolled back, and the session goes on");
    $node->safe_psql($database, 'ALTER EXTENSION pg_streambatch UPDATE');
    is(objects($database), $fresh, "$version: the same objects as in a fresh installation");
    is($node->safe_psql($database, 'SELECT * FROM sums ORDER BY 1, 2'), $before, "$version: the view is as it was");
    like($node->stream_state('events', $database), qr/^(streaming|catching up)$/, "$version: the stream is still read");
    $node->safe_psql($database, <<'SQL');
INSERT INTO events SELECT i % 3, i, '2025-01-01Z'::timestamptz + i * interval '1 min' FROM generate_series(200, 400) i;
SQL
    $node->wait_for('events', undef, $database);
    $node->safe_psql($database, "CALL streambatch.refresh('sums', '2025-01-01Z', '2025-01-01 04:00Z')");
    is($node->safe_psql($database, 'SELECT * FROM sums ORDER BY 1, 2'),
        $node->safe_psql($database, "SELECT k, streambatch.tumble(ts, '1 h'), count(*), sum(v), stddev(v) FROM events_archive GROUP BY 1, 2 ORDER BY 1, 2"),
        "$version: the view goes on");
    $node->safe_psql($database, 'SET client_min_messages = error; DROP FOREIGN TABLE events CASCADE');
    is($node->safe_psql($database, "SELECT count(*) FROM pg_class WHERE relnamespace = 'streambatch_state'::regnamespace"),
        '0', "$version: DROP leaves nothing");
}
$node->stop;
done_testing();

# Everything about the objects of the extension, one line each
sub objects
{
    my ($database) = @_;

    return $node->safe_psql($database, <<'SQL');
SET search_path = '';
WITH member AS (
    SELECT d.classid, d.objid, o.type, o.identity FROM pg_catalog.pg_depend d
      JOIN pg_catalog.pg_extension e ON e.extname = 'pg_streambatch' AND d.refclassid = 'pg_catalog.pg_extension'::regclass AND d.refobjid = e.oid,
           LATERAL pg_catalog.pg_identify_object(d.classid, d.objid, 0) o
     WHERE d.deptype = 'e'),
relation AS (SELECT c.*, m.identity FROM member m JOIN pg_catalog.pg_class c ON m.classid = 'pg_catalog.pg_class'::regclass AND c.oid = m.objid)
SELECT line FROM (
    SELECT pg_catalog.concat_ws(' | ', type, identity, pg_catalog.obj_description(objid, classid::regclass::name)) AS line FROM member
    UNION ALL
    SELECT pg_catalog.concat_ws(' | ', 'function', m.identity, CASE WHEN p.prokind <> 'a' THEN pg_catalog.pg_get_functiondef(p.oid) END,
           p.provolatile, p.proparallel, p.prosupport::text, (SELECT pg_catalog.array_agg(a::text ORDER BY a::text) FROM pg_catalog.unnest(p.proacl) a), (SELECT pg_catalog.row_to_json(g)::jsonb - 'aggfnoid' FROM pg_catalog.pg_aggregate g WHERE g.aggfnoid = p.oid))
      FROM member m JOIN pg_catalog.pg_proc p ON m.classid = 'pg_catalog.pg_proc'::regclass AND p.oid = m.objid
    UNION ALL
    SELECT pg_catalog.concat_ws(' | ', 'relation', identity, relkind, relpersistence, relreplident, relrowsecurity, reloptions::text,
           (SELECT pg_catalog.array_agg(a::text ORDER BY a::text) FROM pg_catalog.unnest(relacl) a),
           CASE WHEN relkind = 'v' THEN pg_catalog.pg_get_viewdef(oid) END) FROM relation
    UNION ALL
    SELECT pg_catalog.concat_ws(' | ', 'column', r.identity, a.attnum, a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attstorage,
           pg_catalog.pg_get_expr(d.adbin, d.adrelid), pg_catalog.col_description(r.oid, a.attnum), a.attacl::text)
      FROM relation r JOIN pg_catalog.pg_attribute a ON a.attrelid = r.oid AND a.attnum > 0
      LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = r.oid AND d.adnum = a.attnum
    UNION ALL
    SELECT pg_catalog.concat_ws(' | ', 'index', pg_catalog.pg_get_indexdef(i.indexrelid)) FROM relation r JOIN pg_catalog.pg_index i ON i.indrelid = r.oid
    UNION ALL
    SELECT pg_catalog.concat_ws(' | ', 'constraint', r.identity, c.conname, pg_catalog.pg_get_constraintdef(c.oid)) FROM relation r JOIN pg_catalog.pg_constraint c ON c.conrelid = r.oid
    UNION ALL
    SELECT pg_catalog.concat_ws(' | ', 'trigger', pg_catalog.pg_get_triggerdef(t.oid), t.tgenabled, pg_catalog.obj_description(t.oid, 'pg_trigger'))
      FROM relation r JOIN pg_catalog.pg_trigger t ON t.tgrelid = r.oid
    UNION ALL
    SELECT pg_catalog.concat_ws(' | ', 'rule', r.identity, u.rulename) FROM relation r JOIN pg_catalog.pg_rewrite u ON u.ev_class = r.oid
    UNION ALL
    SELECT pg_catalog.concat_ws(' | ', 'type', m.identity, t.typlen, t.typbyval, t.typtype, t.typcategory, t.typinput, t.typoutput, t.typreceive, t.typsend, t.typalign, t.typstorage, t.typacl::text)
      FROM member m JOIN pg_catalog.pg_type t ON m.classid = 'pg_catalog.pg_type'::regclass AND t.oid = m.objid
    UNION ALL
    SELECT pg_catalog.concat_ws(' | ', 'event trigger', e.evtname, e.evtevent, e.evtfoid::regprocedure, e.evtenabled, e.evttags::text) FROM pg_catalog.pg_event_trigger e
    UNION ALL
    SELECT pg_catalog.concat_ws(' | ', 'schema', n.nspname, n.nspacl::text) FROM member m JOIN pg_catalog.pg_namespace n ON m.classid = 'pg_catalog.pg_namespace'::regclass AND n.oid = m.objid
    UNION ALL
    SELECT pg_catalog.concat_ws(' | ', 'wrapper', f.fdwname, f.fdwhandler::regprocedure, f.fdwvalidator::regprocedure, f.fdwacl::text, f.fdwoptions::text)
      FROM pg_catalog.pg_foreign_data_wrapper f
    UNION ALL
    SELECT pg_catalog.concat_ws(' | ', 'dumped', c.relation::regclass, e.extcondition[c.i]) FROM pg_catalog.pg_extension e,
           LATERAL pg_catalog.unnest(e.extconfig) WITH ORDINALITY AS c (relation, i) WHERE e.extname = 'pg_streambatch'
    UNION ALL
    SELECT pg_catalog.concat_ws(' | ', 'extension', extversion, extrelocatable, extnamespace::regnamespace) FROM pg_catalog.pg_extension WHERE extname = 'pg_streambatch') l
 ORDER BY line COLLATE "C"
SQL
}
