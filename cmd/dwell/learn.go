package main

import (
	"context"
	"fmt"
	"maps"
	"time"

	"dwell/internal/config"
	"dwell/internal/evidence/firstseen"
	"dwell/internal/hunt"
	"dwell/internal/pipeline"
)

// mayLearn rejects flags that make no sense without scoring.
func (f *huntFlags) mayLearn() error {
	for _, other := range []struct {
		flag  string
		given bool
	}{{"--write", f.write}, {"--fail-on", f.failOn != ""}, {"-o", f.format != ""}, {"--out", f.out != ""}, {"--explain", f.explain}} {
		if other.given {
			return usage("--remember-only finds nothing that %s could be about: leave one out", other.flag)
		}
	}
	return nil
}

// learn records when each destination of a window was seen, without hunting. From the cluster it also records the
// findings that hunts of that time stored.
func (a *app) learn(ctx context.Context, source hunt.Source, stored bool, o *pipeline.Options, settings *config.Loaded) error {
	path, err := a.firstSeenPath(settings)
	if err != nil {
		return err
	}
	var last firstseen.Fed
	added := 0
	keep := func(seen map[string]firstseen.Span) error {
		last, err = firstseen.Feed(path, maps.All(seen), a.Now())
		added += last.New
		if last.Broken != nil {
			a.warn("%v", last.Broken)
		}
		return err
	}
	bar := newProgress(a)
	o.Request.Progress = bar.update
	reading, err := firstseen.Learn(ctx, source, o.Request, keep)
	bar.done()
	if err != nil {
		return err
	}
	if stored {
		if seen := a.storedSpans(ctx, settings, reading.Window); len(seen) > 0 {
			if err := keep(seen); err != nil {
				return err
			}
		}
	}
	a.notes(reading.Notes)
	if last.Held == 0 {
		a.say("dwell: nothing was seen, so nothing is remembered: are the internal networks right (--internal), and the window (--from, --to, --since)?")
		return nil
	}
	a.say("dwell: %s records in %s: %s addresses, names, domains and findings are new; %s are remembered, back to %s",
		hunt.Count(reading.Records), reading.Window, hunt.Count(added), hunt.Count(last.Held), time.UnixMilli(last.Reach).UTC().Format(time.RFC3339))
	for _, g := range reading.Gaps {
		a.warn("INCOMPLETE: %s", g)
	}
	if n := len(reading.Gaps); n > 0 {
		return codeError{exitIncomplete, fmt.Sprintf("the window was not read in full (%s, above): what was seen is remembered, what is missing may count as new", hunt.Many(n, "gap"))}
	}
	return nil
}

// storedSpans are the first and last times of findings whose windows end in w. A failure is a warning only.
func (a *app) storedSpans(ctx context.Context, settings *config.Loaded, w hunt.Window) map[string]firstseen.Span {
	seen := map[string]firstseen.Span{}
	st, err := a.openStore(settings)
	if err == nil {
		err = st.FindingSpans(ctx, w.Start, w.End, func(id string, first, last int64) {
			seen[firstseen.FindingKey(id)] = firstseen.Span{First: first, Last: last}
		})
	}
	if err != nil {
		a.warn("first-seen times of stored hunts were not stored: %v", err)
	}
	return seen
}

// remember updates the first-seen store. A failure is a warning: the hunt is stored already.
func (a *app) remember(settings *config.Loaded, r *pipeline.Result) error {
	if r.Seen == nil {
		return nil
	}
	path, err := a.firstSeenPath(settings)
	if err == nil {
		_, err = firstseen.Feed(path, r.Seen, a.Now()) // the hunt's judge reported a broken file
	}
	if err != nil {
		a.warn("first-seen times of this hunt were not stored: %v", err)
	}
	return err
}
