// Package sodoc turns the lines of Zeek logs into the documents that Security Onion's Elastic Agent and ingest pipelines
// make of them, so that tests can fill a real Elasticsearch with what a grid would hold. The program never links it.
package sodoc
