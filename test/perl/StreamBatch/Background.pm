
=head1 NAME

StreamBatch::Background - statements that run beside a test

=head1 SYNOPSIS

  my $background = StreamBatch::Background->new($node);
  $background->start('CALL streambatch.refresh(…)');
  $background->reap;      # what has ended: dies where a statement failed for another reason than that the server went away
  $background->finish;    # waits for all

=cut

package StreamBatch::Background;

use strict;
use warnings;

use Carp;
use IPC::Run;

my $server_gone = qr/terminat|server closed|recovery mode|starting up|shutting down|could not connect|connection to server|not yet accepting/;

# allowed: further messages of errors that are no failure
sub new
{
    my ($class, $node, $allowed, $database) = @_;

    return bless { node => $node, database => $database // 'postgres', allowed => $allowed, running => [], done => 0, failed => [] }, $class;
}

sub start
{
    my ($self, @statements) = @_;
    my ($out, $err) = ('', '');
    my @command = ('psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-d', $self->{node}->connstr($self->{database}), map { ('-c', $_) } @statements);

    push @{ $self->{running} },
      { statement => $statements[0], err => \$err, run => IPC::Run::start(\@command, '<', \'', '>', \$out, '2>', \$err) };
    return;
}

sub running { my ($self) = @_; return scalar @{ $self->{running} }; }

# how many ended well
sub done { my ($self) = @_; return $self->{done}; }

sub reap
{
    my ($self) = @_;

    foreach my $one (@{ $self->{running} })
    {
        $one->{run}->pump_nb if $one->{run}->pumpable;
    }
    $self->_end($_) foreach grep { !$_->{run}->pumpable } @{ $self->{running} };
    $self->{running} = [ grep { !$_->{ended} } @{ $self->{running} } ];
    return;
}

sub finish
{
    my ($self) = @_;

    $self->_end($_) foreach @{ $self->{running} };
    $self->{running} = [];
    return;
}

sub _end
{
    my ($self, $one) = @_;

    $one->{ended} = 1;
    if ($one->{run}->finish) { $self->{done}++; return; }
    my $err = ${ $one->{err} };
    croak "$one->{statement}: $err" unless $err =~ $server_gone || $self->{allowed} && $err =~ $self->{allowed};
    return;
}

1;
