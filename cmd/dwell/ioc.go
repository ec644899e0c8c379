package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"dwell/internal/config"
	"dwell/internal/evidence/intel"
	"dwell/internal/hunt"
)

// iocs are indicators for one hunt, from the command line: values, and files of them.
type iocs struct {
	given []string
	// lists are the names of the lists in hits.
	lists []string
	dir   string
}

// settle puts the indicators before the configured lists, so that a hit names them. Values go to a file that close
// removes.
func (i *iocs) settle(ctx context.Context, settings *config.Loaded) (err error) {
	if len(i.given) == 0 {
		return nil
	}
	if !settings.Evidence.Enabled {
		return usage("--ioc needs evidence: evidence.enabled is off")
	}
	var values, files []string
	for _, v := range i.given {
		if path, _, _ := strings.Cut(v, "#"); isFile(path) {
			files = append(files, v)
			continue
		}
		for _, kind := range []string{"ja3=", "ja4="} {
			v = strings.TrimPrefix(v, kind)
		}
		values = append(values, strings.TrimPrefix(v, "*."))
	}
	if len(values) > 0 {
		if i.dir, err = os.MkdirTemp("", "dwell-ioc-"); err != nil {
			return fmt.Errorf("keep the values of --ioc: %w", err)
		}
		path := filepath.Join(i.dir, "--ioc")
		if err := os.WriteFile(path, []byte(strings.Join(values, "\n")+"\n"), 0o600); err != nil {
			return fmt.Errorf("keep the values of --ioc: %w", err)
		}
		slices.Sort(values)
		for _, v := range slices.Compact(values) {
			one := filepath.Join(i.dir, "one")
			if err := os.WriteFile(one, []byte(v+"\n"), 0o600); err != nil {
				return fmt.Errorf("keep the values of --ioc: %w", err)
			}
			if intel.Load(ctx, []string{one}, nil).Len() != 1 {
				return hint(usage("--ioc %q is neither a file nor an indicator", v), "an address, a network, a domain, a JA3 or JA4 fingerprint or a certificate's hash; nothing private and no public suffix")
			}
		}
		files = append([]string{path}, files...)
	}
	for _, f := range files {
		path, _, _ := strings.Cut(f, "#")
		i.lists = append(i.lists, filepath.Base(path), path)
	}
	settings.Evidence.Intel = append(files, settings.Evidence.Intel...)
	return nil
}

// close removes what settle wrote.
func (i *iocs) close() {
	if i.dir != "" {
		_ = os.RemoveAll(i.dir) // a file of a few lines in the directory for temporary files
	}
}

// has reports whether a finding matches an indicator; without indicators every finding does.
func (i *iocs) has(f *hunt.Finding) bool {
	return len(i.given) == 0 || f.Dwell.Evidence != nil &&
		slices.ContainsFunc(f.Dwell.Evidence.Intel, func(h hunt.IntelHit) bool { return slices.Contains(i.lists, h.List) })
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}
