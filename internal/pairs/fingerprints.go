package pairs

import (
	"crypto/sha256"
	"hash/maphash"
	"net/netip"
	"strconv"
	"sync"

	"dwell/internal/hunt"
)

// prints keeps the texts of TLS fingerprints. A text is kept at its second use: programs that shuffle their extensions
// have a new JA3 each time, and so cost a number a use and no text.
type prints struct {
	seed maphash.Seed
	mu   sync.RWMutex
	once map[uint64]struct{}
	of   map[uint64]hunt.Fingerprint
}

func newPrints() prints {
	return prints{seed: maphash.MakeSeed(), once: map[uint64]struct{}{}, of: map[uint64]hunt.Fingerprint{}}
}

// number stands for a fingerprint, 0 for none. Of a million fingerprints two share a number once in forty million
// hunts.
func (p *prints) number(f hunt.Fingerprint) uint64 {
	if f.Kind == hunt.NoFingerprint {
		return 0
	}
	n := max(maphash.Comparable(p.seed, f), 1)
	p.mu.RLock()
	_, known := p.of[n]
	p.mu.RUnlock()
	if known {
		return n
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, again := p.once[n]; again {
		delete(p.once, n)
		p.of[n] = f
	} else if _, known := p.of[n]; !known {
		p.once[n] = struct{}{}
	}
	return n
}

// Print is a TLS fingerprint shown to one destination port.
type Print struct {
	hunt.Fingerprint
	Port uint16
	// Hosts is the number of sources that show it.
	Hosts int
}

const (
	// fewestPrinted and MaxPrinted bound the TLS records of a fingerprint that is followed for a source. Fewer have no
	// rhythm; among more, a beacon would not stand out.
	fewestPrinted, MaxPrinted = 4, 50_000
)

// shownAt is a fingerprint with the port it is shown to.
type shownAt struct {
	print uint64
	port  uint16
}

// rollUp is a fingerprint that may be followed, with the address that stands for it. It is the same for all sources.
type rollUp struct {
	Print
	number uint32
	stand  netip.Addr
	// followed says that it is for some source.
	followed bool
}

// rollUps are all of a hunt.
type rollUps struct {
	mu   sync.Mutex
	of   map[shownAt]*rollUp
	busy Busy
}

type rollUpKey struct {
	src [16]byte
	shownAt
}

// shown is how a source shows a fingerprint at a port.
type shown struct {
	uses  int
	first [16]byte
	moves bool
}

// eachSource calls visit with the uses of each source. They are sorted.
func eachSource(uses []use, visit func(of []use)) {
	for from, to := 0, 0; from < len(uses); from = to {
		for to = from; to < len(uses) && [16]byte(uses[to].key[:16]) == [16]byte(uses[from].key[:16]); to++ {
		}
		visit(uses[from:to])
	}
}

// follow chooses the fingerprints to follow among all uses of a source: those that it shows to several destinations,
// neither too rarely nor too often. With one destination it is that pair. Those that are too frequent are counted.
func (n *Names) follow(out map[rollUpKey]*rollUp, uses []use) {
	by := map[shownAt]shown{}
	for i := range uses {
		u := &uses[i]
		if _, known := n.prints.of[u.print]; !known {
			continue
		}
		at, dst := shownAt{u.print, u.dstPort}, [16]byte(u.key[16:])
		s, again := by[at]
		if !again {
			s.first = dst
		}
		s.uses++
		s.moves = s.moves || s.first != dst
		by[at] = s
	}
	if len(by) == 0 {
		return
	}
	all := &n.rollUps
	all.mu.Lock()
	defer all.mu.Unlock()
	for at, s := range by {
		r := all.of[at]
		if r == nil {
			r = &rollUp{Print: Print{Fingerprint: n.prints.of[at.print], Port: at.port}, number: uint32(len(all.of))}
			sum := sha256.Sum256([]byte(strconv.Itoa(int(at.port)) + "#" + r.Fingerprint.String()))
			r.stand = netip.AddrFrom16([16]byte(sum[16:])).Unmap()
			all.of[at] = r
		}
		r.Hosts++
		switch {
		case !s.moves || s.uses < fewestPrinted:
		case s.uses > MaxPrinted:
			all.busy.Fingerprints++
			all.busy.Records += int64(s.uses)
		default:
			r.followed = true
			out[rollUpKey{[16]byte(uses[0].key[:16]), at}] = r
		}
	}
}

// Busy are fingerprints of a source and port that were left out: several destinations, more than MaxPrinted records.
type Busy struct{ Fingerprints, Records int64 }

// Print is the fingerprint that a destination of Prints stands for.
func (d *Named) Print(dst netip.Addr) Print { return d.prints[dst] }
