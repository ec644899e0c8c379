// Package material is the input of a ranking: the request and everything that was read, in tables. Rankings go over
// it; what all of them say of a finding in the same words stands here too.
package material

import (
	"cmp"
	"errors"
	"net/netip"
	"slices"
	"time"

	"dwell/internal/hunt"
	"dwell/internal/pairs"
)

const (
	// Fewest is how many connections a candidate needs to have its rhythm judged (RITA's limit too).
	Fewest = 4
	// Floor is the score from which a finding has a severity.
	Floor = 0.2
	// TunnelFloor is how many distinct names a domain needs to be looked at: scoring gives 0 below.
	TunnelFloor = 50
)

// Wanted is what a hunt is to look for, whatever ranks it.
type Wanted struct {
	// Request is what the source is asked for.
	Request hunt.Request
	// Indicators to look for: beacon, long, strobe, dns. Empty means all.
	Indicators []string
	// MinScore is the score below which no finding is made, beside those that have a severity.
	MinScore float64
	// Sensor is the one whose part of a hunt by sensor this is, else empty.
	Sensor string
	// Selftest measures the hunt's sensitivity with injected beacons.
	Selftest bool
	// Memory bounds what the connections take.
	Memory pairs.Budget
	// NoNames leaves the logs of names and queries unread.
	NoNames bool
	// ListedName reports whether an indicator list names a name; nil is no list.
	ListedName func(name string) bool
	// Of is the source whose pairs are all measured, however few connections they have, and About says which of its
	// findings have their evidence weighed whatever they score: to show a pair that is no finding.
	Of    netip.Addr
	About func(*hunt.Finding) bool
	// Shown reads what hosts show of themselves, too: requests without a Host, user agents and JA3s.
	Shown bool
	// Manager is the address of Security Onion's console, or empty.
	Manager string
	// Now is the clock by which stages are measured.
	Now func() time.Time
}

// LooksFor says whether an indicator was asked for.
func (w *Wanted) LooksFor(indicator string) bool {
	return len(w.Indicators) == 0 || slices.Contains(w.Indicators, indicator)
}

// Material is everything that a hunt read.
type Material struct {
	Wanted
	// Session is where it was read, for look-ups about findings.
	Session *hunt.Session
	// Window is what the hunt looks at, Missing the logs that the reading said are not there, by Zeek's names.
	Window  hunt.Window
	Missing []string

	Table *pairs.Table
	// Named and DNS are nil where the source has no such logs or they were not asked for.
	Named *pairs.Named
	DNS   *pairs.DNS
	// Requests are HTTP requests by source and name.
	Requests pairs.Requests
	// Answers means that every DNS query was read with its answers.
	Answers bool
	// Nameless are HTTP requests without a Host by source and destination, Signatures what hosts show of themselves:
	// with Wanted.Shown only.
	Nameless   map[hunt.Two]int64
	Signatures *Signatures
}

// LookUp is a request for look-ups over the hunt's window.
func (m *Material) LookUp() hunt.Request {
	req := m.Request
	req.From, req.To, req.Since, req.Progress = m.Window.Start, m.Window.End, 0, nil
	return req
}

// Err is what went wrong on disk, if some of it lies there.
func (m *Material) Err() error {
	if m.Named == nil {
		return m.Table.Err()
	}
	return cmp.Or(m.Table.Err(), m.Named.Err())
}

// Close removes what lies on disk, and lets go of all.
func (m *Material) Close() error {
	if m.Table == nil {
		return nil
	}
	err := m.Table.Close()
	if m.Named != nil {
		err = errors.Join(err, m.Named.Close())
	}
	if m.Session != nil && m.Session.Close != nil {
		err = errors.Join(err, m.Session.Close())
	}
	*m = Material{}
	return err
}

// Skipped counts the fingerprints that were left alone, and the domains of which names or answers were cut.
func (m *Material) Skipped() (s hunt.Skipped) {
	if m.Named != nil {
		s.Fingerprints = m.Named.Busy.Fingerprints
	}
	for q := range m.Domains() {
		if q.Overflow > 0 {
			s.Domains++
		}
	}
	return s
}

// Domains gives each client's queries below each domain with names enough to be looked at, those with the most names
// first.
func (m *Material) Domains() func(yield func(*pairs.Queries) bool) {
	return func(yield func(*pairs.Queries) bool) {
		if m.DNS == nil {
			return
		}
		for _, q := range m.DNS.All() {
			if len(q.Names) < TunnelFloor || !yield(q) {
				return
			}
		}
	}
}

// Span is the oldest and newest start of everything that was read, Unix milliseconds.
func (m *Material) Span() (oldest, newest int64, ok bool) {
	oldest, newest, ok = m.Table.Span()
	if m.Named != nil {
		if first, last, some := m.Named.Table.Span(); some {
			oldest, newest, ok = min(oldest, first), max(newest, last), true
		}
	}
	if m.Window.Duration() < 24*time.Hour {
		// What began before the window and reaches into it counts for nothing that starts are counted for.
		oldest = max(oldest, m.Window.Start.UnixMilli())
	}
	return oldest, newest, ok
}

// Totals are the sums of a candidate's connections in the hunt's window.
type Totals struct {
	Connections, Orig, Resp int64 // bytes of payload
	// Silent and Refused connections had no answer and were rejected.
	Silent, Refused int64
	// Open connections had not ended; OpenSince is when the oldest of them began, Unix ms.
	Open, OpenSince   int64
	Duration, Longest int64 // ms; Longest is hunt.Absent while no duration is known
	// First and Last are when connections began, Ended when the last of them ended, Unix ms.
	First, Last, Ended int64
}

// Add counts a connection in; they come in order of their start.
func (t *Totals) Add(c *pairs.Record) {
	if t.Connections == 0 {
		t.First = c.Start
	}
	t.Last, t.Ended = c.Start, max(t.Ended, c.Start+max(c.Duration, 0))
	t.Connections++
	t.Orig += max(c.OrigBytes, 0)
	t.Resp += max(c.RespBytes, 0)
	t.Duration += max(c.Duration, 0)
	t.Longest = max(t.Longest, c.Duration)
	switch c.State {
	case hunt.StateSilent:
		t.Silent++
	case hunt.StateRefused:
		t.Refused++
	case hunt.StateOpen:
		if t.Open++; t.Open == 1 {
			t.OpenSince = c.Start
		}
	case hunt.StateOther:
	}
}

// External is the address of a key that is not internal.
func (m *Material) External(k *hunt.PairKey) netip.Addr {
	if m.Request.Scope.IsInternal(k.Src) {
		return k.Dst
	}
	return k.Src
}
