// Package hunt has the types that everything else speaks in: windows, connections, scopes, findings and their documents, and what a source can do.
package hunt
