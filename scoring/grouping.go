package scoring

import (
	"cmp"
	"slices"
)

// KeyKind is what a series was kept for. A smaller kind is told before a larger one where both hold the same
// connections, because it says more.
type KeyKind uint8

// The kinds of key, each of one internal source, from the narrowest.
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
	// QueriesKey is what a client asks of DNS below a registered domain.
	QueriesKey
)

// ScoredKey is a scored key of one source.
type ScoredKey struct {
	Kind KeyKind
	// Score of the key before modifiers, 0..1.
	Score float64
	// Period of its rhythm in seconds, on average from one check-in to the next that is there; 0 for none. Only keys by
	// domain, fingerprint or unshared destinations and those inside them are asked.
	Period float64
	// Of are the key's connections, by numbers that each connection of the source has in all keys that hold it, in
	// ascending order.
	Of []uint64
}

// KeyGroup is one finding: the key that leads, and the others that are part of it. Both are indices of keys.
type KeyGroup struct {
	Lead int
	Also []int
}

const (
	// groupMargin is how much better a wider key must score to lead over a narrower one.
	groupMargin = 0.1
	// groupExplains is the share of the wider key's connections that a narrower one must have to stand alone.
	groupExplains = 0.7
	// groupInside is the share of a key's connections that must belong to the wider one to be part of it.
	groupInside = 0.9
	// groupFaster is how many times as fast a fingerprint must check-in as what is inside: a server that is used in
	// turn with others is met less often than all of them together.
	groupFaster = 1.5
)

// GroupKeys sorts the scored keys of one source into groups, a finding each; every key is in exactly one. Where one
// key's connections are part of another's, the narrower leads if it has most of the wider one's connections and
// explains its score but for 0.1, and the wider is named in it. If none of the narrower does, as when the destination
// moves from address to address, the wider one leads and they are named in it. Many programs share a TLS fingerprint, a
// domain has many names, and many destinations are unshared: such a key leads over keys that score as well only where
// it check-ins faster than each of them. Groups come strongest lead first.
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
	// into is the key that a key is told in; itself if it leads.
	into := make([]int, len(keys))
	for i := range into {
		into[i] = i
	}
	for _, wide := range order {
		if into[wide] != wide {
			continue // a still wider one leads, and has taken in what is inside
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
			if keys[narrow].Kind > keys[wide].Kind && keys[narrow].Score <= keys[wide].Score+groupMargin {
				continue // one size of what goes to an address or a name says less than the address or the name
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
			into[wide] = strongest // several check-ins, or a check-in among other traffic: each stands for itself
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

// insides gives, for each key, those after it in order of which most connections are its own too, in that order. It
// looks at each connection once for each pair of keys that hold it, and a connection is in a few keys.
func insides(keys []ScoredKey, order []int) [][]int {
	rank := make([]int, len(keys))
	for at, i := range order {
		rank[i] = at
	}
	holders := map[uint64][]int32{} // by connection: the keys that hold it, from the widest
	for _, i := range order {
		for _, c := range keys[i].Of {
			holders[c] = append(holders[c], int32(i))
		}
	}
	out := make([][]int, len(keys))
	common := map[int32]int{} // by wider key
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
