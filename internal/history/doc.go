// Package history keeps what hunts read, so that the next hunt reads only what is new and 30 or 90 days can be
// hunted without the cluster.
//
// A [Store] holds segments: Parquet files of one hour (UTC, by the start of a record), one each for connections, names
// and DNS queries, sorted by source, destination, port and start. A manifest names the valid segments, with their
// checksums and the source's description of each hour when it was read; any other file is removed. So a segment is
// whole or absent, whenever the process is killed. Hours older than two days are merged into days.
//
// One store serves one source and scope: [Open] takes their identity. Its age and size are bounded; the oldest hours go
// first.
//
// The files are plain Parquet (schema: docs/history.md), so DuckDB or pandas can query them.
package history
