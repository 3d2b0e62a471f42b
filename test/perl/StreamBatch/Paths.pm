
=head1 NAME

StreamBatch::Paths - where the tests' own programs are

=head1 DESCRIPTION

C<tool('broker/mock_broker')> is the path of a program below F<test/>; it dies, naming the command that builds it, where it is missing.

=cut

package StreamBatch::Paths;

use strict;
use warnings;

use Carp;
use Cwd qw(abs_path);
use File::Basename qw(dirname);

# .../test/perl/StreamBatch/Paths.pm
my $test = dirname(dirname(dirname(abs_path(__FILE__))));

sub test_directory { return $test; }

sub tool
{
    my ($name) = @_;

    croak "$test/$name is not there; build it with: make -C " . dirname("$test/$name") unless -x "$test/$name";
    return "$test/$name";
}

1;
