package scoring

import (
	"cmp"
	"slices"
)

// KeyKind is what a candidate is: an address, a name and so on. Of two with the same connections the smaller kind
// leads, because it says more.
type KeyKind uint8

// The kinds of candidates, each of one internal source, narrowest first.
const (
	// NameKey is a TLS server name or HTTP host.
	NameKey KeyKind = iota
	// AddressKey is a destination address, port and transport.
	AddressKey
	// PairKey is a destination address, whatever the port.
	PairKey
	// DomainKey is all names below a registered domain.
	DomainKey
	// NetworkKey is a destination /24 (or /48).
	NetworkKey
	// FingerprintKey is a destination port, service and TLS fingerprint (or none, and no server name).
	FingerprintKey
	// UnsharedKey is destinations that no other host uses, of one port and size or of any.
	UnsharedKey
	// QueriesKey is a client's DNS queries below a registered domain.
	QueriesKey
)

// ScoredKey is a scored candidate of one source.
type ScoredKey struct {
	Kind KeyKind
	// Score before modifiers, 0..1.
	Score float64
	// Period of its rhythm in seconds, the mean from one check-in to the next that was seen; 0 for none. Only
	// candidates by domain, fingerprint or unshared destinations, and those inside them, need it.
	Period float64
	// Of are its connections, ascending, by numbers that a connection has in every candidate that contains it.
	Of []uint64
}

// KeyGroup is one finding: the candidate that leads and the others that are part of it, as indices.
type KeyGroup struct {
	Lead int
	Also []int
}

const (
	// groupMargin is how much better a wider candidate must score to lead over a narrower one.
	groupMargin = 0.1
	// groupExplains is the share of the wider one's connections that a narrower one must have to lead.
	groupExplains = 0.7
	// groupInside is the share of a candidate's connections that a wider one must contain for it to be a part.
	groupInside = 0.9
	// groupFaster is how many times as often a fingerprint must check in as what is inside it. A server that is used in
	// turn with others is contacted less often than all of them together.
	groupFaster = 1.5
)

// GroupKeys sorts the scored candidates of one source into groups, one finding each; every candidate is in exactly one.
// Where one contains another, the narrower leads if it has most of the wider one's connections and scores at most 0.1
// less. If no narrower one does, as when the destination moves from address to address, the wider one leads. Many
// programs share a TLS fingerprint, a domain has many names, many destinations are unshared: such a candidate leads
// over others that score as well only if it checks in more often than each of them. Groups are sorted by their lead's
// score, strongest first.
func GroupKeys(keys []ScoredKey) []KeyGroup {
	total := make([]int, len(keys))
	for i, k := range keys {
		total[i] = len(k.Of)
	}
	// From the widest to the narrowest.
	order := make([]int, len(keys))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		return cmp.Or(cmp.Compare(total[b], total[a]), cmp.Compare(keys[b].Kind, keys[a].Kind), cmp.Compare(b, a))
	})
	within := insides(keys, order)
	// into is the candidate that leads each one; itself if it leads.
	into := make([]int, len(keys))
	for i := range into {
		into[i] = i
	}
	for _, wide := range order {
		if into[wide] != wide {
			continue // a wider one leads, with all that is inside
		}
		best, strongest, fastest := -1, -1, -1
		for _, narrow := range within[wide] {
			if into[narrow] != narrow {
				continue
			}
			if strongest < 0 || keys[narrow].Score >= keys[strongest].Score {
				strongest = narrow
			}
			if keys[narrow].Score >= keys[wide].Score-groupMargin && (fastest < 0 || keys[narrow].Period < keys[fastest].Period) {
				fastest = narrow
			}
			if keys[narrow].Kind > keys[wide].Kind && keys[wide].Kind != FingerprintKey && keys[narrow].Score <= keys[wide].Score+groupMargin {
				continue // one size of what goes to an address or a name says less than that address or name
			}
			if float64(total[narrow]) >= groupExplains*float64(total[wide]) && (best < 0 || keys[narrow].Score >= keys[best].Score) {
				best = narrow
			}
		}
		switch {
		case strongest < 0:
			continue
		case best >= 0 && keys[best].Score >= keys[wide].Score-groupMargin:
			into[wide] = best
			continue
		case best < 0 && keys[wide].Score < keys[strongest].Score-groupMargin:
			into[wide] = strongest // several beacons, or one among other traffic: each stands for itself
			continue
		case (keys[wide].Kind == DomainKey || keys[wide].Kind >= FingerprintKey) && fastest >= 0 && groupFaster*keys[wide].Period > keys[fastest].Period:
			into[wide] = fastest // the rhythm is one of those inside
			continue
		}
		for _, narrow := range within[wide] {
			if into[narrow] == narrow {
				into[narrow] = wide
			}
		}
	}
	byLead := make(map[int]int, len(keys))
	var out []KeyGroup
	for i := range keys {
		lead := i
		for into[lead] != lead {
			lead = into[lead]
		}
		n, ok := byLead[lead]
		if !ok {
			n = len(out)
			byLead[lead] = n
			out = append(out, KeyGroup{Lead: lead})
		}
		if i != lead {
			out[n].Also = append(out[n].Also, i)
		}
	}
	slices.SortStableFunc(out, func(a, b KeyGroup) int { return cmp.Compare(keys[b.Lead].Score, keys[a.Lead].Score) })
	return out
}

// insides returns, for each candidate, the narrower ones that it contains, in order. It looks at each connection once
// for each pair of candidates that contain it, and a connection is in few.
func insides(keys []ScoredKey, order []int) [][]int {
	rank := make([]int, len(keys))
	for at, i := range order {
		rank[i] = at
	}
	holders := map[uint64][]int32{} // by connection: the candidates that contain it, widest first
	for _, i := range order {
		for _, c := range keys[i].Of {
			holders[c] = append(holders[c], int32(i))
		}
	}
	out := make([][]int, len(keys))
	common := map[int32]int{} // by wider candidate
	for _, narrow := range order {
		clear(common)
		for _, c := range keys[narrow].Of {
			for _, wide := range holders[c] {
				if rank[wide] >= rank[narrow] {
					break
				}
				common[wide]++
			}
		}
		for wide, n := range common {
			if float64(n) >= groupInside*float64(len(keys[narrow].Of)) {
				out[wide] = append(out[wide], narrow)
			}
		}
	}
	return out
}
