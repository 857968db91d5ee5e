#!/bin/sh
#
# coverage.sh
#	  Which lines of the library the suite runs.
#
# NOTES
#	  usage: coverage.sh
#	  A copy of what is committed is built with gcc's counters and tested as
#	  check.sh does, but for lint, which counters are not for; PGWF_SUITES and
#	  PGWF_TESTS choose.  Processes that are killed
#	  count nothing.  In $PGWF_SCRATCH/coverage are lines.txt, the share of each
#	  file, and missed.txt, each line that was not run.  Why they are not is in
#	  test/coverage.reasons, by function: what is not in there is printed at the
#	  end.  Fails when less than 93 % of the lines were run, unless parts of the
#	  suite were chosen.  Needs lcov.

set -u
root=$(cd "$(dirname "$0")/.." && pwd)
. "$root/test/common.sh"

prepare coverage
make_scratch
folder=$scratch/coverage
rm -rf "${folder:?}"
mkdir -p "$folder/source"
git -C "$root" archive HEAD | tar -x -C "$folder/source" || die "cannot unpack what is committed"
# the history, for the version before
git -C "$root" rev-parse --git-common-dir >/dev/null 2>&1 && cp -R "$(cd "$root" && git rev-parse --path-format=absolute --git-common-dir)" "$folder/source/.git"

COPT="-O0 --coverage -fprofile-update=atomic"
# servers are somebody else's processes, and do not write beside the objects
GCOV_PREFIX=$folder/counts
make_server_folder "$GCOV_PREFIX"
export COPT GCOV_PREFIX
chosen=${PGWF_SUITES:-}${PGWF_TESTS:-}
PGWF_SUITES=${PGWF_SUITES:-unit regress isolation docs browser modes tap}
export PGWF_SUITES
make -s -C "$folder/source" check | tee "$folder/check.log"
cp -R "$GCOV_PREFIX$folder/source/." "$folder/source/" || die "nothing was counted"

lcov --quiet --capture --directory "$folder/source" --base-directory "$folder/source" --no-external \
	--output-file "$folder/all.info" >"$folder/lcov.log" 2>&1 &&
	lcov --quiet --extract "$folder/all.info" "$folder/source/src/*" --output-file "$folder/lines.info" \
		>>"$folder/lcov.log" 2>&1 ||
	die "lcov failed, see $folder/lcov.log"
lcov --list "$folder/lines.info" >"$folder/lines.txt"
sed -n "s,^SF:$folder/source/,file ,p; s,^DA:\([0-9]*\)\,0\$,\1,p" "$folder/lines.info" |
	while read -r first second; do
		if [ "$first" = file ]; then
			file=$second
		else
			echo "$file:$first: $(sed -n "${first}p" "$folder/source/$file")"
		fi
	done >"$folder/missed.txt"
perl "$root/test/coverage.pl" "$folder/lines.info" "$folder/source" | tee "$folder/reasons.txt"
grep -q '% of [0-9]* lines were run' "$folder/reasons.txt" || die "cannot tell what was run"
[ -n "$chosen" ] || ! grep -q '^that is less than' "$folder/reasons.txt"
