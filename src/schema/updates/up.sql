/*
 * By hand, from the version before: tables, domains and types that are not the same, and their
 * rows.  Columns are added behind the others, as in the CREATE TABLE they are added to.  What is
 * new or can be replaced is not written here: see src/schema/update.awk.
 */
ALTER TABLE workflow.executions ADD COLUMN traceparent text;
