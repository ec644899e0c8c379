package rank

import (
	"math/rand/v2"
	"net/netip"

	"dwell/internal/evidence"
	"dwell/internal/hunt"
	"dwell/internal/pairs"
	"dwell/internal/pipeline/campaign"
	"dwell/internal/pipeline/material"
	"dwell/scoring"
)

// presenceTest measures the share of hosts with memoryless pauses all through the window that would have scored the cut
// or more. It is empty in windows too short for presence.
func (s *search) presenceTest(p *prober, dice *rand.Rand, with hours, cut float64, tested int) (out []hunt.PresenceCell) {
	if !scoring.PresenceFits(s.m.Window.Duration().Seconds()) {
		return nil
	}
	active := 0
	for _, h := range with {
		if h {
			active++
		}
	}
	for _, mean := range []float64{60, 300, 1200} {
		cell := hunt.PresenceCell{MeanPause: mean}
		for range 2 * SelftestEach {
			var records []pairs.Record
			for at := dice.ExpFloat64() * mean; at < float64(len(with))*3600; at += dice.ExpFloat64() * mean {
				if ms := int64(at * 1000); with[ms/hourMillis] && s.m.Window.Contains(s.m.Window.Start.UnixMilli()+ms) {
					records = append(records, pairs.Record{Start: s.m.Window.Start.UnixMilli() + ms, Duration: 300, OrigIPBytes: selftestSize})
				}
			}
			cell.Injected++
			if len(records) < material.Fewest {
				continue
			}
			fillRecords(&p.series, records, -1)
			if k := p.measure(hunt.PairKey{}, scoring.AddressKey, grounds{}); k != nil && k.presence.Score(active, s.othersOf(netip.Addr{}, true), tested).Score >= cut {
				cell.Found++
			}
		}
		out = append(out, cell)
	}
	return out
}

// campaignTest measures what would have become of an outbreak: the same implant (every five minutes ±20%) on several
// hosts, to one server, scored, explained as the fleet that it may be, and grouped like findings.
func (s *search) campaignTest(p *prober, dice *rand.Rand, with hours, cut float64, tested int) (out []hunt.CampaignCell) {
	server := netip.AddrFrom4([4]byte{192, 0, 2, 1})
	for _, hosts := range []int{3, 8, 20} {
		cell := hunt.CampaignCell{Hosts: int64(hosts)}
		var findings []hunt.Finding
		for i := range hosts {
			beats := injected(dice, hunt.Cell{Period: 300, Jitter: 0.2, Missed: 0.1, Hours: s.m.Window.Duration().Hours()}, s.m.Window, with)
			records := make([]pairs.Record, 0, len(beats))
			for _, at := range beats {
				records = append(records, pairs.Record{Start: at, Duration: 300, OrigIPBytes: selftestSize})
			}
			fillRecords(&p.series, records, -1)
			if len(records) < material.Fewest {
				continue
			}
			key := hunt.PairKey{Src: netip.AddrFrom4([4]byte{198, 18, 0, byte(i + 1)}), Dst: server, Port: 443}
			k := p.measure(key, scoring.AddressKey, grounds{})
			if k == nil || k.indicators(tested).Beacon < cut {
				continue
			}
			f := hunt.Finding{Source: hunt.Originator{IP: key.Src}, Destination: hunt.Destination{IP: server, Port: 443}}
			f.Dwell.InternalIP = key.Src
			sub := evidence.NewCandidate(key, k.indicators(tested), &f, s.weights)
			sub.Vouching = int64(hosts)
			sub.ExplainFleet("the same on other hosts")
			s.chance(sub, k, tested)
			sub.Settle()
			findings = append(findings, f)
			cell.Found++
		}
		for _, c := range campaign.Of(findings) {
			cell.Grouped = max(cell.Grouped, c.HostCount)
			cell.Severity = c.Severity
		}
		out = append(out, cell)
	}
	return out
}
