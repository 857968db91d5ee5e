#
# install_script.pl
#	  What could make the install script, or one of an update, run or adopt what somebody else
#	  has made.
#
# NOTES
#	  usage: install_script.pl CONTROL SCRIPT ..
#	  After the rules of pgspot, which knows no pinned path.  The script runs as a superuser with
#	  search_path = pg_catalog, pg_temp, because the control file says so; names in bodies
#	  that are parsed when they are created (views, policies, BEGIN ATOMIC, RETURN) are
#	  found there.  Prints what is wrong, one line each.
#
#	  A script whose name has two versions, or that is in a folder "updates", is of an
#	  update: it may also replace, alter and drop what is in schema workflow, and write its
#	  tables.  The server lets it replace nothing that is not the extension's own.  The way
#	  back has views and functions as they were released, some with names of the catalogs
#	  alone: nobody can make others that begin with pg_.

use strict;
use warnings;

my ($control_file, @scripts) = @ARGV;

sub slurp
{
	my ($name) = @_;
	open my $handle, '<', $name or die "cannot read $name: $!\n";
	local $/;
	return scalar <$handle>;
}

my $control = slurp($control_file);
for my $line ('schema = pg_catalog', 'relocatable = false', 'superuser = true')
{
	print "$control_file: \"$line\" is missing: it pins the path, or keeps others from running the script\n"
		unless $control =~ /^\Q$line\E$/m;
}
print "$control_file: trusted: see docs/security.md\n" if $control =~ /^trusted\s*=\s*true/m;

# Statements of a script: [line, text without comments and strings].
sub statements
{
	my ($text) = @_;
	my @statements;
	my ($statement, $line, $begun, $atomic) = ('', 1, undef, 0);

	while ($text =~ /\G(\/\*.*?\*\/|--[^\n]*|E?'(?:[^']|'')*'|"(?:[^"]|"")*"|\$(\w*)\$.*?\$\2\$|\w+|\s+|.)/gs)
	{
		my $token = $1;

		if ($token =~ m{^/\*|^--})
		{
			$line += $token =~ tr/\n//;
			next;
		}
		$begun //= $line if $token =~ /\S/;
		$line += $token =~ tr/\n//;
		$token = "''" if $token =~ /^E?'/;
		$token = '$$' if $token =~ /^\$\w*\$/;
		$atomic = 1 if $token =~ /^atomic$/i && $statement =~ /\bBEGIN\s+$/i;
		$atomic = 0 if $atomic && $token =~ /^end$/i && $statement =~ /;\s*$/;
		if ($token eq ';' && !$atomic)
		{
			push @statements, [ $begun, $statement =~ s/^\s+//r ] if $statement =~ /\S/;
			($statement, $begun) = ('', undef);
			next;
		}
		$statement .= $token;
	}
	push @statements, [ $begun, $statement =~ s/^\s+//r ] if $statement =~ /\S/;
	return @statements;
}

for my $script (@scripts)
{
	my $update = $script =~ m{--[^/]*--[^/]*\.sql$|(?:^|/)updates/};

	# the first line, for psql
	for my $pair (statements(slurp($script) =~ s/\A\\echo [^\n]*//r))
	{
		my ($line, $statement) = @$pair;
		my $wrong = sub { print "$script:$line: $_[0]: ", substr($statement =~ s/\s+/ /gr, 0, 60), "\n" };

		if ($update)
		{
			# no other kinds than those that the server asks whose they are
			$statement =~ s/^CREATE\s+OR\s+REPLACE\s+(?=(?:VIEW|FUNCTION|PROCEDURE|AGGREGATE)\s+workflow\.)/CREATE /i;
			$wrong->('CASCADE drops what is somebody else\'s') if $statement =~ /^(?:DROP|ALTER)\b.*\bCASCADE\b/is;
			next if $statement =~ /^DROP\s+(?:VIEW|FUNCTION|PROCEDURE|AGGREGATE|TABLE|DOMAIN|TYPE|SEQUENCE|INDEX)\s+workflow\.[^,]*$/i
				|| $statement =~ /^DROP\s+(?:FUNCTION|PROCEDURE|AGGREGATE)\s+workflow\.\w+\([^()]*\)$/i
				|| $statement =~ /^DROP\s+(?:POLICY|TRIGGER)\s+\w+\s+ON\s+workflow\.\w+$/i
				|| $statement =~ /^ALTER\s+EXTENSION\s+pg_workflow\s+DROP\s+(?:TABLE|SEQUENCE)\s+workflow\.\w+$/i
				|| $statement =~ /^ALTER\s+DOMAIN\s+workflow\./i
				|| $statement =~ /^DO\s+\$\$$/i;
		}

		# adopts what somebody has put there
		$wrong->('OR REPLACE') if $statement =~ /\bCREATE\s+OR\s+REPLACE\b/i;
		$wrong->('IF NOT EXISTS') if $statement =~ /\bIF\s+NOT\s+EXISTS\b/i;
		# changes what the rest of the script means, or cannot be read
		$wrong->('not a statement of an install script')
			unless $statement =~ /^(?:CREATE|COMMENT\s+ON|ALTER\s+TABLE\s+workflow\.|GRANT|REVOKE|SELECT\s+(?:pg_catalog|workflow)\.|DO\s+LANGUAGE\s+plpgsql\s+\$\$|INSERT\s+INTO\s+workflow\.)/i
			|| $update && $statement =~ /^UPDATE\s+workflow\./i;
		$wrong->('the name is not in schema workflow')
			if $statement =~ /^CREATE\s+(?:UNLOGGED\s+)?(?:TABLE|VIEW|FUNCTION|PROCEDURE|AGGREGATE|TYPE|DOMAIN|SEQUENCE|OPERATOR(?:\s+CLASS)?+)\s+(?!workflow\.)/i
			|| $statement =~ /^CREATE\s+(?:UNIQUE\s+)?(?:INDEX|POLICY|TRIGGER)\b(?!.*?\bON\s+workflow\.)/is;
		$wrong->('a kind of object that reaches beyond schema workflow')
			if $statement =~ /^CREATE\s+(?:EVENT\s+TRIGGER|ROLE|USER|EXTENSION|LANGUAGE|SERVER|PUBLICATION|SUBSCRIPTION|DATABASE|TABLESPACE|RULE)\b/i
			|| $statement =~ /^CREATE\s+SCHEMA\s+(?!workflow$)/i;
		# rights
		$wrong->('rights for everybody')
			if $statement =~ /^GRANT\b.*\bTO\s+PUBLIC\b/is && $statement !~ /^GRANT\s+EXECUTE\s+ON\s+FUNCTION\s+workflow\.(?:version|role_\w+)\(/i;
		$wrong->('grant option') if $statement =~ /\bWITH\s+GRANT\s+OPTION\b/i;
		# somebody else's names
		if ($statement =~ /^CREATE\s+(?:FUNCTION|PROCEDURE)/i)
		{
			my $pinned = $statement =~ /\bSET\s+search_path\s*(?:=|TO)\s*(?:pg_catalog|'')/i;

			$wrong->('SECURITY DEFINER without SET search_path') if $statement =~ /\bSECURITY\s+DEFINER\b/i && !$pinned;
			$wrong->('a body that finds its names when it runs')
				if $statement =~ /\bLANGUAGE\s+(?:sql|plpgsql)\b/i && $statement =~ /\bAS\s+(?:''|\$\$)/i && !$pinned;
		}
		if ($statement =~ /^(?:CREATE\s+(?:VIEW|POLICY)|UPDATE|INSERT)\b/i || $statement =~ /\bBEGIN\s+ATOMIC\b/i)
		{
			my %named = map { lc($_) => 1 } $statement =~ /\b(\w+)(?:\s*\([\w\s,]*\))?\s+AS\s+(?:NOT\s+)?(?:MATERIALIZED\s+)?\(/gi;

			# not within EXTRACT and DISTINCT FROM
			$statement =~ s/\bEXTRACT\s*\(\s*\w+\s+FROM\b/EXTRACT(/gi;
			while ($statement =~ /(?<!DISTINCT)\s(?:FROM|JOIN|INTO|UPDATE)\s+(?:ONLY\s+|LATERAL\s+)?([a-z_]\w*)(?![\w.(])/gi)
			{
				$wrong->("relation \"$1\" has no schema")
					unless $named{ lc $1 } || $1 =~ /^(?:SELECT|LATERAL|VALUES)$/i || $update && $1 =~ /^pg_/;
			}
		}
		$wrong->('a view without security_barrier') if $statement =~ /^CREATE\s+VIEW\s+\S+\s+(?!WITH\s*\(\s*security_barrier\s*\))/i;
	}
}
