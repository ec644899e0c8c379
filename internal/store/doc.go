// Package store installs the templates, writes findings and hunt documents to Elasticsearch, and reads them back.
//
// Start with [New] for a [Store] (Write, Findings, Hunts), or with [NewInstaller] for the administrator's side (Plan,
// Apply, CreateAPIKey).
//
// Documents have ids derived from their content, so writing a hunt again, after a crash at any point, leaves the same
// documents. The hunt's own document comes last and is the commit record. Nothing is dropped silently: every document
// is counted as written, existing, rejected permanently, or left over with an error. Documents are never replaced,
// because Security Onion keeps an analyst's acknowledgement in them.
package store
