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
clean('functions that do not return say so as in PostgreSQL 18', \@sources, forbid(qr/pg_attribute_noreturn/, qr{^src/common/compat\.h$}));
clean('headers leave postgres.h to those that include them', [ grep { /\.h$/ } @sources ], forbid(qr/#include "postgres\.h"/));
clean('functions for SQL are exported explicitly', \@sources, forbid(qr/\bPG_FUNCTION_INFO_V1\(/, qr{^src/common/export\.h$}));
my @tables = our_tables();
my $tables = join '|', map { quotemeta } @tables;
clean('only common/catalog_*.c name our tables', \@sources, forbid(qr/\b(?:$tables)\b/, qr{^src/common/catalog_\w+\.[ch]$}))
  if @tables;
clean('include guards are named after the file', [ grep { /\.h(?:pp)?$/ } @sources ], \&bad_guard);
clean('head comments begin with the name of the file', \@sources, \&bad_head);
clean('files that comments and documents name exist', [ @text, 'CONTRIBUTING.md' ], \&missing_file);
clean('prototypes are in the order of the functions, and exported functions come first', [ grep { /\.c$/ } @sources ], \&bad_order);
clean('no function is longer than 60 lines', [ grep { /\.c$/ } @sources ], \&long_functions);
clean('no source file is longer than 700 lines', [ @sources, @programs ], \&too_long);
clean('nothing is left to do', \@text, forbid(qr/\b(?:TODO|FIXME|XXX)\b/));
clean('lines end where their text ends', \@text, forbid(qr/[ \t]+$/, qr{^expected/|\.md$}));
clean('shell scripts parse', [ grep { first_line($_) =~ /^#!.*\bbash/ } @text ], \&bash_error);
foreach my $version (140000, 149999, 150000, 189999, 190000)
{
    my $range = '#error "pg_streambatch can be built for PostgreSQL 15 to 18"';
    my $said = `\${CC:-gcc} -fsyntax-only -x c -DPG_VERSION_NUM=$version src/common/compat.h 2>&1`;

    is($said =~ /\Q$range\E/ ? 'refused' : 'taken', $version >= 150000 && $version < 190000 ? 'taken' : 'refused', "PG_VERSION_NUM $version");
}
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

sub bad_guard
{
    my ($file, $text) = @_;
    my $guard = 'STREAMBATCH_' . uc(basename($file) =~ s/\./_/r);

    return $text =~ /^#ifndef $guard\n#define $guard\n/m ? () : "$file: no include guard $guard";
}

sub bad_head
{
    my ($file, $text) = @_;

    return $text =~ /^\/\*\n \* \Q${\basename($file)}\E\n \*\t\t\S/ ? () : "$file: no head comment";
}

# Paths below src, and in the source also "room/file.c" and the names of .c files
sub missing_file
{
    my ($file, $text) = @_;
    my $room = join '|', @rooms;
    $text =~ s/^#include.*//mg if $file =~ m{^src/};
    my @named = $text =~ m{\bsrc/([a-z]+/\w+\.(?:c|h|cpp|hpp))\b}g;

    push @named, $text =~ m{\b((?:$room)/\w+\.(?:c|h|cpp|hpp))\b}g if $file =~ m{^(?:src|docs)/};
    push @named, map { "*/$_" } grep { !/^(?:nodeAgg|numeric)\.c$/ } $text =~ m{(?<![\w/])(\w{2,}\.c)\b}g if $file =~ m{^src/};
    return map { (grep { -f } glob "src/$_ src/" . s{^\*/}{}r) ? () : "$file: there is no $_" } @named;
}

# The functions that a C file defines, in order: [name, static, lines]; inline ones, which are defined where they are needed, left out
sub functions
{
    my ($text) = @_;
    my @found;

    while ($text =~ /^((?:static |extern )?[\w *]+)\n(\w+)\((?:[^;{}]*)\)\n\{\n(.*?)^\}$/msg)
    {
        my ($type, $name, $body) = ($1, $2, $3);
        push @found, [ $name, scalar($type =~ /^static /), scalar($body =~ tr/\n//) ] unless $type =~ /\binline\b/;
    }
    return @found;
}

sub bad_order
{
    my ($file, $text) = @_;

    return if $file =~ m{^src/worker/(?:fold|group_order)\.c$};
    my @functions = functions($text);
    my %defined = map { $_->[0] => 1 } @functions;
    my @static = map { $_->[0] } grep { $_->[1] } @functions;
    my @declared = grep { $defined{$_} } $text =~ /^(?:pg_noreturn )?static [^;{}()=]*?\b(\w+)\([^;{}]*?\)[^;{}]*;/mg;
    my ($first) = grep { $functions[$_][1] } 0 .. $#functions;
    my @late = map { $_->[0] } grep { defined $first && !$_->[1] } @functions[ ($first // 0) .. $#functions ];

    return (
        "@declared" eq "@static" ? () : "$file: prototypes @declared, functions @static",
        @late ? "$file: @late after a static function" : ());
}

sub long_functions
{
    my ($file, $text) = @_;

    return map { $_->[2] > 60 ? "$file: $_->[0] has $_->[2] lines" : () } functions($text);
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
