// Package integration holds what only tests and measurements need: end-to-end tests against a real Elasticsearch,
// the test node, the loader, benchmarks, quality tables and the pictures of the dashboards. The program links
// nothing of it.
package integration
