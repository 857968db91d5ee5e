#!/bin/sh
#
# run.sh - fuzzes definitions with libFuzzer, AddressSanitizer and UBSan.
#
# Usage: run.sh [seconds] [scratch directory]
#
# Default: 120 seconds, in a new directory under TMPDIR, kept when something was
# found.  Needs clang with its runtime (Debian: clang, libclang-rt-14-dev).

set -u

here=$(cd "$(dirname "$0")" && pwd) || exit 1
top=$(cd "$here/../.." && pwd) || exit 1
. "$top/test/common.sh"
seconds=${1:-120}
scratch=${2:-$(mktemp -d "${TMPDIR:-/tmp}/pg_workflow_fuzz.XXXXXX")} || exit 1
pg_config=$(find_pg_config build)
[ -n "$pg_config" ] || die "no pg_config with server headers"
clang=${CLANG:-clang}

mkdir -p "$scratch/corpus" || exit 1
cp "$top"/test/definitions/*.json "$scratch/corpus/" || exit 1

# Words of the format, for the fuzzer to put together.
grep -ohE '"[a-z_]+"' "$top/src/definition/fields.c" "$top/src/definition/normalise_step.c" \
	"$top/src/definition/plan_step.c" "$top/src/definition/plan_container.c" |
	sort -u | sed 's/^"\(.*\)"$/"\\"\1\\""/' >"$scratch/words"
cat >>"$scratch/words" <<'EOF'
"${"
".output"
".status"
"workflow.input."
"loop.item"
"loop.parent."
"vars."
"??"
"not in"
EOF

$clang -std=gnu99 -g -O1 -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined -Wno-ignored-attributes \
	-DFRONTEND -D_GNU_SOURCE -I"$top/src" -I"$here" \
	-I"$("$pg_config" --includedir-server)" -I"$("$pg_config" --includedir)/internal" \
	-o "$scratch/fuzz_definition" "$here/fuzz_definition.c" "$top"/src/definition/*.c \
	-L"$("$pg_config" --pkglibdir)" -L"$("$pg_config" --libdir)" \
	-lpgcommon -lpgport -lcjson -lm || exit 1

cd "$scratch" || exit 1
if ! ./fuzz_definition -max_total_time="$seconds" -max_len=8192 -timeout=10 \
	-dict=words -print_final_stats=1 corpus >log 2>&1; then
	tail -60 log
	echo "not ok - fuzzing definitions, see $scratch"
	exit 1
fi
grep -E 'stat::number_of_executed_units|stat::average_exec' log | sed 's/^/# /'
echo "ok - fuzzing definitions for $seconds seconds"
[ $# -gt 1 ] || rm -rf "$scratch"
