package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"dwell/integration"
	"dwell/internal/config"
	"dwell/internal/pipeline"
	"dwell/so-config"
)

// openStore connects to where findings are kept.
func (a *app) openStore(settings *config.Loaded) (*integration.Store, error) {
	client, err := a.client(settings)
	if err != nil {
		return nil, err
	}
	return integration.New(client, integration.Options{Now: a.Now, Logger: a.logger()}), nil
}

// loadStore is openStore by the settings in force, for commands that need nothing else of them.
func (a *app) loadStore() (*integration.Store, error) {
	settings, err := a.load(nil)
	if err != nil {
		return nil, err
	}
	return a.openStore(settings)
}

// isDigest says whether a text is an id as hunt.Digest makes them: 32 hexadecimal digits.
func isDigest(s string) bool { return len(s) == 32 && strings.Trim(s, "0123456789abcdef") == "" }

// writer gives the store that --write needs, and refuses before the hunt what would be refused after it: missing
// templates, or credentials that may not even look.
func (a *app) writer(ctx context.Context, wanted bool, settings *config.Loaded) (*integration.Store, error) {
	if !wanted {
		return nil, nil
	}
	store, err := a.openStore(settings)
	if err != nil {
		return nil, err
	}
	return store, missingTemplates(store.Ready(ctx, soconfig.FindingStream, soconfig.HuntStream))
}

// missingTemplates says what to do where dwell was never installed.
func missingTemplates(err error) error {
	var missing *integration.NotInstalledError
	if errors.As(err, &missing) {
		return hint(err, "run `dwell install` once, as an administrator of the cluster")
	}
	return err
}

// store writes a hunt and says what became of it.
func (a *app) store(ctx context.Context, store *integration.Store, r *pipeline.Result) error {
	report, err := store.Write(ctx, r.Findings, r.Document)
	for _, n := range report.Notes {
		a.say("dwell: note: %s", n)
	}
	if err != nil {
		return fmt.Errorf("store the hunt: %w", missingTemplates(err))
	}
	f := report.Findings
	text := []string{fmt.Sprintf("%d findings stored", f.Acked)}
	if f.Existing > 0 {
		text = append(text, fmt.Sprintf("%d were there already", f.Existing))
	}
	if report.Replaces != "" {
		text = append(text, "replaces revision "+report.Replaces)
	}
	a.say("dwell: hunt %s: %s", report.HuntID, strings.Join(text, ", "))
	for _, d := range f.Dead {
		a.warn("not stored: %v", d)
	}
	if len(f.Dead) > 0 {
		return codeError{exitFailed, fmt.Sprintf("%d findings were refused by the cluster for good", len(f.Dead))}
	}
	return nil
}
