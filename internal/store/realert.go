package store

import (
	"fmt"
	"math"
	"slices"
	"time"

	"dwell/internal/hunt"
)

// subject is what raises one alert: a campaign of several hosts, or a finding by itself.
type subject struct {
	// id is the campaign's, or the finding's.
	id       string
	campaign bool
	// hosts is how many internal hosts the campaign has, 1 of a finding.
	hosts int64
	// lead is the strongest member.
	lead    *hunt.Finding
	members []*hunt.Finding
}

// subjects puts findings, strongest first, together to what raises alerts.
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

// since is the member that an earlier alert was about, so that like is compared with like; the strongest where that one is gone.
func (s *subject) since(last *hunt.Finding) *hunt.Finding {
	i := slices.IndexFunc(s.members, func(f *hunt.Finding) bool { return f.Dwell.FindingID == last.Dwell.FindingID })
	if i < 0 {
		return nil
	}
	return s.members[i]
}

// news says why a subject deserves another alert after the last one: its severity rose, hosts joined, or the finding that the last alert was about
// changed.
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

// still says that something is there so long after its last alert that it deserves another.
func still(last, now *hunt.Finding, again time.Duration) (Why, bool) {
	quiet := now.Event.Ingested.Sub(last.Event.Ingested.Time)
	if quiet < again {
		return Why{}, false
	}
	return Why{"again", "still there after " + hunt.Seconds(quiet.Seconds())}, true
}

// growth is what part of its hosts has to join a campaign to be news; of a small campaign it is one host.
const growth = 5

func rose(last, now *hunt.Finding) Why {
	return Why{"severity_" + now.Event.SeverityLabel, fmt.Sprintf("severity rose from %s to %s", last.Event.SeverityLabel, now.Event.SeverityLabel)}
}

// Changed says why a finding deserves another alert: its severity rose, its interval moved by a fifth, it carries ten times the
// bytes, its port or its server's certificate is another, or it has been quiet for so long. Small changes add up, since the
// finding is compared with the one that alerted last, not with the one before it. What stops, or fades out of the window, is no
// news. An alert with a sample bears the sample's port, which says nothing of the finding's.
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
		return Why{"interval", fmt.Sprintf("period changed from %s to %s", hunt.Seconds(was), hunt.Seconds(is))}, true
	}
	if was, is := certificate(last), certificate(now); was != "" && is != "" && was != is {
		return Why{"certificate", fmt.Sprintf("the server shows another certificate: %.16s instead of %.16s", is, was)}, true
	}
	if was, is := max(last.Network.Bytes, 1), now.Network.Bytes; is/10 >= was {
		return Why{"bytes", fmt.Sprintf("bytes rose from %d to %d", last.Network.Bytes, now.Network.Bytes)}, true
	}
	return still(last, now, again)
}

// stopped says that a finding's connections end well before its window does: two intervals and a quarter of the window.
func stopped(f *hunt.Finding) bool {
	w := f.Dwell.Window
	silent := w.End.Sub(f.Event.End.Time)
	return !f.Event.End.IsZero() && silent > time.Duration(2*period(f)*float64(time.Second)) && silent > w.End.Sub(w.Start.Time)/4
}

// period is the beat in seconds, 0 for none.
func period(f *hunt.Finding) float64 {
	if f.Beacon == nil || f.Beacon.Period == nil {
		return 0
	}
	return *f.Beacon.Period
}

// certificate is the hash of the certificate that the server showed most, empty where it is not known.
func certificate(f *hunt.Finding) string {
	if e := f.Dwell.Evidence; e != nil && e.Protocol != nil && e.Protocol.Certificate != nil {
		return e.Protocol.Certificate.Hash
	}
	return ""
}
