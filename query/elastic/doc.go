// Package elastic reads Zeek connections from Security Onion's Elasticsearch: each connection of a window exactly once,
// or a gap that says which part is missing and why.
//
// The window is counted first (one date histogram) and cut into slices of about [Options.SliceDocs] connections. Each
// slice is one request: a composite aggregation over the exact values of the fields of [hunt.Connection], so that a
// bucket is a connection and its document count the number of identical records. A slice with a full page continues
// from its last key; one that is too big or too slow for the server is cut smaller and read again. Windows are never
// paged as a whole, because every page of a composite aggregation scans everything that the query matches. If a slice's
// result differs from its count, it is counted and read once more.
//
// Connections that started before the window and reach into it (few and long) are read too, and those still open, by
// the first records of connections without a conn record. Each connection is emitted once, however many sensors saw it
// and however often it was delivered. An impossible value costs only its field, and of a list the first value counts;
// both are reported. Unreachable clusters, closed indices and indices with another mapping are gaps, and the rest is
// read. Only package es repeats requests.
//
// Security Onion's mapping limits precision: starts have milliseconds, durations whole seconds (truncated). The uid is
// not read.
//
// Names in TLS and HTTP and DNS queries are read the same way, by slices and pages, never by a request per pair; DNS
// without answers, which are lists.
//
// Start with [New]; [Source.Open] returns what it can do.
package elastic
