# One version of the extension and one range of PostgreSQL, wherever they are written down; META.json is what PGXN's specification 1.0.0 asks for
use strict;
use warnings;

use FindBin;
use JSON::PP;
use Test::More;

chdir "$FindBin::RealBin/../.." or die "no source tree: $!";

my ($version) = slurp('pg_streambatch.control') =~ /^default_version = '(.*)'$/m;
my ($first, $last) = slurp('src/common/compat.h') =~ /^#error ".* PostgreSQL (\d+) to (\d+)"$/m;
my $meta = decode_json(slurp('META.json'));
my $provided = $meta->{provides}{pg_streambatch};

like($version, qr/^\d+\.\d+\.\d+$/, 'pg_streambatch.control: a version');
cmp_ok($last // 0, '>', $first // 0, 'src/common/compat.h: a range of PostgreSQL');

is($meta->{version}, $version, 'META.json: the version');
is($provided->{version}, $version, 'META.json: the version of the extension');
is($provided->{file}, "pg_streambatch--$version.sql", 'META.json: its script');
ok(-f $provided->{file}, 'which exists');
ok(-f $provided->{docfile}, 'and its document');
is($meta->{prereqs}{$_}{requires}{PostgreSQL}, ">= $first.0.0, < " . ($last + 1) . '.0.0', "META.json: PostgreSQL, $_") foreach qw(build test runtime);
is_deeply([ grep { !defined $meta->{$_} } qw(name version abstract maintainer license provides meta-spec) ], [], 'META.json: every required field');
is($meta->{'meta-spec'}{version}, '1.0.0', 'META.json: the version of the specification');

is((slurp('CHANGELOG.md') =~ /^## (.*)$/m)[0], $version, 'CHANGELOG.md: the version');
is((slurp('README.md') =~ /^This is version (\d+\.\d+\.\d+)\b/m)[0], $version, 'README.md: the version');
like(slurp('README.md'), qr/PostgreSQL $first to $last/, 'README.md: the range');
is((slurp('debian/changelog') =~ /^pg-streambatch \((.*)\)/)[0], "$version-1", 'debian/changelog: the version');
is(join(' ', split /\n/, slurp('debian/pgversions')), join(' ', $first .. $last), 'debian/pgversions: the range');
done_testing();

sub slurp
{
    my ($file) = @_;

    open my $handle, '<', $file or die "$file: $!";
    local $/;
    return scalar <$handle>;
}
