
=head1 NAME

StreamBatch::Equivalence::Dice - random choices that a few words decide

=head1 SYNOPSIS

  my $dice = StreamBatch::Equivalence::Dice->new($seed, 'query', 17);
  $dice->below(6);                  # 0 .. 5
  $dice->between(2, 5);             # 2 .. 5
  $dice->chance(0.1);
  $dice->pick(@things);
  $dice->weighted(@rows);           # rows are hashes; weight is 1 unless they have one
  $dice->some(3, @things);          # three of them, in random order

=head1 DESCRIPTION

The same words give the same choices, whatever else was chosen meanwhile: so that one query of a run can be made again without the others.

=cut

package StreamBatch::Equivalence::Dice;

use strict;
use warnings;

use Digest::MD5 qw(md5);

my $mask = (1 << 48) - 1;

sub new
{
    my ($class, @words) = @_;

    return bless { state => unpack('Q', md5(join "\0", @words)) & $mask }, $class;
}

# The generator of POSIX drand48
sub _fraction
{
    my ($self) = @_;

    {
        use integer;
        $self->{state} = ($self->{state} * 25_214_903_917 + 11) & $mask;
    }
    return ($self->{state} >> 16) / 2**32;
}

sub below { my ($self, $n) = @_; return int($self->_fraction * $n); }
sub between { my ($self, $least, $most) = @_; return $least + $self->below($most - $least + 1); }
sub chance { my ($self, $chance) = @_; return $self->_fraction < $chance; }
sub pick { my ($self, @things) = @_; return $things[ $self->below(scalar @things) ]; }

sub weighted
{
    my ($self, @rows) = @_;
    my $total = 0;

    $total += $_->{weight} // 1 foreach @rows;
    my $at = $self->_fraction * $total;
    foreach my $row (@rows)
    {
        $at -= $row->{weight} // 1;
        return $row if $at < 0;
    }
    return $rows[-1];
}

sub some
{
    my ($self, $n, @things) = @_;
    my @chosen;

    push @chosen, splice @things, $self->below(scalar @things), 1 while @things && $n-- > 0;
    return @chosen;
}

1;
