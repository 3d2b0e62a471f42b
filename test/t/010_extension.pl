# The extension as a package: it installs, explains itself, can be dropped, and needs no preloading to be created
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use PostgreSQL::Test::Utils;
use StreamBatch::Node;
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

$node->safe_psql('postgres', 'DROP EXTENSION pg_streambatch');
is($node->safe_psql('postgres', "SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'streambatch%'"),
    '0', 'DROP EXTENSION leaves nothing behind');
$node->stop;

my $plain = StreamBatch::Node->new('plain');
$plain->init(preload => '');
$plain->start;
$plain->safe_psql('postgres', 'CREATE EXTENSION pg_streambatch');
is($plain->safe_psql('postgres', "SELECT count(*) FROM pg_extension WHERE extname = 'pg_streambatch'"),
    '1', 'without preloading it can be created too');
$plain->stop;

done_testing();
