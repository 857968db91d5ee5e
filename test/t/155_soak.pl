# For a long time at work: memory and files of the engine's processes, the size of its tables and
# what it keeps of executions that have ended do not grow with what has been done, nor do executions
# take longer.
#
# Here it is a few phases; PGWF_SOAK_MINUTES goes on from phase to phase for so long
# ("make soak MINUTES=30").  What grows is compared with the second phase, when caches are
# filled, or with the worst of some from there on.
#
# Only in the long form is there time for autovacuum to do what it has to, and enough work for how
# long executions take to be more than chance: there it vacuums alone, and dead rows and times
# of the last phases are compared with those of the first ones.

use strict;
use warnings FATAL => 'all';

use CrashTest;
use List::Util qw(max min);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

my $phases = 5;
my $minutes = $ENV{PGWF_SOAK_MINUTES};
my $in_phase = $minutes ? 2000 : 60;

# What a process may have more than in the second phase, kB: an allocator keeps what it once had.
my $more_memory = 1024;
# the server keeps the files of tables open that a process has read once: in the short form not all
# have read all by then, but one for each execution would be more
my $more_files = $minutes ? 8 : 16;

# Executors stay for as long as it takes.
my $node = crash_cluster('soak', 'workflow.executor_max_runs = 0', 'workflow.executor_max_age = 0',
	'workflow.executor_idle_timeout = 1d', 'workflow.notify = on', 'autovacuum_naptime = 5');

define_mixed($node, 'w');
define_workflow($node, 'w', 'fails', 'f1', {
	step('f1', 0, next_step => 'f2', compensate => { sql => 'SELECT 1' }),
	f2 => { type => 'sql', sql => 'SELECT 1 / 0', retry => { max_retries => 1, type => 'fixed_delay', initial_delay_ms => 1 } } });

# --- measures ---

# "KIND PID" to memory that is its own (kB) and open files, of each process of the engine.
sub processes
{
	my %found;

	foreach my $line (split /\n/, $node->safe_psql('w', q{SELECT backend_type || ' ' || pid, pid FROM pg_stat_activity
		WHERE backend_type ~ '^pg_workflow' AND (datname IS NULL OR datname = 'w')}))
	{
		my ($name, $pid) = split /\|/, $line;
		my ($memory) = slurp_file("/proc/$pid/status") =~ /^RssAnon:\s+(\d+) kB$/m or die "no memory of $name";
		my @files = glob "/proc/$pid/fd/*";

		$found{$name} = [ $memory, scalar @files ];
	}
	return \%found;
}

# Pages of the tables and of their indexes.
sub sizes
{
	return map { int } split /\|/, $node->safe_psql('w', q{
		SELECT sum(pg_table_size(oid)) / 8192, sum(pg_indexes_size(oid)) / 8192
		FROM pg_class WHERE relkind = 'r' AND relnamespace = 'workflow'::regnamespace});
}

# Sessions do what they do: start, cancel, pause and resume, replay; then all has ended.
sub work
{
	my $rest = int($in_phase / 6);

	$node->safe_psql('w', qq{
		SELECT count(workflow.start('mixed')) FROM generate_series(1, $in_phase);
		SELECT count(workflow.start('fails')) FROM generate_series(1, $rest);
		SELECT count(workflow.cancel(workflow.start('mixed'), 'soak')) FROM generate_series(1, $rest);
		SELECT count(workflow.pause(workflow.start('mixed'))) FROM generate_series(1, $rest);
		SELECT count(workflow.resume(id)) FROM workflow.executions WHERE status = 'paused'});
	wait_until($node, q{SELECT NOT EXISTS (SELECT FROM workflow.executions
		WHERE status NOT IN ('completed', 'failed', 'cancelled', 'timed_out'))}, 'all end');
	return;
}

# --- phase after phase ---

# Of each phase: half of the executions within so many ms, 99 of 100, dead rows, pages.
my (@times, @slowest, @dead, @tables, @indexes);
my ($reference, $last);
my $begin = time();
for (my $phase = 1; $minutes ? time() < $begin + 60 * $minutes || $phase <= 7 : $phase <= $phases; $phase++)
{
	my $from = time();

	work();
	my ($count, $half, $most) = split /\|/, $node->safe_psql('w', q{SELECT count(*),
		round(1000 * extract(epoch FROM percentile_cont(0.5) WITHIN GROUP (ORDER BY completed_at - created_at))),
		round(1000 * extract(epoch FROM percentile_cont(0.99) WITHIN GROUP (ORDER BY completed_at - created_at)))
		FROM workflow.executions});
	my $seconds = time() - $from;
	my $dead = $node->safe_psql('w', q{SELECT sum(n_dead_tup) FROM pg_stat_user_tables WHERE schemaname = 'workflow'});

	check_effects($node, 'w', 'true', 'the first phase') if $phase == 1;
	# what has ended is forgotten
	$node->safe_psql('w', q{SELECT workflow.prune('0', max_executions => 1000000, audit_older_than => '0', statistics_older_than => '0')});
	$node->safe_psql('w', 'TRUNCATE effects');
	if (!$minutes)
	{
		$node->safe_psql('w', "VACUUM $_") foreach split /\n/, $node->safe_psql('w', q{SELECT oid::regclass FROM pg_class
			WHERE relkind = 'r' AND relnamespace = 'workflow'::regnamespace});
	}

	$last = { processes => processes(), sizes => [ sizes() ] };
	my $memory = 0;
	my $files = 0;
	$memory += $_->[0], $files += $_->[1] foreach values %{ $last->{processes} };
	diag(sprintf 'phase %d: %d executions, half within %d ms, 99 of 100 within %d ms, in %.0f s, %d dead rows; '
		  . 'then %d kB, %d files, tables %d and indexes %d pages',
		$phase, $count, $half, $most, $seconds, $dead, $memory, $files, @{ $last->{sizes} });
	push @times, $half;
	push @slowest, $most;
	push @dead, $dead;
	push @tables, $last->{sizes}[0];
	push @indexes, $last->{sizes}[1];
	$reference = $last if $phase == 2;
}

is(join(', ', sort keys %{ $last->{processes} }), join(', ', sort keys %{ $reference->{processes} }), 'the processes are the same');

# Which executor had had which work by then is chance: all may have what one of them had.
my %most;
foreach my $name (keys %{ $reference->{processes} })
{
	my $most = $most{ $name =~ s/ \d+$//r } //= [ 0, 0 ];

	$most->[$_] = max($most->[$_], $reference->{processes}{$name}[$_]) foreach 0, 1;
}
foreach my $name (sort keys %{ $reference->{processes} })
{
	my ($memory, $files) = @{ $most{ $name =~ s/ \d+$//r } };
	my ($memory_now, $files_now) = @{ $last->{processes}{$name} // [ 0, 0 ] };

	cmp_ok($memory_now, '<=', $memory + $more_memory, "$name has no more memory");
	cmp_ok($files_now, '<=', $files + $more_files, "$name has no more files");
}

# The best of the last three phases is not so many times the worst of three early ones: the machine
# may be busy with something else for a phase or two.
sub does_not_grow
{
	my ($name, $factor, @phases) = @_;
	my ($early, $late) = (max(@phases[ 1 .. 3 ]), min(@phases[ -3 .. -1 ]));

	cmp_ok($late, '<=', $factor * $early, "$name: $early in an early phase, $late in the end");
	return;
}

if ($minutes)
{
	does_not_grow('ms that half of the executions take', 2, @times);
	does_not_grow('ms that 99 of 100 executions take', 2, @slowest);
	does_not_grow('dead rows with autovacuum alone', 3, @dead);
	does_not_grow('pages of tables with autovacuum alone', 2, @tables);
	does_not_grow('pages of indexes with autovacuum alone', 2, @indexes);
}
else
{
	cmp_ok($last->{sizes}[0], '<=', 1.25 * $reference->{sizes}[0] + 8, 'tables are no larger');
	cmp_ok($last->{sizes}[1], '<=', 1.25 * $reference->{sizes}[1] + 8, 'indexes are no larger');
}
is($node->safe_psql('w', q{SELECT count(*) FROM workflow.step_executions}), 0, 'no step is left over');
check_pool($node, 'w', 'at the end');
$node->stop;

done_testing();
