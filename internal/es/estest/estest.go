// Package estest is an Elasticsearch transport that fails on demand: the n-th request gets an error, a torn body, a
// stall or a proxy's page. It is for faults that a real server cannot be made to show.
//
// A [Fake] is an in-memory http.RoundTripper, so that tests of waiting can use testing/synctest. In front of a real
// server (Fake.Next) it injects faults into real traffic; [Fake.Serve] puts it behind a socket.
package estest

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
)

// Request is a request that the fake received.
type Request struct {
	Method, Path string
	Query        url.Values
	Header       http.Header
	// Body is the decompressed body.
	Body []byte
}

// Is reports whether the path ends with suffix, such as "_search" or "/logs/_bulk".
func (r Request) Is(suffix string) bool { return strings.HasSuffix(r.Path, suffix) }

// Reply is the answer to a request. The zero value is the fake's usual answer.
type Reply struct {
	// Status is the HTTP status; 0 with a body means 200.
	Status int
	Header http.Header
	Body   string
	// Cut, if positive, ends the body after this many bytes, like a broken connection.
	Cut int
	// Stall blocks the answer until the request is abandoned. With Cut it blocks after that many bytes.
	Stall bool
	// Err, if set, is the transport's error, without an answer.
	Err error
	// After is a delay before the answer.
	After time.Duration
	// Spoil, if set, damages Next's answer: it returns the changed body and how the connection ends (nil: normally).
	Spoil func(body []byte) ([]byte, error)
}

// Usual is the fake's usual answer.
func Usual() Reply { return Reply{} }

func (r *Reply) usual() bool {
	return r.Status == 0 && r.Header == nil && r.Body == "" && r.Cut == 0 && !r.Stall && r.Err == nil && r.Spoil == nil
}

// JSON is a 200 from Elasticsearch.
func JSON(body string) Reply { return Reply{Status: http.StatusOK, Body: body} }

// Error is an error from Elasticsearch.
func Error(status int, typ, reason string) Reply {
	cause := fmt.Sprintf(`{"type":%q,"reason":%q}`, typ, reason)
	return Reply{Status: status, Body: fmt.Sprintf(`{"error":{"root_cause":[%s],"type":%q,"reason":%q},"status":%d}`, cause, typ, reason, status)}
}

// The three meanings of a 429 (docs/facts/elasticsearch.md, 3.1), verbatim from Elasticsearch 8.

// Rejected is a full queue.
func Rejected() Reply {
	return Error(429, "es_rejected_execution_exception", "rejected execution of TimedRunnable on QueueResizingEsThreadPoolExecutor[name = node/search, queue capacity = 1000]")
}

// Breaker is a memory limit; permanent means that the same request will never fit.
func Breaker(permanent bool) Reply {
	durability := "TRANSIENT"
	if permanent {
		durability = "PERMANENT"
	}
	cause := fmt.Sprintf(`{"type":"circuit_breaking_exception","reason":"[parent] Data too large, data for [<http_request>] would be [1026/1kb], which is larger than the limit of [1000/1000b]","bytes_wanted":1026,"bytes_limit":1000,"durability":%q}`, durability)
	return Reply{Status: 429, Body: fmt.Sprintf(`{"error":{"root_cause":[%s],"type":"circuit_breaking_exception","reason":"[parent] Data too large","bytes_wanted":1026,"bytes_limit":1000,"durability":%q},"status":429}`, cause, durability)}
}

// Flood is a full disk.
func Flood() Reply {
	return Error(429, "cluster_block_exception", "index [logs] blocked by: [TOO_MANY_REQUESTS/12/disk usage exceeded flood-stage watermark, index has read-only-allow-delete block];")
}

// ShardFailed is a search answered with 200 although shards failed.
func ShardFailed(failed, total int, typ, reason string) Reply {
	return JSON(fmt.Sprintf(`{"took":3,"timed_out":false,"_shards":{"total":%d,"successful":%d,"skipped":0,"failed":%d,"failures":[{"shard":0,"index":"logs","node":"n","reason":{"type":%q,"reason":%q}}]},"hits":{"hits":[]}}`,
		total, total-failed, failed, typ, reason))
}

// TimedOut is a search answered with 200 although it timed out.
func TimedOut() Reply {
	return JSON(`{"took":60000,"timed_out":true,"_shards":{"total":2,"successful":2,"skipped":0,"failed":0},"hits":{"hits":[]}}`)
}

// HTML is a proxy's page or a login form, with status 200.
func HTML() Reply {
	return Reply{Status: 200, Header: http.Header{"Content-Type": {"text/html"}}, Body: "<!DOCTYPE html><html><body>Sign in</body></html>"}
}

// Kibana is Kibana's answer to an unknown path.
func Kibana() Reply {
	return Reply{Status: 404, Header: http.Header{"Content-Type": {"application/json"}, "Kbn-Name": {"so-kibana"}},
		Body: `{"statusCode":404,"error":"Not Found","message":"Not Found"}`}
}

// Fake answers requests. Set its fields before the first one. The zero value answers everything with {}.
type Fake struct {
	// Handle returns the usual answers. If it is nil or returns a usual Reply, Next answers; without Next, an empty
	// object.
	Handle func(n int, r Request) Reply
	// Next is the transport to a real server.
	Next http.RoundTripper

	mu     sync.Mutex
	script map[int]Reply
	match  []*rule
	seen   []Request
}

// rule gives replies in turn to the requests that a test selects.
type rule struct {
	pick    func(Request) bool
	replies []Reply
}

// On sets the reply to the n-th request overall, counted from 1.
func (f *Fake) On(n int, r Reply) *Fake {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.script == nil {
		f.script = make(map[int]Reply)
	}
	f.script[n] = r
	return f
}

// When gives these replies, one each, to the next requests that pick accepts; later ones get the usual answer.
func (f *Fake) When(pick func(Request) bool, replies ...Reply) *Fake {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.match = append(f.match, &rule{pick, replies})
	return f
}

// Requests are those seen so far, in order.
func (f *Fake) Requests() []Request {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]Request(nil), f.seen...)
}

// take records a request and finds its reply.
func (f *Fake) take(r Request) Reply {
	f.mu.Lock()
	f.seen = append(f.seen, r)
	n := len(f.seen)
	reply, ok := f.script[n]
	for i := 0; !ok && i < len(f.match); i++ {
		if m := f.match[i]; len(m.replies) > 0 && m.pick(r) {
			reply, m.replies, ok = m.replies[0], m.replies[1:], true
		}
	}
	handle := f.Handle
	f.mu.Unlock()
	if (!ok || reply.usual()) && handle != nil {
		after := reply.After
		reply = handle(n, r)
		reply.After = max(reply.After, after)
	}
	return reply
}

// RoundTrip answers req in memory, or through Next.
func (f *Fake) RoundTrip(req *http.Request) (*http.Response, error) {
	r := Request{Method: req.Method, Path: req.URL.Path, Query: req.URL.Query(), Header: req.Header.Clone()}
	if req.Body != nil {
		var err error
		if r.Body, err = io.ReadAll(req.Body); err != nil {
			return nil, err
		}
		_ = req.Body.Close() // It was read.
	}
	sent := r.Body
	if r.Header.Get("Content-Encoding") == "gzip" {
		z, err := gzip.NewReader(bytes.NewReader(sent))
		if err != nil {
			return nil, err
		}
		if r.Body, err = io.ReadAll(z); err != nil {
			return nil, err
		}
	}
	reply := f.take(r)
	ctx := req.Context()
	if reply.After > 0 {
		t := time.NewTimer(reply.After)
		defer t.Stop()
		select {
		case <-t.C:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	switch {
	case reply.Err != nil:
		return nil, reply.Err
	case reply.Stall && reply.Cut == 0:
		<-ctx.Done()
		return nil, ctx.Err()
	case (reply.usual() || reply.Spoil != nil) && f.Next != nil:
		req = req.Clone(ctx)
		req.Body = io.NopCloser(bytes.NewReader(sent))
		res, err := f.Next.RoundTrip(req)
		if err == nil && reply.Spoil != nil {
			return spoiled(res, reply.Spoil)
		}
		return res, err
	case reply.usual():
		reply = JSON("{}")
	}
	return reply.response(ctx, req), nil
}

// spoiled is an answer with a damaged body.
func spoiled(res *http.Response, spoil func([]byte) ([]byte, error)) (*http.Response, error) {
	defer res.Body.Close()
	whole, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, err
	}
	part, broken := spoil(whole)
	res.ContentLength = -1
	res.Body = io.NopCloser(io.MultiReader(bytes.NewReader(part), ending{broken}))
	return res, nil
}

// ending ends a body with an error, or normally.
type ending struct{ err error }

func (e ending) Read([]byte) (int, error) {
	if e.err != nil {
		return 0, e.err
	}
	return 0, io.EOF
}

func (r Reply) response(ctx context.Context, req *http.Request) *http.Response {
	status := r.Status
	if status == 0 {
		status = http.StatusOK
	}
	return &http.Response{
		StatusCode: status, Status: fmt.Sprintf("%d %s", status, http.StatusText(status)), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: r.header(), ContentLength: int64(len(r.Body)), Request: req, Body: io.NopCloser(&torn{ctx: ctx, reply: r}),
	}
}

// header is the reply's header, by default Elasticsearch's.
func (r Reply) header() http.Header {
	if r.Header != nil {
		return r.Header.Clone()
	}
	return http.Header{"X-Elastic-Product": {"Elasticsearch"}, "Content-Type": {"application/vnd.elasticsearch+json;compatible-with=8"}}
}

// torn is a body that may end early or block.
type torn struct {
	ctx   context.Context
	reply Reply
	at    int
}

func (t *torn) Read(p []byte) (int, error) {
	end := len(t.reply.Body)
	if t.reply.Cut > 0 {
		end = min(end, t.reply.Cut)
	}
	n := copy(p, t.reply.Body[t.at:end])
	t.at += n
	switch {
	case n > 0 || len(p) == 0:
		return n, nil
	case t.reply.Stall:
		<-t.ctx.Done()
		return 0, t.ctx.Err()
	case t.reply.Cut > 0:
		return 0, io.ErrUnexpectedEOF
	}
	return 0, io.EOF
}

// Serve puts the fake behind a socket on 127.0.0.1 and returns its URL. A cut answer cuts the connection.
func (f *Fake) Serve(t testing.TB) string {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, _ := io.ReadAll(req.Body)
		in := req.Clone(req.Context())
		in.Body = io.NopCloser(bytes.NewReader(body))
		res, err := f.RoundTrip(in)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		for k, v := range res.Header {
			w.Header()[k] = v
		}
		w.Header().Set("Content-Length", fmt.Sprint(res.ContentLength))
		w.WriteHeader(res.StatusCode)
		_, err = io.Copy(w, res.Body)
		if err != nil {
			_ = http.NewResponseController(w).Flush() // The client may have gone.
			panic(http.ErrAbortHandler)
		}
	}))
	t.Cleanup(srv.Close)
	return srv.URL
}
