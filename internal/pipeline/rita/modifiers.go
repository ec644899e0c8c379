package rita

import (
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"time"

	"dwell/internal/evidence/firstseen"
	"dwell/internal/hunt"
	"dwell/internal/pairs"
	"dwell/internal/pipeline/material"
	"dwell/scoring"
)

// spread counts internal hosts: those that contact each address and name, and all.
type spread struct {
	mu sync.Mutex
	// hosts are by external address, and by the address that stands for a name.
	hosts map[[16]byte]int32
	all   map[netip.Addr]struct{}
}

func (s *spread) hostCount() int64 { return int64(len(s.all)) }

// count counts as RITA does: every host that a record names, answered or not, and an internal proxy for what was asked
// of it. It shares nothing with package prevalence, where hosts count that exchange data. A pair stands in a table once,
// so it is not decoded; with both directions in scope, each pair of hosts counts once.
func (s *search) count() *spread {
	out := &spread{hosts: map[[16]byte]int32{}, all: map[netip.Addr]struct{}{}}
	scope := &s.m.Request.Scope
	answers := map[netip.Addr][]*domain{}
	for _, d := range s.domains {
		for a := range d.addresses {
			answers[a] = append(answers[a], d)
		}
	}
	both := map[hunt.Two]struct{}{}
	once := func(machine, other netip.Addr) bool {
		_, there := both[hunt.Two{Src: machine, Dst: other}]
		both[hunt.Two{Src: machine, Dst: other}] = struct{}{}
		return !there
	}
	s.m.Table.WalkSources(func(_ int, src netip.Addr, of *pairs.Of) {
		out.mu.Lock()
		defer out.mu.Unlock()
		inside := scope.IsInternal(src)
		if inside {
			out.all[src] = struct{}{}
		}
		for i := range of.Len() {
			dst := of.Dst(i)
			machine, other := src, dst
			if !inside {
				machine, other = dst, src
				out.all[dst] = struct{}{}
			}
			if scope.Direction != hunt.Both || once(machine, other) {
				out.hosts[other.As16()]++
			}
			if !inside {
				continue
			}
			for _, d := range answers[dst] {
				d.direct = d.direct || !d.clients[src]
			}
		}
	})
	if s.m.Named != nil {
		asked := map[netip.Addr]map[netip.Addr]struct{}{} // names, by the internal proxy that was asked for them
		s.m.Named.Table.WalkSources(func(_ int, src netip.Addr, of *pairs.Of) {
			if !scope.IsInternal(src) {
				return
			}
			out.mu.Lock()
			defer out.mu.Unlock()
			out.all[src] = struct{}{}
			var pair pairs.Pair
			for i := range of.Len() {
				out.hosts[of.Dst(i).As16()]++
				if of.Decode(i, &pair); pair.Kinds()&(1<<hunt.Connect) == 0 {
					continue
				}
				for _, u := range pair.Uses() {
					if !scope.IsInternal(u.Addr) {
						continue
					}
					if asked[u.Addr] == nil {
						asked[u.Addr] = map[netip.Addr]struct{}{}
					}
					asked[u.Addr][pair.Dst] = struct{}{}
				}
			}
		})
		s.m.Named.Table.WalkSources(func(_ int, src netip.Addr, of *pairs.Of) {
			for i := range of.Len() { // a proxy that queries the name itself counts as a host
				delete(asked[src], of.Dst(i))
			}
		})
		for proxy, names := range asked {
			for name := range names {
				out.all[proxy] = struct{}{}
				out.hosts[name.As16()]++
			}
		}
	}
	if s.m.DNS != nil {
		for _, q := range s.m.DNS.All() {
			out.all[q.Client] = struct{}{}
		}
	}
	return out
}

// hits are the indicators of compromise that the destination matches.
func (s *search) hits(k *hunt.PairKey) []hunt.IntelHit {
	if s.intel == nil {
		return nil
	}
	if k.Name != "" { // RITA looks up a name, and not its addresses
		return s.intel.Lookup(nil, k.Name)
	}
	return s.intel.Lookup([]netip.Addr{s.m.External(k)}, "")
}

// days is the number of whole days from a moment to the window's end.
func (s *search) days(at int64) int64 {
	return int64(s.m.Window.End.Sub(time.UnixMilli(at)).Hours() / 24)
}

// modifiers are what RITA adds to a pair's strongest threat; hosts is the number of hosts that contact the destination.
func (s *search) modifiers(k *hunt.PairKey, p *pairs.Pair, l *pairLook, hits []hunt.IntelHit) (list []hunt.Modifier, hosts int64) {
	add := func(name string, value float64, format string, args ...any) {
		if value != 0 {
			list = append(list, hunt.Modifier{Name: name, Value: material.Round(value), Reason: fmt.Sprintf(format, args...)})
		}
	}
	party, destination := p.Dst, k.Name
	if k.Name == "" {
		party = s.m.External(k)
		destination = party.String()
	}
	if len(hits) > 0 {
		list = append(list, intelModifier(hits[0], scoring.RITAFinal(0, l.parts.Beacon, l.parts.LongConnection, l.parts.Strobe)))
		if l.ritaBytes >= scoring.RITAIntelBytes {
			add("threat_intel_data", scoring.RITAIntelData, "%s bytes exchanged with a destination on an indicator list", hunt.Count(l.ritaBytes))
		}
	}
	hosts = int64(s.spread.hosts[party.As16()])
	hostCount := s.spread.hostCount()
	add("prevalence", s.set.Prevalence(hosts, hostCount), "prevalence %s of %s internal hosts (RITA: rare at most 2%%, common at least 50%%)", hunt.Count(hosts), hunt.Count(hostCount))
	s.firstSeen(destination, l.First, add)
	if n := s.m.Nameless[hunt.Two{Src: k.Src, Dst: k.Dst}]; n > 0 && k.Name == "" {
		add("missing_host", scoring.RITAMissingHost, "%s HTTP requests without a Host header", hunt.Count(n))
	}
	if text := s.m.Signatures.Rare(k); text != "" {
		add("rare_signature", s.set.RareSignature, "%s %q used only with this destination", kindOf(text), text)
	}
	return list, hosts
}

// intelModifier is what an indicator list adds to the strongest threat: RITA takes it for a threat of its own, and the
// larger one counts.
func intelModifier(hit hunt.IntelHit, strongest float64) hunt.Modifier {
	return hunt.Modifier{Name: "threat_intel", Value: material.Round(max(0, scoring.RITAIntel-strongest)),
		Reason: fmt.Sprintf("threat-intel match: %s %s (%s), which is %.1f by RITA's scale", hit.Type, hit.Indicator, hit.List, scoring.RITAIntel)}
}

// firstSeen adds how long a destination has been known. RITA would call everything new in its first week.
func (s *search) firstSeen(destination string, first int64, add func(string, float64, string, ...any)) {
	if s.seen == nil {
		return
	}
	if span, ok := s.seen.Seen(destination); ok {
		first = min(first, span.First)
	}
	switch age := s.days(first); {
	case age >= scoring.RITAKnownDays:
		add("first_seen", -scoring.RITAKnown, "seen for %d days in this network", age)
	case age <= scoring.RITANewDays && s.settled:
		add("first_seen", scoring.RITANew, "first seen %s", firstseen.Ago(age))
	}
}

// kindOf is the kind of a signature: a JA3 is an MD5.
func kindOf(text string) string {
	if len(text) == 32 && strings.Trim(text, "0123456789abcdef") == "" {
		return "TLS fingerprint JA3"
	}
	return "user agent"
}
