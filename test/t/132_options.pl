# Every property that the installed librdkafka knows, as an option of everything that takes options, by those who may do more and less;
# and which addresses of brokers streambatch.allowed_brokers allows
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";
use PostgreSQL::Test::Utils;
use StreamBatch::Broker;
use StreamBatch::Node;
use StreamBatch::Paths;
use Test::More;

# What is taken: where, by whom, and a value that librdkafka takes. Everything else is refused, everywhere, to everybody.
#   anyone    who owns the server, may use it, or owns the table
#   files     superusers and members of pg_read_server_files: it reads a file of the server
#   super     superusers
#   secret    anyone, and no error repeats it
my $taken = <<'END';
bootstrap.servers                        server   anyone  localhost:1
security.protocol                        server   anyone  ssl
sasl.mechanism                           server   anyone  PLAIN
ssl.ca.pem                               server   anyone  x
ssl.ca.location                          server   files   /nowhere
ssl.crl.location                         server   files   /nowhere
ssl.cipher.suites                        server   anyone  ECDHE-RSA-AES128-GCM-SHA256
ssl.endpoint.identification.algorithm    server   anyone  https
ssl.endpoint.identification.algorithm    server   super   none
enable.ssl.certificate.verification      server   anyone  true
enable.ssl.certificate.verification      server   super   false
client.id                                server   anyone  x
client.rack                              server   anyone  x
broker.address.family                    server   anyone  v4
socket.timeout.ms                        server   anyone  1000
socket.connection.setup.timeout.ms       server   anyone  1000
socket.keepalive.enable                  server   anyone  true
connections.max.idle.ms                  server   anyone  1000
reconnect.backoff.ms                     server   anyone  10
reconnect.backoff.max.ms                 server   anyone  1000
metadata.max.age.ms                      server   anyone  1000
fetch.min.bytes                          server   anyone  1
fetch.max.bytes                          server   anyone  1000000
fetch.message.max.bytes                  server   anyone  1000
fetch.wait.max.ms                        server   anyone  10
fetch.error.backoff.ms                   server   anyone  10
compression.type                         server   anyone  gzip
linger.ms                                server   anyone  10
message.max.bytes                        server   anyone  1000
message.timeout.ms                       server   anyone  1000
request.timeout.ms                       server   anyone  1000
sasl.username                            mapping  anyone  x
sasl.password                            mapping  secret  swordfish
ssl.certificate.pem                      mapping  anyone  x
ssl.key.pem                              mapping  secret  swordfish
ssl.key.password                         mapping  secret  swordfish
ssl.certificate.location                 mapping  files   /nowhere
ssl.key.location                         mapping  files   /nowhere
END

# What librdkafka does not tell of, has in other versions or builds only, or reads more generously than we
my @further = qw(interceptors ssl.engine.id ssl.engine.location ssl.providers ssl_engine ssl_key ssl_certificate ssl_ca https.ca.location https.ca.pem
  sasl.kerberos.kinit.cmd sasl.kerberos.keytab sasl.kerberos.principal plugin.library.paths offset.store.path offset.store.method log_cb
  sasl.oauthbearer.client.secret sasl.oauthbearer.assertion.private.key.file sasl.oauthbearer.assertion.jwt.template.file
  test.mock.num.brokers test.mock.broker.rtt ut_handle_ProduceResponse group.protocol group.instance.id metadata.recovery.strategy
  ssl.ca.certificate.stores ssl.keystore.location ssl.keystore.password BOOTSTRAP.SERVERS Sasl.Password sasl_password topic.acks);
push @further, 'client.id ', ' client.id', 'client..id', "client.id\n", '';

# An address of a broker that has to match a list of patterns: + it does, - it does not, or it is no address (SQLSTATE).
my $brokers = <<'END';
a.b:9092            a.b:9092              +
a.b:9092            a.b                   +
a.b:9092            axb:9092              -
a.b:9092            axb                   -
a.b:9092            a.b:9093              -
a.b:9092            a.b:909               -
a.b:909             a.b:9092              -
a.b:9092            A.B:9092              +
A.b:9092            a.B:9092              +
a.b:9092            a.b:9092,a.b          +
a.b:9092            a.b:9092,axb:9092     -
a.b:9092            x:1,a.b:9092          -
a.b                 a.b:1                 +
a.b                 a.b.:1                -
a.b                 a.b.c                 -
a.b                 x.a.b                 -
a.b                 xa.b                  -
a.b                 a                     -
a.b,c.d             c.d:5                 +
a.b,c.d             a.d                   -
a.b,c.d             a.b,c.d               +
a.b,                x                     -
,a.b                x                     -
,a.b,,c.d,          c.d                   +
*                   x.y:7                 +
*                   [::1]:7               +
**                  x                     +
*.a.b               x.a.b                 +
*.a.b               x.y.a.b               +
*.a.b               .a.b                  +
*.a.b               a.b                   -
*.a.b               xa.b                  -
*.a.b               xxaxb                 -
*.a.b               x.a.b.evil            -
*.a.b               x.a.b,evil            -
*.a.b               x.a.b:1,evil:1        -
a*                  a                     +
a*c                 ac                    +
a*c                 a.b.c                 +
a*c                 abcd                  -
a*b*c               a1b2c                 +
a*b*c               a1c2b                 -
*:9092              x                     +
*:9092              x:9092                +
*:9092              x:9093                -
*:9092              [::1]:9092            +
*:9092              [::1]:9093            -
a.b:*               a.b:1                 +
a.b:*               axb:1                 -
a.b:90*             a.b:9092              +
a.b:90*             a.b:19092             -
a.b:                a.b                   -
kafka-?             kafka-1               -
kafka-[12]          kafka-1               -
kafka-_             kafka-1               -
kafka-%             kafka-1               -
kafka-.             kafka-1               -
kafka-.*            kafka-1               -
a+                  aa                    -
^a$                 a                     -
a|b                 a                     -
# a match that tried everything for each * would not come to an end
*a*a*a*a*a*a*a*a*b  aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa -
*a*a*a*a*a*a*a*a*b  aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab +
*ab*ab              xabxaab               +
10.0.0.1            10.0.0.1:1            +
10.0.0.1            10.0.0.11             -
10.0.0.1            10.010.0.1            -
10.0.0.*            10.0.0.7:1            +
10.0.0.*            10.0.1.7              -
10.0.0.*            10.0.0                -
::1                 ::1                   +
::1                 [::1]:7               +
::1                 [::2]:7               -
[::1]               ::1                   +
[::1]               [::1]:7               +
[::1]:9092          ::1                   +
[::1]:9092          [::1]                 +
[::1]:9092          [::1]:9093            -
fe80::*             fe80::1               +
[fe80::*]:9092      [fe80::1]:9092        +
[fe80::*]:9092      [fe81::1]:9092        -
a.b:9092            PLAINTEXT://a.b:9092  +
a.b:9092            PLAINTEXT://axb:9092  -
a.b:9092            plaintext://a.b       +
# librdkafka takes nothing behind a slash for the address
*.a.b               PLAINTEXT://evil/.a.b HV024
*.a.b:9092          PLAINTEXT://evil/x.a.b:9092 HV024
*.a.b               evil/.a.b             HV024
a.b                 a.b/x                 HV024
END

my $broker = StreamBatch::Broker->embedded;
$broker->create_topic('events', 1);
my $node = StreamBatch::Node->new('main');
$node->init;
$node->start;
$node->create_server($broker);
set_up();

my %wrong = map { $_ => [] } qw(server mapping table column wrapper);
my %taken;
foreach (split /\n/, $taken)
{
    my ($name, $place, $who, $value) = split ' ';
    push @{ $taken{$name} }, { place => $place, who => $who, value => $value };
}
my ($properties, $aliases) = properties();
cmp_ok(scalar(keys %$properties), '>', 150, 'librdkafka tells of its properties: ' . keys %$properties);
is(join(' ', grep { !exists $properties->{$_} } sort keys %taken), '', 'and of all that are taken');

my %names = map { $_ => 1 } keys %$properties, keys %taken, @further;
my @attempts = map { attempts($_) } sort keys %names;
my %said;
foreach my $role (qw(super owner reader))
{
    my @got = try_all($role, @attempts);

    is(scalar(@got), scalar(@attempts), "$role: everything has been tried");
    foreach my $i (0 .. $#got)
    {
        my ($place, $name, $value, $right) = (@{ $attempts[$i] }, expected($role, @{ $attempts[$i] }));

        push @{ $wrong{$place} }, "$role: $name '$value' is $got[$i][0], and should be $right" if $got[$i][0] ne $right;
        $said{$name} .= $got[$i][1] if grep { $_->{who} eq 'secret' } @{ $taken{$name} // [] };
    }
}
is(join("\n", @{ $wrong{$_} }), '', "what is taken for a $_, and what is refused") foreach sort keys %wrong;
is(join(' ', grep { $said{$_} =~ /swordfish/ } sort keys %said), '', 'no error repeats a secret');
like($said{'sasl.password'}, qr/user mapping/, 'it says where a secret belongs');

# one name for each property: none can be given twice, under another name
my %accepted = map { $_ => 1 } split /\n/, $node->safe_psql('postgres', <<'SQL');
SELECT name FROM unnest(regexp_split_to_array((SELECT open.say('server', 'nonsense', 'x')), '[ ,.:]*[ ,:]')) name
SQL
ok($accepted{'bootstrap.servers'}, 'the hint lists what is taken');
is(join(', ', map { my $alias = $_; map { "$alias and $_" } grep { $accepted{$alias} && $accepted{$_} } @{ $aliases->{$alias} } } sort keys %$aliases),
    '', 'of a property and its alias one is taken at most');

# which brokers may be named
foreach (grep { !/^#/ } split /\n/, $brokers)
{
    my ($patterns, $address, $right) = split ' ';
    my $got = $node->safe_psql('postgres', "SET streambatch.allowed_brokers = '$patterns'; SELECT open.try('server', 'bootstrap.servers', '$address')");

    is({ '+' => '+', 42501 => '-' }->{$got} // $got, $right, "allowed_brokers '$patterns', broker '$address'");
}

# and which may be connected to, whoever names them: the broker's own name for itself counts as well
my ($port) = $broker->bootstrap =~ /:(\d+)$/;
foreach my $case (
    [ '', '' ],
    [ "127.0.0.1:$port", '' ],
    [ '127.0.0.1', '' ],
    [ '127.0.0.*:*', '' ],
    [ '127.0.0.1:1', '42501' ],
    [ '127.0.0', '42501' ],
    [ '127.0x0.1', '42501' ],
    # not even to be asked for its own name
    [ "127.0.0.1:$port", '42501', 'named' ],
    # named as it may be, and then by itself as it may not
    [ "localhost:$port", 'refused', 'named' ],
    [ 'localhost, 127.0.0.1', '', 'named' ])
{
    my ($patterns, $right, $table) = @$case;
    my ($status, undef, $error) = $node->psql('postgres', <<"SQL");
\\set VERBOSITY sqlstate
SET streambatch.allowed_brokers = '$patterns';
SELECT count(*) FROM ${\ ($table // 'plain')};
SQL
    my ($sqlstate) = $error =~ /ERROR:  (\w{5})/;
    $sqlstate = 'refused' if $right eq 'refused' && ($sqlstate // '') =~ /^(?:42501|HV00N|08...)$/;
    is($sqlstate // '', $right, "allowed_brokers '$patterns', broker " . ($table ? 'localhost, which calls itself 127.0.0.1' : '127.0.0.1'));
}

$node->stop;
done_testing();

sub set_up
{
    my ($port) = $broker->bootstrap =~ /:(\d+)$/;

    $node->safe_psql('postgres', <<"SQL");
CREATE ROLE o_super LOGIN SUPERUSER;
CREATE ROLE o_owner LOGIN;
CREATE ROLE o_reader LOGIN IN ROLE pg_read_server_files;
CREATE SCHEMA open;
GRANT USAGE, CREATE ON SCHEMA open TO o_owner, o_reader;
GRANT USAGE ON FOREIGN DATA WRAPPER streambatch_kafka TO o_owner, o_reader;
GRANT USAGE ON FOREIGN SERVER kafka TO o_owner, o_reader;
CREATE SERVER named FOREIGN DATA WRAPPER streambatch_kafka OPTIONS ("bootstrap.servers" 'localhost:$port', "broker.address.family" 'v4');
CREATE FOREIGN TABLE plain (value text) SERVER kafka OPTIONS (topic 'events', format 'raw');
CREATE FOREIGN TABLE named (value text) SERVER named OPTIONS (topic 'events', format 'raw');
SQL
    $node->safe_psql('postgres', <<'SQL');
-- give something an option, and undo it: '+', or the SQLSTATE
CREATE FUNCTION open.give(place text, name text, value text, OUT result text, OUT said text) LANGUAGE plpgsql AS $$
DECLARE
    commands text[] := ARRAY[
        'server', 'CREATE SERVER tried FOREIGN DATA WRAPPER streambatch_kafka OPTIONS (%s%I %L)',
        'mapping', 'CREATE USER MAPPING FOR CURRENT_USER SERVER kafka OPTIONS (%s%I %L)',
        'table', 'CREATE FOREIGN TABLE open.tried (id int) SERVER kafka OPTIONS (%s%I %L)',
        'column', 'CREATE FOREIGN TABLE open.tried (id int OPTIONS (%s%I %L)) SERVER kafka OPTIONS (topic ''x'')',
        'wrapper', 'ALTER FOREIGN DATA WRAPPER streambatch_kafka OPTIONS (%s%I %L)'];
    d text; h text;
BEGIN
    EXECUTE format(commands[array_position(commands, place) + 1],
                   CASE WHEN place = 'server' AND name <> 'bootstrap.servers' THEN '"bootstrap.servers" ''localhost:1'', '
                        WHEN place = 'table' THEN 'topic ''x'', ' END, name, value);
    RAISE SQLSTATE 'UNDO0';
EXCEPTION
    WHEN SQLSTATE 'UNDO0' THEN
        result := '+';
        said := '';
    WHEN OTHERS THEN
        GET STACKED DIAGNOSTICS result = RETURNED_SQLSTATE, said = MESSAGE_TEXT, d = PG_EXCEPTION_DETAIL, h = PG_EXCEPTION_HINT;
        said := concat_ws(' ', said, d, h);
END $$;
CREATE FUNCTION open.try(place text, name text, value text) RETURNS text LANGUAGE sql AS 'SELECT result FROM open.give($1, $2, $3)';
CREATE FUNCTION open.say(place text, name text, value text) RETURNS text LANGUAGE sql AS 'SELECT said FROM open.give($1, $2, $3)';
SQL
    return;
}

# the properties with their defaults, and of each alias those that it is one of
sub properties
{
    my (%properties, %aliases);
    my ($table, $errors) = run_command([ StreamBatch::Paths::tool('broker/properties') ]);

    foreach (split /\n/, $table)
    {
        my ($name, undef, undef, $default, undef, $description) = split /\s*\|\s*/, $_, 6;

        next unless defined $description && $name =~ /^[a-z]/;
        $properties{$name} = $default;
        push @{ $aliases{$name} }, $1 if $description =~ /Alias for `([^`]+)`/ && !grep({ $_ eq $1 } @{ $aliases{$name} // [] });
    }
    return (\%properties, \%aliases);
}

# [place, name, value]
sub attempts
{
    my ($name) = @_;
    my @values = $taken{$name} ? map { $_->{value} } @{ $taken{$name} } : $properties->{$name} // '';

    return map { my $place = $_; map { [ $place, $name, $_ eq '' ? 'x' : $_ ] } @values } sort keys %wrong;
}

sub expected
{
    my ($role, $place, $name, $value) = @_;
    my ($option) = grep { $_->{place} eq $place && $_->{value} eq $value } @{ $taken{$name} // [] };

    # a name of no letters is none
    return '42601' if $name eq '';
    return '42501' if $place eq 'wrapper' && $role ne 'super';
    return 'HV00D' unless $option;
    return '42501' if $option->{who} eq 'super' && $role ne 'super' || $option->{who} eq 'files' && $role eq 'owner';
    return '+';
}

# [SQLSTATE, what was said] of each
sub try_all
{
    my ($role, @all) = @_;
    my $script = join '', map { my @q = map { s/'/''/gr } @$_; "SELECT 'result ' || result || ' ' || replace(said, E'\\n', ' ') FROM open.give('$q[0]', '$q[1]', '$q[2]');\n" } @all;
    my ($out, $err);

    $node->psql('postgres', $script, extra_params => [ '-U', "o_$role" ], stdout => \$out, stderr => \$err, on_error_stop => 0, on_error_die => 0);
    diag($err) if $err =~ /ERROR/;
    return map { /^result (\S+) (.*)$/ ? [ $1, $2 ] : () } split /\n/, $out;
}
