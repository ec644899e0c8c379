package store

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"dwell/internal/es"
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
	DefaultAlertsPerHunt = 100
	DefaultAlertsPerHost = 10
)

// AlertOptions say which findings become alerts.
type AlertOptions struct {
	// MinSeverity is 1 low to 4 critical; 0 means DefaultAlertSeverity, high.
	MinSeverity int
	// Again is how long a story that has not changed stays quiet; 0 means DefaultAlertAgain.
	Again time.Duration
	// PerHunt is how many findings of a hunt become alerts at most, PerHost how many of an internal host within a day; the
	// strongest do, and one alert speaks for the rest. 0 means the defaults.
	PerHunt, PerHost int
}

// Alert is a finding as Security Onion's Alerts shows it: the finding's own fields, tagged, a message that says why it is shown
// now, and what pivots and playbooks ask for.
type Alert struct {
	hunt.Finding
	hunt.AlertFields
}

// Why is what a finding raises an alert for: a code that stays the same, and a sentence for people.
type Why struct{ Code, Text string }

// first is the reason of a finding that never raised an alert.
var first = Why{"new", "seen for the first time"}

// NewAlert makes the alert of a finding. Its id rests on the finding, the reason and the day of the window's end, so that hunts
// that run at once raise it once.
//
// What Security Onion asks of an alert (docs/facts/security-onion.md, 2.5) the finding has already, nested and as single values:
// a rule with a fixed uuid, a severity with its label, a time with its zone, both addresses, and of its last connection,
// whose time it bears, the ports, the sensor and Zeek's uid, by which the packets are found. The alert adds the tag that
// Alerts filters by, and its own kind and dataset.
func NewAlert(f hunt.Finding, why Why) (id string, a Alert) {
	a = Alert{Finding: f, AlertFields: hunt.AlertFields{Message: f.Dwell.Pair + ": " + strings.Join(f.Dwell.Indicators, ", ") + "; " + why.Text}}
	id = a.as(hunt.Digest("alert", f.Dwell.FindingID, why.Code, day(&f)))
	return id, a
}

// as makes a finding's fields those of the alert with this id.
func (a *Alert) as(id string) string {
	a.Schema = hunt.SchemaOf(DatasetAlert)
	a.Event.ID, a.Event.Kind, a.Event.Dataset = id, "alert", DatasetAlert
	a.Tags = append([]string{"alert", hunt.Module}, a.Dwell.Indicators...)
	a.pivot()
	return id
}

func day(f *hunt.Finding) string { return f.Dwell.Window.End.UTC().Format(time.DateOnly) }

// moreRule is the rule of an alert that speaks for many findings.
var moreRule = hunt.Rule{Name: "dwell - More findings than alerts", UUID: "5d0b1c5e-3a53-4d43-9c55-0d5c0f0c7e0f", Category: hunt.RuleCategory}

// summary makes the alert that speaks for findings that raise none of their own, the strongest first; host is whose they are,
// empty for those of many. There is one a day.
func summary(host string, rest []*hunt.Finding) (id string, a Alert) {
	a = Alert{Finding: *rest[0]}
	of := ""
	if host != "" {
		of = " of " + host
	}
	a.Message = fmt.Sprintf("%s more%s at or above the severity of alerts are stored without an alert of their own, the strongest %s: `dwell findings` lists them",
		hunt.Many(len(rest), "finding"), of, rest[0].Dwell.Pair)
	a.Rule = moreRule
	a.Dwell.FindingID = hunt.Digest("more findings", host) // it is no alert of the finding that it names
	a.Dwell.Reasons, a.Dwell.ReasonCodes = []string{a.Message}, nil
	id = a.as(hunt.Digest("alert", a.Dwell.FindingID, day(rest[0])))
	return id, a
}

// Changed says why a finding deserves another alert: its severity rose, its interval moved by a fifth, it carries ten times the
// bytes, its port or its server's certificate is another, or it has been quiet for so long. Small changes add up, since the
// finding is compared with the one that alerted last, not with the one before it. What stops, or fades out of the window, is no
// news. An alert with a sample bears the sample's port, which says nothing of the finding's.
func Changed(last, now *hunt.Finding, again time.Duration) (Why, bool) {
	switch {
	case now.Event.Severity > last.Event.Severity:
		return Why{"severity_" + now.Event.SeverityLabel, fmt.Sprintf("severity rose from %s to %s", last.Event.SeverityLabel, now.Event.SeverityLabel)}, true
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
	if quiet := now.Event.Ingested.Sub(last.Event.Ingested.Time); quiet >= again {
		return Why{"again", "still there after " + hunt.Seconds(quiet.Seconds())}, true
	}
	return Why{}, false
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
	slices.SortStableFunc(wanted, func(a, b *hunt.Finding) int { return cmp.Compare(b.Dwell.Score, a.Dwell.Score) })
	last, err := s.lastAlerts(ctx, wanted)
	if err != nil {
		return bulk.Result{}, err
	}
	items, err := s.raise(ctx, wanted, last, &o)
	if err != nil || len(items) == 0 {
		return bulk.Result{}, err
	}
	return s.writer(soconfig.AlertStream).Write(ctx, items)
}

// raise makes the alerts of those findings that deserve one, as many as there may be, and one for the rest of each host and of all.
func (s *Store) raise(ctx context.Context, wanted []*hunt.Finding, last map[string]hunt.Finding, o *AlertOptions) (items []bulk.Item, err error) {
	reasons := make(map[*hunt.Finding]Why, len(wanted))
	deserve := wanted[:0:0]
	for _, f := range wanted {
		why, ok := first, true
		if before, was := last[f.Dwell.FindingID]; was {
			why, ok = Changed(&before, f, o.Again)
		}
		if ok {
			reasons[f] = why
			deserve = append(deserve, f)
		}
	}
	raised, err := s.raised(ctx, deserve)
	if err != nil {
		return nil, err
	}
	add := func(id string, a Alert) error {
		doc, err := json.Marshal(a)
		if err != nil {
			return fmt.Errorf("encode the alert of %s: %w", a.Dwell.Pair, err)
		}
		items = append(items, bulk.Item{ID: id, Doc: doc})
		return nil
	}
	over := map[string][]*hunt.Finding{}
	var hosts []string
	for _, f := range deserve {
		host := f.Dwell.InternalIP.String()
		switch {
		case raised[host] >= cmp.Or(o.PerHost, DefaultAlertsPerHost):
		case len(items) >= cmp.Or(o.PerHunt, DefaultAlertsPerHunt):
			host = ""
		default:
			raised[host]++
			if err := add(NewAlert(*f, reasons[f])); err != nil {
				return nil, err
			}
			continue
		}
		if over[host] == nil {
			hosts = append(hosts, host)
		}
		over[host] = append(over[host], f)
	}
	// Of hosts beyond count as of many: the alerts that speak for others have a bound, too.
	for i, host := range hosts {
		if host != "" && i >= cmp.Or(o.PerHunt, DefaultAlertsPerHunt) {
			over[""] = append(over[""], over[host]...)
			delete(over, host)
		}
	}
	for _, host := range slices.Sorted(maps.Keys(over)) {
		if err := add(summary(host, over[host])); err != nil {
			return nil, err
		}
	}
	return items, nil
}

// raised is how many alerts each of the findings' internal hosts raised within the day before they were hunted.
func (s *Store) raised(ctx context.Context, findings []*hunt.Finding) (map[string]int, error) {
	out := map[string]int{}
	if len(findings) == 0 {
		return out, nil
	}
	since := findings[0].Event.Ingested.Add(-24 * time.Hour)
	for _, f := range findings {
		out[f.Dwell.InternalIP.String()] = 0
	}
	for some := range slices.Chunk(slices.Sorted(maps.Keys(out)), storiesPerPage) {
		body, err := json.Marshal(map[string]any{"size": 0, "track_total_hits": false, "query": map[string]any{"bool": map[string]any{
			"filter":   []any{map[string]any{"terms": map[string]any{"dwell.internal_ip": some}}, map[string]any{"range": map[string]any{"event.ingested": map[string]any{"gte": since.UnixMilli(), "format": "epoch_millis"}}}},
			"must_not": []any{term("rule.uuid", moreRule.UUID)}}},
			"aggs": map[string]any{"hosts": map[string]any{"terms": map[string]any{"field": "dwell.internal_ip", "size": len(some)}}}})
		if err != nil {
			return nil, fmt.Errorf("encode search: %w", err)
		}
		var answer struct {
			Hosts struct {
				Buckets []struct {
					Key   string `json:"key"`
					Count int    `json:"doc_count"`
				} `json:"buckets"`
			} `json:"hosts"`
		}
		err = s.client.Search(ctx, es.SearchRequest{Op: "count the alerts of the last day", Index: []string{soconfig.AlertStream}, Body: body, MissingOK: true}, func(r es.SearchResult) error {
			if r.Aggregations == nil {
				return nil
			}
			return json.Unmarshal(r.Aggregations, &answer)
		})
		if err != nil {
			return nil, err
		}
		for _, b := range answer.Hosts.Buckets {
			out[b.Key] = b.Count
		}
	}
	return out, nil
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
