package pipeline

import (
	"cmp"
	"slices"

	"dwell/internal/evidence"
	"dwell/internal/evidence/prevalence"
	"dwell/internal/evidence/protocol"
	"dwell/internal/hunt"
	"dwell/internal/pairs"
	"dwell/scoring"
)

// ruleOf gives the rule of the main indicator. The UUIDs never change: Security Onion's tunings and playbooks hold on to them.
func ruleOf(indicators []string) hunt.Rule {
	if len(indicators) == 0 {
		return hunt.Rule{Name: "dwell - No indicator", UUID: "5d0b1c5e-3a53-4d43-9c55-0d5c0f0c7e00"}
	}
	switch indicators[0] {
	case hunt.LongConnection:
		return hunt.Rule{Name: "dwell - Long connection", UUID: "5d0b1c5e-3a53-4d43-9c55-0d5c0f0c7e02"}
	case hunt.Strobe:
		return hunt.Rule{Name: "dwell - Strobe", UUID: "5d0b1c5e-3a53-4d43-9c55-0d5c0f0c7e03"}
	case hunt.DNSTunnel:
		return hunt.Rule{Name: "dwell - DNS tunnel", UUID: "5d0b1c5e-3a53-4d43-9c55-0d5c0f0c7e04"}
	}
	return hunt.Rule{Name: "dwell - Beacon", UUID: "5d0b1c5e-3a53-4d43-9c55-0d5c0f0c7e01"}
}

// subject is what a finding is about, before it is judged.
type subject struct {
	hunt.PairKey
	// port is the one that the finding names; ports is how many the pair used.
	port   pairs.Port
	ports  int
	totals totals
}

// finding fills in what depends neither on the indicators nor on evidence. Its time, source port and uid are those of the last connection
// to the port that it names, so that its packets can be found.
func (id *identity) finding(s *subject, o *Options, parts hunt.Parts) hunt.Finding {
	t, port := &s.totals, &s.port
	s.Sensor = o.Sensor
	span := hunt.TimeSpan{Start: hunt.Time{Time: id.definition.Window.Start}, End: hunt.Time{Time: id.definition.Window.End}}
	internal := s.Src
	if s.Dst.IsValid() && !o.Request.Scope.IsInternal(s.Src) {
		internal = s.Dst
	}
	f := hunt.Finding{
		Timestamp: hunt.At(port.Last),
		Schema:    hunt.SchemaOf(hunt.DatasetFinding),
		Event: hunt.Event{Kind: "event", Category: []string{"network"}, Type: []string{"info"}, Module: hunt.Module, Dataset: hunt.DatasetFinding,
			Start: hunt.At(t.first), End: hunt.At(t.last), Ingested: id.ingested},
		Source:      hunt.Originator{IP: s.Src, Port: int(port.SrcPort)},
		Destination: hunt.Destination{IP: s.Dst, Port: int(port.Number), Domain: s.Name},
		Network: hunt.Network{Transport: port.Proto.String(), Protocol: port.Service, Connections: t.connections,
			Bytes: t.orig + t.resp, AverageBytes: float64(t.orig+t.resp) / float64(t.connections)},
		Client: hunt.Bytes{Bytes: t.orig},
		Server: hunt.Bytes{Bytes: t.resp},
		Dwell: hunt.Dwell{
			Parts: parts, Indicators: []string{}, Reasons: []string{},
			HuntID: id.hunt, Revision: id.revision, Window: span, SchemaVersion: hunt.SchemaVersion, Profile: o.Profile, Sensor: o.Sensor, InternalIP: internal,
			FindingID: s.FindingID(), Pair: s.String(), Disposition: hunt.Open, Incomplete: id.incomplete, Ports: s.ports,
			Connection: hunt.Durations{Total: float64(t.duration) / 1000, Longest: float64(max(t.longest, 0)) / 1000},
		},
	}
	f.Event.ID = hunt.Digest("finding", id.hunt, id.revision, f.Dwell.FindingID)
	if uid := port.UID.String(); uid != "" {
		f.Log = &hunt.Log{ID: hunt.LogID{UID: uid}}
	}
	f.Dwell.Links = links(&s.PairKey, id.definition.Window, o.Manager)
	switch {
	case s.Network.IsValid():
		f.Dwell.Destination = &hunt.DestinationNetwork{Network: s.Network.String()}
	case s.Fingerprint.Kind != hunt.NoFingerprint:
		f.Dwell.Destination = &hunt.DestinationNetwork{Fingerprint: s.Fingerprint.String()}
	}
	return f
}

// subject makes the finding of a key, scored in a hunt of so many keys, ready for judgement.
func (s *search) subject(k *key, tested int) *evidence.Subject {
	values := k.indicators(tested)
	f := s.id.finding(&subject{PairKey: k.PairKey, port: k.port, ports: k.ports, totals: k.totals}, &s.o,
		hunt.Parts{Beacon: values.Beacon, LongConnection: values.Long, Strobe: values.Strobe})
	f.Beacon = k.beaconFields(tested)
	f.Dwell.Evidence = &hunt.Evidence{}
	if k.count > 1 || k.Name != "" && k.count > 0 {
		f.Dwell.Evidence.Addresses, f.Dwell.Evidence.AddressCount = k.addresses, k.count
	}
	f.Dwell.Indicators, f.Dwell.Reasons = k.reasons(values, tested)
	f.Rule = ruleOf(f.Dwell.Indicators)
	sub := evidence.NewSubject(k.PairKey, values, &f, s.o.Weights)
	sub.Sizes, sub.Silent, sub.Refused = k.size, k.totals.silent, k.totals.refused
	c := k.candidate(tested)
	s.spread.Judge(sub, c)
	s.explain(sub, k, c)
	return sub
}

// explain gives the reasons there are for what the key does. What explains a rhythm explains neither a flood nor a
// connection held for hours.
func (s *search) explain(sub *evidence.Subject, k *key, c *prevalence.Candidate) {
	switch v := sub.Indicators; {
	case v.Strobe > max(v.Beacon, v.Long):
	case v.Long > v.Beacon:
		sub.ExplainUnlessNew(s.spread.Push(c))
	default:
		e, why := protocol.Explained(&protocol.Spoken{Port: k.port, Several: k.kind == scoring.NetworkKey && k.ports > 1, Size: k.size})
		sub.Explain(e, why)
		if e == scoring.Unexplained {
			sub.ExplainUnlessNew(s.spread.Fleet(c))
		}
	}
}

// reasons names the indicators that fired and says why, strongest first.
func (k *key) reasons(v scoring.Indicators, tested int) (indicators, reasons []string) {
	type one struct {
		value   float64
		name    string
		reasons []string
	}
	fired := []one{
		{v.Beacon, hunt.Beacon, k.beaconReasons(v.Beacon, tested)},
		{v.Long, hunt.LongConnection, k.long.Reasons()},
		{v.Strobe, hunt.Strobe, k.strobe.Reasons()},
	}
	slices.SortStableFunc(fired, func(a, b one) int { return cmp.Compare(b.value, a.value) })
	indicators, reasons = []string{}, []string{}
	for _, f := range fired {
		if f.value >= severityFloor {
			indicators = append(indicators, f.name)
			reasons = append(reasons, f.reasons...)
		}
	}
	if len(reasons) == 0 {
		reasons = k.beaconReasons(v.Beacon, tested)
	}
	return indicators, reasons
}

func (k *key) beaconReasons(value float64, tested int) []string {
	reasons := k.beacon.Reasons(tested)
	// Sizes that differ are no reason, though they weigh in the score.
	if text := k.size.Reason(); text != "" && value > 0 && k.size.Share >= 0.5 {
		reasons = append(reasons, text)
	}
	return reasons
}
