// Package history keeps what hunts read, so that the next hunt reads only what is new and 30 or 90 days can be
// hunted without the cluster.
//
// A [Store] holds segments: Parquet files of one hour (UTC, by the start of a record), one each for connections, names
// and DNS queries, sorted by source, destination, port and start. A manifest names the segments that count, with the
// checksum of each and with the state in which the source described the hour when it was read; what the manifest does
// not name is swept. So a segment is whole or absent, whenever the process is killed. Hours older than two days are
// merged into days.
//
// One store serves one source and scope: [Open] takes their identity. It is bounded by age and by size, oldest first.
//
// The files are plain Parquet (docs/history.md has the schema), so DuckDB or pandas can ask them other questions.
package history
