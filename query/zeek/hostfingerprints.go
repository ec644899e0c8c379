package zeek

import (
	"maps"
	"net/netip"
	"sync"
	"sync/atomic"
)

// The kinds of traits.
const (
	traitJA3 = iota
	traitJA4
	traitAgent
)

// shown is what internal hosts show of themselves: how widely values are used, by kind, and which hosts show TLS
// fingerprints and user agents. Several goroutines add to it.
type shown struct {
	spreads [3]*spreads
	// mixed says that some records show both fingerprints, so that their JA3 was not counted.
	mixed atomic.Bool
	mu    sync.Mutex
	hosts [2]hosts
}

type hosts map[netip.Addr]struct{}

func newShown(most int64) *shown {
	s := &shown{hosts: [2]hosts{{}, {}}}
	for kind := range s.spreads {
		s.spreads[kind] = newSpreads(most)
	}
	return s
}

// showing is one goroutine's part of a shown; its hosts are joined at the end.
type showing struct {
	*shown
	own [2]hosts
}

func (s *shown) showing() showing { return showing{s, [2]hosts{{}, {}}} }

func (s *showing) flush() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, own := range s.own {
		maps.Copy(s.hosts[i], own)
	}
}

// agent counts who shows a user agent to whom.
func (s *showing) agent(agent []byte, src, dst netip.Addr) {
	if len(agent) > 0 {
		s.own[1][src] = struct{}{}
		s.spreads[traitAgent].add(agent, src, dst)
	}
}

// tls counts who shows a fingerprint to whom. JA3 counts only in records without JA4, which says more.
func (s *showing) tls(ja3, ja4 []byte, src, dst netip.Addr) {
	if len(ja3)+len(ja4) > 0 {
		s.own[0][src] = struct{}{}
	}
	switch {
	case len(ja4) > 0:
		s.spreads[traitJA4].add(ja4, src, dst)
		if len(ja3) > 0 && !s.mixed.Load() {
			s.mixed.Store(true)
		}
	case len(ja3) > 0:
		s.spreads[traitJA3].add(ja3, src, dst)
	}
}
