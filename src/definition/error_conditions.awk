# error_conditions.awk
#	  The conditions that PL/pgSQL knows, as the initializers of an array in C, for
#	  error_names.c.
#
# NOTES
#	  usage: LC_ALL=C awk -f error_conditions.awk SHAREDIR/errcodes.txt
#	  The file is the server's own list, from which its headers and manual are made, too.
#	  A line of it is SQLSTATE, E, W or S, the macro's name and, where PL/pgSQL knows the
#	  condition, its name there.  Only errors can be caught.  Sorted by name, then as
#	  they are in the file: some names stand for two codes.

/^#/ || /^Section:/ || NF != 4 || $2 != "E" { next }

length($1) != 5 { next }

{
	line = "\t{\"" $4 "\", \"" $1 "\"},"
	for (i = count++; i > 0 && names[i - 1] > $4; i--)
	{
		names[i] = names[i - 1]
		lines[i] = lines[i - 1]
	}
	names[i] = $4
	lines[i] = line
}

END {
	for (i = 0; i < count; i++)
		print lines[i]
	exit count == 0
}
