// Package es is the HTTP client for Elasticsearch 8.x and 9.x.
//
// It guarantees:
//   - One retry layer: go-retryablehttp below elastic-transport-go, with an allow-list of what to retry, a capped
//     backoff with full jitter, and the server's own error preserved.
//   - Complete answers: the body is read in full before any of it is used, so half an answer is never parsed.
//   - A 200 that is a failure (failed shards, timed out, skipped clusters) is an error: use [Client.Search] for searches.
//   - Every error is an [*Error] with a [Kind] that says what to do, from the server's error type and not only its status.
//
// TLS is always verified unless [Config.Insecure] is set. Secrets never appear in errors or logs.
//
// Start with [New]; then use [Client.Do] with any esapi request, or [Client.Search].
package es
