package pipeline

import (
	"net/netip"

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

// finding fills in what does not depend on the indicators. Its time, source port and uid are those of the last connection
// to the busiest port, which the finding names, so that its packets can be found.
func (w *worker) finding(p *pairs.Pair, t *totals, parts hunt.Parts, score float64) hunt.Finding {
	port := p.Ports[t.busiest]
	key := hunt.PairKey{Src: p.Src, Dst: p.Dst, AnyPort: true}
	severity := scoring.SeverityOf(score)
	id := w.id
	f := hunt.Finding{
		Timestamp: hunt.At(port.Last),
		Event: hunt.Event{Kind: "event", Category: "network", Module: hunt.Module, Dataset: hunt.DatasetFinding,
			Severity: severity.Number(), SeverityLabel: severity.String(), Start: hunt.At(t.first), End: hunt.At(t.last), Ingested: id.ingested},
		Source:      hunt.Originator{IP: p.Src, Port: int(port.SrcPort)},
		Destination: hunt.Destination{IP: p.Dst, Port: int(port.Number)},
		Network: hunt.Network{Transport: port.Proto.String(), Protocol: port.Service, Connections: t.connections,
			Bytes: t.orig + t.resp, AverageBytes: float64(t.orig+t.resp) / float64(t.connections)},
		Client:     hunt.Bytes{Bytes: t.orig},
		Server:     hunt.Bytes{Bytes: t.resp},
		Connection: hunt.Durations{Total: float64(t.duration) / 1000, Longest: float64(max(t.longest, 0)) / 1000},
		Dwell: hunt.Dwell{
			Score: score, Severity: severity.String(), Parts: parts,
			HuntID: id.hunt, Revision: id.revision, Window: hunt.TimeSpan{Start: hunt.Time{Time: w.window.Start}, End: hunt.Time{Time: w.window.End}},
			SchemaVersion: hunt.SchemaVersion, Profile: w.options.Profile, InternalIP: w.internal(p),
			StoryID: key.StoryID(), Pair: key.String(), Disposition: "open", Incomplete: id.incomplete, Ports: len(p.Ports),
		},
	}
	f.Dwell.FindingID = hunt.Digest("finding", id.hunt, id.revision, f.Dwell.StoryID)
	if uid := port.UID.String(); uid != "" {
		f.Log = &hunt.Log{ID: hunt.LogID{UID: uid}}
	}
	return f
}

// internal is the side of the pair that is ours.
func (w *worker) internal(p *pairs.Pair) netip.Addr {
	if w.options.Request.Scope.IsInternal(p.Src) {
		return p.Src
	}
	return p.Dst
}
