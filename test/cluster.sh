#!/bin/sh
#
# cluster.sh
#	  A private cluster with the extension, to try things in.
#
# NOTES
#	  usage: cluster.sh start NAME [SETTING ..]   a new one, in place of the old
#	         cluster.sh stop NAME
#	         cluster.sh psql NAME [ARGUMENT ..]
#	         cluster.sh where NAME                host, port and binaries
#	  A SETTING is a line of postgresql.conf.  PGWF_PORT chooses the port: it is
#	  part of the socket's name, the server does not listen on TCP.

set -u
root=$(cd "$(dirname "$0")/.." && pwd)
. "$root/test/common.sh"

[ $# -ge 2 ] || {
	sed -n '7,10s/^#	  //p' "$0"
	exit 2
}
command=$1
name=$2
shift 2

case $command in
	start)
		prepare
		build
		cluster_start "$name" "${PGWF_PORT:-55432}" "$@"
		;;
	stop)
		[ -d "$scratch/$name" ] || {
			echo "there is no cluster \"$name\""
			exit 0
		}
		cluster_stop "$name"
		rm -rf "${scratch:?}/$name"
		echo "stopped and removed $scratch/$name"
		;;
	psql)
		"$(cluster_bin "$name")/psql" -h "$scratch/$name/socket" \
			-p "$(cluster_port "$name")" -U postgres "$@"
		;;
	where)
		echo "-h $scratch/$name/socket -p $(cluster_port "$name") -U postgres"
		cluster_bin "$name"
		;;
	*)
		die "cluster.sh: unknown command \"$command\""
		;;
esac
