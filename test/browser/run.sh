#!/bin/sh
#
# run.sh
#	  What a browser makes of workflow.report() and timeline_svg(): nothing of a
#	  name or an error becomes more than text, and all of the text is there.
#
# NOTES
#	  usage: run.sh CLUSTER OUT
#	  CLUSTER is the name of a running private cluster, OUT a folder to write to.
#	  Needs Chromium (prepare.sh browser).  One line per check, "ok" or "not ok".
#	  The pages are loaded without a sandbox, which root may not have, and from
#	  files; nothing is fetched.

set -u
root=$(cd "$(dirname "$0")/../.." && pwd)
. "$root/test/common.sh"

[ $# -eq 2 ] || die "usage: run.sh CLUSTER OUT"
cluster=$1
out=$2
browser=$(command -v chromium chromium-browser google-chrome | head -n 1)
[ -n "$browser" ] || die "there is no Chromium"
broken=0

# check NAME CONDITION ..: a line with the verdict of a command
check()
{
	name=$1
	shift
	if "$@"; then
		echo "ok browser/$name"
	else
		echo "not ok browser/$name"
		broken=1
	fi
}

# look PAGE: the document as the browser has it after loading, in PAGE.dom
look()
{
	timeout 120 "$browser" --headless --no-sandbox --disable-gpu --disable-dev-shm-usage --no-first-run \
		--user-data-dir="$out/profile" --dump-dom "file://$out/$1" >"$out/$1.dom" 2>"$out/$1.log"
}

has()
{
	grep -qF -- "$2" "$out/$1.dom"
}

lacks()
{
	! grep -qiE -- "$2" "$out/$1.dom"
}

# The SVGs are looked at as they are and inside the reports.  An element that a
# name or an error became would be in the document as one; text is escaped there.
no_elements()
{
	lacks "$1" '<(script|img|b|iframe|a|foreignobject|object|embed)[ />]' && lacks "$1" 'data-owned'
}

cluster_psql "$cluster" postgres -c 'DROP DATABASE IF EXISTS pgwf_browser' -c 'CREATE DATABASE pgwf_browser' >"$out/psql.log" 2>&1 &&
	cluster_psql "$cluster" pgwf_browser -v out="$out" -f "$root/test/browser/pictures.sql" >>"$out/psql.log" 2>&1 || {
	cat "$out/psql.log"
	echo "not ok browser/pictures: they could not be made"
	exit 1
}

for page in hostile.html overview.html paused.html hostile.svg waiting.html cancelled.svg empty.svg; do
	look "$page"
	check "$page loads" has "$page" '</svg>'
	check "$page has no element of others" no_elements "$page"
	check "$page is well-formed" lacks "$page" 'parsererror'
	check "$page fetches nothing" lacks "$page" '(src|href)="|url\('
done
for page in hostile.html hostile.svg; do
	check "$page shows the name" has "$page" '&lt;script&gt;document.body.dataset.owned = 1&lt;/script&gt;'
	check "$page shows the error" has "$page" '&lt;img src=x onerror='
	check "$page shows right-to-left text" has "$page" 'שלום'
	check "$page has no control characters" sh -c "! LC_ALL=C grep -qE '$(printf '[\001-\010\013-\037]')' '$out/$page.dom'"
	check "$page shows failed attempts" has "$page" 'stubborn (3 attempts'
	check "$page says what it leaves out" has "$page" ' more, '
	check "$page is not large" [ "$(wc -c <"$out/$page")" -lt 100000 ]
done
look widths.html
check "widths.html marks texts that are cut off" sh -c "grep -qE '<p style=\"width:300px\" data-marks=\"[1-9]' '$out/widths.html.dom'"
check "widths.html marks no others" has widths.html '<p style="width:100000px" data-marks="0">'
check "hostile.html forbids scripts" has hostile.html "default-src 'none'"
check "hostile.html shows the steps" has hostile.html '<details open=""><summary>Steps of execution'
check "hostile.html shows the facts" has hostile.html '<details open=""><summary>Facts about execution'
check "hostile.html says why" has hostile.html '-- mend the cause; then SELECT workflow.retry('
check "overview.html has a dead letter" has overview.html '<h2>Dead letters</h2>'
check "overview.html has the drill-down closed" has overview.html '<details><summary>Steps of execution'
check "paused.html lists what is paused" has paused.html '<h2>Paused executions</h2>'
check "paused.html shows why" has paused.html '&lt;script&gt;document.body.dataset.owned = 4'
check "waiting.html tells of the next attempt" has waiting.html 'next attempt at'
check "cancelled.svg says so" has cancelled.svg 'cancelled'
check "empty.svg says so" has empty.svg 'Nothing of it has run.'
# Mermaid's own words and signs are in labels only, as numbers
check "hostile.mmd has no sign of others" sh -c "! grep -qE -- '%%|<b>|<i>|\"end |]}' '$out/hostile.mmd'"
check "hostile.mmd shows the condition" grep -q '#34;end --#62; #93;#125;' "$out/hostile.mmd"
cluster_psql "$cluster" postgres -c 'DROP DATABASE pgwf_browser' >>"$out/psql.log" 2>&1
exit $broken
