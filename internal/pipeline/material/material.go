// Package material is the input of a ranking: the request and everything that was read, in tables. It also holds the
// parts of a finding that do not depend on the ranking.
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
	// Fewest is the least number of connections with which a rhythm is tested, as for RITA.
	Fewest = 4
	// Floor is the score from which a finding has a severity.
	Floor = 0.2
	// TunnelFloor is the least number of distinct names of a tunnel: below it the score is 0.
	TunnelFloor = 50
)

// Wanted is what a hunt looks for, whatever the ranking.
type Wanted struct {
	// Request goes to the source.
	Request hunt.Request
	// Indicators to look for: beacon, long, strobe, dns. Empty means all.
	Indicators []string
	// MinScore is the score below which only candidates with a severity become findings.
	MinScore float64
	// Sensor is set for one sensor's part of a hunt by sensor.
	Sensor string
	// Selftest measures the hunt's sensitivity with injected beacons.
	Selftest bool
	// Memory limits what the connections take.
	Memory pairs.Budget
	// NoNames leaves the logs of names and queries unread.
	NoNames bool
	// ListedName reports whether an indicator list names a name; nil is no list.
	ListedName func(name string) bool
	// Of is the source whose pairs are all measured, however few connections they have, and About says which of its
	// findings have their evidence weighed whatever they score: to show a pair that is no finding.
	Of    netip.Addr
	About func(*hunt.Finding) bool
	// Shown reads requests without a Host, user agents and JA3s, too.
	Shown bool
	// Manager is the address of Security Onion's console, or empty.
	Manager string
	// Now is the clock for measuring stages.
	Now func() time.Time
}

// LooksFor reports whether an indicator was requested.
func (w *Wanted) LooksFor(indicator string) bool {
	return len(w.Indicators) == 0 || slices.Contains(w.Indicators, indicator)
}

// Material is everything a hunt read.
type Material struct {
	Wanted
	// Session is its source, for look-ups about findings.
	Session *hunt.Session
	// Window is the hunt's window, Missing the logs that are not there, by Zeek's names.
	Window  hunt.Window
	Missing []string

	Table *pairs.Table
	// Named and DNS are nil if the source has no such logs or they were not requested.
	Named *pairs.Named
	DNS   *pairs.DNS
	// Requests are the times of HTTP requests by source and name, and of other messages by address.
	Requests pairs.Requests
	// Answers means that every DNS query was read with its answers.
	Answers bool
	// Nameless are HTTP requests without a Host by source and destination, Signatures what hosts show of themselves:
	// with Wanted.Shown only.
	Nameless   map[hunt.Two]int64
	Signatures *Signatures
}

// LookUp is the request for look-ups over the hunt's window.
func (m *Material) LookUp() hunt.Request {
	req := m.Request
	req.From, req.To, req.Since, req.Progress = m.Window.Start, m.Window.End, 0, nil
	return req
}

// Err is an error of the spill files, if there are any.
func (m *Material) Err() error {
	err := m.Table.Err()
	if m.Named != nil {
		err = cmp.Or(err, m.Named.Err())
	}
	if m.DNS != nil {
		err = cmp.Or(err, m.DNS.Err())
	}
	return err
}

// Close removes the spill files and releases everything.
func (m *Material) Close() error {
	if m.Table == nil {
		return nil
	}
	err := m.Table.Close()
	if m.Named != nil {
		err = errors.Join(err, m.Named.Close())
	}
	if m.DNS != nil {
		err = errors.Join(err, m.DNS.Close())
	}
	if m.Session != nil && m.Session.Close != nil {
		err = errors.Join(err, m.Session.Close())
	}
	*m = Material{}
	return err
}

// Skipped counts the fingerprints that were not followed, and the domains with names or answers that were not kept.
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
			if q.Names() < TunnelFloor || !yield(q) {
				return
			}
		}
	}
}

// Span is the oldest and newest start of all records, Unix milliseconds.
func (m *Material) Span() (oldest, newest int64, ok bool) {
	oldest, newest, ok = m.Table.Span()
	if m.Named != nil {
		if first, last, some := m.Named.Table.Span(); some {
			oldest, newest, ok = min(oldest, first), max(newest, last), true
		}
	}
	if m.Window.Duration() < 24*time.Hour {
		// What began before the window has no start in it.
		oldest = max(oldest, m.Window.Start.UnixMilli())
	}
	return oldest, newest, ok
}

// Totals are the sums of a candidate's connections in the hunt's window.
type Totals struct {
	Connections, Orig, Resp int64 // bytes of payload
	// Silent connections had no answer, Refused ones were rejected.
	Silent, Refused int64
	// Open connections had not ended; OpenSince is when the oldest of them began, Unix ms.
	Open, OpenSince   int64
	Duration, Longest int64 // ms; Longest is hunt.Absent while no duration is known
	// First and Last are when connections began, Ended when the last of them ended, Unix ms.
	First, Last, Ended int64
}

// Add adds a connection; they come in order of start.
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

// External is the end of a key that is not internal.
func (m *Material) External(k *hunt.PairKey) netip.Addr {
	if m.Request.Scope.IsInternal(k.Src) {
		return k.Dst
	}
	return k.Src
}
