
=head1 NAME

StreamBatch::Client - a Kafka client of the tests: kafka_client behind a pipe

=head1 SYNOPSIS

  my $client = StreamBatch::Client->new($broker->bootstrap, 'transactional.id' => 'one');
  $client->call('begin');
  my @offsets = $client->produce('events', 0, [ 'key', '{"a": 1}' ], [ undef, undef, 1_700_000_000_000 ]);
  $client->call('commit');

=head1 DESCRIPTION

C<call> sends one command of F<test/broker/kafka_client.c>, returns the words of its answer, and dies where the answer is an error.
C<produce> takes messages as C<[key, value, milliseconds, {header =E<gt> value}]>, everything optional, undef for NULL, and returns their
offsets once the broker has acknowledged them all. Strings are bytes: encode text first.

=cut

package StreamBatch::Client;

use strict;
use warnings;

use Carp;
use IPC::Open2;
use StreamBatch::Paths;

sub new
{
    my ($class, $bootstrap, %properties) = @_;

    my @command = (
        StreamBatch::Paths::tool('broker/kafka_client'),
        $bootstrap, map { "$_=$properties{$_}" } sort keys %properties);
    my $pid = open2(my $from, my $to, @command);
    $to->autoflush(1);
    binmode($_) foreach ($from, $to);
    return bless { pid => $pid, from => $from, to => $to, owner => $$ }, $class;
}

sub call
{
    my ($self, @words) = @_;

    $self->_send(@words);
    my $answer = readline($self->{from});
    croak "the Kafka client is gone" unless defined $answer;
    chomp $answer;
    my ($status, @result) = split /\t/, $answer;
    croak "$words[0]: @result" unless $status eq 'ok';
    return @result;
}

sub produce
{
    my ($self, $topic, $partition, @messages) = @_;

    foreach my $message (@messages)
    {
        my ($key, $value, $milliseconds, $headers) = @$message;
        $self->_send(
            'put', $topic, $partition,
            _escape($key), _escape($value), $milliseconds // 0,
            map { "$_=" . _escape($headers->{$_}) } sort keys %{ $headers // {} });
    }
    return map { (split /:/)[1] } $self->call('flush');
}

# what has not been flushed is dropped
sub close
{
    my ($self) = @_;

    return unless $self->{pid} && $self->{owner} == $$;
    local ($?, $!);
    CORE::close($self->{to});
    waitpid($self->{pid}, 0);
    CORE::close($self->{from});
    delete $self->{pid};
    return;
}

sub DESTROY { $_[0]->close; }

sub _send
{
    my ($self, @words) = @_;

    local $SIG{PIPE} = 'IGNORE';
    print { $self->{to} } join("\t", @words), "\n" or croak "the Kafka client is gone";
    return;
}

sub _escape
{
    my ($bytes) = @_;

    return '\N' unless defined $bytes;
    $bytes =~ s/([\\\x00-\x1f])/sprintf('\\x%02x', ord $1)/ge;
    return $bytes;
}

1;
