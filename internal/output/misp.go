package output

import (
	"fmt"
	"io"
	"strconv"
	"time"

	"dwell/internal/hunt"
)

// mispEvent is a MISP event (core format), where numbers are strings.
type mispEvent struct {
	Event struct {
		UUID          string          `json:"uuid"`
		Info          string          `json:"info"`
		Date          string          `json:"date"`
		Timestamp     string          `json:"timestamp"`
		ThreatLevelID string          `json:"threat_level_id"`
		Analysis      string          `json:"analysis"`
		Distribution  string          `json:"distribution"`
		Published     bool            `json:"published"`
		Attribute     []mispAttribute `json:"Attribute"`
	} `json:"Event"`
}

type mispAttribute struct {
	UUID      string `json:"uuid"`
	Type      string `json:"type"`
	Category  string `json:"category"`
	Value     string `json:"value"`
	Comment   string `json:"comment"`
	ToIDS     bool   `json:"to_ids"`
	Timestamp string `json:"timestamp"`
	FirstSeen string `json:"first_seen"`
	LastSeen  string `json:"last_seen"`
}

// writeMISP prints one event for the findings. Escalated findings are for detection (to_ids), others for context. The
// event is not published, and distribution is limited to the own organization.
func writeMISP(w io.Writer, findings []hunt.Finding) error {
	var m mispEvent
	e := &m.Event
	e.Attribute, e.ThreatLevelID, e.Analysis, e.Distribution = []mispAttribute{}, "4", "0", "0"
	var first, last time.Time
	seen, ids := map[string]bool{}, ""
	for i := range findings {
		f := &findings[i]
		ids += f.Dwell.FindingID + " "
		if first.IsZero() || f.Event.Start.Before(first) {
			first = f.Event.Start.Time
		}
		if f.Event.End.After(last) {
			last = f.Event.End.Time
		}
		e.ThreatLevelID = min(e.ThreatLevelID, threatLevel(f))
		for _, a := range mispOf(f) {
			if key := a.Type + " " + a.Value + " " + f.Dwell.FindingID; !seen[key] {
				seen[key] = true
				a.UUID = uuid5(ours, "misp "+key)
				a.Timestamp = strconv.FormatInt(f.Event.End.Unix(), 10)
				a.FirstSeen, a.LastSeen = f.Event.Start.UTC().Format("2006-01-02T15:04:05.000000+00:00"), f.Event.End.UTC().Format("2006-01-02T15:04:05.000000+00:00")
				e.Attribute = append(e.Attribute, a)
			}
		}
	}
	e.UUID = uuid5(ours, "misp event "+ids)
	e.Info = fmt.Sprintf("dwell: %s", hunt.Many(len(findings), "finding"))
	if len(findings) == 1 {
		e.Info = "dwell: " + Clean(findings[0].Dwell.Pair)
	}
	e.Date, e.Timestamp = first.UTC().Format(time.DateOnly), strconv.FormatInt(last.Unix(), 10)
	if len(findings) == 0 {
		e.Date, e.Timestamp = "1970-01-01", "0"
	}
	enc := Encoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(m)
}

// threatLevel is MISP's: 1 high for critical, 2 medium for high, 3 low for medium, 4 undefined for the rest and for what
// was found to be no threat.
func threatLevel(f *hunt.Finding) string {
	if f.Dwell.Safelisted || f.Dwell.Disposition == hunt.Benign {
		return "4"
	}
	return strconv.Itoa(4 - max(f.Event.Severity-1, 0))
}

// mispOf are a finding's attributes: its destination, its host, and the fingerprints and certificate it shows.
func mispOf(f *hunt.Finding) (out []mispAttribute) {
	o := observablesOf(f)
	add := func(kind, value string, ids bool) {
		category := "Network activity"
		if kind == "text" {
			category = "Other"
		}
		out = append(out, mispAttribute{Type: kind, Category: category, Value: value, Comment: Clean(f.Dwell.Pair) + ": " + summary(f), ToIDS: ids && confirmed(f)})
	}
	for _, n := range append(o.Names, o.Below...) {
		add("domain", n, true)
	}
	for _, a := range o.Addresses {
		add("ip-dst", a.String(), o.Shared == "")
	}
	for _, p := range o.Networks {
		add("ip-dst", p.String(), false) // wider than what was seen
	}
	if f.Source.IP.IsValid() {
		add("ip-src", f.Source.IP.String(), false)
	}
	if e := f.Dwell.Evidence; e != nil && e.Protocol != nil {
		for _, ja3 := range e.Protocol.JA3 {
			if len(ja3) == 32 {
				add("ja3-fingerprint-md5", Clean(ja3), false)
			}
		}
		for _, ja4 := range e.Protocol.JA4 {
			add("text", "JA4 "+Clean(ja4), false)
		}
		if c := e.Protocol.Certificate; c != nil {
			if kind := map[int]string{32: "x509-fingerprint-md5", 40: "x509-fingerprint-sha1", 64: "x509-fingerprint-sha256"}[len(c.Hash)]; kind != "" {
				add(kind, Clean(c.Hash), false)
			}
		}
	}
	return out
}
