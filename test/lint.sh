#!/bin/sh
#
# lint.sh
#	  Holds the rules of docs/architecture/rooms.md and of the Makefile.
#
# NOTES
#	  One line per rule, "ok" or "not ok", with the offending lines below it.
#	  Exit code 1 when a rule is broken.  Looks at the sources, and at the
#	  module's symbols when it has been built.

set -u
cd "$(dirname "$0")/.." || exit 1
broken=0

# rule NAME OFFENDERS
rule()
{
	if [ -z "$2" ]; then
		echo "ok lint: $1"
	else
		echo "not ok lint: $1"
		echo "$2" | sed 's/^/    /'
		broken=1
	fi
}

# The rooms that the files of a room may include from.
may_include()
{
	case $1 in
		definition) echo "definition" ;;
		shared) echo "shared definition" ;;
		state) echo "state definition shared" ;;
		interpreter) echo "interpreter state definition shared" ;;
		pictures) echo "pictures state definition shared" ;;
		api) echo "api pictures interpreter state definition shared" ;;
		scheduler | executor) echo "$1 interpreter state definition shared" ;;
	esac
}

upward_includes()
{
	for room in definition shared state interpreter pictures api scheduler executor; do
		# PostgreSQL has an executor/ too: ours are files that we have
		ls src/*/*.h src/*/*/*.h 2>/dev/null | awk -v allowed=" $(may_include $room) " '
			FNR == NR { ours[substr($0, 5)] = 1; next }
			/^#include "/ {
				split($0, part, "\"")
				header = part[2]
				split(header, folder, "/")
				if (header in ours && index(allowed, " " folder[1] " ") == 0)
					print FILENAME ":" FNR ":" $0
			}' - $(find "src/$room" -name "*.[ch]")
	done
}

# What the Makefile lists under a name, one per line.
listed()
{
	awk -v name="$1" '
		$1 == name && $2 == "=" { inside = 1; $1 = $2 = "" }
		inside { line = $0; more = sub(/\\$/, "", line); print line; inside = more }
	' Makefile | tr -s ' \t' '\n' | sed '/^$/d' | sort
}

# differences NAME: lines on standard input against what the Makefile lists
differences()
{
	temporary=$(mktemp -d)
	sort >"$temporary/there"
	listed "$1" >"$temporary/listed"
	comm -23 "$temporary/there" "$temporary/listed" | sed "s/$/ is not listed in $1/"
	comm -13 "$temporary/there" "$temporary/listed" | sed "s/$/ is listed in $1 and does not exist/"
	rm -rf "$temporary"
}

names()
{
	ls "$@" 2>/dev/null | sed 's,.*/,,; s/\.[a-z]*$//'
}

too_long()
{
	wc -l src/*.c src/*/*.[ch] src/*/*/*.[ch] src/schema/*.sql | awk '$2 != "total" && $1 > 800 { print $2 ": " $1 " lines" }'
}

# Messages and SQL text are left in one piece, as in core, so that they can be searched for.  What
# is left of the rest may not grow.
over_80()
{
	find src -name '*.[ch]' -exec cat {} + | expand -t 4 | awk -v may_be=1427 '
		length > 80 { n++ }
		END { if (n > may_be) print n " lines are longer, " may_be " may be" }'
}

# A module shows the server its magic block, _PG_init, workers' entry points
# and SQL-callable functions, and other modules nothing.
exported()
{
	nm -D --defined-only pg_workflow.so | awk '
		{ symbol[$3] = 1 }
		END {
			for (name in symbol)
				if (name !~ /^(Pg_magic_func|_PG_init|pg_finfo_.*|workflow_.*_main)$/ &&
					!(("pg_finfo_" name) in symbol))
					print name
		}'
}

# What is to be found by test/owner_sql.pl, a text in each line of C and a function in each line of
# SQL, and what is not.
unpinned_faults()
{
	temporary=$(mktemp -d)
	mkdir "$temporary/state"
	cat >"$temporary/state/planted.c" <<-'END'
		"SELECT 1 FROM workflow.t WHERE a IN (1, 2)";
		"SELECT 1 FROM workflow.t WHERE a IN(1, 2)";
		"select 1 from workflow.t where a not in (select 1)";
		"SELECT 1 FROM workflow.t WHERE a = ANY ($1)";
		"SELECT 1 FROM workflow.t WHERE a =ANY($1)";
		"SELECT 1 FROM workflow.t WHERE a <>all($1)";
		"select nullif(a, b) from workflow.t";
		"SELECT NULLIF (a, b) FROM workflow.t";
		"SELECT 1 FROM workflow.t WHERE a is distinct from b";
		"SELECT 1 FROM workflow.t WHERE a IS NOT DISTINCT FROM b";
		"SELECT CASE a WHEN 1 THEN 2 END FROM workflow.t";
		"select case when a then case b when 1 then 2 end end from workflow.t";
		"SELECT 1 FROM workflow.t WHERE a BETWEEN 1 AND 2";
		"SELECT 1 FROM workflow.t where a not between symmetric 1 and 2";
		"SELECT 1 FROM workflow.t JOIN workflow.u USING (a)";
		"SELECT 1 FROM workflow.t join workflow.u using(a)";
		"SELECT 1 FROM workflow.t NATURAL LEFT JOIN workflow.u";
		"SELECT 1 FROM workflow.t WHERE a LIKE 'x%'";
		"SELECT 1 FROM workflow.t WHERE a not ilike 'x%'";
		"SELECT 1 FROM workflow.t WHERE a SIMILAR TO 'x%'";
		"SELECT 1 FROM workflow.t WHERE a = 1";
		"SELECT 1 FROM workflow.t WHERE a=1";
		"SELECT 1 FROM workflow.t WHERE a OPERATOR(pg_catalog.=) 1 AND b<2";
		"SELECT a || b FROM workflow.t";
		"SELECT a->>'b' FROM workflow.t";
		"SELECT -a FROM workflow.t";
		"SELECT a + 1 FROM workflow.t";
		"SELECT a * 2 FROM workflow.t";
		"UPDATE workflow.t SET a = b = 1";
		"UPDATE workflow.t SET a = (SELECT 1 WHERE b = 1)";
		"UPDATE workflow.t SET a = 1, b = 2 WHERE c = 3";
		"DELETE FROM workflow.t WHERE a OPERATOR(other.=) 1";
		"SELECT 1 FROM workflow.t WHERE a " A_MACRO("b <> 1 AND true") " AND true";
		#define CONDITION(column) " AND " column " = 1"
		"SELECT a FROM workflow.t ORDER BY a USING <";
		"SELECT count(*) FROM workflow.t";
		"SELECT lower (a) FROM workflow.t";
		"SELECT CASE WHEN a THEN now() END FROM workflow.t";
		"SELECT pg_catalog.concat(a, lower(b)) FROM workflow.t";
		"SELECT a % 2 FROM workflow.t";
	END
	cat >"$temporary/state/clean.c" <<-'END'
		#define ONE "SELECT pg_catalog.count(*) FROM workflow.t AS x (a, b) WHERE a OPERATOR(pg_catalog.=) ANY ($1)"
		#define TWO(column) " SET " column " = -1, b = (SELECT 1 WHERE c OPERATOR(pg_catalog.<>) 'a = b'), d = 2"
		"UPDATE workflow.t" TWO("a") " WHERE \"=\" IS NULL AND x::pg_catalog.text IS NOT NULL";
		"SELECT * FROM workflow.f(a => 1) AS f ORDER BY a USING OPERATOR(pg_catalog.<)";
		"WITH gone AS (DELETE FROM workflow.t AS t USING (SELECT 1) AS u RETURNING *) SELECT 1 FROM gone";
		"SELECT COALESCE(a, CASE WHEN b THEN 1 ELSE -1 END) FROM ROWS FROM (pg_catalog.unnest($1)) AS u (a, b)";
		ereport(ERROR, (errmsg("WHERE is it, a = b?"), errhint("Run SELECT now() WHERE 1 IN (1).")));
	END
	cat >"$temporary/planted.sql" <<-'END'
		CREATE FUNCTION workflow.a() RETURNS int LANGUAGE sql AS $$SELECT 1; SELECT 1$$;
		create function workflow.b() returns int as 'SELECT 1' language sql;
		CREATE PROCEDURE workflow.c() LANGUAGE plpgsql AS $x$BEGIN END$x$;
		CREATE FUNCTION workflow.d() RETURNS trigger LANGUAGE plpgsql STABLE AS $$BEGIN RETURN NULL; END$$;
		CREATE FUNCTION workflow.e() RETURNS int SECURITY DEFINER LANGUAGE c AS 'MODULE_PATHNAME', 'e';
		CREATE FUNCTION workflow.f() RETURNS int LANGUAGE sql security definer RETURN 1;
		CREATE FUNCTION workflow.g() RETURNS int LANGUAGE sql SET search_path = public AS 'SELECT 1';
		CREATE FUNCTION workflow.h() RETURNS int LANGUAGE sql SET search_path = pg_catalog AS 'SELECT 1';
		CREATE OR REPLACE FUNCTION workflow.i() RETURNS int LANGUAGE sql AS 'SELECT 1';
	END
	cat >"$temporary/clean.sql" <<-'END'
		CREATE FUNCTION workflow.a() RETURNS int LANGUAGE c AS 'MODULE_PATHNAME', 'a';
		CREATE FUNCTION workflow.b() RETURNS int LANGUAGE sql RETURN (SELECT 'a AS ''b'' SECURITY DEFINER');
		CREATE FUNCTION workflow.c() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT 'a AS ''b'''; END;
		CREATE FUNCTION workflow.d() RETURNS int LANGUAGE sql SET search_path = pg_catalog, pg_temp AS 'SELECT 1';
		CREATE TABLE t AS SELECT 'SECURITY DEFINER';
	END
	for planted in state/planted.c planted.sql; do
		perl test/owner_sql.pl "$temporary/$planted" >"$temporary/found"
		awk -v planted="/$planted:" '
			FNR == NR { if (i = index($0, planted)) { split(substr($0, i + length(planted)), at, ":"); found[at[1]] = 1 }; next }
			!(FNR in found) { print "not found: " $0 }' "$temporary/found" "$temporary/$planted"
	done
	perl test/owner_sql.pl "$temporary/state/clean.c" "$temporary/clean.sql"
	rm -rf "$temporary"
}

# Waits of TAP tests whose result nobody looks at: the test would go on without.
unchecked_waits()
{
	perl -0ne '
		while (/^[ \t]*(?:\$?\w+->poll_query_until|wait_for_(?:schedulers|status))\(([^;]*?)\)\s*;/mg) {
			my ($wait, $line) = ($&, 1 + (substr($_, 0, $-[0]) =~ tr/\n//));
			print "$ARGV:$line\n" unless $wait =~ /\bor \w+/;
		}' test/t/*.pl
}

# TAP tests in which nobody looks whether something is left open (Watchdog.pm).
unwatched_tests()
{
	grep -LE '^use (Watchdog|WorkflowTest|CrashTest)\>' test/t/*.pl
}

# The check of the scripts, on two that have all it is to find, and an update that has nothing.
planted_faults()
{
	temporary=$(mktemp -d)
	cat >"$temporary/planted.sql" <<-'END'
		CREATE VIEW workflow.v AS SELECT * FROM somewhere;
		CREATE OR REPLACE FUNCTION workflow.f() RETURNS int LANGUAGE c AS 'x';
		CREATE FUNCTION workflow.f() RETURNS int LANGUAGE c SECURITY DEFINER AS 'x';
		CREATE FUNCTION workflow.f() RETURNS int LANGUAGE sql AS $$SELECT now()$$;
		CREATE TABLE IF NOT EXISTS workflow.t ();
		CREATE TABLE t ();
		CREATE TRIGGER t BEFORE INSERT ON public.t EXECUTE FUNCTION workflow.f();
		CREATE SCHEMA other;
		LOAD 'somewhat';
		SET search_path = public;
		GRANT SELECT ON workflow.t TO PUBLIC;
		GRANT SELECT ON workflow.t TO pg_monitor WITH GRANT OPTION;
		ALTER TABLE public.t ADD COLUMN i int;
		DROP TABLE workflow.t;
		UPDATE workflow.t SET i = 1;
		INSERT INTO workflow.t SELECT * FROM somewhere;
	END
	cat >"$temporary/planted--1.0.0--1.1.0.sql" <<-'END'
		\echo Use "ALTER EXTENSION pg_workflow UPDATE TO '1.1.0'" to load this file. \quit
		CREATE OR REPLACE VIEW workflow.v AS SELECT * FROM somewhere;
		CREATE OR REPLACE FUNCTION workflow.f() RETURNS int LANGUAGE c SECURITY DEFINER AS 'x';
		CREATE OR REPLACE FUNCTION workflow.f() RETURNS int LANGUAGE sql AS $$SELECT now()$$;
		CREATE OR REPLACE FUNCTION f() RETURNS int LANGUAGE c AS 'x';
		CREATE OR REPLACE TRIGGER t BEFORE INSERT ON workflow.t EXECUTE FUNCTION workflow.f();
		CREATE TABLE IF NOT EXISTS workflow.t ();
		DROP TABLE workflow.t CASCADE;
		DROP TABLE public.t;
		DROP TABLE workflow.t, public.t;
		DROP FUNCTION IF EXISTS workflow.f();
		DROP POLICY p ON public.t;
		ALTER TABLE public.t ADD COLUMN i int;
		ALTER TABLE workflow.t DROP COLUMN i CASCADE;
		ALTER DOMAIN public.d ADD CHECK (VALUE > 0);
		ALTER EXTENSION pg_workflow ADD TABLE workflow.t;
		ALTER FUNCTION workflow.f() OWNER TO somebody;
		UPDATE public.t SET i = 1;
		UPDATE workflow.t SET i = (SELECT i FROM somewhere);
		DELETE FROM workflow.t;
		SET search_path = public;
		GRANT EXECUTE ON FUNCTION workflow.f() TO PUBLIC;
	END
	cat >"$temporary/clean--1.1.0--1.0.0.sql" <<-'END'
		\echo Use "ALTER EXTENSION pg_workflow UPDATE TO '1.0.0'" to load this file. \quit
		DROP FUNCTION workflow.f(integer, text);
		DROP POLICY p ON workflow.t;
		DO $$BEGIN RAISE EXCEPTION 'no'; END$$;
		ALTER DOMAIN workflow.d DROP CONSTRAINT c;
		UPDATE workflow.t AS t SET i = s.i FROM (SELECT u.i FROM workflow.u AS u) AS s WHERE t.i = s.i;
		CREATE OR REPLACE VIEW workflow.v WITH (security_barrier) AS SELECT * FROM workflow.t, pg_locks;
		ALTER EXTENSION pg_workflow DROP TABLE workflow.t;
		DROP TABLE workflow.t;
	END
	for script in planted planted--1.0.0--1.1.0; do
		perl test/install_script.pl pg_workflow.control "$temporary/$script.sql" >"$temporary/found"
		awk -v planted="/$script.sql:" '
			FNR == NR { if (i = index($0, planted)) { split(substr($0, i + length(planted)), at, ":"); found[at[1]] = 1 }; next }
			!(FNR in found) && !/^\\/ { print "not found: " $0 }' "$temporary/found" "$temporary/$script.sql"
	done
	perl test/install_script.pl pg_workflow.control "$temporary/clean--1.1.0--1.0.0.sql"
	rm -rf "$temporary"
}

# Those of updates: what is written by hand, and what is built of that and the install scripts.
update_scripts()
{
	ls src/schema/updates/*.sql
	ls pg_workflow--*--*.sql 2>/dev/null
}

version=$(sed -n "s/^default_version *= *'\(.*\)'/\1/p" pg_workflow.control)

rule "includes point one way" "$(upward_includes)"
rule "PG_VERSION_NUM only in compat.h" \
	"$(grep -rn 'PG_VERSION_NUM' src --include='*.[ch]' | grep -v '^src/shared/compat\.h:')"
rule "cJSON only in json.c" \
	"$(grep -rniE '#include.*cjson|cJSON_[A-Z]' src --include='*.[ch]' | grep -v '^src/definition/json\.c:')"
rule "nothing listens: anybody can send a notification" "$(grep -nE 'Async_Listen|\<LISTEN\>' -r src --include=*.c --include=*.sql | grep -vE '^[^:]*:[0-9]+:( \*|.*err(msg|hint)\()')"
rule "no file over 800 lines" "$(too_long)"
rule "no more lines over 80 columns than messages and SQL text need" "$(over_80)"
rule "who meets a step asks for its traits, not for its type" \
	"$(grep -rnE '\bSTEP_(AGENT|SQL|PARALLEL|FORK_JOIN|CONDITIONAL|LOOP|SET|SUCCEED|FAIL)\b' src --include='*.[ch]' |
		grep -vE '^src/(definition|interpreter)/(steps/|step_type)' | grep -v 'node->type = STEP_AGENT;')"
rule "who walks a plan asks its scopes what is first and next" \
	"$(grep -nE '\b(node|nodes\[[^]]*\])(->|\.)next\b|\blines?(\[[^]]*\])?(->|\.)(first|last)\b' src/*/*.[ch] src/*/*/*.[ch] |
		grep -vE '^src/definition/(plan[a-z_]*|builder)\.c:')"
rule "executions end in ends.c, and directly in execution_rows.c" \
	"$(grep -nE 'workflow[.]executions.* SET ([^"]*, )?(status = (.(completed|failed|timed_out|cancelled).|[$]|COALESCE|[a-z.]*ending)|completed_at = [^N])' \
		$(find src -name '*.[ch]' -o -path 'src/schema/*.sql' | grep -vE '/(ends|execution_rows)[.]c$|/(updates|releases)/|/verify_checks'))"
rule "SQL that runs as the owner hides no operator" "$(perl test/owner_sql.pl src/*/*.[ch] src/*/*/*.[ch])"
rule "the scheduler begins transactions in ATTEMPT only, which waits for nobody" \
	"$(grep -nE 'scheduler_begin\(|StartTransactionCommand\(' -r src/scheduler --include='*.[ch]' |
		grep -vE '^src/scheduler/(launcher|attempts)\.c:[0-9]+:(scheduler_begin\(void\)|	StartTransactionCommand\(\);)$|^src/scheduler/live\.h:')"
rule "no wait of a TAP test is left unchecked" "$(unchecked_waits)"
rule "each TAP test is watched" "$(unwatched_tests)"
rule "functions that depend on search_path set it" "$(perl test/owner_sql.pl src/schema/*.sql)"
rule "hidden operators and functions that depend on search_path are found" "$(unpinned_faults)"
rule "the install script adopts nothing and finds only its own" "$(perl test/install_script.pl pg_workflow.control src/schema/*.sql)"
# shellcheck disable=SC2046
rule "nor do those of updates adopt anything" "$(perl test/install_script.pl pg_workflow.control $(update_scripts))"
rule "the check of the scripts finds what is wrong" "$(planted_faults)"
rule "docs/security.md says what the tests show" "$(perl test/docs/security.pl .)"
rule "each transition has a fault point, each point a row of the kill matrix" "$(perl test/fault_points.pl)"
rule "nothing left to do" \
	"$(grep -rnE '\b(TODO|FIXME|XXX)\b' src sql test docs Makefile 2>/dev/null | grep -v '^test/lint\.sh:')"
rule "every C file is in OBJS" \
	"$(ls src/*.c src/*/*.c src/*/*/*.c | sed 's/c$/o/' | differences OBJS)"
rule "every schema file is in SCHEMA" "$(ls src/schema/*.sql | differences SCHEMA)"
rule "every regression test is in REGRESS" "$(names sql/*.sql | differences REGRESS)"
rule "every isolation test is in ISOLATION" "$(names test/specs/*.spec | differences ISOLATION)"
rule "META.json has the version of the control file" "$(
	for line in "\"version\": \"$version\"" "pg_workflow--$version.sql"; do
		grep -q "$line" META.json || echo "$line is missing"
	done)"
rule "the library has the version of the control file" \
	"$(grep -q "LIBRARY_VERSION \"$version\"" src/shared/identity.h || echo src/shared/identity.h)"
if [ -f pg_workflow.so ]; then
	rule "no symbols but entry points are exported" "$(exported)"
	rule "calls point one way within a room: in no circle without a reason, and as layers are drawn" "$(perl test/circles.pl)"
fi
exit $broken
