package history

import (
	"slices"
	"strings"
	"sync"

	"dwell/internal/hunt"
)

// identity identifies records: two are the same with the same key and starts at most near apart. better says whether
// the first has more information than the second.
type identity[R any] struct {
	start  func(*R) int64
	count  func(*R) int64
	key    func(*R) any
	near   int64
	better func(a, b *R) bool
	// keep copies a record's content that is in reused memory.
	keep func(R) R
}

var sameConnection = identity[hunt.Connection]{
	start: func(c *hunt.Connection) int64 { return c.Start },
	count: func(c *hunt.Connection) int64 { return max(c.Count, 1) },
	key: func(c *hunt.Connection) any {
		k := hunt.Connection{Src: c.Src, Dst: c.Dst, SrcPort: c.SrcPort, DstPort: c.DstPort, Proto: c.Proto}
		if c.Duration >= hunt.Lasting {
			k.Count = 1
		}
		return k
	},
	near:   hunt.Near,
	better: func(a, b *hunt.Connection) bool { return a.Duration > b.Duration },
	keep:   func(c hunt.Connection) hunt.Connection { return c },
}

var sameName = identity[hunt.NameRecord]{
	start:  func(n *hunt.NameRecord) int64 { return n.Start },
	count:  func(n *hunt.NameRecord) int64 { return max(n.Count, 1) },
	key:    func(n *hunt.NameRecord) any { k := *n; k.Count, k.UID = 0, hunt.UID{}; return k },
	better: func(_, _ *hunt.NameRecord) bool { return false },
	keep:   func(n hunt.NameRecord) hunt.NameRecord { return n },
}

var sameQuery = identity[hunt.DNSRecord]{
	start: func(q *hunt.DNSRecord) int64 { return q.Start },
	count: func(q *hunt.DNSRecord) int64 { return max(q.Count, 1) },
	key: func(q *hunt.DNSRecord) any {
		return queryKey{q.Client.As16(), q.Resolver.As16(), q.Start, q.Query, q.Type}
	},
	better: func(a, b *hunt.DNSRecord) bool { return len(a.Answers) > len(b.Answers) },
	keep: func(q hunt.DNSRecord) hunt.DNSRecord {
		answers := make([]string, len(q.Answers))
		for i := range answers {
			answers[i] = strings.Clone(q.Answers[i])
		}
		q.Query, q.Type, q.Answers = strings.Clone(q.Query), strings.Clone(q.Type), answers
		return q
	},
}

// queryKey identifies a query.
type queryKey struct {
	client, resolver address
	start            int64
	query, kind      string
}

// arrivals are records that arrived after their hour was kept: few, and some of them may be known already.
type arrivals[R any] struct {
	of identity[R]

	mu sync.Mutex
	// seconds are those in which a record begins that may be the same as an arrival, with their neighbors.
	seconds map[int64]bool
	records map[any][]R
}

func newArrivals[R any](of identity[R]) *arrivals[R] {
	return &arrivals[R]{of: of, seconds: map[int64]bool{}, records: map[any][]R{}}
}

func (a *arrivals[R]) add(batch []R) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for i := range batch {
		r := &batch[i]
		k := a.of.key(r)
		at := a.place(k, r)
		if at < 0 {
			a.records[k] = append(a.records[k], a.of.keep(*r))
		} else if a.of.better(r, &a.records[k][at]) {
			a.records[k][at] = a.of.keep(*r)
		}
		for second := (a.of.start(r) - a.of.near) / 1000; second <= (a.of.start(r)+a.of.near)/1000; second++ {
			a.seconds[second] = true
		}
	}
}

// place is the index of the same record among the arrivals of a key, or -1.
func (a *arrivals[R]) place(k any, r *R) int {
	start := a.of.start(r)
	return slices.IndexFunc(a.records[k], func(came R) bool {
		apart := a.of.start(&came) - start
		return apart >= -a.of.near && apart <= a.of.near
	})
}

// without removes from a batch the records of which an arrival knows more. Arrivals that know nothing new are dropped.
func (a *arrivals[R]) without(batch []R) []R {
	if len(a.seconds) == 0 {
		return batch
	}
	n := 0
	for i := range batch {
		if a.seconds[a.of.start(&batch[i])/1000] && a.replaces(&batch[i]) {
			continue
		}
		batch[n] = batch[i]
		n++
	}
	return batch[:n]
}

func (a *arrivals[R]) replaces(kept *R) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	k := a.of.key(kept)
	best := *kept
	replaced := false
	for at := a.place(k, kept); at >= 0; at = a.place(k, kept) {
		if came := a.records[k][at]; a.of.better(&came, &best) {
			best, replaced = came, true
		}
		a.records[k] = slices.Delete(a.records[k], at, at+1)
	}
	if replaced {
		a.records[k] = append(a.records[k], best)
	}
	return replaced
}

// rest are the new records, of the wanted hours.
func (a *arrivals[R]) rest(wanted func(start int64) bool) (out []R) {
	for _, list := range a.records {
		for i := range list {
			if wanted(a.of.start(&list[i])) {
				out = append(out, list[i])
			}
		}
	}
	return out
}
