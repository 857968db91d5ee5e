#
# security.pl
#	  Whether docs/security.md says what the tests show.
#
# NOTES
#	  usage: security.pl ROOT [--write]
#	  Compares, and prints what differs:
#	    the two matrices with expected/visibility.out (--write puts them into the page)
#	    what docs/erasure.md says of each column with expected/erase.out
#	    the attacks, A1 and so on, with the tests: each is named in a comment of the test
#	      that its row names, and each comment that names one is of a test that holds it
#	    that there are a hundred of them at least

use strict;
use warnings;

my ($root, $write) = @ARGV;
my $page = "$root/docs/security.md";
my $few = 100;

sub slurp
{
	my ($name) = @_;
	open my $handle, '<', $name or die "cannot read $name: $!\n";
	local $/;
	return scalar <$handle>;
}

my $text = slurp($page);
my $visibility = slurp("$root/expected/visibility.out");

# --- matrices ---

# The rows that psql has printed under a header that begins with a column, as a table.
sub matrix
{
	my ($column) = @_;
	my ($head, $rows) = $visibility =~ /^( +$column +\|[^\n]*)\n-[-+]+\n(.*?)^\(\d+ rows\)/ms
	  or die "expected/visibility.out has no table of $column\n";
	my $table = '';

	for my $line ($head, split /\n/, $rows)
	{
		my @cells = map { s/^\s+|\s+$//gr } split /\|/, $line;

		$_ = $_ eq '-' ? '' : s/42501/no/gr =~ s/42704/none/gr for @cells[ 1 .. $#cells ];
		$cells[0] =~ s/^.*?\bworkflow\.(\w+\(.*\)) AS \w\b/$1/;
		$cells[0] = "`$cells[0]`" unless $line eq $head;
		$cells[0] = $column eq 'call' ? 'function' : 'table or view' if $line eq $head;
		$table .= '| ' . join(' | ', @cells) . " |\n";
		$table .= '|---' x @cells . "|\n" if $line eq $head;
	}
	return $table;
}

for my $column ('subject', 'call')
{
	my $table = matrix($column);

	if ($text !~ /<!-- matrix of $column -->\n(.*?)<!-- end of matrix -->/s)
	{
		print "security.md has no matrix of $column\n";
		next;
	}
	next if $1 eq $table;
	if ($write)
	{
		$text =~ s/(<!-- matrix of $column -->\n).*?(<!-- end of matrix -->)/$1$table$2/s;
		open my $handle, '>', $page or die "cannot write $page: $!\n";
		print $handle $text;
		next;
	}
	my %has = map { $_ => 1 } split /\n/, $1;
	my %wants = map { $_ => 1 } split /\n/, $table;
	print "security.md: not what expected/visibility.out shows; see --write: $_\n"
	  for grep { !$wants{$_} } sort keys %has;
	print "security.md: missing, says expected/visibility.out: $_\n"
	  for grep { !$has{$_} } sort keys %wants;
}

# --- erasure ---

{
	my $erased = slurp("$root/expected/erase.out");
	my ($rows) = $erased =~ /^ +table +\| +column +\| +erase\(\) *\n-[-+]+\n(.*?)^\(\d+ rows\)/ms
	  or die "expected/erase.out has no table of columns\n";
	my %does = map { s/\s+//gr =~ /^(\w+)\|(\w+)\|(\w+)$/ ? ("$1.$2" => $3) : () } split /\n/, $rows;
	my ($page) = slurp("$root/docs/erasure.md") =~ /<!-- columns -->\n(.*?)<!-- end of columns -->/s
	  or die "docs/erasure.md has no table of columns\n";
	my %says;

	for my $line (split /\n/, $page)
	{
		my ($table, $columns, $what) = $line =~ /^\| `(\w+)` \| ([^|]+) \| ([a-z ]+) \|/ or next;
		for my $column ($columns =~ /`(\w+)`/g)
		{
			print "erasure.md: $table.$column is there twice\n" if exists $says{"$table.$column"};
			$says{"$table.$column"} = $what =~ s/ //gr;
		}
	}
	for my $column (sort keys %does)
	{
		if (!exists $says{$column})
		{
			print "erasure.md: nothing is said of $column\n";
		}
		elsif ($says{$column} ne $does{$column})
		{
			print "erasure.md: $column: $says{$column}, says the page; $does{$column}, says expected/erase.out\n";
		}
	}
	print "erasure.md: there is no column $_ that could hold something\n" for grep { !exists $does{$_} } sort keys %says;
}

# --- attacks ---

my %rows;
for my $line (split /\n/, $text)
{
	next unless $line =~ /^\| (A\d+) \|/;
	my $id = $1;
	my ($test) = $line =~ /\| `([^`]+)` \|$/;

	print "security.md: $id is there twice\n" if exists $rows{$id};
	$rows{$id} = $test // '';
}
print "security.md: ", scalar(keys %rows), " attacks, fewer than $few\n" if keys %rows < $few;

my %named;
for my $file (glob("$root/sql/*.sql $root/test/specs/*.spec $root/test/t/*.pl"))
{
	my ($name) = $file =~ m{^\Q$root\E/(.*)};

	for my $comment (slurp($file) =~ /^[ \t]*(?:--|#) ([^\n]*)/mg)
	{
		next unless $comment =~ /^A\d+[:,]/ || $comment =~ /\(A\d+(?:, A\d+)*\)/;
		$named{$_}{$name} = 1 for $comment =~ /\b(A\d+)\b/g;
	}
}
for my $id (sort { substr($a, 1) <=> substr($b, 1) } keys %rows)
{
	print "security.md: $id is not named in $rows{$id}\n" unless $named{$id}{ $rows{$id} };
}
for my $id (sort keys %named)
{
	for my $test (sort keys %{ $named{$id} })
	{
		print "$test: $id is not in docs/security.md\n" unless exists $rows{$id};
		print "$test: $id is that of $rows{$id} in docs/security.md\n" if exists $rows{$id} && $rows{$id} ne $test;
	}
}
