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

type rollUpKey struct {
	src   [16]byte
	print uint64
	port  uint16
}

// rollUp is a source's fingerprint that is followed.
type rollUp struct {
	Print
	number uint32
	stand  netip.Addr
	uses   int
	first  [16]byte
	moves  bool
}

// rollUps chooses the fingerprints to follow: those that a source shows to several destinations, neither too rarely nor
// too often. With one destination it is that pair. busy counts those left out because they are too frequent.
func (n *Names) rollUps() (out map[rollUpKey]*rollUp, busy Busy) {
	type everywhere struct {
		print uint64
		port  uint16
	}
	hosts := map[everywhere]int{}
	out = map[rollUpKey]*rollUp{}
	n.eachUse(func(u *use) {
		f, ok := n.prints.of[u.print]
		if !ok {
			return
		}
		src, dst := [16]byte(u.key[:16]), [16]byte(u.key[16:])
		k := rollUpKey{src, u.print, u.dstPort}
		r := out[k]
		if r == nil {
			hosts[everywhere{u.print, u.dstPort}]++
			r = &rollUp{Print: Print{Fingerprint: f, Port: u.dstPort}, first: dst}
			out[k] = r
		}
		r.uses++
		r.moves = r.moves || r.first != dst
	})
	number := uint32(0)
	for k, r := range out {
		if !r.moves || r.uses < fewestPrinted || r.uses > MaxPrinted {
			if r.moves && r.uses > MaxPrinted {
				busy.Fingerprints++
				busy.Records += int64(r.uses)
			}
			delete(out, k)
			continue
		}
		number++
		r.number, r.Hosts = number, hosts[everywhere{k.print, k.port}]
		sum := sha256.Sum256([]byte(strconv.Itoa(int(k.port)) + "#" + r.Fingerprint.String()))
		r.stand = netip.AddrFrom16([16]byte(sum[16:])).Unmap()
	}
	return out, busy
}

// Busy are fingerprints of a source and port that were left out: several destinations, more than MaxPrinted records.
type Busy struct{ Fingerprints, Records int64 }

// Print is the fingerprint that a destination of Prints stands for.
func (d *Named) Print(dst netip.Addr) Print { return d.prints[dst] }
