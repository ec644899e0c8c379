// Package sodoc turns lines of Zeek logs into the documents that Security Onion's Elastic Agent and ingest pipelines
// make of them. The program never links it.
package sodoc
