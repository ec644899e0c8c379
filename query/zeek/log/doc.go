// Package log parses Zeek's logs, TSV and JSON, plain or compressed: it finds files, recognizes which log each
// holds, unwraps other formats, and returns records with typed columns.
//
// A log is what it contains, whatever its name. An unreadable value is unset and counted; a record is lost only without
// a time or its addresses. What could not be read is reported by file, with what to do.
package log
