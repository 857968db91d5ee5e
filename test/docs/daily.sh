#!/bin/sh
#
# daily.sh
#	  Runs each macro of docs/daily.sql with names as long as they may be, as the
#	  owner of the executions, as a member of pg_monitor, and as a role that just
#	  uses workflows.
#
# NOTES
#	  usage: daily.sh CLUSTER DATABASE, with the extension and nothing else in it.
#	  Prints what is wrong: an error, a line beyond 160 columns, more rows than
#	  :rows, data of others shown to pg_monitor.

set -u
root=$(cd "$(dirname "$0")/../.." && pwd)
. "$root/test/common.sh"
cluster=$1
database=$2
work=$scratch/$cluster/docs
macros=$(sed -n "s/^\\\\set \([a-z]*\) '[A-Z].*/\1/p" "$root/docs/daily.sql")
name=$(printf 'a_name_so_long_that_it_widens_tables_%.0s' 1 2)

{
	cat <<EOF
SET client_min_messages = error;
CREATE ROLE regress_daily_starter LOGIN; CREATE ROLE regress_daily_user; CREATE ROLE regress_daily_monitor IN ROLE pg_monitor;
SELECT workflow.grant_usage('regress_daily_starter'), workflow.grant_usage('regress_daily_user') \\g /dev/null
CREATE FUNCTION public.fail_long() RETURNS int LANGUAGE plpgsql AS 'BEGIN RAISE ''DAILY_SECRET %'', repeat(''x'', 300); END';
SET ROLE regress_daily_starter;
SELECT workflow.define(jsonb_build_object('name', '${name}_w', 'dead_letter', true, 'steps', jsonb_build_array(
    jsonb_build_object('id', '${name}_loop', 'type', 'loop', 'collection', to_jsonb(ARRAY(SELECT i FROM generate_series(1, 60) AS i)), 'label', 'DAILY_SECRET ' || repeat('l', 80),
        'loop_body', jsonb_build_array(jsonb_build_object('id', '${name}_body', 'type', 'set', 'output', 1))),
    jsonb_build_object('id', '${name}_1', 'sql', 'SELECT public.fail_long()', 'on_failure', 'ignore'),
    jsonb_build_object('id', '${name}_2', 'sql', 'SELECT public.fail_long()')))) \\g /dev/null
SELECT workflow.start('${name}_w', '{"secret": "DAILY_SECRET"}', tenant => '$name') AS failed_id \\gset
SELECT status FROM workflow.wait(:failed_id, '60 s') \\g /dev/null
SELECT workflow.start('${name}_w', start_at => '2100-01-01', tenant => '$name') AS held_id \\gset
SELECT workflow.hold_step(:held_id, '${name}_2', 'DAILY_SECRET ' || repeat('r', 100)) \\g /dev/null
SELECT workflow.start('${name}_w', start_at => '2100-01-01') AS paused_id \\gset
SELECT workflow.pause(:paused_id, 'DAILY_SECRET ' || repeat('r', 100), '1 year') \\g /dev/null
RESET ROLE;
SELECT workflow.block('${name}_w', 'for a very good reason: ' || repeat('b', 100)) \\g /dev/null
\\i docs/daily.sql
\\set id :failed_id
EOF
	for role in starter monitor user; do
		echo "SET ROLE regress_daily_$role;"
		for macro in $macros; do
			printf '\\echo @@ %s %s\n:%s\n' "$role" "$macro" "$macro"
		done
	done
	cat <<EOF
\\echo @@ end end
RESET ROLE;
SET client_min_messages = error;
DROP OWNED BY regress_daily_starter, regress_daily_user, regress_daily_monitor;
DROP ROLE regress_daily_starter, regress_daily_user, regress_daily_monitor;
EOF
} >"$work/daily.sql"
(cd "$root" && cluster_psql "$cluster" "$database" -v ON_ERROR_STOP=0 -P pager=off -P border=1) \
	<"$work/daily.sql" >"$work/daily.out" 2>&1
awk -v macros="$(echo "$macros" | wc -w)" '
	/^@@ / { role = $2; macro = $3; if (macro != "end") seen++; next }
	# a picture of nothing there is
	role == "user" && macro == "timeline" && /^ERROR:  execution [0-9]+ does not exist$/ { next }
	/^(ERROR|FATAL):|^psql: / { print role " :" macro ": " $0 }
	/^\([0-9]+ rows?\)$/ {
		count = substr($1, 2) + 0
		if (count > 40) print role " :" macro ": " count " rows"
		if (role == "starter") rows[macro] = count
	}
	# a record has one line for each column
	macro !~ /^(show|why|error)$/ && length($0) > 160 { print role " :" macro ": " length($0) " columns: " $0 }
	role != "starter" && /DAILY_SECRET/ { print role " :" macro " shows data: " $0 }
	END {
		if (seen != 3 * macros) print "only " seen " of " 3 * macros " macros were run"
		if (rows["steps"] != 40 || rows["history"] != 40) print "the limit was not tried"
		if (rows["failed"] != 1 || rows["held"] != 1 || rows["paused"] != 1 || rows["letters"] != 1 || rows["blocked"] != 1)
			print "there was nothing to be seen"
	}' "$work/daily.out"
