#!/bin/sh
#
# run.sh
#	  The benchmark's private cluster, and run.pl in it.
#
# NOTES
#	  Run by "make bench".  fsync and synchronous_commit are on.  Settings:
#	  PGWF_BENCH			workloads, all without it; see run.pl
#	  PGWF_BENCH_ROUNDS		rounds of each (3)
#	  PGWF_BENCH_EXECUTORS	numbers of executors for the chains (1 2 4 8 16)
#	  PGWF_BENCH_SCALE		divides the sizes of the larger workloads (1)

set -u
root=$(cd "$(dirname "$0")/../.." && pwd)
. "$root/test/common.sh"

prepare
build
cluster_start bench "${PGWF_PORT:-55433}" "fsync = on" "synchronous_commit = on" \
	"shared_buffers = 512MB" "max_wal_size = 8GB" "checkpoint_timeout = 1h" \
	"max_connections = 100" "workflow.max_executors = 16" "track_io_timing = off"
trap 'cluster_stop bench' EXIT
trap 'exit 1' HUP INT TERM
cluster_psql bench postgres -f "$root/test/bench/setup.sql" || exit 1

echo "# $("$PG_CONFIG" --version); $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1), $(nproc) processors"
echo "# data on $(df --output=fstype "$scratch" | tail -n 1); commit $(git -C "$root" rev-parse --short HEAD 2>/dev/null)"
perl "$root/test/bench/run.pl" "$scratch/bench/results.json" \
	"$(cluster_bin bench)" -h "$scratch/bench/socket" -p "$(cluster_port bench)" -U postgres -d postgres
