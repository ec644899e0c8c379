package store

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"dwell/internal/hunt"
	"dwell/internal/store/bulk"
	"dwell/so-config"
)

// DatasetAlert is the event.dataset of alerts. Security Onion's Alerts picks columns by what follows the dot.
const DatasetAlert = "dwell.alert"

// The defaults of AlertOptions.
const (
	DefaultAlertSeverity = 3
	DefaultAlertAgain    = 7 * 24 * time.Hour
)

// AlertOptions say which findings become alerts.
type AlertOptions struct {
	// MinSeverity is 1 low to 4 critical; 0 means DefaultAlertSeverity, high.
	MinSeverity int
	// Again is how long a story that has not changed stays quiet; 0 means DefaultAlertAgain.
	Again time.Duration
}

// Alert is a finding as Security Onion's Alerts shows it: the finding's own fields, tagged, and a message that says why
// it is shown now.
type Alert struct {
	hunt.Finding
	Message string `json:"message"`
}

// NewAlert makes the alert of a finding. Its id depends on the finding's, so that the same finding never alerts twice.
//
// What Security Onion asks of an alert (docs/facts/security-onion.md, 2.5) the finding has already, nested and as single values:
// a rule with a fixed uuid, a severity with its label, a time with its zone, both addresses, and of its last connection,
// whose time it bears, the ports, the sensor and Zeek's uid, by which the packets are found. The alert adds the tag that
// Alerts filters by, and its own kind and dataset.
func NewAlert(f hunt.Finding, why string) (id string, a Alert) {
	a = Alert{Finding: f, Message: f.Dwell.Pair + ": " + strings.Join(f.Dwell.Indicators, ", ") + "; " + why}
	id = hunt.Digest("alert", f.Event.ID)
	a.Schema = hunt.SchemaOf(DatasetAlert)
	a.Event.ID, a.Event.Kind, a.Event.Dataset = id, "alert", DatasetAlert
	a.Tags = append([]string{"alert", hunt.Module}, f.Dwell.Indicators...)
	return id, a
}

// Changed says why a story deserves another alert, or gives nothing: its severity rose, its period moved by a fifth, its
// bytes by a factor of ten, its port or its server's certificate is another, or it has been quiet for so long. Small changes add up, since the finding
// is compared with the one that alerted last, not with the one before it.
func Changed(last, now *hunt.Finding, again time.Duration) string {
	switch {
	case now.Event.Severity > last.Event.Severity:
		return fmt.Sprintf("severity rose from %s to %s", last.Event.SeverityLabel, now.Event.SeverityLabel)
	case now.Destination.Port != last.Destination.Port:
		return fmt.Sprintf("destination port changed from %d to %d", last.Destination.Port, now.Destination.Port)
	}
	if was, is := period(last), period(now); was > 0 && is > 0 && math.Abs(is-was) >= 0.2*was {
		return fmt.Sprintf("period changed from %s to %s", hunt.Seconds(was), hunt.Seconds(is))
	}
	if was, is := certificate(last), certificate(now); was != "" && is != "" && was != is {
		return fmt.Sprintf("the server shows another certificate: %.16s instead of %.16s", is, was)
	}
	if was, is := float64(max(last.Network.Bytes, 1)), float64(max(now.Network.Bytes, 1)); is >= 10*was || was >= 10*is {
		return fmt.Sprintf("bytes changed from %d to %d", last.Network.Bytes, now.Network.Bytes)
	}
	if quiet := now.Event.Ingested.Sub(last.Event.Ingested.Time); quiet >= again {
		return fmt.Sprintf("still there after %s", hunt.Seconds(quiet.Seconds()))
	}
	return ""
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

// alert writes the alerts that a hunt's findings deserve. It comes after the findings and before the hunt's own document,
// so that a hunt that counts as written has raised its alerts.
func (s *Store) alert(ctx context.Context, findings []hunt.Finding) (bulk.Result, error) {
	o := *s.o.Alerts
	if o.MinSeverity == 0 {
		o.MinSeverity = DefaultAlertSeverity
	}
	if o.Again == 0 {
		o.Again = DefaultAlertAgain
	}
	var wanted []*hunt.Finding
	for i := range findings {
		f := &findings[i]
		if f.Event.Severity >= o.MinSeverity && !f.Dwell.Safelisted && f.Dwell.Disposition != "benign" {
			wanted = append(wanted, f)
		}
	}
	if len(wanted) == 0 {
		return bulk.Result{}, nil
	}
	last, err := s.lastAlerts(ctx, wanted)
	if err != nil {
		return bulk.Result{}, err
	}
	var items []bulk.Item
	for _, f := range wanted {
		why := "seen for the first time"
		if before, ok := last[f.Dwell.FindingID]; ok {
			if why = Changed(&before, f, o.Again); why == "" {
				continue
			}
		}
		id, a := NewAlert(*f, why)
		doc, err := json.Marshal(a)
		if err != nil {
			return bulk.Result{}, fmt.Errorf("encode the alert of %s: %w", f.Dwell.Pair, err)
		}
		items = append(items, bulk.Item{ID: id, Doc: doc})
	}
	return s.writer(soconfig.AlertStream).Write(ctx, items)
}

// lastAlerts gives the newest alert of each story that has one. A finding's own alert counts, so a hunt that is written
// again raises nothing again.
func (s *Store) lastAlerts(ctx context.Context, findings []*hunt.Finding) (map[string]hunt.Finding, error) {
	out := map[string]hunt.Finding{}
	for some := range slices.Chunk(findings, storiesPerPage) {
		ids := make([]string, len(some))
		for i, f := range some {
			ids[i] = f.Dwell.FindingID
		}
		clause := []any{map[string]any{"terms": map[string]any{"dwell.finding_id": ids}}}
		err := s.latestOf(ctx, soconfig.AlertStream, clause, newestFinding(), func(source json.RawMessage, id string) error {
			var f hunt.Finding
			if err := json.Unmarshal(source, &f); err != nil {
				return fmt.Errorf("read document %s of %s: %w", id, soconfig.AlertStream, err)
			}
			out[f.Dwell.FindingID] = f
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("look for earlier alerts: %w", err)
		}
	}
	return out, nil
}
