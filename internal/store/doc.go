// Package store installs the templates, writes findings and hunt documents to Elasticsearch, and reads them back.
//
// Start with [New] for a [Store] (Write, Findings, Hunts) and with [NewInstaller] for the administrator's side (Plan, Apply,
// CreateAPIKey).
//
// What it promises: documents have ids that depend on what they say, so writing a hunt again, after a crash at any
// point, leaves the same documents; the hunt's own document comes last and is the commit record; nothing is dropped in
// silence, for every document ends counted as written, there already, refused for good, or left over with an error.
// Documents are never replaced, since Security Onion keeps an analyst's acknowledgement in them.
package store
