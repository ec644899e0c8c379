package main

import (
	"os"
	"path/filepath"

	"dwell/internal/catalogue"
	"dwell/internal/config"
	"dwell/internal/evidence"
	"dwell/internal/evidence/host"
	"dwell/internal/evidence/protocol"
	"dwell/internal/intel"
)

// judges are what weighs the findings of a hunt, in order: what speaks against a name has to be known before
// the name explains anything.
func (a *app) judges(settings *config.Loaded) ([]evidence.Judge, error) {
	known, err := catalogue.Load(beside(settings, settings.Evidence.Catalogue, "catalogue.csv"))
	if err != nil {
		return nil, usageError{err}
	}
	return []evidence.Judge{protocol.Judge{}, intel.Load(settings.Evidence.Intel), known, host.Judge{}}, nil
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
