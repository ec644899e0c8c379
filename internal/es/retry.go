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

// repeat tries until an attempt succeeds or going on is no use. It is the only place where a request is sent again: two
// layers multiply (docs/decisions/0002).
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
		if e.Kind == Timeout { // Each was a long wait already.
			slow++
			enough = enough || slow > 1
		}
		since := c.spell.bad(began)
		pause := backoff(c.backoffMin, c.backoffMax, n, header)
		// A spell that has used up all patience gives each further request one attempt: its retries were made by others.
		if since.Before(began) && c.patience > 0 && time.Since(since)+pause >= c.patience {
			return e
		}
		if enough && (!long || call.Brief || time.Since(since)+pause >= c.patience) {
			return e
		}
		c.log.Debug("elasticsearch request is sent again", "op", call.Op, "index", call.Index, "retry", n+1, "wait", pause, "reason", e.Reason)
		if time.Since(since) > tellAfter && c.spell.tell() {
			c.log.Warn("Elasticsearch does not answer as it should; asking again", "for at most", c.patience, "reason", e.Error())
		}
		if err := Sleep(ctx, pause); err != nil {
			return &Error{Kind: Canceled, Op: call.Op, Index: call.Index, Attempts: n + 1, Err: err,
				Reason: "given up: " + err.Error() + ", while waiting to ask again (" + e.Reason + ")"}
		}
	}
}

// tellAfter is how long a cluster may be away before that is told.
const tellAfter = 5 * time.Second

// curable says whether sending a request again may end otherwise, and whether that is worth all patience: what may be a
// mistake in the settings (somebody else answers, an unknown host) is worth it only once the cluster has answered.
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

// good notes that the cluster answers.
func (c *Client) good(retries int) {
	if c.spell.good() && retries > 0 {
		c.log.Warn("Elasticsearch answers again")
	}
}

// spell is the time since when no request of a client got a good answer. All its requests share their patience, so that a
// cluster that stays away is waited for once and not once a request.
type spell struct {
	mu       sync.Mutex
	answered bool
	since    time.Time
	told     bool
}

// good ends a spell; it says whether it was told of.
func (s *spell) good() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	told := s.told
	s.answered, s.since, s.told = true, time.Time{}, false
	return told
}

// bad gives the start of the time that a request, begun at a time, may be waited for: its own, or the spell's where that
// is older.
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

// tell says whether the spell has to be told of, once.
func (s *spell) tell() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	told := s.told
	s.told = true
	return !told
}

// known says whether the cluster has answered before.
func (s *spell) known() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.answered
}

// Sleep waits, unless ctx ends first: its error is given then.
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

// rotation goes round the addresses, whatever became of the last request: one that was away is asked again in its turn.
type rotation struct {
	mu  sync.Mutex
	all []*elastictransport.Connection
	at  int
}

// Next gives the address whose turn it is.
func (r *rotation) Next() (*elastictransport.Connection, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	c := r.all[r.at%len(r.all)]
	r.at++
	return c, nil
}

// OnSuccess, OnFailure and URLs are elastictransport.ConnectionPool's.
func (r *rotation) OnSuccess(*elastictransport.Connection) error { return nil }

// OnFailure forgets nothing and learns nothing.
func (r *rotation) OnFailure(*elastictransport.Connection) error { return nil }

// URLs are all addresses.
func (r *rotation) URLs() (urls []*url.URL) {
	for _, c := range r.all {
		urls = append(urls, c.URL)
	}
	return urls
}

// backoff is full jitter: anything between nothing and a limit that doubles, so that many clients spread out. A
// Retry-After is obeyed up to max, since servers ask for an hour at times.
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
