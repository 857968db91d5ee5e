# Sessions have used up max_connections, with what is reserved for superusers: executors and the
# scheduler are no sessions, and go on.  What needs a connection is told what the server says: a
# step that calls dblink fails with its SQLSTATE, which it can be tried again for; pg_cron, where it
# connects like a client, writes down that it could not, and the time that was due is not lost.

use strict;
use warnings FATAL => 'all';

use CrashTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

# A server, and the only session that there will be.
sub crowded
{
	my ($name, $workers) = @_;
	my $node = crash_cluster($name, 'max_connections = 10', 'superuser_reserved_connections = 3', 'workflow.max_recoveries = 2',
		"shared_preload_libraries = 'pg_cron, pg_workflow'", "cron.database_name = 'w'", "cron.use_background_workers = $workers");
	my $directory = $node->host;

	$node->append_conf('postgresql.conf', "cron.host = '$directory'");
	$node->restart;
	$node->safe_psql('w', qq{
		CREATE EXTENSION pg_cron;
		CREATE EXTENSION dblink;
		CREATE ROLE tenant LOGIN;
		CREATE FUNCTION self() RETURNS text LANGUAGE sql AS 'SELECT format(''host=$directory port=%s dbname=w'', current_setting(''port''))';
		-- takes all connections that are to be had; gives why there are no more
		CREATE FUNCTION crowd(who text) RETURNS text LANGUAGE plpgsql AS \$\$
		DECLARE
			said text;
		BEGIN
			FOR i IN 1 .. 100 LOOP
				PERFORM dblink_connect(who || i, self() || ' user=' || who);
			END LOOP;
		EXCEPTION WHEN sqlclient_unable_to_establish_sqlconnection THEN
			GET STACKED DIAGNOSTICS said = PG_EXCEPTION_DETAIL;
			RETURN said;
		END \$\$});
	my $session = $node->background_psql('w');
	$session->query_safe('SELECT 1');
	return ($node, $session);
}

my ($node, $session) = crowded('crowded', 'on');
my ($client, $client_session) = crowded('crowded_client', 'off');

sub wait_inside
{
	my ($where, $query, $name) = @_;
	my $answer = '';

	for (my $tries = 0; $answer ne 't' && $tries < 10 * $PostgreSQL::Test::Utils::timeout_default; $tries++)
	{
		usleep(100_000) if $tries;
		$answer = $where->query_safe("SELECT $query");
	}
	is($answer, 't', $name);
	return;
}

my %again = (retry => { errors => ['08001'], max_retries => 1000, type => 'fixed_delay', initial_delay_ms => 100 });
define_mixed($node, 'w');
define_workflow($node, 'w', 'outside', 'one', { step('one', 0, next_step => 'vacuum'),
	vacuum => { type => 'sql', sql => 'VACUUM effects', transaction => 'none' } });
define_workflow($node, 'w', 'retries', 'one', { step('one', 0, next_step => 'wrong'),
	wrong => { type => 'sql', sql => 'SELECT 1 / 0', retry => { errors => ['22012'], max_retries => 3, type => 'fixed_delay', initial_delay_ms => 10 },
		catch => [ { errors => ['22012'], next_step => 'last' } ] }, step('last', 0) });
define_workflow($node, 'w', 'links', 'link', { link => { type => 'sql', sql => q{SELECT * FROM dblink(self(), 'SELECT 1') AS t (n int)} } });
define_workflow($node, 'w', 'links_again', 'link', { link => { type => 'sql', sql => q{SELECT * FROM dblink(self(), 'SELECT 1') AS t (n int)}, %again } });
define_workflow($_, 'w', 'beat', 'one', { step('one', 0) }) foreach $node, $client;

# --- no connections ---

my $reserved = qr/FATAL:  remaining connection slots are reserved/;
my $none = qr/FATAL:  sorry, too many clients already/;
foreach my $each ([ $node, $session ], [ $client, $client_session ])
{
	my ($where, $inside) = @$each;

	# sessions of the test may still be on their way out
	wait_inside($inside, q{count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'client backend'}, 'there is one session');
	like($inside->query_safe(q{SELECT crowd('tenant')}), $reserved, 'sessions have used up the connections');
	like($inside->query_safe(q{SELECT crowd('postgres')}), $none, 'and what is reserved');
	$where->psql('w', 'SELECT 1', stderr => \my $error);
	like($error, $none, 'nobody gets in');
	# not before, so that it is due when there is nothing to be had
	$inside->query_safe(q{SELECT workflow.schedule('minutes', 'beat', '* * * * *')});
}

# --- executions go on, with executors that have to be started first ---

$session->query_safe('SELECT count(workflow.recycle_executor(pid)) FROM workflow.executors');
wait_inside($session, q{NOT EXISTS (SELECT FROM workflow.executors)}, 'there are no executors');
$session->query_safe(q{SELECT count(workflow.start(w)) FROM unnest('{mixed, outside, retries}'::text[]) AS w, generate_series(1, 10)});
wait_inside($session, q{count(*) = 30 FROM workflow.executions WHERE status = 'completed' AND workflow IN ('mixed', 'outside', 'retries')},
	'executions of several kinds go on');
wait_inside($session, q{EXISTS (SELECT FROM workflow.alerts WHERE condition = 'connections')}, 'there is an alert about connections');

my $links = $session->query_safe(q{SELECT workflow.start('links')});
wait_inside($session, "status = 'failed' FROM workflow.executions WHERE id = $links", 'a step that needs a connection fails');
like($session->query_safe("SELECT concat_ws('|', error_type, error ->> 'message', error ->> 'detail', recoveries) FROM workflow.executions WHERE id = $links"),
	qr/^08001\|could not establish connection\|.*FATAL:  sorry, too many clients already\s*\|0$/s, 'and says why');
my $again = $session->query_safe(q{SELECT workflow.start('links_again')});
wait_inside($session, "count(*) > 2 FROM workflow.step_executions WHERE execution_id = $again", 'or is tried again');

# --- pg_cron: its workers come, its clients do not ---

wait_inside($session, q{count(*) > 0 FROM workflow.schedule_runs WHERE schedule = 'minutes' AND outcome = 'started'},
	'a schedule goes on where pg_cron has background workers');
wait_inside($client_session, q{count(*) > 0 FROM cron.job_run_details WHERE status = 'failed'}, 'where it is a client it cannot');
like($client_session->query_safe(q{SELECT return_message FROM cron.job_run_details WHERE status = 'failed' LIMIT 1}), qr/connection/, 'and pg_cron says so');
is($client_session->query_safe(q{SELECT count(*) FROM workflow.schedule_runs}), 0, 'nothing was started');
my $due = $client_session->query_safe(q{SELECT next_run_at FROM workflow.schedules WHERE next_run_at < now()});
isnt($due, '', 'a time is due');

# --- there are connections again ---

foreach my $inside ($session, $client_session)
{
	$inside->query_safe('SELECT count(dblink_disconnect(c)) FROM unnest(dblink_get_connections()) AS c');
}
wait_until($node, "SELECT status = 'completed' FROM workflow.executions WHERE id = $again", 'a step that was tried again does it');
$node->safe_psql('w', "SELECT workflow.retry($links)");
wait_until($node, "SELECT status = 'completed' FROM workflow.executions WHERE id = $links", 'and so does the one that had failed');
# the next beat, which need not be waited for: what the job does
$client->safe_psql('w', $client->safe_psql('w', 'SELECT command FROM cron.job'));
is($client->safe_psql('w', q{SELECT due_at, outcome FROM workflow.schedule_runs ORDER BY id LIMIT 1}), "$due|started", 'what was due is started');
foreach my $each ([ $node, $session ], [ $client, $client_session ])
{
	my ($where, $inside) = @$each;

	$where->safe_psql('w', q{SELECT workflow.unschedule('minutes')});
	wait_until($where, q{SELECT NOT EXISTS (SELECT FROM workflow.executions WHERE status NOT IN ('completed', 'failed'))}, 'everything ends');
	is($where->safe_psql('w', q{SELECT string_agg(DISTINCT status, ',') || ' ' || max(recoveries) FROM workflow.executions}), 'completed 0',
		'well, and nothing was counted');
	check_effects($where, 'w', 'true', $where->name);
	check_finished($where, 'w', $where->name);
	check_pool($where, 'w', $where->name);
	$inside->quit;
	$where->stop;
}

done_testing();
