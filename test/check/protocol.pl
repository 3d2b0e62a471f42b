# The model of the protocol of cuts and epochs: right with all its rules, and wrong without any one of them
use strict;
use warnings;

use FindBin;
use Test::More;

my $model = "$FindBin::RealBin/protocol.py";

like(run(), qr/\Arebuild: \d+ states, every one right\noutside: \d+ states, every one right\Z/, 'every interleaving is right');
my @rules = split /\n/, run('--rules');
cmp_ok(scalar @rules, '>', 7, 'there are rules');
like(run($_), qr/^WRONG: /m, "not without the rule $_") foreach @rules;
done_testing();

sub run
{
    open my $pipe, '-|', 'python3', $model, @_ or die "$model: $!";
    my $printed = do { local $/; <$pipe> };
    close $pipe;
    return $printed =~ s/\n\z//r;
}
