package store

import (
	"fmt"
	"net/netip"
	"time"

	"dwell/internal/hunt"
)

// begin is the start of the first sample hunt's window.
var begin = time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)

// sampleHunt is a hunt with findings of every severity, as internal/pipeline makes them. The window is the day that
// starts this many hours after begin.
type sampleHunt struct {
	name, revision string
	hours          int
	findings       []hunt.Finding
}

func (h *sampleHunt) id() string  { return hunt.Digest("sample hunt", h.name) }
func (h *sampleHunt) rev() string { return hunt.Digest("sample revision", h.name, h.revision) }
func (h *sampleHunt) window() hunt.TimeSpan {
	start := begin.Add(time.Duration(h.hours) * time.Hour)
	return hunt.TimeSpan{Start: hunt.Time{Time: start}, End: hunt.Time{Time: start.Add(24 * time.Hour)}}
}

// add adds one finding to the hunt.
func (h *sampleHunt) add(source, destination string, score float64) *hunt.Finding {
	severity, label := 0, ""
	for i, limit := range []float64{0.2, 0.4, 0.6, 0.8} {
		if score >= limit {
			severity, label = i+1, []string{"low", "medium", "high", "critical"}[i]
		}
	}
	key := hunt.PairKey{Src: netip.MustParseAddr(source), Dst: netip.MustParseAddr(destination), AnyPort: true}
	w, one, beats := h.window(), 1.0, int64(288)
	f := hunt.Finding{
		Schema: hunt.SchemaOf(hunt.DatasetFinding), Timestamp: hunt.Time{Time: w.End.Add(-time.Minute)},
		Event: hunt.Event{Kind: "event", Category: []string{"network"}, Type: []string{"info"}, Module: hunt.Module, Dataset: hunt.DatasetFinding, Severity: severity,
			SeverityLabel: label, Start: w.Start, End: hunt.Time{Time: w.End.Add(-time.Minute)}, Ingested: w.End},
		Rule:        hunt.Rule{Name: "dwell - Beacon", UUID: "5d0b1c5e-3a53-4d43-9c55-0d5c0f0c7e01", Category: hunt.RuleCategory},
		Source:      hunt.Originator{IP: key.Src, Port: 51234},
		Destination: hunt.Destination{IP: key.Dst, Port: 443},
		Network:     hunt.Network{Transport: "tcp", Protocol: "ssl", Connections: 288, Bytes: 3_000_000_000, AverageBytes: 10416666.7},
		Client:      hunt.Bytes{Bytes: 1000}, Server: hunt.Bytes{Bytes: 2_999_999_000},
		Log: &hunt.Log{ID: hunt.LogID{UID: "C3Rk0e2qX1bYbN8hE9"}},
		Dwell: hunt.Dwell{Score: score, Severity: label, Indicators: []string{hunt.Beacon}, Reasons: []string{"every 5m00s, 288 of 288 beats"},
			Parts: hunt.Parts{Beacon: score}, ReasonCodes: []string{hunt.Beacon, "prevalence"}, Also: []string{}, Modifiers: []hunt.Modifier{{Name: "prevalence", Value: 0.1, Reason: "one host only"}},
			HuntID: h.id(), Revision: h.rev(), Window: w, SchemaVersion: hunt.SchemaVersion, Profile: "rita", InternalIP: key.Src,
			FindingID: key.FindingID(), Pair: key.String(), Disposition: "open", Ports: 1, Connection: hunt.Durations{Total: 86.5, Longest: 1.25}},
		Beacon: &hunt.BeaconScore{Score: &one, TS: &one, CheckIns: &beats, Interval: &hunt.Interval{Top: 300}},
	}
	f.Event.ID = hunt.Digest("finding", f.Dwell.HuntID, f.Dwell.Revision, f.Dwell.FindingID)
	h.findings = append(h.findings, f)
	return &h.findings[len(h.findings)-1]
}

// many adds n different findings.
func (h *sampleHunt) many(n int) *sampleHunt {
	for i := range n {
		h.add(fmt.Sprintf("10.1.%d.%d", i/250, i%250+1), "203.0.113.7", 0.2+0.8*float64(i)/float64(n))
	}
	return h
}

// document is the hunt's document, written at the given time.
func (h *sampleHunt) document(written time.Time) hunt.Document {
	w := h.window()
	return hunt.Document{
		Timestamp: w.End,
		Event: hunt.Event{Kind: "event", Category: []string{"network"}, Type: []string{"info"}, Module: hunt.Module, Dataset: hunt.DatasetHunt, Start: w.Start, End: w.End,
			Ingested: hunt.Time{Time: written}},
		Dwell: hunt.DwellHunt{HuntID: h.id(), Revision: h.rev(), SchemaVersion: hunt.SchemaVersion, Version: "test", Profile: "rita", Window: w,
			Hunt: hunt.Summary{Source: "logs-zeek-so", Direction: "outbound", Complete: true, Findings: int64(len(h.findings)), Connections: 123456789012}},
	}
}
