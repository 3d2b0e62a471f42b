
=head1 NAME

StreamBatch::Regress - pg_regress and pg_isolation_regress as TAP: one test for each file

=head1 SYNOPSIS

  StreamBatch::Regress::run($node, $ENV{PG_REGRESS}, '.', 'sql/*.sql');

=head1 DESCRIPTION

Runs every file that the pattern names below the input directory against a node, each with an embedded broker of its own, and shows the
difference where one fails. No file at all fails as well.

=cut

package StreamBatch::Regress;

use strict;
use warnings;

use File::Basename qw(fileparse);
use StreamBatch::Paths;
use Test::More;

sub run
{
    my ($node, $program, $inputdir, $pattern) = @_;

    my $top = StreamBatch::Paths::test_directory() . '/..';
    chdir $top or die "$top: $!";
    my @names = map { (fileparse($_, qr/\.[^.]+$/))[0] } sort glob "$inputdir/$pattern";
    ok(@names > 0, "$pattern: there are tests") or return;

    my $output = "$PostgreSQL::Test::Utils::tmp_check/" . fileparse($program);
    mkdir $output;
    my @command = (
        $program,
        '--host' => $node->host,
        '--port' => $node->port,
        '--dbname' => 'regress',
        '--inputdir' => $inputdir,
        '--outputdir' => $output,
        '--bindir' => '',
        '--launcher' => StreamBatch::Paths::tool('broker/with-broker'),
        '--max-concurrent-tests' => 1,
        @names);
    print "# Running: @command\n";
    open my $pipe, '-|', @command or die "$program: $!";
    my %passed;

    while (my $line = <$pipe>)
    {
        print $line;

        # as told up to version 15, and from 16 on
        $passed{$1} = $2 eq 'ok' if $line =~ /^(?:test| +) +(\S+) +\.\.\. (ok|FAILED)/;
        $passed{$2} = $1 eq 'ok' if $line =~ /^(ok|not ok) +\d+ +[-+] (\S+)/;
    }
    close $pipe;

    ok($passed{$_}, "$pattern: $_") foreach @names;
    diag(PostgreSQL::Test::Utils::slurp_file("$output/regression.diffs")) if -s "$output/regression.diffs";
    return;
}

1;
