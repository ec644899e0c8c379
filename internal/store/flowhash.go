package store

import (
	"dwell/internal/hunt"
	"dwell/internal/securityonion"
)

// pivot sets the fields that lead from an alert to packets and other records. Security Onion finds packets by the
// alert's addresses and ports, so these are those of the connection in log.id.uid: to the proxy, not to the requested
// server.
func (a *Alert) pivot() {
	d := &a.Dwell
	a.Related.Add(a.Source.IP, a.Destination.IP)
	if s := d.Sample; s != nil {
		a.Destination.IP, a.Destination.Port = s.IP, s.Port
		a.Related.Add(s.IP)
	}
	// For ICMP the hash needs type and code, which a finding lacks.
	if proto := hunt.ParseTransport(a.Network.Transport); a.Network.CommunityID == "" && (proto == hunt.TCP || proto == hunt.UDP) && a.Log != nil && hunt.SideOf(&a.Finding).Addr.IsValid() {
		a.Network.CommunityID = securityonion.CommunityID(proto.Number(a.Source.IP), a.Source.IP, a.Destination.IP, uint16(a.Source.Port), uint16(a.Destination.Port))
	}
	a.Related.Name(a.Destination.Domain)
	if e := d.Evidence; e != nil {
		a.Related.Add(e.Addresses...)
		a.Related.Name(e.Names...)
		if e.Host != nil && len(e.Host.Names) > 0 {
			a.Host = &hunt.AlertHost{Name: e.Host.Names[0]}
			a.Related.Name(e.Host.Names...)
		}
	}
	if d.DNS == nil {
		return
	}
	a.DNS = &hunt.AlertDNS{QueryName: d.DNS.Query, Domain: a.Destination.Domain}
	if d.DNS.Query != "" {
		a.DNS.Query = &hunt.AlertQuery{Name: d.DNS.Query}
	}
}
