# Settings at their extremes: each setting of ours at its least and at its greatest value, one
# after the other, while executions run, and those of the server that change what statements mean,
# how long they may take and how they are planned.  Executions end under each, unless it is there to
# keep them from it, and then when it is gone; each effect is there once.

use strict;
use warnings FATAL => 'all';

use CrashTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

# A value of these is there to hold everything back.
my %holds = ('workflow.enabled=off' => 1);
# Under these the statements of the steps fail, as in any session of the database.
my %fails = ('default_transaction_read_only = on' => 'failed 25006', 'search_path = nowhere' => 'failed 42883',
	'statement_timeout = 1' => 'completed|(?:completed, )?failed 57014');
# What our settings that are texts may be: empty, and long.
my %texts = (
	'workflow.traceparent' => [ '00-' . 'f' x 32 . '-' . 'f' x 16 . '-ff' ],
	'workflow.trusted_owners' => [ '', join ', ', map { "role_$_" } 1 .. 1000 ]);

my $node = crash_cluster('extremes', 'allow_in_place_tablespaces = on');

# The sessions that ask are not to be ended themselves.
$ENV{PGOPTIONS} = join ' ', map { "-c $_" } qw(idle_session_timeout=0 idle_in_transaction_session_timeout=0
  lock_timeout=0 statement_timeout=0 default_transaction_read_only=off search_path=public);

# 17 has more of that kind
$ENV{PGOPTIONS} .= ' -c transaction_timeout=0 -c restrict_nonsystem_relation_kind=' if $node->pg_version >= 17;

define_mixed($node, 'w');
# fails once, and waits a little; where all is serializable the server may have it fail as well
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
	step('r1', 0, sql => 'SELECT second_time(input.e)', retry => { errors => ['40001'], max_retries => 20, type => 'fixed_delay', initial_delay_ms => 10 },
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
	my $ends = $fails{$name} // 'completed';

	$node->psql('w', $start_some, on_error_stop => 0, stderr => \my $refused);
	if ($holds)
	{
		is($node->safe_psql('w', q{SELECT count(*) FROM workflow.executions WHERE status = 'pending'}), 4, "$name: all wait");
		return;
	}
	$node->poll_query_until('w', $all_ended) or diagnose($node, 'w');
	like($node->safe_psql('w', "SELECT $how_ended"), qr/^(?:$ends)$/, $name);
	return;
}

# Run some under a setting.
sub run_under
{
	my ($setting, $value) = @_;
	my $holds = $holds{"$setting=$value"};
	my $name = "$setting = $value";
	# those of a library are known where it is loaded
	my $load = $setting =~ /^plpgsql/ ? q{LOAD 'plpgsql'; } : '';
	my $before = do { local $ENV{PGOPTIONS} = ''; $node->safe_psql('w', "SELECT current_setting('$setting', true)") };

	$node->safe_psql('w', "${load}ALTER SYSTEM SET $setting = '$value'");
	$node->reload;
	{
		local $ENV{PGOPTIONS} = '';
		$node->poll_query_until('w', "SELECT current_setting('$setting', true) IS DISTINCT FROM '$before'") or die "$name is not set";
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

# Settings of ours that are texts: each is in the list.
my @texts = split /\n/, $node->safe_psql('w', q{SELECT name FROM pg_settings WHERE name LIKE 'workflow.%' AND vartype = 'string' ORDER BY name});
is("@texts", join(' ', sort keys %texts), 'settings that are texts');
foreach my $name (@texts)
{
	run_under($name, $_) foreach @{ $texts{$name} };
}

# Settings of the server that change what a statement means, how long it may take, how it is
# planned or what it may do.
$node->safe_psql('w', q{CREATE TABLESPACE elsewhere LOCATION ''; CREATE ACCESS METHOD other TYPE TABLE HANDLER heap_tableam_handler});
run_under(split /=/)
  foreach qw(array_nulls=off backslash_quote=on backslash_quote=off bytea_output=escape check_function_bodies=off client_encoding=latin1
  constraint_exclusion=on datestyle=german default_table_access_method=other default_tablespace=elsewhere
  default_transaction_deferrable=on default_transaction_isolation=serializable default_transaction_read_only=on
  extra_float_digits=-15 idle_in_transaction_session_timeout=100 idle_session_timeout=100
  intervalstyle=iso_8601 jit_above_cost=0 lo_compat_privileges=on lock_timeout=1 max_stack_depth=100
  plan_cache_mode=force_generic_plan quote_all_identifiers=on row_security=off
  search_path=nowhere session_replication_role=replica standard_conforming_strings=off
  statement_timeout=1 statement_timeout=2147483647
  synchronous_commit=off synchronous_commit=remote_apply temp_buffers=100 timezone=Pacific/Kiritimati
  track_activities=off transform_null_equals=on work_mem=64 xmlbinary=hex xmloption=document
  plpgsql.check_asserts=off plpgsql.extra_errors=all plpgsql.extra_warnings=all
  plpgsql.print_strict_params=on plpgsql.variable_conflict=use_column plpgsql.variable_conflict=use_variable);
run_under($node->pg_version >= 16 ? 'debug_parallel_query' : 'force_parallel_mode', $_) foreach 'on', 'regress';
if ($node->pg_version >= 17)
{
	run_under(split /=/) foreach qw(event_triggers=off transaction_timeout=100 transaction_timeout=2147483647);
	run_under('restrict_nonsystem_relation_kind', 'view, foreign-table');
}

# Where the server was built with it, and where the machine has another locale than ours.
run_under('default_toast_compression', 'lz4')
  if $node->safe_psql('w', q{SELECT 'lz4' = ANY (enumvals) FROM pg_settings WHERE name = 'default_toast_compression'}) eq 't';
my ($locale) = grep { !/^(?:C|POSIX)\b/ } map { chomp; $_ } `locale -a`;
run_under($_, $locale // 'POSIX') foreach qw(lc_messages lc_monetary lc_numeric lc_time);

# Ways to plan that are not to be used.
my @ways = split /\n/, $node->safe_psql('w', q{SELECT name FROM pg_settings WHERE name LIKE 'enable\_%' AND boot_val = 'on' ORDER BY name});
cmp_ok(scalar @ways, '>', 15, 'ways to plan are found');
run_under($_, 'off') foreach @ways;

# Those that are read at the start: their least values, together, and the greatest, one at a time.
my @at_start = map { [ split /\|/ ] } grep { /^[^|]*\|postmaster\|/ } @settings;
cmp_ok(scalar @at_start, '>', 0, 'some are read at the start');
foreach my $values (
	[ map { "$_->[0] = $_->[2]" } @at_start ],
	map { [ "$_->[0] = $_->[-1]" ] } @at_start)
{
	$node->safe_psql('w', join '; ', map { "ALTER SYSTEM SET $_" } @$values);
	$node->restart;
	# more than there are processes for
	$node->safe_psql('w', q{SELECT workflow.start('mixed') FROM generate_series(1, 30)});
	run_some('at the start: ' . join(', ', @$values), 0);
	$node->safe_psql('w', 'ALTER SYSTEM RESET ALL');
}

check_finished($node, 'w', 'at the end');
check_effects($node, 'w', 'true', 'at the end');
check_pool($node, 'w', 'at the end');
$node->stop('fast');

done_testing();
