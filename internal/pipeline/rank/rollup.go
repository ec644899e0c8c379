package rank

import (
	"net/netip"
	"slices"

	"dwell/internal/evidence/protocol"
	"dwell/internal/hunt"
	"dwell/internal/pairs"
	"dwell/internal/pipeline/material"
	"dwell/scoring"
)

// maxRollUp bounds the connections of a roll-up: a beacon among more would not stand out.
const maxRollUp = 50_000

// rollUp is a source's connections to several destinations. Its memory is reused.
type rollUp struct {
	records []pairs.Record
	// ports are those of the records; a record's Port is an index of them.
	ports     []portOf
	addresses []netip.Addr
	// places are those of the pairs in the source's table, in the order of the addresses.
	places []int
	main   pairs.Port
	pair   pairs.Pair
	// sizes are the records' classes of sizes, part the records of one class.
	sizes []int
	part  []pairs.Record
	order pairs.Order
}

type portOf struct {
	number uint16
	proto  hunt.Transport
}

func (r *rollUp) reset() {
	r.records, r.ports, r.addresses, r.places, r.main = r.records[:0], r.ports[:0], r.addresses[:0], r.places[:0], pairs.Port{}
}

// unanswered says that a connection got no answer, as far as that is known.
func unanswered(c *pairs.Record) bool {
	return c.State == hunt.StateSilent || c.State == hunt.StateRefused ||
		c.State == hunt.StateOther && c.RespBytes < 0 && c.Duration < 0 && c.OrigIPBytes >= 0
}

// add adds a pair, except what repeats by design on any network. With answered it leaves out what got no answer: a scan
// at constant speed has a rhythm in each network, and costs its sender nothing but packets.
func (r *rollUp) add(of *pairs.Of, i int, answered bool) {
	of.Decode(i, &r.pair)
	at := make([]int, len(r.pair.Ports))
	for n := range r.pair.Ports {
		port := &r.pair.Ports[n]
		if at[n] = -1; protocol.Mundane(*port) {
			continue
		}
		own := portOf{port.Number, port.Proto}
		if at[n] = slices.Index(r.ports, own); at[n] < 0 {
			if len(r.ports) < maxRolledPorts {
				r.ports = append(r.ports, own)
			}
			at[n] = min(len(r.ports), maxRolledPorts) - 1
		}
		if port.Last >= r.main.Last {
			r.main = *port
		}
	}
	before := len(r.records)
	for _, c := range r.pair.Connections {
		if n := at[c.Port]; n >= 0 && !(answered && unanswered(&c)) {
			c.Port = uint16(n)
			r.records = append(r.records, c)
		}
	}
	if len(r.records) > before {
		r.addresses, r.places = append(r.addresses, r.pair.Dst), append(r.places, i)
	}
}

// maxRolledPorts is the number of ports kept apart in a roll-up; further ones count as the last.
const maxRolledPorts = 16

// measure measures the records as one key.
func (p *prober) measureRollUp(id hunt.PairKey, kind scoring.KeyKind, records []pairs.Record) *key {
	if len(records) < material.Fewest {
		return nil
	}
	fillRecords(&p.series, records, -1)
	k := p.measure(id, kind, grounds{})
	if k == nil {
		return nil
	}
	k.totals, k.of = p.sum(records, -1), numbers(records, -1)
	k.port, k.ports = p.roll.main, len(p.roll.ports)
	k.addresses, k.count = slices.Clone(p.roll.addresses[:min(len(p.roll.addresses), 20)]), len(p.roll.addresses)
	return k
}
