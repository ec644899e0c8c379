package es

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
)

// Kind classifies an error by what to do about it.
type Kind uint8

// The kinds. The client has already retried Retryable and Overload when they reach the caller.
const (
	// Fatal is every other error: a bug of dwell, or a request that the server does not understand.
	Fatal Kind = iota
	// Retryable is temporary: a node restarts, a shard moves, a connection broke.
	Retryable
	// Overload means that the cluster is busy: full queues, or a temporary breaker. Retry later, and ask for less.
	Overload
	// TooBig means that the same request can never succeed: ask for less at once.
	TooBig
	// Timeout means that the answer did not come in time: ask for less.
	Timeout
	// Auth means that the credentials are wrong or missing.
	Auth
	// Permission means that the credentials are valid but lack a privilege.
	Permission
	// NotFound means that an index, alias, document or remote cluster does not exist.
	NotFound
	// Mapping means that a field's type does not support the request, or that a document does not fit the mapping.
	Mapping
	// Partial means that the answer is incomplete.
	Partial
	// TLS means that the server's certificate was not accepted, or that only one side uses TLS.
	TLS
	// Unreachable means that no connection was established.
	Unreachable
	// NotElasticsearch means that something else answered: a proxy, Kibana, a login page.
	NotElasticsearch
	// ClusterBlock means that the cluster refuses writes for minutes to hours: a disk is full or an index is read-only.
	ClusterBlock
	// Conflict means that the document or resource already exists, or was changed meanwhile.
	Conflict
	// Canceled means that the context was canceled or its deadline passed.
	Canceled
)

// String is the kind in logs and metrics.
func (k Kind) String() string {
	names := [...]string{"fatal", "retryable", "overload", "too_big", "timeout", "auth", "permission", "not_found", "mapping",
		"partial", "tls", "unreachable", "not_elasticsearch", "cluster_block", "conflict", "canceled"}
	if int(k) < len(names) {
		return names[k]
	}
	return fmt.Sprintf("kind(%d)", k)
}

// Error is why one request failed.
type Error struct {
	Kind Kind
	// Op is the operation, for display: "search", "count connections". Index is its target, if any.
	Op, Index string
	// Status is the HTTP status, 0 without an answer.
	Status int
	// Type is Elasticsearch's error type, if any. Reason is its reason or the transport's: one line without control
	// characters, truncated to 300 bytes, because Elasticsearch may echo documents and queries in it.
	Type, Reason string
	// Hint says what to do next; may be empty.
	Hint string
	// Attempts is how many times the request was sent, 0 if unknown.
	Attempts int
	// Err is the underlying error, if any.
	Err error
}

// Error is "op index: reason (type, status, attempts); hint".
func (e *Error) Error() string {
	var b strings.Builder
	if e.Op != "" {
		b.WriteString(e.Op)
		if e.Index != "" {
			b.WriteString(" " + e.Index)
		}
		b.WriteString(": ")
	}
	if e.Reason != "" {
		b.WriteString(e.Reason)
	} else {
		b.WriteString(e.Kind.String())
	}
	var more []string
	if e.Type != "" {
		more = append(more, e.Type)
	}
	if e.Status != 0 {
		more = append(more, fmt.Sprintf("status %d", e.Status))
	}
	if e.Attempts > 1 {
		more = append(more, fmt.Sprintf("%d attempts", e.Attempts))
	}
	if len(more) > 0 {
		b.WriteString(" (" + strings.Join(more, ", ") + ")")
	}
	if e.Hint != "" {
		b.WriteString("; " + e.Hint)
	}
	return b.String()
}

// Unwrap returns the underlying error.
func (e *Error) Unwrap() error { return e.Err }

// KindOf returns the kind of the first *Error in err's chain, or Fatal and false.
func KindOf(err error) (Kind, bool) {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind, true
	}
	return Fatal, false
}

// Is reports whether err is an *Error of one of the kinds.
func Is(err error, kinds ...Kind) bool {
	k, ok := KindOf(err)
	if !ok {
		return false
	}
	for _, want := range kinds {
		if k == want {
			return true
		}
	}
	return false
}

// maxReason limits the server's text in an error, in bytes.
const maxReason = 300

// oneLine makes network text fit for an error message: control and format characters and runs of spaces become one
// space, and the result is truncated to maxReason at a rune boundary.
func oneLine(s string) string {
	if len(s) > 4*maxReason {
		s = s[:4*maxReason]
	}
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || unicode.IsSpace(r) || r == unicode.ReplacementChar {
			return ' '
		}
		return r
	}, s)
	s = strings.Join(strings.Fields(s), " ")
	if len(s) <= maxReason {
		return s
	}
	cut := 0
	for i := range s {
		if i > maxReason {
			break
		}
		cut = i
	}
	return s[:cut] + "..."
}
