#!/bin/sh
#
# run.sh
#	  Builds and runs the unit tests of the definition room, without a server.
#
# NOTES
#	  usage: run.sh [PROVE OPTION ..]
#	  Each test_NAME.c becomes a TAP program together with all of
#	  src/definition, compiled with -DFRONTEND against libpgcommon.  With
#	  PGWF_SANITIZE=1 under the address and undefined-behaviour sanitizers.

set -u
root=$(cd "$(dirname "$0")/../.." && pwd)
. "$root/test/common.sh"

PG_CONFIG=$(find_pg_config)
[ -n "$PG_CONFIG" ] || die "no pg_config with server headers"
out=$root/build/unit
rm -rf "$out"
mkdir -p "$out/tests"

flags="-g -O1 -DFRONTEND -Wall -Wextra -Werror -I$root/src -I$root/test/unit
	-isystem $("$PG_CONFIG" --includedir-server) $(pkg-config --cflags libcjson)"
[ -z "${PGWF_SANITIZE:-}" ] || flags="$flags -fsanitize=address,undefined -fno-sanitize-recover=undefined"
libraries="-L$("$PG_CONFIG" --libdir) -L$("$PG_CONFIG" --pkglibdir) -lpgcommon -lpgport
	$(pkg-config --libs libcjson) -lm"

# shellcheck disable=SC2086
(cd "$out" && ls "$root"/src/definition/*.c | xargs -P "$(nproc)" -n 1 gcc $flags -c) ||
	die "the definition room does not compile with -DFRONTEND"
for test in "$root"/test/unit/test_*.c; do
	# shellcheck disable=SC2086
	gcc $flags -o "$out/tests/$(basename "$test" .c)" "$test" "$out"/*.o $libraries || exit 1
done
exec prove -e '' "$@" "$out"/tests/*
