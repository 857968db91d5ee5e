# Settings at their extremes: each setting of ours at its least and at its greatest value, one
# after the other, while executions run.  They end under it, unless it is there to keep them from
# it, and then when it is gone; each effect is there once.

use strict;
use warnings FATAL => 'all';

use CrashTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

# A value of these is there to hold everything back.
my %holds = ('workflow.enabled=off' => 1);
# Under these the statements of the steps fail, as in any session of the database.
my %fails = ('default_transaction_read_only = on' => 'failed 25006', 'search_path = nowhere' => 'failed 42883');

my $node = crash_cluster('extremes');

# The sessions that ask are not to be ended themselves.
$ENV{PGOPTIONS} = join ' ', map { "-c $_" } qw(idle_session_timeout=0 idle_in_transaction_session_timeout=0
  lock_timeout=0 default_transaction_read_only=off search_path=public);

define_mixed($node, 'w');
# fails once, and waits a little
$node->safe_psql('w', q{
	CREATE FUNCTION second_time(e bigint) RETURNS text LANGUAGE plpgsql AS $$
	DECLARE
		result text := effect(e, 'r1', '-');
	BEGIN
		IF NOT EXISTS (SELECT FROM workflow.step_executions WHERE execution_id = e AND step_id = 'r1') THEN
			RAISE serialization_failure;
		END IF;
		RETURN result;
	END $$});
define_workflow($node, 'w', 'retries', 'r1', {
	step('r1', 0, sql => 'SELECT second_time(input.e)', retry => { errors => ['40001'], max_retries => 1, type => 'fixed_delay', initial_delay_ms => 10 },
		next_step => 'r2'), step('r2', 0) });

my $all_ended = q{SELECT NOT EXISTS (SELECT FROM workflow.executions
	WHERE status NOT IN ('completed', 'failed', 'cancelled', 'timed_out'))};

# How those of the last value ended, and are not asked about again.
my $how_ended = q{coalesce(string_agg(DISTINCT status || coalesce(' ' || error_type, ''), ', '), 'refused')
	FROM workflow.executions WHERE id > (SELECT coalesce(max(last), 0) FROM seen);
	INSERT INTO seen SELECT max(id) FROM workflow.executions};
$node->safe_psql('w', 'CREATE TABLE seen (last bigint)');

# Start some of each, as far as they can be, and wait.
my $start_some = join '', map { "SELECT workflow.start('$_');\n" x 2 } 'mixed', 'retries';

sub run_some
{
	my ($name, $holds) = @_;

	$node->psql('w', $start_some, on_error_stop => 0, stderr => \my $refused);
	if ($holds)
	{
		is($node->safe_psql('w', q{SELECT count(*) FROM workflow.executions WHERE status = 'pending'}), 4, "$name: all wait");
		return;
	}
	$node->poll_query_until('w', $all_ended) or diagnose($node, 'w');
	is($node->safe_psql('w', "SELECT $how_ended"), $fails{$name} // 'completed', $name);
	return;
}

# Run some under a setting.
sub run_under
{
	my ($setting, $value) = @_;
	my $holds = $holds{"$setting=$value"};
	my $name = "$setting = $value";
	my $before = do { local $ENV{PGOPTIONS} = ''; $node->safe_psql('w', "SHOW $setting") };

	$node->safe_psql('w', "ALTER SYSTEM SET $setting = '$value'");
	$node->reload;
	{
		local $ENV{PGOPTIONS} = '';
		$node->poll_query_until('w', "SELECT current_setting('$setting') <> '$before'") or die "$name is not set";
	}
	run_some($name, $holds);
	$node->safe_psql('w', "ALTER SYSTEM RESET $setting");
	$node->reload;
	ok($node->poll_query_until('w', $all_ended), "$name: and when it is gone") if $holds;
	return;
}

# The extremes that a setting of ours has; NAME|CONTEXT|VALUE|VALUE.
my @settings = split /\n/, $node->safe_psql('w', q{
	SELECT name || '|' || context || '|' || CASE vartype
		WHEN 'bool' THEN CASE boot_val WHEN 'on' THEN 'off' ELSE 'on' END
		WHEN 'enum' THEN array_to_string(array_remove(enumvals, boot_val), '|')
		ELSE array_to_string(array_remove(ARRAY[min_val, max_val], setting), '|') END
	FROM pg_settings WHERE name LIKE 'workflow.%' AND vartype <> 'string' ORDER BY name});
cmp_ok(scalar @settings, '>', 25, 'settings are found');

run_some('none', 0);
foreach my $setting (grep { /^[^|]*\|(?:sighup|superuser|user)\|/ } @settings)
{
	my ($name, $context, @values) = split /\|/, $setting;

	run_under($name, $_) foreach @values;
}

# Settings of the server that change what a statement means, how long it may take, how it is
# planned or what it may do.
run_under(split /=/)
  foreach qw(array_nulls=off bytea_output=escape check_function_bodies=off client_encoding=latin1
  constraint_exclusion=on datestyle=german default_transaction_deferrable=on
  default_transaction_isolation=serializable default_transaction_read_only=on
  extra_float_digits=-15 idle_in_transaction_session_timeout=100 idle_session_timeout=100
  intervalstyle=iso_8601 jit_above_cost=0 lock_timeout=1 max_stack_depth=100
  plan_cache_mode=force_generic_plan quote_all_identifiers=on row_security=off
  search_path=nowhere session_replication_role=replica standard_conforming_strings=off
  synchronous_commit=off synchronous_commit=remote_apply temp_buffers=100 timezone=Pacific/Kiritimati
  track_activities=off transform_null_equals=on work_mem=64 xmlbinary=hex);

# Those that are read at the start: each at its least value, together; the greatest ones are
# limited by what the machine has.
my @at_start = grep { /^[^|]*\|postmaster\|/ } @settings;
cmp_ok(scalar @at_start, '>', 0, 'some are read at the start');
$node->append_conf('postgresql.conf', join("\n", map { my ($name, $context, $value) = split /\|/; "$name = '$value'" } @at_start));
$node->restart;
run_some('the least of those that are read at the start', 0);

check_finished($node, 'w', 'at the end');
check_effects($node, 'w', 'true', 'at the end');
check_pool($node, 'w', 'at the end');
$node->stop('fast');

done_testing();
