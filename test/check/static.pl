# What can be said of the source without running it: the direction of includes, who may know what, format, size
use strict;
use warnings;

use File::Basename qw(basename dirname);
use File::Find;
use FindBin;
use Test::More;

chdir "$FindBin::RealBin/../.." or die "no source tree: $!";

# the rooms of the source, from the ground up: each includes headers of itself and of those below it (docs/design.md)
my @rooms = qw(common kafka message stream window aggregate query worker batch serve);
my %may_include = map { $rooms[$_] => [ @rooms[ 0 .. $_ ] ] } 0 .. $#rooms;

# worker and batch layer meet in the tables alone
$may_include{batch} = [ grep { $_ ne 'worker' } @{ $may_include{batch} } ];

my @sources = files(qr/\.(?:c|h|cpp)$/, 'src');
my @programs = files(qr/\.(?:c|h|cpp)$/, grep { -d } 'test/broker', 'bench');
my @text = (
    grep({ -f } 'Makefile', 'README.md', 'CHANGELOG.md', '.ci/run', glob('*.sql')),
    files(qr/(?:^|\/)(?!.*\.(?:o|so|out|jar)$)[^\/]+$/, grep { -d } 'src', 'sql', 'test', 'docs', 'bench', 'demo'));
@text = grep { -T && !/^bench\/results\// && !/^test\/check\/static\.pl$/ } @text;

clean('includes point from each room to those below it', \@sources, \&upwards);
clean('only kafka/ includes rdkafka', \@sources, forbid(qr/#include.*rdkafka/, qr{^src/kafka/}));
clean('only common/compat.h asks for the version', \@sources, forbid(qr/PG_VERSION_NUM/, qr{^src/common/compat\.h$}));
clean('headers leave postgres.h to those that include them', [ grep { /\.h$/ } @sources ], forbid(qr/#include "postgres\.h"/));
clean('functions for SQL are exported explicitly', \@sources, forbid(qr/\bPG_FUNCTION_INFO_V1\(/, qr{^src/common/export\.h$}));
my @tables = our_tables();
my $tables = join '|', map { quotemeta } @tables;
clean('only common/catalog_*.c name our tables', \@sources, forbid(qr/\b(?:$tables)\b/, qr{^src/common/catalog_(?:stream|topic|view|batch|ddl)\.[ch]$}))
  if @tables;
clean('no source file is longer than 700 lines', [ @sources, @programs ], \&too_long);
clean('nothing is left to do', \@text, forbid(qr/\b(?:TODO|FIXME|XXX)\b/));
clean('lines end where their text ends', \@text, forbid(qr/[ \t]+$/, qr{^expected/|\.md$}));
clean('shell scripts parse', [ grep { first_line($_) =~ /^#!.*\bbash/ } @text ], \&bash_error);
clean('clang-format 14 agrees', [ @sources, @programs ], \&badly_formatted);

done_testing();

# One test: check->(file, text) returns what is wrong in a file.
sub clean
{
    my ($name, $files, $check) = @_;

    my @wrong = map { $check->($_, slurp($_)) } @$files;
    ok(!@wrong, $name) or diag(join "\n", @wrong);
    return;
}

sub forbid
{
    my ($pattern, $except) = @_;

    return sub {
        my ($file, $text) = @_;
        my $n = 0;

        return if $except && $file =~ $except;
        return map { $n++; /$pattern/ ? "$file:$n: $_" : () } split /\n/, $text;
    };
}

sub upwards
{
    my ($file, $text) = @_;
    my ($from) = $file =~ m{^src/(\w+)/} or return;

    my $allowed = $may_include{$from} or return "$file: no such room";
    return map { my $to = $_; grep({ $_ eq $to } @$allowed) || !$may_include{$to} ? () : "$file includes $to/" }
      $text =~ m{^\s*#\s*include\s+"(\w+)/}mg;
}

sub our_tables
{
    return map { slurp($_) =~ /^CREATE (?:UNLOGGED )?TABLE (?:IF NOT EXISTS )?(?:streambatch(?:_state)?\.)(\w+)/mg } glob '*--*.sql';
}

sub too_long
{
    my ($file, $text) = @_;
    my $lines = () = $text =~ /\n/g;

    return $lines > 700 ? "$file: $lines lines" : ();
}

sub bash_error
{
    my ($file) = @_;

    return `bash -n $file 2>&1`;
}

sub badly_formatted
{
    my ($file) = @_;

    my @warnings = grep { /warning|error/ } `clang-format-14 --dry-run --Werror $file 2>&1`;
    return $? ? (@warnings ? @warnings[ 0 .. ($#warnings > 2 ? 2 : $#warnings) ] : "$file: clang-format-14 failed") : ();
}

sub first_line { my ($line) = split /\n/, slurp($_[0]); return $line // ''; }

sub slurp
{
    my ($file) = @_;

    open my $handle, '<', $file or die "$file: $!";
    local $/;
    my $text = <$handle>;
    close $handle;
    return $text // '';
}

sub files
{
    my ($pattern, @directories) = @_;
    my @found;

    return unless @directories;
    find({ no_chdir => 1, wanted => sub { push @found, $_ if -f && /$pattern/; } }, @directories);
    return sort @found;
}
