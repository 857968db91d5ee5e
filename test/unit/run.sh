#!/bin/sh
#
# run.sh - builds the unit tests of the pure rooms and runs them.
#
# Usage: run.sh [scratch directory]
#
# Options of prove are accepted and ignored: the output is TAP as it is.
# Prints TAP, one block per program, and fails when a test does.  Writes
# nothing beside the scratch directory (default: a new one under TMPDIR, removed
# afterwards), so the source tree may be read-only.
# PG_CONFIG, CC and CFLAGS choose the server's headers and the compiler.

set -u

here=$(cd "$(dirname "$0")" && pwd) || exit 1
top=$(cd "$here/../.." && pwd) || exit 1
. "$top/test/common.sh"
pg_config=$(find_pg_config build)
[ -n "$pg_config" ] || die "no pg_config with server headers and errcodes.txt"
cc=${CC:-cc}

scratch=
for argument; do
	case $argument in
		-*) ;;
		*) scratch=$argument ;;
	esac
done
if [ -n "$scratch" ]; then
	mkdir -p "$scratch" || exit 1
else
	scratch=$(mktemp -d "${TMPDIR:-/tmp}/pg_workflow_unit.XXXXXX") || exit 1
	trap 'rm -rf "$scratch"' EXIT
fi

flags="-std=gnu99 -g -O1 -Wall -Wextra -DFRONTEND -D_GNU_SOURCE ${CFLAGS:-}"
LC_ALL=C awk -f "$top/src/definition/error_conditions.awk" "$("$pg_config" --sharedir)/errcodes.txt" \
	>"$scratch/error_conditions.h" || exit 1
includes="-I$top/src -I$here -I$scratch -I$("$pg_config" --includedir-server) -I$("$pg_config" --includedir)/internal"
libraries="-L$("$pg_config" --pkglibdir) -L$("$pg_config" --libdir) -lpgcommon -lpgport -lcjson -lm"

objects=
for source in "$top"/src/definition/*.c "$top"/src/definition/*/*.c "$top/src/shared/breaker_machine.c" "$top/src/shared/queue_bounds.c" \
		"$top/src/interpreter/frontier.c"; do
	object=$scratch/$(basename "$source" .c).o
	$cc $flags $includes -c -o "$object" "$source" || exit 1
	objects="$objects $object"
done

failed=0
for source in "$here"/test_*.c; do
	name=$(basename "$source" .c)
	echo "# $name"
	if ! $cc $flags $includes -o "$scratch/$name" "$source" $objects $libraries; then
		echo "Bail out! $name does not compile"
		exit 1
	fi
	PGWF_DEFINITIONS=$top/test/definitions "$scratch/$name" || failed=1
done
exit $failed
