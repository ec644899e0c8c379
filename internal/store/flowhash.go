package store

import (
	"dwell/internal/hunt"
	"dwell/internal/securityonion"
)

// pivot fills in what leads from an alert to packets and other records. Security Onion looks for packets by the alert's own
// addresses and ports, so these are those of the connection that log.id.uid names: to the proxy, not to what it was asked for.
func (a *Alert) pivot() {
	d := &a.Dwell
	a.Related.Add(a.Source.IP, a.Destination.IP)
	if s := d.Sample; s != nil {
		a.Destination.IP, a.Destination.Port = s.IP, s.Port
		a.Related.Add(s.IP)
	}
	// Of ICMP the hash needs type and code, which a finding does not have.
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
