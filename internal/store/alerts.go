package store

import (
	"fmt"
	"strings"
	"time"

	"dwell/internal/hunt"
)

// DatasetAlert is the event.dataset of alerts. Security Onion's Alerts selects columns by the part after the dot.
const DatasetAlert = "dwell.alert"

// The defaults of AlertOptions.
const (
	DefaultAlertSeverity = 3
	DefaultAlertAgain    = 7 * 24 * time.Hour
	DefaultAlertsPerHunt = 100
	DefaultAlertsPerHost = 10
)

// AlertOptions select the campaigns and findings that become alerts.
type AlertOptions struct {
	// MinSeverity is 1 low to 4 critical; 0 means DefaultAlertSeverity, high.
	MinSeverity int
	// Again is how long an unchanged finding raises no further alert; 0 means DefaultAlertAgain.
	Again time.Duration
	// PerHunt limits the alerts of a hunt, PerHost those of an internal host within a day. The strongest findings get
	// them, and one more alert covers the rest. 0 means the defaults.
	PerHunt, PerHost int
}

// Alert is a finding as Security Onion's Alerts shows it: the finding's fields, tagged, with a message that says why it
// is shown now, and the fields for pivots and playbooks.
type Alert struct {
	hunt.Finding
	hunt.AlertFields
}

// Why is the reason for an alert: a fixed code, and a sentence for display.
type Why struct{ Code, Text string }

// first is the reason of a finding's first alert.
var first = Why{"new", "seen for the first time"}

// newAlert makes a subject's next alert after its last one, whose id is empty for none. The id derives from the
// subject, the reason and that last alert, so that concurrent hunts raise it once, even across midnight. A campaign's
// alert has the fields of the strongest member.
//
// The finding already has what Security Onion expects of an alert (docs/facts/security-onion.md, 2.5), nested and
// single-valued: a rule with a fixed uuid, a severity with its label, a time with zone, both addresses, and the ports,
// sensor and Zeek uid of the last connection, by which the packets are found. The alert adds the tag that Alerts
// filters by, and its own kind and dataset.
func newAlert(s *subject, why Why, last string) (id string, a Alert) {
	f := s.lead
	what := f.Dwell.Pair
	if s.campaign {
		what = "campaign " + f.Dwell.Campaign.Name + ", " + hunt.Many(s.hosts, "host")
	}
	a = Alert{Finding: *f, AlertFields: hunt.AlertFields{Message: what + ": " + strings.Join(f.Dwell.Indicators, ", ") + "; " + why.Text}}
	a.Dwell.Alert = &hunt.AlertOf{Subject: s.id, Reason: why.Code, Hosts: s.hosts, Findings: int64(len(s.members))}
	return a.as(hunt.Digest("alert", s.id, why.Code, last)), a
}

// as sets the fields of the alert with this id.
func (a *Alert) as(id string) string {
	a.Schema = hunt.SchemaOf(DatasetAlert)
	a.Event.ID, a.Event.Kind, a.Event.Dataset = id, "alert", DatasetAlert
	a.Tags = append([]string{"alert", hunt.Module}, a.Dwell.Indicators...)
	a.pivot()
	return id
}

func day(f *hunt.Finding) string { return f.Dwell.Window.End.UTC().Format(time.DateOnly) }

// moreRule is the rule of an alert that covers many findings.
var moreRule = hunt.Rule{Name: "dwell - More findings than alerts", UUID: "5d0b1c5e-3a53-4d43-9c55-0d5c0f0c7e0f", Category: hunt.RuleCategory}

// summary makes the alert for findings without their own, strongest first. host is their host, empty for several. There
// is one a day.
func summary(host string, rest []*hunt.Finding) (id string, a Alert) {
	a = Alert{Finding: *rest[0]}
	of := ""
	if host != "" {
		of = " of " + host
	}
	a.Message = fmt.Sprintf("%s more%s at or above the severity of alerts are stored without an alert of their own, the strongest %s: `dwell findings` lists them",
		hunt.Many(len(rest), "finding"), of, rest[0].Dwell.Pair)
	a.Rule = moreRule
	a.Dwell.FindingID = hunt.Digest("more findings", host) // it is not an alert of that finding
	a.Dwell.Campaign, a.Dwell.Alert = nil, nil
	a.Dwell.Reasons, a.Dwell.ReasonCodes = []string{a.Message}, nil
	id = a.as(hunt.Digest("alert", a.Dwell.FindingID, day(rest[0])))
	return id, a
}
