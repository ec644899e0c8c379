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
	// fleetBeat is the beacon score from which a rhythm counts as one, fleetPeriod how alike two periods are that do
	// not jitter, fleetSize how many times as large as another's a host's messages may be.
	fleetBeat, fleetPeriod, fleetSize = 0.5, 0.05, 2
	// fleetHosts hosts with the same rhythm to the same server look like software that all of them run.
	fleetHosts = 3
	// fleetMultiple times as long as another's a period may be.
	fleetMultiple = 3
	// fleetCounted hosts with the same rhythm are enough to count, and so many are compared. Each host of a fleet is compared with the
	// others, so all of a very large one would cost the square of its size.
	fleetCounted, fleetCompared = 300, 2000
)

// rhythm is how a host calls a destination.
type rhythm struct {
	src netip.Addr
	// modes are the rhythms that its intervals were parted into.
	modes []scoring.Mode
	// size is the median of what it sends, NaN where it is not known.
	size float64
	uses []pairs.Use
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

// like says whether one of its rhythms may be the same as one of another's: a period that jitters is known no better than that.
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

// sized says whether its messages are about as large as another's, or nothing is known of one of them.
func (r *rhythm) sized(other *rhythm) bool {
	return !(r.size > fleetSize*other.size || other.size > fleetSize*r.size)
}

// meets says whether at least half of its connections go to addresses that the other uses, too.
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

// fleet says whether other hosts keep the same rhythm to the same server: software that they all run, or an outbreak. Hosts that
// show the same fingerprint are none unless they show it to the same servers.
func (p *Count) fleet(s *evidence.Subject, c *Candidate) {
	at, ok := partyOf(c)
	if !ok || overPorts(c) || c.Beacon.Period <= 0 || p.shared(c) < evidence.MinShared {
		return
	}
	own := rhythmOf(c)
	same, sized := map[netip.Addr]struct{}{c.Src: {}}, 0
	all := p.rhythms[at]
	for _, r := range all[:min(len(all), fleetCompared)] {
		if len(same) == fleetCounted {
			break
		}
		if r.src == c.Src || !r.like(own) || !p.talks(at, r.src) || c.Fingerprint.Kind != hunt.NoFingerprint && !own.meets(r) {
			continue
		}
		if same[r.src] = struct{}{}; r.sized(own) {
			sized++
		}
	}
	if len(same) < fleetHosts {
		return
	}
	if 2*sized < len(same)-1 {
		s.SetApart("this host sends another size than the others")
	}
	count := hunt.Count(len(same))
	if len(same) == fleetCounted {
		count += " or more"
	}
	s.ExplainFleet(count + " hosts beacon to it at the same interval: probably common software, or an outbreak")
}

// push is fleet for connections that are held for long, as push services are.
func (p *Count) push(s *evidence.Subject, c *Candidate) {
	at, ok := partyOf(c)
	if n := len(p.held[at]); ok && n >= fleetHosts && p.shared(c) >= evidence.MinShared {
		s.ExplainFleet(fmt.Sprintf("%s hosts hold long connections to it: looks like a push service, or an outbreak", hunt.Count(n)))
	}
}

// present is fleet for what has no rhythm: hosts that keep talking to the same server.
func (p *Count) present(s *evidence.Subject, c *Candidate) {
	at, ok := partyOf(c)
	if !ok || at.print.Kind != hunt.NoFingerprint || p.shared(c) < evidence.MinShared {
		return
	}
	if n := p.talking(p.reached[at], c.Src); n >= fleetHosts {
		s.ExplainFleet(fmt.Sprintf("%s hosts contact it all day: looks like a shared service, or an outbreak", hunt.Count(n)))
	}
}

// talks says whether a host really talks to a destination. Of fingerprints that is not counted.
func (p *Count) talks(at party, src netip.Addr) bool {
	r := p.reached[at]
	if r == nil || at.print.Kind != hunt.NoFingerprint {
		return true
	}
	number, met := p.numbers[src]
	return met && r.talking.has(number)
}
