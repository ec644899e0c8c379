package es

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
)

// Kind says what an error means for the one who has to act on it.
type Kind uint8

// The kinds. Retryable and Overload were already tried again by the client when they reach the caller.
const (
	// Fatal is everything that no other kind fits: a bug of ours, a request the server does not understand.
	Fatal Kind = iota
	// Retryable passes by itself: a node restarts, a shard moves, a connection broke.
	Retryable
	// Overload means that the cluster is busy: full queues, or a breaker that will let go. Ask later, and for less.
	Overload
	// TooBig means that the same request will never be answered: ask for less at once.
	TooBig
	// Timeout means that the answer did not come in time: ask for less.
	Timeout
	// Auth means that the credentials are wrong or missing.
	Auth
	// Permission means that the credentials are good but may not do this.
	Permission
	// NotFound means that an index, alias, document or remote cluster does not exist.
	NotFound
	// Mapping means that a field's type does not suit what was asked of it, or a document the mapping.
	Mapping
	// Partial means that an answer came and is not complete.
	Partial
	// TLS means that the server's certificate was not accepted, or that one side speaks TLS and the other does not.
	TLS
	// Unreachable means that no connection came about.
	Unreachable
	// NotElasticsearch means that something else answered: a proxy, Kibana, a login page.
	NotElasticsearch
	// ClusterBlock means that the cluster refuses writes for minutes to hours: its disk is full or an index is read-only.
	ClusterBlock
	// Conflict means that the document or resource is there already, or changed meanwhile.
	Conflict
	// Canceled means that our own side gave up: the context was canceled or its deadline passed.
	Canceled
)

// String is the kind as logs and metrics spell it.
func (k Kind) String() string {
	names := [...]string{"fatal", "retryable", "overload", "too_big", "timeout", "auth", "permission", "not_found", "mapping",
		"partial", "tls", "unreachable", "not_elasticsearch", "cluster_block", "conflict", "canceled"}
	if int(k) < len(names) {
		return names[k]
	}
	return fmt.Sprintf("kind(%d)", k)
}

// Error is what went wrong with one request.
type Error struct {
	Kind Kind
	// Op is what was tried, for people: "search", "count connections". Index is what it was tried on, if anything.
	Op, Index string
	// Status is the HTTP status, 0 when no answer came.
	Status int
	// Type is Elasticsearch's error type, empty when it gave none. Reason is its reason or the transport's: one line,
	// no control characters, cut to 300 bytes, since Elasticsearch may echo documents and queries there.
	Type, Reason string
	// Hint says what to do next; may be empty.
	Hint string
	// Attempts is how many times the request was sent, 0 where that is not known.
	Attempts int
	// Err is the cause below, if any.
	Err error
}

// Error reads "op index: reason (type, status, attempts); hint".
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

// Unwrap gives the cause below.
func (e *Error) Unwrap() error { return e.Err }

// KindOf gives the kind of the first *Error in err's chain. Without one it is Fatal and false.
func KindOf(err error) (Kind, bool) {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind, true
	}
	return Fatal, false
}

// Is says whether err is an *Error of one of the kinds.
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

// maxReason bounds what of the server's words goes into an error.
const maxReason = 300

// oneLine makes text of the wire fit for an error message: control and format characters become spaces, runs of
// spaces one, and what is longer than maxReason is cut at a rune.
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
