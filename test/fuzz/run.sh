#!/bin/sh
#
# run.sh
#	  Builds the fuzzer of definitions with sanitizers and runs it.
#
# NOTES
#	  usage: run.sh [COUNT [SEED]]	(default: 20000 documents, a seed by the clock)
#	  The documents start from test/fuzz/seeds, test/definitions and the
#	  demonstration's workflow.  A failure prints the document and the seed.

set -u
root=$(cd "$(dirname "$0")/../.." && pwd)
. "$root/test/common.sh"

count=${1:-20000}
seed=${2:-$(date +%s)}
PG_CONFIG=$(find_pg_config)
[ -n "$PG_CONFIG" ] || die "no pg_config with server headers"
out=$root/build/fuzz
mkdir -p "$out"

# The room frees nothing of its own: its memory contexts do, and those are the
# server's.  So leaks are not looked for.
ASAN_OPTIONS=detect_leaks=0:handle_segv=0:allow_user_segv_handler=1
export ASAN_OPTIONS
# shellcheck disable=SC2046
gcc -std=gnu99 -g -O1 -DFRONTEND -D_GNU_SOURCE -Wall -Wextra \
	-fsanitize=address,undefined -fno-sanitize-recover=undefined \
	-I"$root/src" -isystem "$("$PG_CONFIG" --includedir-server)" \
	-isystem "$("$PG_CONFIG" --includedir)/internal" $(pkg-config --cflags libcjson) \
	-o "$out/fuzz_definition" "$root/test/fuzz/fuzz_definition.c" "$root"/src/definition/*.c \
	-L"$("$PG_CONFIG" --libdir)" -L"$("$PG_CONFIG" --pkglibdir)" -lpgcommon -lpgport \
	$(pkg-config --libs libcjson) -lm || die "the fuzzer does not compile"

echo "# seed $seed"
# shellcheck disable=SC2046
"$out/fuzz_definition" "$seed" "$count" "$root/test/demo/workflow.json" \
	$(find "$root/test/fuzz/seeds" "$root/test/definitions" -name '*.json' 2>/dev/null)
