package prevalence

import (
	"fmt"
	"math"
	"net/netip"
	"slices"

	"dwell/internal/evidence"
	"dwell/internal/hunt"
	"dwell/internal/pairs"
	"dwell/scoring"
)

const (
	// fleetBeat is the minimum beacon score of a rhythm, fleetPeriod the tolerance of two periods without jitter,
	// fleetSize the maximum ratio of two hosts' message sizes.
	fleetInterval, fleetPeriod, fleetSize = 0.5, 0.05, 2
	// fleetHosts hosts with the same rhythm to the same server look like common software.
	fleetHosts = 3
	// fleetMultiple is the maximum multiple of another's period.
	fleetMultiple = 3
	// fleetCounted hosts with the same rhythm are enough to count, and fleetCompared are compared: comparing all hosts
	// of a very large fleet would have quadratic cost.
	fleetCounted, fleetCompared = 300, 2000
)

// rhythm is how a host contacts a destination.
type rhythm struct {
	src netip.Addr
	// modes are the rhythms into which its intervals were split.
	modes []scoring.Mode
	// size is the median of what it sends, NaN if unknown.
	size float64
	uses []pairs.Use
	// talks says that the host exchanges data with the destination.
	talks bool
}

func rhythmOf(c *Candidate) *rhythm {
	r, b := &rhythm{src: c.Src, size: math.NaN(), uses: c.Uses}, &c.Beacon
	if c.Size.Known > 0 {
		r.size = c.Size.Median
	}
	if r.modes = b.Modes[:b.ModeCount]; b.ModeCount == 0 {
		r.modes = []scoring.Mode{{Period: b.Period, Jitter: b.Jitter}}
	}
	return r
}

// like reports whether one of its rhythms may be one of another's, within the precision that jitter allows.
func (r *rhythm) like(other *rhythm) bool {
	for i := range r.modes {
		for j := range other.modes {
			m, n := &r.modes[i], &other.modes[j]
			for k := 1.0; k <= fleetMultiple; k++ { // one host skips check-ins that another makes
				if tolerance := max(fleetPeriod, m.Jitter, n.Jitter); math.Abs(k*m.Period-n.Period) < tolerance*n.Period || math.Abs(m.Period-k*n.Period) < tolerance*m.Period {
					return true
				}
			}
		}
	}
	return false
}

// sized reports whether the message sizes are similar, or one is unknown.
func (r *rhythm) sized(other *rhythm) bool {
	return !(r.size > fleetSize*other.size || other.size > fleetSize*r.size)
}

// meets reports whether at least half of its connections go to addresses that the other also uses.
func (r *rhythm) meets(other *rhythm) bool {
	var all, shared int64
	for _, u := range r.uses {
		all += u.Connections
		if _, ok := slices.BinarySearchFunc(other.uses, u.Addr, func(o pairs.Use, a netip.Addr) int { return o.Addr.Compare(a) }); ok {
			shared += u.Connections
		}
	}
	return 2*shared >= all && all > 0
}

// fleet reports whether other hosts have the same rhythm to the same server: common software, or an outbreak. Hosts
// with the same fingerprint count only if they use the same servers.
func (p *Count) fleet(s *evidence.Candidate, c *Candidate) {
	at, ok := destinationOf(c)
	if !ok || overPorts(c) || c.Beacon.Period <= 0 || p.shared(c) < evidence.MinShared {
		return
	}
	own, all := rhythmOf(c), p.rhythms[at]
	same, sized := 1, 0
	var last netip.Addr // the rhythms of a host follow one another
	for _, r := range all[:min(len(all), fleetCompared)] {
		if same == fleetCounted {
			break
		}
		if !r.talks || r.src == c.Src || r.src == last || !r.like(own) || c.Fingerprint.Kind != hunt.NoFingerprint && !own.meets(r) {
			continue
		}
		same, last = same+1, r.src
		if r.sized(own) {
			sized++
		}
	}
	if same < fleetHosts {
		return
	}
	if 2*sized < same-1 {
		s.SetApart("this host sends another size than the others")
	}
	count := hunt.Count(same)
	if same == fleetCounted {
		count += " or more"
	}
	s.ExplainFleet(count + " hosts beacon to it at the same interval: probably common software, or an outbreak")
}

// push is fleet for long connections, like those of push services.
func (p *Count) push(s *evidence.Candidate, c *Candidate) {
	at, ok := destinationOf(c)
	if n := len(p.held[at]); ok && n >= fleetHosts && p.shared(c) >= evidence.MinShared {
		s.ExplainFleet(fmt.Sprintf("%s hosts hold long connections to it: looks like a push service, or an outbreak", hunt.Count(n)))
	}
}

// present is fleet without a rhythm: hosts that contact the same server continually.
func (p *Count) present(s *evidence.Candidate, c *Candidate) {
	at, ok := destinationOf(c)
	if !ok || at.print.Kind != hunt.NoFingerprint || p.shared(c) < evidence.MinShared {
		return
	}
	if n := p.talking(p.reached[at], c.Src); n >= fleetHosts {
		s.ExplainFleet(fmt.Sprintf("%s hosts contact it all day: looks like a shared service, or an outbreak", hunt.Count(n)))
	}
}

// talks reports whether a host exchanges data with a destination. That is not counted for fingerprints.
func (p *Count) talks(at destination, src netip.Addr) bool {
	r := p.reached[at]
	if r == nil || at.print.Kind != hunt.NoFingerprint {
		return true
	}
	number, met := p.numbers[src]
	return met && r.talking.has(number)
}
