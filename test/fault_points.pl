# Compares the fault points of the source (src/shared/fault.h) with the rows of the kill matrix
# (test/t/KillMatrix.pm) and with the transitions in docs/architecture/state-machines.md: each
# point has a row and is in the page, each transition has a point, and docs/reliability.md has
# their number.  Prints what is wrong.

use strict;
use warnings FATAL => 'all';

sub read_file
{
	my ($file) = @_;

	open my $handle, '<', $file or die "$file: $!";
	local $/;
	return scalar <$handle>;
}

my %source = map { $_ => 1 } map { read_file($_) =~ /\bfault_point\("([^"]+)"\)/g } glob 'src/*/*.c src/*/*/*.c';
my ($rows) = read_file('test/t/KillMatrix.pm') =~ /^my %rows = \((.*?)^my |^my %rows = \((.*?)\);\n/ms;
$rows //= $2;
my %matrix = map { $_ => 1 } $rows =~ /^\t'([a-z_]+\.[a-z_]+)' => \[/mg;
my $section = read_file('docs/architecture/state-machines.md');
my %kinds = map { s/\..*//r => 1 } keys %source;
my %page = map { $_ => 1 } grep { $kinds{ s/\..*//r } } $section =~ /`([a-z_]+\.[a-z_]+)`/g;

foreach my $point (sort keys %source)
{
	print "test/t/KillMatrix.pm: no row for \"$point\"\n" unless $matrix{$point};
	print "docs/architecture/state-machines.md: \"$point\" is missing\n" unless $page{$point};
}
print "test/t/KillMatrix.pm: the source has no point \"$_\"\n" foreach grep { !$source{$_} } sort keys %matrix;
print "docs/architecture/state-machines.md: the source has no point \"$_\"\n" foreach grep { !$source{$_} } sort keys %page;
foreach my $line (grep { /^\| / && !/^\| from \|/ } split /\n/, $section)
{
	print "docs/architecture/state-machines.md: no point in \"$line\"\n" unless $line =~ /`[a-z_]+\.[a-z_]+` \|$/;
}
my $count = keys %source;
print "docs/reliability.md: the kill matrix has $count points\n" unless read_file('docs/reliability.md') =~ /\b$count in all:/;
print "no fault points are found\n" unless %source && %matrix && %page;
