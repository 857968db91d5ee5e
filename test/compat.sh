#!/bin/sh
#
# compat.sh
#	  Compiles every C file against the headers of other PostgreSQL versions.
#
# NOTES
#	  usage: compat.sh fetch [VERSION ..]     get the header packages
#	         compat.sh compile [VERSION ..]   compile src/ against them (default: 16 17 18)
#	         compat.sh flags VERSION          print the compiler's flags
#	  The headers come out of the packages of later Debian suites (17: trixie,
#	  18: forky, else sid) in the archive that this machine's apt uses (or
#	  $PGWF_MIRROR), fetched and checked by apt with a configuration of its own
#	  and only unpacked into a folder: nothing is installed, and root is not
#	  needed.  No suite has 16: its headers come out of a package of Ubuntu
#	  24.04 for amd64, which is known here by its sum.  They stay in
#	  $PGWF_COMPAT_DIR (default: build/compat).
#
#	  To compile one file by hand:
#	      gcc $(test/compat.sh flags 18) -fsyntax-only src/state/state.c
#
#	  Output of compile: one line per version; exit code 0 = clean, 1 = errors or
#	  warnings, 77 = some version's headers are not here (skipped).

set -u

root=$(cd "$(dirname "$0")/.." && pwd)
. "$root/test/common.sh"
PG_CONFIG=$(find_pg_config build)
dir=${PGWF_COMPAT_DIR:-$root/build/compat}
package_of_16=http://archive.ubuntu.com/ubuntu/pool/universe/p/postgresql-16/postgresql-server-dev-16_16.2-1ubuntu4_amd64.deb
sum_of_16=c8057a6e0bd878112e29732a6e86f57ddc5011157c5a6a01c6e4efcf574c6d7f

# Which of Debian's suites have a version.
suites_of()
{
	case $1 in
		17) echo trixie ;;
		*) echo "forky sid" ;;
	esac
}

# The installed version's headers need no fetching.
headers()
{
	if [ -n "$PG_CONFIG" ] && [ "$(pg_major)" = "$1" ]; then
		"$PG_CONFIG" --includedir-server
	else
		echo "$dir/pg$1/usr/include/postgresql/$1/server"
	fi
}

# Newer suites' pg_config.h says that libc declares strlcpy and strlcat; the libc
# headers used here are this machine's, and may be older.
libc_header()
{
	mkdir -p "$dir"
	[ -f "$dir/libc.h" ] || cat >"$dir/libc.h" <<'EOT'
#include <stddef.h>
#include <features.h>
#if defined(__GLIBC__) && !__GLIBC_PREREQ(2, 38)
extern size_t strlcpy(char *, const char *, size_t);
extern size_t strlcat(char *, const char *, size_t);
#endif
EOT
	echo "$dir/libc.h"
}

# Our warnings stay on; those of PostgreSQL's headers are silenced by -isystem.
flags()
{
	echo "-std=gnu99 -D_GNU_SOURCE -Wall -Wextra -Wmissing-prototypes" \
		"-Wdeclaration-after-statement -Wvla -Wendif-labels -fPIC -O2" \
		"-include $(libc_header) -I$root/src -I$root/build -isystem $(headers "$1")" \
		"$(pkg-config --cflags libcjson 2>/dev/null)"
}

fetch_16()
{
	/usr/lib/apt/apt-helper download-file "$package_of_16" "$dir/pg16.deb" "SHA256:$sum_of_16" \
		>"$dir/apt-16.log" 2>&1 &&
		rm -rf "$dir/pg16" && dpkg-deb -x "$dir/pg16.deb" "$dir/pg16"
}

fetch()
{
	[ -f "$(headers "$1")/postgres.h" ] && return 0
	mkdir -p "$dir"
	[ "$1" -ne 16 ] || ! fetch_16 || return 0
	for suite in $(suites_of "$1"); do
		if apt_private "$dir/apt-$suite" "$suite" download "postgresql-server-dev-$1" >"$dir/apt-$suite.log" 2>&1; then
			rm -rf "$dir/pg$1.new"
			for package in "$dir/apt-$suite/cache/"*.deb; do
				dpkg-deb -x "$package" "$dir/pg$1.new" || return 1
			done
			rm -rf "$dir/pg$1" "$dir/apt-$suite"
			mv "$dir/pg$1.new" "$dir/pg$1"
			[ -f "$(headers "$1")/postgres.h" ] && return 0
		fi
	done
	echo "compat.sh: no headers of PostgreSQL $1 (see $dir/apt-*.log)" >&2
	return 1
}

compile()
{
	if [ ! -f "$(headers "$1")/postgres.h" ]; then
		echo "skipped: compile against PostgreSQL $1 (its headers are not here and could not be fetched)"
		return 77
	fi
	mkdir -p "$dir" "$root/build"
	# made by make, where that has been here
	[ -f "$root/build/script_objects.h" ] ||
		awk -f "$root/src/schema/objects.awk" "$root"/src/schema/*.sql >"$root/build/script_objects.h"
	# the list of errors is in the server's package: that of the server which is here does
	[ -f "$root/build/error_conditions.h" ] ||
		LC_ALL=C awk -f "$root/src/definition/error_conditions.awk" "$("$PG_CONFIG" --sharedir)/errcodes.txt" \
			>"$root/build/error_conditions.h"
	log=$dir/compile-$1.log
	: >"$log"
	# two at a time; each compiler writes its own log, so that lines do not mix
	find "$root/src" -name '*.c' | sort >"$dir/files-$1"
	rm -rf "$dir/log-$1" && mkdir -p "$dir/log-$1"
	xargs -P "$(nproc)" -I FILE sh -c '
		log=$1/$(echo "$2" | tr / _)
		shift; file=$1; shift
		gcc "$@" -Werror -c -o /dev/null "$file" >"$log" 2>&1 || echo "$file" >>"$log.failed"
		' sh "$dir/log-$1" FILE $(flags "$1") <"$dir/files-$1"
	cat "$dir/log-$1"/* >"$log"
	failed=$(find "$dir/log-$1" -name '*.failed' | wc -l)
	total=$(wc -l <"$dir/files-$1")
	if [ "$failed" -gt 0 ]; then
		echo "not ok: compile against PostgreSQL $1: $failed of $total files"
		cat "$log"
		return 1
	fi
	echo "ok: compile against PostgreSQL $1 ($total files)"
}

command=${1:-}
[ $# -gt 0 ] && shift
[ $# -gt 0 ] || set -- 16 17 18
result=0
case $command in
	fetch)
		for version; do
			fetch "$version" || result=1
		done
		;;
	compile)
		for version; do
			compile "$version"
			status=$?
			case $status in
				0) ;;
				77) [ $result -eq 0 ] && result=77 ;;
				*) result=1 ;;
			esac
		done
		;;
	flags)
		flags "$1"
		;;
	*)
		sed -n '7,9s/^#	  //p' "$0"
		exit 2
		;;
esac
exit $result
