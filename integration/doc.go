// Package integration has code for tests and measurements only: end-to-end tests against a real Elasticsearch, the test
// node, the loader, benchmarks, quality tables and the dashboards' pictures. The program does not link it.
package integration
