package store

import (
	"fmt"
	"math"
	"slices"
	"time"

	"dwell/internal/hunt"
)

// subject is what raises one alert: a campaign of several hosts, or a single finding.
type subject struct {
	// id is the campaign's or the finding's.
	id       string
	campaign bool
	// hosts is the number of the campaign's internal hosts, 1 for a finding.
	hosts int64
	// lead is the strongest member.
	lead    *hunt.Finding
	members []*hunt.Finding
}

// subjects groups findings, strongest first, by what raises alerts.
func subjects(findings []*hunt.Finding) []*subject {
	var out []*subject
	at := map[string]*subject{}
	for _, f := range findings {
		s := &subject{id: f.Dwell.FindingID, hosts: 1, lead: f}
		if c := f.Dwell.Campaign; c != nil && c.Hosts > 1 {
			s.id, s.campaign, s.hosts = c.ID, true, c.Hosts
		}
		if before := at[s.id]; before != nil {
			s = before
		} else {
			at[s.id] = s
			out = append(out, s)
		}
		s.members = append(s.members, f)
	}
	return out
}

// since is the member of the last alert, for a fair comparison, or the strongest one if it is gone.
func (s *subject) since(last *hunt.Finding) *hunt.Finding {
	i := slices.IndexFunc(s.members, func(f *hunt.Finding) bool { return f.Dwell.FindingID == last.Dwell.FindingID })
	if i < 0 {
		return nil
	}
	return s.members[i]
}

// news says why a subject needs another alert: its severity rose, hosts joined, or the last alert's finding changed.
func (s *subject) news(last *hunt.Finding, again time.Duration) (Why, bool) {
	if now := s.lead; now.Event.Severity > last.Event.Severity {
		return rose(last, now), true
	}
	hosts := int64(1)
	if a := last.Dwell.Alert; a != nil {
		hosts = max(hosts, a.Hosts)
	}
	if s.hosts >= hosts+max(1, hosts/growth) {
		return Why{fmt.Sprintf("hosts_%d", s.hosts), fmt.Sprintf("hosts rose from %s to %s", hunt.Count(hosts), hunt.Count(s.hosts))}, true
	}
	if now := s.since(last); now != nil {
		return Changed(last, now, again)
	}
	return still(last, s.lead, again)
}

// still says whether a subject is due for a reminder.
func still(last, now *hunt.Finding, again time.Duration) (Why, bool) {
	quiet := now.Event.Ingested.Sub(last.Event.Ingested.Time)
	if quiet < again {
		return Why{}, false
	}
	return Why{"again", "still there after " + hunt.Brief(quiet.Seconds())}, true
}

// growth is the divisor for news: one fifth of a campaign's hosts must join, at least one.
const growth = 5

func rose(last, now *hunt.Finding) Why {
	return Why{"severity_" + now.Event.SeverityLabel, fmt.Sprintf("severity rose from %s to %s", last.Event.SeverityLabel, now.Event.SeverityLabel)}
}

// Changed says why a finding needs another alert: its severity rose, its interval changed by a fifth, its bytes
// tenfold, its port or its server's certificate changed, or it was quiet for long enough. It is compared with the
// finding of the last alert, so small changes add up. Activity that stops, or leaves the window, is not news. An alert
// with a sample has the sample's port, which is not the finding's.
func Changed(last, now *hunt.Finding, again time.Duration) (Why, bool) {
	switch {
	case now.Event.Severity > last.Event.Severity:
		return rose(last, now), true
	case stopped(now):
		return Why{}, false
	case last.Dwell.Sample == nil && now.Destination.Port != last.Destination.Port:
		return Why{"port", fmt.Sprintf("destination port changed from %d to %d", last.Destination.Port, now.Destination.Port)}, true
	}
	if was, is := period(last), period(now); was > 0 && is > 0 && math.Abs(is-was) >= 0.2*was {
		return Why{"interval", fmt.Sprintf("interval changed from %s to %s", hunt.Brief(was), hunt.Brief(is))}, true
	}
	if was, is := certificate(last), certificate(now); was != "" && is != "" && was != is {
		return Why{"certificate", fmt.Sprintf("the server shows another certificate: %.16s instead of %.16s", is, was)}, true
	}
	if was, is := max(last.Network.Bytes, 1), now.Network.Bytes; is/10 >= was {
		return Why{"bytes", fmt.Sprintf("bytes rose from %d to %d", last.Network.Bytes, now.Network.Bytes)}, true
	}
	return still(last, now, again)
}

// stopped reports whether a finding's connections end well before its window: by two intervals and a quarter of the
// window.
func stopped(f *hunt.Finding) bool {
	w := f.Dwell.Window
	silent := w.End.Sub(f.Event.End.Time)
	return !f.Event.End.IsZero() && silent > time.Duration(2*period(f)*float64(time.Second)) && silent > w.End.Sub(w.Start.Time)/4
}

// period is the interval in seconds, 0 for none.
func period(f *hunt.Finding) float64 {
	if f.Beacon == nil || f.Beacon.Period == nil {
		return 0
	}
	return *f.Beacon.Period
}

// certificate is the hash of the server's most frequent certificate, empty if unknown.
func certificate(f *hunt.Finding) string {
	if e := f.Dwell.Evidence; e != nil && e.Protocol != nil && e.Protocol.Certificate != nil {
		return e.Protocol.Certificate.Hash
	}
	return ""
}
