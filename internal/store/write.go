package store

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"dwell/internal/es"
	"dwell/internal/hunt"
	"dwell/internal/store/bulk"
	"dwell/internal/store/spool"
	"dwell/so-config"
)

// Report is what happened to one hunt's documents.
type Report struct {
	// Findings counts what was sent now. Findings from an earlier attempt of the same hunt and revision are in
	// Findings.Existing, whether they were found before sending or by their id.
	Findings bulk.Result
	// Alerts counts the alerts raised (Options.Alerts).
	Alerts bulk.Result
	// HuntID and HuntDocument identify the hunt and its document, which may have existed already.
	HuntID, HuntDocument string
	// Replaces is the revision that this one supersedes, or empty.
	Replaces string
	// Held is why WriteOrHold kept the hunt on this host, nil if it is stored. Replayed is how many earlier hunts it
	// stored first.
	Held     error
	Replayed int
	// Undelivered is why stored alerts could not be sent (Options.Notify).
	Undelivered []error
	// Notes are remarks for users, without loss of data.
	Notes []string
}

// Write stores the findings that have a severity, then the hunt's document, which commits them. The findings of one
// call belong to doc's hunt. A finding that was decided before has that disposition instead of "open".
//
// Without the templates it fails with *NotInstalledError. On any other error the Report says what was written, the
// hunt's document is not written, and calling Write again for the same hunt is safe and continues. Findings that the
// cluster rejects permanently (Report.Findings.Dead) do not stop the hunt: its document is marked incomplete, and says
// how many are missing and why.
func (s *Store) Write(ctx context.Context, findings []hunt.Finding, doc hunt.Document) (Report, error) {
	return s.write(ctx, findings, doc, false)
}

// write is Write; late means that the hunt waited for upload, so it must not replace a later attempt that is already
// stored.
func (s *Store) write(ctx context.Context, findings []hunt.Finding, doc hunt.Document, late bool) (Report, error) {
	begun := s.o.Now()
	report := Report{HuntID: doc.Dwell.HuntID}
	streams := []string{soconfig.FindingStream, soconfig.HuntStream}
	if s.o.Alerts != nil {
		streams = append(streams, soconfig.AlertStream)
	}
	if err := s.Ready(ctx, streams...); err != nil {
		return report, err
	}
	before, err := s.before(ctx, &doc)
	if err != nil {
		return report, err
	}
	if newest := before.newest; late && newest != nil && newest.Event.Ingested.After(doc.Event.Ingested.Time) {
		report.HuntDocument = before.newestID
		return report, nil
	}
	if findings, err = s.decided(ctx, findings); err != nil {
		return report, err
	}
	items, err := report.items(findings, &doc, before.findings)
	if err != nil {
		return report, err
	}
	there := len(before.findings)
	result, err := s.writer(soconfig.FindingStream).Write(ctx, items)
	result.Sent += there
	result.Existing += there
	report.Findings = result
	if err != nil {
		return report, fmt.Errorf("hunt %s is not committed: %w", doc.Dwell.HuntID, err)
	}
	admit(&doc, "findings", result.Dead)
	if s.o.Alerts != nil {
		var raised []Alert
		if report.Alerts, raised, err = s.alert(ctx, findings, &doc, before.newest != nil && before.newest.Dwell.Revision != doc.Dwell.Revision); err != nil {
			return report, fmt.Errorf("hunt %s: its findings are written but the hunt is not committed: %w", doc.Dwell.HuntID, err)
		}
		admit(&doc, "alerts", report.Alerts.Dead)
		if s.o.Notify != nil && len(raised) > 0 {
			if err := s.o.Notify(ctx, raised); err != nil {
				report.Undelivered = append(report.Undelivered, err)
			}
		}
	}
	doc.Dwell.Hunt.Stages.Write = s.o.Now().Sub(begun).Seconds()
	if err := s.commit(ctx, &report, doc, before); err != nil {
		return report, err
	}
	s.refresh(ctx, &report)
	return report, nil
}

// admit records in the hunt's document what the index rejected.
func admit(doc *hunt.Document, what string, dead []bulk.Dead) {
	if len(dead) == 0 {
		return
	}
	doc.Dwell.Hunt.Complete = false
	doc.Dwell.Hunt.Gaps = append(doc.Dwell.Hunt.Gaps, fmt.Sprintf("%d %s were refused by the index, the first because: %s", len(dead), what, dead[0].Err.Reason))
}

// items encodes the findings to send: those with a severity that are not stored yet.
func (r *Report) items(findings []hunt.Finding, doc *hunt.Document, there map[string]bool) ([]bulk.Item, error) {
	items := make([]bulk.Item, 0, len(findings))
	for i := range findings {
		f := &findings[i]
		d := &f.Dwell
		if d.HuntID != doc.Dwell.HuntID || d.Revision != doc.Dwell.Revision {
			return nil, fmt.Errorf("write hunt %s: finding %s belongs to hunt %s, revision %s; this is a bug of dwell: %w", doc.Dwell.HuntID, f.Event.ID, d.HuntID, d.Revision, spool.ErrRefused)
		}
		if f.Event.ID == "" {
			return nil, fmt.Errorf("write hunt %s: the finding of %s has no id; this is a bug of dwell", doc.Dwell.HuntID, d.Pair)
		}
		if d.Severity == "" {
			continue
		}
		if there[f.Event.ID] {
			continue
		}
		b, err := json.Marshal(f)
		if err != nil {
			return nil, fmt.Errorf("encode the finding of %s: %w", d.Pair, err)
		}
		items = append(items, bulk.Item{ID: f.Event.ID, Doc: b})
	}
	return items, nil
}

// commit writes the hunt's document, unless its newest one has the same revision. A later attempt without a better
// result is stored too, because the documents count the attempts.
func (s *Store) commit(ctx context.Context, report *Report, doc hunt.Document, before before) error {
	d := &doc.Dwell
	report.HuntDocument = documentID(d.HuntID, d.Revision, before.documents)
	doc.Event.ID = report.HuntDocument
	if newest := before.newest; newest != nil {
		again := !doc.Settled() && doc.Event.Ingested.After(newest.Event.Ingested.Time)
		if newest.Dwell.Revision == d.Revision && !again {
			report.HuntDocument = before.newestID
			report.Replaces = newest.Dwell.Hunt.Replaces
			return nil
		}
		d.Hunt.Replaces = newest.Dwell.Revision
		if again && newest.Dwell.Revision == d.Revision {
			d.Hunt.Replaces = newest.Dwell.Hunt.Replaces
		}
		report.Replaces = d.Hunt.Replaces
		// Readers take a hunt's newest document by this time; a clock set back must not hide it.
		if last := newest.Event.Ingested.Time; !doc.Event.Ingested.After(last) {
			doc.Event.Ingested = hunt.Time{Time: last.Add(time.Millisecond)}
		}
	}
	b, err := json.Marshal(doc)
	if err != nil {
		return fmt.Errorf("encode the document of hunt %s: %w", d.HuntID, err)
	}
	result, err := s.writer(soconfig.HuntStream).Write(ctx, []bulk.Item{{ID: report.HuntDocument, Doc: b}})
	if err == nil && len(result.Dead) > 0 {
		err = fmt.Errorf("%w: %w", spool.ErrRefused, result.Dead[0].Err)
	}
	if err != nil {
		return fmt.Errorf("hunt %s: its findings are written but the hunt is not committed: %w", d.HuntID, err)
	}
	return nil
}

// documentID is the id of a hunt's document. It includes the number of earlier documents: if a cluster's data changes
// from A to B and back, the third document says that A applies now.
func documentID(huntID, revision string, earlier int) string {
	return hunt.Digest("hunt document", huntID, revision, strconv.Itoa(earlier))
}

// refresh makes documents visible at once. Without permission that happens a little later, which is no error.
func (s *Store) refresh(ctx context.Context, report *Report) {
	for _, stream := range []string{soconfig.AlertStream, soconfig.FindingStream, soconfig.HuntStream} {
		if stream == soconfig.AlertStream && s.o.Alerts == nil {
			continue
		}
		err := s.client.Do(ctx, es.Call{Op: "refresh", Index: stream, Request: es.Request{Method: "POST", Path: "/" + stream + "/_refresh"}})
		if err != nil && !es.Is(err, es.NotFound) {
			report.Notes = append(report.Notes, "what was written shows up when the index next refreshes, within 30 s: "+err.Error())
			return
		}
	}
}
