package main

import (
	"context"
	"os"
	"path/filepath"

	"dwell/internal/config"
	"dwell/internal/evidence/intel"
	"dwell/internal/evidence/judges"
	"dwell/internal/pipeline"
	"dwell/internal/pipeline/rank"
	"dwell/internal/pipeline/rita"
)

// ranking is the configured scoring, with its evidence.
func (a *app) ranking(ctx context.Context, settings *config.Loaded) (pipeline.Ranking, error) {
	set := &judges.Set{}
	if settings.Evidence.Enabled {
		var err error
		if set, err = a.judges(ctx, settings); err != nil {
			return nil, err
		}
	}
	if settings.Hunt.Profile != rita.Profile {
		return rank.Ranking{Judges: set.List(), Weights: settings.ChangedWeights(),
			Servers: rank.Servers{Resolvers: settings.Hunt.Resolvers, TimeServers: settings.Hunt.TimeServers, Proxies: settings.Hunt.Proxies}}, nil
	}
	r := rita.Ranking{FirstSeen: set.FirstSeen, Missing: set.Missing}
	if set.Intel != nil {
		r.Indicators = set.Intel
	}
	return r, nil
}

func (a *app) judges(ctx context.Context, settings *config.Loaded) (*judges.Set, error) {
	s := judges.Settings{Catalogue: beside(settings, settings.Evidence.Catalogue, "catalogue.csv"), Intel: settings.Evidence.Intel,
		Feeds:   &intel.Feeds{Refresh: settings.Evidence.IntelRefresh, MaxAge: settings.Evidence.IntelMaxAge, Version: version, Now: a.Now},
		ASNFile: settings.Geo.ASNFile, CountryFile: settings.Geo.CountryFile}
	if path, err := a.firstSeenPath(settings); err == nil {
		s.FirstSeen = path
	}
	if dir, err := settings.StateDir(a.Environ); err == nil {
		s.Feeds.Dir = filepath.Join(dir, "feeds")
	}
	set, err := judges.Open(ctx, s)
	if err != nil {
		return nil, usageError{err}
	}
	return set, nil
}

func (a *app) firstSeenPath(settings *config.Loaded) (string, error) {
	dir, err := settings.StateDir(a.Environ)
	return filepath.Join(dir, "first-seen"), err
}

// beside is the configured file, or an existing one next to the configuration file.
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
