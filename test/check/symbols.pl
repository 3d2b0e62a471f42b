# The library exports what PostgreSQL looks for in it, and nothing that could take the place of another library's symbol, or be taken for it
use strict;
use warnings;

use FindBin;
use Test::More;

chdir "$FindBin::RealBin/../.." or die "no source tree: $!";

# what earlier versions called stays: their scripts are run again before an update
my $script = join '', map { slurp($_) } glob 'pg_streambatch--*.sql';
my %exported = map { $_ => 1 } qw(Pg_magic_func _PG_init streambatch_launcher_main streambatch_scanner_main streambatch_worker_main);

foreach my $function ($script =~ /'MODULE_PATHNAME', '(\w+)'/g)
{
    $exported{$_} = 1 foreach $function, "pg_finfo_$function";
}
cmp_ok(scalar(keys %exported), '>', 50, 'the script names functions of the library');

my @symbols = map { (split)[-1] } `nm --dynamic --defined-only pg_streambatch.so`;
is($?, 0, 'nm reads the library');
is_deeply([ sort @symbols ], [ sort keys %exported ], 'it exports these functions and no other symbol');

done_testing();

sub slurp
{
    my ($file) = @_;

    open my $handle, '<', $file or die "$file: $!";
    local $/;
    return scalar <$handle>;
}
