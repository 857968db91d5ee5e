# Files of src/ that call each other in a circle, by the symbols of the built objects: what a file
# does not define and another one does is an arrow.  Pointers in tables are none: who fills such a
# table depends on those in it, who calls through it does not.
#
# usage: perl test/circles.pl [-v]        -v: all circles, with their arrows and their symbols
#
# Prints the circles that are not in the list of those there may be; and what is not as the layers
# in a room's README are drawn: who calls a file of a line above his own, and who is in no line.

use strict;
use warnings;

# Why they are circles is said in the READMEs of their rooms.
my @may_be = ([qw(definition/expression definition/expression_reference)]);

my $verbose = @ARGV && $ARGV[0] eq '-v';
my (%defined_in, %defines, %wanted_by, %arrows, %symbols);

foreach my $object (glob('src/*/*.o src/*/*/*.o'))
{
	(my $file = $object) =~ s{^src/(.*)\.o$}{$1};
	next unless -f "src/$file.c";    # left over
	foreach (`nm $object`)
	{
		if (/ ([TDBRVWC]) (\S+)$/) { $defined_in{$2} = $file; $defines{$file} = 1 }
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

# The layers: lines of files below "## Layers", a path ending in ".." is all else in its folder.
foreach my $readme (glob('src/*/README.md'))
{
	open(my $page, '<', $readme) or die "$readme: $!";
	my ($room) = $readme =~ m{src/(\w+)/};
	my ($drawn, $line, %line_of, %line_of_folder) = (0, 0);

	while (<$page>)
	{
		$drawn = 1 if /^## Layers/;
		next unless $drawn && /^    (\S+(?: {1,2}\S+)*)/;
		$line++;
		foreach my $name (split ' ', $1)
		{
			if (-f "src/$room/$name.c") { $line_of{"$room/$name"} = $line }
			$line_of_folder{$1} = $line if $name =~ m{^(\w+)/};
		}
	}
	next if !$drawn;
	foreach my $file (sort grep { m{^$room/} } keys %defines)
	{
		$line_of{$file} //= $line_of_folder{$1} if $file =~ m{/(\w+)/};
		print "$file is in no line of $readme\n" if !$line_of{$file};
	}
	foreach my $from (sort keys %line_of)
	{
		foreach my $to (grep { $line_of{$_} && $line_of{$_} < $line_of{$from} } sort keys %{ $arrows{$from} })
		{
			print "$from calls $to, which is above it in $readme: @{$symbols{\"$from $to\"}}\n";
		}
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

# Is it one of those, or a part of one?
sub may_be
{
	my ($circle) = @_;

	foreach my $known (@may_be)
	{
		my %known = map { $_ => 1 } @$known;
		return 1 if !grep { !$known{$_} } @$circle;
	}
	return 0;
}

foreach my $circle (sort { @$b <=> @$a } @circles)
{
	next if !$verbose && may_be($circle);
	print scalar(@$circle), " files: @$circle\n";
	next if !$verbose;
	my %in_it = map { $_ => 1 } @$circle;
	foreach my $from (@$circle)
	{
		print "    $from -> $_: @{$symbols{\"$from $_\"}}\n" foreach grep { $in_it{$_} } sort keys %{ $arrows{$from} };
	}
}
