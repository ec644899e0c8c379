package pipeline

import (
	"net/netip"
	"strconv"
	"strings"

	"dwell/internal/hunt"
	"dwell/internal/securityonion"
)

// RawTerms are the conditions that find the raw records between a source and an address, a network (CIDR) or a name in
// Security Onion's data. service tells a TLS server name from an HTTP host.
func RawTerms(src netip.Addr, dst, service string) []securityonion.Term {
	dataset, field := "conn", securityonion.FieldDestinationIP
	_, addrErr := netip.ParseAddr(dst)
	_, netErr := netip.ParsePrefix(dst)
	if addrErr != nil && netErr != nil {
		dataset, field = "ssl", securityonion.FieldServerName
		if strings.Contains(service, "http") && !strings.Contains(service, "ssl") {
			dataset, field = "http", securityonion.FieldHost
		}
	}
	return []securityonion.Term{
		{Field: securityonion.FieldDataset, Value: securityonion.Dataset(dataset)},
		{Field: securityonion.FieldSourceIP, Value: src.String()}, {Field: field, Value: dst},
	}
}

// fingerprintTerms find the TLS records behind a roll-up by fingerprint.
func fingerprintTerms(f *hunt.Finding) []securityonion.Term {
	terms := []securityonion.Term{{Field: securityonion.FieldDataset, Value: securityonion.Dataset("ssl")},
		{Field: securityonion.FieldSourceIP, Value: f.Source.IP.String()},
		{Field: securityonion.FieldDestinationPort, Value: strconv.Itoa(f.Destination.Port)}}
	print := f.Dwell.Destination.Fingerprint
	if v, ok := strings.CutPrefix(print, "ja4="); ok {
		return append(terms, securityonion.Term{Field: securityonion.FieldJA4, Value: v})
	}
	if v, ok := strings.CutPrefix(print, "ja3="); ok {
		return append(terms, securityonion.Term{Field: securityonion.FieldJA3, Value: v})
	}
	for _, missing := range []string{securityonion.FieldServerName, securityonion.FieldJA4, securityonion.FieldJA3} {
		terms = append(terms, securityonion.Term{Field: missing})
	}
	return terms
}

// links are the ready queries back to the raw records, relative to the manager's address.
func links(f *hunt.Finding) *hunt.Links {
	var terms []securityonion.Term
	switch {
	case f.Dwell.DNS != nil:
		terms = []securityonion.Term{{Field: securityonion.FieldDataset, Value: securityonion.Dataset("dns")},
			{Field: securityonion.FieldSourceIP, Value: f.Source.IP.String()}, {Field: securityonion.FieldRegistered, Value: f.Destination.Domain}}
	case f.Destination.Domain != "":
		terms = RawTerms(f.Source.IP, f.Destination.Domain, f.Network.Protocol)
	case f.Dwell.Destination != nil && f.Dwell.Destination.Fingerprint != "":
		terms = fingerprintTerms(f)
	case f.Dwell.Destination != nil:
		terms = RawTerms(f.Source.IP, f.Dwell.Destination.Network, "")
	default:
		terms = RawTerms(f.Source.IP, f.Destination.IP.String(), "")
	}
	w := f.Dwell.Window
	return &hunt.Links{
		SOCHunt: securityonion.HuntURL("", securityonion.OQL(terms...), w.Start.Time, w.End.Time),
		Kibana:  securityonion.DiscoverURL("", securityonion.DefaultView, securityonion.KQL(terms...), w.Start.Time, w.End.Time),
	}
}
