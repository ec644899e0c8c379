package store

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"dwell/internal/es/dsl"
	"dwell/internal/hunt"
	"dwell/internal/store/bulk"
	"dwell/so-config"
)

// alert writes the alerts for a hunt's findings and closes those they replace. It runs after the findings and before
// the hunt's document, so that a hunt that counts as written has raised its alerts. replaces means that another
// revision of the hunt is stored. raised are those that this hunt wrote.
func (s *Store) alert(ctx context.Context, findings []hunt.Finding, doc *hunt.Document, replaces bool) (result bulk.Result, raised []Alert, err error) {
	o := *s.o.Alerts
	o.MinSeverity, o.Again = cmp.Or(o.MinSeverity, DefaultAlertSeverity), cmp.Or(o.Again, DefaultAlertAgain)
	var wanted []*hunt.Finding
	for i := range findings {
		f := &findings[i]
		if f.Event.Severity >= o.MinSeverity && !f.Dwell.Safelisted && f.Dwell.Disposition != hunt.Benign {
			wanted = append(wanted, f)
		}
	}
	slices.SortStableFunc(wanted, func(a, b *hunt.Finding) int { return cmp.Compare(b.Dwell.Score, a.Dwell.Score) })
	all := subjects(wanted)
	last, err := s.lastAlerts(ctx, all)
	if err != nil {
		return bulk.Result{}, nil, err
	}
	if raised, err = s.raise(ctx, all, last, &o); err != nil {
		return bulk.Result{}, nil, err
	}
	if len(raised) > 0 {
		items := make([]bulk.Item, len(raised))
		for i, a := range raised {
			b, err := json.Marshal(a)
			if err != nil {
				return bulk.Result{}, nil, fmt.Errorf("encode the alert of %s: %w", a.Dwell.Pair, err)
			}
			items[i] = bulk.Item{ID: a.Event.ID, Doc: b}
		}
		if result, err = s.writer(soconfig.AlertStream).Write(ctx, items); err != nil {
			return result, nil, err
		}
	}
	err = s.supersede(ctx, all, raised, doc, replaces)
	if err == nil && result.Existing > 0 {
		raised, err = s.own(ctx, raised)
	}
	return result, raised, err
}

// own leaves out the alerts that another hunt stored first, which hands them on itself. What cannot be found yet counts
// as own: an alert that arrives twice is better than one that never does.
func (s *Store) own(ctx context.Context, raised []Alert) ([]Alert, error) {
	s.refresh(ctx, &Report{})
	mine := map[string]time.Time{}
	for i := range raised {
		mine[raised[i].Event.ID] = raised[i].Event.Ingested.Time
	}
	others := map[string]bool{}
	for some := range slices.Chunk(slices.Sorted(maps.Keys(mine)), findingsPerPage) {
		q := dsl.Search{Op: "look whose the alerts are", Index: []string{soconfig.AlertStream}, Query: dsl.Terms("event.id", some), Sort: []any{dsl.Ascending("event.id")},
			Source: []string{"event.id", "event.ingested"}}
		err := each(ctx, s, q, func(_ hit, f *hunt.Finding) (bool, error) {
			others[f.Event.ID] = !f.Event.Ingested.Equal(mine[f.Event.ID].Truncate(time.Millisecond))
			return true, nil
		})
		if err != nil {
			return nil, err
		}
	}
	return slices.DeleteFunc(raised, func(a Alert) bool { return others[a.Event.ID] }), nil
}

// raise makes the alerts within the limits, and one for the rest of each host and of all.
func (s *Store) raise(ctx context.Context, all []*subject, last map[*subject]hunt.Finding, o *AlertOptions) (out []Alert, err error) {
	reasons := make(map[*subject]Why, len(all))
	deserve := all[:0:0]
	for _, x := range all {
		why, ok := first, true
		if before, was := last[x]; was {
			why, ok = x.news(&before, o.Again)
		}
		if ok {
			reasons[x] = why
			deserve = append(deserve, x)
		}
	}
	raised, err := s.raised(ctx, deserve)
	if err != nil {
		return nil, err
	}
	over := map[string][]*hunt.Finding{}
	var hosts []string
	for _, x := range deserve {
		host := x.lead.Dwell.InternalIP.String()
		switch {
		case !x.campaign && raised[host] >= cmp.Or(o.PerHost, DefaultAlertsPerHost):
		case len(out) >= cmp.Or(o.PerHunt, DefaultAlertsPerHunt):
			host = ""
		default:
			if !x.campaign {
				raised[host]++
			}
			before := last[x]
			_, a := newAlert(x, reasons[x], before.Event.ID)
			out = append(out, a)
			continue
		}
		if over[host] == nil {
			hosts = append(hosts, host)
		}
		over[host] = append(over[host], x.members...)
	}
	// Hosts beyond the limit count as one, because summary alerts are limited too.
	for i, host := range hosts {
		if host != "" && i >= cmp.Or(o.PerHunt, DefaultAlertsPerHunt) {
			over[""] = append(over[""], over[host]...)
			delete(over, host)
		}
	}
	for _, host := range slices.Sorted(maps.Keys(over)) {
		_, a := summary(host, over[host])
		out = append(out, a)
	}
	return out, nil
}

// raised is how many alerts for single findings each internal host had in the day before.
func (s *Store) raised(ctx context.Context, subjects []*subject) (map[string]int, error) {
	out := map[string]int{}
	if len(subjects) == 0 {
		return out, nil
	}
	since := subjects[0].lead.Event.Ingested.Add(-24 * time.Hour)
	for _, x := range subjects {
		out[x.lead.Dwell.InternalIP.String()] = 0
	}
	for some := range slices.Chunk(slices.Sorted(maps.Keys(out)), findingsPerPage) {
		q := dsl.Search{Op: "count the alerts of the last day", Index: []string{soconfig.AlertStream},
			Query: dsl.All(dsl.Terms("dwell.internal_ip", some), dsl.Millis("event.ingested", dsl.Object{"gte": since.UnixMilli()}),
				dsl.Not(dsl.Term("rule.uuid", moreRule.UUID), dsl.Range("dwell.alert.hosts", dsl.Object{"gt": 1}))),
			Aggs: dsl.Object{"hosts": dsl.Values("dwell.internal_ip", len(some), nil)}}
		var answer struct {
			Hosts struct {
				Buckets []struct {
					Key   string `json:"key"`
					Count int    `json:"doc_count"`
				} `json:"buckets"`
			} `json:"hosts"`
		}
		if err := q.Aggregations(ctx, s.client, &answer); err != nil {
			return nil, err
		}
		for _, b := range answer.Hosts.Buckets {
			out[b.Key] = b.Count
		}
	}
	return out, nil
}

// lastAlerts returns the newest alert of each subject that has one. For a campaign, alerts of its members from before
// count too. A finding's own alert counts, so a hunt that is written again raises nothing twice.
func (s *Store) lastAlerts(ctx context.Context, all []*subject) (map[*subject]hunt.Finding, error) {
	of := map[string]*subject{} // by any id that an alert of it may have
	for _, x := range all {
		for _, f := range x.members {
			of[f.Dwell.FindingID] = x
		}
	}
	for _, x := range all {
		of[x.id] = x
	}
	out := map[*subject]hunt.Finding{}
	for some := range slices.Chunk(slices.Sorted(maps.Keys(of)), findingsPerPage) {
		by := dsl.Any(dsl.Terms("dwell.alert.subject", some), dsl.Terms("dwell.finding_id", some))
		err := latest(ctx, s, soconfig.AlertStream, by, newestFinding(), func(_ hit, f *hunt.Finding) error {
			x := of[f.Dwell.FindingID]
			if f.Dwell.Alert != nil && of[f.Dwell.Alert.Subject] != nil {
				x = of[f.Dwell.Alert.Subject]
			}
			if x == nil {
				return nil
			}
			if before, ok := out[x]; !ok || newer(f, &before, x.id) {
				out[x] = *f
			}
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("look for earlier alerts: %w", err)
		}
	}
	return out, nil
}

// newer reports whether an alert is preferred as the last one: the subject's own before its members', then the later.
func newer(f, than *hunt.Finding, id string) bool {
	own := func(f *hunt.Finding) bool { return f.Dwell.Alert != nil && f.Dwell.Alert.Subject == id }
	if own(f) != own(than) {
		return own(f)
	}
	return cmp.Or(f.Dwell.Window.End.Compare(than.Dwell.Window.End.Time), f.Event.Ingested.Compare(than.Event.Ingested.Time), strings.Compare(f.Event.ID, than.Event.ID)) > 0
}

// supersede closes outdated alerts: earlier ones of subjects that have a new alert, those of findings in a campaign
// with an alert, and, if another revision of the hunt is replaced, those of what is no longer found. Escalated ones
// stay.
func (s *Store) supersede(ctx context.Context, all []*subject, raised []Alert, doc *hunt.Document, replaces bool) error {
	now := map[string]bool{}
	var ids, members []string
	of := map[string]*subject{}
	for _, x := range all {
		of[x.id] = x
	}
	for i := range raised {
		now[raised[i].Event.ID] = true
		if raised[i].Dwell.Alert == nil {
			continue
		}
		ids = append(ids, raised[i].Dwell.Alert.Subject)
		if x := of[raised[i].Dwell.Alert.Subject]; x.campaign {
			for _, f := range x.members {
				members = append(members, f.Dwell.FindingID)
			}
		}
	}
	open := []any{dsl.Not(dsl.Term("event.acknowledged", true), dsl.Term("event.escalated", true), dsl.Term("rule.uuid", moreRule.UUID))}
	var which [][]any
	for field, list := range map[string][]string{"dwell.alert.subject": append(ids, members...), "dwell.finding_id": members} {
		for some := range slices.Chunk(list, findingsPerPage) {
			which = append(which, []any{dsl.Terms(field, some)})
		}
	}
	still := map[string]bool{}
	if replaces {
		for _, x := range all {
			still[x.id] = true
		}
		which = append(which, []any{dsl.Term("dwell.hunt_id", doc.Dwell.HuntID), dsl.Not(dsl.Term("dwell.revision", doc.Dwell.Revision))})
	}
	if len(which) == 0 {
		return nil
	}
	closed := map[string]bool{} // a search may still find what was just closed
	for i, clause := range which {
		replaced := replaces && i == len(which)-1
		if err := s.close(ctx, append(clause, open...), closed, func(h hit, subject string) bool { return !now[h.ID] && (!replaced || !still[subject]) }); err != nil {
			return fmt.Errorf("close alerts that others take the place of: %w", err)
		}
	}
	return nil
}

// close marks alerts as superseded and acknowledged, so that Security Onion's Alerts omits them: those that match the
// clauses and is, except those in closed, to which it adds them.
func (s *Store) close(ctx context.Context, clauses []any, closed map[string]bool, is func(h hit, subject string) bool) error {
	for range maxConflicts {
		s.refresh(ctx, &Report{}) // without permission an alert just written stays open until the next hunt
		var hits []hit
		q := dsl.Search{Op: "look for earlier alerts", Index: []string{soconfig.AlertStream}, Query: dsl.All(clauses...), Sort: []any{dsl.Ascending("event.id")},
			Source: []string{"dwell.alert.subject", "dwell.finding_id"}, More: versioned()}
		err := each(ctx, s, q, func(h hit, f *hunt.Finding) (bool, error) {
			subject := f.Dwell.FindingID
			if f.Dwell.Alert != nil {
				subject = f.Dwell.Alert.Subject
			}
			if !closed[h.ID] && is(h, subject) {
				hits = append(hits, h)
			}
			return true, nil
		})
		if err != nil || len(hits) == 0 {
			return err
		}
		doc := map[string]any{"event": map[string]any{"acknowledged": true}, "dwell": map[string]any{"alert": map[string]any{"superseded": true}}}
		done := 0
		for some := range slices.Chunk(hits, bulk.DefaultMaxDocs) {
			n, err := s.update(ctx, some, slices.Repeat([]any{doc}, len(some)))
			if done += n; err != nil {
				return err
			}
		}
		if done == len(hits) {
			for _, h := range hits {
				closed[h.ID] = true
			}
			return nil
		}
	}
	return fmt.Errorf("%s kept changing meanwhile", soconfig.AlertStream)
}
