# docs/monitoring: Debian's postgres_exporter makes one metric of each figure, by
# Prometheus' conventions; Prometheus fires the rules when the engine is stuck; the
# dashboard names what there is.

use strict;
use warnings FATAL => 'all';

use JSON::PP;
use PostgreSQL::Test::Utils;
use Test::More;

use lib 't';
use PartsTest;
use WorkflowTest;

need_programs(qw(prometheus promtool prometheus-postgres-exporter));

my $pages = '../docs/monitoring';
my $work = PostgreSQL::Test::Utils::tempdir();

# --- what promtool says of the rules ---
foreach my $file ("$pages/rules.yaml", 'monitoring/rules_test.yaml')
{
	append_to_file("$work/" . ($file =~ m{([^/]+)$})[0], slurp_file($file));
}
command_ok([ 'promtool', 'check', 'rules', "$work/rules.yaml" ], 'promtool takes the rules');
command_ok([ 'promtool', 'test', 'rules', "$work/rules_test.yaml" ], 'each rule fires for what it is for, and for nothing else');

# --- something of everything ---
my $node = workflow_cluster('prometheus', "workflow.max_executors = 4", "workflow.executor_idle_timeout = '1h'");

$node->safe_psql('postgres', q{
	CREATE EXTENSION pg_workflow;
	CREATE ROLE exporter LOGIN IN ROLE pg_monitor;
	CREATE FUNCTION fail() RETURNS jsonb LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''as it should'' USING ERRCODE = ''AG001''; END';
	SELECT workflow.register_agent('fragile', sql => 'SELECT fail()', circuit_breaker => '{"failure_threshold": 1}');
	SELECT workflow.define('{"name": "good", "steps": [{"id": "a", "sql": "SELECT 1"}]}');
	SELECT workflow.define('{"name": "bad", "dead_letter": true, "steps": [{"id": "a", "type": "agent", "agent_name": "fragile"}]}');
	SELECT workflow.define('{"name": "blocked", "steps": [{"id": "a", "sql": "SELECT 1"}]}');
	SELECT workflow.block('blocked', 'for the test');
});
run_execution($node, 'postgres', $_) foreach qw(good good bad);

# What the view has: name{labels} => value.
sub view
{
	my %view;

	foreach my $line (split /\n/, $node->safe_psql('postgres',
		q{SELECT name, labels, value FROM workflow.metrics}))
	{
		my ($name, $labels, $value) = split /\|/, $line;
		my $label = decode_json($labels);

		$view{ series($name, %$label) } = $value;
	}
	return %view;
}

sub series
{
	my ($name, %labels) = @_;

	return "$name\{" . join(',', map { "$_=$labels{$_}" } sort keys %labels) . '}';
}

# --- the exporter ---
# Start one; gives its port.
sub serve_exporter
{
	my ($name, @options) = @_;
	my $port = PostgreSQL::Test::Cluster::get_free_port();

	serve($name, 'prometheus-postgres-exporter', '--disable-default-metrics', '--disable-settings-metrics',
		"--extend.query-path=$pages/postgres_exporter.yaml", "--web.listen-address=127.0.0.1:$port", @options);
	until_true("the $name answers", sub { defined http_get($port, '/metrics') });
	return $port;
}

$ENV{DATA_SOURCE_NAME} =
  'host=' . $node->host . ' port=' . $node->port . ' user=exporter dbname=postgres sslmode=disable';
my $exporter_port = serve_exporter('exporter');

my (%type, %help, %from, $ours);

# What the exporter shows of ours: name{labels} => value, and apart from it in %from the
# labels that say from where.
sub scrape
{
	my $text = http_get($exporter_port, '/metrics');
	my %scraped;

	$ours = '';
	foreach my $line (split /\n/, $text)
	{
		next unless $line =~ /^(?:# (?:HELP|TYPE) )?workflow_/;
		$ours .= "$line\n";
		if ($line =~ /^# TYPE (\w+) (\w+)$/)
		{
			$type{$1} = $2;
		}
		elsif ($line =~ /^# HELP (\w+) (.*)$/)
		{
			$help{$1} = $2;
		}
		elsif ($line =~ /^(\w+)\{(.*)\} (\S+)$/)
		{
			my ($name, $labels, $value) = ($1, $2, $3);
			my %labels = $labels =~ /(\w+)="((?:[^"\\]|\\.)*)"/g;

			$from{ join ' ', map { delete $labels{$_} // 'nowhere' } qw(datname server) } = 1;
			$scraped{ series($name, %labels) } = $value;
		}
		else
		{
			fail("understood: $line");
		}
	}
	return %scraped;
}

# A scheduler that has stopped leaves the queue as it is.
my $scheduler = worker_pid($node, 'scheduler', 'postgres');
kill 'STOP', $scheduler;
my $waiting = $node->safe_psql('postgres', q{SELECT workflow.start('good')});

# again when something has come or gone between the two, as an alert does
my (%scraped, %view);
until_true('each figure is a metric, and nothing else is', sub {
	%scraped = scrape();
	%view = view();
	return join(' ', sort keys %scraped) eq join(' ', sort keys %view);
}) or is_deeply([ sort keys %scraped ], [ sort keys %view ], 'which');
like(join(', ', keys %from), qr/^postgres \S+:\d+$/, 'all say of which database and server');
cmp_ok(scalar(keys %type), '>=', 35, 'there are ' . keys(%type) . ' of them');
foreach my $series (sort keys %view)
{
	# these go on
	next if $series =~ /seconds|wal_bytes|memory/;
	is($scraped{$series} + 0, $view{$series} + 0, "value of $series");
}
foreach my $name (sort keys %type)
{
	is($type{$name}, $name =~ /_total$/ ? 'counter' : 'gauge', "type of $name");
	isnt($help{$name} // $name, $name, "$name has a description");
}
my %bounded = map { $_ => 1 } qw(workflow kind status percentile agent role state condition activity);
my %used = map { $_ => 1 } map { /(\w+)=/g } keys %scraped;
is_deeply([ grep { !$bounded{$_} } sort keys %used ], [], 'all labels are of names that are defined, or of states');

my ($said, $complained) = ('', '');
ok(IPC::Run::run([ 'promtool', 'check', 'metrics' ], '<', \$ours, '>', \$said, '2>', \$complained),
	'promtool has nothing to say about names, types and units');
is("$said$complained", '', 'nor a warning');

# --- several databases, and one that has no workflows ---
$node->safe_psql('postgres', "CREATE DATABASE $_") foreach qw(shop other);
$node->safe_psql('shop', 'CREATE EXTENSION pg_workflow');
my $port_of_all = serve_exporter('exporter of several', '--auto-discover-databases', '--include-databases=postgres,shop');
my @databases = http_get($port_of_all, '/metrics') =~ /^workflow_scheduler_up\{datname="(\w+)"/mg;
is(join(' ', sort @databases), 'postgres shop', 'several databases in one exporter');
stop_serving('exporter of several');

# --- Prometheus, with the rules as they are but for their times ---
kill 'CONT', $scheduler;
wait_for_status($node, 'postgres', $waiting, 'completed') or die 'it is not run';
(my $rules = slurp_file("$pages/rules.yaml")) =~ s/for: \d+m/for: 1s/g;
$rules =~ s/\[\d+m\]/[20s]/g;
append_to_file("$work/quick.yaml", $rules);
append_to_file("$work/prometheus.yaml", <<"EOC");
global: {scrape_interval: 3s, scrape_timeout: 3s, evaluation_interval: 1s}
rule_files: [$work/quick.yaml]
scrape_configs:
  - job_name: workflow
    static_configs: [{targets: ['127.0.0.1:$exporter_port']}]
EOC
command_ok([ 'promtool', 'check', 'config', "$work/prometheus.yaml" ], 'promtool takes the configuration');

my $port = PostgreSQL::Test::Cluster::get_free_port();
serve('prometheus', 'prometheus', "--config.file=$work/prometheus.yaml", "--storage.tsdb.path=$work/tsdb",
	"--web.listen-address=127.0.0.1:$port");

sub api
{
	my ($path) = @_;
	my $answer = http_get($port, "/api/v1/$path");

	return defined $answer ? decode_json($answer)->{data} : undef;
}

# The state of an alert of a label's value: inactive, pending, firing.
sub alert_state
{
	my ($name, %labels) = @_;
	my $alerts = api('alerts') or return 'unknown';

	foreach my $alert (@{ $alerts->{alerts} })
	{
		next if $alert->{labels}{alertname} ne $name;
		next if grep { ($alert->{labels}{$_} // '') ne $labels{$_} } keys %labels;
		return $alert->{state};
	}
	return 'inactive';
}

sub query
{
	my ($expression) = @_;
	my $form = HTTP::Tiny->new->www_form_urlencode({ query => $expression });
	my $data = api("query?$form");

	return defined $data ? $data->{result} : undef;
}

until_true('Prometheus knows the figures', sub { my $up = query('workflow_scheduler_up'); $up && @$up == 1 });
until_true('what the database finds is an alert',
	sub { alert_state('WorkflowAlert', condition => 'workflow blocked') eq 'firing' });
until_true('an open circuit breaker is one', sub { alert_state('WorkflowBreakerOpen', agent => 'fragile') eq 'firing' });
until_true('counters have a rate', sub {
		my $rate = query('rate(workflow_engine_steps_total[20s])');
		$rate && @$rate == 1 });
foreach my $name (qw(WorkflowEngineStuck WorkflowNoScheduler WorkflowMetricsMissing WorkflowExecutorStuck))
{
	until_true("$name is not, while nothing is wrong", sub { alert_state($name) eq 'inactive' });
}

kill 'STOP', $scheduler;
$waiting = $node->safe_psql('postgres', q{SELECT workflow.start('good')});
until_true('a stuck engine is one', sub { alert_state('WorkflowEngineStuck', datname => 'postgres') eq 'firing' });
kill 'CONT', $scheduler;
wait_for_status($node, 'postgres', $waiting, 'completed') or die 'it is not run';
until_true('until it goes on', sub { alert_state('WorkflowEngineStuck') eq 'inactive' });

my @broken = grep { $_->{health} ne 'ok' } map { @{ $_->{rules} } } @{ api('rules')->{groups} };
is_deeply([ map { "$_->{name}: " . ($_->{lastError} // $_->{health}) } @broken ], [], 'all rules can be evaluated');

# --- the dashboard ---
my %name = map { (/^(\w+)/)[0] => 1 } keys %view;
my $dashboard = decode_json(slurp_file("$pages/grafana.json"));
my @expressions = map { map { $_->{expr} } @{ $_->{targets} // [] } } @{ $dashboard->{panels} };
my %drawn;

cmp_ok(scalar(@expressions), '>', 30, 'the dashboard has expressions');
foreach my $expression (@expressions)
{
	$drawn{$_} = 1 foreach $expression =~ /\b(workflow_\w+)/g;
	(my $asked = $expression) =~ s/\$__rate_interval/20s/g;
	$asked =~ s/\$\w+/.*/g;
	isnt(query($asked), undef, "Prometheus takes $asked");
}
foreach my $variable (@{ $dashboard->{templating}{list} })
{
	$drawn{$_} = 1 foreach ($variable->{definition} // '') =~ /\b(workflow_\w+)/g;
}
is_deeply([ grep { !$name{$_} } sort keys %drawn ], [], 'it names only metrics that exist');
is_deeply([ grep { !$drawn{$_} } sort keys %name ], [], 'and all that do');
my %asked = map { $_ => 1 } slurp_file("$pages/rules.yaml") =~ /\b(workflow_\w+)/g;
is_deeply([ grep { !$name{$_} } sort keys %asked ], [], 'so do the rules');

stop_serving('prometheus');
stop_serving('exporter');
$node->stop;
done_testing();
