# pg_regress over sql/ in a server of its own
use strict;
use warnings;

use PostgreSQL::Test::Utils;
use StreamBatch::Node;
use StreamBatch::Regress;
use Test::More;

my $node = StreamBatch::Node->new('regress');
$node->init;
# plans are shown: they must not depend on whether tables have been analyzed meanwhile
$node->append_conf('postgresql.conf', 'autovacuum = off');
$node->start;
StreamBatch::Regress::run($node, $ENV{PG_REGRESS}, '.', 'sql/*.sql');
$node->stop;
done_testing();
