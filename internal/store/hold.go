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

// WriteOrHold is Write with a spool behind it. Hunts that are held there are written first, oldest first, so that they
// keep their order. When the cluster does not take a hunt, the hunt is held: Report.Held says why, and the error is nil
// where the trouble passes by itself (a full disk, an overloaded or restarting node, a broken network). Wrong or weak
// credentials are an error all the same, since somebody must act, but the hunt is held too. Missing templates are
// refused as by Write.
//
// What the cluster refuses for good is buried in the spool's dead-letter files.
func (s *Store) WriteOrHold(ctx context.Context, sp *spool.Spool, findings []hunt.Finding, doc hunt.Document) (Report, error) {
	replayed, err := s.Replay(ctx, sp)
	report := Report{HuntID: doc.Dwell.HuntID}
	if err == nil {
		report, err = s.Write(ctx, findings, doc)
		err = errors.Join(err, bury(sp, &report))
	}
	report.Replayed = replayed
	if err == nil || !es.Is(err, es.Retryable, es.Overload, es.Timeout, es.Unreachable, es.ClusterBlock, es.Canceled, es.Auth, es.Permission, es.TLS, es.NotElasticsearch, es.Partial) {
		return report, err
	}
	if full := sp.Put(doc, findings); full != nil {
		return report, errors.Join(err, full)
	}
	report.Held = err
	if es.Is(err, es.Auth, es.Permission, es.TLS, es.NotElasticsearch) {
		return report, fmt.Errorf("the hunt is held on this machine until it can be stored: %w", err)
	}
	return report, nil
}

// Replay writes the held hunts, oldest first, and gives how many were stored.
func (s *Store) Replay(ctx context.Context, sp *spool.Spool) (int, error) {
	return sp.Replay(func(d hunt.Document, f []hunt.Finding) error {
		report, err := s.Write(ctx, f, d)
		return errors.Join(err, bury(sp, &report))
	})
}

// bury keeps what was refused for good.
func bury(sp *spool.Spool, r *Report) error {
	return errors.Join(sp.Bury(soconfig.FindingStream, r.Findings.Dead), sp.Bury(soconfig.AlertStream, r.Alerts.Dead))
}
