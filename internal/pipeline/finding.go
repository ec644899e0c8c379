package pipeline

import (
	"cmp"
	"slices"

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

// finding fills in what does not depend on the indicators. Its time, source port and uid are those of the last connection
// to the port that it names, so that its packets can be found.
func (id *identity) finding(s *subject, o *Options, parts hunt.Parts, score float64) hunt.Finding {
	t, port := &s.totals, &s.port
	severity := scoring.SeverityOf(score)
	span := hunt.TimeSpan{Start: hunt.Time{Time: id.definition.Window.Start}, End: hunt.Time{Time: id.definition.Window.End}}
	internal := s.Src
	if s.Dst.IsValid() && !o.Request.Scope.IsInternal(s.Src) {
		internal = s.Dst
	}
	f := hunt.Finding{
		Timestamp: hunt.At(port.Last),
		Event: hunt.Event{Kind: "event", Category: "network", Module: hunt.Module, Dataset: hunt.DatasetFinding,
			Severity: severity.Number(), SeverityLabel: severity.String(), Start: hunt.At(t.first), End: hunt.At(t.last), Ingested: id.ingested},
		Source:      hunt.Originator{IP: s.Src, Port: int(port.SrcPort)},
		Destination: hunt.Destination{IP: s.Dst, Port: int(port.Number), Domain: s.Name},
		Network: hunt.Network{Transport: port.Proto.String(), Protocol: port.Service, Connections: t.connections,
			Bytes: t.orig + t.resp, AverageBytes: float64(t.orig+t.resp) / float64(t.connections)},
		Client:     hunt.Bytes{Bytes: t.orig},
		Server:     hunt.Bytes{Bytes: t.resp},
		Connection: hunt.Durations{Total: float64(t.duration) / 1000, Longest: float64(max(t.longest, 0)) / 1000},
		Dwell: hunt.Dwell{
			Score: score, Severity: severity.String(), Parts: parts, Indicators: []string{}, Reasons: []string{},
			HuntID: id.hunt, Revision: id.revision, Window: span, SchemaVersion: hunt.SchemaVersion, Profile: o.Profile, InternalIP: internal,
			StoryID: s.StoryID(), Pair: s.String(), Disposition: "open", Incomplete: id.incomplete, Ports: s.ports,
		},
	}
	f.Dwell.FindingID = hunt.Digest("finding", id.hunt, id.revision, f.Dwell.StoryID)
	if uid := port.UID.String(); uid != "" {
		f.Log = &hunt.Log{ID: hunt.LogID{UID: uid}}
	}
	if s.Network.IsValid() {
		f.Dwell.Destination = &hunt.DestinationNetwork{Network: s.Network.String()}
	}
	return f
}

// finding makes the finding of a key, scored in a hunt of so many keys.
func (s *search) finding(k *key, tested int) hunt.Finding {
	values := k.indicators(tested)
	explanation, why := s.explain(k, values)
	rarity, hosts, active := s.spread.modifier(k)
	score := scoring.Final(values, rarity.Value, explanation)
	f := s.id.finding(&subject{PairKey: k.PairKey, port: k.port, ports: k.ports, totals: k.totals}, &s.o,
		hunt.Parts{Beacon: values.Beacon, LongConnection: values.Long, Strobe: values.Strobe}, score)
	f.Beacon = k.beaconFields(tested)
	f.Dwell.Explained = explanation.String()
	f.Dwell.Evidence = &hunt.Evidence{}
	if k.count > 1 || k.Name != "" && k.count > 0 {
		f.Dwell.Evidence.Addresses, f.Dwell.Evidence.AddressCount = k.addresses, k.count
	}
	if active > 0 {
		f.Dwell.Evidence.Prevalence = &hunt.Prevalence{Hosts: hosts, Active: active}
	}
	f.Dwell.Indicators, f.Dwell.Reasons = k.reasons(values, tested)
	if rarity.Name != "" {
		f.Dwell.Modifiers = append(f.Dwell.Modifiers, rarity)
		f.Dwell.Reasons = append(f.Dwell.Reasons, rarity.Reason)
	}
	if why != "" {
		f.Dwell.Reasons = append(f.Dwell.Reasons, why)
	}
	f.Rule = ruleOf(f.Dwell.Indicators)
	return f
}

// explain gives the best reason there is for what the key does. What explains a rhythm explains neither a flood nor a
// connection held for hours.
func (s *search) explain(k *key, v scoring.Indicators) (scoring.Explanation, string) {
	switch {
	case v.Strobe > max(v.Beacon, v.Long):
		return scoring.Unexplained, ""
	case v.Long > v.Beacon:
		return s.spread.push(k)
	}
	if e, why := explained(k); e != scoring.Unexplained {
		return e, why
	}
	return s.spread.fleet(k)
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
	if text := k.size.Reason(); text != "" && value > 0 {
		reasons = append(reasons, text)
	}
	return reasons
}
