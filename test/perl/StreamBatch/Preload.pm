
=head1 NAME

StreamBatch::Preload - a library that replaces functions of the C library in a server

=head1 SYNOPSIS

  my $library = StreamBatch::Preload::build('clock', <<'C');
  #include <time.h>
  time_t time(time_t *t) { … }
  C
  $node->init;
  { local $ENV{LD_PRELOAD} = $library; $node->start; }

=head1 DESCRIPTION

C<build> compiles the text with cc into the test's temporary directory and returns the path of the shared library.

=cut

package StreamBatch::Preload;

use strict;
use warnings;

use Carp;
use PostgreSQL::Test::Utils;

sub build
{
    my ($name, $code) = @_;
    my $directory = PostgreSQL::Test::Utils::tempdir();
    my $source = "$directory/$name.c";
    my $library = "$directory/$name.so";

    PostgreSQL::Test::Utils::append_to_file($source, $code);
    system('cc', '-shared', '-fPIC', '-Wall', '-Werror', '-o', $library, $source, '-ldl') == 0 or croak "cc does not compile $name";
    return $library;
}

1;
