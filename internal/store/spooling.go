package store

import (
	"context"
	"errors"
	"fmt"

	"dwell/internal/es"
	"dwell/internal/hunt"
	"dwell/internal/store/spool"
	"dwell/so-config"
)

// WriteOrHold is Write with a spool, so that a finished hunt is never lost. It first writes waiting hunts, oldest
// first. A hunt that cannot be stored goes to the spool, and Report.Held says why. The error is nil for temporary
// causes (a full disk, an overloaded or restarting node, a broken network), but not if somebody must act: wrong or weak
// credentials, another server, missing templates.
//
// What the cluster rejects permanently goes to the spool's dead letters: single documents, or a hunt whose own document
// is rejected, with an error that wraps [spool.ErrRefused].
func (s *Store) WriteOrHold(ctx context.Context, sp *spool.Spool, findings []hunt.Finding, doc hunt.Document) (Report, error) {
	replayed, trouble := s.Replay(ctx, sp)
	report, err := Report{HuntID: doc.Dwell.HuntID}, trouble
	if !errors.Is(trouble, spool.ErrAway) {
		report, err = s.Write(ctx, findings, doc)
		bury(sp, &report)
	}
	report.Replayed = replayed
	if trouble != nil {
		report.Notes = append(report.Notes, "not all waiting hunts are stored: "+trouble.Error())
	}
	switch {
	case err == nil:
		return report, nil
	case errors.Is(err, spool.ErrRefused):
		return report, errors.Join(err, sp.Reject(doc, findings))
	}
	if full := sp.Put(doc, findings); full != nil {
		return report, errors.Join(err, full)
	}
	report.Held = err
	var missing *NotInstalledError
	if es.Is(err, es.Auth, es.Permission, es.TLS, es.NotElasticsearch) || errors.As(err, &missing) {
		return report, fmt.Errorf("the hunt waits on this host for upload: %w", err)
	}
	return report, nil
}

// Replay writes the waiting hunts, oldest first, and returns how many were stored. One that cannot be stored does not
// block others. A hunt with a later try already stored is not written.
func (s *Store) Replay(ctx context.Context, sp *spool.Spool) (int, error) {
	return sp.Replay(func(d hunt.Document, f []hunt.Finding) error {
		report, err := s.write(ctx, f, d, true)
		bury(sp, &report)
		for _, e := range report.Undelivered {
			s.o.Logger.Error("alerts of a hunt that waited are stored but were not delivered", "hunt_id", report.HuntID, "error", e)
		}
		if ctx.Err() != nil || es.Is(err, es.Unreachable, es.Timeout, es.Overload, es.ClusterBlock, es.Canceled, es.Auth, es.Permission, es.TLS, es.NotElasticsearch) {
			return fmt.Errorf("%w: %w", spool.ErrAway, err)
		}
		return err
	})
}

// bury keeps rejected documents. The hunt is stored, so a failure to do so is only a note.
func bury(sp *spool.Spool, r *Report) {
	err := errors.Join(sp.Bury(soconfig.FindingStream, r.Findings.Dead), sp.Bury(soconfig.AlertStream, r.Alerts.Dead))
	if err != nil {
		r.Notes = append(r.Notes, "documents that the index refused could not be kept: "+err.Error())
	}
}
