package history

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"dwell/internal/atomicfile"
	"dwell/internal/hunt"
)

// pastFile has the results of earlier look-ups, so that a hunt looks up new findings only: a first check-in does not
// change. It is a cache: without it, everything is looked up again.
const pastFile = "first.json"

// remembered is the result for a candidate, Unix milliseconds.
type remembered struct {
	First int64 `json:"first"`
	// HistoryStart is the beginning of history at that time. Since then old hours may have been dropped.
	HistoryStart int64 `json:"kept"`
	// Upto is the newest commit that was searched.
	Upto int64 `json:"upto"`
	// Rhythm is the change point, 0 if none was found.
	Rhythm int64 `json:"rhythm,omitempty"`
	// Asked is when a hunt last wanted it.
	Asked int64 `json:"asked"`
}

const (
	// pastAge is how long a result is kept that no hunt wants, rhythmAge how long its change point is: a rhythm that
	// returns after a week has begun again.
	pastAge, rhythmAge = 180 * 24 * time.Hour, 7 * 24 * time.Hour
	// pastMost bounds the results, of about 150 bytes each.
	pastMost = 100_000
)

// Earliest is like [hunt.Session.Earliest]. It repeats a look-up only if older records have arrived since.
func (s *Store) Earliest(ctx context.Context, wanted map[hunt.PairKey]time.Time, before time.Time) (map[hunt.PairKey]hunt.Earliest, error) {
	s.mu.Lock()
	commits, spans := s.commits, s.spans
	s.mu.Unlock()
	oldest, _ := s.Oldest()
	known := s.remembered()
	now := s.o.Now().UnixMilli()
	var fresh []hunt.PairKey
	first := map[hunt.PairKey]int64{}
	for k, at := range wanted {
		r, ok := known[k.String()]
		if !ok || older(spans, &r) {
			fresh = append(fresh, k)
			if !at.IsZero() {
				first[k] = at.UnixMilli()
			}
		}
	}
	err := s.eachStart(ctx, fresh, before, func(k hunt.PairKey, at int64) {
		if was, ok := first[k]; !ok || at < was {
			first[k] = at
		}
	})
	if err != nil {
		return nil, err
	}
	out := map[hunt.PairKey]hunt.Earliest{}
	changed := map[string]remembered{}
	for k, own := range wanted {
		text := k.String()
		r, ok := known[text]
		if at, looked := first[k]; looked {
			if !ok || at < r.First {
				r.First, r.HistoryStart = at, oldest.UnixMilli()
			}
			r.Upto, ok = commits, true
		}
		if !ok || own.IsZero() && r.First >= before.UnixMilli() {
			continue
		}
		if now-r.Asked > rhythmAge.Milliseconds() {
			r.Rhythm = 0
		}
		r.Asked = now
		changed[text] = r
		p := hunt.Earliest{First: time.UnixMilli(r.First).UTC(), HistoryStart: time.UnixMilli(r.HistoryStart).UTC()}
		if r.Rhythm != 0 {
			p.RhythmSince = time.UnixMilli(r.Rhythm).UTC()
		}
		out[k] = p
	}
	return out, s.remember(ctx, changed)
}

// older says whether records that may be older than a candidate's first have arrived since it was looked up.
func older(spans []Span, r *remembered) bool {
	for i := range spans {
		if spans[i].Start >= r.First {
			break
		}
		for _, seg := range spans[i].Segments {
			if seg.Commit > r.Upto {
				return true
			}
		}
	}
	return false
}

// Began remembers change points, like [hunt.Session.Began].
func (s *Store) Began(ctx context.Context, since map[hunt.PairKey]time.Time) error {
	known := s.remembered()
	changed := map[string]remembered{}
	for k, at := range since {
		if r, ok := known[k.String()]; ok {
			r.Rhythm = at.UnixMilli()
			changed[k.String()] = r
		}
	}
	return s.remember(ctx, changed)
}

// remembered reads earlier results; none if the file cannot be read.
func (s *Store) remembered() map[string]remembered {
	known := map[string]remembered{}
	text, err := os.ReadFile(filepath.Join(s.dir, pastFile))
	if err != nil || json.Unmarshal(text, &known) != nil {
		return map[string]remembered{}
	}
	return known
}

// remember writes the results, unless another process writes the history: then they are looked up once more.
func (s *Store) remember(ctx context.Context, changed map[string]remembered) error {
	if len(changed) == 0 {
		return nil
	}
	release, err := atomicfile.TryLock(filepath.Join(s.dir, "lock"))
	if errors.Is(err, atomicfile.ErrLocked) || errors.Is(err, fs.ErrPermission) {
		return nil
	}
	if err != nil {
		return err
	}
	defer release()
	known := s.remembered()
	now := s.o.Now().UnixMilli()
	for k, r := range known {
		if now-r.Asked > pastAge.Milliseconds() || len(known) > pastMost && now-r.Asked > rhythmAge.Milliseconds() {
			delete(known, k)
		}
	}
	for k, r := range changed {
		if _, ok := known[k]; ok || len(known) < pastMost {
			known[k] = r
		}
	}
	text, err := json.Marshal(known)
	if err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return atomicfile.WriteBytes(filepath.Join(s.dir, pastFile), 0o600, text)
}
