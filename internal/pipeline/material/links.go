package material

import (
	"net/netip"
	"strconv"

	"dwell/internal/evidence/protocol"
	"dwell/internal/hunt"
	"dwell/internal/securityonion"
)

// RawQuery finds the raw records between a source and another side in Security Onion's data. Of an address and a
// network it is the connections; of a name its TLS and HTTP records, since connections have no names; of a fingerprint
// the TLS records that bear it; of a DNS tunnel the queries.
func RawQuery(src netip.Addr, to hunt.Side) securityonion.Query {
	k := hunt.PairKey{Src: src, Dst: to.Addr, Network: to.Network, Port: to.Port, AnyPort: true}
	switch {
	case to.Fingerprint != "":
		k.Fingerprint = hunt.ParseFingerprint(to.Fingerprint)
	case to.DNS:
		k.DNS = to.Name
	default:
		k.Name = to.Name
	}
	return rawQuery(&k)
}

// rawQuery finds the raw records of a key. Of a key by address or network these are as many as its connections, but for
// those that several sensors saw. Of a name they are its TLS and HTTP records, of which a connection may have several,
// and of a DNS tunnel its queries, with those below public suffixes under the domain, if there are any. Of a
// fingerprint they are the TLS records that bear it, those to internal servers included.
func rawQuery(k *hunt.PairKey) securityonion.Query {
	term := func(field, value string) securityonion.Term { return securityonion.Term{Field: field, Value: value} }
	dataset := func(log string) securityonion.Term {
		return term(securityonion.FieldDataset, securityonion.Dataset(log))
	}
	src := term(securityonion.FieldSourceIP, k.Src.String())
	switch {
	case k.DNS == hunt.UnsharedDomains:
		return securityonion.Query{All: []securityonion.Term{dataset("dns"), src}}
	case k.DNS != "":
		return securityonion.Query{All: []securityonion.Term{dataset("dns"), src, {Field: securityonion.FieldQuery, Value: k.DNS, Below: true}}}
	case k.Name != "":
		if domain, ok := hunt.CutBelow(k.Name); ok {
			return securityonion.Query{All: []securityonion.Term{term(securityonion.FieldModule, "zeek"), src},
				Any: []securityonion.Term{{Field: securityonion.FieldServerName, Value: domain, Below: true}, {Field: securityonion.FieldHost, Value: domain, Below: true}}}
		}
		return securityonion.Query{All: []securityonion.Term{term(securityonion.FieldModule, "zeek"), src},
			Any: []securityonion.Term{term(securityonion.FieldServerName, k.Name), term(securityonion.FieldHost, k.Name)}}
	case k.Network.IsValid():
		q := securityonion.Query{All: []securityonion.Term{dataset("conn"), src, term(securityonion.FieldDestinationIP, k.Network.String())}}
		for _, port := range protocol.MundanePorts() {
			q.Without = append(q.Without, []securityonion.Term{term(securityonion.FieldTransport, hunt.UDP.String()), portTerm(port)})
		}
		return q
	case k.Fingerprint.IsUnshared(): // those to shared destinations are among them: there is no field to tell them by
		q := securityonion.Query{All: []securityonion.Term{src}}
		if k.Fingerprint.Kind == hunt.Unshared {
			q.All = append(q.All, dataset("conn"))
		} else {
			q.Any = []securityonion.Term{dataset("ssl"), dataset("http"), dataset("quic"), dataset("socks")}
		}
		if k.Port != 0 {
			q.All = append(q.All, portTerm(k.Port), term(securityonion.FieldTransport, k.Proto.String()))
		}
		return q
	case k.Fingerprint.Kind != hunt.NoFingerprint:
		all := []securityonion.Term{dataset("ssl"), src}
		if k.Port != 0 {
			all = append(all, portTerm(k.Port))
		}
		return securityonion.Query{All: append(all, fingerprintTerms(k.Fingerprint)...)}
	}
	q := securityonion.Query{All: []securityonion.Term{dataset("conn"), src, term(securityonion.FieldDestinationIP, k.Dst.String())}}
	if !k.AnyPort {
		q.All = append(q.All, portTerm(k.Port))
		if k.Proto != hunt.TransportUnknown {
			q.All = append(q.All, term(securityonion.FieldTransport, k.Proto.String()))
		}
	}
	return q
}

// fingerprintTerms hold for TLS records whose best fingerprint it is: a term without a value asks for the field to be
// missing.
func fingerprintTerms(f hunt.Fingerprint) []securityonion.Term {
	switch f.Kind {
	case hunt.JA4:
		return []securityonion.Term{{Field: securityonion.FieldJA4, Value: f.Value}}
	case hunt.JA3:
		return []securityonion.Term{{Field: securityonion.FieldJA3, Value: f.Value}, {Field: securityonion.FieldJA4}}
	case hunt.NoServerName, hunt.NoFingerprint:
	}
	return []securityonion.Term{{Field: securityonion.FieldServerName}, {Field: securityonion.FieldJA4}, {Field: securityonion.FieldJA3}}
}

func portTerm(port uint16) securityonion.Term {
	return securityonion.Term{Field: securityonion.FieldDestinationPort, Value: strconv.Itoa(int(port))}
}

// links are the ready queries back to the raw records of a key; base is the manager's address, or empty.
func links(k *hunt.PairKey, w hunt.Window, base string) *hunt.Links {
	q := rawQuery(k)
	return &hunt.Links{
		SOCHunt: securityonion.HuntURL(base, q.OQL(), w.Start, w.End),
		Kibana:  securityonion.DiscoverURL(base, securityonion.DefaultView, q.KQL(), w.Start, w.End),
	}
}
