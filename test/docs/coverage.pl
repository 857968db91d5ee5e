#
# coverage.pl
#	  Whether the documentation names everything that exists, and nothing else.
#
# NOTES
#	  usage: coverage.pl ROOT CATALOG
#	  CATALOG is the output of catalog.sql.  Prints what is missing or wrong:
#	    each setting has a section in docs/configuration.md with default and context
#	    each function and procedure has a section in docs/sql-reference.md with its
#	      signature, each table and view one with all its columns
#	    each field of a definition (src/definition/fields.c) is in docs/definitions.md
#	    each error type (words LikeThis in the sources) is in docs/sql-reference.md
#	    each check of verify() is a row of the tables in docs/verification.md, and no other is
#	    whatever is written workflow.x exists
#	    links between the files lead somewhere
#	    each question of docs/administration.md is answered by one statement of at
#	      most two lines
#	    the picture in README.md has the steps of the demonstration
#	    each macro of docs/daily.sql is named by its :daily and run by docs/administration.md

use strict;
use warnings;

my ($root, $catalog) = @ARGV;
die "usage: coverage.pl ROOT CATALOG\n" unless defined $catalog;

sub slurp
{
	my ($name) = @_;
	open my $handle, '<', $name or die "cannot read $name: $!\n";
	local $/;
	return scalar <$handle>;
}

my %text;
my %path;
for my $file (glob("$root/README.md $root/docs/*.md $root/docs/architecture/*.md $root/src/*/README.md"))
{
	# pages of docs/ go by their name, others by where they are
	(my $name = $file) =~ s{^\Q$root\E/(?:docs/(?=[^/]+$))?}{};
	$text{$name} = slurp($file);
	$path{$name} = $file;
}
for my $name (qw(README.md definitions.md sql-reference.md configuration.md))
{
	print "$name is missing\n" unless exists $text{$name};
	$text{$name} //= '';
}

# The section that opens with a heading containing `name` or `workflow.name(..`.
sub section
{
	my ($file, $name) = @_;
	return $text{$file} =~ /^(###? [^\n]*`\Q$name\E[`(].*?)(?=^##|\z)/ms ? $1 : undef;
}

# what may follow "workflow." in a reference of a definition
my %exists = map { $_ => 1 } qw(input execution_id name version started_at traceparent error);

my %checks;

for my $line (split /\n/, slurp($catalog))
{
	my ($kind, $name, $detail, $more) = split /\|/, $line;

	if (!defined $name)
	{
		print "catalog: $line\n";
		next;
	}
	if ($kind eq 'setting')
	{
		my $section = section('configuration.md', $name);

		$detail = "''" if $detail eq '';
		$exists{ substr($name, length 'workflow.') } = 1;
		if (!defined $section)
		{
			print "configuration.md has no section on $name\n";
			next;
		}
		print "configuration.md: $name: default `$detail` is missing\n"
			unless $section =~ /Default `\Q$detail\E`/;
		print "configuration.md: $name: context $more is missing\n"
			unless $section =~ /\b$more\b/;
	}
	elsif ($kind eq 'routine')
	{
		my $section = section('sql-reference.md', "workflow.$name");

		$exists{$name} = 1;
		if (!defined $section)
		{
			print "sql-reference.md has no section on workflow.$name()\n";
			next;
		}
		(my $plain = $section) =~ s/\s+/ /g;
		print "sql-reference.md: signature is missing: $detail\n" if index($plain, $detail) < 0;
	}
	elsif ($kind eq 'relation')
	{
		my $section = section('sql-reference.md', "workflow.$name");

		$exists{$name} = 1;
		if (!defined $section)
		{
			print "sql-reference.md has no section on workflow.$name\n";
			next;
		}
		for my $column (split / /, $detail)
		{
			print "sql-reference.md: workflow.$name: column $column is missing\n"
				unless $section =~ /`$column`/;
		}
	}
	elsif ($kind eq 'check')
	{
		$checks{"$detail: $name"} = 1;
	}
	elsif ($kind eq 'internal')
	{
		$exists{$name} = 1;
	}
	else
	{
		print "catalog: $line\n";
	}
}

# fields of definitions
my $fields = slurp("$root/src/definition/fields.c");
while ($fields =~ /^\t\{"(\w+)", FIELD/mg)
{
	print "definitions.md does not name the field $1\n" unless $text{'definitions.md'} =~ /`$1`/;
}

# error types
my %types;
for my $file (glob("$root/src/interpreter/*.c"), glob("$root/src/executor/*.c"),
	glob("$root/src/scheduler/*.c"))
{
	my $source = slurp($file);
	$types{$1} = 1 while $source =~ /"((?:[A-Z][a-z]+){2,}|Timeout|Cancelled)"/g;
}
for my $type (sort keys %types)
{
	print "sql-reference.md does not name the error type $type\n"
		unless $text{'sql-reference.md'} =~ /`$type`/;
}

# checks of verify(), by area
my %explained;
while (($text{'verification.md'} // '') =~ /^### `(\w+)`\n(.*?)(?=^##|\z)/gms)
{
	my ($area, $rows) = ($1, $2);
	$explained{"$area: $1"} = 1 while $rows =~ /^\| `([\w ]+)` \|/mg;
}
for my $check (sort keys %{ { %checks, %explained } })
{
	print "verification.md has no row for the check $check\n" unless $explained{$check};
	print "verification.md: verify() has no check $check\n" unless $checks{$check};
}

# nothing that does not exist, no link to nowhere
for my $file (sort keys %text)
{
	my %told;
	while ($text{$file} =~ /(?<![\w.\/-])workflow\.([a-z_]\w*)/g)
	{
		next if $exists{$1} || $told{$1}++;
		print "$file: workflow.$1 does not exist\n";
	}
	while ($text{$file} =~ /\]\(([^)#\s]*)(?:#([^)\s]*))?\)/g)
	{
		my ($target, $anchor) = ($1, $2);

		next if $target =~ /^https?:/;
		my ($folder) = $path{$file} =~ m{^(.*)/};
		my $path = $target eq '' ? $path{$file} : "$folder/$target";
		if (!-e $path)
		{
			print "$file: link to $target leads nowhere\n";
			next;
		}
		next unless defined $anchor;
		my %anchors;
		for my $heading (slurp($path) =~ /^#+ (.*)$/mg)
		{
			(my $id = lc $heading) =~ s/[^\w -]//g;
			$id =~ s/ /-/g;
			$anchors{$id} = 1;
		}
		print "$file: $target has no heading #$anchor\n" unless $anchors{$anchor};
	}
}

# macros
my $daily = slurp("$root/docs/daily.sql");
my ($names) = $daily =~ /^\\set daily (.*)$/m;
for my $macro ($daily =~ /^\\set (\w+) '(?:SELECT|WITH|TABLE)/mg)
{
	print "daily.sql: :daily does not name :$macro\n" unless ($names // '') =~ /:$macro\b/;
	print "administration.md does not run :$macro of daily.sql\n"
		unless $text{'administration.md'} =~ /^:$macro$/m;
}

# answers, up to the macros: the first block is what the examples are about
(my $answers = $text{'administration.md'}) =~ s/<!--.*?-->//gs;
$answers =~ s/^## The questions as macros.*//ms;
my @answers = $answers =~ /^```sql\n(.*?)^```/gms;
shift @answers;
for my $answer (@answers)
{
	my @lines = split /\n/, $answer;

	print "administration.md: more than two lines of 132 columns: $lines[0]\n"
		if @lines > 2 || grep { length > 132 } @lines;
	print "administration.md: more than one statement: $lines[0]\n" if ($answer =~ tr/;//) > 1;
}

# the picture in README.md is of the demonstration: its steps, and all of those that always run
my ($picture) = $text{'README.md'} =~ /^(package-audit version .*?)^```/ms;
my $demonstration = slurp("$root/test/demo/workflow.json");
my %drawn = map { $_ => 1 }
  ($picture // '') =~ /^[^\w\s]+ [^\w\[\n]*(?:\w+: )?(\w+)[^\n]* m?s(?: [^\w\s]+)?$/mg;
my %run = map { $_ => 1 } $demonstration =~ /^    "(\w+)":\s+\{/mg;
for my $step (sort keys %drawn)
{
	print "README.md: $step of the picture is not in test/demo/workflow.json\n"
		unless $demonstration =~ /"$step"/;
}
delete @run{ $demonstration =~ /"if_(?:true|false)_step": "(\w+)"/g };
for my $step (sort keys %run)
{
	print "README.md: the picture lacks step $step of test/demo/workflow.json\n" unless $drawn{$step};
}
