// Command bench measures what reading costs a hunt and prints one table (docs/performance.md): dwell compared with
// other ways to read the same fields, as ratios in one run on one server, then names, DNS, log files and memory.
//
// It starts an Elasticsearch of its own, loads made connections as fast as bulks go, and measures. With a cluster named in
// DWELL_TEST_ELASTICSEARCH_URL (as testnode prints it) it loads only what is not there yet, so that many runs measure one
// load. Its indices are called dwellbench-*; it leaves them.
package main
