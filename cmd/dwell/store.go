package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"dwell/internal/config"
	"dwell/internal/hunt"
	"dwell/internal/notify"
	"dwell/internal/pipeline"
	"dwell/internal/schedule"
	"dwell/internal/store"
	"dwell/internal/store/spool"
	"dwell/so-config"
)

// openStore connects to the store of findings.
func (a *app) openStore(settings *config.Loaded) (*store.Store, error) {
	client, err := a.client(settings)
	if err != nil {
		return nil, err
	}
	o := store.Options{Now: a.Now, Logger: a.logger()}
	if s := settings.Alerts; s.Enabled {
		rank, err := severityRank(s.Severity)
		if err != nil {
			return nil, err
		}
		o.Alerts = &store.AlertOptions{MinSeverity: rank, Again: s.Again, PerHunt: s.PerHunt, PerHost: s.PerHost}
		queue, err := a.notifications(settings)
		if err != nil {
			return nil, err
		}
		if queue != nil {
			o.Notify = queue.Add
		}
	}
	return store.New(client, o), nil
}

// notifications is the queue of alerts for receivers, nil without receivers.
func (a *app) notifications(settings *config.Loaded) (*notify.Queue, error) {
	s, host := settings.Alerts, ""
	if !s.Enabled {
		return nil, nil
	}
	host, _ = os.Hostname()
	sender, err := notify.New(notify.Options{Webhook: s.Webhook, Token: s.WebhookToken, Syslog: s.Syslog, CAFile: s.CAFile, Console: settings.Links.BaseURL, Hostname: host})
	if err != nil {
		return nil, usageError{err}
	}
	if sender == nil {
		return nil, nil
	}
	dir, err := a.notifyDir(settings)
	if err != nil {
		return nil, usage("alerts.webhook and alerts.syslog need a state directory, in which alerts wait: %v", err)
	}
	return notify.NewQueue(dir, sender, a.Now), nil
}

// notifyDir is the queue's directory.
func (a *app) notifyDir(settings *config.Loaded) (string, error) {
	dir, err := settings.StateDir(a.Environ)
	return filepath.Join(dir, "notify"), err
}

// deliver sends waiting alerts.
func (a *app) deliver(ctx context.Context, settings *config.Loaded) error {
	queue, err := a.notifications(settings)
	if err != nil || queue == nil {
		return err
	}
	return queue.Deliver(ctx)
}

// undelivered describes alerts that wait on this host or were given up; empty for none.
func (a *app) undelivered(settings *config.Loaded) (text string, waiting notify.Waiting, err error) {
	dir, err := a.notifyDir(settings)
	if err != nil {
		return "", waiting, nil // without a state directory nothing can wait
	}
	if waiting, err = notify.Look(dir); err != nil {
		return "", waiting, err
	}
	if text = waiting.String(); text != "" {
		text += " (" + dir + ")"
	}
	return text, waiting, nil
}

// loadStore loads the settings and opens the store.
func (a *app) loadStore() (*store.Store, error) {
	settings, err := a.load(nil)
	if err != nil {
		return nil, err
	}
	return a.openStore(settings)
}

// writer returns the store for --write. It fails before the hunt if templates or privileges are missing.
func (a *app) writer(ctx context.Context, wanted bool, settings *config.Loaded) (*store.Store, error) {
	if !wanted {
		return nil, nil
	}
	st, err := a.openStore(settings)
	if err != nil {
		return nil, err
	}
	return st, missingTemplates(st.Ready(ctx, writtenStreams(settings)...))
}

// writtenStreams are the data streams that a hunt writes to.
func writtenStreams(settings *config.Loaded) []string {
	out := []string{soconfig.FindingStream, soconfig.HuntStream}
	if settings.Alerts.Enabled {
		out = append(out, soconfig.AlertStream)
	}
	return out
}

// hold keeps hunts while the cluster does not accept them.
type hold struct {
	dir     string
	spool   *spool.Spool
	release func()
}

// openHold locks the state directory and opens its spool. With shared it also opens the spool of a directory that
// another dwell has locked, which then uploads what is added.
func (a *app) openHold(settings *config.Loaded, shared bool) (*hold, error) {
	dir, err := settings.StateDir(a.Environ)
	if err != nil {
		return nil, err
	}
	release, err := schedule.Lock(dir)
	shared = shared && errors.Is(err, schedule.ErrLocked)
	if shared {
		release, err = func() {}, nil
	}
	if err != nil {
		return nil, err
	}
	sp, err := spool.Open(spool.Options{Dir: filepath.Join(dir, "spool"), MaxBytes: settings.State.SpoolBytes, Now: a.Now, Shared: shared})
	if err != nil {
		release()
		return nil, err
	}
	return &hold{dir: dir, spool: sp, release: release}, nil
}

// missingTemplates adds a hint if dwell is not installed.
func missingTemplates(err error) error {
	var missing *store.NotInstalledError
	if errors.As(err, &missing) {
		return hint(err, "run `dwell install` once, as an administrator of the cluster")
	}
	return err
}

// store writes a hunt and reports the result. A hunt that the cluster does not accept now waits in the state directory.
func (a *app) store(ctx context.Context, st *store.Store, settings *config.Loaded, r *pipeline.Result) error {
	var report store.Report
	held, err := a.openHold(settings, true)
	if err == nil {
		report, err = st.WriteOrHold(ctx, held.spool, r.Findings, r.Document)
		held.release()
	} else {
		a.say("dwell: note: this host cannot keep the hunt while it is stored: %v", err)
		report, err = st.Write(ctx, r.Findings, r.Document)
	}
	for _, n := range report.Notes {
		a.say("dwell: note: %s", n)
	}
	if report.Held != nil {
		a.warn("the hunt waits in %s for upload (the next `dwell hunt --write` or `dwell serve` stores it): %v", held.dir, report.Held)
	}
	if err != nil {
		return fmt.Errorf("store the hunt: %w", missingTemplates(err))
	}
	if report.Held != nil {
		return nil
	}
	a.say("dwell: hunt %s: %s", report.HuntID, stored(&report))
	for _, d := range report.Findings.Dead {
		a.warn("not stored: %v", d)
	}
	for _, err := range report.Undelivered {
		a.warn("alerts not handed on: %v", err)
	}
	if err := a.deliver(ctx, settings); err != nil {
		a.warn("alerts not delivered yet: %v", err)
	}
	if waits, _, err := a.undelivered(settings); err != nil {
		a.warn("%v", err)
	} else if waits != "" {
		a.warn("%s; the next `dwell hunt --write` or `dwell serve` delivers what waits", waits)
	}
	if len(report.Undelivered) > 0 {
		return codeError{exitFailed, "alerts are stored but cannot be handed on"}
	}
	if n := len(report.Findings.Dead); n > 0 {
		return codeError{exitFailed, fmt.Sprintf("%s refused by the cluster for good", hunt.Many(n, "finding"))}
	}
	return nil
}

// stored summarizes what was written.
func stored(r *store.Report) string {
	text := []string{fmt.Sprintf("%s stored", hunt.Many(r.Findings.Acked, "finding"))}
	if n := r.Findings.Existing; n > 0 {
		text = append(text, fmt.Sprintf("%s already stored", hunt.Count(n)))
	}
	if n := r.Alerts.Acked; n > 0 {
		text = append(text, fmt.Sprintf("%s raised", hunt.Many(n, "alert")))
	}
	if r.Replaces != "" {
		text = append(text, "replaces revision "+r.Replaces)
	}
	if r.Replayed > 0 {
		text = append(text, fmt.Sprintf("%s stored before it", hunt.Many(r.Replayed, "hunt from the spool")))
	}
	return strings.Join(text, ", ")
}
