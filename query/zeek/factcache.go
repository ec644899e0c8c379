package zeek

import (
	"net/netip"
	"sync"

	"dwell/internal/hunt"
	"dwell/query/zeek/log"
)

// seen is what reading names and queries noted for [Source.Facts], so that it need not read these large logs again. It
// belongs to the last settled window; each part is nil unless it covers the whole window.
type seen struct {
	window hunt.Window
	// all says that the window is what all logs span.
	all     bool
	shown   *shown
	queried *queried
	// suspects are odd handshakes and requests.
	suspects *hunt.Suspects
}

// of returns what was seen in the request's window.
func (s *Source) of(req hunt.Request) seen {
	s.mu.Lock()
	defer s.mu.Unlock()
	if w := s.seen.window; w.Start.Equal(req.From) && w.End.Equal(req.To) {
		return s.seen
	}
	return seen{}
}

// settled drops what was seen of another window. All says that the window is what all logs span.
func (s *Source) settled(w hunt.Window, all bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.seen.window != w || s.seen.all != all {
		s.seen = seen{window: w, all: all}
	}
}

// spansAll says whether the window is what all logs span.
func (s *Source) spansAll() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.seen.all
}

// noting says whether a request covers the whole noted window.
func (s *Source) noting(req hunt.Request) (w hunt.Window, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w = s.seen.window
	return w, w != (hunt.Window{}) && !req.From.After(w.Start) && !req.To.Before(w.End)
}

// note keeps what was seen, unless another window was settled meanwhile.
func (s *Source) note(w hunt.Window, keep func(*seen)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.seen.window == w {
		keep(&s.seen)
	}
}

// maxAnswers bounds the different answers (an address for a name) that are kept: some 40 MB. Beyond it, the dns logs
// are read again for the wanted ones.
const maxAnswers = 1 << 19

// queried is who queried how often, and which addresses answered which names. The zero queried is not ready.
type queried struct {
	mu      sync.Mutex
	records int64
	by      map[netip.Addr]int64
	answers map[answer]int64
	most    int
}

// answer is an address in the answer to a query for a name.
type answer struct {
	addr netip.Addr
	name string
}

func newQueried(most int) *queried {
	return &queried{by: map[netip.Addr]int64{}, answers: map[answer]int64{}, most: most}
}

// overflows says that there were more answers than are kept.
func (q *queried) overflows() bool { return len(q.answers) > q.most }

func (q *queried) add(batch []hunt.DNSRecord, w hunt.Window) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for i := range batch {
		r := &batch[i]
		if !w.Contains(r.Start) {
			continue
		}
		q.records++
		q.by[r.Client]++
		for _, text := range r.Answers {
			a, ok := log.ParseAddr([]byte(text))
			if !ok || q.overflows() {
				continue
			}
			q.answers[answer{a, r.Query}]++
		}
	}
}
