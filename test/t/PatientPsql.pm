# psql while the server is away: during a crash restart connections are refused, psql
# ends before it has read its input, and IPC::Run raises the broken pipe as an error
# of the test.  Nothing was executed then, so the question is asked again.

package PatientPsql;

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;

foreach my $name (qw(psql poll_query_until))
{
	my $original = PostgreSQL::Test::Cluster->can($name);
	my $patient = sub {
		my @arguments = @_;
		my $list = wantarray;
		my @result;

		for my $attempt (1 .. 100)
		{
			@result = eval { $list ? $original->(@arguments) : scalar $original->(@arguments) };
			last if $@ eq '';
			die $@ if $@ !~ /Broken pipe/ || $attempt == 100;
		}
		return $list ? @result : $result[0];
	};

	no strict 'refs';
	no warnings 'redefine';
	*{"PostgreSQL::Test::Cluster::$name"} = $patient;
}

1;
