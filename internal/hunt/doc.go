// Package hunt has the types that all packages share: windows, connections, scopes, findings and their documents, and
// the capabilities of a source.
package hunt
