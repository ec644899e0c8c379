package catalogue

import (
	"context"
	"fmt"
	"net/netip"
	"slices"

	"dwell/internal/evidence"
	"dwell/internal/evidence/prevalence"
	"dwell/internal/hunt"
	"dwell/scoring"
)

var _ evidence.Judge = (*Catalogue)(nil)

// Revision implements [evidence.Judge]: the digest of the site's file. The program's version identifies the built-in
// data.
func (c *Catalogue) Revision() string {
	if c.site == "" {
		return ""
	}
	return "catalogue " + c.site
}

const (
	// namedShare is the share of a candidate's connections that must have a name for names to count.
	namedShare = 0.5
	// knownShare is the share of connections with names that must have one in the catalog.
	knownShare = 0.9
)

// Judge implements [evidence.Judge].
func (c *Catalogue) Judge(ctx context.Context, _ *evidence.Hunt, subjects []*evidence.Candidate) (hunt.Remarks, error) {
	for _, s := range subjects {
		c.judge(s)
	}
	return hunt.Remarks{}, ctx.Err()
}

// heldLong is the number of seconds from which a connection counts as kept open by design; programs keep shorter ones
// for their next request.
const heldLong = 3600

// heldOpen are the categories of services that keep connections open for hours.
var heldOpen = map[string]bool{"push": true, "collaboration": true, "storage": true, "antivirus": true, "management": true}

func (c *Catalogue) judge(s *evidence.Candidate) {
	v := s.Indicators
	if v.Strobe > max(v.Beacon, v.Long, v.DNSTunnel) {
		return // none of these services connects once a second
	}
	e, confirmed := c.entry(s)
	if e == nil {
		return
	}
	s.Finding.Dwell.Evidence.Service = &hunt.Service{Name: e.What, Category: e.Category, Match: e.Match, Source: e.Source}
	explains, why := e.Explains, fmt.Sprintf("known service: %s (%s, by %s; source: %s)", e.What, e.Category, e.Match, e.Source)
	switch {
	case v.Long > v.Beacon && !heldOpen[e.Category] && s.Finding.Dwell.Connection.Total >= heldLong:
		s.Last(why + "; that does not explain a connection of hours")
	case explains == scoring.Unexplained:
		s.Last(why + "; that does not explain this behavior")
	case s.Has(evidence.SelfSigned) || s.Has(evidence.OtherName):
		s.Last(why + "; but its certificate does not confirm that, so it does not lower the score")
	case confirmed != "":
		s.Explain(explains, why+"; "+confirmed)
	case s.Finding.Dwell.DNS != nil:
		s.Last(why + "; but the server is not confirmed to be the vendor's, so it does not lower the score")
	case s.Finding.Network.Transport == hunt.UDP.String() && s.Key.Name == "" && !s.Conforms:
		s.Last(why + ", by other connections to the address; its address is not in the vendor's networks, so it does not lower the score")
	case !c.supported(s):
		s.Last(why + "; a name can be forged, and neither the network's resolvers nor three hosts confirm it, so it does not lower the score")
	default:
		if s.Conforms {
			s.AtMost(scoring.Medium, "medium at most: both the protocol and the resolved name fit")
		}
		s.ExplainClaim(scoring.Weak, why+"; a name can be forged, and its address is not in the vendor's networks")
	}
}

// entry returns the entry for a subject, and what confirms it.
func (c *Catalogue) entry(s *evidence.Candidate) (e *Entry, confirmed string) {
	if s.Key.DNS != "" {
		if e = c.Asked(s.Key.DNS); s.Resolved {
			confirmed = "names below it are answered by its owner's servers"
		}
		return e, confirmed
	}
	port, proto := spokenAt(s)
	networks := other(s)
	if e := c.lookedUp(s, port, proto); e != nil {
		return e, c.confirmed(s, e, networks)
	}
	if e := c.named(s, port, proto); e != nil {
		return e, c.confirmed(s, e, networks)
	}
	if len(s.Names) > 0 && s.Key.Name != "" {
		return nil, "" // it has a name of its own, wherever it is
	}
	for i, n := range networks {
		found := c.Addressed(c.ownerOf(s, n), port, proto)
		if found == nil || i > 0 && found != e {
			return nil, ""
		}
		e = found
	}
	return e, "its address is in a network of the vendor's own"
}

// supported means that more than the client supports a catalogued name: hosts that vouch for the destination, or the
// network's resolvers, which returned its address for a name below the same registered domain. Where neither can exist,
// the name is enough for a possible explanation.
func (c *Catalogue) supported(s *evidence.Candidate) bool {
	port, proto := spokenAt(s)
	if s.Unconfirmable || s.Vouching >= evidence.MinVouching || s.Key.Name != "" && s.Shared >= evidence.MinShared {
		return true
	}
	answered := func(name string) bool {
		return c.Named(name, port, proto) != nil && slices.Contains(s.Answered, prevalence.DomainOf(name))
	}
	return slices.ContainsFunc(s.Names, func(n evidence.Name) bool { return answered(n.Name) }) ||
		len(s.Names) == 0 && slices.ContainsFunc(s.Finding.Dwell.Evidence.Names, answered)
}

// spokenAt is the port and transport of a subject.
func spokenAt(s *evidence.Candidate) (uint16, hunt.Transport) {
	return uint16(s.Finding.Destination.Port), hunt.ParseTransport(s.Finding.Network.Transport)
}

// named returns the entry for the names in the candidate's connections. Nearly all of those with a name must have a
// known one, and the weakest entry counts.
func (c *Catalogue) named(s *evidence.Candidate, port uint16, proto hunt.Transport) (best *Entry) {
	all, known := int64(0), int64(0)
	for _, n := range s.Names {
		all += n.Connections
		e := c.Named(n.Name, port, proto)
		if e == nil {
			continue
		}
		known += n.Connections
		if best == nil || e.Explains < best.Explains {
			best = e
		}
	}
	wanted := namedShare * float64(s.Finding.Network.Connections)
	if proto == hunt.UDP && s.Key.Name == "" {
		wanted = 1 // older Zeeks read no name from QUIC: the names over TCP to the same address must do
	}
	if float64(all) < wanted || float64(known) < knownShare*float64(all) {
		return nil
	}
	return best
}

// lookedUp returns the entry of a name that resolved to the address, for conforming protocols that have no names
// themselves.
func (c *Catalogue) lookedUp(s *evidence.Candidate, port uint16, proto hunt.Transport) *Entry {
	if !s.Conforms || len(s.Names) > 0 {
		return nil
	}
	for _, name := range s.Finding.Dwell.Evidence.Names {
		if e := c.Named(name, port, proto); e != nil {
			return e
		}
	}
	return nil
}

// confirmed is what supports a name besides itself; empty if nothing does.
func (c *Catalogue) confirmed(s *evidence.Candidate, e *Entry, networks []netip.Prefix) string {
	inside := e.Owner != "" && len(networks) > 0
	for _, n := range networks {
		inside = inside && c.ownerOf(s, n) == e.Owner
	}
	if inside {
		return "its address is in a network of the vendor's own"
	}
	return ""
}

// ownerOf is the vendor that owns a network, by its known networks or by the AS of the address.
func (c *Catalogue) ownerOf(s *evidence.Candidate, n netip.Prefix) string {
	if owner := c.OwnerOf(n); owner != "" || !n.IsSingleIP() {
		return owner
	}
	return c.OwnerOfAS(int(s.AS[n.Addr()]))
}

// other is the location of the destination: its networks, or its addresses as single-address networks.
func other(s *evidence.Candidate) (out []netip.Prefix) {
	if s.Key.Network.IsValid() {
		return []netip.Prefix{s.Key.Network}
	}
	for _, a := range s.Finding.Dwell.Evidence.Addresses {
		out = append(out, netip.PrefixFrom(a, a.BitLen()))
	}
	if dst := s.Finding.Destination.IP; len(out) == 0 && dst.IsValid() {
		out = append(out, netip.PrefixFrom(dst, dst.BitLen()))
	}
	return out
}
