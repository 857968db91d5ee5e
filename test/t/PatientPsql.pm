# psql for tests: patient, and cheap.
#
# Patient: during a crash restart connections are refused, psql ends before it has read its
# input, and IPC::Run raises the broken pipe as an error of the test.  Nothing was executed
# then, so the question is asked again.
#
# Cheap: a test asks some hundred questions, and a process for each is most of what it costs.  A
# single statement is asked by DBD::Pg from within the test, in a session of its own as
# before, and what comes back is what psql would have shown.  Everything else is left to psql, as
# is what finds no server, and all of it where there is no DBD::Pg.

package PatientPsql;

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Time::HiRes qw(usleep);

my $has_driver = eval { require DBI; require DBD::Pg; };

# A single statement that psql has no part in.  Where strings end is not looked at: a semicolon
# in the middle, wherever it is, is left to psql.
sub is_plain
{
	my ($sql) = @_;

	return $has_driver && defined $sql && $sql =~ /\A[^;\\]*;?\s*\z/
	  && $sql =~ /\A\s*(?:SELECT|WITH|SHOW|INSERT|UPDATE|DELETE|ALTER|CREATE|DROP|GRANT|REVOKE)\b/i
	  && $sql !~ m{--|/\*|(?<!:):['"]};
}

# A value as the server would write it, which DBD::Pg has read as a number or as bytes.
sub as_written
{
	my ($value, $type) = @_;

	return '' if !defined $value;
	return '\x' . unpack('H*', $value) if $type eq 'bytea';
	return $value if $type !~ /\Afloat[48]\z/;
	return $value =~ s/inf/Infinity/ir =~ s/nan/NaN/ir if $value =~ /[in]/i;

	# the fewest digits that are the same number, with an exponent where the server has one
	my ($same, $most) =
	  $type eq 'float8'
	  ? (sub { $_[0] == $value }, 15)
	  : (sub { unpack('f', pack('f', $_[0])) == unpack('f', pack('f', $value)) }, 6);
	my $digits = 0;
	my $shortest;

	do { $shortest = sprintf("%.${digits}e", $value) } until $same->($shortest) || ++$digits > 16;
	my ($mantissa, $exponent) = split /e/, $shortest;

	return sprintf('%se%+03d', $mantissa, $exponent) if $exponent < -4 || $exponent >= $most;
	return sprintf('%.*f', $digits > $exponent ? $digits - $exponent : 0, $shortest);
}

# What psql -XAt shows of a statement, what it says besides, and its exit code: 2 when the
# connection was lost, 3 after an error.  Nothing without a connection.
sub ask
{
	my ($self, $connstr, $sql) = @_;
	my $line = 1 + ($sql =~ s/\s+\z//r =~ tr/\n//);
	my ($status, $shown, $said) = (0, '', '');
	local %ENV = $self->_get_env();
	local $SIG{__WARN__} = sub { $said .= "psql:<stdin>:$line: $_[0]" };
	local $@;
	my $session = eval {
		DBI->connect("dbi:Pg:$connstr fallback_application_name=psql", '', '',
			{ RaiseError => 0, PrintError => 0, PrintWarn => 1, AutoCommit => 1,
				pg_bool_tf => 1, pg_expand_array => 0, pg_enable_utf8 => 0 });
	} or return;
	my $statement = $session->prepare($sql, { pg_direct => 1 });

	if ($statement->execute)
	{
		my @types = $statement->{NUM_OF_FIELDS} ? @{ $statement->{pg_type} } : ();

		while (@types && (my $row = $statement->fetchrow_arrayref))
		{
			$shown .= join('|', map { as_written($row->[$_], $types[$_]) } 0 .. $#types) . "\n";
		}
		$statement->finish;
	}
	else
	{
		my $lost = $session->state !~ /\A(?!08|57P0|S8)[0-9A-Z]{5}\z/;

		$said .= "psql:<stdin>:$line: " . $session->errstr =~ s/^(?=server closed)/psql:<stdin>:$line: /mr . "\n";
		$said .= "psql:<stdin>:$line: error: connection to server was lost\n" if $lost;
		$status = $lost ? 2 : 3;
	}
	$session->disconnect;
	chomp($shown, $said);
	return ($status, $shown, $said);
}

# Call a function of Cluster.pm, again while psql finds no server that reads what it is given.
sub patiently
{
	my ($function, $list, @arguments) = @_;
	my @result;

	for my $attempt (1 .. 100)
	{
		@result = eval { $list ? $function->(@arguments) : scalar $function->(@arguments) };
		last if $@ eq '';
		die $@ if $@ !~ /Broken pipe/ || $attempt == 100;
	}
	return $list ? @result : $result[0];
}

my $psql = PostgreSQL::Test::Cluster->can('psql');
my $poll_query_until = PostgreSQL::Test::Cluster->can('poll_query_until');

# What psql() can be asked for without psql.
my %known = map { $_ => 1 } qw(stdout stderr on_error_die on_error_stop connstr);

no warnings 'redefine';

*PostgreSQL::Test::Cluster::psql = sub {
	my ($self, $dbname, $sql, %params) = @_;
	my ($status, $shown, $said);

	($status, $shown, $said) = ask($self, $params{connstr} // $self->connstr($dbname), $sql)
	  if is_plain($sql) && !grep { !$known{$_} } keys %params;
	return patiently($psql, wantarray, @_) if !defined $status;

	$status = 0 if $status == 3 && !($params{on_error_stop} // 1);
	${ $params{stdout} } = $shown if $params{stdout};
	${ $params{stderr} } = $said if $params{stderr};
	print STDERR "$said\n" if $said ne '' && !$params{stderr} && !wantarray;
	die(($status == 2 ? 'connection error' : 'error running SQL') . ": '$said'\nwith sql '$sql'")
	  if $status && $params{on_error_die};
	return wantarray ? ($status, $shown, $said) : $status;
};

*PostgreSQL::Test::Cluster::poll_query_until = sub {
	my ($self, $dbname, $query, $expected) = @_;
	my $attempts = is_plain($query) ? 10 * $PostgreSQL::Test::Utils::timeout_default : 0;

	foreach my $attempt (1 .. $attempts)
	{
		my ($status, $shown, $said) = ask($self, $self->connstr($dbname), $query);

		return 1 if defined $status && $said eq '' && $shown eq ($expected // 't');
		usleep(100_000);
	}
	# the last time as Cluster.pm does, which tells what it got
	local $PostgreSQL::Test::Utils::timeout_default = 0.1 if $attempts;
	return patiently($poll_query_until, wantarray, @_);
};

1;
