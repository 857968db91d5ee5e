#!/bin/sh
#
# run.sh
#	  The demonstration: audits this machine's package database with a workflow.
#
# NOTES
#	  Run by "make demo".  Installs what is missing, builds, starts a private
#	  cluster and leaves it running; "make demo-stop" removes it.  Run again, it
#	  replaces the cluster of the last run and touches no other.
#
#	  PGWF_DEMO_INPUT is another file in the format of /var/lib/dpkg/status.

set -u
root=$(cd "$(dirname "$0")/../.." && pwd)
. "$root/test/common.sh"

input=${PGWF_DEMO_INPUT:-/var/lib/dpkg/status}
here=$root/test/demo
[ -r "$input" ] || die "there is no $input to work on: set PGWF_DEMO_INPUT"

sql()
{
	cluster_psql demo demo "$@" || die "the demonstration failed; server log: $scratch/demo/log/server.log"
}

echo "1. Preparing: packages, build, a private cluster"
prepare
build
preload=pg_cron,pg_workflow
cluster_start demo "${PGWF_PORT:-55432}" "shared_preload_libraries = '$preload'" \
	"cron.database_name = 'postgres'" "workflow.max_executors = 8"
cluster_psql demo postgres -c 'CREATE DATABASE demo' || exit 1
echo "   $("$PG_CONFIG" --version) in $scratch/demo, shared_preload_libraries = '$preload'"

echo
echo "2. Loading $input"
sql -At -v dpkg_status="$input" -f "$here/load.sql"

echo
echo "3. Registering agents and the workflow as role analyst, and starting it"
sql -U analyst -f "$here/agents.sql"
sql -U analyst -At -v definition="$(cat "$here/workflow.json")" <<'EOT'
SELECT format('   defined package-audit, version %s', workflow.define(:'definition'::jsonb));
EOT
id=$(sql -U analyst -At <<'EOT'
SELECT workflow.start('package-audit', '{"minimum_packages": 10, "closure_limit": 100}');
EOT
) || exit 1
echo "   started execution $id; its eleven agents include one that fails and one that takes too long"
sql -U analyst -At -v id="$id" <<'EOT'
SELECT format('   %s: %s', status, output) FROM workflow.wait(:id, '5 minutes');
EOT

echo
echo "4. What ran: step, type, status, time"
sql -U analyst -v execution_id="$id" -f "$here/show.sql"

echo
echo "5. The same with an input that the validation refuses"
refused=$(sql -U analyst -At <<'EOT'
SELECT workflow.start('package-audit', '{"minimum_packages": 1000000, "closure_limit": 100}');
EOT
) || exit 1
sql -U analyst -At -v id="$refused" <<'EOT'
SELECT format('   %s: %s', status, error->>'message') FROM workflow.wait(:id, '5 minutes');
SELECT format('   steps that ran: %s', string_agg(step_id, ', ')) FROM workflow.step_executions WHERE execution_id = :id;
EOT

echo
echo "6. The same in pictures"
echo
sql -U analyst -At -v id="$id" <<'EOT'
SELECT workflow.timeline(:id, max_iterations => 3);
EOT
# psql puts the text where it is told to, so nothing of it passes through the shell
pictures=$scratch/demo/pictures
mkdir -p "$pictures"
sql -U analyst -At -v id="$id" -v svg="$pictures/timeline.svg" -v html="$pictures/report.html" <<'EOT'
\o :svg
SELECT workflow.timeline_svg(:id);
\o :html
SELECT workflow.report(:id);
EOT
echo
echo "   as SVG:         $pictures/timeline.svg"
echo "   with a report:  $pictures/report.html"

psql=psql
command -v psql >/dev/null || psql=$(cluster_bin demo)/psql
cat <<EOT

The cluster is left running.  To look around:

    $psql -h $scratch/demo/socket -p $(cluster_port demo) -U analyst demo

for instance: SELECT * FROM workflow.step_executions WHERE execution_id = $id;
To stop and remove it: make demo-stop
EOT
status=$(sql -At -v id="$id" <<'EOT'
SELECT status FROM workflow.executions WHERE id = :id;
EOT
)
[ "$status" = completed ] || die "the execution ended as $status"
