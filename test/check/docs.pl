# The examples of a document are those that a regression test runs: each ```sql block stands in sql/NAME.sql as it is, in this order, and where
# another block follows it at once, its lines are what psql printed next in expected/NAME.out, to a row's end. The drawings are
# those that docs/draw writes. Links between documents lead to files and headings that exist.
use strict;
use warnings;

use File::Basename qw(basename);
use File::Temp qw(tempdir);
use FindBin;
use Test::More;

chdir "$FindBin::RealBin/../.." or die "no source tree: $!";

my %test_of = ('docs/nexmark.md' => 'nexmark', 'docs/use-cases.md' => 'use_cases');

foreach my $document (sort keys %test_of)
{
    my $script = lines("sql/$test_of{$document}.sql");
    my $printed = lines("expected/$test_of{$document}.out");
    my @examples = examples(lines($document));
    my ($read, $seen) = (0, 0);

    ok(@examples > 0, "$document: there are examples");
    foreach my $example (@examples)
    {
        my ($sql, $output, $name) = @$example{qw(sql output name)};
        my $at = index $script, "\n$sql", $read;

        ok($at >= 0, "$document: $name is in sql/$test_of{$document}.sql") or next;
        $read = $at + length $sql;
        next unless defined $output;

        # empty lines of the script are not echoed
        (my $echoed = $sql) =~ s/\n\n+/\n/g;
        $at = index $printed, "\n$echoed$output", $seen;
        ok($at >= 0, "$document: $name prints this") or diag("after\n$echoed", "this is not in expected/$test_of{$document}.out:\n$output");
        $seen = $at + length "$echoed$output" if $at >= 0;
    }
}

drawings_are_drawn();
foreach my $document (glob('*.md docs/*.md bench/*.md examples/*/*.md'))
{
    my @broken = broken_links($document);
    ok(!@broken, "$document: links lead somewhere") or diag(join "\n", @broken);
}

# docs/design.md names every file of the source, and in its walks functions that are in the files beside them
my $design = slurp('docs/design.md');

foreach my $file (map { s{^src/}{}r } glob 'src/module.c src/*/*.c src/*/*.cpp')
{
    my $name = $file =~ s{.*/}{}r;

    ok($design =~ /`\Q$name\E`/, "docs/design.md names $name");
}
foreach my $step ($design =~ /^(\| .* \| `\w+.* \| `[\w\/.]+`.*\|)$/mg)
{
    my (undef, undef, $functions, $files) = split /\s*\|\s*/, $step;
    my $text = join '', map { slurp("src/$_") } $files =~ /`([\w\/]+\.[ch])`/g;

    ok($text =~ /\b$_\(/, "docs/design.md: $_ is in $files") foreach $functions =~ /`(\w+)`/g;
}

done_testing();

# docs/draw writes the files of docs/images, and no other
sub drawings_are_drawn
{
    my $directory = tempdir(CLEANUP => 1);

    is(system($^X, 'docs/draw', $directory), 0, 'docs/draw runs');
    my %drawn = map { basename($_) => lines($_) } glob "$directory/*";
    my %kept = map { basename($_) => lines($_) } glob 'docs/images/*';
    is_deeply(\%kept, \%drawn, 'docs/images holds what docs/draw writes');
    return;
}

# The relative links of a document to files, or to headings in documents, that do not exist
sub broken_links
{
    my ($document) = @_;
    my ($directory) = $document =~ m{^(.*/)};
    my @broken;

    foreach my $link (slurp($document) =~ /\]\(((?!\w+:)[^)\s]+)\)/g)
    {
        my ($path, $anchor) = $link =~ /^([^#]*)(?:#(.*))?$/;
        my $file = $path eq '' ? $document : ($directory // '') . $path;

        if (!-e $file)
        {
            push @broken, "$link: no file";
        }
        elsif (defined $anchor)
        {
            # as GitHub makes an anchor of a heading
            my @headings = map { (lc =~ s/[^\w\s-]//gr) =~ s/ /-/gr } slurp($file) =~ /^#+ +(.*?) *$/mg;
            push @broken, "$link: no heading" unless grep { $_ eq $anchor } @headings;
        }
    }
    return @broken;
}

# Every ```sql block with the block that follows it at once, if one does
sub examples
{
    my ($text) = @_;
    my @found;

    while ($text =~ /^```sql\n(.*?)^```\n(?:```\n(.*?)^```\n)?/msg)
    {
        my ($sql, $output) = ($1, $2);
        my $line = 1 + (() = substr($text, 0, $-[1]) =~ /\n/g);

        push @found, { sql => $sql, output => $output, name => "the example in line $line" };
    }
    return @found;
}

# A file's text without blanks at the ends of lines
sub lines
{
    my ($file) = @_;

    open my $handle, '<', $file or die "$file: $!";
    local $/;
    my $text = "\n" . <$handle>;
    close $handle;
    $text =~ s/[ \t]+$//mg;
    return $text;
}

sub slurp
{
    my ($file) = @_;

    open my $handle, '<', $file or die "$file: $!";
    local $/;
    return scalar <$handle>;
}
