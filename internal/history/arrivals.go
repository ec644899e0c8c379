package history

import (
	"strings"
	"sync"

	"dwell/internal/hunt"
)

// identity tells which records are the same one: by start and key. better says that the first knows more than the second.
type identity[R any] struct {
	start  func(*R) int64
	count  func(*R) int64
	key    func(*R) any
	better func(a, b *R) bool
	// keep copies what of a record lies in memory that is used again.
	keep func(R) R
}

var sameConnection = identity[hunt.Connection]{
	start: func(c *hunt.Connection) int64 { return c.Start },
	count: func(c *hunt.Connection) int64 { return max(c.Count, 1) },
	key: func(c *hunt.Connection) any {
		return hunt.Connection{Start: c.Start, Src: c.Src, Dst: c.Dst, SrcPort: c.SrcPort, DstPort: c.DstPort, Proto: c.Proto}
	},
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

// queryKey is what tells one query from another.
type queryKey struct {
	client, resolver address
	start            int64
	query, kind      string
}

// arrivals are records that came after their hour was kept: few, and some of them may be there already.
type arrivals[R any] struct {
	of identity[R]

	mu      sync.Mutex
	starts  map[int64]bool
	records map[any]R
}

func newArrivals[R any](of identity[R]) *arrivals[R] {
	return &arrivals[R]{of: of, starts: map[int64]bool{}, records: map[any]R{}}
}

func (a *arrivals[R]) add(batch []R) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for i := range batch {
		k := a.of.key(&batch[i])
		if old, ok := a.records[k]; !ok || a.of.better(&batch[i], &old) {
			a.records[k] = a.of.keep(batch[i])
			a.starts[a.of.start(&batch[i])] = true
		}
	}
}

// without drops from a batch what came again and knows more now; of what came again and knows nothing new, the arrival is dropped.
func (a *arrivals[R]) without(batch []R) []R {
	if len(a.starts) == 0 {
		return batch
	}
	n := 0
	for i := range batch {
		if a.starts[a.of.start(&batch[i])] && a.replaces(&batch[i]) {
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
	came, ok := a.records[k]
	if !ok {
		return false
	}
	if a.of.better(&came, kept) {
		return true
	}
	delete(a.records, k)
	return false
}

// rest is what is new, of the hours that are wanted.
func (a *arrivals[R]) rest(wanted func(start int64) bool) (out []R) {
	for _, r := range a.records {
		if wanted(a.of.start(&r)) {
			out = append(out, r)
		}
	}
	return out
}
