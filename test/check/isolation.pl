# pg_isolation_regress over test/specs/ in a server of its own
use strict;
use warnings;

use PostgreSQL::Test::Utils;
use StreamBatch::Node;
use StreamBatch::Regress;
use Test::More;

my $node = StreamBatch::Node->new('isolation');
$node->init;
$node->start;
StreamBatch::Regress::run($node, $ENV{PG_ISOLATION_REGRESS}, 'test', 'specs/*.spec');
$node->stop;
done_testing();
