# Compares the lines that the suite has not run with what is known of them: test/coverage.reasons
# has, for each function with such lines, how many, and why.  Functions and not lines, since these
# move with every change.
#
#   coverage.pl lines.info SOURCES [--write]
#
# Prints functions that have more such lines than that, with the lines; says how many there are
# by reason, and what share of all lines was run.  Fails when that is below 93 %.  With --write
# the file gets the functions and numbers of now, new ones with the reason "?".

use strict;
use warnings FATAL => 'all';

my $least = 93;
my ($info, $sources, $write) = @ARGV;
my $file = ($0 =~ s,[^/]*$,,r) . 'coverage.reasons';

sub read_lines
{
	my ($name) = @_;

	open my $handle, '<', $name or die "$name: $!\n";
	return <$handle>;
}

# --- what was missed: "FILE FUNCTION" to its lines ---

my (%missed, $source, %begins, %lines);
my ($all, $run) = (0, 0);

sub end_of_source
{
	my @functions = sort { $a <=> $b } keys %begins;
	my @text = map { chomp; $_ } read_lines("$sources/$source");

	foreach my $line (sort { $a <=> $b } keys %lines)
	{
		my ($begin) = grep { $_ <= $line } reverse @functions;

		$all++;
		$run++ if $lines{$line};
		push @{ $missed{ "$source " . (defined $begin ? $begins{$begin} : '-') } }, "$line: $text[ $line - 1 ]" if !$lines{$line};
	}
	%begins = %lines = ();
	return;
}

foreach (read_lines($info))
{
	$source = $1 if /^SF:.*?((?:src)\/.*)$/;
	$begins{$1} = $2 if /^FN:(\d+),(.*)$/;
	$lines{$1} = ($lines{$1} // 0) + $2 if /^DA:(\d+),(\d+)/;
	end_of_source() if /^end_of_record/;
}

# --- what is known ---

my (@head, %meaning, %reason, %known);

foreach (-e $file ? read_lines($file) : ())
{
	if (/^(src\S+) (\S+) (\d+) (\S+)$/)
	{
		($known{"$1 $2"}, $reason{"$1 $2"}) = ($3, $4);
		next;
	}
	push @head, $_;
	$meaning{$1} = $2 if /^# ([a-z]+): (.*)$/;
}

# --- both ---

my ($new, %count) = (0);

foreach my $function (sort keys %missed)
{
	my $known = $meaning{ $reason{$function} // '' } ? $known{$function} : 0;
	my $count = @{ $missed{$function} };

	$count{ $known ? $reason{$function} : '?' } += $count;
	next if $count <= $known;
	$new += $count - $known;
	print "$function: $count lines were not run, ", $known ? "$known of them with a reason" : 'without a reason', "\n";
	print "    $_\n" foreach @{ $missed{$function} };
}
printf "%5d lines not run: %s\n", $count{$_}, $meaning{$_} // 'no reason yet' foreach sort { $count{$b} <=> $count{$a} } keys %count;
printf "%.1f %% of %d lines were run, %d without a reason in test/coverage.reasons were not\n", 100 * $run / $all, $all, $new;

if ($write)
{
	open my $handle, '>', $file or die "$file: $!\n";
	print $handle @head, map { sprintf "%s %d %s\n", $_, scalar @{ $missed{$_} }, $reason{$_} // '?' } sort keys %missed;
	close $handle;
}
if (100 * $run < $least * $all)
{
	print "that is less than $least %\n";
	exit 1;
}
