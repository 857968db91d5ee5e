# objects.awk
#	  What the install script creates, as the initializers of an array in C, for
#	  workflow.script_objects(): so that workflow.verify() can say what is missing.
#
# NOTES
#	  usage: awk -f objects.awk FILE.sql ..
#	  The files are written in a style that makes this possible: a statement begins in
#	  the first column and ends with the first semicolon at the end of a line, or, of a
#	  function with BEGIN ATOMIC, with "END;", or behind the closing dollar quote.
#	  sql/verify.sql compares the result with the catalogs.
#
#	  Each line is {kind, name, relation, statement}: the statement that makes it again,
#	  where that is all it takes.

function quoted(text)
{
	if (text == "")
		return "NULL"
	gsub(/\\/, "\\\\", text)
	gsub(/"/, "\\\"", text)
	return "\"" text "\""
}

function put(kind, name, relation, statement)
{
	print "\t{\"" kind "\", " quoted(name) ", " quoted(relation) ", " quoted(statement) "},"
}

# The word behind a prefix.
function word(text, prefix)
{
	match(text, prefix)
	text = substr(text, RSTART + RLENGTH)
	match(text, /^[a-z_]+/)
	return substr(text, 1, RLENGTH)
}

# What stands between the parenthesis at the beginning of a text and its other one.
function inside(text,		i, depth, c)
{
	for (i = 1; i <= length(text); i++)
	{
		c = substr(text, i, 1)
		if (c == "(")
			depth++
		else if (c == ")" && --depth == 0)
			return substr(text, 2, i - 2)
	}
	return ""
}

# The types of the arguments of a routine that go in.
function input_types(arguments,		n, part, i, types, argument)
{
	# a comma in a default is none between arguments
	gsub(/'[^']*'/, "''", arguments)
	n = split(arguments, part, / *, */)
	for (i = 1; i <= n; i++)
	{
		argument = part[i]
		if (argument !~ /^ *(INOUT |OUT |IN |VARIADIC )?([a-z_]+ )?[a-z_.]+(\[\])?( DEFAULT .*)?$/)
			continue
		sub(/ DEFAULT .*/, "", argument)
		sub(/^ */, "", argument)
		if (argument ~ /^OUT /)
			continue
		sub(/^(INOUT|IN|VARIADIC) /, "", argument)
		sub(/^[a-z_]+ /, "", argument)
		types = types (types == "" ? "" : ", ") argument
	}
	return types
}

# Primary keys and unique constraints of a table.
function put_keys(relation, statement,		n, line, i, columns)
{
	n = split(statement, line, /\n/)
	for (i = 1; i <= n; i++)
	{
		if (line[i] ~ /^ *(PRIMARY KEY|UNIQUE)[A-Z ]* \(/)
		{
			columns = inside(substr(line[i], index(line[i], "(")))
			sub(/^ */, "", line[i])
			put("key", columns, relation, "ALTER TABLE workflow." relation " ADD " \
				substr(line[i], 1, index(line[i], "(") - 1) "(" columns ")")
		}
		else if (match(line[i], /(PRIMARY KEY|UNIQUE)( |,|$)/))
			put("key", word(line[i], "^ *"), relation, "ALTER TABLE workflow." relation " ADD " \
				(line[i] ~ /PRIMARY KEY/ ? "PRIMARY KEY" : "UNIQUE") " (" word(line[i], "^ *") ")")
	}
}

function take(statement,		flat, name)
{
	flat = statement
	gsub(/[ \t\n]+/, " ", flat)
	sub(/;$/, "", flat)
	if (flat ~ /^CREATE TABLE workflow\./)
	{
		name = word(flat, "^CREATE TABLE workflow\\.")
		put("table", "workflow." name, name, "")
		put_keys(name, statement)
	}
	else if (flat ~ /^CREATE VIEW workflow\./)
		put("view", "workflow." word(flat, "^CREATE VIEW workflow\\."), "", "")
	else if (flat ~ /^CREATE (FUNCTION|PROCEDURE|AGGREGATE) workflow\./)
	{
		name = word(flat, "^CREATE [A-Z]* workflow\\.")
		put(tolower(word2(flat)), "workflow." name "(" input_types(inside(substr(flat, index(flat, "(")))) ")", name, "")
	}
	else if (flat ~ /^CREATE (TYPE|DOMAIN) workflow\.[a-z_]+ /)
		put(tolower(word2(flat)), "workflow." word(flat, "^CREATE [A-Z]* workflow\\."), "", "")
	else if (flat ~ /^CREATE (UNIQUE )?INDEX /)
		put("index", word(flat, "^CREATE (UNIQUE )?INDEX "), word(flat, " ON workflow\\."), flat)
	else if (flat ~ /^CREATE POLICY /)
		put("policy", word(flat, "^CREATE POLICY "), word(flat, " ON workflow\\."), flat)
	else if (flat ~ /^CREATE TRIGGER /)
		put("trigger", word(flat, "^CREATE TRIGGER "), word(flat, " ON workflow\\."), flat)
	else if (flat ~ /^ALTER TABLE workflow\.[a-z_]+ ENABLE ROW LEVEL SECURITY/)
		put("row security", "", word(flat, "^ALTER TABLE workflow\\."), flat)
	else if (flat ~ /^SELECT pg_catalog\.pg_extension_config_dump\(/)
		put("dump", "", word(flat, "'workflow\\."), "")
}

function word2(text,		part)
{
	split(text, part, " ")
	return part[2]
}

# comments, at the beginning of a line or behind a statement's line
/^ *\/\*/ { comment = 1 }
comment {
	if (/\*\//)
		comment = 0
	next
}
{ sub(/ +--.*$/, ""); sub(/ *\/\*.*\*\/$/, "") }

/^(CREATE|ALTER|SELECT|COMMENT|GRANT|REVOKE)/ && statement == "" { atomic = 0; quotes = 0; begun = 1 }
begun {
	statement = statement (statement == "" ? "" : "\n") $0
	line = $0
	quotes += gsub(/\$\$/, "", line)
	if ($0 ~ /BEGIN ATOMIC/)
		atomic = 1
	if (atomic ? $0 == "END;" : quotes % 2 == 0 && $0 ~ /;[ \t]*$/)
	{
		take(statement)
		statement = ""
		begun = 0
	}
}
