// Package owner looks up who owns an external address: autonomous system, organization, country. It changes no score
// itself; the catalog of known services uses a vendor's autonomous system to confirm its names.
package owner

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"dwell/internal/evidence"
	"dwell/internal/hunt"
)

// Judge looks up addresses in the files first, then asks the source for the rest.
type Judge struct{ Files *Files }

var _ evidence.Judge = Judge{}

// Revision implements [evidence.Judge]: the databases by type and date. A cluster's data is part of its records.
func (j Judge) Revision() string { return j.Files.revision() }

// Judge implements [evidence.Judge].
func (j Judge) Judge(ctx context.Context, h *evidence.Hunt, subjects []*evidence.Candidate) (hunt.Remarks, error) {
	owners := map[netip.Addr]hunt.Owner{}
	for _, s := range subjects {
		for _, a := range outside(s, &h.Request.Scope) {
			owners[a] = hunt.Owner{}
		}
	}
	var open []netip.Addr
	for a := range owners {
		o := j.Files.owner(a)
		if owners[a] = o; o.ASN == 0 || o.Country == "" {
			open = append(open, a)
		}
	}
	remarks := hunt.Remarks{Notes: slices.Clone(j.Files.notes)}
	if h.Source.Owners != nil && len(open) > 0 {
		slices.SortFunc(open, netip.Addr.Compare)
		found, more, err := h.Source.Owners(ctx, h.Request, open)
		if ctx.Err() != nil {
			return remarks, ctx.Err()
		}
		remarks.Add(more)
		if err != nil {
			remarks.Gaps = append(remarks.Gaps, hunt.Note{What: "the owners of the findings' addresses could not be looked up: " + err.Error(), Hint: "findings lack AS number and country"})
		}
		for a, o := range found {
			owners[a] = joined(owners[a], o)
		}
	}
	for _, s := range subjects {
		tell(s, outside(s, &h.Request.Scope), owners)
	}
	return remarks, ctx.Err()
}

// joined fills in what one owner lacks from the other.
func joined(o, more hunt.Owner) hunt.Owner {
	if o.ASN == 0 {
		o.ASN, o.Organization = more.ASN, more.Organization
	}
	if o.Country == "" {
		o.Country = more.Country
	}
	return o
}

// outside are the destination's addresses, starting with the finding's own.
func outside(s *evidence.Candidate, scope *hunt.Scope) (out []netip.Addr) {
	f := s.Finding
	add := func(a netip.Addr) {
		if a.IsValid() && !scope.IsInternal(a) && !slices.Contains(out, a) {
			out = append(out, a)
		}
	}
	if add(f.Destination.IP); f.Dwell.DNS == nil {
		for _, a := range f.Dwell.Evidence.Addresses {
			add(a)
		}
	}
	add(f.Source.IP)
	return out
}

// tell records the owner. For a destination without a name it adds a reason, because nothing else is known of it.
func tell(s *evidence.Candidate, addrs []netip.Addr, owners map[netip.Addr]hunt.Owner) {
	s.AS = map[netip.Addr]int64{}
	for _, a := range addrs {
		if n := owners[a].ASN; n != 0 {
			s.AS[a] = n
		}
	}
	if len(addrs) == 0 {
		return
	}
	o, e := owners[addrs[0]], s.Finding.Dwell.Evidence
	if e.Country = o.Country; o.ASN != 0 {
		e.ASN = &hunt.ASN{Number: o.ASN, Organization: o.Organization}
	}
	if s.Key.Name == "" && len(e.Names) == 0 && o != (hunt.Owner{}) {
		s.Last(sentence(addrs[0], o))
	}
}

// sentence is "203.0.113.7 is in AS64500 (Example Hosting), NL".
func sentence(a netip.Addr, o hunt.Owner) string {
	var parts []string
	switch {
	case o.ASN != 0 && o.Organization != "":
		parts = append(parts, fmt.Sprintf("AS%d (%s)", o.ASN, o.Organization))
	case o.ASN != 0:
		parts = append(parts, fmt.Sprintf("AS%d", o.ASN))
	}
	if o.Country != "" {
		parts = append(parts, o.Country)
	}
	return a.String() + " is in " + strings.Join(parts, ", ")
}
