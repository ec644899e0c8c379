// Package es is the HTTP client for Elasticsearch 8.x and 9.x.
//
// It promises four things. There is one retry layer: go-retryablehttp below elastic-transport-go, with an allow-list
// of what may be tried again, a capped backoff with full jitter, and the server's own error kept. An attempt is whole
// or it failed: the body is read before anybody sees a byte of it, so half an answer is never parsed. A 200 that is a
// failure (failed shards, timed out, skipped clusters) is an error: use [Client.Search] for searches. And every error
// is an [*Error] with a [Kind] that says what to do, found by the server's error type and not by its status alone.
//
// TLS is always verified unless [Config.Insecure] is spelled out. Secrets never appear in errors or logs.
//
// Start at [New]; then [Client.Do] with any request of esapi, or [Client.Search].
package es
