package es

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"

	"github.com/elastic/elastic-transport-go/v8/elastictransport"
)

// repeat tries until an attempt succeeds or retrying is pointless. It is the only place that retries: two layers would
// multiply (docs/decisions/0002).
func (c *Client) repeat(ctx context.Context, call *Call, try func() (*Error, http.Header)) error {
	began := time.Now()
	slow := 0
	for n := 0; ; n++ {
		e, header := try()
		if e == nil {
			c.good(n)
			return nil
		}
		e.Attempts = n + 1
		long, again := c.curable(e, call)
		if !again || ctx.Err() != nil {
			return e
		}
		enough := n >= c.retries
		if e.Kind == Timeout { // each was a long wait already
			slow++
			enough = enough || slow > 1
		}
		since := c.spell.bad(began)
		pause := backoff(c.backoffMin, c.backoffMax, n, header)
		// When a spell has used up its patience, each further request gets one attempt: others have retried for it.
		if since.Before(began) && c.patience > 0 && time.Since(since)+pause >= c.patience {
			return e
		}
		if enough && (!long || call.Brief || time.Since(since)+pause >= c.patience) {
			return e
		}
		c.log.Debug("retrying an Elasticsearch request", "op", call.Op, "index", call.Index, "retry", n+1, "wait", pause, "reason", e.Reason)
		if time.Since(since) > tellAfter && c.spell.tell() {
			c.log.Warn("Elasticsearch did not answer properly; retrying", "for at most", c.patience, "reason", e.Error())
		}
		if err := Sleep(ctx, pause); err != nil {
			return &Error{Kind: Canceled, Op: call.Op, Index: call.Index, Attempts: n + 1, Err: err,
				Reason: "given up: " + err.Error() + ", while waiting to ask again (" + e.Reason + ")"}
		}
	}
}

// tellAfter is how long a cluster may be unreachable before that is logged.
const tellAfter = 5 * time.Second

// curable reports whether a retry may succeed (again), and whether it is worth all patience (long). What may be a wrong
// setting (another server answers, an unknown host) is worth it only if the cluster has answered before.
func (c *Client) curable(e *Error, call *Call) (long, again bool) {
	var dns *net.DNSError
	switch e.Kind {
	case Overload:
		return !call.Smaller, true
	case Timeout:
		return true, !call.Smaller && !call.Once
	case Retryable, Partial:
		return true, !call.Once
	case Unreachable:
		return c.spell.known() || !errors.As(e.Err, &dns) || dns.IsTemporary, true
	case NotElasticsearch:
		return c.spell.known(), !call.Once
	case Fatal, TooBig, Auth, Permission, NotFound, Mapping, TLS, ClusterBlock, Conflict, Canceled:
	}
	return false, false
}

// good records that the cluster answers.
func (c *Client) good(retries int) {
	if c.spell.good() && retries > 0 {
		c.log.Warn("Elasticsearch answers again")
	}
}

// spell is the time since a client's requests last got a good answer. All requests share its patience, so that an
// unreachable cluster is waited for once and not once per request.
type spell struct {
	mu       sync.Mutex
	answered bool
	since    time.Time
	reported bool
}

// good ends a spell and reports whether it was logged.
func (s *spell) good() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	reported := s.reported
	s.answered, s.since, s.reported = true, time.Time{}, false
	return reported
}

// bad returns the start of a request's patience: its own start or the spell's, whichever is earlier.
func (s *spell) bad(began time.Time) time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.since.IsZero() {
		s.since = began
	}
	if s.since.Before(began) {
		return s.since
	}
	return began
}

// tell reports whether the spell must be logged now, once.
func (s *spell) tell() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	reported := s.reported
	s.reported = true
	return !reported
}

// known reports whether the cluster has answered before.
func (s *spell) known() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.answered
}

// Sleep waits, or returns ctx's error if ctx ends first.
func Sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// rotation uses the addresses in turn, whatever the last result: one that was down is tried again in its turn.
type rotation struct {
	mu  sync.Mutex
	all []*elastictransport.Connection
	at  int
}

// Next returns the address whose turn it is.
func (r *rotation) Next() (*elastictransport.Connection, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	c := r.all[r.at%len(r.all)]
	r.at++
	return c, nil
}

// OnSuccess, OnFailure and URLs implement elastictransport.ConnectionPool.
func (r *rotation) OnSuccess(*elastictransport.Connection) error { return nil }

// OnFailure does nothing.
func (r *rotation) OnFailure(*elastictransport.Connection) error { return nil }

// URLs are all addresses.
func (r *rotation) URLs() (urls []*url.URL) {
	for _, c := range r.all {
		urls = append(urls, c.URL)
	}
	return urls
}

// backoff is full jitter: between zero and a doubling limit, so that many clients spread out. It obeys Retry-After up
// to hi, because servers sometimes ask for an hour.
func backoff(lo, hi time.Duration, n int, header http.Header) time.Duration {
	if d, ok := retryAfter(header.Get("Retry-After")); ok {
		return min(d, hi)
	}
	limit := hi
	if n < 32 && lo<<n > 0 && lo<<n < hi {
		limit = lo << n
	}
	return lo/4 + rand.N(limit) //nolint:gosec // Jitter needs no secrets.
}

func retryAfter(h string) (time.Duration, bool) {
	if h == "" {
		return 0, false
	}
	if s, err := strconv.ParseInt(h, 10, 32); err == nil {
		return time.Duration(max(s, 0)) * time.Second, true
	}
	if t, err := http.ParseTime(h); err == nil {
		return max(time.Until(t), 0), true
	}
	return 0, false
}
