#
# examples.pl
#	  The examples in a Markdown file: their SQL or shell, and what they show.
#
# NOTES
#	  usage: examples.pl script FILE SCRIPT     write the SQL, print the number of blocks
#	         examples.pl compare FILE OUTPUT    print what differs
#
#	  A block that opens with ```sql is run, all blocks of a file in order in one
#	  session of psql.  A block that opens with ```text and follows it, with nothing
#	  but blank lines between, is what it must print.  Without one it may print
#	  anything but an error.  A block after a line "<!-- not run -->" is not run.
#
#	  A block that opens with ```sh is run by sh -e in the folder of SCRIPT, from the same
#	  session; a command that fails is an error.
#
#	  Compared is without what differs from run to run or is layout only:
#	    dates with times            one word
#	    times and intervals         one word (00:00:01.234)
#	    numbers of " ms" or " s"    one word
#	    widths of columns           runs of spaces are one, rules of dashes are equal
#	    bars of a timeline          a space
#	    marks of the critical path  nothing: another branch may have been the slower one
#	    a line "..."                any number of lines
#
#	  With PGWF_DOCS_UPDATE set, compare writes what was seen into the file.

use strict;
use warnings;

my ($command, $file, $other) = @ARGV;
die "usage: examples.pl script|compare FILE OTHER\n" unless defined $other;

sub slurp
{
	my ($name) = @_;
	open my $handle, '<', $name or die "cannot read $name: $!\n";
	local $/;
	return scalar <$handle>;
}

sub spill
{
	my ($name, $text) = @_;
	open my $handle, '>', $name or die "cannot write $name: $!\n";
	print $handle $text;
	close $handle or die "cannot write $name: $!\n";
}

# Blocks of a file: first line number, kind, text, and lines [from, to) of the output.
sub read_blocks
{
	my @lines = @_;
	my @blocks;
	my $skip = 0;

	for (my $i = 0; $i < @lines; $i++)
	{
		if ($lines[$i] =~ /^<!-- not run/)
		{
			$skip = 1;
		}
		elsif ($lines[$i] =~ /^```(\w*)/)
		{
			my $kind = $1;
			my $from = $i + 1;

			$i++ while $i + 1 < @lines && $lines[ $i + 1 ] !~ /^```\s*$/;
			$i++;
			if ($kind =~ /^(?:sql|sh)$/ && !$skip)
			{
				my %block = (line => $from + 1, kind => $kind, text => join("\n", @lines[ $from .. $i - 1 ]));
				my $j = $i + 1;

				$j++ while $j < @lines && $lines[$j] =~ /^\s*$/;
				if ($j < @lines && $lines[$j] =~ /^```text/)
				{
					$block{from} = $j + 1;
					$j++ while $j + 1 < @lines && $lines[ $j + 1 ] !~ /^```\s*$/;
					$block{to} = $i = $j + 1;
				}
				push @blocks, \%block;
			}
			$skip = 0;
		}
	}
	return @blocks;
}

# A line without what may differ.
sub normalise
{
	my ($line) = @_;

	$line =~ s/\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(\.\d+)?([+-]\d\d(:?\d\d)?)?/TIME/g;
	$line =~ s/\b\d+:\d\d:\d\d(\.\d+)?/INTERVAL/g;
	$line =~ s/\b\d+(\.\d+)? m?s\b/MS/g;
	$line =~ s/^\s*-[-+]*\s*$/----/;
	$line =~ s/\s*\xe2\x97\x86(?: critical path)?//g;
	$line =~ s/(?:\s|\xe2\x96[\x80-\x9f]|\xe2\x94\x81|\xe2\x95[\xb8\xba])+/ /g;
	$line =~ s/^ | $//g;
	return $line;
}

# Do the lines seen fit those shown?
sub fits
{
	my ($shown, $seen) = @_;
	my $pattern = '';

	for my $line (@$shown)
	{
		my $plain = normalise($line);
		$pattern .= $plain eq '...' ? '(?:[^\n]*\n)*' : quotemeta($plain) . '\n';
	}
	return join('', map { normalise($_) . "\n" } @$seen) =~ /\A$pattern\z/;
}

sub without_blank_ends
{
	my @lines = @_;

	shift @lines while @lines && $lines[0] =~ /^\s*$/;
	pop @lines while @lines && $lines[-1] =~ /^\s*$/;
	s/\s+$// for @lines;
	return @lines;
}

my @lines = split /\n/, slurp($file), -1;
my @blocks = read_blocks(@lines);

if ($command eq 'script')
{
	my ($folder) = $other =~ m{^(.*/)};
	my $script = '';
	for my $n (0 .. $#blocks)
	{
		$script .= "\\echo \@\@ block $n\n";
		if ($blocks[$n]{kind} eq 'sql')
		{
			$script .= "$blocks[$n]{text}\n";
			next;
		}
		spill("$other.$n.sh", "$blocks[$n]{text}\n");
		$script .= "\\set shown `cd '$folder' && sh -e '$other.$n.sh' 2>&1 || echo \"ERROR:  exit code \$?\"`\n\\echo :shown\n";
	}
	spill($other, "$script\\echo \@\@ end\n");
	print scalar(@blocks), "\n";
	exit;
}

my %seen;
my $present;
for my $line (split /\n/, slurp($other))
{
	if ($line =~ /^\@\@ (?:block (\d+)|end)$/)
	{
		$present = defined $1 ? $1 : 'end';
		$seen{$present} = [];
	}
	elsif (defined $present)
	{
		push @{ $seen{$present} }, $line;
	}
	else
	{
		print "before the first example: $line\n";
	}
}
print "the session ended before its end\n" unless exists $seen{end};

for my $n (reverse 0 .. $#blocks)
{
	my $block = $blocks[$n];
	my @seen = without_blank_ends(@{ $seen{$n} // [] });

	if (!defined $block->{from})
	{
		my ($error) = grep { /^(ERROR|FATAL|PANIC):|^psql: / } @seen;
		print "line $block->{line}: $error\n" if defined $error;
		next;
	}
	my @shown = without_blank_ends(@lines[ $block->{from} .. $block->{to} - 1 ]);
	next if fits(\@shown, \@seen);
	if ($ENV{PGWF_DOCS_UPDATE})
	{
		splice @lines, $block->{from}, $block->{to} - $block->{from}, @seen;
		next;
	}
	print "line $block->{line}: shown\n", map({ "    $_\n" } @shown), "seen\n",
		map({ "    $_\n" } @seen);
}
if ($ENV{PGWF_DOCS_UPDATE})
{
	spill($file, join("\n", @lines));
}
