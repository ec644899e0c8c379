// Package log parses Zeek's logs, TSV and JSON, plain or compressed: it finds files, recognizes which log each
// holds, unwraps other formats, and returns records with typed columns.
//
// A log is what it holds, never what it is called. A value that cannot be read is unset and counted; a record is lost
// only without a time or its addresses. What could not be read is said by file, with what to do.
package log
