# Files of src/ that call each other in a circle, by the symbols of the built objects: what a file
# does not define and another one does is an arrow.  Pointers in tables are none: who fills such a
# table depends on those in it, who calls through it does not.
#
# usage: perl test/circles.pl [-v]        -v: with the arrows of each circle, and their symbols
#
# Prints the circles that are larger than they may be.  A room that is not in the list may have
# none of more than three files.

use strict;
use warnings;

# What is left to be undone, and may not grow.
my %may_have = (definition => 24);
my $may_have = 3;

my $verbose = @ARGV && $ARGV[0] eq '-v';
my (%defined_in, %wanted_by, %arrows, %symbols);

foreach my $object (glob('src/*/*.o src/*/*/*.o'))
{
	(my $file = $object) =~ s{^src/(.*)\.o$}{$1};
	foreach (`nm $object`)
	{
		if (/ ([TDBRVWC]) (\S+)$/) { $defined_in{$2} = $file }
		elsif (/ U (\S+)$/) { push @{ $wanted_by{$1} }, $file }
	}
}
foreach my $symbol (sort keys %wanted_by)
{
	my $to = $defined_in{$symbol} // next;
	foreach my $from (grep { $_ ne $to } @{ $wanted_by{$symbol} })
	{
		$arrows{$from}{$to} = 1;
		push @{ $symbols{"$from $to"} }, $symbol;
	}
}

# Tarjan's strongly connected components
my ($next, %number, %low, @stack, %on_stack, @circles) = (0);

sub visit
{
	my ($file) = @_;
	no warnings 'recursion';

	$number{$file} = $low{$file} = $next++;
	push @stack, $file;
	$on_stack{$file} = 1;
	foreach my $to (sort keys %{ $arrows{$file} })
	{
		if (!defined $number{$to})
		{
			visit($to);
			$low{$file} = $low{$to} if $low{$to} < $low{$file};
		}
		elsif ($on_stack{$to} && $number{$to} < $low{$file})
		{
			$low{$file} = $number{$to};
		}
	}
	return if $low{$file} != $number{$file};
	my @circle;
	do
	{
		push @circle, pop @stack;
		$on_stack{ $circle[-1] } = 0;
	} while ($circle[-1] ne $file);
	push @circles, [ sort @circle ] if @circle > 1;
}
foreach my $file (sort keys %arrows)
{
	visit($file) if !defined $number{$file};
}

foreach my $circle (sort { @$b <=> @$a } @circles)
{
	my ($room) = $circle->[0] =~ m{^([^/]+)};
	next if !$verbose && @$circle <= ($may_have{$room} // $may_have);
	print scalar(@$circle), " files: @$circle\n";
	next if !$verbose;
	my %in_it = map { $_ => 1 } @$circle;
	foreach my $from (@$circle)
	{
		print "    $from -> $_: @{$symbols{\"$from $_\"}}\n" foreach grep { $in_it{$_} } sort keys %{ $arrows{$from} };
	}
}
