
=head1 NAME

StreamBatch::RecordBatch - batches of messages that no client library would send, written to a broker byte by byte

=head1 SYNOPSIS

  StreamBatch::RecordBatch::send($broker, 'events', 0, 1, StreamBatch::RecordBatch::gzip('{"pad":"', 'a' x 1_000_000, 1100, '"}'));
  StreamBatch::RecordBatch::send($broker, 'events', 0, 2, 'no zstd at all', codec => 4);

=head1 FUNCTIONS

  gzip(head, piece, times, tail)     one message, packed: its value is head, then piece so many times, then tail
  send(broker, topic, partition, messages, bytes, codec => 1)
                                     a batch of so many messages whose records are these packed bytes (codec 1: gzip, 2: snappy,
                                     3: lz4, 4: zstd); returns its offset; dies when the broker refuses it

Format of a batch: KIP-98. Request: Produce, version 7.

=cut

package StreamBatch::RecordBatch;

use strict;
use warnings;

use Carp;
use Compress::Raw::Zlib;
use IO::Socket::INET;

my @crc32c = map {
    my $crc = $_;
    $crc = $crc & 1 ? ($crc >> 1) ^ 0x82f63b78 : $crc >> 1 foreach 1 .. 8;
    $crc
} 0 .. 255;

sub gzip
{
    my ($head, $piece, $times, $tail) = @_;

    my $length = length($head) + $times * length($piece) + length($tail);
    # attributes, times and offset since the first message, no key; no headers
    my $fields = "\0" . _varint(0) . _varint(0) . _varint(-1) . _varint($length);
    my $end = _varint(0);
    my ($deflate) = Compress::Raw::Zlib::Deflate->new(-WindowBits => WANT_GZIP, -AppendOutput => 1);
    my $out = '';
    foreach my $part (_varint(length($fields) + $length + length($end)) . $fields . $head, ($piece) x $times, $tail . $end)
    {
        $deflate->deflate($part, $out) == Z_OK or croak 'could not compress';
    }
    $deflate->flush($out) == Z_OK or croak 'could not compress';
    return $out;
}

sub send
{
    my ($broker, $topic, $partition, $messages, $bytes, %options) = @_;

    my $now = time * 1000;
    # attributes, last offset, first and last time, producer and its epoch, first sequence, number of messages
    my $body = pack('s> l> q> q> q> s> l> l>', $options{codec} // 1, $messages - 1, $now, $now, -1, -1, -1, $messages) . $bytes;
    my $crc = 0xffffffff;
    $crc = $crc32c[ ($crc ^ $_) & 0xff ] ^ ($crc >> 8) foreach unpack 'C*', $body;
    my $rest = pack('l> c N', 0, 2, $crc ^ 0xffffffff) . $body;
    my $batch = pack('q> l>', 0, length $rest) . $rest;
    my $request =
        pack('s> s> l> s>', 0, 7, 1, -1)
      . pack('s> s> l>', -1, -1, 60000)
      . pack('l> s>/a l> l>', 1, $topic, 1, $partition)
      . pack('l>/a', $batch);
    my $socket = IO::Socket::INET->new(PeerAddr => $broker->bootstrap) or croak "no broker: $@";
    binmode $socket;
    print {$socket} pack('l>/a', $request) or croak "could not send: $!";
    my $answer = _read($socket, unpack 'l>', _read($socket, 4));
    my ($error, $offset) = (unpack 'l> l> s>/a l> l> s> q>', $answer)[ 5, 6 ];
    croak "the broker refused the batch: error $error" if $error != 0;
    return $offset;
}

sub _varint
{
    my ($n) = @_;

    my $zigzag = $n < 0 ? -2 * $n - 1 : 2 * $n;
    my $bytes = '';
    for (; $zigzag > 0x7f; $zigzag >>= 7) { $bytes .= chr(0x80 | $zigzag & 0x7f); }
    return $bytes . chr $zigzag;
}

sub _read
{
    my ($socket, $length) = @_;

    my $bytes = '';
    while (length $bytes < $length)
    {
        read $socket, $bytes, $length - length $bytes, length $bytes or croak 'the broker is gone';
    }
    return $bytes;
}

1;
