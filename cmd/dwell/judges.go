package main

import (
	"context"
	"os"
	"path/filepath"

	"dwell/internal/config"
	"dwell/internal/evidence"
	"dwell/internal/evidence/catalogue"
	"dwell/internal/evidence/firstseen"
	"dwell/internal/evidence/host"
	"dwell/internal/evidence/intel"
	"dwell/internal/evidence/owner"
	"dwell/internal/evidence/protocol"
)

// judges are what weighs the findings of a hunt, in order: what speaks against a name has to be known before
// the name explains anything.
func (a *app) judges(ctx context.Context, settings *config.Loaded) ([]evidence.Judge, error) {
	known, err := catalogue.Load(beside(settings, settings.Evidence.Catalogue, "catalogue.csv"))
	if err != nil {
		return nil, usageError{err}
	}
	judges := []evidence.Judge{}
	if path, err := a.firstSeenPath(settings); err == nil {
		store, err := firstseen.Open(path)
		judges = append(judges, firstseen.Judge{Store: store, Err: err})
	}
	feeds := &intel.Feeds{Refresh: settings.Evidence.IntelRefresh, MaxAge: settings.Evidence.IntelMaxAge, Version: version, Now: a.Now}
	if dir, err := settings.StateDir(a.Environ); err == nil {
		feeds.Dir = filepath.Join(dir, "feeds")
	}
	who := owner.Judge{Files: owner.Open(settings.Geo.ASNFile, settings.Geo.CountryFile)}
	return append(judges, protocol.Judge{}, who, intel.Load(ctx, settings.Evidence.Intel, feeds), known, host.Judge{}), nil
}

func (a *app) firstSeenPath(settings *config.Loaded) (string, error) {
	dir, err := settings.StateDir(a.Environ)
	return filepath.Join(dir, "first-seen"), err
}

// beside is the file that a setting names, else the one of that name beside the configuration file if it is there.
func beside(settings *config.Loaded, set, name string) string {
	if set != "" || settings.File == "" {
		return set
	}
	path := filepath.Join(filepath.Dir(settings.File), name)
	if _, err := os.Stat(path); err != nil {
		return ""
	}
	return path
}
