# owner_sql.pl
#	  What SQL that may run as the owner of the extension finds by its name alone:
#	  operators, also those that a construct hides, and functions in texts in C; all
#	  that is in a text of a function of the install script that does not pin its path.
#
# NOTES
#	  usage: owner_sql.pl FILE.c FILE.sql ..
#	  become_owner() pins the path, and this holds should a text ever run without.  So a
#	  text in C says OPERATOR(pg_catalog.=), and has no IN, BETWEEN, LIKE, CASE x WHEN,
#	  NULLIF, DISTINCT FROM, JOIN .. USING or NATURAL JOIN, which look up "=" and the
#	  like.  A text is what stands between quotes, macros in between included, and
#	  reads like SQL.  What is only shown (errors, hints) does not run.  Prints what is
#	  wrong, one line each.

use strict;
use warnings FATAL => 'all';

my $string = qr/"(?:[^"\\\n]|\\.)*"/s;
# a macro, or an argument of the macro that the text is in
my $macro = qr/#?\b[A-Za-z_]\w*\b(?:\((?:[^()"]|$string)*\))?/;
my $gap = qr/(?:[\s\\]|$macro)*/;

# What is called without a schema because the grammar knows it, and words before a parenthesis.
my %grammar = map { $_ => 1 } qw(all and any array as by case coalesce conflict do else end exists extract filter from
	grant greatest group having in into is join key lateral least limit materialized not nothing null offset on only operator or
	order over partition position primary references returning row select set sets some substring table then trim unique update using
	values view when where with within overlay);

# Texts that read like SQL.
my $keyword = qr/\b(?:SELECT|INSERT INTO|UPDATE|DELETE FROM|WITH|FROM|WHERE|JOIN|RETURNING|SET|ORDER BY|AND|OR|VALUES|CASE|COALESCE|NULLIF|IN|LOCK TABLE)\b|\bpg_catalog\./i;

# A text without comments, strings and quoted names.
sub bare
{
	my ($sql) = @_;

	$sql =~ s{/\*.*?\*/}{ }gs;
	$sql =~ s/(?:\bE)?'(?:[^']|'')*'/ 'x' /gs;
	$sql =~ s/"(?:[^"]|"")*"/ x /gs;
	return $sql;
}

# A text without the "=" of SET: those on its level, up to what ends it.
sub without_assignments
{
	my ($sql) = @_;
	my ($result, $depth, $column, @set) = ('', 0, 0);

	while ($sql =~ /\G(\w+|[-+*\/<>=~!@#%^&|`?]+|.)/gs)
	{
		my $token = $1;

		$depth++ if $token eq '(';
		$depth-- if $token eq ')';
		pop @set while @set && ($set[-1] > $depth || $set[-1] == $depth && $token =~ /^(?:WHERE|FROM|RETURNING)$/i);
		push @set, $depth if $token =~ /^SET$/i;
		my $assigns = @set && $set[-1] == $depth;
		$column = 1 if $assigns && $token =~ /^(?:SET|,)$/i;
		($token, $column) = (',', 0) if $assigns && $token eq '=' && $column;
		$result .= $token;
	}
	return $result;
}

# What is wrong with a text.
sub problems
{
	my ($sql) = @_;
	my @problems;
	my $rest = bare($sql);

	# as they should be, with ANY, ALL and SOME behind them
	$rest =~ s/\bOPERATOR\s*\(\s*pg_catalog\s*\.\s*[^\s()\w]+\s*\)(?:\s*(?:ANY|ALL|SOME)\b)?/ , /gi;
	push @problems, uc $1 =~ s/\s+/ /gr
		while $rest =~ /\b(IN(?=\s*\()|NULLIF|DISTINCT\s+FROM|BETWEEN|I?LIKE|SIMILAR\s+TO|NATURAL\s+(?:INNER\s+|LEFT\s+|RIGHT\s+|FULL\s+)?(?:OUTER\s+)?JOIN|OVERLAPS)\b/gi;
	push @problems, 'JOIN .. USING' if $rest =~ /\bJOIN\b(?:(?!\b(?:ON|WHERE|JOIN|ORDER)\b).)*\bUSING\s*\(/is;
	push @problems, 'CASE x WHEN' if $rest =~ /\bCASE\s+(?!WHEN\b)\S/i;
	# what is assigned, casts, named arguments, all columns, signs of numbers and places of printf
	$rest = without_assignments($rest);
	$rest =~ s/\A\s*M\s*=(?=.*,\s*\z)/ , /s;
	$rest =~ s/::|=>|:=/ , /g;
	$rest =~ s/(\b[.]|\(|\bSELECT\s|\bRETURNING\s|,)\s*\*/$1 ,/gi;
	$rest =~ s/(?:(?<=[(,=])|\b(?:THEN|ELSE|WHEN|LIMIT|SELECT)\b)\s*-\s*(?=\d)/ , /gi;
	$rest =~ s/%%|%(?:\d+\$)?(?:l+|z)?[sdiuILX]\b/ .x /g;
	push @problems, "operator $1" while $rest =~ /([-+*\/<>=~!@#%^&|`?]+)/g;
	# names of what FROM and WITH make, with their columns
	$rest =~ s/(?:\bWITH(?:\s+RECURSIVE)?|,)\s+\w+(?=\s*\([\w\s,]*\)\s*AS\b)/ , /gi;
	$rest =~ s/\bAS\s+\w+(?=\s*\()/ , /gi;
	$rest =~ s/\bINSERT\s+INTO\s+\w+(?=\s*\()/ , /gi;
	foreach my $name ($rest =~ /(?<![\w.])([a-z_][a-z0-9_]*)\s*\(/gi)
	{
		push @problems, "function $name()" unless $grammar{ lc $name };
	}
	return @problems;
}

# Functions of the install script whose body finds names along the caller's path: those in C
# pin it where they become the owner, SQL in BEGIN ATOMIC or RETURN is parsed once.
sub unsafe_functions
{
	my ($file, $script) = @_;

	$script =~ s{(/\*.*?\*/|--[^\n]*)}{ $1 =~ tr/\n//cdr }gse;
	while ($script =~ /^(CREATE\s+(?:OR\s+REPLACE\s+)?(?:FUNCTION|PROCEDURE)\s+([\w.]+)(?:\$(\w*)\$.*?\$\g3\$|'(?:[^']|'')*'|(?!\bBEGIN\s+ATOMIC\b|\bRETURN\b)[^;])*)/gims)
	{
		my ($statement, $name, $line) = ($1, $2, 1 + (substr($script, 0, $-[0]) =~ tr/\n//));
		my $in_c = $statement =~ /\bLANGUAGE\s+'?(?:c|internal)\b/i;
		my $text = !$in_c && $statement =~ /\bAS\s*(?:\$\w*\$|E?')/i;

		print "$file:$line: $name\n"
		  if ($text || $statement =~ /\bSECURITY\s+DEFINER\b/i)
		  && $statement !~ /\bSET\s+search_path\s*(?:=|TO)\s*pg_catalog\s*,\s*pg_temp\b/i;
	}
	return;
}

foreach my $file (@ARGV)
{
	open my $handle, '<', $file or die "$file: $!\n";
	my $source = do { local $/; <$handle> };

	if ($file =~ /\.sql$/)
	{
		unsafe_functions($file, $source);
		next;
	}
	# other rooms show SQL to a caller (the help of why()), unless they call SPI
	next unless $file =~ m{/state/} || $source =~ /\bSPI_/;
	my $code = $source =~ s{(/\*.*?\*/)}{ $1 =~ tr/\n//cdr }gesr;

	# a directive ends a text, and one ends where its last line does
	$code =~ s{^[ \t]*#[ \t]*(?:include|if|else|endif|undef|error|elif)\b.*$}{;}mg;
	$code =~ s{^[ \t]*#[ \t]*define\b(?:.*\\\n)*.*$}{$&;}mg;
	# what is shown, and what C compares with, is no statement
	$code =~ s{\b((?:err(?:msg|hint|detail|context)\w*|elog|gettext_noop|strstr|strcmp|starts_with)\s*)(\((?:[^()"']|$string|'(?:[^'\\]|\\.)'|(?2))*\))}{ $2 =~ tr/\n//cdr }ge;
	while ($code =~ /((?:#\w+\s*)?$string(?:$gap$string)*)/g)
	{
		my ($text, $line) = ($1, 1 + (substr($code, 0, $-[0]) =~ tr/\n//));
		my @arguments;

		$text =~ s/\G($string|[\s\\]+|$macro)/ my $part = $1; $part =~ m{^"(.*)"$}s ? $1 : $part =~ m{^[\s\\]+$} ? '' : do { push @arguments, $part =~ m{$string}g; ' M ' } /ge;
		$text =~ s/\\n/\n/g;
		$text =~ s/\\(.)/$1/gs;
		foreach my $sql ($text, map { s/^"|"$//gr } @arguments)
		{
			next unless $sql =~ $keyword && $sql =~ /\s/ && $sql !~ /\A--/;
			print "$file:$line: $_\n" foreach problems($sql);
		}
	}
}
