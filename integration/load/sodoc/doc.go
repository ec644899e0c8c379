// Package sodoc converts lines of Zeek logs to the documents that Security Onion's Elastic Agent and ingest pipelines
// make of them. The program does not link it.
package sodoc
