# What tests of other people's programs share: whether they are there, programs that
# serve until the test ends, and questions by HTTP.

package PartsTest;

use strict;
use warnings FATAL => 'all';

use Exporter 'import';
use HTTP::Tiny;
use IPC::Run;
use PostgreSQL::Test::Cluster;
use Test::More;
use Time::HiRes qw(usleep);

our @EXPORT = qw(need_programs serve stop_serving http_get until_true);

my %running;

# Skip the test where a program, or a file, is missing.  "make check" has installed them.
sub need_programs
{
	my @missing = grep {
		my $name = $_;
		!($name =~ m{/} ? -e $name : grep { -x "$_/$name" } split /:/, $ENV{PATH})
	} @_;

	plan skip_all => join(', ', @missing) . ' not installed: test/prepare.sh parts' if @missing;
	return;
}

# Start a program that runs until the test ends; what it says goes to the test's log.
sub serve
{
	my ($name, @command) = @_;
	my $log = "$PostgreSQL::Test::Utils::log_path/$name.log";

	$running{$name} = IPC::Run::start(\@command, '<', \undef, '>', $log, '2>&1');
	return;
}

sub stop_serving
{
	my ($name) = @_;
	my $program = delete $running{$name} or return;

	$program->kill_kill(grace => 30);
	return;
}

# The body of a page, or undef when it is not to be had.
sub http_get
{
	my ($port, $path) = @_;
	my $answer = HTTP::Tiny->new(timeout => 60)->get("http://127.0.0.1:$port$path");

	return $answer->{success} ? $answer->{content} : undef;
}

# Ask again until it is so; fails after the time that PostgreSQL's own tests wait.
sub until_true
{
	my ($name, $question) = @_;
	my $end = time + $PostgreSQL::Test::Utils::timeout_default;

	while (time < $end)
	{
		return pass($name) if $question->();
		usleep(100_000);
	}
	return fail($name);
}

END
{
	my $status = $?;

	stop_serving($_) foreach keys %running;
	$? = $status;
}

1;
