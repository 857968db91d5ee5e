# A logical subscriber does not run the publisher's executions, also after a restart; dropping the
# subscription is what it takes to have it take over.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Watchdog;
use WorkflowTest;

my $publisher = workflow_cluster('publisher', 'wal_level = logical', 'max_wal_senders = 5', 'max_replication_slots = 5');
my $subscriber = workflow_cluster('subscriber', 'wal_level = logical', 'max_wal_senders = 5', 'max_replication_slots = 5');
foreach my $node ($publisher, $subscriber)
{
	install_extension($node, 'postgres');
	$node->safe_psql('postgres', q{
		CREATE TABLE gate (closed boolean);
		INSERT INTO gate VALUES (true);
		CREATE TABLE done (execution_id bigint, step text);
		CREATE FUNCTION pass_gate() RETURNS void LANGUAGE plpgsql AS $$
		BEGIN
			WHILE EXISTS (SELECT FROM gate) LOOP
				PERFORM pg_sleep(0.02);
			END LOOP;
		END $$});
	define_sql($node, 'postgres', 'gated', 'SELECT 1', 'SELECT pass_gate()', 'SELECT 2');
}

# Steps that this cluster has run.
sub steps_run
{
	my ($node) = @_;
	return $node->safe_psql('postgres', 'SELECT steps > 0 FROM workflow.engine_statistics WHERE database = current_database()');
}

# --- it replicates ---

$publisher->safe_psql('postgres', 'CREATE PUBLICATION flows FOR TABLE workflow.executions, workflow.step_executions');
$subscriber->safe_psql('postgres', q{CREATE SUBSCRIPTION flows CONNECTION '}
	  . $publisher->connstr . ' dbname=postgres' . q{' PUBLICATION flows});
$subscriber->wait_for_subscription_sync($publisher, 'flows') if $subscriber->can('wait_for_subscription_sync');
my $id = $publisher->safe_psql('postgres', q{SELECT workflow.start('gated')});
$publisher->poll_query_until('postgres', q{SELECT count(*) = 1 FROM workflow.activity WHERE step_id = 's2'})
  or die 'the step does not run';
my $deferred = $publisher->safe_psql('postgres', q{SELECT workflow.start('short', start_at => now() + interval '1 hour')});
ok($subscriber->poll_query_until('postgres', "SELECT count(*) = 2 FROM workflow.executions WHERE id = $id AND status = 'running' OR id = $deferred"),
	'the executions are replicated');

sub check_leaves_them
{
	my ($when) = @_;
	my $from = $subscriber->safe_psql('postgres', q{SELECT max(id) FROM workflow.executions});

	# what begins on the publisher ends there, and comes here ended
	my $short = $publisher->safe_psql('postgres', q{SELECT workflow.start('short')});
	ok($subscriber->poll_query_until('postgres', "SELECT status = 'completed' FROM workflow.executions WHERE id = $short"),
		"$when: what the publisher has run is completed here, too");
	is($subscriber->safe_psql('postgres', "SELECT status, recoveries FROM workflow.executions WHERE id = $id"),
		'running|0', "$when: what runs there is left alone");
	is($subscriber->safe_psql('postgres', q{SELECT count(*) FROM workflow.activity}), 0, "$when: no step runs here");
	is(steps_run($subscriber), 'f', "$when: none has");
	is($subscriber->safe_psql('postgres', "SELECT reason, help FROM workflow.why($id) LIMIT 1"),
		'replica|DROP SUBSCRIPTION flows', "$when: why() says so");
	return;
}

check_leaves_them('while it replicates');
left_open($subscriber, 'gated', 'short');
$subscriber->restart;
$subscriber->poll_query_until('postgres', schedulers(), 'postgres') or die 'no scheduler';
check_leaves_them('after a restart');
$subscriber->safe_psql('postgres', 'ALTER SUBSCRIPTION flows DISABLE');
$subscriber->restart;
$subscriber->poll_query_until('postgres', schedulers(), 'postgres') or die 'no scheduler';
is($subscriber->safe_psql('postgres', "SELECT reason FROM workflow.why($id) LIMIT 1"), 'replica', 'nor while the subscription is disabled');
$subscriber->safe_psql('postgres', 'ALTER SUBSCRIPTION flows ENABLE');
$publisher->safe_psql('postgres', 'DELETE FROM gate');
ok($subscriber->poll_query_until('postgres', "SELECT status = 'completed' FROM workflow.executions WHERE id = $id"),
	'it ends where it runs, and the subscription goes on');

# --- taking over ---

$publisher->safe_psql('postgres', 'INSERT INTO gate VALUES (true)');
$id = $publisher->safe_psql('postgres', q{SELECT workflow.start('gated')});
ok($subscriber->poll_query_until('postgres', "SELECT count(*) = 1 FROM workflow.step_executions WHERE execution_id = $id AND step_id = 's1'"),
	'half an execution is replicated');
left_open($publisher, 'gated');
$publisher->stop('immediate');
$subscriber->safe_psql('postgres', q{
	DELETE FROM gate;
	ALTER SUBSCRIPTION flows DISABLE;
	ALTER SUBSCRIPTION flows SET (slot_name = NONE);
	DROP SUBSCRIPTION flows});
ok($subscriber->poll_query_until('postgres', "SELECT status = 'completed' FROM workflow.executions WHERE id = $id"),
	'without the subscription it goes on here');
is($subscriber->safe_psql('postgres', "SELECT string_agg(step_id, ',' ORDER BY started_at) FROM workflow.step_executions WHERE execution_id = $id"),
	's1,s2,s3', 'where it stood');

# --- taking over what a scheduler does not know that has run all the time: all tables, no restart ---

$publisher->start;
$publisher->safe_psql('postgres', 'CREATE PUBLICATION everything FOR ALL TABLES');
$subscriber->safe_psql('postgres', 'TRUNCATE ' . $subscriber->safe_psql('postgres', q{
	SELECT string_agg(oid::regclass::text, ', ') FROM pg_class
	WHERE relkind = 'r' AND relnamespace = ANY ('{public,workflow}'::regnamespace[])}));
my $scheduler = worker_pid($subscriber, 'scheduler', 'postgres');
$subscriber->safe_psql('postgres', q{CREATE SUBSCRIPTION everything CONNECTION '}
	  . $publisher->connstr . ' dbname=postgres' . q{' PUBLICATION everything});
$subscriber->wait_for_subscription_sync($publisher, 'everything');
ok($subscriber->poll_query_until('postgres', qq{SELECT count(*) = 1 FROM pg_stat_activity
	WHERE backend_type = 'pg_workflow scheduler' AND pid <> $scheduler}), 'another scheduler knows of the subscription');
my $running = $publisher->safe_psql('postgres', q{SELECT workflow.start('gated')});
ok($subscriber->poll_query_until('postgres', "SELECT count(*) = 1 FROM workflow.step_executions WHERE execution_id = $running AND step_id = 's1'"),
	'one runs');
$publisher->safe_psql('postgres', 'ALTER SYSTEM SET workflow.enabled = off');
$publisher->reload;
$publisher->poll_query_until('postgres', q{SELECT NOT current_setting('workflow.enabled')::boolean}) or die 'not reloaded';
my $pending = $publisher->safe_psql('postgres', q{SELECT workflow.start('short')});
my $replicated = "SELECT count(*) = 2 FROM workflow.executions WHERE (id, status) IN (($running, 'running'), ($pending, 'pending'))";
ok($subscriber->poll_query_until('postgres', $replicated), 'one is to begin');
foreach my $id ($running, $pending)
{
	is($subscriber->safe_psql('postgres', "SELECT reason FROM workflow.why($id) LIMIT 1"), 'replica', 'it is not run here');
}
left_open($publisher, 'gated', 'short');
$publisher->stop('immediate');
my ($numbers) = slurp_file('../docs/configuration.md') =~ /^(DO \$\$.*?END \$\$;)$/ms or die 'the page does not say how numbers go on';
$subscriber->safe_psql('postgres', "DELETE FROM gate; $numbers
	ALTER SUBSCRIPTION everything DISABLE;
	ALTER SUBSCRIPTION everything SET (slot_name = NONE);
	DROP SUBSCRIPTION everything");
foreach my $id ($running, $pending)
{
	ok(wait_for_status($subscriber, 'postgres', $id, 'completed'), 'without the subscription it goes on here');
}
define_sql($subscriber, 'postgres', 'own', 'SELECT 1');
is($subscriber->safe_psql('postgres', "SELECT status FROM workflow.wait(" . run_execution($subscriber, 'postgres', 'own') . ", '0 s')"), 'completed',
	'and what is new');

# --- subscriptions of others than superusers ---

# A193: of somebody who may make one, and could not write the table: it stops nothing

SKIP:
{
	skip 'only superusers have subscriptions before PostgreSQL 16', 6 if $subscriber->pg_version < 16;
	$publisher->start;
	$subscriber->safe_psql('postgres', q{
		CREATE ROLE subscriber IN ROLE pg_create_subscription;
		GRANT CREATE ON DATABASE postgres TO subscriber;
		CREATE SUBSCRIPTION halt CONNECTION '} . $publisher->connstr . q{ dbname=postgres' PUBLICATION everything
			WITH (create_slot = false, slot_name = NONE, enabled = false, password_required = false)});
	foreach my $change ([ '', 'replica', 'of a superuser' ], [ 'ALTER SUBSCRIPTION halt OWNER TO subscriber', 'completed', 'of another role' ],
		[ 'GRANT INSERT ON workflow.executions TO subscriber; ALTER SUBSCRIPTION halt SET (run_as_owner = true)', 'completed', 'that policies refuse' ],
		[ 'ALTER ROLE subscriber BYPASSRLS', 'replica', 'that may write' ],
		[ 'REVOKE INSERT ON workflow.executions FROM subscriber', 'completed', 'that may not any more' ])
	{
		my ($sql, $reason, $name) = @$change;

		$subscriber->safe_psql('postgres', $sql) if $sql;
		$id = $subscriber->safe_psql('postgres', q{SELECT workflow.start('own')});
		ok($subscriber->poll_query_until('postgres', "SELECT reason = '$reason' FROM workflow.why($id) LIMIT 1"), "a subscription $name: $reason");
	}
	ok($subscriber->poll_query_until('postgres', q{SELECT NOT EXISTS (SELECT FROM workflow.executions WHERE workflow = 'own' AND status <> 'completed')}),
		'all have run in the end');
	$publisher->stop;
}
left_open($subscriber);
$subscriber->stop;

done_testing();
