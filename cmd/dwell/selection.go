package main

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"dwell/internal/config"
	"dwell/internal/hunt"
)

// moment parses a time, in UTC unless it has a zone: 2026-11-22T10:00:00Z, 2026-11-22 10:00, 2026-11-22 (its start),
// today, yesterday, now, 24h (ago).
func moment(text string, now time.Time) (time.Time, error) {
	now = now.UTC()
	today := now.Truncate(24 * time.Hour)
	switch strings.ToLower(text) {
	case "now":
		return now, nil
	case "today":
		return today, nil
	case "yesterday":
		return today.AddDate(0, 0, -1), nil
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02 15:04:05", "2006-01-02 15:04", time.DateOnly} {
		if t, err := time.Parse(layout, text); err == nil {
			return t.UTC(), nil
		}
	}
	if ago, err := config.ParseDuration(strings.TrimPrefix(text, "-")); err == nil {
		return now.Add(-ago), nil
	}
	return time.Time{}, fmt.Errorf("%q is not a time, as in 2026-11-22T10:00:00Z, 2026-11-22, today, yesterday or 24h (ago)", text)
}

// wholeDay turns --day into --from and --to.
func (f *huntFlags) wholeDay(now time.Time) error {
	if f.day == "" {
		return nil
	}
	if f.from != "" || f.to != "" || f.wholeHunt.Changed("since") {
		return usage("--day is a whole day: leave --from, --to and --since out")
	}
	day, err := moment(f.day, now)
	if err != nil || !day.Equal(day.Truncate(24*time.Hour)) {
		return usage("--day %q is not a day, as in 2026-11-22, today or yesterday", f.day)
	}
	f.from, f.to = day.Format(time.RFC3339), day.AddDate(0, 0, 1).Format(time.RFC3339)
	return nil
}

// pick selects findings by --source and --destination.
type pick struct {
	source, destination string
	from, to            netip.Prefix
	name                string
}

func (p *pick) flags(set *pflag.FlagSet) {
	set.StringVar(&p.source, "source", "", "print findings with this source only: an `address` or a network")
	set.StringVar(&p.destination, "destination", "", "print findings with this destination only: an address, a network or a `name`; a name finds what is below it too")
}

func (p *pick) settle() (err error) {
	if p.source != "" {
		if p.from, err = config.ParsePrefix(p.source); err != nil {
			return usage("--source %q is neither an address nor a network, as in 10.1.4.22 or 10.1.4.0/24", p.source)
		}
	}
	if p.destination != "" {
		if p.to, err = config.ParsePrefix(p.destination); err != nil {
			p.name = strings.TrimPrefix(strings.ToLower(p.destination), "*.")
			if !isName(p.name) {
				return usage("--destination %q is not an address, a network or a name", p.destination)
			}
		}
	}
	return nil
}

// has reports whether a finding is selected.
func (p *pick) has(f *hunt.Finding) bool {
	if p.from.IsValid() && !p.from.Contains(f.Source.IP) {
		return false
	}
	if p.to.IsValid() && !p.to.Contains(f.Destination.IP) && !(f.Dwell.Evidence != nil && slices.ContainsFunc(f.Dwell.Evidence.Addresses, p.to.Contains)) {
		return false
	}
	within := func(name string) bool { return hunt.Within(strings.ToLower(name), p.name) }
	return p.name == "" || within(f.Destination.Domain) || f.Dwell.Evidence != nil && slices.ContainsFunc(f.Dwell.Evidence.Names, within)
}
