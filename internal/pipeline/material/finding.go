package material

import (
	"math"

	"dwell/internal/hunt"
	"dwell/internal/pairs"
	"dwell/scoring"
)

// Rule is the rule of the main indicator. The UUIDs never change: Security Onion's tunings and playbooks refer to them.
func Rule(indicators []string) hunt.Rule {
	rule := func(name, last string) hunt.Rule {
		return hunt.Rule{Name: "dwell - " + name, UUID: "5d0b1c5e-3a53-4d43-9c55-0d5c0f0c7e" + last, Category: hunt.RuleCategory}
	}
	if len(indicators) == 0 {
		return rule("No indicator", "00")
	}
	switch indicators[0] {
	case hunt.LongConnection:
		return rule("Long connection", "02")
	case hunt.Strobe:
		return rule("Strobe", "03")
	case hunt.DNSTunnel:
		return rule("DNS tunnel", "04")
	case hunt.Presence:
		return rule("Presence", "05")
	case hunt.OnList:
		return rule("Indicator list", "06")
	case hunt.Anomaly:
		return rule("Protocol anomaly", "07")
	}
	return rule("Beacon", "01")
}

// Candidate is what a finding is about, before it is judged.
type Candidate struct {
	hunt.PairKey
	// Port is the one in the finding; Ports is how many the pair used.
	Port   pairs.Port
	Ports  int
	Totals Totals
}

// Finding fills in what depends neither on the ranking nor on evidence. What names the hunt is filled in when that is
// over. Its time, source port and uid are those of the last connection to the port that it names, so that its packets
// can be found; of one that began before the window the time is the window's start.
func (m *Material) Finding(s *Candidate, parts hunt.Parts) hunt.Finding {
	t, port := &s.Totals, &s.Port
	s.PairKey.Sensor = m.Sensor
	span := hunt.TimeSpan{Start: hunt.Time{Time: m.Window.Start}, End: hunt.Time{Time: m.Window.End}}
	internal := s.Src
	if s.Dst.IsValid() && !m.Request.Scope.IsInternal(s.Src) {
		internal = s.Dst
	}
	f := hunt.Finding{
		Timestamp: hunt.At(max(port.Last, m.Window.Start.UnixMilli())),
		Schema:    hunt.SchemaOf(hunt.DatasetFinding),
		Event: hunt.Event{Kind: "event", Category: []string{"network"}, Type: []string{"info"}, Module: hunt.Module, Dataset: hunt.DatasetFinding,
			Start: hunt.At(t.First), End: hunt.At(max(t.Ended, t.Last))},
		Source:      hunt.Originator{IP: s.Src, Port: int(port.SrcPort)},
		Destination: hunt.Destination{IP: s.Dst, Port: int(port.Number), Domain: s.Name},
		Network: hunt.Network{Transport: port.Proto.String(), Protocol: port.Service, Connections: t.Connections,
			Bytes: t.Orig + t.Resp, AverageBytes: float64(t.Orig+t.Resp) / float64(t.Connections)},
		Client: hunt.Bytes{Bytes: t.Orig},
		Server: hunt.Bytes{Bytes: t.Resp},
		Dwell: hunt.Dwell{
			Parts: parts, Indicators: []string{}, Reasons: []string{},
			Window: span, SchemaVersion: hunt.SchemaVersion, Sensor: m.Sensor, InternalIP: internal,
			FindingID: s.FindingID(), Pair: s.String(), Disposition: hunt.Open, Ports: s.Ports,
			Connection: hunt.Durations{Total: float64(t.Duration) / 1000, Longest: float64(max(t.Longest, 0)) / 1000},
		},
	}
	if t.Open > 0 {
		since := hunt.At(t.OpenSince)
		f.Dwell.Connection.Open = &hunt.StillOpen{Connections: t.Open, Since: since, Seconds: max(0, m.Window.End.Sub(since.Time).Seconds())}
	}
	if uid := port.UID.String(); uid != "" {
		f.Log = &hunt.Log{ID: hunt.LogID{UID: uid}}
	}
	f.Candidate = s.PairKey
	if port.Last > 0 {
		f.LastBegan = hunt.At(port.Last)
	}
	seen := m.Window
	if first := hunt.At(t.First).Time; first.Before(seen.Start) { // a connection that reaches into the window
		seen.Start = first
	}
	f.Dwell.Links = links(&s.PairKey, seen, m.Manager)
	switch {
	case s.Network.IsValid():
		f.Dwell.Destination = &hunt.DestinationNetwork{Network: s.Network.String()}
	case s.Fingerprint.Kind != hunt.NoFingerprint:
		f.Dwell.Destination = &hunt.DestinationNetwork{Fingerprint: s.Fingerprint.String()}
	}
	return f
}

// TunnelOf is the candidate of a client's queries under a domain.
func (m *Material) TunnelOf(q *pairs.Queries) *Candidate {
	sub := &Candidate{PairKey: hunt.PairKey{Src: q.Client, Dst: q.Resolver, DNS: q.Domain, Port: 53},
		Port:   pairs.Port{Number: 53, Proto: hunt.UDP, Service: "dns", Last: q.Last},
		Totals: Totals{Connections: q.Count, Resp: q.AnswerBytes, First: q.First, Last: q.Last}}
	if q.Last == 0 { // counted without times
		sub.Port.Last = m.Window.End.UnixMilli() - 1
		sub.Totals.First, sub.Totals.Last = m.Window.Start.UnixMilli(), sub.Port.Last
	}
	return sub
}

// RITAFields are RITA's numbers as stored.
func RITAFields(b *scoring.RITAResult) *hunt.BeaconScore {
	count := int64(b.Count)
	return &hunt.BeaconScore{
		TS: &b.Timestamp, DS: &b.DataSize, Duration: &b.Duration, Historical: &b.Histogram, RITA: &b.Score,
		RITAConnections: &count, Interval: &hunt.Interval{Top: float64(b.TopInterval)},
	}
}

// Round keeps three decimals: more would suggest false precision.
func Round(v float64) float64 { return math.Round(v*1000) / 1000 }
