# figures.sh, to be sourced: what was measured, one line for each in $work/measurements, and figures made of it
#
#   note NAME VALUE ROUND      a measurement
#   figure NAME [UNIT]         median, least and largest; UNIT divides them
#   ratio NAME NAME            of the quotients of what was noted in the same round

note() {
    echo "  $*" >&2
    echo "$*" >>"$work/measurements"
}

figure() {
    perl -ane 'push @v, $F[1] / $unit if $F[0] eq $name; BEGIN { ($name, $unit) = splice @ARGV, 0, 2 } END { @v = map { sprintf("%.*f", $_ < 10 ? 2 : $_ < 100 ? 1 : 0, $_) } sort { $a <=> $b } @v; print @v > 1 ? "$v[$#v / 2] ($v[0]–$v[-1])" : $v[0] // "not measured" }' "$1" "${2:-1}" "$work/measurements"
}

ratio() {
    perl -ane '$r{$F[0]}[$F[2]] = $F[1]; BEGIN { ($x, $y) = splice @ARGV, 0, 2 } END { @v = sort { $a <=> $b } map { $r{$x}[$_] / $r{$y}[$_] } grep { $r{$x}[$_] && $r{$y}[$_] } 1 .. $#{ $r{$x} }; printf("%.3g (%.3g–%.3g)", $v[$#v / 2], $v[0], $v[-1]) if @v; print "not measured" if !@v }' "$1" "$2" "$work/measurements"
}
