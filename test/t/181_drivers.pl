# docs/drivers.md: its programs print what the page says, straight from the server and
# through PgBouncer in session and in transaction mode; and what it says of settings.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Utils;
use Test::More;

use lib 't';
use PartsTest;
use WorkflowTest;

need_programs('pgbouncer');

# The programs of the page: language, text and what it prints.
my @examples;
my $page = slurp_file('../docs/drivers.md');
while ($page =~ /^## (\S+)[^\n]*\n(?:(?!^## ).)*?^```(python|java|javascript)\n(.*?)^```\n\n```text\n(.*?)^```$/msg)
{
	push @examples, { name => $1, language => $2, text => $3, prints => $4 };
}
is(join(' ', map { $_->{name} } @examples), 'psycopg psycopg2 JDBC node-postgres', 'the page has the examples');

my $node = workflow_cluster('drivers', "listen_addresses = '127.0.0.1'", "workflow.max_executors = 4");
my $pooler_port = PostgreSQL::Test::Cluster::get_free_port();
my $work = PostgreSQL::Test::Utils::tempdir();

$node->safe_psql('postgres', 'CREATE ROLE app LOGIN; CREATE DATABASE app OWNER app');
$node->safe_psql('app', q{CREATE EXTENSION pg_workflow; SELECT workflow.grant_usage('app')});

# --- PgBouncer: a name of the database for each mode ---
my $names = join '', map {
	"$_ = host=127.0.0.1 port=" . $node->port . " dbname=app user=app pool_mode=$_ pool_size=2\n"
} qw(session transaction);
my ($major, $minor) = `pgbouncer --version` =~ /^PgBouncer (\d+)\.(\d+)/;
my $prepares = $major > 1 || $minor >= 21;
my $prepared = $prepares ? 'max_prepared_statements = 100' : '';
append_to_file("$work/pgbouncer.ini", <<"EOC");
[databases]
$names
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = $pooler_port
unix_socket_dir =
auth_type = any
ignore_startup_parameters = extra_float_digits
$prepared
EOC
serve('pgbouncer', 'pgbouncer', "$work/pgbouncer.ini");

# Where a database is: of the server, or of the pooler.
sub connection
{
	my ($port, $database) = @_;

	return "host=127.0.0.1 port=$port dbname=$database user=app";
}

# psql through the pooler.
sub pooled
{
	my ($mode, $sql) = @_;
	my ($out, $err) = ('', '');

	IPC::Run::run([ 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-d', connection($pooler_port, $mode) ],
		'<', \$sql, '>', \$out, '2>', \$err);
	chomp $out;
	return "$out$err";
}
until_true('PgBouncer answers', sub { pooled('session', 'SELECT 1') eq '1' });

# --- statements, in both modes ---
foreach my $mode (qw(session transaction))
{
	pooled($mode, q{SELECT workflow.define('{"name": "one", "steps": [{"id": "a",
		"sql": "SELECT $1::int + 1", "params": ["${workflow.input.n}"], "result": "value"}]}')});
	is( pooled($mode, q{SELECT workflow.start('one', '{"n": 1}') AS id \gset
			SELECT status, output FROM workflow.wait(:id);
			SELECT workflow.execute('one', '{"n": 2}');
			CALL workflow.run('one', '{"n": 3}');}),
		"completed|2\n3\n4", "$mode mode: start, wait, execute, run");
	is( pooled($mode, q{BEGIN; SELECT workflow.start('one', '{"n": 1}') AS id \gset
			ROLLBACK;
			SELECT count(*) FROM workflow.executions WHERE id = :id}),
		'0', "$mode mode: rolled back");
	is( pooled($mode, q{SELECT workflow.start('one', start_at => 'infinity') AS id \gset
			SELECT workflow.cancel(:id); SELECT status FROM workflow.wait(:id)}),
		"cancelled\ncancelled", "$mode mode: cancel");
}

# --- settings ---
my $trace = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
my $started = q{SELECT workflow.start('one') AS id \gset
	SELECT traceparent FROM workflow.executions WHERE id = :id};

is(pooled('session', "SET workflow.traceparent = '$trace'; $started"), $trace,
	'session mode: SET is the session\'s');
is(pooled('session', $started), '', 'and gone with it');
is(pooled('transaction', "BEGIN; SET LOCAL workflow.traceparent = '$trace'; $started; COMMIT"), $trace,
	'transaction mode: SET LOCAL is the transaction\'s');
is(pooled('transaction', 'SHOW workflow.traceparent'), '', 'and gone with it');
is(pooled('transaction', "SET workflow.traceparent = '$trace'"), '', 'SET stays');
is(pooled('transaction', 'SHOW workflow.traceparent'), $trace, 'and is the next client\'s');
pooled('transaction', 'RESET workflow.traceparent');

# --- the programs ---
$ENV{NODE_PATH} = join ':', grep { defined } $ENV{NODE_PATH}, '/usr/share/nodejs';

# Of each language: the file of a program, what it lacks here (undef: nothing), how it is run.
my %languages = (
	python => {
		file => 'example.py',
		lacks => sub {
			my ($module) = $_[0] =~ /^import (psycopg2?)$/m;
			return succeeds('/usr/bin/python3', '-c', "import $module") ? undef : $module;
		},
		command => sub {
			my ($port, $database) = @_;
			return ('/usr/bin/python3', "$work/example.py", connection($port, $database));
		} },
	java => {
		file => 'Example.java',
		lacks => sub {
			return (grep { !-e } qw(/usr/bin/java /usr/bin/ecj /usr/share/java/postgresql.jar))[0];
		},
		# by itself: the script ecj of Debian 13 does not find the compiler
		compile => [
			qw(java -cp /usr/share/java/* org.eclipse.jdt.internal.compiler.batch.Main),
			qw(-proc:none -source 11 -target 11 -nowarn -d), "$work/java", "$work/Example.java" ],
		command => sub {
			my ($port, $database) = @_;
			return ('java', '-cp', "$work/java:/usr/share/java/postgresql.jar", 'Example',
				"jdbc:postgresql://127.0.0.1:$port/$database?user=app");
		} },
	javascript => {
		file => 'example.js',
		lacks => sub { return succeeds('node', '-e', 'require("pg")') ? undef : 'node-postgres' },
		command => sub {
			my ($port, $database) = @_;
			return ('node', "$work/example.js", "postgresql://app\@127.0.0.1:$port/$database");
		} });

# Whether a command does; one that is not there does not.
sub succeeds
{
	my (@command) = @_;
	my $out = '';

	return eval { IPC::Run::run(\@command, '<', \undef, '>&', \$out) };
}

foreach my $example (@examples)
{
	my ($name, $language) = ($example->{name}, $languages{ $example->{language} });

  SKIP: {
		my $lacks = $language->{lacks}->($example->{text});
		skip "$lacks is not installed: test/prepare.sh parts", 3 if defined $lacks;

		unlink "$work/$language->{file}";
		append_to_file("$work/$language->{file}", $example->{text});
		command_ok($language->{compile}, "$name compiles") if $language->{compile};
		my $runs = sub {
			my ($how, $port, $database, @arguments) = @_;
			my ($out, $err) = ('', '');

			IPC::Run::run([ $language->{command}->($port, $database), @arguments ],
				'<', \undef, '>', \$out, '2>', \$err);
			is("$out$err", $example->{prints}, "$name, $how");
		};
		$runs->('without PgBouncer', $node->port, 'app');
		$runs->('PgBouncer in session mode', $pooler_port, 'session');
		$runs->('PgBouncer in transaction mode', $pooler_port, 'transaction', 'pooled');
		# those that can be told not to prepare statements there
		if ($example->{text} =~ /"pooled"/)
		{
			skip 'PgBouncer before 1.21 has no prepared statements there', 1 unless $prepares;
			$runs->('PgBouncer in transaction mode, prepared', $pooler_port, 'transaction');
		}
	}
}

stop_serving('pgbouncer');
$node->stop;
done_testing();
