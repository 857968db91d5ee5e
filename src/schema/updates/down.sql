/*
 * By hand, back to the version before: what up.sql has done is undone.  Rows that it has no place
 * for are not lost silently: the script refuses, and says what to do, or tells what is lost.
 */
