# A standby runs nothing; promoted, it goes on with what ran on the primary.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use lib 't';
use WorkflowTest;

my $primary = workflow_cluster('primary', 'max_wal_senders = 5', 'wal_level = replica');
my $standby = PostgreSQL::Test::Cluster->new('standby');
my ($status, $output, $error);

# the second step waits until somebody inserts a row, wherever that is
$primary->safe_psql(
	'postgres', q{
	CREATE EXTENSION pg_workflow;
	CREATE TABLE effects (step text);
	CREATE TABLE gate (n int);
	CREATE PROCEDURE wait_at_gate() LANGUAGE plpgsql AS $$
	BEGIN
		WHILE NOT EXISTS (SELECT FROM gate) LOOP
			PERFORM pg_sleep(0.05);
		END LOOP;
	END $$;
	SELECT workflow.define('{"name": "w", "steps": [
		{"id": "first", "sql": "INSERT INTO effects VALUES (''first'')"},
		{"id": "gate", "sql": "CALL wait_at_gate()"},
		{"id": "last", "sql": "INSERT INTO effects VALUES (''last'')"}]}');
});
$primary->backup('base');
$standby->init_from_backup($primary, 'base', has_streaming => 1);
$standby->start;

my $id = $primary->safe_psql('postgres', "SELECT workflow.start('w')");
wait_for_endless($primary, 'postgres');
$primary->wait_for_catchup($standby);

is($standby->safe_psql('postgres', "SELECT status FROM workflow.execution_status WHERE execution_id = $id"),
	'running', 'the standby shows the execution');
is( $standby->safe_psql('postgres', "SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'pg_workflow%'"),
	'0', 'the standby has none of our processes');
($status, $output, $error) = $standby->psql('postgres', "SELECT workflow.wait($id)");
like($error, qr/ERROR:  cannot wait for execution $id during recovery/, 'wait() is refused');
($status, $output, $error) = $standby->psql('postgres', "SELECT workflow.start('w')");
like($error, qr/ERROR:  cannot execute INSERT in a read-only transaction/, 'start() is refused');
($status, $output, $error) = $standby->psql('postgres', "SELECT workflow.execute('w')");
like($error, qr/ERROR:  cannot execute INSERT in a read-only transaction/, 'so is execute()');

$primary->stop('immediate');
$standby->promote;
$standby->safe_psql('postgres', 'INSERT INTO gate VALUES (1)');
is( $standby->safe_psql('postgres', "SELECT status, recoveries FROM workflow.wait($id, '60 s')"),
	'completed|1', 'promoted, it goes on with the execution');
is( $standby->safe_psql('postgres', 'SELECT string_agg(step, \',\' ORDER BY step) FROM effects'),
	'first,last', 'nothing is done twice');

$standby->stop;
done_testing();
