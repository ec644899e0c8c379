// Package bulk writes documents to a data stream and reports the result of each one.
//
// It is synchronous and small on purpose. The client library's own indexer silently loses documents when a whole bulk
// is rejected, an answer is short, or single items are rejected (docs/facts/elasticsearch.md, 3.1). Here every document
// ends in exactly one of five states, which [Result.Check] verifies.
//
// Documents are written with "create" and their own ids, so that sending one twice is safe: an existing one counts as
// written. Items rejected by a busy cluster are sent again in smaller bulks, after a pause with jitter. Requests are
// retried only by [es.Client], the one retry layer for broken connections and overloaded nodes.
package bulk

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/elastic/go-elasticsearch/v8/esapi"

	"dwell/internal/es"
)

// The defaults of Options.
const (
	DefaultMaxDocs  = 1000
	DefaultMaxBytes = 5 << 20
	DefaultBudget   = 2 * time.Minute
)

const (
	// maxFruitless is how many bulks in a row may achieve nothing before Write gives up.
	maxFruitless = 6
	backoffMin   = 500 * time.Millisecond
	backoffMax   = 20 * time.Second
)

// Item is one document. Doc is JSON on one line.
type Item struct {
	ID  string
	Doc []byte
}

// Dead is a document that the cluster will never accept, and why.
type Dead struct {
	Item
	Err *es.Error
}

// String names the document and the reason, without the document itself.
func (d Dead) String() string { return "document " + d.ID + ": " + d.Err.Error() }

// Result is what happened to the documents.
type Result struct {
	// Sent is the number given; Acked of them were written, Existing were there already.
	Sent, Acked, Existing int
	// Retried counts every repeated sending of a document.
	Retried int
	// Dead were rejected permanently.
	Dead []Dead
	// Unwritten are known not to be written. Unknown may have been: a request broke. Both can be sent again.
	Unwritten, Unknown []Item
}

// Check returns an error unless every document sent is accounted for.
func (r *Result) Check() error {
	if sum := r.Acked + r.Existing + len(r.Dead) + len(r.Unwritten) + len(r.Unknown); sum != r.Sent {
		return fmt.Errorf("bulk accounting: %d documents sent but %d accounted for; this is a bug of dwell", r.Sent, sum)
	}
	return nil
}

// Add adds another result to r.
func (r *Result) Add(o Result) {
	r.Sent += o.Sent
	r.Acked += o.Acked
	r.Existing += o.Existing
	r.Retried += o.Retried
	r.Dead = append(r.Dead, o.Dead...)
	r.Unwritten = append(r.Unwritten, o.Unwritten...)
	r.Unknown = append(r.Unknown, o.Unknown...)
}

// Options are where and how to write.
type Options struct {
	// Client and Stream, the data stream's name, are required.
	Client *es.Client
	Stream string
	// MaxDocs and MaxBytes limit one bulk; 0 means the defaults. A document larger than MaxBytes is sent alone.
	MaxDocs, MaxBytes int
	// Budget limits the time of one Write besides its context; 0 means DefaultBudget.
	Budget time.Duration
	// Logger logs when writing is slowed down; nil disables logging.
	Logger *slog.Logger
}

// Writer writes to one data stream. It is stateless, so it is safe for concurrent use.
type Writer struct{ o Options }

// New returns a writer.
func New(o Options) *Writer {
	if o.MaxDocs == 0 {
		o.MaxDocs = DefaultMaxDocs
	}
	if o.MaxBytes == 0 {
		o.MaxBytes = DefaultMaxBytes
	}
	if o.Budget == 0 {
		o.Budget = DefaultBudget
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &Writer{o}
}

// Write sends the documents and waits until each is settled or the budget is used up. The result is valid even with an
// error. The error, with an *es.Error in its chain, says why documents are unwritten or unknown; permanently rejected
// documents (Result.Dead) are not an error.
func (w *Writer) Write(ctx context.Context, items []Item) (Result, error) {
	r := run{w: w, limit: w.o.MaxDocs, deadline: time.Now().Add(w.o.Budget), result: Result{Sent: len(items)}}
	r.pending = make([]entry, len(items))
	for i, it := range items {
		r.pending[i].Item = it
	}
	err := r.all(ctx)
	for _, e := range r.pending {
		if e.maybe {
			r.result.Unknown = append(r.result.Unknown, e.Item)
		} else {
			r.result.Unwritten = append(r.result.Unwritten, e.Item)
		}
	}
	if err != nil {
		err = fmt.Errorf("write %s: %d of %d documents are not written: %w", w.o.Stream, len(r.pending), len(items), err)
	}
	return r.result, errors.Join(err, r.result.Check())
}

// entry is a document being written. maybe means that it was sent without receiving an answer.
type entry struct {
	Item
	maybe bool
}

// run is one Write.
type run struct {
	w        *Writer
	pending  []entry
	limit    int
	deadline time.Time
	result   Result
}

// all sends bulks until nothing is pending or retrying is pointless.
func (r *run) all(ctx context.Context) error {
	fruitless := 0
	for len(r.pending) > 0 {
		n := r.size()
		batch, rest := r.pending[:n], r.pending[n:]
		again, err := r.send(ctx, batch)
		r.pending = append(again, rest...)
		switch {
		case err == nil && len(again) == 0:
			fruitless, r.limit = 0, min(2*r.limit, r.w.o.MaxDocs)
			continue
		case final(err):
			return err
		case es.Is(err, es.TooBig):
			// The same documents in smaller bulks, without a pause.
			r.limit = max(1, n/2)
			continue
		}
		if fruitless++; len(again) < n {
			fruitless = 1
		}
		pause := backoff(fruitless)
		if fruitless > maxFruitless || time.Now().Add(pause).After(r.deadline) {
			return err
		}
		r.limit = max(1, n/2)
		r.result.Retried += len(again)
		r.w.o.Logger.Warn("write slowed: the cluster is busy", "stream", r.w.o.Stream, "retry", fruitless, "waiting", len(r.pending), "reason", err)
		if err := sleep(ctx, pause); err != nil {
			return err
		}
	}
	return nil
}

// size is how many pending documents fit in one bulk: at least one.
func (r *run) size() int {
	n, bytes := 0, 0
	for n < len(r.pending) && n < r.limit {
		bytes += len(r.pending[n].Doc) + len(r.pending[n].ID) + 32
		if n > 0 && bytes > r.w.o.MaxBytes {
			break
		}
		n++
	}
	return n
}

// answer is one item of a bulk answer.
type answer struct {
	ID     string    `json:"_id"`
	Status int       `json:"status"`
	Error  *es.Cause `json:"error"`
}

// send sends one bulk, settles what it can, and returns the rest with the reason.
func (r *run) send(ctx context.Context, batch []entry) ([]entry, error) {
	answers, err := r.w.post(ctx, batch)
	if err != nil {
		var e *es.Error
		errors.As(err, &e)
		if len(batch) == 1 && es.Is(err, es.TooBig) {
			r.result.Dead = append(r.result.Dead, Dead{batch[0].Item, e})
			return nil, nil
		}
		again := make([]entry, len(batch))
		copy(again, batch)
		if uncertain(e) {
			for i := range again {
				again[i].maybe = true
			}
		}
		return again, err
	}
	var again []entry
	var why error
	for i, a := range answers {
		it := batch[i].Item
		if a.Status >= 200 && a.Status < 300 {
			r.result.Acked++
			continue
		}
		var cause es.Cause
		if a.Error != nil {
			cause = *a.Error
		}
		e := es.Classify("write document", r.w.o.Stream, a.Status, cause)
		switch {
		case e.Kind == es.Conflict:
			r.result.Existing++
		case refusedForGood(e):
			r.result.Dead = append(r.result.Dead, Dead{it, e})
		default:
			again = append(again, entry{Item: it})
			if why == nil || final(e) {
				why = e
			}
		}
	}
	return again, why
}

// refusedForGood reports whether sending the document again would have the same result.
func refusedForGood(e *es.Error) bool {
	switch e.Kind {
	case es.Mapping, es.TooBig:
		return true
	case es.Fatal:
		return e.Status >= 400 && e.Status < 500
	case es.Retryable, es.Overload, es.Timeout, es.Auth, es.Permission, es.NotFound, es.Partial, es.TLS, es.Unreachable,
		es.NotElasticsearch, es.ClusterBlock, es.Conflict, es.Canceled:
	}
	return false
}

// final reports whether retrying is pointless until somebody fixes the cause.
func final(err error) bool {
	var e *es.Error
	if !errors.As(err, &e) {
		return err != nil
	}
	switch e.Kind {
	case es.Retryable, es.Overload, es.Timeout, es.TooBig:
		return false
	case es.Fatal:
		return e.Status < 500
	case es.Auth, es.Permission, es.NotFound, es.Mapping, es.Partial, es.TLS, es.Unreachable, es.NotElasticsearch, es.ClusterBlock,
		es.Conflict, es.Canceled:
	}
	return true
}

// uncertain reports whether a bulk that ended in this error may have been executed.
func uncertain(e *es.Error) bool {
	if e == nil || e.Attempts > 1 {
		return true
	}
	switch e.Kind {
	case es.Auth, es.Permission, es.NotFound, es.TooBig, es.Overload, es.ClusterBlock, es.TLS:
		return false
	case es.Fatal, es.Retryable, es.Timeout, es.Mapping, es.Partial, es.Unreachable, es.NotElasticsearch, es.Conflict, es.Canceled:
	}
	return e.Status < 400 || e.Status >= 500
}

// post sends one bulk and returns one answer per document, in order.
func (w *Writer) post(ctx context.Context, batch []entry) ([]answer, error) {
	var body bytes.Buffer
	for _, e := range batch {
		id, err := json.Marshal(e.ID)
		if err != nil {
			return nil, fmt.Errorf("encode document id: %w", err)
		}
		body.WriteString(`{"create":{"_id":`)
		body.Write(id)
		body.WriteString("}}\n")
		body.Write(e.Doc)
		body.WriteByte('\n')
	}
	var answers []answer
	err := w.o.Client.Do(ctx, es.Call{
		Op: "bulk write", Index: w.o.Stream,
		Request: esapi.BulkRequest{Index: w.o.Stream, Body: bytes.NewReader(body.Bytes()),
			FilterPath: []string{"items.*._id", "items.*.status", "items.*.error"}},
		Decode: func(b []byte) error {
			var out struct {
				Items []map[string]answer `json:"items"`
			}
			if err := json.Unmarshal(b, &out); err != nil {
				return unreadable("the answer is not JSON: " + err.Error())
			}
			if len(out.Items) != len(batch) {
				return unreadable(fmt.Sprintf("%d documents were sent but the answer covers %d", len(batch), len(out.Items)))
			}
			answers = make([]answer, len(batch))
			for i, item := range out.Items {
				a, ok := item["create"]
				if !ok || a.Status == 0 || a.ID != batch[i].ID {
					return unreadable(fmt.Sprintf("item %d of the answer is not that of the document sent", i+1))
				}
				answers[i] = a
			}
			return nil
		},
	})
	return answers, err
}

// unreadable is a 200 that cannot be trusted: the documents may have been written or not, so they are sent again.
func unreadable(reason string) *es.Error {
	return &es.Error{Kind: es.Retryable, Status: 200, Reason: reason, Hint: "something between here and the cluster cuts answers short"}
}

// backoff is full jitter under a doubling limit, and never zero.
func backoff(n int) time.Duration {
	limit := min(backoffMin<<min(n-1, 16), backoffMax)
	return backoffMin/4 + rand.N(limit) //nolint:gosec // Jitter needs no secrets.
}

// sleep waits, or returns an error of kind Canceled if ctx ends first.
func sleep(ctx context.Context, d time.Duration) error {
	if err := es.Sleep(ctx, d); err != nil {
		return &es.Error{Kind: es.Canceled, Op: "bulk write", Reason: "given up: " + err.Error(), Err: err}
	}
	return nil
}
