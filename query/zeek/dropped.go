package zeek

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"dwell/internal/hunt"
	"dwell/query/zeek/log"
)

// dropped counts, by network, the connections that the scope leaves out although one side may be inside: between two
// addresses that are both not internal, and to addresses of carriers' NAT, which count as internal.
type dropped struct {
	mu       sync.Mutex
	outside  map[netip.Prefix]int64
	shared   int64
	networks int64 // of connections whose network is not among those that are kept apart
}

// maxDropped bounds how many networks are told apart.
const maxDropped = 4096

var sharedSpace = netip.MustParsePrefix("100.64.0.0/10")

func (d *dropped) add(scope *hunt.Scope, src, dst netip.Addr) {
	switch {
	case scope.Narrowed():
	case scope.IsInternal(src):
		if sharedSpace.Contains(dst) {
			d.shared++
		}
	case !scope.IsInternal(dst) && !scope.Never(src) && !scope.Never(dst):
		bits := 24
		if src.Is6() {
			bits = 48
		}
		p, err := src.Prefix(bits)
		if err != nil {
			return
		}
		if d.outside == nil {
			d.outside = map[netip.Prefix]int64{}
		}
		if _, ok := d.outside[p]; !ok && len(d.outside) >= maxDropped {
			d.networks++
			return
		}
		d.outside[p]++
	}
}

func (d *dropped) merge(o *dropped) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.outside == nil {
		d.outside = map[netip.Prefix]int64{}
	}
	for p, n := range o.outside {
		d.outside[p] += n
	}
	d.shared, d.networks = d.shared+o.shared, d.networks+o.networks
}

// tell says what was dropped and which setting would include it.
func (d *dropped) tell(r *log.Report) {
	type part struct {
		p netip.Prefix
		n int64
	}
	var parts []part
	total := d.networks
	for p, n := range d.outside {
		parts, total = append(parts, part{p, n}), total+n
	}
	slices.SortFunc(parts, func(a, b part) int { return cmp.Or(cmp.Compare(b.n, a.n), a.p.Addr().Compare(b.p.Addr())) })
	if total > 0 {
		var names []string
		for _, p := range parts[:min(len(parts), 5)] {
			names = append(names, fmt.Sprintf("%s (%s)", p.p, hunt.Count(p.n)))
		}
		r.Note(hunt.Note{What: fmt.Sprintf("out of scope, since neither side is internal: %s, most from %s", hunt.Many(total, "connection"), strings.Join(names, ", ")),
			Hint: "if those networks are yours, name them with --internal (hunt.internal), beside the others: " + parts[0].p.String(), Count: total})
	}
	if d.shared > 0 {
		r.Note(hunt.Note{What: fmt.Sprintf("out of scope, since 100.64.0.0/10 (carriers' NAT) counts as internal: %s to it", hunt.Many(d.shared, "connection")),
			Hint: "if those are other people's machines, give --internal (hunt.internal) without 100.64.0.0/10", Count: d.shared})
	}
}
