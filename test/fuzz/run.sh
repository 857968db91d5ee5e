#!/bin/sh
#
# run.sh - fuzzes what reads text with libFuzzer, AddressSanitizer and UBSan.
#
# Usage: run.sh [-k] [seconds] [scratch directory]
#        run.sh -r [scratch directory]
#
# Targets: definitions, expressions, cron expressions, paths of scopes.  Default: 30 seconds for
# each, in a new directory under TMPDIR, kept when something was found.  Each begins with its
# corpus, corpus/TARGET.txt, one input a line; -k keeps there what reached something new.
# Needs clang with its runtime (Debian: clang, libclang-rt-14-dev).
#
# With -r the corpora are only run through once, with any compiler that has the sanitizers:
# a part of "make check".  CC and CLANG choose compilers, PG_CONFIG the server's headers.

set -u

here=$(cd "$(dirname "$0")" && pwd) || exit 1
top=$(cd "$here/../.." && pwd) || exit 1
. "$top/test/common.sh"
keep=
replay=
while getopts kr option; do
	case $option in
		k) keep=yes ;;
		r) replay=yes ;;
		*) exit 2 ;;
	esac
done
shift $((OPTIND - 1))
seconds=30
[ -n "$replay" ] || [ $# -eq 0 ] || {
	seconds=$1
	shift
}
scratch=${1:-$(mktemp -d "${TMPDIR:-/tmp}/pg_workflow_fuzz.XXXXXX")} || exit 1
mkdir -p "$scratch" || exit 1
pg_config=$(find_pg_config build)
[ -n "$pg_config" ] || die "no pg_config with server headers and errcodes.txt"

LC_ALL=C awk -f "$top/src/definition/error_conditions.awk" "$("$pg_config" --sharedir)/errcodes.txt" \
	>"$scratch/error_conditions.h" || exit 1

targets="definition expression cron scope"

flags="-std=gnu99 -g -O1 -fno-sanitize-recover=undefined -Wno-ignored-attributes -DFRONTEND -D_GNU_SOURCE -I$top/src -I$here -I$scratch
	-I$("$pg_config" --includedir-server) -I$("$pg_config" --includedir)/internal"
libraries="-L$("$pg_config" --pkglibdir) -L$("$pg_config" --libdir) -lpgcommon -lpgport -lcjson -lm"

# compile_shared SANITIZERS: what all targets test
compile_shared()
{
	# shellcheck disable=SC2086
	(cd "$scratch" && $compiler $flags "-fsanitize=$1" -c "$top"/src/definition/*.c "$top"/src/definition/*/*.c)
}

# compile TARGET SANITIZERS [MAIN]
compile()
{
	# shellcheck disable=SC2086
	$compiler $flags "-fsanitize=$2" -o "$scratch/fuzz_$1" "$here/fuzz_$1.c" ${3:-} "$scratch"/*.o $libraries
}

if [ -n "$replay" ]; then
	compiler=${CC:-cc}
	compile_shared address,undefined || exit 1
	number=0
	for target in $targets; do
		number=$((number + 1))
		if compile "$target" address,undefined "$here/replay.c" &&
			"$scratch/fuzz_$target" "$here/corpus/$target.txt"; then
			echo "ok $number - corpus of the fuzzer: $target"
		else
			echo "not ok $number - corpus of the fuzzer: $target"
			failed=yes
		fi
	done
	echo "1..$number"
	[ -z "${failed:-}" ]
	exit
fi

compiler=${CLANG:-clang}

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
"jan"
"mon"
" seconds"
"*/"
"items["
"]/both#2."
"choice.then"
"%20"
"%00"
"%2"
"~1/"
EOF

compile_shared fuzzer-no-link,address,undefined || exit 1
for target in $targets; do
	corpus=$scratch/corpus_$target
	mkdir -p "$corpus"
	split -l 1 -a 5 --filter='tr -d "\n" >$FILE' "$here/corpus/$target.txt" "$corpus/" || exit 1
	[ "$target" != definition ] || cp "$top"/test/definitions/*.json "$corpus/" || exit 1
	compile "$target" fuzzer,address,undefined || exit 1
	(cd "$scratch" && ./fuzz_"$target" -max_total_time="$seconds" -max_len=8192 -timeout=10 \
		-dict=words -print_final_stats=1 -artifact_prefix="$target-" "$corpus" >"$target.log" 2>&1) || {
		tail -60 "$scratch/$target.log"
		echo "not ok - fuzzing $target, see $scratch"
		exit 1
	}
	grep -E 'stat::number_of_executed_units|stat::average_exec' "$scratch/$target.log" | sed 's/^/# /'
	echo "ok - fuzzing $target for $seconds seconds"
	[ -n "$keep" ] || continue
	# the fewest that reach what all do; what is no line of text, whatever its blanks, is not kept
	mkdir "$scratch/merged_$target"
	(cd "$scratch" && ./fuzz_"$target" -merge=1 -max_len=1000 "merged_$target" "$corpus" >"$target-merge.log" 2>&1) || exit 1
	find "$scratch/merged_$target" -type f -print0 |
		xargs -0 perl -0777 -ne 's/[\n\t]/ /g; print "$_\n" if /./ && !/[\x00-\x1f\x7f]/ && utf8::decode(my $text = $_)' |
		LC_ALL=C sort -u >"$here/corpus/$target.txt"
done
[ $# -gt 0 ] || rm -rf "$scratch"
