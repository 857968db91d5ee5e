#
# update.awk
#	  The script that updates the extension from one version to another, up or down,
#	  out of the install scripts of both and of what they cannot tell.
#
# NOTES
#	  usage: awk -v version=TO -f update.awk from.sql by_hand.sql to.sql
#
#	  What is in the one script and not in the other, or is not the same, is dropped,
#	  made, or replaced:
#	    0. DO in front of the first table of to.sql: whether it can be done at all
#	    1. views, routines, policies, triggers and indexes that go are dropped, the newest
#	       first; so are policies, triggers and indexes that are not the same.  What
#	       something reads or calls that stays, and will do without it, goes last
#	    2. by_hand.sql is run: what becomes of tables, types and their rows
#	    3. tables, domains and types that go are dropped
#	    4. to.sql is gone through: what is new is made, views and routines that are not
#	       the same are replaced, and keep whom they are granted to, while default
#	       privileges on what is made are taken back; comments and grants are brought up
#	       to date.  DO and SELECT are always run.
#	  An object that by_hand.sql drops is made again with all that belongs to it, one that
#	  it makes is left alone.  A table, domain or type that is not the same has to be
#	  altered there, or nothing is printed and the exit code is 1.
#
#	  Statements are told apart by their text, without comments and white space: what
#	  comes of it is compared with the catalogs of an installation by test/t/086_update.pl.
#

BEGIN {
	source = 0
	code = "^(VIEW|FUNCTION|PROCEDURE|AGGREGATE)$"
	remade = "^(POLICY|TRIGGER|INDEX)$"
}

FNR == 1 { source++; reset() }
/^\\/ { next }
{ scan($0) }

END {
	finish()
	if (broken)
		exit 1
	compare()
	if (broken)
		exit 1
	write()
}

function problem(text)
{
	print "update.awk: " text > "/dev/stderr"
	broken = 1
}

# --- statements: text as it is written, and normal: without comments and needless space ---

function reset()
{
	finish()
	text = normal = ""
	quote = comment = 0
	dollar = ""
}

function finish()
{
	if (text != "" || quote || comment)
		problem("a statement does not end: " substr(normal, 1, 60))
}

# Whether a statement has begun: what stands before it is not part of it.
function begun()
{
	return text != "" || normal != ""
}

# One line of a script.
function scan(line,    i, n, c, two)
{
	n = length(line)
	kept = ""
	for (i = 1; i <= n; i++)
	{
		c = substr(line, i, 1)
		two = substr(line, i, 2)
		if (comment)
		{
			if (two == "*/")
			{
				comment = 0
				i++
				if (begun())
					kept = kept "*/"
			}
			else if (begun())
				kept = kept c
			continue
		}
		if (!quote && dollar == "" && two == "/*")
		{
			comment = 1
			i++
			if (begun())
				kept = kept "/*"
			continue
		}
		if (!quote && dollar == "" && two == "--")
		{
			if (begun())
				kept = kept substr(line, i)
			break
		}
		kept = kept c
		if (dollar != "")
		{
			normal = normal c
			if (c == "$" && substr(line, i - length(dollar) + 1, length(dollar)) == dollar)
				dollar = ""
			continue
		}
		if (c == "'")
			quote = !quote
		else if (!quote && c == "$" && match(substr(line, i), /^\$[a-z_]*\$/))
		{
			dollar = substr(line, i, RLENGTH)
			kept = kept substr(dollar, 2)
			normal = normal dollar
			i += RLENGTH - 1
			continue
		}
		if (!quote && (c == " " || c == "\t"))
		{
			if (normal != "" && normal !~ / $/)
				normal = normal " "
			continue
		}
		normal = normal c
		if (c == ";" && !quote)
		{
			if (toupper(normal) ~ / BEGIN ATOMIC /)
				if (toupper(normal) !~ /; ?END ?;$/)
					continue
			text = text kept
			kept = ""
			complete()
		}
	}
	if (begun())
	{
		text = text kept "\n"
		if (!quote && dollar == "" && normal !~ / $/)
			normal = normal " "
		else if (quote || dollar != "")
			normal = normal "\n"
	}
}

# A statement is complete.
function complete()
{
	sub(/^[ \t\n]*/, "", text)
	gsub(/\( /, "(", normal)
	gsub(/ \)/, ")", normal)
	identify(normal)
	if (source == 1)
	{
		in_from[normal] = 1
		if (verb == "CREATE" && !(object in from))
		{
			from[object] = ++nfrom
			from_object[nfrom] = object
			from_kind[nfrom] = kind
			from_normal[nfrom] = normal
		}
	}
	else if (source == 2)
	{
		by_hand = by_hand text "\n"
		if (verb == "CREATE")
			made_by_hand[object] = 1
		else if (verb == "DROP")
			dropped_by_hand[object] = 1
		else if (verb == "ALTER")
			altered_by_hand[object] = 1
	}
	else
	{
		to_text[++nto] = text
		to_normal[nto] = normal
		if (verb == "CREATE")
			to[object] = 1
	}
	text = normal = ""
}

# Sets verb, object ("KIND identity"), kind and identity of a statement.
function identify(words)
{
	verb = words
	sub(/ .*/, "", verb)
	sub(/;$/, "", verb)
	object = kind = identity = ""
	if (verb !~ /^(CREATE|DROP|ALTER|COMMENT)$/)
		return
	sub(/^[A-Z]+ (ON )?(OR REPLACE )?(UNIQUE )?/, "", words)
	match(words, /^(OPERATOR (CLASS|FAMILY)|[A-Z]+) /)
	kind = substr(words, 1, RLENGTH - 1)
	words = substr(words, RLENGTH + 1)
	sub(/^IF EXISTS /, "", words)
	if (kind ~ /^(FUNCTION|PROCEDURE|AGGREGATE)$/)
		identity = routine(words)
	else if (kind ~ /^(POLICY|TRIGGER)$/)
		identity = attached(words)
	else if (kind ~ /^(CAST|OPERATOR|OPERATOR CLASS|OPERATOR FAMILY)$/)
	{
		identity = words
		sub(/ (IS|WITH|AS) .*/, "", identity)
	}
	else
	{
		identity = words
		sub(/[ ;(].*/, "", identity)
	}
	object = kind " " identity
}

# "name ON table" of a policy or a trigger.
function attached(words,    name)
{
	name = words
	sub(/ .*/, "", name)
	sub(/^.* ON /, "", words)
	sub(/[ ;].*/, "", words)
	return name " ON " words
}

# "name(types)" of a routine, whose arguments have names and defaults, or none.
function routine(words,    name, i, c, depth, argument, list, quoted)
{
	name = words
	sub(/ ?\(.*/, "", name)
	words = substr(words, index(words, "(") + 1)
	depth = 1
	list = argument = ""
	for (i = 1; depth > 0 && i <= length(words); i++)
	{
		c = substr(words, i, 1)
		if (c == "'")
			quoted = !quoted
		if (!quoted && c == "(")
			depth++
		if (!quoted && c == ")")
			depth--
		if (!quoted && (depth == 0 || depth == 1 && c == ","))
		{
			argument = type_of(argument)
			if (argument != "")
				list = list (list == "" ? "" : ", ") argument
			argument = ""
		}
		else
			argument = argument c
	}
	return name "(" list ")"
}

function type_of(argument)
{
	sub(/^ /, "", argument)
	sub(/ $/, "", argument)
	sub(/ (DEFAULT|=) .*/, "", argument)
	if (argument ~ /^OUT /)
		return ""
	sub(/^(IN|INOUT|VARIADIC) /, "", argument)
	if (argument ~ / / && argument !~ /^(double precision|timestamp with|time with)/)
		sub(/^[^ ]* /, "", argument)
	return argument
}

# --- what differs ---

# Whether the object a statement is about is not there when it comes to it.
function is_new(object)
{
	return !(object in from) || object in dropped_by_hand
}

function compare(    i)
{
	for (i = 1; i <= nto; i++)
	{
		identify(to_normal[i])
		if (verb != "CREATE" || to_normal[i] in in_from || is_new(object) || object in made_by_hand)
			continue
		if (kind ~ remade)
			again[object] = 1
		else if (kind !~ code && !(object in altered_by_hand))
			problem(object " is not the same any more: alter it in the script by hand")
	}
}

function goes(object)
{
	return !(object in dropped_by_hand) && (!(object in to) || object in again)
}

# Whether a view or a routine that stays reads or calls what goes, or does so by way of another
# that goes.
function is_called(number,    i, name)
{
	if (from_kind[number] !~ /^(FUNCTION|PROCEDURE|AGGREGATE|VIEW|TABLE)$/)
		return 0
	name = from_object[number]
	sub(/^[A-Z]+ /, "", name)
	sub(/\(.*/, "", name)
	name = name (from_kind[number] ~ /^(VIEW|TABLE)$/ ? "[^a-z0-9_(]" : "\\(")
	for (i = nfrom; i > 0; i--)
		if (i != number && from_kind[i] ~ code && from_normal[i] ~ name && (!goes(from_object[i]) || is_called(i)))
			return 1
	return 0
}

# Drop what goes, of the kinds that match: what is called by what stays, or what is not.
function drop(kinds, called,    i, words)
{
	for (i = nfrom; i > 0; i--)
	{
		if (from_kind[i] !~ kinds || !goes(from_object[i]) || is_called(i) != called)
			continue
		words = from_object[i]
		if (from_kind[i] == "INDEX")
			sub(/^INDEX /, "INDEX workflow.", words)
		if (from_kind[i] == "TABLE")
			leave_dump(substr(words, 7))
		print "DROP " words ";\n"
	}
}

# A table that is dumped is no member any more before it is dropped, and its sequence:
# DROP TABLE alone would leave it among what is to be dumped.
function leave_dump(table,    dumped)
{
	dumped = "SELECT pg_catalog.pg_extension_config_dump('" table
	if ((dumped "_id_seq', '');") in in_from)
		print "ALTER EXTENSION pg_workflow DROP SEQUENCE " table "_id_seq;"
	if ((dumped "', '');") in in_from)
		print "ALTER EXTENSION pg_workflow DROP TABLE " table ";"
}

# Whether a grant names something that is new.
function names_new(grant,    name)
{
	for (name in fresh)
		if (match(grant, name "[^a-z0-9_]"))
			return 1
	return 0
}

function write(    i, name, known)
{
	print "\\echo Use \"ALTER EXTENSION pg_workflow UPDATE TO '" version "'\" to load this file. \\quit\n"
	# what a script asks before it makes a table, it asks before anything
	for (i = 1; i <= nto; i++)
	{
		identify(to_normal[i])
		if (verb == "CREATE" && kind == "TABLE")
			break
		if (verb == "DO")
		{
			print to_text[i] "\n"
			asked[i] = 1
		}
	}
	drop("^(VIEW|FUNCTION|PROCEDURE|AGGREGATE|POLICY|TRIGGER|INDEX)$", 0)
	printf "%s", by_hand
	drop("^(TABLE|DOMAIN|TYPE|SEQUENCE)$", 0)
	for (i = 1; i <= nto; i++)
	{
		if (i in asked)
			continue
		identify(to_normal[i])
		known = to_normal[i] in in_from
		if (verb == "CREATE")
		{
			if (object in made_by_hand)
				continue
			if (is_new(object) || object in again)
			{
				print to_text[i] "\n"
				name = identity
				sub(/\(.*/, "", name)
				fresh[name] = 1
				created[object] = 1
				note_made(to_normal[i])
				# what everybody may call unless told otherwise
				if (kind ~ /^(FUNCTION|PROCEDURE|AGGREGATE)$/)
					print "REVOKE ALL ON ROUTINE " identity " FROM PUBLIC;\n"
				# as the end of the install script does with all there are
				if (kind ~ /^(TABLE|VIEW)$/)
					print "REVOKE ALL ON TABLE " identity " FROM PUBLIC;\n"
				if (kind == "TABLE" && to_text[i] ~ /AS IDENTITY/)
					print "REVOKE ALL ON SEQUENCE " identity "_id_seq FROM PUBLIC;\n"
			}
			else if (kind ~ code && !known)
			{
				sub(/^CREATE /, "CREATE OR REPLACE ", to_text[i])
				print to_text[i] "\n"
			}
		}
		else if (verb == "COMMENT")
		{
			if (kind == "COLUMN")
			{
				sub(/\.[^.]*$/, "", identity)
				known = known && !(("TABLE " identity) in created) && !(("VIEW " identity) in created)
			}
			if (!known || object in created)
				print to_text[i] "\n"
		}
		else if (verb == "ALTER")
		{
			if (!known || object in created)
				print to_text[i] "\n"
		}
		else if (verb == "GRANT")
		{
			if (!known || names_new(to_normal[i]))
				print to_text[i] "\n"
		}
		else if (!known || verb ~ /^(SELECT|DO)$/ && to_normal[i] !~ /pg_extension_config_dump/)
			print to_text[i] "\n"
	}
	revoke_defaults()
	drop("^(VIEW|FUNCTION|PROCEDURE|AGGREGATE)$", 1)
	drop("^TABLE$", 1)
}

# What is made is noted, with the sequence of a table, as elements of arrays.
function note_made(words)
{
	if (kind ~ /^(TABLE|VIEW)$/)
		made_relations = made_relations (made_relations == "" ? "" : ", ") "'" identity "'"
	if (kind == "TABLE" && words ~ /AS IDENTITY/)
		made_relations = made_relations ", '" identity "_id_seq'"
	if (kind ~ /^(FUNCTION|PROCEDURE|AGGREGATE)$/)
		made_routines = made_routines (made_routines == "" ? "" : ", ") "'" identity "'"
}

# What was made has nothing for whom ALTER DEFAULT PRIVILEGES names: see last.sql.
function revoke_defaults()
{
	if (made_relations made_routines == "")
		return
	print "DO LANGUAGE plpgsql $$"
	print "DECLARE"
	print "    command text;"
	print "BEGIN"
	print "    FOR command IN"
	print "        SELECT DISTINCT format('REVOKE ALL ON %s %s FROM %I CASCADE', o.kind, o.name, pg_get_userbyid(a.grantee))"
	print "        FROM (SELECT CASE c.relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END AS kind, c.oid::regclass::text AS name, c.relacl AS acl"
	print "              FROM pg_class AS c WHERE c.oid = ANY (ARRAY[" made_relations "]::regclass[])"
	print "              UNION ALL"
	print "              SELECT 'ROUTINE', p.oid::regprocedure::text, p.proacl"
	print "              FROM pg_proc AS p WHERE p.oid = ANY (ARRAY[" made_routines "]::regprocedure[])) AS o, aclexplode(o.acl) AS a"
	print "        WHERE a.grantee <> a.grantor AND a.grantee <> 0 AND a.grantee <> 'pg_monitor'::regrole"
	print "    LOOP"
	print "        EXECUTE command;"
	print "    END LOOP;"
	print "END"
	print "$$;\n"
}
