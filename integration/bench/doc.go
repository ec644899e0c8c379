// Command bench measures what reading costs a hunt and prints one table (docs/performance.md): dwell compared with
// other ways to read the same fields, as ratios in one run on one server, then names, DNS, log files and memory.
//
// It starts its own Elasticsearch and loads generated connections. With a cluster in DWELL_TEST_ELASTICSEARCH_URL (as
// testnode prints it) it loads only what is missing, so that many runs measure one load. It does not remove its
// indices, dwellbench-*.
package main
