// Package elastic reads Zeek connections from Security Onion's Elasticsearch: each connection of a window exactly
// once, or a gap that says which part is missing and why.
//
// The window is counted first (one date histogram) and cut into slices of about [Options.SliceDocs] connections. Each
// slice is one request: a composite aggregation whose sources are the exact values of the fields that [hunt.Connection]
// has, so that a bucket is a connection and its document count tells how many records look the same. Whole windows are
// never paged through, because every page of a composite aggregation scans all that the query matches. A slice whose
// page is full goes on from its last key; one that the server finds too big or too slow is cut smaller and read again.
// What a slice gave must equal what was counted beforehand; where it does not, it is counted again and read again once.
//
// Beside the window, what began before it and reaches into it is read (few and long), and what is still open, by records that
// begin a connection whose own is not there. Each connection is handed on once, whoever saw it and however often it was
// delivered. A value that cannot be costs its field, a list counts with its first value, and both are told. A cluster that is
// away, a closed index and an index mapped otherwise are gaps, and the rest is read. Repeating a request is package es's alone.
//
// What Security Onion's mapping forces: a start has milliseconds, a duration whole seconds (cut). The uid is not read.
//
// Names used over TLS and HTTP and DNS queries are read the same way, by slices and pages, never by a request a pair; of
// DNS without answers, which are lists.
//
// Start at [New]; [Source.Open] says what it can do.
package elastic
