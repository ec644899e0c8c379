// Package integration holds what only tests and measurements need: end-to-end tests of files against a real Elasticsearch
// here, the test node, the loader that turns Zeek logs into Security Onion's documents, benchmarks, the quality tables and
// the pictures of the dashboards below. The program links nothing of it.
package integration
