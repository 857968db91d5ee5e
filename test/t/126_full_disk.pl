# A disk that is full, for tables and for the WAL: what makes a file longer gets ENOSPC from the
# operating system (Shortage.pm) while executions of several kinds run.  When there is room again
# all of them end as without it, each effect is there once, and nobody is blamed.  The WAL is more
# than a failure: the server panics, and may not get through its recovery before there is room.
#
# What a step writes itself finds no room either: that is the step's failure, with the server's
# SQLSTATE, which it can be tried again for.

use strict;
use warnings FATAL => 'all';

use CrashTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Shortage;
use Test::More;
use Time::HiRes qw(usleep);

prepare_shortage();
my $node = crash_cluster('full_disk', { init => ['--wal-segsize=1'] },
	# files of the WAL are made when they are needed
	'wal_recycle = off', 'min_wal_size = 2MB', 'autovacuum = off', 'workflow.max_recoveries = 2',
	'workflow.alert_offline = 1s');

# Traces of steps go where there is room: rows that were there once.  What has to grow for a step is
# the table "heaps".
$node->safe_psql('w', q{
	CREATE TABLE heaps (execution_id bigint, filling text);
	ALTER TABLE heaps ALTER filling SET STORAGE PLAIN;
	ALTER TABLE effects SET (vacuum_truncate = off);
	INSERT INTO effects SELECT 0, 'nobody', 'i0i0' FROM generate_series(1, 20000);
	DELETE FROM effects;
	CREATE FUNCTION heap(e bigint) RETURNS text LANGUAGE plpgsql AS $$
	BEGIN
		INSERT INTO heaps SELECT e, repeat('x', 7000) FROM generate_series(1, 5);
		RETURN effect(e, 'heap', '-');
	END $$});
$node->safe_psql('w', 'VACUUM effects');
my %again = (errors => ['53100'], max_retries => 1000, type => 'fixed_delay', initial_delay_ms => 100);
my %chain = (step('one', 0, next_step => 'two'), agent_step('two', 0, next_step => 'three'), step('three', 0));
define_mixed($node, 'w');
define_workflow($node, 'w', 'chain', 'one', \%chain);
define_workflow($node, 'w', 'batched', 'one', \%chain, commit => { max_steps => 10, max_ms => 1000 });
define_workflow($node, 'w', 'relaxed', 'one', \%chain, durability => 'relaxed');
define_workflow($node, 'w', 'loop', 'all', {
	all => { type => 'loop', loop_config => { collection => [ 1 .. 5 ], loop_body => ['body'] } }, step('body', 1) });
define_workflow($node, 'w', 'undone', 'one', {
	step('one', 0, next_step => 'wrong', compensate => { id => 'undo', type => 'sql', sql => 'SELECT 1' }),
	wrong => { type => 'sql', sql => 'SELECT 1 / 0' } });
define_workflow($node, 'w', 'again', 'heap', {
	step('heap', 0, sql => 'SELECT heap(input.e::bigint)', retry => \%again, next_step => 'last'), step('last', 0) });

my $all_ended = q{SELECT NOT EXISTS (SELECT FROM workflow.executions WHERE status NOT IN ('completed', 'failed'))};
my $some = 25;

# So many executions of each kind, which begin when there is no room any more in such files.
sub start_without_room
{
	my ($path) = @_;
	my $session = $node->background_psql('w', on_error_stop => 0);

	$session->query_safe('BEGIN');
	$session->query_safe("SELECT count(workflow.start(d.name)) FROM workflow.definitions AS d, generate_series(1, $some)
		WHERE d.name <> 'once'");
	no_room($path);
	# it may go down with the server
	eval { $session->query('COMMIT') };
	eval { $session->quit };
	return;
}

sub wait_for_refusals
{
	my ($count, $name) = @_;
	my $until = refusals() + $count;

	for (my $tries = 0; refusals() < $until && $tries < 100 * $PostgreSQL::Test::Utils::timeout_default; $tries++)
	{
		usleep(10_000);
	}
	cmp_ok(refusals(), '>=', $until, $name);
	return;
}

# As if there had been room.
sub all_is_well
{
	my ($name) = @_;

	ok($node->poll_query_until('w', $all_ended), "$name: everything ends when there is room again") or diagnose($node, 'w');
	# where the server went down with the transaction that started them there are none
	my $undone = $node->safe_psql('w', q{SELECT count(*) FROM workflow.executions WHERE workflow = 'undone'});
	is($node->safe_psql('w', q{SELECT string_agg(DISTINCT concat_ws(' ', workflow, status, error_type), ', ' ORDER BY concat_ws(' ', workflow, status, error_type))
			FROM workflow.executions WHERE status <> 'completed'}),
		$undone > 0 ? 'undone failed 22012' : '', "$name: as without it");
	is($node->safe_psql('w', 'SELECT max(recoveries) FROM workflow.executions'), 0, "$name: nothing was counted");
	is($node->safe_psql('w', q{SELECT count(*) FROM workflow.step_executions WHERE step_id = 'undo' AND status = 'completed'}),
		$undone, "$name: what had to be undone is");
	is($node->safe_psql('w', q{SELECT execution_id, count(*) FROM heaps GROUP BY execution_id HAVING count(*) <> 5}), '',
		"$name: what steps wrote where there was no room is there once");
	check_effects($node, 'w', 'true', $name);
	check_finished($node, 'w', $name);
	check_pool($node, 'w', $name);
	return;
}

# --- tables and indexes ---

# what executors write; all, so that nothing is claimed either; all, for what is under way
my $steps = $node->safe_psql('w', q{SELECT pg_relation_filepath('workflow.step_executions')});
foreach my $case ([ steps => "/$steps" ], [ tables => '/base/' ], [ 'in the middle' => '' ])
{
	my ($name, $path) = @$case;
	my $from = -s $node->logfile;

	start_without_room($path);
	if ($path eq '')
	{
		wait_until($node, q{SELECT count(*) > 5 FROM workflow.executions WHERE status = 'completed'}, 'some have ended');
		no_room('/base/');
	}
	wait_for_refusals(30, "$name: the system has no room");
	wait_until($node, q{SELECT EXISTS (SELECT FROM workflow.alerts WHERE condition = 'done again')}, "$name: an alert says so");
	like(slurp_file($node->logfile, $from), qr/ERROR:  could not extend file .*: No space left on device/, "$name: so does the server")
	  if $name ne 'tables';
	like(slurp_file($node->logfile, $from), qr/is done again: could not extend|does again what failed: could not extend/, "$name: and the engine");
	is($node->safe_psql('w', q{SELECT count(*) FROM workflow.executions WHERE status NOT IN ('pending', 'running', 'completed') AND workflow <> 'undone'}),
		0, "$name: nothing fails");
	if ($path eq '/base/')
	{
		# a session is told, and nothing is left of what it wanted
		my $error = '';
		my $count = $node->safe_psql('w', 'SELECT count(*) FROM workflow.executions');

		$node->psql('w', "SELECT count(workflow.start('chain')) FROM generate_series(1, 5000) AS i", stderr => \$error, on_error_stop => 1);
		like($error, qr/ERROR:  could not extend file .*: No space left on device/, "$name: start() is refused");
		is($node->safe_psql('w', 'SELECT count(*) FROM workflow.executions'), $count, "$name: and starts nothing");
	}
	no_room('');
	all_is_well($name);
	$node->safe_psql('w', q{SELECT workflow.prune('0', max_executions => 100000)});
	$node->safe_psql('w', 'TRUNCATE heaps');
}

# --- a step that writes itself ---

define_workflow($node, 'w', 'once', 'heap', { step('heap', 0, sql => 'SELECT heap(input.e::bigint)') });
my $heaps = $node->safe_psql('w', q{SELECT pg_relation_filepath('heaps')});
no_room("/$heaps");
my $once = $node->safe_psql('w', q{SELECT workflow.start('once')});
$node->safe_psql('w', "SELECT FROM workflow.wait($once, '180 s')");
is($node->safe_psql('w', "SELECT status, error_type, recoveries FROM workflow.executions WHERE id = $once"), 'failed|53100|0',
	'a step fails for what it writes itself');
no_room('');
$node->safe_psql('w', "SELECT workflow.retry($once)");
wait_until($node, "SELECT status = 'completed' FROM workflow.executions WHERE id = $once", 'and does it when there is room');

# --- the WAL ---

# Panics, in the log behind a place.
sub panics
{
	my $found = () = slurp_file($node->logfile, $_[0]) =~ /PANIC:  could not write to file "pg_wal\/xlogtemp\.\d+": No space left on device/g;

	return $found;
}

sub postmaster_is_gone
{
	return !-e $node->data_dir . '/postmaster.pid';
}

foreach my $round (1 .. 4)
{
	my $from = -s $node->logfile;
	start_without_room('/pg_wal/');
	# the first or the second time, if it gets that far
	my $enough = 1 + $round % 2;
	for (my $tries = 0; panics($from) < $enough && !postmaster_is_gone() && $tries < 100 * $PostgreSQL::Test::Utils::timeout_default; $tries++)
	{
		# no server writes what nobody does
		try_sql($node, 'w', 'SELECT pg_switch_wal()') if $tries % 100 == 99;
		usleep(10_000);
	}
	cmp_ok(panics($from), '>', 0, "WAL: the server panics ($round)");
	no_room('');
	# one that was in its recovery may be going
	while (!defined try_sql($node, 'w', 'SELECT 1'))
	{
		if (postmaster_is_gone())
		{
			note("the server did not get through its recovery ($round)");
			$node->{_pid} = undef;
			$node->start;
		}
		usleep(10_000);
	}
	all_is_well("WAL ($round)");
}
$node->stop;

done_testing();
